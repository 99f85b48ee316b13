use expect_test::{Expect, expect};
use proptest::prelude::*;
use sluice_model::codes;
use sluice_model::span::FileId;
use sluice_model::value::Value;

use crate::options::{Dialect, ParseOptions};
use crate::testing::{cases, check_map, corpus, files_below, show_findings, show_tree};
use crate::tree::{Document, Node, NodeKind, Style};

const FILE: FileId = FileId(0);

fn check(text: &str, expected: Expect) {
    check_with(text, &ParseOptions::project(), expected);
}

fn check_with(text: &str, options: &ParseOptions, expected: Expect) {
    let (document, findings) = crate::parse_yaml_with(FILE, text, options);
    let tree = document.root.as_ref().map_or(String::new(), show_tree);
    expected.assert_eq(&format!("{tree}\n{}", show_findings(text, &findings)));
}

/// Returns a document that must have no finding.
fn read(text: &str) -> Document {
    let (document, findings) = crate::parse_yaml(FILE, text);
    assert!(
        findings.is_empty(),
        "{text:?}: {}",
        show_findings(text, &findings)
    );
    document
}

/// Shows for each scalar its style, what its node covers, and where each word of its text stands.
fn show_places(text: &str) -> String {
    fn show(text: &str, node: &Node, out: &mut String) {
        match &node.kind {
            NodeKind::List(items) => items.iter().for_each(|item| show(text, item, out)),
            NodeKind::Map(map) => {
                for entry in &map.entries {
                    let key = &text[entry.key_span.range()];
                    assert_eq!(key.trim_matches(['"', '\'']), &*entry.key.text);
                    show(text, &entry.value, out);
                }
            }
            NodeKind::Scalar(scalar) => {
                let whole = &text[node.span.range()];
                out.push_str(&format!(
                    "{:?} {whole:?} = {:?}:",
                    scalar.style, scalar.text
                ));
                let mut start = 0;
                for word in scalar.text.split_inclusive([' ', '\n']) {
                    let end = start + word.trim_end_matches([' ', '\n']).len();
                    let span = scalar.span_of(FILE, start..end);
                    out.push_str(&format!(" {:?}", &text[span.range()]));
                    start += word.len();
                }
                out.push('\n');
            }
        }
    }
    let document = read(text);
    let root = document.root.expect("a node");
    check_map(text, &root);
    let mut out = String::new();
    show(text, &root, &mut out);
    out
}

#[test]
fn each_style_leads_back_to_its_bytes() {
    let places = show_places(
        "plain: one two # c\nfolded: one\n  two\n\n  three\nsingle: 'it''s one\n  two'\n\
         double: \"a\\tb \\u00e9\\x41 \\\n  c  \n\n  d\\n\"\nempty: ''\nnone:\n\
         literal: |-  # header\n    one\n      two\n\n    three\n\n\n\
         block: >+\n\n  one\n  two\n\n    more\n  three\n\nlast: \"é ü\"\nkeep: |2+\n    x\n\n",
    );
    expect![[r#"
        Plain "one two" = "one two": "one" "two"
        Plain "one\n  two\n\n  three" = "one two\nthree": "one" "two" "three"
        Single "'it''s one\n  two'" = "it's one two": "it''s" "one" "two"
        Double "\"a\\tb \\u00e9\\x41 \\\n  c  \n\n  d\\n\"" = "a\tb éA c\nd\n": "a\\tb" "\\u00e9\\x41" "c" "d"
        Single "''" = "":
        Plain "" = "":
        Literal "|-  # header\n    one\n      two\n\n    three" = "one\n  two\n\nthree": "one" "" "" "two" "" "three"
        Folded ">+\n\n  one\n  two\n\n    more\n  three\n" = "\none two\n\n  more\nthree\n\n": "" "one" "two" "" "" "" "more" "three" ""
        Double "\"é ü\"" = "é ü": "é" "ü"
        Literal "|2+\n    x\n" = "  x\n\n": "" "" "x" ""
    "#]].assert_eq(&places);
}

#[test]
fn each_style_leads_back_in_a_file_with_crlf_and_byte_order_mark() {
    let places = show_places(
        "\u{feff}plain: one\r\n  two\r\nsingle: 'one\r\n\r\n  two'\r\ndouble: \"é\\n\r\n  x\"\r\n\
         literal: |\r\n  one\r\n\r\n  two\r\nfolded: >-\r\n  one\r\n  two\r\n\r\n  three\r\nend: ö\r\n",
    );
    expect![[r#"
        Plain "one\r\n  two" = "one two": "one" "two"
        Single "'one\r\n\r\n  two'" = "one\ntwo": "one" "two"
        Double "\"é\\n\r\n  x\"" = "é\n x": "é" "" "x"
        Literal "|\r\n  one\r\n\r\n  two" = "one\n\ntwo\n": "one" "" "two"
        Folded ">-\r\n  one\r\n  two\r\n\r\n  three" = "one two\nthree": "one" "two" "three"
        Plain "ö" = "ö": "ö"
    "#]]
    .assert_eq(&places);
}

#[test]
fn collections_know_where_they_stand() {
    let text = "a:\n  - x: 1\n    y:\n  - [1, {b: 2} ]\nc: {d: , e}\n";
    let document = read(text);
    let covers = |pointer: &str| {
        let node = document.lookup(pointer).expect("a node");
        text[node.span.range()].to_owned()
    };
    assert_eq!(covers(""), text.trim_end());
    assert_eq!(covers("/a"), "- x: 1\n    y:\n  - [1, {b: 2} ]");
    assert_eq!(covers("/a/0"), "x: 1\n    y:");
    assert_eq!(covers("/a/1"), "[1, {b: 2} ]");
    assert_eq!(covers("/a/1/1"), "{b: 2}");
    let place = |pointer: &str| document.lookup(pointer).expect("a node").span;
    assert!(place("/a/0/y").is_empty() && place("/c/d").is_empty() && place("/c/e").is_empty());
    assert_eq!(
        &text[..place("/a/0/y").range().start],
        "a:\n  - x: 1\n    y:"
    );
    assert_eq!(&text[place("/c/d").range().start..], " , e}\n");
    assert_eq!(&text[place("/c/e").range().start..], "}\n");
}

#[test]
fn pointers_lead_to_nodes() {
    let document = read("a/b: [x, {m~n: 1}]\n'': 2\n'0': zero\n");
    let text = |pointer: &str| {
        let node = document.lookup(pointer)?;
        Some(node.as_scalar()?.text.to_string())
    };
    assert_eq!(text("/a~1b/1/m~0n").as_deref(), Some("1"));
    assert_eq!(text("/").as_deref(), Some("2"));
    assert_eq!(text("/0").as_deref(), Some("zero"));
    for wrong in ["a", "/a~1b/01", "/a~1b/2", "/a~1b/-", "/a~1b/0/x", "/b"] {
        assert_eq!(text(wrong), None, "{wrong}");
    }
    assert_eq!(document.lookup("").map(Node::kind_name), Some("map"));
}

#[test]
fn values_follow_the_core_schema_and_the_first_key() {
    let (document, _) = crate::parse_yaml(FILE, "a: [1.10, '1', ~, yes, True]\nb: {}\na: 2\n");
    let value = document.root.expect("a node").to_value();
    let list = value.get("a").and_then(Value::as_list).expect("a list");
    let kinds: Vec<_> = list.iter().map(Value::kind).collect();
    assert_eq!(kinds, ["number", "text", "null", "text", "boolean"]);
    assert_eq!(value.as_record().map(|record| record.len()), Some(2));
}

#[test]
fn comments_are_kept() {
    let text = "# one\na: 1 # two\nb:  #three\n  # four\n  - |  # five\n    # text\n# six\n";
    let document = read(text);
    let comments: Vec<_> = document
        .comments
        .iter()
        .map(|comment| &*comment.text)
        .collect();
    assert_eq!(
        comments,
        [" one", " two", "three", " four", " five", " six"]
    );
    for comment in &document.comments {
        assert_eq!(&text[comment.span.range()], format!("#{}", comment.text));
    }
    let many = "# c\n".repeat(10_000) + "a:\n" + &"  # c\n".repeat(10_000) + "  b: 1\n";
    assert_eq!(read(&many).comments.len(), 20_000);
}

#[test]
fn project_files_have_no_anchors_tags_and_second_documents() {
    check(
        "a: &x 1\nb: *x\nc: !!str 2\nd: {<<: {e: 1}}\n",
        expect![[r#"
            {"a": 1, "b": 1, "c": "2", "d": {"<<": {"e": 1}}}
            E0004 1:4 "&x": the anchor `&x` is not part of the project language
              help: write the value out where it is used; quote the text if the `&` belongs to it
            E0004 2:4 "*x": the alias `*x` is not part of the project language
              help: write the value out; quote the text if the `*` belongs to it
            E0004 3:4 "!!str": the tag `!!str` is not part of the project language
              help: remove it; quote the text if the `!` belongs to it
            E0004 4:5 "<<": the merge key `<<` is not part of the project language
              help: write the entries out
        "#]],
    );
    check(
        "---\na: 1\n---\nb: [\n",
        expect![[r#"
        {"a": 1}
        E0004 3:1 "---": a file holds one document, and a second one begins here
          help: put it into a file of its own
    "#]],
    );
    check(
        "? {a: 1}\n: 2\n[b]: 3\nc: 4\n",
        expect![[r#"
            {"c": 4}
            E0004 1:3 "{a: 1}": a key must be a text, not a map or list
              help: quote it if it is a text: `{name}` and `[0]` are not plain text in YAML
            E0004 3:1 "[b]": a key must be a text, not a map or list
              help: quote it if it is a text: `{name}` and `[0]` are not plain text in YAML
        "#]],
    );
    check(
        "a: 1\nb: 2\na: 3\nc: {x: 1, x: 2, 'x': 3}\n",
        expect![[r#"
        {"a": 1, "b": 2, "a": 3, "c": {"x": 1, "x": 2, "x": 3}}
        E0002 4:11 "x": the key `x` stands twice in one map
          at 4:5: first here, and this one counts
          help: remove one of the two, or rename it
        E0002 4:17 "'x'": the key `x` stands twice in one map
          at 4:5: first here, and this one counts
          help: remove one of the two, or rename it
        E0002 3:1 "a": the key `a` stands twice in one map
          at 1:1: first here, and this one counts
          help: remove one of the two, or rename it
    "#]],
    );
}

#[test]
fn contracts_may_have_anchors_and_merge_keys() {
    let contract = ParseOptions::contract();
    check_with(
        "base: &b {x: 1, y: 2}\na: *b\nc: {<<: *b, y: 3}\nd:\n  <<: [*b, {z: 4}]\ne: !!str 5\n\
         f: !other 6\n*b : 7\n&k key: *k\n",
        &contract,
        expect![[r#"
            {"base": {"x": 1, "y": 2}, "a": {"x": 1, "y": 2}, "c": {"y": 3, "x": 1}, "d": {"x": 1, "y": 2, "z": 4}, "e": "5", "f": 6, "key": "key"}
            E0004 1:10 "{x: 1, y: 2}": a key must be a text, not a map or list
              help: quote it if it is a text: `{name}` and `[0]` are not plain text in YAML
        "#]],
    );
    check_with(
        "a: &x [1, *x]\n",
        &contract,
        expect![[r#"
        {"a": [1, _]}
        E0004 1:11 "*x": the alias `*x` stands inside of what it names
          help: write the value out, or refer to it by `$ref`
    "#]],
    );
    check_with(
        "a: {<<: 1}\n",
        &contract,
        expect![[r#"
        {"a": {}}
        E0004 1:9 "1": a merge key `<<` takes a map or a list of maps
    "#]],
    );
}

/// The "billion laughs": nine lines that stand for a thousand million nodes.
#[test]
fn aliases_of_aliases_are_bounded() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let alias = format!("*a{}", level - 1);
        let items = [alias.as_str(); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    let options = ParseOptions {
        dialect: Dialect::Contract {
            aliased_nodes_max: 1_000,
        },
        ..ParseOptions::contract()
    };
    let (document, findings) = crate::parse_yaml_with(FILE, &text, &options);
    assert_eq!(findings.0.len(), 1, "{findings:?}");
    assert_eq!(findings.0[0].code, codes::TOO_LARGE);
    let count = |node: &Node| show_tree(node).len();
    assert!(count(document.root.as_ref().expect("a node")) < 20_000);
    // An alias that itself is shallow adds depth where it stands.
    let mut text = "a0: &a0 x\n".to_owned();
    for level in 1..200 {
        text.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    let (_, findings) = crate::parse_yaml_with(FILE, &text, &ParseOptions::contract());
    assert_eq!(findings.0.len(), 1, "{findings:?}");
    assert_eq!(findings.0[0].code, codes::TOO_LARGE);
}

#[test]
fn size_and_depth_are_bounded() {
    let options = ParseOptions {
        bytes_max: 10,
        ..ParseOptions::project()
    };
    check_with(
        "a: 1234567",
        &options,
        expect![[r#"
        {"a": 1234567}
    "#]],
    );
    check_with(
        "a: 12345678",
        &options,
        expect![[r#"

        E0005 1:1 "": the file has 11 bytes, the limit is 10
          help: split it into smaller files, and keep data out of them
    "#]],
    );
    for (text, fine) in [
        ("[".repeat(128) + &"]".repeat(128), true),
        ("[".repeat(129) + &"]".repeat(129), false),
        ("- ".repeat(128) + "x", true),
        ("- ".repeat(129) + "x", false),
        ("[".repeat(500_000), false),
        ("- ".repeat(500_000), false),
        ("{a: ".repeat(500_000), false),
        ("? ".repeat(500_000), false),
    ] {
        let (_, findings) = crate::parse_yaml(FILE, &text);
        let too_large = findings.iter().any(|own| own.code == codes::TOO_LARGE);
        assert_eq!(
            (findings.is_empty(), too_large),
            (fine, !fine),
            "{}",
            &text[..20]
        );
        assert!(findings.0.len() <= 21);
    }
}

#[test]
fn findings_are_bounded() {
    for (text, most) in [
        ("- *a\n".repeat(5_000), 100),
        ("a: 1\n".repeat(5_000), 100),
        ("- &a 1\n".repeat(5_000), 100),
        ("a: b: c\n".repeat(5_000), 20),
        ("a: [\n".repeat(5_000), 20),
        ("a: \"\n".repeat(5_000), 20),
        ("a: {b: ".repeat(100), 20),
    ] {
        let (_, findings) = crate::parse_yaml(FILE, &text);
        let count = findings.0.len();
        assert!(0 < count && count <= most, "{}: {count}", &text[..5]);
    }
    let text = format!("{{{}\"a\": 1}}", "\"a\": 1, ".repeat(5_000));
    let (_, findings) = crate::parse_json(FILE, &text);
    assert_eq!(findings.0.len(), 120);
}

#[test]
fn bytes_that_are_not_utf8_are_named() {
    let finding = crate::decode_utf8(FILE, b"a: 1\nb: \xfc\n").expect_err("not UTF-8");
    assert_eq!(finding.code, codes::NOT_UTF8);
    assert_eq!(
        finding.notes,
        ["the byte 0xfc in line 2 begins no character"]
    );
    let finding = crate::decode_utf8(FILE, b"\xff\xfea\0").expect_err("not UTF-8");
    assert_eq!(
        finding.notes,
        ["the byte order mark at the start says UTF-16"]
    );
}

#[test]
fn empty_files_have_no_root() {
    for text in ["", "\n", "# c\n", "---\n", "\u{feff}"] {
        let document = read(text);
        assert!(
            document.root.is_none_or(|root| root.is_absent()),
            "{text:?}"
        );
    }
}

/// All that others wrote is read, and each scalar leads back to its bytes.
#[test]
fn the_contracts_of_others_are_read() {
    for folder in ["openapi", "asyncapi"] {
        let Some(folder) = corpus("the_contracts_of_others_are_read", folder) else {
            return;
        };
        let files = files_below(folder, &["yaml", "yml", "json"]);
        assert!(!files.is_empty());
        for path in files {
            let bytes = std::fs::read(&path).expect("the corpus is readable");
            let text = crate::decode_utf8(FILE, &bytes).expect("the corpus is UTF-8");
            let options = ParseOptions::contract();
            let read = match path.extension() {
                Some(extension) if extension == "json" => crate::parse_json_with,
                _ => crate::parse_yaml_with,
            };
            let (document, findings) = read(FILE, text, &options);
            let shown = show_findings(text, &findings);
            assert!(findings.is_empty(), "{}: {shown}", path.display());
            check_map(text, &document.root.expect("a node"));
        }
    }
}

/// Pieces that together make most mistakes there are.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a", "b: ", "c:", "- ", "-", "\n", "\n  ", "\n    ", "\t", " ", "[", "]", "{", "}", ", ",
        ",", "\"", "'", "''", "\\", "\\n", "|", ">", "|-\n", ">2+\n", "#", " # d", "&x ", "*x",
        "!t ", "%", "@", "`", "? ", ": ", "<<: ", "---\n", "...\n", "\r\n", "é", "\u{1}",
        "\u{feff}", "1", "~", "😀", "\u{2028}",
    ])
}

proptest! {
    #![proptest_config(cases(2_000))]

    /// No text ends in a panic, and what is told has a place in the file.
    #[test]
    fn no_text_panics(pieces in prop::collection::vec(piece(), 0..40)) {
        let text = pieces.concat();
        for options in [ParseOptions::project(), ParseOptions::contract()] {
            let (document, findings) = crate::parse_yaml_with(FILE, &text, &options);
            show_findings(&text, &findings);
            if let (Some(root), true) = (&document.root, findings.is_empty())
                && options.dialect == Dialect::Project
            {
                check_map(&text, root);
            }
        }
    }

    #[test]
    fn no_characters_panic(text in any::<String>()) {
        let (_, findings) = crate::parse_yaml(FILE, &text);
        show_findings(&text, &findings);
    }

    /// A text in each style comes back, and its characters are found in the file.
    #[test]
    fn quoted_texts_come_back(text in "[ a-c'\"\\\\\n\té😀:#]{0,30}") {
        let json = sluice_model::json::to_string(&Value::from(text.as_str()));
        let double = format!("a: {json}\n");
        let document = read(&double);
        let root = document.root.expect("a node");
        check_map(&double, &root);
        let scalar = root.get("a").and_then(Node::as_scalar).expect("a scalar");
        prop_assert_eq!((&*scalar.text, scalar.style), (&*text, Style::Double));
    }
}
