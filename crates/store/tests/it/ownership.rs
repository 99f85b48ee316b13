//! One process owns a data folder; others read beside it and leave requests.

use expect_test::{Expect, expect};
use sluice_model::ids::{FlowName, RunId};
use sluice_model::value::Value;
use sluice_store::commit::Commit;
use sluice_store::conformance::{at, commit, dead_letter, position, wait};
use sluice_store::dead_letter::DeadLetterId;
use sluice_store::error::StoreError;
use sluice_store::request::{Action, NewRequest, RequestStatus, Selection};
use sluice_store::sqlite::reader::SqliteReader;
use sluice_store::sqlite::store::SqliteStore;
use sluice_store::store::{Store, StoreReader};

use crate::{open, owner};

fn check<T>(result: Result<T, StoreError>, folder: &std::path::Path, expected: Expect) {
    let error = result.err().expect("it is refused");
    let text = error
        .to_string()
        .replace(&folder.display().to_string(), "DATA");
    expected.assert_eq(&text);
}

#[test]
fn a_second_owner_is_told_who_the_first_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    check(
        SqliteStore::open(folder.path(), &owner()),
        folder.path(),
        expect![
            "the data folder `DATA` is in use by process 4711 \
             (started 2023-11-14T22:13:20.000Z, listens on 127.0.0.1:8080): \
             stop that process, or use another folder"
        ],
    );
    commit(&store, Commit::default());
    drop(store);
    drop(open(folder.path()));
}

#[test]
fn a_reader_beside_the_owner_sees_what_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    check(
        SqliteReader::open(folder.path()),
        folder.path(),
        expect!["there is no store in `DATA`: nothing has run there yet"],
    );
    let store = open(folder.path());
    let reader = SqliteReader::open(folder.path()).unwrap();
    let flow = FlowName::from("orders");
    for round in 0..20 {
        commit(&store, position("orders", "file", Some(Value::Int(round))));
        assert_eq!(
            wait(reader.position(&flow, "file")),
            Some(Value::Int(round))
        );
    }
    drop(store);
    assert_eq!(wait(reader.position(&flow, "file")), Some(Value::Int(19)));
    drop(reader);
    let alone = SqliteReader::open(folder.path()).unwrap();
    assert_eq!(wait(alone.position(&flow, "file")), Some(Value::Int(19)));
}

#[test]
fn a_reader_knows_whether_there_is_an_owner() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let reader = SqliteReader::open(folder.path()).unwrap();
    expect!["process 4711 (started 2023-11-14T22:13:20.000Z, listens on 127.0.0.1:8080)"]
        .assert_eq(&reader.owner().unwrap().unwrap());
    drop(store);
    assert_eq!(reader.owner().unwrap(), None);
    std::fs::remove_file(folder.path().join("owner.lock")).unwrap();
    assert_eq!(reader.owner().unwrap(), None);
}

#[test]
fn asking_for_the_owner_never_keeps_one_from_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let reader = SqliteReader::open(folder.path()).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                reader.owner().unwrap();
            }
        });
        for _ in 0..30 {
            let opened = SqliteStore::open(folder.path(), &owner());
            done.store(opened.is_err(), std::sync::atomic::Ordering::Relaxed);
            drop(opened.unwrap());
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_request_from_beside_reaches_the_owner() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let letter = dead_letter("orders", RunId(70_000), "timeout", "{}");
    commit(
        &store,
        Commit {
            dead_letters: vec![letter],
            ..Commit::default()
        },
    );
    let reader = SqliteReader::open(folder.path()).unwrap();
    let wanted = NewRequest {
        action: Action::Redrive,
        selection: Selection::Ids(vec![DeadLetterId(1)]),
        by: "anna".into(),
        at: at(1),
    };
    // The owner writes meanwhile: neither is in the other's way.
    let ids: Vec<_> = std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            for round in 0..100 {
                commit(&store, position("orders", "file", Some(Value::Int(round))));
            }
        });
        let ids = (0..10)
            .map(|_| wait(reader.request(wanted.clone())))
            .collect();
        busy.join().unwrap();
        ids
    });
    let taken = wait(store.take_requests(100));
    assert_eq!(
        taken.iter().map(|request| request.id).collect::<Vec<_>>(),
        ids
    );
    assert!(taken.iter().all(|request| request.wanted == wanted));
    assert_eq!(
        wait(reader.request_status(ids[0])),
        Some(RequestStatus::Taken)
    );
}

#[test]
fn a_newer_version_is_refused_before_any_write() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let file = folder.path().join("store.sqlite");
    let conn = rusqlite::Connection::open(&file).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    let before = std::fs::read(&file).unwrap();
    let expected = || {
        expect![["`DATA/store.sqlite` has schema version 99, \
         and this version of Sluice knows version 1: \
         use the version that wrote it, or a newer one"]]
    };
    check(SqliteReader::open(folder.path()), folder.path(), expected());
    check(
        SqliteStore::open(folder.path(), &owner()),
        folder.path(),
        expected(),
    );
    assert!(std::fs::read(&file).unwrap() == before);
}

#[test]
fn a_file_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.sqlite");
    let expected =
        || expect!["`DATA/store.sqlite` is not a store of Sluice: name another data folder"];
    std::fs::write(
        &file,
        "this is no database, but it is long enough to look at".repeat(50),
    )
    .unwrap();
    let before = std::fs::read(&file).unwrap();
    check(
        SqliteStore::open(folder.path(), &owner()),
        folder.path(),
        expected(),
    );
    check(SqliteReader::open(folder.path()), folder.path(), expected());
    assert!(std::fs::read(&file).unwrap() == before);

    std::fs::remove_file(&file).unwrap();
    let conn = rusqlite::Connection::open(&file).unwrap();
    conn.execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(conn);
    let before = std::fs::read(&file).unwrap();
    check(
        SqliteStore::open(folder.path(), &owner()),
        folder.path(),
        expected(),
    );
    check(SqliteReader::open(folder.path()), folder.path(), expected());
    assert!(std::fs::read(&file).unwrap() == before);
}

#[test]
#[cfg(unix)]
fn only_its_user_may_read_a_new_data_folder() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    drop(open(&folder));
    let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
