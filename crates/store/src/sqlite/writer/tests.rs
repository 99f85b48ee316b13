use std::path::Path;
use std::sync::Arc;

use rusqlite::ffi;
use tokio::sync::oneshot;

use crate::conformance::try_wait;
use crate::error::StoreError;
use crate::run_id::RunIds;
use crate::sqlite::failure::{Done, Failure, Place};
use crate::sqlite::open;
use crate::sqlite::session::Txn;
use crate::sqlite::writer::{Change, Limits, Writer};
use crate::store::Health;

fn start(folder: &Path) -> Writer {
    let place = Place::of(folder);
    let limits = Limits::default();
    let session = open::owner(&place, &limits).unwrap();
    Writer::start(session, Arc::new(RunIds::after(None)), place, limits).unwrap()
}

/// A change that does what a test wants.
struct Probe<F>(F, oneshot::Sender<Result<u64, StoreError>>);

impl<F: FnMut(&mut Txn<'_>) -> Done<()> + Send> Change for Probe<F> {
    fn apply(&mut self, txn: &mut Txn<'_>) -> Done<()> {
        (self.0)(txn)
    }

    fn answer(self: Box<Self>, result: Result<u64, StoreError>) -> bool {
        self.1.send(result).is_ok()
    }
}

fn change(
    writer: &Writer,
    work: impl FnMut(&mut Txn<'_>) -> Done<()> + Send + 'static,
) -> Result<u64, StoreError> {
    let (tx, rx) = oneshot::channel();
    try_wait(Box::pin(async move {
        writer.queue(Box::new(Probe(work, tx)), 1).await?;
        rx.await.expect("each change is answered")
    }))
}

fn fails_with(code: i32) -> Failure {
    Failure::Sql(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
}

#[test]
fn after_an_error_of_the_disk_nothing_is_acknowledged_any_more() {
    for code in [
        ffi::SQLITE_IOERR_FSYNC,
        ffi::SQLITE_IOERR_WRITE,
        ffi::SQLITE_CORRUPT,
    ] {
        let folder = tempfile::tempdir().unwrap();
        let writer = start(folder.path());
        let first = change(&writer, |_| Ok(())).unwrap();
        let error = change(&writer, move |_| Err(fails_with(code))).unwrap_err();
        assert!(matches!(error, StoreError::Broken { .. }), "{error:?}");
        assert!(matches!(writer.shared.health(), Health::Broken(_)));
        let later = change(&writer, |_| Ok(())).unwrap_err();
        assert!(matches!(later, StoreError::Broken { .. }), "{later:?}");
        assert_eq!(writer.shared.statistics().transactions, 1, "{first}");
    }
}

#[test]
fn a_full_disk_passes() {
    let folder = tempfile::tempdir().unwrap();
    let writer = start(folder.path());
    for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_SHMSIZE] {
        let error = change(&writer, move |_| Err(fails_with(code))).unwrap_err();
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error:?}");
        assert_eq!(writer.shared.health(), Health::DiskFull);
        change(&writer, |_| Ok(())).unwrap();
        assert_eq!(writer.shared.health(), Health::Ready);
    }
}

#[test]
fn a_change_that_panics_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let writer = start(folder.path());
    let name = |name: &'static str| {
        move |txn: &mut Txn<'_>| {
            txn.name(name)?;
            Ok(())
        }
    };
    change(&writer, name("first")).unwrap();
    let error = change(&writer, |txn| {
        txn.name("lost")?;
        panic!("as if there were a defect")
    })
    .unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    change(&writer, name("second")).unwrap();
    drop(writer);
    let conn = open::reader(&Place::of(folder.path())).unwrap();
    let mut statement = conn.prepare("SELECT name FROM names ORDER BY id").unwrap();
    let names: Result<Vec<String>, _> =
        statement.query_map([], |row| row.get(0)).unwrap().collect();
    assert_eq!(names.unwrap(), ["first", "second"]);
}

#[test]
fn sequences_have_no_gap_though_changes_fail() {
    let folder = tempfile::tempdir().unwrap();
    let writer = start(folder.path());
    let mut last = change(&writer, |_| Ok(())).unwrap();
    for _ in 0..5 {
        change(&writer, |_| Err(StoreError::conflict("no").into())).unwrap_err();
        let next = change(&writer, |_| Ok(())).unwrap();
        assert_eq!(next, last + 1);
        last = next;
    }
    drop(writer);
    let writer = start(folder.path());
    // Opening is a transaction, too.
    assert_eq!(change(&writer, |_| Ok(())).unwrap(), last + 2);
}
