//! Limits: the queue, the groups, the disk.

use std::task::{Context, Poll, Waker};

use sluice_model::ids::{FlowName, RunId};
use sluice_model::value::Value;
use sluice_store::commit::{Commit, CommitOutcome, Durability};
use sluice_store::conformance::{at, commit, dead_letter, position, try_wait, wait};
use sluice_store::dead_letter::DeadLetterState;
use sluice_store::error::StoreError;
use sluice_store::retention::Prune;
use sluice_store::sqlite::store::SqliteStore;
use sluice_store::sqlite::writer::Limits;
use sluice_store::store::{Health, Pending, Store, StoreReader};

use crate::owner;

/// Holds the database's write lock, so that the writer has to wait.
fn hold(folder: &std::path::Path) -> rusqlite::Connection {
    let conn = rusqlite::Connection::open(folder.join("store.sqlite")).unwrap();
    conn.execute_batch("BEGIN IMMEDIATE").unwrap();
    conn
}

fn is_ready(pending: &mut Pending<'_, CommitOutcome>) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    matches!(pending.as_mut().poll(&mut context), Poll::Ready(_))
}

/// Tries many commits while the writer stands still, and returns how many were taken.
fn taken(limits: Limits, one: &Commit) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open_with(folder.path(), &owner(), limits).unwrap();
    let lock = hold(folder.path());
    let mut waiting = Vec::new();
    let mut taken = 0;
    for _ in 0..30 {
        let mut pending = store.commit(one.clone(), Durability::Soon);
        if is_ready(&mut pending) {
            taken += 1;
        } else {
            waiting.push(pending);
        }
    }
    assert!(store.statistics().queued <= 30);
    lock.execute_batch("COMMIT").unwrap();
    for pending in waiting {
        assert_eq!(wait(pending), CommitOutcome::Queued);
    }
    wait(store.flush());
    assert_eq!(store.statistics().commits, 31);
    assert_eq!(store.statistics().queued, 0);
    taken
}

#[test]
fn a_full_queue_makes_callers_wait() {
    let small = position("orders", "file", Some(Value::Int(1)));
    let limits = Limits {
        queue_changes: 4,
        group_changes: 1,
        ..Limits::default()
    };
    // The writer may have taken one out of the queue.
    let count = taken(limits, &small);
    assert!((4..=5).contains(&count), "{count}");
}

#[test]
fn a_queue_full_of_bytes_makes_callers_wait() {
    let large = Commit {
        dead_letters: vec![dead_letter(
            "orders",
            RunId(1),
            "timeout",
            &"x".repeat(60_000),
        )],
        ..Commit::default()
    };
    let limits = Limits {
        queue_bytes: 200_000,
        ..Limits::default()
    };
    // What the writer has taken still counts until it is written.
    assert_eq!(taken(limits, &large), 3);
    let limits = Limits {
        queue_bytes: 10_000,
        ..Limits::default()
    };
    assert_eq!(
        taken(limits, &large),
        1,
        "what is larger than the queue goes alone"
    );
}

#[test]
fn commits_that_wait_together_are_written_together() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path(), &owner()).unwrap();
    let before = store.statistics();
    let lock = hold(folder.path());
    let mut waiting: Vec<_> = (0..100)
        .map(|i| {
            let one = position("orders", &format!("file-{i}"), Some(Value::Int(i)));
            store.commit(one, Durability::Durable)
        })
        .collect();
    for pending in &mut waiting {
        assert!(
            !is_ready(pending),
            "nothing is acknowledged before it is on disk"
        );
    }
    lock.execute_batch("COMMIT").unwrap();
    let mut sequences: Vec<u64> = waiting
        .into_iter()
        .map(|pending| match wait(pending) {
            CommitOutcome::Durable(committed) => committed.sequence,
            CommitOutcome::Queued => panic!("it is durable"),
        })
        .collect();
    sequences.dedup();
    assert!(sequences.is_sorted());
    let after = store.statistics();
    assert_eq!(after.commits - before.commits, 100);
    let transactions = after.transactions - before.transactions;
    assert_eq!(transactions, sequences.len() as u64);
    assert!(transactions <= 2, "{transactions} transactions");
}

#[test]
fn a_commit_that_nobody_waits_for_any_more_is_written_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path(), &owner()).unwrap();
    let lock = hold(folder.path());
    let mut pending = store.commit(
        position("orders", "file", Some(Value::Int(7))),
        Durability::Durable,
    );
    assert!(!is_ready(&mut pending));
    drop(pending);
    lock.execute_batch("COMMIT").unwrap();
    wait(store.flush());
    assert_eq!(
        wait(store.position(&"orders".into(), "file")),
        Some(Value::Int(7))
    );
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        database_pages: 400,
        ..Limits::default()
    };
    let store = SqliteStore::open_with(folder.path(), &owner(), limits.clone()).unwrap();
    let letter = |n: u64| {
        let mut all = position("orders", "file", Some(Value::Int(n.cast_signed())));
        let body = "x".repeat(20_000);
        all.dead_letters
            .push(dead_letter("orders", RunId(n), "timeout", &body));
        all
    };
    let old = (0..10)
        .flat_map(|n| commit(&store, letter(1000 + n)).dead_letters)
        .collect();
    wait(store.set_dead_letters(old, DeadLetterState::Archived, at(1)));
    let mut stored = 0;
    let error = loop {
        let n = stored;
        assert!(n < 200, "the disk is not full");
        match try_wait(store.commit(letter(n), Durability::Durable)) {
            Ok(CommitOutcome::Durable(_)) => stored += 1,
            Ok(CommitOutcome::Queued) => panic!("it is durable"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error:?}");
    assert!(error.is_transient());
    assert!(
        error.to_string().ends_with("is full: free some space"),
        "{error}"
    );
    assert_eq!(store.health(), Health::DiskFull);
    let flow = FlowName::from("orders");
    let last = Value::Int(stored.cast_signed() - 1);
    assert_eq!(
        wait(store.position(&flow, "file")),
        Some(last),
        "nothing of it was stored"
    );
    wait(store.commit(letter(500), Durability::Soon));
    try_wait(store.flush()).ok();
    assert_eq!(
        store.statistics().commits_lost,
        1,
        "a loss that nobody waited for is counted"
    );

    let pruned = wait(store.prune(Prune::DeadLetters { before: at(2) }, 1000));
    assert_eq!(pruned.rows, 10);
    commit(&store, letter(600));
    assert_eq!(store.health(), Health::Ready);
    drop(store);
    let store = SqliteStore::open_with(folder.path(), &owner(), limits).unwrap();
    assert_eq!(wait(store.position(&flow, "file")), Some(Value::Int(600)));
}

#[test]
fn the_log_stays_short() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        checkpoint_pages: 50,
        ..Limits::default()
    };
    let store = SqliteStore::open_with(folder.path(), &owner(), limits).unwrap();
    let body = "x".repeat(10_000);
    let mut longest = 0;
    for n in 0..300 {
        commit(
            &store,
            Commit {
                dead_letters: vec![dead_letter("orders", RunId(n), "timeout", &body)],
                ..Commit::default()
            },
        );
        let log = std::fs::metadata(folder.path().join("store.sqlite-wal")).unwrap();
        longest = longest.max(log.len());
    }
    assert!(
        20 < store.statistics().checkpoints,
        "{:?}",
        store.statistics()
    );
    assert!(longest < 1024 * 1024, "{longest} bytes of 3 MB");
}
