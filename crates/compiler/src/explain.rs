//! The pages about finding codes, and the examples in them.
//!
//! Each code has a page in `docs/errors`, built into the binary: what the finding means, why it is
//! refused, an example project that has it, the same project mended, and how to find the cause.
//! The examples are compiled by a test.

use sluice_model::finding::Code;

/// Embeds the pages by their codes.
macro_rules! pages {
    ($($code:literal)*) => {
        &[$(($code, include_str!(concat!("../../../docs/errors/", $code, ".md")))),*]
    };
}

/// The codes with their pages, ascending.
pub const PAGES: &[(&str, &str)] = pages! {
    "E0001" "E0002" "E0003" "E0004" "E0005"
    "E0101" "E0102" "E0103" "E0104" "E0105" "E0106" "E0107"
    "E0201" "E0202" "E0203" "E0204" "E0205"
    "E0301" "E0302" "E0303" "E0304" "E0305" "E0306" "E0307" "E0308" "E0309" "E0310"
    "E0401" "E0402" "E0403"
    "E0501" "E0502" "E0503" "E0504" "E0505" "E0506" "E0507"
    "E0601" "E0602"
    "E0701" "E0702"
    "E0801"
    "E0901"
};

/// Returns the page about a code, in Markdown; case does not count. `None` if there is no such
/// code.
pub fn page(code: &str) -> Option<&'static str> {
    PAGES
        .iter()
        .find(|(own, _)| own.eq_ignore_ascii_case(code))
        .map(|(_, page)| *page)
}

/// Returns what a code means in a few words: the title of its page.
pub fn title(code: Code) -> &'static str {
    page(code.0)
        .and_then(|page| page.lines().next())
        .and_then(|line| line.split_once(": "))
        .map_or("", |(_, title)| title)
}

/// A file of an example: its path below the project's folder, and its bytes.
pub type File = (String, Vec<u8>);

/// A project that a page shows, broken and mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The files of the broken project, `sluice.yaml` included.
    pub files: Vec<File>,
    /// The code that checking them gives.
    pub expect_code: String,
    /// The files of the mended project; checking them gives no error and no warning.
    pub fixed_files: Vec<File>,
}

/// Returns the examples of a page. It has one, under `## Example`; each fenced block whose info
/// string holds a path is a file. Under `## Use instead` stand those files that change. Where
/// there is no `sluice.yaml`, one that says `project: acme` is added.
///
/// A block with `latin1` behind the path is written in ISO 8859-1 instead of UTF-8.
pub fn examples(page: &str) -> Vec<Example> {
    let Some(code) = page
        .strip_prefix("# ")
        .and_then(|rest| rest.split_once(':'))
        .map(|(code, _)| code.to_owned())
    else {
        return Vec::new();
    };
    let mut files = blocks(section(page, "Example"));
    if files.is_empty() {
        return Vec::new();
    }
    if !files.iter().any(|(path, _)| path == "sluice.yaml") {
        files.insert(0, ("sluice.yaml".to_owned(), b"project: acme\n".to_vec()));
    }
    let mut fixed_files = files.clone();
    for (path, bytes) in blocks(section(page, "Use instead")) {
        match fixed_files.iter_mut().find(|(own, _)| *own == path) {
            Some((_, old)) => *old = bytes,
            None => fixed_files.push((path, bytes)),
        }
    }
    vec![Example {
        files,
        expect_code: code,
        fixed_files,
    }]
}

/// Returns the text under a heading of the second level.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let start = format!("\n## {heading}\n");
    let Some(at) = page.find(&start) else {
        return "";
    };
    let rest = &page[at + start.len()..];
    rest.find("\n## ").map_or(rest, |end| &rest[..=end])
}

/// Returns the fenced blocks that have a path in their info string.
fn blocks(text: &str) -> Vec<File> {
    let mut files = Vec::new();
    let mut open: Option<(String, bool, String)> = None;
    for line in text.split_inclusive('\n') {
        let fence = line.trim_end().strip_prefix("```");
        open = match (open.take(), fence) {
            (Some((path, latin1, content)), Some("")) => {
                if !path.is_empty() {
                    files.push((path, encoded(&content, latin1)));
                }
                None
            }
            (Some((path, latin1, content)), _) => Some((path, latin1, content + line)),
            (None, Some(info)) => {
                let mut words = info.split_whitespace().skip(1);
                let path = words.next().unwrap_or("").to_owned();
                Some((path, words.next() == Some("latin1"), String::new()))
            }
            (None, None) => None,
        };
    }
    files
}

fn encoded(text: &str, latin1: bool) -> Vec<u8> {
    if !latin1 {
        return text.as_bytes().to_vec();
    }
    text.chars()
        .map(|letter| u8::try_from(letter).unwrap_or(b'?'))
        .collect()
}

#[cfg(test)]
mod tests {
    use sluice_model::codes;

    use super::{Example, PAGES, examples, page, title};

    #[test]
    fn each_code_has_a_page_and_each_page_a_code() {
        let codes: Vec<&str> = codes::ALL.iter().map(|code| code.0).collect();
        let pages: Vec<&str> = PAGES.iter().map(|(code, _)| *code).collect();
        assert_eq!(
            codes, pages,
            "codes of `codes.rs`, and pages of `explain.rs`"
        );
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder of the pages")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("a name")
            })
            .collect();
        files.sort();
        let expected: Vec<String> = pages.iter().map(|code| format!("{code}.md")).collect();
        assert_eq!(
            files, expected,
            "files of `docs/errors`, and pages of `explain.rs`"
        );
    }

    #[test]
    fn each_page_follows_the_template() {
        const HEADINGS: [&str; 5] = [
            "What it means",
            "Why it is refused",
            "Example",
            "Use instead",
            "How to find the cause",
        ];
        for (code, page) in PAGES {
            let first = page.lines().next().unwrap_or("");
            assert!(first.starts_with(&format!("# {code}: ")), "{code}: {first}");
            let headings: Vec<&str> = page
                .lines()
                .filter_map(|line| line.strip_prefix("## "))
                .collect();
            assert_eq!(headings, HEADINGS, "{code}");
            for line in page.lines() {
                assert!(
                    line.chars().count() <= 400,
                    "{code}: a line of {} characters",
                    line.len()
                );
                assert!(!line.ends_with(' '), "{code}: `{line}` ends with a space");
            }
            for heading in HEADINGS {
                assert!(
                    !super::section(page, heading).trim().is_empty(),
                    "{code}: {heading}"
                );
            }
        }
    }

    #[test]
    fn each_page_has_an_example_that_is_mended() {
        for (code, page) in PAGES {
            let [example] = examples(page)
                .try_into()
                .unwrap_or_else(|examples: Vec<Example>| {
                    panic!("{code}: {} examples", examples.len())
                });
            assert_eq!(example.expect_code, *code);
            assert_ne!(
                example.files, example.fixed_files,
                "{code}: nothing is mended"
            );
            for (path, _) in example.files.iter().chain(&example.fixed_files) {
                let kept = !path.starts_with('/') && !path.split('/').any(|part| part == "..");
                assert!(kept && path.contains('.'), "{code}: `{path}` is not a path");
            }
        }
    }

    #[test]
    fn pages_are_found_by_code() {
        assert!(page("e0101").is_some_and(|page| page.starts_with("# E0101: ")));
        assert_eq!(page("E9999"), None);
        assert_eq!(title(codes::UNKNOWN_KEY), "unknown key");
    }

    #[test]
    fn blocks_become_files() {
        let page = "# E0001: x\n\n## Example\n```yaml flows/a.yaml\nflow: a\n```\nand\n\
            ```yaml flows/b.yaml latin1\n# \u{e9}\n```\n\n## Use instead\n\
            ```yaml flows/b.yaml\n# e\n```\n";
        let file = |path: &str, bytes: &[u8]| (path.to_owned(), bytes.to_vec());
        let sluice = file("sluice.yaml", b"project: acme\n");
        let a = file("flows/a.yaml", b"flow: a\n");
        assert_eq!(
            examples(page),
            [Example {
                files: vec![sluice.clone(), a.clone(), file("flows/b.yaml", b"# \xe9\n")],
                expect_code: "E0001".to_owned(),
                fixed_files: vec![sluice, a, file("flows/b.yaml", b"# e\n")],
            }]
        );
    }
}
