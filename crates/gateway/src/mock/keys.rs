//! The memory of a mock: which requests were done under which key.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::mock::{KEYS_MAX, Stored};

/// Answers by key, at most [`KEYS_MAX`]; the one used longest ago goes first.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    entries: HashMap<Arc<str>, Entry>,
    /// The keys by their last use.
    used: BTreeMap<u64, Arc<str>>,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    request: u64,
    stored: Stored,
    used: u64,
}

/// What is known of a key.
#[derive(Debug)]
pub(crate) enum Seen {
    /// Nothing.
    Never,
    /// The same request was done under it.
    Same(Stored),
    /// Another request was done under it.
    Other,
}

impl Keys {
    /// Looks a key up, and uses it.
    pub fn get(&mut self, key: &str, request: u64) -> Seen {
        let Some(entry) = self.entries.get_mut(key) else {
            return Seen::Never;
        };
        self.clock += 1;
        if let Some(key) = self.used.remove(&entry.used) {
            self.used.insert(self.clock, key);
        }
        entry.used = self.clock;
        if entry.request == request {
            Seen::Same(entry.stored.clone())
        } else {
            Seen::Other
        }
    }

    /// Keeps an answer.
    pub fn put(&mut self, key: &str, request: u64, stored: Stored) {
        if KEYS_MAX <= self.entries.len()
            && let Some((_, oldest)) = self.used.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.clock += 1;
        let key: Arc<str> = key.into();
        self.used.insert(self.clock, Arc::clone(&key));
        let used = self.clock;
        let entry = Entry {
            request,
            stored,
            used,
        };
        self.entries.insert(key, entry);
    }
}
