//! What conditions say.

use expect_test::expect;
use sluice_model::types::{Kind, Type};

use crate::parse::parse;
use crate::typing::narrow;
use crate::typing::tests::{ORDER, VARIABLES, check_all, check_types, env};

#[test]
fn in_expressions() {
    check_types(
        r##"
        $exists(coupon) ? coupon : id => text
        coupon ? coupon : id => text
        $exists($maybe) ? $maybe + 1 : 0 => integer
        $maybe ? $maybe + 1 : 0 => integer
        note != null ? note : "none" => text
        note = null ? "none" : note => text
        $exists(customer.address) ? customer.address.city : "none" => text
        $exists(customer.address.zip) ? customer.address.zip : "none" => text
        customer.address.zip != null ? customer.address.city : "none" => text
        $not($exists(coupon)) ? "none" : coupon => text
        payment.kind = "card" ? payment.number : payment.iban => text
        payment.kind != "card" ? payment.iban : payment.number => text
        status = "open" ? status : "x" => "open" | "x"
        status != "open" ? status : "paid" => "paid" | "cancelled"
        lines[$exists(weight)].weight => [ decimal ]
        lines[$exists(weight)].(weight * qty) => [ decimal ]
        lines[$exists(weight) and weight > 1].sku => [ text ]
        $exists($maybe) and $maybe > 1 => boolean
        $not($exists($maybe)) or $maybe > 1 => boolean
        $maybe != null and $maybe > 1 => boolean
        ($exists($steps.found.limit)) ? $steps.found.limit + 1 : 0 => integer
        ($found := $steps.found; $exists($found.limit) ? $found.limit + 1 : 0) => integer
        ($exists(coupon) ?? false) ? coupon : id => text
        $type(one_or_many) = "object" ? one_or_many.x + 1 : 0 => integer
        $$.coupon ? coupon : id => text
        $exists(rates.eur) ? rates.eur * 2 : 0 => decimal
        "##,
    );
}

#[test]
fn what_conditions_do_not_say() {
    check_all(
        r##"
            $exists(note) ? $uppercase(note) : id
            $exists($maybe) or $maybe > 1
            coupon = "x" ? 1 : $maybe + 1
            $not($maybe) ? $maybe + 1 : 0
            ($exists($maybe) ? 1 : 2) + $maybe
        "##,
        expect![[r#"
            $exists(note) ? $uppercase(note) : id
              => text
              E0303 at note: `note` may be null, but `$uppercase` does not take null
                help: write `(note ?? default)`, or ask before: `note != null ? ... : ...`
            $exists($maybe) or $maybe > 1
              => boolean
              E0303 at $maybe: `$maybe` may be missing, but `>` needs a value
                help: write `($maybe ?? default)`, or ask before: `$exists($maybe) ? ... : ...`
            coupon = "x" ? 1 : $maybe + 1
              => integer
              E0303 at $maybe: `$maybe` may be missing, but `+` needs a number
                help: write `($maybe ?? default)`, or ask before: `$exists($maybe) ? ... : ...`
            $not($maybe) ? $maybe + 1 : 0
              => integer
              E0303 at $maybe: `$maybe` may be missing, but `+` needs a number
                help: write `($maybe ?? default)`, or ask before: `$exists($maybe) ? ... : ...`
            ($exists($maybe) ? 1 : 2) + $maybe
              => integer
              E0303 at $maybe: `$maybe` may be missing, but `+` needs a number
                help: write `($maybe ?? default)`, or ask before: `$exists($maybe) ? ... : ...`
        "#]],
    );
}

fn narrowed(condition: &str, holds: bool) -> String {
    let (expr, _) = parse(condition);
    let env = narrow(&expr.expect("an expression"), &env(ORDER), holds);
    assert_eq!(env.variables.len(), VARIABLES.len());
    let field = |ty: &Type, name: &str| {
        let Kind::Record(record) = &ty.kind else {
            return "no record".to_owned();
        };
        let field = record.field(name).expect("the field");
        format!("{}{}", field.ty, if field.required { "" } else { "?" })
    };
    let context = env.context.expect("a context");
    let maybe = &env.variables[2];
    format!(
        "coupon {}, note {}, payment {}, found {}, $maybe {}{}",
        field(&context, "coupon"),
        field(&context, "note"),
        field(&context, "payment"),
        field(&env.variables[1].ty, "found"),
        maybe.ty,
        if maybe.optional { "?" } else { "" },
    )
}

#[test]
fn environments() {
    expect![[r#"coupon text?, note text or null, payment { kind: "card", number: text } | { kind: "bank", iban: text, bic?: text }, found { id: text, limit?: integer } or null, $maybe integer?"#]].assert_eq(&narrowed("paid", true));
    expect![[r#"coupon text, note text, payment { kind: "card", number: text } | { kind: "bank", iban: text, bic?: text }, found { id: text, limit?: integer } or null, $maybe integer"#]].assert_eq(&narrowed(
        "$exists(coupon) and note != null and $maybe > 1",
        true,
    ));
    expect![[r#"coupon text?, note text or null, payment { kind: "card", number: text } | { kind: "bank", iban: text, bic?: text }, found { id: text, limit?: integer } or null, $maybe integer?"#]].assert_eq(&narrowed("$exists(coupon) and note != null", false));
    expect![[r#"coupon text, note text, payment { kind: "card", number: text } | { kind: "bank", iban: text, bic?: text }, found { id: text, limit?: integer } or null, $maybe integer?"#]].assert_eq(&narrowed("$not($exists(coupon)) or note = null", false));
    expect![[r#"coupon text?, note text or null, payment { kind: "bank", iban: text, bic?: text }, found { id: text, limit?: integer }, $maybe integer?"#]].assert_eq(&narrowed(
        "payment.kind = \"bank\" and $steps.found.id",
        true,
    ));
    expect![[r#"coupon text?, note text or null, payment { kind: "card", number: text }, found { id: text, limit?: integer } or null, $maybe integer?"#]].assert_eq(&narrowed("payment.kind = \"bank\"", false));
}
