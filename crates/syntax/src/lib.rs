//! YAML and JSON trees with spans and comments; byte splicing; the canonical form.
//!
//! The only parser of YAML and JSON in projects and contracts. Every node keeps its [`Span`]; a
//! tool that edits a file splices bytes by span and leaves every other byte alone.

use sluice_model::finding::Findings;
use sluice_model::span::{FileId, Span};

use crate::options::ParseOptions;
use crate::tree::Document;

mod bytes;
pub mod edit;
pub mod format;
mod json;
pub mod options;
mod pairs;
mod scalar;
#[cfg(test)]
mod testing;
pub mod tree;
mod yaml;

/// Reads a YAML file of a project: as [`parse_yaml_with`] and [`ParseOptions::project`].
pub fn parse_yaml(file: FileId, text: &str) -> (Document, Findings) {
    parse_yaml_with(file, text, &ParseOptions::project())
}

/// Reads a YAML 1.2 file.
///
/// After a syntax error the entry that holds it is left out, and the rest of the file is read: the
/// tree holds all that could be understood, the findings name every independent error.
pub fn parse_yaml_with(file: FileId, text: &str, options: &ParseOptions) -> (Document, Findings) {
    match options::check_size(file, text, options) {
        Ok(()) => yaml::parse(file, text, options),
        Err(finding) => (Document::empty(file), Findings::from(*finding)),
    }
}

/// Reads a JSON file of a project: as [`parse_json_with`] and [`ParseOptions::project`].
pub fn parse_json(file: FileId, text: &str) -> (Document, Findings) {
    parse_json_with(file, text, &ParseOptions::project())
}

/// Reads a JSON file (RFC 8259; a byte order mark at its start is allowed).
///
/// After a syntax error the reader goes on where what is meant is clear (a comma too many, single
/// quotes, a comment), so that one run names every independent error.
pub fn parse_json_with(file: FileId, text: &str, options: &ParseOptions) -> (Document, Findings) {
    match options::check_size(file, text, options) {
        Ok(()) => json::parse(file, text, options),
        Err(finding) => (Document::empty(file), Findings::from(*finding)),
    }
}

/// Returns the text of a file's bytes.
///
/// # Errors
/// A finding `NOT_UTF8` that names the first bad byte, and the encoding if it can be told.
pub fn decode_utf8(
    file: FileId,
    bytes: &[u8],
) -> Result<&str, Box<sluice_model::finding::Finding>> {
    bytes::decode_utf8(file, bytes)
}

/// Returns the span of a byte range that a parser gave as `usize`.
fn span(file: FileId, range: std::ops::Range<usize>) -> Span {
    Span::new(file, range.start, range.end)
}
