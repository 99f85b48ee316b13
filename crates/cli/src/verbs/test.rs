//! `sluice test`: the project's cases; no connection is opened.

mod compare;
mod outside;
mod report;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use sluice_compiler::compile::Compiled;
use sluice_compiler::release::{From, Release};
use sluice_compiler::testcase::{Input, TestCase};
use sluice_contracts::validate::Validator;
use sluice_engine::{Outside, Trial};
use sluice_model::batch::{Message, Origin, Payload};
use sluice_model::fault::Fault;
use sluice_model::projection::Projection;
use sluice_model::time::Timestamp;
use sluice_model::value::Value;
use sluice_sdk::cx::{Cx, Level, TokioRuntime};
use sluice_store::run::Outcome;
use sluice_store::sqlite::open::OwnerInfo;
use sluice_store::sqlite::store::SqliteStore;
use sluice_store::store::Store;

use crate::exit::{FAILED, FINDINGS, OK, usage};
use crate::output::{self, Output, OutputArgs};
use crate::target::{EnvironmentArgs, ProjectArgs};
use crate::verbs::test::outside::{Effect, TestOutside};

/// Runs the cases of `tests/`: message in, what the outside answers, what must come out.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Runs only the cases whose name, file or flow contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// A case and what came of it.
pub(crate) struct Ran {
    case: TestCase,
    /// What did not hold, one text each; none: it passed.
    failures: Vec<String>,
}

/// Runs the verb.
///
/// # Errors
/// If the project cannot be read.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let compiled = args.project.compile(Some(args.environment.name()))?;
    let Compiled {
        release,
        tests,
        findings,
        sources,
        ..
    } = compiled;
    if findings.has_errors() {
        output::findings(&findings, &sources, args.output.output, false)?;
        return Ok(FINDINGS);
    }
    let release = Arc::new(release.context("a project without errors has a release")?);
    let wanted = |case: &TestCase| match &args.only {
        None => true,
        Some(text) => [&*case.name, &*case.path, case.flow.as_str()]
            .iter()
            .any(|own| own.contains(text.as_str())),
    };
    let cases: Vec<TestCase> = tests.into_iter().filter(wanted).collect();
    if cases.is_empty() {
        return Err(usage(match &args.only {
            Some(text) => format!("no case has `{text}` in its name, file or flow"),
            None => "the project has no cases: add `tests/NAME.yaml`".to_owned(),
        }));
    }
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut ran = Vec::new();
    for (number, case) in cases.into_iter().enumerate() {
        let data = folder.path().join(number.to_string());
        let failures = match one(&release, &case, &data) {
            Ok(failures) => failures,
            Err(error) => vec![format!("{error:#}")],
        };
        ran.push(Ran { case, failures });
    }
    match args.output.output {
        Output::Json | Output::Sarif => output::json(&report::json(&ran))?,
        Output::Junit => output::line(&report::junit(&ran))?,
        Output::Text => output::line(&report::text(&ran))?,
    }
    let failed = ran.iter().any(|ran| !ran.failures.is_empty());
    Ok(if failed { FAILED } else { OK })
}

/// Runs a case on a clock of its own, and returns what did not hold.
fn one(release: &Arc<Release>, case: &TestCase, data: &Path) -> anyhow::Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .context("cannot start the asynchronous runtime")?;
    runtime.block_on(async {
        let clock = TokioRuntime::simulated(case.now, 0, Box::new(|_| None), Box::new(quiet));
        let (cx, _owner) = Cx::new(Arc::new(clock));
        let owner = OwnerInfo {
            pid: std::process::id(),
            address: None,
            started: case.now,
        };
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(data, &owner)?);
        let outside = Arc::new(TestOutside::new(case));
        let trials = try_flow(release, case, store, &cx, Arc::clone(&outside)).await?;
        Ok(compare::failures(case, &trials, &outside.effects()))
    })
}

fn quiet(_: Timestamp, _: Level, _: &str, _: &[(&str, &dyn std::fmt::Display)]) {}

async fn try_flow(
    release: &Arc<Release>,
    case: &TestCase,
    store: Arc<dyn Store>,
    cx: &Cx,
    outside: Arc<TestOutside>,
) -> anyhow::Result<Vec<Trial>> {
    let flow = release
        .flows
        .get(&case.flow)
        .ok_or_else(|| anyhow!("there is no flow `{}`", case.flow))?;
    let (origin, awaited) = match &flow.from {
        From::Api { .. } => (Origin::Request("test".into()), true),
        From::Caller { .. } => (Origin::Manual, true),
        From::Source { .. } => (Origin::Manual, false),
    };
    let values = match &case.input {
        Input::Messages(values) => values.clone(),
        Input::Generated => vec![sluice_contracts::generate::generate(&flow.input, 0)],
        Input::File { path, bytes } => read_file(path, bytes)?,
    };
    let mut refused = Vec::new();
    let mut messages = Vec::new();
    // What the gateway would refuse never enters the flow.
    let validator = awaited.then(|| Validator::new(&flow.input));
    for value in values {
        let details = validator
            .as_ref()
            .map_or(Vec::new(), |own| own.validate(&value));
        if !details.is_empty() {
            refused.push(details.into_iter().fold(
                Fault::invalid("the request does not fit its contract").with_status(422),
                |fault, detail| fault.with_detail(detail.pointer, detail.message),
            ));
            continue;
        }
        messages.push(Message {
            payload: Payload::Value(value),
            origin: origin.clone(),
            params: case.params.clone().map(Arc::new),
            headers: None,
            received: cx.now(),
        });
    }
    let outside: Arc<dyn Outside> = outside;
    let release = Arc::clone(release);
    let trials = sluice_engine::trial::run(
        release,
        store,
        cx,
        &case.flow,
        messages,
        awaited,
        Some(&outside),
    );
    let mut trials = trials.await.map_err(|fault| anyhow!(fault.private()))?;
    trials.extend(refused.into_iter().map(|fault| Trial {
        outcome: Outcome::AnsweredError,
        answer: None,
        fault: Some((fault, None)),
        steps: Vec::new(),
    }));
    Ok(trials)
}

/// Reads what goes in from a file: one JSON document, or JSON lines.
fn read_file(path: &str, bytes: &[u8]) -> anyhow::Result<Vec<Value<'static>>> {
    let limits = sluice_model::json::Limits::default();
    let read = |bytes: &[u8]| {
        sluice_model::json::read_owned(bytes, &Projection::All, &limits)
            .map_err(|error| anyhow!("cannot read `{path}`: {error}"))
    };
    if path.ends_with(".jsonl") {
        let lines = bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        return lines.map(read).collect();
    }
    if path.ends_with(".json") {
        return Ok(vec![read(bytes)?]);
    }
    Err(anyhow!(
        "`{path}`: `in_file` takes `.json` and `.jsonl`; write rows under `messages`"
    ))
}

/// An effect as a case names it.
pub(crate) type Effects = Vec<Effect>;
