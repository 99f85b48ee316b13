//! `choose`: the first way whose condition holds (content-based router).

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::codes;
use sluice_sdk::config::Raw;
use sluice_syntax::tree::Node;

use crate::flow::FlowCx;
use crate::release::{Branch, StepKind};
use crate::scope::Scope;
use crate::steps::{Control, Done, LoweredBlock, Payload, StepNode, join, schema_of};

pub(super) const CONTROL: Control = Control {
    verb: "choose",
    summary: "Goes the first way whose condition holds.",
    schema: schema_of::<ChooseConfig>,
    lower,
};

/// `choose: [{ when: ..., steps: [...] }, { otherwise: [...] }]`.
#[derive(Debug, Deserialize, JsonSchema)]
struct ChooseConfig {
    /// The ways, each `{ when, steps }`; the last one may be `{ otherwise: [steps] }`.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    choose: Vec<Raw>,
}

/// A way of a `choose`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WayConfig {
    /// Its condition.
    when: Option<Raw>,
    /// What is done.
    steps: Option<Raw>,
    /// What is done where no condition holds.
    otherwise: Option<Raw>,
}

fn lower(cx: &mut FlowCx<'_, '_>, step: &StepNode<'_>, payload: &Payload) -> Option<Done> {
    cx.read_step::<ChooseConfig>(step, None)?;
    let ways = step.verb.value.as_list()?;
    let mut branches = Vec::new();
    let mut behind: Option<Payload> = None;
    let mut otherwise = false;
    let before = cx.scope.clone();
    let mut results = Vec::new();
    let mut rest = payload.clone();
    for (index, way) in ways.iter().enumerate() {
        let Some(config) = cx.work.read_node::<WayConfig>(way, "a way of `choose`") else {
            continue;
        };
        if otherwise {
            let message = "no message goes this way: `otherwise` stands before it";
            cx.work.error(codes::UNREACHABLE_STEP, way.span, message);
        }
        let Some((when, steps)) = parts(cx, way, &config) else {
            continue;
        };
        otherwise |= when.is_none();
        let condition = when.map(|node| cx.condition(node, &rest.ty));
        let inner = match when {
            Some(node) => Payload {
                ty: cx.narrow(node, &rest.ty),
                ..payload.clone()
            },
            None => rest.clone(),
        };
        let prefix = format!("{}.{}", step.id, index + 1);
        let LoweredBlock {
            block,
            payload: out,
        } = cx.block(steps, inner, &prefix);
        results.extend(cx.scope.results.drain(before.results.len()..));
        cx.scope = Scope {
            results: before.results.clone(),
            ..before.clone()
        };
        if let Some(node) = when {
            rest.ty = cx.narrow_not(node, &rest.ty);
        }
        behind = join(behind, out);
        branches.push(Branch {
            when: condition,
            steps: block,
        });
    }
    if !otherwise {
        behind = join(behind, Some(rest));
    }
    let mark = cx.scope.results.len();
    cx.scope.results.extend(results);
    cx.scope.results_become_optional(mark);
    Some(Done {
        kind: StepKind::Choose(branches),
        payload: behind,
        result: None,
    })
}

/// Returns condition and steps of a way.
fn parts<'n>(
    cx: &mut FlowCx<'_, '_>,
    way: &'n Node,
    config: &WayConfig,
) -> Option<(Option<&'n Node>, &'n Node)> {
    match (config.when, config.steps, config.otherwise) {
        (Some(_), Some(_), None) => Some((way.get("when"), way.get("steps")?)),
        (None, None, Some(_)) => Some((None, way.get("otherwise")?)),
        _ => {
            let message = "a way has `when` and `steps`, or `otherwise` alone";
            cx.work
                .error(codes::MISSING_KEY, super::first_key(way), message);
            None
        }
    }
}
