//! Measures how fast formats are read and written, as MB a second and as ratios to `serde_json`.
//!
//! `cargo run --release -p sluice-formats --example speed -- DOCUMENT.json ROWS.csv`

use std::hint::black_box;
use std::time::{Duration, Instant};

use sluice_formats::csv::{Csv, CsvConfig};
use sluice_formats::json_lines::{JsonLines, JsonLinesConfig};
use sluice_model::json::{self, Limits};
use sluice_model::projection::Projection;
use sluice_model::types::{Field, Type};
use sluice_model::value::{Name, Value};
use sluice_sdk::format::{Decoded, DynFormat, Format, Start};

/// Runs `work` for about a second, in rounds of which the fastest counts, and returns MB/s.
#[expect(
    clippy::disallowed_methods,
    reason = "a measurement looks at the real clock"
)]
fn measure(bytes: usize, mut work: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        let round = Instant::now();
        work();
        best = best.min(round.elapsed());
    }
    bytes as f64 / best.as_secs_f64() / 1e6
}

fn show(what: &str, speed: f64, reference: f64) {
    println!(
        "{what:44} {speed:7.0} MB/s  {:5.2} x serde_json",
        speed / reference
    );
}

/// The fields of every second one, nested: what a mapping might read of a document.
fn half(value: &Value<'_>) -> Projection {
    match value {
        Value::Record(record) => Projection::Fields(
            record
                .iter()
                .step_by(2)
                .map(|(key, value)| (Name::new(key.as_str()), half(value)))
                .collect(),
        ),
        Value::List(items) => items.first().map_or(Projection::All, half),
        _ => Projection::All,
    }
}

fn measure_json(bytes: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    let limits = Limits::default();
    let rounds = 1 + 1_000_000 / bytes.len();
    let total = bytes.len() * rounds;
    let whole = json::read(bytes, &Projection::All, &limits)?;
    let half = half(&whole);
    let reference = measure(total, || {
        for _ in 0..rounds {
            let value: serde_json::Value =
                serde_json::from_slice(black_box(bytes)).expect("it was read before");
            black_box(value);
        }
    });
    show("serde_json::Value", reference, reference);
    let each = |projection: &Projection, what: &str| {
        let speed = measure(total, || {
            for _ in 0..rounds {
                black_box(json::read(black_box(bytes), projection, &limits)).expect("read before");
            }
        });
        show(what, speed, reference);
    };
    each(&Projection::All, "json::read, all");
    each(&half, "json::read, every second field");
    each(&Projection::nothing(), "json::read, nothing (validated)");
    let speed = measure(total, || {
        for _ in 0..rounds {
            let value = json::read_owned(black_box(bytes), &Projection::All, &limits);
            black_box(value).expect("read before");
        }
    });
    show("json::read_owned, all", speed, reference);
    let mut out = Vec::new();
    let theirs: serde_json::Value = serde_json::from_slice(bytes)?;
    let speed = measure(total, || {
        for _ in 0..rounds {
            out.clear();
            json::write(black_box(&whole), &mut out);
        }
    });
    let written = measure(total, || {
        for _ in 0..rounds {
            black_box(serde_json::to_vec(black_box(&theirs))).expect("writing to memory");
        }
    });
    show("json::write", speed, written);
    Ok(())
}

/// Guesses the type of rows from the first one: what looks like an integer is one.
fn guess(bytes: &[u8]) -> Type {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let names = lines.next().unwrap_or_default().split(',');
    let cells = lines.next().unwrap_or_default().split(',');
    let field = |(name, cell): (&str, &str)| Field {
        name: Name::new(name),
        ty: match cell.parse::<i64>() {
            Ok(_) => Type::int(),
            Err(_) => Type::text(),
        },
        required: true,
    };
    Type::record(names.zip(cells).map(field).collect())
}

fn measure_csv(bytes: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    let ty = guess(&bytes[..bytes.len().min(4096)]);
    let rows = bytes.iter().filter(|byte| **byte == b'\n').count();
    let reference = measure(bytes.len(), || {
        let mut reader = csv_core::Reader::new();
        let (mut output, mut ends) = ([0; 65_536], [0; 64]);
        let mut rest = black_box(bytes);
        let mut found = 0;
        while !rest.is_empty() {
            let (_, read, _, ended) = reader.read_record(rest, &mut output, &mut ends);
            rest = &rest[read..];
            found += black_box(ended);
        }
        black_box(found);
    });
    let show = |what: &str, speed: f64| {
        let row = bytes.len() as f64 / rows.max(1) as f64 / speed;
        println!(
            "{what:44} {speed:7.0} MB/s  {:5.2} x csv-core  {row:.3} us a row",
            speed / reference
        );
    };
    show("csv-core, cells only", reference);
    let mut records = Vec::new();
    for (what, ty) in [("csv, untyped", None), ("csv, typed", Some(&ty))] {
        let csv =
            Csv::check(CsvConfig::default(), ty).map_err(|problems| format!("{problems:?}"))?;
        let speed = measure(bytes.len(), || {
            let mut decoder = Format::decoder(&csv, &Start::default());
            let mut out = Vec::new();
            for chunk in black_box(bytes).chunks(65_536) {
                out.clear();
                decoder.feed(chunk, &mut out);
            }
            decoder.finish(&mut out);
            black_box(out);
        });
        show(what, speed);
        let mut decoder = Format::decoder(&csv, &Start::default());
        records.clear();
        decoder.feed(&bytes[..bytes.len().min(1 << 20)], &mut records);
    }
    measure_rows(&records)
}

fn measure_rows(records: &[Decoded]) -> Result<(), Box<dyn std::error::Error>> {
    let values: Vec<_> = records
        .iter()
        .filter_map(|one| one.content.as_ref().ok())
        .collect();
    let lines = JsonLines::check(JsonLinesConfig::default(), None).map_err(|p| format!("{p:?}"))?;
    let csv = Csv::check(CsvConfig::default(), None).map_err(|p| format!("{p:?}"))?;
    let formats: [(&str, &dyn DynFormat); 2] = [("csv", &csv), ("json_lines", &lines)];
    for (what, format) in formats {
        let mut out = Vec::new();
        let write = |out: &mut Vec<u8>| {
            out.clear();
            let mut encoder = format.encoder();
            for value in &values {
                encoder.encode(value, out).expect("rows can be written");
            }
        };
        write(&mut out);
        let speed = measure(out.len(), || write(&mut out));
        let row = out.len() as f64 / values.len() as f64 / speed;
        println!("{what:10} written {speed:33.0} MB/s  {row:23.3} us a row");
    }
    let written = out_of(&lines, &values);
    let speed = measure(written.len(), || {
        let mut decoder = Format::decoder(&lines, &Start::default());
        let mut out = Vec::new();
        for chunk in black_box(&written).chunks(65_536) {
            out.clear();
            decoder.feed(chunk, &mut out);
        }
        black_box(out);
    });
    let row = written.len() as f64 / values.len() as f64 / speed;
    println!(
        "{:44} {speed:7.0} MB/s  {row:23.3} us a row",
        "json_lines, read"
    );
    Ok(())
}

fn out_of(format: &dyn DynFormat, values: &[&Value<'static>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = format.encoder();
    for value in values {
        encoder
            .encode(value, &mut out)
            .expect("rows can be written");
    }
    encoder.finish(&mut out);
    out
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    if let Some(document) = arguments.next() {
        measure_json(&std::fs::read(document)?)?;
    }
    if let Some(rows) = arguments.next() {
        measure_csv(&std::fs::read(rows)?)?;
    }
    Ok(())
}
