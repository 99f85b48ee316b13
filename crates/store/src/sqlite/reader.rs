//! Reading a data folder, beside its owner or without one.

use std::path::Path;
use std::sync::Arc;

use sluice_model::ids::{FlowName, ReleaseId, RunId};
use sluice_model::value::Value;

use crate::counts::Counts;
use crate::dead_letter::{
    DeadLetter, DeadLetterFilter, DeadLetterGroup, DeadLetterId, DeadLetterPage,
};
use crate::error::StoreError;
use crate::payload::{ContentHash, StoredPayload};
use crate::release::{Release, ReleaseHead};
use crate::request::{NewRequest, RequestId, RequestStatus};
use crate::run::{PAGE_MAX, RunDetail, RunFilter, RunPage};
use crate::sqlite::failure::{Done, Place};
use crate::sqlite::names::View;
use crate::sqlite::readers::Readers;
use crate::sqlite::{
    counts, open, payloads, positions, read_dead_letters, releases, requests, runs, search,
};
use crate::store::{Pending, StoreReader};

/// A data folder that is read, beside its owner or without one.
#[derive(Debug)]
pub struct SqliteReader {
    readers: Readers,
    place: Place,
}

impl SqliteReader {
    /// Opens a data folder for reading. Its owner may run, start and end meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is no store, [`StoreError::Version`] if it is of another
    /// version than this program's, [`StoreError::NotOurs`] if it is another program's.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::with_threads(Place::of(folder), 1)
    }

    /// Returns what the owner of the folder says of itself: process id, address, start; `None` if
    /// no process owns it now.
    ///
    /// # Errors
    /// If the lock cannot be looked at.
    pub fn owner(&self) -> Result<Option<String>, StoreError> {
        open::owner_of(&self.place.folder)
    }

    pub(super) fn with_threads(place: Place, count: usize) -> Result<Self, StoreError> {
        if !place.file.exists() {
            return Err(StoreError::Missing {
                folder: place.folder,
            });
        }
        let readers = Readers::start(place.clone(), count)?;
        Ok(Self { readers, place })
    }

    pub(super) fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&View<'_>) -> Done<T> + Send + 'static,
    ) -> Pending<'_, T> {
        Box::pin(self.readers.read(query))
    }
}

impl StoreReader for SqliteReader {
    fn runs(&self, filter: RunFilter, before: Option<RunId>, limit: usize) -> Pending<'_, RunPage> {
        self.read(move |view| search::page(view, &filter, before, limit))
    }

    fn run(&self, id: RunId) -> Pending<'_, Option<RunDetail>> {
        self.read(move |view| runs::one(view, id))
    }

    fn payload(&self, run: RunId, hash: ContentHash) -> Pending<'_, Option<StoredPayload>> {
        self.read(move |view| payloads::one(view, run, hash))
    }

    fn position(&self, flow: &FlowName, key: &str) -> Pending<'_, Option<Value<'static>>> {
        let (flow, key) = (flow.clone(), key.to_owned());
        self.read(move |view| positions::one(view, &flow, &key))
    }

    fn positions(
        &self,
        flow: &FlowName,
        after: Option<&str>,
        limit: usize,
    ) -> Pending<'_, Vec<(Arc<str>, Value<'static>)>> {
        let (flow, after) = (flow.clone(), after.map(str::to_owned));
        let limit = limit.clamp(1, PAGE_MAX);
        self.read(move |view| positions::list(view, &flow, after.as_deref(), limit))
    }

    fn counts(&self, flow: &FlowName) -> Pending<'_, Counts> {
        let flow = flow.clone();
        self.read(move |view| counts::one(view, &flow))
    }

    fn counts_all(&self) -> Pending<'_, Vec<(FlowName, Counts)>> {
        self.read(counts::all)
    }

    fn dead_letter_groups(&self, flow: Option<&FlowName>) -> Pending<'_, Vec<DeadLetterGroup>> {
        let flow = flow.cloned();
        self.read(move |view| read_dead_letters::groups_now(view, flow.as_ref()))
    }

    fn dead_letters(
        &self,
        filter: DeadLetterFilter,
        before: Option<DeadLetterId>,
        limit: usize,
    ) -> Pending<'_, DeadLetterPage> {
        self.read(move |view| read_dead_letters::page(view, &filter, before, limit))
    }

    fn dead_letter(&self, id: DeadLetterId) -> Pending<'_, Option<DeadLetter>> {
        self.read(move |view| read_dead_letters::one(view, id))
    }

    fn releases(&self) -> Pending<'_, Vec<ReleaseHead>> {
        self.read(releases::list)
    }

    fn release(&self, id: &ReleaseId) -> Pending<'_, Option<Release>> {
        let id = id.clone();
        self.read(move |view| releases::one(view, &id))
    }

    fn request(&self, request: NewRequest) -> Pending<'_, RequestId> {
        let place = self.place.clone();
        self.read(move |_| {
            request.check()?;
            let conn = open::guest(&place)?;
            requests::put(&conn, &request)
        })
    }

    fn request_status(&self, id: RequestId) -> Pending<'_, Option<RequestStatus>> {
        self.read(move |view| requests::status(view, id))
    }
}
