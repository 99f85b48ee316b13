use crate::ast::{Expr, ExprKind, StepKind};
use crate::parse::{NESTING_MAX, parse};

/// Returns the codes and texts that the errors of `source` point at.
fn errors(source: &str) -> Vec<(&'static str, &str)> {
    parse(source)
        .1
        .into_iter()
        .map(|error| (error.code, &source[error.range.range()]))
        .collect()
}

fn tree(source: &str) -> Expr {
    match parse(source) {
        (Some(expr), errors) if errors.is_empty() => expr,
        (_, errors) => panic!("{source}: {errors:?}"),
    }
}

#[test]
fn all_syntax_is_read() {
    for source in [
        "a.b[0].c[]",
        "Account.Order@$o#$i.Product[%.OrderID = 'x'].{ 'a': $o, 'b': $i }",
        "a^(<b, >c)",
        "| a | {'b': 1}, ['c'] |",
        "$f(?, 1)",
        "a ~> $f ~> /x/i",
        "a ?: b ?? c ? d : e",
        "λ($a, $b)<s-n?:s>{ $a & $b }",
        "/* a comment */ `quoted name`.'text name'.**.*",
        "[1..5, 7]",
        "and and or or in in (in)",
        "$x := $y := -1.5e-3",
        "a{ b: c }",
        "- a - -2",
        "\"\\u00e4\\ud83d\\ude02\\n\"",
    ] {
        tree(source);
    }
}

#[test]
fn paths_are_flat() {
    let ExprKind::Path(path) = tree("a.b[x=1].(c).d").kind else {
        panic!("a path");
    };
    let kinds: Vec<_> = path
        .steps
        .iter()
        .map(|step| match &step.kind {
            StepKind::Expr(expr) => format!("{:?}+{}", expr.range, step.stages.len()),
            StepKind::Sort(..) => "sort".to_owned(),
        })
        .collect();
    assert_eq!(kinds.len(), 4);
    assert!(kinds[1].ends_with("+1"));
}

#[test]
fn a_parent_names_its_step() {
    let ExprKind::Path(path) = tree("a.b.c.{ 'x': %.%.y }").kind else {
        panic!("a path");
    };
    let ancestors: Vec<_> = path.steps.iter().map(|s| s.ancestors.len()).collect();
    assert_eq!(ancestors, [0, 1, 1, 0]);
}

#[test]
fn errors_point_at_their_place() {
    assert_eq!(errors("[1,2)"), [("S0202", ")")]);
    assert_eq!(errors("1="), [("S0207", "")]);
    assert_eq!(errors("(1 +"), [("S0203", "")]);
    assert_eq!(errors("a 'b'"), [("S0201", "'b'")]);
    assert_eq!(errors("'abc"), [("S0101", "'abc")]);
    assert_eq!(errors("1e999"), [("S0102", "1e999")]);
    assert_eq!(errors("'\\y'"), [("S0103", "\\y")]);
    assert_eq!(errors("'\\u12'"), [("S0104", "\\u")]);
    assert_eq!(errors("`abc"), [("S0105", "`abc")]);
    assert_eq!(errors("/* abc"), [("S0106", "/* abc")]);
    assert_eq!(errors("a.!b"), [("S0204", "!")]);
    assert_eq!(errors("function($a, b){1}"), [("S0208", "b")]);
    assert_eq!(errors("$x{'a':1}[0]"), [("S0209", "[")]);
    assert_eq!(errors("a{b:c}{d:e}"), [("S0210", "{d:e}")]);
    assert_eq!(errors("+ 1"), [("S0211", "+")]);
    assert_eq!(errors("x := 1"), [("S0212", "x")]);
    assert_eq!(errors("a.1.b.true"), [("S0213", "1"), ("S0213", "true")]);
    assert_eq!(errors("a@b"), [("S0214", "b")]);
    assert_eq!(errors("a[0]@$b"), [("S0215", "@")]);
    assert_eq!(errors("a^(b)@$c"), [("S0216", "@")]);
    assert_eq!(errors("a.%.%"), [("S0217", "a.%.%")]);
    assert_eq!(errors("/abc"), [("S0302", "/abc")]);
    assert_eq!(errors("λ($a)<n<n>>{1}"), [("S0401", "<n<n>>")]);
    assert_eq!(errors("λ($a)<(sa<n>)>{1}"), [("S0402", "<(sa<n>)>")]);
    assert_eq!(errors(""), [("S0207", "")]);
}

#[test]
fn nesting_is_bounded() {
    let levels = NESTING_MAX as usize * 3;
    for (open, close) in [("(", ")"), ("[", "]"), ("-", ""), ("a+", "a"), ("$f(", ")")] {
        let source = format!("{}1{}", open.repeat(levels), close.repeat(levels));
        let codes: Vec<_> = errors(&source).into_iter().map(|(code, _)| code).collect();
        assert!(
            codes == ["S0501"] || codes == ["S0201"],
            "{open}: {codes:?}"
        );
    }
    tree(&format!("a{}", ".a".repeat(5000)));
    tree(&format!("a{}", " & a".repeat(5000)));
    let long = format!("a{}", " + a".repeat(5000));
    assert_eq!(errors(&long)[0].0, "S0501");
}

#[test]
fn no_text_makes_the_parser_panic() {
    let pieces = [
        "a",
        ".",
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        "%",
        "@$v",
        "#$i",
        "^(",
        "|",
        "~>",
        "'x'",
        "1",
        "$",
        "?",
        ":",
        ",",
        "function(",
        "λ",
        "\\",
        "/",
        "\"",
        "`",
        "😀",
        "..",
        "*",
        "<",
        ">",
    ];
    let mut state = 7u64;
    for _ in 0..20_000 {
        let mut source = String::new();
        for _ in 0..12 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            source.push_str(pieces[(state >> 33) as usize % pieces.len()]);
        }
        let (expr, errors) = parse(&source);
        assert!(expr.is_some() || !errors.is_empty(), "{source}");
    }
}
