//! Deletion of what has been kept long enough, in bounded batches.

use sluice_model::ids::FlowName;
use sluice_model::time::Timestamp;

/// The most rows that one call deletes.
pub const PRUNE_MAX: usize = 10_000;

/// What is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prune {
    /// Runs that began before an instant, with their steps and payloads; for all flows, also steps
    /// and payloads that have no run.
    Runs {
        /// The flow; `None` for all.
        flow: Option<FlowName>,
        /// The instant.
        before: Timestamp,
    },
    /// Payloads that have expired.
    Payloads {
        /// The instant by which they have.
        now: Timestamp,
    },
    /// Dead letters that were redriven or archived before an instant; never open ones.
    DeadLetters {
        /// The instant.
        before: Timestamp,
    },
    /// Dedupe keys that have expired.
    DedupeKeys {
        /// The instant by which they have.
        now: Timestamp,
    },
    /// Requests that were finished before an instant.
    Requests {
        /// The instant.
        before: Timestamp,
    },
}

/// What one call deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The rows: runs, payloads, dead letters, keys or requests.
    pub rows: u64,
    /// Whether there may be more: call again.
    pub more: bool,
}
