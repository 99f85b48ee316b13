//! `let`: binds variables, typed, once.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::codes;
use sluice_sdk::check::Expected;
use sluice_sdk::config::Raw;

use crate::flow::FlowCx;
use crate::names::{bad_identifier, is_identifier};
use crate::release::StepKind;
use crate::scope::Variable;
use crate::steps::{Control, Done, Payload, StepNode, schema_of};

pub(super) const CONTROL: Control = Control {
    verb: "let",
    summary: "Binds variables: `$name` from here on.",
    schema: schema_of::<LetConfig>,
    keeps_payload: true,
    lower,
};

/// `let: { limit: $steps.found.limit ?? 0 }`.
#[derive(Debug, Deserialize, JsonSchema)]
struct LetConfig {
    /// For each variable its name and the expression that it is bound to.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    r#let: Raw,
}

/// Names that expressions have already.
pub(crate) const RESERVED: &[&str] = &[
    "params",
    "meta",
    "steps",
    "config",
    "run",
    "batch",
    "state",
    "group",
    "items",
    "watermark",
    "fault",
];

fn lower(cx: &mut FlowCx<'_, '_>, step: &StepNode<'_>, payload: &Payload) -> Option<Done> {
    cx.read_step::<LetConfig>(step)?;
    let node = &step.verb.value;
    let Some(map) = node.as_map() else {
        let found = node.kind_name();
        let message = format!("expected a map, found {found}");
        cx.work.error(codes::WRONG_TYPE, node.span, message).help =
            Some("write each variable's name and its expression".to_owned());
        return None;
    };
    let mut bound = Vec::new();
    for entry in &map.entries {
        let (expr, ty) = cx.expression_at(&entry.value, &payload.ty, Expected::Anything);
        let optional = cx.last_optional();
        let name = &entry.key.text;
        if !is_identifier(name) {
            cx.work.push(bad_identifier(
                name,
                "the name of a variable",
                entry.key_span,
            ));
            continue;
        }
        if RESERVED.contains(&&**name) {
            let message = format!("`${name}` has a meaning of its own");
            cx.work.error(codes::BAD_NAME, entry.key_span, message).help =
                Some("choose another name".to_owned());
            continue;
        }
        if cx
            .scope
            .variables
            .iter()
            .any(|variable| variable.name == *name)
        {
            let message = format!("`${name}` is bound already");
            cx.work
                .error(codes::DUPLICATE_NAME, entry.key_span, message)
                .help = Some("a variable is bound once; choose another name".to_owned());
            continue;
        }
        let slot = cx.slot_named(name);
        cx.scope.variables.push(Variable {
            name: name.clone(),
            ty,
            optional,
            slot,
        });
        bound.push((slot, expr));
    }
    Some(Done::passing(StepKind::Let(bound), payload))
}
