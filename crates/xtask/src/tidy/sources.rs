//! Rules for Rust sources that clippy has no lint for.

use crate::tidy::Problem;
use crate::tidy::files::TextFile;
use crate::tidy::lexer::{self, Split};

const COLUMNS_MAX: usize = 100;
/// The one file that spawns and sleeps: everything else does so through `Cx`.
const CONTEXT: &str = "crates/sdk/src/cx.rs";

/// Checks one source file.
pub fn check(file: &TextFile) -> Vec<Problem> {
    let split = lexer::split(&file.text);
    let tests = first_of_tests(&file.path, &split.code);
    let mut problems = long_lines(file, &split, tests);
    problems.extend(leftovers(file, &split, tests));
    problems.extend(forbidden(file, &split, tests));
    problems
}

/// Lines that are too long. In a test the contents of literals do not count: what is expected
/// stands there as it is printed.
fn long_lines(file: &TextFile, split: &Split, tests: usize) -> Vec<Problem> {
    let mut problems = Vec::new();
    let written = split.code.lines().zip(split.comments.lines());
    for (index, (line, (code, comment))) in file.text.lines().zip(written).enumerate() {
        let mut columns = line.chars().count();
        if tests <= index {
            let blank = |c: &char| *c != ' ';
            let indent = line.chars().take_while(|c| *c == ' ').count();
            columns = indent + code.chars().filter(blank).count() + comment.trim().chars().count();
        }
        if COLUMNS_MAX < columns {
            let text = format!("{columns} columns; break the line at {COLUMNS_MAX}");
            problems.push(Problem::new("line-length", &file.path, index + 1, text));
        }
    }
    problems
}

/// Notes to oneself. A known bug may be asserted as it is by a test, under a note that says what is
/// wrong.
fn leftovers(file: &TextFile, split: &Split, tests: usize) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, comment) in split.comments.lines().enumerate() {
        let mut push = |text: &str| {
            problems.push(Problem::new("leftover", &file.path, index + 1, text));
        };
        let has = |word: &str| find_word(comment, word).is_some();
        if ["TODO", "XXX", "HACK"].into_iter().any(has) {
            push("do it, or write it into `docs/status.md`");
        }
        if let Some(at) = find_word(comment, "FIXME") {
            let explained = comment[at..].strip_prefix("FIXME: ");
            let explained = explained.is_some_and(|text| !text.trim().is_empty());
            if !explained || index < tests {
                push("a `FIXME: what is wrong` stands only beside a test that asserts the bug");
            }
        }
    }
    problems
}

/// What may not stand in code, and why.
fn forbidden(file: &TextFile, split: &Split, tests: usize) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, line) in split.code.lines().enumerate() {
        let mut push = |rule: &'static str, text: &str| {
            problems.push(Problem::new(rule, &file.path, index + 1, text));
        };
        if line.contains("#[ignore") {
            push("ignored-test", "a test runs, or it is not there");
        }
        if line.contains("#[should_panic") {
            push(
                "panic-test",
                "code returns its failures; assert the error instead",
            );
        }
        if sleeps(line) && file.path != CONTEXT && !file.path.starts_with("crates/xtask/") {
            push("sleep", "sleep through `Cx`, whose time a test can move");
        }
        let spawns = find_word(line, "spawn").is_some() && line.contains("tokio::spawn");
        if (spawns || line.contains("tokio::task::spawn")) && file.path != CONTEXT {
            push(
                "spawn",
                "spawn through `Cx`, so that every task has an owner",
            );
        }
        let unbounded = ["unbounded_channel", "mpsc::unbounded", "mpsc::channel()"];
        let grows = unbounded.iter().any(|name| line.contains(name));
        if grows && index < tests {
            push(
                "unbounded",
                "a queue has a limit: give the channel a capacity",
            );
        }
    }
    problems
}

/// Returns whether a function `sleep` is called: a method of that name is that of `Cx`.
fn sleeps(line: &str) -> bool {
    line.match_indices("sleep(").any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let defined = line[..at].trim_end().ends_with("fn");
        !defined && !before.is_some_and(|c| c == '.' || c == '_' || c.is_alphanumeric())
    })
}

/// Returns the first line, from 0, that belongs to tests: all of a file of tests, else what follows
/// `#[cfg(test)]`.
fn first_of_tests(path: &str, code: &str) -> usize {
    if path.contains("/tests/") || path.ends_with("tests.rs") {
        return 0;
    }
    let marked = code.lines().position(|line| line.trim() == "#[cfg(test)]");
    marked.unwrap_or(usize::MAX)
}

/// Returns where a word stands that is not a part of another.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).map(|(at, _)| at).find(|&at| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(in_word) && !after.is_some_and(in_word)
    })
}
