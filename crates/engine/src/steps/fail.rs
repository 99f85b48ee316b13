//! `fail`: ends a message with a fault of the project's own.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::fault::{Blame, Fault, Retry};
use sluice_model::types::Type;
use sluice_sdk::check::{Problem, TemplateId, Typing};
use sluice_sdk::config::Template;
use sluice_sdk::registry::Info;
use sluice_sdk::step::{Next, RunView, Step};

/// `fail: too_risky`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailConfig {
    /// The fault's code: lower case, an identifier.
    fail: String,
    /// The HTTP status that a caller is answered.
    status: Option<u16>,
    /// The text that a caller may see, with holes.
    message: Option<Template>,
}

pub(crate) struct Fail {
    code: String,
    status: Option<u16>,
    message: Option<TemplateId>,
}

impl Step for Fail {
    const INFO: Info = Info {
        name: "fail",
        summary: "Ends the message with a fault of the project's own.",
        example: "- fail: too_risky\n  status: 422\n  message: Order {orderId} is too risky",
    };
    type Config = FailConfig;

    fn check(
        config: FailConfig,
        cx: &mut dyn Typing,
        input: &Type,
    ) -> Result<(Self, Type), Vec<Problem>> {
        let mut problems = Vec::new();
        let identifier = config.fail.starts_with(|c: char| c.is_ascii_lowercase())
            && config
                .fail
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !identifier {
            let message = format!("`{}` cannot be the code of a fault", config.fail);
            let help = "begin with a lower case letter; then letters, digits and `_`";
            problems.push(Problem::new("/fail", message).with_help(help));
        }
        if let Some(status) = config.status.filter(|status| !(400..600).contains(status)) {
            let message = format!("`{status}` is not the status of a failure");
            problems.push(Problem::new("/status", message).with_help("use 400 to 599"));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let message = config.message.map(|message| cx.template(message, input));
        Ok((
            Self {
                code: config.fail,
                status: config.status,
                message,
            },
            Type::never(),
        ))
    }

    fn apply(&self, run: &mut dyn RunView) -> Result<Next, Fault> {
        let text = match self.message {
            Some(message) => run.text(message)?,
            None => self.code.replace('_', " "),
        };
        let fault = Fault::new(self.code.as_str(), Retry::Never, Blame::Caller, text);
        Err(match self.status {
            Some(status) => fault.with_status(status),
            None => fault,
        })
    }
}
