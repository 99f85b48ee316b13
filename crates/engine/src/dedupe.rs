//! `dedupe`: reserves a key, which the commit that settles the message confirms.

use std::time::Duration;

use sluice_compiler::release::StepPlan;
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_sdk::check::ExprId;
use sluice_store::dedupe::{DedupeKey, Reserved};

use crate::execute::Execution;
use crate::run::{Run, State};
use crate::view::mapping_fault;

/// How long a message waits for another one with the same key that is under way.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// How long between two looks.
const WAIT_STEP: Duration = Duration::from_millis(20);

/// Reserves the keys of all runs at once.
pub(crate) async fn apply(
    execution: &Execution,
    step: &StepPlan,
    key: ExprId,
    keep: Duration,
    mut runs: Vec<Run>,
) -> Vec<Run> {
    let mut wanted: Vec<(usize, DedupeKey)> = Vec::with_capacity(runs.len());
    for (place, run) in runs.iter_mut().enumerate() {
        match execution.world().key(run, key) {
            Ok(Some(text)) => {
                let key = DedupeKey::new(&text);
                // A key that this run has taken over is its own already.
                if !run.reserved.iter().any(|(own, _)| *own == key) {
                    wanted.push((place, key));
                }
            }
            Ok(None) => run.fail(mapping_fault("the key of `dedupe` is missing"), &step.id),
            Err(fault) => run.fail(fault, &step.id),
        }
    }
    let waited = Duration::ZERO;
    reserve(execution, step, keep, &mut runs, wanted, waited).await;
    runs
}

async fn reserve(
    execution: &Execution,
    step: &StepPlan,
    keep: Duration,
    runs: &mut [Run],
    mut wanted: Vec<(usize, DedupeKey)>,
    mut waited: Duration,
) {
    let flow = &execution.flow;
    loop {
        if wanted.is_empty() {
            return;
        }
        // Of two equal keys in one delivery the second waits for the first: for its outcome, since
        // both are settled by one commit.
        let mut asked: Vec<(usize, DedupeKey)> = Vec::with_capacity(wanted.len());
        for (place, key) in wanted.drain(..) {
            let first = runs
                .iter()
                .position(|run| run.reserved.iter().any(|(own, _)| *own == key));
            let twin = first.is_some() || asked.iter().any(|(_, own)| *own == key);
            if twin {
                runs[place].state = State::Twin(key);
            } else {
                asked.push((place, key));
            }
        }
        let keys: Vec<DedupeKey> = asked.iter().map(|(_, key)| key.clone()).collect();
        let now = flow.cx.now();
        let answers = match flow.store.reserve(&flow.flow.name, keys, now).await {
            Ok(answers) => answers,
            Err(error) => {
                let fault = crate::settle::store_fault(&error);
                for (place, _) in asked {
                    runs[place].fail(fault.clone(), &step.id);
                }
                return;
            }
        };
        for ((place, key), answer) in asked.into_iter().zip(answers) {
            match answer {
                Reserved::New => runs[place].reserved.push((key, keep)),
                Reserved::Duplicate => runs[place].state = State::Duplicate,
                Reserved::InFlight => wanted.push((place, key)),
            }
        }
        if wanted.is_empty() {
            return;
        }
        if WAIT_MAX <= waited {
            for (place, _) in wanted.drain(..) {
                runs[place].fail(in_flight(), &step.id);
            }
            return;
        }
        flow.cx.sleep(WAIT_STEP).await;
        waited += WAIT_STEP;
    }
}

fn in_flight() -> Fault {
    Fault::new(
        FaultCode::REFUSED,
        Retry::Soon,
        Blame::Caller,
        "another message with the same key is under way",
    )
}
