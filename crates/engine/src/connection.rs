//! What all flows share of a connection: how much at once, how often again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sluice_sdk::cx::Cx;
use tokio::sync::Semaphore;

use crate::outside::Outside;

/// The most calls at once where a connection says nothing.
pub(crate) const CONCURRENT_DEFAULT: u32 = 64;
/// The share of calls that may be repeats.
const BUDGET_SHARE: f64 = 0.1;
/// How many repeats are free within the window, so that a quiet connection can be tried again.
const BUDGET_FREE: u64 = 10;
/// The window that the share is counted over.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// What all flows share of a connection.
pub(crate) struct Shared {
    /// The calls at once.
    pub slots: Arc<Semaphore>,
    pub concurrent: u32,
    /// What answers in the place of the real system.
    pub outside: Option<Arc<dyn Outside>>,
    budget: Mutex<Budget>,
    pace: Mutex<Option<Pace>>,
}

impl Shared {
    pub fn new(
        concurrent: Option<u32>,
        rate: Option<sluice_sdk::config::PerTime>,
        outside: Option<Arc<dyn Outside>>,
    ) -> Self {
        let concurrent = concurrent.unwrap_or(CONCURRENT_DEFAULT).max(1);
        let pace = rate.map(|rate| Pace {
            interval: rate.per / rate.count.max(1),
            next: Duration::ZERO,
        });
        Self {
            slots: Arc::new(Semaphore::new(concurrent as usize)),
            concurrent,
            outside,
            budget: Mutex::default(),
            pace: Mutex::new(pace),
        }
    }

    /// Counts a first try.
    pub fn tried(&self, now: Duration) {
        self.budget
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count(now, false);
    }

    /// Returns whether one more repeat keeps the share of repeats within its bound, and counts it.
    pub fn may_repeat(&self, now: Duration) -> bool {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let allowed = budget.allows(now);
        if allowed {
            budget.count(now, true);
        }
        allowed
    }

    /// Waits until the connection's rate allows one more call.
    pub async fn pace(&self, cx: &Cx) {
        let wait = {
            let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(pace) = pace.as_mut() else { return };
            let now = cx.monotonic();
            let at = pace.next.max(now);
            pace.next = at + pace.interval;
            at - now
        };
        if !wait.is_zero() {
            cx.sleep(wait).await;
        }
    }
}

/// One call each interval.
struct Pace {
    interval: Duration,
    next: Duration,
}

/// First tries and repeats of the last seconds, one bucket a second.
#[derive(Default)]
struct Budget {
    buckets: VecDeque<(u64, u64, u64)>,
}

impl Budget {
    fn count(&mut self, now: Duration, repeat: bool) {
        let second = now.as_secs();
        self.forget(second);
        match self.buckets.back_mut() {
            Some((own, tries, repeats)) if *own == second => {
                *tries += u64::from(!repeat);
                *repeats += u64::from(repeat);
            }
            _ => self
                .buckets
                .push_back((second, u64::from(!repeat), u64::from(repeat))),
        }
    }

    fn allows(&mut self, now: Duration) -> bool {
        self.forget(now.as_secs());
        let (tries, repeats) = self
            .buckets
            .iter()
            .fold((0u64, 0u64), |(t, r), (_, tries, repeats)| {
                (t + tries, r + repeats)
            });
        repeats < BUDGET_FREE || (repeats as f64) < tries as f64 * BUDGET_SHARE
    }

    fn forget(&mut self, second: u64) {
        let oldest = second.saturating_sub(BUDGET_WINDOW.as_secs());
        while self.buckets.front().is_some_and(|(own, ..)| *own < oldest) {
            self.buckets.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Shared;

    #[test]
    fn repeats_stay_within_a_tenth() {
        let shared = Shared::new(None, None, None);
        let now = Duration::from_secs(100);
        let free = (0..100).filter(|_| shared.may_repeat(now)).count();
        assert_eq!(free, 10, "a quiet connection has ten");
        for _ in 0..1000 {
            shared.tried(now);
        }
        let more = (0..1000).filter(|_| shared.may_repeat(now)).count();
        assert_eq!(free + more, 100, "a tenth of a thousand");
        let later = now + Duration::from_secs(60);
        assert!(shared.may_repeat(later), "the window has passed");
    }
}
