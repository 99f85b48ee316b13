//! A process that is killed loses nothing that it acknowledged, and leaves nothing by halves.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use sluice_model::ids::{FlowName, RunId};
use sluice_model::value::Value;
use sluice_store::commit::{Commit, PositionUpdate};
use sluice_store::conformance::{at, commit, dead_letter, summary, wait};
use sluice_store::counts::Counts;
use sluice_store::dead_letter::DeadLetterFilter;
use sluice_store::dedupe::{DedupeKey, DedupeSettlement, Reserved, Settlement};
use sluice_store::run::{KeyFilter, RunFilter};
use sluice_store::store::{Store, StoreReader};

use crate::open;

const FOLDER: &str = "SLUICE_STORE_TEST_FOLDER";
const THREADS: i64 = 4;
const KILLS: u64 = 8;

fn flow(thread: i64) -> FlowName {
    FlowName::from(format!("flow-{thread}").as_str())
}

fn key(thread: i64, round: i64) -> String {
    format!("{thread}-{round}")
}

/// Returns what a thread settles in a round: something of each kind.
fn work(run: RunId, thread: i64, round: i64) -> Commit {
    let flow = flow(thread);
    let key = key(thread, round);
    Commit {
        runs: vec![summary(run, flow.as_str(), at(round), &key)],
        dead_letters: vec![dead_letter(flow.as_str(), run, "timeout", &key.repeat(200))],
        dedupe: vec![DedupeSettlement {
            flow: flow.clone(),
            key: DedupeKey::new(&key),
            to: Settlement::Confirmed { expires: None },
        }],
        positions: vec![PositionUpdate {
            flow: flow.clone(),
            key: "file".into(),
            value: Some(Value::Int(round)),
        }],
        counts: vec![(
            flow,
            Counts {
                received: 1,
                dead_lettered: 1,
                ..Counts::default()
            },
        )],
        ..Commit::default()
    }
}

fn reached(store: &dyn Store, thread: i64) -> i64 {
    match wait(store.position(&flow(thread), "file")) {
        Some(Value::Int(round)) => round,
        None => -1,
        other => panic!("{other:?}"),
    }
}

/// Runs in the process that is killed; does nothing in a normal run of the tests.
#[test]
fn child() {
    #[expect(
        clippy::disallowed_methods,
        reason = "tells the child from a normal run"
    )]
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let store = open(Path::new(&folder));
    let store = &store;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                // Ends at the latest, should its parent be gone.
                for round in reached(store, thread) + 1..100_000 {
                    let run = store.run_ids().next(at(round));
                    commit(store, work(run, thread, round));
                    let line = format!("ack {thread} {round}\n");
                    let mut out = std::io::stdout().lock();
                    if out
                        .write_all(line.as_bytes())
                        .and_then(|()| out.flush())
                        .is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
}

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = [-1; THREADS as usize];
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for kill in 0..KILLS {
        seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(kill);
        let lines = 1 + (seed >> 33) % 300;
        for (thread, round) in killed_after(folder.path(), lines) {
            let last = &mut acknowledged[usize::try_from(thread).unwrap()];
            assert!(*last < round, "acknowledged twice: {thread} {round}");
            *last = round;
        }
        check(folder.path(), &acknowledged);
    }
}

/// Runs the child, kills it after so many acknowledgements, and returns all that it gave.
fn killed_after(folder: &Path, lines: u64) -> Vec<(i64, i64)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut acknowledged = Vec::new();
    for line in output.lines() {
        let line = line.unwrap();
        // The test harness may begin the line; a line that the kill cut is no acknowledgement.
        let Some((_, ack)) = line.split_once("ack ") else {
            continue;
        };
        let Some((thread, round)) = ack.split_once(' ') else {
            continue;
        };
        acknowledged.push((thread.parse().unwrap(), round.parse().unwrap()));
        if acknowledged.len() as u64 == lines {
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert!(!status.success(), "it was killed");
    assert!(lines <= acknowledged.len() as u64);
    acknowledged
}

/// Checks that all that was acknowledged is there, and that what is there is whole.
fn check(folder: &Path, acknowledged: &[i64]) {
    let store = open(folder);
    for (thread, last) in (0..THREADS).zip(acknowledged) {
        let reached = reached(&store, thread);
        assert!(
            *last <= reached,
            "thread {thread}: {last} was acknowledged, {reached} is there"
        );
        let done = u64::try_from(reached + 1).unwrap();
        let counts = wait(store.counts(&flow(thread)));
        assert_eq!((counts.received, counts.dead_lettered), (done, done));
        let mut letters = 0;
        let mut before = None;
        loop {
            let filter = DeadLetterFilter {
                flow: Some(flow(thread)),
                ..DeadLetterFilter::default()
            };
            let page = wait(store.dead_letters(filter, before, 1000));
            letters += page.dead_letters.len() as u64;
            for head in page.dead_letters.iter().step_by(50) {
                wait(store.dead_letter(head.id)).expect("it is listed");
            }
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(letters, done);
        for round in (0..=reached).step_by(7).chain([reached]) {
            let filter = RunFilter {
                key: Some(KeyFilter {
                    name: None,
                    value: key(thread, round).into(),
                }),
                ..RunFilter::default()
            };
            assert_eq!(
                wait(store.runs(filter, None, 10)).runs.len(),
                1,
                "{thread} {round}"
            );
            let keys = vec![DedupeKey::new(&key(thread, round))];
            let answers = wait(store.reserve(&flow(thread), keys, at(0)));
            assert_eq!(answers, [Reserved::Duplicate], "{thread} {round}");
        }
    }
}
