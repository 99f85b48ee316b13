//! Project folder to findings and a release.
//!
//! `parse -> resolve -> type -> lower`: [`compile::compile`] does all of it and returns every
//! finding, not the first. Pure but for reading the project's files ([`project`]).

mod apis;
pub mod apply;
mod comments;
pub mod compile;
mod connections;
pub mod de;
mod environment;
pub mod explain;
pub mod expr;
pub mod files;
mod fix;
mod flow;
mod formats;
mod from;
pub mod layout;
mod manifest;
mod mappings;
mod names;
mod not_yet;
pub mod project;
pub mod release;
pub mod render;
pub mod schema;
mod scope;
pub mod shape;
mod steps;
mod template;
pub mod testcase;
mod tree;
mod typing;
mod work;
