//! Operators.

use expect_test::expect;

use crate::typing::tests::{check_all, check_types};

#[test]
fn results() {
    check_types(
        r##"
        count + 1 => integer
        count / 2 => decimal
        count * total => decimal
        total % 2 => decimal
        rate * 2 => double
        -count => integer
        -total => decimal
        -5 => integer
        extra + 1 => any
        $unknown * total => any
        id & coupon & note => text
        total > 5 => boolean
        id < "x" => boolean
        coupon = "x" => boolean
        note = null => boolean
        "gift" in tags => boolean
        status in ["open", "paid"] => boolean
        paid and coupon => boolean
        coupon ?? "none" => text
        note ?? "none" => text
        note ?: id => text
        coupon ?? note => text or null
        $maybe ?? 0 => integer
        ($maybe ?? 0) + 1 => integer
        lines.weight ?? 0 => [ decimal ] | integer
        [1..count] => [ integer ]
        $steps.found.limit ?? 0 => integer
        $steps.asked.ok = true => boolean
        $number(id) + 1 => any
        "##,
    );
}

#[test]
fn possibly_missing() {
    check_all(
        r##"
            $maybe + 1
            $steps.found.limit * 2
            lines[0].qty + 1
            lines.(qty * discount)
            lines[weight > 1]
            coupon < "x"
            [1..$maybe]
            -$maybe
            lines^(discount)
            $uppercase(note)
            $sum(lines.discount)
            $sum(lines.discount[$ != null])
            $sum(lines[discount != null].discount)
            $uppercase(coupon)
        "##,
        expect![[r#"
            $maybe + 1
              => integer
              E0303 at $maybe: `$maybe` may be missing, but `+` needs a number
                help: write `($maybe ?? default)`, or ask before: `$exists($maybe) ? ... : ...`
            $steps.found.limit * 2
              => integer
              E0303 at $steps.found.limit: `$steps.found.limit` may be missing, but `*` needs a number
                help: write `($steps.found.limit ?? default)`, or ask before: `$exists($steps.found.limit) ? ... : ...`
            lines[0].qty + 1
              => integer
              E0303 at lines[0].qty: `lines[0].qty` may be missing, but `+` needs a number
                help: write `(lines[0].qty ?? default)`, or ask before: `$exists(lines[0].qty) ? ... : ...`
            lines.(qty * discount)
              => [ decimal ]
              E0303 at discount: `discount` may be null, but `*` needs a number
                help: write `(discount ?? default)`, or ask before: `discount != null ? ... : ...`
            lines[weight > 1]
              => [ { sku: text, qty: integer, price: decimal, weight: decimal, discount: decimal, tags: [ text ], product: { name: text, category: "a" | "b" } } ]
              E0303 at weight: `weight` may be missing, but `>` needs a value
                help: write `(weight ?? default)`, or ask before: `$exists(weight) ? ... : ...`
            coupon < "x"
              => boolean
              E0303 at coupon: `coupon` may be missing, but `<` needs a value
                help: write `(coupon ?? default)`, or ask before: `$exists(coupon) ? ... : ...`
            [1..$maybe]
              => [ integer ]
              E0303 at $maybe: `$maybe` may be missing, but `..` needs a number
                help: write `($maybe ?? default)`, or ask before: `$exists($maybe) ? ... : ...`
            -$maybe
              => integer
              E0303 at $maybe: `$maybe` may be missing, but `-` needs a number
                help: write `($maybe ?? default)`, or ask before: `$exists($maybe) ? ... : ...`
            lines^(discount)
              => [ { sku: text, qty: integer, price: decimal, weight?: decimal, discount: decimal, tags: [ text ], product: { name: text, category: "a" | "b" } } ]
              E0303 at discount: `discount` may be null, but items are sorted by it
                help: write `(discount ?? default)`, or ask before: `discount != null ? ... : ...`
            $uppercase(note)
              => text
              E0303 at note: `note` may be null, but `$uppercase` does not take null
                help: write `(note ?? default)`, or ask before: `note != null ? ... : ...`
            $sum(lines.discount)
              => decimal
              E0303 at lines.discount: an item of `lines.discount` may be null, but `$sum` does not take null among its items
                help: leave the nulls out: `lines.discount[$ != null]`
            $sum(lines.discount[$ != null])
              => decimal
            $sum(lines[discount != null].discount)
              => decimal
            $uppercase(coupon)
              => text?
        "#]],
    );
}

#[test]
fn list_or_one() {
    check_all(
        r##"
            lines.qty + 1
            lines.qty > 1
            "tags: " & tags
            $uppercase(tags)
            tags = "gift"
            "gift" = tags
        "##,
        expect![[r#"
            lines.qty + 1
              => any
              E0307 at lines.qty: `lines.qty` is a list, but `+` takes one number
                help: write `$sum(lines.qty)` for the sum, or `lines.qty[0]` for the first
            lines.qty > 1
              => boolean
              E0307 at lines.qty: `lines.qty` is a list, but `>` compares one value
                help: write `$count(lines.qty)`, `$max(lines.qty)` or `lines.qty[0]`
            "tags: " & tags
              => text
              E0307 at tags: `tags` is a list: `&` writes it as JSON
                help: write `$join(tags, ", ")`, or `$string(tags)` if JSON is meant
            $uppercase(tags)
              => text
              E0307 at tags: `$uppercase` takes a text, `tags` is a list
                help: write `tags[0]` for the first item, or `tags.$uppercase($)` for each
            tags = "gift"
              => boolean
              E0309 at tags = "gift": a list never equals a text: this comparison never holds
                help: write `"gift" in tags`
            "gift" = tags
              => boolean
              E0309 at "gift" = tags: a text never equals a list: this comparison never holds
                help: write `"gift" in tags`
        "#]],
    );
}

#[test]
fn wrong_kinds() {
    check_all(
        r##"
            id + 1
            total * customer
            total > "5"
            customer > 1
            -id
            $sum + 1
            lines^(product)
            { count: id }
        "##,
        expect![[r#"
            id + 1
              => any
              E0305 at id: `+` takes numbers, `id` is a text
                help: write `&` to join texts, or `$number(id)` to compute with it
            total * customer
              => any
              E0305 at customer: `*` takes numbers, `customer` is a record
                help: compute with one of its fields
            total > "5"
              => boolean
              E0305 at total > "5": `>` compares a number with a text
                help: write the number `5`, without quotes
                fix: total > 5
            customer > 1
              => boolean
              E0305 at customer: `>` compares numbers or texts, `customer` is a record
                help: compare one of its parts, or use `=`
            -id
              => any
              E0305 at id: `-` takes numbers, `id` is a text
                help: write `$number(id)` to compute with it
            $sum + 1
              => any
              E0305 at $sum: `$sum` is a function, not a value
                help: call it: write its arguments in parentheses
            lines^(product)
              => [ { sku: text, qty: integer, price: decimal, weight?: decimal, discount: decimal, tags: [ text ], product: { name: text, category: "a" | "b" } } ]
              E0305 at product: items are sorted by numbers or texts, `product` is a record
                help: sort by a field of the items that is a number or a text
            { count: id }
              => { *: text }
              E0305 at count: a key is a text, `count` is an integer
                help: write `$string(count)`
        "#]],
    );
}

#[test]
fn never_equal() {
    check_all(
        r##"
            status = "canceled"
            status != "done"
            "opne" = status
            id = 5
            total != "5"
            count = 1.5
            id = null
            customer = "x"
            status in ["open", "payed"]
            5 in tags
            payment.kind = "crad"
            status = customer.name
            status = lines[0].product.category
            extra = 5 or note = null or coupon = id
        "##,
        expect![[r#"
            status = "canceled"
              => boolean
              E0309 at "canceled": `status` is never "canceled"
                help: did you mean "cancelled"?
                fix: status = "cancelled"
            status != "done"
              => boolean
              E0309 at "done": `status` is never "done"
                help: compare with one of its values
            "opne" = status
              => boolean
              E0309 at "opne": `status` is never "opne"
                help: did you mean "open"?
                fix: "open" = status
            id = 5
              => boolean
              E0309 at id = 5: a text never equals an integer: this comparison never holds
                help: write the text `"5"`, or `$number(...)` of the other side
                fix: id = "5"
            total != "5"
              => boolean
              E0309 at total != "5": a decimal never equals a text: this comparison always holds where both are there
                help: write the number `5`, without quotes
                fix: total != 5
            count = 1.5
              => boolean
              E0309 at count = 1.5: `count` is an integer, which never equals a fraction
                help: compare with `<` or `>=`
            id = null
              => boolean
              E0309 at id = null: `id` is never null: this comparison never holds
                help: leave the comparison out
            customer = "x"
              => boolean
              E0309 at customer = "x": a record never equals a text: this comparison never holds
                help: compare values of one kind
            status in ["open", "payed"]
              => boolean
              E0309 at "payed": `status` is never "payed"
                help: compare with one of its values
            5 in tags
              => boolean
              E0309 at 5 in tags: an integer is never in a list of which each item is a text
                help: compare values of one kind
            payment.kind = "crad"
              => boolean
              E0309 at "crad": `payment.kind` is never "crad"
                help: did you mean "card"?
                fix: payment.kind = "card"
            status = customer.name
              => boolean
            status = lines[0].product.category
              => boolean
              E0309 at status = lines[0].product.category: `status` and `lines[0].product.category` have no value in common
                help: compare with a value that both can have
            extra = 5 or note = null or coupon = id
              => boolean
        "#]],
    );
}

#[test]
fn lossy() {
    check_all(
        r##"
            total * rate
            rate * 1.5
            count * rate
        "##,
        expect![[r#"
            total * rate
              => double
              E0308 at total * rate: `*` of a decimal and a double computes in doubles
                help: make the double exact: `$number($string(rate))`
            rate * 1.5
              => double
            count * rate
              => double
        "#]],
    );
}
