//! How many messages a flow had, and how they ended.

/// How many messages a flow had, and how they ended. Exact: part of the commits that settle them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that entered; rows that were split from a file count one by one.
    pub received: u64,
    /// Messages that were delivered.
    pub delivered: u64,
    /// Messages whose caller was answered with an error.
    pub answered_error: u64,
    /// Messages that became dead letters.
    pub dead_lettered: u64,
    /// Messages that are parked for a person.
    pub parked: u64,
    /// Messages that a `filter` or `stop` ended.
    pub filtered: u64,
    /// Messages that were there before.
    pub duplicate: u64,
    /// Attempts of steps after their first.
    pub retries: u64,
}

impl Counts {
    /// Adds what another has, in place.
    pub fn add(&mut self, other: &Counts) {
        for (mine, theirs) in self.fields_mut().into_iter().zip(other.fields()) {
            *mine = mine.saturating_add(theirs);
        }
    }

    /// Returns the sum of the outcomes.
    pub fn settled(&self) -> u64 {
        [
            self.delivered,
            self.answered_error,
            self.dead_lettered,
            self.parked,
            self.filtered,
            self.duplicate,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }

    /// Returns whether everything that entered has exactly one outcome.
    pub fn is_balanced(&self) -> bool {
        self.received == self.settled()
    }

    /// Returns the fields in the order of their columns.
    pub(crate) fn fields(&self) -> [u64; 8] {
        [
            self.received,
            self.delivered,
            self.answered_error,
            self.dead_lettered,
            self.parked,
            self.filtered,
            self.duplicate,
            self.retries,
        ]
    }

    pub(crate) fn fields_mut(&mut self) -> [&mut u64; 8] {
        [
            &mut self.received,
            &mut self.delivered,
            &mut self.answered_error,
            &mut self.dead_lettered,
            &mut self.parked,
            &mut self.filtered,
            &mut self.duplicate,
            &mut self.retries,
        ]
    }
}
