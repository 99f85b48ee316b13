//! What is printed, and where: data to standard output, talk to standard error.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use sluice_compiler::render;
use sluice_model::finding::Findings;
use sluice_model::span::Sources;

use crate::exit;

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs; stable and documented.
    Json,
    /// SARIF 2.1.0, for code hosts.
    Sarif,
    /// JUnit, for build servers.
    Junit,
}

/// The option `-o`, which most verbs have.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct OutputArgs {
    /// How the result is printed.
    #[arg(
        short = 'o',
        long = "output",
        alias = "format",
        value_enum,
        default_value_t
    )]
    pub output: Output,
}

impl OutputArgs {
    /// Returns whether programs read it.
    pub fn is_json(self) -> bool {
        self.output == Output::Json
    }
}

/// Prints a line of data.
///
/// # Errors
/// If standard output is closed.
pub fn line(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Prints JSON as data, indented on a terminal.
///
/// # Errors
/// If standard output is closed.
pub fn json(json: &serde_json::Value) -> std::io::Result<()> {
    let text = if std::io::stdout().is_terminal() {
        serde_json::to_string_pretty(json)
    } else {
        serde_json::to_string(json)
    };
    line(&text.expect("a JSON value has a text"))
}

/// Says something to the person.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Says what went wrong, with its causes once.
pub fn failure(error: &anyhow::Error) {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    say(&format!("error: {}", causes.join(": ")));
}

/// Returns whether standard error shows colors.
pub fn colors() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "the environment is read in `cli`"
    )]
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !refused
}

/// Prints findings: to standard output for programs, to standard error for people. Returns the exit
/// code that they call for.
///
/// # Errors
/// If standard output is closed.
pub fn findings(
    findings: &Findings,
    sources: &Sources,
    output: Output,
    deny_warnings: bool,
) -> std::io::Result<u8> {
    let files = sources.iter().count();
    match output {
        Output::Text => {
            let options = render::Text {
                colors: colors(),
                ..render::Text::default()
            };
            let text = render::text(findings, sources, files, options);
            say(text.trim_end());
        }
        Output::Json => json(&render::json(findings, sources))?,
        Output::Sarif => json(&render::sarif(findings, sources, env!("CARGO_PKG_VERSION")))?,
        Output::Junit => line(&render::junit(findings, sources, deny_warnings))?,
    }
    Ok(code_of(findings, deny_warnings))
}

/// Returns the exit code that findings call for.
pub fn code_of(findings: &Findings, deny_warnings: bool) -> u8 {
    use sluice_model::finding::Severity;
    let limit = if deny_warnings {
        Severity::Warning
    } else {
        Severity::Error
    };
    let refused = findings.iter().any(|finding| limit <= finding.severity);
    if refused { exit::FINDINGS } else { exit::OK }
}
