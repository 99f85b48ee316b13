//! Calls: tries, waits, time limits, budgets, and what is never repeated.

use std::time::Duration;

use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::value::Value;
use sluice_store::run::{Outcome, StepStatus};

use crate::tests::bench::Bench;
use crate::tests::world::{Answered, Wrote, value};

fn flow(step: &str) -> String {
    format!(
        "\nflow: ask\nfrom: {{ caller: contracts/any.schema.json#Any, returns: contracts/any.schema.json#Any }}\nsteps:\n  - id: it\n    {step}\n  - reply: $steps.it\n"
    )
}

fn soon() -> Fault {
    Fault::new(
        FaultCode::UNREACHABLE,
        Retry::Soon,
        Blame::Upstream,
        "cannot reach it",
    )
}

fn status(status: u16) -> Fault {
    Fault::new(FaultCode::UPSTREAM, Retry::Never, Blame::Upstream, "no")
        .with_status(status)
        .with_body(value("{reason: x}"))
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_with_growing_waits() {
    let bench = Bench::new(&[&flow(
        "call: world#getIt\n    retry: { attempts: 5, backoff: 100ms, max: 250ms }",
    )]);
    bench.world.on_call("getIt", |_, count| match count {
        4 => Answered::Value(Value::Int(5)),
        _ => Answered::Fault(soon()),
    });
    let trials = bench.trial_of("ask", &["{n: 1}"], true).await;
    let answer = trials[0].answer.as_ref().expect("an answer");
    assert_eq!(answer.body, Some(Value::Int(5)));
    assert_eq!(trials[0].steps[0].attempts, 5);
    let times: Vec<Duration> = {
        let state = bench.world.state();
        state.calls["getIt"]
            .asked
            .iter()
            .map(|(_, at)| *at)
            .collect()
    };
    let waits: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // Full jitter: from zero up to a ceiling that doubles and is capped. Tokio's timers have a
    // resolution of a millisecond.
    for (wait, ceiling) in waits.iter().zip([100, 200, 250, 250]) {
        assert!(*wait <= Duration::from_millis(ceiling + 1), "{waits:?}");
    }
    assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
    assert_eq!(bench.counts("ask").await.retries, 4);
}

#[tokio::test(start_paused = true)]
async fn tries_end() {
    let bench = Bench::new(&[&flow(
        "call: world#putIt\n    retry: { attempts: 3, backoff: 10ms, max: 10ms }",
    )]);
    bench.world.on_call("putIt", |_, _| Answered::Fault(soon()));
    let trials = bench.trial("ask", &["{n: 1}"]).await;
    assert_eq!(trials[0].outcome, Outcome::DeadLettered);
    assert_eq!(bench.world.asked("putIt"), 3);
    assert_eq!(bench.dead_letters().await[0].head.facts.attempts, 3);
}

#[tokio::test(start_paused = true)]
async fn what_the_other_side_asks_for_is_a_floor() {
    let bench = Bench::new(&[&flow(
        "call: world#getIt\n    retry: { attempts: 2, backoff: 1ms, max: 60s }",
    )]);
    bench.world.on_call("getIt", |_, count| match count {
        0 => Answered::Fault(Fault::new(
            FaultCode::REFUSED,
            Retry::After(Duration::from_secs(30)),
            Blame::Upstream,
            "not now",
        )),
        _ => Answered::Value(Value::Null),
    });
    bench.trial("ask", &["{n: 1}"]).await;
    let state = bench.world.state();
    let asked = &state.calls["getIt"].asked;
    assert!(Duration::from_secs(30) <= asked[1].1 - asked[0].1);
}

#[tokio::test(start_paused = true)]
async fn a_call_has_a_time_limit_and_is_not_repeated_where_that_may_harm() {
    for (operation, tries) in [("getIt", 3), ("putIt", 3), ("postIt", 1)] {
        let bench = Bench::new(&[&flow(&format!("call: world#{operation}\n    timeout: 2s"))]);
        bench.world.on_call(operation, |_, _| Answered::Hang);
        let trials = bench.trial("ask", &["{n: 1}"]).await;
        let (fault, step) = trials[0].fault.as_ref().expect("it fails");
        assert_eq!(&*fault.code().0, FaultCode::TIMEOUT);
        assert_eq!(step.as_ref().map(|step| step.as_str()), Some("it"));
        assert_eq!(bench.world.asked(operation), tries, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_repeated_only_under_a_key() {
    let unknown = || {
        // The connector says "soon": the engine knows better.
        let text = "cut between question and answer";
        Fault::new(FaultCode::UNKNOWN, Retry::Soon, Blame::Upstream, text)
    };
    for (step, tries) in [
        ("call: world#postIt", 1),
        ("call: world#keyIt\n    idempotency_key: n", 3),
        ("call: world#keyIt", 1),
    ] {
        let bench = Bench::new(&[&flow(step)]);
        for name in ["postIt", "keyIt"] {
            bench
                .world
                .on_call(name, move |_, _| Answered::Fault(unknown()));
        }
        let trials = bench.trial("ask", &["{n: 1}"]).await;
        assert_eq!(trials[0].steps[0].status, StepStatus::Unknown);
        let asked = bench.world.asked("postIt") + bench.world.asked("keyIt");
        assert_eq!(asked, tries, "{step}");
        let state = bench.world.state();
        let keys = state.calls.values().flat_map(|call| &call.asked);
        for (request, _) in keys {
            let key = request.key.as_ref().map(|key| key.as_str());
            assert_eq!(key, step.contains("idempotency").then_some("1"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn repeats_have_a_budget_per_destination() {
    let bench = Bench::new(&[&flow(
        "call: world#getIt\n    retry: { attempts: 5, backoff: 1ms, max: 1ms }",
    )]);
    bench.world.on_call("getIt", |_, _| Answered::Fault(soon()));
    let payloads: Vec<&str> = (0..200).map(|_| "{n: 1}").collect();
    bench.trial("ask", &payloads).await;
    let asked = bench.world.asked("getIt");
    assert!(
        (210..=221).contains(&asked),
        "{asked}: a tenth of 200, not 4 times as many"
    );
}

#[tokio::test(start_paused = true)]
async fn calls_run_beside_each_other_up_to_the_limit() {
    let bench = Bench::new(&[&flow("call: world#getIt")]);
    bench.world.on_call("getIt", |request, _| {
        let body = request.body.clone().unwrap_or(Value::Null);
        Answered::Late(Duration::from_secs(1), body)
    });
    let payloads: Vec<String> = (0..130).map(|n| format!("{{n: {n}}}")).collect();
    let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
    let begun = bench.cx.monotonic();
    let trials = bench.trial_of("ask", &payloads, true).await;
    let took = bench.cx.monotonic() - begun;
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert_eq!(bench.world.state().calls["getIt"].most_inside, 64);
    for (n, trial) in trials.iter().enumerate() {
        let body = trial
            .answer
            .as_ref()
            .and_then(|answer| answer.body.as_ref());
        assert_eq!(
            body.and_then(|body| body.get("n")),
            Some(&Value::Int(n as i64))
        );
    }
}

#[tokio::test]
async fn answers_that_are_no_success_become_what_the_step_says() {
    let bench = Bench::new(&[&flow(
        "call: world#getIt\n    accept: { 404: null, 422: { declined: reason } }",
    )]);
    bench.world.on_call("getIt", |_, count| match count {
        0 => Answered::Fault(status(404)),
        1 => Answered::Fault(status(422)),
        _ => Answered::Fault(status(500)),
    });
    for body in [None, Some(value("{declined: x}"))] {
        let trials = bench.trial_of("ask", &["{n: 1}"], true).await;
        assert_eq!(trials[0].answer.as_ref().expect("an answer").body, body);
    }
    let trials = bench.trial_of("ask", &["{n: 1}"], true).await;
    assert_eq!(trials[0].outcome, Outcome::AnsweredError);
    assert!(
        bench.dead_letters().await.is_empty(),
        "a caller has the error"
    );
}

#[tokio::test]
async fn a_call_that_panics_fails_its_own_run() {
    let bench = Bench::new(&[&flow("call: world#getIt")]);
    bench.world.on_call("getIt", |request, _| {
        match request.body.as_ref().and_then(|body| body.get("n")) {
            Some(Value::Int(2)) => Answered::Panic,
            _ => Answered::Value(Value::Null),
        }
    });
    let trials = bench.trial("ask", &["{n: 1}", "{n: 2}", "{n: 3}"]).await;
    let outcomes: Vec<&str> = trials.iter().map(|trial| trial.outcome.as_str()).collect();
    assert_eq!(outcomes, ["delivered", "dead_lettered", "delivered"]);
    let letters = bench.dead_letters().await;
    assert!(
        letters[0]
            .head
            .facts
            .cause
            .private
            .contains("the call is broken")
    );
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_is_put_away() {
    let bench = Bench::new(&["
flow: ask
from: { caller: contracts/any.schema.json#Any }
steps:
  - write: world#rows
    timeout: 1s
"]);
    bench.world.on_write("rows", |_, count| match count {
        0 => Wrote::Hang,
        _ => Wrote::Ok,
    });
    let trials = bench.trial("ask", &["{n: 1}"]).await;
    let (fault, _) = trials[0].fault.as_ref().expect("it fails");
    assert_eq!(&*fault.code().0, FaultCode::TIMEOUT);
    assert_eq!(
        bench.trial("ask", &["{n: 2}"]).await[0].outcome,
        Outcome::Delivered
    );
    assert_eq!(bench.world.asked("rows"), 0);
    assert_eq!(bench.world.rows("rows"), [r#"{"n":2}"#]);
}
