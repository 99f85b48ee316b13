//! Requests that other processes have left: dead letters sent again, archived, opened.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sluice_model::batch::{Message, Origin, Payload};
use sluice_model::fault::Fault;
use sluice_model::ids::FlowName;
use sluice_sdk::cx::{Cx, Level, panic_fault};
use sluice_store::dead_letter::message::{StoredMessage, StoredPayloadValue};
use sluice_store::dead_letter::{
    DeadLetter, DeadLetterFilter, DeadLetterId, DeadLetterState, RedriveResult,
};
use sluice_store::error::StoreError;
use sluice_store::request::{Action, Request, RequestResult, Selection};

use crate::engine::Inner;
use crate::execute::Execution;
use crate::flow::{Begun, FlowRuntime};
use crate::run::State;
use crate::settle;

/// How often the owner looks for requests.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How many dead letters are sent again at a time.
const TOGETHER: usize = 64;

/// Carries out requests until the reading is cancelled.
pub(crate) async fn serve(inner: Arc<Inner>, reading: Cx) {
    while reading
        .or_cancelled(reading.sleep(LOOK_EVERY))
        .await
        .is_some()
    {
        let requests = match inner.store.take_requests(16).await {
            Ok(requests) => requests,
            Err(error) => {
                warn(&inner, "cannot read requests", &error);
                continue;
            }
        };
        for request in requests {
            let work = AssertUnwindSafe(carry_out(&inner, &request, &reading)).catch_unwind();
            let result = match work.await {
                Ok(Ok(Some(result))) => result,
                // Interrupted: the next process takes the request again.
                Ok(Ok(None)) => return,
                Ok(Err(error)) => failed(&inner, error.to_string()),
                Err(panic) => failed(&inner, panic_fault(&*panic).private()),
            };
            if let Err(error) = inner.store.finish_request(request.id, result).await {
                warn(&inner, "cannot end a request", &error);
            }
        }
    }
}

fn warn(inner: &Inner, text: &str, error: &StoreError) {
    let fault = settle::store_fault(error);
    inner
        .cx
        .log(Level::Warn, text, &[("fault", &fault.private())]);
}

fn failed(inner: &Inner, note: String) -> RequestResult {
    RequestResult {
        at: inner.cx.now(),
        done: 0,
        failed: 0,
        note,
    }
}

/// Carries out a request; `None` if the reading is cancelled before it is done.
async fn carry_out(
    inner: &Arc<Inner>,
    request: &Request,
    reading: &Cx,
) -> Result<Option<RequestResult>, StoreError> {
    let mut sums = Sums::default();
    let mut pages = Pages::new(request);
    while let Some(ids) = pages.next(inner, request).await? {
        if reading.is_cancelled() {
            return Ok(None);
        }
        let now = inner.cx.now();
        match &request.wanted.action {
            Action::Archive => {
                let archived = DeadLetterState::Archived;
                sums.done += inner.store.set_dead_letters(ids, archived, now).await?;
            }
            Action::Reopen => {
                let open = DeadLetterState::Open;
                sums.done += inner.store.set_dead_letters(ids, open, now).await?;
            }
            Action::Redrive => redrive(inner, ids, None, &mut sums).await?,
            Action::RedriveEdited(message) => {
                redrive(inner, ids, Some(message), &mut sums).await?;
            }
        }
    }
    let note = match sums.not_open {
        0 => String::new(),
        count => format!("{count} were not open"),
    };
    Ok(Some(RequestResult {
        at: inner.cx.now(),
        done: sums.done,
        failed: sums.failed,
        note,
    }))
}

#[derive(Default)]
struct Sums {
    done: u64,
    failed: u64,
    not_open: u64,
}

/// The dead letters of a request, a page at a time.
enum Pages {
    Ids(Vec<DeadLetterId>),
    /// Going down by id looks at each once, though what failed again is open again.
    Below(Option<DeadLetterId>),
    End,
}

impl Pages {
    fn new(request: &Request) -> Self {
        match &request.wanted.selection {
            Selection::Ids(ids) => Self::Ids(ids.clone()),
            Selection::Filter(_) => Self::Below(None),
        }
    }

    /// Returns the next page, which may be empty; `None` if there is none.
    async fn next(
        &mut self,
        inner: &Inner,
        request: &Request,
    ) -> Result<Option<Vec<DeadLetterId>>, StoreError> {
        match (&mut *self, &request.wanted.selection) {
            (Self::Ids(ids), _) if !ids.is_empty() => {
                Ok(Some(ids.drain(..ids.len().min(TOGETHER)).collect()))
            }
            (Self::Below(before), Selection::Filter(filter)) => {
                let state = match request.wanted.action {
                    Action::Reopen => DeadLetterState::Archived,
                    _ => filter.state.unwrap_or(DeadLetterState::Open),
                };
                let filter = DeadLetterFilter {
                    state: Some(state),
                    ..filter.clone()
                };
                let page = inner.store.dead_letters(filter, *before, TOGETHER).await?;
                *self = page.next.map_or(Self::End, |next| Self::Below(Some(next)));
                Ok(Some(page.dead_letters.iter().map(|head| head.id).collect()))
            }
            _ => Ok(None),
        }
    }
}

/// Sends dead letters through their flows again.
async fn redrive(
    inner: &Arc<Inner>,
    ids: Vec<DeadLetterId>,
    edited: Option<&StoredMessage>,
    sums: &mut Sums,
) -> Result<(), StoreError> {
    let mut flows: BTreeMap<FlowName, Arc<FlowRuntime>> = BTreeMap::new();
    let mut ids = ids;
    while !ids.is_empty() {
        let asked = ids.len();
        let claimed = inner.store.claim_dead_letters(ids, inner.cx.now()).await?;
        let taken = claimed.dead_letters.len();
        sums.not_open += asked.saturating_sub(taken + claimed.rest.len()) as u64;
        for letter in claimed.dead_letters {
            let name = &letter.head.facts.flow;
            let flow = inner.flow(name);
            if let Some(flow) = &flow {
                flows.insert(name.clone(), Arc::clone(flow));
            }
            let stored = edited.unwrap_or(&letter.message);
            if one(inner, flow, &letter, stored).await? {
                sums.done += 1;
            } else {
                sums.failed += 1;
            }
        }
        ids = claimed.rest;
    }
    // What sinks have gathered for no group is finished when they are closed.
    for flow in flows.values() {
        flow.close_reached().await;
    }
    Ok(())
}

/// Sends one dead letter through its flow again; its state changes in the commit of that run.
async fn one(
    inner: &Arc<Inner>,
    flow: Option<Arc<FlowRuntime>>,
    letter: &DeadLetter,
    stored: &StoredMessage,
) -> Result<bool, StoreError> {
    let Some(flow) = flow else {
        open_again(inner, letter).await?;
        return Ok(false);
    };
    let message = message_of(inner, letter, stored);
    let mut run = flow.new_run(message, Begun::now(&inner.cx));
    let id = run.id;
    run.attempts = letter.head.facts.attempts.saturating_add(1);
    let execution = Execution::new(Arc::clone(&flow), 0);
    let mut runs = vec![run];
    execution.finish(&mut runs).await;
    // A second failure leaves the one dead letter open: the run is recorded as an error that was
    // told, so that it does not become a second dead letter.
    runs.iter_mut().for_each(|run| run.fails_to_caller = true);
    let fault = runs.iter().find_map(|run| match &run.state {
        State::Failed(fault, _) => Some(fault.private()),
        _ => None,
    });
    let worked = fault.is_none();
    let mut settling = settle::commit_of(&execution, runs);
    settling.durable = true;
    settling.commit.redriven.push(RedriveResult {
        id: letter.head.id,
        run: id,
        at: inner.cx.now(),
        fault,
    });
    if let Err(fault) = crate::settler::store(&flow, settling).await {
        inner.cx.log(
            Level::Error,
            "a dead letter was sent again, and that could not be stored",
            &[
                ("flow", &flow.flow.name),
                ("dead_letter", &letter.head.id),
                ("fault", &fault.private()),
            ],
        );
        open_again(inner, letter).await?;
        return Ok(false);
    }
    Ok(worked)
}

async fn open_again(inner: &Inner, letter: &DeadLetter) -> Result<(), StoreError> {
    let (ids, now) = (vec![letter.head.id], inner.cx.now());
    let opened = inner
        .store
        .set_dead_letters(ids, DeadLetterState::Open, now);
    opened.await.map(|_| ())
}

/// Returns the message as it is sent again; one that cannot be read is unread still.
fn message_of(inner: &Inner, letter: &DeadLetter, stored: &StoredMessage) -> Message {
    let unread = |fault: Fault| Payload::Unread {
        raw: Arc::clone(&stored.body),
        fault,
    };
    let payload = match stored.payload() {
        Ok(StoredPayloadValue::Value(value)) => Payload::Value(value),
        Ok(StoredPayloadValue::Unread(_)) => unread(Fault::invalid(
            "the message could not be read; send it again with an edited payload",
        )),
        Err(fault) => unread(fault),
    };
    Message {
        payload,
        origin: Origin::DeadLetter(letter.head.id.0),
        params: stored.params().ok().flatten().map(Arc::new),
        headers: stored.headers().ok().flatten().map(Arc::new),
        received: inner.cx.now(),
    }
}
