use std::sync::Arc;
use std::time::Duration;

use sluice_model::batch::{Origin, Payload};
use sluice_model::fault::Fault;
use sluice_model::time::Timestamp;
use sluice_model::value::Value;
use sluice_sdk::check::{Check, Problem};
use sluice_sdk::connection::{Delivery, Nowhere, Positions, Source};
use sluice_sdk::cx::{BoxFuture, CancelSource, Cx, TokioRuntime};

use crate::tests::NoCheck;
use crate::timer::{Cron, CronConfig, Missed, Zone};

/// The positions of a store with at most one entry.
struct Stored(Option<(String, Value<'static>)>);

impl Positions for Stored {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Value<'static>>, Fault>> {
        let found = self.0.as_ref().filter(|(own, _)| own == key);
        let found = found.map(|(_, value)| value.clone());
        Box::pin(async move { Ok(found) })
    }
}

fn clock(now: &str) -> (Cx, CancelSource) {
    let start = Timestamp::parse_rfc3339(now).expect("an instant");
    let runtime = TokioRuntime::simulated(start, 0, Box::new(|_| None), Box::new(|_, _, _, _| {}));
    Cx::new(Arc::new(runtime))
}

fn cron(expression: &str, missed: Missed) -> Cron {
    checked(expression, "Europe/Vienna", missed, &mut NoCheck).expect("a source")
}

fn checked(
    expression: &str,
    zone: &str,
    missed: Missed,
    cx: &mut dyn Check,
) -> Result<Cron, Vec<Problem>> {
    let config = CronConfig {
        cron: expression.into(),
        zone: Zone(zone.into()),
        missed,
    };
    Cron::check(config, cx)
}

async fn open(cron: &mut Cron, stored: Option<&str>, cx: &Cx) {
    let stored = stored.map(|at| (cron.key.to_string(), Value::from(at.to_owned())));
    let positions = Arc::new(Stored(stored));
    cron.open(&Nowhere, positions, cx).await.expect("it opens");
}

/// Returns the next delivery that has a message.
async fn next(cron: &mut Cron, cx: &Cx) -> Delivery {
    loop {
        let delivery = cron.next(&Nowhere, cx).await.expect("no fault");
        let delivery = delivery.expect("a timer does not end");
        match delivery.messages.is_empty() {
            true => delivery.receipt.ack(),
            false => return delivery,
        }
    }
}

fn scheduled(delivery: &Delivery) -> String {
    let Payload::Value(payload) = &delivery.messages[0].payload else {
        panic!("the payload is a value");
    };
    let scheduled = payload.get("scheduled").and_then(Value::as_str);
    scheduled.expect("it says when").to_owned()
}

/// Checks when messages come: local time that was scheduled, and when it came.
async fn check(cron: &mut Cron, cx: &Cx, expected: &[(&str, &str)]) {
    for (time, came) in expected {
        let delivery = next(cron, cx).await;
        assert_eq!(scheduled(&delivery), *time);
        assert_eq!(cx.now().rfc3339()[..19], (*came)[..19], "{time}");
        delivery.receipt.ack();
    }
}

#[tokio::test(start_paused = true)]
async fn gives_each_time_once_and_waits_between() {
    let (cx, _owner) = clock("2026-03-27T04:59:00Z");
    let mut cron = cron("0 6 * * MON-FRI", Missed::Once);
    open(&mut cron, None, &cx).await;
    check(
        &mut cron,
        &cx,
        &[
            ("2026-03-27T06:00:00+01:00", "2026-03-27T05:00:00"),
            ("2026-03-30T06:00:00+02:00", "2026-03-30T04:00:00"),
            ("2026-03-31T06:00:00+02:00", "2026-03-31T04:00:00"),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_message_says_where_it_came_from_and_where_to_go_on() {
    let (cx, _owner) = clock("2026-01-01T00:00:30Z");
    let mut cron = checked("* * * * *", "UTC", Missed::Once, &mut NoCheck).expect("a source");
    open(&mut cron, None, &cx).await;
    let delivery = next(&mut cron, &cx).await;
    let instant = Timestamp::parse_rfc3339("2026-01-01T00:01:00Z").expect("an instant");
    assert_eq!(delivery.messages[0].origin, Origin::Tick(instant));
    assert_eq!(scheduled(&delivery), "2026-01-01T00:01:00Z");
    let mark = delivery.position.as_ref().expect("a position");
    assert_eq!(&*mark.key, "* * * * * UTC");
    assert_eq!(
        mark.value,
        Some(Value::from("2026-01-01T00:01:00.000Z".to_owned()))
    );
    delivery.receipt.ack();
}

#[tokio::test(start_paused = true)]
async fn the_first_start_leaves_its_position() {
    let (cx, _owner) = clock("2026-01-01T12:00:00Z");
    let mut weekly = cron("0 6 * * MON", Missed::Once);
    open(&mut weekly, None, &cx).await;
    let first = weekly.next(&Nowhere, &cx).await.expect("no fault");
    let first = first.expect("a timer does not end");
    assert!(first.messages.is_empty());
    let mark = first.position.expect("a position");
    assert_eq!(
        mark.value,
        Some(Value::from("2026-01-01T12:00:00.000Z".to_owned()))
    );
    first.receipt.ack();

    // It was never due before it was stopped; the next start makes up for it all the same.
    let (cx, _owner) = clock("2026-01-06T12:00:00Z");
    open(&mut weekly, Some("2026-01-01T12:00:00.000Z"), &cx).await;
    check(
        &mut weekly,
        &cx,
        &[("2026-01-05T06:00:00+01:00", "2026-01-06T12:00:00")],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_while_nothing_ran() {
    let stored = Some("2026-01-01T05:00:00.000Z");
    let later = ("2026-01-05T06:00:00+01:00", "2026-01-05T05:00:00");
    let start = "2026-01-04T12:00:00Z";
    for (missed, made_up) in [
        (Missed::Skip, &[][..]),
        (Missed::Once, &["2026-01-04T06:00:00+01:00"][..]),
        (
            Missed::All,
            &[
                "2026-01-02T06:00:00+01:00",
                "2026-01-03T06:00:00+01:00",
                "2026-01-04T06:00:00+01:00",
            ][..],
        ),
    ] {
        let (cx, _owner) = clock(start);
        let mut cron = cron("0 6 * * *", missed);
        open(&mut cron, stored, &cx).await;
        let mut expected: Vec<(&str, &str)> = made_up.iter().map(|at| (*at, start)).collect();
        expected.push(later);
        check(&mut cron, &cx, &expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_while_the_flow_was_busy() {
    for (missed, expected) in [
        (Missed::Skip, &["10:10"][..]),
        (Missed::Once, &["10:10"][..]),
        (Missed::All, &["10:03", "10:06", "10:09", "10:10"][..]),
    ] {
        let (cx, _owner) = clock("2026-01-01T09:59:30Z");
        let mut cron = checked("0-9/3,10 10 * * *", "UTC", missed, &mut NoCheck).expect("a source");
        open(&mut cron, None, &cx).await;
        check(
            &mut cron,
            &cx,
            &[("2026-01-01T10:00:00Z", "2026-01-01T10:00:00")],
        )
        .await;
        cx.sleep(Duration::from_secs(10 * 60 + 5)).await;
        for time in expected {
            let delivery = next(&mut cron, &cx).await;
            assert_eq!(scheduled(&delivery)[11..16], **time, "{missed:?}");
            delivery.receipt.ack();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn late_by_less_than_a_minute_is_not_missed() {
    let (cx, _owner) = clock("2026-01-01T09:59:30Z");
    let mut cron = checked("0 10 * * *", "UTC", Missed::Skip, &mut NoCheck).expect("a source");
    open(&mut cron, None, &cx).await;
    cx.sleep(Duration::from_secs(60)).await;
    check(
        &mut cron,
        &cx,
        &[("2026-01-01T10:00:00Z", "2026-01-01T10:00:30")],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_settled_is_given_again_in_order() {
    let (cx, _owner) = clock("2026-01-01T09:59:58Z");
    let mut cron = checked("* * * * *", "UTC", Missed::All, &mut NoCheck).expect("a source");
    open(&mut cron, None, &cx).await;
    let first = next(&mut cron, &cx).await;
    let second = next(&mut cron, &cx).await;
    second.receipt.nack(Fault::internal("no room"));
    drop(first);
    for (time, came) in [
        ("2026-01-01T10:00:00Z", "10:01:05"),
        ("2026-01-01T10:01:00Z", "10:01:05"),
        ("2026-01-01T10:02:00Z", "10:02:00"),
    ] {
        let delivery = next(&mut cron, &cx).await;
        assert_eq!(scheduled(&delivery), time);
        assert_eq!(cx.now().rfc3339()[11..19], *came);
        delivery.receipt.ack();
    }
}

#[tokio::test(start_paused = true)]
async fn a_nack_wakes_a_waiting_timer() {
    let (cx, _owner) = clock("2026-01-01T00:00:00Z");
    let mut cron = checked("0 6 * * *", "UTC", Missed::Once, &mut NoCheck).expect("a source");
    open(&mut cron, None, &cx).await;
    let delivery = next(&mut cron, &cx).await;
    let receipt = delivery.receipt;
    let later = cx.clone();
    let task = cx.spawn(async move {
        later.sleep(Duration::from_secs(1)).await;
        receipt.nack(Fault::internal("no room"));
    });
    check(
        &mut cron,
        &cx,
        &[("2026-01-01T06:00:00Z", "2026-01-01T06:00:06")],
    )
    .await;
    task.join().await.expect("the task ends");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_wait_loses_nothing() {
    let (cx, _owner) = clock("2026-01-01T05:58:30Z");
    let mut cron = checked("0 6 * * *", "UTC", Missed::Skip, &mut NoCheck).expect("a source");
    open(&mut cron, None, &cx).await;
    let first = cron.next(&Nowhere, &cx).await.expect("no fault");
    first.expect("the position").receipt.ack();
    for _ in 0..2 {
        let none = cx
            .timeout(Duration::from_secs(40), cron.next(&Nowhere, &cx))
            .await;
        assert!(none.is_none());
    }
    check(
        &mut cron,
        &cx,
        &[("2026-01-01T06:00:00Z", "2026-01-01T06:00:00")],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_went_back_gives_no_time_twice() {
    let (cx, _owner) = clock("2026-01-01T05:30:00Z");
    let mut cron = checked("0 6 * * *", "UTC", Missed::All, &mut NoCheck).expect("a source");
    open(&mut cron, Some("2026-01-01T06:00:00.000Z"), &cx).await;
    check(
        &mut cron,
        &cx,
        &[("2026-01-02T06:00:00Z", "2026-01-02T06:00:00")],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_position_that_is_no_instant_is_a_fault() {
    let (cx, _owner) = clock("2026-01-01T05:30:00Z");
    let mut cron = cron("0 6 * * *", Missed::All);
    let positions = Arc::new(Stored(Some((cron.key.to_string(), Value::Int(1)))));
    let fault = cron.open(&Nowhere, positions, &cx).await;
    let fault = fault.expect_err("a number is no instant");
    assert!(fault.private().contains("0 6 * * * Europe/Vienna"));
}

#[test]
fn all_problems_are_told() {
    let problems = checked("0 25 * * *", "Vienna", Missed::Once, &mut NoCheck);
    let problems = problems.map(|_| ()).expect_err("two problems");
    assert_eq!(
        problems,
        [
            Problem::new("/cron", "`25` is no hour").with_help("allowed are 0 to 23"),
            Problem::new("/zone", "there is no time zone `Vienna`")
                .with_help("did you mean `Europe/Vienna`?"),
        ]
    );
}

#[test]
fn the_schema_has_the_fields_of_the_language() {
    let mut registry = sluice_sdk::registry::Registry::default();
    crate::register(&mut registry);
    let schema = &registry.sources()["cron"].config.schema;
    let fields: Vec<&String> = schema["properties"]
        .as_object()
        .expect("properties")
        .keys()
        .collect();
    assert_eq!(fields, ["cron", "zone", "missed"]);
    assert_eq!(schema["required"], serde_json::json!(["cron"]));
}
