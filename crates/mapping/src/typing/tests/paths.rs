//! Paths, predicates, constructors.

use std::sync::Arc;

use expect_test::{expect, expect_file};
use sluice_model::types::{Definitions, Field, Kind, Type};
use sluice_model::value::Name;

use crate::typing::tests::{
    check_all, check_in, check_lists, check_place, check_types, typed, written,
};
use crate::typing::{Env, tests::ORDER};

#[test]
fn fields() {
    check_types(include_str!("cases/paths_fields.types.txt"));
}

#[test]
fn lists_stay_lists() {
    check_types(include_str!("cases/paths_lists_stay_lists.types.txt"));
}

#[test]
fn constructors() {
    check_types(include_str!("cases/paths_constructors.types.txt"));
}

#[test]
fn unknown_paths() {
    check_all(
        include_str!("cases/paths_unknown_paths.txt"),
        expect_file!["cases/paths_unknown_paths.txt"],
    );
    check_in(
        "",
        "EUR",
        expect![[r#"
        any
        E0302 at EUR: `EUR` is a field of nothing: there is no payload here
          help: did you mean the text `"EUR"`?
          fix: "EUR""#]],
    );
    check_in(
        "",
        "$.x",
        expect![[r#"
        any
        E0302 at $: there is no payload that `$` could mean here"#]],
    );
    check_in("", "$config.limit", expect!["decimal"]);
    check_in(
        "{ first-name: text }",
        "first_name",
        expect![[r#"
        any
        E0302 at first_name: there is no field `first_name` in { first-name: text }
          help: did you mean `first-name`?
          fix: `first-name`"#]],
    );
    check_in(
        "[ { a: text } ]",
        "b",
        expect![[r#"
        [ any ]
        E0302 at b: there is no field `b` in { a: text }
          help: did you mean `a`?
          fix: a"#]],
    );
    check_in("{ a: text, ...: integer }", "b", expect!["integer?"]);
}

#[test]
fn unknown_names() {
    check_all(
        include_str!("cases/paths_unknown_names.txt"),
        expect_file!["cases/paths_unknown_names.txt"],
    );
}

#[test]
fn lists_are_told_to_the_evaluator() {
    check_lists(
        include_str!("cases/paths_lists_are_told_to_the_evaluator.txt"),
        expect_file!["cases/paths_lists_are_told_to_the_evaluator.txt"],
    );
}

#[test]
fn places_of_values() {
    let source = r#"($t := { "net": total, "tax": 1 }; { "a/b": id, "totals": $t,
        "lines": [lines.{ "sku": sku, "deep": { "x": qty } }],
        "pay": paid ? { "p": 1 } : { "q": 2 }, "by": lines{ sku: $count($) } })"#;
    check_place(source, "/a~1b", "id");
    check_place(source, "/totals/net", "total");
    check_place(source, "/totals/other", r#"{ "net": total, "tax": 1 }"#);
    check_place(source, "/lines/0/sku", "sku");
    check_place(source, "/lines/0/deep/x", "qty");
    check_place(source, "/pay/p", "1");
    check_place(source, "/pay/q", "2");
    check_place(source, "/by/*", "$count($)");
    check_place("lines.{ \"sku\": sku }", "/0/sku", "sku");
    check_place("id", "/x", "id");
}

#[test]
fn types_that_refer_to_themselves() {
    let definitions = Definitions::new();
    let itself = Type::new(Kind::Ref(definitions.reference("Tree", 0)));
    let field = |name: &str, ty: Type, required: bool| Field {
        name: Name::new(name),
        ty,
        required,
    };
    let tree = Type::record(vec![
        field("name", Type::text(), true),
        field("parent", itself.clone(), false),
        field("children", Type::list(itself.clone()), true),
    ]);
    definitions.fill(vec![(Arc::from("Tree"), tree)]);
    let env = Env {
        context: Some(itself),
        variables: Vec::new(),
    };
    let found = |source: &str| written(source, &typed(source, &env));
    assert_eq!(found("children.children.name"), "[ text ]");
    assert_eq!(found("parent.parent.name"), "text?");
    assert_eq!(found("children"), "[ Tree ]");
    expect![[r#"
        any
        E0302 at nam: there is no field `nam` in `Tree`
          help: did you mean `name`?
          fix: parent.name"#]]
    .assert_eq(&found("parent.nam"));
}

#[test]
fn deep_expressions_end() {
    let deep = format!("{}1{}", "[".repeat(150), "]".repeat(150));
    assert!(typed(&deep, &super::env(ORDER)).problems.is_empty());
    let wide = vec!["id"; 5_000].join(" & ");
    assert_eq!(written(&wide, &typed(&wide, &super::env(ORDER))), "text");
}
