//! Reading YAML 1.2 by `granit-parser`.

use sluice_model::finding::Findings;
use sluice_model::span::FileId;

use crate::options::ParseOptions;
use crate::tree::Document;

mod build;
mod diagnose;
pub(crate) mod lines;
mod recover;
#[cfg(test)]
mod tests;
mod unquote;

/// Reads a text whose size is within the limit.
pub(crate) fn parse(file: FileId, text: &str, options: &ParseOptions) -> (Document, Findings) {
    recover::read(file, text, options)
}
