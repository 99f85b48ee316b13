//! The binary `sluice`: verbs, and the explicit list of components.
//!
//! Data goes to standard output, talk to standard error. Exit codes: 0 fine, 1 failed, 2 wrong
//! usage, 3 findings.

mod exit;
mod output;
mod process;
mod registry;
mod target;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

/// Checks, runs, tests and finds the integrations of a project.
#[derive(Parser)]
#[command(
    name = "sluice",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    verb: verbs::Verb,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            let code = if error.use_stderr() {
                exit::USAGE
            } else {
                exit::OK
            };
            return ExitCode::from(code);
        }
    };
    match verbs::run(cli.verb) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::failure(&error);
            ExitCode::from(exit::of(&error))
        }
    }
}
