use std::path::PathBuf;

use expect_test::{Expect, expect, expect_file};
use proptest::prelude::*;
use sluice_model::codes;
use sluice_model::span::FileId;

use crate::options::ParseOptions;
use crate::testing::{apply_fixes, cases, corpus, show_findings, show_tree};

fn check(text: &str, expected: Expect) {
    let (document, findings) = crate::parse_json(FileId(0), text);
    let tree = document.root.as_ref().map_or(String::new(), show_tree);
    expected.assert_eq(&format!("{tree}\n{}", show_findings(text, &findings)));
}

#[test]
fn values_are_read() {
    check(
        r#"{"a": [1, -0.50, 1e3, true, null, "x\n\u00e9\ud83d\ude00"], "b": {}, "": []}"#,
        expect![[r#"
            {"a": [1, -0.50, 1e3, true, null, "x\né😀"], "b": {}, "": []}
        "#]],
    );
}

/// Each mistake has its own message.
#[test]
fn mistakes_have_their_own_messages() {
    let mut shown = String::new();
    for text in [
        "[1, 2,]",
        "{'a': 'b'}",
        "{a: 1, b-c: 2}",
        "// one\n[1, /* two */ 2] # three",
        "[1 2]",
        "{\"a\" = 1; \"b\" 2}",
        "[True, None, NaN, word]",
        "[01, +1, .5, 1., 0x1F, 1e, -]",
        "[\"a\tb\", \"\\x\", \"\\u12\", \"\\ud800\"]",
        "{\"a\": \"open\n, \"b\": 1}",
        "{\"a\": [1, 2}",
        "{\"a\": {\"b\": 1",
        "{\"a\":, \"b\"}",
        "[1] [2]",
        " \n",
        "[,1,,2]",
        "{\"a\": 1, \"a\": 2}",
        "{\"a\" @ 1}",
    ] {
        let (document, findings) = crate::parse_json(FileId(0), text);
        let tree = document.root.as_ref().map_or(String::new(), show_tree);
        let findings = show_findings(text, &findings);
        shown.push_str(&format!("==== {text:?}\n{tree}\n{findings}\n"));
    }
    expect_file!["mistakes.txt"].assert_eq(&shown);
}

#[test]
fn fixes_mend() {
    for text in [
        "[1, 2,]",
        "{'a': 'b'}",
        "{a: 1, b-c: 2}",
        "// one\n[1, /* two */ 2] # three",
        "[1 2]",
        "{\"a\" = 1; \"b\" 2}",
        "[True, None, word]",
        "[\"a\tb\", \"\\x\"]",
        "{\"a\": [1, 2}",
        "{\"a\": 1]",
    ] {
        let (_, findings) = crate::parse_json(FileId(0), text);
        let mended = apply_fixes(text, &findings);
        let (_, left) = crate::parse_json(FileId(0), &mended);
        assert!(left.is_empty(), "{text}: {mended}: {left:?}");
    }
}

#[test]
fn nesting_is_bounded() {
    for (text, fine) in [
        ("[".repeat(128) + &"]".repeat(128), true),
        ("[".repeat(129) + &"]".repeat(129), false),
        ("[".repeat(1_000_000), false),
        ("[{\"a\":".repeat(500_000), false),
    ] {
        let (_, findings) = crate::parse_json(FileId(0), &text);
        let too_large = findings.iter().any(|own| own.code == codes::TOO_LARGE);
        assert_eq!((findings.is_empty(), too_large), (fine, !fine));
        assert!(findings.0.len() <= 21);
    }
}

#[test]
fn the_official_cases_hold() {
    let Some(folder) = corpus("the_official_cases_hold", "json-parsing") else {
        return;
    };
    let mut counts = [0; 3];
    for path in files(folder) {
        let name = path
            .file_name()
            .expect("a file has a name")
            .to_string_lossy()
            .into_owned();
        let bytes = std::fs::read(&path).expect("the corpus is readable");
        let accepted = match crate::decode_utf8(FileId(0), &bytes) {
            Ok(text) => {
                let options = ParseOptions::contract();
                let (document, findings) = crate::parse_json_with(FileId(0), text, &options);
                assert!(document.root.is_some() || findings.has_errors(), "{name}");
                !findings.has_errors()
            }
            Err(_) => false,
        };
        match name.as_bytes()[0] {
            b'y' => assert!(accepted, "{name} must be accepted"),
            b'n' => assert!(!accepted, "{name} must be refused"),
            _ => {}
        }
        counts[usize::from(name.starts_with('y')) + 2 * usize::from(name.starts_with('n'))] += 1;
    }
    assert!(counts.iter().all(|count| 0 < *count), "{counts:?}");
}

fn files(folder: PathBuf) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder)
        .expect("the corpus is readable")
        .map(|entry| entry.expect("the corpus is readable").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
}

proptest! {
    #![proptest_config(cases(1_000))]

    /// What no byte sequence may do is end in a panic, or leave a file without tree and finding.
    #[test]
    fn no_text_panics(text in "[\\[\\]{}:,'\"\\\\/#*0-9+.eEa-fnrtu\\-é\u{1}\t\n ]{0,40}") {
        let (document, findings) = crate::parse_json(FileId(0), &text);
        prop_assert!(document.root.is_some() || findings.has_errors());
        for finding in findings.iter() {
            let span = finding.span.expect("a syntax error has a place");
            prop_assert!(text.get(span.range()).is_some(), "{finding:?}");
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        match crate::decode_utf8(FileId(0), &bytes) {
            Ok(text) => drop(crate::parse_json(FileId(0), text)),
            Err(finding) => prop_assert_eq!(finding.code, codes::NOT_UTF8),
        }
    }

    /// The text of a string comes back, and each of its characters is found in the file.
    #[test]
    fn texts_come_back(text in any::<String>()) {
        let value = sluice_model::value::Value::from(text.as_str());
        let written = sluice_model::json::to_string(&value);
        let (document, findings) = crate::parse_json(FileId(0), &written);
        prop_assert!(findings.is_empty());
        let root = document.root.expect("a value");
        prop_assert_eq!(root.as_scalar().map(|scalar| &*scalar.text), Some(&*text));
        crate::testing::check_map(&written, &root);
    }
}
