//! A flow that runs: its source is read, its deliveries are processed beside each other, and
//! settled.

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use sluice_compiler::release::{Block, Flow, RecordPolicy, StepKind, StepPlan};
use sluice_model::batch::{Message, Receipt};
use sluice_model::fault::{Fault, Retry};
use sluice_model::ids::{ConnectionName, EnvironmentName, ReleaseId};
use sluice_model::value::Value;
use sluice_sdk::connection::{Delivery, DynSource, PositionMark, Positions, Reply, ReplyTo};
use sluice_sdk::cx::{BoxFuture, Cx, Level, Task, panic_fault};
use sluice_store::commit::{Commit, Durability, PositionUpdate};
use sluice_store::run::BusinessKey;
use sluice_store::store::Store;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::connection::Shared;
use crate::engine::Inner;
use crate::execute::Execution;
use crate::lanes::{Lanes, Ticket};
use crate::run::{Caller, Run, State, fault_value};
use crate::settle::{self, Failed};
use crate::sink::SinkTask;

/// How many deliveries are settled by one commit at most.
const SETTLED_TOGETHER: usize = 64;
/// The longest wait before a source that failed is opened again.
const REOPEN_MAX: Duration = Duration::from_secs(30);
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
    connections: Arc<BTreeMap<ConnectionName, Arc<Shared>>>,
    sinks: HashMap<usize, SinkTask>,
    unknown: Arc<Shared>,
    lanes: Mutex<Lanes>,
    /// A delivery was not settled: nothing behind it may be, until the source begins again at its
    /// stored positions.
    broken: AtomicBool,
}

impl FlowRuntime {
    pub fn new(flow: Arc<Flow>, inner: &Arc<Inner>) -> Self {
        let mut sinks = HashMap::new();
        let blocks = std::iter::once(&flow.steps).chain(&flow.on_failure);
        for block in blocks {
            start_sinks(block, inner, &mut sinks);
        }
        Self {
            config: Arc::clone(&inner.config),
            release: inner.release.manifest.id.clone(),
            environment: inner.release.environment.clone(),
            cx: inner.cx.clone(),
            store: Arc::clone(&inner.store),
            engine: Arc::downgrade(inner),
            connections: Arc::clone(&inner.connections),
            sinks,
            unknown: Arc::new(Shared::new(None, None, None)),
            lanes: Mutex::default(),
            broken: AtomicBool::new(false),
            flow,
        }
    }

    /// Returns the engine, unless it is gone.
    pub fn engine(&self) -> Option<Arc<Inner>> {
        self.engine.upgrade()
    }

    /// Returns what all flows share of a connection.
    pub fn shared_of(&self, name: &ConnectionName) -> Arc<Shared> {
        Arc::clone(self.connections.get(name).unwrap_or(&self.unknown))
    }

    /// Returns the task of a `write` step's sink.
    pub fn sink_of(&self, step: &StepPlan) -> &SinkTask {
        &self.sinks[&address(step)]
    }

    /// Finishes what sinks have gathered for a group.
    pub async fn finish_group(&self, group: &Arc<str>) -> Result<(), Fault> {
        for sink in self.sinks.values() {
            sink.finish(Arc::clone(group)).await?;
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

    /// Returns a new run of a message, with its business keys.
    pub fn new_run(&self, message: Message) -> Run {
        let id = self.store.run_ids().next(self.cx.now());
        let mut run = Run::new(id, message, &self.flow, self.cx.monotonic());
        run.recorded = match self.flow.record {
            RecordPolicy::All => true,
            RecordPolicy::Sample(share) => {
                ((self.cx.random() >> 11) as f64 / (1u64 << 53) as f64) < share
            }
            RecordPolicy::Failures | RecordPolicy::None => false,
        };
        if run.is_active() {
            let world = crate::view::World {
                flow: &self.flow,
                config: &self.config,
                cx: &self.cx,
            };
            let mut keys = Vec::with_capacity(self.flow.keys.len());
            for (name, expr) in &self.flow.keys {
                // A key that cannot be had leaves the run without it: a step will say why.
                if let Ok(Some(value)) = world.key(&mut run, *expr) {
                    keys.push(BusinessKey {
                        name: Arc::clone(name),
                        value: value.into(),
                    });
                }
            }
            run.keys = keys;
        }
        run
    }

    /// Returns the places of runs in the lanes of their keys.
    fn tickets(&self, runs: &mut [Run]) -> Vec<Ticket> {
        let Some(expr) = self.flow.ordered_by else {
            return runs.iter().map(|_| Ticket::free()).collect();
        };
        let world = crate::view::World {
            flow: &self.flow,
            config: &self.config,
            cx: &self.cx,
        };
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

/// Starts a task for each `write` step, however deep.
fn start_sinks(block: &Block, inner: &Arc<Inner>, sinks: &mut HashMap<usize, SinkTask>) {
    for step in &block.steps {
        match &step.kind {
            StepKind::Write(plan) => {
                let shared = inner.shared_of(&plan.connection);
                sinks.insert(address(step), SinkTask::start(plan, shared, &inner.cx));
            }
            StepKind::Choose(branches) => {
                branches
                    .iter()
                    .for_each(|branch| start_sinks(&branch.steps, inner, sinks));
            }
            StepKind::Split { steps, .. } => start_sinks(steps, inner, sinks),
            StepKind::Try { steps, catch } => {
                start_sinks(steps, inner, sinks);
                catch
                    .iter()
                    .for_each(|catch| start_sinks(&catch.steps, inner, sinks));
            }
            StepKind::Leaf(_)
            | StepKind::Let(_)
            | StepKind::Map(_)
            | StepKind::Call(_)
            | StepKind::Reply { .. }
            | StepKind::Dedupe { .. }
            | StepKind::Run { .. } => {}
        }
    }
}

impl Execution {
    /// Takes runs through the whole flow, `on_failure` included; they come back in their order.
    pub async fn finish(&self, runs: Vec<Run>) -> Vec<Run> {
        let mut runs = self.block(&self.flow.flow.steps, runs).await;
        self.finish_twins(&mut runs).await;
        self.handle_failures(runs).await
    }

    /// A run that waits for another one with its key is a duplicate if that one did it, and takes
    /// its key over and begins if that one failed.
    async fn finish_twins(&self, runs: &mut Vec<Run>) {
        for place in 0..runs.len() {
            let State::Twin(key) = &runs[place].state else {
                continue;
            };
            let key = key.clone();
            let holder = runs
                .iter()
                .position(|run| run.reserved.iter().any(|(own, _)| *own == key));
            let failed = holder.filter(|holder| matches!(runs[*holder].state, State::Failed(..)));
            let Some(holder) = failed else {
                runs[place].state = State::Duplicate;
                continue;
            };
            let at = runs[holder]
                .reserved
                .iter()
                .position(|(own, _)| *own == key);
            let taken = at.map(|at| runs[holder].reserved.remove(at));
            runs[place].reserved.extend(taken);
            runs[place].state = State::Active;
            runs[place].changed = None;
            let run = runs.remove(place);
            let mut done = self.block(&self.flow.flow.steps, vec![run]).await;
            if let Some(run) = done.pop() {
                runs.insert(place, run);
            }
        }
    }

    async fn handle_failures(&self, runs: Vec<Run>) -> Vec<Run> {
        let Some(on_failure) = &self.flow.flow.on_failure else {
            return runs;
        };
        let mut slots: Vec<Option<Run>> = Vec::with_capacity(runs.len());
        let mut failed = Vec::new();
        let mut places = Vec::new();
        for mut run in runs {
            match &run.state {
                State::Failed(fault, at) => {
                    let kept = (fault.clone(), at.clone());
                    run.fault = Some(fault_value(fault));
                    run.state = State::Active;
                    run.changed = None;
                    places.push((slots.len(), kept));
                    slots.push(None);
                    failed.push(run);
                }
                _ => slots.push(Some(run)),
            }
        }
        let done = self.block(on_failure, failed).await;
        for ((place, (fault, at)), mut run) in places.into_iter().zip(done) {
            let fault = match &run.state {
                State::Failed(own, _) => {
                    fault.with_context("on_failure failed too", own.to_string())
                }
                _ => fault,
            };
            run.state = State::Failed(fault, at);
            slots[place] = Some(run);
        }
        slots.into_iter().flatten().collect()
    }
}

/// What a delivery left behind, on its way to be settled.
struct Finished {
    sequence: u64,
    /// What is stored, and whether it has to be on disk; the fault of a defect otherwise.
    result: Result<settle::Settling, Fault>,
    position: Option<PositionMark>,
    group_end: Option<Arc<str>>,
    receipt: Receipt,
    /// Held until the delivery is settled: bounds how much is under way.
    permit: OwnedSemaphorePermit,
}

impl Finished {
    /// Returns whether it has to be settled in its turn.
    fn is_ordered(&self) -> bool {
        self.position.is_some() || self.group_end.is_some()
    }
}

/// Reads a flow's source until it ends or the reading is cancelled; returns when everything that
/// was read is settled.
pub(crate) async fn run(
    runtime: Arc<FlowRuntime>,
    mut source: Box<dyn DynSource>,
    reading: Cx,
    in_flight: u32,
) {
    let permits = Arc::new(Semaphore::new(in_flight as usize));
    let (finished, settling) = mpsc::channel(in_flight.max(1) as usize);
    let settler = runtime.cx.spawn(settle_all(Arc::clone(&runtime), settling));
    let mut reader = Reader {
        runtime: Arc::clone(&runtime),
        reading,
        permits,
        in_flight,
        finished,
        tasks: Vec::new(),
        sequence: 0,
        failures: 0,
        is_open: false,
    };
    while !reader.reading.is_cancelled() {
        if !reader.step(&mut *source).await {
            break;
        }
    }
    let Reader {
        tasks,
        finished,
        reading,
        ..
    } = reader;
    for task in tasks {
        let _ = task.join().await;
    }
    drop(finished);
    let _ = settler.join().await;
    source.close(&reading).await;
    runtime.close_sinks().await;
}

/// The reading side of a flow.
struct Reader {
    runtime: Arc<FlowRuntime>,
    reading: Cx,
    permits: Arc<Semaphore>,
    in_flight: u32,
    finished: mpsc::Sender<Finished>,
    tasks: Vec<Task>,
    sequence: u64,
    failures: u32,
    is_open: bool,
}

impl Reader {
    /// Reads one delivery and starts on it; `false` if nothing will follow.
    async fn step(&mut self, source: &mut dyn DynSource) -> bool {
        if self.runtime.broken.load(Ordering::Acquire) {
            // With all permits at hand nothing is under way: the source can begin again.
            let permits = Arc::clone(&self.permits);
            let all = permits.acquire_many(self.in_flight);
            let Some(Ok(_all)) = self.reading.or_cancelled(all).await else {
                return false;
            };
            source.close(&self.reading).await;
            self.is_open = false;
            self.runtime.broken.store(false, Ordering::Release);
            let fault = Fault::internal("a delivery was not settled");
            self.failed(&fault).await;
        }
        if !self.is_open {
            let positions = Arc::new(StoredPositions(Arc::clone(&self.runtime)));
            match source.open(positions, &self.reading).await {
                Ok(()) => self.is_open = true,
                Err(fault) => {
                    self.failed(&fault).await;
                    return true;
                }
            }
        }
        let permit = Arc::clone(&self.permits).acquire_owned();
        let Some(Ok(permit)) = self.reading.or_cancelled(permit).await else {
            return false;
        };
        match self.reading.or_cancelled(source.next(&self.reading)).await {
            None | Some(Ok(None)) => return false,
            Some(Ok(Some(delivery))) => self.start(delivery, permit),
            Some(Err(fault)) => {
                self.is_open = fault.retry() != Retry::Reconnect;
                drop(permit);
                self.failed(&fault).await;
            }
        }
        true
    }

    fn start(&mut self, delivery: Delivery, permit: OwnedSemaphorePermit) {
        self.failures = 0;
        if 2 * self.in_flight as usize <= self.tasks.len() {
            self.tasks.retain(|task| !task.is_finished());
        }
        let runtime = Arc::clone(&self.runtime);
        let task = process(
            runtime,
            delivery,
            self.sequence,
            permit,
            self.finished.clone(),
        );
        self.tasks.push(self.runtime.cx.spawn(task));
        self.sequence += 1;
    }

    /// Tells of a source that failed, and waits before it is asked again.
    async fn failed(&mut self, fault: &Fault) {
        self.failures += 1;
        wait_after(&self.runtime, &self.reading, fault, self.failures).await;
    }
}

/// Tells of a source that failed, and waits before it is asked again.
async fn wait_after(runtime: &FlowRuntime, reading: &Cx, fault: &Fault, failures: u32) {
    let flow = &runtime.flow.name;
    reading.log(
        Level::Warn,
        "a source failed and is tried again",
        &[
            ("flow", flow),
            ("failures", &failures),
            ("fault", &fault.private()),
        ],
    );
    let ceiling = Duration::from_millis(200)
        .saturating_mul(1 << failures.min(10))
        .min(REOPEN_MAX);
    let floor = match fault.retry() {
        Retry::After(wait) => wait.min(REOPEN_MAX),
        Retry::Never | Retry::Soon | Retry::Reconnect => Duration::from_millis(50),
    };
    let wait = floor.max(reading.jitter(ceiling));
    let _ = reading.or_cancelled(reading.sleep(wait)).await;
}

/// Takes a delivery through the flow, and hands what it left behind to be settled.
fn process(
    runtime: Arc<FlowRuntime>,
    delivery: Delivery,
    sequence: u64,
    permit: OwnedSemaphorePermit,
    finished: mpsc::Sender<Finished>,
) -> BoxFuture<'static, ()> {
    let Delivery {
        messages,
        receipt,
        position,
        reply,
        group_end,
    } = delivery;
    let mut runs: Vec<Run> = messages
        .into_iter()
        .map(|message| runtime.new_run(message))
        .collect();
    if let (Some(reply), Some(run)) = (reply, runs.first_mut()) {
        run.caller = Caller::Waiting(reply);
    }
    // Places in lanes are taken here, in the order of the deliveries, not in the task.
    let tickets = runtime.tickets(&mut runs);
    Box::pin(async move {
        let work = AssertUnwindSafe(carry_out(&runtime, runs, tickets)).catch_unwind();
        let result = work.await.map_err(|panic| panic_fault(&*panic));
        let done = Finished {
            sequence,
            result,
            position,
            group_end,
            receipt,
            permit,
        };
        // If the settler is gone, so is the flow: the receipt is dropped, which is a nack.
        let _ = finished.send(done).await;
    })
}

async fn carry_out(
    runtime: &Arc<FlowRuntime>,
    runs: Vec<Run>,
    tickets: Vec<Ticket>,
) -> settle::Settling {
    let execution = Execution::new(Arc::clone(runtime), 0);
    let runs = match runtime.flow.ordered_by {
        None => execution.finish(runs).await,
        Some(_) => in_lanes(&execution, runs, tickets).await,
    };
    let mut settling = answer_and_commit(runtime, runs);
    settling.commit.merge(execution.take_extra());
    settling.durable |= !settling.commit.dead_letters.is_empty();
    settling
}

async fn in_lanes(execution: &Execution, runs: Vec<Run>, tickets: Vec<Ticket>) -> Vec<Run> {
    let all = runs
        .into_iter()
        .zip(tickets)
        .map(|(run, mut ticket)| async move {
            ticket.wait().await;
            execution.finish(vec![run]).await
        });
    let done: Vec<Vec<Run>> = stream::iter(all).buffered(KEYS_AT_ONCE).collect().await;
    done.into_iter().flatten().collect()
}

/// Answers callers that still wait, and returns what the runs leave behind.
fn answer_and_commit(runtime: &FlowRuntime, mut runs: Vec<Run>) -> settle::Settling {
    let mut failed = Failed::DeadLetters;
    for run in &mut runs {
        if let Caller::Waiting(_) = &run.caller {
            failed = Failed::AnswersCaller;
            if let Caller::Waiting(reply) = std::mem::replace(&mut run.caller, Caller::Answered) {
                answer(run, reply);
            }
        }
    }
    settle::commit_of(runtime, runs, failed)
}

fn answer(run: &Run, reply: ReplyTo) {
    match &run.state {
        State::Failed(fault, _) => reply.send(Reply::Fault(fault.clone())),
        State::Duplicate | State::Twin(_) => reply.send(Reply::Fault(duplicate())),
        State::Active | State::Stopped | State::Filtered => {
            reply.send(Reply::Answer(sluice_sdk::connection::Answer::default()));
        }
    }
}

fn duplicate() -> Fault {
    use sluice_model::fault::{Blame, FaultCode};
    let text = "a message with the same key was taken before";
    Fault::new(FaultCode::CONFLICT, Retry::Never, Blame::Caller, text).with_status(409)
}

/// Settles deliveries: those with a position in the order in which they came, others as they come.
async fn settle_all(runtime: Arc<FlowRuntime>, mut finished: mpsc::Receiver<Finished>) {
    let mut order = Order::default();
    while let Some(first) = finished.recv().await {
        order.add(first);
        while order.waiting.len() < SETTLED_TOGETHER
            && let Ok(more) = finished.try_recv()
        {
            order.add(more);
        }
        let mut together = Vec::new();
        while let Some(ready) = order.next() {
            let Some(group) = ready.group_end.clone() else {
                together.push(ready);
                continue;
            };
            // All of the group was written: those before it are settled, then its sinks finish.
            settle(&runtime, std::mem::take(&mut together)).await;
            match runtime.finish_group(&group).await {
                Ok(()) => together.push(ready),
                Err(fault) => nack(&runtime, ready, fault),
            }
        }
        settle(&runtime, together).await;
    }
}

/// Deliveries that are processed and not settled, by their turn.
#[derive(Default)]
struct Order {
    /// `None`: settled before its turn, since it has no position.
    waiting: BTreeMap<u64, Option<Finished>>,
    turn: u64,
}

impl Order {
    fn add(&mut self, finished: Finished) {
        self.waiting.insert(finished.sequence, Some(finished));
    }

    /// Returns the next delivery that may be settled.
    fn next(&mut self) -> Option<Finished> {
        while let Some(own) = self.waiting.remove(&self.turn) {
            self.turn += 1;
            if own.is_some() {
                return own;
            }
        }
        let mut all = self.waiting.values_mut();
        let free = all.find(|own| own.as_ref().is_some_and(|own| !own.is_ordered()))?;
        free.take()
    }
}

/// Settles deliveries by one commit; if it fails, none of them is acknowledged.
async fn settle(runtime: &FlowRuntime, together: Vec<Finished>) {
    let mut commit = Commit::default();
    let mut durable = false;
    let mut settled = Vec::with_capacity(together.len());
    for finished in together {
        let broken = finished.is_ordered() && runtime.broken.load(Ordering::Acquire);
        let settling = match finished.result {
            Ok(settling) if !broken => settling,
            Ok(settling) => {
                let fault = Fault::internal("a delivery before it was not settled");
                let result = Ok(settling);
                nack(runtime, Finished { result, ..finished }, fault);
                continue;
            }
            Err(fault) => {
                let result = Err(fault.clone());
                nack(runtime, Finished { result, ..finished }, fault);
                continue;
            }
        };
        durable |= settling.durable || finished.position.is_some();
        commit.merge(settling.commit);
        let ordered = finished.position.is_some() || finished.group_end.is_some();
        if let Some(mark) = finished.position {
            let flow = runtime.flow.name.clone();
            commit.positions.push(PositionUpdate {
                flow,
                key: mark.key,
                value: mark.value,
            });
        }
        settled.push((finished.receipt, ordered, finished.permit));
    }
    if settled.is_empty() {
        return;
    }
    merge_counts(&mut commit);
    let durability = if durable {
        Durability::Durable
    } else {
        Durability::Soon
    };
    match runtime.store.commit(commit, durability).await {
        Ok(_) => settled.into_iter().for_each(|(receipt, ..)| receipt.ack()),
        Err(error) => {
            let fault = settle::store_fault(&error);
            let flow = &runtime.flow.name;
            runtime.cx.log(
                Level::Error,
                "deliveries could not be settled and will come again",
                &[
                    ("flow", flow),
                    ("deliveries", &settled.len()),
                    ("fault", &fault.private()),
                ],
            );
            if settled.iter().any(|(_, ordered, _)| *ordered) {
                runtime.broken.store(true, Ordering::Release);
            }
            settled
                .into_iter()
                .for_each(|(receipt, ..)| receipt.nack(fault.clone()));
        }
    }
}

/// Adds up the counts of one flow, so that they are one row.
fn merge_counts(commit: &mut Commit) {
    let mut sums: Vec<(sluice_model::ids::FlowName, sluice_store::counts::Counts)> = Vec::new();
    for (flow, counts) in commit.counts.drain(..) {
        match sums.iter_mut().find(|(own, _)| *own == flow) {
            Some((_, own)) => own.add(&counts),
            None => sums.push((flow, counts)),
        }
    }
    commit.counts = sums;
}

/// Gives a delivery back: what it reserved is free again, and nothing behind it is settled before
/// the source has begun again.
fn nack(runtime: &FlowRuntime, finished: Finished, fault: Fault) {
    let flow = &runtime.flow.name;
    runtime.cx.log(
        Level::Error,
        "a delivery could not be settled and will come again",
        &[("flow", flow), ("fault", &fault.private())],
    );
    if finished.is_ordered() {
        runtime.broken.store(true, Ordering::Release);
    }
    if let Ok(settling) = &finished.result {
        let keys: Vec<_> = settling
            .commit
            .dedupe
            .iter()
            .map(|own| own.key.clone())
            .collect();
        runtime.store.release_keys(&runtime.flow.name, &keys);
    }
    finished.receipt.nack(fault);
}

/// The positions of a flow in the store.
struct StoredPositions(Arc<FlowRuntime>);

impl Positions for StoredPositions {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Value<'static>>, Fault>> {
        Box::pin(async move {
            let position = self.0.store.position(&self.0.flow.name, key).await;
            position.map_err(|error| settle::store_fault(&error))
        })
    }
}
