use expect_test::{Expect, expect};
use proptest::prelude::*;
use sluice_model::span::FileId;

use crate::edit::PathPart;
use crate::format::{FieldKind, FormatOptions, format_yaml};
use crate::testing::{cases, corpus, files_below, show_findings};

const FILE: FileId = FileId(0);

/// Calls every value below a key `with`, `when` or `x` an expression.
fn kind(path: &[PathPart<'_>]) -> FieldKind {
    let expression = |part: &PathPart<'_>| matches!(part, PathPart::Key("with" | "when" | "x"));
    match path.iter().any(expression) {
        true => FieldKind::Expression,
        false => FieldKind::Value,
    }
}

fn options() -> FormatOptions<'static> {
    FormatOptions {
        field_kind: &kind,
        ..FormatOptions::default()
    }
}

/// Formats a text, and checks that formatting the result changes nothing.
fn format(text: &str) -> String {
    match format_yaml(FILE, text, &options()) {
        Err(findings) => panic!("{text}\n{}", show_findings(text, &findings)),
        Ok(formatted) => {
            let again = format_yaml(FILE, &formatted, &options());
            assert_eq!(
                again.as_deref(),
                Ok(&*formatted),
                "formatting again, of {text:?}"
            );
            formatted
        }
    }
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&format(text));
}

#[test]
fn layout_is_canonical() {
    check(
        "a:   1\nb:\n- x\n-   y: 1\n    z: 2\n- - 1\n  -   - 2\n\n\n\nc: {a: 1,b: [ 1,2 ]}   \nd:\n\n    e: 1\n    f:\n\n",
        expect![[r#"
            a: 1
            b:
              - x
              - y: 1
                z: 2
              - - 1
                - - 2

            c: { a: 1, b: [1, 2] }
            d:
              e: 1
              f:
        "#]],
    );
    check(
        "\u{feff}---\r\na: 1\r\nb: |\r\n   x\r\n   y\r\n...\r\n",
        expect![[r#"
            a: 1
            b: |
              x
              y
        "#]],
    );
    check("", expect![[""]]);
    check(
        "\n\n# only\n\n\n# comments\n\n",
        expect![[r#"
        # only

        # comments
    "#]],
    );
    check(
        "- a\n-\n- b: 1\n\n  c: 2\n-\n  d: 3\n",
        expect![[r#"
        - a
        -
        - b: 1

          c: 2
        - d: 3
    "#]],
    );
    check(
        "? a\n: 1\n? b\n",
        expect![[r#"
        a: 1
        b:
    "#]],
    );
    check(
        "just a text",
        expect![[r#"
        just a text
    "#]],
    );
    check(
        "{a: 1, b}",
        expect![[r#"
        { a: 1, b }
    "#]],
    );
}

#[test]
fn comments_keep_their_place() {
    check(
        "# head\n\n# about a\na: 1 # one\nbb: 22 # two\n\nc:   # behind c\n    # first\n    - x # x\n    # - y\n\n    # last\n# about d\nd:\n  e: 1\n  # in d\n\n\n# end\n",
        expect![[r#"
            # head

            # about a
            a: 1    # one
            bb: 22  # two

            c:  # behind c
              # first
              - x  # x
              # - y

              # last
            # about d
            d:
              e: 1
              # in d

            # end
        "#]],
    );
    check(
        "a: { b: 1, # one\n  c: 2 # two\n  # three\n}\nd: [ # four\n  1,\n  # five\n  2 ] # six\n",
        expect![[r#"
            a:
              b: 1  # one
              c: 2  # two
              # three
            d:
              # four
              - 1
              # five
              - 2  # six
        "#]],
    );
    check(
        "a: | # header\n    x\n  # after\nb: 1\n",
        expect![[r#"
            a: |  # header
              x
            # after
            b: 1
        "#]],
    );
    check(
        "a:\n# at zero\n  b: 1\n # one\n",
        expect![[r#"
        a:
          # at zero
          b: 1
          # one
    "#]],
    );
}

#[test]
fn comments_behind_brackets_stay_behind_the_key() {
    let long = "x".repeat(60);
    check(
        &format!("a: {{ b: {long}, c: {long} }} # about a\n- d\n").replace("- d", "e: [1,2] # e"),
        expect![[r#"
            a:  # about a
              b: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
              c: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            e: [1, 2]  # e
        "#]],
    );
    check(
        &format!("- [{long}, {long}] # one\n- [{long}, # two\n   {long}]\n"),
        expect![[r#"
            - - xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
              - xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx  # one
            - - xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx  # two
              - xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
        "#]],
    );
}

#[test]
fn list_comments() {
    check(
        "a:\n- # first\n  b: 1\n# second\n-\n  # third\n  c: 1\n# about d\nd: 1\n",
        expect![[r#"
            a:
              # first
              - b: 1
              # second
              # third
              - c: 1
            # about d
            d: 1
        "#]],
    );
    check(
        "a: # one\n# two\n  b: 1 # three\n      # four\nlonger: 1 # five\n\nx: 1 # six\n",
        expect![[r#"
            a:  # one
              # two
              b: 1  # three
              # four
            longer: 1  # five

            x: 1  # six
        "#]],
    );
    check(
        &format!("a: 1 # short\nb: {} # long comment\n", "x".repeat(90)),
        expect![[r#"
            a: 1  # short
            b: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx  # long comment
        "#]],
    );
}

#[test]
fn quotes_are_as_few_as_can_be() {
    check(
        "a: \"text\"\nb: '1'\nc: \"true\"\nd: 'it''s'\ne: \"it's: x\"\nf: \"tab\\t\"\ng: ''\nh: \"a\\nb\"\n\
         i: '- x'\nj: '-x'\nk: 'x: y'\nl: 'x #y'\nm: '@x'\nn: ' x'\no: ~\np: 0x1F\nq: 'a, b'\n\
         r: ['a, b', 'c', \"{d}\"]\n's': 1\n'1': 2\n3: 4\n'<<': 5\n\"a b\": 6\nt: '2026-01-01'\nu: \"\\u00e9\\u0001\"\n",
        expect![[r#"
            a: text
            b: '1'
            c: 'true'
            d: it's
            e: 'it''s: x'
            f: "tab\t"
            g: ''
            h: "a\nb"
            i: '- x'
            j: -x
            k: 'x: y'
            l: 'x #y'
            m: '@x'
            n: ' x'
            o: ~
            p: 0x1F
            q: a, b
            r: ['a, b', c, '{d}']
            s: 1
            '1': 2
            3: 4
            '<<': 5
            a b: 6
            t: 2026-01-01
            u: "é\u0001"
        "#]],
    );
}

#[test]
fn expressions_have_their_own_form() {
    check(
        "with:\n  a: '1.10'\n  b: \"EUR\"\n  c: \"x.y\"\n  d: ('Large ' & id)\n  e: '\"x\" & y'\n  f: \"x > 1\"\n  g: 'a ? b : c'\n\
         \x20 h: \"a\\n  and b\"\n  i: 'a\n\n    b'\n  j: >\n    a\n    b\n  k: |\n     a\n  l: { m: 'f(a, b)', n: 'true', o: \"p = 'q'\" }\n",
        expect![[r#"
            with:
              a: 1.10
              b: "EUR"
              c: "x.y"
              d: ('Large ' & id)
              e: '"x" & y'
              f: x > 1
              g: 'a ? b : c'
              h: |-
                a
                  and b
              i: |-
                a
                b
              j: >
                a
                b
              k: |
                a
              l: { m: 'f(a, b)', n: true, o: p = 'q' }
        "#]],
    );
}

#[test]
fn blocks_keep_their_lines() {
    check(
        "a: |\n      one\n        two\n\n      three\n\n\nb: >+\n      one\n      two\n\n        more\n\n\nc: |2-\n   x\n  y\nd: >-\n\n  x\ne: |+\n  x\n\nf: |\n\n   x\ng: 1\n",
        expect![[r#"
            a: |
              one
                two

              three

            b: >+
              one
              two

                more


            c: |2-
               x
              y
            d: >-

              x
            e: |+
              x

            f: |

              x
            g: 1
        "#]],
    );
}

#[test]
fn long_values_are_opened_up() {
    let word = "lorem ipsum dolor ".repeat(4);
    let text = format!(
        "a: {{ x: '{word}', y: [{word}, 2], z: {{ m: 1 }} }}\nb: [{word}, {word}]\nc: {word}\n  {word}\nd: \"{word}\n  {word}\n\n  {word}\"\ne: short\n  text\n"
    );
    check(
        &text,
        expect![[r#"
        a:
          x: 'lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor '
          y: [lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor, 2]
          z: { m: 1 }
        b:
          - lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor
          - lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor
        c: >-
          lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem
          ipsum dolor lorem ipsum dolor lorem ipsum dolor
        d: "lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor\nlorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor "
        e: short text
    "#]],
    );
}

/// The canonical form of a file whose meaning would change is not given out.
#[test]
fn files_with_errors_are_left_alone() {
    for text in ["a: [", "a: 1\na: 2\n", "a: &b 1\n", "a: 1\n---\nb: 2\n"] {
        assert!(format_yaml(FILE, text, &options()).is_err(), "{text}");
    }
    let long = format!("? {}\n: 1\n", "k".repeat(2_000));
    let findings = format_yaml(FILE, &long, &options()).expect_err("no simple key");
    assert!(
        findings.0[0]
            .message
            .starts_with("the file is left as it is")
    );
}

/// A line as long as the file costs no more than many short ones: this would not end otherwise.
#[test]
fn one_long_line_is_opened_up() {
    let text = format!(
        "a: [{}1]\nb: {}1{}\n",
        "{ a: 1, b: [x, y] }, ".repeat(20_000),
        "[1, ".repeat(100),
        "]".repeat(100)
    );
    assert!(20_000 < format(&text).lines().count());
}

/// Texts of all kinds, most of which need care.
fn text() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        "",
        "a",
        "b c",
        "1",
        "1.10",
        "true",
        "null",
        "~",
        "- x",
        "-",
        "?",
        ": ",
        "a: b",
        "a #b",
        "#",
        "&a",
        "*a",
        "!a",
        "|",
        ">",
        "'",
        "\"",
        "%",
        "@",
        "`",
        "{a}",
        "[a]",
        "a,b",
        " a",
        "a ",
        "\n",
        "a\nb",
        "a\n\nb\n",
        "\na",
        " a\n b",
        "a \nb",
        "a\n\n",
        "\t",
        "a\tb",
        "é",
        "😀",
        "\u{2028}",
        "\u{1}",
        "---",
        "...",
        "--- a",
        "<<",
        "=",
        "a:",
        ":a",
        "-a",
        "a\r\nb",
        "\u{feff}",
        "\u{a0}",
        "a  b",
        "(\"x\" & y)",
        "\"x\" & y",
        "x.y",
        "0o7",
        ".5",
        "a'b",
        "a\\b",
    ]);
    let words = prop::collection::vec("[a-z:#,'\"]{1,9}", 1..30).prop_map(|words| words.join(" "));
    prop_oneof![6 => nasty.prop_map(str::to_owned), 1 => words, 1 => any::<String>()]
}

#[derive(Debug, Clone)]
enum Tree {
    Text(String, u8),
    Plain(&'static str),
    List(Vec<Tree>, bool, u8),
    Map(Vec<(String, Tree)>, bool, u8),
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        4 => (text(), any::<u8>()).prop_map(|(text, style)| Tree::Text(text, style)),
        1 => prop::sample::select(vec!["1", "1.10", "true", "~", "", "plain", "a\n   b", "0x1F"])
            .prop_map(Tree::Plain),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            (
                prop::collection::vec(inner.clone(), 0..5),
                any::<bool>(),
                any::<u8>()
            )
                .prop_map(|(items, flow, noise)| Tree::List(items, flow, noise)),
            (
                prop::collection::vec((text(), inner), 0..5),
                any::<bool>(),
                any::<u8>()
            )
                .prop_map(|(entries, flow, noise)| Tree::Map(entries, flow, noise)),
        ]
    })
}

/// Writes a tree in one of the many forms that YAML has for it, with comments and empty lines.
fn write(tree: &Tree, indent: usize, in_flow: bool, out: &mut String) {
    use crate::format::scalar::{double_quoted, in_quotes, literal};
    let pad = " ".repeat(indent);
    match tree {
        Tree::Plain(text) => out.push_str(text),
        Tree::Text(text, style) => match (style % 4, literal(text)) {
            (0 | 1, Some((header, lines))) if !in_flow => {
                let folded = style % 4 == 1 && !text.contains('\n');
                out.push_str(&if folded {
                    header.replace('|', ">")
                } else {
                    header
                });
                out.push_str(if style & 8 == 0 { "" } else { " # header" });
                for line in lines {
                    out.push_str(&format!("\n{pad}{line}"));
                }
            }
            (2, _) => out.push_str(&in_quotes(text)),
            _ => out.push_str(&double_quoted(text)),
        },
        Tree::List(items, flow, _) if items.is_empty() || *flow || in_flow => {
            out.push('[');
            for item in items {
                write(item, indent, true, out);
                out.push_str(", ");
            }
            out.push_str(if items.is_empty() { "" } else { "z" });
            out.push(']');
        }
        Tree::Map(entries, flow, noise) if entries.is_empty() || *flow || in_flow => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                out.push_str(&format!("{}: ", in_quotes(&format!("{index}{key}"))));
                write(value, indent, true, out);
                out.push_str(if noise & 3 == 0 { " # c\n " } else { "" });
                out.push(',');
                out.push_str(if noise & 12 == 0 { "\n  # own\n " } else { " " });
            }
            out.push('}');
        }
        Tree::List(items, _, noise) => {
            for item in items {
                noise_line(*noise, &pad, out);
                out.push_str(&format!("\n{pad}-  "));
                write(item, indent + 3, false, out);
            }
        }
        Tree::Map(entries, _, noise) => {
            for (index, (key, value)) in entries.iter().enumerate() {
                noise_line(noise.rotate_left(index as u32), &pad, out);
                let key = in_quotes(&format!("{index}{key}"));
                out.push_str(&format!("\n{pad}{key}: "));
                write(value, indent + 1 + usize::from(noise & 1), false, out);
                let block = matches!(value, Tree::Text(..));
                out.push_str(if noise & 64 == 0 && !block {
                    " # behind"
                } else {
                    ""
                });
            }
        }
    }
}

fn noise_line(noise: u8, pad: &str, out: &mut String) {
    match noise % 7 {
        0 => out.push_str(&format!("\n{pad}# comment")),
        1 => out.push('\n'),
        2 => out.push_str("\n\n\n# at zero\n"),
        3 => out.push_str(&format!("\n{pad}   # deeper\n")),
        _ => {}
    }
}

proptest! {
    #![proptest_config(cases(1_500))]

    /// `format_yaml` itself compares trees and comments; here it must come to an end without
    /// refusing, twice with the same result.
    #[test]
    fn any_file_keeps_its_meaning(tree in tree()) {
        let mut text = String::new();
        write(&tree, 0, false, &mut text);
        let (_, findings) = crate::parse_yaml(FILE, &text);
        prop_assume!(!findings.has_errors());
        let formatted = format(&text);
        prop_assert!(formatted.is_empty() || formatted.ends_with('\n'));
    }
}

#[test]
fn the_files_of_others_keep_their_meaning() {
    for folder in ["asyncapi", "openapi"] {
        let test = "the_files_of_others_keep_their_meaning";
        let Some(folder) = corpus(test, folder) else {
            return;
        };
        let mut formatted = 0;
        for path in files_below(folder, &["yaml", "yml"]) {
            let text = std::fs::read_to_string(&path).expect("the corpus is readable");
            let (_, findings) = crate::parse_yaml(FILE, &text);
            if !findings.has_errors() {
                format(&text);
                formatted += 1;
            }
        }
        assert!(10 < formatted, "{formatted}");
    }
}
