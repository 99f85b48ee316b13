//! `log`: writes a line to the log.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::fault::Fault;
use sluice_model::types::Type;
use sluice_sdk::check::{Problem, TemplateId, Typing};
use sluice_sdk::config::Template;
use sluice_sdk::cx::Level;
use sluice_sdk::registry::Info;
use sluice_sdk::step::{Next, RunView, Step};

/// `log: booked {orderId}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogConfig {
    /// The text, with holes.
    log: Template,
}

pub(crate) struct Log {
    text: TemplateId,
}

impl Step for Log {
    const INFO: Info = Info {
        name: "log",
        summary: "Writes a line to the log.",
        example: "- log: booked {orderId}",
    };
    type Config = LogConfig;

    fn check(
        config: LogConfig,
        cx: &mut dyn Typing,
        input: &Type,
    ) -> Result<(Self, Type), Vec<Problem>> {
        let text = cx.template(config.log, input);
        Ok((Self { text }, input.clone()))
    }

    fn apply(&self, run: &mut dyn RunView) -> Result<Next, Fault> {
        let text = run.text(self.text)?;
        run.log(Level::Info, &text);
        Ok(Next::Continue)
    }
}
