use expect_test::{Expect, expect, expect_file};
use sluice_model::codes;
use sluice_model::finding::{Edit, Finding, Findings, Fix};
use sluice_model::span::{FileId, Sources, Span};

use super::{Text, json, junit, sarif, text};

const FLOW: &str = "flow: orders\nsumary: takes orders\nsteps:\n  - call: erp#bok\n    \
    timeout: 30 # too \t long\n";

struct Case {
    sources: Sources,
    findings: Findings,
}

/// The place of `part` in a file.
fn place(sources: &Sources, file: FileId, part: &str) -> Span {
    let start = sources
        .get(file)
        .text
        .find(part)
        .expect("the part is there");
    Span::new(file, start, start + part.len())
}

fn case() -> Case {
    let mut sources = Sources::default();
    let flow = sources.add("flows/orders.yaml", FLOW);
    let contract = sources.add("contracts/erp.yaml", "paths:\n  /ä 漢字: {book: x}\n");
    sources.add("sluice.yaml", "project: acme\n");
    let at = |part: &str| place(&sources, flow, part);
    let mut findings = Findings::default();
    findings.push(
        Finding::error(codes::BAD_UNIT, at("30"), "`30` has no unit")
            .with_label("expected a duration")
            .with_help("write `30s`")
            .with_fix("write `30s`", at("30"), "30s"),
    );
    findings.push(
        Finding::warning(
            codes::UNKNOWN_REFERENCE,
            at("bok"),
            "`erp` has no operation `bok`",
        )
        .with_label("not an operation of `erp`")
        .with_place(place(&sources, contract, "book"), "`book` is one")
        .with_place(at("call"), "called here")
        .with_note("`erp` has the contract `contracts/erp.yaml`")
        .with_help("did you mean `book`?")
        .with_fix("rename to `book`", at("bok"), "book"),
    );
    findings.push(
        Finding::error(
            codes::UNKNOWN_KEY,
            at("sumary"),
            "unknown key `sumary` in a flow",
        )
        .with_label("not a key of a flow")
        .with_fix("rename to `summary`", at("sumary"), "summary"),
    );
    findings.push(Finding::placeless(
        codes::MISSING_FILE,
        "there are no `connections/`",
    ));
    findings.push(Finding::info(
        codes::NOT_YET,
        at("steps"),
        "not <checked> & \"yet\"\u{1}",
    ));
    findings.0.push(findings.0[0].clone());
    Case { sources, findings }
}

#[test]
fn text_is_in_rustcs_manner() {
    let Case { sources, findings } = case();
    expect![[r#"
        error[E0203]: there are no `connections/`

        error[E0101]: unknown key `sumary` in a flow
         --> flows/orders.yaml:2:1
          |
        2 | sumary: takes orders
          | ^^^^^^ not a key of a flow
          |
        help: rename to `summary`
          |
        2 | summary: takes orders
          |    +

        info[E0901]: not <checked> & "yet"␁
         --> flows/orders.yaml:3:1
          |
        3 | steps:
          | ^^^^^

        warning[E0201]: `erp` has no operation `bok`
         --> flows/orders.yaml:4:15
          |
        4 |   - call: erp#bok
          |     ----      ^^^ not an operation of `erp`
          |     |
          |     called here
          |
         ::: contracts/erp.yaml:2:11
          |
        2 |   /ä 漢字: {book: x}
          |             ---- `book` is one
          |
          = note: `erp` has the contract `contracts/erp.yaml`
          = help: did you mean `book`?
        help: rename to `book`
          |
        4 |   - call: erp#book
          |                 +

        error[E0104]: `30` has no unit
         --> flows/orders.yaml:5:14
          |
        5 |     timeout: 30 # too      long
          |              ^^ expected a duration
          |
        help: write `30s`
          |
        5 |     timeout: 30s # too      long
          |                +

        for more: `sluice explain E0101`, `E0104`, `E0201`, `E0203`, ...
        error: 3 errors, 1 warning, 1 note in 3 files
    "#]]
    .assert_eq(&text(&findings, &sources, 3, Text::default()));
}

#[test]
fn text_has_colours_only_when_asked() {
    let Case { sources, findings } = case();
    let options = Text {
        colors: true,
        width: 80,
    };
    let colored = text(&findings, &sources, 3, options);
    assert!(colored.contains("\u{1b}["));
    let plain = text(
        &findings,
        &sources,
        3,
        Text {
            colors: false,
            ..options
        },
    );
    assert!(!plain.contains('\u{1b}'));
}

#[test]
fn the_last_line_counts() {
    let sources = Sources::default();
    let last = |findings: Vec<Finding>, files, expected: Expect| {
        let text = text(&Findings(findings), &sources, files, Text::default());
        expected.assert_eq(text.lines().last().expect("a line"));
    };
    let error = || Finding::placeless(codes::SYNTAX, "x");
    let warning = || Finding {
        severity: sluice_model::finding::Severity::Warning,
        ..error()
    };
    last(vec![], 12, expect!["ok: no findings in 12 files"]);
    last(vec![warning()], 1, expect!["warning: 1 warning in 1 file"]);
    last(
        vec![error(), error(), error(), warning()],
        12,
        expect!["error: 1 error, 1 warning in 12 files"],
    );
}

#[test]
fn json_is_as_promised() {
    let Case { sources, findings } = case();
    let json = serde_json::to_string_pretty(&json(&findings, &sources)).expect("JSON");
    expect_file!["./golden/findings.json"].assert_eq(&json);
}

#[test]
fn sarif_has_rules_results_and_fixes() {
    let Case { sources, findings } = case();
    let mut sarif = sarif(&findings, &sources, "0.1.0");
    // The pages change more often than this test should.
    for rule in sarif["runs"][0]["tool"]["driver"]["rules"]
        .as_array_mut()
        .expect("rules")
    {
        for form in ["text", "markdown"] {
            let help = rule["help"][form].as_str().expect("a help text");
            assert!(help.starts_with(&format!("# {}: ", rule["id"].as_str().expect("an id"))));
        }
        rule["help"] = "...".into();
    }
    expect_file!["./golden/findings.sarif"]
        .assert_eq(&serde_json::to_string_pretty(&sarif).expect("JSON"));
}

#[test]
fn junit_has_a_case_for_each_finding_and_each_clean_file() {
    let Case { sources, findings } = case();
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites tests="7" failures="3">
          <testsuite name="sluice check" tests="7" failures="3">
            <testcase classname="sluice.yaml" name="E0203 the project"><failure type="E0203" message="there are no `connections/`">the project: error[E0203]: there are no `connections/`</failure></testcase>
            <testcase classname="flows/orders.yaml" name="E0101 flows/orders.yaml:2:1"><failure type="E0101" message="unknown key `sumary` in a flow">flows/orders.yaml:2:1: error[E0101]: unknown key `sumary` in a flow
        not a key of a flow</failure></testcase>
            <testcase classname="flows/orders.yaml" name="E0901 flows/orders.yaml:3:1"><system-out>flows/orders.yaml:3:1: info[E0901]: not &lt;checked&gt; &amp; &quot;yet&quot;�</system-out></testcase>
            <testcase classname="flows/orders.yaml" name="E0201 flows/orders.yaml:4:15"><system-out>flows/orders.yaml:4:15: warning[E0201]: `erp` has no operation `bok`
        not an operation of `erp`
        note: `erp` has the contract `contracts/erp.yaml`
        help: did you mean `book`?</system-out></testcase>
            <testcase classname="flows/orders.yaml" name="E0104 flows/orders.yaml:5:14"><failure type="E0104" message="`30` has no unit">flows/orders.yaml:5:14: error[E0104]: `30` has no unit
        expected a duration
        help: write `30s`</failure></testcase>
            <testcase classname="contracts/erp.yaml" name="check"/>
            <testcase classname="sluice.yaml" name="check"/>
          </testsuite>
        </testsuites>
    "#]].assert_eq(&junit(&findings, &sources, false));
    assert!(junit(&findings, &sources, true).contains("failures=\"4\""));
}

#[test]
fn order_does_not_depend_on_the_order_of_findings() {
    let Case { sources, findings } = case();
    let mut turned = findings.clone();
    turned.0.reverse();
    assert_eq!(json(&findings, &sources), json(&turned, &sources));
    let shown = |findings| text(findings, &sources, 3, Text::default());
    assert_eq!(shown(&findings), shown(&turned));
}

#[test]
fn fixes_of_several_lines_and_files_are_shown() {
    let mut sources = Sources::default();
    let a = sources.add("flows/a.yaml", "flow: a\nsteps: []\n");
    let b = sources.add("flows/b.yaml", "flow: b\n");
    let edit = |span, text: &str| Edit {
        span,
        text: text.to_owned(),
    };
    let mut finding = Finding::error(
        codes::MISSING_KEY,
        Span::new(a, 0, 4),
        "a flow has no `from`",
    )
    .with_label("`from` is missing here");
    finding.fixes.push(Fix {
        title: "add `from`".to_owned(),
        edits: vec![
            edit(Span::new(a, 0, 0), "from:\n  cron: 0 6 * * *\n"),
            edit(Span::new(a, 15, 17), "[x]"),
            edit(Span::new(b, 6, 7), "c"),
        ],
    });
    expect![[r#"
        error[E0102]: a flow has no `from`
         --> flows/a.yaml:1:1
          |
        1 | flow: a
          | ^^^^ `from` is missing here
          |
        help: add `from`
          |
        1 + from:
        2 +   cron: 0 6 * * *
        3 | flow: a
        4 ~ steps: [x]
          |
         --> flows/b.yaml:1:7
          |
        1 - flow: b
        1 + flow: c
          |

        for more: `sluice explain E0102`
        error: 1 error in 2 files
    "#]]
    .assert_eq(&text(&finding.into(), &sources, 2, Text::default()));
}

#[test]
fn long_lines_and_far_labels_are_cut() {
    let mut sources = Sources::default();
    let long = format!("a: {}\n", "x".repeat(2_000_000));
    let long = sources.add("contracts/long.json", &long);
    let many = sources.add("contracts/many.yaml", &"a: b\n".repeat(100_000));
    let findings = Findings(vec![
        Finding::error(
            codes::BAD_CONTRACT,
            Span::new(long, 1_000_000, 1_000_005),
            "too long",
        )
        .with_fix("shorten", Span::new(long, 10, 20), ""),
        Finding::error(codes::BAD_CONTRACT, Span::new(many, 0, 1), "twice")
            .with_place(Span::new(many, 499_995, 499_996), "again"),
    ]);
    expect![[r#"
        error[E0401]: too long
        --> contracts/long.json:1:1000001
         |
        help: shorten

        error[E0401]: twice
              --> contracts/many.yaml:1:1
               |
             1 | a: b
               | ^
               |
              ::: contracts/many.yaml:100000:1
               |
        100000 | a: b
               | - again

        for more: `sluice explain E0401`
        error: 2 errors in 2 files
    "#]]
    .assert_eq(&text(&findings, &sources, 2, Text::default()));
}

#[test]
fn no_span_makes_a_renderer_panic() {
    for content in [
        "",
        "\n",
        "a",
        "é\r\n\t漢\u{200d}👨‍👩‍👧\n\nx",
        "\u{feff}a: b\r\n\r\n",
        "a\u{1b}[31m\u{202e}b\n",
    ] {
        let mut sources = Sources::default();
        let file = sources.add("a b/ä.yaml", content);
        let other = sources.add("other", content);
        for start in 0..=content.len() + 2 {
            for end in start..=content.len() + 3 {
                let span = Span::new(file, start, end);
                let finding = Finding::error(codes::SYNTAX, span, "x\ny")
                    .with_label("label\nlabel")
                    .with_place(Span::new(file, 0, start), "first")
                    .with_place(Span::new(other, start, end), "other")
                    .with_fix("fix", span, "new\nlines\n");
                let findings = Findings::from(finding);
                for colors in [false, true] {
                    let options = Text { colors, width: 0 };
                    let text = text(&findings, &sources, 1, options);
                    assert!(text.contains("E0001") && !text.contains('\u{202e}'));
                }
                json(&findings, &sources);
                sarif(&findings, &sources, "0");
                junit(&findings, &sources, false);
            }
        }
    }
}
