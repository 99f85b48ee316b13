use std::path::PathBuf;

use expect_test::{Expect, expect};
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

/// Each mistake has its own message, and where there is a fix it leaves a file without a finding.
#[test]
fn mistakes_have_their_own_messages() {
    check(
        "[1, 2,]",
        expect![[r#"
        [1, 2]
        E0001 1:6 ",": a comma stands before the closing `]`
          help: remove it: in JSON a comma only stands between two values
          fix: remove the comma: "," -> ""
    "#]],
    );
    check(
        "{'a': 'b'}",
        expect![[r#"
        {"a": "b"}
        E0001 1:2 "'a'": a text stands in single quotes
          help: JSON has only double quotes
          fix: write double quotes: "'a'" -> "\"a\""
        E0001 1:7 "'b'": a text stands in single quotes
          help: JSON has only double quotes
          fix: write double quotes: "'b'" -> "\"b\""
    "#]],
    );
    check(
        "{a: 1, b-c: 2}",
        expect![[r#"
        {"a": 1, "b-c": 2}
        E0001 1:2 "a": the key `a` has no quotes
          help: write `"a"`
          fix: quote the key: "a" -> "\"a\""
        E0001 1:8 "b-c": the key `b-c` has no quotes
          help: write `"b-c"`
          fix: quote the key: "b-c" -> "\"b-c\""
    "#]],
    );
    check(
        "// one\n[1, /* two */ 2] # three",
        expect![[r##"
        [1, 2]
        E0001 1:1 "// one": JSON has no comments
          help: remove it, or say it in a field of its own
          fix: remove the comment: "// one" -> ""
        E0001 2:5 "/* two */": JSON has no comments
          help: remove it, or say it in a field of its own
          fix: remove the comment: "/* two */" -> ""
        E0001 2:18 "# three": JSON has no comments
          help: remove it, or say it in a field of its own
          fix: remove the comment: "# three" -> ""
    "##]],
    );
    check(
        "[1 2]",
        expect![[r#"
        [1, 2]
        E0001 1:4 "2": a comma is missing between two items, before `2`
          help: put a `,` after the value before it
          fix: insert the comma: "" -> ","
    "#]],
    );
    check(
        "{\"a\" = 1; \"b\" 2}",
        expect![[r#"
        {"a": 1, "b": 2}
        E0001 1:2 "\"a\"": a `:` and a value are missing after the key `a`
          fix: write `:`: "=" -> ":"
        E0001 1:9 ";": a comma is missing between two entries, before `;`
          help: put a `,` after the value before it
          fix: write a comma: ";" -> ","
        E0001 1:11 "\"b\"": a `:` and a value are missing after the key `b`
          fix: insert `:`: "" -> ":"
    "#]],
    );
    check(
        "[True, None, NaN, word]",
        expect![[r#"
        [true, null, null, "word"]
        E0001 1:2 "True": `True` is no JSON value
          help: write `true`
          fix: write `true`: "True" -> "true"
        E0001 1:8 "None": `None` is no JSON value
          help: write `null`
          fix: write `null`: "None" -> "null"
        E0001 1:14 "NaN": `NaN` is no JSON value
          help: write `null`
          fix: write `null`: "NaN" -> "null"
        E0001 1:19 "word": `word` is no JSON value
          help: a text stands in double quotes: `"word"`
          fix: quote the text: "word" -> "\"word\""
    "#]],
    );
    check(
        "[01, +1, .5, 1., 0x1F, 1e, -]",
        expect![[r#"
        [01, +1, .5, 1., 0x1F, "1e", "-"]
        E0001 1:2 "01": `01` is no JSON value
          note: a number has no zeros before it
          help: write it as `-12`, `0.5` or `1e3`; quote it if it is a text
        E0001 1:6 "+1": `+1` is no JSON value
          note: a number has no `+` before it
          help: write it as `-12`, `0.5` or `1e3`; quote it if it is a text
        E0001 1:10 ".5": `.5` is no JSON value
          note: a digit must stand before the point
          help: write it as `-12`, `0.5` or `1e3`; quote it if it is a text
        E0001 1:14 "1.": `1.` is no JSON value
          note: a digit must stand after the point
          help: write it as `-12`, `0.5` or `1e3`; quote it if it is a text
        E0001 1:18 "0x1F": `0x1F` is no JSON value
          note: JSON has no hexadecimal numbers
          help: write it as `-12`, `0.5` or `1e3`; quote it if it is a text
        E0001 1:24 "1e": `1e` is no JSON value
          note: something that is no digit stands in the number
          help: write it as `-12`, `0.5` or `1e3`; quote it if it is a text
        E0001 1:28 "-": `-` is no JSON value
          note: something that is no digit stands in the number
          help: write it as `-12`, `0.5` or `1e3`; quote it if it is a text
    "#]],
    );
    check(
        "[\"a\tb\", \"\\x\", \"\\u12\", \"\\ud800\"]",
        expect![[r#"
        ["a\tb", "x", "�12", "�"]
        E0001 1:4 "\t": a tab stands in a text
          help: write `\t`
          fix: write `\t`: "\t" -> "\\t"
        E0001 1:10 "\\x": `\x` is no escape
          help: the escapes are `\"` `\\` `\/` `\b` `\f` `\n` `\r` `\t` `\uXXXX`; a backslash is `\\`
          fix: double the backslash: "\\x" -> "\\\\x"
        E0001 1:16 "\\u": four hexadecimal digits belong after `\u`
          help: write all four, such as `\u00e9`
        E0001 1:24 "\\ud800": `\ud800` is one half of a surrogate pair, and no character
          help: write both halves, or the character itself
    "#]],
    );
    check(
        "{\"a\": \"open\n, \"b\": 1}",
        expect![[r#"
        {"a": "open", "b": 1}
        E0001 1:7 "\"": the text that begins here is not closed by `"` in its line
          help: add the closing `"`; a line break inside of a text is written `\n`
    "#]],
    );
    check(
        "{\"a\": [1, 2}",
        expect![[r#"
            {"a": [1, 2]}
            E0001 1:12 "}": `[` is closed by `}`
              at 1:7: opened here
              help: close it by `]`
              fix: insert `]`: "" -> "]"
        "#]],
    );
    check(
        "{\"a\": {\"b\": 1",
        expect![[r#"
            {"a": {"b": 1}}
            E0001 1:7 "{": `{` is opened here and never closed
              help: close it by `}`
        "#]],
    );
    check(
        "{\"a\":, \"b\"}",
        expect![[r#"
        {}
        E0001 1:6 ",": a value is missing before `,`
          help: write a text in double quotes, a number, `true`, `false`, `null`, a list or a map
        E0001 1:8 "\"b\"": a `:` and a value are missing after the key `b`
          help: write each entry as `"key": value`
    "#]],
    );
    check(
        "[1] [2]",
        expect![[r#"
        [1]
        E0001 1:5 "[": the file goes on after its value
          help: a JSON file holds one value: remove the rest, or put both into a list
    "#]],
    );
    check(
        " \n",
        expect![[r#"

        E0001 2:1 "": the file is empty
          help: write a JSON value, such as `{}`
    "#]],
    );
    check(
        "[,1,,2]",
        expect![[r#"
        [1, 2]
        E0001 1:2 ",": a value is missing before `,`
          help: write a text in double quotes, a number, `true`, `false`, `null`, a list or a map
        E0001 1:5 ",": a value is missing before `,`
          help: write a text in double quotes, a number, `true`, `false`, `null`, a list or a map
    "#]],
    );
    check(
        "{\"a\": 1, \"a\": 2}",
        expect![[r#"
        {"a": 1, "a": 2}
        E0002 1:10 "\"a\"": the key `a` stands twice in one map
          at 1:2: first here, and this one counts
          help: remove one of the two, or rename it
    "#]],
    );
    check(
        "{\"a\" @ 1}",
        expect![[r#"
            {}
            E0001 1:2 "\"a\"": a `:` and a value are missing after the key `a`
              help: write each entry as `"key": value`
        "#]],
    );
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
