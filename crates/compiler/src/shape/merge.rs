//! One tree over another: what an environment says over what a file says.

use serde_json::Value as Json;
use sluice_model::value::Value;
use sluice_syntax::tree::{Map, Node, NodeKind};

use crate::shape::schema::Schema;

/// Returns `base` with what `over` says instead: maps key by key, everything else as a whole.
///
/// `null` takes a key away that `base` has. Every node keeps its place in the file that it comes
/// from. Where the schema has a choice of maps with one key each (`auth: { basic: ... }` or
/// `auth: { bearer: ... }`), another choice replaces the map instead of joining it. A key that is
/// new comes last.
pub fn merge(base: &Node, over: &Node, schema: Option<&Json>) -> Node {
    merge_nodes(base, over, schema.map(Schema::new))
}

fn merge_nodes(base: &Node, over: &Node, schema: Option<Schema<'_>>) -> Node {
    let schema = schema.map(Schema::resolve);
    let (NodeKind::Map(low), NodeKind::Map(high)) = (&base.kind, &over.kind) else {
        return over.clone();
    };
    let content = match schema.and_then(Schema::alternatives) {
        Some(choice) if choice.tagged.is_empty() => {
            Content::Fields(match choice.others.as_slice() {
                [only] => Some(*only),
                _ => None,
            })
        }
        Some(choice) => Content::Choice(choice.tagged),
        None => Content::Fields(schema),
    };
    if let Content::Choice(_) = &content {
        let keys = |map: &Map| -> Vec<_> {
            map.entries
                .iter()
                .map(|entry| entry.key.text.clone())
                .collect()
        };
        if keys(low) != keys(high) {
            return over.clone();
        }
    }
    let mut entries = low.entries.clone();
    for new in &high.entries {
        let old = entries
            .iter()
            .position(|entry| entry.key.text == new.key.text);
        match old {
            Some(at) if is_null(&new.value) => {
                entries.remove(at);
            }
            Some(at) => {
                let entry = &mut entries[at];
                let value = merge_nodes(&entry.value, &new.value, content.child(&new.key.text));
                // A value that comes whole from above is told at its key there.
                if value.span == new.value.span {
                    entry.key_span = new.key_span;
                }
                entry.value = value;
            }
            None => entries.push(new.clone()),
        }
    }
    Node {
        span: base.span,
        kind: NodeKind::Map(Map {
            entries,
            flow_style: low.flow_style,
        }),
    }
}

/// What the schema says about the keys of a map.
enum Content<'s> {
    /// The map has fields, of this schema where one is known.
    Fields(Option<Schema<'s>>),
    /// The map's one key says which of these it is.
    Choice(Vec<(&'s str, Schema<'s>)>),
}

impl<'s> Content<'s> {
    fn child(&self, key: &str) -> Option<Schema<'s>> {
        match self {
            Content::Fields(schema) => {
                let schema = (*schema)?.resolve();
                schema.property(key).or(schema.additional())
            }
            Content::Choice(tagged) => tagged
                .iter()
                .find(|(tag, _)| *tag == key)
                .map(|(_, schema)| *schema),
        }
    }
}

/// Returns whether `null` is written; a key without any value says nothing.
fn is_null(node: &Node) -> bool {
    !node.is_absent()
        && node
            .as_scalar()
            .is_some_and(|own| own.value() == Value::Null)
}
