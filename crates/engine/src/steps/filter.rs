//! `filter`: ends messages that do not meet a condition.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::fault::Fault;
use sluice_model::types::Type;
use sluice_sdk::check::{Expected, ExprId, Problem, Typing};
use sluice_sdk::config::Expr;
use sluice_sdk::registry::Info;
use sluice_sdk::step::{Next, RunView, Step};

/// `filter: total > 0`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilterConfig {
    /// The condition: where it does not hold, the message ends as filtered.
    filter: Expr,
}

pub(crate) struct Filter {
    condition: ExprId,
}

impl Step for Filter {
    const INFO: Info = Info {
        name: "filter",
        summary: "Ends messages that do not meet a condition, as filtered.",
        example: "- filter: total > 0",
    };
    type Config = FilterConfig;

    fn check(
        config: FilterConfig,
        cx: &mut dyn Typing,
        input: &Type,
    ) -> Result<(Self, Type), Vec<Problem>> {
        let (condition, _) = cx.expression(config.filter, input, Expected::Condition);
        let output = cx.narrowed(config.filter, input);
        Ok((Self { condition }, output))
    }

    fn apply(&self, run: &mut dyn RunView) -> Result<Next, Fault> {
        Ok(if run.condition(self.condition)? {
            Next::Continue
        } else {
            Next::Filtered
        })
    }
}
