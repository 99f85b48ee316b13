//! The functions of the library.

use expect_test::expect;

use crate::functions;
use crate::typing::results::has_rule;
use crate::typing::tests::{check_all, check_types};

#[test]
fn each_function_has_a_rule() {
    let without = functions::all().filter(|function| !has_rule(function.name));
    let without: Vec<&str> = without.map(|function| function.name).collect();
    assert_eq!(without, [""; 0]);
}

#[test]
fn texts() {
    check_types(
        r##"
        $string(total) => text
        $string(status) => "open" | "paid" | "cancelled"
        $uppercase(status) => "OPEN" | "PAID" | "CANCELLED"
        $lowercase(id) => text
        $substring(id, 0, 3) => text
        $substringAfter(coupon, "-") => text?
        $trim(id) => text
        $pad(id, 10, "#") => text
        $length(id) => integer
        $contains(id, "x") => boolean
        $contains(id, /x/i) => boolean
        $split(id, "-") => [ text ]
        $split(id, "-")[0] => text?
        $join(tags, ", ") => text
        $join(lines.sku) => text
        $replace(id, "a", "b") => text
        $replace(id, /a/, function($m) { $m.match }) => text
        $match(id, /a/).match => [ text ]
        $match(id, /a/)[0].index => integer?
        $base64encode(id) => text
        $encodeUrlComponent(id) => text
        $formatNumber(total, "0.00") => text
        $type(extra) => text
        $now() => date-time
        $now("[Y]") => text
        $fromMillis(count) => date-time
        $toMillis(id) => integer
        $millis() => integer
        customer.name.$uppercase() => text
        lines.sku.$uppercase() => [ text ]
        tags.$uppercase($) => [ text ]
        id ~> $substring(1) ~> $uppercase() => text
        id ~> $uppercase => text
        "##,
    );
}

#[test]
fn numbers() {
    check_types(
        r##"
        $number(total) => decimal
        $number(count) => integer
        $number(id) => any
        $number(paid) => integer
        $abs(total) => decimal
        $floor(total) => integer
        $round(total) => integer
        $round(total, 2) => decimal
        $round(rate, 2) => double
        $round(extra, 2) => any
        $power(count, 2) => integer
        $sqrt(count) => any
        $sum(lines.qty) => integer
        $sum(lines.(qty * price)) => decimal
        $sum(lines.weight) => decimal
        $sum(extra) => any
        $sum(codes) => integer?
        $max(lines.qty) => integer?
        $max([1, count]) => integer
        $average(lines.qty) => decimal?
        $count(lines) => integer
        $count(codes) => integer
        $count(coupon) => integer
        $parseInteger(id, "#0") => integer
        $random() => any
        "##,
    );
}

#[test]
fn lists_and_records() {
    check_types(
        r##"
        $exists(coupon) => boolean
        $not(paid) => boolean
        $boolean(coupon) => boolean?
        $map(lines, function($l) { $l.qty }) => [ integer ]
        $map(lines, function($l, $i) { { "no": $i, "sku": $l.sku } }) => [ { no: integer, sku: text } ]
        $map(tags, $uppercase) => [ text ]
        $map(lines, function($l) { $l.weight }) => [ decimal ]
        $filter(lines, function($l) { $l.qty > 0 }).sku => [ text ]
        $filter(lines, function($l) { $exists($l.weight) }).(weight * qty) => [ decimal ]
        $single(lines, function($l) { $l.qty = 1 }).sku => text
        $reduce(lines.qty, function($a, $b) { $a + $b }) => integer?
        $reduce(lines, function($a, $l) { $a + $l.qty }, 0) => integer
        $reduce(lines, function($a, $l) { $a & $l.sku }, "") => text
        $reduce(lines, function($a, $l) { $append($a, $l.sku) }, []) => [ text ]
        $sort(lines, function($a, $b) { $a.qty > $b.qty }).sku => [ text ]
        $sort(tags) => [ text ]
        $reverse(tags) => [ text ]
        $distinct(lines.sku) => [ text ]
        $append(tags, lines.sku) => [ text ]
        $append(tags, id) => [ text ]
        $zip(tags, lines.sku) => [ [ any ] ]
        $keys(customer) => [ text ]
        $lookup(customer, "name") => text
        $lookup(rates, id) => decimal?
        $lookup({ "open": 1, "paid": 2, "cancelled": 3 }, status) => integer
        $lookup({ "open": 1 }, status) => integer?
        $lookup({ "at": "AUT", "de": "DEU" }, id) => "AUT" | "DEU"?
        $merge([customer, { "vip": true }]).vip => boolean
        $merge([{ "a": 1, "b": coupon }, { "a": id }]) => { a: text, b?: text }
        $merge(lines.{ "x": qty }) => { x?: integer }
        $merge([open, customer]) => { … }
        $spread(customer.address) => [ { *: text } ]
        $each(rates, function($v, $k) { $k & $string($v) }) => [ text ]
        $sift(rates, function($v) { $v > 1 }) => { *: decimal }?
        $sift(customer.address, function($v, $k) { $k != "zip" }) => { city?: text, zip?: text }?
        $eval("1") => any
        $clone(customer).name => text
        [1, 2] ~> $map(function($x) { $x * 2 }) => [ integer ]
        ($double := function($x) { $x * 2 }; $map(lines.qty, $double)) => [ integer ]
        ($up := $uppercase; $up(id)) => text
        ($cut := $substring(?, 0, 3); $cut(id)) => any
        "##,
    );
}

#[test]
fn bad_arguments() {
    check_all(
        r##"
            $uppercase(total)
            $sum(tags)
            $sum(id)
            $join(lines.qty)
            $substring(id)
            $substring(id, "x")
            $uppercase(id, id)
            $now(1)
            $map(lines, id)
            $map(lines.qty, $uppercase)
            $uppercase($lowercase)
            $keys()
            $lookup(customer, "nmae")
            $map(lines, function($l) { $l.qyt })
            $reduce(lines, function($a, $l) { $a + $l.sku }, 0)
            $floor(coupon)
            $length(customer)
        "##,
        expect![[r#"
            $uppercase(total)
              => text
              E0305 at total: `$uppercase` takes a text, `total` is a decimal
                help: write `$string(total)`
            $sum(tags)
              => any
              E0305 at tags: `$sum` takes a list of which each item is a number, each item of `tags` is a text
                help: write `tags.$number($)`
            $sum(id)
              => any
              E0305 at id: `$sum` takes a list of which each item is a number, each item of `id` is a text
                help: write `id.$number($)`
            $join(lines.qty)
              => text
              E0305 at lines.qty: `$join` takes a list of which each item is a text, each item of `lines.qty` is an integer
                help: write `lines.qty.$string($)`
            $substring(id)
              => any
              E0305 at $substring(id): `$substring` takes 2 to 3 arguments, here is 1
                help: its signature is `<s-nn?:s>`
            $substring(id, "x")
              => text
              E0305 at "x": `$substring` takes a number, `"x"` is a text
                help: write `$number("x")`
            $uppercase(id, id)
              => any
              E0305 at $uppercase(id, id): `$uppercase` takes 1 argument, here are 2
                help: its signature is `<s-:s>`
            $now(1)
              => text
              E0305 at 1: `$now` takes a text, `1` is an integer
                help: write `$string(1)`
            $map(lines, id)
              => [ any ]
              E0305 at id: `$map` takes a function, `id` is a text
                help: give it a function: `function($v) { ... }`
            $map(lines.qty, $uppercase)
              => [ text ]
              E0305 at $uppercase: `$uppercase` takes a text, what is handed to it here is an integer
                help: write `$string(...)`
            $uppercase($lowercase)
              => text
              E0305 at $lowercase: `$uppercase` takes a text, `$lowercase` is a function
                help: call the function: write its arguments in parentheses
            $keys()
              => [ text ]
            $lookup(customer, "nmae")
              => any
              E0302 at "nmae": there is no field `nmae` in this record
                help: did you mean "name"?
                fix: $lookup(customer, "name")
            $map(lines, function($l) { $l.qyt })
              => [ any ]
              E0302 at qyt: there is no field `qyt` in this record
                help: did you mean `qty`?
                fix: $map(lines, function($l) { $l.qty })
            $reduce(lines, function($a, $l) { $a + $l.sku }, 0)
              => any
              E0305 at $l.sku: `+` takes numbers, `$l.sku` is a text
                help: write `&` to join texts, or `$number($l.sku)` to compute with it
            $floor(coupon)
              => integer?
              E0305 at coupon: `$floor` takes a number, `coupon` is a text
                help: write `$number(coupon)`
            $length(customer)
              => integer
              E0305 at customer: `$length` takes a text, `customer` is a record
                help: give it a text, a field of it perhaps
        "#]],
    );
}
