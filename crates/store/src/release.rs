//! Releases: what is deployed and rolled back.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_model::ids::ReleaseId;
use sluice_model::time::Timestamp;

use crate::error::StoreError;
use crate::payload::{ContentHash, PAYLOAD_MAX};
use crate::run::within;

/// The most source files of one release.
pub const BLOBS_MAX: usize = 100_000;
/// The most bytes of the source files of one release.
pub const RELEASE_MAX: usize = 1024 * 1024 * 1024;

/// An immutable, content-addressed build of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The SHA-256 of `manifest`, in hex.
    pub id: ReleaseId,
    /// The manifest: JSON that names each source file with its hash.
    pub manifest: Arc<[u8]>,
    /// When it was first stored.
    pub created: Timestamp,
    /// The source files by their hash.
    pub blobs: BTreeMap<ContentHash, Arc<[u8]>>,
}

impl Release {
    /// Returns the release of a manifest and its source files.
    pub fn new(
        manifest: Arc<[u8]>,
        sources: impl IntoIterator<Item = Arc<[u8]>>,
        created: Timestamp,
    ) -> Self {
        let id = ContentHash::of(&manifest).to_string();
        let blobs = sources
            .into_iter()
            .map(|bytes| (ContentHash::of(&bytes), bytes))
            .collect();
        Self {
            id: ReleaseId(id.into()),
            manifest,
            created,
            blobs,
        }
    }

    /// Checks that id and hashes are those of the content.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        within(
            "the number of a release's files",
            BLOBS_MAX,
            self.blobs.len(),
        )?;
        within("the size of a manifest", PAYLOAD_MAX, self.manifest.len())?;
        if ContentHash::of(&self.manifest).to_string() != self.id.as_str() {
            return Err(StoreError::conflict(format!(
                "the id `{}` is not the hash of the release's manifest",
                self.id
            )));
        }
        let size = self.blobs.values().map(|bytes| bytes.len()).sum();
        within("the size of a release's files", RELEASE_MAX, size)?;
        for (hash, bytes) in &self.blobs {
            within("the size of a source file", PAYLOAD_MAX, bytes.len())?;
            if ContentHash::of(bytes) != *hash {
                return Err(StoreError::conflict(format!(
                    "a source file of release `{}` does not have the hash `{hash}`",
                    self.id
                )));
            }
        }
        Ok(())
    }
}

/// A release as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseHead {
    /// Its id.
    pub id: ReleaseId,
    /// When it was first stored.
    pub created: Timestamp,
    /// How many different source files it has.
    pub files: u64,
    /// The bytes of its source files.
    pub size: u64,
}
