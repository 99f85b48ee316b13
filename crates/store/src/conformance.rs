//! The conformance suite of stores: what every implementation of [`Store`] has to do.
//!
//! [`run`] needs nothing of an executor: it blocks on each future in turn. It panics with what is
//! wrong, as a test does.

use std::sync::Arc;
use std::time::Duration;

use sluice_model::fault::FaultCode;
use sluice_model::ids::{EnvironmentName, FlowName, ReleaseId, RunId, StepId};
use sluice_model::time::Timestamp;
use sluice_model::value::Value;

use crate::commit::{Commit, CommitOutcome, Committed, Durability, PositionUpdate};
use crate::counts::Counts;
use crate::dead_letter::message::{MessageFormat, StoredMessage};
use crate::dead_letter::{Cause, DeadLetterFacts, NewDeadLetter};
use crate::error::StoreError;
use crate::run::{BusinessKey, OriginKind, Outcome, RunFault, RunOrigin, RunSummary};
use crate::store::{Pending, Store};

mod dead_letters;
mod dedupe;
mod records;
mod releases;
mod requests;
mod retention;
mod runs;

/// A case: it gets a store that nothing is in.
type Case = fn(&dyn Store);

/// Runs the suite. `make` returns a store that nothing is in yet, another for each call.
pub fn run(make: &mut dyn FnMut() -> Box<dyn Store>) {
    let cases: &[(&str, Case)] = &[
        ("records: all or nothing", records::all_or_nothing),
        ("records: order", records::order),
        ("records: positions", records::positions),
        ("records: counts", records::counts),
        ("records: limits", records::limits),
        ("runs: round trip", runs::round_trip),
        ("runs: steps and payloads", runs::steps_and_payloads),
        ("runs: search", runs::search),
        ("runs: pages", runs::pages),
        ("runs: clock set back", runs::clock_set_back),
        ("dedupe: reserve", dedupe::reserve),
        ("dedupe: expiry", dedupe::expiry),
        ("dedupe: failed commit", dedupe::failed_commit),
        ("dedupe: no two get one key", dedupe::no_two_get_one_key),
        ("dead letters: round trip", dead_letters::round_trip),
        (
            "dead letters: groups and lists",
            dead_letters::groups_and_lists,
        ),
        ("dead letters: redrive", dead_letters::redrive),
        ("dead letters: large claim", dead_letters::large_claim),
        ("dead letters: archive", dead_letters::archive),
        ("requests: carried out", requests::carried_out),
        ("requests: edited", requests::edited),
        ("releases: round trip", releases::round_trip),
        ("retention: runs", retention::runs),
        ("retention: others", retention::others),
    ];
    for (name, case) in cases {
        println!("conformance: {name}");
        let store = make();
        case(&*store);
    }
}

/// Waits for a store's answer.
#[track_caller]
pub fn wait<T>(pending: Pending<'_, T>) -> T {
    match try_wait(pending) {
        Ok(value) => value,
        Err(error) => panic!("{error}: {error:?}"),
    }
}

/// Waits for a store's answer, which may be an error.
///
/// # Errors
/// Those of the store.
pub fn try_wait<T>(mut pending: Pending<'_, T>) -> Result<T, StoreError> {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    loop {
        match pending.as_mut().poll(&mut context) {
            std::task::Poll::Ready(result) => return result,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

/// Commits and waits until it is on disk.
#[track_caller]
pub fn commit(store: &dyn Store, commit: Commit) -> Committed {
    match wait(store.commit(commit, Durability::Durable)) {
        CommitOutcome::Durable(committed) => committed,
        CommitOutcome::Queued => panic!("a durable commit is answered once it is on disk"),
    }
}

/// Returns the instant `seconds` after the beginning of the suite's time.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

/// Returns a run that delivered, with the key `order` and a request as origin.
pub fn summary(id: RunId, flow: &str, started: Timestamp, order: &str) -> RunSummary {
    RunSummary {
        id,
        flow: flow.into(),
        release: ReleaseId::from("r1"),
        environment: EnvironmentName::from("test"),
        started,
        duration: Duration::from_micros(1500),
        outcome: Outcome::Delivered,
        origin: RunOrigin {
            kind: OriginKind::Request,
            text: format!("req-{}", id.0).into(),
            place: None,
        },
        keys: vec![BusinessKey {
            name: "order".into(),
            value: order.into(),
        }],
        correlation: None,
        trace: None,
        parent: None,
        attempts: 1,
        fault: None,
        has_steps: false,
    }
}

/// Returns the same run, failed.
pub fn failed(mut run: RunSummary, code: &str) -> RunSummary {
    run.outcome = Outcome::DeadLettered;
    run.fault = Some(RunFault {
        code: FaultCode::from(code),
        public: format!("it failed with {code}"),
        step: Some(StepId::from("2.call")),
    });
    run
}

/// Returns a dead letter with JSON as its message.
pub fn dead_letter(flow: &str, run: RunId, code: &str, body: &str) -> NewDeadLetter {
    let when = at(i64::try_from(run.0 & 0xffff).unwrap_or(0));
    NewDeadLetter {
        facts: DeadLetterFacts {
            flow: FlowName::from(flow),
            run,
            release: ReleaseId::from("r1"),
            cause: Cause {
                code: FaultCode::from(code),
                public: format!("it failed with {code}"),
                private: format!("{code}: it failed (order: 1)"),
                step: Some(StepId::from("2.call")),
            },
            origin: RunOrigin {
                kind: OriginKind::Record,
                text: "in/orders.csv".into(),
                place: Some((run.0, run.0 * 80)),
            },
            attempts: 3,
            keys: vec![BusinessKey {
                name: "order".into(),
                value: format!("A-{}", run.0).into(),
            }],
            received: when,
            created: when,
        },
        message: StoredMessage {
            format: MessageFormat::Json,
            key_id: 0,
            body: body.as_bytes().into(),
            bytes_at: None,
            params: Some(r#"{"id":7}"#.into()),
            headers: None,
            position: None,
        },
    }
}

/// Returns a commit that moves a position.
pub fn position(flow: &str, key: &str, value: Option<Value<'static>>) -> Commit {
    Commit {
        positions: vec![PositionUpdate {
            flow: flow.into(),
            key: key.into(),
            value,
        }],
        ..Commit::default()
    }
}

/// Returns a commit that adds to the counts.
pub fn count(flow: &str, counts: Counts) -> Commit {
    Commit {
        counts: vec![(flow.into(), counts)],
        ..Commit::default()
    }
}
