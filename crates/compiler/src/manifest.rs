//! The manifest of a release: its files, content-addressed.

use std::fmt::Write;
use std::sync::Arc;

use serde_json::json;
use sha2::{Digest, Sha256};
use sluice_model::ids::ReleaseId;

use crate::project::{FileKind, ProjectFiles};
use crate::release::{Manifest, ManifestFile};

/// The version of the compiler: a release lowered by another one may behave otherwise.
pub const COMPILER: &str = concat!("sluice ", env!("CARGO_PKG_VERSION"));

/// Returns the manifest of a project: all its files but tests.
pub(crate) fn of(project: &ProjectFiles) -> Manifest {
    let mut files = Vec::new();
    for (path, bytes) in &project.files {
        if matches!(
            FileKind::of(path),
            None | Some(FileKind::Test | FileKind::Sample)
        ) {
            continue;
        }
        let sha256 = hex(&Sha256::digest(bytes));
        let path = Arc::clone(path);
        files.push(ManifestFile {
            path,
            sha256: sha256.into(),
            bytes: Arc::clone(bytes),
        });
    }
    let listed: Vec<_> = files
        .iter()
        .map(|file| {
            json!({ "path": &*file.path, "sha256": &*file.sha256, "bytes": file.bytes.len() })
        })
        .collect();
    let json = json!({ "compiler": COMPILER, "files": listed }).to_string();
    let id = ReleaseId::from(hex(&Sha256::digest(&json)).as_str());
    Manifest {
        id,
        compiler: COMPILER.into(),
        json: json.into(),
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
