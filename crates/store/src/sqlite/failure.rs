//! Errors of SQLite, told apart by what they mean for the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::error::StoreError;

/// Why a piece of work on the database failed, before it is known what it was part of.
#[derive(Debug)]
pub(super) enum Failure {
    /// An error that says all that is to be said.
    Store(StoreError),
    /// An error of SQLite.
    Sql(rusqlite::Error),
}

/// The result of a piece of work on the database.
pub(super) type Done<T> = Result<T, Failure>;

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Where the store is: what errors name.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The data folder.
    pub(super) folder: PathBuf,
    /// The database.
    pub(super) file: PathBuf,
}

impl Place {
    /// Returns the place of the store in a data folder.
    pub(super) fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            file: folder.join("store.sqlite"),
        }
    }

    /// Says what a failure means.
    pub(super) fn explain(&self, action: &'static str, failure: Failure) -> StoreError {
        let error = match failure {
            Failure::Store(error) => return error,
            Failure::Sql(error) => error,
        };
        let (code, extended) = match &error {
            rusqlite::Error::SqliteFailure(failure, _) => (failure.code, failure.extended_code),
            _ => (ErrorCode::Unknown, 0),
        };
        match code {
            ErrorCode::DiskFull => self.disk_full(),
            // The index of the write-ahead log could not grow: that, too, is a full disk.
            _ if extended == ffi::SQLITE_IOERR_SHMSIZE => self.disk_full(),
            ErrorCode::NotADatabase => StoreError::NotOurs {
                file: self.file.clone(),
            },
            ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt => StoreError::Broken {
                reason: Arc::from(format!(
                    "cannot {action} in `{}`: {error}",
                    self.file.display()
                )),
            },
            _ => StoreError::Database {
                action,
                source: Arc::new(error),
            },
        }
    }

    fn disk_full(&self) -> StoreError {
        StoreError::DiskFull {
            folder: self.folder.clone(),
        }
    }
}

/// Returns what an integer column holds for a number without a sign.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Returns a number of rows as a statement takes it.
pub(super) fn rows(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Returns the number without a sign that an integer column holds.
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
