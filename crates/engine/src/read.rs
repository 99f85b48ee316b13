//! The reading side of a flow: its source is read, its deliveries are carried out beside each
//! other, and handed over to be settled.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use sluice_compiler::release::From;
use sluice_model::fault::{Fault, Retry};
use sluice_model::value::Value;
use sluice_sdk::connection::{Delivery, DynSource, Positions};
use sluice_sdk::cx::{BoxFuture, Cx, Level, Task, panic_fault};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::flow::{Begun, FlowRuntime, carry_out};
use crate::run::{Caller, Run};
use crate::settle;
use crate::settler::{Finished, Turns, settle_all};

/// The longest wait before a source that failed is opened again.
const REOPEN_MAX: Duration = Duration::from_secs(30);

/// Reads a flow's source until it ends or the reading is cancelled; returns when everything that
/// was read is settled.
pub(crate) async fn run(
    runtime: Arc<FlowRuntime>,
    source: Box<dyn DynSource>,
    reading: Cx,
    in_flight: u32,
) {
    let in_flight = in_flight.max(1);
    let (finished, settling) = mpsc::channel(in_flight as usize);
    // Requests have no order among each other, nor a position.
    let turns = (!source.promises().replies).then(|| Arc::new(Turns::default()));
    let settler = settle_all(Arc::clone(&runtime), settling, turns.clone());
    let settler = runtime.cx.spawn(settler);
    let mut reader = Reader {
        runtime,
        reading,
        source,
        turns,
        permits: Arc::new(Semaphore::new(in_flight as usize)),
        in_flight,
        finished,
        tasks: Vec::new(),
        failures: 0,
        is_open: false,
    };
    while !reader.reading.is_cancelled() && reader.step().await {}
    let Reader {
        tasks,
        finished,
        reading,
        mut source,
        runtime,
        ..
    } = reader;
    for task in tasks {
        let _ = task.join().await;
    }
    drop(finished);
    let _ = settler.join().await;
    close(&runtime, &mut *source, &reading).await;
    runtime.close_sinks().await;
}

struct Reader {
    runtime: Arc<FlowRuntime>,
    reading: Cx,
    source: Box<dyn DynSource>,
    turns: Option<Arc<Turns>>,
    permits: Arc<Semaphore>,
    in_flight: u32,
    finished: mpsc::Sender<Finished>,
    tasks: Vec<Task>,
    failures: u32,
    is_open: bool,
}

impl Reader {
    /// Reads one delivery and starts on it; `false` if nothing will follow.
    async fn step(&mut self) -> bool {
        if self.runtime.is_broken() && !self.begin_again().await {
            return false;
        }
        if !self.is_open {
            return self.open().await;
        }
        let permit = Arc::clone(&self.permits).acquire_owned();
        let Some(Ok(permit)) = self.reading.or_cancelled(permit).await else {
            return false;
        };
        let next = AssertUnwindSafe(self.source.next(&self.reading)).catch_unwind();
        // A source that waits for more has to hear of what it must give again.
        let next = async {
            tokio::select! {
                biased;
                next = next => Some(next),
                () = self.runtime.breaks() => None,
            }
        };
        let Some(next) = self.reading.or_cancelled(next).await else {
            return false;
        };
        match next {
            None => {}
            Some(Ok(Ok(Some(delivery)))) => self.start(delivery, permit),
            Some(Ok(Ok(None))) => {
                drop(permit);
                return self.ended().await;
            }
            Some(Ok(Err(fault))) => {
                self.is_open = fault.retry() != Retry::Reconnect;
                drop(permit);
                self.failed(&fault).await;
            }
            Some(Err(panic)) => {
                drop(permit);
                self.panicked(panic_fault(&*panic)).await;
            }
        }
        true
    }

    async fn open(&mut self) -> bool {
        let positions = Arc::new(StoredPositions(Arc::clone(&self.runtime)));
        self.runtime.given_back.store(false, Ordering::Release);
        let open = AssertUnwindSafe(self.source.open(positions, &self.reading)).catch_unwind();
        match self.reading.or_cancelled(open).await {
            None => return false,
            Some(Ok(Ok(()))) => self.is_open = true,
            Some(Ok(Err(fault))) => self.failed(&fault).await,
            Some(Err(panic)) => self.panicked(panic_fault(&*panic)).await,
        }
        true
    }

    /// Waits until nothing is under way; `false` if the reading is cancelled first.
    async fn is_idle(&self) -> bool {
        let all = self.permits.acquire_many(self.in_flight);
        matches!(self.reading.or_cancelled(all).await, Some(Ok(_)))
    }

    /// Opens the source again at its stored positions, once nothing is under way.
    async fn begin_again(&mut self) -> bool {
        if !self.is_idle().await {
            return false;
        }
        close(&self.runtime, &mut *self.source, &self.reading).await;
        self.is_open = false;
        self.runtime.mend();
        self.failed(&Fault::internal("a delivery was not settled"))
            .await;
        true
    }

    /// The source has nothing more; but what was given back is read again.
    async fn ended(&mut self) -> bool {
        if self.turns.is_none() || !self.is_idle().await {
            return false;
        }
        let runtime = Arc::clone(&self.runtime);
        let again = runtime.given_back.swap(false, Ordering::AcqRel);
        if again {
            runtime.set_broken();
        }
        again
    }

    fn start(&mut self, delivery: Delivery, permit: OwnedSemaphorePermit) {
        self.failures = 0;
        if 2 * self.in_flight as usize <= self.tasks.len() {
            self.tasks.retain(|task| !task.is_finished());
        }
        let work = process(
            Arc::clone(&self.runtime),
            delivery,
            self.turns.as_deref(),
            permit,
            self.finished.clone(),
        );
        self.tasks.push(self.runtime.cx.spawn(work));
    }

    /// A source that panicked is put away, and a new one begins at its stored positions.
    async fn panicked(&mut self, fault: Fault) {
        if let From::Source { source, .. } = &self.runtime.flow.from {
            self.source = source.fresh();
        }
        self.is_open = false;
        self.failed(&fault).await;
    }

    /// Tells of a source that failed, and waits before it is asked again.
    async fn failed(&mut self, fault: &Fault) {
        self.failures = self.failures.saturating_add(1);
        self.reading.log(
            Level::Warn,
            "a source failed and is tried again",
            &[
                ("flow", &self.runtime.flow.name),
                ("failures", &self.failures),
                ("fault", &fault.private()),
            ],
        );
        let ceiling = Duration::from_millis(200)
            .saturating_mul(1 << self.failures.min(10))
            .min(REOPEN_MAX);
        let floor = match fault.retry() {
            Retry::After(wait) => wait.min(REOPEN_MAX),
            Retry::Never | Retry::Soon | Retry::Reconnect => Duration::from_millis(50),
        };
        let wait = floor.max(self.reading.jitter(ceiling));
        let _ = self.reading.or_cancelled(self.reading.sleep(wait)).await;
    }
}

async fn close(runtime: &FlowRuntime, source: &mut dyn DynSource, reading: &Cx) {
    let closed = AssertUnwindSafe(source.close(reading)).catch_unwind().await;
    if let Err(panic) = closed {
        let fault = panic_fault(&*panic);
        runtime.cx.log(
            Level::Error,
            "a source could not be closed",
            &[("flow", &runtime.flow.name), ("fault", &fault.private())],
        );
    }
}

/// Takes a delivery through the flow, and hands what it left behind to be settled.
fn process(
    runtime: Arc<FlowRuntime>,
    delivery: Delivery,
    turns: Option<&Turns>,
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
    let turn = turns.map(Turns::next);
    let begun = Begun::now(&runtime.cx);
    let mut runs: Vec<Run> = messages
        .into_iter()
        .map(|message| runtime.new_run(message, begun))
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
            turn,
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
