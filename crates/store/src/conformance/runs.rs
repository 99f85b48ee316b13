//! Run records and their search.

use std::time::Duration;

use sluice_model::fault::FaultCode;
use sluice_model::ids::{EffectKey, FlowName, RunId, StepId};
use sluice_model::time::Timestamp;

use crate::commit::Commit;
use crate::conformance::{at, commit, failed, summary, wait};
use crate::payload::{ContentHash, PayloadFormat, StoredPayload};
use crate::run::{
    BusinessKey, KeyFilter, OriginKind, Outcome, RunFilter, RunOrigin, RunPage, RunSummary,
    StepFault, StepOutcome, StepStatus, TEXT_MAX,
};
use crate::run_id::RunIds;
use crate::store::Store;

fn put(store: &dyn Store, runs: &[RunSummary]) {
    commit(
        store,
        Commit {
            runs: runs.to_vec(),
            ..Commit::default()
        },
    );
}

fn find(store: &dyn Store, filter: RunFilter) -> Vec<RunId> {
    let mut all = Vec::new();
    let mut before = None;
    loop {
        let page: RunPage = wait(store.runs(filter.clone(), before, 3));
        assert!(page.runs.len() <= 3);
        all.extend(page.runs.iter().map(|run| run.id));
        before = page.next;
        if before.is_none() {
            assert!(all.is_sorted_by(|one, other| other < one), "{all:?}");
            return all;
        }
    }
}

fn key(name: Option<&str>, value: &str) -> RunFilter {
    RunFilter {
        key: Some(KeyFilter {
            name: name.map(Into::into),
            value: value.into(),
        }),
        ..RunFilter::default()
    }
}

/// Every field comes back; a second summary with the same id replaces the first; texts are cut at
/// their limits.
pub(super) fn round_trip(store: &dyn Store) {
    let id = store.run_ids().next(at(1));
    let mut run = failed(summary(id, "orders", at(1), "A-1"), "erp#createOrder/422");
    run.duration = Duration::from_micros(u64::from(u32::MAX) * 1000);
    run.origin = RunOrigin {
        kind: OriginKind::Record,
        text: "in/orders.csv".into(),
        place: Some((17, u64::from(u32::MAX) * 7)),
    };
    run.keys.push(BusinessKey {
        name: "ort \"süd\"".into(),
        value: "x\u{1}\n\"\\é".into(),
    });
    run.correlation = Some("c-1".into());
    run.trace = Some("4bf92f3577b34da6a3ce929d0e0e4736".into());
    run.parent = Some(RunId(5));
    run.attempts = 4;
    run.has_steps = true;
    put(store, std::slice::from_ref(&run));
    let found = wait(store.run(id)).expect("it was stored");
    assert_eq!((found.summary, found.steps), (run.clone(), Vec::new()));
    run.outcome = Outcome::Parked;
    run.keys.clear();
    run.origin.text = "é".repeat(TEXT_MAX).into();
    put(store, std::slice::from_ref(&run));
    run.origin.text = "é".repeat(TEXT_MAX / 2).into();
    let found = wait(store.run(id)).expect("it was replaced");
    assert_eq!(found.summary, run);
    assert_eq!(wait(store.run(RunId(1))), None);
    assert_eq!(wait(store.run(RunId(u64::MAX))), None);
    assert_eq!(
        find(store, key(None, "A-1")),
        [],
        "the key is gone with the old summary"
    );
}

/// Steps come back in order, payloads by their hash, each with every field.
pub(super) fn steps_and_payloads(store: &dyn Store) {
    let id = store.run_ids().next(at(1));
    let mut run = summary(id, "orders", at(1), "A-1");
    run.has_steps = true;
    let input = StoredPayload::plain(id, PayloadFormat::Json, b"{\"a\":1}"[..].into(), None);
    let mut output = StoredPayload::plain(
        id,
        PayloadFormat::Bytes,
        vec![0; 100_000].into(),
        Some(at(50)),
    );
    output.key_id = 3;
    let done = StepOutcome {
        run: id,
        ordinal: 0,
        step: StepId::from("1.map"),
        status: StepStatus::Done,
        attempts: 1,
        offset: Duration::ZERO,
        duration: Duration::from_micros(40),
        effect: None,
        input: Some(input.reference),
        output: Some(output.reference),
        fault: None,
    };
    let mut steps = vec![done.clone()];
    for (ordinal, status) in (1..).zip([
        StepStatus::Skipped,
        StepStatus::Caught,
        StepStatus::Failed,
        StepStatus::Unknown,
    ]) {
        steps.push(StepOutcome {
            ordinal,
            step: StepId::from("book"),
            status,
            attempts: 3,
            offset: Duration::from_micros(55),
            duration: Duration::from_secs(3),
            effect: Some(EffectKey::from("orders/A-1/book")),
            input: Some(output.reference),
            output: None,
            fault: Some(StepFault {
                code: FaultCode::from(FaultCode::TIMEOUT),
                public: "no answer".into(),
                private: "timeout: no answer (address: 127.0.0.1:1)".into(),
            }),
            ..done.clone()
        });
    }
    let mut backwards = steps.clone();
    backwards.reverse();
    commit(
        store,
        Commit {
            runs: vec![run.clone()],
            steps: backwards,
            payloads: vec![input.clone(), output.clone(), input.clone()],
            ..Commit::default()
        },
    );
    let found = wait(store.run(id)).expect("it was stored");
    assert_eq!((found.summary, found.steps), (run, steps));
    for payload in [&input, &output] {
        let found = wait(store.payload(id, payload.reference.hash));
        assert_eq!(found.as_ref(), Some(payload));
    }
    assert_eq!(wait(store.payload(id, ContentHash::of(b""))), None);
    assert_eq!(wait(store.payload(RunId(1), input.reference.hash)), None);
}

/// Each part of a filter finds what it should, alone and with others, newest first.
pub(super) fn search(store: &dyn Store) {
    let ids: Vec<RunId> = (0..8).map(|i| store.run_ids().next(at(i))).collect();
    let run = |i: usize, flow: &str, order: &str| {
        summary(ids[i], flow, at(i64::try_from(i).unwrap_or(0)), order)
    };
    let mut runs = vec![
        run(0, "orders", "A-1"),
        failed(run(1, "orders", "A-2"), "timeout"),
        run(2, "invoices", "A-1"),
        failed(run(3, "invoices", "A-3"), "timeout"),
        failed(run(4, "orders", "A-2"), "mapping"),
        run(5, "orders", "A-4"),
        run(6, "orders", "A-5"),
        run(7, "orders", "A-1"),
    ];
    runs[5].outcome = Outcome::Duplicate;
    for (i, line) in [(5, 12), (6, 13)] {
        runs[i].origin = RunOrigin {
            kind: OriginKind::Record,
            text: "in/a.csv".into(),
            place: Some((line, 0)),
        };
    }
    runs[6].keys.push(BusinessKey {
        name: "customer".into(),
        value: "A-1".into(),
    });
    runs[6].correlation = Some("talk".into());
    runs[7].parent = Some(ids[6]);
    put(store, &runs);
    searches(store, &ids, &runs);
}

fn searches(store: &dyn Store, ids: &[RunId], runs: &[RunSummary]) {
    let check = |filter: RunFilter, expected: &[usize]| {
        let expected: Vec<RunId> = expected.iter().map(|i| ids[*i]).collect();
        assert_eq!(find(store, filter.clone()), expected, "{filter:?}");
    };
    check(RunFilter::default(), &[7, 6, 5, 4, 3, 2, 1, 0]);
    check(key(None, "A-1"), &[7, 6, 2, 0]);
    check(key(Some("order"), "A-1"), &[7, 2, 0]);
    check(key(Some("customer"), "A-1"), &[6]);
    check(key(None, "A-"), &[]);
    let filters = |edit: &dyn Fn(&mut RunFilter)| {
        let mut filter = RunFilter::default();
        edit(&mut filter);
        filter
    };
    let orders = Some(FlowName::from("orders"));
    check(filters(&|f| f.flow = orders.clone()), &[7, 6, 5, 4, 1, 0]);
    check(filters(&|f| f.flow = Some("none".into())), &[]);
    check(
        filters(&|f| f.outcome = Some(Outcome::DeadLettered)),
        &[4, 3, 1],
    );
    check(filters(&|f| f.outcome = Some(Outcome::Parked)), &[]);
    check(filters(&|f| f.fault = Some("timeout".into())), &[3, 1]);
    check(filters(&|f| f.fault = Some("limit".into())), &[]);
    check(filters(&|f| f.origin = Some("in/a.csv".into())), &[6, 5]);
    check(filters(&|f| f.origin = Some("in/a.csv:12".into())), &[5]);
    let request = runs[2].origin.text.clone();
    check(filters(&|f| f.origin = Some(request.clone())), &[2]);
    check(filters(&|f| f.correlation = Some("talk".into())), &[6]);
    check(filters(&|f| f.parent = Some(ids[6])), &[7]);
    check(filters(&|f| f.from = Some(at(3))), &[7, 6, 5, 4, 3]);
    check(filters(&|f| f.until = Some(at(3))), &[2, 1, 0]);
    check(
        filters(&|f| (f.from, f.until) = (Some(at(3)), Some(at(3)))),
        &[],
    );
    let last = filters(&|f| {
        f.flow = orders.clone();
        f.outcome = Some(Outcome::DeadLettered);
        f.fault = Some("timeout".into());
        f.key = key(None, "A-2").key;
        f.until = Some(at(4));
    });
    check(last.clone(), &[1]);
    check(
        RunFilter {
            from: Some(at(2)),
            ..last
        },
        &[],
    );
}

/// Pages follow each other without a gap or a repeat, also while runs are added.
pub(super) fn pages(store: &dyn Store) {
    let ids: Vec<RunId> = (0..25).map(|i| store.run_ids().next(at(i))).collect();
    for (i, id) in ids.iter().enumerate() {
        let flow = ["a", "b"][i % 2];
        put(store, &[summary(*id, flow, at(0), "same")]);
    }
    let first = wait(store.runs(key(None, "same"), None, 10));
    assert_eq!(first.runs.len(), 10);
    let late = store.run_ids().next(at(30));
    put(store, &[summary(late, "a", at(30), "same")]);
    let rest = wait(store.runs(key(None, "same"), first.next, 100));
    let all = first.runs.iter().chain(&rest.runs).map(|run| run.id);
    assert!(all.eq(ids.iter().rev().copied()));
    assert_eq!(rest.next, None);
    let flow = RunFilter {
        flow: Some("b".into()),
        ..RunFilter::default()
    };
    assert_eq!(find(store, flow).len(), 12);
    let exact = wait(store.runs(RunFilter::default(), None, 26));
    assert_eq!((exact.runs.len(), exact.next), (26, None));
}

/// A clock that was set back leaves the order of ids alone and the search by time right.
pub(super) fn clock_set_back(store: &dyn Store) {
    let ids: &RunIds = store.run_ids();
    let mut runs = Vec::new();
    let times = [0, 7200, 7201, 3, 4, 7300];
    for seconds in times {
        let now: Timestamp = at(seconds);
        runs.push(summary(ids.next(now), "orders", now, "A-1"));
    }
    assert!(runs.is_sorted_by(|one, other| one.id < other.id));
    put(store, &runs);
    let filter = RunFilter {
        from: Some(at(1)),
        until: Some(at(10)),
        ..RunFilter::default()
    };
    assert_eq!(find(store, filter), [runs[4].id, runs[3].id]);
}
