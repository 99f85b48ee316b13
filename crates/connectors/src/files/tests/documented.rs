//! The documentation runs.

use std::sync::Arc;
use std::time::Duration;

use sluice_testkit::markdown::{self, Case, Outcome};
use sluice_testkit::positions::MemoryPositions;
use sluice_testkit::project::TempProject;
use sluice_testkit::yaml;

use super::{Boxes, failures, message, row};

#[test]
fn the_documentation_runs() {
    let path = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/md/files.md"));
    markdown::run(path, |case| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime can be built");
        runtime.block_on(run(case))
    });
}

async fn run(case: &Case) -> Outcome {
    let project = TempProject::new();
    for (path, content) in case.files() {
        project.write(path, content);
    }
    let connection = yaml::json(case.role("connection").expect("a connection"));
    let boxes = Boxes::with(project, connection);
    let mut outcome = Vec::new();
    if let Some(from) = case.role("from") {
        outcome.push(("messages", messages(&boxes, from).await));
    }
    if let Some(write) = case.role("write") {
        let rows = case.role("rows").expect("rows");
        outcome.push(("failed", written(&boxes, write, rows).await));
    }
    outcome.push(("files", boxes.project.files().join("\n")));
    if case.role("content").is_some() {
        let content = boxes.project.files().into_iter().map(|path| {
            let content = boxes.project.read(&path).unwrap_or_default();
            format!("{path}:\n{content}\n")
        });
        outcome.push(("content", content.collect()));
    }
    outcome
}

/// Takes the reference out of the fields.
fn place(fields: &mut serde_json::Value, key: &str) -> String {
    let fields = fields.as_object_mut().expect("fields are a map");
    let reference = fields.remove(key).expect("a reference");
    let reference = reference.as_str().expect("a text").to_owned();
    let (_, place) = reference.split_once('#').expect("connection and place");
    place.to_owned()
}

async fn messages(boxes: &Boxes, from: &str) -> String {
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let mut fields = yaml::json(from);
    let place = place(&mut fields, "files");
    let mut source = boxes.source(&place, fields);
    let positions = Arc::new(MemoryPositions::default());
    source.open(positions, &cx).await.expect("the source opens");
    let mut said = String::new();
    while let Some(delivery) = cx.timeout(Duration::from_secs(60), source.next(&cx)).await {
        let delivery = delivery.expect("the source works").expect("it never ends");
        for one in &delivery.messages {
            said.push_str(&format!("{}\n", message(one)));
        }
        delivery.receipt.ack();
    }
    said
}

async fn written(boxes: &Boxes, write: &str, rows: &str) -> String {
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let mut fields = yaml::json(write);
    let place = place(&mut fields, "write");
    let mut sink = boxes.sink(&place, fields);
    sink.open(&cx).await.expect("the sink opens");
    let rows: Vec<_> = rows
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON lines");
            let text = |key: &str| line.get(key).and_then(|value| value.as_str());
            row(text("name"), text("group"), line["value"].clone())
        })
        .collect();
    let said = failures(sink.write(&rows, &cx).await);
    let groups: std::collections::BTreeSet<_> =
        rows.iter().filter_map(|row| row.group.clone()).collect();
    for group in groups {
        sink.finish(&group, &cx).await.expect("a group ends");
    }
    sink.close(&cx).await.expect("the sink closes");
    if said == "written" {
        String::new()
    } else {
        said
    }
}
