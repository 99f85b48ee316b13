//! Opening a data folder: who owns it, what is in it, how the connections are set.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use sluice_model::time::Timestamp;

use crate::error::StoreError;
use crate::run::clip;
use crate::sqlite::failure::{Done, Place};
use crate::sqlite::migrate::{self, Found};
use crate::sqlite::session::Session;
use crate::sqlite::writer::Limits;
use crate::sqlite::{dead_letters, requests};

/// The statements that a connection keeps prepared.
const STATEMENTS_KEPT: usize = 128;
/// How long a lock of another process is waited for: a request's is held for milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How often an owner tries again where others only ask who owns the folder.
const PROBES_MAX: usize = 1000;

/// Who owns a data folder: what a second process is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerInfo {
    /// The process id.
    pub pid: u32,
    /// Where it listens, if it does.
    pub address: Option<String>,
    /// When it started.
    pub started: Timestamp,
}

impl std::fmt::Display for OwnerInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} (started {}", self.pid, self.started)?;
        if let Some(address) = &self.address {
            write!(f, ", listens on {address}")?;
        }
        f.write_str(")")
    }
}

/// The ownership of a data folder: given up when it is dropped, or when the process ends.
#[derive(Debug)]
pub(super) struct Ownership(#[expect(dead_code, reason = "it holds the lock")] File);

impl Ownership {
    /// Takes a data folder.
    pub(super) fn take(folder: &Path, owner: &OwnerInfo) -> Result<Self, StoreError> {
        let path = folder.join("owner.lock");
        let io = |action, error| StoreError::io(action, &path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| io("open", error))?;
        let mut locked = file.try_lock();
        // Who only asks for the owner holds a shared lock for a moment: that is no owner.
        for _ in 0..PROBES_MAX {
            if !matches!(locked, Err(TryLockError::WouldBlock)) || file.try_lock_shared().is_err() {
                break;
            }
            file.unlock().map_err(|error| io("unlock", error))?;
            std::thread::yield_now();
            locked = file.try_lock();
        }
        match locked {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(io("lock", error)),
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Owned {
                    folder: folder.to_path_buf(),
                    owner: said(&mut file),
                });
            }
        }
        let write = |file: &mut File| -> std::io::Result<()> {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(owner.to_string().as_bytes())
        };
        write(&mut file).map_err(|error| io("write", error))?;
        Ok(Self(file))
    }
}

/// Returns what the owner of a data folder wrote of itself; `None` if no process owns it.
pub(super) fn owner_of(folder: &Path) -> Result<Option<String>, StoreError> {
    let path = folder.join("owner.lock");
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("open", &path, error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(said(&mut file))),
        Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &path, error)),
    }
}

/// Returns what the owner wrote of itself.
fn said(file: &mut File) -> String {
    let mut bytes = Vec::new();
    // What cannot be read is no reason for another error: the folder is owned all the same.
    let _ = file.take(1024).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    match text.trim() {
        "" => "another process".to_owned(),
        text => clip(text, 300).to_owned(),
    }
}

/// Creates a data folder, which only its user may read: it holds what passed through the flows.
pub(super) fn create_folder(folder: &Path) -> Result<(), StoreError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|error| StoreError::io("create", folder, error))
}

/// Opens the database as its owner: brings it up to date and takes back what a process that died
/// had begun.
pub(super) fn owner(place: &Place, limits: &Limits) -> Done<Session> {
    let mut conn = Connection::open_with_flags(
        &place.file,
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    let found = migrate::look(&conn, place)?;
    if found == Found::Empty {
        conn.pragma_update(None, "page_size", 4096)?;
    }
    let mode: String =
        conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::conflict(format!(
            "the file system of `{}` does not allow a write-ahead log (SQLite chose `{mode}`): \
             name a data folder on a local disk",
            place.folder.display()
        ))
        .into());
    }
    write_settings(&conn)?;
    conn.pragma_update(None, "max_page_count", limits.database_pages)?;
    migrate::up(&mut conn, found, migrate::known())?;
    if found == Found::Empty {
        sync_folder(&place.folder)?;
    }
    let mut session = Session::new(conn)?;
    let mut txn = session.begin()?;
    txn.state.epoch += 1;
    dead_letters::reopen_claimed(&mut txn)?;
    requests::reopen_taken(&txn)?;
    let last = sluice_model::ids::RunId(0);
    let state = txn.finish(last)?;
    session.commit(state)?;
    Ok(session)
}

/// Opens the database for one request beside its owner.
pub(super) fn guest(place: &Place) -> Done<Connection> {
    let conn = Connection::open_with_flags(
        &place.file,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    write_settings(&conn)?;
    current(&conn, place)?;
    Ok(conn)
}

/// Opens the database for reading.
pub(super) fn reader(place: &Place) -> Done<Connection> {
    let conn = Connection::open_with_flags(
        &place.file,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    conn.pragma_update(None, "cache_size", -2048)?;
    current(&conn, place)?;
    Ok(conn)
}

/// Refuses a database of another version than this program's.
fn current(conn: &Connection, place: &Place) -> Done<()> {
    match migrate::look(conn, place)? {
        Found::Empty => Err(StoreError::Missing {
            folder: place.folder.clone(),
        }
        .into()),
        Found::Version(version) if version < migrate::known() => Err(migrate::version_error(
            place,
            version,
            "start the project once with this version, which brings the store up to date",
        )
        .into()),
        Found::Version(_) => Ok(()),
    }
}

fn write_settings(conn: &Connection) -> Done<()> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // What is acknowledged has been through fsync; on macOS that takes the full form of it.
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "fullfsync", true)?;
    conn.pragma_update(None, "checkpoint_fullfsync", true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "cache_size", -16_384)?;
    // The writer checkpoints when nobody waits for it.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    Ok(())
}

/// Makes the names of new files durable.
fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    #[cfg(unix)]
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| StoreError::io("sync", folder, error))?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
