//! Steps that hold other steps: `try`, `choose`, `split`, `run`, and `on_failure`.

use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::value::Value;
use sluice_store::run::{Outcome, RunFilter, StepStatus};
use sluice_store::store::StoreReader;

use crate::tests::bench::Bench;
use crate::tests::world::{Answered, Wrote, value};

fn replied(trial: &crate::Trial) -> Option<Value<'static>> {
    trial.answer.as_ref().expect("an answer").body.clone()
}

#[tokio::test]
async fn faults_are_caught_by_name() {
    let bench = Bench::new(&["
flow: ask
from: { caller: contracts/any.schema.json#Any, returns: contracts/any.schema.json#Any }
steps:
  - try:
      - compute: { entered: false }
      - id: it
        call: erp#putIt
        with: { n: 1 }
      - fail: too_risky
        when: false
    catch:
      - fault: timeout
        steps: [{ compute: { caught: '\"timeout\"', entered: n } }]
      - fault: erp#putIt/422
        steps: [{ compute: { caught: $fault.body.reason, entered: n } }]
      - fault: too_risky
        steps: [{ compute: { caught: $fault.code, entered: n } }]
  - reply: $
"]);
    bench.world.on_call("putIt", |_, count| {
        let fault = |code: &str| Fault::new(code, Retry::Never, Blame::Upstream, "no");
        Answered::Fault(match count {
            0 => fault(FaultCode::TIMEOUT),
            1 => fault(FaultCode::UPSTREAM)
                .with_status(422)
                .with_body(value("{reason: wrong}")),
            _ => fault(FaultCode::DENIED),
        })
    });
    for caught in ["timeout", "wrong"] {
        let trials = bench.trial_of("ask", &["{n: 5}"], true).await;
        let body = format!("{{caught: {caught}, entered: 5}}");
        assert_eq!(
            replied(&trials[0]),
            Some(value(&body)),
            "the payload is that at the entry"
        );
        let statuses: Vec<StepStatus> = trials[0].steps.iter().map(|step| step.status).collect();
        assert!(statuses.contains(&StepStatus::Caught), "{statuses:?}");
    }
    let trials = bench.trial_of("ask", &["{n: 5}"], true).await;
    assert_eq!(
        trials[0].outcome,
        Outcome::AnsweredError,
        "what is not named goes on"
    );
}

#[tokio::test]
async fn a_fault_of_the_project_itself_is_caught_and_has_a_status() {
    let bench = Bench::new(&["
flow: ask
from: { caller: contracts/any.schema.json#Any, returns: contracts/any.schema.json#Any }
steps:
  - try:
      - fail: too_risky
        when: n > 5
        status: 422
        message: Over {n}
    catch:
      - fault: too_risky
        steps:
          - fail: given_up
            when: n > 9
            status: 409
          - compute: $fault.message
  - reply: $
"]);
    let trials = bench
        .trial_of("ask", &["{n: 1}", "{n: 6}", "{n: 10}"], true)
        .await;
    assert_eq!(replied(&trials[0]), Some(value("{n: 1}")));
    assert_eq!(replied(&trials[1]), Some(Value::text("Over 6")));
    let (fault, _) = trials[2].fault.as_ref().expect("it fails in the handler");
    assert_eq!((&*fault.code().0, fault.status()), ("given_up", Some(409)));
}

#[tokio::test]
async fn only_the_first_branch_that_holds_is_taken() {
    let bench = Bench::new(&["
flow: ask
from: { caller: contracts/any.schema.json#Any, returns: contracts/any.schema.json#Any }
steps:
  - choose:
      - when: n > 10
        steps: [{ compute: '\"large\"' }]
      - when: n > 5
        steps: [{ compute: '\"middle\"' }]
      - when: n < 0
        steps: [{ stop: }]
  - reply: $
"]);
    let trials = bench
        .trial_of("ask", &["{n: 20}", "{n: 7}", "{n: 1}", "{n: -1}"], true)
        .await;
    assert_eq!(replied(&trials[0]), Some(Value::text("large")));
    assert_eq!(replied(&trials[1]), Some(Value::text("middle")));
    assert_eq!(replied(&trials[2]), Some(value("{n: 1}")));
    assert_eq!(trials[3].outcome, Outcome::Delivered);
    assert!(trials[3].answer.is_none());
}

#[tokio::test]
async fn a_condition_that_is_none_fails_its_message() {
    let bench = Bench::new(&["
flow: ask
from: { caller: contracts/any.schema.json#Any }
steps:
  - log: here
    when: n
"]);
    let trials = bench
        .trial("ask", &["{n: true}", "{n: 3}", "{n: false}"])
        .await;
    let statuses: Vec<StepStatus> = trials.iter().map(|trial| trial.steps[0].status).collect();
    assert_eq!(
        statuses,
        [StepStatus::Done, StepStatus::Failed, StepStatus::Skipped]
    );
    let (fault, _) = trials[1].fault.as_ref().expect("it fails");
    assert_eq!(&*fault.code().0, FaultCode::MAPPING);
}

const SPLIT: &str = "
flow: ask
from: { caller: contracts/any.schema.json#Any, returns: contracts/any.schema.json#Any }
steps:
  - split: lines
    steps:
      - filter: qty > 0
      - write: world#rows
  - compute: { left: n }
  - reply: $
";

#[tokio::test]
async fn a_message_is_done_when_all_its_items_are() {
    let bench = Bench::new(&[SPLIT]);
    bench.world.on_write("rows", |rows, _| {
        let bad = rows.iter().enumerate();
        let bad = bad.filter(|(_, row)| row.value.get("qty") == Some(&Value::Int(99)));
        Wrote::Rows(
            bad.map(|(at, _)| (at, Fault::invalid("too many")))
                .collect(),
        )
    });
    let payloads = [
        "{n: 1, lines: [{qty: 1}, {qty: 0}, {qty: 2}]}",
        "{n: 2, lines: [{qty: 3}, {qty: 99}, {qty: 4}]}",
        "{n: 3, lines: []}",
        "{n: 4}",
        "{n: 5, lines: 7}",
    ];
    let trials = bench.trial_of("ask", &payloads, true).await;
    assert_eq!(
        replied(&trials[0]),
        Some(value("{left: 1}")),
        "the payload from before"
    );
    assert_eq!(trials[1].outcome, Outcome::AnsweredError);
    assert_eq!(trials[2].outcome, Outcome::Delivered);
    assert_eq!(trials[3].outcome, Outcome::Delivered);
    assert_eq!(trials[4].outcome, Outcome::AnsweredError, "not a list");
    let quantities: Vec<String> = bench.world.rows("rows");
    assert_eq!(quantities.len(), 4, "{quantities:?}");
    assert_eq!(
        bench.counts("ask").await.received,
        5,
        "items are no messages"
    );
}

#[tokio::test]
async fn a_split_has_a_limit() {
    let bench = Bench::new(&[SPLIT]);
    let items: Vec<&str> = vec!["{qty: 0}"; crate::execute::SPLIT_ITEMS_MAX + 1];
    let payload = format!("{{n: 1, lines: [{}]}}", items.join(", "));
    let trials = bench.trial("ask", &[&payload]).await;
    let (fault, _) = trials[0].fault.as_ref().expect("it fails");
    assert_eq!(&*fault.code().0, FaultCode::LIMIT);
}

const NESTED: [&str; 2] = [
    "
flow: ask
from: { caller: contracts/any.schema.json#Any, returns: contracts/any.schema.json#Any }
steps:
  - id: score
    run: scoring
    with: { x: n }
  - reply: $steps.score
",
    "
flow: scoring
from: { caller: contracts/any.schema.json#Any, returns: contracts/any.schema.json#Any }
keys: { x: x }
steps:
  - fail: too_large
    when: x > 5
  - write: world#rows
  - reply: { twice: x * 2 }
",
];

#[tokio::test]
async fn a_flow_that_is_run_counts_for_itself() {
    let bench = Bench::new(&NESTED);
    let trials = bench
        .trial_of("ask", &["{n: 1}", "{n: 6}", "{n: 3}"], true)
        .await;
    assert_eq!(replied(&trials[0]), Some(value("{twice: 2}")));
    assert_eq!(replied(&trials[2]), Some(value("{twice: 6}")));
    let (fault, step) = trials[1].fault.as_ref().expect("it fails");
    assert_eq!(&*fault.code().0, "too_large");
    assert_eq!(step.as_ref().map(|step| step.as_str()), Some("score"));
    for flow in ["ask", "scoring"] {
        let counts = bench.counts(flow).await;
        assert_eq!(
            (counts.received, counts.delivered, counts.answered_error),
            (3, 2, 1)
        );
    }
    let filter = RunFilter {
        flow: Some("ask".into()),
        ..RunFilter::default()
    };
    let parents = bench
        .store
        .runs(filter, None, 10)
        .await
        .expect("it reads")
        .runs;
    let filter = RunFilter {
        flow: Some("scoring".into()),
        ..RunFilter::default()
    };
    let children = bench
        .store
        .runs(filter, None, 10)
        .await
        .expect("it reads")
        .runs;
    assert_eq!(children.len(), 3);
    for child in children {
        let parent = parents
            .iter()
            .find(|parent| Some(parent.id) == child.parent);
        assert!(parent.is_some(), "{child:?}");
    }
}

#[tokio::test]
async fn what_a_flow_that_is_run_leaves_is_in_the_same_commit() {
    let bench = Bench::new(&NESTED);
    let before = bench
        .store
        .commits
        .load(std::sync::atomic::Ordering::Acquire);
    bench.trial("ask", &["{n: 1}", "{n: 6}"]).await;
    let after = bench
        .store
        .commits
        .load(std::sync::atomic::Ordering::Acquire);
    assert_eq!(after - before, 1);
    assert_eq!(
        bench.dead_letters().await.len(),
        1,
        "one, of the flow with the message"
    );
}

#[tokio::test]
async fn on_failure_sees_the_input_and_the_fault_and_cannot_hide_it() {
    let bench = Bench::new(&["
flow: ask
from: { caller: contracts/any.schema.json#Any, returns: contracts/any.schema.json#Any }
steps:
  - compute: { lost: true }
  - fail: broken
on_failure:
  - call: world#putAlarm
    with: { n: n, why: $fault.code }
"]);
    bench.world.on_call("putAlarm", |_, count| match count {
        0 => Answered::Value(Value::Null),
        _ => Answered::Fault(Fault::invalid("no alarm")),
    });
    bench.trial("ask", &["{n: 1}"]).await;
    bench.trial("ask", &["{n: 2}"]).await;
    let bodies: Vec<_> = {
        let state = bench.world.state();
        let asked = state.calls["putAlarm"].asked.iter();
        asked.map(|(request, _)| request.body.clone()).collect()
    };
    assert_eq!(bodies[0], Some(value("{n: 1, why: broken}")));
    let letters = bench.dead_letters().await;
    assert_eq!(letters.len(), 2);
    for letter in &letters {
        assert_eq!(&*letter.head.facts.cause.code.0, "broken");
    }
    let private = &letters[1].head.facts.cause.private;
    assert!(private.contains("on_failure failed too"), "{private}");
}
