//! Tests written as Markdown: what the documentation shows, runs.
//!
//! A case is a heading and the fenced blocks below it. The first word of a block's info string is
//! its language, the second its role, the others are attributes:
//!
//! ````text
//! ## A row that fails
//! ```yaml connection
//! type: sqlite
//! ```
//! ```csv file=inbox/a.csv
//! id;name
//! ```
//! ```text output
//! what is expected
//! ```
//! ````
//!
//! A handler gets a case and gives back what each expected block should say. With `UPDATE_EXPECT`
//! set in the environment the file is rewritten instead of compared.

use std::path::Path;

/// A heading and its blocks.
#[derive(Debug, Clone)]
pub struct Case {
    /// The heading's text.
    pub title: String,
    /// Line of the heading, from 1.
    pub line: usize,
    /// The blocks that have a role or an attribute.
    pub blocks: Vec<Block>,
}

/// A fenced block.
#[derive(Debug, Clone)]
pub struct Block {
    /// The first word of its info string.
    pub language: String,
    /// Its role: the second word, unless that is an attribute; else empty.
    pub role: String,
    /// Its attributes, `name=value`.
    pub attributes: Vec<(String, String)>,
    /// Its text, each line ended.
    pub text: String,
    /// Line of its fence, from 1.
    pub line: usize,
    /// Where its text stands in the file, in lines from 0.
    lines: std::ops::Range<usize>,
}

impl Block {
    /// Returns the value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Case {
    /// Returns the text of the one block with this role; `None` if there is none.
    pub fn role(&self, role: &str) -> Option<&str> {
        let found = self.blocks.iter().find(|block| block.role == role);
        found.map(|block| block.text.as_str())
    }

    /// Returns the blocks that are files: path and content.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        let path = |block: &Block| block.attribute("file").is_some();
        let files = self.blocks.iter().filter(move |block| path(block));
        files.map(|block| {
            let path = block.attribute("file").unwrap_or_default();
            (path, block.text.as_str())
        })
    }
}

/// What a case should say: for each role of an expected block, the text.
pub type Outcome = Vec<(&'static str, String)>;

/// Runs all cases of a Markdown file.
///
/// # Panics
/// If the file cannot be read, has no case, or a block does not say what the handler found.
pub fn run(path: &Path, mut handler: impl FnMut(&Case) -> Outcome) {
    let text = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("cannot read `{}`: {error}", path.display()));
    let cases = cases(&text);
    assert!(!cases.is_empty(), "`{}` has no case", path.display());
    let mut changes = Vec::new();
    let mut wrong = Vec::new();
    for case in &cases {
        for (role, actual) in handler(case) {
            let block = case.blocks.iter().find(|block| block.role == role);
            let place = format!("{}:{} `{}`", path.display(), case.line, case.title);
            let Some(block) = block else {
                wrong.push(format!(
                    "{place} has no block `{role}`; it would say:\n{actual}"
                ));
                continue;
            };
            let actual = ended(actual);
            if actual != block.text {
                wrong.push(format!(
                    "{}:{} `{}` differs:\n{}",
                    path.display(),
                    block.line,
                    case.title,
                    difference(&block.text, &actual)
                ));
                changes.push((block.lines.clone(), actual));
            }
        }
    }
    if wrong.is_empty() {
        return;
    }
    if is_update() && changes.len() == wrong.len() {
        std::fs::write(path, rewritten(&text, changes)).expect("the Markdown file can be written");
        return;
    }
    panic!(
        "{}\n\nset UPDATE_EXPECT=1 to write what was found",
        wrong.join("\n\n")
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs a test says so in the environment"
)]
fn is_update() -> bool {
    std::env::var_os("UPDATE_EXPECT").is_some()
}

fn ended(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn rewritten(text: &str, mut changes: Vec<(std::ops::Range<usize>, String)>) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    changes.sort_by_key(|(lines, _)| std::cmp::Reverse(lines.start));
    for (range, actual) in &changes {
        lines.splice(range.clone(), actual.split_inclusive('\n'));
    }
    lines.concat()
}

/// Shows the lines around the first that differs.
fn difference(expected: &str, actual: &str) -> String {
    let same = expected
        .lines()
        .zip(actual.lines())
        .take_while(|(a, b)| a == b);
    let from = same.count();
    let show = |text: &str, mark: char| {
        let lines = text.lines().enumerate().skip(from).take(12);
        lines
            .map(|(number, line)| format!("{mark} {:3} {line}\n", number + 1))
            .collect::<String>()
    };
    format!("{}{}", show(expected, '-'), show(actual, '+'))
}

/// Returns the cases of a Markdown text.
pub fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut open: Option<(String, Block)> = None;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let bare = line.trim_end_matches(['\n', '\r']);
        if let Some((fence, mut block)) = open.take() {
            if bare.trim_start().starts_with(&fence) && bare.trim().chars().all(|c| c == '`') {
                block.lines.end = number;
                let has_use = !block.role.is_empty() || !block.attributes.is_empty();
                if let Some(case) = cases.last_mut().filter(|_| has_use) {
                    case.blocks.push(block);
                }
            } else {
                block.text.push_str(bare);
                block.text.push('\n');
                open = Some((fence, block));
            }
        } else if bare.starts_with("```") {
            let ticks = bare.chars().take_while(|c| *c == '`').count();
            open = Some(("`".repeat(ticks), block(&bare[ticks..], number)));
        } else if let Some(title) = bare.strip_prefix('#') {
            cases.push(Case {
                title: title.trim_start_matches('#').trim().to_owned(),
                line: number + 1,
                blocks: Vec::new(),
            });
        }
    }
    cases.retain(|case| !case.blocks.is_empty());
    cases
}

fn block(info: &str, number: usize) -> Block {
    let mut words = info.split_whitespace();
    let language = words.next().unwrap_or_default().to_owned();
    let mut role = String::new();
    let mut attributes = Vec::new();
    for word in words {
        match word.split_once('=') {
            Some((name, value)) => attributes.push((name.to_owned(), value.to_owned())),
            None => role = word.to_owned(),
        }
    }
    Block {
        language,
        role,
        attributes,
        text: String::new(),
        line: number + 1,
        lines: number + 1..number + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::{cases, rewritten, run};

    const TEXT: &str = "# Doc\n\n## One\n```yaml project a=1\nx: 1\n```\ntalk\n```text output\n\
                        old\n```\n```sh\nignored\n```\n";

    #[test]
    fn finds_cases_and_blocks() {
        let cases = cases(TEXT);
        assert_eq!(cases.len(), 1, "a heading without blocks is no case");
        assert_eq!(cases[0].title, "One");
        assert_eq!(cases[0].role("project"), Some("x: 1\n"));
        assert_eq!(cases[0].blocks[0].attribute("a"), Some("1"));
        assert_eq!(cases[0].blocks.len(), 2);
        let lines = cases[0].blocks[1].lines.clone();
        let new = rewritten(TEXT, vec![(lines, "new\nlines\n".to_owned())]);
        assert_eq!(new, TEXT.replace("old\n", "new\nlines\n"));
    }

    #[test]
    fn a_difference_fails() {
        let folder = crate::project::TempProject::new().file("a.md", TEXT);
        let failing = || run(&folder.at("a.md"), |_| vec![("output", "new".to_owned())]);
        if !super::is_update() {
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(failing));
            let text = panic.expect_err("the texts differ");
            let text = text.downcast_ref::<String>().expect("a text");
            assert!(text.contains("-   1 old\n+   1 new\n"), "{text}");
        }
        run(&folder.at("a.md"), |_| vec![("output", "old".to_owned())]);
    }
}
