//! What a case's connections answer, and the effects that they see.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sluice_compiler::release::{CallPlan, WritePlan};
use sluice_compiler::testcase::{Scripted, TestCase};
use sluice_engine::Outside;
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::value::Value;
use sluice_sdk::connection::{BatchFault, DynSink, Request, Response, Row, SinkShape};
use sluice_sdk::cx::{BoxFuture, Cx};
use sluice_sdk::registry::Info;

/// An effect: what it was done to, and what it was done with.
#[derive(Debug, Clone)]
pub(crate) struct Effect {
    /// `connection#thing`.
    pub reference: Arc<str>,
    /// The body of a call (its parameters where it has none), or the row of a write.
    pub value: Value<'static>,
}

/// The outside of one case.
pub(crate) struct TestOutside {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: HashMap<Arc<str>, Answers>,
    effects: Vec<Effect>,
}

struct Answers {
    scripted: Vec<Scripted>,
    next: usize,
}

impl State {
    /// Returns what a connection answers next; the last answer repeats.
    fn answer(&mut self, reference: &str) -> Option<Scripted> {
        let answers = self.answers.get_mut(reference)?;
        let answer = answers
            .scripted
            .get(answers.next.min(answers.scripted.len() - 1));
        answers.next += 1;
        answer.cloned()
    }
}

impl TestOutside {
    pub fn new(case: &TestCase) -> Self {
        let answers = case
            .answers
            .iter()
            .filter(|(_, scripted)| !scripted.is_empty())
            .map(|(reference, scripted)| {
                let answers = Answers {
                    scripted: scripted.clone(),
                    next: 0,
                };
                (Arc::clone(reference), answers)
            })
            .collect();
        Self {
            state: Arc::new(Mutex::new(State {
                answers,
                effects: Vec::new(),
            })),
        }
    }

    /// Returns the effects so far.
    pub fn effects(&self) -> Vec<Effect> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .effects
            .clone()
    }
}

/// What a scripted failure is; `None`: no answer in time.
fn failure(scripted: &Scripted, harmless: bool) -> Option<Fault> {
    match scripted {
        Scripted::Returns(_) | Scripted::Timeout => None,
        Scripted::Disconnect => Some(match harmless {
            true => Fault::new(
                FaultCode::UNREACHABLE,
                Retry::Soon,
                Blame::Upstream,
                "the connection was cut",
            ),
            false => Fault::new(
                FaultCode::UNKNOWN,
                Retry::Never,
                Blame::Upstream,
                "the connection was cut before the answer",
            ),
        }),
        Scripted::Status { status, body } => {
            let retry = match status {
                408 | 425 | 429 | 500..=599 => Retry::Soon,
                _ => Retry::Never,
            };
            let text = format!("answered {status}");
            let fault = Fault::new(FaultCode::UPSTREAM, retry, Blame::Upstream, text);
            let fault = fault.with_status(*status);
            Some(match body {
                Some(body) => fault.with_body(body.clone()),
                None => fault,
            })
        }
    }
}

impl Outside for TestOutside {
    fn call<'a>(
        &'a self,
        plan: &'a CallPlan,
        request: Request,
        _: &'a Cx,
    ) -> BoxFuture<'a, Result<Response, Fault>> {
        Box::pin(async move {
            let reference: Arc<str> = format!("{}#{}", plan.connection, plan.operation).into();
            let keyed = request.key.is_some() && plan.shape.keyed;
            let harmless = plan.shape.reads || plan.shape.idempotent || keyed;
            let scripted = {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.answer(&reference)
            };
            let body = match &scripted {
                Some(Scripted::Timeout) => return std::future::pending().await,
                Some(Scripted::Returns(value)) => Some(value.clone()),
                Some(other) => {
                    let gone = || Fault::internal("an answer of the case is of no use");
                    return Err(failure(other, harmless).unwrap_or_else(gone));
                }
                None if plan.shape.optional => None,
                None => Some(sluice_contracts::generate::generate(&plan.shape.result, 0)),
            };
            if !plan.shape.reads {
                let value = request.body.unwrap_or(Value::Record(request.params));
                let effect = Effect { reference, value };
                self.state
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .effects
                    .push(effect);
            }
            // A list of rows may be empty, a missing row is null in a case.
            let body = body.filter(|value| !(plan.shape.optional && *value == Value::Null));
            Ok(Response { status: None, body })
        })
    }

    fn sink(&self, plan: &WritePlan) -> Box<dyn DynSink> {
        Box::new(TestSink {
            reference: format!("{}#{}", plan.connection, plan.thing).into(),
            shape: plan.shape.clone(),
            state: Arc::clone(&self.state),
        })
    }
}

/// Takes the rows of a `write` step.
struct TestSink {
    reference: Arc<str>,
    shape: SinkShape,
    state: Arc<Mutex<State>>,
}

impl DynSink for TestSink {
    fn info(&self) -> Info {
        Info {
            name: "test",
            summary: "Takes the rows of a test.",
            example: "",
        }
    }

    fn shape(&self) -> SinkShape {
        self.shape.clone()
    }

    fn fresh(&self) -> Box<dyn DynSink> {
        Box::new(Self {
            reference: Arc::clone(&self.reference),
            shape: self.shape.clone(),
            state: Arc::clone(&self.state),
        })
    }

    fn open<'a>(&'a mut self, _: &'a Cx) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn write<'a>(
        &'a mut self,
        rows: &'a [Row],
        _: &'a Cx,
    ) -> BoxFuture<'a, Result<(), BatchFault>> {
        Box::pin(async move {
            let mut failed = Vec::new();
            for (index, row) in rows.iter().enumerate() {
                let scripted = {
                    let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                    state.answer(&self.reference)
                };
                match scripted {
                    Some(Scripted::Timeout) => return std::future::pending().await,
                    Some(other @ (Scripted::Status { .. } | Scripted::Disconnect)) => {
                        if let Some(fault) = failure(&other, self.shape.idempotent) {
                            failed.push((index, fault));
                        }
                    }
                    Some(Scripted::Returns(_)) | None => {
                        let effect = Effect {
                            reference: Arc::clone(&self.reference),
                            value: row.value.clone(),
                        };
                        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                        state.effects.push(effect);
                    }
                }
            }
            if failed.is_empty() {
                Ok(())
            } else {
                Err(BatchFault::Rows(failed))
            }
        })
    }

    fn finish<'a>(&'a mut self, _: &'a str, _: &'a Cx) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn close<'a>(&'a mut self, _: &'a Cx) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}
