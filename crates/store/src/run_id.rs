//! Gives out run ids.

use std::sync::atomic::{AtomicU64, Ordering};

use sluice_model::ids::RunId;
use sluice_model::time::Timestamp;

/// The bits of an id that count runs within a millisecond.
pub(crate) const COUNTER_BITS: u32 = 16;

/// Gives out run ids, each greater than all before it.
///
/// An id is the millisecond in its upper 48 bits and a counter in its lower 16. A burst of more
/// than 65,536 in a millisecond borrows from the next, and a clock that is set back does not take
/// the ids with it.
#[derive(Debug)]
pub struct RunIds(AtomicU64);

impl RunIds {
    /// Returns ids that come after `last`, the greatest that was given out before.
    pub fn after(last: Option<RunId>) -> Self {
        Self(AtomicU64::new(last.map_or(0, |id| id.0)))
    }

    /// Gives out the next id.
    pub fn next(&self, now: Timestamp) -> RunId {
        let millis = u64::try_from(now.millis()).unwrap_or(0).min((1 << 47) - 1);
        let floor = millis << COUNTER_BITS;
        let following = |last: u64| floor.max(last.saturating_add(1));
        let last = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| {
                Some(following(last))
            })
            .unwrap_or_else(|last| last);
        RunId(following(last))
    }

    /// Returns the last id that was given out, or what they start after.
    pub fn last(&self) -> RunId {
        RunId(self.0.load(Ordering::Acquire))
    }
}

/// Returns the instant that an id carries: that of its run's start, as a rule.
pub(crate) fn instant(id: RunId) -> Timestamp {
    Timestamp::from_millis(i64::try_from(id.0 >> COUNTER_BITS).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, proptest};
    use sluice_model::ids::RunId;
    use sluice_model::time::Timestamp;

    use super::{RunIds, instant};

    proptest! {
        /// Whatever the clock does, and whenever the process restarts, ids ascend; and an id is
        /// never behind its clock.
        #[test]
        fn ids_ascend(
            clock in prop::collection::vec((0_i64..5_000, any::<bool>()), 1..200),
            start in 0_u64..(5_000 << 16),
        ) {
            let mut ids = RunIds::after(Some(RunId(start)));
            let mut last = RunId(start);
            for (millis, restart) in clock {
                if restart {
                    ids = RunIds::after(Some(ids.last()));
                }
                let id = ids.next(Timestamp::from_millis(millis));
                prop_assert!(last < id);
                prop_assert!(millis <= instant(id).millis());
                prop_assert!(id == ids.last());
                last = id;
            }
        }
    }

    #[test]
    fn a_burst_borrows_from_the_next_millisecond() {
        let ids = RunIds::after(None);
        let now = Timestamp::from_millis(7);
        for _ in 0..=u16::MAX {
            ids.next(now);
        }
        assert_eq!(ids.next(now), RunId(8 << 16));
        assert_eq!(ids.next(Timestamp::from_millis(9)), RunId(9 << 16));
    }

    #[test]
    fn threads_never_get_the_same_id() {
        let ids = RunIds::after(None);
        let now = Timestamp::from_millis(1);
        let mut all: Vec<RunId> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1000).map(|_| ids.next(now)).collect::<Vec<_>>()))
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 4000);
    }

    #[test]
    fn far_clocks_do_not_overflow() {
        let ids = RunIds::after(None);
        assert!(ids.next(Timestamp(i64::MAX)).0 <= i64::MAX as u64);
        assert!(RunIds::after(None).next(Timestamp(i64::MIN)) == RunId(1));
    }
}
