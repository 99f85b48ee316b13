//! JUnit XML, which build servers read.

use sluice_model::finding::{Finding, Findings, Severity};
use sluice_model::span::Sources;

use crate::render::{Counts, path, sorted};

/// Returns a test suite with a case for each finding, and a passed case for each file without one.
/// Errors fail; so do warnings if `deny_warnings`.
pub fn junit(findings: &Findings, sources: &Sources, deny_warnings: bool) -> String {
    let sorted = sorted(findings, sources);
    let counts = Counts::of(sorted.iter().copied());
    let failures = counts.errors + if deny_warnings { counts.warnings } else { 0 };
    let mut cases = String::new();
    for finding in &sorted {
        let failed = match finding.severity {
            Severity::Error => true,
            Severity::Warning => deny_warnings,
            Severity::Info => false,
        };
        cases.push_str(&case(finding, sources, failed));
    }
    let mut clean: Vec<&str> = sources
        .iter()
        .filter(|(id, _)| {
            !sorted
                .iter()
                .any(|finding| finding.span.is_some_and(|span| span.file == *id))
        })
        .map(|(_, source)| &*source.path)
        .collect();
    clean.sort_unstable();
    for file in &clean {
        let name = escaped(file);
        cases.push_str(&format!(
            "    <testcase classname=\"{name}\" name=\"check\"/>\n"
        ));
    }
    let tests = sorted.len() + clean.len();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites tests=\"{tests}\" failures=\"{failures}\">\n  \
         <testsuite name=\"sluice check\" tests=\"{tests}\" failures=\"{failures}\">\n\
         {cases}  </testsuite>\n</testsuites>\n"
    )
}

fn case(finding: &Finding, sources: &Sources, failed: bool) -> String {
    let (file, place) = match finding.span {
        Some(span) => {
            let start = sources.get(span.file).line_column(span.start as usize);
            let file = path(span, sources);
            (file, format!("{file}:{}:{}", start.line, start.column))
        }
        None => ("sluice.yaml", "the project".to_owned()),
    };
    let message = escaped(&finding.message);
    let mut details = format!(
        "{place}: {}[{}]: {}",
        finding.severity.as_str(),
        finding.code,
        finding.message
    );
    if !finding.label.is_empty() {
        details.push_str(&format!("\n{}", finding.label));
    }
    for note in &finding.notes {
        details.push_str(&format!("\nnote: {note}"));
    }
    if let Some(help) = &finding.help {
        details.push_str(&format!("\nhelp: {help}"));
    }
    let details = escaped(&details);
    let outcome = match failed {
        true => format!(
            "<failure type=\"{}\" message=\"{message}\">{details}</failure>",
            finding.code
        ),
        false => format!("<system-out>{details}</system-out>"),
    };
    format!(
        "    <testcase classname=\"{}\" name=\"{} {}\">{outcome}</testcase>\n",
        escaped(file),
        finding.code,
        escaped(&place),
    )
}

/// Escapes a text for XML 1.0; characters that XML cannot hold become the replacement character.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => {
                out.push(letter);
            }
            _ => out.push('\u{fffd}'),
        }
    }
    out
}
