//! Names that stand in many rows, kept once: rows have their numbers.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use crate::crc::RowCrc;
use crate::error::StoreError;
use crate::sqlite::failure::Done;

/// The most names that are remembered; beyond, all are forgotten and looked up again.
const REMEMBERED_MAX: usize = 50_000;

/// A connection for reading, and the names that it has seen. A name never changes its number.
#[derive(Debug)]
pub(super) struct View<'c> {
    /// The connection.
    pub(super) conn: &'c Connection,
    /// The names by their numbers.
    pub(super) texts: &'c Texts,
}

/// Names by their numbers.
#[derive(Debug, Default)]
pub(super) struct Texts(RefCell<HashMap<i64, Arc<str>>>);

impl Texts {
    /// Forgets all: after a rollback, numbers may be given to other names.
    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

impl View<'_> {
    /// Returns the name with a number.
    pub(super) fn name(&self, id: i64) -> Done<Arc<str>> {
        if let Some(name) = self.texts.0.borrow().get(&id) {
            return Ok(Arc::clone(name));
        }
        let row: Option<(Arc<str>, i64)> = self
            .conn
            .prepare_cached("SELECT name, crc FROM names WHERE id = ?1")?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (name, stored) =
            row.ok_or_else(|| StoreError::corrupt("names", id, "it is missing"))?;
        if crc(&name) != stored {
            return Err(StoreError::corrupt("names", id, "its checksum differs").into());
        }
        let mut texts = self.texts.0.borrow_mut();
        if REMEMBERED_MAX <= texts.len() {
            texts.clear();
        }
        texts.insert(id, Arc::clone(&name));
        Ok(name)
    }

    /// Returns the number of a name; `None` if no row has it.
    pub(super) fn id(&self, name: &str) -> Done<Option<i64>> {
        Ok(self
            .conn
            .prepare_cached("SELECT id FROM names WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?)
    }
}

fn crc(name: &str) -> i64 {
    RowCrc::of("names").text(name).finish()
}

/// The numbers of names, for the writer.
#[derive(Debug, Default)]
pub(super) struct Ids(HashMap<Arc<str>, i64>);

impl Ids {
    /// Returns the number of a name, which gets one if it has none.
    pub(super) fn of(&mut self, conn: &Connection, name: &str) -> Done<i64> {
        if let Some(id) = self.0.get(name) {
            return Ok(*id);
        }
        conn.prepare_cached(
            "INSERT INTO names (name, crc) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
        )?
        .execute((name, crc(name)))?;
        let id = conn
            .prepare_cached("SELECT id FROM names WHERE name = ?1")?
            .query_row([name], |row| row.get(0))?;
        if REMEMBERED_MAX <= self.0.len() {
            self.0.clear();
        }
        self.0.insert(name.into(), id);
        Ok(id)
    }

    /// Forgets all: after a rollback, the new ones are not there.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
