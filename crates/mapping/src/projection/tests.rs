use sluice_model::projection::Projection;

use crate::eval::Mode;
use crate::program::{Options, Program};

/// Returns the projection of an expression, `*` for all of a place.
fn reads(source: &str) -> String {
    fn show(projection: &Projection) -> String {
        match projection {
            Projection::All => "*".to_owned(),
            Projection::Fields(fields) => {
                let mut shown: Vec<String> = fields
                    .iter()
                    .map(|(name, below)| match show(below).as_str() {
                        "*" => name.to_string(),
                        below => format!("{name}{below}"),
                    })
                    .collect();
                shown.sort();
                format!("{{{}}}", shown.join(" "))
            }
        }
    }
    let options = Options {
        mode: Mode::Dynamic,
        ..Options::default()
    };
    match Program::compile(source, &options) {
        Ok(program) => show(program.projection()),
        Err(errors) => errors[0].message.clone(),
    }
}

#[test]
fn what_is_named_is_read() {
    assert_eq!(reads("a.b & c"), "{a{b} c}");
    assert_eq!(reads("{'x': a.b, 'y': [c.d]}"), "{a{b} c{d}}");
    assert_eq!(reads("lines[qty > 0].{'sku': sku}"), "{lines{qty sku}}");
    assert_eq!(reads("lines^(>price).name"), "{lines{name price}}");
    assert_eq!(
        reads("lines{category: $sum(price)}"),
        "{lines{category price}}"
    );
    assert_eq!(reads("$count(lines)"), "{lines{}}");
    assert_eq!(reads("$exists(a.b) ? 1"), "{a{b{}}}");
    assert_eq!(reads("a ? b : c"), "{a b c}");
    assert_eq!(
        reads("lines@$l.{'x': $l.sku, 'y': other}"),
        "{lines{sku} other}"
    );
    assert_eq!(reads("lines#$i[$i > 1].sku"), "{lines{sku}}");
    assert_eq!(reads("$substring(a, 1) & $string(b) & $trim(c)"), "{a b c}");
    assert_eq!(reads("a.($keys()) & b.$spread()"), "{a b}");
    assert_eq!(reads("a.b[c][0].d"), "{a{b{c d}}}");
}

#[test]
fn variables_and_functions_are_followed() {
    assert_eq!(reads("($o := lines[x]; $count($o); $o.y)"), "{lines{x y}}");
    assert_eq!(
        reads("($f := function($n){ $n.a + b }; $f(c))"),
        "{b c}",
        "an argument of a function is needed as a whole"
    );
    assert_eq!(
        reads("$map(lines, function($l){ $l.a & x })"),
        "{lines{a} x}"
    );
    assert_eq!(
        reads("$filter(lines, function($l){ $l.a > 1 }).b"),
        "{lines{a b}}"
    );
    assert_eq!(reads("lines ~> $filter(function($l){ $l.a })"), "{lines}");
    assert_eq!(reads("a.b ~> $uppercase"), "{a{b}}");
    assert_eq!(
        reads("($x := a; $g := function(){ $x.b }; $x := c; $g())"),
        "{a{b} c}"
    );
    assert_eq!(reads("[a, b].c"), "{a{c} b{c}}");
    assert_eq!(reads("($y := true ? a : b; $y.c)"), "{a{c} b{c}}");
    assert_eq!(reads("$reverse(a).b"), "{a{b}}");
}

#[test]
fn whatever_is_in_doubt_needs_all() {
    for source in [
        "$",
        "$$",
        "*",
        "**.a",
        "a.b.%.c",
        "$eval('a')",
        "$keys()",
        "a.$f()",
        "$map($, $string)",
        "function($x)<s-:s>{$x}()",
        "$ ~> |a|{'b': 1}|",
    ] {
        let shown = reads(source);
        assert!(shown == "*" || shown == "{a}", "{source}: {shown}");
    }
    assert_eq!(reads("a.*"), "{a}");
    assert_eq!(
        reads("($g := function(){ $x.b }; $x := c; $g())"),
        "{c}",
        "a function sees what is bound later"
    );
    assert_eq!(reads("a.[$x.b, $x := c]"), "{a{c}}");
}
