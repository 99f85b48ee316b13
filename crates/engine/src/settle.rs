//! Settlement: what a run leaves behind, in one commit.

use std::sync::Arc;
use std::time::Duration;

use sluice_compiler::release::{Flow, RecordPolicy};
use sluice_model::batch::Payload;
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::ids::{RunId, StepId};
use sluice_model::time::Timestamp;
use sluice_model::value::Value;
use sluice_sdk::connection::{Reply, ReplyTo};
use sluice_store::commit::Commit;
use sluice_store::counts::Counts;
use sluice_store::dead_letter::message::StoredMessage;
use sluice_store::dead_letter::{Cause, DeadLetterFacts, NewDeadLetter};
use sluice_store::dedupe::{DedupeSettlement, Settlement};
use sluice_store::error::StoreError;
use sluice_store::payload::{PayloadFormat, PayloadRef, StoredPayload};
use sluice_store::run::{
    Outcome, RunFault, RunOrigin, RunSummary, StepFault, StepOutcome, StepStatus,
};

use crate::execute::{Execution, Span};
use crate::flow::FlowRuntime;
use crate::run::{Caller, Run, State};

/// The largest payload that the run record keeps whole, in bytes; of a larger one the record keeps
/// its size and hash.
pub const RECORDED_BYTES_MAX: usize = 64 << 10;
/// How long payloads of runs are kept.
const RECORDED_FOR: Duration = Duration::from_secs(30 * 86_400);

/// The most rows of steps and payloads that one delivery stores: beyond, runs are kept without
/// their steps. A commit of the store has a limit too.
const DETAIL_ROWS_MAX: usize = 20_000;

/// What finished runs leave behind.
#[derive(Default)]
pub(crate) struct Settling {
    pub commit: Commit,
    /// It has to be on disk before the delivery is acknowledged.
    pub durable: bool,
    /// Answers that are told once it is settled.
    pub replies: Vec<(ReplyTo, Reply)>,
}

impl Settling {
    /// Adds what another one has.
    pub fn merge(&mut self, other: Settling) {
        self.commit.merge(other.commit);
        self.durable |= other.durable;
        self.replies.extend(other.replies);
    }
}

/// Returns the outcome of a finished run.
pub(crate) fn outcome_of(run: &Run) -> Outcome {
    match &run.state {
        State::Active | State::Stopped => Outcome::Delivered,
        State::Filtered => Outcome::Filtered,
        State::Duplicate | State::Waits(_) => Outcome::Duplicate,
        State::Failed(..) if run.fails_to_caller => Outcome::AnsweredError,
        State::Failed(..) => Outcome::DeadLettered,
    }
}

/// Returns what finished runs leave behind, sub-flows included.
pub(crate) fn commit_of(execution: &Execution, runs: Vec<Run>) -> Settling {
    let flow = &*execution.flow;
    let mut settling = Settling::default();
    let mut counts = Counts::default();
    let details = Details {
        flow,
        spans: execution.take_spans(),
        now: flow.cx.now(),
        ended: flow.cx.monotonic(),
    };
    for mut run in runs {
        let outcome = outcome_of(&run);
        counts.received += 1;
        counts.retries += run.retries;
        *slot_of(&mut counts, outcome) += 1;
        settling.durable |= !run.reserved.is_empty();
        settle_keys(flow, &mut run, outcome, details.now, &mut settling.commit);
        if let Caller::Told(_) = &run.caller
            && let Caller::Told(told) = std::mem::replace(&mut run.caller, Caller::Answered)
        {
            settling.replies.push(*told);
        }
        if outcome == Outcome::DeadLettered {
            let letter = dead_letter(flow, &run, details.now);
            settling.commit.dead_letters.push(letter);
        }
        details.record(run, outcome, &mut settling.commit);
    }
    let commit = &mut settling.commit;
    commit.counts.push((flow.flow.name.clone(), counts));
    commit.merge(execution.take_extra());
    settling.durable |= !commit.dead_letters.is_empty() || !commit.dedupe.is_empty();
    settling
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
    run: &mut Run,
    outcome: Outcome,
    now: Timestamp,
    commit: &mut Commit,
) {
    let is_kept = match outcome {
        Outcome::Delivered | Outcome::Filtered | Outcome::Parked => true,
        Outcome::AnsweredError | Outcome::DeadLettered | Outcome::Duplicate => false,
    };
    for held in run.reserved.drain(..).filter(|_| is_kept) {
        let (key, keep) = held.settle();
        commit.dedupe.push(DedupeSettlement {
            flow: flow.flow.name.clone(),
            key,
            to: Settlement::Confirmed {
                expires: Some(now.plus(keep)),
            },
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

/// What the record of the runs of one execution shares.
struct Details<'d> {
    flow: &'d FlowRuntime,
    spans: Vec<Span>,
    now: Timestamp,
    ended: Duration,
}

impl Details<'_> {
    /// Adds the record of a run, as far as its flow keeps one.
    fn record(&self, run: Run, outcome: Outcome, commit: &mut Commit) {
        let flow = &self.flow.flow;
        if !is_summed(flow, &run, outcome) {
            return;
        }
        let failed = matches!(outcome, Outcome::AnsweredError | Outcome::DeadLettered);
        let wanted = match flow.record {
            RecordPolicy::None => run.recorded,
            RecordPolicy::All => true,
            RecordPolicy::Failures | RecordPolicy::Sample(_) => failed || run.recorded,
        };
        let rows = commit.steps.len() + commit.payloads.len();
        let has_steps = wanted && rows + 2 * run.trace.len() < DETAIL_ROWS_MAX;
        if has_steps {
            self.steps(&run, commit);
        }
        let fault = failure(&run).map(|(fault, step)| RunFault {
            code: fault.code().clone(),
            public: fault.public().to_owned(),
            step: step.cloned(),
        });
        commit.runs.push(RunSummary {
            id: run.id,
            flow: flow.name.clone(),
            release: self.flow.release.clone(),
            environment: self.flow.environment.clone(),
            started: run.message.received,
            duration: self.ended.saturating_sub(run.started),
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

    fn steps(&self, run: &Run, commit: &mut Commit) {
        let expires = Some(self.now.plus(RECORDED_FOR));
        // Payloads of this run begin here: equal ones are kept once.
        let own = commit.payloads.len();
        let mut input = Some(match &run.message.payload {
            Payload::Value(value) => keep(run.id, value, expires, own, commit),
            Payload::Unread { raw, .. } => {
                let body = Arc::clone(raw);
                let stored = StoredPayload::plain(run.id, PayloadFormat::Bytes, body, expires);
                keep_stored(stored, own, commit)
            }
        });
        let outputs = outputs(self.flow, run);
        for (ordinal, (trace, output)) in run.trace.iter().zip(outputs).enumerate() {
            let output = output.map(|value| keep(run.id, value, expires, own, commit));
            let span = self.spans.get(trace.span as usize).copied();
            let span = span.unwrap_or_default();
            let more = trace.more.as_deref();
            commit.steps.push(StepOutcome {
                run: run.id,
                ordinal: ordinal as u32,
                step: self.flow.step(trace.step).id.clone(),
                status: trace.status,
                attempts: trace.attempts,
                offset: span.begun.saturating_sub(run.started),
                duration: span.took,
                effect: more.and_then(|more| more.effect.clone()),
                input: input.take(),
                output,
                fault: more
                    .and_then(|more| more.fault.as_ref())
                    .map(|fault| StepFault {
                        code: fault.code().clone(),
                        public: fault.public().to_owned(),
                        private: fault.private(),
                    }),
            });
        }
    }
}

/// Returns what each step of a run's trace gave: what was kept, the payload that it made, or the
/// result that it bound.
pub(crate) fn outputs<'r>(flow: &FlowRuntime, run: &'r Run) -> Vec<Option<&'r Value<'static>>> {
    let mut outputs: Vec<Option<&Value<'static>>> = run
        .trace
        .iter()
        .map(|trace| {
            let kept = trace.more.as_deref().and_then(|more| more.output.as_ref());
            let bound = || match trace.status {
                StepStatus::Done => run.result(flow.step(trace.step).result?),
                _ => None,
            };
            kept.or_else(bound)
        })
        .collect();
    let made = run.history.iter().map(|(at, value)| (*at, value));
    for (at, value) in made.chain(run.last_change()) {
        if let Some(output) = outputs.get_mut(at as usize) {
            *output = Some(value);
        }
    }
    outputs
}

/// Keeps a payload, if it is not too large, and returns what refers to it.
fn keep(
    run: RunId,
    value: &Value<'static>,
    expires: Option<Timestamp>,
    own: usize,
    commit: &mut Commit,
) -> PayloadRef {
    let mut body = Vec::new();
    sluice_model::json::write(value, &mut body);
    let stored = StoredPayload::plain(run, PayloadFormat::Json, body.into(), expires);
    keep_stored(stored, own, commit)
}

/// Keeps a payload, if it is not too large nor among the run's `own`, which begin there.
fn keep_stored(stored: StoredPayload, own: usize, commit: &mut Commit) -> PayloadRef {
    let reference = stored.reference;
    let known = commit.payloads[own..]
        .iter()
        .any(|payload| payload.reference == reference);
    if stored.body.len() <= RECORDED_BYTES_MAX && !known {
        commit.payloads.push(stored);
    }
    reference
}

/// The most rows of what one delivery stores: above, the steps of its runs are left out.
const ROWS_MAX: usize = 80_000;

/// Keeps a commit within what the store takes: outcomes before details.
pub(crate) fn bound(commit: &mut Commit) {
    if ROWS_MAX < commit.rows() {
        commit.steps.clear();
        commit.payloads.clear();
        commit.runs.iter_mut().for_each(|run| run.has_steps = false);
    }
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
