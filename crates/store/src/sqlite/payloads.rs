//! Payloads of runs.

use std::sync::Arc;

use rusqlite::{OptionalExtension, Row};
use sluice_model::ids::RunId;
use sluice_model::time::Timestamp;

use crate::crc::RowCrc;
use crate::error::StoreError;
use crate::payload::{ContentHash, PayloadFormat, PayloadRef, StoredPayload};
use crate::sqlite::failure::{Done, signed, unsigned};
use crate::sqlite::names::View;
use crate::sqlite::session::{Txn, run_id};

/// Stores a payload, unless the run has it.
pub(super) fn put(txn: &mut Txn<'_>, payload: &StoredPayload) -> Done<()> {
    txn.conn
        .prepare_cached(
            "INSERT INTO payloads VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (run, hash) DO NOTHING",
        )?
        .execute((
            run_id(payload.run)?,
            payload.reference.hash.0,
            signed(payload.reference.size),
            payload.key_id,
            payload.format as i64,
            payload.expires.map(|at| at.0),
            crc(payload),
            &payload.body,
        ))?;
    Ok(())
}

/// Reads a payload.
pub(super) fn one(view: &View<'_>, run: RunId, hash: ContentHash) -> Done<Option<StoredPayload>> {
    let damaged =
        |detail: &str| StoreError::corrupt("payloads", format_args!("{run}, {hash}"), detail);
    let found = view
        .conn
        .prepare_cached(
            "SELECT size, key_id, format, expires, body, crc FROM payloads
             WHERE run = ?1 AND hash = ?2",
        )?
        .query_row((signed(run.0), hash.0), |row| {
            Ok((read(row, run, hash)?, row.get(5)?))
        })
        .optional()?;
    let Some((payload, stored)): Option<(Option<StoredPayload>, i64)> = found else {
        return Ok(None);
    };
    let payload = payload.ok_or_else(|| damaged("unknown format"))?;
    if crc(&payload) != stored {
        return Err(damaged("its checksum differs").into());
    }
    Ok(Some(payload))
}

fn read(row: &Row<'_>, run: RunId, hash: ContentHash) -> rusqlite::Result<Option<StoredPayload>> {
    let format = match row.get(2)? {
        0 => PayloadFormat::Json,
        1 => PayloadFormat::Bytes,
        _ => return Ok(None),
    };
    let body: Arc<[u8]> = row.get(4)?;
    Ok(Some(StoredPayload {
        run,
        reference: PayloadRef {
            hash,
            size: unsigned(row.get(0)?),
        },
        key_id: row.get(1)?,
        format,
        expires: row.get::<_, Option<i64>>(3)?.map(Timestamp),
        body,
    }))
}

fn crc(payload: &StoredPayload) -> i64 {
    RowCrc::of("payloads")
        .int(signed(payload.run.0))
        .bytes(&payload.reference.hash.0)
        .int(signed(payload.reference.size))
        .int(i64::from(payload.key_id))
        .int(payload.format as i64)
        .opt_int(payload.expires.map(|at| at.0))
        .bytes(&payload.body)
        .finish()
}
