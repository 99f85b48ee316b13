//! `cargo xtask record`: what building and testing cost at this commit.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::environment::Environment;
use crate::process::{self, Cost};
use crate::tidy::budget;

/// How many records are kept.
const RECORDS_MAX: usize = 200;

/// Measures, and adds a record to the file.
///
/// # Errors
/// If a build or a test fails.
pub fn run(environment: &Environment) -> Result<()> {
    let target = environment.target.join("record");
    if target.exists() {
        std::fs::remove_dir_all(&target).context("cannot clear `target/record`")?;
    }
    let build = measure(environment, &target, &["build", "--workspace"])?;
    let tests = measure(environment, &target, &["test", "--workspace", "--no-run"])?;
    let run = measure(environment, &target, &["test", "--workspace"])?;
    let touched = touched(environment, &target)?;
    let binary = binary_size(environment)?;
    let (date, commit) = process::today_and_commit(environment);
    let record = json!({
        "date": date,
        "commit": commit,
        "cold_build_cpu_seconds": tenth(build.cpu.as_secs_f64()),
        "cold_build_seconds": tenth(build.wall.as_secs_f64()),
        "tests_build_cpu_seconds": tenth(tests.cpu.as_secs_f64()),
        "tests_build_seconds": tenth(tests.wall.as_secs_f64()),
        "tests_run_cpu_seconds": tenth(run.cpu.as_secs_f64()),
        "tests_run_seconds": tenth(run.wall.as_secs_f64()),
        "connector_touched_seconds": tenth(touched.wall.as_secs_f64()),
        "binary_bytes": binary,
    });
    println!("{record}");
    write(&environment.root.join(budget::FILE), record)?;
    println!("recorded in {}", budget::FILE);
    for warning in budget::warnings(&environment.root)? {
        println!("warning: {warning}");
    }
    Ok(())
}

fn measure(environment: &Environment, target: &Path, arguments: &[&str]) -> Result<Cost> {
    let mut command = process::cargo(environment, arguments);
    command
        .env("CARGO_TARGET_DIR", target)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    println!("{}", process::shown(&command));
    let ((), cost) = process::measured(|| process::run(&mut command))?;
    println!(
        "    {:.1} s, {:.1} CPU-s",
        cost.wall.as_secs_f64(),
        cost.cpu.as_secs_f64()
    );
    Ok(cost)
}

/// How long it takes from a change of a connector until its tests run. Only the file's time is
/// changed.
fn touched(environment: &Environment, target: &Path) -> Result<Cost> {
    let arguments = [
        "test",
        "--package",
        "sluice-connectors",
        "--lib",
        "--",
        "--list",
    ];
    measure(environment, target, &arguments)?;
    let source = environment.root.join("crates/connectors/src/lib.rs");
    let file = File::options()
        .append(true)
        .open(source)
        .context("cannot open the connector")?;
    file.set_modified(now())
        .context("cannot touch the connector")?;
    measure(environment, target, &arguments)
}

fn binary_size(environment: &Environment) -> Result<u64> {
    let mut command: Command = process::cargo(environment, &["build", "--release"]);
    println!("{}", process::shown(&command));
    process::run(&mut command)?;
    let binary = environment.target.join("release/sluice");
    let metadata = std::fs::metadata(&binary).context("the release build made no `sluice`")?;
    Ok(metadata.len())
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn write(path: &Path, record: Value) -> Result<()> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|_| "{}".to_owned());
    let text = added(&text, record)?;
    std::fs::write(path, text).with_context(|| format!("cannot write `{}`", budget::FILE))
}

/// Returns the file with a record more, one on each line.
fn added(text: &str, record: Value) -> Result<String> {
    let file: Value = serde_json::from_str(text).with_context(|| format!("`{}`", budget::FILE))?;
    let mut records = file["records"].as_array().cloned().unwrap_or_default();
    records.push(record);
    let begin = records.len().saturating_sub(RECORDS_MAX);
    let lines: Vec<String> = records[begin..].iter().map(Value::to_string).collect();
    Ok(format!("{{\"records\":[\n{}\n]}}\n", lines.join(",\n")))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a touched file has the time of now"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::added;

    #[test]
    fn a_record_is_added_on_a_line_of_its_own() {
        let one = added("{}", json!({ "commit": "a" })).unwrap();
        assert_eq!(one, "{\"records\":[\n{\"commit\":\"a\"}\n]}\n");
        let two = added(&one, json!({ "commit": "b" })).unwrap();
        assert_eq!(
            two,
            "{\"records\":[\n{\"commit\":\"a\"},\n{\"commit\":\"b\"}\n]}\n"
        );
        assert!(added("[", json!({})).is_err());
    }
}
