//! SQLite's errors in plain words.

use rusqlite::ErrorCode;
use rusqlite::ffi;
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};

/// Returns the fault for an error of SQLite on the database file `file`.
///
/// The codes are SQLite's primary and extended result codes (<https://sqlite.org/rescode.html>).
pub(crate) fn fault(error: rusqlite::Error, file: &str) -> Fault {
    let (code, text) = match &error {
        rusqlite::Error::SqliteFailure(code, text) => (*code, text.clone().unwrap_or_default()),
        rusqlite::Error::SqlInputError { error, msg, .. } => (*error, msg.clone()),
        _ => return other(error, file),
    };
    let (name, retry, blame, public) = if code.code == ErrorCode::ConstraintViolation {
        let public = constraint(code.extended_code, &text);
        (FaultCode::CONFLICT, Retry::Never, Blame::Caller, public)
    } else {
        plain(code.code, &text, file)
    };
    Fault::new(name, retry, blame, public)
        .with_context("sqlite code", code.extended_code.to_string())
        .with_context("file", file)
        .with_source(error)
}

/// Returns whether an error concerns one row alone, the others may be written.
pub(crate) fn concerns_one_row(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
    )
}

fn other(error: rusqlite::Error, file: &str) -> Fault {
    let public = match &error {
        rusqlite::Error::Utf8Error(..) | rusqlite::Error::FromSqlConversionFailure(..) => {
            format!("the database `{file}` holds a text that is not UTF-8")
        }
        _ => format!("a statement on the database `{file}` failed"),
    };
    Fault::new(FaultCode::UPSTREAM, Retry::Never, Blame::Config, public).with_source(error)
}

/// `UNIQUE constraint failed: orders.id` says which constraint; this says what that means.
fn constraint(extended: std::ffi::c_int, text: &str) -> String {
    let columns = text.split_once(": ").map(|(_, columns)| columns);
    let named = columns.map(|columns| format!("`{columns}`"));
    match (extended, named) {
        (ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY, Some(columns)) => {
            format!("{columns} must be unique, and there is a row with the same value already")
        }
        (ffi::SQLITE_CONSTRAINT_NOTNULL, Some(column)) => format!("{column} must not be null"),
        (ffi::SQLITE_CONSTRAINT_CHECK, Some(check)) => format!("the check {check} does not hold"),
        (ffi::SQLITE_CONSTRAINT_FOREIGNKEY, _) => {
            "a row that this one refers to does not exist, or this one is referred to".to_owned()
        }
        (ffi::SQLITE_CONSTRAINT_DATATYPE, _) | (_, None) => format!("the table refuses it: {text}"),
        (_, Some(what)) => format!("a constraint on {what} does not hold"),
    }
}

fn plain(code: ErrorCode, text: &str, file: &str) -> (&'static str, Retry, Blame, String) {
    use Blame::{Caller, Config, Upstream};
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            let text = format!("the database `{file}` is busy: another process writes to it");
            (FaultCode::REFUSED, Retry::Soon, Upstream, text)
        }
        ErrorCode::OperationInterrupted => {
            let text = format!("a statement on `{file}` was interrupted: nobody waited for it");
            (FaultCode::TIMEOUT, Retry::Soon, Upstream, text)
        }
        ErrorCode::DiskFull => {
            let text = format!("the disk of the database `{file}` is full: make room");
            (FaultCode::IO, Retry::Soon, Upstream, text)
        }
        ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed => {
            let text = format!("the database file `{file}` cannot be read or written");
            (FaultCode::IO, Retry::Reconnect, Upstream, text)
        }
        ErrorCode::DatabaseCorrupt => {
            let text = format!("the database file `{file}` is damaged: restore it from a backup");
            (FaultCode::IO, Retry::Never, Upstream, text)
        }
        ErrorCode::NotADatabase => {
            let text = format!("`{file}` is not a SQLite database: name another file");
            (FaultCode::IO, Retry::Never, Config, text)
        }
        ErrorCode::CannotOpen => {
            let text =
                format!("the database file `{file}` cannot be opened: does its folder exist?");
            (FaultCode::UNREACHABLE, Retry::Never, Config, text)
        }
        ErrorCode::ReadOnly => {
            let text = format!("`{file}` cannot be written: it, or the statement, only reads");
            (FaultCode::DENIED, Retry::Never, Config, text)
        }
        ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => {
            let text = format!("the database file `{file}` may not be opened: see its rights");
            (FaultCode::DENIED, Retry::Never, Config, text)
        }
        ErrorCode::TypeMismatch => {
            let text = format!("a value does not fit its column: {text}");
            (FaultCode::INVALID, Retry::Never, Caller, text)
        }
        ErrorCode::TooBig | ErrorCode::OutOfMemory => {
            let text = "a text or a result is larger than SQLite takes".to_owned();
            (FaultCode::LIMIT, Retry::Never, Caller, text)
        }
        _ if text.starts_with("no such table: ") => {
            let table = text.trim_start_matches("no such table: ");
            let text = format!(
                "the database `{file}` has no table `{table}`: create it from the contract, or \
                 write `create: true` in the connection"
            );
            (FaultCode::NOT_FOUND, Retry::Never, Config, text)
        }
        _ => {
            let text = format!("the database `{file}` refuses a statement: {text}");
            (FaultCode::UPSTREAM, Retry::Never, Config, text)
        }
    }
}
