//! Checks what is written against the JSON Schema of a config struct, and names every problem.
//!
//! The schema is what `schemars` 1.x writes for the struct (JSON Schema 2020-12), unchanged. The
//! type of a field decides how a scalar is read: a text field takes every scalar, an integer field
//! takes an integer that is written plain (language rule 3). Fields whose `format` is one of
//! [`sluice_sdk::config::PLACED`] are not looked into: the compiler reads them itself.

use serde_json::Value as Json;
use sluice_model::finding::Findings;
use sluice_model::span::Sources;
use sluice_syntax::tree::Node;

use crate::de::Fields;

mod alternatives;
mod fields;
mod merge;
mod scalar;
mod schema;
mod walk;

#[cfg(test)]
mod tests;

pub use merge::merge;

/// Checks a node against a schema. Every problem becomes a finding.
///
/// `what` is what messages call the node: `a flow`. `sources` holds the files of all spans.
pub fn check(node: &Node, schema: &Json, what: &str, sources: &Sources, findings: &mut Findings) {
    let place = walk::Place {
        what: what.to_owned(),
        key: None,
        anchor: Fields::of(node).map_or(node.span, |fields| fields.anchor()),
        untagged: false,
    };
    walk::Walk { sources, findings }.value(node, schema::Schema::new(schema), &place);
}
