//! One message's way through one flow, while it is under way.

use std::sync::Arc;
use std::time::Duration;

use sluice_compiler::release::Flow;
use sluice_model::batch::{Message, Origin, Payload};
use sluice_model::fault::Fault;
use sluice_model::ids::{EffectKey, RunId, StepId};
use sluice_model::value::{Key, Name, Record, Text, Value};
use sluice_sdk::connection::{Answer, Reply, ReplyTo};
use sluice_store::dedupe::DedupeKey;
use sluice_store::run::{BusinessKey, StepStatus};

/// What becomes of a run.
#[derive(Debug, Clone)]
pub(crate) enum State {
    /// It goes on.
    Active,
    /// It ended as delivered, by `stop`.
    Stopped,
    /// It ended as filtered.
    Filtered,
    /// It ended as a duplicate.
    Duplicate,
    /// It waits for another run of the same delivery that has reserved the same key.
    Twin(DedupeKey),
    /// It failed, at this step.
    Failed(Fault, Option<StepId>),
}

/// Who waits for an answer, and whether one was given.
pub(crate) enum Caller {
    /// Nobody waits.
    Nobody,
    /// Somebody waits outside.
    Waiting(ReplyTo),
    /// Another run waits; its answer is kept here.
    Run(Option<Answer>),
    /// The answer was given.
    Answered,
}

/// One message's way through one flow.
pub(crate) struct Run {
    pub id: RunId,
    pub parent: Option<RunId>,
    /// The message as it came; it is never changed.
    pub message: Message,
    /// The payload, once a step has changed it.
    pub changed: Option<Value<'static>>,
    pub state: State,
    /// `$steps`.
    pub results: Value<'static>,
    /// What `let` has bound, by slot.
    pub variables: Vec<Option<Value<'static>>>,
    /// `$fault`, in handlers.
    pub fault: Option<Value<'static>>,
    pub caller: Caller,
    pub keys: Vec<BusinessKey>,
    /// The keys that `dedupe` has reserved, and how long each is kept.
    pub reserved: Vec<(DedupeKey, Duration)>,
    /// Since the engine's start.
    pub started: Duration,
    pub trace: Vec<Trace>,
    /// Whether payloads are kept for each step.
    pub recorded: bool,
    pub attempts: u32,
    pub retries: u64,
    /// The group of its source, for sinks that gather.
    pub group: Option<Arc<str>>,
    meta: Option<Value<'static>>,
    params: Option<Value<'static>>,
    about: Option<Value<'static>>,
}

/// What one step did.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    pub step: StepId,
    pub verb: &'static str,
    pub status: StepStatus,
    pub attempts: u32,
    pub offset: Duration,
    pub duration: Duration,
    pub effect: Option<EffectKey>,
    pub output: Option<Value<'static>>,
    pub fault: Option<Fault>,
}

static NULL: Value<'static> = Value::Null;

impl Run {
    /// Returns the run of a message at the flow's beginning.
    pub fn new(id: RunId, message: Message, flow: &Flow, started: Duration) -> Self {
        let state = match &message.payload {
            Payload::Value(_) => State::Active,
            Payload::Unread { fault, .. } => State::Failed(fault.clone(), None),
        };
        let group = match &message.origin {
            Origin::Record { file, .. } => Some(Arc::clone(file)),
            Origin::File(file) => Some(Arc::clone(file)),
            _ => None,
        };
        Self {
            id,
            parent: None,
            message,
            changed: None,
            state,
            results: Value::Record(Record::default()),
            variables: vec![None; usize::from(flow.variables)],
            fault: None,
            caller: Caller::Nobody,
            keys: Vec::new(),
            reserved: Vec::new(),
            started,
            trace: Vec::new(),
            recorded: false,
            attempts: 1,
            retries: 0,
            group,
            meta: None,
            params: None,
            about: None,
        }
    }

    /// Returns a run for an item of this one's payload: it sees the same names, and its outcome is
    /// its parent's.
    pub fn child(&self, item: Value<'static>) -> Self {
        Self {
            id: self.id,
            parent: self.parent,
            message: Message {
                payload: Payload::Value(item),
                origin: self.message.origin.clone(),
                params: self.message.params.clone(),
                headers: self.message.headers.clone(),
                received: self.message.received,
            },
            changed: None,
            state: State::Active,
            results: self.results.clone(),
            variables: self.variables.clone(),
            fault: self.fault.clone(),
            caller: Caller::Nobody,
            keys: self.keys.clone(),
            reserved: Vec::new(),
            started: self.started,
            trace: Vec::new(),
            recorded: self.recorded,
            attempts: self.attempts,
            retries: 0,
            group: self.group.clone(),
            meta: self.meta.clone(),
            params: self.params.clone(),
            about: self.about.clone(),
        }
    }

    /// Returns whether it goes on.
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Active)
    }

    /// Returns the payload.
    pub fn payload(&self) -> &Value<'static> {
        match (&self.changed, &self.message.payload) {
            (Some(changed), _) => changed,
            (None, Payload::Value(value)) => value,
            (None, Payload::Unread { .. }) => &NULL,
        }
    }

    /// Ends the run with a fault.
    pub fn fail(&mut self, fault: Fault, step: &StepId) {
        self.state = State::Failed(fault, Some(step.clone()));
    }

    /// Binds the result of a step.
    pub fn set_result(&mut self, name: Option<Name>, value: Option<Value<'static>>) {
        let (Some(name), Value::Record(results)) = (name, &mut self.results) else {
            return;
        };
        match value {
            Some(value) => results.insert(name, value),
            None => {
                results.remove(name.as_str());
            }
        }
    }

    /// Gives the answer to whoever waits; the second one is dropped.
    pub fn answer(&mut self, answer: Answer) {
        match std::mem::replace(&mut self.caller, Caller::Answered) {
            Caller::Waiting(reply) => reply.send(Reply::Answer(answer)),
            Caller::Run(None) => self.caller = Caller::Run(Some(answer)),
            other => self.caller = other,
        }
    }

    /// Makes `$params`, `$meta` and `$run` ready, as far as an expression needs them.
    pub fn prepare(&mut self, needs: Needs, flow: &Flow, now: sluice_model::time::Timestamp) {
        if needs.params && self.params.is_none() {
            let record = self.message.params.as_deref().cloned().unwrap_or_default();
            self.params = Some(Value::Record(record));
        }
        if needs.meta && self.meta.is_none() {
            self.meta = Some(Value::Record(self.make_meta()));
        }
        if needs.run && self.about.is_none() {
            self.about = Some(Value::Record(self.make_about(flow, now)));
        }
    }

    fn make_meta(&self) -> Record<'static> {
        let mut meta = self.message.headers.as_deref().cloned().unwrap_or_default();
        match &self.message.origin {
            Origin::Record { file, line, offset } => {
                meta.insert(Name::new("file"), text(file));
                meta.insert(Name::new("line"), Value::Int(*line as i64));
                meta.insert(Name::new("offset"), Value::Int(*offset as i64));
            }
            Origin::File(file) => meta.insert(Name::new("file"), text(file)),
            Origin::Request(id) => meta.insert(Name::new("request"), Value::Text(id.clone())),
            Origin::Run(id) => meta.insert(Name::new("run"), Value::text(id.to_string())),
            Origin::Tick(_) | Origin::DeadLetter(_) | Origin::Manual => {}
        }
        meta
    }

    fn make_about(&self, flow: &Flow, now: sluice_model::time::Timestamp) -> Record<'static> {
        let keys: Record<'static> = self
            .keys
            .iter()
            .map(|key| (Key::Text(Text::from(&*key.name)), text(&key.value)))
            .collect();
        let mut about = Record::default();
        about.insert(Name::new("id"), Value::text(self.id.to_string()));
        about.insert(Name::new("flow"), text(flow.name.as_str()));
        about.insert(Name::new("started"), Value::text(now.rfc3339()));
        about.insert(Name::new("attempt"), Value::Int(i64::from(self.attempts)));
        about.insert(Name::new("keys"), Value::Record(keys));
        about
    }

    /// Returns what an expression sees; `payload` in the place of its own where it is given.
    pub fn scope<'s>(
        &'s self,
        payload: Option<&'s Value<'static>>,
        config: &'s Value<'static>,
    ) -> sluice_compiler::expr::Scope<'s> {
        sluice_compiler::expr::Scope {
            payload: Some(payload.unwrap_or_else(|| self.payload())),
            params: self.params.as_ref(),
            meta: self.meta.as_ref(),
            steps: Some(&self.results),
            config: Some(config),
            run: self.about.as_ref(),
            fault: self.fault.as_ref(),
            variables: &self.variables,
        }
    }
}

/// Which names beside the payload an expression uses and that cost something to make.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Needs {
    pub params: bool,
    pub meta: bool,
    pub run: bool,
}

/// A text value of shared text.
pub(crate) fn text(text: &str) -> Value<'static> {
    Value::Text(Text::from(text))
}

/// Returns what `$fault` gives.
pub(crate) fn fault_value(fault: &Fault) -> Value<'static> {
    let mut record = Record::default();
    record.insert(Name::new("code"), text(&fault.code().0));
    record.insert(Name::new("message"), text(fault.public()));
    if let Some(status) = fault.status() {
        record.insert(Name::new("status"), Value::Int(i64::from(status)));
    }
    if let Some(body) = fault.body() {
        record.insert(Name::new("body"), body.clone());
    }
    Value::Record(record)
}
