//! Dead letters.

use sluice_model::ids::RunId;

use crate::commit::{Commit, Durability};
use crate::conformance::{at, commit, dead_letter, try_wait, wait};
use crate::dead_letter::message::MessageFormat;
use crate::dead_letter::{
    DeadLetterFilter, DeadLetterId, DeadLetterPage, DeadLetterState, GroupId, NewDeadLetter,
    RedriveResult,
};
use crate::error::StoreError;
use crate::run::{OriginKind, RunOrigin};
use crate::store::Store;

/// Stores dead letters in one commit.
pub(super) fn put(store: &dyn Store, letters: Vec<NewDeadLetter>) -> Vec<DeadLetterId> {
    let committed = commit(
        store,
        Commit {
            dead_letters: letters,
            ..Commit::default()
        },
    );
    committed.dead_letters
}

fn find(store: &dyn Store, filter: &DeadLetterFilter) -> Vec<DeadLetterId> {
    let mut all = Vec::new();
    let mut before = None;
    loop {
        let page: DeadLetterPage = wait(store.dead_letters(filter.clone(), before, 2));
        assert!(page.dead_letters.len() <= 2);
        all.extend(page.dead_letters.iter().map(|head| head.id));
        before = page.next;
        if before.is_none() {
            return all;
        }
    }
}

fn with_state(state: DeadLetterState) -> DeadLetterFilter {
    DeadLetterFilter {
        state: Some(state),
        ..DeadLetterFilter::default()
    }
}

fn result(id: DeadLetterId, run: u64, fault: Option<&str>) -> Commit {
    Commit {
        redriven: vec![RedriveResult {
            id,
            run: RunId(run),
            at: at(100),
            fault: fault.map(str::to_owned),
        }],
        ..Commit::default()
    }
}

/// Every field comes back, of JSON and of bytes that could not be read; ids ascend.
pub(super) fn round_trip(store: &dyn Store) {
    let json = dead_letter("orders", RunId(70_001), "mapping", r#"{"order":1}"#);
    let mut raw = dead_letter("orders", RunId(70_002), "invalid", "");
    raw.facts.cause.step = None;
    raw.facts.keys.clear();
    raw.facts.origin = RunOrigin {
        kind: OriginKind::Manual,
        text: "".into(),
        place: None,
    };
    raw.message.format = MessageFormat::Unread;
    raw.message.body = vec![0xff, 0, b';'].into();
    raw.message.key_id = 2;
    raw.message.bytes_at = Some("/a\n".into());
    raw.message.headers = Some("{}".into());
    raw.message.position = Some("[1]".into());
    let ids = put(store, vec![json.clone(), raw.clone()]);
    assert!(ids[0] < ids[1]);
    for (id, letter) in ids.iter().zip([json, raw]) {
        let found = wait(store.dead_letter(*id)).expect("it was stored");
        let page =
            wait(store.dead_letters(DeadLetterFilter::default(), Some(DeadLetterId(id.0 + 1)), 1));
        assert_eq!(page.dead_letters, std::slice::from_ref(&found.head));
        assert_eq!(found.head.id, *id);
        assert_eq!(found.head.state, DeadLetterState::Open);
        assert_eq!(found.head.size, letter.message.size() as u64);
        assert_eq!(found.head.facts, letter.facts);
        assert_eq!(found.message, letter.message);
    }
    assert_eq!(wait(store.dead_letter(DeadLetterId(u64::MAX))), None);
}

/// Groups count by signature and state; lists filter by each part and page.
pub(super) fn groups_and_lists(store: &dyn Store) {
    let letter =
        |flow: &str, n: u64, code: &str| dead_letter(flow, RunId((7 << 16) + n), code, "{}");
    let ids = put(
        store,
        vec![
            letter("orders", 1, "mapping"),
            letter("orders", 2, "timeout"),
            letter("invoices", 3, "timeout"),
            letter("orders", 4, "timeout"),
        ],
    );
    let more = put(store, vec![letter("orders", 5, "timeout")]);
    let ids = [ids, more].concat();
    let groups = wait(store.dead_letter_groups(None));
    let seen: Vec<(String, String, u64)> = groups
        .iter()
        .map(|group| {
            let signature = &group.signature;
            let open = group.count(DeadLetterState::Open);
            (signature.flow.to_string(), signature.code.to_string(), open)
        })
        .collect();
    let expected = [
        ("orders", "timeout", 3),
        ("invoices", "timeout", 1),
        ("orders", "mapping", 1),
    ];
    let expected = expected.map(|(flow, code, open)| (flow.to_owned(), code.to_owned(), open));
    assert_eq!(
        seen, expected,
        "groups with the newest dead letter come first"
    );
    let newest = &groups[0];
    assert_eq!((newest.first, newest.last), (at(2), at(5)));
    assert_eq!(newest.example, "it failed with timeout");
    let orders = wait(store.dead_letter_groups(Some(&"orders".into())));
    assert_eq!(orders, [groups[0].clone(), groups[2].clone()]);
    assert_eq!(wait(store.dead_letter_groups(Some(&"none".into()))), []);
    lists(store, &ids, newest.id);
}

fn lists(store: &dyn Store, ids: &[DeadLetterId], newest: GroupId) {
    let check = |filter: DeadLetterFilter, expected: &[usize]| {
        let expected: Vec<DeadLetterId> = expected.iter().map(|i| ids[*i]).collect();
        assert_eq!(find(store, &filter), expected, "{filter:?}");
    };
    wait(store.set_dead_letters(vec![ids[3]], DeadLetterState::Archived, at(9)));
    let flow = |name: &str| DeadLetterFilter {
        flow: Some(name.into()),
        ..DeadLetterFilter::default()
    };
    check(DeadLetterFilter::default(), &[4, 3, 2, 1, 0]);
    check(flow("orders"), &[4, 3, 1, 0]);
    check(flow("none"), &[]);
    check(with_state(DeadLetterState::Open), &[4, 2, 1, 0]);
    check(with_state(DeadLetterState::Archived), &[3]);
    let group = DeadLetterFilter {
        group: Some(newest),
        state: Some(DeadLetterState::Open),
        ..DeadLetterFilter::default()
    };
    check(group.clone(), &[4, 1]);
    check(
        DeadLetterFilter {
            flow: Some("invoices".into()),
            ..group
        },
        &[],
    );
    let run = DeadLetterFilter {
        run: Some(RunId((7 << 16) + 3)),
        ..DeadLetterFilter::default()
    };
    check(run.clone(), &[2]);
    check(
        DeadLetterFilter {
            flow: Some("orders".into()),
            ..run
        },
        &[],
    );
}

/// A dead letter leaves the list only when its redrive has delivered.
pub(super) fn redrive(store: &dyn Store) {
    let letters = (1..=3).map(|n| dead_letter("orders", RunId(n), "timeout", "{\"a\":1}"));
    let letters: Vec<NewDeadLetter> = letters.collect();
    let ids = put(store, letters.clone());
    let claimed = wait(store.claim_dead_letters(vec![ids[0], ids[1], DeadLetterId(999)], at(50)))
        .dead_letters;
    let messages: Vec<_> = claimed
        .iter()
        .map(|letter| (letter.head.id, &letter.message))
        .collect();
    let expected = [(ids[0], &letters[0].message), (ids[1], &letters[1].message)];
    assert_eq!(messages, expected);
    let again = wait(store.claim_dead_letters(ids.clone(), at(51))).dead_letters;
    assert_eq!(again.len(), 1, "what is claimed is not claimed again");
    assert_eq!(again[0].head.state, DeadLetterState::Redriving);

    commit(store, result(ids[0], 900, None));
    commit(store, result(ids[1], 901, Some("timeout: again")));
    let first = wait(store.dead_letter(ids[0])).expect("it is kept").head;
    assert_eq!(
        (first.state, first.redrives),
        (DeadLetterState::Redriven, 1)
    );
    assert_eq!(
        (first.redrive_run, first.changed),
        (Some(RunId(900)), at(100))
    );
    let second = wait(store.dead_letter(ids[1])).expect("it is kept").head;
    assert_eq!((second.state, second.redrives), (DeadLetterState::Open, 1));
    assert_eq!(second.redrive_fault.as_deref(), Some("timeout: again"));
    let group = &wait(store.dead_letter_groups(None))[0];
    assert_eq!(group.counts, [1, 1, 1, 0]);

    let twice = try_wait(store.commit(result(ids[0], 902, None), Durability::Durable));
    match twice {
        Err(StoreError::Conflict { what }) => assert!(what.contains("redriven"), "{what}"),
        other => panic!("what was redriven cannot be settled again: {other:?}"),
    }
    let back = wait(store.set_dead_letters(vec![ids[2]], DeadLetterState::Open, at(60)));
    assert_eq!(back, 1, "one that was claimed but never sent is open again");
    let claimed = wait(store.claim_dead_letters(vec![ids[1], ids[2]], at(70)));
    assert_eq!((claimed.dead_letters.len(), claimed.rest.len()), (2, 0));
    commit(store, result(ids[1], 903, None));
    let second = wait(store.dead_letter(ids[1])).expect("it is kept").head;
    assert_eq!(
        (second.state, second.redrives),
        (DeadLetterState::Redriven, 2)
    );
    assert_eq!(second.redrive_fault, None);
}

/// A claim is bounded by the bytes that it returns.
pub(super) fn large_claim(store: &dyn Store) {
    let body = "x".repeat(9 * 1024 * 1024);
    let ids: Vec<DeadLetterId> = (1..=3)
        .flat_map(|n| {
            put(
                store,
                vec![dead_letter("orders", RunId(n), "timeout", &body)],
            )
        })
        .collect();
    let claimed = wait(store.claim_dead_letters(ids.clone(), at(1)));
    assert_eq!(claimed.dead_letters.len(), 2);
    assert_eq!(claimed.rest, [ids[2]]);
    let rest = wait(store.claim_dead_letters(claimed.rest, at(1)));
    assert_eq!((rest.dead_letters.len(), rest.rest.len()), (1, 0));
}

/// Only open dead letters can be archived, and archived ones opened.
pub(super) fn archive(store: &dyn Store) {
    let letters = (1..=3).map(|n| dead_letter("orders", RunId(n), "timeout", "{}"));
    let ids = put(store, letters.collect());
    wait(store.claim_dead_letters(vec![ids[0]], at(1)));
    let archived = wait(store.set_dead_letters(ids.clone(), DeadLetterState::Archived, at(2)));
    assert_eq!(archived, 2, "what is being sent again is left alone");
    let open = wait(store.set_dead_letters(vec![ids[1]], DeadLetterState::Open, at(3)));
    assert_eq!(open, 1);
    assert_eq!(
        find(store, &with_state(DeadLetterState::Archived)),
        [ids[2]]
    );
    assert_eq!(find(store, &with_state(DeadLetterState::Open)), [ids[1]]);
    assert_eq!(wait(store.dead_letter_groups(None))[0].counts, [1, 1, 0, 1]);
    for state in [DeadLetterState::Redriving, DeadLetterState::Redriven] {
        let error =
            try_wait(store.set_dead_letters(ids.clone(), state, at(4))).expect_err("it is refused");
        assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    }
}
