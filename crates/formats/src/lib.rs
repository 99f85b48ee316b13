//! Incremental, bounded codecs: bytes to values and back, without I/O.
//!
//! A format is one module with its options, its decoder and its encoder, and one line in
//! [`register`]. Decoders take chunks of any size and hold less than their largest record and one
//! piece of input; a record that cannot be read is one unread record, and the rest goes on.

mod bound;
pub mod convert;
pub mod csv;
pub mod json;
pub mod json_lines;
#[cfg(test)]
mod tests;

use sluice_sdk::registry::Registry;

/// Adds every format of this crate.
pub fn register(registry: &mut Registry) {
    registry.format::<csv::Csv>();
    registry.format::<json::Json>();
    registry.format::<json_lines::JsonLines>();
}
