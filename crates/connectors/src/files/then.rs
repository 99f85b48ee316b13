//! What becomes of a file that was read.

use std::fs::{self, OpenOptions};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

/// How many names are tried where a file is there already.
const SUFFIXES_MAX: u32 = 100_000;

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
    let from = folder.join(path);
    let wanted = folder.join(target).join(path);
    let parent = wanted.parent().unwrap_or(folder);
    fs::create_dir_all(parent)?;
    let to = reserve(&wanted)?;
    let moved = match fs::rename(&from, &to) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => copy(&from, &to),
        moved => moved,
    };
    if let Err(error) = moved {
        // The name that was reserved is empty: it goes with the failure.
        let _ = fs::remove_file(&to);
        return Err(error);
    }
    sync_folder(parent)?;
    Ok(to)
}

/// Makes an empty file under the first name that is free, so that nobody else takes the name.
pub(crate) fn reserve(wanted: &Path) -> Result<PathBuf, Error> {
    for number in 1..=SUFFIXES_MAX {
        let path = suffixed(wanted, number);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::new(
        ErrorKind::AlreadyExists,
        "too many files of the same name",
    ))
}

/// Returns the path for the `number`th file of a name: `a.csv`, `a_2.csv`, `a_3.csv`.
fn suffixed(path: &Path, number: u32) -> PathBuf {
    if number == 1 {
        return path.to_path_buf();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem}_{number}.{}", extension.to_string_lossy()),
        None => format!("{stem}_{number}"),
    };
    path.with_file_name(name)
}

/// Copies a file to another device and deletes it here. The copy is complete and on disk before it
/// gets its name.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let part = to.with_file_name(format!(".{name}.part"));
    let copied = fs::copy(from, &part)
        .and_then(|_| fs::File::open(&part)?.sync_all())
        .and_then(|()| fs::rename(&part, to));
    if let Err(error) = copied {
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    fs::remove_file(from)
}

/// Brings a folder's entries to disk: a rename is safe only then. Systems that cannot open a folder
/// do that by themselves.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), Error> {
    if cfg!(unix) {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}
