//! The run record: what became of a message, step by step.

use std::sync::Arc;
use std::time::Duration;

use sluice_model::batch::Origin;
use sluice_model::fault::FaultCode;
use sluice_model::ids::{EffectKey, EnvironmentName, FlowName, ReleaseId, RunId, StepId};
use sluice_model::time::Timestamp;

use crate::error::StoreError;
use crate::payload::PayloadRef;

/// The most business keys that a run may have.
pub const KEYS_MAX: usize = 16;
/// The most bytes of a key's value, an origin, a correlation or trace id; longer ones are cut.
pub const TEXT_MAX: usize = 512;
/// The most bytes of a fault's text; longer ones are cut.
pub const FAULT_TEXT_MAX: usize = 4096;
/// The most runs of one page.
pub const PAGE_MAX: usize = 1000;

/// How a message's way through a flow ended. Each has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Its effects are done, and its caller, if there is one, has the answer.
    Delivered,
    /// Its caller was answered with an error.
    AnsweredError,
    /// It is a dead letter.
    DeadLettered,
    /// It waits for a person, since the outcome of an effect cannot be known.
    Parked,
    /// A `filter` or `stop` ended it.
    Filtered,
    /// It was there before.
    Duplicate,
}

impl Outcome {
    /// All outcomes, in the order of their numbers in the store.
    pub const ALL: [Outcome; 6] = [
        Self::Delivered,
        Self::AnsweredError,
        Self::DeadLettered,
        Self::Parked,
        Self::Filtered,
        Self::Duplicate,
    ];

    /// Returns its word, as commands and pages spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::AnsweredError => "answered_error",
            Self::DeadLettered => "dead_lettered",
            Self::Parked => "parked",
            Self::Filtered => "filtered",
            Self::Duplicate => "duplicate",
        }
    }

    /// Reads its word; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
    }

    pub(crate) fn number(self) -> i64 {
        self as i64
    }

    pub(crate) fn from_number(number: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kind of a run's origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OriginKind {
    /// A request to an API.
    Request,
    /// A record of a file.
    Record,
    /// A whole file.
    File,
    /// A tick of a timer.
    Tick,
    /// Another run.
    Run,
    /// A dead letter that was sent again.
    DeadLetter,
    /// A command line or a test.
    Manual,
}

impl OriginKind {
    const ALL: [OriginKind; 7] = [
        Self::Request,
        Self::Record,
        Self::File,
        Self::Tick,
        Self::Run,
        Self::DeadLetter,
        Self::Manual,
    ];

    /// Returns its word, as commands and pages spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Record => "record",
            Self::File => "file",
            Self::Tick => "tick",
            Self::Run => "run",
            Self::DeadLetter => "dead_letter",
            Self::Manual => "manual",
        }
    }

    pub(crate) fn number(self) -> i64 {
        self as i64
    }

    pub(crate) fn from_number(number: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// Where a run's message came from, as it is stored and searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOrigin {
    /// Its kind.
    pub kind: OriginKind,
    /// What a search finds: the request's id, the file, the instant, the other run's or the dead
    /// letter's id; empty for [`OriginKind::Manual`].
    pub text: Arc<str>,
    /// The line and the byte offset of a record in its file.
    pub place: Option<(u64, u64)>,
}

impl From<&Origin> for RunOrigin {
    fn from(origin: &Origin) -> Self {
        let (kind, text, place): (_, Arc<str>, _) = match origin {
            Origin::Request(id) => (OriginKind::Request, id.as_str().into(), None),
            Origin::Record { file, line, offset } => {
                (OriginKind::Record, Arc::clone(file), Some((*line, *offset)))
            }
            Origin::File(file) => (OriginKind::File, Arc::clone(file), None),
            Origin::Tick(at) => (OriginKind::Tick, at.rfc3339().into(), None),
            Origin::Run(id) => (OriginKind::Run, id.to_string().into(), None),
            Origin::DeadLetter(id) => (OriginKind::DeadLetter, id.to_string().into(), None),
            Origin::Manual => (OriginKind::Manual, "".into(), None),
        };
        Self { kind, text, place }
    }
}

impl std::fmt::Display for RunOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.kind, self.place) {
            (OriginKind::Record, Some((line, _))) => write!(f, "{}:{line}", self.text),
            (OriginKind::Record | OriginKind::File, _) => f.write_str(&self.text),
            (OriginKind::Request, _) => write!(f, "request {}", self.text),
            (OriginKind::Tick, _) => write!(f, "tick {}", self.text),
            (OriginKind::Run, _) => write!(f, "run {}", self.text),
            (OriginKind::DeadLetter, _) => write!(f, "dead letter {}", self.text),
            (OriginKind::Manual, _) => f.write_str("manual"),
        }
    }
}

/// A business key of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BusinessKey {
    /// The key's name in the flow's `keys`.
    pub name: Arc<str>,
    /// What its expression gave, as text.
    pub value: Arc<str>,
}

/// Why a run did not deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFault {
    /// The fault's code.
    pub code: FaultCode,
    /// What a caller may be shown.
    pub public: String,
    /// The step that failed; `None` if it was before the first.
    pub step: Option<StepId>,
}

/// One message's way through one flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// Its id, given out when it began; see [`crate::run_id::RunIds`].
    pub id: RunId,
    /// The flow.
    pub flow: FlowName,
    /// The release that the flow is from.
    pub release: ReleaseId,
    /// The environment that it ran in.
    pub environment: EnvironmentName,
    /// When it began.
    pub started: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// How it ended.
    pub outcome: Outcome,
    /// Where its message came from.
    pub origin: RunOrigin,
    /// Its business keys, at most [`KEYS_MAX`].
    pub keys: Vec<BusinessKey>,
    /// The id that messages of one conversation share.
    pub correlation: Option<Arc<str>>,
    /// The id of its trace (W3C Trace Context), in hex.
    pub trace: Option<Arc<str>>,
    /// The run that ran it, by `run`.
    pub parent: Option<RunId>,
    /// How often the message was tried as a whole.
    pub attempts: u32,
    /// Why it did not deliver.
    pub fault: Option<RunFault>,
    /// Whether its steps are kept.
    pub has_steps: bool,
}

impl RunSummary {
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        within("the number of a run's keys", KEYS_MAX, self.keys.len())
    }
}

/// How a step of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepStatus {
    /// It did what it should.
    Done,
    /// Its `when` was false.
    Skipped,
    /// It failed, and a `catch` took the fault.
    Caught,
    /// It failed, and the run with it.
    Failed,
    /// Whether its effect took place cannot be known.
    Unknown,
}

impl StepStatus {
    const ALL: [StepStatus; 5] = [
        Self::Done,
        Self::Skipped,
        Self::Caught,
        Self::Failed,
        Self::Unknown,
    ];

    /// Returns its word, as commands and pages spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Caught => "caught",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    pub(crate) fn number(self) -> i64 {
        self as i64
    }

    pub(crate) fn from_number(number: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepFault {
    /// The fault's code.
    pub code: FaultCode,
    /// What a caller may be shown.
    pub public: String,
    /// What operators may see beside, in one line ([`sluice_model::fault::Fault::private`]).
    pub private: String,
}

/// What one step of a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOutcome {
    /// The run.
    pub run: RunId,
    /// Its place in the order in which the run's steps began, from 0; one row for each.
    pub ordinal: u32,
    /// The step.
    pub step: StepId,
    /// How it ended.
    pub status: StepStatus,
    /// How often it was tried; 0 if it was skipped.
    pub attempts: u32,
    /// When it began, from the run's start.
    pub offset: Duration,
    /// How long it took, all attempts and the waits between them.
    pub duration: Duration,
    /// The key of its effect.
    pub effect: Option<EffectKey>,
    /// What went in, if that is kept.
    pub input: Option<PayloadRef>,
    /// What came out, if that is kept.
    pub output: Option<PayloadRef>,
    /// Why it failed.
    pub fault: Option<StepFault>,
}

/// A run with its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDetail {
    /// The run.
    pub summary: RunSummary,
    /// Its steps in their order; empty where they are not kept.
    pub steps: Vec<StepOutcome>,
}

/// Which runs are looked for: those for which all that is given holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// A business key's value, and its name if only that one is meant.
    pub key: Option<KeyFilter>,
    /// The flow.
    pub flow: Option<FlowName>,
    /// The outcome.
    pub outcome: Option<Outcome>,
    /// The fault's code.
    pub fault: Option<FaultCode>,
    /// The text of the origin, or `file:line` for a record.
    pub origin: Option<Arc<str>>,
    /// The correlation id.
    pub correlation: Option<Arc<str>>,
    /// The run that ran them.
    pub parent: Option<RunId>,
    /// Runs that began then or later.
    pub from: Option<Timestamp>,
    /// Runs that began before.
    pub until: Option<Timestamp>,
}

/// A business key that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFilter {
    /// The key's name; `None` for any.
    pub name: Option<Arc<str>>,
    /// Its value: all of it.
    pub value: Arc<str>,
}

/// A page of runs, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunPage {
    /// The runs. A page may hold fewer than were asked for, or none, though there are more: a
    /// search stops after a bounded amount of work.
    pub runs: Vec<RunSummary>,
    /// Where the next page begins (runs with a smaller id); `None` if this was the last.
    pub next: Option<RunId>,
}

/// Checks a documented limit.
pub(crate) fn within(what: &'static str, limit: usize, given: usize) -> Result<(), StoreError> {
    if given <= limit {
        Ok(())
    } else {
        Err(StoreError::Limit { what, limit, given })
    }
}

/// Returns the beginning of `text` that fits into `max` bytes.
pub(crate) fn clip(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}
