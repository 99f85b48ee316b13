//! Tests of the sink.

use expect_test::expect;
use serde_json::json;
use sluice_model::ids::EffectKey;
use sluice_model::value::Value;
use sluice_sdk::connection::{DynSink, Row};
use sluice_sdk::cx::Cx;
use sluice_testkit::conformance::{self, SinkHarness};
use sluice_testkit::project::TempProject;

use super::{Boxes, failures, row, shown};

async fn opened(sink: &dyn DynSink, cx: &Cx) -> Box<dyn DynSink> {
    let mut sink = sink.fresh();
    sink.open(cx).await.expect("the sink opens");
    sink
}

/// Says what lies in the project: path and content.
fn content(project: &TempProject) -> String {
    let one = |path: &String| format!("{path}: {:?}\n", project.read(path).unwrap_or_default());
    project.files().iter().map(one).collect()
}

#[tokio::test]
async fn conforms_with_a_file_for_each_message() {
    for exists in ["replace", "suffix", "fail"] {
        let boxes = Boxes::new();
        let (cx, _owner, _log) = sluice_testkit::cx(0);
        let harness = SinkHarness {
            sink: boxes.sink("out", json!({ "format": "document", "exists": exists })),
            row: Box::new(|n| row(Some(&format!("{n}/a.json")), None, json!({ "n": n }))),
            bad: Some(row(Some("../a.json"), None, json!({}))),
            group: None,
            found: Box::new(|| boxes.project.files()),
        };
        conformance::sink(harness, &cx).await;
    }
}

#[tokio::test]
async fn conforms_with_a_record_for_each_message() {
    for sync in ["batch", "end"] {
        let boxes = Boxes::new();
        let (cx, _owner, _log) = sluice_testkit::cx(0);
        let bytes = Row {
            value: Value::Bytes([1u8].as_slice().into()),
            ..row(Some("a.lines"), Some("g"), json!(0))
        };
        let fields = json!({ "format": "lines", "each": "record", "sync": sync });
        let harness = SinkHarness {
            sink: boxes.sink("out", fields),
            row: Box::new(|n| row(Some("a.lines"), Some("g"), json!({ "n": n }))),
            bad: Some(bytes),
            group: Some("g"),
            found: Box::new(|| {
                let content = |path: String| boxes.project.read(&path).unwrap_or_default();
                let lines = boxes.project.files().into_iter().map(content);
                let lines = lines.collect::<String>();
                let records = lines.lines().filter(|line| *line != "#lines");
                records.map(str::to_owned).collect()
            }),
        };
        conformance::sink(harness, &cx).await;
    }
}

#[tokio::test]
async fn a_message_becomes_a_file_in_one_step() {
    let boxes = Boxes::new();
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let sink = boxes.sink("", json!({}));
    let mut sink = opened(&*sink, &cx).await;
    let bytes = Row {
        value: Value::Bytes([104u8, 105].as_slice().into()),
        name: None,
        key: Some(EffectKey::from("run 1/step")),
        group: None,
    };
    let rows = [
        row(Some("a.txt"), None, json!("first")),
        row(Some("2026/01/ä b.txt"), None, json!("second")),
        row(Some("a.txt"), None, json!("last")),
        bytes,
        row(Some("c.txt"), None, json!({ "a": 1 })),
        row(None, None, json!("x")),
        row(Some(".hidden"), None, json!("x")),
    ];
    let said = failures(sink.write(&rows, &cx).await);
    let there = content(&boxes.project);
    expect![[r#"
        4: invalid: a record is not a file's content: add a `format` [Never, Caller]
        5: invalid: a file needs a `name` [Never, Caller]
        6: invalid: a file cannot be named `.hidden`: a name that begins with `.` is hidden [Never, Caller]
        box/2026/01/ä b.txt: "second"
        box/a.txt: "last"
        box/run-1-step.bin: "hi"
    "#]].assert_eq(&format!("{said}{there}"));
}

#[tokio::test]
async fn a_list_becomes_a_file_of_records() {
    let boxes = Boxes::new();
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let sink = boxes.sink("", json!({ "format": "lines" }));
    let mut sink = opened(&*sink, &cx).await;
    let rows = [row(
        Some("report.lines"),
        None,
        json!([{ "a": 1 }, { "a": 2 }]),
    )];
    assert_eq!(failures(sink.write(&rows, &cx).await), "written");
    expect![[r##"
        box/report.lines: "#lines\n{\"a\":1}\n{\"a\":2}\n"
    "##]]
    .assert_eq(&content(&boxes.project));
}

#[tokio::test]
async fn what_is_there_is_replaced_kept_beside_or_refused() {
    let boxes = Boxes::new();
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    boxes.project.write("box/a.txt", "old");
    let rows = [row(Some("a.txt"), None, json!("new"))];
    let mut said = String::new();
    for exists in ["fail", "suffix", "replace"] {
        let sink = boxes.sink("", json!({ "exists": exists }));
        let mut sink = opened(&*sink, &cx).await;
        said.push_str(&failures(sink.write(&rows, &cx).await));
        said.push('\n');
    }
    expect![[r#"
        0: conflict: there is a file `a.txt` already [Never, Caller]

        written
        written
        box/a.txt: "new"
        box/a_2.txt: "new"
    "#]]
    .assert_eq(&format!("{said}{}", content(&boxes.project)));
}

fn records() -> serde_json::Value {
    json!({ "format": "lines", "each": "record" })
}

#[tokio::test]
async fn records_get_their_file_when_their_group_ends() {
    let boxes = Boxes::new();
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let mut sink = opened(&*boxes.sink("out", records()), &cx).await;
    let rows = [
        row(None, Some("in/a.csv"), json!(1)),
        row(None, Some("in/b.csv"), json!(2)),
        row(Some("all.lines"), Some("in/a.csv"), json!(3)),
        row(None, None, json!(4)),
        row(None, Some("in/a.csv"), json!(5)),
    ];
    assert_eq!(failures(sink.write(&rows, &cx).await), "written");
    let files = boxes.project.files();
    assert!(files.iter().all(|file| file.contains("/.")), "{files:?}");
    sink.finish("in/a.csv", &cx).await.expect("the group ends");
    sink.finish("in/a.csv", &cx)
        .await
        .expect("a repeat is harmless");
    sink.close(&cx).await.expect("the sink closes");
    // What has no group ends with the sink; the other group goes on later.
    expect![[r##"
        box/out/.b.lines.6be69e0d.part: "#lines\n2\n"
        box/out/a.lines: "#lines\n1\n5\n"
        box/out/all.lines: "#lines\n3\n"
        box/out/records.lines: "#lines\n4\n"
    "##]]
    .assert_eq(&content(&boxes.project));
}

#[tokio::test]
async fn a_new_process_goes_on_where_the_last_one_stopped() {
    let boxes = Boxes::new();
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let sink = boxes.sink("out", records());
    let one = |n: i64| [row(None, Some("g.csv"), json!({ "n": n }))];
    let mut first = opened(&*sink, &cx).await;
    assert_eq!(failures(first.write(&one(1), &cx).await), "written");
    // A crash: the sink is not closed, and the last record is not whole.
    drop(first);
    let part = boxes.project.files().remove(0);
    let torn = format!(
        "{}{{\"n\":",
        boxes.project.read(&part).expect("it is there")
    );
    boxes.project.write(&part, torn);

    let mut second = opened(&*sink, &cx).await;
    assert_eq!(failures(second.write(&one(2), &cx).await), "written");
    second.close(&cx).await.expect("a drain keeps the part");
    assert_eq!(boxes.project.files(), [part]);

    // A third that gets no record any more has to finish all the same.
    let mut third = opened(&*sink, &cx).await;
    third.finish("g.csv", &cx).await.expect("the group ends");
    expect![[r##"
        box/out/g.lines: "#lines\n{\"n\":1}\n{\"n\":2}\n"
    "##]]
    .assert_eq(&content(&boxes.project));
}

#[tokio::test]
async fn names_and_formats_that_do_not_fit_fail_their_row() {
    let boxes = Boxes::new();
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let mut sink = opened(&*boxes.sink("out", records()), &cx).await;
    let bytes = Row {
        value: Value::Bytes([1u8].as_slice().into()),
        ..row(None, None, json!(0))
    };
    let rows = [
        row(Some("a/../../b"), None, json!(1)),
        bytes,
        row(None, None, json!(2)),
    ];
    let said = failures(sink.write(&rows, &cx).await);
    sink.close(&cx).await.expect("the sink closes");
    expect![[r##"
        0: invalid: a file cannot be named `a/../../b`: it is not a path below its folder [Never, Caller]
        1: invalid: `lines` cannot say bytes [Never, Caller]
        box/out/records.lines: "#lines\n2\n"
    "##]].assert_eq(&format!("{said}{}", content(&boxes.project)));
}

#[tokio::test]
async fn too_many_open_files_are_refused() {
    let boxes = Boxes::new();
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let mut sink = opened(&*boxes.sink("out", records()), &cx).await;
    let rows: Vec<Row> = (0..257)
        .map(|n| row(Some(&format!("{n}.lines")), Some("g"), json!(n)))
        .collect();
    expect![[r#"
        256: limit: records are added to 256 files at the same time, which is the most: write `each: file`, or fewer names [Never, Config]
    "#]].assert_eq(&failures(sink.write(&rows, &cx).await));
    sink.finish("g", &cx).await.expect("the group ends");
    assert_eq!(boxes.project.files().len(), 256);
    assert_eq!(failures(sink.write(&rows[256..], &cx).await), "written");
}

#[cfg(unix)]
#[tokio::test]
async fn links_that_leave_the_folder_are_not_written_through() {
    let boxes = Boxes::new();
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let project = &boxes.project;
    std::fs::create_dir_all(project.at("elsewhere")).expect("a folder");
    std::fs::create_dir_all(project.at("box")).expect("a folder");
    std::os::unix::fs::symlink(project.at("elsewhere"), project.at("box/out")).expect("a link");
    let mut sink = opened(&*boxes.sink("", json!({})), &cx).await;
    let rows = [row(Some("out/a.txt"), None, json!("x"))];
    expect![[r#"
        0: denied: cannot write the file `out/a.txt`: its rights do not allow it [Never, Config]
    "#]]
    .assert_eq(&failures(sink.write(&rows, &cx).await));
    let mut sink = boxes.sink("out", json!({}));
    let fault = sink.open(&cx).await.expect_err("it is a link");
    expect!["denied: the folder `./box/out` is a link that leaves `./box` [Never, Config]"]
        .assert_eq(&shown(&fault));
    assert_eq!(boxes.project.files(), [""; 0]);
}

#[test]
fn fields_that_are_wrong_are_told() {
    let boxes = Boxes::new();
    let problems = |fields| {
        let problems = boxes.try_sink("../out", fields).err();
        problems.unwrap_or_else(|| "fine".to_owned())
    };
    let said = [
        problems(json!({ "each": "record" })),
        problems(json!({ "each": "record", "format": "document" })),
        problems(json!({ "each": "record", "format": "lines", "exists": "replace" })),
    ];
    expect![[r#"
        : `../out` is not a folder below that of the connection; write a relative path without `..`, such as `inbox#orders`
        /each: records need a format; add `format: json_lines`, or write `each: file`
        : `../out` is not a folder below that of the connection; write a relative path without `..`, such as `inbox#orders`
        /each: a file of the format `document` is one record; write `each: file`
        : `../out` is not a folder below that of the connection; write a relative path without `..`, such as `inbox#orders`
        /exists: records of an earlier file would be lost; write `suffix` or `fail`"#]].assert_eq(&said.join("\n"));
}

#[tokio::test]
async fn says_what_it_takes() {
    let boxes = Boxes::new();
    let shape = |fields| {
        let shape = boxes.sink("", fields).shape();
        format!("{} {} {}", shape.row, shape.idempotent, shape.named)
    };
    assert_eq!(shape(json!({})), "text | bytes true true");
    assert_eq!(shape(json!({ "format": "document" })), "any true true");
    assert_eq!(shape(records()), "any false true");
}
