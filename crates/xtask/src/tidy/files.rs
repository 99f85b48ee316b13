//! The text files of the tree, and the rules that hold for each of them.

use std::path::Path;

use anyhow::{Context, Result};

use crate::tidy::Problem;

/// A text file.
pub struct TextFile {
    /// Its path from the root, with `/`.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// Endings of the files that people write.
const WRITTEN: [&str; 10] = [
    "rs", "md", "toml", "yaml", "yml", "js", "json", "jsonata", "sql", "run",
];
/// Files that programs write.
const GENERATED: [&str; 1] = ["benches/build.json"];
const FOLDERS_LEFT_OUT: [&str; 4] = ["target", ".git", ".sluice", "node_modules"];
const LINES_MAX: usize = 1_000;
/// Names that say nothing about what lies there.
const VAGUE: [&str; 8] = [
    "util", "utils", "common", "helper", "helpers", "misc", "manager", "managers",
];
/// Folders of one machine. They are put together here, so that this file does not name them.
const MACHINE: [&str; 4] = [
    concat!("/", "work/"),
    concat!("/", "root/"),
    concat!("/", "tmp/"),
    concat!("/", "home/"),
];

/// Reads all text files below a folder.
///
/// # Errors
/// If one cannot be read.
pub fn read(root: &Path) -> Result<Vec<TextFile>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read the folder `{}`", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type()?;
            if kind.is_dir() {
                if !FOLDERS_LEFT_OUT.contains(&name.as_str()) {
                    folders.push(path);
                }
                continue;
            }
            let ending = name.rsplit('.').next().unwrap_or(&name);
            if !kind.is_file() || !WRITTEN.contains(&ending) {
                continue;
            }
            let shown = path.strip_prefix(root).unwrap_or(&path);
            let shown = shown.to_string_lossy().replace('\\', "/");
            let bytes = std::fs::read(&path).with_context(|| format!("cannot read `{shown}`"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(TextFile { path: shown, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Checks what holds for every text file.
pub fn check(file: &TextFile) -> Vec<Problem> {
    let mut problems = Vec::new();
    let lines = file.text.lines().count();
    if LINES_MAX < lines && !GENERATED.contains(&file.path.as_str()) {
        let text = format!("{lines} lines; split it by thought before {LINES_MAX}");
        problems.push(Problem::new("file-length", &file.path, 0, text));
    }
    let mut names = file
        .path
        .split('/')
        .map(|name| name.split('.').next().unwrap_or(name));
    if let Some(name) = names.find(|name| VAGUE.contains(name)) {
        let text = format!("`{name}` says nothing; name it after what it does");
        problems.push(Problem::new("vague-name", &file.path, 0, text));
    }
    for (index, line) in file.text.lines().enumerate() {
        if let Some(folder) = MACHINE.iter().find(|folder| names_folder(line, folder)) {
            let text = format!("`{folder}` is a folder of one machine");
            problems.push(Problem::new("machine-path", &file.path, index + 1, text));
        }
    }
    problems
}

/// Returns whether a path that begins with the folder stands in the line: not one that only holds
/// it further down, as in `docs/home/`.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-)}>*/".contains(c))
    })
}
