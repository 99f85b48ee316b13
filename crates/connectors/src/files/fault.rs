//! The file system's errors in plain words.

use std::io::ErrorKind;

use sluice_model::fault::{Blame, Fault, FaultCode, Retry};

/// Returns the fault for an error: `doing` says what was tried (`read the file`), `path` at what.
pub(crate) fn io(error: std::io::Error, doing: &str, path: &str) -> Fault {
    let (code, retry, blame, why) = match error.kind() {
        ErrorKind::NotFound => (
            FaultCode::NOT_FOUND,
            Retry::Never,
            Blame::Config,
            "it does not exist",
        ),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => (
            FaultCode::DENIED,
            Retry::Never,
            Blame::Config,
            "its rights do not allow it",
        ),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => (
            FaultCode::IO,
            Retry::Soon,
            Blame::Upstream,
            "there is no room left",
        ),
        ErrorKind::InvalidFilename => (
            FaultCode::INVALID,
            Retry::Never,
            Blame::Caller,
            "its name is too long or not allowed here",
        ),
        _ => (
            FaultCode::IO,
            Retry::Soon,
            Blame::Upstream,
            "the file system failed",
        ),
    };
    Fault::new(
        code,
        retry,
        blame,
        format!("cannot {doing} `{path}`: {why}"),
    )
    .with_source(error)
}
