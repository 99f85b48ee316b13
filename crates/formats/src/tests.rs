//! Tests that every registered format has to pass, and its own small corpus.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use sluice_model::json;
use sluice_model::types::{Field, Type};
use sluice_model::value::{Name, Record, Text, Value};
use sluice_sdk::format::{Decoded, DynFormat, Start};
use sluice_sdk::registry::Registry;

use crate::convert::Conversion;

/// Options under which formats are tested beside their defaults.
const OPTIONS: &[(&str, &str)] = &[
    ("json", r#"{"list":true}"#),
    ("json", r#"{"list":true,"pretty":true}"#),
    (
        "csv",
        r##"{"delimiter":";","quote":"'","line_break":"crlf","trim":true,"comment":"#"}"##,
    ),
    (
        "csv",
        r#"{"delimiter":"\t","escape":"\\","columns":["a","b","c"],"header":"none"}"#,
    ),
    ("csv", r#"{"columns":["a","b","c"],"header":"skip"}"#),
];

pub(crate) fn make(name: &str, options: &str) -> Arc<dyn DynFormat> {
    make_typed(name, options, None).unwrap_or_else(|error| panic!("{name} {options}: {error}"))
}

pub(crate) fn make_typed(
    name: &str,
    options: &str,
    ty: Option<&Type>,
) -> Result<Arc<dyn DynFormat>, String> {
    let mut registry = Registry::default();
    crate::register(&mut registry);
    let mut options = serde_json::Deserializer::from_str(options);
    let mut options = <dyn erased_serde::Deserializer>::erase(&mut options);
    let entry = registry
        .formats()
        .get(name)
        .expect("the format is registered");
    entry
        .make(&mut options, ty)
        .map_err(|error| format!("{error:?}"))
}

fn all() -> Vec<(String, Arc<dyn DynFormat>)> {
    let mut registry = Registry::default();
    crate::register(&mut registry);
    let defaults = registry.formats().keys().map(|name| (*name, "{}"));
    defaults
        .chain(OPTIONS.iter().copied())
        .map(|(name, options)| (format!("{name} {options}"), make(name, options)))
        .collect()
}

/// Returns the folder of a corpus; `None`, and says so, where the corpora are not at hand.
#[expect(
    clippy::disallowed_methods,
    reason = "a test finds its corpus by the environment"
)]
pub(crate) fn corpus(test: &str, name: &str) -> Option<PathBuf> {
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

pub(crate) fn decode_from(format: &dyn DynFormat, start: &Start, bytes: &[u8]) -> Vec<Decoded> {
    let mut decoder = format.decoder(start);
    let mut out = Vec::new();
    decoder.feed(bytes, &mut out);
    decoder.finish(&mut out);
    out
}

pub(crate) fn decode(format: &dyn DynFormat, bytes: &[u8]) -> Vec<Decoded> {
    decode_from(format, &Start::default(), bytes)
}

fn decode_split(format: &dyn DynFormat, bytes: &[u8], splits: &[usize]) -> Vec<Decoded> {
    let mut decoder = format.decoder(&Start::default());
    let mut out = Vec::new();
    let mut from = 0;
    for split in splits {
        let to = from.max(split % (bytes.len() + 1));
        decoder.feed(&bytes[from..to], &mut out);
        from = to;
    }
    decoder.feed(&bytes[from..], &mut out);
    decoder.finish(&mut out);
    out
}

pub(crate) fn encode(format: &dyn DynFormat, records: &[Value<'static>]) -> Vec<u8> {
    let mut encoder = format.encoder();
    let mut out = Vec::new();
    for record in records {
        encoder
            .encode(record, &mut out)
            .expect("the format can say it");
    }
    encoder.finish(&mut out);
    out
}

/// Shows all there is of a decoded record in one line.
pub(crate) fn show(decoded: &Decoded) -> String {
    let content = match &decoded.content {
        Ok(value) => json::to_string(value),
        Err(unread) => format!(
            "! {} | {}",
            unread.fault.private(),
            String::from_utf8_lossy(&unread.raw).escape_debug()
        ),
    };
    let Decoded {
        offset,
        end,
        line,
        end_line,
        ..
    } = decoded;
    format!("{line}-{end_line} {offset}..{end} {content}")
}

fn show_all(decoded: &[Decoded]) -> Vec<String> {
    decoded.iter().map(show).collect()
}

fn row(cells: &[String]) -> Value<'static> {
    let keys = ["a", "b", "c"].into_iter().map(Text::borrowed);
    let cells = cells.iter().map(|cell| Value::text(cell.clone()));
    Value::Record(keys.zip(cells).collect::<Record>())
}

/// Rows of three texts, what every format can say, that hold what structures any of them.
fn rows() -> impl Strategy<Value = Vec<Value<'static>>> {
    let nasty = "[a-c,;'\"\\\\\\t #\\[\\]{}\n\r=é\u{feff}]{0,6}";
    let cell = prop_oneof![nasty, "[a-z0-9]{1,8}", any::<String>()];
    let row = prop::collection::vec(cell, 3).prop_map(|cells| row(&cells));
    prop::collection::vec(row, 1..6)
}

fn as_many_as_fit(format: &dyn DynFormat, mut rows: Vec<Value<'static>>) -> Vec<Value<'static>> {
    if !format.is_stream_of_records() {
        rows.truncate(1);
    }
    rows
}

proptest! {
    // Each case runs over every format and set of options.
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn records_make_the_round_trip(
        rows in rows(),
        splits in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        for (name, format) in all() {
            let rows = as_many_as_fit(&*format, rows.clone());
            let bytes = encode(&*format, &rows);
            let decoded = decode(&*format, &bytes);
            let values: Vec<_> = decoded
                .iter()
                .map(|decoded| decoded.content.clone().map_err(|unread| unread.fault.private()))
                .collect();
            let expected: Vec<_> = rows.into_iter().map(Ok).collect();
            prop_assert_eq!(values, expected, "{}: {}", name, String::from_utf8_lossy(&bytes));
            prop_assert_eq!(
                show_all(&decode_split(&*format, &bytes, &splits)),
                show_all(&decoded),
                "{}", name
            );
        }
    }

    #[test]
    fn any_bytes_in_any_pieces_give_the_same_records(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            prop::collection::vec(
                prop::sample::select(&b"a1,;\"'\\\n\r\n[]{}: #\xEF\xBB\xBF\xC3"[..]),
                0..60,
            ),
        ],
        mut splits in prop::collection::vec(0..80_usize, 0..8),
    ) {
        splits.sort_unstable();
        for (name, format) in all() {
            let decoded = decode(&*format, &bytes);
            prop_assert_eq!(
                show_all(&decode_split(&*format, &bytes, &splits)),
                show_all(&decoded),
                "{}", name
            );
            let mut end = 0;
            for one in &decoded {
                prop_assert!(one.offset >= end && one.end >= one.offset, "{} {}", name, show(one));
                end = one.end;
            }
            prop_assert!(end <= bytes.len() as u64, "{}", name);
        }
    }

    #[test]
    fn a_cut_stream_never_gives_a_wrong_record(rows in rows()) {
        for (name, format) in all() {
            let rows = as_many_as_fit(&*format, rows.clone());
            let bytes = encode(&*format, &rows);
            let whole = decode(&*format, &bytes);
            for cut in 0..bytes.len() {
                let decoded = decode(&*format, &bytes[..cut]);
                for (index, one) in decoded.iter().enumerate() {
                    // The last row of a CSV file needs no line break: no cut can be seen there.
                    let last = index + 1 == decoded.len() && one.end == cut as u64;
                    let unmarked = name.starts_with("csv") && last;
                    if let (Ok(value), false) = (&one.content, unmarked) {
                        let right = whole.get(index).and_then(|one| one.content.as_ref().ok());
                        prop_assert_eq!(Some(value), right, "{} cut at {}", name, cut);
                    }
                }
            }
        }
    }

    #[test]
    fn a_decoder_goes_on_behind_any_record(rows in rows()) {
        for (name, format) in all() {
            let rows = as_many_as_fit(&*format, rows.clone());
            let bytes = encode(&*format, &rows);
            let whole = decode(&*format, &bytes);
            for (index, one) in whole.iter().enumerate() {
                let end = one.end as usize;
                let mut decoder = format.decoder(&Start::default());
                decoder.feed(&bytes[..end], &mut Vec::new());
                let start = Start {
                    offset: one.end,
                    line: one.end_line,
                    state: decoder.state(),
                };
                // A state is stored as JSON.
                let state = json::to_string(&start.state);
                let state = json::read_owned(
                    state.as_bytes(),
                    &sluice_model::projection::Projection::All,
                    &json::Limits::default(),
                );
                prop_assert_eq!(state.expect("JSON"), start.state.clone());
                let rest = decode_from(&*format, &start, &bytes[end..]);
                let expected = show_all(&whole[index + 1..]);
                prop_assert_eq!(show_all(&rest), expected, "{} {}", name, index);
            }
        }
    }
}

#[test]
fn naughty_strings_make_the_round_trip() {
    let Some(folder) = corpus("naughty_strings_make_the_round_trip", "naughty-strings") else {
        return;
    };
    let text = std::fs::read(folder.join("blns.json")).expect("the corpus can be read");
    let strings: Vec<String> = serde_json::from_slice(&text).expect("the corpus is JSON");
    let rows: Vec<_> = strings
        .iter()
        .map(|naughty| row(&["1".to_owned(), naughty.clone(), naughty.clone()]))
        .collect();
    assert!(rows.len() > 400);
    for (name, format) in all() {
        let rows = as_many_as_fit(&*format, rows.clone());
        let bytes = encode(&*format, &rows);
        let decoded = decode(&*format, &bytes);
        assert_eq!(decoded.len(), rows.len(), "{name}");
        for (decoded, row) in decoded.iter().zip(&rows) {
            assert_eq!(
                decoded.content.as_ref().ok(),
                Some(row),
                "{name}: {}",
                show(decoded)
            );
        }
    }
}

/// Reads `tests/corpus/<format>/<case>.<extension>`, with the options in `<case>.options.json`
/// where there are some, and compares with `<case>.expected`: one line for each record.
#[test]
fn each_format_reads_its_corpus() {
    let mut registry = Registry::default();
    crate::register(&mut registry);
    for name in registry.formats().keys() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/corpus")
            .join(name);
        let mut cases = 0;
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|_| panic!("{name} has a corpus")) {
            let path = entry.expect("the corpus can be listed").path();
            if path
                .extension()
                .is_none_or(|extension| extension != "expected")
            {
                continue;
            }
            let options = std::fs::read_to_string(path.with_extension("options.json"));
            let format = make(name, options.as_deref().unwrap_or("{}"));
            let input = path.with_extension(format.extension());
            let bytes = std::fs::read(&input).expect("the case has an input");
            let found = show_all(&decode(&*format, &bytes)).join("\n") + "\n";
            let expected = std::fs::read_to_string(&path).expect("it can be read");
            assert_eq!(found, expected, "{}", input.display());
            cases += 1;
        }
        assert!(cases > 0, "{name} has no case in its corpus");
    }
}

#[test]
fn each_example_and_default_is_right() {
    let mut registry = Registry::default();
    crate::register(&mut registry);
    for (name, entry) in registry.formats() {
        let format = make(name, "{}");
        assert_eq!(format.info().name, *name);
        assert!(entry.config.info.example.contains(name), "{name}");
        let properties = &entry.config.schema["properties"];
        for (field, schema) in properties.as_object().expect("options are a map") {
            let described = schema.get("description").is_some() || schema.get("$ref").is_some();
            assert!(described, "{name}.{field} is described");
        }
        let unknown = make_typed(name, r#"{"nothing":1}"#, None);
        assert!(unknown.is_err(), "{name} refuses unknown options");
    }
}

#[test]
fn json_records_fit_their_type() {
    let ty = Type::record(vec![Field {
        name: Name::new("qty"),
        ty: Type::int(),
        required: true,
    }]);
    let check = |name: &str, options: &str, input: &str, expected: &[&str]| {
        let format = make_typed(name, options, Some(&ty)).expect("right options");
        assert_eq!(format.record_type().to_string(), ty.to_string());
        assert_eq!(show_all(&decode(&*format, input.as_bytes())), expected);
    };
    let lines = "{\"qty\":1}\n{\"qty\":\"x\"}\n";
    let why = "! invalid: the record does not fit its type: `/qty` must be an integer";
    let bad = format!("2-3 10..22 {why} (line: 2) (column: 1) | {{\\\"qty\\\":\\\"x\\\"}}");
    check("json_lines", "{}", lines, &["1-2 0..10 {\"qty\":1}", &bad]);
    let bad = format!("1-1 12..23 {why} (line: 1) (column: 13) | {{\\\"qty\\\":\\\"x\\\"}}");
    let list = "[{\"qty\":1}, {\"qty\":\"x\"}]";
    check(
        "json",
        r#"{"list":true}"#,
        list,
        &["1-1 1..11 {\"qty\":1}", &bad],
    );
    let bad = format!("1-1 0..11 {why} (line: 1) (column: 1) | {{\\\"qty\\\":\\\"x\\\"}}");
    check("json", "{}", "{\"qty\":\"x\"}", &[&bad]);
}

fn convert(from: &dyn DynFormat, to: &dyn DynFormat, bytes: &[u8]) -> (String, Vec<String>) {
    let mut conversion = Conversion::new(from, to);
    let (mut out, mut failed) = (Vec::new(), Vec::new());
    let mut tell = |one: crate::convert::Failed| failed.push(one.fault.public().to_owned());
    for chunk in bytes.chunks(7) {
        conversion.feed(chunk, &mut out, &mut tell);
    }
    let counts = conversion.finish(&mut out, &mut tell);
    assert_eq!(counts.failed, failed.len() as u64);
    (String::from_utf8(out).expect("UTF-8"), failed)
}

#[test]
fn streams_are_converted_record_by_record() {
    let csv = make("csv", "{}");
    let lines = make("json_lines", "{}");
    let document = make("json", "{}");
    let list = make("json", r#"{"list":true}"#);
    let rows = b"id,name\n1,Ada\n2\n3,\"Grace, Hopper\"\n";
    let problem = "the row has 1 cell, but there are 2 columns (is the delimiter `,`?)";
    assert_eq!(
        convert(&*csv, &*lines, rows),
        (
            "{\"id\":\"1\",\"name\":\"Ada\"}\n{\"id\":\"3\",\"name\":\"Grace, Hopper\"}\n".into(),
            vec![problem.to_owned()]
        )
    );
    assert_eq!(
        convert(&*csv, &*list, b"id\n1\n2\n").0,
        "[\n{\"id\":\"1\"},\n{\"id\":\"2\"}\n]\n"
    );
    assert_eq!(convert(&*csv, &*list, b"id\n").0, "[]\n");
    let (out, failed) = convert(&*csv, &*document, b"id\n1\n2\n");
    assert_eq!(out, "{\"id\":\"1\"}\n");
    assert!(
        failed[0].contains("`json` with `list: true`"),
        "{}",
        failed[0]
    );
    let (out, failed) = convert(
        &*document,
        &*csv,
        br#"[{"a":1.10,"b":null},{"b":"x,","a":true},{"a":[]}]"#,
    );
    assert_eq!(out, "a,b\n1.10,\ntrue,\"x,\"\n");
    assert_eq!(
        failed,
        ["column `a`: a CSV cell cannot hold a list: map it to a text or a number first"]
    );
}

#[test]
fn memory_does_not_grow_with_the_stream() {
    // A row that never ends: only its beginning is kept.
    for (name, format) in all() {
        let mut decoder = format.decoder(&Start::default());
        let mut out = Vec::new();
        decoder.feed(b"[", &mut out);
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..40 {
            decoder.feed(&chunk, &mut out);
        }
        decoder.feed(b"\n", &mut out);
        decoder.finish(&mut out);
        let raw: usize = out
            .iter()
            .map(|decoded| match &decoded.content {
                Ok(_) => 0,
                Err(unread) => unread.raw.len(),
            })
            .sum();
        assert!(raw <= 16 << 20, "{name}: {raw}");
        let last = out.last().map(show);
        assert!(out.len() <= 1, "{name}: {last:?}");
    }
}
