//! `split`: its steps for each item of a list (splitter).

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::codes;
use sluice_model::types::{Kind, Type};
use sluice_sdk::check::Expected;
use sluice_sdk::config::Raw;

use crate::flow::FlowCx;
use crate::release::StepKind;
use crate::steps::{Control, Done, Payload, Replied, StepNode, schema_of};

pub(super) const CONTROL: Control = Control {
    verb: "split",
    summary: "Does its steps for each item of a list; the message is settled when all items are.",
    schema: schema_of::<SplitConfig>,
    keeps_payload: true,
    lower,
};

/// `split: lines` with `steps`.
#[derive(Debug, Deserialize, JsonSchema)]
struct SplitConfig {
    /// The list.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    split: Raw,
    /// What is done for each item.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    steps: Raw,
}

fn lower(cx: &mut FlowCx<'_, '_>, step: &StepNode<'_>, payload: &Payload) -> Option<Done> {
    cx.read_step::<SplitConfig>(step)?;
    let (items, ty) = cx.expression_at(&step.verb.value, &payload.ty, Expected::Anything);
    let resolved = ty.resolved();
    let item = match &resolved.kind {
        Kind::List(list) => list.item.clone(),
        Kind::Any => Type::any(),
        _ => {
            let message = format!("expected a list, found {ty}");
            cx.work
                .error(codes::LIST_OR_ONE, step.verb.value.span, message)
                .help = Some("`split` takes a list; without one, leave the step out".to_owned());
            Type::any()
        }
    };
    let outer = cx.scope.clone();
    let start = Payload {
        ty: item,
        replied: payload.replied,
    };
    let steps = step.get("steps")?;
    cx.splits += 1;
    let replies = cx.replies;
    let inner = cx.block(steps, start, step.id.as_str());
    cx.splits -= 1;
    cx.scope = outer;
    let mut behind = payload.clone();
    if replies < cx.replies {
        // It is told that one cannot answer there.
        behind.replied = Replied::Unknown;
    }
    let kind = StepKind::Split {
        items,
        steps: inner.block,
    };
    Some(Done::passing(kind, &behind))
}
