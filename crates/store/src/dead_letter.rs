//! Dead letters: messages that a flow gave up on, kept with their cause.

use sluice_model::fault::FaultCode;
use sluice_model::ids::{FlowName, ReleaseId, RunId, StepId};
use sluice_model::time::Timestamp;

use crate::dead_letter::message::StoredMessage;
use crate::error::StoreError;
use crate::payload::PAYLOAD_MAX;
use crate::run::{BusinessKey, KEYS_MAX, RunOrigin, within};

pub mod message;

/// The bytes of messages from which a claim takes no more dead letters.
pub const CLAIM_BYTES: u64 = 16 * 1024 * 1024;

/// A dead letter's id: ascending, never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeadLetterId(pub u64);

impl std::fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of a group of dead letters with one signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u64);

impl std::fmt::Display for GroupId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a flow gave up on a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The fault's code.
    pub code: FaultCode,
    /// What a caller may be shown.
    pub public: String,
    /// What operators may see beside, in one line ([`sluice_model::fault::Fault::private`]).
    pub private: String,
    /// The step that failed; `None` if it was before the first.
    pub step: Option<StepId>,
}

/// What is known of a dead letter beside its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterFacts {
    /// The flow.
    pub flow: FlowName,
    /// The run that gave up.
    pub run: RunId,
    /// The release that the flow was from.
    pub release: ReleaseId,
    /// Why.
    pub cause: Cause,
    /// Where the message came from.
    pub origin: RunOrigin,
    /// How often it was tried.
    pub attempts: u32,
    /// The run's business keys, at most [`KEYS_MAX`].
    pub keys: Vec<BusinessKey>,
    /// When the message came.
    pub received: Timestamp,
    /// When the flow gave up.
    pub created: Timestamp,
}

/// A dead letter that is to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDeadLetter {
    /// What is known of it.
    pub facts: DeadLetterFacts,
    /// The message as it entered the flow.
    pub message: StoredMessage,
}

impl NewDeadLetter {
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        within(
            "the number of a dead letter's keys",
            KEYS_MAX,
            self.facts.keys.len(),
        )?;
        within(
            "the size of a dead letter",
            PAYLOAD_MAX,
            self.message.size(),
        )
    }
}

/// What is happening to a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeadLetterState {
    /// It waits for a person.
    Open,
    /// It was sent again, and that run is not settled yet.
    Redriving,
    /// It was sent again, and that run delivered.
    Redriven,
    /// A person put it away.
    Archived,
}

impl DeadLetterState {
    /// All states, in the order of their numbers in the store.
    pub const ALL: [DeadLetterState; 4] =
        [Self::Open, Self::Redriving, Self::Redriven, Self::Archived];

    /// Returns its word, as commands and pages spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Redriving => "redriving",
            Self::Redriven => "redriven",
            Self::Archived => "archived",
        }
    }

    /// Reads its word; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    pub(crate) fn number(self) -> i64 {
        self as i64
    }

    pub(crate) fn from_number(number: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

impl std::fmt::Display for DeadLetterState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A dead letter without its message, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterHead {
    /// Its id.
    pub id: DeadLetterId,
    /// The group of its signature.
    pub group: GroupId,
    /// What is happening to it.
    pub state: DeadLetterState,
    /// When its state last changed.
    pub changed: Timestamp,
    /// How often it was sent again.
    pub redrives: u32,
    /// The run that sent it again last, once that is settled.
    pub redrive_run: Option<RunId>,
    /// Why sending it again failed, the last time that it did.
    pub redrive_fault: Option<String>,
    /// The size of its message in bytes.
    pub size: u64,
    /// What is known of it.
    pub facts: DeadLetterFacts,
}

/// A dead letter with its message.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// All but the message.
    pub head: DeadLetterHead,
    /// The message as it entered the flow.
    pub message: StoredMessage,
}

/// What the dead letters of a group have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Signature {
    /// The flow.
    pub flow: FlowName,
    /// The step that failed; `None` if it was before the first.
    pub step: Option<StepId>,
    /// The fault's code.
    pub code: FaultCode,
}

/// The dead letters with one signature, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterGroup {
    /// Its id.
    pub id: GroupId,
    /// What they have in common.
    pub signature: Signature,
    /// How many are in each state, in the order of [`DeadLetterState::ALL`].
    pub counts: [u64; 4],
    /// When the first was created.
    pub first: Timestamp,
    /// When the last was created.
    pub last: Timestamp,
    /// The public text of the last.
    pub example: String,
}

impl DeadLetterGroup {
    /// Returns how many are in a state.
    pub fn count(&self, state: DeadLetterState) -> u64 {
        self.counts[state as usize]
    }
}

/// Which dead letters are meant: those for which all that is given holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// The flow.
    pub flow: Option<FlowName>,
    /// The group.
    pub group: Option<GroupId>,
    /// The state.
    pub state: Option<DeadLetterState>,
    /// The run that gave up.
    pub run: Option<RunId>,
}

/// A page of dead letters, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterPage {
    /// The dead letters, without their messages.
    pub dead_letters: Vec<DeadLetterHead>,
    /// Where the next page begins (dead letters with a smaller id); `None` if this was the last.
    pub next: Option<DeadLetterId>,
}

/// Dead letters that were taken to be sent again.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// Those that were open.
    pub dead_letters: Vec<DeadLetter>,
    /// Those that were not looked at, since the others are [`CLAIM_BYTES`] already: ask again.
    pub rest: Vec<DeadLetterId>,
}

/// What became of a dead letter that was sent again, as part of the commit that settles the run.
///
/// The dead letter must be [`DeadLetterState::Redriving`], else the commit fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedriveResult {
    /// The dead letter.
    pub id: DeadLetterId,
    /// The run that sent it again.
    pub run: RunId,
    /// When that run ended.
    pub at: Timestamp,
    /// `None`: it delivered, and the dead letter leaves the list. Otherwise why it failed: the
    /// dead letter is open again.
    pub fault: Option<String>,
}
