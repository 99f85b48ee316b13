//! `choose`: the first way whose condition holds (content-based router).

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::codes;
use sluice_sdk::config::Raw;
use sluice_syntax::tree::Node;

use crate::flow::FlowCx;
use crate::release::{Branch, StepKind};
use crate::steps::{Control, Done, Payload, StepNode, join, schema_of};

pub(super) const CONTROL: Control = Control {
    verb: "choose",
    summary: "Goes the first way whose condition holds.",
    schema: schema_of::<ChooseConfig>,
    keeps_payload: false,
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
    cx.read_step::<ChooseConfig>(step)?;
    let ways = step.verb.value.as_list()?;
    let mut branches = Vec::new();
    let mut behind: Option<Payload> = None;
    let mut otherwise = false;
    let before = cx.scope.clone();
    let mut bound = Vec::new();
    // What is left for the ways that follow: payload, and what is certain of other names.
    let mut rest = (payload.clone(), before.clone());
    for (index, way) in ways.iter().enumerate() {
        let config = cx.work.read_node::<WayConfig>(way, "a way of `choose`");
        let Some((when, steps)) = config.and_then(|config| parts(cx, way, &config)) else {
            behind = join(behind, Some(Payload::unknown()));
            continue;
        };
        if otherwise {
            let message = "no message goes this way: `otherwise` stands before it";
            cx.work
                .error(codes::UNREACHABLE_STEP, super::first_key(way), message)
                .help = Some("put `otherwise` last".to_owned());
        }
        otherwise |= when.is_none();
        cx.scope = rest.1.clone();
        let condition = when.map(|node| cx.condition(node, &rest.0.ty));
        let mut inner = rest.0.clone();
        if let Some(node) = when {
            inner.ty = cx.narrow_to(node, &rest.0.ty, true);
        }
        let prefix = format!("{}.{}", step.id, index + 1);
        let lowered = cx.block(steps, inner, &prefix);
        bound.push(cx.scope.way_since(&before, lowered.payload.is_some()));
        if let Some(node) = when {
            cx.scope = rest.1;
            rest.0.ty = cx.narrow_to(node, &rest.0.ty, false);
            rest.1 = cx.scope.clone();
        }
        behind = join(behind, lowered.payload);
        branches.push(Branch {
            when: condition,
            steps: lowered.block,
        });
    }
    let mut after = before;
    if !otherwise {
        if behind.is_none() {
            // Only who met no condition gets on: what this made certain stays so.
            after = rest.1.clone();
        }
        bound.push(rest.1.way_since(&rest.1, true));
        behind = join(behind, Some(rest.0));
    }
    cx.scope = after.after(bound);
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
                .error(codes::MISSING_KEY, super::first_key(way), message)
                .help = Some(
                "write `{ when: total > 100, steps: [...] }` or `{ otherwise: [...] }`".to_owned(),
            );
            None
        }
    }
}
