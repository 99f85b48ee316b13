//! Tests of the source.

use std::time::Duration;

use expect_test::{Expect, expect};
use serde_json::json;
use sluice_model::fault::Fault;
use sluice_model::value::Value;
use sluice_sdk::connection::{Delivery, DynSource};
use sluice_sdk::cx::Cx;
use sluice_testkit::Log;
use sluice_testkit::conformance::{self, SourceHarness};
use sluice_testkit::positions::MemoryPositions;
use sluice_testkit::project::TempProject;

use super::{Boxes, message, shown};

/// `count` records with the numbers from `first`, each `{"n":0}`.
fn lines(first: usize, count: usize) -> String {
    let records = (first..first + count).map(|n| format!("{{\"n\":{n}}}\n"));
    format!("#lines\n{}", records.collect::<String>())
}

fn number(message: &sluice_model::batch::Message) -> usize {
    let sluice_model::batch::Payload::Value(value) = &message.payload else {
        panic!("the record can be read")
    };
    let number = value.get("n").and_then(Value::as_i64);
    usize::try_from(number.expect("a number")).expect("a small number")
}

/// An opened source, and what was acknowledged.
struct Reading {
    source: Box<dyn DynSource>,
    positions: MemoryPositions,
    cx: Cx,
    log: Log,
    _owner: sluice_sdk::cx::CancelSource,
}

impl Reading {
    async fn open(source: Box<dyn DynSource>, positions: &MemoryPositions) -> Self {
        let (cx, owner, log) = sluice_testkit::cx(7);
        let mut source = source.fresh();
        source
            .open(std::sync::Arc::new(positions.clone()), &cx)
            .await
            .expect("the source opens");
        Self {
            source,
            positions: positions.clone(),
            cx,
            log,
            _owner: owner,
        }
    }

    /// Waits for a delivery up to ten minutes of the paused clock.
    async fn next(&mut self) -> Option<Delivery> {
        let next = self.source.next(&self.cx);
        let next = self.cx.timeout(Duration::from_secs(600), next).await?;
        next.expect("the source works")
    }

    fn ack(&self, delivery: Delivery) {
        self.positions
            .commit(delivery.position.as_ref().expect("files have positions"));
        delivery.receipt.ack();
    }

    /// Reads and acknowledges until nothing comes; says what came.
    async fn all(&mut self) -> String {
        let mut said = String::new();
        while let Some(delivery) = self.next().await {
            for one in &delivery.messages {
                said.push_str(&format!("{}\n", message(one)));
            }
            if let Some(group) = &delivery.group_end {
                said.push_str(&format!("end of {group}\n"));
            }
            self.ack(delivery);
        }
        said
    }

    fn logged(&self) -> String {
        let lines = self.log.lines();
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// Reads all files, and says what came, what was logged, and what is there afterwards.
async fn check(project: TempProject, fields: serde_json::Value, expected: Expect) {
    let boxes = Boxes::with(project, json!({ "type": "files", "at": "box" }));
    let source = boxes.source(".", fields);
    let mut reading = Reading::open(source, &MemoryPositions::default()).await;
    let said = reading.all().await;
    let files = boxes.project.files().join(" ");
    let logged = reading.logged();
    expected.assert_eq(&format!("{said}{logged}files: {files}\n"));
}

#[tokio::test(start_paused = true)]
async fn conforms_file_by_file_and_within_one() {
    for (size, then) in [
        ("small", json!(null)),
        ("small", json!({ "move": "done" })),
        ("small", json!({ "delete": true })),
        ("large", json!({ "move": "done" })),
    ] {
        let boxes = Boxes::new();
        let (cx, _owner, _log) = sluice_testkit::cx(0);
        let mut fields = json!({ "format": "lines", "each": "record", "match": "*.lines" });
        if !then.is_null() {
            fields["then"] = then;
        }
        let messages = if size == "small" { 40 } else { 9000 };
        let each_file = if size == "small" { 5 } else { messages };
        let harness = SourceHarness {
            source: boxes.source("orders", fields),
            produce: Box::new(|numbers| {
                // What an earlier part of the suite has left would be read again.
                let _ = std::fs::remove_dir_all(boxes.project.at("box/orders"));
                for first in numbers.step_by(each_file) {
                    let name = format!("box/orders/{first:06}.lines");
                    boxes.project.write(&name, lines(first, each_file));
                }
            }),
            messages,
            number,
        };
        conformance::source(harness, &cx).await;
    }
}

#[tokio::test(start_paused = true)]
async fn records_know_their_place() {
    let project = TempProject::new()
        .file("box/a.lines", "#lines\n{\"n\":1}\nnonsense\n{\"n\":2}")
        .file("box/b.lines", "")
        .file("box/c.lines", "#lines\n")
        .file("box/.hidden.lines", "#lines\n1\n")
        .file("box/d.lines.part", "#lines\n1\n")
        .file("box/e.csv", "");
    check(
        project,
        json!({ "format": "lines", "each": "record", "match": "*.lines*", "then": { "move": "done" } }),
        expect![[r#"
            a.lines:2: {"n":1}
            a.lines:3: unread "nonsense", invalid
            a.lines:4: {"n":2}
            end of a.lines
            end of b.lines
            end of c.lines
            warn a file is empty (file: b.lines)
            files: box/.hidden.lines box/d.lines.part box/done/a.lines box/done/b.lines box/done/c.lines box/e.csv
        "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn files_that_stay_are_read_once_and_again_when_they_change() {
    let boxes = Boxes::with(
        TempProject::new().file("box/a.json", "{\"a\":1}"),
        json!({ "type": "files", "at": "box" }),
    );
    let fields = json!({ "format": "document" });
    let positions = MemoryPositions::default();
    let mut reading = Reading::open(boxes.source("", fields.clone()), &positions).await;
    assert_eq!(reading.all().await, "a.json: {\"a\":1}\nend of a.json\n");
    assert_eq!(reading.all().await, "");
    let mut reading = Reading::open(boxes.source("", fields), &positions).await;
    assert_eq!(reading.all().await, "", "a restart reads nothing again");
    boxes.project.write("box/a.json", "{\"a\":22}");
    assert_eq!(reading.all().await, "a.json: {\"a\":22}\nend of a.json\n");
}

#[tokio::test(start_paused = true)]
async fn whole_files_are_documents_lists_or_bytes() {
    let project = || TempProject::new().file("box/a.x", "#lines\n1\n2\n");
    check(
        project(),
        json!({}),
        expect![[r##"
        a.x: bytes "#lines\n1\n2\n"
        end of a.x
        files: box/a.x
    "##]],
    )
    .await;
    check(
        project(),
        json!({ "format": "lines" }),
        expect![[r#"
        a.x: [1,2]
        end of a.x
        files: box/a.x
    "#]],
    )
    .await;
    check(
        project(),
        json!({ "format": "document" }),
        expect![[r##"
        a.x: unread "#lines\n1\n2\n", invalid
        end of a.x
        files: box/a.x
    "##]],
    )
    .await;
    let large = vec![b'x'; 16 * 1024 * 1024 + 1];
    let project = TempProject::new().file("box/large", large);
    check(
        project,
        json!({ "then": { "delete": true } }),
        expect![[r#"
            large: unread "", limit
            end of large
            files: 
        "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn folders_below_are_read_but_not_the_one_that_files_go_to() {
    let project = TempProject::new()
        .file("box/a/b/1.x", "one")
        .file("box/2.x", "two")
        .file("box/done/3.x", "three")
        .file("box/done/2.x", "there already");
    let fields = json!({ "match": "**/*.x", "then": { "move": "done" } });
    check(
        project,
        fields,
        expect![[r#"
        a/b/1.x: bytes "one"
        end of a/b/1.x
        2.x: bytes "two"
        end of 2.x
        files: box/done/2.x box/done/2_2.x box/done/3.x box/done/a/b/1.x
    "#]],
    )
    .await;
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn links_that_leave_the_folder_are_refused_and_told_once() {
    let project = TempProject::new()
        .file("secret", "s")
        .file("box/in", "fine");
    std::os::unix::fs::symlink(project.at("secret"), project.at("box/out")).expect("links");
    std::os::unix::fs::symlink(project.at("box/in"), project.at("box/also")).expect("links");
    check(
        project,
        json!({}),
        expect![[r#"
        also: bytes "fine"
        end of also
        in: bytes "fine"
        end of in
        error a file is not read (folder: box) (why: out: it is a link that leaves its folder)
        files: box/also box/in box/out secret
    "#]],
    )
    .await;

    let project = TempProject::new().folder("elsewhere").folder("box");
    std::os::unix::fs::symlink(project.at("elsewhere"), project.at("box/orders")).expect("links");
    let boxes = Boxes::with(project, json!({ "type": "files", "at": "box" }));
    let mut source = boxes.source("orders", json!({}));
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let opened = source.open(std::sync::Arc::new(MemoryPositions::default()), &cx);
    let fault = opened.await.expect_err("the folder is elsewhere");
    expect!["denied: the folder `box/orders` is a link that leaves `box` [Never, Config]"]
        .assert_eq(&shown(&fault));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_still_written_is_not_read() {
    let boxes = Boxes::new();
    boxes.project.write("box/a", "1");
    let mut reading = Reading::open(
        boxes.source("", json!({ "settle": "10s" })),
        &MemoryPositions::default(),
    )
    .await;
    for grown in ["12", "123", "1234"] {
        let next = reading.source.next(&reading.cx);
        let waited = reading.cx.timeout(Duration::from_secs(9), next).await;
        assert!(waited.is_none(), "the file is still growing");
        boxes.project.write("box/a", grown);
    }
    assert_eq!(reading.all().await, "a: bytes \"1234\"\nend of a\n");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changes_while_it_is_read_is_read_again() {
    let boxes = Boxes::new();
    boxes.project.write("box/a", lines(0, 100_000));
    let fields = json!({ "format": "lines", "each": "record", "then": { "delete": true } });
    let mut reading = Reading::open(boxes.source("", fields), &MemoryPositions::default()).await;
    let first = reading.next().await.expect("there are records");
    assert_eq!(number(&first.messages[0]), 0);
    let (key, count) = (
        first.position.clone().expect("a position").key,
        first.messages.len(),
    );
    assert!(count < 5000, "a delivery is bounded, not {count}");
    reading.ack(first);
    boxes.project.write("box/a", lines(7, 3));
    let mut seen = Vec::new();
    while let Some(delivery) = reading.next().await {
        seen.extend(delivery.messages.iter().map(number));
        reading.ack(delivery);
    }
    assert!(seen.ends_with(&[7, 8, 9]), "the new content is read whole");
    assert_eq!(
        reading
            .log
            .count("reading a file was stopped; it is read again if it is still there"),
        1
    );
    assert!(
        !reading.positions.all().contains_key(&*key),
        "the old file is forgotten"
    );
    assert_eq!(boxes.project.files(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn positions_lie_behind_records_and_reading_goes_on_there() {
    let boxes = Boxes::new();
    boxes.project.write("box/a", lines(0, 20_000));
    let fields = json!({ "format": "lines", "each": "record" });
    let positions = MemoryPositions::default();
    let mut reading = Reading::open(boxes.source("", fields.clone()), &positions).await;
    let mut next = 0;
    for _ in 0..3 {
        let delivery = reading.next().await.expect("there are records");
        for one in &delivery.messages {
            assert_eq!(number(one), next);
            assert_eq!(one.origin.to_string(), format!("a:{}", next + 2));
            next += 1;
        }
        reading.ack(delivery);
    }
    let stored: Vec<_> = positions.all().into_values().collect();
    let int = |name| stored[0].get(name).and_then(Value::as_i64);
    let before = lines(0, next).len();
    assert_eq!(int("offset"), i64::try_from(before).ok());
    assert_eq!(int("line"), i64::try_from(next + 2).ok());
    reading.source.close(&reading.cx).await;

    let mut reading = Reading::open(boxes.source("", fields), &positions).await;
    let delivery = reading.next().await.expect("there are records");
    assert_eq!(number(&delivery.messages[0]), next);
    assert_eq!(
        delivery.messages[0].origin.to_string(),
        format!("a:{}", next + 2)
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_settle_stops_the_reading() {
    let boxes = Boxes::new();
    boxes.project.write("box/a", lines(0, 60_000));
    let fields = json!({ "format": "lines", "each": "record" });
    let mut reading = Reading::open(boxes.source("", fields), &MemoryPositions::default()).await;
    let mut held = Vec::new();
    while let Some(delivery) = reading.next().await {
        held.push(delivery);
    }
    assert_eq!(held.len(), 16);
    reading.ack(held.remove(0));
    assert!(
        reading.next().await.is_some(),
        "one was settled, one follows"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_comes_again_before_anything_else() {
    let boxes = Boxes::new();
    boxes.project.write("box/a", lines(0, 30_000));
    let fields = json!({ "format": "lines", "each": "record", "then": { "delete": true } });
    let mut reading = Reading::open(boxes.source("", fields), &MemoryPositions::default()).await;
    let mut first = Vec::new();
    for _ in 0..4 {
        first.push(reading.next().await.expect("there are records"));
    }
    let marks: Vec<_> = first
        .iter()
        .map(|delivery| delivery.position.clone())
        .collect();
    let numbers = |delivery: &Delivery| delivery.messages.iter().map(number).collect::<Vec<_>>();
    let given: Vec<_> = first.iter().map(numbers).collect();
    let mut first = first.into_iter();
    let mut settle = |refuse: bool| {
        let receipt = first.next().expect("four were given").receipt;
        if refuse {
            receipt.nack(Fault::internal("refused"));
        } else {
            receipt.ack();
        }
    };
    for refuse in [false, true, false, true] {
        settle(refuse);
    }
    let again = reading.next().await.expect("refused");
    assert_eq!(numbers(&again), given[1]);
    assert_eq!(
        again.position, marks[2],
        "the third was settled: it goes on behind it"
    );
    again.receipt.nack(Fault::internal("refused again"));
    let again = reading.next().await.expect("refused again");
    assert_eq!(numbers(&again), given[1]);
    reading.ack(again);
    let again = reading.next().await.expect("refused");
    assert_eq!(numbers(&again), given[3]);
    assert_eq!(again.position, marks[3]);
    reading.ack(again);
    let mut next = given[3].last().map_or(0, |last| last + 1);
    while let Some(delivery) = reading.next().await {
        for number in numbers(&delivery) {
            assert_eq!(number, next);
            next += 1;
        }
        reading.ack(delivery);
    }
    assert_eq!(next, 30_000);
    assert_eq!(boxes.project.files(), [""; 0]);
    assert_eq!(
        reading.positions.all().len(),
        0,
        "what is gone is forgotten"
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_moved_is_told_once_and_tried_again() {
    let boxes = Boxes::new();
    boxes.project.write("box/a", "content");
    boxes
        .project
        .write("box/done", "a file where a folder should be");
    let fields = json!({ "match": "a", "then": { "move": "done" } });
    let mut reading = Reading::open(boxes.source("", fields), &MemoryPositions::default()).await;
    let delivery = reading.next().await.expect("it is read");
    assert_eq!(delivery.messages.len(), 1);
    reading.ack(delivery);
    let next = reading.source.next(&reading.cx);
    let waited = reading.cx.timeout(Duration::from_secs(59), next).await;
    assert!(waited.is_none());
    assert_eq!(reading.log.lines().len(), 1, "{}", reading.logged());
    std::fs::remove_file(boxes.project.at("box/done")).expect("it is there");
    assert_eq!(
        reading.all().await,
        "end of a\n",
        "its content is not given again"
    );
    assert_eq!(boxes.project.files(), ["box/done/a"]);
    assert_eq!(reading.positions.all().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_changed_after_it_was_read_is_not_moved() {
    let boxes = Boxes::new();
    boxes.project.write("box/a", "old");
    let fields = json!({ "match": "a", "then": { "delete": true } });
    let mut reading = Reading::open(boxes.source("", fields), &MemoryPositions::default()).await;
    let delivery = reading.next().await.expect("it is read");
    boxes.project.write("box/a", "newer");
    reading.ack(delivery);
    assert_eq!(reading.all().await, "a: bytes \"newer\"\nend of a\n");
    assert_eq!(boxes.project.files(), [""; 0]);
}

#[test]
fn fields_that_are_wrong_are_told() {
    let boxes = Boxes::new();
    let problems = |place: &str, fields| {
        let problems = boxes.try_source(place, fields).err();
        problems.unwrap_or_else(|| "fine".to_owned())
    };
    let said = [
        problems(
            "../up",
            json!({ "each": "record", "match": "[a", "every": "1ms" }),
        ),
        problems("/etc", json!({ "each": "record", "format": "document" })),
        problems("a/./b", json!({ "then": { "move": "../done" } })),
        problems(
            "ok",
            json!({ "type": "contracts/a#b", "then": { "copy": "x" } }),
        ),
        problems("ok", json!({ "type": "contracts/a#b" })),
    ];
    expect![[r#"
        : `../up` is not a folder below that of the connection; write a relative path without `..`, such as `inbox#orders`
        /match: `[a` has a `[` that is never closed
        /each: records need a format to tell them apart; add `format: csv`, or write `each: file`
        /every: the folder would be looked at all the time; write `10ms` or more

        : `/etc` is not a folder below that of the connection; write a relative path without `..`, such as `inbox#orders`
        /each: a file of the format `document` is one record; write `each: file`

        : `a/./b` is not a folder below that of the connection; write a relative path without `..`, such as `inbox#orders`
        /then/move: `../done` is not a folder below the one that is read; write a relative path without `..`, such as `done`

        unknown variant `copy`, expected `move` or `delete`

        /type: bytes have no type; add the files' `format`"#]].assert_eq(&said.join("\n\n"));
    let connection = |fields| {
        let made = boxes.bench.connection(fields);
        made.err().unwrap_or_else(|| "fine".to_owned())
    };
    let said = [
        connection(json!({ "type": "files" })),
        connection(json!({ "type": "files", "at": "sftp://host/x" })),
        connection(json!({ "type": "files", "at": "box", "user": "me" })),
    ];
    expect![[r#"
        /at: the folder is not named; write `at: ./inbox`
        /at: a folder at `sftp://` cannot be used yet; name a local folder: `at: ./inbox`
        unknown field `user`, expected `at` or `create`"#]]
    .assert_eq(&said.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn folders_that_are_missing_are_told() {
    let boxes = Boxes::with(TempProject::new(), json!({ "type": "files", "at": "box" }));
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let positions = std::sync::Arc::new(MemoryPositions::default());
    let probed = boxes.connection().probe(&cx).await;
    let mut source = boxes.source("orders", json!({}));
    let opened = source.open(positions, &cx).await;
    let said = [probed, opened].map(|result| shown(&result.expect_err("the folder is missing")));
    expect![[r#"
        not_found: cannot read the folder `box`: it does not exist [Never, Config]
        not_found: the folder `box` does not exist: make it, or write `create: true` in the connection [Soon, Config]"#]].assert_eq(&said.join("\n"));
    std::fs::create_dir(boxes.project.at("box")).expect("there is none");
    boxes
        .connection()
        .probe(&cx)
        .await
        .expect("it is there now");
}
