//! The store as the engine and the verbs see it.

use std::sync::Arc;

use sluice_model::ids::{FlowName, ReleaseId, RunId};
use sluice_model::time::Timestamp;
use sluice_model::value::Value;
use sluice_sdk::cx::BoxFuture;

use crate::commit::{Commit, CommitOutcome, Durability};
use crate::counts::Counts;
use crate::dead_letter::{
    Claimed, DeadLetter, DeadLetterFilter, DeadLetterGroup, DeadLetterId, DeadLetterPage,
    DeadLetterState,
};
use crate::dedupe::{DedupeKey, Reserved};
use crate::error::StoreError;
use crate::payload::{ContentHash, StoredPayload};
use crate::release::{Release, ReleaseHead};
use crate::request::{NewRequest, Request, RequestId, RequestResult, RequestStatus};
use crate::retention::{Prune, Pruned};
use crate::run::{RunDetail, RunFilter, RunPage};
use crate::run_id::RunIds;

/// The future of a store's answer.
pub type Pending<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// What any process may do: read, and leave a request for the owner.
///
/// Every method fails with [`StoreError::Corrupt`] where a row that it reads is damaged; such a
/// row is never served. Pages are at most [`crate::run::PAGE_MAX`] long, whatever is asked for.
pub trait StoreReader: Send + Sync {
    /// Searches runs, newest first, below `before`, at most `limit`.
    fn runs(&self, filter: RunFilter, before: Option<RunId>, limit: usize) -> Pending<'_, RunPage>;

    /// Returns a run with its steps.
    fn run(&self, id: RunId) -> Pending<'_, Option<RunDetail>>;

    /// Returns a payload of a run.
    fn payload(&self, run: RunId, hash: ContentHash) -> Pending<'_, Option<StoredPayload>>;

    /// Returns where a source goes on.
    fn position(&self, flow: &FlowName, key: &str) -> Pending<'_, Option<Value<'static>>>;

    /// Lists the positions of a flow by key, from the first key after `after`, at most `limit`.
    fn positions(
        &self,
        flow: &FlowName,
        after: Option<&str>,
        limit: usize,
    ) -> Pending<'_, Vec<(Arc<str>, Value<'static>)>>;

    /// Returns the counts of a flow: zeros for one that never ran.
    fn counts(&self, flow: &FlowName) -> Pending<'_, Counts>;

    /// Returns the counts of all flows, by name.
    fn counts_all(&self) -> Pending<'_, Vec<(FlowName, Counts)>>;

    /// Lists the groups of dead letters, of one flow or of all, those with the newest first.
    fn dead_letter_groups(&self, flow: Option<&FlowName>) -> Pending<'_, Vec<DeadLetterGroup>>;

    /// Lists dead letters, newest first, below `before`, at most `limit`.
    fn dead_letters(
        &self,
        filter: DeadLetterFilter,
        before: Option<DeadLetterId>,
        limit: usize,
    ) -> Pending<'_, DeadLetterPage>;

    /// Returns a dead letter with its message.
    fn dead_letter(&self, id: DeadLetterId) -> Pending<'_, Option<DeadLetter>>;

    /// Lists the releases, newest first.
    fn releases(&self) -> Pending<'_, Vec<ReleaseHead>>;

    /// Returns a release with its source files.
    fn release(&self, id: &ReleaseId) -> Pending<'_, Option<Release>>;

    /// Leaves a request for the owner; it is on disk when this returns.
    fn request(&self, request: NewRequest) -> Pending<'_, RequestId>;

    /// Returns how far a request has come; `None` if there is none with this id.
    fn request_status(&self, id: RequestId) -> Pending<'_, Option<RequestStatus>>;
}

/// What the owner may do beside.
pub trait Store: StoreReader {
    /// Stores one atomic unit; see [`Durability`] for when it is answered.
    ///
    /// Waits while the queue is full. Commits are applied in the order in which they are queued.
    /// Dropping the future before it is done takes the commit back only if it was not queued yet.
    ///
    /// # Errors
    /// Nothing of the commit is stored where a limit is exceeded, a dead letter is not in the
    /// state that the commit says, the disk is full, or the store is broken. After a failed fsync
    /// it cannot be known whether the commit is on disk: the store takes nothing more.
    fn commit(&self, commit: Commit, durability: Durability) -> Pending<'_, CommitOutcome>;

    /// Reserves keys of a flow for this process; the answers are in the order of the keys.
    ///
    /// Of two equal keys in one call the second is [`Reserved::InFlight`]. A reservation ends by a
    /// commit that settles it, or with this process.
    ///
    /// # Errors
    /// None of them is reserved on an error; [`StoreError::Limit`] where more than
    /// [`crate::dedupe::RESERVED_MAX`] would be.
    fn reserve(
        &self,
        flow: &FlowName,
        keys: Vec<DedupeKey>,
        now: Timestamp,
    ) -> Pending<'_, Vec<Reserved>>;

    /// Releases reservations of a flow whose messages nothing is committed for. At once, without
    /// the disk.
    fn release_keys(&self, flow: &FlowName, keys: &[DedupeKey]);

    /// Takes requests that wait, oldest first, at most `limit`. One that was taken by a process
    /// that died waits again.
    fn take_requests(&self, limit: usize) -> Pending<'_, Vec<Request>>;

    /// Says that a request that was taken is done.
    fn finish_request(&self, id: RequestId, result: RequestResult) -> Pending<'_, ()>;

    /// Takes those of `ids` that are open, to be sent again. They stay in the list until a commit
    /// says that it worked; after a crash they are open again. One that is damaged is not taken.
    fn claim_dead_letters(&self, ids: Vec<DeadLetterId>, now: Timestamp) -> Pending<'_, Claimed>;

    /// Archives open dead letters, opens archived ones, or opens claimed ones that were never sent
    /// ([`DeadLetterState::Archived`] or [`DeadLetterState::Open`]); returns how many changed.
    /// Others of `ids` are left as they are.
    fn set_dead_letters(
        &self,
        ids: Vec<DeadLetterId>,
        state: DeadLetterState,
        now: Timestamp,
    ) -> Pending<'_, u64>;

    /// Stores a release; one that is there already is left as it is.
    fn put_release(&self, release: Release) -> Pending<'_, ()>;

    /// Deletes a batch of what has been kept long enough: at most [`crate::retention::PRUNE_MAX`].
    fn prune(&self, what: Prune, limit: usize) -> Pending<'_, Pruned>;

    /// Waits until all that is queued is on disk.
    fn flush(&self) -> Pending<'_, ()>;

    /// Gives out the ids of runs.
    fn run_ids(&self) -> &RunIds;

    /// Returns how the store is.
    fn health(&self) -> Health;

    /// Returns what the store has done since it was opened.
    fn statistics(&self) -> Statistics;
}

/// How a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It takes commits.
    Ready,
    /// The last commit found the disk full; the next may work.
    DiskFull,
    /// It takes nothing more, and why.
    Broken(Arc<str>),
}

/// What a store has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Commits and other changes that were stored.
    pub commits: u64,
    /// Those that failed and whose caller did not wait ([`Durability::Soon`]).
    pub commits_lost: u64,
    /// Groups: transactions that were committed. Each is one fsync.
    pub transactions: u64,
    /// Checkpoints of the write-ahead log: each at most two fsyncs.
    pub checkpoints: u64,
    /// The pages of the write-ahead log after the last transaction.
    pub log_pages: u64,
    /// Changes that wait in the queue.
    pub queued: u64,
}
