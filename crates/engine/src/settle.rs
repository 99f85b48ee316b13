//! Settlement: what a run leaves behind, in one commit.

use std::sync::Arc;
use std::time::Duration;

use sluice_compiler::release::{Flow, RecordPolicy};
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::ids::StepId;
use sluice_model::time::Timestamp;
use sluice_model::value::Value;
use sluice_store::commit::Commit;
use sluice_store::counts::Counts;
use sluice_store::dead_letter::message::StoredMessage;
use sluice_store::dead_letter::{Cause, DeadLetterFacts, NewDeadLetter};
use sluice_store::dedupe::{DedupeSettlement, Settlement};
use sluice_store::error::StoreError;
use sluice_store::payload::{PayloadFormat, PayloadRef, StoredPayload};
use sluice_store::run::{Outcome, RunFault, RunOrigin, RunSummary, StepFault, StepOutcome};

use crate::flow::FlowRuntime;
use crate::run::{Run, State, Trace};

/// The largest payload that the run record keeps whole, in bytes; of a larger one the record keeps
/// its size and hash.
pub const RECORDED_BYTES_MAX: usize = 64 << 10;
/// How long payloads of runs are kept.
const RECORDED_FOR: Duration = Duration::from_secs(30 * 86_400);

/// What becomes of messages that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failed {
    /// They become dead letters.
    DeadLetters,
    /// The caller is answered the error; nothing stays.
    AnswersCaller,
}

/// A commit, and whether it has to be on disk before the delivery is acknowledged.
pub(crate) struct Settling {
    pub commit: Commit,
    pub durable: bool,
}

/// Returns the outcome of a finished run.
pub(crate) fn outcome_of(run: &Run, failed: Failed) -> Outcome {
    match &run.state {
        State::Active | State::Stopped => Outcome::Delivered,
        State::Filtered => Outcome::Filtered,
        State::Duplicate | State::Twin(_) => Outcome::Duplicate,
        State::Failed(..) => match failed {
            Failed::DeadLetters => Outcome::DeadLettered,
            Failed::AnswersCaller => Outcome::AnsweredError,
        },
    }
}

/// Returns what finished runs leave behind.
pub(crate) fn commit_of(flow: &FlowRuntime, runs: Vec<Run>, failed: Failed) -> Settling {
    let mut commit = Commit::default();
    let mut counts = Counts::default();
    let mut durable = false;
    let now = flow.cx.now();
    for run in runs {
        let outcome = outcome_of(&run, failed);
        counts.received += 1;
        counts.retries += run.retries;
        *slot_of(&mut counts, outcome) += 1;
        durable |= !run.reserved.is_empty() || outcome == Outcome::DeadLettered;
        settle_keys(flow, &run, outcome, now, &mut commit);
        if outcome == Outcome::DeadLettered {
            commit.dead_letters.push(dead_letter(flow, &run, now));
        }
        record(flow, run, outcome, now, &mut commit);
    }
    commit.counts.push((flow.flow.name.clone(), counts));
    Settling { commit, durable }
}

fn slot_of(counts: &mut Counts, outcome: Outcome) -> &mut u64 {
    match outcome {
        Outcome::Delivered => &mut counts.delivered,
        Outcome::AnsweredError => &mut counts.answered_error,
        Outcome::DeadLettered => &mut counts.dead_lettered,
        Outcome::Parked => &mut counts.parked,
        Outcome::Filtered => &mut counts.filtered,
        Outcome::Duplicate => &mut counts.duplicate,
    }
}

/// A key is confirmed by a message that did what it was for; a failed one lets it go.
fn settle_keys(
    flow: &FlowRuntime,
    run: &Run,
    outcome: Outcome,
    now: Timestamp,
    commit: &mut Commit,
) {
    for (key, keep) in &run.reserved {
        let to = match outcome {
            Outcome::Delivered | Outcome::Filtered | Outcome::Parked => Settlement::Confirmed {
                expires: Some(now.plus(*keep)),
            },
            Outcome::AnsweredError | Outcome::DeadLettered | Outcome::Duplicate => {
                Settlement::Released
            }
        };
        let flow = flow.flow.name.clone();
        commit.dedupe.push(DedupeSettlement {
            flow,
            key: key.clone(),
            to,
        });
    }
}

/// Returns fault and step of a failed run.
fn failure(run: &Run) -> Option<(&Fault, Option<&StepId>)> {
    match &run.state {
        State::Failed(fault, step) => Some((fault, step.as_ref())),
        _ => None,
    }
}

fn dead_letter(flow: &FlowRuntime, run: &Run, now: Timestamp) -> NewDeadLetter {
    let unknown = Fault::internal("a run failed without a fault");
    let (fault, step) = failure(run).unwrap_or((&unknown, None));
    let details: Vec<String> = fault
        .details()
        .iter()
        .map(|detail| format!("{}: {}", detail.pointer, detail.message))
        .collect();
    let mut private = fault.private();
    if !details.is_empty() {
        private.push_str(&format!(" [{}]", details.join("; ")));
    }
    NewDeadLetter {
        facts: DeadLetterFacts {
            flow: flow.flow.name.clone(),
            run: run.id,
            release: flow.release.clone(),
            cause: Cause {
                code: fault.code().clone(),
                public: fault.public().to_owned(),
                private,
                step: step.cloned(),
            },
            origin: RunOrigin::from(&run.message.origin),
            attempts: run.attempts,
            keys: run.keys.clone(),
            received: run.message.received,
            created: now,
        },
        message: StoredMessage::of(&run.message),
    }
}

/// Returns whether a summary is kept: of every run of a flow with keys, of failures otherwise.
fn is_summed(flow: &Flow, run: &Run, outcome: Outcome) -> bool {
    let failed = matches!(outcome, Outcome::AnsweredError | Outcome::DeadLettered);
    failed || run.recorded || !flow.keys.is_empty()
}

fn record(flow: &FlowRuntime, run: Run, outcome: Outcome, now: Timestamp, commit: &mut Commit) {
    if !is_summed(&flow.flow, &run, outcome) {
        return;
    }
    let failed = matches!(outcome, Outcome::AnsweredError | Outcome::DeadLettered);
    let has_steps = match flow.flow.record {
        RecordPolicy::None => false,
        RecordPolicy::All => true,
        RecordPolicy::Failures | RecordPolicy::Sample(_) => failed || run.recorded,
    };
    let duration = flow.cx.monotonic().saturating_sub(run.started);
    let fault = failure(&run).map(|(fault, step)| RunFault {
        code: fault.code().clone(),
        public: fault.public().to_owned(),
        step: step.cloned(),
    });
    if has_steps {
        let expires = Some(now.plus(RECORDED_FOR));
        let input = match &run.message.payload {
            sluice_model::batch::Payload::Value(value) => keep(&run, value, expires, commit),
            sluice_model::batch::Payload::Unread { raw, .. } => {
                let body = Arc::clone(raw);
                let stored = StoredPayload::plain(run.id, PayloadFormat::Bytes, body, expires);
                let reference = stored.reference;
                commit.payloads.push(stored);
                reference
            }
        };
        let mut input = Some(input);
        for (ordinal, trace) in run.trace.iter().enumerate() {
            let output = trace
                .output
                .as_ref()
                .map(|value| keep(&run, value, expires, commit));
            commit
                .steps
                .push(step_outcome(&run, ordinal, trace, input.take(), output));
        }
    }
    commit.runs.push(RunSummary {
        id: run.id,
        flow: flow.flow.name.clone(),
        release: flow.release.clone(),
        environment: flow.environment.clone(),
        started: run.message.received,
        duration,
        outcome,
        origin: RunOrigin::from(&run.message.origin),
        keys: run.keys,
        correlation: None,
        trace: None,
        parent: run.parent,
        attempts: run.attempts,
        fault,
        has_steps,
    });
}

fn step_outcome(
    run: &Run,
    ordinal: usize,
    trace: &Trace,
    input: Option<PayloadRef>,
    output: Option<PayloadRef>,
) -> StepOutcome {
    StepOutcome {
        run: run.id,
        ordinal: ordinal as u32,
        step: trace.step.clone(),
        status: trace.status,
        attempts: trace.attempts,
        offset: trace.offset,
        duration: trace.duration,
        effect: trace.effect.clone(),
        input,
        output,
        fault: trace.fault.as_ref().map(|fault| StepFault {
            code: fault.code().clone(),
            public: fault.public().to_owned(),
            private: fault.private(),
        }),
    }
}

/// Keeps a payload, if it is not too large, and returns what refers to it.
fn keep(
    run: &Run,
    value: &Value<'static>,
    expires: Option<Timestamp>,
    commit: &mut Commit,
) -> PayloadRef {
    let mut body = Vec::new();
    sluice_model::json::write(value, &mut body);
    let stored = StoredPayload::plain(run.id, PayloadFormat::Json, body.into(), expires);
    let reference = stored.reference;
    let known = commit
        .payloads
        .iter()
        .any(|own| own.run == run.id && own.reference == reference);
    if stored.body.len() <= RECORDED_BYTES_MAX && !known {
        commit.payloads.push(stored);
    }
    reference
}

/// Returns the fault of a store that did not take a commit.
pub(crate) fn store_fault(error: &StoreError) -> Fault {
    Fault::new(
        FaultCode::IO,
        Retry::Soon,
        Blame::Us,
        "the store does not take it",
    )
    .with_context("store", error.to_string())
}
