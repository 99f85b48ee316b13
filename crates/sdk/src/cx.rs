//! The context: clock, randomness, spawning, sleeping, secrets and the log.
//!
//! Engine and components reach the world outside their own protocol only through [`Cx`], so that
//! one seed and one clock replay a run.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::time::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::config::{Secret, SecretText};

/// A boxed future that can move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How grave a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever searches for a defect.
    Debug,
    /// What a user asked to be told, such as a `log` step.
    Info,
    /// Something that mends itself, but should be known.
    Warn,
    /// Something that a person has to mend.
    Error,
}

/// What a [`Cx`] stands on: the process, or a simulation of it.
pub trait Runtime: Send + Sync + 'static {
    /// Returns the wall clock.
    fn now(&self) -> Timestamp;

    /// Returns the time since some fixed instant; never goes back.
    fn monotonic(&self) -> Duration;

    /// Waits.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Returns 64 random bits.
    fn random(&self) -> u64;

    /// Runs `future` beside; the handle ends it when dropped.
    fn spawn(&self, future: BoxFuture<'static, ()>) -> Task;

    /// Runs `work`, which may block, off the asynchronous threads.
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>);

    /// Returns the value of the secret `name`, if there is one.
    fn secret(&self, name: &str) -> Option<SecretText>;

    /// Writes a log line: a constant text and its fields.
    fn log(&self, level: Level, text: &str, fields: &[(&str, &dyn std::fmt::Display)]);
}

/// The context of a component or a task. Cheap to clone.
#[derive(Clone)]
pub struct Cx {
    runtime: Arc<dyn Runtime>,
    cancel: CancellationToken,
}

impl Cx {
    /// Returns a context that nothing has cancelled, and what cancels it.
    pub fn new(runtime: Arc<dyn Runtime>) -> (Self, CancelSource) {
        let cancel = CancellationToken::new();
        let source = CancelSource::new(&cancel);
        (Self { runtime, cancel }, source)
    }

    /// Returns a context for a part of the work, and what cancels that part alone. The part is
    /// cancelled with the whole too.
    pub fn child(&self) -> (Self, CancelSource) {
        let cancel = self.cancel.child_token();
        let source = CancelSource::new(&cancel);
        (
            Self {
                runtime: Arc::clone(&self.runtime),
                cancel,
            },
            source,
        )
    }

    /// Returns the wall clock.
    pub fn now(&self) -> Timestamp {
        self.runtime.now()
    }

    /// Returns the time since some fixed instant; never goes back.
    pub fn monotonic(&self) -> Duration {
        self.runtime.monotonic()
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        self.runtime.sleep(duration).await;
    }

    /// Waits for `future`, at most `duration`; `None` if that was not enough. Then `future` is
    /// dropped, so it must be safe to cancel.
    pub async fn timeout<T>(
        &self,
        duration: Duration,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let sleep = self.runtime.sleep(duration);
        tokio::pin!(future);
        tokio::select! {
            biased;
            value = &mut future => Some(value),
            () = sleep => None,
        }
    }

    /// Returns 64 random bits.
    pub fn random(&self) -> u64 {
        self.runtime.random()
    }

    /// Returns a random duration from zero up to, but not including, `limit`.
    pub fn jitter(&self, limit: Duration) -> Duration {
        let share = (self.random() >> 11) as f64 / (1u64 << 53) as f64;
        limit.mul_f64(share)
    }

    /// Runs `future` beside; the handle owns it and ends it when dropped.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Task {
        self.runtime.spawn(Box::pin(future))
    }

    /// Runs `work`, which may block, off the asynchronous threads, and waits for its result.
    ///
    /// # Errors
    /// An internal fault if `work` panicked. The work goes on if the caller stops waiting.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let (tx, rx) = tokio::sync::oneshot::channel();
        self.runtime.spawn_blocking(Box::new(move || {
            let _ = tx.send(work());
        }));
        rx.await
            .map_err(|_| Fault::internal("blocking work panicked"))
    }

    /// Waits until the work is cancelled.
    pub async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    /// Returns whether the work is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Waits for `future` unless the work is cancelled first; `None` then.
    pub async fn or_cancelled<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(future);
        tokio::select! {
            biased;
            value = &mut future => Some(value),
            () = self.cancel.cancelled() => None,
        }
    }

    /// Returns the value of a secret.
    ///
    /// # Errors
    /// A `denied` fault, blamed on the configuration, if there is none.
    pub fn secret(&self, secret: &Secret) -> Result<SecretText, Fault> {
        self.runtime.secret(&secret.secret).ok_or_else(|| {
            let text = format!("the secret `{}` is not set", secret.secret);
            Fault::new(FaultCode::DENIED, Retry::Never, Blame::Config, text)
        })
    }

    /// Writes a log line: a constant text and its fields.
    pub fn log(&self, level: Level, text: &str, fields: &[(&str, &dyn std::fmt::Display)]) {
        self.runtime.log(level, text, fields);
    }
}

/// Cancels what holds a token of it, when told to or when dropped.
#[derive(Debug)]
pub struct CancelSource(tokio_util::sync::DropGuard);

impl CancelSource {
    fn new(token: &CancellationToken) -> Self {
        Self(token.clone().drop_guard())
    }

    /// Cancels.
    pub fn cancel(self) {
        drop(self.0);
    }
}

/// A task that runs beside; dropping the handle ends it.
#[must_use = "a task ends when its handle is dropped"]
pub struct Task {
    handle: tokio::task::JoinHandle<()>,
}

impl Task {
    /// Waits for the end of the task.
    ///
    /// # Errors
    /// An internal fault if the task panicked.
    pub async fn join(mut self) -> Result<(), Fault> {
        match (&mut self.handle).await {
            Err(error) if error.is_panic() => Err(panic_fault(&*error.into_panic())),
            _ => Ok(()),
        }
    }

    /// Returns whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// Returns the fault for what a panic carried.
pub fn panic_fault(payload: &(dyn std::any::Any + Send)) -> Fault {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Fault::internal("a component panicked").with_context("panic", text)
}

/// Looks up secrets by name.
pub type SecretLookup = Box<dyn Fn(&str) -> Option<SecretText> + Send + Sync>;

/// Takes log lines.
pub type LogSink =
    Box<dyn Fn(Timestamp, Level, &str, &[(&str, &dyn std::fmt::Display)]) + Send + Sync>;

/// The runtime on tokio: the real clock, or a simulated one that follows tokio's paused time.
pub struct TokioRuntime {
    start: tokio::time::Instant,
    wall: Wall,
    random: std::sync::Mutex<u64>,
    secrets: SecretLookup,
    log: LogSink,
}

enum Wall {
    System,
    From(Timestamp),
}

impl TokioRuntime {
    /// Returns the runtime of a process: the system's clock, a seed from the system.
    pub fn system(secrets: SecretLookup, log: LogSink) -> Self {
        use std::hash::{BuildHasher, Hasher};
        let seed = std::collections::hash_map::RandomState::new()
            .build_hasher()
            .finish();
        Self::build(Wall::System, seed, secrets, log)
    }

    /// Returns a runtime whose clock begins at `start` and follows tokio's, which a test pauses.
    pub fn simulated(start: Timestamp, seed: u64, secrets: SecretLookup, log: LogSink) -> Self {
        Self::build(Wall::From(start), seed, secrets, log)
    }

    fn build(wall: Wall, seed: u64, secrets: SecretLookup, log: LogSink) -> Self {
        let start = tokio::time::Instant::now();
        Self {
            start,
            wall,
            random: std::sync::Mutex::new(seed),
            secrets,
            log,
        }
    }
}

impl Runtime for TokioRuntime {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where `Cx` gets its clock from"
    )]
    fn now(&self) -> Timestamp {
        match self.wall {
            Wall::From(start) => start.plus(self.start.elapsed()),
            Wall::System => match std::time::SystemTime::now()
                .duration_since(std::time::SystemTime::UNIX_EPOCH)
            {
                Ok(since) => Timestamp(0).plus(since),
                Err(before) => {
                    Timestamp(-i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX))
                }
            },
        }
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is where `Cx` gets its sleep from"
    )]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn random(&self) -> u64 {
        // SplitMix64: enough for jitter and sampling; never for secrets.
        let mut state = self
            .random
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = *state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is where `Cx` gets its tasks from"
    )]
    fn spawn(&self, future: BoxFuture<'static, ()>) -> Task {
        Task {
            handle: tokio::spawn(future),
        }
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        drop(tokio::task::spawn_blocking(work));
    }

    fn secret(&self, name: &str) -> Option<SecretText> {
        (self.secrets)(name)
    }

    fn log(&self, level: Level, text: &str, fields: &[(&str, &dyn std::fmt::Display)]) {
        (self.log)(self.now(), level, text, fields);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use sluice_model::time::Timestamp;

    use super::{Cx, TokioRuntime};

    fn simulated() -> (Cx, super::CancelSource) {
        let start = Timestamp::from_millis(1_000_000);
        let runtime = TokioRuntime::simulated(start, 0, Box::new(|_| None), Box::new(quiet));
        Cx::new(Arc::new(runtime))
    }

    fn quiet(_: Timestamp, _: super::Level, _: &str, _: &[(&str, &dyn std::fmt::Display)]) {}

    #[tokio::test(start_paused = true)]
    async fn simulated_time_moves_with_sleep() {
        let (cx, _owner) = simulated();
        cx.sleep(Duration::from_secs(3600)).await;
        assert_eq!(cx.now(), Timestamp::from_millis(1_000_000 + 3_600_000));
        assert_eq!(
            cx.timeout(Duration::from_secs(1), std::future::pending::<()>())
                .await,
            None
        );
        assert_eq!(
            cx.timeout(Duration::from_secs(1), async { 1 }).await,
            Some(1)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_child_is_cancelled_with_the_whole() {
        let (cx, owner) = simulated();
        let (part, part_owner) = cx.child();
        part_owner.cancel();
        part.cancelled().await;
        assert!(part.is_cancelled() && !cx.is_cancelled());
        let (other, _other_owner) = cx.child();
        owner.cancel();
        other.cancelled().await;
        assert!(other.is_cancelled());
        assert_eq!(other.or_cancelled(std::future::pending::<()>()).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn cancel_wakes_a_waiting_task() {
        let (cx, owner) = simulated();
        let waiting = cx.clone();
        let task = cx.spawn(async move { waiting.cancelled().await });
        tokio::task::yield_now().await;
        owner.cancel();
        task.join().await.expect("the task ends");
    }

    #[tokio::test]
    async fn a_panic_becomes_a_fault() {
        let (cx, _owner) = simulated();
        let task = cx.spawn(async { panic!("boom") });
        let fault = task.join().await.expect_err("the task panicked");
        assert!(fault.private().contains("boom"), "{}", fault.private());
    }
}
