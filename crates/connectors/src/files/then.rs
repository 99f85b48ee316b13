//! What becomes of a file that was read.

use std::io::Error;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::files::rename::{sync_folder, to_free_name};

/// What becomes of a file once all that came from it is settled.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Then {
    /// It is moved into this folder, relative to the one that is read. A file of the same name that
    /// is there stays: the new one becomes `name_2.csv`.
    Move(String),
    /// It is deleted, if this is true.
    Delete(bool),
}

/// Moves the file `path` below `folder` into the folder `target` below `folder`, and returns where
/// it is now. Folders that are missing are made; no file is ever overwritten.
pub(crate) fn move_file(folder: &Path, path: &str, target: &str) -> Result<PathBuf, Error> {
    let wanted = folder.join(target).join(path);
    let parent = wanted.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent)?;
    let to = to_free_name(&folder.join(path), &wanted)?;
    sync_folder(parent)?;
    Ok(to)
}
