//! The JSON text form of values (RFC 8259): one strict reader and one writer for the whole product.
//!
//! [`read`] takes what a program does not need of a document out while it reads: a field that the
//! [`Projection`] leaves out costs a scan, not a value. Texts without escapes borrow from the
//! input, integers and short decimals need no allocation, every other number keeps its literal.
//!
//! Where RFC 8259 leaves a choice:
//! - a byte order mark at the start is skipped (section 8.1);
//! - of two fields with one key the later value stands at the earlier field's place (section 4);
//! - a lone surrogate is refused, since a text is UTF-8 (section 8.2);
//! - numbers of any size are read as they are written (section 6);
//! - depth and size are limited (section 9), see [`Limits`].

mod read;
#[cfg(test)]
mod tests;
mod write;

use crate::fault::Fault;
use crate::projection::Projection;
use crate::value::Value;

pub use write::{to_string, write, write_pretty};

/// The largest [`Limits::depth`] that counts: each level takes some stack.
pub const DEPTH_MAX: usize = 512;

/// How large a document may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most lists and records that may lie in each other; 128 by default, never more than
    /// [`DEPTH_MAX`].
    pub depth: usize,
    /// The most bytes that a document may have; 16 MiB by default.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 128,
            bytes: 16 * 1024 * 1024,
        }
    }
}

/// Why a text is not JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// Offset of the offending byte; the length of the input if something is missing at its end.
    pub offset: usize,
    /// Line of that byte, from 1.
    pub line: u32,
    /// Column of that byte in characters, from 1.
    pub column: u32,
    /// What is wrong and what was expected.
    pub message: String,
    /// The value it lies in, as a JSON Pointer (RFC 6901); empty for the document itself.
    pub pointer: String,
}

impl std::fmt::Display for JsonError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.message
        )?;
        if !self.pointer.is_empty() {
            write!(f, " (at `{}`)", self.pointer)?;
        }
        Ok(())
    }
}

impl std::error::Error for JsonError {}

impl From<JsonError> for Fault {
    /// Returns the fault of a message that is not JSON; its context has `line` and `column`.
    fn from(error: JsonError) -> Self {
        Fault::invalid(format!("not JSON: {error}"))
            .with_context("line", error.line.to_string())
            .with_context("column", error.column.to_string())
            .with_detail(error.pointer, error.message)
    }
}

/// Reads one document that borrows its texts from `bytes`, without what `projection` leaves out.
///
/// What is left out is checked all the same: the result is an error if any part is not JSON.
///
/// # Errors
/// Where the input is not one JSON text, is not UTF-8, or exceeds `limits`.
pub fn read<'a>(
    bytes: &'a [u8],
    projection: &Projection,
    limits: &Limits,
) -> Result<Value<'a>, JsonError> {
    read::document::<read::Borrow>(bytes, projection, limits)
}

/// Reads one document as [`read`] does, into a value that owns its texts.
///
/// # Errors
/// As [`read`].
pub fn read_owned(
    bytes: &[u8],
    projection: &Projection,
    limits: &Limits,
) -> Result<Value<'static>, JsonError> {
    read::document::<read::Own>(bytes, projection, limits)
}
