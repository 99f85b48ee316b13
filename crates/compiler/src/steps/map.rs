//! `map`: replaces the payload by what a mapping makes of it (message translator).

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::codes;
use sluice_model::types::Type;
use sluice_sdk::check::Expected;
use sluice_sdk::config::{MappingName, Raw};
use sluice_syntax::tree::Node;

use crate::flow::FlowCx;
use crate::names::{bad_identifier, is_identifier};
use crate::release::{MapPlan, StepKind};
use crate::scope::Variable;
use crate::steps::{Control, Done, Payload, StepNode, schema_of};

pub(super) const CONTROL: Control = Control {
    verb: "map",
    summary: "Replaces the payload by what a mapping makes of it.",
    schema: schema_of::<MapConfig>,
    keeps_payload: false,
    lower,
};

/// `map: order-to-canonical`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct MapConfig {
    /// The mapping: a file of `mappings/` without its ending.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    map: MappingName,
    /// What is mapped; left out: the payload.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    of: Option<Raw>,
    /// Further inputs of the mapping: name and expression.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    given: Option<Raw>,
}

fn lower(cx: &mut FlowCx<'_, '_>, step: &StepNode<'_>, payload: &Payload) -> Option<Done> {
    cx.read_step::<MapConfig>(step)?;
    let (plan, ty) = apply(cx, step, &step.verb.value, payload)?;
    let behind = Payload {
        ty,
        replied: payload.replied,
    };
    Some(Done {
        kind: StepKind::Map(plan),
        payload: Some(behind),
        result: None,
    })
}

/// Compiles the mapping that `name` names, with `of` and `given` of the step, and returns the type
/// of its output.
pub(super) fn apply(
    cx: &mut FlowCx<'_, '_>,
    step: &StepNode<'_>,
    name: &Node,
    payload: &Payload,
) -> Option<(MapPlan, Type)> {
    let of = step
        .get("of")
        .map(|node| cx.expression_at(node, &payload.ty, Expected::Anything));
    let input = of
        .as_ref()
        .map_or_else(|| payload.ty.clone(), |(_, ty)| ty.clone());
    let mut given = Vec::new();
    let mut inputs: Vec<Variable> = Vec::new();
    if let Some(node) = step.get("given") {
        let Some(map) = node.as_map() else {
            let found = node.kind_name();
            let message = format!("expected a map, found {found}");
            cx.work.error(codes::WRONG_TYPE, node.span, message).help =
                Some("write each input's name and its expression: `{ ack: $steps.book }`".into());
            return None;
        };
        for entry in &map.entries {
            let (expr, ty) = cx.expression_at(&entry.value, &payload.ty, Expected::Anything);
            let optional = cx.last_optional();
            if !is_identifier(&entry.key.text) {
                cx.work.push(bad_identifier(
                    &entry.key.text,
                    "the name of an input",
                    entry.key_span,
                ));
                continue;
            }
            let slot = cx.slot();
            given.push((slot, expr));
            inputs.push(Variable {
                name: entry.key.text.clone(),
                ty,
                optional,
                slot,
            });
        }
    }
    let text = name.as_scalar().map(|scalar| scalar.text.clone())?;
    let (mapping, ty) = cx.mapping_at(&text, name.span, &input, inputs)?;
    Some((
        MapPlan {
            of: of.map(|(expr, _)| expr),
            given,
            mapping,
        },
        ty,
    ))
}
