//! Text for people, in rustc's manner.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level, Origin, Patch, Renderer, Snippet,
};
use sluice_model::finding::{Edit, Finding, Findings, Fix, Severity};
use sluice_model::span::{FileId, Source, Sources, Span};

use crate::render::{Counts, path, sorted};

/// The longest line that is shown, in bytes; of a longer one only the place is told.
const LINE_BYTES_MAX: usize = 4096;
/// The most lines between two labels that are shown in one piece.
const LINES_APART_MAX: usize = 200;
/// The most codes that the last line names.
const CODES_NAMED_MAX: usize = 4;

/// How text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// Whether colours are written, as ANSI escape sequences.
    pub colors: bool,
    /// The width of a line in columns; longer source lines are cut around what is underlined.
    pub width: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            colors: false,
            width: 140,
        }
    }
}

/// Writes findings for people: each with its place, the source underlined, causes, what to do, and
/// the changed lines of its fixes; then where to read more, and how many there are in how many
/// files.
pub fn text(findings: &Findings, sources: &Sources, files: usize, options: Text) -> String {
    let renderer = match options.colors {
        true => Renderer::styled(),
        false => Renderer::plain(),
    }
    .decor_style(DecorStyle::Ascii)
    .term_width(options.width.max(40));
    let findings_sorted = sorted(findings, sources);
    let mut out = String::new();
    for finding in &findings_sorted {
        out.push_str(&renderer.render(&groups(finding, sources)));
        out.push_str("\n\n");
    }
    let mut codes: Vec<&str> = findings_sorted
        .iter()
        .map(|finding| finding.code.0)
        .collect();
    codes.sort_unstable();
    codes.dedup();
    if let Some(first) = codes.first() {
        let rest: Vec<_> = codes.iter().skip(1).take(CODES_NAMED_MAX - 1).collect();
        out.push_str(&format!("for more: `sluice explain {first}`"));
        for code in &rest {
            out.push_str(&format!(", `{code}`"));
        }
        if rest.len() + 1 < codes.len() {
            out.push_str(", ...");
        }
        out.push('\n');
    }
    let counts = Counts::of(findings_sorted.iter().copied());
    let level = match (counts.errors, counts.warnings) {
        (0, 0) => Level::NOTE.with_name("ok"),
        (0, _) => Level::WARNING,
        _ => Level::ERROR,
    };
    let last = Group::with_title(level.primary_title(counts.in_words(files)));
    out.push_str(&renderer.render(&[last]));
    out.push('\n');
    out
}

/// Returns a finding as the renderer takes it: the finding itself, then one group for each fix.
fn groups<'f>(finding: &'f Finding, sources: &'f Sources) -> Vec<Group<'f>> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let title = level.primary_title(&finding.message).id(finding.code.0);
    let mut group = Group::with_title(title);
    for part in parts(finding, sources) {
        group = match part.window {
            Some(window) => group.element(
                Snippet::source(&part.source.text[window.range.clone()])
                    .line_start(window.line)
                    .path(&*part.source.path)
                    .annotations(part.labels.iter().map(|label| label.annotation(&window))),
            ),
            None => {
                let place = part.source.line_column(part.labels[0].range.start);
                group.element(
                    Origin::path(&*part.source.path)
                        .line(place.line as usize)
                        .char_column(place.column as usize),
                )
            }
        };
    }
    for note in &finding.notes {
        group = group.element(Level::NOTE.message(note));
    }
    let said_by_fix = |help: &str| finding.fixes.iter().any(|fix| fix.title == help);
    if let Some(help) = finding.help.as_deref().filter(|help| !said_by_fix(help)) {
        group = group.element(Level::HELP.message(help));
    }
    let mut groups = vec![group];
    groups.extend(finding.fixes.iter().map(|fix| fix_group(fix, sources)));
    groups
}

/// Returns a fix with the lines that it changes.
fn fix_group<'f>(fix: &'f Fix, sources: &'f Sources) -> Group<'f> {
    let mut group = Group::with_title(Level::HELP.secondary_title(&fix.title));
    let mut files: Vec<FileId> = fix.edits.iter().map(|edit| edit.span.file).collect();
    files.sort();
    files.dedup();
    for file in files {
        let source = sources.get(file);
        let mut edits: Vec<&Edit> = fix.edits.iter().filter(|e| e.span.file == file).collect();
        edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
        let ranges: Vec<Range<usize>> = edits.iter().map(|e| clamped(e.span, source)).collect();
        let Some(window) = Window::around(source, &ranges) else {
            continue;
        };
        let patches = edits
            .iter()
            .zip(&ranges)
            .map(|(edit, range)| Patch::new(window.relative(range.clone()), edit.text.as_str()));
        group = group.element(
            Snippet::source(&source.text[window.range.clone()])
                .line_start(window.line)
                .path(path(edits[0].span, sources))
                .patches(patches),
        );
    }
    group
}

/// A label of a finding.
struct Shown<'f> {
    range: Range<usize>,
    kind: AnnotationKind,
    text: &'f str,
}

impl<'f> Shown<'f> {
    fn annotation(&self, window: &Window) -> Annotation<'f> {
        let annotation = self.kind.span(window.relative(self.range.clone()));
        match self.text {
            "" => annotation,
            text => annotation.label(text),
        }
    }
}

/// Labels of one file that are near to each other.
struct Part<'f> {
    source: &'f Source,
    labels: Vec<Shown<'f>>,
    window: Option<Window>,
}

/// Returns the pieces of source that a finding shows, that of its own place first.
fn parts<'f>(finding: &'f Finding, sources: &'f Sources) -> Vec<Part<'f>> {
    let own = finding
        .span
        .map(|span| (span, AnnotationKind::Primary, finding.label.as_str()));
    let others = finding
        .labels
        .iter()
        .map(|label| (label.span, AnnotationKind::Context, label.text.as_str()));
    let mut parts: Vec<(FileId, Part<'f>)> = Vec::new();
    for (span, kind, text) in own.into_iter().chain(others) {
        let source = sources.get(span.file);
        let label = Shown {
            range: clamped(span, source),
            kind,
            text,
        };
        let near = parts.iter_mut().find(|(file, part)| {
            *file == span.file && is_near(source, &part.labels[0].range, &label.range)
        });
        match near {
            Some((_, part)) => part.labels.push(label),
            None => {
                let labels = vec![label];
                let part = Part {
                    source,
                    labels,
                    window: None,
                };
                parts.push((span.file, part));
            }
        }
    }
    let windowed = |(_, mut part): (FileId, Part<'f>)| {
        let ranges: Vec<_> = part
            .labels
            .iter()
            .map(|label| label.range.clone())
            .collect();
        part.window = Window::around(part.source, &ranges);
        part
    };
    parts.into_iter().map(windowed).collect()
}

/// Returns the bytes of a span, moved to what the text has: a finding about a file that has changed
/// since must not end the process.
fn clamped(span: Span, source: &Source) -> Range<usize> {
    let floor = |offset: usize| {
        let mut offset = offset.min(source.text.len());
        while !source.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    };
    let range = span.range();
    floor(range.start)..floor(range.end).max(floor(range.start))
}

fn is_near(source: &Source, a: &Range<usize>, b: &Range<usize>) -> bool {
    let between = &source.text[a.start.min(b.start)..a.end.max(b.end)];
    between.lines().nth(LINES_APART_MAX).is_none()
}

/// The lines around some ranges: the renderer looks at no others, so that a finding in a large
/// file costs no more than one in a small file.
#[derive(Debug, Clone)]
struct Window {
    range: Range<usize>,
    /// The number of the first line.
    line: usize,
}

impl Window {
    /// Returns the lines that the ranges touch; `None` if one of them is too long to be shown.
    fn around(source: &Source, ranges: &[Range<usize>]) -> Option<Self> {
        let text = &*source.text;
        let first = ranges.iter().map(|range| range.start).min()?;
        let last = ranges.iter().map(|range| range.end).max()?;
        let start = text[..first].rfind('\n').map_or(0, |at| at + 1);
        let end = text[last..]
            .find('\n')
            .map_or(text.len(), |at| last + at + 1);
        let fits = text[start..end]
            .lines()
            .all(|line| line.len() <= LINE_BYTES_MAX);
        fits.then(|| Self {
            range: start..end,
            line: source.line_column(first).line as usize,
        })
    }

    fn relative(&self, range: Range<usize>) -> Range<usize> {
        range.start - self.range.start..range.end - self.range.start
    }
}
