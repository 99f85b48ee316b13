//! The manifest of a release: its files, content-addressed.

use std::fmt::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use sluice_model::ids::ReleaseId;

use crate::project::{FileKind, ProjectFiles};
use crate::release::{Manifest, ManifestFile};

/// The version of the compiler: a release lowered by another one may behave otherwise.
pub const COMPILER: &str = concat!("sluice ", env!("CARGO_PKG_VERSION"));

/// Returns the manifest of a project: all its files but tests.
pub(crate) fn of(project: &ProjectFiles) -> Manifest {
    let mut whole = Sha256::new();
    whole.update(COMPILER);
    let mut files = Vec::new();
    for (path, bytes) in &project.files {
        if matches!(
            FileKind::of(path),
            None | Some(FileKind::Test | FileKind::Sample)
        ) {
            continue;
        }
        let sha256 = hex(&Sha256::digest(bytes));
        // Lengths keep the fields apart, so that no two projects give one text.
        whole.update((path.len() as u64).to_le_bytes());
        whole.update(path.as_bytes());
        whole.update(sha256.as_bytes());
        files.push(ManifestFile {
            path: Arc::clone(path),
            sha256: sha256.into(),
            bytes: Arc::clone(bytes),
        });
    }
    Manifest {
        id: ReleaseId::from(hex(&whole.finalize()).as_str()),
        compiler: COMPILER.into(),
        files,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
