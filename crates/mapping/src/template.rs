//! Splits a text with holes into texts and the ranges of its expressions.

use crate::ast::TextRange;
use crate::parse::SyntaxError;

/// A part of a text with holes.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// Stands as it is, `{{` and `}}` turned into braces.
    Text(String),
    /// Where the expression of a hole stands.
    Hole(TextRange),
}

/// Returns the parts, and an error for each brace without its other one.
///
/// What stands in a hole is not looked into: it may be empty, or no expression.
pub fn parts(source: &str) -> Vec<Result<Part, SyntaxError>> {
    let bytes = source.as_bytes();
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &source[at..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            text.push_str(&rest[..1]);
            at += 2;
        } else if rest.starts_with('}') {
            parts.push(Err(unpaired(at, "a `}` closes no hole")));
            at += 1;
        } else if rest.starts_with('{') {
            if !text.is_empty() {
                parts.push(Ok(Part::Text(std::mem::take(&mut text))));
            }
            match hole_end(bytes, at + 1) {
                Some(end) => {
                    parts.push(Ok(Part::Hole(TextRange::new(at + 1, end))));
                    at = end + 1;
                }
                None => {
                    parts.push(Err(unpaired(at, "a `{` opens a hole that is not closed")));
                    return parts;
                }
            }
        } else {
            let length = rest.find(['{', '}']).unwrap_or(rest.len());
            text.push_str(&rest[..length]);
            at += length;
        }
    }
    if !text.is_empty() {
        parts.push(Ok(Part::Text(text)));
    }
    parts
}

fn unpaired(at: usize, message: &str) -> SyntaxError {
    SyntaxError {
        code: "S0203",
        message: message.to_owned(),
        range: TextRange::new(at, at + 1),
        help: "write `{{` or `}}` for a brace in the text".to_owned(),
    }
}

/// Returns the offset of the brace that closes a hole: braces in quotes and comments do not count.
fn hole_end(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut depth) = (start, 0);
    while let Some(byte) = bytes.get(at).copied() {
        match byte {
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            b'{' => depth += 1,
            b'"' | b'\'' | b'`' => {
                at += 1;
                while bytes.get(at).is_some_and(|own| *own != byte) {
                    at += if bytes[at] == b'\\' && byte != b'`' {
                        2
                    } else {
                        1
                    };
                }
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                let close = bytes[at + 2..].windows(2).position(|pair| pair == b"*/")?;
                at += close + 3;
            }
            _ => {}
        }
        at += 1;
    }
    None
}
