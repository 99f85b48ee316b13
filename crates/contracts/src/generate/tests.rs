use expect_test::{Expect, expect};
use proptest::prelude::*;
use sluice_model::value::Value;

use super::{Examples, Generator};
use crate::contract::Contract;
use crate::testing::Project;

fn contract(schema: &str) -> Contract {
    let project = Project::new(&[("a.schema.yaml", schema)]);
    let (contract, findings) = project.read();
    assert!(!findings.has_errors(), "{}", project.show(&findings));
    contract
}

/// Writes the values of the first seeds, and checks many more.
fn check(schema: &str, expect: Expect) {
    let contract = contract(schema);
    let generator = Generator::new(contract.root().expect("a root"), Examples::Prefer);
    let shown = (0..3).map(|seed| format!("{:?}\n", generator.generate(seed)));
    expect.assert_eq(&shown.collect::<String>());
    for seed in 0..300 {
        let value = generator.generate(seed);
        assert_eq!(generator.validator().validate(&value), [], "{value:?}");
        assert_eq!(value, generator.generate(seed));
    }
}

#[test]
fn values_meet_their_constraints() {
    check(
        "
type: object
required: [id, total]
properties:
  id: { type: string, pattern: '^WEB-[0-9]{4}$' }
  total: { type: number, minimum: 10, maximum: 10.5, exclusiveMinimum: 10 }
  odd: { type: number, multipleOf: 0.25, minimum: 0.3, maximum: 0.6 }
  fine: { type: number, exclusiveMinimum: 0, exclusiveMaximum: 0.0001 }
  day: { type: string, format: date }
  key: { type: string, format: uuid }
  mail: { type: [string, 'null'], format: email, minLength: 30, maxLength: 31 }
  code: { type: string, minLength: 3, maxLength: 3 }
  state: { enum: [new, paid] }
  tags: { type: array, items: { enum: [a, b, c] }, minItems: 3, uniqueItems: true }
  many: { type: array, items: { type: integer, minimum: -5, maximum: -3 }, maxItems: 1 }
",
        expect![[r#"
            Record({"id": Text("WEB-1137"), "total": Decimal(10.11), "odd": Decimal(0.50), "fine": Decimal(0.000050), "day": Text("2024-02-17"), "key": Text("6f0d19e6-a86b-4e31-94f9-48b9b483bd22"), "mail": Text("cedaryhhgyjncztxiv@example.com"), "code": Text("amb"), "state": Text("paid"), "tags": List([Text("c"), Text("a"), Text("b")]), "many": List([Int(-5)])})
            Record({"id": Text("WEB-1554"), "total": Decimal(10.49), "odd": Decimal(0.50), "fine": Decimal(0.000020), "day": Text("2024-11-12"), "code": Text("zep"), "state": Text("paid"), "tags": List([Text("c"), Text("a"), Text("b")]), "many": List([])})
            Record({"id": Text("WEB-7470"), "total": Decimal(10.30), "odd": Decimal(0.50), "day": Text("2024-08-23"), "mail": Text("emberkmhubxhrgdhfg@example.com"), "code": Text("jun"), "state": Text("paid"), "many": List([Int(-3)])})
        "#]],
    );
}

#[test]
fn examples_come_first_where_they_are_right() {
    check(
        "
properties:
  good: { type: string, example: x, examples: [Vienna] }
  wrong: { type: integer, examples: [none], default: 7 }
  none: { type: boolean, examples: [maybe] }
",
        expect![[r#"
            Record({"good": Text("x"), "wrong": Int(7), "none": Bool(true)})
            Record({"good": Text("x"), "wrong": Int(7), "none": Bool(false)})
            Record({"good": Text("x"), "wrong": Int(7), "none": Bool(false)})
        "#]],
    );
}

#[test]
fn recursion_ends() {
    check(
        "
$ref: '#/$defs/Tree'
$defs:
  Tree: { type: object, required: [value, children], properties: { value: { $ref: '#/$defs/Value' }, children: { type: array, items: { $ref: '#/$defs/Tree' } } } }
  Value: { oneOf: [{ type: object, required: [of], properties: { of: { $ref: '#/$defs/Value' } } }, { type: integer }] }
",
        expect![[r#"
            Record({"value": Record({"of": Int(502)}), "children": List([Record({"value": Int(198), "children": List([Record({"value": Record({"of": Record({"of": Int(209)})}), "children": List([Record({"value": Int(493), "children": List([])}), Record({"value": Int(726), "children": List([])})])}), Record({"value": Record({"of": Int(923)}), "children": List([Record({"value": Int(363), "children": List([])}), Record({"value": Int(159), "children": List([])})])})])}), Record({"value": Int(40), "children": List([Record({"value": Record({"of": Record({"of": Int(104)})}), "children": List([Record({"value": Int(378), "children": List([])}), Record({"value": Int(925), "children": List([])})])}), Record({"value": Int(588), "children": List([Record({"value": Int(588), "children": List([])}), Record({"value": Int(357), "children": List([])})])})])})])})
            Record({"value": Int(142), "children": List([Record({"value": Int(35), "children": List([Record({"value": Record({"of": Record({"of": Int(303)})}), "children": List([Record({"value": Int(616), "children": List([])}), Record({"value": Int(277), "children": List([])})])}), Record({"value": Record({"of": Int(61)}), "children": List([])})])})])})
            Record({"value": Int(398), "children": List([Record({"value": Int(391), "children": List([Record({"value": Int(144), "children": List([])}), Record({"value": Record({"of": Record({"of": Int(572)})}), "children": List([Record({"value": Int(661), "children": List([])}), Record({"value": Int(811), "children": List([])})])}), Record({"value": Int(741), "children": List([Record({"value": Int(187), "children": List([])}), Record({"value": Int(546), "children": List([])})])})])}), Record({"value": Record({"of": Int(754)}), "children": List([Record({"value": Int(931), "children": List([Record({"value": Int(778), "children": List([])}), Record({"value": Int(890), "children": List([])}), Record({"value": Int(409), "children": List([])})])})])})])})
        "#]],
    );
}

#[test]
fn examples_of_a_body_come_before_all_others() {
    let contract = contract("{ type: integer, maximum: 5, examples: [1] }");
    let generator = Generator::new(contract.root().expect("a root"), Examples::Prefer);
    let generator = generator.with_examples(&[Value::Int(9), Value::Int(4)]);
    assert_eq!(generator.generate(3), Value::Int(4));
    let generator = generator.with_examples(&[Value::Int(9)]);
    assert_eq!(generator.generate(3), Value::Int(4));
}

#[test]
fn a_type_without_finite_values_stops() {
    let contract =
        contract("{ type: object, required: [next], properties: { next: { $ref: '#' } } }");
    let generator = Generator::new(contract.root().expect("a root"), Examples::Ignore);
    assert_eq!(
        generator.validator().validate(&generator.generate(1)).len(),
        1
    );
}

/// Schemas of all sorts that have values.
fn schemas() -> impl Strategy<Value = String> {
    let number = (-1_000i64..1_000, 0i64..2_000, 0u32..3).prop_map(|(low, width, kind)| {
        let high = low + width;
        match kind {
            0 => format!("{{ type: integer, minimum: {low}, maximum: {high} }}"),
            1 => format!("{{ type: number, minimum: {low}, maximum: {high}, multipleOf: 0.5 }}"),
            _ => format!("{{ type: number, format: double, minimum: {low}.25 }}"),
        }
    });
    let text = (0u64..20, 0u64..20).prop_map(|(min, width)| {
        format!(
            "{{ type: string, minLength: {min}, maxLength: {} }}",
            min + width
        )
    });
    let fixed = prop::sample::select(vec![
        "{ type: boolean }",
        "{ type: [string, 'null'], format: date-time }",
        "{ type: string, format: ipv6 }",
        "{ type: string, pattern: '^([A-Z]{3}|[a-z]+[0-9]?)$' }",
        "{ enum: [a, 1, true, null] }",
        "{ type: string, format: duration }",
        "{ type: string, format: uri, maxLength: 40 }",
        "{}",
    ]);
    let leaf = prop_oneof![number, text, fixed.prop_map(str::to_owned)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let fields = prop::collection::vec((inner.clone(), any::<bool>()), 0..4);
        prop_oneof![
            (inner.clone(), 0u64..3).prop_map(|(item, min)| {
                format!("{{ type: array, minItems: {min}, items: {item} }}")
            }),
            inner.clone().prop_map(|item| format!("{{ additionalProperties: {item} }}")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{{ oneOf: [{a}, {b}] }}")),
            (fields, any::<bool>()).prop_map(|(fields, open)| {
                let required = fields.iter().enumerate().filter(|(_, (_, required))| *required);
                let required: Vec<String> = required.map(|(i, _)| format!("f{i}")).collect();
                let fields = fields.iter().enumerate();
                let fields: Vec<String> = fields.map(|(i, (ty, _))| format!("f{i}: {ty}")).collect();
                format!(
                    "{{ type: object, additionalProperties: {open}, required: [{}], properties: {{ {} }} }}",
                    required.join(", "),
                    fields.join(", ")
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn generated_values_are_valid(schema in schemas(), seed in any::<u64>()) {
        let contract = contract(&schema);
        let ty = contract.root().expect("a root");
        let generator = Generator::new(ty, Examples::Ignore);
        let value = generator.generate(seed);
        prop_assert_eq!(generator.validator().validate(&value), []);
        prop_assert_eq!(crate::fits::fits(ty, ty), []);
    }
}
