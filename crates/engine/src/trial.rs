//! One message through one flow, with what each step did: for tests and trials.

use std::sync::Arc;

use sluice_compiler::release::Release;
use sluice_model::batch::Message;
use sluice_model::fault::Fault;
use sluice_model::ids::{FlowName, StepId};
use sluice_model::value::Value;
use sluice_sdk::connection::Answer;
use sluice_sdk::cx::Cx;
use sluice_store::run::{Outcome, StepStatus};
use sluice_store::store::Store;

use crate::engine::Engine;
use crate::execute::Execution;
use crate::flow::{Begun, FlowRuntime};
use crate::outside::Outside;
use crate::run::{Caller, Run, State};
use crate::settle;

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
    /// The payload that it made, the result that it bound, or the row that it wrote; `None` for a
    /// step that gives nothing of that.
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
    let begun = Begun::now(&runtime.cx);
    let mut runs: Vec<Run> = messages
        .into_iter()
        .map(|message| {
            let mut run = runtime.new_run(message, begun);
            run.recorded = true;
            if awaited {
                run.caller = Caller::Run(None);
            }
            run
        })
        .collect();
    let execution = Execution::new(Arc::clone(&runtime), 0);
    execution.finish(&mut runs).await;
    let trials = runs.iter_mut().map(|run| trial_of(&runtime, run)).collect();
    let mut settling = settle::commit_of(&execution, runs);
    settling.durable = true;
    let stored = crate::settler::store(&runtime, settling).await;
    inner.close_sinks().await;
    stored?;
    Ok(trials)
}

fn trial_of(flow: &FlowRuntime, run: &mut Run) -> Trial {
    let answer = match std::mem::replace(&mut run.caller, Caller::Answered) {
        Caller::Run(answer) => answer.map(|answer| *answer),
        _ => None,
    };
    let fault = match &run.state {
        State::Failed(fault, step) => Some((fault.clone(), step.clone())),
        _ => None,
    };
    let outputs = settle::outputs(flow, run);
    let steps = run.trace.iter().zip(outputs).map(|(trace, output)| {
        let info = flow.step(trace.step);
        StepTrace {
            step: info.id.clone(),
            verb: info.verb,
            status: trace.status,
            attempts: trace.attempts,
            output: output.cloned(),
        }
    });
    Trial {
        outcome: settle::outcome_of(run),
        answer,
        fault,
        steps: steps.collect(),
    }
}
