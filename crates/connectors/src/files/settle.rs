//! Which deliveries of a file are under way, and which have to be given again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sluice_model::batch::Settled;
use sluice_sdk::cx::Cx;
use sluice_sdk::format::Start;

use crate::files::reader::{Handle, Place};

/// The longest wait before a delivery that was refused is given again.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// The wait before the first time.
const RETRY_FIRST: Duration = Duration::from_millis(100);

/// A delivery: which part of the file it holds.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    /// Where its records begin.
    pub(crate) start: Start,
    /// The offset behind its last record.
    pub(crate) end: u64,
    /// Whether it ends the file.
    pub(crate) last: bool,
}

/// Why a file is not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Abandoned {
    /// It is another file now: its position means nothing any longer.
    Changed,
    /// The file system failed.
    Unreadable,
}

/// A file whose deliveries are under way.
#[derive(Debug)]
pub(crate) struct Open {
    /// The file.
    pub(crate) handle: Handle,
    /// Where reading goes on behind all that was delivered.
    pub(crate) to: Place,
    /// Whether its last delivery was given.
    pub(crate) ended: bool,
    /// Why the rest is not read: what was delivered is settled, and no more.
    pub(crate) abandoned: Option<Abandoned>,
    flights: BTreeMap<u64, Flight>,
    /// By the offset at which they begin: the earliest comes first, however often it was refused.
    refused: BTreeMap<u64, Flight>,
    retries: u32,
    /// When the next delivery that was refused is given again.
    pub(crate) retry_at: Duration,
}

impl Open {
    pub(crate) fn new(handle: Handle, from: Place) -> Self {
        Self {
            handle,
            to: from,
            ended: false,
            abandoned: None,
            flights: BTreeMap::new(),
            refused: BTreeMap::new(),
            retries: 0,
            retry_at: Duration::ZERO,
        }
    }

    /// Notes a delivery.
    pub(crate) fn issue(&mut self, number: u64, flight: Flight) {
        self.flights.insert(number, flight);
    }

    /// Notes how a delivery ended.
    pub(crate) fn settle(&mut self, number: u64, settled: &Settled, cx: &Cx) {
        let Some(flight) = self.flights.remove(&number) else {
            return;
        };
        match settled {
            Settled::Ack => self.retries = 0,
            Settled::Nack(_) => {
                if self.refused.is_empty() {
                    let doublings = self.retries.min(16);
                    let wait = RETRY_FIRST.saturating_mul(1 << doublings).min(RETRY_MAX);
                    // Half of it at least, so that a store that is down is not hammered.
                    self.retry_at = cx.monotonic() + wait / 2 + cx.jitter(wait / 2);
                    self.retries += 1;
                }
                self.refused.insert(flight.start.offset, flight);
            }
        }
    }

    /// Returns how many deliveries are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.flights.len()
    }

    /// Returns how many bytes of the file are under way.
    pub(crate) fn bytes_under_way(&self) -> u64 {
        let bytes = |flight: &Flight| flight.end.saturating_sub(flight.start.offset);
        self.flights.values().map(bytes).sum()
    }

    /// Returns whether some delivery has to be given again.
    pub(crate) fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Returns whether all that was delivered is settled, and nothing will follow.
    pub(crate) fn is_over(&self) -> bool {
        (self.ended || self.abandoned.is_some())
            && self.flights.is_empty()
            && self.refused.is_empty()
    }

    /// Returns the first delivery that has to be given again.
    pub(crate) fn first_refused(&self) -> Option<&Flight> {
        self.refused.values().next()
    }

    /// Takes the first delivery that has to be given again, with the position that holds once it is
    /// settled: that of the next such one, else that behind all deliveries.
    pub(crate) fn take_refused(&mut self) -> Option<(Flight, Place)> {
        let (_, flight) = self.refused.pop_first()?;
        let place = match self.first_refused() {
            Some(next) => Place {
                start: next.start.clone(),
                done: false,
            },
            None => self.to.clone(),
        };
        Some((flight, place))
    }

    /// Gives up what has to be given again: it cannot be read any more.
    pub(crate) fn abandon(&mut self, why: Abandoned) -> usize {
        self.abandoned = Some(why);
        let count = self.refused.len();
        self.refused.clear();
        count
    }

    /// Returns the file's path, for the log.
    pub(crate) fn path(&self) -> Arc<str> {
        Arc::clone(&self.handle.identity.path)
    }
}
