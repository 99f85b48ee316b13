//! A flow that runs: what all its runs share, and how a delivery is carried out.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use sluice_compiler::release::{Block, Flow, RecordPolicy, StepKind, StepPlan};
use sluice_model::batch::Message;
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::ids::{ConnectionName, EnvironmentName, FlowName, ReleaseId, StepId};
use sluice_model::time::Timestamp;
use sluice_model::value::{Name, Value};
use sluice_sdk::connection::{Reply, ReplyTo};
use sluice_sdk::cx::{Cx, Level};
use sluice_store::run::{BusinessKey, KEYS_MAX};
use sluice_store::store::Store;
use tokio::sync::Notify;

use crate::connection::Shared;
use crate::dedupe::Keys;
use crate::engine::Inner;
use crate::execute::Execution;
use crate::lanes::{Lanes, Ticket};
use crate::run::{Caller, Run, State};
use crate::settle::{self, Settling};
use crate::sink::SinkTask;
use crate::view::World;

/// How many messages with different keys of one delivery run beside each other.
const KEYS_AT_ONCE: usize = 256;

/// What all runs of a flow share.
pub(crate) struct FlowRuntime {
    pub flow: Arc<Flow>,
    /// `$config`.
    pub config: Arc<Value<'static>>,
    pub release: ReleaseId,
    pub environment: EnvironmentName,
    pub cx: Cx,
    pub store: Arc<dyn Store>,
    pub engine: Weak<Inner>,
    /// The keys of `dedupe` that are under way.
    pub dedupe: Arc<Keys>,
    /// A delivery was not settled: nothing behind it may be, until the source begins again at its
    /// stored positions.
    broken: AtomicBool,
    /// Wakes the reader when that happens.
    broke: Notify,
    /// A delivery was given back since the source was opened.
    pub given_back: AtomicBool,
    connections: Arc<BTreeMap<ConnectionName, Arc<Shared>>>,
    unknown: Arc<Shared>,
    /// The number of each step, by where its plan lies.
    numbers: HashMap<usize, u32>,
    steps: Vec<StepInfo>,
    sinks: HashMap<usize, SinkTask>,
    calls: Vec<FlowName>,
    lanes: Mutex<Lanes>,
}

/// What is said of a step in records.
pub(crate) struct StepInfo {
    pub id: StepId,
    pub verb: &'static str,
    pub result: Option<Name>,
    /// It does something outside.
    has_effect: bool,
}

/// When a delivery begins.
#[derive(Clone, Copy)]
pub(crate) struct Begun {
    now: Timestamp,
    monotonic: Duration,
}

impl Begun {
    pub fn now(cx: &Cx) -> Self {
        Self {
            now: cx.now(),
            monotonic: cx.monotonic(),
        }
    }
}

impl FlowRuntime {
    pub fn new(flow: Arc<Flow>, inner: &Arc<Inner>) -> Self {
        let mut runtime = Self {
            config: Arc::clone(&inner.config),
            release: inner.release.manifest.id.clone(),
            environment: inner.release.environment.clone(),
            cx: inner.cx.clone(),
            store: Arc::clone(&inner.store),
            engine: Arc::downgrade(inner),
            dedupe: Arc::new(Keys::new(flow.name.clone(), Arc::clone(&inner.store))),
            broken: AtomicBool::new(false),
            broke: Notify::new(),
            given_back: AtomicBool::new(false),
            connections: Arc::clone(&inner.connections),
            unknown: Arc::new(Shared::new(None, None, None)),
            numbers: HashMap::new(),
            steps: Vec::new(),
            sinks: HashMap::new(),
            calls: Vec::new(),
            lanes: Mutex::default(),
            flow: Arc::clone(&flow),
        };
        for block in std::iter::once(&flow.steps).chain(&flow.on_failure) {
            runtime.add(block, inner);
        }
        runtime
    }

    /// Numbers the steps of a block, however deep, and starts a task for each `write`.
    fn add(&mut self, block: &Block, inner: &Arc<Inner>) {
        for step in &block.steps {
            self.numbers.insert(address(step), self.steps.len() as u32);
            self.steps.push(StepInfo {
                id: step.id.clone(),
                verb: step.verb,
                result: step.result,
                has_effect: step.kind.has_effect(),
            });
            match &step.kind {
                StepKind::Write(plan) => {
                    let shared = inner.shared_of(&plan.connection);
                    let task = SinkTask::start(plan, shared, &inner.cx);
                    self.sinks.insert(address(step), task);
                }
                StepKind::Choose(branches) => {
                    branches
                        .iter()
                        .for_each(|branch| self.add(&branch.steps, inner));
                }
                StepKind::Split { steps, .. } => self.add(steps, inner),
                StepKind::Try { steps, catch } => {
                    self.add(steps, inner);
                    catch.iter().for_each(|catch| self.add(&catch.steps, inner));
                }
                StepKind::Run { flow, .. } => self.calls.push(flow.clone()),
                StepKind::Leaf(_)
                | StepKind::Let(_)
                | StepKind::Map(_)
                | StepKind::Call(_)
                | StepKind::Reply { .. }
                | StepKind::Dedupe { .. } => {}
            }
        }
    }

    /// Says that a delivery was not settled: the source has to begin again.
    pub fn set_broken(&self) {
        self.broken.store(true, Ordering::Release);
        self.broke.notify_one();
    }

    /// The source begins again.
    pub fn mend(&self) {
        self.broken.store(false, Ordering::Release);
    }

    /// Returns whether a delivery was not settled since the source has begun.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Waits until a delivery is not settled; may return once too often.
    pub async fn breaks(&self) {
        self.broke.notified().await;
    }

    /// Returns the engine, unless it is gone.
    pub fn engine(&self) -> Option<Arc<Inner>> {
        self.engine.upgrade()
    }

    /// Returns what evaluations share.
    pub fn world(&self) -> World<'_> {
        World {
            flow: &self.flow,
            config: &self.config,
            cx: &self.cx,
        }
    }

    /// Returns what all flows share of a connection.
    pub fn shared_of(&self, name: &ConnectionName) -> Arc<Shared> {
        Arc::clone(self.connections.get(name).unwrap_or(&self.unknown))
    }

    /// Returns the task of a `write` step's sink.
    pub fn sink_of(&self, step: &StepPlan) -> &SinkTask {
        &self.sinks[&address(step)]
    }

    /// Returns the number of a step of this flow.
    pub fn number_of(&self, step: &StepPlan) -> u32 {
        self.numbers[&address(step)]
    }

    /// Returns the number of the step with an id.
    pub fn number_by_id(&self, id: &StepId) -> Option<u32> {
        let place = self.steps.iter().position(|step| step.id == *id)?;
        u32::try_from(place).ok()
    }

    /// Returns what is said of the step with a number.
    pub fn step(&self, number: u32) -> &StepInfo {
        &self.steps[number as usize]
    }

    /// Returns whether the step with a number does something outside.
    pub fn has_effect(&self, number: u32) -> bool {
        self.step(number).has_effect
    }

    /// Finishes what sinks have gathered for a group: those of this flow, and of all that it runs.
    pub async fn finish_group(self: &Arc<Self>, group: &Arc<str>) -> Result<(), Fault> {
        for flow in self.reached() {
            for sink in flow.sinks.values() {
                sink.finish(Arc::clone(group)).await?;
            }
        }
        Ok(())
    }

    /// Closes all sinks.
    pub async fn close_sinks(&self) {
        for sink in self.sinks.values() {
            if let Err(fault) = sink.close().await {
                let flow = &self.flow.name;
                self.cx.log(
                    Level::Error,
                    "a sink could not be closed",
                    &[("flow", flow), ("fault", &fault.private())],
                );
            }
        }
    }

    /// Closes all sinks of this flow, and of all that it runs.
    pub async fn close_reached(self: &Arc<Self>) {
        for flow in self.reached() {
            flow.close_sinks().await;
        }
    }

    /// Returns this flow and all that it runs, however deep.
    fn reached(self: &Arc<Self>) -> Vec<Arc<Self>> {
        let mut reached = vec![Arc::clone(self)];
        let mut next = 0;
        while let Some(flow) = reached.get(next).cloned() {
            next += 1;
            for name in &flow.calls {
                let is_new = reached.iter().all(|own| own.flow.name != *name);
                let found = self.engine().and_then(|engine| engine.flow(name));
                reached.extend(found.filter(|_| is_new));
            }
        }
        reached
    }

    /// Returns a new run of a message, with its business keys.
    pub fn new_run(&self, message: Message, begun: Begun) -> Run {
        let id = self.store.run_ids().next(begun.now);
        let mut run = Run::new(id, message, begun.monotonic);
        run.recorded = match self.flow.record {
            RecordPolicy::All => true,
            RecordPolicy::Sample(share) => {
                ((self.cx.random() >> 11) as f64 / (1u64 << 53) as f64) < share
            }
            RecordPolicy::Failures | RecordPolicy::None => false,
        };
        if run.is_active() && !self.flow.keys.is_empty() {
            run.keys = self.keys_of(&mut run);
        }
        run
    }

    fn keys_of(&self, run: &mut Run) -> Vec<BusinessKey> {
        let world = self.world();
        let mut keys = Vec::with_capacity(self.flow.keys.len());
        for (name, expr) in self.flow.keys.iter().take(KEYS_MAX) {
            // A key that cannot be had leaves the run without it: a step will say why.
            if let Ok(Some(value)) = world.key(run, *expr) {
                keys.push(BusinessKey {
                    name: Arc::clone(name),
                    value: value.into(),
                });
            }
        }
        keys
    }

    /// Returns the places of runs in the lanes of their keys, in the order in which they came.
    pub fn tickets(&self, runs: &mut [Run]) -> Vec<Ticket> {
        let Some(expr) = self.flow.ordered_by else {
            return Vec::new();
        };
        let world = self.world();
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        runs.iter_mut()
            .map(|run| match world.key(run, expr) {
                Ok(Some(key)) => lanes.ticket(key),
                Ok(None) | Err(_) => Ticket::free(),
            })
            .collect()
    }
}

fn address(step: &StepPlan) -> usize {
    std::ptr::from_ref(step) as usize
}

/// Takes the runs of a delivery through their flow; their callers are answered.
pub(crate) async fn carry_out(
    runtime: &Arc<FlowRuntime>,
    mut runs: Vec<Run>,
    tickets: Vec<Ticket>,
) -> Settling {
    let execution = Execution::new(Arc::clone(runtime), 0);
    match runtime.flow.ordered_by {
        None => execution.finish(&mut runs).await,
        Some(_) => in_lanes(&execution, &mut runs, tickets).await,
    }
    runs.iter_mut().for_each(answer);
    settle::commit_of(&execution, runs)
}

async fn in_lanes(execution: &Execution, runs: &mut [Run], tickets: Vec<Ticket>) {
    let all: Vec<_> = runs
        .iter_mut()
        .zip(tickets)
        .map(|(run, mut ticket)| async move {
            ticket.wait().await;
            execution.finish(std::slice::from_mut(run)).await;
        })
        .collect();
    stream::iter(all)
        .buffered(KEYS_AT_ONCE)
        .for_each(|()| std::future::ready(()))
        .await;
}

/// Answers a caller that still waits: at once, or once the keys of the message are settled.
fn answer(run: &mut Run) {
    let (to, reply) = match std::mem::replace(&mut run.caller, Caller::Answered) {
        Caller::Waiting(to) => (to, reply_of(run)),
        other => {
            run.caller = other;
            return;
        }
    };
    match run.reserved.is_empty() {
        true => ReplyTo::send(to, reply),
        false => run.caller = Caller::Told(Box::new((to, reply))),
    }
}

fn reply_of(run: &Run) -> Reply {
    match &run.state {
        State::Failed(fault, _) => Reply::Fault(fault.clone()),
        State::Duplicate | State::Waits(_) => Reply::Fault(duplicate()),
        State::Active | State::Stopped | State::Filtered => Reply::Answer(Default::default()),
    }
}

fn duplicate() -> Fault {
    let text = "a message with the same key was taken before";
    Fault::new(FaultCode::CONFLICT, Retry::Never, Blame::Caller, text).with_status(409)
}
