//! The Markdown test: what the documentation shows, runs.

use std::path::Path;
use std::sync::Arc;

use sluice_model::batch::Payload;
use sluice_model::time::Timestamp;
use sluice_model::value::Value;
use sluice_sdk::connection::PositionMark;
use sluice_sdk::cx::{Cx, TokioRuntime};
use sluice_testkit::markdown::{self, Case, Outcome};
use sluice_testkit::positions::MemoryPositions;
use sluice_testkit::yaml;

use super::conformance::source;
use crate::tests::NoCheck;
use crate::timer::{Cron, CronConfig};

#[test]
fn the_documentation_runs() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/md/cron.md"));
    markdown::run(path, |case| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime can be built");
        runtime.block_on(documented(case))
    });
}

/// Makes the source of the block `from`, at the time and with the position of the block `clock`,
/// and takes as many messages as that says.
async fn documented(case: &Case) -> Outcome {
    let fields = yaml::json(case.role("from").expect("a source"))["from"].take();
    let config: CronConfig = serde_json::from_value(fields.clone()).expect("fields of a source");
    let checked = <Cron as sluice_sdk::connection::Source>::check(config, &mut NoCheck);
    let key = match checked {
        Ok(cron) => cron.key,
        Err(problems) => {
            let line = |problem: sluice_sdk::check::Problem| {
                let help = problem.help.unwrap_or_default();
                format!("{}: {}; {help}", problem.at, problem.message)
            };
            let lines: Vec<String> = problems.into_iter().map(line).collect();
            return vec![("problems", lines.join("\n"))];
        }
    };
    let clock = yaml::json(case.role("clock").expect("a clock"));
    let now = clock["now"].as_str().and_then(Timestamp::parse_rfc3339);
    let runtime = TokioRuntime::simulated(
        now.expect("an instant"),
        0,
        Box::new(|_| None),
        Box::new(|_, _, _, _| {}),
    );
    let (cx, _owner) = Cx::new(Arc::new(runtime));
    let positions = MemoryPositions::default();
    if let Some(last) = clock["last"].as_str() {
        let value = Some(Value::from(last.to_owned()));
        positions.commit(&PositionMark { key, value });
    }
    let mut source = source(fields).expect("a source");
    source
        .open(Arc::new(positions), &cx)
        .await
        .expect("it opens");
    let mut lines = Vec::new();
    let count = clock["messages"].as_u64().expect("a number of messages");
    while (lines.len() as u64) < count {
        let delivery = source.next(&cx).await.expect("no fault");
        let delivery = delivery.expect("a timer does not end");
        for message in &delivery.messages {
            let Payload::Value(payload) = &message.payload else {
                panic!("the payload is a value");
            };
            lines.push(sluice_model::json::to_string(payload));
        }
        delivery.receipt.ack();
    }
    vec![("messages", lines.join("\n"))]
}
