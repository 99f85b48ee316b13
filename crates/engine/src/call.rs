//! `call`: bounded in time and number, tried again where that is harmless.

use sluice_compiler::release::{CallBody, CallPlan, StepPlan};
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::ids::EffectKey;
use sluice_model::value::{Record, Value};
use sluice_sdk::config::RetryPolicy;
use sluice_sdk::connection::{Request, Response};
use sluice_sdk::cx::Cx;

use crate::connection::Shared;
use crate::run::Run;
use crate::view::{World, kind_of, mapping_fault};

/// What a call came to.
pub(crate) struct Called {
    pub result: Result<Option<Value<'static>>, Fault>,
    pub attempts: u32,
}

/// Builds the request of a call.
pub(crate) fn request(world: &World<'_>, plan: &CallPlan, run: &mut Run) -> Result<Request, Fault> {
    let params = match plan.params {
        None => Record::default(),
        Some(expr) => match world.evaluate(run, expr)? {
            Some(Value::Record(record)) => record,
            None => Record::default(),
            Some(other) => {
                return Err(mapping_fault(format!(
                    "the parameters are a record, not {}",
                    kind_of(&other)
                )));
            }
        },
    };
    let body = body(world, &plan.body, run)?;
    let key = match plan.key {
        None => None,
        Some(expr) => world
            .key(run, expr)?
            .map(|key| EffectKey::from(key.as_str())),
    };
    if plan.key.is_some() && key.is_none() {
        return Err(mapping_fault("the idempotency key is missing"));
    }
    Ok(Request { params, body, key })
}

/// Returns what goes out; `None` where there is no body.
pub(crate) fn body(
    world: &World<'_>,
    body: &CallBody,
    run: &mut Run,
) -> Result<Option<Value<'static>>, Fault> {
    match body {
        CallBody::None => Ok(None),
        CallBody::Payload => Ok(Some(run.payload().clone())),
        CallBody::Expr(expr) => world.evaluate(run, *expr),
        CallBody::Map(plan) => world.map(run, plan),
    }
}

/// Carries out a call, with its tries.
pub(crate) async fn call(
    plan: &CallPlan,
    step: &StepPlan,
    shared: &Shared,
    request: Request,
    cx: &Cx,
) -> Called {
    let keyed = request.key.is_some() && plan.shape.keyed;
    let harmless = plan.shape.reads || plan.shape.idempotent || keyed;
    let mut request = request;
    let mut attempts = 0;
    shared.tried(cx.monotonic());
    loop {
        attempts += 1;
        // The last try takes the request itself: most calls have one.
        let own = match attempts < plan.retry.attempts {
            true => request.clone(),
            false => std::mem::take(&mut request),
        };
        let fault = match attempt(plan, step, shared, own, harmless, cx).await {
            Ok(response) => {
                let result = Ok(response.body);
                return Called { result, attempts };
            }
            Err(fault) => fault,
        };
        // What may have been done is never blindly repeated, whatever the connector thinks.
        let is_unknown = *fault.code().0 == *FaultCode::UNKNOWN && !harmless;
        let fault = name(plan, fault);
        let accepted = fault
            .status()
            .is_some_and(|status| plan.accept.iter().any(|accept| accept.status == status));
        let wait = match accepted || is_unknown {
            true => None,
            false => wait_before(&plan.retry, attempts + 1, &fault, cx),
        };
        let repeats = match wait {
            Some(wait) if shared.may_repeat(cx.monotonic()) => {
                cx.or_cancelled(cx.sleep(wait)).await.is_some()
            }
            _ => false,
        };
        if !repeats {
            let result = Err(fault);
            return Called { result, attempts };
        }
    }
}

/// Returns how long to wait before try `attempt`; `None` if there is no further one.
pub(crate) fn wait_before(
    policy: &RetryPolicy,
    attempt: u32,
    fault: &Fault,
    cx: &Cx,
) -> Option<std::time::Duration> {
    if policy.attempts < attempt {
        return None;
    }
    let jitter = cx.jitter(policy.ceiling(attempt));
    match fault.retry() {
        Retry::Never => None,
        Retry::Soon | Retry::Reconnect => Some(jitter),
        // What the other side asks for is a floor, but not one that outlasts the policy.
        Retry::After(wait) => Some(wait.min(policy.max.0).max(jitter)),
    }
}

async fn attempt(
    plan: &CallPlan,
    step: &StepPlan,
    shared: &Shared,
    request: Request,
    harmless: bool,
    cx: &Cx,
) -> Result<Response, Fault> {
    let slot = shared.slots.acquire().await;
    let _slot = slot.map_err(|_| Fault::internal("the connection is closed"))?;
    shared.pace(cx).await;
    let call = match &shared.outside {
        None => plan.call.call(request, cx),
        Some(outside) => outside.call(plan, request, cx),
    };
    match cx.timeout(plan.timeout, call).await {
        Some(result) => result,
        None => {
            // What was asked for may have been done: only what is harmless may be tried again.
            let retry = if harmless { Retry::Soon } else { Retry::Never };
            let text = format!(
                "`{}#{}` did not answer within {:?}",
                plan.connection, plan.operation, plan.timeout
            );
            Err(Fault::new(FaultCode::TIMEOUT, retry, Blame::Upstream, text)
                .with_context("step", step.id.to_string()))
        }
    }
}

/// Gives a fault with a status that the contract lists the code that `catch` names.
fn name(plan: &CallPlan, fault: Fault) -> Fault {
    match fault.status() {
        Some(status) if plan.shape.faults.iter().any(|(own, _)| *own == status) => {
            fault.with_code(format!("{}#{}/{status}", plan.connection, plan.operation))
        }
        _ => fault,
    }
}

/// Returns what an answer that is no success becomes; the fault itself where the step does not
/// accept it.
pub(crate) fn accept(
    world: &World<'_>,
    plan: &CallPlan,
    run: &mut Run,
    fault: Fault,
) -> Result<Option<Value<'static>>, Fault> {
    let accept = plan
        .accept
        .iter()
        .find(|accept| Some(accept.status) == fault.status());
    match accept {
        None => Err(fault),
        Some(accept) => match accept.result {
            None => Ok(None),
            Some(expr) => {
                let body = fault.body().cloned().unwrap_or(Value::Null);
                world.evaluate_on(run, expr, Some(&body))
            }
        },
    }
}
