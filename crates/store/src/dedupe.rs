//! Keys by which a flow knows messages that were there before.

use std::sync::Arc;

use sluice_model::ids::FlowName;
use sluice_model::time::Timestamp;

use crate::payload::ContentHash;

/// The most bytes of a key that are stored as they are; of a longer one the hash is.
pub const DEDUPE_TEXT_MAX: usize = 200;
/// The most keys that may be reserved and neither confirmed nor released at one time.
pub const RESERVED_MAX: usize = 1_000_000;

/// A key by which a flow knows a message that was there before. Two `dedupe` steps of one flow
/// share the keys unless their text tells them apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DedupeKey(Arc<str>);

impl DedupeKey {
    /// Returns the key of a text.
    pub fn new(text: &str) -> Self {
        if text.len() <= DEDUPE_TEXT_MAX && !text.starts_with("sha256:") {
            Self(text.into())
        } else {
            Self(format!("sha256:{}", ContentHash::of(text.as_bytes())).into())
        }
    }

    /// Returns what is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What became of a key that was to be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// It is reserved for the caller, who confirms or releases it.
    New,
    /// A message with this key was settled before, and the key has not expired.
    Duplicate,
    /// A message with this key is on its way: it is reserved and not settled yet.
    InFlight,
}

/// Settles a reservation, as part of the commit that settles its message.
///
/// If that commit fails, its reservations are released: nothing of the message was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DedupeSettlement {
    /// The flow.
    pub flow: FlowName,
    /// The key.
    pub key: DedupeKey,
    /// What becomes of it.
    pub to: Settlement,
}

/// What becomes of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Messages with this key are duplicates until `expires`.
    Confirmed {
        /// The instant from which the key is new again; `None`: never.
        expires: Option<Timestamp>,
    },
    /// The message was not done: the key is new again.
    Released,
}
