//! Files that records are added to, until they get their name. Everything here blocks.
//!
//! The records of one group under one name are gathered in a file beside the one that they will be,
//! `.orders.jsonl.1a2b3c4d.part`: the eight digits are of the group's SHA-256, so that a process
//! that starts again finds what it has to go on with, and what it has to finish.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use sluice_sdk::format::{DynFormat, Encoder, Start};

use crate::files::place::Folder;
use crate::files::rename::{sync_folder, to_free_name, to_new_name};
use crate::files::write::Exists;

/// How much of a file that is gone on with is read at a time.
const BUFFER: usize = 256 * 1024;

/// What a part is gathered under: the name that it will have, and the group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartKey {
    /// The name below the folder that is written to.
    pub(crate) name: String,
    /// The group.
    pub(crate) group: Option<Arc<str>>,
}

/// A file that records are added to.
pub(crate) struct Part {
    /// Where it lies.
    path: PathBuf,
    file: Arc<File>,
    /// How many bytes of it are complete records.
    length: u64,
    pub(crate) encoder: Box<dyn Encoder>,
}

/// Bytes on their way into a part.
pub(crate) struct Addition {
    /// The records' bytes.
    pub(crate) bytes: Vec<u8>,
    file: Arc<File>,
    at: u64,
}

impl Part {
    /// Opens a part, or goes on with it where a process that ended has left it: a record that was
    /// not written to its end is cut off.
    pub(crate) fn open(
        folder: &Folder,
        key: &PartKey,
        format: &dyn DynFormat,
    ) -> Result<Self, Error> {
        let path = path_of(folder, key)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        let mut encoder = format.encoder();
        let length = go_on(&file, format, &mut *encoder)?;
        file.set_len(length)?;
        sync_folder(path.parent().unwrap_or(&folder.real))?;
        Ok(Self {
            path,
            file: Arc::new(file),
            length,
            encoder,
        })
    }

    /// Returns what adds these bytes at the end.
    pub(crate) fn addition(&self, bytes: Vec<u8>) -> Addition {
        Addition {
            bytes,
            file: Arc::clone(&self.file),
            at: self.length,
        }
    }

    /// Counts what was added.
    pub(crate) fn added(&mut self, bytes: usize) {
        self.length += bytes as u64;
    }

    /// Brings it to disk.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.file.sync_data()
    }

    /// Ends the stream, and gives the file its name.
    pub(crate) fn finish(
        mut self,
        folder: &Folder,
        name: &str,
        exists: Exists,
    ) -> Result<PathBuf, Error> {
        let mut end = Vec::new();
        self.encoder.finish(&mut end);
        self.addition(end).write()?;
        self.file.sync_all()?;
        let wanted = folder.real.join(name);
        let to = give_name(&self.path, &wanted, exists)?;
        sync_folder(to.parent().unwrap_or(&folder.real))?;
        Ok(to)
    }
}

impl Addition {
    /// Writes the bytes. What an earlier attempt has left behind the complete records is replaced.
    pub(crate) fn write(&self) -> Result<(), Error> {
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(self.at))?;
        let written = file.write_all(&self.bytes);
        if written.is_err() {
            // If this fails too, the next attempt writes over it, or a restart cuts it off.
            let _ = file.set_len(self.at);
        }
        written
    }

    /// Brings the file to disk.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.file.sync_data()
    }
}

/// Gives a file its name.
pub(crate) fn give_name(from: &Path, wanted: &Path, exists: Exists) -> Result<PathBuf, Error> {
    match exists {
        Exists::Replace => std::fs::rename(from, wanted).map(|()| wanted.to_path_buf()),
        Exists::Fail => to_new_name(from, wanted).map(|()| wanted.to_path_buf()),
        Exists::Suffix => to_free_name(from, wanted),
    }
}

/// Makes the folders of a name, and makes sure that no link leads out of the connection's folder.
pub(crate) fn parent_of(folder: &Folder, name: &str) -> Result<PathBuf, Error> {
    let path = folder.real.join(name);
    let parent = path.parent().unwrap_or(&folder.real);
    if parent != folder.real {
        std::fs::create_dir_all(parent)?;
        if !parent.canonicalize()?.starts_with(&folder.root) {
            return Err(Error::new(
                ErrorKind::PermissionDenied,
                "a link leads out of the connection's folder",
            ));
        }
    }
    Ok(parent.to_path_buf())
}

/// Returns what marks the parts of a group.
fn mark(group: &str) -> String {
    let digest = Sha256::digest(group.as_bytes());
    digest[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn path_of(folder: &Folder, key: &PartKey) -> Result<PathBuf, Error> {
    let parent = parent_of(folder, &key.name)?;
    let name = key.name.rsplit('/').next().unwrap_or_default();
    Ok(parent.join(match &key.group {
        Some(group) => format!(".{name}.{}.part", mark(group)),
        None => format!(".{name}.part"),
    }))
}

/// Finds the parts of a group that an earlier process has left in the folder itself.
pub(crate) fn left_behind(folder: &Folder, group: &Arc<str>) -> Result<Vec<PartKey>, Error> {
    let ending = format!(".{}.part", mark(group));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder.real)? {
        let name = entry?.file_name();
        let inner = name
            .to_str()
            .and_then(|name| name.strip_prefix('.')?.strip_suffix(&ending));
        found.extend(inner.map(|name| PartKey {
            name: name.to_owned(),
            group: Some(Arc::clone(group)),
        }));
    }
    Ok(found)
}

/// Reads a part that is there already, and returns how many bytes of it are complete records. The
/// encoder is told of the last record, so that it does not begin again (with a header, say).
fn go_on(file: &File, format: &dyn DynFormat, encoder: &mut dyn Encoder) -> Result<u64, Error> {
    let mut file = file;
    file.seek(SeekFrom::Start(0))?;
    let mut decoder = format.decoder(&Start::default());
    let (mut end, mut last) = (0, None);
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        let mut records = Vec::new();
        decoder.feed(&buffer[..read], &mut records);
        for record in records {
            end = record.end;
            last = record.content.ok().or(last);
        }
    }
    if let Some(last) = last {
        // What it makes of the record stands in the file already.
        let _ = encoder.encode(&last, &mut Vec::new());
    }
    Ok(end)
}
