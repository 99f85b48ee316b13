//! Dedupe keys.

use sluice_model::ids::FlowName;
use sluice_model::time::Timestamp;

use crate::commit::{Commit, Durability};
use crate::conformance::{at, commit, try_wait, wait};
use crate::dead_letter::{DeadLetterId, RedriveResult};
use crate::dedupe::{DedupeKey, DedupeSettlement, Reserved, Settlement};
use crate::store::Store;

fn ask(store: &dyn Store, flow: &str, keys: &[&str], now: Timestamp) -> Vec<Reserved> {
    let keys = keys.iter().map(|key| DedupeKey::new(key)).collect();
    wait(store.reserve(&FlowName::from(flow), keys, now))
}

fn settle(flow: &str, key: &str, to: Settlement) -> Commit {
    Commit {
        dedupe: vec![DedupeSettlement {
            flow: flow.into(),
            key: DedupeKey::new(key),
            to,
        }],
        ..Commit::default()
    }
}

const FOR_EVER: Settlement = Settlement::Confirmed { expires: None };

/// A key is new once, then in flight, then a duplicate; released, it is new again.
pub(super) fn reserve(store: &dyn Store) {
    use Reserved::{Duplicate, InFlight, New};
    assert_eq!(
        ask(store, "a", &["1", "2", "1"], at(0)),
        [New, New, InFlight]
    );
    assert_eq!(ask(store, "a", &["1", "3"], at(0)), [InFlight, New]);
    assert_eq!(
        ask(store, "b", &["1"], at(0)),
        [New],
        "flows have keys of their own"
    );
    commit(store, settle("a", "1", FOR_EVER));
    commit(store, settle("a", "2", Settlement::Released));
    store.release_keys(&FlowName::from("a"), &[DedupeKey::new("3")]);
    assert_eq!(
        ask(store, "a", &["1", "2", "3"], at(0)),
        [Duplicate, New, New]
    );
    assert_eq!(ask(store, "a", &["1", "1"], at(0)), [Duplicate, Duplicate]);
    assert_eq!(ask(store, "b", &["1"], at(0)), [InFlight]);
    let long = "x".repeat(5000);
    assert_eq!(ask(store, "a", &[&long], at(0)), [New]);
    wait(store.commit(settle("a", &long, FOR_EVER), Durability::Soon));
    wait(store.flush());
    assert_eq!(
        ask(store, "a", &[&long, &long[1..]], at(0)),
        [Duplicate, New]
    );
    assert_eq!(ask(store, "a", &[], at(0)), []);
}

/// A confirmed key is a duplicate until it expires, and not from then on.
pub(super) fn expiry(store: &dyn Store) {
    use Reserved::{Duplicate, New};
    let confirmed = Settlement::Confirmed {
        expires: Some(at(10)),
    };
    assert_eq!(ask(store, "a", &["1"], at(0)), [New]);
    commit(store, settle("a", "1", confirmed));
    assert_eq!(
        ask(store, "a", &["1"], Timestamp(at(10).0 - 1)),
        [Duplicate]
    );
    assert_eq!(ask(store, "a", &["1"], at(10)), [New]);
    commit(store, settle("a", "1", FOR_EVER));
    assert_eq!(ask(store, "a", &["1"], at(1_000_000)), [Duplicate]);
}

/// A commit that fails settles nothing: its keys are new again.
pub(super) fn failed_commit(store: &dyn Store) {
    assert_eq!(ask(store, "a", &["1"], at(0)), [Reserved::New]);
    let mut bad = settle("a", "1", FOR_EVER);
    bad.redriven.push(RedriveResult {
        id: DeadLetterId(1),
        run: sluice_model::ids::RunId(1),
        at: at(0),
        fault: None,
    });
    try_wait(store.commit(bad, Durability::Durable)).expect_err("there is no dead letter 1");
    assert_eq!(ask(store, "a", &["1"], at(0)), [Reserved::New]);
}

/// However many ask at once, and while others confirm, one gets the key and nobody gets it again.
pub(super) fn no_two_get_one_key(store: &dyn Store) {
    const KEYS: usize = 200;
    let got: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut got = Vec::new();
                    for key in 0..KEYS {
                        let text = key.to_string();
                        if ask(store, "a", &[&text], at(0)) == [Reserved::New] {
                            got.push(key);
                            commit(store, settle("a", &text, FOR_EVER));
                        }
                    }
                    got
                })
            })
            .collect();
        let all = threads.into_iter().map(|thread| thread.join());
        all.flat_map(|got| got.expect("no thread panics")).collect()
    });
    let mut sorted = got.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..KEYS).collect::<Vec<_>>());
}
