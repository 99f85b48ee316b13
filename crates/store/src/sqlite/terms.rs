//! What finds a run among many: hashes of its key values, its origin, its correlation id.
//!
//! One tree over all terms would cost each summary several pages, since terms come in no order.
//! So terms go into a bucket until that is full, then into the next: a transaction touches the
//! pages of one small tree, and a search looks into each bucket, newest first.

use crate::run::{OriginKind, RunSummary, TEXT_MAX, clip};
use crate::sqlite::failure::{Done, rows as count};
use crate::sqlite::names::View;
use crate::sqlite::session::Txn;

/// The most entries of a bucket, but for those of its last transaction.
const BUCKET_ENTRIES: i64 = 32_768;

/// What a term is of; equal texts of different kinds are different terms.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Key = 1,
    Origin = 2,
    Correlation = 3,
}

/// Returns the number of a term. Two terms may share one: whoever finds a run checks it.
///
/// This is FNV-1a with a final mix. It is on disk: it cannot change.
pub(super) fn hash(kind: Kind, text: &str) -> i64 {
    let text = clip(text, TEXT_MAX);
    let start = 0xcbf2_9ce4_8422_2325 ^ kind as u64;
    let mut hash = text.bytes().fold(start, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^= hash >> 29;
    i64::from_le_bytes(hash.to_le_bytes())
}

/// Gathers the terms of a run.
pub(super) fn add(txn: &mut Txn<'_>, id: i64, run: &RunSummary) {
    for key in &run.keys {
        txn.terms.push((hash(Kind::Key, &key.value), id));
    }
    if run.origin.kind != OriginKind::Manual {
        txn.terms.push((hash(Kind::Origin, &run.origin.text), id));
    }
    if let Some((line, _)) = run.origin.place {
        let place = format!("{}:{line}", run.origin.text);
        txn.terms.push((hash(Kind::Origin, &place), id));
    }
    if let Some(correlation) = &run.correlation {
        txn.terms.push((hash(Kind::Correlation, correlation), id));
    }
}

/// Writes what was gathered.
pub(super) fn flush(txn: &mut Txn<'_>) -> Done<()> {
    if txn.terms.is_empty() {
        return Ok(());
    }
    if BUCKET_ENTRIES <= txn.state.term_count {
        txn.state.term_bucket += 1;
        txn.state.term_count = 0;
    }
    let bucket = txn.state.term_bucket;
    let mut terms = std::mem::take(&mut txn.terms);
    terms.sort_unstable();
    let (mut run_min, mut run_max) = (i64::MAX, i64::MIN);
    let mut insert = txn
        .conn
        .prepare_cached("INSERT OR IGNORE INTO run_terms VALUES (?1, ?2, ?3)")?;
    for (term, run) in &terms {
        insert.execute((bucket, term, run))?;
        run_min = run_min.min(*run);
        run_max = run_max.max(*run);
    }
    txn.conn
        .prepare_cached(
            "INSERT INTO run_buckets VALUES (?1, ?2, ?3) ON CONFLICT (bucket) DO UPDATE SET
                run_min = min(run_min, excluded.run_min),
                run_max = max(run_max, excluded.run_max)",
        )?
        .execute((bucket, run_min, run_max))?;
    txn.state.term_count += i64::try_from(terms.len()).unwrap_or(i64::MAX);
    Ok(())
}

/// Returns the greatest ids below `below`, down to `from`, of runs with a term: descending, at
/// most `limit`.
pub(super) fn find(
    view: &View<'_>,
    term: i64,
    from: i64,
    below: i64,
    limit: usize,
) -> Done<Vec<i64>> {
    let mut buckets = view.conn.prepare_cached(
        "SELECT bucket, run_max FROM run_buckets
         WHERE ?1 <= run_max AND run_min < ?2 ORDER BY run_max DESC",
    )?;
    let mut entries = view.conn.prepare_cached(
        "SELECT run FROM run_terms WHERE bucket = ?1 AND term = ?2 AND ?3 <= run AND run < ?4
         ORDER BY run DESC LIMIT ?5",
    )?;
    let mut found: Vec<i64> = Vec::new();
    let mut rows = buckets.query((from, below))?;
    while let Some(row) = rows.next()? {
        let (bucket, run_max): (i64, i64) = (row.get(0)?, row.get(1)?);
        // Buckets that end before the last of enough runs cannot have a newer one.
        if limit <= found.len() && found.last().is_some_and(|last| run_max < *last) {
            break;
        }
        let mut runs = entries.query((bucket, term, from, below, count(limit)))?;
        while let Some(row) = runs.next()? {
            found.push(row.get(0)?);
        }
        found.sort_unstable_by(|one, other| other.cmp(one));
        found.dedup();
        found.truncate(limit);
    }
    Ok(found)
}

/// Deletes entries of buckets whose runs are all gone, at most `limit`; returns how many.
pub(super) fn prune(txn: &Txn<'_>, limit: usize) -> Done<usize> {
    let oldest: Option<i64> = txn
        .conn
        .prepare_cached("SELECT min(id) FROM runs")?
        .query_row([], |row| row.get(0))?;
    let mut deleted = 0;
    while deleted < limit {
        let bucket: Option<i64> = txn
            .conn
            .prepare_cached(
                "SELECT min(bucket) FROM run_buckets
                 WHERE bucket < ?1 AND (?2 IS NULL OR run_max < ?2)",
            )?
            .query_row((txn.state.term_bucket, oldest), |row| row.get(0))?;
        let Some(bucket) = bucket else {
            break;
        };
        let rows = txn
            .conn
            .prepare_cached(
                "DELETE FROM run_terms WHERE (bucket, term, run) IN
                 (SELECT bucket, term, run FROM run_terms WHERE bucket = ?1 LIMIT ?2)",
            )?
            .execute((bucket, count(limit - deleted)))?;
        deleted += rows;
        if deleted < limit {
            txn.conn
                .prepare_cached("DELETE FROM run_buckets WHERE bucket = ?1")?
                .execute([bucket])?;
        }
    }
    Ok(deleted)
}
