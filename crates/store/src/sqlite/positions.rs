//! Positions of sources.

use std::sync::Arc;

use rusqlite::OptionalExtension;
use sluice_model::ids::FlowName;
use sluice_model::json;
use sluice_model::projection::Projection;
use sluice_model::value::Value;

use crate::commit::{POSITION_MAX, PositionUpdate};
use crate::crc::RowCrc;
use crate::error::StoreError;
use crate::run::within;
use crate::sqlite::failure::{Done, rows};
use crate::sqlite::names::View;
use crate::sqlite::session::Txn;

/// Stores or forgets a position.
pub(super) fn put(txn: &mut Txn<'_>, update: &PositionUpdate) -> Done<()> {
    let flow = txn.name(update.flow.as_str())?;
    let Some(value) = &update.value else {
        txn.conn
            .prepare_cached("DELETE FROM positions WHERE flow = ?1 AND key = ?2")?
            .execute((flow, &update.key))?;
        return Ok(());
    };
    let value = json::to_string(value);
    within("the size of a position", POSITION_MAX, value.len())?;
    txn.conn
        .prepare_cached(
            "INSERT INTO positions VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (flow, key) DO UPDATE SET value = excluded.value, crc = excluded.crc",
        )?
        .execute((flow, &update.key, &value, crc(flow, &update.key, &value)))?;
    Ok(())
}

/// Reads a position.
pub(super) fn one(view: &View<'_>, flow: &FlowName, key: &str) -> Done<Option<Value<'static>>> {
    let Some(id) = view.id(flow.as_str())? else {
        return Ok(None);
    };
    let row: Option<(String, i64)> = view
        .conn
        .prepare_cached("SELECT value, crc FROM positions WHERE flow = ?1 AND key = ?2")?
        .query_row((id, key), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    row.map(|(value, sum)| check(flow, id, key, &value, sum))
        .transpose()
}

/// Lists positions by key.
pub(super) fn list(
    view: &View<'_>,
    flow: &FlowName,
    after: Option<&str>,
    limit: usize,
) -> Done<Vec<(Arc<str>, Value<'static>)>> {
    let Some(id) = view.id(flow.as_str())? else {
        return Ok(Vec::new());
    };
    let mut statement = view.conn.prepare_cached(
        "SELECT key, value, crc FROM positions
         WHERE flow = ?1 AND (?2 IS NULL OR key > ?2) ORDER BY key LIMIT ?3",
    )?;
    let mut found = statement.query((id, after, rows(limit)))?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        let (key, value): (Arc<str>, String) = (row.get(0)?, row.get(1)?);
        let value = check(flow, id, &key, &value, row.get(2)?)?;
        all.push((key, value));
    }
    Ok(all)
}

fn check(flow: &FlowName, id: i64, key: &str, value: &str, sum: i64) -> Done<Value<'static>> {
    let damaged = |detail: String| {
        StoreError::corrupt("positions", format_args!("{flow}, {key}"), detail).into()
    };
    if crc(id, key, value) != sum {
        return Err(damaged("its checksum differs".into()));
    }
    json::read_owned(value.as_bytes(), &Projection::All, &json::Limits::default())
        .map_err(|error| damaged(error.to_string()))
}

fn crc(flow: i64, key: &str, value: &str) -> i64 {
    RowCrc::of("positions")
        .int(flow)
        .text(key)
        .text(value)
        .finish()
}
