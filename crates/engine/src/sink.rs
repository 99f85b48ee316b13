//! `write`: one task for each sink of a flow gathers rows and writes them together.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sluice_compiler::release::WritePlan;
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_sdk::connection::{BatchFault, DynSink, Row};
use sluice_sdk::cx::{Cx, Level, Task, panic_fault};
use tokio::sync::{mpsc, oneshot};

use crate::call::wait_before;
use crate::connection::Shared;

/// How many jobs wait for a sink; beyond that, flows wait.
const QUEUE: usize = 64;
/// How long a sink may take to finish a group, or to close.
const FINISH_MAX: Duration = Duration::from_secs(300);

/// What became of each row of a job, and how often it was tried.
pub(crate) type Written = Vec<(Result<(), Fault>, u32)>;

/// Tells what became of the rows of a job, and gives them back.
type Done = oneshot::Sender<(Written, Vec<Row>)>;

enum Job {
    Rows(Vec<Row>, Done),
    Finish(Arc<str>, oneshot::Sender<Result<(), Fault>>),
    Close(oneshot::Sender<Result<(), Fault>>),
}

/// A sink of a flow, and the task that writes to it.
pub(crate) struct SinkTask {
    queue: mpsc::Sender<Job>,
    _task: Task,
}

/// How rows are gathered and tried again.
#[derive(Clone)]
pub(crate) struct SinkPolicy {
    pub count: usize,
    pub after: Duration,
    pub retry: sluice_sdk::config::RetryPolicy,
    pub timeout: Duration,
    pub name: String,
}

impl SinkTask {
    /// Starts the task of a sink.
    pub fn start(plan: &WritePlan, shared: Arc<Shared>, cx: &Cx) -> Self {
        let policy = SinkPolicy {
            count: plan.batch.count.max(1) as usize,
            after: plan.batch.after.0,
            retry: plan.retry.clone(),
            timeout: plan.timeout,
            name: format!("{}#{}", plan.connection, plan.thing),
        };
        let (queue, jobs) = mpsc::channel(QUEUE);
        let sink = match &shared.outside {
            None => plan.sink.fresh(),
            Some(outside) => outside.sink(plan),
        };
        let worker = Worker {
            spare: sink.fresh(),
            sink,
            open: false,
            policy,
            shared,
            cx: cx.clone(),
        };
        let task = cx.spawn(worker.run(jobs));
        Self { queue, _task: task }
    }

    /// Writes rows, and waits until they are written or given up. Gives the rows back, unless the
    /// task has ended.
    pub async fn write(&self, rows: Vec<Row>) -> (Written, Vec<Row>) {
        let count = rows.len();
        let (done, written) = oneshot::channel();
        if self.queue.send(Job::Rows(rows, done)).await.is_ok()
            && let Ok(written) = written.await
        {
            return written;
        }
        let gone = || Fault::internal("the sink's task has ended");
        let written = (0..count).map(|_| (Err(gone()), 1)).collect();
        (written, Vec::new())
    }

    /// Finishes what was gathered for a group.
    pub async fn finish(&self, group: Arc<str>) -> Result<(), Fault> {
        self.ask(|done| Job::Finish(group, done)).await
    }

    /// Finishes everything.
    pub async fn close(&self) -> Result<(), Fault> {
        self.ask(Job::Close).await
    }

    async fn ask(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<(), Fault>>) -> Job,
    ) -> Result<(), Fault> {
        let (done, answer) = oneshot::channel();
        let gone = || Fault::internal("the sink's task has ended");
        self.queue.send(job(done)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

struct Worker {
    sink: Box<dyn DynSink>,
    /// Never opened: what replaces a sink that panicked or hangs.
    spare: Box<dyn DynSink>,
    open: bool,
    policy: SinkPolicy,
    shared: Arc<Shared>,
    cx: Cx,
}

/// Why something that was asked of a sink has no result.
enum Lost {
    Panicked(Fault),
    Hangs,
}

/// Waits for a sink, but not forever, and survives its panic.
async fn guard<T>(cx: &Cx, limit: Duration, future: impl Future<Output = T>) -> Result<T, Lost> {
    match cx
        .timeout(limit, AssertUnwindSafe(future).catch_unwind())
        .await
    {
        Some(Ok(value)) => Ok(value),
        Some(Err(panic)) => Err(Lost::Panicked(panic_fault(&*panic))),
        None => Err(Lost::Hangs),
    }
}

impl Worker {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut next = None;
        loop {
            let job = match next.take() {
                Some(job) => job,
                None => match jobs.recv().await {
                    Some(job) => job,
                    None => return,
                },
            };
            match job {
                Job::Rows(rows, done) => {
                    let (gathered, after) = self.gather(rows, done, &mut jobs).await;
                    next = after;
                    self.write_all(gathered).await;
                }
                Job::Finish(group, done) => {
                    let _ = done.send(self.finish(&group).await);
                }
                Job::Close(done) => {
                    let _ = done.send(self.close().await);
                }
            }
        }
    }

    /// Opens the sink, unless it is open.
    async fn open(&mut self) -> Result<(), Fault> {
        if self.open {
            return Ok(());
        }
        match guard(&self.cx, self.policy.timeout, self.sink.open(&self.cx)).await {
            Ok(result) => {
                result?;
                self.open = true;
                Ok(())
            }
            Err(lost) => Err(self.replace(lost)),
        }
    }

    /// Finishes a group; opens the sink for that, since a process before may have left something.
    async fn finish(&mut self, group: &str) -> Result<(), Fault> {
        self.open().await?;
        match guard(&self.cx, FINISH_MAX, self.sink.finish(group, &self.cx)).await {
            Ok(result) => result,
            Err(lost) => Err(self.replace(lost)),
        }
    }

    async fn close(&mut self) -> Result<(), Fault> {
        if !self.open {
            return Ok(());
        }
        self.open = false;
        match guard(&self.cx, FINISH_MAX, self.sink.close(&self.cx)).await {
            Ok(result) => result,
            Err(lost) => Err(self.replace(lost)),
        }
    }

    /// Puts a sink away that panicked or hangs: what it was doing was cut off, so that nobody knows
    /// its state. Returns the fault of what was asked of it.
    fn replace(&mut self, lost: Lost) -> Fault {
        self.sink = self.spare.fresh();
        self.open = false;
        let fault = match lost {
            Lost::Panicked(fault) => fault,
            Lost::Hangs => {
                let text = format!("`{}` did not finish in time", self.policy.name);
                Fault::new(FaultCode::TIMEOUT, Retry::Reconnect, Blame::Upstream, text)
            }
        };
        self.cx.log(
            Level::Error,
            "a sink was put away and begins anew",
            &[("sink", &self.policy.name), ("fault", &fault.private())],
        );
        fault
    }

    /// Gathers jobs until there are rows enough, or the first one has waited long enough; returns
    /// a job of another kind that came meanwhile.
    async fn gather(
        &mut self,
        rows: Vec<Row>,
        done: Done,
        jobs: &mut mpsc::Receiver<Job>,
    ) -> (Vec<(Vec<Row>, Done)>, Option<Job>) {
        let mut count = rows.len();
        let mut gathered = vec![(rows, done)];
        let deadline = self.cx.monotonic() + self.policy.after;
        while count < self.policy.count {
            let job = match jobs.try_recv() {
                Ok(job) => Some(job),
                Err(_) => {
                    let left = deadline.saturating_sub(self.cx.monotonic());
                    if left.is_zero() {
                        break;
                    }
                    match self.cx.timeout(left, jobs.recv()).await {
                        Some(job) => job,
                        None => break,
                    }
                }
            };
            match job {
                Some(Job::Rows(rows, done)) => {
                    count += rows.len();
                    gathered.push((rows, done));
                }
                Some(other) => return (gathered, Some(other)),
                None => break,
            }
        }
        (gathered, None)
    }

    async fn write_all(&mut self, mut gathered: Vec<(Vec<Row>, Done)>) {
        if gathered.len() == 1
            && let Some((rows, done)) = gathered.pop()
        {
            let written = self.write_batches(&rows).await;
            let _ = done.send((written, rows));
            return;
        }
        let mut ends = Vec::with_capacity(gathered.len());
        let mut all = Vec::with_capacity(gathered.iter().map(|(rows, _)| rows.len()).sum());
        for (rows, done) in gathered {
            ends.push((rows.len(), done));
            all.extend(rows);
        }
        let mut written = self.write_batches(&all).await.into_iter();
        let mut rows = all.into_iter();
        for (count, done) in ends {
            let written = written.by_ref().take(count).collect();
            let rows = rows.by_ref().take(count).collect();
            let _ = done.send((written, rows));
        }
    }

    async fn write_batches(&mut self, rows: &[Row]) -> Written {
        if rows.len() <= self.policy.count {
            return self.write_batch(rows).await;
        }
        let mut written = Vec::with_capacity(rows.len());
        for batch in rows.chunks(self.policy.count) {
            written.extend(self.write_batch(batch).await);
        }
        written
    }

    /// Writes rows; those that fail in a way that may pass are tried again, alone.
    async fn write_batch(&mut self, all: &[Row]) -> Written {
        // Every row counts as written by the first try, unless it says otherwise.
        let mut results: Written = all.iter().map(|_| (Ok(()), 1)).collect();
        // The rows that are tried again, and where each stands in `results`.
        let mut retried: Option<(Vec<Row>, Vec<usize>)> = None;
        let mut attempt = 1;
        self.shared.tried(self.cx.monotonic());
        loop {
            let rows = retried.as_ref().map_or(all, |(rows, _)| rows);
            let failed = self.try_write(rows).await;
            let place = |index: usize| match &retried {
                Some((_, places)) => places[index],
                None => index,
            };
            for index in (0..rows.len()).filter(|_| 1 < attempt) {
                results[place(index)] = (Ok(()), attempt);
            }
            let mut again = Vec::new();
            let mut wait = Duration::ZERO;
            for (index, fault) in failed {
                let own = wait_before(&self.policy.retry, attempt + 1, &fault, &self.cx);
                if let Some(own) = own {
                    wait = wait.max(own);
                    again.push(index);
                }
                results[place(index)] = (Err(fault), attempt);
            }
            if again.is_empty() {
                return results;
            }
            let places: Vec<usize> = again.iter().map(|index| place(*index)).collect();
            let rows = places.iter().map(|place| all[*place].clone()).collect();
            let repeats = self.shared.may_repeat(self.cx.monotonic())
                && self.cx.or_cancelled(self.cx.sleep(wait)).await.is_some();
            if !repeats {
                return results;
            }
            attempt += 1;
            retried = Some((rows, places));
        }
    }

    /// Writes rows once; returns those that failed, ascending, each once.
    async fn try_write(&mut self, rows: &[Row]) -> Vec<(usize, Fault)> {
        let fault = match self.open().await {
            Err(fault) => BatchFault::All(fault),
            Ok(()) => match self.write(rows).await {
                Ok(()) => return Vec::new(),
                Err(fault) => fault,
            },
        };
        let every = |fault: &Fault| (0..rows.len()).map(|at| (at, fault.clone())).collect();
        match fault {
            BatchFault::All(fault) => {
                if fault.retry() == Retry::Reconnect {
                    self.open = false;
                    self.cx.log(
                        Level::Warn,
                        "a sink lost its connection",
                        &[("sink", &self.policy.name), ("fault", &fault.private())],
                    );
                }
                every(&fault)
            }
            BatchFault::Rows(failed) if failed.iter().any(|(at, _)| rows.len() <= *at) => every(
                &Fault::internal("a sink told of a row that it was not given"),
            ),
            BatchFault::Rows(mut failed) => {
                failed.sort_by_key(|(at, _)| *at);
                failed.dedup_by_key(|(at, _)| *at);
                failed
            }
        }
    }

    /// Writes rows. A write that is late has as long again: what a write did that was cut off
    /// cannot be known, and a sink is not made to be cut off.
    async fn write(&mut self, rows: &[Row]) -> Result<(), BatchFault> {
        let limit = self.policy.timeout.saturating_mul(2);
        match guard(&self.cx, limit, self.sink.write(rows, &self.cx)).await {
            Ok(result) => result,
            Err(lost) => Err(BatchFault::All(self.replace(lost))),
        }
    }
}
