//! What finds a run among many: hashes of its key values, its origin, its correlation id.
//!
//! One tree over all terms would cost each summary several pages, since terms come in no order.
//! So a transaction appends its entries, sorted, as one row. Once there are enough of them, they
//! are sorted together and become a bucket of blocks. A search looks into each bucket, newest
//! first, by the first entries of its blocks.

use crate::crc::RowCrc;
use crate::error::StoreError;
use crate::run::{OriginKind, RunSummary, TEXT_MAX, clip};
use crate::sqlite::failure::Done;
use crate::sqlite::names::View;
use crate::sqlite::session::Txn;

/// The entries from which a bucket is made of what transactions appended.
const BUCKET_ENTRIES: i64 = 32_768;
/// The entries of a block: with its other columns it fits into a page.
const BLOCK_ENTRIES: usize = 240;
/// The bytes of an entry: a term and a run.
const ENTRY: usize = 16;

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
    let mut terms = std::mem::take(&mut txn.terms);
    terms.sort_unstable();
    let entries = encode(&terms);
    txn.conn
        .prepare_cached("INSERT INTO run_terms_new (entries, crc) VALUES (?1, ?2)")?
        .execute((&entries, crc("run_terms_new", &entries)))?;
    txn.state.term_count += i64::try_from(terms.len()).unwrap_or(i64::MAX);
    if txn.state.term_count < BUCKET_ENTRIES {
        return Ok(());
    }
    let mut all = Vec::new();
    appended(&txn.view(), |entries| all.extend(decode(entries)))?;
    all.sort_unstable();
    txn.state.term_bucket += 1;
    txn.state.term_count = 0;
    bucket(txn, &all)?;
    txn.conn
        .prepare_cached("DELETE FROM run_terms_new")?
        .execute([])?;
    Ok(())
}

/// Writes a bucket of sorted entries.
fn bucket(txn: &Txn<'_>, entries: &[(i64, i64)]) -> Done<()> {
    let bucket = txn.state.term_bucket;
    let mut insert = txn.conn.prepare_cached(
        "INSERT INTO run_terms (bucket, first_term, first_run, crc, entries)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for block in entries.chunks(BLOCK_ENTRIES) {
        let (term, run) = block.first().copied().unwrap_or_default();
        let bytes = encode(block);
        insert.execute((bucket, term, run, crc("run_terms", &bytes), &bytes))?;
    }
    let runs = || entries.iter().map(|entry| entry.1);
    txn.conn
        .prepare_cached("INSERT INTO run_buckets VALUES (?1, ?2, ?3)")?
        .execute((bucket, runs().min(), runs().max()))?;
    Ok(())
}

/// Reads what transactions appended since the last bucket was made.
fn appended(view: &View<'_>, mut each: impl FnMut(&[u8])) -> Done<()> {
    let mut statement = view
        .conn
        .prepare_cached("SELECT id, entries, crc FROM run_terms_new")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let entries = row.get_ref(1)?.as_blob().unwrap_or_default();
        check("run_terms_new", row.get(0)?, entries, row.get(2)?)?;
        each(entries);
    }
    Ok(())
}

fn check(table: &'static str, id: i64, entries: &[u8], stored: i64) -> Result<(), StoreError> {
    if crc(table, entries) == stored {
        Ok(())
    } else {
        Err(StoreError::corrupt(table, id, "its checksum differs"))
    }
}

fn crc(table: &'static str, entries: &[u8]) -> i64 {
    RowCrc::of(table).bytes(entries).finish()
}

fn encode(entries: &[(i64, i64)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY);
    for (term, run) in entries {
        bytes.extend_from_slice(&term.to_le_bytes());
        bytes.extend_from_slice(&run.to_le_bytes());
    }
    bytes
}

fn decode(bytes: &[u8]) -> impl DoubleEndedIterator<Item = (i64, i64)> + ExactSizeIterator {
    let (entries, _) = bytes.as_chunks::<ENTRY>();
    entries.iter().map(entry)
}

fn entry(bytes: &[u8; ENTRY]) -> (i64, i64) {
    let number = i128::from_le_bytes(*bytes);
    (number as i64, (number >> 64) as i64)
}

/// What is looked for: a term, and runs from `from` on, below `below`.
#[derive(Clone, Copy)]
struct Wanted {
    term: i64,
    from: i64,
    below: i64,
}

/// Takes the wanted runs out of sorted entries, greatest first, at most `limit`; returns whether
/// entries before them can be wanted, too.
fn take(bytes: &[u8], wanted: Wanted, limit: usize, found: &mut Vec<i64>) -> bool {
    let (entries, _) = bytes.as_chunks::<ENTRY>();
    let end = entries.partition_point(|bytes| entry(bytes) < (wanted.term, wanted.below));
    for bytes in entries[..end].iter().rev() {
        let (term, run) = entry(bytes);
        if (term, run) < (wanted.term, wanted.from) || limit <= found.len() {
            return false;
        }
        if found.last() != Some(&run) {
            found.push(run);
        }
    }
    true
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
    let wanted = Wanted { term, from, below };
    let mut found = Vec::new();
    appended(view, |entries| {
        let mut some = Vec::new();
        take(entries, wanted, limit, &mut some);
        found.append(&mut some);
    })?;
    newest(&mut found, limit);
    let mut buckets = view.conn.prepare_cached(
        "SELECT bucket, run_max FROM run_buckets
         WHERE ?1 <= run_max AND run_min < ?2 ORDER BY run_max DESC",
    )?;
    let mut rows = buckets.query((from, below))?;
    while let Some(row) = rows.next()? {
        let (bucket, run_max): (i64, i64) = (row.get(0)?, row.get(1)?);
        // Buckets that end before the last of enough runs cannot have a newer one.
        if limit <= found.len() && found.last().is_some_and(|last| run_max < *last) {
            break;
        }
        in_bucket(view, bucket, wanted, limit, &mut found)?;
        newest(&mut found, limit);
    }
    Ok(found)
}

fn in_bucket(
    view: &View<'_>,
    bucket: i64,
    wanted: Wanted,
    limit: usize,
    found: &mut Vec<i64>,
) -> Done<()> {
    let mut statement = view.conn.prepare_cached(
        "SELECT id, entries, crc FROM run_terms
         WHERE bucket = ?1 AND (first_term, first_run) < (?2, ?3)
         ORDER BY first_term DESC, first_run DESC",
    )?;
    let mut rows = statement.query((bucket, wanted.term, wanted.below))?;
    let mut some = Vec::new();
    while let Some(row) = rows.next()? {
        let entries = row.get_ref(1)?.as_blob().unwrap_or_default();
        check("run_terms", row.get(0)?, entries, row.get(2)?)?;
        if !take(entries, wanted, limit, &mut some) {
            break;
        }
    }
    found.append(&mut some);
    Ok(())
}

/// Keeps the greatest, descending, each once.
fn newest(found: &mut Vec<i64>, limit: usize) {
    found.sort_unstable_by(|one, other| other.cmp(one));
    found.dedup();
    found.truncate(limit);
}

/// Deletes buckets whose runs are all gone, until `limit` blocks are; returns how many blocks.
pub(super) fn prune(txn: &Txn<'_>, limit: usize) -> Done<usize> {
    let oldest: Option<i64> = txn
        .conn
        .prepare_cached("SELECT min(id) FROM runs")?
        .query_row([], |row| row.get(0))?;
    let mut buckets = txn
        .conn
        .prepare_cached("SELECT bucket FROM run_buckets WHERE ?1 IS NULL OR run_max < ?1")?;
    let gone: Result<Vec<i64>, _> = buckets.query_map([oldest], |row| row.get(0))?.collect();
    let mut deleted = 0;
    for bucket in gone? {
        if limit <= deleted {
            break;
        }
        deleted += txn
            .conn
            .prepare_cached("DELETE FROM run_terms WHERE bucket = ?1")?
            .execute([bucket])?;
        txn.conn
            .prepare_cached("DELETE FROM run_buckets WHERE bucket = ?1")?
            .execute([bucket])?;
    }
    Ok(deleted)
}
