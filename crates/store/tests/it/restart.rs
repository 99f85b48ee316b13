//! What a restart takes up again.

use sluice_model::ids::{FlowName, RunId};
use sluice_store::commit::{Commit, Durability};
use sluice_store::conformance::{at, commit, count, dead_letter, summary, wait};
use sluice_store::counts::Counts;
use sluice_store::dead_letter::{DeadLetterFilter, DeadLetterState};
use sluice_store::dedupe::{DedupeKey, DedupeSettlement, Reserved, Settlement};
use sluice_store::request::{Action, NewRequest, RequestStatus, Selection};
use sluice_store::run::{KeyFilter, RunFilter};
use sluice_store::store::{Store, StoreReader};

use crate::open;

#[test]
fn what_a_process_had_begun_waits_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let letters = [1, 2].map(|n| dead_letter("orders", RunId(70_000 + n), "timeout", "{}"));
    let ids = commit(
        &store,
        Commit {
            dead_letters: letters.to_vec(),
            ..Commit::default()
        },
    )
    .dead_letters;
    wait(store.claim_dead_letters(vec![ids[0]], at(5)));
    let wanted = NewRequest {
        action: Action::Archive,
        selection: Selection::Ids(ids.clone()),
        by: "anna".into(),
        at: at(1),
    };
    let request = wait(store.request(wanted));
    assert_eq!(wait(store.take_requests(9)).len(), 1);
    let flow = FlowName::from("orders");
    let keys = ["1", "2"].map(DedupeKey::new);
    let new = [Reserved::New, Reserved::New];
    assert_eq!(wait(store.reserve(&flow, keys.to_vec(), at(0))), new);
    let confirm = DedupeSettlement {
        flow: flow.clone(),
        key: keys[0].clone(),
        to: Settlement::Confirmed { expires: None },
    };
    commit(
        &store,
        Commit {
            dedupe: vec![confirm],
            ..Commit::default()
        },
    );
    drop(store);

    let store = open(folder.path());
    let open = DeadLetterFilter {
        state: Some(DeadLetterState::Open),
        ..DeadLetterFilter::default()
    };
    assert_eq!(
        wait(store.dead_letters(open, None, 10)).dead_letters.len(),
        2
    );
    assert_eq!(wait(store.dead_letter_groups(None))[0].counts, [2, 0, 0, 0]);
    assert_eq!(
        wait(store.request_status(request)),
        Some(RequestStatus::Waiting)
    );
    assert_eq!(wait(store.take_requests(9)).len(), 1);
    let answers = wait(store.reserve(&flow, keys.to_vec(), at(0)));
    assert_eq!(answers, [Reserved::Duplicate, Reserved::New]);
}

#[test]
fn ids_ascend_over_restarts_though_the_clock_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut last = RunId(0);
    let mut letters = Vec::new();
    for round in 0..4_i64 {
        let store = open(folder.path());
        let run = store.run_ids().next(at(-1000 * round));
        assert!(last < run);
        last = run;
        let committed = commit(
            &store,
            Commit {
                dead_letters: vec![dead_letter("orders", run, "timeout", "{}")],
                ..Commit::default()
            },
        );
        letters.extend(committed.dead_letters);
    }
    assert!(
        letters.is_sorted_by(|one, other| one < other),
        "{letters:?}"
    );
}

#[test]
fn what_was_queued_is_written_when_the_store_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let one = Counts {
        received: 1,
        ..Counts::default()
    };
    for _ in 0..500 {
        wait(store.commit(count("orders", one), Durability::Soon));
    }
    drop(store);
    let store = open(folder.path());
    assert_eq!(wait(store.counts(&"orders".into())).received, 500);
}

/// Enough runs for several buckets of search terms: all are found, before and after a restart.
#[test]
fn runs_are_found_among_many() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let find = |store: &dyn Store, n: i64| {
        let filter = RunFilter {
            key: Some(KeyFilter {
                name: None,
                value: format!("A-{n}").into(),
            }),
            ..RunFilter::default()
        };
        let page = wait(store.runs(filter, None, 10));
        page.runs.iter().map(|run| run.id).collect::<Vec<_>>()
    };
    let mut ids = Vec::new();
    for batch in 0..50 {
        let runs: Vec<_> = (batch * 1000..(batch + 1) * 1000)
            .map(|n| {
                let id = store.run_ids().next(at(n / 100));
                ids.push(id);
                summary(id, "orders", at(n / 100), &format!("A-{}", n % 25_000))
            })
            .collect();
        commit(
            &store,
            Commit {
                runs,
                ..Commit::default()
            },
        );
    }
    drop(store);
    let store = open(folder.path());
    for n in (0..25_000).step_by(997) {
        let index = usize::try_from(n).unwrap();
        assert_eq!(find(&store, n), [ids[index + 25_000], ids[index]], "{n}");
    }
    assert_eq!(find(&store, 25_000), []);
    let everything = RunFilter {
        flow: Some("orders".into()),
        ..RunFilter::default()
    };
    let mut before = None;
    let mut seen = Vec::new();
    loop {
        let page = wait(store.runs(everything.clone(), before, 1000));
        seen.extend(page.runs.iter().map(|run| run.id));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert!(seen.iter().rev().eq(&ids));
}
