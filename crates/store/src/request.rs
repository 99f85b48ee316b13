//! Requests: what a person wants done with dead letters, carried out by the owner of the store.

use sluice_model::time::Timestamp;

use crate::dead_letter::message::StoredMessage;
use crate::dead_letter::{DeadLetterFilter, DeadLetterId};
use crate::error::StoreError;
use crate::payload::PAYLOAD_MAX;
use crate::run::within;

/// The most dead letters that a request may name one by one.
pub const SELECTION_MAX: usize = 10_000;

/// A request's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send them again as they were.
    Redrive,
    /// Send the one that is selected again with this message in its place.
    RedriveEdited(StoredMessage),
    /// Put the open ones away.
    Archive,
    /// Take archived ones out again.
    Reopen,
}

impl Action {
    pub(crate) fn number(&self) -> i64 {
        match self {
            Self::Redrive => 0,
            Self::RedriveEdited(_) => 1,
            Self::Archive => 2,
            Self::Reopen => 3,
        }
    }
}

/// Which dead letters are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// These, at most [`SELECTION_MAX`].
    Ids(Vec<DeadLetterId>),
    /// All that the filter finds when the request is carried out.
    Filter(DeadLetterFilter),
}

/// A request that is to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRequest {
    /// What is to be done.
    pub action: Action,
    /// With which dead letters.
    pub selection: Selection,
    /// Who wants it.
    pub by: String,
    /// When it was made.
    pub at: Timestamp,
}

impl NewRequest {
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if let Selection::Ids(ids) = &self.selection {
            within(
                "the number of dead letters of a request",
                SELECTION_MAX,
                ids.len(),
            )?;
        }
        if let Action::RedriveEdited(message) = &self.action {
            within("the size of an edited message", PAYLOAD_MAX, message.size())?;
            if !matches!(&self.selection, Selection::Ids(ids) if ids.len() == 1) {
                return Err(StoreError::conflict(
                    "an edited message can replace exactly one dead letter: name its id",
                ));
            }
        }
        Ok(())
    }
}

/// A request that the owner has taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// What is wanted.
    pub wanted: NewRequest,
}

/// How far a request has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestStatus {
    /// The owner has not seen it yet.
    Waiting,
    /// The owner is at it.
    Taken,
    /// The owner is done with it.
    Finished(RequestResult),
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestResult {
    /// When it was finished.
    pub at: Timestamp,
    /// For how many dead letters it worked.
    pub done: u64,
    /// For how many it did not; each says why ([`crate::dead_letter::DeadLetterHead`]).
    pub failed: u64,
    /// What is to be said of it as a whole; empty if nothing.
    pub note: String,
}
