//! What the tests of this crate share: contracts from a text, findings as people read them.

use std::fmt::Write as _;

use sluice_model::finding::Findings;
use sluice_model::span::{Sources, Span};
use sluice_model::types::Type;

use crate::contract::{Contract, ContractFile};

/// Several files of one project.
pub(crate) struct Project {
    pub sources: Sources,
}

impl Project {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let mut sources = Sources::default();
        for (path, text) in files {
            sources.add(path, text);
        }
        Self { sources }
    }

    /// Reads the first file.
    pub fn read(&self) -> (Contract, Findings) {
        let (first, _) = self.sources.iter().next().expect("a project has a file");
        let file = ContractFile::of(&self.sources, first);
        Contract::read(&file, &mut |path| {
            let id = self.sources.find(path)?;
            Some(ContractFile::of(&self.sources, id))
        })
    }

    /// Writes findings: place, severity, code, message, the text at the place, notes and help.
    pub fn show(&self, findings: &Findings) -> String {
        let mut sorted = findings.clone();
        sorted.sort();
        let mut out = String::new();
        for finding in sorted.iter() {
            let place = finding
                .span
                .map_or_else(String::new, |span| self.place(span));
            let severity = finding.severity.as_str();
            writeln!(
                out,
                "{place} {severity} {}: {}",
                finding.code, finding.message
            )
            .expect("a text takes any text");
            for label in &finding.labels {
                let place = self.place(label.span);
                writeln!(out, "    {}: {place}", label.text).expect("a text takes any text");
            }
            if let Some(help) = &finding.help {
                writeln!(out, "    help: {help}").expect("a text takes any text");
            }
        }
        out
    }

    fn place(&self, span: Span) -> String {
        let source = self.sources.get(span.file);
        let start = source.line_column(span.start as usize);
        let text: String = self.sources.text(span).chars().take(30).collect();
        let text = text.lines().next().unwrap_or("");
        format!("{}:{} `{text}`", start.line, start.column)
    }
}

/// Writes a type, references followed once.
pub(crate) fn show_type(ty: &Type) -> String {
    ty.resolved().to_string()
}
