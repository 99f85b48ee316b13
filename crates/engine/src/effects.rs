//! `call` and `write`: the steps that reach the world outside.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, stream};
use sluice_compiler::release::{CallBody, CallPlan, StepPlan, WritePlan};
use sluice_model::fault::Fault;
use sluice_model::ids::EffectKey;
use sluice_model::value::Text;
use sluice_sdk::connection::Row;
use sluice_sdk::cx::{BoxFuture, panic_fault};

use crate::call::{self, Called};
use crate::connection::Shared;
use crate::execute::{At, Did, Execution};
use crate::run::{More, Run};
use crate::view::mapping_fault;

impl Execution {
    /// Calls for each run, as many at once as the connection takes.
    pub(crate) async fn call(&self, step: &StepPlan, plan: &CallPlan, runs: &mut [&mut Run]) {
        let shared = self.flow.shared_of(&plan.connection);
        if let [run] = runs {
            return self.call_one(step, plan, &shared, run).await;
        }
        let calls: Vec<BoxFuture<'_, ()>> = runs
            .iter_mut()
            .map(|run| -> BoxFuture<'_, ()> { Box::pin(self.call_one(step, plan, &shared, run)) })
            .collect();
        let at_once = shared.concurrent as usize;
        stream::iter(calls)
            .buffer_unordered(at_once)
            .for_each(|()| std::future::ready(()))
            .await;
    }

    async fn call_one(&self, step: &StepPlan, plan: &CallPlan, shared: &Shared, run: &mut Run) {
        let at = self.begin(step);
        let request = match call::request(&self.world(), plan, run) {
            Ok(request) => request,
            Err(fault) => {
                self.failed(&at, run, fault);
                return self.end(&at, 1);
            }
        };
        let input = run.recorded.then(|| request.body.clone()).flatten();
        let key = request.key.clone();
        let called = call::call(plan, step, shared, request, &self.flow.cx);
        let called = AssertUnwindSafe(called).catch_unwind().await;
        let Called { result, attempts } = called.unwrap_or_else(|panic| Called {
            result: Err(panic_fault(&*panic)),
            attempts: 1,
        });
        run.retries += u64::from(attempts.saturating_sub(1));
        run.attempts = run.attempts.max(attempts);
        let result = match result {
            Ok(body) => Ok(body),
            Err(fault) => call::accept(&self.world(), plan, run, fault),
        };
        let output = match &result {
            Ok(Some(body)) if run.recorded => Some(body.clone()),
            _ => input,
        };
        let did = Did {
            attempts,
            more: More {
                effect: key,
                output,
                fault: None,
            },
        };
        match result {
            Ok(body) => {
                run.set_result(step.result, body);
                self.did(&at, run, did);
            }
            Err(fault) => self.failed_having(&at, run, fault, did),
        }
        self.end(&at, 1);
    }

    /// Writes a row for each run.
    pub(crate) async fn write(&self, step: &StepPlan, plan: &WritePlan, runs: &mut [&mut Run]) {
        let at = self.begin(step);
        let mut rows = Vec::with_capacity(runs.len());
        let mut written: Vec<&mut Run> = Vec::with_capacity(runs.len());
        for run in runs.iter_mut() {
            match self.row(plan, run) {
                Ok(row) => {
                    rows.push(row);
                    written.push(run);
                }
                Err(fault) => self.failed(&at, run, fault),
            }
        }
        if !rows.is_empty() {
            let (results, rows) = self.flow.sink_of(step).write(rows).await;
            // Rows that are payloads go back to where they came from.
            let rows = rows.into_iter().map(Some).chain(std::iter::repeat(None));
            for ((run, row), (result, attempts)) in written.into_iter().zip(rows).zip(results) {
                self.written(&at, plan, run, row, result, attempts);
            }
        }
        self.end(&at, 1);
    }

    fn written(
        &self,
        at: &At<'_>,
        plan: &WritePlan,
        run: &mut Run,
        row: Option<Row>,
        result: Result<(), Fault>,
        attempts: u32,
    ) {
        run.retries += u64::from(attempts.saturating_sub(1));
        run.attempts = run.attempts.max(attempts);
        let mut more = More::default();
        if let Some(row) = row {
            more.effect = row.key;
            match (&plan.row, run.recorded) {
                (CallBody::Payload, _) => run.take_back(row.value),
                (_, true) => more.output = Some(row.value),
                (_, false) => {}
            }
        }
        let did = Did { attempts, more };
        match result {
            Ok(()) => self.did(at, run, did),
            Err(fault) => self.failed_having(at, run, fault, did),
        }
    }

    fn row(&self, plan: &WritePlan, run: &mut Run) -> Result<Row, Fault> {
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
        let value = match plan.row {
            // The run waits until its row is written: no need for a copy.
            CallBody::Payload => run.lend(),
            _ => call::body(&self.world(), &plan.row, run)?
                .ok_or_else(|| mapping_fault("there is nothing to write"))?,
        };
        Ok(Row {
            value,
            name,
            key,
            group: run.group.as_ref().map(Arc::clone),
        })
    }
}
