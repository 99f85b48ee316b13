//! Measures run summaries: processor time of the writer for each, in batches of 500 with two keys
//! of random values, and how long searches take among all of them. Prints one line of JSON.
//!
//! `cargo run --release -p sluice-store --example run_summaries [RUNS [FOLDER]]`

use std::time::{Duration, Instant};

use sluice_model::ids::FlowName;
use sluice_store::commit::{Commit, Durability};
use sluice_store::conformance::{at, failed, summary, wait};
use sluice_store::run::{BusinessKey, KeyFilter, OriginKind, Outcome, RunFilter, RunOrigin};
use sluice_store::sqlite::open::OwnerInfo;
use sluice_store::sqlite::store::SqliteStore;
use sluice_store::store::{Store, StoreReader};

const BATCH: u64 = 500;

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let runs: u64 = arguments
        .next()
        .and_then(|text| text.to_str()?.parse().ok())
        .unwrap_or(1_000_000);
    let folder = match arguments.next() {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let folder = folder.expect("a folder for the measurement can be made");
    let owner = OwnerInfo {
        pid: std::process::id(),
        address: None,
        started: at(0),
    };
    let data = folder.path().join("data");
    let store = SqliteStore::open(&data, &owner).expect("a new data folder can be opened");
    let flows: Vec<FlowName> = (0..20)
        .map(|i| format!("flow-{i}").as_str().into())
        .collect();

    let (mut made, mut writing) = (0, Duration::ZERO);
    while made < runs {
        let batch: Vec<_> = (made..made + BATCH)
            .map(|n| run(&store, n, &flows))
            .collect();
        made += BATCH;
        let before = writer_time();
        let commit = Commit {
            runs: batch,
            ..Commit::default()
        };
        wait(store.commit(commit, Durability::Durable));
        writing += writer_time().saturating_sub(before);
    }
    let writer_us = writing.as_secs_f64() * 1e6 / made as f64;
    let searches = searches(made);
    let mut worst = Vec::new();
    for (name, filter) in &searches {
        let mut times: Vec<Duration> = (0..20)
            .map(|_| {
                let start = now();
                wait(store.runs(filter.clone(), None, 50));
                start.elapsed()
            })
            .collect();
        times.sort();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        worst.push(format!(
            "\"{name}\":[{:.2},{:.2}]",
            ms(times[10]),
            ms(times[19])
        ));
    }
    let size: u64 = std::fs::metadata(data.join("store.sqlite")).map_or(0, |file| file.len());
    println!(
        "{{\"runs\":{made},\"writer_cpu_us_per_summary\":{writer_us:.2},\
         \"bytes_per_summary\":{:.0},\"search_ms_p50_max\":{{{}}}}}",
        size as f64 / made as f64,
        worst.join(",")
    );
}

/// Returns one of many runs: a thousandth fail, half are requests, half records of a file.
fn run(store: &SqliteStore, n: u64, flows: &[FlowName]) -> sluice_store::run::RunSummary {
    let started = at(i64::try_from(n / 1000).unwrap_or(0));
    let id = store.run_ids().next(started);
    let scattered = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
    let mut run = summary(id, "", started, &format!("{scattered:016x}"));
    run.flow = flows[(scattered % flows.len() as u64) as usize].clone();
    run.keys.push(BusinessKey {
        name: "customer".into(),
        value: format!("C-{}", scattered % 50_000).into(),
    });
    if n.is_multiple_of(2) {
        run.origin = RunOrigin {
            kind: OriginKind::Record,
            text: "in/orders.csv".into(),
            place: Some((n, n * 80)),
        };
    }
    if n % 1000 == 7 {
        failed(run, "timeout")
    } else {
        run
    }
}

fn searches(made: u64) -> Vec<(&'static str, RunFilter)> {
    let old = 123_u64
        .min(made - 1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(17);
    let mut all = vec![("all", RunFilter::default())];
    let mut add = |name, edit: &dyn Fn(&mut RunFilter)| {
        let mut filter = RunFilter::default();
        edit(&mut filter);
        all.push((name, filter));
    };
    let key = |value: &str| {
        Some(KeyFilter {
            name: None,
            value: value.into(),
        })
    };
    add("key", &|f| f.key = key(&format!("{old:016x}")));
    add("key_missing", &|f| f.key = key("none"));
    add("key_common", &|f| f.key = key("C-7"));
    add("flow", &|f| f.flow = Some("flow-7".into()));
    add("outcome", &|f| f.outcome = Some(Outcome::DeadLettered));
    add("fault", &|f| f.fault = Some("timeout".into()));
    add("origin_file", &|f| f.origin = Some("in/orders.csv".into()));
    add("origin_line", &|f| {
        f.origin = Some("in/orders.csv:122".into())
    });
    add("file_and_outcome", &|f| {
        f.origin = Some("in/orders.csv".into());
        f.outcome = Some(Outcome::DeadLettered);
    });
    add("flow_and_old_times", &|f| {
        f.flow = Some("flow-7".into());
        f.from = Some(at(3));
        f.until = Some(at(9));
    });
    all
}

/// Returns the processor time that the writer's thread has used.
fn writer_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    for task in tasks {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if name.trim() == "store-writer" {
            let times = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let ns = times.split(' ').next().and_then(|ns| ns.parse().ok());
            return Duration::from_nanos(ns.unwrap_or(0));
        }
    }
    Duration::ZERO
}

#[expect(
    clippy::disallowed_methods,
    reason = "a measurement needs the real clock"
)]
fn now() -> Instant {
    Instant::now()
}
