//! SARIF 2.1.0 (OASIS Standard), which code hosts and editors read.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use sluice_model::finding::{Edit, Finding, Findings, Fix, Severity};
use sluice_model::span::{FileId, Sources, Span};

use crate::explain;
use crate::render::json::Place;
use crate::render::sorted;

/// Returns a log with one run. `version` is that of the program. Paths are relative to the
/// project's folder, which readers know as `%SRCROOT%`; columns count characters.
pub fn sarif(findings: &Findings, sources: &Sources, version: &str) -> Json {
    let findings = sorted(findings, sources);
    let mut codes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
    codes.sort();
    codes.dedup();
    let rules: Vec<Json> = codes
        .iter()
        .map(|code| {
            let page = explain::page(code.0).unwrap_or("");
            json!({
                "id": code.0,
                "shortDescription": { "text": explain::title(*code) },
                "help": { "text": page, "markdown": page },
            })
        })
        .collect();
    let results: Vec<Json> = findings
        .into_iter()
        .map(|finding| {
            let index = codes.iter().position(|code| *code == finding.code);
            result(finding, index, sources)
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "sluice", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(finding: &Finding, rule_index: Option<usize>, sources: &Sources) -> Json {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    };
    let mut result = json!({
        "ruleId": finding.code.0,
        "ruleIndex": rule_index,
        "level": level,
        "message": { "text": message(finding) },
    });
    if let Some(span) = finding.span {
        result["locations"] = json!([{ "physicalLocation": location(span, sources) }]);
    }
    let related: Vec<Json> = finding
        .labels
        .iter()
        .map(|label| {
            json!({
                "physicalLocation": location(label.span, sources),
                "message": { "text": label.text },
            })
        })
        .collect();
    if !related.is_empty() {
        result["relatedLocations"] = related.into();
    }
    if !finding.fixes.is_empty() {
        result["fixes"] = finding.fixes.iter().map(|own| fix(own, sources)).collect();
    }
    result
}

/// Returns all that a finding says in words: readers show nothing else.
fn message(finding: &Finding) -> String {
    let mut message = finding.message.clone();
    if !finding.label.is_empty() {
        message.push_str(&format!(": {}", finding.label));
    }
    for note in &finding.notes {
        message.push_str(&format!("\nnote: {note}"));
    }
    if let Some(help) = &finding.help {
        message.push_str(&format!("\nhelp: {help}"));
    }
    message
}

fn location(span: Span, sources: &Sources) -> Json {
    json!({ "artifactLocation": artifact(span.file, sources), "region": region(span, sources) })
}

fn artifact(file: FileId, sources: &Sources) -> Json {
    json!({ "uri": uri(&sources.get(file).path), "uriBaseId": "%SRCROOT%" })
}

fn region(span: Span, sources: &Sources) -> Json {
    let place = Place::of(span, sources);
    json!({
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    })
}

fn fix(fix: &Fix, sources: &Sources) -> Json {
    let mut files: BTreeMap<FileId, Vec<&Edit>> = BTreeMap::new();
    for edit in &fix.edits {
        files.entry(edit.span.file).or_default().push(edit);
    }
    let replacement = |edit: &&Edit| {
        json!({
            "deletedRegion": region(edit.span, sources),
            "insertedContent": { "text": edit.text },
        })
    };
    let changes: Vec<Json> = files
        .iter()
        .map(|(file, edits)| {
            json!({
                "artifactLocation": artifact(*file, sources),
                "replacements": edits.iter().map(replacement).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "description": { "text": fix.title }, "artifactChanges": changes })
}

/// Writes a path as a relative reference (RFC 3986 section 4.2): other bytes are percent-encoded.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
