//! Mapping languages: parse, type, evaluate.
//!
//! JSONata (<https://jsonata.org>, 2.2): [`parse::parse`] reads an expression to the tree of
//! [`ast`], [`program::Program`] compiles and evaluates it, [`functions`] is its library.

pub mod ast;
pub mod eval;
pub mod functions;
pub mod parse;
pub mod program;
pub mod signature;
pub mod typing;

mod ir;
mod lower;
mod projection;
pub mod template;

#[cfg(test)]
mod conformance;
