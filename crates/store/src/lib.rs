//! Runs, dead letters, dedupe keys, positions, counts and releases: the only SQL of our own state.
//!
//! [`store::Store`] is what the engine and the verbs see; [`sqlite::store::SqliteStore`] keeps it
//! in a data folder that one process owns, [`sqlite::reader::SqliteReader`] reads that folder
//! beside the owner. Whatever settles a message goes in one [`commit::Commit`], so that a crash
//! leaves all of it or nothing. The store reads no clock: whoever calls it says what time it is.

pub mod commit;
pub mod conformance;
pub mod counts;
mod crc;
pub mod dead_letter;
pub mod dedupe;
pub mod error;
pub mod payload;
pub mod release;
pub mod request;
pub mod retention;
pub mod run;
pub mod run_id;
pub mod sqlite;
pub mod store;
