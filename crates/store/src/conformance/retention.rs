//! Deletion of what has been kept long enough.

use sluice_model::ids::{FlowName, RunId};

use crate::commit::Commit;
use crate::conformance::dead_letters::put;
use crate::conformance::{at, commit, dead_letter, summary, wait};
use crate::dead_letter::{DeadLetterFilter, DeadLetterState, RedriveResult};
use crate::dedupe::{DedupeKey, DedupeSettlement, Reserved, Settlement};
use crate::payload::{PayloadFormat, StoredPayload};
use crate::request::{Action, NewRequest, RequestResult, Selection};
use crate::retention::{Prune, Pruned};
use crate::run::RunFilter;
use crate::store::Store;

fn prune_all(store: &dyn Store, what: &Prune, limit: usize) -> u64 {
    let mut rows = 0;
    loop {
        let pruned: Pruned = wait(store.prune(what.clone(), limit));
        assert!(pruned.rows <= limit as u64);
        rows += pruned.rows;
        if !pruned.more {
            return rows;
        }
    }
}

/// Runs go with their payloads, of one flow or of all, those that began before and no others.
pub(super) fn runs(store: &dyn Store) {
    let mut all = Vec::new();
    for i in 0..20_u8 {
        let when = at(i64::from(i));
        let id = store.run_ids().next(when);
        let flow = ["a", "b"][usize::from(i % 2)];
        let expires = (i < 4).then(|| at(100));
        let payload = StoredPayload::plain(id, PayloadFormat::Json, vec![i].into(), expires);
        commit(
            store,
            Commit {
                runs: vec![summary(id, flow, when, "A-1")],
                payloads: vec![payload.clone()],
                ..Commit::default()
            },
        );
        all.push((id, payload.reference.hash));
    }
    let is_there = |i: usize| {
        let (id, hash) = all[i];
        let run = wait(store.run(id)).is_some();
        assert!(run || wait(store.payload(id, hash)).is_none());
        run
    };
    let of_a = Prune::Runs {
        flow: Some("a".into()),
        before: at(10),
    };
    assert_eq!(prune_all(store, &of_a, 2), 5);
    assert!((0..20).all(|i| is_there(i) == (10 <= i || i % 2 == 1)));
    assert_eq!(prune_all(store, &Prune::Payloads { now: at(99) }, 10), 0);
    assert_eq!(prune_all(store, &Prune::Payloads { now: at(100) }, 10), 2);
    assert_eq!(wait(store.payload(all[1].0, all[1].1)), None);
    let every = Prune::Runs {
        flow: None,
        before: at(15),
    };
    assert_eq!(prune_all(store, &every, 3), 10);
    assert!((0..20).all(|i| is_there(i) == (15 <= i)));
    let none = Prune::Runs {
        flow: Some("none".into()),
        before: at(15),
    };
    assert_eq!(prune_all(store, &none, 3), 0);
    let page = wait(store.runs(RunFilter::default(), None, 100));
    assert_eq!(page.runs.len(), 5);

    let payloads = [1, 16].map(|i| {
        let id = RunId(all[i].0.0 + 1);
        StoredPayload::plain(id, PayloadFormat::Json, vec![9].into(), None)
    });
    commit(
        store,
        Commit {
            payloads: payloads.to_vec(),
            ..Commit::default()
        },
    );
    assert_eq!(
        prune_all(store, &every, 3),
        0,
        "what has no run is not counted"
    );
    let left = payloads.map(|one| wait(store.payload(one.run, one.reference.hash)).is_some());
    assert_eq!(left, [false, true]);
}

/// Closed dead letters, expired keys and finished requests go; open ones never.
pub(super) fn others(store: &dyn Store) {
    let letters = (1..=4).map(|n| dead_letter("orders", RunId(n), "timeout", "{}"));
    let ids = put(store, letters.collect());
    wait(store.set_dead_letters(vec![ids[0]], DeadLetterState::Archived, at(10)));
    wait(store.claim_dead_letters(vec![ids[1], ids[2]], at(10)));
    commit(
        store,
        Commit {
            redriven: vec![RedriveResult {
                id: ids[1],
                run: RunId(9),
                at: at(20),
                fault: None,
            }],
            ..Commit::default()
        },
    );
    let letters = |seconds| Prune::DeadLetters {
        before: at(seconds),
    };
    assert_eq!(prune_all(store, &letters(10), 1), 0);
    assert_eq!(prune_all(store, &letters(11), 1), 1);
    assert_eq!(prune_all(store, &letters(1000), 1), 1);
    let left = wait(store.dead_letters(DeadLetterFilter::default(), None, 10));
    let left: Vec<_> = left.dead_letters.iter().map(|head| head.id).collect();
    assert_eq!(left, [ids[3], ids[2]]);
    assert_eq!(wait(store.dead_letter_groups(None))[0].counts, [1, 1, 0, 0]);
    let next = put(
        store,
        vec![dead_letter("orders", RunId(5), "timeout", "{}")],
    );
    assert!(ids[3] < next[0], "an id is never given twice");

    keys(store);
    requests(store);
}

fn keys(store: &dyn Store) {
    let flow = FlowName::from("orders");
    for (key, expires) in [("1", Some(at(10))), ("2", Some(at(20))), ("3", None)] {
        let settlement = DedupeSettlement {
            flow: flow.clone(),
            key: DedupeKey::new(key),
            to: Settlement::Confirmed { expires },
        };
        commit(
            store,
            Commit {
                dedupe: vec![settlement],
                ..Commit::default()
            },
        );
    }
    assert_eq!(prune_all(store, &Prune::DedupeKeys { now: at(10) }, 1), 1);
    let keys = ["1", "2", "3"].map(DedupeKey::new).to_vec();
    let answers = wait(store.reserve(&flow, keys, at(0)));
    assert_eq!(
        answers,
        [Reserved::New, Reserved::Duplicate, Reserved::Duplicate]
    );
}

fn requests(store: &dyn Store) {
    let request = NewRequest {
        action: Action::Redrive,
        selection: Selection::Ids(Vec::new()),
        by: "anna".into(),
        at: at(0),
    };
    let [done, open] = [
        wait(store.request(request.clone())),
        wait(store.request(request)),
    ];
    wait(store.take_requests(1));
    let result = RequestResult {
        at: at(3),
        done: 0,
        failed: 0,
        note: String::new(),
    };
    wait(store.finish_request(done, result));
    assert_eq!(prune_all(store, &Prune::Requests { before: at(4) }, 5), 1);
    assert_eq!(wait(store.request_status(done)), None);
    assert!(wait(store.request_status(open)).is_some());
}
