//! `write`: one task for each sink of a flow gathers rows and writes them together.

use std::sync::Arc;
use std::time::Duration;

use sluice_compiler::release::WritePlan;
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_sdk::connection::{BatchFault, DynSink, Row};
use sluice_sdk::cx::{Cx, Level, Task};
use tokio::sync::{mpsc, oneshot};

use crate::call::wait_before;
use crate::connection::Shared;

/// How many jobs wait for a sink; beyond that, flows wait.
const QUEUE: usize = 64;

/// What became of each row of a job, and how often it was tried.
pub(crate) type Written = Vec<(Result<(), Fault>, u32)>;

enum Job {
    Rows(Vec<Row>, oneshot::Sender<Written>),
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
            sink,
            open: false,
            policy,
            shared,
            cx: cx.clone(),
        };
        let task = cx.spawn(worker.run(jobs));
        Self { queue, _task: task }
    }

    /// Writes rows, and waits until they are written or given up.
    pub async fn write(&self, rows: Vec<Row>) -> Written {
        let count = rows.len();
        let (done, written) = oneshot::channel();
        if self.queue.send(Job::Rows(rows, done)).await.is_ok()
            && let Ok(written) = written.await
        {
            return written;
        }
        let gone = || Fault::internal("the sink's task has ended");
        (0..count).map(|_| (Err(gone()), 1)).collect()
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
    open: bool,
    policy: SinkPolicy,
    shared: Arc<Shared>,
    cx: Cx,
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
                    let result = match self.open {
                        true => self.sink.finish(&group, &self.cx).await,
                        false => Ok(()),
                    };
                    let _ = done.send(result);
                }
                Job::Close(done) => {
                    let result = match self.open {
                        true => self.sink.close(&self.cx).await,
                        false => Ok(()),
                    };
                    self.open = false;
                    let _ = done.send(result);
                }
            }
        }
    }

    /// Gathers jobs until there are rows enough, or the first one has waited long enough; returns
    /// a job of another kind that came meanwhile.
    async fn gather(
        &mut self,
        rows: Vec<Row>,
        done: oneshot::Sender<Written>,
        jobs: &mut mpsc::Receiver<Job>,
    ) -> (Vec<(Vec<Row>, oneshot::Sender<Written>)>, Option<Job>) {
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

    async fn write_all(&mut self, gathered: Vec<(Vec<Row>, oneshot::Sender<Written>)>) {
        let counts: Vec<usize> = gathered.iter().map(|(rows, _)| rows.len()).collect();
        let mut senders = Vec::with_capacity(gathered.len());
        let mut all = Vec::with_capacity(counts.iter().sum());
        for (rows, done) in gathered {
            all.extend(rows);
            senders.push(done);
        }
        let mut written: Vec<(Result<(), Fault>, u32)> = Vec::with_capacity(all.len());
        while !all.is_empty() {
            let rest = all.split_off(self.policy.count.min(all.len()));
            written.extend(self.write_batch(all).await);
            all = rest;
        }
        for (count, done) in counts.into_iter().zip(senders) {
            let rest = written.split_off(count);
            let _ = done.send(written);
            written = rest;
        }
    }

    /// Writes rows; those that fail in a way that may pass are tried again, alone.
    async fn write_batch(&mut self, rows: Vec<Row>) -> Written {
        let total = rows.len();
        let mut results: Vec<Option<(Result<(), Fault>, u32)>> = vec![None; total];
        let mut left: Vec<usize> = (0..total).collect();
        let mut rows = rows;
        let mut attempt = 1;
        self.shared.tried(self.cx.monotonic());
        loop {
            let failed = match self.try_write(&rows).await {
                Ok(()) => Vec::new(),
                Err(BatchFault::All(fault)) => (0..rows.len())
                    .map(|index| (index, fault.clone()))
                    .collect(),
                Err(BatchFault::Rows(failed)) => failed,
            };
            let mut again: Vec<(usize, Fault)> = Vec::new();
            let mut wait = Duration::ZERO;
            for (index, fault) in failed {
                let Some(place) = left.get(index).copied() else {
                    continue;
                };
                match wait_before(&self.policy.retry, attempt + 1, &fault, &self.cx) {
                    Some(own) => {
                        wait = wait.max(own);
                        again.push((index, fault));
                    }
                    None => results[place] = Some((Err(fault), attempt)),
                }
            }
            for (index, place) in left.iter().enumerate() {
                let is_again = again.iter().any(|(own, _)| *own == index);
                if results[*place].is_none() && !is_again {
                    results[*place] = Some((Ok(()), attempt));
                }
            }
            if again.is_empty() {
                break;
            }
            let stopped = !self.shared.may_repeat(self.cx.monotonic())
                || self.cx.or_cancelled(self.cx.sleep(wait)).await.is_none();
            if stopped {
                for (index, fault) in again {
                    results[left[index]] = Some((Err(fault), attempt));
                }
                break;
            }
            attempt += 1;
            left = again.iter().map(|(index, _)| left[*index]).collect();
            rows = again
                .iter()
                .map(|(index, _)| rows[*index].clone())
                .collect();
        }
        results
            .into_iter()
            .map(|result| result.unwrap_or((Ok(()), attempt)))
            .collect()
    }

    async fn try_write(&mut self, rows: &[Row]) -> Result<(), BatchFault> {
        if !self.open {
            self.sink.open(&self.cx).await.map_err(BatchFault::All)?;
            self.open = true;
        }
        let write = self.sink.write(rows, &self.cx);
        let result = match self.cx.timeout(self.policy.timeout, write).await {
            Some(result) => result,
            None => {
                // The write was cut off: what it did is unknown, and the sink has to begin anew.
                self.open = false;
                let text = format!(
                    "`{}` did not finish within {:?}",
                    self.policy.name, self.policy.timeout
                );
                Err(BatchFault::All(Fault::new(
                    FaultCode::TIMEOUT,
                    Retry::Reconnect,
                    Blame::Upstream,
                    text,
                )))
            }
        };
        if let Err(BatchFault::All(fault)) = &result
            && fault.retry() == Retry::Reconnect
        {
            self.open = false;
            self.cx.log(
                Level::Warn,
                "a sink lost its connection",
                &[("sink", &self.policy.name), ("fault", &fault.private())],
            );
        }
        result
    }
}
