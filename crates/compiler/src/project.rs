//! A project's files: found, read, parsed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sluice_model::codes;
use sluice_model::finding::{Finding, Findings};
use sluice_model::span::{FileId, Sources, Span};
use sluice_syntax::tree::Document;

/// The largest file that is read, in bytes. Contracts reach megabytes; nothing else should.
pub const FILE_BYTES_MAX: u64 = 32 << 20;
/// The most files of one project.
pub const FILES_MAX: usize = 20_000;
/// The deepest folder below the project's.
const FOLDERS_MAX: usize = 16;

/// What a file of a project is, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// `sluice.yaml`.
    Project,
    /// Below `contracts/`.
    Contract,
    /// `connections/*.yaml`.
    Connection,
    /// `flows/*.yaml`.
    Flow,
    /// Below `mappings/`.
    Mapping,
    /// `apis/*.yaml`.
    Api,
    /// `environments/*.yaml`.
    Environment,
    /// `tests/*.yaml`.
    Test,
    /// Below `tests/`, but no case: what cases read.
    Sample,
}

impl FileKind {
    /// Returns what the file at `path` (relative, with `/`) is; `None` if it is none of the
    /// project's business.
    pub fn of(path: &str) -> Option<Self> {
        if path == "sluice.yaml" {
            return Some(FileKind::Project);
        }
        let (folder, rest) = path.split_once('/')?;
        let yaml = rest.ends_with(".yaml") || rest.ends_with(".yml");
        match folder {
            "contracts" => Some(FileKind::Contract),
            "mappings" => Some(FileKind::Mapping),
            "connections" if yaml => Some(FileKind::Connection),
            "flows" if yaml => Some(FileKind::Flow),
            "apis" if yaml => Some(FileKind::Api),
            "environments" if yaml => Some(FileKind::Environment),
            "tests" if yaml && !rest.contains('/') => Some(FileKind::Test),
            "tests" => Some(FileKind::Sample),
            _ => None,
        }
    }

    /// Returns the word for it in messages: "a flow".
    pub fn article(self) -> &'static str {
        match self {
            FileKind::Project => "the project",
            FileKind::Contract => "a contract",
            FileKind::Connection => "a connection",
            FileKind::Flow => "a flow",
            FileKind::Mapping => "a mapping",
            FileKind::Api => "an API",
            FileKind::Environment => "an environment",
            FileKind::Test => "a test",
            FileKind::Sample => "a sample",
        }
    }
}

/// The bytes of a project's files, from disk or from an editor.
#[derive(Debug, Clone, Default)]
pub struct ProjectFiles {
    /// The project's folder, that relative paths in it begin at.
    pub root: PathBuf,
    /// The files by their path relative to it, with `/` between parts.
    pub files: BTreeMap<Arc<str>, Arc<[u8]>>,
}

/// Why a project's files could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no `sluice.yaml`.
    #[error("no `sluice.yaml` in `{0}` or a folder above it: `sluice new NAME` makes a project")]
    NoProject(PathBuf),
    /// A file or folder could not be read.
    #[error("cannot read `{path}`")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// There are too many files.
    #[error("more than {FILES_MAX} files below `{0}`: is it the right folder?")]
    TooMany(PathBuf),
}

impl ProjectFiles {
    /// Reads the project whose `sluice.yaml` lies in `folder` itself.
    ///
    /// # Errors
    /// If there is none, or something cannot be read.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        if !folder.join("sluice.yaml").is_file() {
            return Err(LoadError::NoProject(folder.to_owned()));
        }
        let mut files = Self {
            root: folder.to_owned(),
            files: BTreeMap::new(),
        };
        files.read_file(&folder.join("sluice.yaml"), "sluice.yaml")?;
        for part in [
            "contracts",
            "connections",
            "flows",
            "mappings",
            "apis",
            "environments",
            "tests",
        ] {
            let path = folder.join(part);
            if path.is_dir() {
                files.read_folder(&path, part, 0)?;
            }
        }
        Ok(files)
    }

    /// Returns the nearest folder with a `sluice.yaml`: `from` itself or one above it.
    ///
    /// # Errors
    /// If there is none.
    pub fn find_root(from: &Path) -> Result<PathBuf, LoadError> {
        let start = std::path::absolute(from).map_err(|source| LoadError::Io {
            path: from.to_owned(),
            source,
        })?;
        let found = start
            .ancestors()
            .find(|folder| folder.join("sluice.yaml").is_file());
        found
            .map(Path::to_owned)
            .ok_or(LoadError::NoProject(start.clone()))
    }

    fn read_folder(
        &mut self,
        folder: &Path,
        relative: &str,
        depth: usize,
    ) -> Result<(), LoadError> {
        let io = |source| LoadError::Io {
            path: folder.to_owned(),
            source,
        };
        for entry in std::fs::read_dir(folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            let path = entry.path();
            let below = format!("{relative}/{name}");
            // `metadata` follows links: a contract may be a link to where others keep it.
            let kind = std::fs::metadata(&path).map_err(|source| LoadError::Io {
                path: path.clone(),
                source,
            })?;
            if kind.is_dir() && depth < FOLDERS_MAX {
                self.read_folder(&path, &below, depth + 1)?;
            } else if kind.is_file() && FileKind::of(&below).is_some() {
                self.read_file(&path, &below)?;
            }
        }
        Ok(())
    }

    fn read_file(&mut self, path: &Path, relative: &str) -> Result<(), LoadError> {
        if self.files.len() == FILES_MAX {
            return Err(LoadError::TooMany(self.root.clone()));
        }
        let io = |source| LoadError::Io {
            path: path.to_owned(),
            source,
        };
        let size = std::fs::metadata(path).map_err(io)?.len();
        // A file that is too large is kept without content: `Parsed` turns that into a finding.
        let bytes = if size <= FILE_BYTES_MAX {
            std::fs::read(path).map_err(io)?
        } else {
            vec![0]
        };
        self.files.insert(relative.into(), bytes.into());
        Ok(())
    }
}

/// A project's files with their trees.
#[derive(Debug, Default)]
pub struct Parsed {
    /// All texts; spans point into them.
    pub sources: Sources,
    /// The files in order of their paths.
    pub files: Vec<ParsedFile>,
}

/// One file with its tree.
#[derive(Debug)]
pub struct ParsedFile {
    /// What it is.
    pub kind: FileKind,
    /// Its id among the sources.
    pub id: FileId,
    /// Its path relative to the project's folder.
    pub path: Arc<str>,
    /// Its tree; `None` for files that are not YAML of the project language.
    pub document: Option<Document>,
    /// Whether it could not be read as a whole, which is a finding already: what it lacks is none.
    pub broken: bool,
}

impl ParsedFile {
    /// Returns the empty range at the file's start.
    pub fn start(&self) -> Span {
        Span::new(self.id, 0, 0)
    }
}

fn too_large() -> Finding {
    let limit = FILE_BYTES_MAX >> 20;
    let message = format!("the file is larger than {limit} MiB");
    Finding::placeless(codes::TOO_LARGE, message)
        .with_help("split it, or leave out what the project does not use")
}

fn not_utf8() -> Finding {
    Finding::placeless(codes::NOT_UTF8, "the file is not UTF-8")
        .with_help("save it as UTF-8, without changing its content")
}

impl Parsed {
    /// Parses all files; what is wrong with the syntax of one hides nothing of another.
    pub fn parse(project: &ProjectFiles) -> (Self, Findings) {
        let mut parsed = Parsed::default();
        let mut findings = Findings::default();
        for (path, bytes) in &project.files {
            let Some(kind) = FileKind::of(path) else {
                continue;
            };
            let (text, mut unreadable) = match std::str::from_utf8(bytes) {
                _ if **bytes == [0] => ("", Some(too_large())),
                Ok(text) => (text, None),
                // What tests read need not be text.
                Err(_) if kind == FileKind::Sample => continue,
                Err(_) => ("", Some(not_utf8())),
            };
            let id = parsed.sources.add(path, text);
            let mut broken = unreadable.is_some();
            if let Some(finding) = &mut unreadable {
                finding.span = Some(Span::new(id, 0, 0));
            }
            findings.0.extend(unreadable);
            let document = match kind {
                FileKind::Contract | FileKind::Mapping | FileKind::Sample => None,
                FileKind::Project
                | FileKind::Connection
                | FileKind::Flow
                | FileKind::Api
                | FileKind::Environment
                | FileKind::Test => {
                    let (document, more) = sluice_syntax::parse_yaml(id, text);
                    broken |= more.iter().any(|own| own.code == codes::SYNTAX);
                    findings.append(more);
                    Some(document)
                }
            };
            parsed.files.push(ParsedFile {
                kind,
                id,
                path: Arc::clone(path),
                document,
                broken,
            });
        }
        (parsed, findings)
    }

    /// Returns the files of one kind, in order of their paths.
    pub fn of_kind(&self, kind: FileKind) -> impl Iterator<Item = &ParsedFile> {
        self.files.iter().filter(move |file| file.kind == kind)
    }

    /// Returns the file with this id.
    pub fn get(&self, id: FileId) -> Option<&ParsedFile> {
        let at = self.files.binary_search_by_key(&id, |file| file.id).ok()?;
        self.files.get(at)
    }

    /// Returns whether a file of this kind could not be read as a whole.
    pub fn has_broken(&self, kind: FileKind) -> bool {
        self.of_kind(kind).any(|file| file.broken)
    }

    /// Returns the file with this path.
    pub fn find(&self, path: &str) -> Option<&ParsedFile> {
        self.files.iter().find(|file| &*file.path == path)
    }
}
