//! Commits, positions and counts.

use sluice_model::ids::{FlowName, RunId};
use sluice_model::value::Value;

use crate::commit::{COMMIT_ROWS_MAX, Commit, CommitOutcome, Durability};
use crate::conformance::{at, commit, count, dead_letter, position, summary, try_wait, wait};
use crate::counts::Counts;
use crate::dead_letter::{DeadLetterFilter, DeadLetterId, RedriveResult};
use crate::error::StoreError;
use crate::run::{BusinessKey, KEYS_MAX};
use crate::store::{Health, Store};

/// What cannot be stored takes the rest of its commit with it, and nothing of another.
pub(super) fn all_or_nothing(store: &dyn Store) {
    let flow = FlowName::from("orders");
    let one = Counts {
        received: 1,
        dead_lettered: 1,
        ..Counts::default()
    };
    let mut bad = position("orders", "a", Some(Value::Int(1)));
    bad.merge(count("orders", one));
    bad.runs
        .push(summary(RunId(70_000), "orders", at(0), "A-1"));
    bad.dead_letters
        .push(dead_letter("orders", RunId(70_000), "timeout", "{}"));
    bad.redriven.push(RedriveResult {
        id: DeadLetterId(999),
        run: RunId(1),
        at: at(0),
        fault: None,
    });
    let good = position("orders", "b", Some(Value::Int(2)));
    let (bad, good) = std::thread::scope(|scope| {
        let bad = scope.spawn(|| try_wait(store.commit(bad, Durability::Durable)));
        let good = scope.spawn(|| try_wait(store.commit(good, Durability::Durable)));
        (bad.join(), good.join())
    });
    assert!(
        matches!(bad, Ok(Err(StoreError::Conflict { .. }))),
        "a dead letter that is not there cannot be settled: {bad:?}"
    );
    assert!(
        matches!(good, Ok(Ok(_))),
        "another commit is not touched: {good:?}"
    );
    assert_eq!(wait(store.position(&flow, "a")), None);
    assert_eq!(wait(store.position(&flow, "b")), Some(Value::Int(2)));
    assert_eq!(wait(store.counts(&flow)), Counts::default());
    assert_eq!(wait(store.run(RunId(70_000))), None);
    let page = wait(store.dead_letters(DeadLetterFilter::default(), None, 10));
    assert_eq!(page.dead_letters, Vec::new());
    assert_eq!(store.health(), Health::Ready);
}

/// Commits apply in the order in which they are queued, `Soon` and `Durable` alike; groups are
/// numbered without a gap.
pub(super) fn order(store: &dyn Store) {
    let flow = FlowName::from("orders");
    let mut last = commit(store, Commit::default()).sequence;
    for round in 0..50 {
        for step in 0..3 {
            let soon = position("orders", "file", Some(Value::Int(round * 10 + step)));
            let outcome = wait(store.commit(soon, Durability::Soon));
            assert_eq!(outcome, CommitOutcome::Queued);
        }
        let durable = position("orders", "file", Some(Value::Int(round * 10 + 9)));
        let sequence = commit(store, durable).sequence;
        assert!(last < sequence && sequence <= last + 4, "{last} {sequence}");
        last = sequence;
        let found = wait(store.position(&flow, "file"));
        assert_eq!(found, Some(Value::Int(round * 10 + 9)));
    }
    wait(store.commit(position("orders", "file", None), Durability::Soon));
    wait(store.flush());
    assert_eq!(wait(store.position(&flow, "file")), None);
}

/// Positions are kept per flow and key, replaced, forgotten, listed in pages.
pub(super) fn positions(store: &dyn Store) {
    let flow = FlowName::from("orders");
    assert_eq!(wait(store.position(&flow, "a")), None);
    assert_eq!(wait(store.positions(&flow, None, 10)), Vec::new());
    let value = Value::List(vec![Value::text("é\"\n"), Value::Null, Value::Int(-1)]);
    for key in ["c", "a", "b", ""] {
        commit(store, position("orders", key, Some(value.clone())));
    }
    commit(store, position("others", "a", Some(Value::Bool(true))));
    commit(store, position("orders", "a", Some(Value::Int(5))));
    commit(store, position("orders", "b", None));
    assert_eq!(wait(store.position(&flow, "a")), Some(Value::Int(5)));
    assert_eq!(wait(store.position(&flow, "b")), None);
    let keys = |after, limit| -> Vec<String> {
        let page = wait(store.positions(&flow, after, limit));
        page.into_iter().map(|(key, _)| key.to_string()).collect()
    };
    assert_eq!(keys(None, 2), ["", "a"]);
    assert_eq!(keys(Some("a"), 2), ["c"]);
    assert_eq!(keys(Some("c"), 2), [""; 0]);
    assert_eq!(wait(store.position(&flow, "c")), Some(value));
}

/// Counts add up over commits, also within one.
pub(super) fn counts(store: &dyn Store) {
    let [orders, others] = ["orders", "others"].map(FlowName::from);
    let first = Counts {
        received: 5,
        delivered: 1,
        answered_error: 1,
        dead_lettered: 1,
        parked: 1,
        filtered: 1,
        duplicate: 0,
        retries: 7,
    };
    let second = Counts {
        received: 1,
        duplicate: 1,
        ..Counts::default()
    };
    let mut both = count("orders", first);
    both.merge(count("orders", second));
    commit(store, both);
    commit(store, count("others", second));
    commit(store, count("orders", second));
    let mut expected = first;
    expected.add(&second);
    expected.add(&second);
    assert_eq!(wait(store.counts(&orders)), expected);
    assert!(expected.is_balanced());
    assert_eq!(
        wait(store.counts(&FlowName::from("none"))),
        Counts::default()
    );
    let all = vec![(orders, expected), (others, second)];
    assert_eq!(wait(store.counts_all()), all);
}

/// Limits hold at the limit and refuse above, naming what, and store nothing.
pub(super) fn limits(store: &dyn Store) {
    let key = |i: usize| BusinessKey {
        name: format!("k{i}").into(),
        value: "v".into(),
    };
    let mut run = summary(RunId(70_000), "orders", at(0), "A-1");
    run.keys = (0..KEYS_MAX).map(key).collect();
    let one = |run| Commit {
        runs: vec![run],
        ..Commit::default()
    };
    commit(store, one(run.clone()));
    assert_eq!(
        wait(store.run(run.id)).map(|found| found.summary),
        Some(run.clone())
    );
    run.id = RunId(70_001);
    run.keys.push(key(KEYS_MAX));
    let error =
        try_wait(store.commit(one(run.clone()), Durability::Soon)).expect_err("it is refused");
    assert_eq!(
        error.to_string(),
        "the number of a run's keys is 17, more than the limit of 16"
    );
    assert_eq!(wait(store.run(run.id)), None);
    let mut many = Commit::default();
    let flow = FlowName::from("orders");
    many.counts = vec![(flow, Counts::default()); COMMIT_ROWS_MAX + 1];
    let error = try_wait(store.commit(many, Durability::Durable)).expect_err("it is refused");
    assert!(matches!(error, StoreError::Limit { .. }), "{error}");
}
