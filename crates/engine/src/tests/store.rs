//! A store whose commits fail when a test says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sluice_model::ids::{FlowName, ReleaseId, RunId};
use sluice_model::time::Timestamp;
use sluice_model::value::Value;
use sluice_sdk::cx::BoxFuture;
use sluice_store::commit::{Commit, CommitOutcome, Durability};
use sluice_store::counts::Counts;
use sluice_store::dead_letter::{
    Claimed, DeadLetter, DeadLetterFilter, DeadLetterGroup, DeadLetterId, DeadLetterPage,
    DeadLetterState,
};
use sluice_store::dedupe::{DedupeKey, Reserved};
use sluice_store::error::StoreError;
use sluice_store::payload::{ContentHash, StoredPayload};
use sluice_store::release::{Release, ReleaseHead};
use sluice_store::request::{NewRequest, Request, RequestId, RequestResult, RequestStatus};
use sluice_store::retention::{Prune, Pruned};
use sluice_store::run::{RunDetail, RunFilter, RunPage};
use sluice_store::run_id::RunIds;
use sluice_store::sqlite::store::SqliteStore;
use sluice_store::store::{Health, Pending, Statistics, Store, StoreReader};

pub(super) struct FailingStore {
    inner: SqliteStore,
    /// How many commits fail from now on.
    pub failing: AtomicUsize,
    pub commits: AtomicUsize,
    pub soon: AtomicUsize,
}

impl FailingStore {
    pub fn new(inner: SqliteStore) -> Self {
        Self {
            inner,
            failing: AtomicUsize::new(0),
            commits: AtomicUsize::new(0),
            soon: AtomicUsize::new(0),
        }
    }
}

/// Hands methods on as they are.
macro_rules! hand_on {
    ($(fn $name:ident(&self $(, $arg:ident: $ty:ty)*) -> $result:ty;)*) => {$(
        fn $name(&self $(, $arg: $ty)*) -> $result {
            self.inner.$name($($arg),*)
        }
    )*};
}

impl StoreReader for FailingStore {
    hand_on! {
        fn runs(&self, filter: RunFilter, before: Option<RunId>, limit: usize) -> Pending<'_, RunPage>;
        fn run(&self, id: RunId) -> Pending<'_, Option<RunDetail>>;
        fn payload(&self, run: RunId, hash: ContentHash) -> Pending<'_, Option<StoredPayload>>;
        fn position(&self, flow: &FlowName, key: &str) -> Pending<'_, Option<Value<'static>>>;
        fn positions(&self, flow: &FlowName, after: Option<&str>, limit: usize)
            -> Pending<'_, Vec<(Arc<str>, Value<'static>)>>;
        fn counts(&self, flow: &FlowName) -> Pending<'_, Counts>;
        fn counts_all(&self) -> Pending<'_, Vec<(FlowName, Counts)>>;
        fn dead_letter_groups(&self, flow: Option<&FlowName>) -> Pending<'_, Vec<DeadLetterGroup>>;
        fn dead_letters(&self, filter: DeadLetterFilter, before: Option<DeadLetterId>, limit: usize)
            -> Pending<'_, DeadLetterPage>;
        fn dead_letter(&self, id: DeadLetterId) -> Pending<'_, Option<DeadLetter>>;
        fn releases(&self) -> Pending<'_, Vec<ReleaseHead>>;
        fn release(&self, id: &ReleaseId) -> Pending<'_, Option<Release>>;
        fn request(&self, request: NewRequest) -> Pending<'_, RequestId>;
        fn request_status(&self, id: RequestId) -> Pending<'_, Option<RequestStatus>>;
    }
}

impl Store for FailingStore {
    fn commit(&self, commit: Commit, durability: Durability) -> Pending<'_, CommitOutcome> {
        let fails = self
            .failing
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
                left.checked_sub(1)
            });
        if fails.is_ok() {
            let keys: Vec<_> = commit.dedupe;
            return Box::pin(async move {
                for own in keys {
                    self.inner.release_keys(&own.flow, &[own.key]);
                }
                Err(StoreError::DiskFull {
                    folder: "data".into(),
                })
            });
        }
        self.commits.fetch_add(1, Ordering::AcqRel);
        if durability == Durability::Soon {
            self.soon.fetch_add(1, Ordering::AcqRel);
        }
        self.inner.commit(commit, durability)
    }

    fn release_keys(&self, flow: &FlowName, keys: &[DedupeKey]) {
        self.inner.release_keys(flow, keys);
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.flush()
    }

    hand_on! {
        fn reserve(&self, flow: &FlowName, keys: Vec<DedupeKey>, now: Timestamp)
            -> Pending<'_, Vec<Reserved>>;
        fn take_requests(&self, limit: usize) -> Pending<'_, Vec<Request>>;
        fn finish_request(&self, id: RequestId, result: RequestResult) -> Pending<'_, ()>;
        fn claim_dead_letters(&self, ids: Vec<DeadLetterId>, now: Timestamp) -> Pending<'_, Claimed>;
        fn set_dead_letters(&self, ids: Vec<DeadLetterId>, state: DeadLetterState, now: Timestamp)
            -> Pending<'_, u64>;
        fn put_release(&self, release: Release) -> Pending<'_, ()>;
        fn prune(&self, what: Prune, limit: usize) -> Pending<'_, Pruned>;
        fn run_ids(&self) -> &RunIds;
        fn health(&self) -> Health;
        fn statistics(&self) -> Statistics;
    }
}
