//! Releases and their source files.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::OptionalExtension;
use sluice_model::ids::ReleaseId;
use sluice_model::time::Timestamp;

use crate::error::StoreError;
use crate::payload::ContentHash;
use crate::release::{Release, ReleaseHead};
use crate::sqlite::failure::{Done, signed, unsigned};
use crate::sqlite::names::View;
use crate::sqlite::session::Txn;

/// Stores a release, unless it is there.
pub(super) fn put(txn: &mut Txn<'_>, release: &Release) -> Done<()> {
    let size: u64 = release.blobs.values().map(|bytes| bytes.len() as u64).sum();
    let new = txn
        .conn
        .prepare_cached(
            "INSERT INTO releases VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO NOTHING",
        )?
        .execute((
            release.id.as_str(),
            release.created.0,
            signed(release.blobs.len() as u64),
            signed(size),
            &release.manifest,
        ))?;
    if new == 0 {
        return Ok(());
    }
    let mut blob = txn
        .conn
        .prepare_cached("INSERT INTO blobs VALUES (?1, ?2) ON CONFLICT (hash) DO NOTHING")?;
    let mut link = txn
        .conn
        .prepare_cached("INSERT INTO release_blobs VALUES (?1, ?2)")?;
    for (hash, bytes) in &release.blobs {
        blob.execute((hash.0, bytes))?;
        link.execute((release.id.as_str(), hash.0))?;
    }
    Ok(())
}

/// Lists the releases, newest first.
pub(super) fn list(view: &View<'_>) -> Done<Vec<ReleaseHead>> {
    let mut statement = view.conn.prepare_cached(
        "SELECT id, created, files, size FROM releases ORDER BY created DESC, id",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(ReleaseHead {
            id: ReleaseId(row.get(0)?),
            created: Timestamp(row.get(1)?),
            files: unsigned(row.get(2)?),
            size: unsigned(row.get(3)?),
        })
    })?;
    let all: Result<Vec<_>, _> = rows.collect();
    Ok(all?)
}

/// Reads a release; its content must have the hashes that it is addressed by.
pub(super) fn one(view: &View<'_>, id: &ReleaseId) -> Done<Option<Release>> {
    let damaged = |detail: String| StoreError::corrupt("releases", id, detail);
    let found: Option<(i64, Arc<[u8]>, i64)> = view
        .conn
        .prepare_cached("SELECT created, manifest, files FROM releases WHERE id = ?1")?
        .query_row([id.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((created, manifest, files)) = found else {
        return Ok(None);
    };
    if ContentHash::of(&manifest).to_string() != id.as_str() {
        return Err(damaged("its manifest has another hash".into()).into());
    }
    let mut statement = view.conn.prepare_cached(
        "SELECT b.hash, b.body FROM release_blobs r JOIN blobs b ON b.hash = r.hash
         WHERE r.release = ?1",
    )?;
    let mut rows = statement.query([id.as_str()])?;
    let mut blobs = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (hash, body): ([u8; 32], Arc<[u8]>) = (row.get(0)?, row.get(1)?);
        let hash = ContentHash(hash);
        if ContentHash::of(&body) != hash {
            return Err(StoreError::corrupt("blobs", hash, "it has another hash").into());
        }
        blobs.insert(hash, body);
    }
    if signed(blobs.len() as u64) != files {
        return Err(damaged(format!("it has {} of {files} files", blobs.len())).into());
    }
    Ok(Some(Release {
        id: id.clone(),
        manifest,
        created: Timestamp(created),
        blobs,
    }))
}
