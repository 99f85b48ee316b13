//! Findings as text, JSON, SARIF and JUnit. All of them are in one stable order: by file, place,
//! code and message; what has no place comes first.

use sluice_model::finding::{Finding, Findings, Severity};
use sluice_model::span::{Sources, Span};

mod json;
mod junit;
mod sarif;
mod text;

#[cfg(test)]
mod tests;

pub use json::json;
pub use junit::junit;
pub use sarif::sarif;
pub use text::{Text, text};

/// How many findings of each severity there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// What is told only.
    pub infos: usize,
}

impl Counts {
    /// Counts findings.
    pub fn of<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> Self {
        let mut counts = Self::default();
        for finding in findings {
            match finding.severity {
                Severity::Error => counts.errors += 1,
                Severity::Warning => counts.warnings += 1,
                Severity::Info => counts.infos += 1,
            }
        }
        counts
    }

    /// Says them in words, of so many files: `3 errors, 1 warning in 12 files`.
    pub fn in_words(self, files: usize) -> String {
        let count = |count: usize, one: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            more => Some(format!("{more} {one}s")),
        };
        let parts = [
            count(self.errors, "error"),
            count(self.warnings, "warning"),
            count(self.infos, "note"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let said = match parts.is_empty() {
            true => "no findings".to_owned(),
            false => parts.join(", "),
        };
        let files = count(files, "file").unwrap_or_else(|| "no file".to_owned());
        format!("{said} in {files}")
    }
}

/// Returns the findings in the order of outputs, exact doubles dropped.
fn sorted<'f>(findings: &'f Findings, sources: &Sources) -> Vec<&'f Finding> {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    let key = |finding: &Finding| {
        finding.span.map(|span| {
            let path = std::sync::Arc::clone(&sources.get(span.file).path);
            (path, span.start, span.end)
        })
    };
    sorted.sort_by_cached_key(|finding| (key(finding), finding.code, finding.message.clone()));
    sorted.dedup();
    sorted
}

/// Returns the path of the file that a span lies in.
fn path(span: Span, sources: &Sources) -> &str {
    &sources.get(span.file).path
}
