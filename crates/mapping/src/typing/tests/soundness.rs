//! What the checker says is what the evaluator does: each expression that is found fine gives, for
//! orders with no, one and two of everything, a value of the type that was inferred.

use std::fmt::Write;

use sluice_model::json;
use sluice_model::projection::Projection;
use sluice_model::types::{Kind, Type};
use sluice_model::value::Value;

use crate::eval::{Limits, Mode, NoHost};
use crate::program::{LeafRange, Options, Program};
use crate::typing::shape;
use crate::typing::tests::{ORDER, VARIABLES, env, typed};

/// The expressions of the other tests that are fine, with their types.
const CASES: &[&str] = &[
    include_str!("cases/functions_lists_and_records.types.txt"),
    include_str!("cases/functions_numbers.types.txt"),
    include_str!("cases/functions_texts.types.txt"),
    include_str!("cases/narrowing_in_expressions.types.txt"),
    include_str!("cases/operators_results.types.txt"),
    include_str!("cases/paths_constructors.types.txt"),
    include_str!("cases/paths_fields.types.txt"),
    include_str!("cases/paths_lists_stay_lists.types.txt"),
];

const LINE: &str = r#"{ "sku": "s-1", "qty": 2, "price": 1.25, "discount": null, "tags": ["x"],
    "product": { "name": "drill", "category": "a" } }"#;
const OTHER_LINE: &str = r#"{ "sku": "s-2", "qty": 1, "price": 2.5, "weight": 0.5,
    "discount": 0.1, "tags": ["gift", "y"], "product": { "name": "bolt", "category": "b" } }"#;

/// Returns an order, without what may be missing or null, or with it.
fn order(lines: &str, tags: &str, full: bool) -> String {
    let (note, coupon, address) = if full {
        (
            r#""a note""#,
            r#""coupon": "TEN", "codes": [1, 2],"#,
            r#", "email": "a@b", "address": { "city": "Wien", "zip": "1090" }"#,
        )
    } else {
        ("null", "", "")
    };
    let payment = if full {
        r#"{ "kind": "bank", "iban": "AT1" }"#
    } else {
        r#"{ "kind": "card", "number": "4111" }"#
    };
    let either = if full {
        r#"[{ "x": 1 }]"#
    } else {
        r#"{ "x": 2 }"#
    };
    format!(
        r#"{{ "id": "2026-01-01", "status": "paid", "total": 12.5, "rate": 1e-1, "count": 3,
        "paid": {full}, {coupon} "note": {note},
        "customer": {{ "name": "Ada", "vat": null {address} }}, "lines": [{lines}],
        "tags": [{tags}], "matrix": [[1, 2], [3]], "extra": 1,
        "open": {{ "anything": true }}, "some": {{ "known": "k" }}, "rates": {{ "eur": 1.5 }},
        "payment": {payment}, "one_or_many": {either} }}"#
    )
}

fn read(text: &str) -> Value<'static> {
    json::read_owned(text.as_bytes(), &Projection::All, &json::Limits::default())
        .expect("the sample is JSON")
}

/// Returns whether a value is one of a type; numbers by their value.
fn conforms(value: &Value<'_>, ty: &Type) -> bool {
    let all = shape::alternatives(ty);
    if matches!(value, Value::Null) {
        return all.nullable || ty.is_any();
    }
    all.of.iter().any(|one| match (&one.kind, value) {
        (Kind::Any, _) | (Kind::Bool, Value::Bool(_)) => true,
        (Kind::Int(_), number) if number.is_number() => {
            number.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        (Kind::Decimal(_) | Kind::Float(_), number) => number.is_number(),
        (Kind::Text(text), Value::Text(own)) => match &text.values {
            Some(values) => values.iter().any(|value| **value == *own.as_str()),
            None => true,
        },
        (Kind::List(list), Value::List(items)) => {
            list.length_min <= items.len() as u64
                && list
                    .length_max
                    .is_none_or(|most| items.len() as u64 <= most)
                && items.iter().all(|item| conforms(item, &list.item))
        }
        (Kind::Map(own), Value::Record(record)) => {
            record.iter().all(|(_, value)| conforms(value, own))
        }
        (Kind::Record(own), Value::Record(record)) => {
            let fields = own.fields.iter().all(|field| match record.get(field.name) {
                Some(value) => conforms(value, &field.ty),
                None => !field.required,
            });
            let known = |key: &str| own.field(key).is_some() || own.rest.is_some();
            fields && record.iter().all(|(key, _)| known(key.as_str()))
        }
        _ => false,
    })
}

#[test]
fn what_is_inferred_is_what_comes_out() {
    let lines = [
        String::new(),
        LINE.to_owned(),
        format!("{LINE}, {OTHER_LINE}"),
    ];
    let tags = ["", "\"gift\"", "\"gift\", \"red\""];
    let inputs: Vec<Value<'static>> = (0..3)
        .flat_map(|count| [false, true].map(|full| order(&lines[count], tags[count], full)))
        .map(|text| read(&text))
        .collect();
    let ty = env(ORDER).context.expect("a context");
    for input in &inputs {
        assert!(conforms(input, &ty), "{}", json::to_string(input));
    }
    let config = read(r#"{ "limit": 10.5, "name": "n" }"#);
    let steps = read(r#"{ "found": null }"#);
    let found = read(r#"{ "found": { "id": "f", "limit": 7 }, "asked": { "ok": true } }"#);
    let (one, unknown) = (read("1"), read("2"));
    let mut wrong = String::new();
    let mut count = 0;
    for case in CASES.iter().flat_map(|cases| cases.lines()) {
        let (source, _) = case.rsplit_once(" => ").expect("`expression => type`");
        let typed = typed(source, &env(ORDER));
        let place = |range: &_| LeafRange {
            leaf: 0,
            range: *range,
        };
        let options = Options {
            mode: Mode::Checked,
            bindings: VARIABLES
                .iter()
                .map(|(name, _, _)| (*name).into())
                .collect(),
            lists: typed.lists.iter().map(place).collect(),
        };
        let program = Program::compile(source, &options).expect("the expression compiles");
        for (index, input) in inputs.iter().enumerate() {
            let full = index % 2 == 1;
            let bindings = [
                Some(&config),
                Some(if full { &found } else { &steps }),
                full.then_some(&one),
                Some(&unknown),
            ];
            count += 1;
            let came = program.evaluate(Some(input), &bindings, &NoHost, &Limits::default());
            let fine = match &came {
                Ok(Some(value)) => conforms(value, &typed.ty),
                Ok(None) => typed.optional || typed.ty.is_any(),
                // What values alone can break: a text that is no number, no item that matches.
                Err(error) => error.code.starts_with('D'),
            };
            if !fine {
                let came = came.map(|value| value.map(|value| json::to_string(&value)));
                let _ = writeln!(wrong, "{source}: {} {}: {came:?}", typed.ty, typed.optional);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(count > 1_000, "only {count} evaluations");
}
