//! The schema's versions, and how an older database becomes a newer one.

use rusqlite::Connection;

use crate::error::StoreError;
use crate::sqlite::failure::{Done, Place};

/// Says in the file's header that it is ours: `Sluc`.
pub(super) const APPLICATION_ID: i64 = 0x536c_7563;

/// The steps from each version to the next; the first makes version 1 of nothing. One that was
/// released is never changed.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("../../migrations/0001_first.sql")];

/// What a file is, before anything is written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing is in it.
    Empty,
    /// A store of this version.
    Version(i64),
}

/// Returns the version that this program writes.
pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).expect("there are few migrations")
}

/// Looks at a file; refuses one that is not ours, and one that is newer than this program.
pub(super) fn look(conn: &Connection, place: &Place) -> Done<Found> {
    let application: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == 0 && version == 0 && tables == 0 {
        return Ok(Found::Empty);
    }
    if application != APPLICATION_ID || version < 1 {
        return Err(StoreError::NotOurs {
            file: place.file.clone(),
        }
        .into());
    }
    if known() < version {
        return Err(version_error(
            place,
            version,
            "use the version that wrote it, or a newer one",
        )
        .into());
    }
    Ok(Found::Version(version))
}

/// Returns the error of a file whose version does not fit.
pub(super) fn version_error(place: &Place, found: i64, remedy: &'static str) -> StoreError {
    StoreError::Version {
        file: place.file.clone(),
        found,
        known: known(),
        remedy,
    }
}

/// Brings a file up to version `to`, each step in a transaction of its own.
pub(super) fn up(conn: &mut Connection, found: Found, to: i64) -> Done<()> {
    let mut version = match found {
        Found::Empty => 0,
        Found::Version(version) => version,
    };
    while version < to {
        let index = usize::try_from(version).unwrap_or(usize::MAX);
        let Some(migration) = MIGRATIONS.get(index) else {
            break;
        };
        let transaction = conn.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        version += 1;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
