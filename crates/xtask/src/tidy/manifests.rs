//! Rules for the manifests: one place for versions, one set of lints, no doc-tests.

use crate::tidy::Problem;
use crate::tidy::files::TextFile;

/// Lines that the manifest of every crate has.
const SHARED: [&str; 5] = [
    "version.workspace = true",
    "edition.workspace = true",
    "rust-version.workspace = true",
    "license.workspace = true",
    "publish.workspace = true",
];
/// Lines that the manifest of the workspace has.
const ROOT: [&str; 4] = [
    "members = [\"crates/*\"]",
    "default-members = [\"crates/cli\"]",
    "publish = false",
    "unsafe_code = \"forbid\"",
];
/// What continuous integration runs.
const CI: &str = "cargo xtask test";

/// Checks all manifests, and what continuous integration runs.
pub fn check(files: &[TextFile]) -> Vec<Problem> {
    files.iter().flat_map(check_one).collect()
}

fn check_one(file: &TextFile) -> Vec<Problem> {
    let path = file.path.as_str();
    let mut problems = Vec::new();
    if path == "Cargo.toml" {
        problems.extend(missing(file, &ROOT));
        problems.extend(outside_crates(file));
    } else if path.starts_with("crates/") && path.ends_with("/Cargo.toml") {
        problems.extend(missing(file, &SHARED));
        problems.extend(sections(file));
    } else if path == ".ci/run" {
        let lines: Vec<&str> = file
            .text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        if lines != ["set -eu", CI] {
            let text = format!("continuous integration runs `{CI}` and nothing else");
            problems.push(Problem::new("ci", path, 0, text));
        }
    }
    problems
}

fn missing(file: &TextFile, wanted: &[&str]) -> Vec<Problem> {
    let has = |wanted: &&&str| !file.text.lines().any(|line| line == **wanted);
    let missing = wanted.iter().filter(has);
    let problem = |line: &&str| Problem::new("manifest", &file.path, 0, format!("write `{line}`"));
    missing.map(problem).collect()
}

/// Each outside crate stands once in the workspace's manifest, without its default features.
fn outside_crates(file: &TextFile) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, section, line) in entries(file) {
        let outside = section == "workspace.dependencies" && !line.starts_with("sluice-");
        if outside && !line.contains("default-features = false") {
            let text = "write `default-features = false`, and the features that are used";
            problems.push(Problem::new("outside-crate", &file.path, index, text));
        }
    }
    problems
}

/// A crate takes its dependencies and lints from the workspace, and has no doc-tests.
fn sections(file: &TextFile) -> Vec<Problem> {
    let mut problems = Vec::new();
    let (mut lints, mut doctest) = (false, false);
    for (index, section, line) in entries(file) {
        let mut push = |rule: &'static str, text: &str| {
            problems.push(Problem::new(rule, &file.path, index, text));
        };
        if section.ends_with("dependencies") && !line.ends_with(".workspace = true") {
            push(
                "outside-crate",
                "say `name.workspace = true`; versions and features stand at the root",
            );
        }
        if section == "features" {
            push(
                "features",
                "one set of features is built once; we have none of our own",
            );
        }
        lints |= section == "lints" && line == "workspace = true";
        doctest |= section == "lib" && line == "doctest = false";
    }
    if !lints {
        let text = "write `[lints]` with `workspace = true`";
        problems.push(Problem::new("manifest", &file.path, 0, text));
    }
    if !doctest && !file.text.contains("\n[[bin]]") && !file.path.contains("/xtask/") {
        let text = "write `[lib]` with `doctest = false`";
        problems.push(Problem::new("manifest", &file.path, 0, text));
    }
    problems
}

/// The entries of a manifest, each with its line from 1 and its section.
fn entries(file: &TextFile) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut section = "";
    file.text
        .lines()
        .enumerate()
        .filter_map(move |(index, line)| {
            let line = line.trim();
            if line.starts_with('[') && line.ends_with(']') {
                section = line.trim_matches(['[', ']']);
                return None;
            }
            let entry = !line.is_empty() && !line.starts_with('#');
            entry.then_some((index + 1, section, line))
        })
}
