//! `cargo xtask test`: everything that has to hold before a change is taken in.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::environment::Environment;
use crate::process::{self, Cost};
use crate::report::Report;

const STAGES: usize = 4;

/// Runs all stages; the first that fails ends it. Returns whether all tests passed: the last line
/// that is printed counts them.
///
/// # Errors
/// If an earlier stage fails, or a tool that it needs is missing.
pub fn run(environment: &Environment) -> Result<bool> {
    tools()?;
    corpora(environment)?;
    let stages: [(&str, &[&str]); STAGES - 1] = [
        ("format", &["fmt", "--all", "--check"]),
        (
            "lints",
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ],
        ),
        ("build tests", &["test", "--workspace", "--no-run"]),
    ];
    for (index, (name, arguments)) in stages.into_iter().enumerate() {
        let mut command = process::cargo(environment, arguments);
        begin(index + 1, name, &command);
        let ((), cost) = process::measured(|| process::run(&mut command))
            .with_context(|| format!("stage `{name}`, {}", remedy(name)))?;
        end(cost);
    }
    let arguments = [
        "test",
        "--workspace",
        "--no-fail-fast",
        "--",
        "--show-output",
    ];
    let mut command = process::cargo(environment, &arguments);
    begin(STAGES, "run tests", &command);
    let log = environment.scratch().join("test.log");
    let ((report, succeeded), cost) = process::measured(|| tests(&mut command, &log))?;
    if succeeded {
        end(cost);
    } else {
        let log = log.strip_prefix(&environment.root).unwrap_or(&log);
        println!("stage `run tests`: repair what is shown above");
        println!("what every test printed: {}", log.display());
    }
    for said in &report.not_run {
        println!("not run: {said}");
    }
    println!("{}", report.summary());
    Ok(succeeded)
}

fn begin(number: usize, name: &str, command: &Command) {
    println!("{number}/{STAGES} {name}: {}", process::shown(command));
}

fn end(cost: Cost) {
    let (wall, cpu) = (cost.wall.as_secs_f64(), cost.cpu.as_secs_f64());
    println!("    ok in {wall:.1} s, {cpu:.1} CPU-s");
}

fn remedy(stage: &str) -> &'static str {
    match stage {
        "format" => "run `cargo fmt --all`",
        "lints" => "repair what clippy shows above",
        _ => "repair what the compiler shows above",
    }
}

/// What a newcomer may not have yet.
fn tools() -> Result<()> {
    if !process::answers("cc") {
        bail!(
            "no C compiler: `cc` does not answer, and SQLite is built from C; install one \
             (Debian: `apt-get install build-essential`, Fedora: `dnf install gcc`, \
             macOS: `xcode-select --install`)"
        );
    }
    for (program, component) in [("rustfmt", "rustfmt"), ("cargo-clippy", "clippy")] {
        if !process::answers(program) {
            bail!("`{program}` does not answer; run `rustup component add {component}`");
        }
    }
    Ok(())
}

/// Elsewhere the tests that need the corpora say so and pass; continuous integration has them.
fn corpora(environment: &Environment) -> Result<()> {
    if environment.ci && !environment.corpora.is_dir() {
        bail!(
            "the corpora are missing under `CI=true`: put them at `../shared/corpora` beside the \
             workspace, or say where they are in `SLUICE_CORPORA`"
        );
    }
    Ok(())
}

/// Runs the tests, keeps all that they print in a file, and shows what matters.
fn tests(command: &mut Command, log: &Path) -> Result<(Report, bool)> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).context("cannot make the folder for the log")?;
    }
    let mut log = File::create(log).context("cannot make the log of the tests")?;
    // One pipe for both, so that the line `Running ...` stands before what the binary prints.
    let (output, writer) = std::io::pipe().context("cannot make a pipe")?;
    let mut child = command
        .stdout(writer.try_clone().context("cannot make a pipe")?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("cannot start `{}`", process::shown(command)))?;
    // The command holds our ends of the pipe, which would keep it open for ever.
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut report = Report::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("cannot read what the tests print")?;
        let line = String::from_utf8_lossy(&line);
        writeln!(log, "{line}").context("cannot write the log of the tests")?;
        if let Some(shown) = report.line(&line) {
            println!("{shown}");
        }
    }
    let status = child.wait().context("cannot wait for the tests")?;
    if let Some(shown) = report.end(status.success()) {
        println!("{shown}");
    }
    let succeeded = status.success() && report.failed == 0;
    Ok((report, succeeded))
}
