//! One atomic unit of change.

use sluice_model::ids::FlowName;
use sluice_model::value::Value;

use crate::counts::Counts;
use crate::dead_letter::{DeadLetterId, NewDeadLetter, RedriveResult};
use crate::dedupe::DedupeSettlement;
use crate::error::StoreError;
use crate::payload::StoredPayload;
use crate::run::{RunSummary, StepOutcome, within};

/// The most rows of one commit.
pub const COMMIT_ROWS_MAX: usize = 100_000;
/// The most bytes of a position as JSON.
pub const POSITION_MAX: usize = 64 * 1024;

/// One atomic unit of change: all of it is stored, or nothing.
///
/// The engine settles by it: the position, the counts, the dead letters, the dedupe keys and the
/// run summaries of what a delivery held go in one.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Runs that ended; one that is there already is replaced.
    pub runs: Vec<RunSummary>,
    /// Steps of runs; one with the same run and ordinal is replaced.
    pub steps: Vec<StepOutcome>,
    /// Payloads of runs; one with the same run and hash is kept as it is.
    pub payloads: Vec<StoredPayload>,
    /// Messages that flows gave up on.
    pub dead_letters: Vec<NewDeadLetter>,
    /// Dead letters that were sent again, and what became of that.
    pub redriven: Vec<RedriveResult>,
    /// Reservations of dedupe keys that are settled.
    pub dedupe: Vec<DedupeSettlement>,
    /// Where sources go on.
    pub positions: Vec<PositionUpdate>,
    /// What is added to the counts of flows.
    pub counts: Vec<(FlowName, Counts)>,
}

/// Where a source goes on after a restart.
#[derive(Debug, Clone, PartialEq)]
pub struct PositionUpdate {
    /// The flow that reads.
    pub flow: FlowName,
    /// What is read: a file's identity, a topic's partition.
    pub key: std::sync::Arc<str>,
    /// Where to go on; `None` forgets the key.
    pub value: Option<Value<'static>>,
}

impl Commit {
    /// Returns whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    /// Adds everything that `other` has, behind what is there: both become one atomic unit.
    pub fn merge(&mut self, mut other: Commit) {
        self.runs.append(&mut other.runs);
        self.steps.append(&mut other.steps);
        self.payloads.append(&mut other.payloads);
        self.dead_letters.append(&mut other.dead_letters);
        self.redriven.append(&mut other.redriven);
        self.dedupe.append(&mut other.dedupe);
        self.positions.append(&mut other.positions);
        self.counts.append(&mut other.counts);
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.runs.len()
            + self.steps.len()
            + self.payloads.len()
            + self.dead_letters.len()
            + self.redriven.len()
            + self.dedupe.len()
            + self.positions.len()
            + self.counts.len()
    }

    /// Returns about how many bytes it takes, for the limit of the queue.
    pub(crate) fn size(&self) -> usize {
        let payloads = self.payloads.iter().map(|payload| payload.body.len());
        let letters = self.dead_letters.iter().map(|letter| letter.message.size());
        payloads
            .chain(letters)
            .fold(self.rows().saturating_mul(512), usize::saturating_add)
    }

    /// Checks the documented limits.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        within(
            "the number of a commit's rows",
            COMMIT_ROWS_MAX,
            self.rows(),
        )?;
        self.runs.iter().try_for_each(RunSummary::check)?;
        self.payloads.iter().try_for_each(StoredPayload::check)?;
        self.dead_letters.iter().try_for_each(NewDeadLetter::check)
    }
}

/// When a commit is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Once it is on disk: after the fsync of the group that it went with.
    Durable,
    /// Once it is in the queue, which is bounded: it is written with the next group. A crash may
    /// lose it; that it could not be written is told by `Store::health` and the statistics only.
    Soon,
}

/// The answer to a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It is on disk.
    Durable(Committed),
    /// It is in the queue.
    Queued,
}

/// What a commit got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// The number of the group that it went with: ascending by one for each, without a gap.
    pub sequence: u64,
    /// The ids of its dead letters, in their order.
    pub dead_letters: Vec<DeadLetterId>,
}
