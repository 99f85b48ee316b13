//! Finds files that are ready to be read.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::files::glob::Glob;
use crate::files::place::Folder;

/// The most files of a folder that one look takes in.
pub(crate) const FILES_MAX: usize = 100_000;

/// How deep `**` goes.
const DEPTH_MAX: usize = 32;

/// A file as a look at its folder found it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Sighting {
    /// The path below the folder that is read, with `/`.
    pub(crate) path: Arc<str>,
    /// The size in bytes.
    pub(crate) size: u64,
    /// When it was last changed, by the file system's clock.
    pub(crate) changed: SystemTime,
}

/// What one look at a folder found.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// The files that match, the one longest unchanged first.
    pub(crate) files: Vec<Sighting>,
    /// Links that leave the connection's folder, names that are not UTF-8.
    pub(crate) refused: Vec<(String, &'static str)>,
    /// Whether there were more than [`FILES_MAX`].
    pub(crate) cut: bool,
}

/// Looks at a folder. Blocks.
pub(crate) fn look(
    folder: &Folder,
    glob: &Glob,
    skip: Option<&str>,
) -> Result<Look, std::io::Error> {
    let mut look = Look::default();
    let depth = glob.depth().unwrap_or(DEPTH_MAX).min(DEPTH_MAX);
    let mut folders = vec![(String::new(), 1)];
    while let Some((prefix, level)) = folders.pop() {
        let entries = match std::fs::read_dir(folder.real.join(&prefix)) {
            Ok(entries) => entries,
            // A folder below that vanished, or may not be read, does not stop the others.
            Err(_) if level != 1 => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                let shown = entry.file_name().to_string_lossy().into_owned();
                look.refused.push((shown, "its name is not UTF-8"));
                continue;
            };
            if is_unfinished(&name) {
                continue;
            }
            let path = format!("{prefix}{name}");
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() {
                if level < depth && skip != Some(path.as_str()) {
                    folders.push((format!("{path}/"), level + 1));
                }
                continue;
            }
            if !glob.matches(&path) {
                continue;
            }
            if kind.is_symlink() && !stays_inside(&entry.path(), &folder.root) {
                look.refused
                    .push((path, "it is a link that leaves its folder"));
                continue;
            }
            if FILES_MAX <= look.files.len() {
                look.cut = true;
                break;
            }
            look.files.extend(sighting(&entry.path(), path));
        }
    }
    look.files
        .sort_by(|a, b| (a.changed, &a.path).cmp(&(b.changed, &b.path)));
    Ok(look)
}

/// Returns whether a name says that the file is still being written, or belongs to nobody else.
fn is_unfinished(name: &str) -> bool {
    name.starts_with('.') || name.ends_with(".part") || name.ends_with(".tmp")
}

fn stays_inside(link: &Path, root: &Path) -> bool {
    link.canonicalize().is_ok_and(|real| real.starts_with(root))
}

/// Returns the file at a path; `None` if it is none, or gone.
pub(crate) fn sighting(at: &Path, path: impl Into<Arc<str>>) -> Option<Sighting> {
    let metadata = std::fs::metadata(at).ok()?;
    metadata.is_file().then(|| Sighting {
        path: path.into(),
        size: metadata.len(),
        changed: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
    })
}

/// Which files were seen, which are ready, and which are left alone.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Files that were seen and are not ready yet, with the time of the first look that found them
    /// as they are.
    fresh: HashMap<Arc<str>, (Sighting, Duration)>,
    /// Files to leave alone as they are, until that time: `None` for ever.
    alone: HashMap<Arc<str>, (Sighting, Option<Duration>)>,
    /// Files that are ready, in order.
    ready: VecDeque<Sighting>,
}

impl Watch {
    /// Takes in what a look found. A file is ready when nothing has changed it for `settle`.
    pub(crate) fn update(&mut self, found: Vec<Sighting>, now: Duration, settle: Duration) {
        let mut fresh = HashMap::new();
        let mut alone = HashMap::new();
        self.ready.clear();
        for file in found {
            match self.alone.remove(&file.path) {
                Some((own, until)) if own == file && until.is_none_or(|until| now < until) => {
                    alone.insert(Arc::clone(&file.path), (own, until));
                    continue;
                }
                _ => {}
            }
            let since = match self.fresh.remove(&file.path) {
                Some((own, since)) if own == file => since,
                _ => now,
            };
            if settle <= now.saturating_sub(since) {
                self.ready.push_back(file.clone());
            }
            fresh.insert(Arc::clone(&file.path), (file, since));
        }
        self.fresh = fresh;
        self.alone = alone;
    }

    /// Returns the next file that is ready.
    pub(crate) fn next(&mut self) -> Option<Sighting> {
        self.ready.pop_front()
    }

    /// Leaves a file alone as long as it is as it is, and until that time if there is one.
    pub(crate) fn leave_alone(&mut self, file: Sighting, until: Option<Duration>) {
        self.fresh.remove(&file.path);
        self.alone.insert(Arc::clone(&file.path), (file, until));
    }

    /// Returns when the first file that was seen will be ready, if nothing changes it.
    pub(crate) fn ready_at(&self, settle: Duration) -> Option<Duration> {
        let times = self.fresh.values().map(|(_, since)| *since + settle);
        times.min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Sighting, Watch};

    fn file(path: &str, size: u64) -> Sighting {
        Sighting {
            path: path.into(),
            size,
            changed: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_file_is_ready_when_nothing_changed_it() {
        let second = Duration::from_secs(1);
        let mut watch = Watch::default();
        watch.update(vec![file("a", 1), file("b", 1)], second, second);
        assert_eq!(watch.next(), None);
        assert_eq!(watch.ready_at(second), Some(second * 2));
        watch.update(vec![file("a", 1), file("b", 2)], second * 2, second);
        assert_eq!((watch.next(), watch.next()), (Some(file("a", 1)), None));
        watch.leave_alone(file("a", 1), None);
        watch.leave_alone(file("b", 2), Some(second * 9));
        watch.update(vec![file("a", 1), file("b", 2)], second * 5, second);
        assert_eq!(watch.next(), None);
        watch.update(vec![file("a", 2), file("b", 2)], second * 9, second);
        watch.update(vec![file("a", 2), file("b", 2)], second * 10, second);
        assert_eq!(watch.next(), Some(file("a", 2)));
        assert_eq!(watch.next(), Some(file("b", 2)));
    }
}
