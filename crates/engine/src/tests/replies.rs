//! What callers are answered, and when.

use std::sync::atomic::Ordering;

use sluice_model::fault::Fault;
use sluice_model::value::Value;
use sluice_sdk::connection::Reply;

use crate::tests::bench::{Bench, DRAIN};
use crate::tests::world::{Answered, Wrote};

fn told(reply: &Reply) -> String {
    match reply {
        Reply::Answer(answer) => {
            let body = answer.body.as_ref().map(sluice_model::json::to_string);
            format!("{:?} {}", answer.status, body.unwrap_or_default())
        }
        Reply::Fault(fault) => format!("fault {} {:?}", fault.code(), fault.status()),
    }
}

/// Returns the answers by delivery.
fn answers(bench: &Bench) -> Vec<String> {
    let state = bench.world.state();
    let mut answers: Vec<(usize, String)> = state.feeds["ask"]
        .answers
        .iter()
        .map(|(at, reply)| (*at, told(reply)))
        .collect();
    answers.sort();
    answers.into_iter().map(|(_, told)| told).collect()
}

#[tokio::test]
async fn each_caller_is_answered_once() {
    let bench = Bench::new(&["
flow: ask
from: { feed: world#ask }
steps:
  - choose:
      - when: n = 1
        steps: [{ reply: { n: n }, status: 201 }]
      - when: n = 2
        steps: [{ fail: too_risky, status: 422 }]
      - when: n = 3
        steps: [{ filter: n = 4 }, { reply: 1 }]
      - otherwise: [{ reply: 7 }]
"]);
    let given = ["{n: 1}", "{n: 2}", "{n: 3}", "{n: 5}"];
    bench.world.feed_each("ask", &given);
    let running = bench.start();
    bench.acked("ask", 4).await;
    running.drain(DRAIN).await;
    assert_eq!(
        answers(&bench),
        [
            r#"Some(201) {"n":1}"#,
            "fault too_risky Some(422)",
            "None ",
            "None 7",
        ]
    );
    let counts = bench.counts("ask").await;
    assert_eq!(
        (counts.delivered, counts.answered_error, counts.filtered),
        (2, 1, 1)
    );
    assert!(bench.dead_letters().await.is_empty());
    let soon = bench.store.soon.load(Ordering::Acquire);
    assert!(0 < soon, "no request waits for the disk");
}

#[tokio::test]
async fn a_failure_behind_the_answer_is_a_dead_letter() {
    let bench = Bench::new(&["
flow: ask
from: { feed: world#ask }
steps:
  - reply: { taken: true }
  - write: world#rows
"]);
    bench
        .world
        .on_write("rows", |_, _| Wrote::All(Fault::invalid("no")));
    bench.world.feed_each("ask", &["{n: 1}"]);
    let running = bench.start();
    bench.acked("ask", 1).await;
    running.drain(DRAIN).await;
    assert_eq!(answers(&bench), [r#"None {"taken":true}"#]);
    assert_eq!(bench.counts("ask").await.dead_lettered, 1);
    assert_eq!(bench.dead_letters().await.len(), 1);
}

const KEYED: &str = "
flow: ask
from: { feed: world#ask }
steps:
  - dedupe: id
    for: 1h
  - reply: { done: id }
";

#[tokio::test]
async fn an_answer_that_depends_on_a_key_waits_until_the_key_is_on_disk() {
    let bench = Bench::new(&[KEYED]);
    bench.fail_commits(1);
    bench.world.feed_each("ask", &["{id: 1}"]);
    let running = bench.start();
    bench.acked("ask", 1).await;
    let first = {
        let state = bench.world.state();
        told(&state.feeds["ask"].answers[0].1)
    };
    assert_eq!(
        first, "fault io None",
        "the key was not stored: the caller is not told it was"
    );
    bench.world.feed_each("ask", &["{id: 1}"]);
    bench.acked("ask", 2).await;
    running.drain(DRAIN).await;
    let state = bench.world.state();
    let last = told(&state.feeds["ask"].answers.last().expect("an answer").1);
    assert_eq!(last, "fault conflict Some(409)");
}

#[tokio::test]
async fn a_slow_request_holds_nobody_else_up() {
    let bench = Bench::new(&["
flow: ask
from: { feed: world#ask }
steps:
  - id: it
    call: world#getIt
    timeout: 10m
  - reply: { n: n }
"]);
    bench.world.on_call("getIt", |request, _| {
        match request.body.as_ref().and_then(|body| body.get("n")) {
            Some(Value::Int(0)) => Answered::Hang,
            _ => Answered::Value(Value::Null),
        }
    });
    let given: Vec<String> = (0..200).map(|n| format!("{{n: {n}}}")).collect();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    bench.world.feed_each("ask", &given);
    let running = bench.start();
    bench.acked("ask", 199).await;
    assert!(!bench.world.settled("ask").contains(&(0, true)));
    running.abort();
    let settled = |state: &crate::tests::world::State| 200 <= state.feeds["ask"].settled.len();
    bench
        .world
        .until("the hanging one is given back", settled)
        .await;
    let settled = bench.world.settled("ask");
    let given_back: Vec<_> = settled.iter().filter(|(_, acked)| !acked).collect();
    assert_eq!(given_back, [&(0, false)], "and nothing else ever was");
}
