//! `run`: a flow runs another one, in the same process and the same commit.

use std::sync::Arc;

use sluice_compiler::release::StepPlan;
use sluice_model::batch::{Message, Origin, Payload};
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::ids::FlowName;
use sluice_model::value::Value;
use sluice_sdk::check::ExprId;

use crate::execute::{Did, Execution};
use crate::flow::{Begun, FlowRuntime};
use crate::run::{Caller, More, Run, State};
use crate::settle;

/// How deep flows may run flows; the compiler refuses circles, this is the net below it.
const DEPTH_MAX: u32 = 32;

/// Runs a flow for each run: all of them together, as a delivery of that flow.
pub(crate) async fn apply(
    execution: &Execution,
    step: &StepPlan,
    name: &FlowName,
    with: Option<ExprId>,
    runs: &mut [&mut Run],
) {
    let at = execution.begin(step);
    let target = match target(execution, name) {
        Ok(target) => target,
        Err(fault) => {
            runs.iter_mut()
                .for_each(|run| execution.failed(&at, run, fault.clone()));
            return execution.end(&at, 1);
        }
    };
    let inner = Execution::new(Arc::clone(&target), execution.depth + 1);
    let mut children = Vec::with_capacity(runs.len());
    let mut parents: Vec<&mut Run> = Vec::with_capacity(runs.len());
    for run in runs.iter_mut() {
        let input = match with {
            None => Ok(Some(run.payload().clone())),
            Some(expr) => execution.world().evaluate(run, expr),
        };
        match input {
            Ok(input) => {
                children.push(child(&target, run, input.unwrap_or(Value::Null)));
                parents.push(run);
            }
            Err(fault) => execution.failed(&at, run, fault),
        }
    }
    inner.finish(&mut children).await;
    for (run, child) in parents.into_iter().zip(&mut children) {
        let recorded = run.recorded;
        match result(child) {
            Ok(value) => {
                let more = More {
                    output: value.clone().filter(|_| recorded),
                    ..More::default()
                };
                run.set_result(step.result, value);
                let did = Did { attempts: 1, more };
                execution.did(&at, run, did);
            }
            Err(fault) => execution.failed(&at, run, fault),
        }
    }
    execution.end(&at, 1);
    execution.add(inner.take_extra());
    execution.add(settle::commit_of(&inner, children).commit);
}

fn target(execution: &Execution, name: &FlowName) -> Result<Arc<FlowRuntime>, Fault> {
    if DEPTH_MAX <= execution.depth {
        return Err(Fault::new(
            FaultCode::LIMIT,
            Retry::Never,
            Blame::Config,
            format!("flows run each other more than {DEPTH_MAX} deep"),
        ));
    }
    execution
        .flow
        .engine()
        .and_then(|engine| engine.flow(name))
        .ok_or_else(|| Fault::internal(format!("the flow `{name}` is not running")))
}

fn child(target: &FlowRuntime, parent: &Run, input: Value<'static>) -> Run {
    let message = Message {
        payload: Payload::Value(input),
        origin: Origin::Run(parent.id),
        params: None,
        headers: None,
        received: target.cx.now(),
    };
    let mut run = target.new_run(message, Begun::now(&target.cx));
    run.parent = Some(parent.id);
    run.group.clone_from(&parent.group);
    run.caller = Caller::Run(None);
    // Its failure is its caller's: that one decides what becomes of it.
    run.fails_to_caller = true;
    run
}

/// Returns what a flow replied.
fn result(run: &mut Run) -> Result<Option<Value<'static>>, Fault> {
    let answer = match std::mem::replace(&mut run.caller, Caller::Answered) {
        Caller::Run(answer) => answer,
        _ => None,
    };
    run.fails_to_caller = true;
    match &run.state {
        State::Failed(fault, _) => Err(fault.clone()),
        _ => Ok(answer.and_then(|answer| answer.body)),
    }
}
