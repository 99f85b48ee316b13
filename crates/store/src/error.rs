//! What goes wrong in a store.

use std::path::PathBuf;
use std::sync::Arc;

use sluice_model::fault::{Blame, Fault, FaultCode, Retry};

/// What goes wrong in a store.
///
/// It can be cloned, since one failed transaction answers every commit of its group.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another process owns the data folder.
    #[error(
        "the data folder `{}` is in use by {owner}: stop that process, or use another folder",
        folder.display()
    )]
    Owned {
        /// The data folder.
        folder: PathBuf,
        /// The owner, as it described itself: process id, address, start.
        owner: String,
    },
    /// The file belongs to another program.
    #[error("`{}` is not a store of Sluice: name another data folder", file.display())]
    NotOurs {
        /// The file.
        file: PathBuf,
    },
    /// The data folder holds no store yet.
    #[error("there is no store in `{}`: nothing has run there yet", folder.display())]
    Missing {
        /// The data folder.
        folder: PathBuf,
    },
    /// The file was written by a version of Sluice that this one does not know, or by an older one
    /// where only the owner may bring it up to date.
    #[error(
        "`{}` has schema version {found}, and this version of Sluice knows version {known}: \
         {remedy}",
        file.display()
    )]
    Version {
        /// The file.
        file: PathBuf,
        /// The version that the file says.
        found: i64,
        /// The version that this program writes.
        known: i64,
        /// What to do.
        remedy: &'static str,
    },
    /// A row is not what was written: its checksum differs, or it cannot be read.
    #[error(
        "the row `{id}` of table `{table}` is damaged ({detail}): it is not served; \
         restore the data folder from a backup, or delete the row"
    )]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row's key.
        id: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The disk is full. Nothing of the commit was stored; the store goes on once there is space.
    #[error("the disk of the data folder `{}` is full: free some space", folder.display())]
    DiskFull {
        /// The data folder.
        folder: PathBuf,
    },
    /// The store stopped for good: what it says to have stored it has, and it takes nothing more.
    #[error("the store has stopped: {reason}; check the disk, then restart the process")]
    Broken {
        /// Why.
        reason: Arc<str>,
    },
    /// A documented limit was exceeded.
    #[error("{what} is {given}, more than the limit of {limit}")]
    Limit {
        /// What is too large or too many.
        what: &'static str,
        /// The limit.
        limit: usize,
        /// What was given.
        given: usize,
    },
    /// What was asked for does not fit what is stored.
    #[error("{what}")]
    Conflict {
        /// What does not fit, and why.
        what: String,
    },
    /// A file of the data folder could not be used.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: Arc<std::io::Error>,
    },
    /// The database refused a statement.
    #[error("cannot {action}")]
    Database {
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    pub(crate) fn conflict(what: impl Into<String>) -> Self {
        Self::Conflict { what: what.into() }
    }

    pub(crate) fn corrupt(
        table: &'static str,
        id: impl std::fmt::Display,
        detail: impl Into<String>,
    ) -> Self {
        Self::Corrupt {
            table,
            id: id.to_string(),
            detail: detail.into(),
        }
    }

    pub(crate) fn io(action: &'static str, path: &std::path::Path, error: std::io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_path_buf(),
            source: Arc::new(error),
        }
    }

    /// Returns whether the same commit may succeed later without anything being mended here.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::DiskFull { .. })
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let (code, retry, blame) = match &error {
            StoreError::DiskFull { .. } => (FaultCode::IO, Retry::Soon, Blame::Us),
            StoreError::Limit { .. } => (FaultCode::LIMIT, Retry::Never, Blame::Config),
            StoreError::Conflict { .. } => (FaultCode::CONFLICT, Retry::Never, Blame::Us),
            StoreError::Owned { .. }
            | StoreError::NotOurs { .. }
            | StoreError::Missing { .. }
            | StoreError::Version { .. } => (FaultCode::IO, Retry::Never, Blame::Config),
            StoreError::Corrupt { .. }
            | StoreError::Broken { .. }
            | StoreError::Io { .. }
            | StoreError::Database { .. } => (FaultCode::IO, Retry::Never, Blame::Us),
        };
        Fault::new(code, retry, blame, "the store failed").with_source(error)
    }
}
