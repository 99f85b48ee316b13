//! The tests of the embedded store that need a data folder, a second process or damage.

mod conformance;

use sluice_model::time::Timestamp;
use sluice_store::sqlite::open::OwnerInfo;

/// Returns an owner as a process describes itself.
fn owner() -> OwnerInfo {
    OwnerInfo {
        pid: std::process::id(),
        address: Some("127.0.0.1:8080".into()),
        started: Timestamp::from_millis(1_700_000_000_000),
    }
}
