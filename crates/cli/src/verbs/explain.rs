//! `sluice explain`: the page of a finding's code.

use sluice_model::codes;
use sluice_model::finding::did_you_mean;

use crate::exit::{OK, usage};
use crate::output::{self, OutputArgs};

/// Explains a finding's code.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The code, such as `E0302`; left out: all codes with their titles.
    code: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the verb.
///
/// # Errors
/// If there is no such code.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let Some(code) = &args.code else {
        let all = codes::ALL
            .iter()
            .map(|code| (code.0, sluice_compiler::explain::title(*code)));
        if args.output.is_json() {
            let all: Vec<_> = all
                .map(|(code, title)| serde_json::json!({ "code": code, "title": title }))
                .collect();
            output::json(&serde_json::json!({ "codes": all }))?;
        } else {
            let lines: Vec<String> = all
                .map(|(code, title)| format!("{code}  {title}"))
                .collect();
            output::line(&lines.join("\n"))?;
        }
        return Ok(OK);
    };
    let code = code.to_uppercase();
    let Some(page) = sluice_compiler::explain::page(&code) else {
        let near = did_you_mean(&code, codes::ALL.iter().map(|code| code.0));
        return Err(usage(match near {
            Some(near) => format!("there is no code `{code}`: did you mean `{near}`?"),
            None => format!("there is no code `{code}`: `sluice explain` lists all"),
        }));
    };
    if args.output.is_json() {
        output::json(&serde_json::json!({ "code": code, "page": page }))?;
    } else {
        output::line(page)?;
    }
    Ok(OK)
}
