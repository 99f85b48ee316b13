//! One message's way through one flow, while it is under way.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sluice_compiler::expr::Uses;
use sluice_compiler::release::Flow;
use sluice_model::batch::{Message, Origin, Payload};
use sluice_model::fault::Fault;
use sluice_model::ids::{EffectKey, RunId, StepId};
use sluice_model::value::{Key, Name, Record, Text, Value};
use sluice_sdk::connection::{Answer, Reply, ReplyTo};
use sluice_store::run::{BusinessKey, StepStatus};

use crate::dedupe::{Held, Waits};

/// What becomes of a run.
#[derive(Debug)]
pub(crate) enum State {
    /// It goes on.
    Active,
    /// It ended as delivered, by `stop`.
    Stopped,
    /// It ended as filtered.
    Filtered,
    /// It ended as a duplicate.
    Duplicate,
    /// Another run has reserved its key: it goes on once that one has ended.
    Waits(Waits),
    /// It failed, at this step.
    Failed(Fault, Option<StepId>),
}

/// Who waits for an answer, and whether one was given.
pub(crate) enum Caller {
    /// Nobody waits.
    Nobody,
    /// Somebody waits outside.
    Waiting(ReplyTo),
    /// Somebody waits outside for an answer that is known, and told once it is settled.
    Told(Box<(ReplyTo, Reply)>),
    /// Another run waits; its answer is kept here.
    Run(Option<Box<Answer>>),
    /// The answer was given.
    Answered,
}

/// One message's way through one flow.
pub(crate) struct Run {
    pub id: RunId,
    pub parent: Option<RunId>,
    /// The message as it came; it is never changed.
    pub message: Message,
    pub state: State,
    pub caller: Caller,
    /// A caller waited for an answer when the message failed: that is where the failure goes.
    pub fails_to_caller: bool,
    pub keys: Vec<BusinessKey>,
    /// The keys that `dedupe` has reserved.
    pub reserved: Vec<Held>,
    /// Since the engine's start.
    pub started: Duration,
    pub trace: Vec<Trace>,
    /// Whether payloads are kept for each step.
    pub recorded: bool,
    pub attempts: u32,
    pub retries: u64,
    /// The group of its source, for sinks that gather.
    pub group: Option<Arc<str>>,
    /// `$fault`, in handlers.
    pub fault: Option<Value<'static>>,
    /// The payload, once a step has changed it.
    changed: Option<Value<'static>>,
    /// The step of the trace that made `changed`.
    changed_at: u32,
    /// A sink has it.
    is_lent: bool,
    /// Earlier payloads and the steps of the trace that made them: moved here, not copied, so that
    /// a failure can show them.
    pub history: Vec<(u32, Value<'static>)>,
    /// `$steps`; items of a `split` share it until one changes it.
    results: Option<Arc<Value<'static>>>,
    /// What `let` has bound, by slot; shared as `results` is.
    variables: Option<Arc<Vec<Option<Value<'static>>>>>,
    about: Option<Box<About>>,
}

/// `$meta`, `$params` and `$run`, once they are made.
#[derive(Clone, Default)]
struct About {
    meta: Option<Value<'static>>,
    params: Option<Value<'static>>,
    run: Option<Value<'static>>,
}

/// What one step did to one run. Small: every step adds one to every run.
#[derive(Debug)]
pub(crate) struct Trace {
    /// The number of the step within its flow.
    pub step: u32,
    /// When and how long, in the execution's list.
    pub span: u32,
    pub attempts: u32,
    pub status: StepStatus,
    pub more: Option<Box<More>>,
}

/// What few steps have.
#[derive(Debug, Default)]
pub(crate) struct More {
    pub effect: Option<EffectKey>,
    pub output: Option<Value<'static>>,
    pub fault: Option<Fault>,
}

/// The payload of a run at some step, to go back to.
pub(crate) struct Mark {
    before: usize,
    had_changed: bool,
}

static NULL: Value<'static> = Value::Null;
static NO_RESULTS: LazyLock<Value<'static>> = LazyLock::new(|| Value::Record(Record::default()));

/// The most entries that a run's trace takes over from the items of its `split`s.
pub(crate) const TRACE_MAX: usize = 1000;

impl Run {
    /// Returns the run of a message at the flow's beginning.
    pub fn new(id: RunId, message: Message, started: Duration) -> Self {
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
            state,
            caller: Caller::Nobody,
            fails_to_caller: false,
            keys: Vec::new(),
            reserved: Vec::new(),
            started,
            trace: Vec::new(),
            recorded: false,
            attempts: 1,
            retries: 0,
            group,
            fault: None,
            changed: None,
            changed_at: 0,
            is_lent: false,
            history: Vec::new(),
            results: None,
            variables: None,
            about: None,
        }
    }

    /// Returns a run for an item of this one's payload: it sees the same names, and its outcome is
    /// its parent's.
    pub fn child(&self, item: Value<'static>) -> Self {
        let message = Message {
            payload: Payload::Value(item),
            origin: self.message.origin.clone(),
            params: self.message.params.clone(),
            headers: self.message.headers.clone(),
            received: self.message.received,
        };
        Self {
            parent: self.parent,
            keys: self.keys.clone(),
            recorded: self.recorded,
            attempts: self.attempts,
            group: self.group.clone(),
            fault: self.fault.clone(),
            results: self.results.clone(),
            variables: self.variables.clone(),
            about: self.about.clone(),
            ..Self::new(self.id, message, self.started)
        }
    }

    /// Takes over what became of an item.
    pub fn join(&mut self, child: Run) {
        self.reserved.extend(child.reserved);
        self.retries += child.retries;
        self.attempts = self.attempts.max(child.attempts);
        let failed = matches!(child.state, State::Failed(..));
        let room = TRACE_MAX.saturating_sub(self.trace.len());
        if child.trace.len() <= room || (failed && self.is_active()) {
            let offset = self.trace.len() as u32;
            self.trace.extend(child.trace);
            let last = child.changed.map(|value| (child.changed_at, value));
            let outputs = child.history.into_iter().chain(last);
            self.history
                .extend(outputs.map(|(at, value)| (at + offset, value)));
        }
        if let (State::Failed(fault, at), true) = (child.state, self.is_active()) {
            self.state = State::Failed(fault, at);
        }
    }

    /// Begins anew with the message as it came.
    pub fn restart(&mut self) {
        self.state = State::Active;
        self.changed = None;
        self.history.clear();
        self.trace.clear();
        self.results = None;
        self.variables = None;
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

    /// Replaces the payload. The trace gets the entry of the step that does it afterwards.
    pub fn change(&mut self, payload: Value<'static>) {
        let at = self.trace.len() as u32;
        let before = std::mem::replace(&mut self.changed_at, at);
        if let Some(old) = self.changed.replace(payload) {
            self.history.push((before, old));
        }
    }

    /// Lends the payload to a sink; [`Run::take_back`] takes it again. The message as it came is
    /// copied, never lent: whatever happens, it is there.
    pub fn lend(&mut self) -> Value<'static> {
        match self.changed.take() {
            Some(payload) => {
                self.is_lent = true;
                payload
            }
            None => self.payload().clone(),
        }
    }

    /// Takes back what was lent.
    pub fn take_back(&mut self, payload: Value<'static>) {
        if std::mem::take(&mut self.is_lent) {
            self.changed = Some(payload);
        }
    }

    /// Goes back to the message as it came.
    pub fn unchange(&mut self) {
        if let Some(old) = self.changed.take() {
            self.history.push((self.changed_at, old));
        }
    }

    /// Returns the payload that a step of the trace made, if it is the last one.
    pub fn last_change(&self) -> Option<(u32, &Value<'static>)> {
        Some((self.changed_at, self.changed.as_ref()?))
    }

    /// Marks the payload, to go back to it.
    pub fn mark(&self) -> Mark {
        Mark {
            before: self.history.len(),
            had_changed: self.changed.is_some(),
        }
    }

    /// Goes back to a mark. A copy is only made here, where a step has failed.
    pub fn go_back(&mut self, mark: &Mark) {
        if !mark.had_changed {
            self.unchange();
        } else if let Some((at, value)) = self.history.get(mark.before) {
            let (at, value) = (*at, value.clone());
            self.unchange();
            self.changed_at = at;
            self.changed = Some(value);
        }
    }

    /// Ends the run with a fault.
    pub fn fail(&mut self, fault: Fault, step: &StepId) {
        self.state = State::Failed(fault, Some(step.clone()));
    }

    /// Binds the result of a step.
    pub fn set_result(&mut self, name: Option<Name>, value: Option<Value<'static>>) {
        let Some(name) = name else { return };
        let results = self
            .results
            .get_or_insert_with(|| Arc::new(NO_RESULTS.clone()));
        if let Value::Record(results) = Arc::make_mut(results) {
            match value {
                Some(value) => results.insert(name, value),
                None => {
                    results.remove(name.as_str());
                }
            }
        }
    }

    /// Returns the result of a step.
    pub fn result(&self, name: Name) -> Option<&Value<'static>> {
        match self.results.as_deref() {
            Some(Value::Record(results)) => results.get_str(name.as_str()),
            _ => None,
        }
    }

    /// Binds a variable of a flow that has `count` of them.
    pub fn bind(&mut self, slot: u16, value: Option<Value<'static>>, count: u16) {
        let empty = || Arc::new(vec![None; usize::from(count)]);
        let variables = Arc::make_mut(self.variables.get_or_insert_with(empty));
        if let Some(variable) = variables.get_mut(usize::from(slot)) {
            *variable = value;
        }
    }

    /// Gives the answer to whoever waits; the second one is dropped. A message that holds a key
    /// answers once that is settled: an answer must not be forgotten with the key.
    pub fn answer(&mut self, answer: Answer) {
        match std::mem::replace(&mut self.caller, Caller::Answered) {
            Caller::Waiting(reply) if self.reserved.is_empty() => {
                reply.send(Reply::Answer(answer));
            }
            Caller::Waiting(reply) => {
                self.caller = Caller::Told(Box::new((reply, Reply::Answer(answer))));
            }
            Caller::Run(None) => self.caller = Caller::Run(Some(Box::new(answer))),
            other => self.caller = other,
        }
    }

    /// Makes `$params`, `$meta` and `$run` ready, as far as an expression needs them.
    pub fn prepare(&mut self, uses: Uses, flow: &Flow) {
        if !(uses.params || uses.meta || uses.run) {
            return;
        }
        let mut about = self.about.take().unwrap_or_default();
        if uses.params && about.params.is_none() {
            let record = self.message.params.as_deref().cloned().unwrap_or_default();
            about.params = Some(Value::Record(record));
        }
        if uses.meta && about.meta.is_none() {
            about.meta = Some(Value::Record(self.make_meta()));
        }
        if uses.run && about.run.is_none() {
            about.run = Some(Value::Record(self.make_run(flow)));
        }
        self.about = Some(about);
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

    fn make_run(&self, flow: &Flow) -> Record<'static> {
        let keys: Record<'static> = self
            .keys
            .iter()
            .map(|key| (Key::Text(Text::from(&*key.name)), text(&key.value)))
            .collect();
        let mut about = Record::default();
        about.insert(Name::new("id"), Value::text(self.id.to_string()));
        about.insert(Name::new("flow"), text(flow.name.as_str()));
        about.insert(
            Name::new("started"),
            Value::text(self.message.received.rfc3339()),
        );
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
        let about = self.about.as_deref();
        sluice_compiler::expr::Scope {
            payload: Some(payload.unwrap_or_else(|| self.payload())),
            params: about.and_then(|about| about.params.as_ref()),
            meta: about.and_then(|about| about.meta.as_ref()),
            steps: Some(self.results.as_deref().unwrap_or(&NO_RESULTS)),
            config: Some(config),
            run: about.and_then(|about| about.run.as_ref()),
            fault: self.fault.as_ref(),
            variables: self.variables.as_deref().map_or(&[], Vec::as_slice),
        }
    }
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
