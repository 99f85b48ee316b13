//! What several tests of this crate need.

use std::fmt::Write;
use std::path::PathBuf;

use proptest::prelude::ProptestConfig;
use sluice_model::finding::{Findings, Severity};
use sluice_model::span::{FileId, Source};

use crate::tree::{Node, NodeKind};

/// Returns a folder of the test corpora; `None`, after saying so, if they are not there.
pub(crate) fn corpus(test: &str, name: &str) -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test has no command line to be told by"
    )]
    let (place, ci) = (std::env::var_os("SLUICE_CORPORA"), std::env::var_os("CI"));
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora");
    let folder = place
        .map_or_else(|| PathBuf::from(default), PathBuf::from)
        .join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(ci.is_none_or(|ci| ci != "true"), "the corpora are missing");
    println!("not run: {test}: corpora missing");
    None
}

/// Returns all files below `folder` with one of these extensions, sorted.
pub(crate) fn files_below(folder: PathBuf, extensions: &[&str]) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the corpus is readable") {
            let path = entry.expect("the corpus is readable").path();
            let extension = path.extension().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                folders.push(path);
            } else if extensions.contains(&&*extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Shows a tree in one line.
pub(crate) fn show_tree(node: &Node) -> String {
    match &node.kind {
        NodeKind::Scalar(_) if node.is_absent() => "_".to_owned(),
        NodeKind::Scalar(scalar) => match scalar.value().as_str() {
            Some(text) => format!("{text:?}"),
            None => scalar.text.to_string(),
        },
        NodeKind::List(items) => {
            let items: Vec<String> = items.iter().map(show_tree).collect();
            format!("[{}]", items.join(", "))
        }
        NodeKind::Map(map) => {
            let entries = map.entries.iter();
            let entries: Vec<String> = entries
                .map(|entry| format!("{:?}: {}", entry.key.text, show_tree(&entry.value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// Shows findings: code, place, the source there, and all that is said.
pub(crate) fn show_findings(text: &str, findings: &Findings) -> String {
    let source = Source::new("", text);
    let mut shown = String::new();
    for finding in findings.iter() {
        let span = finding.span.expect("a finding of a file has a place");
        let place = source.line_column(span.start as usize);
        let severity = match finding.severity {
            Severity::Error => "",
            Severity::Warning | Severity::Info => finding.severity.as_str(),
        };
        let at = text.get(span.range()).expect("a span lies on characters");
        let (line, column) = (place.line, place.column);
        writeln!(
            shown,
            "{} {severity}{line}:{column} {at:?}: {}",
            finding.code, finding.message
        )
        .expect("a string takes all");
        for label in &finding.labels {
            let place = source.line_column(label.span.start as usize);
            let (line, column) = (place.line, place.column);
            writeln!(shown, "  at {line}:{column}: {}", label.text).expect("a string takes all");
        }
        for note in &finding.notes {
            writeln!(shown, "  note: {note}").expect("a string takes all");
        }
        if let Some(help) = &finding.help {
            writeln!(shown, "  help: {help}").expect("a string takes all");
        }
        for fix in &finding.fixes {
            let edits: Vec<String> = fix
                .edits
                .iter()
                .map(|edit| format!("{:?} -> {:?}", &text[edit.span.range()], edit.text))
                .collect();
            writeln!(shown, "  fix: {}: {}", fix.title, edits.join("; ")).expect("a string");
        }
    }
    shown
}

/// Applies the first fix of each finding.
pub(crate) fn apply_fixes(text: &str, findings: &Findings) -> String {
    let fixes = findings.iter().filter_map(|finding| finding.fixes.first());
    let mut edits: Vec<_> = fixes.flat_map(|fix| fix.edits.clone()).collect();
    edits.sort_by_key(|edit| edit.span);
    edits.iter().rev().fold(text.to_owned(), |mut text, edit| {
        text.replace_range(edit.span.range(), &edit.text);
        text
    })
}

/// Checks that each scalar's map leads to places in its own span, ascending, and that what stands
/// there unescaped is its text.
pub(crate) fn check_map(source: &str, node: &Node) {
    match &node.kind {
        NodeKind::List(items) => items.iter().for_each(|item| check_map(source, item)),
        NodeKind::Map(map) => map
            .entries
            .iter()
            .for_each(|entry| check_map(source, &entry.value)),
        NodeKind::Scalar(scalar) => {
            let mut last = node.span.start;
            for (index, sign) in scalar.text.char_indices() {
                let end = index + sign.len_utf8();
                let span = scalar.span_of(FileId(0), index..end);
                assert!(
                    last <= span.start && span.start <= span.end,
                    "{node:?}: {span:?}"
                );
                assert!(
                    span.end <= node.span.end,
                    "{node:?}: {span:?} beyond its end"
                );
                last = span.end;
                let written = source.get(span.range()).expect("a span lies on characters");
                let same = written.starts_with(sign);
                let escaped = written.starts_with('\\') || written.starts_with('\'');
                let folded = sign.is_whitespace()
                    && (written.is_empty() || written.replace('\\', "").trim().is_empty());
                assert!(
                    same || escaped || folded,
                    "{sign:?} is {written:?} in {node:?}"
                );
            }
        }
    }
}

/// Returns the settings of a property test: at least `cases`, more by `PROPTEST_CASES`.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = default.cases.max(cases);
    ProptestConfig {
        cases,
        max_global_rejects: cases.saturating_mul(4),
        failure_persistence: None,
        ..default
    }
}
