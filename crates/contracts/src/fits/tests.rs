use std::fmt::Write as _;

use expect_test::{Expect, expect};
use sluice_model::types::Type;

use super::fits;
use crate::contract::Contract;
use crate::testing::Project;

fn contract(text: &str) -> Contract {
    let project = Project::new(&[("a.schema.yaml", text)]);
    let (contract, findings) = project.read();
    assert_eq!(project.show(&findings), "");
    contract
}

/// Writes what keeps `From` from fitting `To`.
fn check(text: &str, expect: Expect) {
    let contract = contract(&format!(
        "$defs:\n  From: {}\n",
        text.replacen(" -> ", "\n  To: ", 1)
    ));
    let ty = |name: &str| contract.type_named(name).expect("the schema declares it");
    expect.assert_eq(&show(&ty("From"), &ty("To")));
}

fn show(from: &Type, to: &Type) -> String {
    let mut out = String::new();
    for misfit in fits(from, to) {
        writeln!(
            out,
            "${} {:?}: {}",
            misfit.path, misfit.kind, misfit.message
        )
        .expect("a text takes any text");
        if let Some(help) = misfit.help {
            writeln!(out, "    help: {help}").expect("a text takes any text");
        }
    }
    out
}

#[test]
fn fields() {
    check(
        "{ properties: { id: { type: string }, nmae: { type: string }, age: { type: [integer, 'null'] } }, required: [id, nmae, age], additionalProperties: false } -> \
         { properties: { id: { type: string }, name: { type: string }, age: { type: integer }, zip: { type: string } }, required: [id, name, age], additionalProperties: false }",
        expect![[r#"
            $nmae Missing: is no field of what is wanted, where `name` is required
                help: did you mean `name`?
            $age MaybeNull: may be null where null is not allowed
                help: give a default by `??`, or use it only where it is not null
        "#]],
    );
    check(
        "{ properties: { a: { type: string }, b: { type: string } }, required: [a] } -> { properties: { a: {}, b: {}, c: {} }, required: [a, b, c] }",
        expect![[r#"
            $b MaybeMissing: may be missing where it is required
                help: give a default by `??`, or use it only where it is present
            $c Missing: is required and missing
                help: add `c`, any
        "#]],
    );
    check(
        "{ properties: { a: { type: string } }, additionalProperties: false } -> { additionalProperties: { type: integer } }",
        expect![[r#"
            $a Kind: is text where integer is wanted
                help: convert it by `$number(...)`
        "#]],
    );
    check(
        "{ additionalProperties: { type: integer } } -> { properties: { a: { type: integer }, b: { type: string } }, required: [a] }",
        expect![[r#"
            $a MaybeMissing: may be missing where it is required
            $b Kind: is integer where text is wanted
                help: convert it by `$string(...)`
        "#]],
    );
    check(
        "{ type: object } -> { properties: { a: { type: string } }, required: [a] }",
        expect![[""]],
    );
    check(
        "{} -> { properties: { a: { type: string } }, required: [a] }",
        expect![[""]],
    );
}

#[test]
fn kinds() {
    check(
        "{ type: string } -> { type: integer }",
        expect![[r#"
            $ Kind: is text where integer is wanted
                help: convert it by `$number(...)`
        "#]],
    );
    check(
        "{ type: number } -> { type: string }",
        expect![[r#"
            $ Kind: is decimal where text is wanted
                help: convert it by `$string(...)`
        "#]],
    );
    check(
        "{ type: object } -> { type: string }",
        expect![[r#"
            $ Kind: is { … } where text is wanted
                help: take the field that is meant
        "#]],
    );
    check(
        "{ type: array, items: { type: string } } -> { type: string }",
        expect![[r#"
            $ ListOrOne: is a list where one value is wanted, text
                help: take one item, such as `[0]`, or aggregate the items
        "#]],
    );
    check(
        "{ type: string } -> { type: array, items: { type: string } }",
        expect![[r#"
            $ ListOrOne: is one value where a list is wanted, [ text ]
                help: write `[ ... ]` around it
        "#]],
    );
    check(
        "{ type: array, items: { type: string } } -> { type: array, items: { type: boolean } }",
        expect![[r#"
            $[] Kind: is text where boolean is wanted
        "#]],
    );
    check(
        "{ type: 'null' } -> { type: string }",
        expect![[r#"
            $ MaybeNull: is null where text is wanted
        "#]],
    );
    check(
        "{ type: [string, 'null'] } -> { type: [string, 'null'] }",
        expect![[""]],
    );
}

#[test]
fn numbers() {
    check("{ type: integer } -> { type: number }", expect![[""]]);
    check(
        "{ type: integer } -> { type: number, format: double }",
        expect![[""]],
    );
    check(
        "{ type: number } -> { type: integer }",
        expect![[r#"
            $ Lossy: is decimal where integer is wanted
                help: round it by `$round(...)` or `$floor(...)`
        "#]],
    );
    check(
        "{ type: number, multipleOf: 1 } -> { type: integer }",
        expect![[""]],
    );
    check(
        "{ type: number, format: double } -> { type: number }",
        expect![[r#"
            $ Lossy: is a double where an exact decimal is wanted
                help: round it by `$round(..., 2)`, which is exact
        "#]],
    );
    check(
        "{ type: integer } -> { type: integer, minimum: 1 }",
        expect![[""]],
    );
    check(
        "{ type: integer, maximum: 100 } -> { type: integer, maximum: 35 }",
        expect![[r#"
            $ Bounds: may be 100 where at most 35 is allowed
        "#]],
    );
    check(
        "{ type: integer, format: int32 } -> { type: integer, maximum: 35 }",
        expect![[""]],
    );
    check(
        "{ type: integer, minimum: 10 } -> { type: integer, maximum: 5 }",
        expect![[r#"
            $ Bounds: is at least 10 where at most 5 is allowed
        "#]],
    );
    check(
        "{ const: 7 } -> { type: integer, maximum: 5 }",
        expect![[r#"
            $ Bounds: is 7 where at most 5 is allowed
        "#]],
    );
    check(
        "{ type: integer, minimum: 0 } -> { type: integer, exclusiveMinimum: 0 }",
        expect![[r#"
            $ Bounds: may be 0 where more is wanted
        "#]],
    );
}

#[test]
fn texts() {
    check(
        "{ type: string } -> { type: string, format: date, maxLength: 3, pattern: x }",
        expect![[""]],
    );
    check(
        "{ type: string, format: date } -> { type: string }",
        expect![[""]],
    );
    check(
        "{ type: string, format: date } -> { type: string, format: uuid }",
        expect![[r#"
            $ Format: is a date such as 2026-01-31 where a UUID is wanted
        "#]],
    );
    check(
        "{ type: string, maxLength: 100 } -> { type: string, maxLength: 35 }",
        expect![[r#"
            $ Bounds: may have 100 characters where at most 35 are allowed
                help: shorten it by `$substring(..., 0, 35)`
        "#]],
    );
    check(
        "{ enum: [new, piad] } -> { enum: [new, paid, sent] }",
        expect![[r#"
            $ NotListed: may be `piad`, which is not among the values that are allowed
                help: did you mean `paid`?
        "#]],
    );
    check("{ type: string } -> { enum: [new, paid] }", expect![[""]]);
    check(
        "{ const: soon } -> { type: string, format: date }",
        expect![[r#"
            $ Format: is `soon`, which must be a date such as 2026-01-31
        "#]],
    );
    check(
        "{ const: abcdef } -> { type: string, maxLength: 5 }",
        expect![[r#"
            $ Bounds: is `abcdef`, which must be at most 5 characters
        "#]],
    );
    check(
        "{ type: string, format: byte } -> { type: string, format: binary }",
        expect![[""]],
    );
    check(
        "{ type: string } -> { type: string, format: binary }",
        expect![[r#"
            $ Kind: is text where bytes is wanted
        "#]],
    );
}

#[test]
fn alternatives() {
    check(
        "{ oneOf: [{ type: string }, { type: integer }] } -> { type: string }",
        expect![[r#"
            $ Kind: is integer where text is wanted
                help: convert it by `$string(...)`
        "#]],
    );
    check(
        "{ type: integer } -> { oneOf: [{ type: string }, { type: number }] }",
        expect![[""]],
    );
    check(
        "{ type: boolean } -> { oneOf: [{ type: string }, { type: number }] }",
        expect![[r#"
            $ Kind: is boolean where text | decimal is wanted
        "#]],
    );
    check(
        "{ properties: { kind: { const: cat } }, required: [kind], additionalProperties: false } -> \
         { oneOf: [{ properties: { kind: { const: cat }, purrs: { type: boolean } }, required: [kind, purrs] }, { properties: { kind: { const: dog }, barks: {} }, required: [kind, barks] }] }",
        expect![[r#"
            $purrs Missing: is required and missing
                help: add `purrs`, boolean
        "#]],
    );
    check(
        "{ type: 'null' } -> { oneOf: [{ type: string }, { type: 'null' }] }",
        expect![[""]],
    );
}

#[test]
fn recursion_ends() {
    let contract = contract(
        "
$defs:
  A: { properties: { next: { $ref: '#/$defs/A' }, value: { type: string } } }
  B: { properties: { next: { $ref: '#/$defs/B' }, value: { type: string } } }
  C: { properties: { next: { $ref: '#/$defs/C' }, value: { type: integer } } }
  D: { oneOf: [{ type: array, items: { $ref: '#/$defs/D' } }, { properties: { a: { $ref: '#/$defs/D' } } }] }
  E: { oneOf: [{ properties: { a: { $ref: '#/$defs/E' } } }, { type: array, items: { $ref: '#/$defs/E' } }] }
",
    );
    let ty = |name: &str| contract.type_named(name).expect("the schema declares it");
    assert_eq!(show(&ty("A"), &ty("B")), "");
    assert_eq!(show(&ty("D"), &ty("E")), "");
    assert_eq!(
        show(&ty("A"), &ty("C")),
        "$value Kind: is text where integer is wanted\n    help: convert it by `$number(...)`\n"
    );
}

#[test]
fn misfits_have_both_places() {
    let text = "
$defs:
  From: { properties: { a: { properties: { b: { type: string } } } } }
  To: { properties: { a: { properties: { b: { type: integer } } } } }
";
    let project = Project::new(&[("a.schema.yaml", text)]);
    let (contract, _) = project.read();
    let ty = |name: &str| contract.type_named(name).expect("the schema declares it");
    let misfits = fits(&ty("From"), &ty("To"));
    let [misfit] = misfits.as_slice() else {
        panic!("{misfits:?}")
    };
    let place = |span: Option<sluice_model::span::Span>| {
        let span = span.expect("a contract's type has its place");
        let file = project.sources.get(span.file);
        (
            file.line_column(span.start as usize).line,
            project.sources.text(span),
        )
    };
    assert_eq!(misfit.path.to_string(), "a.b");
    assert_eq!(place(misfit.from), (3, "b"));
    assert_eq!(place(misfit.to), (4, "b"));
}
