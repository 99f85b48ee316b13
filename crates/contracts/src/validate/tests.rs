use expect_test::{Expect, expect};
use sluice_model::types::Type;

use super::Validator;
use crate::testing::Project;

fn value(text: &str) -> sluice_model::value::Value<'static> {
    let (document, findings) = sluice_syntax::parse_json(sluice_model::span::FileId(0), text);
    assert!(findings.is_empty(), "{text}: {findings:?}");
    document.root.expect("a value").to_value()
}

/// Writes what is wrong with a value, after the schema's type was compiled and its contract
/// dropped.
fn check(schema: &str, json: &str, expect: Expect) {
    let validator = compiled(schema);
    let value = value(json);
    let details = validator.validate(&value);
    assert_eq!(validator.is_valid(&value), details.is_empty());
    let lines = details
        .iter()
        .map(|d| format!("{:?} {}\n", d.pointer, d.message));
    expect.assert_eq(&lines.collect::<String>());
}

fn compiled(schema: &str) -> Validator {
    let project = Project::new(&[("a.schema.yaml", schema)]);
    let (contract, findings) = project.read();
    assert!(!findings.has_errors(), "{}", project.show(&findings));
    Validator::new(contract.root().expect("a root"))
}

const ORDER: &str = "
type: object
additionalProperties: false
required: [id, lines]
properties:
  id: { type: string, minLength: 1, maxLength: 5 }
  total: { type: number, minimum: 0, multipleOf: 0.01 }
  state: { enum: [new, paid] }
  mail: { type: string, format: email }
  note: { type: [string, 'null'] }
  a/b~c: { type: string, pattern: '^x+$' }
  lines: { type: array, minItems: 1, maxItems: 2, items: { $ref: '#/$defs/Line' } }
$defs:
  Line: { type: object, required: [qty], properties: { qty: { type: integer, minimum: 1 }, sub: { $ref: '#/$defs/Line' } } }
";

#[test]
fn valid_values() {
    check(
        ORDER,
        r#"{"id": "äöüßé", "lines": [{"qty": 1}]}"#,
        expect![[""]],
    );
    check(
        ORDER,
        r#"{"lines": [{"qty": 2.0, "more": 1, "sub": {"qty": 3}}], "note": null, "a/b~c": "xx", "mail": "a@b.c", "state": "paid", "total": 12.50, "id": "1"}"#,
        expect![[""]],
    );
}

#[test]
fn everything_that_is_wrong_is_told() {
    check(
        ORDER,
        r#"{"id": "123456", "total": -0.001, "state": "piad", "mail": "x", "note": 1, "a/b~c": "y", "lnes": 1,
            "lines": [{"qty": 0}, {"sub": {"qty": "1"}}, 7]}"#,
        expect![[r#"
            "/id" must be at most 5 characters
            "/total" must be at least 0
            "/state" must be one of new, paid
            "/mail" must be an e-mail address
            "/note" must be a text
            "/a~1b~0c" must match the pattern ^x+$
            "/lines" must have at most 2 items
            "/lines/0/qty" must be at least 1
            "/lines/1/qty" is required
            "/lines/1/sub/qty" must be an integer
            "/lines/2" must be an object
            "/lnes" is not allowed; did you mean `lines`?
        "#]],
    );
    check(
        ORDER,
        "{}",
        expect![[r#"
        "/id" is required
        "/lines" is required
    "#]],
    );
    check(
        ORDER,
        r#"{"id": "", "lines": []}"#,
        expect![[r#"
        "/id" must not be empty
        "/lines" must have at least 1 item
    "#]],
    );
    check(
        ORDER,
        r#"{"id": null, "lines": null}"#,
        expect![[r#"
        "/id" must not be null
        "/lines" must not be null
    "#]],
    );
    check(
        ORDER,
        "[]",
        expect![[r#"
        "" must be an object
    "#]],
    );
    check(
        ORDER,
        "null",
        expect![[r#"
        "" must not be null
    "#]],
    );
}

#[test]
fn numbers() {
    check(
        "{ type: integer, minimum: 1, maximum: 10 }",
        "11",
        expect![[r#"
            "" must be at most 10
        "#]],
    );
    check(
        "{ type: integer }",
        "1.5",
        expect![[r#"
        "" must be an integer
    "#]],
    );
    check("{ type: integer }", "1e3", expect![[""]]);
    check(
        "{ type: integer }",
        "123456789012345678901234567890123",
        expect![[""]],
    );
    check(
        "{ type: integer, maximum: 5 }",
        "123456789012345678901234567890123",
        expect![[r#"
            "" must be at most 5
        "#]],
    );
    check(
        "{ type: integer, exclusiveMinimum: 0 }",
        "0",
        expect![[r#"
            "" must be more than 0
        "#]],
    );
    check(
        "{ type: number, exclusiveMaximum: 1 }",
        "1.0",
        expect![[r#"
            "" must be less than 1
        "#]],
    );
    check(
        "{ type: number, multipleOf: 0.05 }",
        "0.07",
        expect![[r#"
            "" must be a multiple of 0.05
        "#]],
    );
    check("{ type: number, multipleOf: 0.05 }", "0.10", expect![[""]]);
}

#[test]
fn listed_numbers() {
    check(
        "{ const: 5 }",
        "6",
        expect![[r#"
        "" must be 5
    "#]],
    );
    check(
        "{ enum: [1, 10, 2.5] }",
        "3",
        expect![[r#"
        "" must be one of 1, 2.5, 10
    "#]],
    );
    check(
        "{ enum: [1, 10, 2.5, x] }",
        "\"y\"",
        expect![[r#"
        "" must be one of x, 1, 2.5, 10
    "#]],
    );
    check(
        "{ type: number }",
        "\"1\"",
        expect![[r#"
        "" must be a number
    "#]],
    );
}

#[test]
fn lists() {
    check(
        "{ type: array, uniqueItems: true }",
        "[1, 2, 1.0]",
        expect![[r#"
            "/2" must differ from item 0
        "#]],
    );
    let many: Vec<String> = (0..100)
        .map(|i| format!("{{\"a\": {i}, \"b\": 0}}"))
        .collect();
    let list = format!("[{}, {{\"b\": 0.0, \"a\": 98}}]", many.join(","));
    check(
        "{ type: array, uniqueItems: true }",
        &list,
        expect![[r#"
            "/100" must differ from item 98
        "#]],
    );
    check(
        "{ type: array, uniqueItems: true }",
        &format!("[{}]", many.join(",")),
        expect![[""]],
    );
    check(
        "{ type: array, minItems: 2 }",
        "[1]",
        expect![[r#"
        "" must have at least 2 items
    "#]],
    );
}

#[test]
fn alternatives() {
    let pets = "
oneOf:
  - { type: object, required: [kind, purrs], properties: { kind: { const: cat }, purrs: { type: boolean } } }
  - { type: object, required: [kind, barks], properties: { kind: { const: dog }, barks: { type: boolean } } }
";
    check(pets, r#"{"kind": "dog", "barks": true}"#, expect![[""]]);
    check(
        pets,
        r#"{"kind": "dog", "purrs": true}"#,
        expect![[r#"
        "/barks" is required
    "#]],
    );
    check(
        pets,
        r#"{"kind": "cow"}"#,
        expect![[r#"
        "/kind" must be one of cat, dog
    "#]],
    );
    check(
        pets,
        r#"{}"#,
        expect![[r#"
            "/kind" is required
        "#]],
    );
    check(
        pets,
        "1",
        expect![[r#"
        "" must be an object
    "#]],
    );
    let mixed = "oneOf: [{ type: string, maxLength: 2 }, { type: integer }, { type: array, items: { type: string } }]";
    check(
        mixed,
        "\"abc\"",
        expect![[r#"
        "" must be at most 2 characters
    "#]],
    );
    check(
        mixed,
        "[\"a\", 1]",
        expect![[r#"
        "/1" must be a text
    "#]],
    );
    check(
        mixed,
        "true",
        expect![[r#"
        "" must be a text or an integer or a list
    "#]],
    );
    check(
        "oneOf: [{ $ref: '#/$defs/N' }, { type: string }]\n$defs: { N: { type: [integer, 'null'] } }",
        "null",
        expect![[""]],
    );
}

#[test]
fn details_are_bounded() {
    let validator = compiled("{ type: array, items: { type: string } }");
    let items = vec!["1"; 1_000].join(",");
    let many = value(&format!("[{items}]"));
    assert_eq!(validator.validate(&many).len(), super::DETAILS_MAX);
    assert_eq!(validator.validate_up_to(&many, 3).len(), 3);
}

#[test]
fn nested_alternatives_cost_a_bounded_time() {
    // Each level is tried twice: without a bound, forty levels would take a trillion steps.
    let schema = "
oneOf:
  - { type: object, required: [a, x], properties: { a: { $ref: '#' } } }
  - { type: object, required: [a, y], properties: { a: { $ref: '#' } } }
  - { type: object, required: [b], properties: { a: { $ref: '#' } } }
";
    let validator = compiled(schema);
    let mut json = "{\"b\": 1}".to_owned();
    for _ in 0..40 {
        json = format!("{{\"a\": {json}, \"x\": 1, \"y\": 1}}");
    }
    assert!(validator.is_valid(&value(&json)));
    let wrong = json.replace("\"b\"", "\"c\"");
    assert!(!validator.is_valid(&value(&wrong)));
}

#[test]
fn a_deep_value_is_refused() {
    let validator = Validator::new(&Type::list(Type::any()));
    assert!(validator.is_valid(&value("[[[1]]]")));
    let endless = compiled("{ type: array, items: { $ref: '#' } }");
    let mut deep = sluice_model::value::Value::List(Vec::new());
    for _ in 0..1_000 {
        deep = sluice_model::value::Value::List(vec![deep]);
    }
    let details = endless.validate(&deep);
    assert_eq!(details.len(), 1);
    assert_eq!(details[0].message, "is too large or too deep to be checked");
}
