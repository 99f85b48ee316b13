//! Settles deliveries: those with a position in the order in which they came, others as they come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluice_model::batch::Receipt;
use sluice_model::fault::Fault;
use sluice_model::ids::FlowName;
use sluice_sdk::connection::{PositionMark, Reply};
use sluice_sdk::cx::Level;
use sluice_store::commit::{Commit, Durability, PositionUpdate};
use sluice_store::counts::Counts;
use sluice_store::dedupe::DedupeKey;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::flow::FlowRuntime;
use crate::settle::{self, Settling};

/// How many deliveries are settled by one commit at most.
const SETTLED_TOGETHER: usize = 64;
/// How many rows one commit has at most, unless one delivery alone has more.
const ROWS_TOGETHER: usize = 50_000;

/// What a delivery left behind, on its way to be settled.
pub(crate) struct Finished {
    /// Its turn; `None` where deliveries have no order.
    pub turn: Option<u64>,
    /// What is stored; the fault of a defect otherwise.
    pub result: Result<Settling, Fault>,
    pub position: Option<PositionMark>,
    pub group_end: Option<Arc<str>>,
    pub receipt: Receipt,
    /// Held until the delivery is settled: bounds how much is under way.
    pub permit: OwnedSemaphorePermit,
}

impl Finished {
    /// Returns whether it has to be settled in its turn.
    fn is_ordered(&self) -> bool {
        self.position.is_some() || self.group_end.is_some()
    }
}

/// The turns of deliveries that are under way: no more than may be in flight.
#[derive(Default)]
pub(crate) struct Turns(Mutex<(u64, BTreeSet<u64>)>);

impl Turns {
    fn lock(&self) -> MutexGuard<'_, (u64, BTreeSet<u64>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the turn of the next delivery, which is under way from now on.
    pub fn next(&self) -> u64 {
        let mut turns = self.lock();
        turns.0 += 1;
        let turn = turns.0;
        turns.1.insert(turn);
        turn
    }

    fn first(&self) -> Option<u64> {
        self.lock().1.first().copied()
    }

    fn leave(&self, turn: Option<u64>) {
        if let Some(turn) = turn {
            self.lock().1.remove(&turn);
        }
    }
}

/// Settles what finishes, until nothing will.
pub(crate) async fn settle_all(
    runtime: Arc<FlowRuntime>,
    mut finished: mpsc::Receiver<Finished>,
    turns: Option<Arc<Turns>>,
) {
    // Those whose turn has not come.
    let mut waiting: BTreeMap<u64, Finished> = BTreeMap::new();
    while let Some(first) = finished.recv().await {
        let mut together = Vec::new();
        let mut next = Some(first);
        while let Some(own) = next {
            match own.turn.filter(|_| own.is_ordered()) {
                Some(turn) => {
                    waiting.insert(turn, own);
                }
                None => {
                    leave(turns.as_ref(), &own);
                    together.push(own);
                }
            }
            next = match together.len() + waiting.len() < SETTLED_TOGETHER {
                true => finished.try_recv().ok(),
                false => None,
            };
        }
        while let Some(turns) = &turns
            && let Some(turn) = turns.first()
            && let Some(ready) = waiting.remove(&turn)
        {
            turns.leave(Some(turn));
            let Some(group) = ready.group_end.clone() else {
                together.push(ready);
                continue;
            };
            // All of the group was written: those before it are settled, then its sinks finish.
            settle(&runtime, std::mem::take(&mut together)).await;
            if ready.result.is_err() || runtime.is_broken() {
                together.push(ready);
                continue;
            }
            match runtime.finish_group(&group).await {
                Ok(()) => together.push(ready),
                Err(fault) => give_back(&runtime, ready, fault),
            }
        }
        settle(&runtime, together).await;
    }
}

fn leave(turns: Option<&Arc<Turns>>, finished: &Finished) {
    if let Some(turns) = turns {
        turns.leave(finished.turn);
    }
}

/// Deliveries that are settled by one commit.
#[derive(Default)]
struct Together {
    settling: Settling,
    receipts: Vec<(Receipt, OwnedSemaphorePermit)>,
    has_ordered: bool,
}

/// Settles deliveries by as few commits as their size allows.
async fn settle(runtime: &FlowRuntime, all: Vec<Finished>) {
    let mut together = Together::default();
    for finished in all {
        let rows = match &finished.result {
            Ok(settling) => settling.commit.rows(),
            Err(_) => 0,
        };
        if ROWS_TOGETHER < together.settling.commit.rows() + rows && !together.receipts.is_empty() {
            commit(runtime, std::mem::take(&mut together)).await;
        }
        let is_ordered = finished.is_ordered();
        let Finished {
            result,
            position,
            receipt,
            permit,
            ..
        } = finished;
        let is_behind = is_ordered && runtime.is_broken();
        let mut settling = match result {
            Ok(settling) if is_behind => {
                let fault = Fault::internal("a delivery before it was not settled");
                undo(runtime, is_ordered, Some(settling), &fault);
                receipt.nack(fault);
                continue;
            }
            Ok(settling) => settling,
            Err(fault) => {
                undo(runtime, is_ordered, None, &fault);
                receipt.nack(fault);
                continue;
            }
        };
        if let Some(mark) = position {
            settling.durable = true;
            settling.commit.positions.push(PositionUpdate {
                flow: runtime.flow.name.clone(),
                key: mark.key,
                value: mark.value,
            });
        }
        settle::bound(&mut settling.commit);
        together.settling.merge(settling);
        together.has_ordered |= is_ordered;
        together.receipts.push((receipt, permit));
    }
    if !together.receipts.is_empty() {
        commit(runtime, together).await;
    }
}

/// Settles deliveries by one commit; if it fails, none of them is acknowledged.
async fn commit(runtime: &FlowRuntime, together: Together) {
    let Together {
        settling,
        receipts,
        has_ordered,
    } = together;
    match store(runtime, settling).await {
        Ok(()) => receipts.into_iter().for_each(|(receipt, _)| receipt.ack()),
        Err(fault) => {
            runtime.cx.log(
                Level::Error,
                "deliveries could not be settled and will come again",
                &[
                    ("flow", &runtime.flow.name),
                    ("deliveries", &receipts.len()),
                    ("fault", &fault.private()),
                ],
            );
            runtime.given_back.store(true, Ordering::Release);
            if has_ordered {
                runtime.set_broken();
            }
            for (receipt, permit) in receipts {
                receipt.nack(fault.clone());
                drop(permit);
            }
        }
    }
}

/// Stores what is left behind, and tells the answers that waited for it.
///
/// # Errors
/// If the store does not take it: nothing of it is stored, its keys are free, callers are told.
pub(crate) async fn store(runtime: &FlowRuntime, settling: Settling) -> Result<(), Fault> {
    let Settling {
        mut commit,
        durable,
        replies,
    } = settling;
    merge_counts(&mut commit);
    let keys: Vec<(FlowName, DedupeKey)> = commit
        .dedupe
        .iter()
        .map(|own| (own.flow.clone(), own.key.clone()))
        .collect();
    let durability = match durable {
        true => Durability::Durable,
        false => Durability::Soon,
    };
    let stored = runtime.store.commit(commit, durability).await;
    forget(runtime, &keys);
    match stored {
        Ok(_) => {
            replies.into_iter().for_each(|(to, reply)| to.send(reply));
            Ok(())
        }
        Err(error) => {
            let fault = settle::store_fault(&error);
            for (to, _) in replies {
                to.send(Reply::Fault(fault.clone()));
            }
            Err(fault)
        }
    }
}

/// Adds up the counts of one flow, so that they are one row.
fn merge_counts(commit: &mut Commit) {
    let mut sums: Vec<(FlowName, Counts)> = Vec::new();
    for (flow, counts) in commit.counts.drain(..) {
        match sums.iter_mut().find(|(own, _)| *own == flow) {
            Some((_, own)) => own.add(&counts),
            None => sums.push((flow, counts)),
        }
    }
    commit.counts = sums;
}

/// Gives a delivery back.
fn give_back(runtime: &FlowRuntime, finished: Finished, fault: Fault) {
    let is_ordered = finished.is_ordered();
    undo(runtime, is_ordered, finished.result.ok(), &fault);
    finished.receipt.nack(fault);
}

/// Undoes what a delivery that is given back has reserved and promised; nothing behind it is
/// settled before the source has begun again.
fn undo(runtime: &FlowRuntime, is_ordered: bool, settling: Option<Settling>, fault: &Fault) {
    let flow = &runtime.flow.name;
    runtime.cx.log(
        Level::Error,
        "a delivery could not be settled and will come again",
        &[("flow", flow), ("fault", &fault.private())],
    );
    runtime.given_back.store(true, Ordering::Release);
    if is_ordered {
        runtime.set_broken();
    }
    let Some(settling) = settling else { return };
    for own in &settling.commit.dedupe {
        let key = std::slice::from_ref(&own.key);
        runtime.store.release_keys(&own.flow, key);
    }
    let keys = settling.commit.dedupe.into_iter();
    let keys: Vec<_> = keys.map(|own| (own.flow, own.key)).collect();
    forget(runtime, &keys);
    for (to, _) in settling.replies {
        to.send(Reply::Fault(fault.clone()));
    }
}

/// Ends the keys' time under way: the store knows what they are.
fn forget(runtime: &FlowRuntime, keys: &[(FlowName, DedupeKey)]) {
    let engine = runtime.engine();
    for (flow, key) in keys {
        let key = std::iter::once(key);
        if *flow == runtime.flow.name {
            runtime.dedupe.forget(key);
        } else if let Some(flow) = engine.as_ref().and_then(|engine| engine.flow(flow)) {
            flow.dedupe.forget(key);
        }
    }
}
