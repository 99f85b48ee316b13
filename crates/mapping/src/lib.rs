//! Mapping languages: parse, type, evaluate.

pub mod ast;
pub mod parse;
pub mod signature;
