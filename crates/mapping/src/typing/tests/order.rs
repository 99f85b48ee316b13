//! The order mapping of the benchmarks: no finding, and the type that it should have.

use std::fmt::Write;
use std::path::PathBuf;

use expect_test::expect;
use sluice_model::types::Kind;

use crate::typing::Env;
use crate::typing::tests::notation::ty;
use crate::typing::tests::{typed, written};

/// The type of the web order, as one infers it by hand from the example.
const WEB_ORDER: &str = "{ orderId: text, placedAt: text, channel: text, currency: text, \
    customer: { id: text, firstName: text, lastName: text, email: text, phone: text, \
      loyalty?: { tier: text, points: integer }, vat?: text }, \
    shipping: { method: text, cost: decimal, \
      address: { street: text, city: text, zip: text, country: text }, instructions: text }, \
    payment: { type: text, card: { brand: text, number: text, expires: text }, \
      authorisation: text, captured: boolean }, \
    lines: [ { lineNo: integer, product: { sku: text, name: text, category: text, \
      attributes: { weightKg: decimal, hazardous: boolean } }, qty: integer, unitPrice: decimal, \
      taxRate: decimal, status: text, note: text or null } ], \
    tags: [ text ] }";

#[expect(
    clippy::disallowed_methods,
    reason = "a test finds its corpora by the environment"
)]
fn mapping() -> Option<String> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora");
    let corpora = std::env::var_os("SLUICE_CORPORA").map_or(PathBuf::from(beside), PathBuf::from);
    let path = corpora.join("../bench/order/canonical.jsonata");
    let text = std::fs::read_to_string(path).ok();
    if text.is_none() {
        let ci = std::env::var_os("CI");
        assert!(ci.is_none_or(|ci| ci != "true"), "the corpora are missing");
        println!("not run: the_order_mapping_is_typed: corpora missing");
    }
    text
}

#[test]
fn the_order_mapping_is_typed() {
    let Some(source) = mapping() else {
        return;
    };
    let env = Env {
        context: Some(ty(WEB_ORDER)),
        variables: Vec::new(),
    };
    let typed = typed(&source, &env);
    let Kind::Record(record) = &typed.ty.kind else {
        panic!("{}", written(&source, &typed));
    };
    assert!(typed.problems.is_empty(), "{}", written(&source, &typed));
    let mut shown = String::new();
    for field in &record.fields {
        let ty = field.ty.to_string().replace(", amount", ",\n  amount");
        let _ = writeln!(shown, "{}: {ty}", field.name);
    }
    expect![[r#"
        id: text
        number: any
        placedOn: text
        source: text
        customer: { id: text, name: text, email: text, tier: text, business: boolean }
        shipTo: { line: text, country?: "AUT" | "DEU" | "CHE", express: boolean }
        payment: { type: text, card: text }
        lines: [ { no: integer, sku: text, title: text, quantity: integer,
          amount: decimal, backordered: boolean } ]
        byCategory: { *: decimal }
        totals: { net: decimal, tax: decimal, shipping: decimal, gross: decimal }
        gift: boolean
        lineCount: integer
    "#]]
    .assert_eq(&shown);
    let lists: Vec<&str> = typed
        .lists
        .iter()
        .map(|range| &source[range.range()])
        .collect();
    let lists: Vec<&str> = lists
        .iter()
        .map(|text| text.lines().next().unwrap_or(""))
        .collect();
    expect![[r#"
        lines[qty > 0 and status != "cancelled"]
        $open.(qty * unitPrice)
        $open.(qty * unitPrice * taxRate)
        $open.{
        $
        $.(qty * unitPrice)"#]]
    .assert_eq(&lists.join("\n"));
}
