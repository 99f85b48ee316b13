//! Reading JSON.
use crate::options::ParseOptions;
use crate::tree::Document;
use sluice_model::finding::Findings;
use sluice_model::span::FileId;
pub(crate) fn parse(file: FileId, text: &str, options: &ParseOptions) -> (Document, Findings) {
    crate::yaml::parse(file, text, options)
}
