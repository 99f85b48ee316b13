use expect_test::{Expect, expect};
use sluice_model::span::FileId;

use crate::testing::{apply_fixes, show_findings, show_tree};

/// Checks the findings of a text, and what is left of its tree.
fn check(text: &str, expected: Expect) {
    let (document, findings) = crate::parse_yaml(FileId(0), text);
    let tree = document.root.as_ref().map_or(String::new(), show_tree);
    expected.assert_eq(&format!("{tree}\n{}", show_findings(text, &findings)));
}

/// Checks that the fixes of a text leave one without a finding.
fn mends(text: &str, expected: &str) {
    let (_, findings) = crate::parse_yaml(FileId(0), text);
    let mended = apply_fixes(text, &findings);
    assert_eq!(mended, expected);
    let (_, left) = crate::parse_yaml(FileId(0), &mended);
    assert!(left.is_empty(), "{mended}: {left:?}");
}

#[test]
fn case_tab() {
    check(
        "a: 1\nb:\n\tc: 1\nd: 2\n",
        expect![[r#"
        {"a": 1, "b": _, "d": 2}
        E0001 3:1 "\t": a tab stands in the indentation
          note: YAML is indented by spaces only, since a tab has no certain width
          help: indent by two spaces for each level
          fix: replace each tab by two spaces: "\t" -> "  "
    "#]],
    );
}

#[test]
fn case_nospace() {
    check(
        "a: 1\nb:2\nc: 3\n",
        expect![[r#"
        {"a": 1, "c": 3}
        E0001 2:2 ":": a space is missing after the `:` of `b`
          help: put a space between the `:` and the value
          fix: insert a space: "" -> " "
    "#]],
    );
}

#[test]
fn case_quote() {
    check(
        "a: \"open\nb: 2\nc: 3\n",
        expect![[r#"
        {"b": 2, "c": 3}
        E0001 1:4 "\"": the text that begins with `"` here is not closed
          help: add the closing `"`; the further lines of a longer text are indented more than its key
          fix: add `"` at the end of the line: "" -> "\""
    "#]],
    );
}

#[test]
fn case_quoteb() {
    check(
        "a: 'it's'\nb: 2\nc: 3\n",
        expect![[r#"
        {"b": 2, "c": 3}
        E0001 1:8 "s'": `s'` follows the text in quotes
          note: in single quotes a `'` ends the text; `''` stands for one `'`
          help: double the quote in the text
          fix: double the quote: "'it's'" -> "'it''s'"
    "#]],
    );
}

#[test]
fn case_brace() {
    check(
        "a: { x: 1\nb: 2\nc: 3\n",
        expect![[r#"
        {"b": 2, "c": 3}
        E0001 1:4 "{": `{` is opened here and never closed
          help: close it by `}`; quote the text if it is one
          fix: add `}` at the end of the line: "" -> " }"
    "#]],
    );
}

#[test]
fn case_bracket() {
    check(
        "a: [1, 2\nb: 2\nc: 3\n",
        expect![[r#"
        {"b": 2, "c": 3}
        E0001 1:4 "[": `[` is opened here and never closed
          help: close it by `]`; quote the text if it is one
          fix: add `]` at the end of the line: "" -> "]"
    "#]],
    );
}

#[test]
fn case_indent() {
    check(
        "a:\n    b: 1\n  c: 2\nd: 3\n",
        expect![[r#"
        {"a": {"b": 1}, "d": 3}
        E0001 3:3 "c: 2": `c` is indented by 2, as nothing above it is
          help: indent it by 0 or 4, as the keys that it stands beside
    "#]],
    );
}

#[test]
fn case_percent() {
    check(
        "a: %x\nb: 2\n",
        expect![[r#"
            {"b": 2}
            E0001 1:4 "%": a text without quotes cannot begin with `%`
              note: in YAML `%` here is reserved
              help: quote the text: `'%x'`
              fix: put the text into single quotes: "%x" -> "'%x'"
        "#]],
    );
}

#[test]
fn case_at() {
    check(
        "a: @x\nb: 2\n",
        expect![[r#"
            {"b": 2}
            E0001 1:4 "@": a text without quotes cannot begin with `@`
              note: in YAML `@` here is reserved
              help: quote the text: `'@x'`
              fix: put the text into single quotes: "@x" -> "'@x'"
        "#]],
    );
}

#[test]
fn case_tick() {
    check(
        "a: `x`\nb: 2\n",
        expect![[r#"
            {"b": 2}
            E0001 1:4 "`": a text without quotes cannot begin with a backtick
              note: in YAML a backtick here is reserved
              help: quote the text: `'`x`'`
              fix: put the text into single quotes: "`x`" -> "'`x`'"
        "#]],
    );
}

#[test]
fn case_colon() {
    check(
        "a: b: c\nd: 2\n",
        expect![[r#"
        {"d": 2}
        E0001 1:5 ":": a `: ` stands in the value of `a`
          note: in a text without quotes `: ` separates a key from its value
          help: quote the text: `'b: c'`
          fix: put the text into single quotes: "b: c" -> "'b: c'"
    "#]],
    );
}

#[test]
fn case_colonb() {
    check(
        "steps:\n  - call: x\n    message: Order: {id}\n  - map: y\n",
        expect![[r#"
            {"steps": [{"call": "x"}, {"map": "y"}]}
            E0001 3:19 ":": a `: ` stands in the value of `message`
              note: in a text without quotes `: ` separates a key from its value
              help: quote the text: `'Order: {id}'`
              fix: put the text into single quotes: "Order: {id}" -> "'Order: {id}'"
        "#]],
    );
}

#[test]
fn case_deeper() {
    check(
        "a: 1\n  b: 2\nc: 3\n",
        expect![[r#"
        {"a": 1, "c": 3}
        E0001 2:3 "b": `b` is indented under `a`, which has a value
          at 1:4: this is its value
          help: indent `b` by 0 if it stands beside `a`, or remove the value
          fix: indent it as `a`: "  " -> ""
    "#]],
    );
}

#[test]
fn case_close() {
    check(
        "a: 1, 2]\nb: }\nc: ]\nd: 3\n",
        expect![[r#"
        {"a": "1, 2]", "d": 3}
        E0001 2:4 "}": `}` closes nothing that is open
          help: remove it; quote the text if it is one
        E0001 3:4 "]": `]` closes nothing that is open
          help: remove it; quote the text if it is one
    "#]],
    );
}

#[test]
fn case_mismatch() {
    check(
        "a: [1, 2}\nb: 2\n",
        expect![[r#"
        {"b": 2}
        E0001 1:4 "[": `[` is closed by `}`
          help: close it by `]`
    "#]],
    );
}

#[test]
fn case_trail() {
    check(
        "a: \"x\" y\nb: 2\n",
        expect![[r#"
        {"b": 2}
        E0001 1:8 "y": `y` follows the text in quotes
          note: a value that begins with a quote ends with that quote
          help: quote the whole: `'"x" y'`
          fix: put the whole into single quotes: "\"x\" y" -> "'\"x\" y'"
    "#]],
    );
}

#[test]
fn case_escape() {
    check(
        "a: \"\\d+\"\nb: 2\n",
        expect![[r#"
        {"b": 2}
        E0001 1:5 "\\d": `\\d` is no escape
          note: in double quotes a backslash begins an escape, such as `\n` or `\u00e9`
          help: double the backslash, or use single quotes, where it is nothing special
          fix: double the backslash: "\\d" -> "\\\\d"
    "#]],
    );
}

#[test]
fn case_listmix() {
    check(
        "a:\n  - x\n  b: 2\nc: 3\n",
        expect![[r#"
        {"a": ["x"], "c": 3}
        E0001 3:3 "b: 2": `b` stands among the items of a list
          help: put `- ` before it if it is an item; indent it as the item's other keys if it belongs to the item before; else indent it as the key of the list
    "#]],
    );
}

#[test]
fn case_mapthenlist() {
    check(
        "a: 1\n- b\nc: 2\n",
        expect![[r#"
        {"a": 1, "c": 2}
        E0001 2:1 "-": a list item stands among the keys of a map
          help: put the list under a key of its own, and indent it
    "#]],
    );
}

#[test]
fn case_comma() {
    check(
        "a: { x: 1,, y: 2 }\nb: [1,,2]\nc: 3\n",
        expect![[r#"
        {"c": 3}
        E0001 1:11 ",": a comma stands where a value should
          help: remove it
          fix: remove the comma: "," -> ""
        E0001 2:7 ",": a comma stands where a value should
          help: remove it
          fix: remove the comma: "," -> ""
    "#]],
    );
}

#[test]
fn case_pipe() {
    check(
        "a: |x\n  foo\nb: 2\n",
        expect![[r#"
            {"b": 2}
            E0001 1:4 "|": a text without quotes cannot begin with `|`
              note: in YAML `|` here begins a text over several lines
              help: quote the text: `'|x'`
              fix: put the text into single quotes: "|x" -> "'|x'"
        "#]],
    );
}

#[test]
fn case_noindentblock() {
    check(
        "a: |\nfoo\nb: 2\n",
        expect![[r#"
        {"a": "", "b": 2}
        E0001 2:1 "foo": `foo` is neither a key nor part of a value
          help: indent the text of `a` by two spaces more than its key
    "#]],
    );
}

#[test]
fn case_cond() {
    check(
        "grade: total > 100 ? \"A\" : \"B\"\nb: 2\n",
        expect![[r#"
        {"b": 2}
        E0001 1:26 ":": a `: ` stands in the value of `grade`
          note: in a text without quotes `: ` separates a key from its value
          help: quote the text: `'total > 100 ? "A" : "B"'`
          fix: put the text into single quotes: "total > 100 ? \"A\" : \"B\"" -> "'total > 100 ? \"A\" : \"B\"'"
    "#]],
    );
}

#[test]
fn case_flowcond() {
    check(
        "a: { grade: total > 100 ? \"A\" : \"B\", x: [1] }\nb: 2\n",
        expect![[r#"
            {"b": 2}
            E0001 1:31 ":": a `: ` stands in the value `total > 100 ? "A" : "B"`
              note: in a text without quotes `: ` separates a key from its value
              help: quote it: `'total > 100 ? "A" : "B"'`
              fix: put the value into single quotes: "total > 100 ? \"A\" : \"B\"" -> "'total > 100 ? \"A\" : \"B\"'"
        "#]],
    );
}

#[test]
fn case_quoteexpr() {
    check(
        "a: \"x\" & y\nb: 2\n",
        expect![[r#"
        {"b": 2}
        E0001 1:8 "& y": `& y` follows the text in quotes
          note: a value that begins with a quote ends with that quote
          help: put the expression into parentheses: `("x" & y)`
          fix: put it into parentheses: "\"x\" & y" -> "(\"x\" & y)"
    "#]],
    );
}

#[test]
fn case_star() {
    check(
        "a: *.csv\nb: 2\n",
        expect![[r#"
        {"a": _, "b": 2}
        E0001 1:4 "*.csv": `*.csv` is an alias, and nothing is named `&.csv` before it
          note: an unquoted text that begins with `*` is an alias in YAML
          help: quote it: `'*.csv'`
          fix: quote the text: "*.csv" -> "'*.csv'"
    "#]],
    );
}

#[test]
fn case_amp() {
    check(
        "a: & b\nb: 2\n",
        expect![[r#"
            {"b": 2}
            E0001 1:4 "&": a text without quotes cannot begin with `&`
              note: in YAML `&` here begins an anchor or alias
              help: quote the text: `'& b'`
              fix: put the text into single quotes: "& b" -> "'& b'"
        "#]],
    );
}

#[test]
fn case_bang() {
    check(
        "a: !x y\nb: 2\n",
        expect![[r#"
        {"a": "y", "b": 2}
        E0004 1:4 "!x": the tag `!x` is not part of the project language
          help: remove it; quote the text if the `!` belongs to it
    "#]],
    );
}

#[test]
fn case_tabafter() {
    check(
        "a:\tb\nb: 2\n",
        expect![[r#"
        {"a": "b", "b": 2}
    "#]],
    );
}

#[test]
fn case_nocolon() {
    check(
        "a: 1\nfoo\nb: 2\n",
        expect![[r#"
        {"a": 1, "b": 2}
        E0001 2:1 "foo": `foo` is neither a key nor part of a value
          help: write it as `key: value`, or indent it by more than the key it belongs to
    "#]],
    );
}

#[test]
fn case_dashnospace() {
    check(
        "a:\n  -x\n  -y\nb: 2\n",
        expect![[r#"
        {"a": "-x -y", "b": 2}
    "#]],
    );
}

#[test]
fn case_dup() {
    check(
        "a: {b: 1, c}\nd: [a: 1]\n",
        expect![[r#"
        {"a": {"b": 1, "c": _}, "d": [{"a": 1}]}
    "#]],
    );
}

#[test]
fn case_doubleopen() {
    check(
        "{a: {b: 1}\nc: 2\n",
        expect![[r#"
        {"c": 2}
        E0001 1:1 "{": `{` is opened here and never closed
          help: close it by `}`; quote the text if it is one
          fix: add `}` at the end of the line: "" -> " }"
    "#]],
    );
}

#[test]
fn case_template() {
    check(
        "a: {{ x }}\nb: {x}/{y}\nc: [a] b\n",
        expect![[r#"
            {"a": {}}
            E0001 2:7 "/": something follows the map in one line
              note: a value that begins with `{` is a map, not a text
              help: quote the text: `'{x}/{y}'`
              fix: put the text into single quotes: "{x}/{y}" -> "'{x}/{y}'"
            E0001 3:8 "b": something follows the list in one line
              note: a value that begins with `[` is a list, not a text
              help: quote the text: `'[a] b'`
              fix: put the text into single quotes: "[a] b" -> "'[a] b'"
            E0004 1:5 "{ x }": a key must be a text, not a map or list
              help: quote it if it is a text: `{name}` and `[0]` are not plain text in YAML
        "#]],
    );
}

#[test]
fn case_qkey() {
    check(
        "\"a\" b: 1\nc: 2\n",
        expect![[r#"
        {"c": 2}
        E0001 1:5 "b: 1": `b: 1` follows the text in quotes
          note: a value that begins with a quote ends with that quote
          help: quote the whole: `'"a" b: 1'`
          fix: put the whole into single quotes: "\"a\" b: 1" -> "'\"a\" b: 1'"
    "#]],
    );
}

#[test]
fn case_ctrl() {
    check(
        "a: \u{1}x\nb: 2\n",
        expect![[r#"
        {"b": 2}
        E0001 1:4 "\u{1}": the control character U+0001 stands here
          help: remove it, or write it as an escape in double quotes
    "#]],
    );
}

#[test]
fn case_pct() {
    check(
        "%foo\na: 1\n",
        expect![[r#"
        {"a": 1}
        E0001 1:1 "%foo": a line that begins with `%` is a directive of YAML
          help: remove it; quote the text if it is one
    "#]],
    );
}

#[test]
fn case_commentnospace() {
    check(
        "a: \"x\"#c\nb: [1]#d\nc: 1\n",
        expect![[r##"
        {"c": 1}
        E0001 1:7 "#": a space is missing before the `#` of a comment
          help: put a space before it; quote the value if the `#` belongs to it
          fix: insert a space: "" -> " "
        E0001 2:7 "#": a space is missing before the `#` of a comment
          help: put a space before it; quote the value if the `#` belongs to it
          fix: insert a space: "" -> " "
    "##]],
    );
}

#[test]
fn case_pipeq() {
    check(
        "a: | b\nc: > 5\nd: 1\n",
        expect![[r#"
            {"d": 1}
            E0001 1:4 "|": a text without quotes cannot begin with `|`
              note: in YAML `|` here begins a text over several lines
              help: quote the text: `'| b'`
              fix: put the text into single quotes: "| b" -> "'| b'"
            E0001 2:4 ">": a text without quotes cannot begin with `>`
              note: in YAML `>` here begins a text over several lines
              help: quote the text: `'> 5'`
              fix: put the text into single quotes: "> 5" -> "'> 5'"
        "#]],
    );
}

#[test]
fn case_quest() {
    check(
        "a: ? b\nc: ?\nd: 1\n",
        expect![[r#"
            {"d": 1}
            E0001 1:4 "?": a text without quotes cannot begin with `?`
              note: in YAML `?` here begins a key
              help: quote the text: `'? b'`
              fix: put the text into single quotes: "? b" -> "'? b'"
            E0001 2:4 "?": a text without quotes cannot begin with `?`
              note: in YAML `?` here begins a key
              help: quote the text: `'?'`
              fix: put the text into single quotes: "?" -> "'?'"
        "#]],
    );
}

#[test]
fn case_dash() {
    check(
        "a: - b\nc: 1\n",
        expect![[r#"
        {"c": 1}
        E0001 1:4 "-": a list cannot begin in the line of its key `a`
          help: write the item in a line of its own; quote the text if it is one
          fix: put the item into the next line: " - b" -> "\n  - b"
    "#]],
    );
}

#[test]
fn case_quotemulti() {
    check(
        "a: \"x\nb\"\nc: 1\n",
        expect![[r#"
            {"c": 1}
            E0001 1:4 "\"": the text that begins with `"` here is not closed
              help: add the closing `"`; the further lines of a longer text are indented more than its key
              fix: add `"` at the end of the line: "" -> "\""
        "#]],
    );
}

#[test]
fn case_nest() {
    check(
        "a:\n  b: \"x\n  c: \"y\"\nd: 1\n",
        expect![[r#"
        {"a": {"c": "y"}, "d": 1}
        E0001 2:6 "\"": the text that begins with `"` here is not closed
          help: add the closing `"`; the further lines of a longer text are indented more than its key
          fix: add `"` at the end of the line: "" -> "\""
    "#]],
    );
}

#[test]
fn fixes_mend() {
    mends("a:\n\tb: 1\n", "a:\n  b: 1\n");
    mends("z: 0\na:1\nb: 2\n", "z: 0\na: 1\nb: 2\n");
    mends("a: \"open\nb: 2\n", "a: \"open\"\nb: 2\n");
    mends("a: 'it's'\n", "a: 'it''s'\n");
    mends(
        "a: [1, 2 # c\nb: { x: 1\nc: 3\n",
        "a: [1, 2] # c\nb: { x: 1 }\nc: 3\n",
    );
    mends(
        "a: %x # c\nb: @x\nc: `x`\n",
        "a: '%x' # c\nb: '@x'\nc: '`x`'\n",
    );
    mends("a: b: c # d\n", "a: 'b: c' # d\n");
    mends(
        "a: { g: x ? 1 : 2, h: [y : 3] }\n",
        "a: { g: 'x ? 1 : 2', h: [y : 3] }\n",
    );
    mends("a: \"x\" & y\n", "a: (\"x\" & y)\n");
    mends(
        "a: \"x\" = y ? 'a' : 'b'\n",
        "a: '\"x\" = y ? ''a'' : ''b'''\n",
    );
    mends("a: \"\\d+\"\n", "a: \"\\\\d+\"\n");
    mends("a: *.csv\nb: & c\n", "a: '*.csv'\nb: '& c'\n");
    mends("a: - b\n", "a:\n  - b\n");
    mends("a: \"x\"#c\n", "a: \"x\" #c\n");
    mends("a: 1\n  b: 2\n", "a: 1\nb: 2\n");
    mends("a: {x}/{y}\n", "a: '{x}/{y}'\n");
}

const FLOW: &str = "\
flow: intake
from: { api: orders#create }
steps:
  - map: one
  - call: two
    when: total > 1
    with: { subject: (\"Large \" & id), amount: [total, 'a'] }
  - id: three
    undo: { call: four, params: { id: $steps.three.id } }
on_failure:
  - log: \"failed {id}\"
";

/// One slip of the finger anywhere in a file makes one finding, seldom two, and hides little.
#[test]
fn one_mistake_makes_few_findings() {
    let mut counts = [0; 6];
    for (at, _) in FLOW.char_indices() {
        for slip in ["\"", "'", "[", "}", ": ", "\t", "*", "- "] {
            let mut text = FLOW.to_owned();
            text.insert_str(at, slip);
            let (document, findings) = crate::parse_yaml(FileId(0), &text);
            let count = findings.0.len();
            counts[count.min(5)] += 1;
            let left = document
                .root
                .as_ref()
                .map_or(0, |root| show_tree(root).len());
            let line = FLOW[..at].matches('\n').count();
            assert!(line < 4 || 80 < left, "{slip:?} at {at} hides all: {text}");
        }
    }
    let all: usize = counts.iter().sum();
    assert_eq!(counts[5], 0, "{counts:?}");
    assert!((counts[3] + counts[4]) * 50 < all, "{counts:?}");
    assert!(counts[2] * 10 < all, "{counts:?}");
}
