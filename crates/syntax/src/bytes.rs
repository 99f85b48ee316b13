//! From bytes to text.

use sluice_model::codes;
use sluice_model::finding::Finding;
use sluice_model::span::{FileId, Span};

/// Returns the text, or a finding that names the first byte that is not UTF-8.
pub(crate) fn decode_utf8(file: FileId, bytes: &[u8]) -> Result<&str, Box<Finding>> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error,
    };
    let at = error.valid_up_to();
    let line = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
    let (cause, help) = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => (
            "the byte order mark at the start says UTF-16".to_owned(),
            "save the file as UTF-8",
        ),
        _ => (
            format!(
                "the byte 0x{:02x} in line {line} begins no character",
                bytes[at]
            ),
            "save the file as UTF-8; it may be in Windows-1252 or ISO 8859-1 now",
        ),
    };
    let finding = Finding::error(
        codes::NOT_UTF8,
        Span::new(file, at, at),
        "the file is not UTF-8",
    )
    .with_note(cause)
    .with_help(help);
    Err(Box::new(finding))
}
