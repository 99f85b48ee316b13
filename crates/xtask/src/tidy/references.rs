//! What the documents name has to be there: a path between backticks, and the target of a link.

use std::path::Path;

use crate::tidy::Problem;
use crate::tidy::files::TextFile;

/// The documents that describe this tree.
const DOCUMENTS: [&str; 6] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "docs/glossary.md",
    "docs/adr/",
    "benches/README.md",
];
/// Where a path between backticks begins.
const FOLDERS: [&str; 6] = [
    "crates/",
    "docs/",
    "examples/",
    "benches/",
    ".ci/",
    ".cargo/",
];

/// Checks all documents.
pub fn check(root: &Path, files: &[TextFile]) -> Vec<Problem> {
    let ours = |file: &&TextFile| DOCUMENTS.iter().any(|name| file.path.starts_with(name));
    let documents = files.iter().filter(ours);
    let exists = |path: &str| root.join(path).exists();
    documents
        .flat_map(|file| check_one(file, &exists))
        .collect()
}

fn check_one(file: &TextFile, exists: &dyn Fn(&str) -> bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut fenced = false;
    for (index, line) in file.text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        let named = between(line, "`", "`")
            .into_iter()
            .filter(|path| is_path(path));
        let linked = between(line, "](", ")")
            .into_iter()
            .filter(|path| is_link(path));
        let linked = linked.map(|path| beside(&file.path, path));
        let mut all: Vec<String> = named.map(str::to_owned).collect();
        all.extend(linked.filter(|_| !fenced));
        for path in all {
            if !exists(&path) {
                let text = format!("there is no `{path}`");
                problems.push(Problem::new("reference", &file.path, index + 1, text));
            }
        }
    }
    problems
}

/// Returns whether it is a path of the tree: a pattern or a placeholder is none.
fn is_path(text: &str) -> bool {
    let path = FOLDERS.iter().any(|folder| text.starts_with(folder));
    path && !text.contains(['<', '*', '{', ' ', '$']) && !text.contains("...")
}

fn is_link(text: &str) -> bool {
    !text.contains("://") && !text.starts_with('#') && !text.contains(' ')
}

/// Returns a link's target from the root, without what follows `#`.
fn beside(document: &str, link: &str) -> String {
    let link = link.split('#').next().unwrap_or(link);
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Returns what stands between two marks.
fn between<'t>(line: &'t str, open: &str, close: &str) -> Vec<&'t str> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some((_, after)) = rest.split_once(open) {
        let Some((inner, after)) = after.split_once(close) else {
            break;
        };
        found.push(inner);
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{beside, check_one};
    use crate::tidy::files::TextFile;

    #[test]
    fn what_a_document_names_has_to_be_there() {
        let text = "See `crates/gone/src/lib.rs`, `crates/<name>` and [it](../gone.md#here).\n\
                    Also [that](https://example.org/a) and `docs/here.md`.\n";
        let file = TextFile {
            path: "docs/a.md".to_owned(),
            text: text.to_owned(),
        };
        let problems = check_one(&file, &|path| path == "docs/here.md");
        let texts: Vec<&str> = problems.iter().map(|p| p.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "there is no `crates/gone/src/lib.rs`",
                "there is no `gone.md`"
            ]
        );
    }

    #[test]
    fn a_link_starts_at_its_document() {
        assert_eq!(
            beside("docs/adr/1.md", "../glossary.md#a"),
            "docs/glossary.md"
        );
        assert_eq!(beside("README.md", "./docs/a.md"), "docs/a.md");
    }
}
