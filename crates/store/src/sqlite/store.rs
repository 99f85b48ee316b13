//! The store of a data folder, as its owner has it.

use std::path::Path;
use std::sync::Arc;

use sluice_model::ids::{FlowName, ReleaseId, RunId};
use sluice_model::time::Timestamp;
use sluice_model::value::Value;
use tokio::sync::oneshot;

use crate::commit::{Commit, CommitOutcome, Committed, Durability};
use crate::counts::Counts;
use crate::dead_letter::{
    Claimed, DeadLetter, DeadLetterFilter, DeadLetterGroup, DeadLetterId, DeadLetterPage,
    DeadLetterState,
};
use crate::dedupe::{DedupeKey, Reserved};
use crate::error::StoreError;
use crate::payload::{ContentHash, StoredPayload};
use crate::release::{Release, ReleaseHead};
use crate::request::{NewRequest, Request, RequestId, RequestResult, RequestStatus, SELECTION_MAX};
use crate::retention::{Prune, Pruned};
use crate::run::{RunDetail, RunFilter, RunPage, within};
use crate::run_id::RunIds;
use crate::sqlite::failure::{Done, Place, unsigned};
use crate::sqlite::open::{self, OwnerInfo, Ownership};
use crate::sqlite::reader::SqliteReader;
use crate::sqlite::reservations::Reservations;
use crate::sqlite::session::Txn;
use crate::sqlite::writer::{Change, Limits, Writer, gone};
use crate::sqlite::{dead_letters, dedupe, prune, releases, requests};
use crate::store::{Health, Pending, Statistics, Store, StoreReader};

/// The threads that read.
const READERS: usize = 2;
/// About how many bytes a change takes that is small.
const SMALL: usize = 512;

/// The store of a data folder that this process owns.
///
/// Dropped, it waits until all that is queued is on disk, then gives the folder up.
#[derive(Debug)]
pub struct SqliteStore {
    // In the order in which they are dropped: what is queued is written before the folder is free.
    writer: Writer,
    reader: SqliteReader,
    reservations: Arc<Reservations>,
    run_ids: Arc<RunIds>,
    _ownership: Ownership,
}

impl SqliteStore {
    /// Opens a data folder as its owner, with the default limits; creates it if it is not there.
    ///
    /// # Errors
    /// [`StoreError::Owned`] if another process owns it, [`StoreError::Version`] if a newer version
    /// of Sluice wrote it, [`StoreError::NotOurs`] if it is another program's.
    pub fn open(folder: &Path, owner: &OwnerInfo) -> Result<Self, StoreError> {
        Self::open_with(folder, owner, Limits::default())
    }

    /// Opens a data folder as [`SqliteStore::open`] does, with other limits.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_with(folder: &Path, owner: &OwnerInfo, limits: Limits) -> Result<Self, StoreError> {
        open::create_folder(folder)?;
        let ownership = Ownership::take(folder, owner)?;
        let place = Place::of(folder);
        let session = open::owner(&place, &limits)
            .map_err(|failure| place.explain("open the store", failure))?;
        let last = RunId(unsigned(session.state.run));
        let run_ids = Arc::new(RunIds::after(Some(last)));
        let reader = SqliteReader::with_threads(place.clone(), READERS)?;
        let writer = Writer::start(session, Arc::clone(&run_ids), place, limits)?;
        Ok(Self {
            writer,
            reader,
            reservations: Arc::default(),
            run_ids,
            _ownership: ownership,
        })
    }

    /// Queues a change and waits until it is on disk.
    async fn change<T: Send + 'static>(
        &self,
        size: usize,
        work: impl FnMut(&mut Txn<'_>) -> Done<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tx, rx) = oneshot::channel();
        let task = Task {
            work,
            result: None,
            tx,
        };
        self.writer.queue(Box::new(task), size).await?;
        rx.await.map_err(|_| gone())?
    }
}

/// A change that is not a commit.
struct Task<T, F> {
    work: F,
    result: Option<T>,
    tx: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: FnMut(&mut Txn<'_>) -> Done<T> + Send> Change for Task<T, F> {
    fn apply(&mut self, txn: &mut Txn<'_>) -> Done<()> {
        self.result = Some((self.work)(txn)?);
        Ok(())
    }

    fn answer(self: Box<Self>, result: Result<u64, StoreError>) -> bool {
        let Task {
            result: value, tx, ..
        } = *self;
        tx.send(result.and_then(|_| value.ok_or_else(gone))).is_ok()
    }
}

/// A commit on its way.
struct Work {
    commit: Commit,
    committed: Committed,
    reservations: Arc<Reservations>,
    tx: Option<oneshot::Sender<Result<Committed, StoreError>>>,
}

impl Work {
    /// Ends the reservations that the commit settles: they are on disk now, or nothing is.
    fn settle(&mut self) {
        for settlement in std::mem::take(&mut self.commit.dedupe) {
            self.reservations
                .release(&settlement.flow, [&settlement.key]);
        }
    }
}

impl Change for Work {
    fn apply(&mut self, txn: &mut Txn<'_>) -> Done<()> {
        self.committed = txn.apply(&self.commit)?;
        Ok(())
    }

    fn answer(mut self: Box<Self>, result: Result<u64, StoreError>) -> bool {
        self.settle();
        let mut committed = std::mem::take(&mut self.committed);
        let result = result.map(|sequence| {
            committed.sequence = sequence;
            committed
        });
        self.tx.take().is_some_and(|tx| tx.send(result).is_ok())
    }
}

impl Drop for Work {
    /// A commit that is dropped before it is answered was never queued, or its writer is gone.
    fn drop(&mut self) {
        self.settle();
    }
}

impl Store for SqliteStore {
    fn commit(&self, commit: Commit, durability: Durability) -> Pending<'_, CommitOutcome> {
        Box::pin(async move {
            let size = commit.size();
            let checked = commit.check();
            let (tx, rx) = match durability {
                Durability::Durable => {
                    let (tx, rx) = oneshot::channel();
                    (Some(tx), Some(rx))
                }
                Durability::Soon => (None, None),
            };
            let work = Work {
                commit,
                committed: Committed::default(),
                reservations: Arc::clone(&self.reservations),
                tx,
            };
            checked?;
            self.writer.queue(Box::new(work), size).await?;
            match rx {
                None => Ok(CommitOutcome::Queued),
                Some(rx) => Ok(CommitOutcome::Durable(rx.await.map_err(|_| gone())??)),
            }
        })
    }

    fn reserve(
        &self,
        flow: &FlowName,
        keys: Vec<DedupeKey>,
        now: Timestamp,
    ) -> Pending<'_, Vec<Reserved>> {
        let flow = flow.clone();
        Box::pin(async move {
            let (mut answers, taken) = self.reservations.take(&flow, &keys)?;
            let new = taken.keys().to_vec();
            if new.is_empty() {
                return Ok(answers);
            }
            // Only now that the keys are reserved the disk is asked: a commit that confirms one
            // ends its reservation after it is on disk, so that one of the two is always seen.
            let ask = new.clone();
            let confirmed = self
                .reader
                .read(move |view| dedupe::confirmed(view, &flow, &ask, now))
                .await?;
            for (key, confirmed) in new.iter().zip(&confirmed) {
                if *confirmed {
                    let same = keys.iter().zip(&mut answers).filter(|(one, _)| *one == key);
                    same.for_each(|(_, answer)| *answer = Reserved::Duplicate);
                }
            }
            taken.keep(&confirmed);
            Ok(answers)
        })
    }

    fn release_keys(&self, flow: &FlowName, keys: &[DedupeKey]) {
        self.reservations.release(flow, keys);
    }

    fn take_requests(&self, limit: usize) -> Pending<'_, Vec<Request>> {
        let limit = limit.clamp(1, 100);
        Box::pin(self.change(SMALL, move |txn| requests::take(txn, limit)))
    }

    fn finish_request(&self, id: RequestId, result: RequestResult) -> Pending<'_, ()> {
        Box::pin(self.change(SMALL, move |txn| requests::finish(txn, id, &result)))
    }

    fn claim_dead_letters(&self, ids: Vec<DeadLetterId>, now: Timestamp) -> Pending<'_, Claimed> {
        Box::pin(async move {
            within("the number of dead letters", SELECTION_MAX, ids.len())?;
            let size = SMALL.saturating_mul(ids.len());
            self.change(size, move |txn| dead_letters::claim(txn, &ids, now))
                .await
        })
    }

    fn set_dead_letters(
        &self,
        ids: Vec<DeadLetterId>,
        state: DeadLetterState,
        now: Timestamp,
    ) -> Pending<'_, u64> {
        Box::pin(async move {
            within("the number of dead letters", SELECTION_MAX, ids.len())?;
            let size = SMALL.saturating_mul(ids.len());
            self.change(size, move |txn| dead_letters::set(txn, &ids, state, now))
                .await
        })
    }

    fn put_release(&self, release: Release) -> Pending<'_, ()> {
        Box::pin(async move {
            release.check()?;
            let size = release.blobs.values().map(|bytes| bytes.len()).sum();
            self.change(size, move |txn| releases::put(txn, &release))
                .await
        })
    }

    fn prune(&self, what: Prune, limit: usize) -> Pending<'_, Pruned> {
        Box::pin(self.change(SMALL, move |txn| prune::batch(txn, &what, limit)))
    }

    fn flush(&self) -> Pending<'_, ()> {
        Box::pin(self.change(1, |_| Ok(())))
    }

    fn run_ids(&self) -> &RunIds {
        &self.run_ids
    }

    fn health(&self) -> Health {
        self.writer.shared.health()
    }

    fn statistics(&self) -> Statistics {
        self.writer.shared.statistics()
    }
}

impl StoreReader for SqliteStore {
    fn runs(&self, filter: RunFilter, before: Option<RunId>, limit: usize) -> Pending<'_, RunPage> {
        self.reader.runs(filter, before, limit)
    }

    fn run(&self, id: RunId) -> Pending<'_, Option<RunDetail>> {
        self.reader.run(id)
    }

    fn payload(&self, run: RunId, hash: ContentHash) -> Pending<'_, Option<StoredPayload>> {
        self.reader.payload(run, hash)
    }

    fn position(&self, flow: &FlowName, key: &str) -> Pending<'_, Option<Value<'static>>> {
        self.reader.position(flow, key)
    }

    fn positions(
        &self,
        flow: &FlowName,
        after: Option<&str>,
        limit: usize,
    ) -> Pending<'_, Vec<(Arc<str>, Value<'static>)>> {
        self.reader.positions(flow, after, limit)
    }

    fn counts(&self, flow: &FlowName) -> Pending<'_, Counts> {
        self.reader.counts(flow)
    }

    fn counts_all(&self) -> Pending<'_, Vec<(FlowName, Counts)>> {
        self.reader.counts_all()
    }

    fn dead_letter_groups(&self, flow: Option<&FlowName>) -> Pending<'_, Vec<DeadLetterGroup>> {
        self.reader.dead_letter_groups(flow)
    }

    fn dead_letters(
        &self,
        filter: DeadLetterFilter,
        before: Option<DeadLetterId>,
        limit: usize,
    ) -> Pending<'_, DeadLetterPage> {
        self.reader.dead_letters(filter, before, limit)
    }

    fn dead_letter(&self, id: DeadLetterId) -> Pending<'_, Option<DeadLetter>> {
        self.reader.dead_letter(id)
    }

    fn releases(&self) -> Pending<'_, Vec<ReleaseHead>> {
        self.reader.releases()
    }

    fn release(&self, id: &ReleaseId) -> Pending<'_, Option<Release>> {
        self.reader.release(id)
    }

    fn request(&self, request: NewRequest) -> Pending<'_, RequestId> {
        Box::pin(async move {
            request.check()?;
            self.change(SMALL, move |txn| requests::put(txn.conn, &request))
                .await
        })
    }

    fn request_status(&self, id: RequestId) -> Pending<'_, Option<RequestStatus>> {
        self.reader.request_status(id)
    }
}
