//! The tests of the embedded store that need a data folder, a second process or damage.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod conformance;
mod crash;
mod damage;
mod limits;
mod ownership;
mod restart;

use std::path::Path;

use sluice_model::time::Timestamp;
use sluice_store::sqlite::open::OwnerInfo;
use sluice_store::sqlite::store::SqliteStore;

/// Returns an owner as a process describes itself.
fn owner() -> OwnerInfo {
    OwnerInfo {
        pid: 4711,
        address: Some("127.0.0.1:8080".into()),
        started: Timestamp::from_millis(1_700_000_000_000),
    }
}

/// Opens a data folder as its owner.
#[track_caller]
fn open(folder: &Path) -> SqliteStore {
    match SqliteStore::open(folder, &owner()) {
        Ok(store) => store,
        Err(error) => panic!("{error}: {error:?}"),
    }
}
