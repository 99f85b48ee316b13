//! YAML and JSON trees with spans and comments; byte splicing; the canonical form.
//!
//! The only parser of YAML and JSON in projects and contracts. Every node keeps its [`Span`]; a
//! tool that edits a file splices bytes by span and leaves every other byte alone.

pub mod tree;
