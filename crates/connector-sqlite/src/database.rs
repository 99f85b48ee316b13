//! The connections to one database file.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::OpenFlags;
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::operation::SqlTable;
use sluice_sdk::cx::Cx;
use tokio::sync::Semaphore;

use crate::SqliteConfig;
use crate::fault::fault;
use crate::schema;

/// The most prepared statements that a connection keeps.
const STATEMENTS_MAX: usize = 64;

/// After how many of SQLite's instructions a statement looks whether its caller has left.
const STEPS_PER_LOOK: std::ffi::c_int = 10_000;

/// One database file: one connection that writes, a few that read.
pub(crate) struct Database {
    file: Arc<File>,
    writer: Pool,
    readers: Pool,
}

struct File {
    path: PathBuf,
    config: SqliteConfig,
    tables: Vec<Arc<SqlTable>>,
    prepared: Mutex<bool>,
}

/// Connections of one kind, opened when all open ones are busy, up to a limit.
struct Pool {
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<rusqlite::Connection>>>,
    access: Access,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reading only: SQLite refuses a write.
    Read,
    /// Reading and writing.
    Write,
}

/// What happens to work whose caller does not wait any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Abandoned {
    /// It is interrupted, and rolled back.
    Interrupted,
    /// It is finished.
    Finished,
}

impl Database {
    pub(crate) fn new(path: PathBuf, config: SqliteConfig, tables: Vec<Arc<SqlTable>>) -> Self {
        let pool = |count: u32, access| Pool {
            permits: Arc::new(Semaphore::new(count as usize)),
            idle: Arc::default(),
            access,
        };
        let readers = pool(config.readers, Access::Read);
        let file = File {
            path,
            config,
            tables,
            prepared: Mutex::new(false),
        };
        Self {
            file: Arc::new(file),
            writer: pool(1, Access::Write),
            readers,
        }
    }

    /// Runs `work` on a connection, off the asynchronous threads.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        cx: &Cx,
        access: Access,
        abandoned: Abandoned,
        work: impl FnOnce(&mut rusqlite::Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let pool = match access {
            Access::Read => &self.readers,
            Access::Write => &self.writer,
        };
        let permits = Arc::clone(&pool.permits);
        let permit = permits
            .acquire_owned()
            .await
            .map_err(|_| Fault::internal("the pool of connections is closed"))?;
        let idle = Arc::clone(&pool.idle);
        let (file, access) = (Arc::clone(&self.file), pool.access);
        let left = Left::default();
        let left_there = Arc::clone(&left.0);
        let result = cx
            .blocking(move || {
                let pooled = lock(&idle).pop();
                let mut connection = match pooled {
                    Some(connection) => connection,
                    None => file.open(access)?,
                };
                if abandoned == Abandoned::Interrupted {
                    watch(&mut connection, Some(left_there))?;
                }
                let result = work(&mut connection);
                if abandoned == Abandoned::Interrupted {
                    watch(&mut connection, None)?;
                }
                // A connection that is still in a transaction is not used again.
                if connection.is_autocommit() {
                    lock(&idle).push(connection);
                }
                drop(permit);
                result
            })
            .await?;
        drop(left);
        result
    }

    /// Makes sure that the table is there, if the connection makes tables.
    pub(crate) async fn ensure(&self, cx: &Cx, table: &Arc<SqlTable>) -> Result<(), Fault> {
        if !self.file.config.create {
            return Ok(());
        }
        let (table, name) = (Arc::clone(table), self.name());
        self.run(cx, Access::Write, Abandoned::Finished, move |connection| {
            schema::create(connection, &[table], &name)
        })
        .await
    }

    /// Opens the file and compares its tables with the contract's; changes nothing.
    pub(crate) async fn probe(&self, cx: &Cx) -> Result<(), Fault> {
        if self.file.config.create && !self.file.path.exists() {
            return self.file.probe_folder();
        }
        let file = Arc::clone(&self.file);
        self.run(
            cx,
            Access::Read,
            Abandoned::Interrupted,
            move |connection| {
                schema::compare(connection, &file.tables, &file.name(), file.config.create)
            },
        )
        .await
    }

    /// Returns the file's name, for messages.
    pub(crate) fn name(&self) -> String {
        self.file.name()
    }
}

impl File {
    fn name(&self) -> String {
        self.config.file.clone()
    }

    fn open(&self, access: Access) -> Result<rusqlite::Connection, Fault> {
        if !self.config.create && !self.path.exists() {
            let text = format!(
                "the database file `{}` does not exist: create it, or write `create: true`",
                self.name()
            );
            return Err(Fault::new(
                FaultCode::NOT_FOUND,
                Retry::Never,
                Blame::Config,
                text,
            ));
        }
        if self.config.create {
            self.make_folder()?;
        }
        let connection = self.connect().map_err(|error| fault(error, &self.name()))?;
        self.prepare(&connection)?;
        if access == Access::Read {
            connection
                .pragma_update(None, "query_only", "ON")
                .map_err(|error| fault(error, &self.name()))?;
        }
        Ok(connection)
    }

    /// Makes the tables that are missing, once: whoever opens the file meanwhile waits.
    fn prepare(&self, connection: &rusqlite::Connection) -> Result<(), Fault> {
        if !self.config.create {
            return Ok(());
        }
        let mut prepared = lock(&self.prepared);
        if !*prepared {
            schema::create(connection, &self.tables, &self.name())?;
            *prepared = true;
        }
        Ok(())
    }

    fn connect(&self) -> rusqlite::Result<rusqlite::Connection> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if self.config.create {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        let fresh = !self.path.exists();
        let connection = rusqlite::Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(self.config.busy_timeout.0)?;
        if fresh {
            // Readers and the writer do not wait for each other; the journal mode of a file that
            // was there already is its owner's business.
            connection.pragma_update(None, "journal_mode", "WAL")?;
        }
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        Ok(connection)
    }

    /// Makes the folder of a file that may be made.
    fn make_folder(&self) -> Result<(), Fault> {
        let Some(folder) = self.path.parent() else {
            return Ok(());
        };
        std::fs::create_dir_all(folder).map_err(|error| {
            let text = format!(
                "the folder of the database file `{}` cannot be made",
                self.name()
            );
            Fault::new(FaultCode::IO, Retry::Never, Blame::Config, text)
                .with_context("folder", folder.display().to_string())
                .with_source(error)
        })
    }

    /// Asks whether a file that does not exist yet can be made: whether the nearest folder that
    /// exists above it is one.
    fn probe_folder(&self) -> Result<(), Fault> {
        let nearest = self.path.ancestors().skip(1).find(|folder| folder.exists());
        if nearest.is_none_or(Path::is_dir) {
            return Ok(());
        }
        let text = format!(
            "the folder of the database file `{}` cannot be made: a file is in its way",
            self.name()
        );
        let fault = Fault::new(FaultCode::NOT_FOUND, Retry::Never, Blame::Config, text);
        let place = nearest.unwrap_or(&self.path).display().to_string();
        Err(fault.with_context("in the way", place))
    }
}

/// Tells, when dropped, work that goes on that nobody waits for it.
#[derive(Default)]
struct Left(Arc<AtomicBool>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Has SQLite look, while it works, whether the caller has left.
fn watch(
    connection: &mut rusqlite::Connection,
    left: Option<Arc<AtomicBool>>,
) -> Result<(), Fault> {
    let look = left.map(|left| move || left.load(Ordering::Relaxed));
    connection
        .progress_handler(STEPS_PER_LOOK, look)
        .map_err(|error| Fault::internal("cannot watch a statement").with_source(error))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
