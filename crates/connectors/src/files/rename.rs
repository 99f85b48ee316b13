//! Gives files their names: never over another one unless that is wanted, never half written.

use std::fs::{self, OpenOptions};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

/// How many names are tried where a file is there already.
const SUFFIXES_MAX: u32 = 100_000;

/// Gives a file the name `wanted`, or the first of `name_2`, `name_3`... that is free.
pub(crate) fn to_free_name(from: &Path, wanted: &Path) -> Result<PathBuf, Error> {
    for number in 1..=SUFFIXES_MAX {
        let path = suffixed(wanted, number);
        match to_new_name(from, &path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::new(
        ErrorKind::AlreadyExists,
        "too many files of the same name",
    ))
}

/// Gives a file a name that no other has; fails with `AlreadyExists` if one has it.
///
/// A link under the new name, then the old name goes: whoever looks sees a whole file or none.
/// Where the file system has no links, an empty file holds the name for a moment.
pub(crate) fn to_new_name(from: &Path, to: &Path) -> Result<(), Error> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        // An earlier attempt was stopped between the two steps.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && is_same_file(from, to) => {
            fs::remove_file(from)
        }
        Err(error) if error.kind() == ErrorKind::CrossesDevices => copy(from, to),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Unsupported | ErrorKind::PermissionDenied | ErrorKind::TooManyLinks
            ) =>
        {
            OpenOptions::new().write(true).create_new(true).open(to)?;
            fs::rename(from, to).inspect_err(|_| {
                // The name that was held is empty: it goes with the failure.
                let _ = fs::remove_file(to);
            })
        }
        Err(error) => Err(error),
    }
}

/// Copies a file to another device and deletes it here. The copy is complete and on disk before it
/// gets its name.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let part = to.with_file_name(format!(".{name}.part"));
    let copied = fs::copy(from, &part)
        .and_then(|_| OpenOptions::new().write(true).open(&part)?.sync_all())
        .and_then(|()| to_new_name(&part, to));
    if let Err(error) = copied {
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    fs::remove_file(from)
}

#[cfg(unix)]
fn is_same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::symlink_metadata(a), fs::symlink_metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_same_file(_: &Path, _: &Path) -> bool {
    false
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

/// Brings a folder's entries to disk: a new name is safe only then. Systems that cannot open a
/// folder do that by themselves.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), Error> {
    if cfg!(unix) {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{to_free_name, to_new_name};
    use sluice_testkit::project::TempProject;

    #[test]
    fn no_file_is_overwritten() {
        let folder = TempProject::new()
            .file("a.csv", "old")
            .file("a_2.csv", "older")
            .file("b.csv", "new");
        let to = to_free_name(&folder.at("b.csv"), &folder.at("a.csv")).expect("there is a name");
        assert_eq!(to, folder.at("a_3.csv"));
        assert_eq!(folder.read("a_3.csv").as_deref(), Some("new"));
        assert_eq!(folder.read("a.csv").as_deref(), Some("old"));
        assert_eq!(folder.files(), ["a.csv", "a_2.csv", "a_3.csv"]);
    }

    #[cfg(unix)]
    #[test]
    fn an_attempt_that_was_stopped_is_finished() {
        let folder = TempProject::new().file(".a.part", "whole");
        std::fs::hard_link(folder.at(".a.part"), folder.at("a")).expect("links are there");
        to_new_name(&folder.at(".a.part"), &folder.at("a")).expect("it is the same file");
        assert_eq!(folder.files(), ["a"]);
    }
}
