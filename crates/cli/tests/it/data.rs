//! A data folder with runs and dead letters, for the verbs that look at one.

use std::path::Path;
use std::time::Duration;

use sluice_model::fault::FaultCode;
use sluice_model::ids::{EffectKey, RunId, StepId};
use sluice_store::commit::Commit;
use sluice_store::conformance::{at, commit, dead_letter, failed, summary};
use sluice_store::counts::Counts;
use sluice_store::payload::{PayloadFormat, PayloadRef, StoredPayload};
use sluice_store::run::{Outcome, RunSummary, StepFault, StepOutcome, StepStatus};
use sluice_store::sqlite::open::OwnerInfo;
use sluice_store::sqlite::store::SqliteStore;

/// Opens a data folder as its owner.
#[track_caller]
pub fn own(folder: &Path) -> SqliteStore {
    let owner = OwnerInfo {
        pid: 4711,
        address: None,
        started: at(0),
    };
    SqliteStore::open(folder, &owner).expect("nobody else owns it")
}

/// Returns the id of the run that began `seconds` after the beginning.
pub fn id(seconds: i64) -> RunId {
    RunId(u64::try_from(at(seconds).millis()).expect("after 1970") << 16)
}

/// Fills a new data folder: three runs of `intake` a minute apart, of which the second failed, and
/// two files' rows of `files`, which both became dead letters.
#[track_caller]
pub fn fill(folder: &Path) {
    let store = own(folder);
    let run =
        |seconds: i64, flow: &str, order: &str| summary(id(seconds), flow, at(seconds), order);
    let mut parent = run(120, "intake", "A-3");
    parent.attempts = 2;
    parent.has_steps = true;
    let mut child = run(121, "risk", "A-3");
    child.parent = Some(parent.id);
    child.outcome = Outcome::Filtered;
    let (steps, payloads) = steps(&parent);
    let letters = [(180, "invalid"), (240, "invalid"), (241, "timeout")];
    let rows = letters.map(|(seconds, code)| failed(run(seconds, "files", "B-1\u{1b}[2J"), code));
    let dead_letters = letters.map(|(seconds, code)| {
        let mut letter = dead_letter("files", id(seconds), code, r#"{"id":1.10,"scan":"AP8="}"#);
        (letter.facts.received, letter.facts.created) = (at(seconds), at(seconds + 1));
        letter.facts.origin.place = Some((7, 560));
        letter.message.bytes_at = Some("/scan\n".into());
        letter
    });
    let mut runs = vec![
        run(0, "intake", "A-1"),
        failed(run(60, "intake", "A-2"), "timeout"),
        parent,
        child,
    ];
    runs.extend(rows);
    let counts = |delivered, dead_lettered| Counts {
        received: delivered + dead_lettered,
        delivered,
        dead_lettered,
        retries: 1,
        ..Counts::default()
    };
    commit(
        &store,
        Commit {
            runs,
            steps,
            payloads,
            dead_letters: dead_letters.into(),
            counts: vec![
                ("intake".into(), counts(2, 1)),
                ("files".into(), counts(0, 3)),
            ],
            ..Commit::default()
        },
    );
}

/// Returns the steps of a run: what went in is kept, one output is too large, one is bytes.
fn steps(run: &RunSummary) -> (Vec<StepOutcome>, Vec<StoredPayload>) {
    let keep = |format, body: &[u8]| StoredPayload::plain(run.id, format, body.into(), None);
    let input = keep(PayloadFormat::Json, br#"{"id":"A-3","total":1.10}"#);
    let bytes = keep(PayloadFormat::Bytes, b"\x00\xff");
    let large = PayloadRef {
        size: 70_000,
        ..bytes.reference
    };
    let gone = PayloadRef {
        hash: sluice_store::payload::ContentHash::of(b"gone"),
        size: 4,
    };
    let large = PayloadRef {
        hash: sluice_store::payload::ContentHash::of(b"large"),
        ..large
    };
    let step = |ordinal: u32, step: &str, status, attempts| StepOutcome {
        run: run.id,
        ordinal,
        step: StepId::from(step),
        status,
        attempts,
        offset: Duration::from_micros(u64::from(ordinal) * 250),
        duration: Duration::from_micros(1500),
        effect: None,
        input: None,
        output: None,
        fault: None,
    };
    let mut map = step(0, "1.map", StepStatus::Done, 1);
    (map.input, map.output) = (Some(input.reference), Some(large));
    let mut book = step(1, "book", StepStatus::Caught, 3);
    book.effect = Some(EffectKey::from("A-3"));
    book.output = Some(bytes.reference);
    book.fault = Some(StepFault {
        code: FaultCode::from(FaultCode::TIMEOUT),
        public: "the ERP did not answer".to_owned(),
        private: "timeout: the ERP did not answer (attempt: 3)".to_owned(),
    });
    let mut write = step(2, "3.write", StepStatus::Done, 1);
    write.output = Some(gone);
    let skipped = step(3, "4.call", StepStatus::Skipped, 0);
    (vec![map, book, write, skipped], vec![input, bytes])
}
