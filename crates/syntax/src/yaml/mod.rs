//! Reading YAML 1.2 by `granit-parser`.

use sluice_model::finding::Findings;
use sluice_model::span::FileId;

use crate::options::ParseOptions;
use crate::tree::Document;

mod build;
mod unquote;

/// Reads a text whose size is within the limit.
pub(crate) fn parse(file: FileId, text: &str, options: &ParseOptions) -> (Document, Findings) {
    let pass = build::read(file, text, options);
    let mut findings = pass.findings;
    if let Some(error) = pass.error {
        let at = error.marker().byte_offset().unwrap_or(0);
        findings.push(sluice_model::finding::Finding::error(
            sluice_model::codes::SYNTAX,
            crate::span(file, at..at),
            error.info(),
        ));
    }
    (pass.document, findings)
}
