//! What is kept of runs.

use sluice_store::run::{KeyFilter, Outcome, RunDetail, RunFilter, StepStatus};
use sluice_store::store::StoreReader;

use crate::tests::bench::{Bench, DRAIN};
use crate::tests::world::{Answered, one, value};

fn flow(head: &str) -> String {
    format!(
        "
flow: copy
from: {{ feed: world#in }}
{head}
steps:
  - log: here
    when: n > 100
  - compute: {{ n: n, twice: n * 2 }}
  - id: asked
    call: world#getIt
  - compute: {{ last: $steps.asked }}
  - fail: broken
    when: last = 13
"
    )
}

async fn run(head: &str) -> (Bench, Vec<RunDetail>) {
    let bench = Bench::new(&[&flow(head)]);
    bench.world.on_call("getIt", |request, _| {
        let n = request
            .body
            .as_ref()
            .and_then(|body| body.get("n"))
            .cloned();
        Answered::Value(n.unwrap_or(value("null")))
    });
    bench.world.feed("in", vec![one(&["{n: 1}", "{n: 13}"])]);
    let running = bench.start();
    bench.acked("in", 1).await;
    running.drain(DRAIN).await;
    let page = bench.store.runs(RunFilter::default(), None, 10).await;
    let mut details = Vec::new();
    for run in page.expect("it reads").runs {
        let detail = bench.store.run(run.id).await.expect("it reads");
        details.push(detail.expect("it is there"));
    }
    details.sort_by_key(|detail| detail.summary.id);
    (bench, details)
}

/// Returns what each step of a run gave.
async fn outputs(bench: &Bench, run: &RunDetail) -> Vec<String> {
    let mut outputs = Vec::new();
    for step in &run.steps {
        let text = match step.output {
            None => String::new(),
            Some(output) => {
                let payload = bench.store.payload(run.summary.id, output.hash).await;
                let payload = payload.expect("it reads").expect("it is kept");
                String::from_utf8(payload.body.to_vec()).expect("it is JSON")
            }
        };
        outputs.push(format!("{} {text}", step.status.as_str()));
    }
    outputs
}

#[tokio::test]
async fn a_failure_shows_what_each_step_gave() {
    let (bench, runs) = run("record: failures").await;
    assert_eq!(
        runs.len(),
        1,
        "of a flow without keys only failures are kept"
    );
    assert_eq!(
        outputs(&bench, &runs[0]).await,
        [
            "skipped ",
            r#"done {"n":13,"twice":26}"#,
            "done 13",
            r#"done {"last":13}"#,
            "failed ",
        ]
    );
    assert_eq!(runs[0].steps[0].attempts, 0);
    let input = runs[0].steps[0].input.expect("the message is kept");
    let payload = bench.store.payload(runs[0].summary.id, input.hash).await;
    let payload = payload.expect("it reads").expect("it is kept");
    assert_eq!(&*payload.body, br#"{"n":13}"#);
}

#[tokio::test]
async fn everything_is_kept_where_a_flow_says_so() {
    let (bench, runs) = run("record: all").await;
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[0].summary.outcome, Outcome::Delivered);
    assert_eq!(outputs(&bench, &runs[0]).await[3], r#"done {"last":1}"#);
    assert_eq!(runs[0].steps[4].status, StepStatus::Skipped);
}

#[tokio::test]
async fn nothing_is_kept_where_a_flow_says_so() {
    let (bench, runs) = run("record: none").await;
    assert_eq!(runs.len(), 1);
    assert!(runs[0].steps.is_empty() && !runs[0].summary.has_steps);
    assert_eq!(
        bench.dead_letters().await.len(),
        1,
        "the dead letter is, all the same"
    );
}

#[tokio::test]
async fn runs_are_found_by_their_keys() {
    let (bench, runs) = run("keys: { number: n }").await;
    assert_eq!(runs.len(), 2);
    assert!(runs[0].steps.is_empty(), "a success has its summary alone");
    let filter = RunFilter {
        key: Some(KeyFilter {
            name: Some("number".into()),
            value: "1".into(),
        }),
        ..RunFilter::default()
    };
    let found = bench
        .store
        .runs(filter, None, 10)
        .await
        .expect("it reads")
        .runs;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id, runs[0].summary.id);
}

#[tokio::test]
async fn a_payload_above_the_limit_leaves_its_size_and_hash() {
    let bench = Bench::new(&["
flow: copy
from: { feed: world#in }
steps:
  - fail: broken
"]);
    let large = format!(
        "{{text: {}}}",
        "x".repeat(crate::settle::RECORDED_BYTES_MAX)
    );
    bench.world.feed("in", vec![one(&[&large])]);
    let running = bench.start();
    bench.acked("in", 1).await;
    running.drain(DRAIN).await;
    let letters = bench.dead_letters().await;
    assert!(crate::settle::RECORDED_BYTES_MAX < letters[0].message.body.len());
    let run = letters[0].head.facts.run;
    let detail = bench
        .store
        .run(run)
        .await
        .expect("it reads")
        .expect("it is there");
    let input = detail.steps[0].input.expect("a reference");
    assert!(crate::settle::RECORDED_BYTES_MAX < input.size as usize);
    let payload = bench
        .store
        .payload(run, input.hash)
        .await
        .expect("it reads");
    assert!(payload.is_none(), "the dead letter has it");
}
