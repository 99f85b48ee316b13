//! `run`: a flow runs another one, in the same process and the same commit.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use sluice_compiler::release::StepPlan;
use sluice_model::batch::{Message, Origin, Payload};
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::ids::FlowName;
use sluice_model::value::Value;
use sluice_sdk::check::ExprId;

use crate::execute::Execution;
use crate::flow::FlowRuntime;
use crate::run::{Caller, Run, State};
use crate::settle;

/// How deep flows may run flows; the compiler refuses circles, this is the net below it.
const DEPTH_MAX: u32 = 32;
/// How many sub-flows of one delivery run beside each other.
const AT_ONCE: usize = 32;

/// Runs a flow for each run.
pub(crate) async fn apply(
    execution: &Execution,
    step: &StepPlan,
    name: &FlowName,
    with: Option<ExprId>,
    runs: Vec<Run>,
) -> Vec<Run> {
    let target = execution.flow.engine().and_then(|engine| engine.flow(name));
    let Some(target) = target else {
        return runs
            .into_iter()
            .map(|mut run| {
                run.fail(
                    Fault::internal(format!("the flow `{name}` is not running")),
                    &step.id,
                );
                run
            })
            .collect();
    };
    let all = runs.into_iter().map(|mut run| {
        let target = Arc::clone(&target);
        async move {
            let input = match with {
                None => Ok(Some(run.payload().clone())),
                Some(expr) => execution.world().evaluate(&mut run, expr),
            };
            let result = match input {
                Ok(input) => one(execution, target, &run, input.unwrap_or(Value::Null)).await,
                Err(fault) => Err(fault),
            };
            match result {
                Ok(value) => run.set_result(step.result, value),
                Err(fault) => run.fail(fault, &step.id),
            }
            run
        }
    });
    stream::iter(all).buffered(AT_ONCE).collect().await
}

/// Runs a flow once, and returns what it replied.
async fn one(
    execution: &Execution,
    target: Arc<FlowRuntime>,
    parent: &Run,
    input: Value<'static>,
) -> Result<Option<Value<'static>>, Fault> {
    if DEPTH_MAX <= execution.depth {
        return Err(Fault::new(
            FaultCode::LIMIT,
            Retry::Never,
            Blame::Config,
            format!("flows run each other more than {DEPTH_MAX} deep"),
        ));
    }
    let message = Message {
        payload: Payload::Value(input),
        origin: Origin::Run(parent.id),
        params: None,
        headers: None,
        received: target.cx.now(),
    };
    let inner = Execution::new(Arc::clone(&target), execution.depth + 1);
    let mut run = target.new_run(message);
    run.parent = Some(parent.id);
    run.caller = Caller::Run(None);
    let mut finished = inner.finish(vec![run]).await;
    let Some(mut run) = finished.pop() else {
        return Err(Fault::internal("the run was lost"));
    };
    let result = match (
        &run.state,
        std::mem::replace(&mut run.caller, Caller::Answered),
    ) {
        (State::Failed(fault, _), _) => Err(fault.clone()),
        (_, Caller::Run(Some(answer))) => Ok(answer.body),
        _ => Ok(None),
    };
    run.caller = Caller::Answered;
    execution.add(inner.take_extra());
    execution.add(settle::commit_of(&target, vec![run], settle::Failed::AnswersCaller).commit);
    result
}
