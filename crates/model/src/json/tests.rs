//! Tests of the reader and the writer, with two public corpora, a second reader and proptest.

use std::path::PathBuf;

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::{JsonError, Limits, read, read_owned, to_string, write_pretty};
use crate::projection::Projection;
use crate::value::{Key, Name, Record, Text, Value};

fn read_all(text: &[u8]) -> Result<Value<'_>, JsonError> {
    read(text, &Projection::All, &Limits::default())
}

fn again(text: &str) -> String {
    match read_all(text.as_bytes()) {
        Ok(value) => to_string(&value),
        Err(error) => error.to_string(),
    }
}

/// Returns the folder of a corpus; `None`, and says so, where the corpora are not at hand.
#[expect(
    clippy::disallowed_methods,
    reason = "a test finds its corpus by the environment"
)]
fn corpus(test: &str, name: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora");
    let root = std::env::var_os("SLUICE_CORPORA").map_or_else(|| default.into(), PathBuf::from);
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "{test}: corpora missing"
    );
    println!("not run: {test}: corpora missing");
    None
}

#[test]
fn json_test_suite_is_judged_as_named() {
    let Some(folder) = corpus("json_test_suite_is_judged_as_named", "json-parsing") else {
        return;
    };
    let mut judged = 0;
    for entry in std::fs::read_dir(folder).expect("the corpus can be listed") {
        let path = entry.expect("the corpus can be listed").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(kind) = name.split_once('_').map(|(kind, _)| kind.to_owned()) else {
            continue;
        };
        let bytes = std::fs::read(&path).expect("the case can be read");
        // Skipping has to judge as reading does.
        let results = [
            read_all(&bytes).map(Value::into_owned),
            read_owned(&bytes, &Projection::All, &Limits::default()),
        ];
        let wrapped = [b"{\"skipped\":", &bytes[..], b"}"].concat();
        let skipped = read(&wrapped, &Projection::nothing(), &Limits::default());
        for result in &results {
            match kind.as_str() {
                "y" => assert!(result.is_ok(), "{name}: {result:?}"),
                "n" => assert!(result.is_err(), "{name}: {result:?}"),
                _ => {}
            }
        }
        // A byte order mark is allowed at the start only, and one case closes the wrapper.
        if !bytes.starts_with(b"\xEF\xBB\xBF")
            && name != "n_structure_object_with_trailing_garbage.json"
        {
            assert_eq!(skipped.is_ok(), results[0].is_ok(), "skipping {name}");
        }
        judged += 1;
    }
    assert!(judged > 200, "only {judged} cases");
}

#[test]
fn naughty_strings_make_the_round_trip() {
    let Some(folder) = corpus("naughty_strings_make_the_round_trip", "naughty-strings") else {
        return;
    };
    let bytes = std::fs::read(folder.join("blns.json")).expect("the corpus can be read");
    let value = read_all(&bytes).expect("the corpus is JSON");
    let theirs: Vec<String> = serde_json::from_slice(&bytes).expect("the corpus is JSON");
    let ours = value.as_list().expect("a list");
    assert!(ours.len() > 400);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours.as_str(), Some(theirs.as_str()));
    }
    let text = to_string(&value);
    assert_eq!(read_all(text.as_bytes()).expect("our own"), value);
    let mut pretty = Vec::new();
    write_pretty(&value, &mut pretty);
    assert_eq!(read_all(&pretty).expect("our own"), value);
}

#[test]
fn numbers_are_written_as_they_were() {
    for number in [
        "0",
        "-1",
        "1.10",
        "-0",
        "-0.0",
        "0.0",
        "1e400",
        "1E+2",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "123456789012345678901234567890123",
        "0.0000000000000000001",
        "1234567890123456.78",
        "9999999999999999999",
        "99999999999999999.99",
        "-79228162514264337593543950335",
        "0.1234567890123456789012345678",
        "18446744073709551616.5",
        "0.12345678901234567890123456789",
    ] {
        assert_eq!(again(number), number);
        let own = Value::number(number).expect("a number");
        let read = read_all(number.as_bytes()).expect("a number");
        assert_eq!(
            std::mem::discriminant(&own),
            std::mem::discriminant(&read),
            "{number} as `Value::number` reads it"
        );
    }
}

#[test]
fn doubles_are_written_as_ecmascript_does() {
    for (float, text) in [
        (1.0, "1"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (-1.5, "-1.5"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.25e21, "1.25e+21"),
        (123_456.75, "123456.75"),
        (0.000_001, "0.000001"),
        (0.000_001_25, "0.00000125"),
        (1e-7, "1e-7"),
        (-1.5e-9, "-1.5e-9"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (f64::NAN, "null"),
        (f64::NEG_INFINITY, "null"),
    ] {
        assert_eq!(to_string(&Value::Float(float)), text);
    }
}

#[test]
fn texts_are_escaped_only_where_they_must_be() {
    let value = Value::from("a\"b\\c/\u{8}\u{c}\n\r\t\u{1}\u{7f}\u{2028}ä😀");
    let text = "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\u{7f}\u{2028}ä😀\"";
    assert_eq!(to_string(&value), text);
    assert_eq!(again(r#""\u00e4\ud83d\ude00\/\"""#), r#""ä😀/\"""#);
    let bytes = |bytes: &[u8]| to_string(&Value::Bytes(bytes.into()));
    assert_eq!(bytes(b"foobar"), r#""Zm9vYmFy""#);
    assert_eq!(bytes(b"fooba"), r#""Zm9vYmE=""#);
    assert_eq!(bytes(b"foob\xFF"), r#""Zm9vYv8=""#);
    assert_eq!(bytes(b"f"), r#""Zg==""#);
    assert_eq!(bytes(b""), r#""""#);
}

#[test]
fn texts_borrow_and_own_as_asked() {
    let text = br#"{"long":"a text that does not fit into a value itself","short":"s"}"#;
    let range = text.as_ptr_range();
    let value = read_all(text).expect("JSON");
    let long = value.get("long").and_then(Value::as_str).expect("a text");
    assert!(range.contains(&long.as_ptr()), "it borrows");
    let owned = read_owned(text, &Projection::All, &Limits::default()).expect("JSON");
    let long = owned.get("long").and_then(Value::as_str).expect("a text");
    assert!(!range.contains(&long.as_ptr()), "it owns");
    assert_eq!(owned, value);
}

#[test]
fn the_later_of_two_fields_stands_at_the_earlier_place() {
    assert_eq!(again(r#"{"a":1,"b":2,"\u0061":3}"#), r#"{"a":3,"b":2}"#);
    let many: Vec<String> = (0..200).map(|i| format!("\"k{}\":{i}", i % 100)).collect();
    let value = again(&format!("{{{}}}", many.join(",")));
    assert!(value.starts_with(r#"{"k0":100,"k1":101,"#), "{value}");
    assert!(value.ends_with(r#""k99":199}"#), "{value}");
}

#[test]
fn many_fields_do_not_cost_the_square() {
    // A million comparisons for each field would take an hour.
    let fields: Vec<String> = (0..300_000).map(|i| format!("\"{i}\":0")).collect();
    let text = format!("{{{}}}", fields.join(","));
    let value = read_all(text.as_bytes()).expect("JSON");
    assert_eq!(value.as_record().map(Record::len), Some(300_000));
}

#[test]
fn a_projection_leaves_out_and_checks() {
    let one = |name: &str, inner| Projection::Fields(vec![(Name::new(name), inner)]);
    let projection = one("a", one("b", Projection::All));
    let limits = Limits::default();
    let text = br#"{"x":{"y":[1,{"z":"\n"},[]],"e":{}},"a":[{"b":{"c":1},"d":2},5,{"d":3}]}"#;
    let value = read(text, &projection, &limits).expect("JSON");
    assert_eq!(to_string(&value), r#"{"a":[{"b":{"c":1}},5,{}]}"#);
    let (key, _) = value
        .as_record()
        .expect("a record")
        .iter()
        .next()
        .expect("one");
    assert!(matches!(key, Key::Name(name) if *name == Name::new("a")));

    let error = read(br#"{"x":{"y":[1,{"z":01}]}}"#, &projection, &limits).expect_err("bad");
    assert_eq!(
        error.to_string(),
        "line 1, column 19: a number may not begin with a needless `0` (at `/x/y/1/z`)"
    );
}

/// Texts that are not JSON, and what is said of them.
const WRONG: &[(&str, &str)] = &[
    (
        "",
        "line 1, column 1: expected a value, found the end of the input",
    ),
    (
        "{\n  \"qty\": 1\n  \"sku\": 2\n}",
        "line 3, column 3: expected `,` or `}` after the value of `qty`, found `\"`",
    ),
    (
        "{\"lines\":[{\"q~ty/\":1},{\"q~ty/\":tru}]}",
        "line 1, column 32: expected a value, `true` perhaps (at `/lines/1/q~0ty~1`)",
    ),
    (
        "[1 2]",
        "line 1, column 4: expected `,` or `]` after item 0, found `2`",
    ),
    (
        "[1,]",
        "line 1, column 4: expected an item after `,`, found `]`",
    ),
    (
        "{\"a\":1,}",
        "line 1, column 8: expected a key in double quotes, found `}`",
    ),
    (
        "{\"ä\" 1}",
        "line 1, column 6: expected `:` after the key `ä`, found `1`",
    ),
    (
        "{'a':1}",
        "line 1, column 2: expected a key in double quotes, found `'`",
    ),
    (
        "'a'",
        "line 1, column 1: expected a value (texts stand in double quotes), found `'`",
    ),
    ("\"abc", "line 1, column 1: this text has no closing quote"),
    (
        "\"a\nb\"",
        "line 1, column 3: a text may not hold the control character U+000A: \
             write it as `\\u000a`",
    ),
    (
        "\"a\\x\"",
        "line 1, column 3: not an escape: one of `\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX` \
             was expected",
    ),
    (
        "\"\\u12g4\"",
        "line 1, column 2: expected four hexadecimal digits after `\\u`",
    ),
    (
        "[\"\\ud800\\u0041\"]",
        "line 1, column 3: `\\uD800` is half a surrogate pair and no character: \
             write both halves, or the character itself (at `/0`)",
    ),
    (
        "1 1",
        "line 1, column 3: expected the end of the document, found `1`",
    ),
    (
        "-",
        "line 1, column 2: expected a digit after `-`, found the end of the input",
    ),
    (
        "1.e1",
        "line 1, column 3: expected a digit after `.`, found `e`",
    ),
    (
        "1e\n",
        "line 1, column 3: expected a digit of the exponent, found the end of the line",
    ),
    (
        "\u{feff} x",
        "line 1, column 2: expected a value, found `x`",
    ),
];

#[test]
fn errors_say_what_and_where() {
    for (text, message) in WRONG {
        assert_eq!(again(text), *message, "{text}");
    }
    let error = read_all(b"[\"\xC3\"]").expect_err("not UTF-8");
    assert_eq!(error.message, "byte 0xC3 is not UTF-8");
    assert_eq!((error.offset, error.column), (2, 3));
}

#[test]
fn limits_hold_for_what_is_kept_and_what_is_skipped() {
    let limits = Limits {
        depth: 3,
        bytes: 20,
    };
    for projection in [Projection::All, Projection::nothing()] {
        let check = |text: &str| read(text.as_bytes(), &projection, &limits).map(drop);
        assert_eq!(check(r#"{"a":[[1],[]]}"#), Ok(()));
        let error = check(r#"{"a":[[1,[]]]}"#).expect_err("too deep");
        assert_eq!(error.message, "nested deeper than the limit of 3 levels");
        assert_eq!((error.offset, error.pointer.as_str()), (9, "/a/0/1"));
        let error = check(r#"{"a":"0123456789012"}"#).expect_err("too large");
        assert_eq!(error.message, "larger than the limit of 20 bytes");
    }
    let wide = Limits {
        depth: usize::MAX,
        bytes: usize::MAX,
    };
    let deep = "[".repeat(1_000_000);
    let error = read(deep.as_bytes(), &Projection::All, &wide).expect_err("too deep");
    assert_eq!(
        (error.offset, error.message.as_str()),
        (512, "nested deeper than the limit of 512 levels")
    );
    let most = format!("{}{}", "[".repeat(512), "]".repeat(512));
    assert!(read(most.as_bytes(), &Projection::All, &wide).is_ok());
    let key = format!("{{\"x\":{}{}}}", "[".repeat(511), "]".repeat(511));
    assert!(read(key.as_bytes(), &Projection::nothing(), &wide).is_ok());
}

#[test]
fn pretty_text_is_indented() {
    let value = read_all(br#"{"a":[1,{"b":{}}],"c":[],"d":"x"}"#).expect("JSON");
    let mut out = Vec::new();
    write_pretty(&value, &mut out);
    let text = "{\n  \"a\": [\n    1,\n    {\n      \"b\": {}\n    }\n  ],\n  \
                \"c\": [],\n  \"d\": \"x\"\n}";
    assert_eq!(String::from_utf8(out).expect("UTF-8"), text);
}

#[test]
fn an_error_becomes_a_fault() {
    let fault = crate::fault::Fault::from(read_all(b"{\"a\":\nx}").expect_err("not JSON"));
    assert_eq!(
        fault.public(),
        "not JSON: line 2, column 1: expected a value, found `x` (at `/a`)"
    );
    assert_eq!(fault.details()[0].pointer, "/a");
}

/// Values as a program makes them, floats aside: their text is read as a decimal.
fn values() -> impl Strategy<Value = Value<'static>> {
    let decimals = (any::<i64>(), 0_u32..28).prop_map(|(m, s)| Value::Decimal(Decimal::new(m, s)));
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        decimals,
        any::<f64>()
            .prop_filter("finite", |f| f.is_finite())
            .prop_map(Value::Float),
        any::<String>().prop_map(Value::text),
        "[a-z\\\\\"\u{1}\n]{0,40}".prop_map(Value::text),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        let fields = prop::collection::vec((any::<String>(), inner.clone()), 0..8);
        prop_oneof![
            prop::collection::vec(inner, 0..8).prop_map(Value::List),
            fields.prop_map(|fields| {
                let fields = fields.into_iter().map(|(k, v)| (Text::from(k), v));
                Value::Record(fields.collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(value in values()) {
        let text = to_string(&value);
        let limits = Limits::default();
        prop_assert_eq!(&read_all(text.as_bytes()).expect("our own"), &value);
        let owned = read_owned(text.as_bytes(), &Projection::All, &limits);
        prop_assert_eq!(to_string(&owned.expect("our own")), text.clone());
        let mut pretty = Vec::new();
        write_pretty(&value, &mut pretty);
        prop_assert_eq!(&read_all(&pretty).expect("our own"), &value);
        let theirs: serde_json::Value = serde_json::from_str(&text).expect("JSON to others too");
        prop_assert_eq!(read_all(theirs.to_string().as_bytes()).is_ok(), true);
    }

    #[test]
    fn damaged_text_is_judged_as_serde_json_does(
        value in values(),
        at in any::<prop::sample::Index>(),
        byte in prop::sample::select(&b"\"\\{}[],:0-1.eutfn \n\x01\xC3"[..]),
        what in 0..3,
    ) {
        let mut text = to_string(&value).into_bytes();
        let at = at.index(text.len());
        match what {
            0 => text[at] = byte,
            1 => text.insert(at, byte),
            _ => text.truncate(at),
        }
        let ours = read_all(&text);
        let theirs = serde_json::from_slice::<serde_json::Value>(&text);
        // Numbers beyond a double are an error there and a literal here.
        let beyond = matches!(&theirs, Err(error) if error.to_string().contains("out of range"));
        prop_assert!(ours.is_ok() == theirs.is_ok() || beyond, "{:?} {:?}", ours, theirs);
        let wrapped = [b"{\"skipped\":", &text[..], b"}"].concat();
        let skipped = read(&wrapped, &Projection::nothing(), &Limits::default());
        let whole = read_all(&wrapped);
        prop_assert_eq!(skipped.is_ok(), whole.is_ok());
        if let (Err(skipped), Err(whole)) = (skipped, whole) {
            prop_assert_eq!(skipped, whole);
        }
    }
}
