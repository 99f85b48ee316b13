//! Names of files that are written.

use sluice_model::fault::Fault;

use crate::files::place;

/// The longest name of one file or folder, in bytes: room is left for what a part's name adds.
const NAME_MAX: usize = 220;

/// Refuses a computed name that would leave its folder, or that a reader of the folder would skip.
pub(crate) fn check(name: &str) -> Result<(), Fault> {
    let why = if name.is_empty() {
        "it is empty"
    } else if !place::is_below(name) {
        "it is not a path below its folder"
    } else if name.chars().any(char::is_control) {
        "it has a control character"
    } else if name.split('/').any(|part| part.starts_with('.')) {
        "a name that begins with `.` is hidden"
    } else if name.ends_with(".part") || name.ends_with(".tmp") {
        "`.part` and `.tmp` are the endings of files that are not complete"
    } else if name.split('/').any(|part| NAME_MAX < part.len()) {
        "it is longer than 220 bytes"
    } else {
        return Ok(());
    };
    let text = format!("a file cannot be named `{}`: {why}", name.escape_debug());
    Err(Fault::invalid(text))
}

/// Returns the name of a file that nobody has named: that of the file that its records came from,
/// with another ending.
pub(crate) fn of_group(group: Option<&str>, extension: &str) -> String {
    let stem = group
        .and_then(|group| group.rsplit('/').next())
        .map(|file| file.rsplit_once('.').map_or(file, |(stem, _)| stem))
        .filter(|stem| !stem.is_empty())
        .unwrap_or("records");
    format!("{stem}.{extension}")
}

#[cfg(test)]
mod tests {
    use super::{check, of_group};

    #[test]
    fn names_stay_in_their_folder() {
        for good in [
            "a.xml",
            "2026/01/a b.xml",
            "ü..x",
            "INV_4711_2026-01-02.xml",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        let long = "x".repeat(221);
        for bad in [
            "",
            ".",
            "..",
            "../a",
            "a/../b",
            "/etc/passwd",
            "a//b",
            "a/",
            "a\\b",
            "a\0b",
            "a\nb",
            ".a",
            "a/.b",
            "a.part",
            "a.tmp",
            &long,
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn records_are_named_after_their_file() {
        assert_eq!(of_group(Some("orders/a.b.csv"), "jsonl"), "a.b.jsonl");
        assert_eq!(of_group(Some("a"), "jsonl"), "a.jsonl");
        assert_eq!(of_group(None, "jsonl"), "records.jsonl");
    }
}
