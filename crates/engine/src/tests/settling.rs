//! What is acknowledged when, and what is not.

use std::sync::atomic::Ordering;

use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::ids::FlowName;
use sluice_model::value::Value;
use sluice_store::dead_letter::message::MessageFormat;
use sluice_store::run::OriginKind;
use sluice_store::store::StoreReader;

use crate::Limits;
use crate::tests::bench::{Bench, DRAIN};
use crate::tests::world::{Given, Item, Wrote, at_position, one};

const COPY: &str = "
flow: copy
from: { feed: world#in }
steps:
  - filter: n < 3
  - write: world#rows
";

fn invalid() -> Fault {
    Fault::invalid("the row is wrong")
}

#[tokio::test]
async fn what_was_written_is_acknowledged() {
    let bench = Bench::new(&[COPY]);
    let given = vec![one(&["{n: 1}", "{n: 2}", "{n: 3}"]), one(&["{n: 0}"])];
    bench.world.feed("in", given);
    let running = bench.start();
    bench.acked("in", 2).await;
    running.drain(DRAIN).await;
    let mut rows = bench.world.rows("rows");
    rows.sort();
    assert_eq!(rows, [r#"{"n":0}"#, r#"{"n":1}"#, r#"{"n":2}"#]);
    let counts = bench.counts("copy").await;
    assert_eq!((counts.received, counts.delivered), (4, 3));
    assert_eq!(counts.filtered, 1);
    assert_eq!(bench.world.state().sinks["rows"].closed, 1);
}

#[tokio::test]
async fn a_failed_commit_gives_back_what_was_read() {
    let bench = Bench::new(&[COPY]);
    bench.fail_commits(1);
    bench.world.feed("in", vec![one(&["{n: 1}"])]);
    let running = bench.start();
    bench.acked("in", 1).await;
    running.drain(DRAIN).await;
    assert_eq!(bench.world.settled("in"), [(0, false), (0, true)]);
    let counts = bench.counts("copy").await;
    assert_eq!(counts.received, 1, "what was given back is not counted");
}

#[tokio::test]
async fn nothing_behind_a_failed_commit_is_settled() {
    let bench = Bench::new(&[COPY]);
    let each = |n: usize| at_position(&[&format!("{{n: 1, at: {n}}}")]);
    bench.world.feed("in", (0..40).map(each).collect());
    bench.world.on_write("rows", {
        let store = bench.store.clone();
        let mut failed = false;
        move |rows, _| {
            let is_tenth = rows
                .iter()
                .any(|row| row.value.get("at") == Some(&Value::Int(10)));
            if is_tenth && !std::mem::replace(&mut failed, true) {
                store.failing.store(1, Ordering::Release);
            }
            Wrote::Ok
        }
    });
    let running = bench.start();
    bench.acked("in", 40).await;
    running.drain(DRAIN).await;
    let settled = bench.world.settled("in");
    let acked: Vec<usize> = settled
        .iter()
        .filter(|own| own.1)
        .map(|own| own.0)
        .collect();
    assert_eq!(acked, (0..40).collect::<Vec<_>>(), "in order, each once");
    let first = settled
        .iter()
        .find(|own| !own.1)
        .expect("one was given back")
        .0;
    let opened = bench.world.state().feeds["in"].opened.clone();
    // The tenth may be tried, fail, come again, and fail again: each time from the first one.
    assert!(
        2 <= opened.len() && opened[1] == first,
        "{opened:?} {settled:?}"
    );
    let position = bench.store.position(&FlowName::from("copy"), "in").await;
    assert_eq!(position.expect("it reads"), Some(Value::Int(39)));
    assert_eq!(bench.counts("copy").await.received, 40);
}

#[tokio::test]
async fn the_end_waits_for_what_was_given_back() {
    let flow = COPY.replace("world#in", "world#end");
    for given in [one(&["{n: 1}"]), at_position(&["{n: 1}"])] {
        let bench = Bench::new(&[&flow]);
        bench.fail_commits(1);
        bench.world.feed("end", vec![given]);
        let running = bench.start();
        bench.acked("end", 1).await;
        running.drain(DRAIN).await;
        assert_eq!(bench.world.settled("end"), [(0, false), (0, true)]);
    }
}

#[tokio::test]
async fn a_stalled_sink_stops_the_source() {
    let bench = Bench::new(&[COPY]);
    bench.world.change(|state| {
        state.sinks.entry("rows".to_owned()).or_default().stalled = true;
    });
    let each = |_| at_position(&["{n: 1}"]);
    bench.world.feed("in", (0..50).map(each).collect());
    let limits = Limits {
        deliveries: 4,
        requests: 4,
    };
    let running = bench.start_with(limits);
    bench
        .world
        .until("four deliveries", |state| 4 <= state.feeds["in"].handed)
        .await;
    // Give it every chance to take a fifth.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.world.state().feeds["in"].handed, 4);
    assert_eq!(bench.world.settled("in"), []);
    bench.world.change(|state| {
        state.sinks.get_mut("rows").expect("it is there").stalled = false;
    });
    bench.acked("in", 50).await;
    running.drain(DRAIN).await;
    assert_eq!(bench.counts("copy").await.delivered, 50);
}

#[tokio::test]
async fn draining_finishes_what_is_under_way() {
    let bench = Bench::new(&[COPY]);
    bench.world.change(|state| {
        state.sinks.entry("rows".to_owned()).or_default().stalled = true;
    });
    bench.world.feed("in", vec![one(&["{n: 1}"])]);
    let running = bench.start();
    bench
        .world
        .until("a delivery", |state| 1 == state.feeds["in"].handed)
        .await;
    let world = bench.world.clone();
    let drained = running.drain(DRAIN);
    let released = async {
        tokio::task::yield_now().await;
        world.change(|state| {
            state.sinks.get_mut("rows").expect("it is there").stalled = false;
        });
    };
    tokio::join!(drained, released);
    assert_eq!(bench.world.settled("in"), [(0, true)]);
    bench.world.feed("in", vec![one(&["{n: 1}"])]);
    assert_eq!(
        bench.world.state().feeds["in"].handed,
        1,
        "nothing more is read"
    );
}

#[tokio::test]
async fn what_a_drain_cannot_finish_is_given_back() {
    let bench = Bench::new(&[COPY]);
    bench.world.change(|state| {
        state.sinks.entry("rows".to_owned()).or_default().stalled = true;
    });
    bench.world.feed("in", vec![one(&["{n: 1}"])]);
    let running = bench.start();
    bench
        .world
        .until("a delivery", |state| 1 == state.feeds["in"].handed)
        .await;
    running.drain(std::time::Duration::from_millis(20)).await;
    let given_back = |state: &crate::tests::world::State| !state.feeds["in"].settled.is_empty();
    bench.world.until("the receipt", given_back).await;
    assert_eq!(bench.world.settled("in"), [(0, false)]);
    assert_eq!(bench.counts("copy").await.received, 0);
}

#[tokio::test]
async fn a_dead_letter_says_everything() {
    let bench = Bench::new(&["
flow: copy
from: { feed: world#in }
keys: { order: id }
steps:
  - compute: { id: id, twice: n * 2 }
  - id: store
    write: world#rows
"]);
    bench.world.on_write("rows", |rows, _| {
        let bad = rows.iter().enumerate();
        let bad = bad.filter(|(_, row)| row.value.get("id") == Some(&Value::Int(7)));
        Wrote::Rows(bad.map(|(at, _)| (at, invalid())).collect())
    });
    let mut given = at_position(&["{id: 6, n: 1}", "{id: 7, n: 2}"]);
    given.file = Some("a.csv".to_owned());
    given.payloads.push(Item::Unread(b"not \xff text".to_vec()));
    bench.world.feed("in", vec![given]);
    let running = bench.start();
    bench.acked("in", 1).await;
    running.drain(DRAIN).await;
    let letters = bench.dead_letters().await;
    assert_eq!(letters.len(), 2);
    let facts = &letters[0].head.facts;
    assert_eq!(&*facts.cause.code.0, FaultCode::INVALID);
    assert_eq!(
        facts.cause.step.as_ref().map(|step| step.as_str()),
        Some("store")
    );
    assert_eq!(facts.release, bench.release.manifest.id);
    assert_eq!(
        (facts.origin.kind, facts.origin.place),
        (OriginKind::Record, Some((2, 0)))
    );
    assert_eq!(&*facts.keys[0].value, "7");
    assert_eq!(
        &*letters[0].message.body, br#"{"id":7,"n":2}"#,
        "as it entered the flow"
    );
    assert_eq!(letters[1].message.format, MessageFormat::Unread);
    assert_eq!(&*letters[1].message.body, b"not \xff text");
    assert_eq!(letters[1].head.facts.cause.step, None);
    let counts = bench.counts("copy").await;
    assert_eq!((counts.delivered, counts.dead_lettered), (1, 2));
    // The run of the failure shows each step, and what it gave.
    let run = bench
        .store
        .run(facts.run)
        .await
        .expect("it reads")
        .expect("it is there");
    let steps: Vec<&str> = run.steps.iter().map(|step| step.status.as_str()).collect();
    assert_eq!(steps, ["done", "failed"]);
    let output = run.steps[0].output.expect("the payload is kept");
    let payload = bench.store.payload(facts.run, output.hash).await;
    let payload = payload.expect("it reads").expect("it is there");
    assert_eq!(&*payload.body, br#"{"id":7,"twice":4}"#);
}

#[tokio::test]
async fn a_group_is_finished_behind_its_rows_and_before_its_end_is_settled() {
    let bench = Bench::new(&[
        "
flow: files
from: { feed: world#in }
steps:
  - run: store
",
        "
flow: store
from: { caller: contracts/any.schema.json#Any }
steps:
  - write: world#rows
",
    ]);
    let part = |n: usize, end: bool| Given {
        file: Some("a.csv".to_owned()),
        group_end: end.then(|| "a.csv".to_owned()),
        ..at_position(&[&format!("{{n: {n}}}")])
    };
    bench
        .world
        .feed("in", vec![part(0, false), part(1, false), part(2, true)]);
    bench.world.on_write("rows", {
        let world = std::sync::Arc::downgrade(&bench.world);
        move |rows, _| {
            assert!(world.upgrade().is_some());
            assert!(rows.iter().all(|row| row.group.as_deref() == Some("a.csv")));
            Wrote::Ok
        }
    });
    let running = bench.start();
    bench.acked("in", 3).await;
    assert_eq!(
        bench.world.state().sinks["rows"].finished,
        [("a.csv".to_owned(), 3)]
    );
    running.drain(DRAIN).await;
    assert_eq!(
        bench.world.state().sinks["rows"].closed,
        1,
        "also of a flow without a source"
    );
}

#[tokio::test]
async fn a_panic_of_a_component_is_its_own() {
    let bench = Bench::new(&[COPY]);
    bench.world.on_write("rows", |_, count| match count {
        0 => Wrote::Panic,
        _ => Wrote::Ok,
    });
    bench.world.feed("in", vec![one(&["{n: 1}"])]);
    bench
        .world
        .change(|state| state.feeds.get_mut("in").expect("it is there").panics = 1);
    let running = bench.start();
    bench.acked("in", 1).await;
    bench.world.feed("in", vec![one(&["{n: 2}"])]);
    bench.acked("in", 2).await;
    running.drain(DRAIN).await;
    let letters = bench.dead_letters().await;
    let cause = &letters[0].head.facts.cause;
    assert_eq!(&*cause.code.0, FaultCode::INTERNAL);
    assert!(
        cause.private.contains("the sink is broken"),
        "{}",
        cause.private
    );
    assert_eq!(bench.world.rows("rows"), [r#"{"n":2}"#]);
    assert_eq!(bench.world.state().sinks["rows"].opened, 2, "it began anew");
    assert_eq!(bench.log.count("a source failed and is tried again"), 1);
}

#[tokio::test]
async fn rows_that_fail_are_tried_again_alone() {
    let bench = Bench::new(&["
flow: copy
from: { feed: world#in }
steps:
  - write: world#upserts
    retry: { attempts: 3, backoff: 1ms, max: 2ms }
"]);
    bench.world.on_write("upserts", |rows, count| {
        let soon = Fault::new(FaultCode::UNREACHABLE, Retry::Soon, Blame::Upstream, "down");
        match count {
            0 => Wrote::Rows(vec![(1, soon), (2, invalid())]),
            _ => {
                assert_eq!(rows.len(), 1);
                Wrote::Ok
            }
        }
    });
    bench
        .world
        .feed("in", vec![one(&["{n: 1}", "{n: 2}", "{n: 3}"])]);
    let running = bench.start();
    bench.acked("in", 1).await;
    running.drain(DRAIN).await;
    assert_eq!(bench.world.rows("upserts"), [r#"{"n":1}"#, r#"{"n":2}"#]);
    let counts = bench.counts("copy").await;
    assert_eq!(
        (counts.delivered, counts.dead_lettered, counts.retries),
        (2, 1, 1)
    );
}

#[tokio::test]
async fn a_group_that_cannot_be_finished_is_read_again() {
    let bench = Bench::new(&[COPY]);
    let part = |n: usize, end: bool| Given {
        file: Some("a.csv".to_owned()),
        group_end: end.then(|| "a.csv".to_owned()),
        ..at_position(&[&format!("{{n: {n}}}")])
    };
    let given = vec![part(0, false), part(1, true), part(2, false)];
    bench.world.feed("in", given);
    bench.world.change(|state| {
        state.sinks.entry("rows".to_owned()).or_default().unfinished = 1;
    });
    let running = bench.start();
    bench.acked("in", 3).await;
    running.drain(DRAIN).await;
    let settled = bench.world.settled("in");
    let acked: Vec<usize> = settled
        .iter()
        .filter(|own| own.1)
        .map(|own| own.0)
        .collect();
    assert_eq!(acked, [0, 1, 2], "{settled:?}");
    assert_eq!(bench.world.state().feeds["in"].opened, [0, 1]);
    assert_eq!(bench.counts("copy").await.received, 3);
}
