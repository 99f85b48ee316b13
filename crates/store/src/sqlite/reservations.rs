//! Reservations of dedupe keys: in memory, so that they die with the process.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluice_model::ids::FlowName;

use crate::dedupe::{DedupeKey, RESERVED_MAX, Reserved};
use crate::error::StoreError;
use crate::run::within;

/// The keys that are reserved and not settled.
#[derive(Debug, Default)]
pub(super) struct Reservations(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    flows: HashMap<FlowName, HashSet<DedupeKey>>,
    count: usize,
}

/// Keys that a caller has just reserved. Dropped before it is kept, they are released: the caller
/// went away without learning of them.
#[derive(Debug)]
pub(super) struct Taken {
    reservations: Arc<Reservations>,
    flow: FlowName,
    keys: Vec<DedupeKey>,
}

impl Reservations {
    /// Reserves those of `keys` that nobody has; the others are in flight.
    pub(super) fn take(
        self: &Arc<Self>,
        flow: &FlowName,
        keys: &[DedupeKey],
    ) -> Result<(Vec<Reserved>, Taken), StoreError> {
        let mut open = self.lock();
        within(
            "the number of dedupe keys in flight",
            RESERVED_MAX,
            open.count.saturating_add(keys.len()),
        )?;
        let held = open.flows.entry(flow.clone()).or_default();
        let mut answers = Vec::with_capacity(keys.len());
        let mut taken = Vec::with_capacity(keys.len());
        for key in keys {
            if held.insert(key.clone()) {
                taken.push(key.clone());
                answers.push(Reserved::New);
            } else {
                answers.push(Reserved::InFlight);
            }
        }
        open.count += taken.len();
        drop(open);
        let taken = Taken {
            reservations: Arc::clone(self),
            flow: flow.clone(),
            keys: taken,
        };
        Ok((answers, taken))
    }

    /// Releases keys.
    pub(super) fn release<'a>(
        &self,
        flow: &FlowName,
        keys: impl IntoIterator<Item = &'a DedupeKey>,
    ) {
        let mut open = self.lock();
        let Some(held) = open.flows.get_mut(flow) else {
            return;
        };
        let released = keys.into_iter().filter(|key| held.remove(*key)).count();
        if held.is_empty() {
            open.flows.remove(flow);
        }
        open.count -= released;
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Returns the keys.
    pub(super) fn keys(&self) -> &[DedupeKey] {
        &self.keys
    }

    /// Keeps the reservations, but for the keys that `confirmed` says were settled before.
    pub(super) fn keep(mut self, confirmed: &[bool]) {
        let mut confirmed = confirmed.iter();
        self.keys
            .retain(|_| confirmed.next().is_some_and(|known| *known));
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.keys.is_empty() {
            self.reservations.release(&self.flow, &self.keys);
        }
    }
}
