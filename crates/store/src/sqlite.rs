//! The embedded store: SQLite in a data folder that one process owns.
//!
//! One thread writes: it drains a bounded queue and commits what it found as a group, with one
//! fsync for all of it ([`writer`]). A few threads read, each with its own connection; they see
//! what is on disk, never what is about to be.

mod counts;
mod dead_letters;
mod dedupe;
mod failure;
mod migrate;
mod names;
pub mod open;
mod payloads;
mod positions;
mod prune;
mod read_dead_letters;
pub mod reader;
mod readers;
mod releases;
mod requests;
mod reservations;
mod runs;
mod search;
mod session;
mod steps;
pub mod store;
mod terms;
pub mod writer;
