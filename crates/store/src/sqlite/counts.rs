//! Counts of flows.

use rusqlite::Params;
use sluice_model::ids::FlowName;

use crate::counts::Counts;
use crate::sqlite::failure::{Done, signed, unsigned};
use crate::sqlite::names::View;
use crate::sqlite::session::Txn;

/// Gathers what is added to a flow's counts.
pub(super) fn add(txn: &mut Txn<'_>, flow: &FlowName, counts: &Counts) -> Done<()> {
    let flow = txn.name(flow.as_str())?;
    let sum = txn.counts.entry(flow).or_default();
    for (sum, more) in sum.iter_mut().zip(counts.fields()) {
        *sum = sum.saturating_add(more);
    }
    Ok(())
}

/// Writes what was gathered.
pub(super) fn flush(txn: &Txn<'_>) -> Done<()> {
    for (flow, sums) in &txn.counts {
        let [
            received,
            delivered,
            answered_error,
            dead_lettered,
            parked,
            filtered,
            duplicate,
            retries,
        ] = sums.map(signed);
        txn.conn
            .prepare_cached(
                "INSERT INTO counts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (flow) DO UPDATE SET
                    received = received + excluded.received,
                    delivered = delivered + excluded.delivered,
                    answered_error = answered_error + excluded.answered_error,
                    dead_lettered = dead_lettered + excluded.dead_lettered,
                    parked = parked + excluded.parked,
                    filtered = filtered + excluded.filtered,
                    duplicate = duplicate + excluded.duplicate,
                    retries = retries + excluded.retries",
            )?
            .execute([
                *flow,
                received,
                delivered,
                answered_error,
                dead_lettered,
                parked,
                filtered,
                duplicate,
                retries,
            ])?;
    }
    Ok(())
}

/// Reads the counts of a flow.
pub(super) fn one(view: &View<'_>, flow: &FlowName) -> Done<Counts> {
    let all = match view.id(flow.as_str())? {
        Some(id) => read(view, "SELECT * FROM counts WHERE flow = ?1", [id])?,
        None => Vec::new(),
    };
    Ok(all
        .into_iter()
        .next()
        .map_or_else(Counts::default, |(_, counts)| counts))
}

/// Reads the counts of all flows, by name.
pub(super) fn all(view: &View<'_>) -> Done<Vec<(FlowName, Counts)>> {
    let mut all = read(view, "SELECT * FROM counts", [])?;
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(all)
}

fn read(view: &View<'_>, sql: &str, params: impl Params) -> Done<Vec<(FlowName, Counts)>> {
    let mut statement = view.conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let mut counts = Counts::default();
        for (index, field) in counts.fields_mut().into_iter().enumerate() {
            *field = unsigned(row.get(index + 1)?);
        }
        all.push((FlowName(view.name(row.get(0)?)?), counts));
    }
    Ok(all)
}
