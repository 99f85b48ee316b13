//! Steps, executed over the runs of a delivery, each where it lies.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_compiler::release::{Block, Branch, Catch, StepKind, StepPlan};
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::value::Value;
use sluice_sdk::check::{ExprId, TemplateId};
use sluice_sdk::connection::Answer;
use sluice_sdk::cx::{BoxFuture, panic_fault};
use sluice_sdk::step::{DynStep, Next};
use sluice_store::commit::Commit;
use sluice_store::run::StepStatus;

use crate::dedupe::{self, Fate};
use crate::flow::FlowRuntime;
use crate::run::{Caller, More, Run, State, Trace, fault_value};
use crate::view::{View, World, kind_of, mapping_fault};

/// The most items that one `split` makes of a message.
pub const SPLIT_ITEMS_MAX: usize = 10_000;

/// One execution of a flow's steps, and what sub-flows leave to be committed with it.
pub(crate) struct Execution {
    pub flow: Arc<FlowRuntime>,
    /// How deep flows run flows.
    pub depth: u32,
    /// What sub-flows want stored, in the commit of the delivery.
    extra: Mutex<Commit>,
    /// When steps were executed, and how long: once for all runs that they were executed on.
    spans: Mutex<Vec<Span>>,
}

/// When a step was executed, and how long, for each run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    pub begun: Duration,
    pub took: Duration,
}

/// A step that is being executed.
#[derive(Clone, Copy)]
pub(crate) struct At<'e> {
    step: &'e StepPlan,
    number: u32,
    span: u32,
}

/// What a step did to a run, beside the run itself.
#[derive(Default)]
pub(crate) struct Did {
    pub attempts: u32,
    pub more: More,
}

impl Execution {
    pub fn new(flow: Arc<FlowRuntime>, depth: u32) -> Self {
        Self {
            flow,
            depth,
            extra: Mutex::default(),
            spans: Mutex::default(),
        }
    }

    pub fn world(&self) -> World<'_> {
        self.flow.world()
    }

    /// Adds to what is committed with the delivery.
    pub fn add(&self, commit: Commit) {
        let mut extra = self.extra.lock().unwrap_or_else(PoisonError::into_inner);
        extra.merge(commit);
    }

    /// Takes what is to be committed with the delivery.
    pub fn take_extra(&self) -> Commit {
        std::mem::take(&mut *self.extra.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes what is known of when steps were executed.
    pub fn take_spans(&self) -> Vec<Span> {
        std::mem::take(&mut *self.spans())
    }

    fn spans(&self) -> MutexGuard<'_, Vec<Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a step.
    pub fn begin<'e>(&self, step: &'e StepPlan) -> At<'e> {
        let begun = self.flow.cx.monotonic();
        let mut spans = self.spans();
        spans.push(Span {
            begun,
            took: Duration::ZERO,
        });
        At {
            step,
            number: self.flow.number_of(step),
            span: (spans.len() - 1) as u32,
        }
    }

    /// Ends a step; its time is shared by the runs that were computed one after the other.
    pub fn end(&self, at: &At<'_>, shared_by: usize) {
        let now = self.flow.cx.monotonic();
        if let Some(span) = self.spans().get_mut(at.span as usize) {
            let took = now.saturating_sub(span.begun);
            span.took = took / u32::try_from(shared_by.max(1)).unwrap_or(u32::MAX);
        }
    }

    /// Writes down that a step did what it should.
    pub fn done(&self, at: &At<'_>, run: &mut Run) {
        run.trace.push(Trace {
            step: at.number,
            span: at.span,
            attempts: 1,
            status: StepStatus::Done,
            more: None,
        });
    }

    /// Writes down what a step did to a run.
    pub fn did(&self, at: &At<'_>, run: &mut Run, did: Did) {
        let has_more = did.more.effect.is_some() || did.more.output.is_some();
        run.trace.push(Trace {
            step: at.number,
            span: at.span,
            attempts: did.attempts,
            status: StepStatus::Done,
            more: has_more.then(|| Box::new(did.more)),
        });
    }

    /// Ends a run with the fault of a step.
    pub fn failed(&self, at: &At<'_>, run: &mut Run, fault: Fault) {
        let did = Did {
            attempts: 1,
            ..Did::default()
        };
        self.failed_having(at, run, fault, did);
    }

    /// Ends a run with the fault of a step that did something.
    pub fn failed_having(&self, at: &At<'_>, run: &mut Run, fault: Fault, did: Did) {
        let status = match *fault.code().0 == *FaultCode::UNKNOWN {
            true => StepStatus::Unknown,
            false => StepStatus::Failed,
        };
        run.trace.push(Trace {
            step: at.number,
            span: at.span,
            attempts: did.attempts,
            status,
            more: Some(Box::new(More {
                fault: Some(fault.clone()),
                ..did.more
            })),
        });
        run.fail(fault, &at.step.id);
    }

    /// Takes runs through the whole flow, `on_failure` included.
    pub async fn finish(&self, runs: &mut [Run]) {
        let mut all: Vec<&mut Run> = runs.iter_mut().collect();
        let steps = &self.flow.flow.steps;
        self.block(steps, &mut all).await;
        self.settle_keys(steps, &mut all).await;
        for run in &mut all {
            run.fails_to_caller = matches!(run.caller, Caller::Waiting(_) | Caller::Run(None));
        }
        self.handle_failures(&mut all).await;
    }

    /// Executes steps over runs.
    pub fn block<'e, 'r: 'e>(
        &'e self,
        block: &'e Block,
        runs: &'e mut [&'r mut Run],
    ) -> BoxFuture<'e, ()> {
        Box::pin(async move {
            for step in &block.steps {
                if !runs.iter().any(|run| run.is_active()) {
                    break;
                }
                match &step.kind {
                    StepKind::Leaf(leaf) => self.leaf(step, &**leaf, runs),
                    StepKind::Let(bound) => {
                        self.each(step, runs, |run| self.bind(bound, run));
                    }
                    StepKind::Map(plan) => self.each(step, runs, |run| {
                        let payload = self.world().map(run, plan)?.unwrap_or(Value::Null);
                        run.change(payload);
                        Ok(())
                    }),
                    StepKind::Reply {
                        body,
                        status,
                        headers,
                    } => self.each(step, runs, |run| self.reply(run, *body, *status, headers)),
                    _ => self.waiting(step, runs).await,
                }
            }
        })
    }

    /// Executes a step that waits for something or holds other steps.
    async fn waiting(&self, step: &StepPlan, runs: &mut [&mut Run]) {
        let mut chosen: Vec<&mut Run> = Vec::with_capacity(runs.len());
        let mut at = None;
        for run in runs.iter_mut() {
            if run.is_active() && self.is_wanted(step, &mut at, run) {
                chosen.push(run);
            }
        }
        if chosen.is_empty() {
            return;
        }
        let runs = &mut chosen[..];
        match &step.kind {
            StepKind::Leaf(_) | StepKind::Let(_) | StepKind::Map(_) | StepKind::Reply { .. } => {}
            StepKind::Choose(branches) => self.choose(step, branches, runs).await,
            StepKind::Split { items, steps } => self.split(step, *items, steps, runs).await,
            StepKind::Call(plan) => self.call(step, plan, runs).await,
            StepKind::Write(plan) => self.write(step, plan, runs).await,
            StepKind::Dedupe { key, keep } => {
                dedupe::apply(self, step, *key, *keep, runs).await;
            }
            StepKind::Try { steps, catch } => self.attempt(steps, catch, runs).await,
            StepKind::Run { flow, with } => {
                crate::subflow::apply(self, step, flow, *with, runs).await;
            }
        }
    }

    /// Returns whether `when` holds; a failure of it fails the run.
    fn is_wanted<'s>(&self, step: &'s StepPlan, at: &mut Option<At<'s>>, run: &mut Run) -> bool {
        let Some(when) = step.when else { return true };
        let holds = self.world().condition(run, when);
        if let Ok(true) = holds {
            return true;
        }
        let at = at.get_or_insert_with(|| self.begin(step));
        match holds {
            Ok(_) => run.trace.push(Trace {
                step: at.number,
                span: at.span,
                attempts: 0,
                status: StepStatus::Skipped,
                more: None,
            }),
            Err(fault) => self.failed(at, run, fault),
        }
        false
    }

    fn leaf(&self, step: &StepPlan, leaf: &dyn DynStep, runs: &mut [&mut Run]) {
        self.each(step, runs, |run| {
            let world = self.world();
            let next = leaf.apply(&mut View { world, run })?;
            match next {
                Next::Continue => {}
                Next::Filtered => run.state = State::Filtered,
                Next::Stop => run.state = State::Stopped,
            }
            Ok(())
        });
    }

    /// Does something that computes for each run.
    fn each(
        &self,
        step: &StepPlan,
        runs: &mut [&mut Run],
        mut work: impl FnMut(&mut Run) -> Result<(), Fault>,
    ) {
        let at = self.begin(step);
        let mut skipped_at = Some(at);
        let mut count = 0;
        for run in runs.iter_mut() {
            if !run.is_active() || !self.is_wanted(step, &mut skipped_at, run) {
                continue;
            }
            count += 1;
            let done = std::panic::catch_unwind(AssertUnwindSafe(|| work(run)));
            match done.unwrap_or_else(|panic| Err(panic_fault(&*panic))) {
                Ok(()) => self.done(&at, run),
                Err(fault) => self.failed(&at, run, fault),
            }
        }
        self.end(&at, count);
    }

    fn bind(&self, bound: &[(u16, ExprId)], run: &mut Run) -> Result<(), Fault> {
        for (slot, expr) in bound {
            let value = self.world().evaluate(run, *expr)?;
            run.bind(*slot, value, self.flow.flow.variables);
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

    async fn choose(&self, step: &StepPlan, branches: &[Branch], runs: &mut [&mut Run]) {
        let ways: Vec<Option<usize>> = runs
            .iter_mut()
            .map(|run| self.way(step, branches, run))
            .collect();
        for (index, branch) in branches.iter().enumerate() {
            let mut taken: Vec<&mut Run> = runs
                .iter_mut()
                .zip(&ways)
                .filter(|(_, way)| **way == Some(index))
                .map(|(run, _)| &mut **run)
                .collect();
            if !taken.is_empty() {
                self.block(&branch.steps, &mut taken).await;
            }
        }
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
                    let at = self.begin(step);
                    self.failed(&at, run, fault);
                    return None;
                }
            }
        }
        None
    }

    /// Does steps for each item of each run; of many runs with long lists a part at a time.
    async fn split(&self, step: &StepPlan, items: ExprId, steps: &Block, runs: &mut [&mut Run]) {
        let mut rest = &mut runs[..];
        while !rest.is_empty() {
            let mut children: Vec<Run> = Vec::new();
            let mut counts = Vec::new();
            let at = self.begin(step);
            for run in rest.iter_mut() {
                if SPLIT_ITEMS_MAX <= children.len() {
                    break;
                }
                let list = self.items(run, items).unwrap_or_else(|fault| {
                    self.failed(&at, run, fault);
                    Vec::new()
                });
                if run.is_active() {
                    self.done(&at, run);
                }
                counts.push(list.len());
                children.extend(list.into_iter().map(|item| run.child(item)));
            }
            let mut all: Vec<&mut Run> = children.iter_mut().collect();
            self.block(steps, &mut all).await;
            self.settle_keys(steps, &mut all).await;
            drop(all);
            let (now, later) = rest.split_at_mut(counts.len());
            let mut children = children.into_iter();
            for (run, count) in now.iter_mut().zip(counts) {
                children
                    .by_ref()
                    .take(count)
                    .for_each(|child| run.join(child));
            }
            self.end(&at, 1);
            rest = later;
        }
    }

    fn items(&self, run: &mut Run, items: ExprId) -> Result<Vec<Value<'static>>, Fault> {
        let list = match self.world().evaluate(run, items)? {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::List(list)) => list,
            Some(other) => {
                let kind = kind_of(&other);
                return Err(mapping_fault(format!("`split` takes a list, not {kind}")));
            }
        };
        if SPLIT_ITEMS_MAX < list.len() {
            return Err(Fault::new(
                FaultCode::LIMIT,
                Retry::Never,
                Blame::Caller,
                format!(
                    "`split` takes at most {SPLIT_ITEMS_MAX} items, here are {}",
                    list.len()
                ),
            ));
        }
        Ok(list)
    }

    async fn attempt(&self, steps: &Block, catch: &[Catch], runs: &mut [&mut Run]) {
        let marks: Vec<_> = runs
            .iter_mut()
            .map(|run| (run.mark(), run.fault.take()))
            .collect();
        for (run, (_, outer)) in runs.iter_mut().zip(&marks) {
            run.fault.clone_from(outer);
        }
        self.block(steps, runs).await;
        let ways: Vec<Option<usize>> = runs
            .iter_mut()
            .zip(&marks)
            .map(|(run, (mark, _))| self.catch(catch, run, mark))
            .collect();
        for (index, handler) in catch.iter().enumerate() {
            let mut taken: Vec<&mut Run> = runs
                .iter_mut()
                .zip(&ways)
                .filter(|(_, way)| **way == Some(index))
                .map(|(run, _)| &mut **run)
                .collect();
            if !taken.is_empty() {
                self.block(&handler.steps, &mut taken).await;
            }
        }
        // A `try` within a handler leaves the handler's own `$fault` as it was.
        for (run, (_, outer)) in runs.iter_mut().zip(marks) {
            run.fault = outer;
        }
    }

    /// Brings a failed run to the handler that takes its fault; returns which one.
    fn catch(&self, catch: &[Catch], run: &mut Run, mark: &crate::run::Mark) -> Option<usize> {
        let State::Failed(fault, at) = &run.state else {
            return None;
        };
        let way = catch.iter().position(|catch| fits(catch, fault))?;
        run.fault = Some(fault_value(fault));
        let number = at.as_ref().and_then(|at| self.flow.number_by_id(at));
        let failed = run.trace.iter_mut().rev();
        if let Some(failed) = failed.into_iter().find(|trace| Some(trace.step) == number) {
            failed.status = StepStatus::Caught;
        }
        run.state = State::Active;
        run.go_back(mark);
        Some(way)
    }

    /// Settles who has which key of `dedupe`, once the steps are done: keys of runs that delivered
    /// are done, those of others are free, and runs that wait go on.
    async fn settle_keys(&self, steps: &Block, runs: &mut [&mut Run]) {
        runs.iter_mut().for_each(|run| settle_keys_of(run));
        for run in runs.iter_mut() {
            // Each turn waits for another `dedupe` step, or for another run at the same.
            while let State::Waits(_) = &run.state {
                let waits = std::mem::replace(&mut run.state, State::Active);
                let State::Waits(waits) = waits else { break };
                match dedupe::fate(waits, &self.flow.cx).await {
                    Ok(Fate::Done) => run.state = State::Duplicate,
                    Ok(Fate::Yours(held)) => {
                        if self.has_effects(run) {
                            // What stands before its `dedupe` must not be done twice.
                            run.state = State::Failed(dedupe::in_flight_fault(), None);
                        } else {
                            run.restart();
                            run.reserved.push(held);
                            self.block(steps, std::slice::from_mut(run)).await;
                        }
                    }
                    Err(fault) => run.state = State::Failed(fault, None),
                }
                settle_keys_of(run);
            }
        }
    }

    /// Returns whether a run has done something outside.
    fn has_effects(&self, run: &Run) -> bool {
        run.trace
            .iter()
            .any(|trace| self.flow.has_effect(trace.step))
    }

    async fn handle_failures(&self, runs: &mut [&mut Run]) {
        let Some(on_failure) = &self.flow.flow.on_failure else {
            return;
        };
        let mut failed: Vec<&mut Run> = Vec::new();
        let mut kept = Vec::new();
        for run in runs.iter_mut() {
            if let State::Failed(fault, at) = &run.state {
                kept.push((fault.clone(), at.clone()));
                run.fault = Some(fault_value(fault));
                run.state = State::Active;
                run.unchange();
                failed.push(run);
            }
        }
        if failed.is_empty() {
            return;
        }
        self.block(on_failure, &mut failed).await;
        for (run, (fault, at)) in failed.into_iter().zip(kept) {
            let fault = match &run.state {
                State::Failed(own, _) => {
                    fault.with_context("on_failure failed too", own.to_string())
                }
                _ => fault,
            };
            run.reserved.clear();
            run.state = State::Failed(fault, at);
        }
    }
}

/// A key stays with a run that delivered; who waits for it is told so.
fn settle_keys_of(run: &mut Run) {
    match &run.state {
        State::Active | State::Stopped | State::Filtered => {
            run.reserved.iter().for_each(dedupe::Held::done);
        }
        State::Failed(..) | State::Duplicate => run.reserved.clear(),
        State::Waits(_) => {}
    }
}

fn fits(catch: &Catch, fault: &Fault) -> bool {
    catch
        .fault
        .as_ref()
        .is_none_or(|code| **code == *fault.code().0)
}
