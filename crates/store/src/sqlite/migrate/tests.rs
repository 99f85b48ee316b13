use expect_test::expect;
use rusqlite::Connection;

use crate::payload::ContentHash;
use crate::sqlite::failure::Place;
use crate::sqlite::migrate::{Found, MIGRATIONS, known, up};
use crate::sqlite::open;
use crate::sqlite::writer::Limits;

fn schema(conn: &Connection) -> Vec<(String, Option<String>)> {
    let mut statement = conn
        .prepare("SELECT name, sql FROM sqlite_schema ORDER BY type, name")
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

/// A database of each version becomes one of this version, with the schema of a new one.
#[test]
fn every_older_version_is_brought_up_to_date() {
    let fresh = tempfile::tempdir().unwrap();
    let limits = Limits::default();
    let fresh = open::owner(&Place::of(fresh.path()), &limits).unwrap();
    for version in 1..=known() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::of(folder.path());
        let mut conn = Connection::open(&place.file).unwrap();
        up(&mut conn, Found::Empty, version).unwrap();
        drop(conn);
        let session = open::owner(&place, &limits).unwrap();
        assert_eq!(
            schema(&session.conn),
            schema(&fresh.conn),
            "from version {version}"
        );
        let found: i64 = session
            .conn
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(found, known());
    }
}

/// A migration that was released is never changed: databases have been through it.
#[test]
fn migrations_stay_as_they_are() {
    let hashes: String = MIGRATIONS
        .iter()
        .map(|sql| format!("{}\n", ContentHash::of(sql.as_bytes())))
        .collect();
    expect![[r#"
        b54f9109b9cdd3be53f4988232490487155a53d12d98d94a072adce49d7c7038
    "#]]
    .assert_eq(&hashes);
}
