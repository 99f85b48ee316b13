//! `dedupe`: a message whose key was seen before ends as a duplicate (idempotent receiver).

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_sdk::check::Expected;
use sluice_sdk::config::{Duration, Raw};

use crate::flow::FlowCx;
use crate::release::StepKind;
use crate::steps::{Control, Done, Payload, StepNode, schema_of};

pub(super) const CONTROL: Control = Control {
    verb: "dedupe",
    summary: "Ends a message whose key was seen before as a duplicate.",
    schema: schema_of::<DedupeConfig>,
    keeps_payload: true,
    lower,
};

/// `dedupe: orderId` with `for: 7d`.
#[derive(Debug, Deserialize, JsonSchema)]
struct DedupeConfig {
    /// The key: an expression that gives a text or a number.
    #[expect(dead_code, reason = "read as a node; the struct gives the schema")]
    dedupe: Raw,
    /// How long a key is remembered.
    #[serde(default = "keep_default")]
    r#for: Duration,
}

fn keep_default() -> Duration {
    Duration(std::time::Duration::from_secs(7 * 86_400))
}

fn lower(cx: &mut FlowCx<'_, '_>, step: &StepNode<'_>, payload: &Payload) -> Option<Done> {
    let config: DedupeConfig = cx.read_step(step)?;
    let (key, ty) = cx.expression_at(&step.verb.value, &payload.ty, Expected::Scalar);
    cx.check_key_type(&step.verb.value, &ty);
    Some(Done::passing(
        StepKind::Dedupe {
            key,
            keep: config.r#for.0,
        },
        payload,
    ))
}
