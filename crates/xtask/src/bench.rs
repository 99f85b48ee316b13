//! `cargo xtask bench`: our programs beside their neighbours, in turns and in the same minutes, so
//! that both see the same noise. Ratios count; the figures behind them belong to one machine.

mod dead_letters;
mod figures;
mod order;
mod pipeline;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::bench::figures::Figure;
use crate::environment::Environment;
use crate::process;

/// What the command line asks for.
struct Request {
    names: Vec<String>,
    rounds: usize,
    rows: u64,
    record: bool,
}

/// What a benchmark came to: figures, or why it could not run.
pub type Outcome = Result<Vec<Figure>, NotRun>;

/// Why a benchmark was not run, or failed.
pub enum NotRun {
    /// Something is missing on this machine; the others still run.
    Missing(String),
    /// It ran and went wrong.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for NotRun {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// Where a benchmark finds its things, and how much it does.
pub struct Bench<'e> {
    environment: &'e Environment,
    rounds: usize,
    rows: u64,
}

impl Bench<'_> {
    /// Returns the folder for what the benchmarks make.
    fn scratch(&self) -> PathBuf {
        self.environment.target.join("bench")
    }

    /// Returns a program of the release build.
    fn program(&self, name: &str) -> PathBuf {
        self.environment.target.join("release").join(name)
    }

    /// Returns a file of the material beside the repository.
    fn material(&self, name: &str) -> Result<PathBuf, NotRun> {
        let path = self.environment.bench.join(name);
        if path.exists() {
            return Ok(path);
        }
        Err(NotRun::Missing(format!(
            "`{name}` is missing beside the workspace"
        )))
    }
}

const NAMES: [&str; 3] = ["order", "pipeline", "dead-letters"];

/// Runs the benchmarks, prints their figures, and records them if asked.
///
/// # Errors
/// If the request is wrong, the build fails, or a benchmark goes wrong.
pub fn run(environment: &Environment, arguments: &[&str]) -> Result<()> {
    let request = parse(arguments)?;
    build(environment)?;
    let bench = Bench {
        environment,
        rounds: request.rounds,
        rows: request.rows,
    };
    let (mut measured, mut failed) = (Vec::new(), Vec::new());
    for name in &request.names {
        println!("{name}");
        let outcome = match name.as_str() {
            "order" => order::run(&bench),
            "pipeline" => pipeline::run(&bench),
            _ => dead_letters::run(&bench),
        };
        match outcome {
            Ok(figures) => measured.extend(figures),
            Err(NotRun::Missing(what)) => println!("not run: {name}: {what}"),
            Err(NotRun::Failed(error)) => {
                println!("failed: {name}: {error:#}");
                failed.push(name.as_str());
            }
        }
    }
    let (date, commit) = process::today_and_commit(environment);
    let rows = figures::rows(&measured, &date, &commit);
    println!("\n{}{}", figures::HEAD, rows);
    if request.record && !measured.is_empty() {
        let path = environment.root.join("benches/README.md");
        let text = std::fs::read_to_string(&path).context("cannot read `benches/README.md`")?;
        let text = figures::recorded(&text, &rows)?;
        std::fs::write(&path, text).context("cannot write `benches/README.md`")?;
        println!("recorded in benches/README.md");
    }
    if !failed.is_empty() {
        bail!("went wrong: {}", failed.join(", "));
    }
    Ok(())
}

fn parse(arguments: &[&str]) -> Result<Request> {
    let mut request = Request {
        names: Vec::new(),
        rounds: 3,
        rows: 1_000_000,
        record: false,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut number = || -> Result<u64> {
            let value = rest
                .next()
                .with_context(|| format!("`{argument}` needs a number"))?;
            let number = value.parse().ok().filter(|number| *number != 0);
            number.with_context(|| format!("`{argument}` needs a positive number, not `{value}`"))
        };
        match *argument {
            "--record" => request.record = true,
            "--rounds" => request.rounds = usize::try_from(number()?).unwrap_or(usize::MAX).min(99),
            "--rows" => request.rows = number()?,
            name if NAMES.contains(&name) => request.names.push(name.to_owned()),
            other => bail!(
                "there is no benchmark `{other}`; there are {}",
                NAMES.join(", ")
            ),
        }
    }
    if request.names.is_empty() {
        request.names = NAMES.map(str::to_owned).to_vec();
    }
    Ok(request)
}

/// One command for all programs, so that each outside crate is built once.
fn build(environment: &Environment) -> Result<()> {
    let arguments = [
        "build",
        "--release",
        "--package",
        "sluice-cli",
        "--package",
        "sluice-store",
        "--package",
        "xtask",
        "--bins",
        "--example",
        "group_commit",
        "--example",
        "order_by_hand",
    ];
    let mut command: Command = process::cargo(environment, &arguments);
    println!("build: {}", process::shown(&command));
    process::run(&mut command)
}

/// Returns the middle one of some measurements.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::{median, parse};

    #[test]
    fn a_request_is_read() {
        let request = parse(&["order", "--rounds", "5", "--record"]).unwrap();
        assert_eq!(request.names, ["order"]);
        assert_eq!(
            (request.rounds, request.rows, request.record),
            (5, 1_000_000, true)
        );
        assert_eq!(parse(&[]).unwrap().names.len(), 3);
        for wrong in [
            &["speed"][..],
            &["--rows"],
            &["--rows", "0"],
            &["--rows", "many"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }
}
