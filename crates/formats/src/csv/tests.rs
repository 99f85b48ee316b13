//! Tests of CSV alone: dialects, types, broken rows, limits, writing.

use sluice_model::json;
use sluice_model::projection::Projection;
use sluice_model::types::{Field, Kind, TextFormat, Type};
use sluice_model::value::{Name, Value};
use sluice_sdk::format::{DynFormat, Format, Start};

use super::{Csv, CsvConfig};
use crate::tests::{corpus, decode, decode_from, encode, make, make_typed, show};

fn field(name: &str, ty: Type, required: bool) -> Field {
    Field {
        name: Name::new(name),
        ty,
        required,
    }
}

fn order_row() -> Type {
    Type::record(vec![
        field("id", Type::int(), true),
        field("total", Type::decimal(), true),
        field("paid", Type::bool(), false),
        field("day", Type::text_with(TextFormat::Date), false),
        field("note", Type::text().or_null(), true),
    ])
}

fn check(format: &dyn DynFormat, input: &str, expected: &[&str]) {
    let decoded = decode(format, input.as_bytes());
    let shown: Vec<String> = decoded.iter().map(show).collect();
    assert_eq!(shown, expected, "{input}");
}

fn typed(options: &str) -> std::sync::Arc<dyn DynFormat> {
    make_typed("csv", options, Some(&order_row())).expect("right options")
}

#[test]
fn csv_spectrum_is_read_as_its_json_says() {
    let Some(folder) = corpus("csv_spectrum_is_read_as_its_json_says", "csv-spectrum") else {
        return;
    };
    let format = make("csv", "{}");
    let mut cases = 0;
    for entry in std::fs::read_dir(folder.join("csvs")).expect("the corpus can be listed") {
        let path = entry.expect("the corpus can be listed").path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut bytes = std::fs::read(&path).expect("the case can be read");
        // A checkout may have lost what these files are about.
        if name.ends_with("_crlf") && !bytes.contains(&b'\r') {
            let text = String::from_utf8(bytes).expect("UTF-8");
            bytes = text.replace('\n', "\r\n").into_bytes();
        }
        let expected = std::fs::read(folder.join("json").join(format!("{name}.json")));
        let expected = json::read_owned(
            &expected.expect("the case has its JSON"),
            &Projection::All,
            &json::Limits::default(),
        );
        // One file has a single record without a list around it, and another number than its CSV.
        let mut expected = match expected.expect("JSON") {
            Value::List(items) => items,
            one => vec![one],
        };
        if name == "location_coordinates"
            && let Some(Value::Record(record)) = expected.first_mut()
            && let Some(phone) = record.get_str_mut("Contact Phone Number")
        {
            *phone = Value::text("2095257564");
        }
        let decoded = decode(&*format, &bytes);
        let found: Vec<Value> = decoded
            .into_iter()
            .map(|decoded| decoded.content.expect("a good row"))
            .collect();
        assert_eq!(found, expected, "{name}");
        cases += 1;
    }
    assert_eq!(cases, 12);
}

#[test]
fn cells_become_the_fields_of_the_type() {
    check(
        &*typed("{}"),
        "id,total,paid,day,note,more\n1,1.10,true,2026-03-14,\"a \"\"b\"\"\",x\n-2,5,,,,\n",
        &[
            r#"2-3 28..63 {"id":1,"total":1.10,"paid":true,"day":"2026-03-14","note":"a \"b\""}"#,
            r#"3-4 63..72 {"id":-2,"total":5,"note":null}"#,
        ],
    );
    let open = Type::new(Kind::Map(std::sync::Arc::new(Type::int())));
    let open = make_typed("csv", "{}", Some(&open)).expect("right options");
    check(&*open, "a,b\n1,\n", &[r#"2-3 4..7 {"a":1}"#]);
}

#[test]
fn a_row_that_does_not_convert_says_where_and_why() {
    check(
        &*typed("{}"),
        "note,id,total,day\nx,1 ,1.5,2026-13-01\ny,,1,\nz,3,1,\n\"w\nw\",4.5,,\n",
        &[
            "2-3 18..38 ! invalid: column 2 (`id`): expected an integer, found `1 `: it has blanks \
             around it, which `trim: true` leaves out (and 1 more cell is wrong) (column: 2) \
             (line: 2) | x,1 ,1.5,2026-13-01",
            "3-4 38..44 ! invalid: column 2 (`id`): the cell is empty, but the type requires the \
             field (column: 2) (line: 3) | y,,1,",
            r#"4-5 44..51 {"note":"z","id":3,"total":1}"#,
            "5-7 51..63 ! invalid: column 2 (`id`): expected an integer, found `4.5` (and 1 more \
             cell is wrong) (column: 2) (line: 5) | \\\"w\\nw\\\",4.5,,",
        ],
    );
    let decoded = decode(&*typed("{}"), b"note,id,total,day\nx,1 ,1.5,2026-13-01\n");
    let Err(unread) = &decoded[0].content else {
        panic!("the row is wrong");
    };
    let details: Vec<_> = unread
        .fault
        .details()
        .iter()
        .map(|d| d.pointer.as_str())
        .collect();
    assert_eq!(details, ["/id", "/day"]);
    assert!(unread.fault.details()[1].message.contains("a date such as"));
}

#[test]
fn a_broken_row_costs_itself_only() {
    check(
        &*make("csv", "{}"),
        "a,b\n1,2\n1\n1,2,3\n\"x\"y,2\n3,\u{1}\n",
        &[
            r#"2-3 4..8 {"a":"1","b":"2"}"#,
            "3-4 8..10 ! invalid: the row has 1 cell, but there are 2 columns (is the delimiter \
             `,`?) (column: 2) (line: 3) | 1",
            "4-5 10..16 ! invalid: the row has 3 cells, but there are 2 columns (column: 3) \
             (line: 4) | 1,2,3",
            "5-6 16..23 ! invalid: column 1 (`a`): something follows the closing `\"`: a quote \
             inside quotes is written `\"\"` (column: 1) (line: 5) | \\\"x\\\"y,2",
            r#"6-7 23..27 {"a":"3","b":"\u0001"}"#,
        ],
    );
    let decoded = decode(&*make("csv", "{}"), b"a,b\n1,\xE9t\xE9\n3,4\n");
    assert_eq!(
        decoded.iter().map(show).collect::<Vec<_>>(),
        [
            "2-3 4..10 ! invalid: column 2 (`b`): byte 0xE9 is not UTF-8: save the file as UTF-8 \
             (column: 2) (line: 2) | 1,\u{fffd}t\u{fffd}",
            r#"3-4 10..14 {"a":"3","b":"4"}"#,
        ]
    );
}

#[test]
fn a_quote_that_is_never_closed_takes_the_rest_or_its_line() {
    let input = "a,b\n1,2\n3,\"4\n5,6\n";
    let why = "! invalid: column 2 (`b`): the opening `\"` is never closed, so nothing tells the \
               cell's end (column: 2) (line: 3)";
    let rest = format!("3-5 8..17 {why} | 3,\\\"4\\n5,6");
    let first = r#"2-3 4..8 {"a":"1","b":"2"}"#;
    check(&*make("csv", "{}"), input, &[first, &rest]);
    let line = format!("3-4 8..13 {why} | 3,\\\"4");
    let last = r#"4-5 13..17 {"a":"5","b":"6"}"#;
    check(
        &*make("csv", r#"{"multiline":false}"#),
        input,
        &[first, &line, last],
    );
    check(
        &*make("csv", r#"{"quote":null}"#),
        input,
        &[first, r#"3-4 8..13 {"a":"3","b":"\"4"}"#, last],
    );
}

#[test]
fn lines_are_counted_whatever_ends_them() {
    check(
        &*make("csv", "{}"),
        "\u{feff}a,b\r\n\r\n1,\"x\r\ny\rz\"\r3,4\n\n\n5,6",
        &[
            r#"3-6 10..21 {"a":"1","b":"x\r\ny\rz"}"#,
            r#"6-7 21..25 {"a":"3","b":"4"}"#,
            r#"9-9 27..30 {"a":"5","b":"6"}"#,
        ],
    );
}

#[test]
fn dialects_are_followed() {
    check(
        &*make(
            "csv",
            r##"{"delimiter":";","quote":"'","escape":"\\","trim":true,"comment":"#"}"##,
        ),
        "# two columns; really\na; b\n 'x;\\'\\\\' ; y \n#1;2\n;\n",
        &[
            r#"3-4 27..42 {"a":"x;'\\","b":"y"}"#,
            r#"5-6 47..49 {"a":"","b":""}"#,
        ],
    );
    check(
        &*make("csv", r#"{"header":"none","columns":["a","b"]}"#),
        "1,2\n",
        &[r#"1-2 0..4 {"a":"1","b":"2"}"#],
    );
    check(
        &*make("csv", r#"{"header":"skip","columns":["a","b"]}"#),
        "A,B,C\n1,2\n",
        &[r#"2-3 6..10 {"a":"1","b":"2"}"#],
    );
    check(
        &*typed(r#"{"header":"none","delimiter":"\t"}"#),
        "1\t2\t\t\tx\n",
        &[r#"1-2 0..8 {"id":1,"total":2,"note":"x"}"#],
    );
}

#[test]
fn a_header_that_cannot_be_used_is_told_once() {
    for (input, why) in [
        (
            "id;total;note\n1;2;3\n4;5;6\n",
            "it has no column `id`, which the type requires (is the delimiter `,`?) (line: 1) | \
             id;total;note",
        ),
        (
            "id,total,note,id\n1,2,3,4\n",
            "columns 1 and 4 are both called `id`: name them in `columns`, with `header: skip` \
             (line: 1) | id,total,note,id",
        ),
    ] {
        let header = input.find('\n').expect("a header") + 1;
        let expected = format!(
            "1-2 0..{header} ! invalid: the header cannot be used, so no row was read: {why}"
        );
        check(&*typed("{}"), input, &[&expected]);
        let mut decoder = typed("{}").decoder(&Start::default());
        decoder.feed(input.as_bytes(), &mut Vec::new());
        let start = Start {
            offset: header as u64,
            line: 2,
            state: decoder.state(),
        };
        let rest = decode_from(&*typed("{}"), &start, &input.as_bytes()[header..]);
        assert!(rest.is_empty(), "what followed stays unread");
    }
}

#[test]
fn limits_cost_the_row_that_exceeds_them() {
    let format = make("csv", r#"{"record_max":"64B","columns_max":3}"#);
    for long in [
        "x".repeat(64),
        "x".repeat(70_000),
        format!("\"{}\"", "y\n".repeat(100_000)),
    ] {
        let input = format!("a,b\n1,2\n{long},2\n3,4\n");
        let decoded = decode(&*format, input.as_bytes());
        assert_eq!(decoded.len(), 3, "{}", long.len());
        let lines = long.matches('\n').count() as u64;
        let (second, third) = (&decoded[1], &decoded[2]);
        assert_eq!((second.line, second.end_line), (3, 4 + lines));
        assert_eq!((second.offset, second.end), (8, 8 + long.len() as u64 + 3));
        let Err(unread) = &second.content else {
            panic!("the row is too long");
        };
        assert_eq!(unread.raw.len(), 64);
        assert_eq!(unread.fault.code().0.as_ref(), "limit");
        assert!(
            unread
                .fault
                .public()
                .contains("in line 3 is longer than the limit of 64 bytes")
        );
        assert!(
            third.content.is_ok() && third.line == 4 + lines,
            "{}",
            show(third)
        );
    }
    check(
        &*format,
        "a,b,c\n1,2,3,4,5\n",
        &[
            "2-3 6..16 ! invalid: column 4: more cells than the limit of 3 (`columns_max`) \
           (column: 4) (line: 2) | 1,2,3,4,5",
        ],
    );
}

#[test]
fn rows_of_many_quoted_cells_cost_their_length() {
    // If each cell looked at the rest of its row, this would take minutes.
    for options in ["{}", r#"{"multiline":false}"#] {
        let input = format!("a\n{}\n", "\"x\",".repeat(200_000));
        let format = make("csv", options);
        let decoded = decode(&*format, input.as_bytes());
        assert_eq!(decoded.len(), 1);
        assert!(show(&decoded[0]).contains("more cells than the limit of 4096"));
    }
}

#[test]
fn columns_that_nobody_needs_are_left_out() {
    let projection = Projection::Fields(vec![(Name::new("total"), Projection::All)]);
    let csv = Csv::check(CsvConfig::default(), Some(&order_row())).expect("right options");
    let input = "id,total,note\nnot a number,2.50,\n";
    check(
        &csv.projected(projection.clone()),
        input,
        &[r#"2-3 14..33 {"total":2.50}"#],
    );
    let csv = Csv::check(CsvConfig::default(), None).expect("right options");
    check(
        &csv.projected(projection),
        input,
        &[r#"2-3 14..33 {"total":"2.50"}"#],
    );
}

#[test]
fn wrong_options_are_told_all_together() {
    let wrong = |options: &str, ty: Option<&Type>| match make_typed("csv", options, ty) {
        Ok(_) => panic!("{options} is wrong"),
        Err(error) => error,
    };
    let all = wrong(
        r#"{"delimiter":"x","quote":"é","comment":"\\","escape":"\\","record_max":"1B",
            "columns":["a","a"],"columns_max":0}"#,
        None,
    );
    for part in [
        "/delimiter",
        "/quote",
        "/comment",
        "/record_max",
        "/columns/1",
        "/columns_max",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    assert!(wrong(r#"{"header":"none"}"#, None).contains("nothing names the columns"));
    assert!(wrong("{}", Some(&Type::int())).contains("a CSV row is a record"));
    let nested = Type::record(vec![field("lines", Type::list(Type::any()), true)]);
    assert!(wrong("{}", Some(&nested)).contains("the field `lines` is a list"));
    let lacking = wrong(r#"{"columns":["id"],"header":"none"}"#, Some(&order_row()));
    assert!(lacking.contains("lacks `total`"), "{lacking}");
}

#[test]
fn rows_are_written_with_quotes_where_they_must() {
    let read = |text: &str| {
        let limits = json::Limits::default();
        json::read_owned(text.as_bytes(), &Projection::All, &limits).expect("JSON")
    };
    let csv = |options: &str, records: &[&str]| {
        let records: Vec<_> = records.iter().map(|record| read(record)).collect();
        String::from_utf8(encode(&*make("csv", options), &records)).expect("UTF-8")
    };
    assert_eq!(
        csv(
            "{}",
            &[
                r#"{"a":"x\"y","b":"1,2","c":"l\nm"}"#,
                r#"{"c":-1.50,"a":1e400,"b":true}"#
            ]
        ),
        "a,b,c\n\"x\"\"y\",\"1,2\",\"l\nm\"\n1e400,true,-1.50\n"
    );
    assert_eq!(
        csv("{}", &[r#"{"a":""}"#, r#"{"a":null}"#]),
        "a\n\"\"\n\"\"\n"
    );
    assert_eq!(
        csv(
            r#"{"formulas":"neutralise"}"#,
            &[r#"{"a":"=1+1","b":-5,"c":"-5","d":"@x,y"}"#]
        ),
        "a,b,c,d\n'=1+1,-5,'-5,\"'@x,y\"\n"
    );
    assert_eq!(
        csv(
            r#"{"columns":["b"],"header":"none","line_break":"crlf"}"#,
            &[r#"{"a":1,"b":2}"#]
        ),
        "2\r\n"
    );
    assert_eq!(csv(r#"{"columns":["b"]}"#, &[]), "b\n");
    let typed = typed("{}");
    assert_eq!(encode(&*typed, &[]), b"id,total,paid,day,note\n");
    let mut encoder = typed.encoder();
    let mut out = Vec::new();
    let fault = encoder
        .encode(&read(r#"{"x":1}"#), &mut out)
        .expect_err("an unknown field");
    assert!(
        fault
            .public()
            .contains("a field `x`, but the columns are the type's fields")
    );
    assert!(out.is_empty(), "nothing is added");
    encoder
        .encode(&read(r#"{"id":1}"#), &mut out)
        .expect("a record");
    assert_eq!(out, b"id,total,paid,day,note\n1,,,,\n");
    let unquoted = make("csv", r#"{"quote":null}"#);
    let fault = unquoted.encoder().encode(&read(r#"{"a":"1,2"}"#), &mut out);
    assert!(
        fault
            .expect_err("it needs quotes")
            .public()
            .contains("without `quote`")
    );
}
