//! Paths, predicates, constructors.

use std::sync::Arc;

use expect_test::expect;
use sluice_model::types::{Definitions, Field, Kind, Type};
use sluice_model::value::Name;

use crate::typing::tests::{
    check_all, check_in, check_lists, check_place, check_types, typed, written,
};
use crate::typing::{Env, tests::ORDER};

#[test]
fn fields() {
    check_types(
        r##"
        id => text
        coupon => text?
        note => text or null
        customer.name => text
        customer.email => text?
        customer.address.city => text?
        customer.address.zip => text?
        $.customer.name => text
        $$.customer.name => text
        `id` => text
        extra => any
        extra.anything.below => any
        open.anything => any
        rates.eur => decimal?
        payment.kind => "card" | "bank"
        payment.iban => text?
        payment.bic => text?
        $config.limit => decimal
        $steps.found.id => text?
        $maybe => integer?
        $unknown.x.y => any
        "##,
    );
}

#[test]
fn lists_stay_lists() {
    check_types(
        r##"
        lines.qty => [ integer ]
        lines.weight => [ decimal ]
        lines.discount => [ decimal ]
        lines.tags => [ text ]
        lines.product.name => [ text ]
        lines[0].qty => integer?
        lines[-1].sku => text?
        lines[qty > 0].sku => [ text ]
        lines[qty > 0][0].sku => text?
        (lines.sku)[0] => text?
        lines.sku[0] => [ text ]
        tags => [ text ]
        tags[0] => text?
        tags[] => [ text ]
        id[] => [ text ]
        customer[].name => [ text ]
        codes => [ integer ]?
        codes[$ > 1] => [ integer ]
        matrix => [ [ integer ] ]
        one_or_many.x => [ integer ]
        lines[$maybe].sku => text?
        lines[$unknown] => any
        lines[$count($$.tags) - 1].sku => text?
        lines[$count(tags) - 1].sku => [ text ]
        lines.* => [ any ]
        ** => [ any ]
        *.name => [ any ]
        lines^(qty).sku => [ text ]
        lines^(>price, sku)[0].sku => text?
        lines.(qty * price) => [ decimal ]
        lines.{ "a": sku, "b": weight } => [ { a: text, b?: decimal } ]
        lines.[sku, qty] => [ any ]
        lines#$i.{ "no": $i, "sku": sku } => [ { no: integer, sku: text } ]
        lines@$l.$l.qty => [ integer ]
        lines.tags.{ "sku": %.sku } => [ { sku: text } ]
        customer[name = "x"].name => text?
        lines["gift" in tags].sku => [ text ]
        lines[[0..1]].sku => [ text ]
        extra[0] => any
        extra[x = 1] => any
        "##,
    );
}

#[test]
fn constructors() {
    check_types(
        r##"
        { "a": id, "b": coupon, "c": { "d": total } } => { a: text, b?: text, c: { d: decimal } }
        { id: total } => { *: decimal }
        {} => {  }
        [id, total] => [ text | decimal ]
        [lines.sku] => [ text ]
        [lines.{ "sku": sku }] => [ { sku: text } ]
        [1..3] => [ integer ]
        [] => [ nothing ]
        [[1, 2], [3]] => [ [ integer ] ]
        [coupon][0] => text?
        [id][0] => text
        lines{ sku: qty } => { *: [ integer ] }
        lines{ sku: $sum(qty) } => { *: integer }
        lines{ sku: $count($) } => { *: integer }
        lines{ product.category: $sum($.(qty * price)) } => { *: decimal }
        lines{ "all": sku } => { all: [ text ] }
        lines#$i{ sku: $i } => { *: any }
        customer.{ "a": name } => { a: text }
        customer.address.{ "a": city } => { a: text }?
        ($x := lines[0]; $x.qty) => integer?
        ($f := function($n) { $n * 2 }; $f(count)) => integer
        ($f := function($o) { $o.name }; $f(customer)) => text
        ($f := function($n) { $n <= 1 ? 1 : $n * $f($n - 1) }; $f(count)) => any
        ($x := 1; ($x := "a"; $x); $x) => integer
        () => nothing?
        ("x") => "x"
        paid ? 1 : 2.5 => decimal
        paid ? "a" : "b" => "a" | "b"
        paid ? { "a": 1 } : { "a": 2 } => { a: integer }
        paid ? { "a": 1 } : { "b": 2 } => { a: integer } | { b: integer }
        paid ? id => text?
        paid ? null : id => text or null
        extra ? id : extra => any
        $ ~> |lines|{ "qty": 0 }| => { … }
        function($x){ $x }(id) => text
        "##,
    );
}

#[test]
fn unknown_paths() {
    check_all(
        r##"
            custmer.name
            customer.emial
            lines.quantity
            lines[qtty > 0]
            EUR
            { "currency": EUR }
            total.amount
            some.knwon
            some.other
            payment.ibann
            $steps.fond.id
            lines{ skuu: qty }
            config.limit
        "##,
        expect![[r#"
            custmer.name
              => any
              E0302 at custmer: there is no field `custmer` in this record
                help: did you mean `customer`?
                fix: customer.name
            customer.emial
              => any
              E0302 at emial: there is no field `emial` in this record
                help: did you mean `email`?
                fix: customer.email
            lines.quantity
              => [ any ]
              E0302 at quantity: there is no field `quantity` in this record
            lines[qtty > 0]
              => [ { sku: text, qty: integer, price: decimal, weight?: decimal, discount: decimal, tags: [ text ], product: { name: text, category: "a" | "b" } } ]
              E0302 at qtty: there is no field `qtty` in this record
                help: did you mean `qty`?
                fix: lines[qty > 0]
            EUR
              => any
              E0302 at EUR: there is no field `EUR` in this record
                help: did you mean the text `"EUR"`?
                fix: "EUR"
            { "currency": EUR }
              => { currency: any }
              E0302 at EUR: there is no field `EUR` in this record
                help: did you mean the text `"EUR"`?
                fix: { "currency": "EUR" }
            total.amount
              => any
              E0302 at amount: `amount` is a field of a decimal, which has none
                help: end the path here, or look at what it starts from
            some.knwon
              => any
              E0302 at knwon: there is no field `knwon` in { known: text, … }
                help: did you mean `known`?
                fix: some.known
            some.other
              => any
              E0302 at other: there is no field `other` in { known: text, … }
            payment.ibann
              => any
              E0302 at ibann: there is no field `ibann` in this record
                help: did you mean `iban`?
                fix: payment.iban
            $steps.fond.id
              => any
              E0302 at fond: there is no field `fond` in this record
                help: did you mean `found`?
                fix: $steps.found.id
            lines{ skuu: qty }
              => { *: [ integer ] }
              E0302 at skuu: there is no field `skuu` in this record
                help: did you mean `sku`?
                fix: lines{ sku: qty }
            config.limit
              => any
              E0302 at config: there is no field `config` in this record
                help: did you mean the variable `$config`?
                fix: $config.limit
        "#]],
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
        r##"
            $confg.limit
            $uper(id)
            $total > 5
            uppercase(id)
            frobnicate(id)
            $sum
            ($x := 1; $y)
            (($x := 1); $x)
            ($even := function($n) { $n = 0 or $odd($n - 1) }; $odd := function($n) { $n != 0 and $even($n - 1) }; $even(count))
        "##,
        expect![[r#"
            $confg.limit
              => any
              E0306 at $confg: there is no variable `$confg` here
                help: did you mean `$config`?
                fix: $config.limit
            $uper(id)
              => any
              E0306 at $uper: there is no function `$uper`
                help: `sluice describe functions` lists them all
            $total > 5
              => boolean
              E0306 at $total: there is no variable `$total` here
                help: did you mean the field `total`? It has no `$`
                fix: total > 5
            uppercase(id)
              => any
              E0306 at uppercase: a function is called with `$`: `$uppercase`
                help: write `$uppercase`
                fix: $uppercase(id)
            frobnicate(id)
              => any
              E0306 at frobnicate: there is no function `$frobnicate`
                help: `sluice describe functions` lists them all
            $sum
              => any
              E0305 at $sum: `$sum` is a function, not a value
                help: call it: write its arguments in parentheses
            ($x := 1; $y)
              => any
              E0306 at $y: there is no variable `$y` here
                help: did you mean `$x`?
                fix: ($x := 1; $x)
            (($x := 1); $x)
              => any
              E0306 at $x: there is no variable `$x` here
                help: in scope are `$unknown`, `$maybe`, `$steps`, `$config`
            ($even := function($n) { $n = 0 or $odd($n - 1) }; $odd := function($n) { $n != 0 and $even($n - 1) }; $even(count))
              => boolean
        "#]],
    );
}

#[test]
fn lists_are_told_to_the_evaluator() {
    check_lists(
        r##"
            lines.sku
            lines
            customer.name
            $sum(lines[qty > 0].(qty * price))
            ($open := lines[qty > 0]; $open.{ "a": tags[$ = "x"] })
            lines{ sku: $ }
            $map(lines, function($l) { $l.tags.($ & "x") })
            lines[0].tags
            extra.a.b[c = 1]
            lines ~> $filter(function($l) { $l.qty > 0 })
            lines@$l.tags.{ "t": $l.sku }
        "##,
        expect![[r#"
            lines.sku
              lines.sku
            lines
            customer.name
            $sum(lines[qty > 0].(qty * price))
              lines[qty > 0].(qty * price)
            ($open := lines[qty > 0]; $open.{ "a": tags[$ = "x"] })
              lines[qty > 0]
              $open.{ "a": tags[$ = "x"] }
              tags[$ = "x"]
            lines{ sku: $ }
              $
            $map(lines, function($l) { $l.tags.($ & "x") })
              $map(lines, function($l) { $l.tags.($ & "x") })
              $l.tags.($ & "x")
            lines[0].tags
            extra.a.b[c = 1]
            lines ~> $filter(function($l) { $l.qty > 0 })
              lines ~> $filter(function($l) { $l.qty > 0 })
            lines@$l.tags.{ "t": $l.sku }
              lines@$l.tags.{ "t": $l.sku }
        "#]],
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
