//! The one thread that writes: it drains a bounded queue and commits what it found as a group.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use rusqlite::config::DbConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::error::StoreError;
use crate::run_id::RunIds;
use crate::sqlite::failure::{Done, Place};
use crate::sqlite::session::{Session, Txn};
use crate::store::{Health, Statistics};

/// The limits of the writer's queue and groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most changes that wait; further callers wait for a place. 4,096 by default.
    pub queue_changes: usize,
    /// The most bytes that wait, about; one larger change waits alone. 16 MiB by default.
    pub queue_bytes: usize,
    /// The most changes of one group. 2,048 by default.
    pub group_changes: usize,
    /// The most bytes of one group, about, but for its last change. 4 MiB by default.
    pub group_bytes: usize,
    /// The most pages (4 KiB) of the database; what would take more finds the disk full. 2^32 - 2
    /// (16 TiB) by default.
    pub database_pages: u32,
    /// The pages of the write-ahead log from which it is copied into the database. 2,000 (8 MiB)
    /// by default.
    pub checkpoint_pages: u64,
    /// The pages of the write-ahead log from which readers are waited for, so that it can begin
    /// anew. 32,000 (128 MiB) by default.
    pub restart_pages: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_changes: 4096,
            queue_bytes: 16 * 1024 * 1024,
            group_changes: 2048,
            group_bytes: 4 * 1024 * 1024,
            database_pages: u32::MAX - 1,
            checkpoint_pages: 2_000,
            restart_pages: 32_000,
        }
    }
}

/// A change that waits for its group.
pub(super) trait Change: Send {
    /// Applies it. It may be applied again, if its first transaction was rolled back for another.
    fn apply(&mut self, txn: &mut Txn<'_>) -> Done<()>;

    /// Answers its caller: the number of the transaction that it is on disk with, or why it is not.
    /// Returns whether anybody waited.
    fn answer(self: Box<Self>, result: Result<u64, StoreError>) -> bool;
}

/// What the writer and its callers share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    broken: OnceLock<Arc<str>>,
    disk_full: AtomicBool,
    commits: AtomicU64,
    commits_lost: AtomicU64,
    transactions: AtomicU64,
    checkpoints: AtomicU64,
    log_pages: Arc<AtomicU64>,
    queued: AtomicU64,
}

impl Shared {
    /// Returns how the store is.
    pub(super) fn health(&self) -> Health {
        match self.broken.get() {
            Some(reason) => Health::Broken(Arc::clone(reason)),
            None if self.disk_full.load(Ordering::Relaxed) => Health::DiskFull,
            None => Health::Ready,
        }
    }

    /// Returns what the writer has done.
    pub(super) fn statistics(&self) -> Statistics {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Statistics {
            commits: read(&self.commits),
            commits_lost: read(&self.commits_lost),
            transactions: read(&self.transactions),
            checkpoints: read(&self.checkpoints),
            log_pages: read(&self.log_pages),
            queued: read(&self.queued),
        }
    }

    fn broken(&self) -> Option<StoreError> {
        self.broken.get().map(|reason| StoreError::Broken {
            reason: Arc::clone(reason),
        })
    }

    /// Notes what an error says of the store's health.
    fn note(&self, error: &StoreError) {
        match error {
            StoreError::Broken { reason } => {
                let _ = self.broken.set(Arc::clone(reason));
            }
            StoreError::DiskFull { .. } => self.disk_full.store(true, Ordering::Relaxed),
            _ => {}
        }
    }
}

struct Envelope {
    change: Box<dyn Change>,
    size: usize,
    /// Held while the change waits and is written: this bounds the bytes.
    _room: OwnedSemaphorePermit,
}

/// The callers' side of the writer. Dropped, it waits until all that is queued is written.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Envelope>>,
    room: Arc<Semaphore>,
    room_max: usize,
    thread: Option<JoinHandle<()>>,
    pub(super) shared: Arc<Shared>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        mut session: Session,
        run_ids: Arc<RunIds>,
        place: Place,
        limits: Limits,
    ) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared::default());
        let log_pages = Arc::clone(&shared.log_pages);
        session
            .conn
            .wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
                log_pages.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
                Ok(())
            }))
            .map_err(|error| place.explain("watch the write-ahead log", error.into()))?;
        let room_max = limits.queue_bytes.clamp(1, u32::MAX as usize);
        let (queue, receiver) = mpsc::channel(limits.queue_changes.max(1));
        let folder = place.folder.clone();
        let worker = Worker {
            session,
            run_ids,
            place,
            limits,
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || worker.work(receiver))
            .map_err(|error| StoreError::io("start the writer of", &folder, error))?;
        Ok(Self {
            queue: Some(queue),
            room: Arc::new(Semaphore::new(room_max)),
            room_max,
            thread: Some(thread),
            shared,
        })
    }

    /// Queues a change of about `size` bytes; waits while the queue is full.
    pub(super) async fn queue(
        &self,
        change: Box<dyn Change>,
        size: usize,
    ) -> Result<(), StoreError> {
        if let Some(error) = self.shared.broken() {
            return Err(error);
        }
        let size = size.clamp(1, self.room_max);
        let permits = u32::try_from(size).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(permits).await;
        let (Ok(room), Some(queue)) = (room, &self.queue) else {
            return Err(gone());
        };
        let envelope = Envelope {
            change,
            size,
            _room: room,
        };
        let place = queue.reserve().await.map_err(|_| gone())?;
        self.shared.queued.fetch_add(1, Ordering::Relaxed);
        place.send(envelope);
        Ok(())
    }
}

/// Returns the error of a change whose writer is not there any more.
pub(super) fn gone() -> StoreError {
    StoreError::Broken {
        reason: "its writer has ended".into(),
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // Its panics are caught and told; there is nothing more to learn here.
            let _ = thread.join();
        }
    }
}

/// The thread's side.
struct Worker {
    session: Session,
    run_ids: Arc<RunIds>,
    place: Place,
    limits: Limits,
    shared: Arc<Shared>,
}

impl Worker {
    fn work(mut self, mut queue: mpsc::Receiver<Envelope>) {
        let mut group = Vec::new();
        while let Some(first) = queue.blocking_recv() {
            let mut size = first.size;
            group.push(first);
            while group.len() < self.limits.group_changes && size < self.limits.group_bytes {
                let Ok(next) = queue.try_recv() else {
                    break;
                };
                size = size.saturating_add(next.size);
                group.push(next);
            }
            self.group(&mut group);
            self.checkpoint();
        }
        let conn = &self.session.conn;
        if self.shared.broken().is_some() {
            // After an error of the disk nothing is synced again: the log stays as it is.
            let _ = conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        } else {
            // Copies the rest, so that the next start has no log to read. It is safe to fail.
            let _ = conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        }
    }

    /// Writes a group and answers it.
    ///
    /// A change that fails for a reason of its own is answered and left out; the others are
    /// written without it. Anything else fails the group.
    fn group(&mut self, group: &mut Vec<Envelope>) {
        while !group.is_empty() {
            if let Some(error) = self.shared.broken() {
                return self.answer_all(group, &Err(error));
            }
            match self.write(group) {
                Ok(sequence) => {
                    self.shared.disk_full.store(false, Ordering::Relaxed);
                    self.shared.transactions.fetch_add(1, Ordering::Relaxed);
                    self.shared
                        .commits
                        .fetch_add(group.len() as u64, Ordering::Relaxed);
                    return self.answer_all(group, &Ok(sequence));
                }
                Err((culprit, error)) => {
                    let error = self.undo(error);
                    match culprit {
                        Some(index) if is_own(&error) => {
                            let envelope = group.remove(index);
                            self.answer(envelope, Err(error));
                        }
                        _ => return self.answer_all(group, &Err(error)),
                    }
                }
            }
        }
    }

    /// Writes a group in one transaction; the error has the index of the change that failed.
    fn write(&mut self, group: &mut [Envelope]) -> Result<u64, (Option<usize>, StoreError)> {
        let last_run = self.run_ids.last();
        let explain = |action, failure| (None, self.place.explain(action, failure));
        let mut txn = self
            .session
            .begin()
            .map_err(|failure| explain("begin a transaction", failure))?;
        for (index, envelope) in group.iter_mut().enumerate() {
            let applied = catch_unwind(AssertUnwindSafe(|| envelope.change.apply(&mut txn)));
            match applied {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => {
                    return Err((Some(index), self.place.explain("store a change", failure)));
                }
                Err(_) => {
                    let error = StoreError::conflict("a change made the writer panic: a defect");
                    return Err((Some(index), error));
                }
            }
        }
        let state = txn
            .finish(last_run)
            .map_err(|failure| explain("end a transaction", failure))?;
        self.session
            .commit(state)
            .map_err(|failure| explain("commit a transaction", failure))?;
        Ok(u64::try_from(state.sequence).unwrap_or(0))
    }

    /// Rolls back, and returns what the error means now.
    fn undo(&mut self, error: StoreError) -> StoreError {
        let error = match self.session.rollback() {
            Ok(()) => error,
            Err(failure) => {
                let second = self.place.explain("roll back", failure);
                StoreError::Broken {
                    reason: format!("{error}; then {second}").into(),
                }
            }
        };
        self.shared.note(&error);
        error
    }

    fn answer_all(&self, group: &mut Vec<Envelope>, result: &Result<u64, StoreError>) {
        for envelope in group.drain(..) {
            self.answer(envelope, result.clone());
        }
    }

    fn answer(&self, envelope: Envelope, result: Result<u64, StoreError>) {
        self.shared.queued.fetch_sub(1, Ordering::Relaxed);
        let failed = result.is_err();
        let change = envelope.change;
        // A caller's waker is not ours: if it panics, the others are answered all the same.
        let waited = catch_unwind(AssertUnwindSafe(|| change.answer(result))).unwrap_or(false);
        if failed && !waited {
            self.shared.commits_lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Copies the log into the database once it is long, while nobody waits for an answer.
    fn checkpoint(&mut self) {
        let pages = self.shared.log_pages.load(Ordering::Relaxed);
        if pages < self.limits.checkpoint_pages || self.shared.broken().is_some() {
            return;
        }
        let sql = if pages < self.limits.restart_pages {
            "PRAGMA wal_checkpoint(PASSIVE)"
        } else {
            "PRAGMA wal_checkpoint(RESTART)"
        };
        let result = self
            .session
            .conn
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement.query_row([], |row| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))
            });
        match result {
            Ok((in_log, copied)) => {
                self.shared.checkpoints.fetch_add(1, Ordering::Relaxed);
                if in_log == copied {
                    // The next transaction begins the log anew, if no reader is in its way.
                    self.shared.log_pages.store(0, Ordering::Relaxed);
                }
            }
            Err(error) => {
                let error = self.place.explain("copy the write-ahead log", error.into());
                self.shared.note(&error);
            }
        }
    }
}

/// Returns whether an error is that of one change, not of the store.
fn is_own(error: &StoreError) -> bool {
    match error {
        StoreError::Corrupt { .. }
        | StoreError::Limit { .. }
        | StoreError::Conflict { .. }
        | StoreError::Database { .. } => true,
        StoreError::Owned { .. }
        | StoreError::NotOurs { .. }
        | StoreError::Missing { .. }
        | StoreError::Version { .. }
        | StoreError::DiskFull { .. }
        | StoreError::Broken { .. }
        | StoreError::Io { .. } => false,
    }
}

#[cfg(test)]
mod tests;
