//! What the checker infers and tells, by example.

mod functions;
mod narrowing;
mod notation;
mod operators;
mod order;
mod paths;
mod soundness;

use std::fmt::Write;

use expect_test::{Expect, ExpectFile};

use crate::parse::parse;
use crate::typing::tests::notation::ty;
use crate::typing::{Binding, Env, Typed};

/// An order, as most tests see it.
const ORDER: &str = "{ id: text, status: \"open\" | \"paid\" | \"cancelled\", total: decimal, \
    rate: double, count: integer, paid: boolean, coupon?: text, note: text or null, \
    customer: { name: text, email?: text, vat: text or null, \
    address?: { city: text, zip?: text } }, \
    lines: [ { sku: text, qty: integer, price: decimal, weight?: decimal, \
    discount: decimal or null, tags: [ text ], \
    product: { name: text, category: \"a\" | \"b\" } } ], \
    tags: [ text ], codes?: [ integer ], matrix: [ [ integer ] ], extra: any, open: { ... }, \
    some: { known: text, ... }, rates: { *: decimal }, \
    payment: { kind: \"card\", number: text } | { kind: \"bank\", iban: text, bic?: text }, \
    one_or_many: { x: integer } | [ { x: integer } ] }";

/// What the variables are that tests use.
const VARIABLES: &[(&str, &str, bool)] = &[
    ("config", "{ limit: decimal, name: text }", false),
    (
        "steps",
        "{ found: { id: text, limit?: integer } or null, asked?: { ok: boolean } }",
        false,
    ),
    ("maybe", "integer", true),
    ("unknown", "any", false),
];

fn env(context: &str) -> Env {
    let binding = |(name, own, optional): &(&str, &str, bool)| Binding {
        name: (*name).into(),
        ty: ty(own),
        optional: *optional,
    };
    Env {
        context: (!context.is_empty()).then(|| ty(context)),
        variables: VARIABLES.iter().map(binding).collect(),
    }
}

fn typed(source: &str, env: &Env) -> Typed {
    let (expr, errors) = parse(source);
    assert!(errors.is_empty(), "{source}: {errors:?}");
    super::check(&expr.expect("an expression"), source, env)
}

/// Writes the type, what is wrong, and the fixes: `code place: message; help => fix`.
fn written(source: &str, typed: &Typed) -> String {
    let mark = if typed.optional { "?" } else { "" };
    let mut out = format!("{}{mark}", typed.ty);
    for problem in &typed.problems {
        let at = &source[problem.range.range()];
        let _ = write!(out, "\n{} at {at}: {}", problem.code, problem.message);
        if let Some(help) = &problem.help {
            let _ = write!(out, "\n  help: {help}");
        }
        if let Some((_, range, text)) = &problem.fix {
            let mut mended = source.to_owned();
            mended.replace_range(range.range(), text);
            let _ = write!(out, "\n  fix: {mended}");
        }
    }
    out
}

/// Checks an expression in a context of this type.
fn check_in(context: &str, source: &str, expected: Expect) {
    let typed = typed(source, &env(context));
    expected.assert_eq(&written(source, &typed));
}

/// Checks expressions on an order against what is found of each: the lines of the file that are not
/// indented are the expressions.
fn check_all(sources: &str, expected: ExpectFile) {
    let env = env(ORDER);
    let mut found = String::new();
    for source in sources.lines().filter(|line| !line.starts_with(' ')) {
        let typed = typed(source, &env);
        let _ = writeln!(
            found,
            "{source}\n  => {}",
            written(source, &typed).replace('\n', "\n  ")
        );
    }
    expected.assert_eq(&found);
}

/// Checks expressions on an order that are fine: `expression => type`, one in a line.
fn check_types(cases: &str) {
    let env = env(ORDER);
    let mut wrong = String::new();
    for case in cases.lines().map(str::trim).filter(|case| !case.is_empty()) {
        let (source, expected) = case.rsplit_once(" => ").expect("`expression => type`");
        let found = written(source, &typed(source, &env));
        if found != expected {
            let _ = writeln!(wrong, "{source}\n  expected {expected}\n  found    {found}");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Checks which parts of expressions the evaluator keeps lists; the file is as in [`check_all`].
fn check_lists(sources: &str, expected: ExpectFile) {
    let env = env(ORDER);
    let mut found = String::new();
    for source in sources.lines().filter(|line| !line.starts_with(' ')) {
        let _ = writeln!(found, "{source}");
        for range in &typed(source, &env).lists {
            let _ = writeln!(found, "  {}", &source[range.range()]);
        }
    }
    expected.assert_eq(&found);
}

/// Checks which expression made the value at a pointer.
fn check_place(source: &str, pointer: &str, expected: &str) {
    let typed = typed(source, &env(ORDER));
    let range = typed.place(pointer).expect("a place");
    assert_eq!(&source[range.range()], expected, "{source} at {pointer}");
}
