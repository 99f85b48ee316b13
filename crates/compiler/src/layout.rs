//! Which fields of project files hold expressions and which texts: what the canonical form and an
//! editor need to know.

use sluice_syntax::edit::PathPart;
use sluice_syntax::format::FieldKind;

use crate::project::FileKind;

/// Keys of flows whose scalars, however deep below them, are expressions.
const EXPRESSIONS: &[&str] = &[
    "when",
    "with",
    "params",
    "compute",
    "filter",
    "let",
    "split",
    "dedupe",
    "idempotency_key",
    "accept",
    "of",
    "given",
    "keys",
    "ordered_by",
    "reply",
    "aggregate",
    "by",
    "into",
    "partition_by",
    "per",
    "match_on",
];

/// Keys of flows whose scalars are texts with holes.
const TEXTS: &[&str] = &["message", "log", "text", "name", "headers", "summary"];

/// Returns what the scalar at a path of a project file holds.
pub fn field_kind(file: FileKind, path: &[PathPart<'_>]) -> FieldKind {
    if file != FileKind::Flow {
        return FieldKind::Value;
    }
    // The steps of a `choose` stand below `when`'s neighbour, not below an expression: only the
    // nearest list of steps counts.
    let mut kind = FieldKind::Value;
    for part in path {
        let PathPart::Key(key) = part else { continue };
        if matches!(
            *key,
            "steps" | "on_failure" | "try" | "catch" | "choose" | "otherwise"
        ) {
            kind = FieldKind::Value;
        } else if kind == FieldKind::Value && EXPRESSIONS.contains(key) {
            kind = FieldKind::Expression;
        } else if kind == FieldKind::Value && TEXTS.contains(key) {
            kind = FieldKind::Text;
        }
    }
    kind
}
