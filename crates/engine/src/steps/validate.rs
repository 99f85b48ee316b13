//! `validate`: checks the payload against a type of a contract.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::fault::Fault;
use sluice_model::types::Type;
use sluice_sdk::check::{Problem, Typing, ValidatorId};
use sluice_sdk::config::TypeName;
use sluice_sdk::registry::Info;
use sluice_sdk::step::{Next, RunView, Step};

/// `validate: contracts/order-row.schema.json#Row`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ValidateConfig {
    /// The type: a contract's file, `#`, and the name there.
    validate: TypeName,
}

pub(crate) struct Validate {
    validator: Option<ValidatorId>,
}

impl Step for Validate {
    const INFO: Info = Info {
        name: "validate",
        summary: "Checks the payload against a type of a contract; what does not fit fails.",
        example: "- validate: contracts/order-row.schema.json#Row",
    };
    type Config = ValidateConfig;

    fn check(
        config: ValidateConfig,
        cx: &mut dyn Typing,
        _: &Type,
    ) -> Result<(Self, Type), Vec<Problem>> {
        // A name that leads nowhere is told already; what follows is of any type then.
        let Some(ty) = cx.contract_type(config.validate) else {
            return Ok((Self { validator: None }, Type::any()));
        };
        let validator = Some(cx.validator(&ty));
        Ok((Self { validator }, ty))
    }

    fn apply(&self, run: &mut dyn RunView) -> Result<Next, Fault> {
        if let Some(validator) = self.validator {
            run.validate(validator)?;
        }
        Ok(Next::Continue)
    }
}
