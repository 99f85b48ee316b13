//! The vocabulary of Sluice: the words that every other crate speaks.
//!
//! No async, no I/O, no clock. A word stands here once (`docs/glossary.md`), and a module is
//! one word or a small family of words.

pub mod batch;
pub mod codes;
pub mod fault;
pub mod finding;
pub mod ids;
pub mod json;
pub mod operation;
pub mod projection;
pub mod span;
pub mod time;
pub mod types;
pub mod value;
