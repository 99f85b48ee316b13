//! A project, or any files, in a temporary folder.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// 2026-01-01T00:00:00Z.
const BEGIN: Duration = Duration::from_secs(1_767_225_600);

/// A temporary folder with files, removed when dropped.
///
/// Each file that is written is one second younger than the one before, by its time of change.
#[derive(Debug)]
pub struct TempProject {
    folder: tempfile::TempDir,
    seconds: AtomicU64,
}

impl TempProject {
    /// Returns an empty folder.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        Self {
            folder,
            seconds: AtomicU64::new(0),
        }
    }

    /// Writes a file, and the folders that it lies in.
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.write(path, content);
        self
    }

    /// Makes a folder.
    pub fn folder(self, path: &str) -> Self {
        std::fs::create_dir_all(self.at(path)).expect("a temporary folder takes folders");
        self
    }

    /// Writes a file, and the folders that it lies in.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.at(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("a temporary folder takes folders");
        }
        std::fs::write(&path, content).expect("a temporary folder takes files");
        let seconds = self.seconds.fetch_add(1, Ordering::Relaxed);
        let changed = SystemTime::UNIX_EPOCH + BEGIN + Duration::from_secs(seconds);
        std::fs::File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_modified(changed))
            .expect("a file's time can be set");
    }

    /// Returns the content of a file; `None` if there is none.
    pub fn read(&self, path: &str) -> Option<String> {
        let bytes = std::fs::read(self.at(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Returns the paths of all files, relative to the folder and sorted.
    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(relative) = path.strip_prefix(self.path()) {
                    found.push(relative.to_string_lossy().into_owned());
                }
            }
        }
        found.sort();
        found
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the path of something in the folder.
    pub fn at(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }
}

impl Default for TempProject {
    fn default() -> Self {
        Self::new()
    }
}
