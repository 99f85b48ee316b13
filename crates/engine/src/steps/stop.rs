//! `stop`: ends a message as delivered.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::fault::Fault;
use sluice_model::types::Type;
use sluice_sdk::check::{Problem, Typing};
use sluice_sdk::config::Raw;
use sluice_sdk::registry::Info;
use sluice_sdk::step::{Next, RunView, Step};

/// `stop:`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StopConfig {
    /// Nothing stands here.
    #[expect(dead_code, reason = "the key alone says it")]
    stop: Raw,
}

pub(crate) struct Stop;

impl Step for Stop {
    const INFO: Info = Info {
        name: "stop",
        summary: "Ends the message as delivered.",
        example: "- stop:",
    };
    type Config = StopConfig;

    fn check(_: StopConfig, _: &mut dyn Typing, _: &Type) -> Result<(Self, Type), Vec<Problem>> {
        Ok((Self, Type::never()))
    }

    fn apply(&self, _: &mut dyn RunView) -> Result<Next, Fault> {
        Ok(Next::Stop)
    }
}
