//! Steps, executed over the runs of a delivery.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use sluice_compiler::release::{Block, Branch, CallPlan, Catch, StepKind, StepPlan, WritePlan};
use sluice_model::fault::Fault;
use sluice_model::ids::{EffectKey, StepId};
use sluice_model::value::{Text, Value};
use sluice_sdk::check::{ExprId, TemplateId};
use sluice_sdk::connection::{Answer, Row};
use sluice_sdk::cx::{BoxFuture, panic_fault};
use sluice_sdk::step::{DynStep, Next};
use sluice_store::commit::Commit;
use sluice_store::run::StepStatus;

use crate::call;
use crate::flow::FlowRuntime;
use crate::run::{Run, State, Trace, fault_value};
use crate::view::{View, World, mapping_fault};

/// The most items that one `split` makes of a message.
pub const SPLIT_ITEMS_MAX: usize = 10_000;

/// One execution of a flow's steps, and what sub-flows leave to be committed with it.
pub(crate) struct Execution {
    pub flow: Arc<FlowRuntime>,
    /// What sub-flows want stored, in the commit of the delivery.
    pub extra: Mutex<Commit>,
    /// How deep flows run flows.
    pub depth: u32,
}

/// What a step did to a run, beside the run itself.
#[derive(Default)]
struct Did {
    attempts: u32,
    effect: Option<EffectKey>,
    output: Option<Value<'static>>,
}

impl Execution {
    pub fn new(flow: Arc<FlowRuntime>, depth: u32) -> Self {
        Self {
            flow,
            extra: Mutex::default(),
            depth,
        }
    }

    pub fn world(&self) -> World<'_> {
        World {
            flow: &self.flow.flow,
            config: &self.flow.config,
            cx: &self.flow.cx,
        }
    }

    /// Adds to what is committed with the delivery.
    pub fn add(&self, commit: Commit) {
        self.extra
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .merge(commit);
    }

    /// Takes what is to be committed with the delivery.
    pub fn take_extra(&self) -> Commit {
        std::mem::take(&mut *self.extra.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Executes steps over runs; they come back in their order.
    pub fn block<'e>(&'e self, block: &'e Block, runs: Vec<Run>) -> BoxFuture<'e, Vec<Run>> {
        Box::pin(async move {
            let mut runs = runs;
            for step in &block.steps {
                if !runs.iter().any(Run::is_active) {
                    break;
                }
                runs = self.step(step, runs).await;
            }
            runs
        })
    }

    async fn step(&self, step: &StepPlan, mut runs: Vec<Run>) -> Vec<Run> {
        let begun = self.flow.cx.monotonic();
        if let StepKind::Leaf(leaf) = &step.kind {
            self.leaf(step, &**leaf, &mut runs, begun);
            return runs;
        }
        let mut slots: Vec<Option<Run>> = Vec::with_capacity(runs.len());
        let mut places = Vec::new();
        let mut chosen = Vec::new();
        for mut run in runs {
            if run.is_active() && self.is_wanted(step, &mut run) {
                places.push(slots.len());
                chosen.push(run);
                slots.push(None);
            } else {
                slots.push(Some(run));
            }
        }
        let done = self.kind(step, chosen, begun).await;
        for (place, run) in places.into_iter().zip(done) {
            slots[place] = Some(run);
        }
        slots.into_iter().flatten().collect()
    }

    /// Returns whether `when` holds; a failure of it fails the run.
    fn is_wanted(&self, step: &StepPlan, run: &mut Run) -> bool {
        let Some(when) = step.when else { return true };
        match self.world().condition(run, when) {
            Ok(holds) => holds,
            Err(fault) => {
                run.fail(fault, &step.id);
                false
            }
        }
    }

    fn leaf(&self, step: &StepPlan, leaf: &dyn DynStep, runs: &mut [Run], begun: Duration) {
        for run in runs.iter_mut() {
            if !run.is_active() || !self.is_wanted(step, run) {
                continue;
            }
            let mut view = View {
                world: self.world(),
                run,
            };
            let applied = std::panic::catch_unwind(AssertUnwindSafe(|| leaf.apply(&mut view)));
            match applied.unwrap_or_else(|panic| Err(panic_fault(&*panic))) {
                Ok(Next::Continue) => {}
                Ok(Next::Filtered) => run.state = State::Filtered,
                Ok(Next::Stop) => run.state = State::Stopped,
                Err(fault) => run.fail(fault, &step.id),
            }
            let output = run.recorded.then(|| run.payload().clone());
            self.note(
                step,
                run,
                begun,
                Did {
                    output,
                    ..Did::default()
                },
            );
        }
    }

    /// Writes down what a step did.
    fn note(&self, step: &StepPlan, run: &mut Run, begun: Duration, did: Did) {
        let fault = match &run.state {
            State::Failed(fault, at) if at.as_ref() == Some(&step.id) => Some(fault.clone()),
            _ => None,
        };
        let status = match (&fault, &run.state) {
            (Some(fault), _) if &*fault.code().0 == sluice_model::fault::FaultCode::UNKNOWN => {
                StepStatus::Unknown
            }
            (Some(_), _) => StepStatus::Failed,
            (None, _) => StepStatus::Done,
        };
        run.trace.push(Trace {
            step: step.id.clone(),
            verb: step.verb,
            status,
            attempts: did.attempts.max(1),
            offset: begun.saturating_sub(run.started),
            duration: self.flow.cx.monotonic().saturating_sub(begun),
            effect: did.effect,
            output: did.output,
            fault,
        });
    }

    async fn kind(&self, step: &StepPlan, runs: Vec<Run>, begun: Duration) -> Vec<Run> {
        match &step.kind {
            StepKind::Leaf(_) => runs,
            StepKind::Let(bound) => self.each(step, runs, begun, |run| self.bind(bound, run)),
            StepKind::Map(plan) => self.each(step, runs, begun, |run| {
                let payload = self.world().map(run, plan)?.unwrap_or(Value::Null);
                run.changed = Some(payload);
                Ok(())
            }),
            StepKind::Reply {
                body,
                status,
                headers,
            } => self.each(step, runs, begun, |run| {
                self.reply(run, *body, *status, headers)
            }),
            StepKind::Choose(branches) => self.choose(step, branches, runs).await,
            StepKind::Split { items, steps } => self.split(step, *items, steps, runs, begun).await,
            StepKind::Call(plan) => self.call(step, plan, runs, begun).await,
            StepKind::Write(plan) => self.write(step, plan, runs, begun).await,
            StepKind::Dedupe { key, keep } => {
                crate::dedupe::apply(self, step, *key, *keep, runs).await
            }
            StepKind::Try { steps, catch } => self.attempt(steps, catch, runs).await,
            StepKind::Run { flow, with } => {
                crate::subflow::apply(self, step, flow, *with, runs).await
            }
        }
    }

    /// Does something that computes for each run.
    fn each(
        &self,
        step: &StepPlan,
        mut runs: Vec<Run>,
        begun: Duration,
        mut work: impl FnMut(&mut Run) -> Result<(), Fault>,
    ) -> Vec<Run> {
        for run in &mut runs {
            let done = std::panic::catch_unwind(AssertUnwindSafe(|| work(run)));
            if let Err(fault) = done.unwrap_or_else(|panic| Err(panic_fault(&*panic))) {
                run.fail(fault, &step.id);
            }
            let output = run.recorded.then(|| run.payload().clone());
            self.note(
                step,
                run,
                begun,
                Did {
                    output,
                    ..Did::default()
                },
            );
        }
        runs
    }

    fn bind(&self, bound: &[(u16, ExprId)], run: &mut Run) -> Result<(), Fault> {
        for (slot, expr) in bound {
            let value = self.world().evaluate(run, *expr)?;
            if let Some(variable) = run.variables.get_mut(usize::from(*slot)) {
                *variable = value;
            }
        }
        Ok(())
    }

    fn reply(
        &self,
        run: &mut Run,
        body: Option<ExprId>,
        status: Option<u16>,
        headers: &[(Arc<str>, TemplateId)],
    ) -> Result<(), Fault> {
        let body = match body {
            None => Some(run.payload().clone()),
            Some(expr) => self.world().evaluate(run, expr)?,
        };
        let mut fields = Vec::with_capacity(headers.len());
        for (name, template) in headers {
            fields.push((Arc::clone(name), self.world().text(run, *template)?));
        }
        run.answer(Answer {
            status,
            headers: fields,
            body,
        });
        Ok(())
    }

    async fn choose(&self, step: &StepPlan, branches: &[Branch], mut runs: Vec<Run>) -> Vec<Run> {
        let mut ways: Vec<Option<usize>> = Vec::with_capacity(runs.len());
        for run in &mut runs {
            ways.push(self.way(step, branches, run));
        }
        let mut slots: Vec<Option<Run>> = runs.into_iter().map(Some).collect();
        for (index, branch) in branches.iter().enumerate() {
            let places: Vec<usize> = (0..slots.len())
                .filter(|place| ways[*place] == Some(index))
                .collect();
            if places.is_empty() {
                continue;
            }
            let taken: Vec<Run> = places
                .iter()
                .filter_map(|place| slots[*place].take())
                .collect();
            let done = self.block(&branch.steps, taken).await;
            for (place, run) in places.into_iter().zip(done) {
                slots[place] = Some(run);
            }
        }
        slots.into_iter().flatten().collect()
    }

    fn way(&self, step: &StepPlan, branches: &[Branch], run: &mut Run) -> Option<usize> {
        for (index, branch) in branches.iter().enumerate() {
            let Some(when) = branch.when else {
                return Some(index);
            };
            match self.world().condition(run, when) {
                Ok(true) => return Some(index),
                Ok(false) => {}
                Err(fault) => {
                    run.fail(fault, &step.id);
                    return None;
                }
            }
        }
        None
    }

    async fn split(
        &self,
        step: &StepPlan,
        items: ExprId,
        steps: &Block,
        mut runs: Vec<Run>,
        begun: Duration,
    ) -> Vec<Run> {
        let mut children = Vec::new();
        let mut counts = Vec::with_capacity(runs.len());
        for run in &mut runs {
            let list = match self.items(run, items) {
                Ok(list) => list,
                Err(fault) => {
                    run.fail(fault, &step.id);
                    Vec::new()
                }
            };
            counts.push(list.len());
            children.extend(list.into_iter().map(|item| run.child(item)));
        }
        let mut done = self.block(steps, children).await.into_iter();
        for (run, count) in runs.iter_mut().zip(counts) {
            for child in done.by_ref().take(count) {
                run.reserved.extend(child.reserved);
                run.retries += child.retries;
                run.attempts = run.attempts.max(child.attempts);
                run.trace.extend(child.trace);
                if let (State::Failed(fault, at), true) = (child.state, run.is_active()) {
                    run.state = State::Failed(fault, at);
                }
            }
            self.note(step, run, begun, Did::default());
        }
        runs
    }

    fn items(&self, run: &mut Run, items: ExprId) -> Result<Vec<Value<'static>>, Fault> {
        let list = match self.world().evaluate(run, items)? {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::List(list)) => list,
            Some(other) => {
                let kind = other.kind();
                return Err(mapping_fault(format!("`split` takes a list, not a {kind}")));
            }
        };
        if SPLIT_ITEMS_MAX < list.len() {
            return Err(Fault::new(
                sluice_model::fault::FaultCode::LIMIT,
                sluice_model::fault::Retry::Never,
                sluice_model::fault::Blame::Caller,
                format!(
                    "`split` takes at most {SPLIT_ITEMS_MAX} items, here are {}",
                    list.len()
                ),
            ));
        }
        Ok(list)
    }

    async fn call(
        &self,
        step: &StepPlan,
        plan: &CallPlan,
        runs: Vec<Run>,
        begun: Duration,
    ) -> Vec<Run> {
        let shared = self.flow.shared_of(&plan.connection);
        let at_once = shared.concurrent as usize;
        let calls = runs.into_iter().map(|mut run| {
            let shared = Arc::clone(&shared);
            async move {
                let request = match call::request(&self.world(), plan, &mut run) {
                    Ok(request) => request,
                    Err(fault) => {
                        run.fail(fault, &step.id);
                        self.note(step, &mut run, begun, Did::default());
                        return run;
                    }
                };
                let input = run.recorded.then(|| request.body.clone()).flatten();
                let called = call::call(plan, step, &shared, request, &self.flow.cx);
                let called = AssertUnwindSafe(called).catch_unwind().await;
                let called = called.unwrap_or_else(|panic| call::Called {
                    result: Err(panic_fault(&*panic)),
                    attempts: 1,
                    key: None,
                });
                run.retries += u64::from(called.attempts.saturating_sub(1));
                run.attempts = run.attempts.max(called.attempts);
                let world = self.world();
                let result = match called.result {
                    Ok(body) => Ok(body),
                    Err(fault) => call::accept(&world, plan, &mut run, fault),
                };
                let mut output = None;
                match result {
                    Ok(body) => {
                        output = run.recorded.then(|| body.clone()).flatten();
                        run.set_result(step.result, body);
                    }
                    Err(fault) => run.fail(fault, &step.id),
                }
                let output = output.or(input);
                let did = Did {
                    attempts: called.attempts,
                    effect: called.key,
                    output,
                };
                self.note(step, &mut run, begun, did);
                run
            }
        });
        // Ordered, so that the runs come back in their places.
        stream::iter(calls).buffered(at_once).collect().await
    }

    async fn write(
        &self,
        step: &StepPlan,
        plan: &WritePlan,
        mut runs: Vec<Run>,
        begun: Duration,
    ) -> Vec<Run> {
        let mut rows = Vec::with_capacity(runs.len());
        let mut places = Vec::with_capacity(runs.len());
        let mut outputs: HashMap<usize, Value<'static>> = HashMap::new();
        for (place, run) in runs.iter_mut().enumerate() {
            match self.row(plan, run) {
                Ok(row) => {
                    if run.recorded {
                        outputs.insert(place, row.value.clone());
                    }
                    rows.push(row);
                    places.push(place);
                }
                Err(fault) => {
                    run.fail(fault, &step.id);
                    self.note(step, run, begun, Did::default());
                }
            }
        }
        if rows.is_empty() {
            return runs;
        }
        let keys: Vec<Option<EffectKey>> = rows.iter().map(|row| row.key.clone()).collect();
        let written = self.flow.sink_of(step).write(rows).await;
        for ((place, effect), (result, attempts)) in places.into_iter().zip(keys).zip(written) {
            let run = &mut runs[place];
            run.retries += u64::from(attempts.saturating_sub(1));
            run.attempts = run.attempts.max(attempts);
            if let Err(fault) = result {
                run.fail(fault, &step.id);
            }
            let output = outputs.remove(&place);
            self.note(
                step,
                run,
                begun,
                Did {
                    attempts,
                    effect,
                    output,
                },
            );
        }
        runs
    }

    fn row(&self, plan: &WritePlan, run: &mut Run) -> Result<Row, Fault> {
        let value = call::body(&self.world(), &plan.row, run)?
            .ok_or_else(|| mapping_fault("there is nothing to write"))?;
        let name = match plan.name {
            None => None,
            Some(name) => Some(Text::from(self.world().text(run, name)?)),
        };
        let key = match plan.key {
            None => None,
            Some(key) => self
                .world()
                .key(run, key)?
                .map(|key| EffectKey::from(key.as_str())),
        };
        Ok(Row {
            value,
            name,
            key,
            group: run.group.clone(),
        })
    }

    async fn attempt(&self, steps: &Block, catch: &[Catch], runs: Vec<Run>) -> Vec<Run> {
        let entries: Vec<Option<Value<'static>>> =
            runs.iter().map(|run| run.changed.clone()).collect();
        let done = self.block(steps, runs).await;
        let mut ways: Vec<Option<usize>> = Vec::with_capacity(done.len());
        let mut slots: Vec<Option<Run>> = Vec::with_capacity(done.len());
        for (mut run, entry) in done.into_iter().zip(entries) {
            let way = match &run.state {
                State::Failed(fault, at) => catch
                    .iter()
                    .position(|catch| fits(catch, fault))
                    .inspect(|_| {
                        run.fault = Some(fault_value(fault));
                        let at = at.clone();
                        mark_caught(&mut run.trace, at.as_ref());
                    }),
                _ => None,
            };
            if way.is_some() {
                run.state = State::Active;
                run.changed = entry;
            }
            ways.push(way);
            slots.push(Some(run));
        }
        for (index, handler) in catch.iter().enumerate() {
            let places: Vec<usize> = (0..slots.len())
                .filter(|place| ways[*place] == Some(index))
                .collect();
            if places.is_empty() {
                continue;
            }
            let taken: Vec<Run> = places
                .iter()
                .filter_map(|place| slots[*place].take())
                .collect();
            let done = self.block(&handler.steps, taken).await;
            for (place, mut run) in places.into_iter().zip(done) {
                run.fault = None;
                slots[place] = Some(run);
            }
        }
        slots.into_iter().flatten().collect()
    }
}

fn fits(catch: &Catch, fault: &Fault) -> bool {
    catch
        .fault
        .as_ref()
        .is_none_or(|code| **code == *fault.code().0)
}

/// The step that failed was caught after all.
fn mark_caught(trace: &mut [Trace], at: Option<&StepId>) {
    let failed = trace.iter_mut().rev().find(|trace| Some(&trace.step) == at);
    if let Some(failed) = failed {
        failed.status = StepStatus::Caught;
    }
}
