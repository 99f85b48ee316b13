//! Readers of contract files: types and operations, and what follows from them.
//!
//! A contract is the other side's own file, unchanged: a JSON Schema, an OpenAPI document, an SQL
//! schema with named statements. [`contract::Contract::read`] lowers it to the vocabulary of the
//! model; the other modules answer questions about types: does one fit another
//! ([`mod@fits`]), is a value one of its values ([`mod@validate`]), what does a text mean as one
//! ([`coerce`]), what does one look like ([`mod@generate`]). Pure and synchronous.

pub mod coerce;
pub mod contract;
#[cfg(test)]
mod corpus;
pub mod fits;
mod format;
pub mod generate;
mod intersect;
mod openapi;
pub mod pattern;
mod schema;
mod sql;
#[cfg(test)]
mod testing;
pub mod validate;
