use std::fmt::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use sluice_model::types::{Kind, Type};

use crate::contract::LookupError;
use crate::testing::{Project, show_type};

/// Writes the named types, the root and the findings of a schema.
fn check_files(files: &[(&str, &str)], expect: Expect) {
    let project = Project::new(files);
    let (contract, findings) = project.read();
    let mut out = String::new();
    for named in contract.types() {
        writeln!(out, "{}: {}", named.name, show_type(&named.ty)).expect("a text takes any text");
    }
    if let Some(root) = contract.root() {
        writeln!(out, "= {}", show_type(root)).expect("a text takes any text");
    }
    out.push_str(&project.show(&findings));
    expect.assert_eq(&out);
}

fn check(text: &str, expect: Expect) {
    check_files(&[("contracts/order.schema.yaml", text)], expect);
}

/// The root of a schema that reads without a finding.
fn root(text: &str) -> Type {
    let project = Project::new(&[("a.schema.yaml", text)]);
    let (contract, findings) = project.read();
    assert_eq!(project.show(&findings), "");
    let ty = contract.root().expect("the schema has a root").clone();
    // Types outlive their contract, references aside.
    ty
}

#[test]
fn records_lists_and_scalars() {
    check(
        "
title: Order
type: object
required: [id, lines]
additionalProperties: false
properties:
  id: { type: string, pattern: '^WEB-[0-9]+$' }
  note: { type: [string, 'null'], maxLength: 20 }
  total: { type: number, minimum: 0 }
  weight: { type: number, format: double }
  count: { type: integer, format: int32 }
  paid: { type: boolean }
  placed: { type: string, format: date-time }
  state: { enum: [new, paid, null] }
  level: { enum: [1, 2, 3] }
  factor: { enum: [1, 10, 2.5] }
  fixed: { const: EUR }
  lines: { type: array, items: { $ref: '#/$defs/Line' }, minItems: 1 }
  pair: { type: array, prefixItems: [{ type: string }, { type: integer }], items: false }
  prices: { type: object, additionalProperties: { type: number } }
  extra: { type: object }
  anything: {}
  nothing: false
$defs:
  Line:
    properties: { sku: { type: string }, qty: { type: integer, exclusiveMinimum: 0 } }
    required: [sku, tax]
",
        expect![[r#"
            Line: { sku: text, qty?: integer > 0, tax: any, *: any }
            Order: { id: text/^WEB-[0-9]+$/, note?: text(0..20)?, total?: decimal >= 0, weight?: double, count?: integer >= -2147483648 <= 2147483647, paid?: boolean, placed?: date-time, state?: "new" | "paid"?, level?: integer >= 1 <= 3, factor?: (integer | decimal | integer), fixed?: "EUR", lines: [Line]1.., pair?: [text | integer]0..2, prices?: { *: decimal }, extra?: { *: any }, anything?: any, nothing?: nothing }
            = { id: text/^WEB-[0-9]+$/, note?: text(0..20)?, total?: decimal >= 0, weight?: double, count?: integer >= -2147483648 <= 2147483647, paid?: boolean, placed?: date-time, state?: "new" | "paid"?, level?: integer >= 1 <= 3, factor?: (integer | decimal | integer), fixed?: "EUR", lines: [Line]1.., pair?: [text | integer]0..2, prices?: { *: decimal }, extra?: { *: any }, anything?: any, nothing?: nothing }
        "#]],
    );
}

#[test]
fn what_is_known_beside_values() {
    let ty = root(
        "
title: Person
description: Somebody.
x-pii: identity
properties:
  mail: { type: string, description: Where to write., x-pii: contact, deprecated: true, examples: [a@b.c] }
  size: { type: number, x-unit: cm, default: 1.50 }
",
    );
    let Kind::Record(record) = &ty.kind else {
        panic!("{ty}")
    };
    let meta = ty.meta.expect("a root has a name");
    assert_eq!(meta.name.as_deref(), Some("Person"));
    assert_eq!(meta.pii.as_deref(), Some("identity"));
    let mail = record.fields[0]
        .ty
        .meta
        .as_ref()
        .expect("a field has its place");
    assert_eq!(mail.pii.as_deref(), Some("contact"));
    assert!(mail.deprecated && mail.span.is_some());
    assert_eq!(
        mail.example.as_ref().and_then(|e| e.as_str()),
        Some("a@b.c")
    );
    let size = record.fields[1]
        .ty
        .meta
        .as_ref()
        .expect("a field has its place");
    assert_eq!(size.unit.as_deref(), Some("cm"));
    assert_eq!(format!("{:?}", size.default), "Some(Decimal(1.50))");
}

#[test]
fn references_carry_what_their_target_is() {
    let project = Project::new(&[(
        "a.schema.yaml",
        "
properties: { mail: { $ref: '#/$defs/Mail', description: Own. } }
$defs: { Mail: { type: string, x-pii: contact, description: Theirs. } }
",
    )]);
    let (contract, _) = project.read();
    let root = contract.root().expect("a root").clone();
    let Kind::Record(record) = &root.kind else {
        panic!("{root}")
    };
    let meta = record.fields[0]
        .ty
        .resolved()
        .meta
        .expect("a reference has its place");
    assert_eq!(meta.pii.as_deref(), Some("contact"));
    assert_eq!(meta.name.as_deref(), Some("Mail"));
    assert_eq!(meta.description.as_deref(), Some("Own."));
}

#[test]
fn a_pii_class_is_never_lost() {
    let project = Project::new(&[(
        "a.openapi.yaml",
        "
openapi: 3.0.3
paths: {}
components:
  schemas:
    Mail: { type: string, x-pii: contact }
    Plain: { type: string }
    Alias: { $ref: '#/components/schemas/Mail' }
    Person:
      properties:
        direct: { $ref: '#/components/schemas/Mail' }
        beside: { $ref: '#/components/schemas/Plain', x-pii: contact }
        through: { $ref: '#/components/schemas/Alias' }
        merged: { allOf: [{ $ref: '#/components/schemas/Mail' }, { maxLength: 5 }] }
        added: { allOf: [{ $ref: '#/components/schemas/Plain' }, { x-pii: contact }] }
        last: { allOf: [{ maxLength: 5 }, { $ref: '#/components/schemas/Mail' }], description: A }
        null: { allOf: [{ $ref: '#/components/schemas/Mail' }], nullable: true }
    Merged:
      allOf:
        - { $ref: '#/components/schemas/Person' }
        - { properties: { beside: { maxLength: 3 }, direct: { description: B } } }
",
    )]);
    let (contract, findings) = project.read();
    assert_eq!(project.show(&findings), "");
    for name in ["Person", "Merged"] {
        let ty = contract.type_named(name).expect("the contract has it");
        assert_eq!(ty.name(), Some(name));
        let Kind::Record(record) = &ty.kind else {
            panic!("{ty}")
        };
        assert_eq!(record.fields.len(), 7);
        for field in &record.fields {
            let meta = field.ty.resolved().meta.expect("a field has its place");
            assert_eq!(
                meta.pii.as_deref(),
                Some("contact"),
                "{name}.{}",
                field.name
            );
        }
    }
}

#[test]
fn alternatives_and_merges() {
    check(
        "
$defs:
  Base: { properties: { id: { type: string }, kind: { type: string } }, required: [id] }
  Cat: { allOf: [{ $ref: '#/$defs/Base' }, { properties: { purrs: { type: boolean }, id: { maxLength: 5 } } }] }
  Closed: { allOf: [{ $ref: '#/$defs/Base' }], unevaluatedProperties: false }
  Either: { oneOf: [{ type: string }, { type: integer }, { type: 'null' }] }
  Only: { anyOf: [{ type: 'null' }, { $ref: '#/$defs/Base' }] }
  Flat: { oneOf: [{ anyOf: [{ type: string }, { type: boolean }] }, { type: array }] }
  Both: { type: object, properties: { a: { type: string } }, oneOf: [{ required: [a] }, { required: [b] }] }
  Named: { allOf: [{ $ref: '#/$defs/Base' }] }
  Pet: { properties: { kind: { type: string } }, oneOf: [{ $ref: '#/$defs/Dog' }] }
  Dog: { allOf: [{ $ref: '#/$defs/Pet' }, { properties: { barks: { type: boolean } } }] }
",
        expect![[r#"
            Base: { id: text, kind?: text, *: any }
            Cat: { id: text(0..5), kind?: text, purrs?: boolean, *: any }
            Closed: { id: text, kind?: text }
            Either: (text | integer)?
            Only: { id: text, kind?: text, *: any }?
            Flat: (text | boolean | [any]0..)
            Both: ({ a: text, *: any } | { a?: text, b: any, *: any })
            Named: { id: text, kind?: text, *: any }
            Pet: { kind?: text, barks?: boolean, *: any }
            Dog: { kind?: text, barks?: boolean, *: any }
        "#]],
    );
}

#[test]
fn recursion_is_a_reference() {
    check(
        "
$defs:
  Tree: { type: object, properties: { children: { type: array, items: { $ref: '#/$defs/Tree' } } } }
  Alias: { $ref: '#/$defs/Tree' }
  Loop: { $ref: '#/$defs/Loop' }
  Self: { allOf: [{ $ref: '#/$defs/Self' }] }
",
        expect![[r#"
            Tree: { children?: [Tree]0.., *: any }
            Alias: { children?: [Tree]0.., *: any }
            Loop: any
            Self: any
            5:3 `Loop` error E0403: `Loop` only refers to itself
                help: say what its values are
            6:3 `Self` error E0403: `Self` only refers to itself
                help: say what its values are
        "#]],
    );
}

#[test]
fn older_drafts() {
    check(
        "
$schema: http://json-schema.org/draft-04/schema#
id: http://acme.example/root#
definitions:
  Price: { type: number, minimum: 0, exclusiveMinimum: true, multipleOf: 0.01 }
  Pair: { type: array, items: [{ type: string }, { type: string }], additionalItems: false }
  Ignored: { $ref: '#/definitions/Price', type: string }
  ById: { $ref: 'http://acme.example/root#/definitions/Price' }
",
        expect![[r#"
            Price: decimal > 0 % 0.01
            Pair: [text]0..2
            Ignored: decimal > 0 % 0.01
            ById: decimal > 0 % 0.01
        "#]],
    );
}

#[test]
fn files_refer_to_each_other() {
    let files = [
        (
            "contracts/order.schema.yaml",
            "
properties:
  customer: { $ref: 'parts/customer.schema.json' }
  line: { $ref: 'parts/common.schema.yaml#/$defs/Line' }
  mail: { $ref: 'parts/common.schema.yaml#mail' }
  web: { $ref: 'https://acme.example/x.json' }
  gone: { $ref: 'parts/gone.schema.json#/a' }
  typo: { $ref: '#/$defs/Ordr' }
  meta: { $ref: 'http://json-schema.org/draft-07/schema#' }
$defs: { Order: { type: string } }
",
        ),
        (
            "contracts/parts/customer.schema.json",
            r##"{"title": "Customer", "properties": {"boss": {"$ref": "#"}, "line": {"$ref": "common.schema.yaml#/$defs/Line"}}}"##,
        ),
        (
            "contracts/parts/common.schema.yaml",
            "$defs: { Line: { properties: { sku: { type: string } } }, Mail: { $anchor: mail, type: string, format: email } }",
        ),
    ];
    check_files(
        &files,
        expect![[r#"
            Order: text
            = { customer?: Customer, line?: Line, mail?: Mail, web?: any, gone?: any, typo?: any, meta?: any, *: any }
            6:16 `'https://acme.example/x.json'` error E0201: `https://acme.example/x.json` lies in the network, and nothing is fetched
                help: put the file into the project and refer to it by its path
            7:17 `'parts/gone.schema.json#/a'` error E0203: there is no file `contracts/parts/gone.schema.json`
                help: add the file to the project, or mend the path
            8:17 `'#/$defs/Ordr'` error E0201: nothing stands at `#/$defs/Ordr`
                help: did you mean `#/$defs/Order`?
            9:17 `'http://json-schema.org/draft-` info E0402: the meta-schema of JSON Schema is read as any value
        "#]],
    );
}

#[test]
fn what_no_type_says_is_told() {
    check(
        "
type: object
properties:
  a: { type: string, not: { const: x }, pattern: '(?=x)y' }
  b: { if: {}, then: {}, minProperties: 1 }
  c: { patternProperties: { '^x': { type: string } }, additionalProperties: false }
  d: { enum: [{ a: 1 }, [2]] }
",
        expect![[r#"
            = { a?: text/(?=x)y/, b?: any, c?: { *: any }, d?: ({ … } | [ any ]), *: any }
            4:22 `not` info E0402: `not` is not checked
            4:50 `'(?=x)y'` info E0402: the pattern uses look-around and is not checked
            5:8 `if` info E0402: `if` is not checked
            5:26 `minProperties` info E0402: `minProperties` is not checked
            6:8 `patternProperties` info E0402: `patternProperties` is not checked
            7:8 `enum` info E0402: lists and records among the values are not compared
        "#]],
    );
}

const MISTAKES: &str = "
type: objct
$defs:
  A: { type: [string, numbr], minLength: -1, maxLength: '5' }
  B: { type: integer, minimum: 10, maximum: 1 }
  C: { type: object, required: true, properties: [a] }
  D: { type: object, required: [idd], properties: { id: {} }, additionalProperties: false }
  E: { type: string, enum: [] }
  F: { type: integer, enum: [a, b] }
  G: { type: integer, enum: [1, x] }
  H: { type: string, pattern: '(' }
  I: { allOf: [] }
  J: { allOf: [{ type: string, maxLength: 2 }, { minLength: 3 }] }
  K: text
  L: { $ref: [1] }
  M: { properties: { a: } }
  N: { type: array, minItems: 3, maxItems: 2 }
  O: { x-pii: [a] }
  P: { multipleOf: 0 }
  Q: { type: string, minLength: x }
";

#[test]
fn mistakes_have_one_finding_each() {
    check(
        MISTAKES,
        expect![[r#"
            A: text
            B: integer
            C: { *: any }
            D: { id?: any }
            E: text
            F: integer
            G: integer >= 1 <= 1
            H: text
            I: any
            J: text(0..2)
            K: any
            L: any
            M: { a?: any, *: any }
            N: [any]0..
            O: any
            P: decimal
            Q: text
            = any
            2:7 `objct` error E0401: there is no type `objct`
                help: did you mean `object`?
            4:23 `numbr` error E0401: there is no type `numbr`
                help: did you mean `number`?
            4:42 `-1` error E0401: `minLength` is a whole number from 0 on
                help: write the count without quotes
            4:57 `'5'` error E0401: `maxLength` is a whole number from 0 on
                help: write the count without quotes
            5:32 `10` error E0403: `minimum` is above `maximum`
                the upper bound: 5:45 `1`
                help: swap or mend the bounds
            6:22 `required` error E0401: `required` is a list of names, not a boolean
                help: list the names of the required fields in the record that holds them
            6:38 `properties` error E0401: `properties` is a map of names and schemas, not a list
                help: write `name: { type: ... }` under it, or remove it
            7:33 `idd` error E0403: `idd` is required and not allowed at once
                help: did you mean `id`?
            8:28 `[]` error E0401: `enum` is a list of values, at least one
                help: list the values, or remove the keyword
            9:23 `enum` error E0403: no value of `enum` is integer
                help: mend the type or the values
            10:33 `x` warning E0403: this value is not integer and never occurs
                help: write it as the type says, or remove it
            11:31 `'('` error E0401: the pattern is no regular expression: a `(` without its `)`
                help: mend the pattern; its syntax is that of ECMA-262
            12:8 `allOf` error E0401: `allOf` is a list of schemas, at least one
                help: list the schemas, or remove the keyword
            13:8 `allOf` error E0403: no text has both lengths
                one is declared here: 13:16 `{ type: string, maxLength: 2 }`
                one is declared here: 13:48 `{ minLength: 3 }`
                help: no value satisfies both: mend one of them
            14:6 `text` error E0401: a schema is a map, not a text
                help: write `{}` for a schema that allows everything
            15:14 `[1]` error E0401: `$ref` is a text, not a list
                help: write it as `$ref: '#/...'`
            16:22 `a` error E0401: a schema is a map, not a null
                help: write `{}` for a schema that allows everything
            17:31 `3` error E0403: `minItems` is above `maxItems`
                the upper bound: 17:44 `2`
                help: swap or mend the bounds
            18:8 `x-pii` error E0401: `x-pii` names one class of personal data
                help: write one class, such as `x-pii: contact`
            19:20 `0` error E0401: `multipleOf` is a number above zero
                help: write a number above zero, or remove the keyword
            20:33 `x` error E0401: `minLength` is a whole number from 0 on
                help: write the count without quotes
        "#]],
    );
}

#[test]
fn names_and_pointers_lead_to_types() {
    let project = Project::new(&[(
        "a.schema.yaml",
        "
title: Order
properties: { lines: { items: { properties: { sku: { type: string } } } } }
$defs: { Line: { type: integer }, Order: { type: boolean } }
",
    )]);
    let (contract, _) = project.read();
    let show = |name: &str| match contract.type_named(name) {
        Ok(ty) => show_type(&ty),
        Err(LookupError::NotFound { suggestion, .. }) => format!("not found, {suggestion:?}"),
        Err(LookupError::Ambiguous { pointers }) => format!("ambiguous {pointers:?}"),
    };
    assert_eq!(show("Line"), "integer");
    assert_eq!(show("Lin"), "not found, Some(\"Line\")");
    assert_eq!(show("Order"), "ambiguous [\"/$defs/Order\", \"\"]");
    assert_eq!(show("/$defs/Order"), "boolean");
    assert_eq!(show("/properties/lines/items"), "{ sku?: text, *: any }");
    assert_eq!(show("/properties/nothing"), "not found, None");
    // A second time, from what was kept.
    assert_eq!(show("/properties/lines/items"), "{ sku?: text, *: any }");
}

#[test]
fn files_that_are_no_contract() {
    check_files(
        &[("contracts/a.schema.yaml", "")],
        expect![[r#"
        1:1 `` error E0401: `contracts/a.schema.yaml` is empty
            help: put the contract into the file, or remove the file
    "#]],
    );
    check_files(
        &[("contracts/a.yaml", "a: 1")],
        expect![[r#"
        1:1 `` error E0401: `contracts/a.yaml` is no contract that can be read
            help: name it `*.schema.json`, `*.openapi.yaml` or `*.sql` by what it holds
    "#]],
    );
    check_files(
        &[("contracts/a.avsc", "{}")],
        expect![[r#"
        1:1 `` error E0901: this build does not read Avro contracts yet
            help: this build reads JSON Schema, OpenAPI 3.0 and 3.1, and SQL
    "#]],
    );
    check_files(
        &[("contracts/a.txt", "x")],
        expect![[r#"
        1:1 `` error E0401: `contracts/a.txt` is no contract that can be read
            help: name it `*.schema.json`, `*.openapi.yaml` or `*.sql` by what it holds
    "#]],
    );
    check_files(
        &[("contracts/a.schema.json", "{\"type\": ")],
        expect![[r#"
            = any
            1:10 `` error E0001: the file ends where a value should stand
                help: write a text in double quotes, a number, `true`, `false`, `null`, a list or a map
        "#]],
    );
    check_files(
        &[("contracts/a.schema.json", "[1]")],
        expect![[r#"
        = any
        1:1 `[1]` error E0401: a schema is a map, not a list
            help: write `{}` for a schema that allows everything
    "#]],
    );
}

#[test]
fn deep_and_long_schemas_are_bounded() {
    let mut chained = String::from("$defs:\n");
    for i in 0..3_000 {
        chained.push_str(&format!(
            "  D{i}: {{ allOf: [{{ $ref: '#/$defs/D{}' }}] }}\n",
            i + 1
        ));
    }
    chained.push_str("  D3000: { type: string }\n");
    let project = Project::new(&[("a.schema.yaml", &chained)]);
    let (contract, findings) = project.read();
    assert!(!findings.has_errors(), "references alone need no stack");
    assert_eq!(contract.types().len(), 3_001);
    let merged = chained.replace(" }] }", " }, { maxLength: 5 }] }");
    let project = Project::new(&[("a.schema.yaml", &merged)]);
    let (_, findings) = project.read();
    let told = findings.iter().all(|f| f.message.contains("deep"));
    assert!(findings.has_errors() && told, "{}", project.show(&findings));
}

/// Keys that schemas are made of.
const KEYWORDS: &str = "
    type properties required items enum const allOf oneOf anyOf $ref minimum maximum
    exclusiveMinimum multipleOf minLength pattern format nullable discriminator
    additionalProperties prefixItems default unevaluatedProperties patternProperties not $defs
    a b x-pii $id
";

/// Schemas of keywords with values of any sort.
fn wild() -> impl Strategy<Value = String> {
    let keywords: Vec<&str> = KEYWORDS.split_whitespace().collect();
    let leaf = prop::sample::select(vec![
        "string",
        "object",
        "integer",
        "array",
        "null",
        "true",
        "false",
        "1",
        "-1.5",
        "1e400",
        "''",
        "'#/$defs/a'",
        "'#/$defs/b'",
        "'#'",
        "'#/properties/a'",
        "'('",
        "[a, b]",
        "[string, 'null']",
        "date",
        "int32",
        "{}",
        "[]",
        "[{}]",
        "~",
        "'other.yaml#/a'",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(5, 40, 4, move |inner| {
        let entries = prop::collection::btree_map(
            prop::sample::select(keywords.clone()),
            inner.clone(),
            1..5,
        );
        prop_oneof![
            3 => entries.prop_map(|entries| {
                let entries: Vec<String> =
                    entries.iter().map(|(key, value)| format!("{key}: {value}")).collect();
                format!("{{ {} }}", entries.join(", "))
            }),
            1 => prop::collection::vec(inner, 1..4).prop_map(|items| format!("[{}]", items.join(", "))),
        ]
    })
}

proptest! {
    #[test]
    fn any_schema_is_read_or_told(a in wild(), b in wild(), root in wild()) {
        let text = format!("$defs: {{ a: {a}, b: {b} }}\nallOf: [{root}, {{ $ref: '#/$defs/a' }}]\n");
        let project = Project::new(&[("a.schema.yaml", &text)]);
        let (contract, findings) = project.read();
        project.show(&findings);
        let root = contract.root().expect("a root");
        let generator = crate::generate::Generator::new(root, crate::generate::Examples::Prefer);
        generator.validator().validate(&generator.generate(1));
        crate::fits::fits(root, root);
        for named in contract.types() {
            crate::fits::fits(&named.ty, root);
        }
    }
}
