//! The leaf steps, as their Markdown tests show them.

use std::path::PathBuf;

use sluice_testkit::markdown::{self, Case, Outcome};

use crate::Trial;
use crate::tests::bench::Bench;

const FLOW: &str = "flow: shown\nfrom: { caller: contracts/any.schema.json#Any";

fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/md")).join(name)
}

/// Returns how a message ended: its answer, or its fault.
fn told(trial: &Trial) -> String {
    let mut line = trial.outcome.to_string();
    let body = trial
        .answer
        .as_ref()
        .and_then(|answer| answer.body.as_ref());
    if let Some(body) = body {
        line.push_str(&format!(" {}", sluice_model::json::to_string(body)));
    }
    if let Some((fault, step)) = &trial.fault {
        let step = step.as_ref().map_or("", |step| step.as_str());
        let status = fault
            .status()
            .map_or_else(String::new, |status| format!(" {status}"));
        let (code, public) = (fault.code(), fault.public());
        line.push_str(&format!(" {code}{status} at {step}: {public}"));
    }
    line
}

async fn documented(case: &Case) -> Outcome {
    let steps = case.role("steps").expect("a case has steps");
    let returns = match steps.contains("reply:") {
        true => ", returns: contracts/any.schema.json#Any",
        false => "",
    };
    let flow = format!("{FLOW}{returns} }}\nsteps:\n{steps}");
    let files: Vec<(&str, &str)> = case.files().collect();
    let bench = Bench::with_files(&[&flow], &files);
    let messages = sluice_testkit::yaml::value(case.role("messages").expect("and messages"));
    let sluice_model::value::Value::List(messages) = messages else {
        panic!("the messages are a list");
    };
    let trials = bench.trial_of_values("shown", messages, true).await;
    let outcomes = trials.iter().map(told).collect::<Vec<_>>().join("\n");
    let mut outcome = vec![("outcomes", outcomes)];
    if case.role("log").is_some() {
        let lines = bench.log.lines();
        let texts: Vec<String> = lines.into_iter().map(|line| line.text).collect();
        outcome.push(("log", texts.join("\n")));
    }
    outcome
}

fn run(name: &str) {
    markdown::run(&path(name), |case| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be built");
        runtime.block_on(documented(case))
    });
}

#[test]
fn compute() {
    run("compute.md");
}

#[test]
fn fail() {
    run("fail.md");
}

#[test]
fn filter() {
    run("filter.md");
}

#[test]
fn log() {
    run("log.md");
}

#[test]
fn stop() {
    run("stop.md");
}

#[test]
fn validate() {
    run("validate.md");
}
