//! `compute`: a small mapping on the spot.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::fault::Fault;
use sluice_model::types::Type;
use sluice_model::value::Value;
use sluice_sdk::check::{Expected, ExprId, Problem, Typing};
use sluice_sdk::config::Expr;
use sluice_sdk::registry::Info;
use sluice_sdk::step::{Next, RunView, Step};

/// `compute: { id: orderId }`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ComputeConfig {
    /// The new payload: an expression, or a map or list whose leaves are.
    compute: Expr,
}

pub(crate) struct Compute {
    expr: ExprId,
}

impl Step for Compute {
    const INFO: Info = Info {
        name: "compute",
        summary: "Replaces the payload by the value of an expression.",
        example: "- compute: { id: orderId, total: $sum(lines.amount) }",
    };
    type Config = ComputeConfig;

    fn check(
        config: ComputeConfig,
        cx: &mut dyn Typing,
        input: &Type,
    ) -> Result<(Self, Type), Vec<Problem>> {
        let (expr, ty) = cx.expression(config.compute, input, Expected::Anything);
        Ok((Self { expr }, ty))
    }

    fn apply(&self, run: &mut dyn RunView) -> Result<Next, Fault> {
        let payload = run.evaluate(self.expr)?.unwrap_or(Value::Null);
        run.set_payload(payload);
        Ok(Next::Continue)
    }
}
