//! The mappings of a project: their files, and what their headers declare.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sluice_model::codes;
use sluice_model::finding::did_you_mean;
use sluice_model::span::{FileId, Span};

use crate::names::is_identifier;
use crate::project::FileKind;
use crate::work::Work;

/// The endings of mapping languages that the design has and this build does not run.
const LATER: &[&str] = &[".mapping.yaml", ".jolt.json", ".jq", ".xslt", ".dwl"];

/// All mappings, by name.
#[derive(Debug, Default)]
pub(crate) struct Mappings {
    by_name: BTreeMap<Arc<str>, Mapping>,
    /// Files in a language that this build does not run: name and ending.
    later: BTreeMap<Arc<str>, &'static str>,
    /// Files that cannot be read, which is told.
    broken: BTreeSet<Arc<str>>,
}

/// A mapping in JSONata.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    /// The file.
    pub file: FileId,
    /// The whole text; the header is a comment of the language.
    pub text: Arc<str>,
    /// `@from`: the type of its input.
    pub from: Option<Declared>,
    /// `@to`: the type of its output.
    pub to: Option<Declared>,
    /// `@given`: further inputs.
    pub given: Vec<(Arc<str>, Declared)>,
    /// `@dynamic`: the reference's semantics.
    pub dynamic: bool,
}

/// A type as a header names it.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    /// `contracts/FILE#Name`.
    pub name: Arc<str>,
    /// Where it stands.
    pub span: Span,
}

impl Mappings {
    /// Reads the headers of all mappings.
    pub fn read(work: &mut Work<'_>) -> Self {
        let mut all = Mappings::default();
        let parsed = work.parsed;
        for file in parsed.of_kind(FileKind::Mapping) {
            let name = file.path.strip_prefix("mappings/").unwrap_or(&file.path);
            if file.broken {
                let stem = name.split('.').next().unwrap_or(name);
                all.broken.insert(stem.into());
            } else if let Some(stem) = name.strip_suffix(".jsonata") {
                let text = Arc::clone(&parsed.sources.get(file.id).text);
                let mapping = read_header(work, file.id, text);
                check_syntax(work, &mapping);
                all.by_name.insert(stem.into(), mapping);
            } else if let Some(ending) = LATER.iter().find(|ending| name.ends_with(**ending)) {
                all.later
                    .insert(name.trim_end_matches(ending).into(), ending);
            }
        }
        all
    }

    /// Returns all of them with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Mapping)> {
        self.by_name.iter()
    }

    /// Returns the mapping `name`; `None` if there is none, which is a finding at `span` then.
    pub fn get(&self, work: &mut Work<'_>, name: &str, span: Span) -> Option<&Mapping> {
        if let Some(mapping) = self.by_name.get(name) {
            return Some(mapping);
        }
        if let Some(ending) = self.later.get(name) {
            let message = format!("mappings in `*{ending}` are not built yet");
            crate::not_yet::refused(work, span, &message);
            return None;
        }
        if self.broken.contains(name) {
            return None;
        }
        let near = did_you_mean(name, self.by_name.keys().map(|name| &**name));
        let finding = work.error(
            codes::UNKNOWN_REFERENCE,
            span,
            format!("there is no mapping `{name}`"),
        );
        match near {
            Some(near) => {
                finding.help = Some(format!("did you mean `{near}`?"));
                finding
                    .fixes
                    .push(crate::fix::replace(format!("use `{near}`"), span, near));
            }
            None => {
                finding.help = Some(if name.ends_with(".jsonata") {
                    "leave the ending out".to_owned()
                } else {
                    format!("add `mappings/{name}.jsonata`")
                });
            }
        }
        None
    }
}

/// Tells what is wrong with the syntax, also of a mapping that no flow uses.
fn check_syntax(work: &mut Work<'_>, mapping: &Mapping) {
    let leaf = crate::tree::Leaf::file(mapping.file, Arc::clone(&mapping.text));
    for error in sluice_mapping::parse::parse(&mapping.text).1 {
        let span = leaf.span_of(error.range);
        work.error(codes::EXPRESSION_SYNTAX, span, error.message)
            .help = Some(error.help);
    }
}

/// Reads the tags of a leading `/** ... */`.
fn read_header(work: &mut Work<'_>, file: FileId, text: Arc<str>) -> Mapping {
    let mut mapping = Mapping {
        file,
        text: Arc::clone(&text),
        from: None,
        to: None,
        given: Vec::new(),
        dynamic: false,
    };
    let lead = text.len() - text.trim_start().len();
    let Some(comment) = text[lead..].strip_prefix("/**") else {
        return mapping;
    };
    let Some(end) = comment.find("*/") else {
        return mapping;
    };
    let base = lead + 3;
    let mut at = 0;
    for line in comment[..end].split_inclusive('\n') {
        let start = base + at;
        at += line.len();
        let body = line.trim_start_matches([' ', '\t', '*']);
        if !body.starts_with('@') {
            continue;
        }
        let tag_start = start + (line.len() - body.len());
        read_tag(work, &mut mapping, body.trim_end(), tag_start);
    }
    mapping
}

fn read_tag(work: &mut Work<'_>, mapping: &mut Mapping, body: &str, start: usize) {
    let file = mapping.file;
    let words = words(body);
    let span_of =
        |word: &(usize, &str)| Span::new(file, start + word.0, start + word.0 + word.1.len());
    let declared = |word: &(usize, &str)| Declared {
        name: word.1.into(),
        span: span_of(word),
    };
    match words.as_slice() {
        [(_, "@from"), ty] => mapping.from = Some(declared(ty)),
        [(_, "@to"), ty] => mapping.to = Some(declared(ty)),
        [(_, "@dynamic"), ..] => mapping.dynamic = true,
        [(_, "@given"), name, ty] if is_identifier(name.1) => {
            mapping.given.push((name.1.into(), declared(ty)));
        }
        [tag, ..] => {
            let known = ["@from", "@to", "@given", "@dynamic"];
            let message = if known.contains(&tag.1) {
                format!("`{}` is not written like this", tag.1)
            } else {
                format!("there is no tag `{}`", tag.1)
            };
            let near = did_you_mean(tag.1, known);
            let span = span_of(tag);
            let finding = work.error(codes::UNKNOWN_KEY, span, message);
            finding.help = Some(
                "tags are `@from TYPE`, `@to TYPE`, `@given NAME TYPE` and `@dynamic`; a type is \
                 `contracts/FILE#Name`"
                    .to_owned(),
            );
            if let Some(near) = near.filter(|near| *near != tag.1) {
                finding
                    .fixes
                    .push(crate::fix::replace(format!("use `{near}`"), span, near));
            }
        }
        [] => {}
    }
}

/// The words of a line with their offsets.
fn words(line: &str) -> Vec<(usize, &str)> {
    line.split_whitespace()
        .map(|word| (word.as_ptr() as usize - line.as_ptr() as usize, word))
        .collect()
}
