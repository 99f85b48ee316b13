//! Deletion of what has been kept long enough, in bounded batches.

use rusqlite::Params;
use sluice_model::ids::FlowName;
use sluice_model::time::Timestamp;

use crate::dead_letter::DeadLetterState;
use crate::retention::{PRUNE_MAX, Prune, Pruned};
use crate::run::Outcome;
use crate::run_id::COUNTER_BITS;
use crate::sqlite::dead_letters::forget;
use crate::sqlite::failure::{Done, rows};
use crate::sqlite::session::Txn;
use crate::sqlite::terms;

/// Deletes one batch.
pub(super) fn batch(txn: &mut Txn<'_>, what: &Prune, limit: usize) -> Done<Pruned> {
    let limit = limit.clamp(1, PRUNE_MAX);
    let deleted = match what {
        Prune::Runs { flow, before } => return runs(txn, flow.as_ref(), *before, limit),
        Prune::Payloads { now } => delete(
            txn,
            "DELETE FROM payloads WHERE rowid IN
             (SELECT rowid FROM payloads WHERE expires <= ?1 LIMIT ?2)",
            (now.0, rows(limit)),
        )?,
        Prune::DeadLetters { before } => dead_letters(txn, *before, limit)?,
        Prune::DedupeKeys { now } => delete(
            txn,
            "DELETE FROM dedupe WHERE (flow, key) IN
             (SELECT flow, key FROM dedupe WHERE expires <= ?1 LIMIT ?2)",
            (now.0, rows(limit)),
        )?,
        Prune::Requests { before } => delete(
            txn,
            "DELETE FROM requests WHERE id IN
             (SELECT id FROM requests WHERE state = 2 AND finished < ?1 LIMIT ?2)",
            (before.0, rows(limit)),
        )?,
    };
    Ok(pruned(deleted, limit))
}

fn pruned(rows: usize, limit: usize) -> Pruned {
    Pruned {
        rows: rows as u64,
        more: limit <= rows,
    }
}

fn delete(txn: &Txn<'_>, sql: &str, params: impl Params) -> Done<usize> {
    Ok(txn.conn.prepare_cached(sql)?.execute(params)?)
}

fn ids(txn: &Txn<'_>, sql: &str, params: impl Params) -> Done<Vec<i64>> {
    let mut statement = txn.conn.prepare_cached(sql)?;
    let ids: Result<Vec<i64>, _> = statement.query_map(params, |row| row.get(0))?.collect();
    Ok(ids?)
}

/// Deletes runs; an id carries the time of its run's start up to a slack, the row tells exactly.
fn runs(
    txn: &mut Txn<'_>,
    flow: Option<&FlowName>,
    before: Timestamp,
    limit: usize,
) -> Done<Pruned> {
    let millis = before
        .millis()
        .saturating_add(txn.state.clock_slack.saturating_add(1))
        .clamp(0, i64::MAX >> COUNTER_BITS);
    let below = millis << COUNTER_BITS;
    let found = match flow {
        None => ids(
            txn,
            "SELECT id FROM runs WHERE id < ?1 AND started < ?2 ORDER BY id LIMIT ?3",
            (below, before.0, rows(limit)),
        )?,
        Some(flow) => {
            let flow = txn.name(flow.as_str())?;
            let mut found = Vec::new();
            for outcome in Outcome::ALL {
                found.append(&mut ids(
                    txn,
                    "SELECT id FROM runs WHERE flow = ?1 AND outcome = ?2 AND id < ?3
                     AND started < ?4 ORDER BY id LIMIT ?5",
                    (
                        flow,
                        outcome.number(),
                        below,
                        before.0,
                        rows(limit - found.len()),
                    ),
                )?);
            }
            found
        }
    };
    for id in &found {
        delete(txn, "DELETE FROM payloads WHERE run = ?1", [id])?;
        delete(txn, "DELETE FROM steps WHERE run = ?1", [id])?;
        delete(txn, "DELETE FROM runs WHERE id = ?1", [id])?;
    }
    // Terms of runs that are gone cost a search little; they go bucket by bucket.
    let terms = terms::prune(txn, limit)?;
    let mut pruned = pruned(found.len(), limit);
    pruned.more |= limit <= terms;
    if flow.is_none() && !pruned.more {
        let orphans = orphans(txn, before, limit)?;
        pruned.more |= limit <= orphans;
    }
    Ok(pruned)
}

/// Deletes steps and payloads whose runs have no summary and, as their ids say, began before.
fn orphans(txn: &Txn<'_>, before: Timestamp, limit: usize) -> Done<usize> {
    let millis = before
        .millis()
        .saturating_sub(txn.state.clock_slack)
        .clamp(0, i64::MAX >> COUNTER_BITS);
    let mut deleted = 0;
    for sql in [
        "DELETE FROM steps WHERE (run, ordinal) IN
         (SELECT run, ordinal FROM steps WHERE run < coalesce(min(?1,
          (SELECT min(id) FROM runs)), ?1) LIMIT ?2)",
        "DELETE FROM payloads WHERE rowid IN
         (SELECT rowid FROM payloads WHERE run < coalesce(min(?1,
          (SELECT min(id) FROM runs)), ?1) LIMIT ?2)",
    ] {
        deleted += delete(txn, sql, (millis << COUNTER_BITS, rows(limit - deleted)))?;
    }
    Ok(deleted)
}

fn dead_letters(txn: &mut Txn<'_>, before: Timestamp, limit: usize) -> Done<usize> {
    let mut deleted = 0;
    for state in [DeadLetterState::Redriven, DeadLetterState::Archived] {
        let column = state.as_str();
        let groups = ids(
            txn,
            &format!("SELECT id FROM dead_letter_groups WHERE 0 < {column}"),
            [],
        )?;
        for group in groups {
            let found = ids(
                txn,
                "SELECT id FROM dead_letters WHERE group_id = ?1 AND state = ?2 AND changed < ?3
                 LIMIT ?4",
                (group, state.number(), before.0, rows(limit - deleted)),
            )?;
            for id in &found {
                delete(txn, "DELETE FROM dead_letters WHERE id = ?1", [id])?;
                forget(txn, group, state);
            }
            deleted += found.len();
        }
    }
    Ok(deleted)
}
