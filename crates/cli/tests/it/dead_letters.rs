//! `sluice dead-letters`, on a data folder; the test plays the process that runs the project.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::Path;

use expect_test::{expect, expect_file};
use sluice_store::commit::Commit;
use sluice_store::conformance::{at, commit, wait};
use sluice_store::dead_letter::message::StoredPayloadValue;
use sluice_store::dead_letter::{DeadLetterFilter, DeadLetterId, DeadLetterState, RedriveResult};
use sluice_store::request::{Action, Request, RequestResult, Selection};
use sluice_store::sqlite::store::SqliteStore;
use sluice_store::store::{Store, StoreReader};
use tempfile::TempDir;

use crate::binary::{Ran, feed, finish, run, start};
use crate::data::{fill, id, own};

fn data() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    folder
}

fn with_data<'a>(folder: &'a Path, args: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["dead-letters"];
    all.extend(args);
    all.extend(["--data", folder.to_str().unwrap()]);
    all
}

fn on(folder: &Path, args: &[&str]) -> Ran {
    run(folder, &with_data(folder, args))
}

#[test]
fn help() {
    for (name, args) in [
        ("list", &["dead-letters", "list", "--help"]),
        ("show", &["dead-letters", "show", "--help"]),
        ("redrive", &["dead-letters", "redrive", "--help"]),
    ] {
        let ran = run(&std::env::temp_dir(), args);
        expect_file![format!("golden/help-dead-letters-{name}.txt")].assert_eq(&ran.out);
    }
}

#[test]
fn lists_by_cause_and_one_by_one() {
    let folder = data();
    let mut all = String::new();
    for args in [
        &["list"][..],
        &["list", "-o", "json"],
        &["list", "--group", "1"],
        &["list", "--all", "--limit", "1", "-o", "json"],
        &["list", "--run", &id(241).to_string(), "-o", "json"],
        &["list", "--state", "archived"],
        &["list", "--flow", "file"],
    ] {
        all += &format!("$ dead-letters {}\n", args.join(" "));
        all += &on(folder.path(), args).shown(folder.path());
    }
    expect_file!["golden/dead-letters-list.txt"].assert_eq(&all);
    let unknown = on(folder.path(), &["list", "--group", "9"]);
    assert_eq!(unknown.code, 2, "{}", unknown.err);
}

#[test]
fn shows_cause_and_message() {
    let folder = data();
    expect_file!["golden/dead-letters-show.txt"]
        .assert_eq(&on(folder.path(), &["show", "1"]).shown(folder.path()));
    expect_file!["golden/dead-letters-show.json"]
        .assert_eq(&on(folder.path(), &["show", "1", "-o", "json"]).out);
    expect![[r#"
        {
          "id": 1.10,
          "scan": "AP8="
        }
        --- 0
    "#]]
    .assert_eq(&on(folder.path(), &["show", "1", "--raw"]).shown(folder.path()));
    expect![[r#"
        --- 2
        error: there is no dead letter `99`: `sluice dead-letters list --all --data FOLDER` shows their ids
    "#]]
    .assert_eq(&on(folder.path(), &["show", "99"]).shown(folder.path()));
}

/// Takes the request that a command has left, and lets `carry_out` do it.
fn owner(
    store: &SqliteStore,
    command: &mut std::process::Child,
    carry_out: impl Fn(&SqliteStore, &Request) -> RequestResult,
) {
    loop {
        if let Some(request) = wait(store.take_requests(1)).pop() {
            let result = carry_out(store, &request);
            wait(store.finish_request(request.id, result));
            return;
        }
        let ended = command.try_wait().unwrap();
        assert!(ended.is_none(), "it ended without a request: {ended:?}");
        std::thread::yield_now();
    }
}

fn ids_of(store: &SqliteStore, selection: &Selection) -> Vec<DeadLetterId> {
    match selection {
        Selection::Ids(ids) => ids.clone(),
        Selection::Filter(filter) => {
            let page = wait(store.dead_letters(filter.clone(), None, 100));
            page.dead_letters.iter().map(|head| head.id).collect()
        }
    }
}

/// Sends dead letters again as the engine does: 3 fails again, the others deliver.
fn redrive(store: &SqliteStore, request: &Request) -> RequestResult {
    let mut result = RequestResult {
        at: at(500),
        done: 0,
        failed: 0,
        note: String::new(),
    };
    let ids = ids_of(store, &request.wanted.selection);
    for letter in wait(store.claim_dead_letters(ids, at(499))).dead_letters {
        let failed = letter.head.id.0 == 3;
        *(if failed {
            &mut result.failed
        } else {
            &mut result.done
        }) += 1;
        let redriven = RedriveResult {
            id: letter.head.id,
            run: id(500),
            at: at(500),
            fault: failed.then(|| "timeout: still no answer".to_owned()),
        };
        commit(
            store,
            Commit {
                redriven: vec![redriven],
                ..Commit::default()
            },
        );
    }
    result
}

#[test]
fn the_owner_sends_them_again_and_the_command_tells_what_came_of_it() {
    let folder = data();
    let store = own(folder.path());
    let mut all = String::new();
    for args in [
        &["redrive", "1"][..],
        &["redrive", "--flow", "files"],
        &["redrive", "--all", "-o", "json"],
        &["redrive", "2"],
    ] {
        let mut child = start(folder.path(), &with_data(folder.path(), args));
        if args != ["redrive", "2"] {
            owner(&store, &mut child, |store, request| {
                assert_eq!(
                    (&request.wanted.action, &*request.wanted.by),
                    (&Action::Redrive, "tester")
                );
                redrive(store, request)
            });
        }
        all += &format!("$ dead-letters {}\n", args.join(" "));
        all += &finish(child).shown(folder.path());
    }
    expect_file!["golden/dead-letters-redrive.txt"].assert_eq(&all);
    assert_eq!(head_state(&store, 3), DeadLetterState::Open);
}

fn head_state(store: &SqliteStore, id: u64) -> DeadLetterState {
    wait(store.dead_letter(DeadLetterId(id)))
        .unwrap()
        .head
        .state
}

#[test]
fn an_edited_payload_goes_in_place_of_the_old_one() {
    let folder = data();
    let store = own(folder.path());
    std::fs::write(
        folder.path().join("edited.json"),
        r#"{ "id": 2, "scan": "AP8=" }"#,
    )
    .unwrap();
    let args = ["redrive", "1", "--payload", "edited.json"];
    let mut child = start(folder.path(), &with_data(folder.path(), &args));
    owner(&store, &mut child, |store, request| {
        let Action::RedriveEdited(message) = &request.wanted.action else {
            panic!("{request:?}")
        };
        let StoredPayloadValue::Value(value) = message.payload().unwrap() else {
            panic!()
        };
        assert_eq!(value.get("id").unwrap().as_i64(), Some(2));
        assert_eq!(value.get("scan").unwrap().kind(), "bytes");
        assert_eq!(message.params.as_deref(), Some(r#"{"id":7}"#));
        redrive(store, request)
    });
    let ran = finish(child);
    assert_eq!(
        (ran.code, &*ran.out),
        (0, "1 redriven, 0 failed\n"),
        "{}",
        ran.err
    );
    assert_eq!(head_state(&store, 1), DeadLetterState::Redriven);

    let bad = feed(
        folder.path(),
        &with_data(folder.path(), &["redrive", "2", "--payload", "-"]),
        "{\"id\":}",
    );
    assert_eq!(bad.code, 2);
    assert!(bad.err.contains("line 1, column 7"), "{}", bad.err);
    let two = on(
        folder.path(),
        &["redrive", "2", "3", "--payload", "edited.json"],
    );
    assert_eq!(two.code, 2, "{}", two.err);
    assert!(wait(store.take_requests(9)).is_empty());
}

#[test]
fn without_an_owner_the_request_is_kept() {
    let folder = data();
    expect![[r#"
        --- 0
        no process runs this project: request 1 is kept, and carried out once `sluice run --data FOLDER` does
    "#]]
    .assert_eq(&on(folder.path(), &["redrive", "--group", "1"]).shown(folder.path()));
    expect![[r#"
        {"request":2,"status":"waiting","done":0,"failed":0,"note":null,"failures":[]}
        --- 0
        no process runs this project: request 2 is kept, and carried out once `sluice run --data FOLDER` does
    "#]]
    .assert_eq(&on(folder.path(), &["archive", "3", "-o", "json"]).shown(folder.path()));
    let store = own(folder.path());
    let requests = wait(store.take_requests(9));
    let wanted: Vec<_> = requests.iter().map(|request| &request.wanted).collect();
    assert_eq!(wanted[0].action, Action::Redrive);
    assert!(
        matches!(&wanted[0].selection, Selection::Filter(DeadLetterFilter {
        group: Some(group), state: Some(DeadLetterState::Open), ..
    }) if group.0 == 1)
    );
    assert_eq!(wanted[1].action, Action::Archive);
    assert_eq!(wanted[1].selection, Selection::Ids(vec![DeadLetterId(3)]));
    let beside = on(folder.path(), &["redrive", "1", "--no-wait"]);
    let kept = "request 3 is kept: process 4711 (started 2023-11-14T22:13:20.000Z) carries it out";
    assert!(beside.err.contains(kept), "{}", beside.err);
}

#[test]
fn they_are_put_away_and_taken_out() {
    let folder = data();
    let store = own(folder.path());
    let set = |state| {
        move |store: &SqliteStore, request: &Request| {
            let ids = ids_of(store, &request.wanted.selection);
            let done = wait(store.set_dead_letters(ids, state, at(500)));
            RequestResult {
                at: at(500),
                done,
                failed: 0,
                note: String::new(),
            }
        }
    };
    let mut child = start(
        folder.path(),
        &with_data(folder.path(), &["archive", "--group", "1"]),
    );
    owner(&store, &mut child, set(DeadLetterState::Archived));
    assert_eq!(finish(child).out, "2 archived, 0 failed\n");
    let nothing = on(folder.path(), &["archive", "--group", "1"]);
    expect![[r#"
        --- 0
        there is no open dead letter to archive
    "#]]
    .assert_eq(&nothing.shown(folder.path()));
    let mut child = start(folder.path(), &with_data(folder.path(), &["reopen", "1"]));
    owner(&store, &mut child, set(DeadLetterState::Open));
    assert_eq!(finish(child).out, "1 open, 0 failed\n");
    assert_eq!(head_state(&store, 1), DeadLetterState::Open);
    assert_eq!(head_state(&store, 2), DeadLetterState::Archived);
}

#[test]
fn wrong_usage_is_told() {
    let folder = data();
    for (args, part) in [
        (&["redrive"][..], "say which dead letters"),
        (&["redrive", "1", "--all"], "not both"),
        (&["redrive", "1", "99"], "there is no dead letter `99`"),
        (&["redrive", "--group", "9"], "there is no group `9`"),
        (&["redrive", "x", "1"], "`x` is not the id of a dead letter"),
        (
            &["redrive", "--all", "--flow", "files"],
            "cannot be used with",
        ),
        (&["show", "1", "--raw", "-o", "json"], "cannot be used with"),
        (&["redrive", "1", "-o", "junit"], "prints `text` or `json`"),
        (
            &["redrive", "1", "--payload", "none.json"],
            "cannot read `none.json`",
        ),
    ] {
        let ran = on(folder.path(), args);
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (2, ""),
            "{args:?}: {}",
            ran.err
        );
        assert!(ran.err.contains(part), "{args:?}: {}", ran.err);
    }
    assert!(wait(own(folder.path()).take_requests(9)).is_empty());
}
