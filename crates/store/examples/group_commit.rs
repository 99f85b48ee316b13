//! Measures what the group commit gains: dead letters of 1 KiB stored durably by 64 producers,
//! against raw appends of 1 KiB with `fdatasync` on the same disk, in turns, so that both see the
//! same noise. Prints one line of JSON.
//!
//! `cargo run --release -p sluice-store --example group_commit [FOLDER]`

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sluice_model::ids::RunId;
use sluice_store::commit::Commit;
use sluice_store::conformance::{commit, dead_letter};
use sluice_store::sqlite::open::OwnerInfo;
use sluice_store::sqlite::store::SqliteStore;
use sluice_store::store::Store;

const PRODUCERS: u64 = 64;
const ROUNDS: u32 = 5;
const ROUND: Duration = Duration::from_millis(800);

fn main() {
    let folder = match std::env::args_os().nth(1) {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let folder = folder.expect("a folder for the measurement can be made");
    let owner = OwnerInfo {
        pid: std::process::id(),
        address: None,
        started: sluice_store::conformance::at(0),
    };
    let store = SqliteStore::open(&folder.path().join("data"), &owner)
        .expect("a new data folder can be opened");
    let next = AtomicU64::new(70_000);
    let body = incompressible(1024);
    let (mut stored, mut synced) = (0, 0);
    let (mut store_time, mut sync_time) = (Duration::ZERO, Duration::ZERO);
    let mut cpu = Duration::ZERO;
    let before = store.statistics();
    for round in 0..ROUNDS {
        let (count, time) = raw(&folder.path().join(format!("raw-{round}")), body.as_bytes());
        synced += count;
        sync_time += time;
        let cpu_before = cpu_time();
        let (count, time) = letters(&store, &next, &body);
        cpu += cpu_time().saturating_sub(cpu_before);
        stored += count;
        store_time += time;
    }
    let after = store.statistics();
    let per_second = |count: u64, time: Duration| count as f64 / time.as_secs_f64();
    let (letters, syncs) = (
        per_second(stored, store_time),
        per_second(synced, sync_time),
    );
    println!(
        "{{\"producers\":{PRODUCERS},\"bytes\":1024,\"dead_letters_per_second\":{letters:.0},\
         \"raw_fdatasync_per_second\":{syncs:.0},\"ratio\":{:.2},\"dead_letters_per_group\":{:.1},\
         \"cpu_us_per_dead_letter\":{:.1}}}",
        letters / syncs,
        stored as f64 / (after.transactions - before.transactions) as f64,
        cpu.as_secs_f64() * 1e6 / stored as f64,
    );
}

/// Stores dead letters from all producers for a round; each waits until its own is on disk.
fn letters(store: &SqliteStore, next: &AtomicU64, body: &str) -> (u64, Duration) {
    let start = now();
    let stored = std::thread::scope(|scope| {
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|_| {
                scope.spawn(|| {
                    let mut stored = 0_u64;
                    while start.elapsed() < ROUND {
                        let run = RunId(next.fetch_add(1, Ordering::Relaxed));
                        let letter = dead_letter("orders", run, "timeout", body);
                        let one = Commit {
                            dead_letters: vec![letter],
                            ..Commit::default()
                        };
                        commit(store, one);
                        stored += 1;
                    }
                    stored
                })
            })
            .collect();
        let all = producers.into_iter().map(|producer| producer.join());
        all.map(|stored| stored.expect("no producer panics")).sum()
    });
    (stored, start.elapsed())
}

/// Appends to a file, with `fdatasync` after each.
fn raw(path: &Path, bytes: &[u8]) -> (u64, Duration) {
    let mut file = File::create(path).expect("a file can be made");
    let start = now();
    let mut count = 0;
    while start.elapsed() < ROUND {
        file.write_all(bytes).expect("the disk has space");
        file.sync_data().expect("the disk works");
        count += 1;
    }
    let time = start.elapsed();
    std::fs::remove_file(path).expect("our own file can be removed");
    (count, time)
}

/// Returns bytes that look random, as text.
fn incompressible(length: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut text = String::with_capacity(length);
    while text.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push(char::from(b'!' + (state % 90) as u8));
    }
    text
}

/// Returns the processor time that this process has used.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 = fields
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a measurement needs the real clock"
)]
fn now() -> Instant {
    Instant::now()
}
