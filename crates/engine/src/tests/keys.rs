//! Order per key, and `dedupe`.

use std::sync::Arc;
use std::time::Duration;

use sluice_model::value::Value;
use sluice_store::run::Outcome;

use crate::tests::bench::{Bench, DRAIN};
use crate::tests::world::{Answered, at_position, one};

const ORDERED: &str = "
flow: copy
from: { feed: world#in, ordered_by: key }
steps:
  - call: world#putIt
";

#[tokio::test]
async fn equal_keys_keep_their_order_and_others_do_not_wait() {
    let bench = Bench::new(&[ORDERED]);
    bench.world.on_call("putIt", |request, count| {
        // Later ones are faster: without order they would overtake.
        let wait = Duration::from_millis(20_u64.saturating_sub(count as u64));
        Answered::Late(wait, request.body.clone().unwrap_or(Value::Null))
    });
    let given = (0..8).map(|delivery| {
        let rows: Vec<String> = (0..10)
            .map(|row| format!("{{key: {}, n: {}}}", row % 3, delivery * 10 + row))
            .collect();
        at_position(&rows.iter().map(String::as_str).collect::<Vec<_>>())
    });
    bench.world.feed("in", given.collect());
    let running = bench.start();
    bench.acked("in", 8).await;
    running.drain(DRAIN).await;
    let state = bench.world.state();
    let call = &state.calls["putIt"];
    assert_eq!(
        call.most_inside, 3,
        "one of each key at a time, all keys at once"
    );
    for key in 0..3 {
        let of_key = call.asked.iter().filter_map(|(request, _)| {
            let body = request.body.as_ref()?;
            (body.get("key") == Some(&Value::Int(key))).then(|| body.get("n").cloned())?
        });
        let order: Vec<i64> = of_key
            .map(|n| match n {
                Value::Int(n) => n,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(order.is_sorted(), "{order:?}");
    }
}

const DEDUPE: &str = "
flow: copy
from: { feed: world#in }
steps:
  - dedupe: id
    for: 1h
  - fail: broken
    when: bad = true
  - write: world#rows
";

#[tokio::test]
async fn a_key_is_done_once() {
    let bench = Bench::new(&[DEDUPE]);
    let given = vec![
        one(&["{id: 1}", "{id: 2}", "{id: 1}"]),
        one(&["{id: 2}", "{id: 3}"]),
    ];
    bench.world.feed("in", given);
    let running = bench.start();
    bench.acked("in", 2).await;
    bench.world.feed("in", vec![one(&["{id: 3}"])]);
    bench.acked("in", 3).await;
    running.drain(DRAIN).await;
    let mut rows = bench.world.rows("rows");
    rows.sort();
    assert_eq!(rows, [r#"{"id":1}"#, r#"{"id":2}"#, r#"{"id":3}"#]);
    let counts = bench.counts("copy").await;
    assert_eq!((counts.delivered, counts.duplicate), (3, 3));
}

#[tokio::test]
async fn a_failure_lets_its_key_go_to_its_twin() {
    let bench = Bench::new(&[DEDUPE]);
    let twins = one(&["{id: 1, bad: true}", "{id: 1, n: 2}", "{id: 1, n: 3}"]);
    bench
        .world
        .feed("in", vec![twins, one(&["{id: 2, bad: true}"])]);
    let running = bench.start();
    bench.acked("in", 2).await;
    bench.world.feed("in", vec![one(&["{id: 2}"])]);
    bench.acked("in", 3).await;
    running.drain(DRAIN).await;
    assert_eq!(
        bench.world.rows("rows"),
        [r#"{"id":1,"n":2}"#, r#"{"id":2}"#]
    );
    let counts = bench.counts("copy").await;
    assert_eq!(
        (counts.delivered, counts.duplicate, counts.dead_lettered),
        (2, 1, 2)
    );
}

#[tokio::test]
async fn a_twin_in_the_same_delivery_is_found_in_lanes_too() {
    let flow = DEDUPE.replace("world#in", "world#in, ordered_by: id");
    let bench = Bench::new(&[&flow]);
    bench
        .world
        .feed("in", vec![at_position(&["{id: 1}", "{id: 1}", "{id: 2}"])]);
    let running = bench.start();
    bench.acked("in", 1).await;
    running.drain(DRAIN).await;
    let counts = bench.counts("copy").await;
    assert_eq!((counts.delivered, counts.duplicate), (2, 1));
}

#[tokio::test]
async fn deliveries_that_hold_each_others_keys_do_not_wait_for_each_other() {
    let bench = Bench::new(&["
flow: copy
from: { feed: world#in }
steps:
  - call: world#getIt
  - dedupe: id
    for: 1h
  - write: world#rows
"]);
    // The first delivery comes to its keys after the second, which cannot be settled before it.
    let first = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    bench.world.on_call("getIt", move |_, count| {
        first.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match count {
            0 | 1 => Answered::Late(Duration::from_millis(30), Value::Null),
            _ => Answered::Value(Value::Null),
        }
    });
    let given = vec![
        at_position(&["{id: 1}", "{id: 2}"]),
        at_position(&["{id: 2}", "{id: 1}"]),
    ];
    bench.world.feed("in", given);
    let running = bench.start();
    bench.acked("in", 2).await;
    running.drain(DRAIN).await;
    let counts = bench.counts("copy").await;
    assert_eq!((counts.delivered, counts.duplicate), (2, 2));
    assert_eq!(counts.dead_lettered, 0);
}

#[tokio::test]
async fn a_delivery_that_is_given_back_lets_its_keys_go() {
    let bench = Bench::new(&[DEDUPE]);
    bench.fail_commits(1);
    bench.world.feed("in", vec![at_position(&["{id: 1}"])]);
    let running = bench.start();
    bench.acked("in", 1).await;
    running.drain(DRAIN).await;
    assert_eq!(bench.world.settled("in"), [(0, false), (0, true)]);
    let counts = bench.counts("copy").await;
    assert_eq!(
        (counts.received, counts.delivered),
        (1, 1),
        "not a duplicate of itself"
    );
}

#[tokio::test]
async fn a_key_that_is_missing_fails_its_message() {
    let bench = Bench::new(&[&DEDUPE.replace(
        "{ feed: world#in }",
        "{ caller: contracts/any.schema.json#Any }",
    )]);
    let trials = bench
        .trial("copy", &["{n: 1}", "{id: 1}", "{id: [1]}"])
        .await;
    let outcomes: Vec<Outcome> = trials.iter().map(|trial| trial.outcome).collect();
    let dead = Outcome::DeadLettered;
    assert_eq!(outcomes, [dead, Outcome::Delivered, dead]);
}

#[tokio::test]
async fn effects_before_a_key_are_not_done_twice() {
    let bench = Bench::new(&["
flow: copy
from: { feed: world#in }
steps:
  - call: world#postIt
  - dedupe: id
    for: 1h
  - fail: broken
    when: bad = true
"]);
    bench
        .world
        .feed("in", vec![one(&["{id: 1, bad: true}", "{id: 1}"])]);
    let running = bench.start();
    bench.acked("in", 1).await;
    running.drain(DRAIN).await;
    assert_eq!(bench.world.asked("postIt"), 2);
    let counts = bench.counts("copy").await;
    assert_eq!(
        counts.dead_lettered, 2,
        "the second cannot go on, and is kept"
    );
}

#[tokio::test]
async fn items_of_a_split_have_keys_too() {
    let bench = Bench::new(&["
flow: copy
from: { caller: contracts/any.schema.json#Any }
steps:
  - split: lines
    steps:
      - dedupe: id
        for: 1h
      - write: world#rows
"]);
    let payloads = ["{lines: [{id: 1}, {id: 2}, {id: 1}]}", "{lines: [{id: 2}]}"];
    let trials = bench.trial("copy", &payloads).await;
    assert!(
        trials
            .iter()
            .all(|trial| trial.outcome == Outcome::Delivered)
    );
    assert_eq!(bench.world.rows("rows"), [r#"{"id":1}"#, r#"{"id":2}"#]);
    bench.trial("copy", &payloads).await;
    assert_eq!(bench.world.rows("rows").len(), 2);
}
