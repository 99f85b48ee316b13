//! Damage to the files is found, never served.

use std::path::Path;

use sluice_model::ids::{FlowName, RunId};
use sluice_model::value::Value;
use sluice_store::commit::Commit;
use sluice_store::conformance::{
    at, commit, count, dead_letter, position, summary, try_wait, wait,
};
use sluice_store::counts::Counts;
use sluice_store::dead_letter::{DeadLetterFilter, DeadLetterId};
use sluice_store::error::StoreError;
use sluice_store::payload::{PayloadFormat, StoredPayload};
use sluice_store::run::{KeyFilter, RunFilter, StepFault, StepOutcome, StepStatus};
use sluice_store::sqlite::reader::SqliteReader;
use sluice_store::store::{Pending, Store, StoreReader};

use crate::open;

const RUN: RunId = RunId(70_000);

fn payload() -> StoredPayload {
    StoredPayload::plain(RUN, PayloadFormat::Json, b"MARK-PAYLOAD"[..].into(), None)
}

/// Makes a store with one row of each kind that has a checksum.
fn fill(folder: &Path) {
    let store = open(folder);
    let mut letter = dead_letter("orders", RUN, "timeout", "MARK-LETTER-BODY");
    letter.facts.flow = "MARK-FLOW-NAME".into();
    letter.facts.cause.private = "MARK-LETTER-HEAD".into();
    let step = StepOutcome {
        run: RUN,
        ordinal: 0,
        step: "1.map".into(),
        status: StepStatus::Failed,
        attempts: 1,
        offset: std::time::Duration::ZERO,
        duration: std::time::Duration::ZERO,
        effect: None,
        input: None,
        output: None,
        fault: Some(StepFault {
            code: "timeout".into(),
            public: String::new(),
            private: "MARK-STEP".into(),
        }),
    };
    let mut all = position("orders", "file", Some(Value::text("MARK-POSITION")));
    all.merge(Commit {
        runs: vec![summary(RUN, "orders", at(0), "A-1")],
        steps: vec![step],
        payloads: vec![payload()],
        dead_letters: vec![letter],
        ..Commit::default()
    });
    commit(&store, all);
}

/// Flips one bit of the database where `mark` stands first, past its first `skip` bytes.
fn flip(folder: &Path, mark: &[u8], skip: usize) {
    let file = folder.join("store.sqlite");
    let mut bytes = std::fs::read(&file).unwrap();
    let place = bytes.windows(mark.len()).position(|window| window == mark);
    bytes[place.unwrap() + skip] ^= 4;
    std::fs::write(&file, bytes).unwrap();
}

#[track_caller]
fn damaged<T: std::fmt::Debug>(pending: Pending<'_, T>, table: &str, id: &str) {
    match try_wait(pending) {
        Err(StoreError::Corrupt {
            table: found,
            id: of,
            ..
        }) => {
            assert_eq!((found, of.as_str()), (table, id));
        }
        other => panic!("damage was not found: {other:?}"),
    }
}

#[test]
fn a_flipped_bit_is_found_and_named() {
    for mark in [
        "FLOW-NAME",
        "PAYLOAD",
        "LETTER-BODY",
        "LETTER-HEAD",
        "STEP",
        "POSITION",
    ] {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path());
        flip(folder.path(), format!("MARK-{mark}").as_bytes(), 5);
        let store = open(folder.path());
        let everything = DeadLetterFilter::default;
        let (letter, flow) = (DeadLetterId(1), FlowName::from("orders"));
        let hash = payload().reference.hash;
        match mark {
            "PAYLOAD" => damaged(
                store.payload(RUN, hash),
                "payloads",
                &format!("{RUN}, {hash}"),
            ),
            "LETTER-BODY" => {
                damaged(store.dead_letter(letter), "dead_letters", "1");
                let page = wait(store.dead_letters(everything(), None, 10));
                assert_eq!(
                    page.dead_letters.len(),
                    1,
                    "the list does not read messages"
                );
                assert_eq!(
                    wait(store.claim_dead_letters(vec![letter], at(1))).dead_letters,
                    []
                );
                let head = &wait(store.dead_letters(everything(), None, 10)).dead_letters[0];
                let fault = head.redrive_fault.as_deref().unwrap();
                assert!(
                    fault.contains("checksum"),
                    "it stays open and says why: {fault}"
                );
            }
            "LETTER-HEAD" => {
                damaged(store.dead_letter(letter), "dead_letters", "1");
                damaged(
                    store.dead_letters(everything(), None, 10),
                    "dead_letters",
                    "1",
                );
                assert_eq!(
                    wait(store.claim_dead_letters(vec![letter], at(1))).dead_letters,
                    []
                );
            }
            "FLOW-NAME" => damaged(store.dead_letter(letter), "names", "6"),
            "STEP" => damaged(store.run(RUN), "steps", &format!("{RUN}, 0")),
            _ => damaged(store.position(&flow, "file"), "positions", "orders, file"),
        }
    }
}

/// Flips a bit in each byte of a dead letter's row: what is read is what was written, or nothing.
#[test]
fn no_flipped_bit_of_a_row_is_served() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let good = wait(open(folder.path()).dead_letter(DeadLetterId(1)));
    assert!(good.is_some());
    let file = folder.path().join("store.sqlite");
    let bytes = std::fs::read(&file).unwrap();
    let end = bytes
        .windows(16)
        .position(|window| window == b"MARK-LETTER-BODY")
        .unwrap()
        + 16;
    let mut found = 0;
    // Most of it: what is before are lengths, where a flip may also make the row vanish.
    let row = end - 160..end;
    for at in row.clone() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&file, bytes).unwrap();
        let read = SqliteReader::open(folder.path())
            .and_then(|reader| try_wait(reader.dead_letter(DeadLetterId(1))));
        match read {
            Ok(Some(letter)) => assert_eq!(Some(&letter), good.as_ref(), "offset {at}"),
            Ok(None) => {}
            Err(_) => found += 1,
        }
    }
    assert_eq!(found, row.len());
}

#[test]
fn damage_to_what_finds_runs_is_found() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let run = RUN.0.to_le_bytes();
    flip(folder.path(), &run, 0);
    let store = open(folder.path());
    let filter = RunFilter {
        key: Some(KeyFilter {
            name: None,
            value: "A-1".into(),
        }),
        ..RunFilter::default()
    };
    damaged(store.runs(filter, None, 10), "run_terms_new", "1");
}

/// However a crash cuts or spoils the end of the log, what is left is a beginning of what was
/// committed: whole commits, without a gap.
#[test]
fn a_spoiled_log_leaves_whole_commits() {
    const COMMITS: i64 = 20;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for round in 0..COMMITS {
        let mut all = position("orders", "file", Some(Value::Int(round)));
        all.merge(count(
            "orders",
            Counts {
                received: 1,
                ..Counts::default()
            },
        ));
        let run = RunId(70_000 + round.unsigned_abs());
        all.dead_letters
            .push(dead_letter("orders", run, "timeout", &"x".repeat(3000)));
        commit(&store, all);
    }
    let database = std::fs::read(folder.path().join("store.sqlite")).unwrap();
    let log = std::fs::read(folder.path().join("store.sqlite-wal")).unwrap();
    drop(store);
    let mut lengths = std::collections::BTreeSet::new();
    for step in 0..40 {
        let cut = log.len() * step / 40 + step * 13;
        let garbage = |from: usize| {
            let mut log = log.clone();
            log[from..].iter_mut().for_each(|byte| *byte ^= 0x5a);
            log
        };
        let flipped = {
            let mut log = log.clone();
            log[cut] ^= 1;
            log
        };
        for log in [log[..cut].to_vec(), garbage(cut), flipped] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("store.sqlite"), &database).unwrap();
            std::fs::write(folder.path().join("store.sqlite-wal"), log).unwrap();
            lengths.insert(prefix(folder.path()));
        }
    }
    assert!(
        10 < lengths.len(),
        "the cuts are spread over the log: {lengths:?}"
    );
}

/// Checks that a beginning of the commits is there, and returns how many.
fn prefix(folder: &Path) -> u64 {
    let store = open(folder);
    let flow = FlowName::from("orders");
    let done = match wait(store.position(&flow, "file")) {
        Some(Value::Int(round)) => round.unsigned_abs() + 1,
        None => 0,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(store.counts(&flow)).received, done);
    for id in 1..=done {
        assert!(
            wait(store.dead_letter(DeadLetterId(id))).is_some(),
            "{id} of {done}"
        );
    }
    assert_eq!(wait(store.dead_letter(DeadLetterId(done + 1))), None);
    // It goes on from there.
    commit(&store, position("orders", "file", Some(Value::Int(99))));
    done
}
