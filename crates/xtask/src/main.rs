//! Automation of this repository: `cargo xtask`. It knows none of our crates, so that it builds in
//! seconds and works while they do not.

mod bench;
mod environment;
mod process;
mod record;
mod report;
mod test;
mod tidy;

use std::process::ExitCode;

use crate::environment::Environment;

const USAGE: &str = "\
usage: cargo xtask <what>

  test                   format, lints, all tests, the examples of the documentation
  tidy                   layers and habits of the sources alone (also a test)
  bench [NAME]...        benchmarks against their neighbours: order, pipeline, dead-letters
      --record           adds the figures to benches/README.md
      --rounds N         rounds of each; the median counts (default 3)
      --rows N           rows of the pipeline (default 1000000)
  record                 build times, test times and binary size, into benches/build.json
";

fn main() -> ExitCode {
    let environment = Environment::of_process();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["test"] => test::run(&environment),
        ["tidy"] => tidy::run(&environment).map(|()| true),
        ["bench", rest @ ..] => bench::run(&environment, rest).map(|()| true),
        ["record"] => record::run(&environment).map(|()| true),
        ["help" | "-h" | "--help"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
