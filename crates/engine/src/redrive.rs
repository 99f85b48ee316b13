//! Requests that other processes have left: dead letters sent again, archived, opened.

use std::sync::Arc;
use std::time::Duration;

use sluice_model::batch::{Message, Origin, Payload};
use sluice_model::fault::Fault;
use sluice_sdk::cx::{Cx, Level};
use sluice_store::commit::Durability;
use sluice_store::dead_letter::message::{StoredMessage, StoredPayloadValue};
use sluice_store::dead_letter::{
    DeadLetter, DeadLetterFilter, DeadLetterId, DeadLetterState, RedriveResult,
};
use sluice_store::error::StoreError;
use sluice_store::request::{Action, Request, RequestResult, Selection};

use crate::engine::Inner;
use crate::execute::Execution;
use crate::run::State;
use crate::settle::{self, Failed};

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
                let fault = settle::store_fault(&error);
                inner.cx.log(
                    Level::Warn,
                    "cannot read requests",
                    &[("fault", &fault.private())],
                );
                continue;
            }
        };
        for request in requests {
            let result = carry_out(&inner, &request).await;
            let result = result.unwrap_or_else(|error| RequestResult {
                at: inner.cx.now(),
                done: 0,
                failed: 0,
                note: error.to_string(),
            });
            if let Err(error) = inner.store.finish_request(request.id, result).await {
                let fault = settle::store_fault(&error);
                inner.cx.log(
                    Level::Warn,
                    "cannot end a request",
                    &[("fault", &fault.private())],
                );
            }
        }
    }
}

async fn carry_out(inner: &Arc<Inner>, request: &Request) -> Result<RequestResult, StoreError> {
    let mut done = 0;
    let mut failed = 0;
    let mut note = String::new();
    let mut before: Option<DeadLetterId> = None;
    let mut listed = match &request.wanted.selection {
        Selection::Ids(ids) => Some(ids.clone()),
        Selection::Filter(_) => None,
    };
    loop {
        let ids: Vec<DeadLetterId> = match (&mut listed, &request.wanted.selection) {
            (Some(ids), _) => ids.drain(..ids.len().min(TOGETHER)).collect(),
            (None, Selection::Filter(filter)) => {
                // What failed again is open again: going down by id looks at each once.
                let open = DeadLetterState::Open;
                let state = match request.wanted.action {
                    Action::Reopen => Some(DeadLetterState::Archived),
                    _ => Some(filter.state.unwrap_or(open)),
                };
                let filter = DeadLetterFilter {
                    state,
                    ..filter.clone()
                };
                let page = inner.store.dead_letters(filter, before, TOGETHER).await?;
                page.dead_letters.iter().map(|head| head.id).collect()
            }
            (None, Selection::Ids(_)) => Vec::new(),
        };
        if ids.is_empty() {
            break;
        }
        before = ids.iter().min().copied();
        let now = inner.cx.now();
        match &request.wanted.action {
            Action::Archive => {
                done += inner
                    .store
                    .set_dead_letters(ids, DeadLetterState::Archived, now)
                    .await?;
            }
            Action::Reopen => {
                done += inner
                    .store
                    .set_dead_letters(ids, DeadLetterState::Open, now)
                    .await?;
            }
            Action::Redrive => {
                let asked = ids.len();
                let (ok, bad) = redrive(inner, ids, None).await?;
                if ok + bad < asked as u64 {
                    note = format!("{} were not open", asked as u64 - ok - bad);
                }
                done += ok;
                failed += bad;
            }
            Action::RedriveEdited(message) => {
                let (ok, bad) = redrive(inner, ids, Some(message)).await?;
                done += ok;
                failed += bad;
            }
        }
    }
    Ok(RequestResult {
        at: inner.cx.now(),
        done,
        failed,
        note,
    })
}

/// Sends dead letters through their flows again; returns how many were done and how many failed.
async fn redrive(
    inner: &Arc<Inner>,
    ids: Vec<DeadLetterId>,
    edited: Option<&StoredMessage>,
) -> Result<(u64, u64), StoreError> {
    let (mut done, mut failed) = (0, 0);
    let mut ids = ids;
    while !ids.is_empty() {
        let claimed = inner.store.claim_dead_letters(ids, inner.cx.now()).await?;
        for letter in claimed.dead_letters {
            if one(inner, &letter, edited.unwrap_or(&letter.message)).await? {
                done += 1;
            } else {
                failed += 1;
            }
        }
        ids = claimed.rest;
    }
    Ok((done, failed))
}

/// Sends one dead letter through its flow again; its state changes in the commit of that run.
async fn one(
    inner: &Arc<Inner>,
    letter: &DeadLetter,
    stored: &StoredMessage,
) -> Result<bool, StoreError> {
    let Some(flow) = inner.flow(&letter.head.facts.flow) else {
        let ids = vec![letter.head.id];
        inner
            .store
            .set_dead_letters(ids, DeadLetterState::Open, inner.cx.now())
            .await?;
        return Ok(false);
    };
    let message = message_of(inner, letter, stored);
    let mut run = flow.new_run(message);
    let id = run.id;
    run.attempts = letter.head.facts.attempts.saturating_add(1);
    let execution = Execution::new(Arc::clone(&flow), 0);
    let runs = execution.finish(vec![run]).await;
    let fault = runs.iter().find_map(|run| match &run.state {
        State::Failed(fault, _) => Some(fault.private()),
        _ => None,
    });
    let worked = fault.is_none();
    // A second failure leaves the one dead letter open: the run is recorded as an error that was
    // told, so that it does not become a second dead letter.
    let mut settling = settle::commit_of(&flow, runs, Failed::AnswersCaller);
    settling.commit.merge(execution.take_extra());
    let at = inner.cx.now();
    settling.commit.redriven.push(RedriveResult {
        id: letter.head.id,
        run: id,
        at,
        fault,
    });
    inner
        .store
        .commit(settling.commit, Durability::Durable)
        .await?;
    Ok(worked)
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
