//! The verbs, one file each.

mod check;
mod convert;
mod dead_letters;
mod demo;
mod describe;
mod eval;
mod explain;
mod fmt;
mod mock;
mod new;
mod run;
mod runs;
mod schema;
mod stored;
mod test;

/// What the command line asks for. A variant without a text is told of by its arguments' own.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    New(new::Args),
    /// Checks a project: all files, all environments, all findings in one go.
    Check(check::Args),
    /// Puts project files into their canonical form.
    Fmt(fmt::Args),
    /// Explains a finding's code.
    Explain(explain::Args),
    /// Tells of connectors, steps, formats and functions.
    Describe(describe::Args),
    /// Prints the JSON Schema of a kind of project file.
    Schema(schema::Args),
    /// Evaluates an expression or a mapping.
    Eval(eval::Args),
    /// Converts records from one format to another.
    Convert(convert::Args),
    /// Runs a project until it is stopped.
    Run(run::Args),
    /// Runs the project's test cases.
    Test(test::Args),
    Runs(runs::Args),
    DeadLetters(dead_letters::Args),
    Mock(mock::Args),
    /// Runs the example project under load, and tells what went in and came out.
    Demo(demo::Args),
}

/// Runs a verb and returns the exit code.
///
/// # Errors
/// Whatever keeps the verb from doing what it is for.
pub fn run(verb: Verb) -> anyhow::Result<u8> {
    match verb {
        Verb::New(args) => new::run(&args),
        Verb::Check(args) => check::run(&args),
        Verb::Fmt(args) => fmt::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Describe(args) => describe::run(&args),
        Verb::Schema(args) => schema::run(&args),
        Verb::Eval(args) => eval::run(&args),
        Verb::Convert(args) => convert::run(&args),
        Verb::Run(args) => run::run(&args),
        Verb::Test(args) => test::run(&args),
        Verb::Runs(args) => runs::run(&args),
        Verb::DeadLetters(args) => dead_letters::run(&args),
        Verb::Mock(args) => mock::run(&args),
        Verb::Demo(args) => demo::run(&args),
    }
}
