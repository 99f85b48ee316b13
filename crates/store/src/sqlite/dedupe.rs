//! Dedupe keys that are confirmed.

use sluice_model::ids::FlowName;
use sluice_model::time::Timestamp;

use crate::dedupe::{DedupeKey, DedupeSettlement, Settlement};
use crate::sqlite::failure::Done;
use crate::sqlite::names::View;
use crate::sqlite::session::Txn;

/// Confirms a key; one that is released was never written.
pub(super) fn settle(txn: &mut Txn<'_>, settlement: &DedupeSettlement) -> Done<()> {
    let Settlement::Confirmed { expires } = settlement.to else {
        return Ok(());
    };
    let flow = txn.name(settlement.flow.as_str())?;
    txn.conn
        .prepare_cached(
            "INSERT INTO dedupe VALUES (?1, ?2, ?3)
             ON CONFLICT (flow, key) DO UPDATE SET expires = excluded.expires",
        )?
        .execute((flow, settlement.key.as_str(), expires.map(|at| at.0)))?;
    Ok(())
}

/// Returns for each key whether it is confirmed and has not expired.
pub(super) fn confirmed(
    view: &View<'_>,
    flow: &FlowName,
    keys: &[DedupeKey],
    now: Timestamp,
) -> Done<Vec<bool>> {
    let Some(flow) = view.id(flow.as_str())? else {
        return Ok(vec![false; keys.len()]);
    };
    let mut statement = view.conn.prepare_cached(
        "SELECT 1 FROM dedupe
         WHERE flow = ?1 AND key = ?2 AND (expires IS NULL OR ?3 < expires)",
    )?;
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        found.push(statement.exists((flow, key.as_str(), now.0))?);
    }
    Ok(found)
}
