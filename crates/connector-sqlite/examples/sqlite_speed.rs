//! Measures the sink:
//! `cargo run --release -p sluice-connector-sqlite --example sqlite_speed [ROWS]`.

use std::sync::Arc;

use sluice_model::operation::{SqlColumn, SqlTable, Target};
use sluice_model::span::{FileId, Span};
use sluice_model::types::Type;
use sluice_model::value::{Name, Record, Text, Value};
use sluice_sdk::connection::Row;
use sluice_testkit::project::TempProject;
use sluice_testkit::workbench::Workbench;

fn main() {
    let count: usize = std::env::args()
        .nth(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(1_000_000);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    for mode in ["insert", "upsert"] {
        runtime.block_on(write(count, mode));
    }
}

async fn write(count: usize, mode: &str) {
    let names = ["id", "sku", "name", "email", "quantity", "amount", "day"].map(Name::new);
    let columns = names.iter().enumerate().map(|(at, name)| SqlColumn {
        name: *name,
        ty: if (4..6).contains(&at) {
            Type::int()
        } else {
            Type::text()
        },
        optional: false,
        declared: if (4..6).contains(&at) {
            "INTEGER"
        } else {
            "TEXT"
        }
        .into(),
    });
    let table = SqlTable {
        name: "orders".into(),
        columns: columns.collect(),
        primary_key: vec![names[0]],
        unique_keys: Vec::new(),
        definition: "(id TEXT PRIMARY KEY, sku TEXT, name TEXT, email TEXT, quantity INTEGER, \
                     amount INTEGER, day TEXT)"
            .into(),
        span: Span {
            file: FileId(0),
            start: 0,
            end: 0,
        },
    };
    let project = TempProject::new();
    let bench = Workbench::new(project.path(), sluice_connector_sqlite::register);
    let fields = serde_json::json!({ "type": "sqlite", "file": "shop.db", "create": true });
    let connection = bench.connection(fields).expect("the fields are right");
    let fields = serde_json::json!({ "mode": mode });
    let target = Target::Table(Arc::new(table));
    let mut sink = bench
        .sink(&connection, target, fields)
        .expect("the fields are right");
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    sink.open(&cx).await.expect("the sink opens");
    let start = cx.monotonic();
    for first in (0..count).step_by(500) {
        let rows: Vec<Row> = (first..count.min(first + 500))
            .map(|n| row(&names, n))
            .collect();
        sink.write(&rows, &cx).await.expect("rows are written");
    }
    let elapsed = (cx.monotonic() - start).as_secs_f64();
    let rate = count as f64 / elapsed;
    println!("{mode}: {count} rows in {elapsed:.2} s, {rate:.0} rows/s");
}

fn row(names: &[Name; 7], n: usize) -> Row {
    let values = [
        Value::Text(Text::from(format!("A-{n:09}"))),
        Value::Text(Text::from(format!("SKU-{}", n % 1000))),
        Value::Text(Text::from("Erika Mustermann")),
        Value::Text(Text::from("erika.mustermann@shop.example")),
        Value::Int(3),
        Value::Int(n as i64),
        Value::Text(Text::from("2026-01-02T03:04:05Z")),
    ];
    let fields = names.iter().map(|name| (*name).into()).zip(values);
    Row {
        value: Value::Record(Record::from_distinct(fields.collect())),
        name: None,
        key: None,
        group: None,
    }
}
