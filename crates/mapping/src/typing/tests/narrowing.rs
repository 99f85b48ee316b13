//! What conditions say.

use expect_test::{expect, expect_file};
use sluice_model::types::{Kind, Type};

use crate::parse::parse;
use crate::typing::tests::{ORDER, VARIABLES, check_all, check_types, env};
use crate::typing::{Env, narrow};

#[test]
fn in_expressions() {
    check_types(include_str!("cases/narrowing_in_expressions.types.txt"));
}

#[test]
fn what_conditions_do_not_say() {
    check_all(
        include_str!("cases/narrowing_what_conditions_do_not_say.txt"),
        expect_file!["cases/narrowing_what_conditions_do_not_say.txt"],
    );
}

/// Returns what a condition changes, of some fields and variables.
fn narrowed(condition: &str, holds: bool) -> String {
    let shown = |env: &Env| {
        let field = |ty: &Type, name: &str| {
            let Kind::Record(record) = &ty.kind else {
                return "no record".to_owned();
            };
            let field = record.field(name).expect("the field");
            let mark = if field.required { "" } else { "?" };
            format!("{name}{mark}: {}", field.ty)
        };
        let context = env.context.as_ref().expect("a context");
        let mut all: Vec<String> = ["coupon", "note", "payment"]
            .iter()
            .map(|name| field(context, name))
            .collect();
        all.push(field(&env.variables[1].ty, "found"));
        let maybe = &env.variables[2];
        let mark = if maybe.optional { "?" } else { "" };
        all.push(format!("${}{mark}: {}", maybe.name, maybe.ty));
        all
    };
    let (expr, _) = parse(condition);
    let before = env(ORDER);
    let after = narrow(&expr.expect("an expression"), &before, holds);
    assert_eq!(after.variables.len(), VARIABLES.len());
    let before = shown(&before);
    let changed = shown(&after)
        .into_iter()
        .filter(|own| !before.contains(own));
    changed.collect::<Vec<_>>().join("\n")
}

#[test]
fn environments() {
    let check = |condition: &str, holds: bool, expected: expect_test::Expect| {
        expected.assert_eq(&narrowed(condition, holds));
    };
    check("paid", true, expect![[""]]);
    check(
        "$exists(coupon) and note != null and $maybe > 1",
        true,
        expect![[r#"
            coupon: text
            note: text
            $maybe: integer"#]],
    );
    check("$exists(coupon) and note != null", false, expect![[""]]);
    check(
        "$not($exists(coupon)) or note = null",
        false,
        expect![[r#"
        coupon: text
        note: text"#]],
    );
    check(
        "payment.kind = \"bank\" and $steps.found.id",
        true,
        expect![[r#"
            payment: { kind: "bank", iban: text, bic?: text }
            found: { id: text, limit?: integer }"#]],
    );
    check(
        "payment.kind = \"bank\"",
        false,
        expect![[r#"payment: { kind: "card", number: text }"#]],
    );
    check("$$.note = \"x\" or $$.note = \"y\"", true, expect![[""]]);
}
