//! JSON, as `docs` promise it to programs.

use serde_json::{Value as Json, json};
use sluice_model::finding::{Edit, Finding, Findings, Fix};
use sluice_model::span::{Sources, Span};

use crate::render::{path, sorted};

/// Returns `{"findings": [...]}`. Lines and columns count from 1, columns in characters; `start`
/// and `end` of edits are offsets in bytes. What has no place has null for file, lines, columns.
pub fn json(findings: &Findings, sources: &Sources) -> Json {
    let findings: Vec<Json> = sorted(findings, sources)
        .into_iter()
        .map(|finding| one(finding, sources))
        .collect();
    json!({ "findings": findings })
}

fn one(finding: &Finding, sources: &Sources) -> Json {
    let place = finding.span.map(|span| Place::of(span, sources));
    json!({
        "code": finding.code.0,
        "severity": finding.severity.as_str(),
        "message": finding.message,
        "file": finding.span.map(|span| path(span, sources)),
        "line": place.as_ref().map(|place| place.line),
        "column": place.as_ref().map(|place| place.column),
        "end_line": place.as_ref().map(|place| place.end_line),
        "end_column": place.as_ref().map(|place| place.end_column),
        "help": finding.help,
        "fixes": finding.fixes.iter().map(|own| fix(own, sources)).collect::<Vec<_>>(),
    })
}

fn fix(fix: &Fix, sources: &Sources) -> Json {
    let edit = |edit: &Edit| {
        json!({
            "file": path(edit.span, sources),
            "start": edit.span.start,
            "end": edit.span.end,
            "text": edit.text,
        })
    };
    json!({ "title": fix.title, "edits": fix.edits.iter().map(edit).collect::<Vec<_>>() })
}

/// A span in lines and columns, both from 1; the end is behind the last character.
pub(super) struct Place {
    pub line: u32,
    pub column: u32,
    pub end_line: u32,
    pub end_column: u32,
}

impl Place {
    pub fn of(span: Span, sources: &Sources) -> Self {
        let source = sources.get(span.file);
        let start = source.line_column(span.start as usize);
        let end = source.line_column(span.end as usize);
        Self {
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
        }
    }
}
