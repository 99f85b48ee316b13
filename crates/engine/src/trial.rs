//! One message through one flow, with what each step did: for tests and trials.

use std::sync::Arc;

use sluice_compiler::release::Release;
use sluice_model::batch::Message;
use sluice_model::fault::Fault;
use sluice_model::ids::{FlowName, StepId};
use sluice_model::value::Value;
use sluice_sdk::connection::Answer;
use sluice_sdk::cx::Cx;
use sluice_store::commit::Durability;
use sluice_store::run::{Outcome, StepStatus};
use sluice_store::store::Store;

use crate::engine::Engine;
use crate::execute::Execution;
use crate::outside::Outside;
use crate::run::{Caller, State};
use crate::settle::{self, Failed};

/// What came of one message.
#[derive(Debug, Clone)]
pub struct Trial {
    /// How it ended.
    pub outcome: Outcome,
    /// What the flow replied.
    pub answer: Option<Answer>,
    /// Why it failed, and at which step.
    pub fault: Option<(Fault, Option<StepId>)>,
    /// What its steps did.
    pub steps: Vec<StepTrace>,
}

/// What one step did.
#[derive(Debug, Clone)]
pub struct StepTrace {
    /// The step.
    pub step: StepId,
    /// Its verb.
    pub verb: &'static str,
    /// How it ended.
    pub status: StepStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// The payload or result behind it.
    pub output: Option<Value<'static>>,
}

/// Takes messages through a flow of a release, one delivery, and settles them in `store`.
///
/// `awaited`: somebody waits for an answer to each. `outside`: what answers in the place of the
/// real systems.
///
/// # Errors
/// If the release has no such flow, or the store does not take the commit.
pub async fn run(
    release: Arc<Release>,
    store: Arc<dyn Store>,
    cx: &Cx,
    flow: &FlowName,
    messages: Vec<Message>,
    awaited: bool,
    outside: Option<&Arc<dyn Outside>>,
) -> Result<Vec<Trial>, Fault> {
    let (inner, _working) = Engine::prepare(release, store, cx, outside);
    let runtime = inner
        .flow(flow)
        .ok_or_else(|| Fault::invalid(format!("there is no flow `{flow}`")))?;
    let runs = messages
        .into_iter()
        .map(|message| {
            let mut run = runtime.new_run(message);
            run.recorded = true;
            if awaited {
                run.caller = Caller::Run(None);
            }
            run
        })
        .collect();
    let execution = Execution::new(Arc::clone(&runtime), 0);
    let mut runs = execution.finish(runs).await;
    let failed = if awaited {
        Failed::AnswersCaller
    } else {
        Failed::DeadLetters
    };
    let trials = runs.iter_mut().map(|run| trial_of(run, failed)).collect();
    let mut settling = settle::commit_of(&runtime, runs, failed);
    settling.commit.merge(execution.take_extra());
    let committed = runtime
        .store
        .commit(settling.commit, Durability::Durable)
        .await;
    committed.map_err(|error| settle::store_fault(&error))?;
    runtime.close_sinks().await;
    Ok(trials)
}

fn trial_of(run: &mut crate::run::Run, failed: Failed) -> Trial {
    let answer = match std::mem::replace(&mut run.caller, Caller::Answered) {
        Caller::Run(answer) => answer,
        _ => None,
    };
    let fault = match &run.state {
        State::Failed(fault, step) => Some((fault.clone(), step.clone())),
        _ => None,
    };
    let steps = run.trace.iter().map(|trace| StepTrace {
        step: trace.step.clone(),
        verb: trace.verb,
        status: trace.status,
        attempts: trace.attempts,
        output: trace.output.clone(),
    });
    Trial {
        outcome: settle::outcome_of(run, failed),
        answer,
        fault,
        steps: steps.collect(),
    }
}
