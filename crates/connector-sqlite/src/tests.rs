//! Tests on real database files.

use std::sync::Arc;

use expect_test::{Expect, expect};
use serde_json::json;
use sluice_model::fault::Fault;
use sluice_model::operation::{Cardinality, SqlColumn, SqlParam, SqlStatement, SqlTable, Target};
use sluice_model::span::{FileId, Span};
use sluice_model::types::{Bounds, Field, Kind, TextFormat, Type};
use sluice_model::value::{Name, Record, Value};
use sluice_sdk::connection::{BatchFault, DynCall, DynConnection, DynSink, Request, Row};
use sluice_sdk::cx::Cx;
use sluice_testkit::conformance::{self, CallHarness, SinkHarness};
use sluice_testkit::project::TempProject;
use sluice_testkit::workbench::Workbench;
use sluice_testkit::{markdown, yaml};

const NOWHERE: Span = Span {
    file: FileId(0),
    start: 0,
    end: 0,
};

fn number(precision: u32, scale: u32) -> Type {
    Type::new(Kind::Decimal(Bounds {
        precision: Some(precision),
        scale: Some(scale),
        ..Bounds::default()
    }))
}

/// A column from `name TYPE [NOT NULL]`.
fn column(declared: &str) -> SqlColumn {
    let (name, rest) = declared.split_once(' ').expect("a name and a type");
    let required = rest.ends_with(" NOT NULL");
    let declared = rest.trim_end_matches(" NOT NULL");
    let ty = match declared {
        "INTEGER" => Type::int(),
        "BOOLEAN" => Type::bool(),
        "REAL" => Type::float(),
        "NUMERIC(12,2)" => number(12, 2),
        "BLOB" => Type::new(Kind::Bytes),
        "DATE" => Type::text_with(TextFormat::Date),
        "JSON" => Type::any(),
        _ => Type::text(),
    };
    SqlColumn {
        name: Name::new(name),
        ty: if required { ty } else { ty.or_null() },
        optional: !required,
        declared: declared.into(),
    }
}

fn table(name: &str, key: &[&str], columns: &[&str]) -> SqlTable {
    let quoted = |declared: &&str| {
        let (name, rest) = declared.split_once(' ').expect("a name and a type");
        format!("{} {rest}", crate::schema::quoted(name))
    };
    let mut parts: Vec<String> = columns.iter().map(quoted).collect();
    if !key.is_empty() {
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    SqlTable {
        definition: format!("({})", parts.join(", ")).into(),
        name: name.into(),
        columns: columns.iter().map(|declared| column(declared)).collect(),
        primary_key: key.iter().map(|name| Name::new(name)).collect(),
        unique_keys: Vec::new(),
        span: NOWHERE,
    }
}

fn orders() -> Arc<SqlTable> {
    Arc::new(table(
        "orders",
        &["id"],
        &[
            "id TEXT NOT NULL",
            "total NUMERIC(12,2) NOT NULL",
            "paid BOOLEAN",
            "day DATE",
            "note TEXT",
        ],
    ))
}

fn statement(name: &str, sql: &str, params: &[(&str, Type)], marks: Marks) -> Arc<SqlStatement> {
    let orders = orders();
    let row = orders.columns.iter().map(|column| Field {
        name: column.name,
        ty: column.ty.clone(),
        required: true,
    });
    Arc::new(SqlStatement {
        name: name.into(),
        sql: sql.into(),
        params: params
            .iter()
            .map(|(name, ty)| SqlParam {
                name: Name::new(name),
                ty: ty.clone(),
            })
            .collect(),
        cardinality: marks.0,
        row: Type::record(row.collect()),
        reads: marks.1 == Effect::Reads,
        idempotent: marks.1 != Effect::Adds,
        span: NOWHERE,
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Effect {
    Reads,
    Sets,
    Adds,
}

type Marks = (Cardinality, Effect);

struct Shop {
    project: TempProject,
    bench: Workbench,
    connection: Arc<dyn DynConnection>,
}

impl Shop {
    fn new() -> Self {
        Self::with(json!({ "type": "sqlite", "file": "shop.db", "create": true }))
    }

    fn with(fields: serde_json::Value) -> Self {
        let project = TempProject::new();
        let bench = Workbench::new(project.path(), crate::register)
            .with_contract(vec![Target::Table(orders())]);
        let connection = bench.connection(fields).expect("the fields are right");
        Self {
            project,
            bench,
            connection,
        }
    }

    fn sink(&self, table: Arc<SqlTable>, fields: serde_json::Value) -> Box<dyn DynSink> {
        let sink = self
            .bench
            .sink(&self.connection, Target::Table(table), fields);
        sink.expect("the fields are right")
    }

    fn call(&self, statement: Arc<SqlStatement>) -> Arc<dyn DynCall> {
        let target = Target::Statement(statement);
        let call = self.bench.call(&self.connection, target, json!({}));
        call.expect("the fields are right")
    }

    /// Runs SQL beside the connector and gives the result's rows, a line each.
    fn sql(&self, sql: &str) -> Vec<String> {
        let connection = rusqlite::Connection::open(self.project.at("shop.db"))
            .expect("the database can be opened");
        connection
            .busy_timeout(std::time::Duration::from_secs(10))
            .expect("a timeout can be set");
        let mut rows = Vec::new();
        let mut batch = rusqlite::Batch::new(&connection, sql);
        while let Some(mut statement) =
            rusqlite::fallible_iterator::FallibleIterator::next(&mut batch)
                .expect("the test's SQL is right")
        {
            let count = statement.column_count();
            let mut found = statement.raw_query();
            while let Some(row) = found.next().expect("the test's SQL runs") {
                let cells = (0..count).map(|i| match row.get_ref(i).expect("a column") {
                    rusqlite::types::ValueRef::Null => "NULL".to_owned(),
                    rusqlite::types::ValueRef::Integer(int) => int.to_string(),
                    rusqlite::types::ValueRef::Real(real) => format!("{real:?}"),
                    rusqlite::types::ValueRef::Text(text) => {
                        format!("'{}'", String::from_utf8_lossy(text))
                    }
                    rusqlite::types::ValueRef::Blob(bytes) => format!("x{bytes:02x?}"),
                });
                rows.push(cells.collect::<Vec<_>>().join("|"));
            }
        }
        rows
    }
}

fn value(json: serde_json::Value) -> Value<'static> {
    sluice_model::json::read_owned(
        json.to_string().as_bytes(),
        &sluice_model::projection::Projection::All,
        &sluice_model::json::Limits::default(),
    )
    .expect("JSON is JSON")
}

fn row(json: serde_json::Value) -> Row {
    row_of(value(json))
}

fn row_of(value: Value<'static>) -> Row {
    Row {
        value,
        name: None,
        key: None,
        group: None,
    }
}

fn params(json: serde_json::Value) -> Request {
    let Value::Record(params) = value(json) else {
        panic!("parameters are a record")
    };
    Request {
        params,
        ..Request::default()
    }
}

fn shown(fault: &Fault) -> String {
    format!("{fault} [{:?}, {:?}]", fault.retry(), fault.blame())
}

fn failures(result: Result<(), BatchFault>) -> String {
    match result {
        Ok(()) => "written".to_owned(),
        Err(BatchFault::All(fault)) => format!("all: {}", shown(&fault)),
        Err(BatchFault::Rows(rows)) => rows
            .iter()
            .map(|(index, fault)| format!("{index}: {}\n", shown(fault)))
            .collect(),
    }
}

async fn written(sink: &dyn DynSink, rows: &[Row], cx: &Cx) -> String {
    let mut sink = sink.fresh();
    sink.open(cx).await.expect("the sink opens");
    let result = failures(sink.write(rows, cx).await);
    sink.close(cx).await.expect("the sink closes");
    result
}

#[tokio::test]
async fn conforms_as_an_inserting_and_as_an_upserting_sink() {
    for mode in ["insert", "upsert"] {
        let shop = Shop::new();
        let (cx, _owner, _log) = sluice_testkit::cx(0);
        let sink = shop.sink(orders(), json!({ "mode": mode }));
        let harness = SinkHarness {
            sink: sink.fresh(),
            row: Box::new(|n| row(json!({ "id": format!("A-{n}"), "total": n }))),
            bad: Some(row(json!({ "id": "A-bad", "total": null }))),
            group: None,
            found: Box::new(|| {
                shop.sql(
                    "CREATE TABLE IF NOT EXISTS orders(id); SELECT * FROM orders ORDER BY rowid;",
                )
            }),
        };
        // The harness looks before the sink has made the table.
        written(&*sink, &[], &cx).await;
        conformance::sink(harness, &cx).await;
    }
}

#[tokio::test]
async fn conforms_as_calls() {
    let by_id = ("id", Type::text());
    let cases = [
        statement(
            "find",
            "SELECT * FROM orders WHERE id = ?1",
            std::slice::from_ref(&by_id),
            (Cardinality::One, Effect::Reads),
        ),
        statement(
            "set",
            "INSERT INTO orders (id, total) VALUES (?1, 7) ON CONFLICT (id) DO UPDATE SET total = 7",
            std::slice::from_ref(&by_id),
            (Cardinality::Exec, Effect::Sets),
        ),
        statement(
            "add",
            "INSERT INTO orders (id, total) VALUES (?1 || hex(randomblob(8)), 7) RETURNING *",
            std::slice::from_ref(&by_id),
            (Cardinality::Many, Effect::Adds),
        ),
    ];
    for statement in cases {
        let shop = Shop::new();
        let (cx, _owner, _log) = sluice_testkit::cx(0);
        written(&*shop.sink(orders(), json!({})), &[], &cx).await;
        let harness = CallHarness {
            call: shop.call(statement),
            request: Box::new(|n| params(json!({ "id": format!("A-{n}") }))),
            state: Box::new(|| shop.sql("SELECT * FROM orders ORDER BY id;").join("\n")),
        };
        conformance::call(harness, &cx).await;
    }
}

/// Writes rows, then says what failed and what the table holds.
async fn check_rows(table: SqlTable, fields: serde_json::Value, rows: &str, expected: Expect) {
    let shop = Shop::new();
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let name = table.name.clone();
    let sink = shop.sink(Arc::new(table), fields);
    let rows = yaml::value(rows);
    let rows = rows.as_list().expect("rows are a list");
    let rows: Vec<Row> = rows.iter().cloned().map(row_of).collect();
    let said = written(&*sink, &rows, &cx).await;
    let held = shop.sql(&format!("SELECT * FROM {name};"));
    expected.assert_eq(&format!("{}\n{}\n", said.trim_end(), held.join("\n")));
}

#[tokio::test]
async fn rows_fail_alone_with_their_reason() {
    check_rows(
        (*orders()).clone(),
        json!({}),
        r#"
- { id: A-1, total: 12.50, paid: true, day: "2026-01-02", note: null }
- { id: A-1, total: 1 }
- { id: A-2 }
- { id: A-3, total: 1, weight: 3 }
- { id: A-4, total: [1] }
- { id: A-5, total: 12345678901234567.89 }
- 5
- { id: A-6, total: 0.1 }
"#,
        expect![[r#"
            1: conflict: `orders.id` must be unique, and there is a row with the same value already [Never, Caller]
            2: conflict: `orders.total` must not be null [Never, Caller]
            3: invalid: the table `orders` has no column `weight` [Never, Caller]
            4: invalid: `total` takes one value, not a list [Never, Caller]
            5: limit: `total` has more digits than a number of SQLite keeps: round it, or declare the column as TEXT [Never, Caller]
            6: invalid: a row has to be a record, not integer [Never, Caller]
            'A-1'|12.5|1|'2026-01-02'|NULL
            'A-6'|0.1|NULL|NULL|NULL
        "#]],
    )
    .await;
}

#[tokio::test]
async fn upsert_changes_only_the_columns_that_a_row_gives() {
    let table = table(
        "stock",
        &["shop", "sku"],
        &[
            "shop TEXT NOT NULL",
            "sku TEXT NOT NULL",
            "count INTEGER",
            "note TEXT",
        ],
    );
    check_rows(
        table,
        json!({ "mode": "upsert" }),
        r#"
- { shop: V, sku: a, count: 1, note: first }
- { shop: V, sku: a, count: 2 }
- { shop: V, sku: b, note: x }
- { shop: V, sku: b }
- { shop: V, sku: b, note: null }
"#,
        expect![[r#"
            written
            'V'|'a'|2|'first'
            'V'|'b'|NULL|NULL
        "#]],
    )
    .await;
}

#[tokio::test]
async fn names_that_are_words_of_sql_are_quoted() {
    let table = table(
        "\"order\"",
        &[],
        &["select TEXT", "a\"b TEXT", "data BLOB", "doc JSON"],
    );
    let inner = SqlTable {
        name: "order".into(),
        ..table
    };
    let shop = Shop::new();
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let sink = shop.sink(Arc::new(inner), json!({}));
    let mut record = Record::default();
    record.insert(Name::new("select"), Value::from("1"));
    record.insert(Name::new("a\"b"), Value::from("2"));
    record.insert(
        Name::new("data"),
        Value::Bytes([1u8, 255].as_slice().into()),
    );
    record.insert(Name::new("doc"), value(json!({ "a": [1, 2.50] })));
    let rows = [Row {
        value: Value::Record(record),
        ..row(json!({}))
    }];
    assert_eq!(written(&*sink, &rows, &cx).await, "written");
    assert_eq!(
        shop.sql("SELECT * FROM \"order\";"),
        [r#"'1'|'2'|x[01, ff]|'{"a":[1,2.5]}'"#]
    );
}

#[tokio::test]
async fn a_trigger_that_rolls_back_fails_its_row_only() {
    let shop = Shop::new();
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let sink = shop.sink(orders(), json!({}));
    written(&*sink, &[], &cx).await;
    shop.sql(
        "CREATE TRIGGER t BEFORE INSERT ON orders WHEN new.note = 'bad' BEGIN \
         SELECT RAISE(ROLLBACK, 'not this one'); END;",
    );
    let rows: Vec<Row> = ["a", "bad", "c", "bad", "e"]
        .iter()
        .enumerate()
        .map(|(n, note)| row(json!({ "id": n.to_string(), "total": 1, "note": note })))
        .collect();
    expect![[r#"
        1: conflict: the table refuses it: not this one [Never, Caller]
        3: conflict: the table refuses it: not this one [Never, Caller]
    "#]]
    .assert_eq(&written(&*sink, &rows, &cx).await);
    assert_eq!(shop.sql("SELECT note FROM orders;"), ["'a'", "'c'", "'e'"]);
}

#[tokio::test]
async fn a_key_that_is_checked_at_the_end_fails_its_row_only() {
    let shop = Shop::new();
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    shop.sql(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY); INSERT INTO parent VALUES (1);
         CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER
           REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);",
    );
    let child = table("child", &["id"], &["id INTEGER NOT NULL", "parent INTEGER"]);
    let sink = shop.sink(Arc::new(child), json!({}));
    let rows: Vec<Row> = [1, 9, 1]
        .iter()
        .enumerate()
        .map(|(n, parent)| row(json!({ "id": n, "parent": parent })))
        .collect();
    expect![[r#"
        1: conflict: a row that this one refers to does not exist, or this one is referred to [Never, Caller]
    "#]]
    .assert_eq(&written(&*sink, &rows, &cx).await);
    assert_eq!(shop.sql("SELECT * FROM child;"), ["0|1", "2|1"]);
}

#[tokio::test]
async fn a_busy_database_refuses_the_whole_batch() {
    let shop = Shop::with(json!({
        "type": "sqlite", "file": "shop.db", "create": true, "busy_timeout": "1ms",
    }));
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let sink = shop.sink(orders(), json!({}));
    written(&*sink, &[], &cx).await;
    let other = rusqlite::Connection::open(shop.project.at("shop.db")).expect("it opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("it is free");
    let rows = [row(json!({ "id": "A", "total": 1 }))];
    expect!["all: refused: the database `shop.db` is busy: another process writes to it [Soon, Upstream]"]
        .assert_eq(&written(&*sink, &rows, &cx).await);
    other.execute_batch("ROLLBACK").expect("it is open");
    assert_eq!(written(&*sink, &rows, &cx).await, "written");
}

async fn called(shop: &Shop, statement: Arc<SqlStatement>, with: serde_json::Value) -> String {
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    match shop.call(statement).call(params(with), &cx).await {
        Ok(response) => response.body.map_or("missing".to_owned(), |body| {
            sluice_model::json::to_string(&body)
        }),
        Err(fault) => shown(&fault),
    }
}

#[tokio::test]
async fn statements_give_what_their_cardinality_says() {
    let shop = Shop::new();
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let rows = [
        row(json!({ "id": "A", "total": 12.5, "paid": true, "day": "2026-01-02" })),
        row(json!({ "id": "B", "total": 100, "paid": false, "note": "ü" })),
    ];
    written(&*shop.sink(orders(), json!({})), &rows, &cx).await;
    let id = [("id", Type::text())];
    let find = |cardinality| {
        let sql = "SELECT * FROM orders WHERE id >= ?1";
        statement("find", sql, &id, (cardinality, Effect::Reads))
    };
    let one = find(Cardinality::One);
    assert_eq!(
        called(&shop, Arc::clone(&one), json!({ "id": "B" })).await,
        r#"{"id":"B","total":100.00,"paid":false,"day":null,"note":"ü"}"#
    );
    assert_eq!(
        called(&shop, Arc::clone(&one), json!({ "id": "C" })).await,
        "missing"
    );
    expect!["contract: the statement `find` found more than one row: it is marked `:one`, or binds a whole key that the table does not have [Never, Config]"]
        .assert_eq(&called(&shop, one, json!({ "id": "A" })).await);
    assert_eq!(
        called(&shop, find(Cardinality::Many), json!({ "id": "A" })).await,
        r#"[{"id":"A","total":12.50,"paid":true,"day":"2026-01-02","note":null},{"id":"B","total":100.00,"paid":false,"day":null,"note":"ü"}]"#
    );
    let delete = statement(
        "drop",
        "DELETE FROM orders WHERE id >= ?1",
        &id,
        (Cardinality::Exec, Effect::Sets),
    );
    assert_eq!(
        called(&shop, Arc::clone(&delete), json!({ "id": "A" })).await,
        r#"{"rows":2}"#
    );
    assert_eq!(
        called(&shop, delete, json!({ "id": "A" })).await,
        r#"{"rows":0}"#
    );
}

#[tokio::test]
async fn faults_of_statements_say_what_to_do() {
    let shop = Shop::new();
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    written(&*shop.sink(orders(), json!({})), &[], &cx).await;
    let say = async |sql: &str, effect| {
        let marks = (Cardinality::Many, effect);
        called(&shop, statement("x", sql, &[], marks), json!({})).await
    };
    let said = [
        say("SELECT * FROM gone", Effect::Reads).await,
        say("SELECT wrong FROM orders", Effect::Reads).await,
        say("DELETE FROM orders", Effect::Reads).await,
        say("INSERT INTO orders (id) VALUES (1)", Effect::Adds).await,
        say(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
            Effect::Reads,
        )
        .await,
    ];
    expect![[r#"
        not_found: the database `shop.db` has no table `gone`: create it from the contract, or write `create: true` in the connection [Never, Config]
        upstream: the database `shop.db` refuses a statement: no such column: wrong [Never, Config]
        denied: `shop.db` cannot be written: it, or the statement, only reads [Never, Config]
        conflict: `orders.total` must not be null [Never, Caller]
        limit: the statement `x` gives back more than 100000 rows: add a `LIMIT` [Never, Config]"#]]
    .assert_eq(&said.join("\n"));
}

#[tokio::test]
async fn what_fails_after_writing_leaves_nothing() {
    let shop = Shop::new();
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let rows = [1, 2].map(|n| row(json!({ "id": n.to_string(), "total": n })));
    written(&*shop.sink(orders(), json!({})), &rows, &cx).await;
    let two = statement(
        "two",
        "UPDATE orders SET total = 9 RETURNING *",
        &[],
        (Cardinality::One, Effect::Sets),
    );
    let said = called(&shop, two, json!({})).await;
    assert!(said.starts_with("contract: "), "{said}");
    assert_eq!(shop.sql("SELECT total FROM orders;"), ["1", "2"]);
}

async fn probed(shop: &Shop) -> String {
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    match shop.connection.probe(&cx).await {
        Ok(()) => "reached".to_owned(),
        Err(fault) => shown(&fault),
    }
}

#[tokio::test]
async fn probing_compares_with_the_contract_and_changes_nothing() {
    let shop = Shop::new();
    assert_eq!(probed(&shop).await, "reached");
    assert_eq!(shop.project.files(), [""; 0], "probing makes no file");

    let shop = Shop::with(json!({ "type": "sqlite", "file": "shop.db" }));
    expect!["not_found: the database file `shop.db` does not exist: create it, or write `create: true` [Never, Config]"]
        .assert_eq(&probed(&shop).await);
    shop.project.write(
        "shop.db",
        "this is no database, and long enough to see that it is none",
    );
    expect!["io: `shop.db` is not a SQLite database: name another file [Never, Config]"]
        .assert_eq(&probed(&shop).await);
    std::fs::remove_file(shop.project.at("shop.db")).expect("the file is there");
    shop.sql("CREATE TABLE other (id);");
    expect!["not_found: the database `shop.db` is not what its contract says: there is no table `orders` [Never, Config]"]
        .assert_eq(&probed(&shop).await);
    shop.sql("CREATE TABLE orders (ID, total, paid, note);");
    expect!["not_found: the database `shop.db` is not what its contract says: `orders` has no column `day` [Never, Config]"]
        .assert_eq(&probed(&shop).await);
    shop.sql("ALTER TABLE orders ADD COLUMN day;");
    assert_eq!(probed(&shop).await, "reached");
}

#[test]
fn fields_that_are_wrong_are_told_together() {
    let project = TempProject::new();
    let bench = Workbench::new(project.path(), crate::register);
    let said = bench
        .connection(json!({ "type": "sqlite", "readers": 0, "busy_timeout": "2h" }))
        .err()
        .unwrap_or_default();
    expect![[r#"
        /file: the database file is not named; write `file: shop.db`
        /readers: `0` readers; write a number from 1 to 64
        /busy_timeout: longer than an hour; write `5s`"#]]
    .assert_eq(&said);
}

#[test]
fn targets_that_do_not_fit_are_told() {
    let shop = Shop::new();
    let find = statement("find", "SELECT 1", &[], (Cardinality::Many, Effect::Reads));
    let no_key = SqlTable {
        primary_key: Vec::new(),
        ..(*orders()).clone()
    };
    let on = &shop.connection;
    let said = [
        shop.bench
            .sink(on, Target::Statement(find), json!({}))
            .err(),
        shop.bench
            .sink(
                on,
                Target::Table(Arc::new(no_key)),
                json!({ "mode": "upsert" }),
            )
            .err(),
        shop.bench
            .call(on, Target::Table(orders()), json!({}))
            .err(),
        shop.bench
            .call(on, Target::Place("orders".into()), json!({}))
            .err(),
    ];
    let said: Vec<String> = said.into_iter().map(Option::unwrap_or_default).collect();
    expect![[r#"
        : only a table of the contract can be written to; name a table; a statement is called: `call: shop#addOrder`
        /mode: the table `orders` has no primary key to upsert by; declare one in the contract, or write `mode: insert`
        : a table is written to, not called; name a statement of the contract: what stands after `-- name:`
        : a SQLite connection calls named statements only; name a statement of the contract: what stands after `-- name:`"#]]
    .assert_eq(&said.join("\n"));
}

#[tokio::test]
async fn makes_tables_as_the_contract_does() {
    let mut lines = table(
        "lines",
        &["id"],
        &[
            "id INTEGER NOT NULL",
            "sku TEXT",
            "qty INTEGER",
            "added TEXT",
        ],
    );
    lines.columns[0].optional = true;
    lines.definition = "(id INTEGER PRIMARY KEY, sku TEXT, qty INTEGER DEFAULT 1) STRICT".into();
    lines.unique_keys = vec![vec![Name::new("sku")]];
    let rows = "
- { sku: a }
- { id: 9, sku: o'b, qty: 3, added: x }
- { sku: a }
- { sku: c, qty: many }
";
    check_rows(lines, json!({}), rows, expect![[r#"
        2: conflict: `lines.sku` must be unique, and there is a row with the same value already [Never, Caller]
        3: conflict: the table refuses it: cannot store TEXT value in INTEGER column lines.qty [Never, Caller]
        1|'a'|1|NULL
        9|'o'b'|3|'x'
    "#]]).await;
}

#[tokio::test]
async fn a_table_in_another_dialect_is_told() {
    let shop = Shop::new();
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let odd = SqlTable {
        name: "odd".into(),
        definition: "(id bigint GENERATED ALWAYS AS IDENTITY)".into(),
        ..(*orders()).clone()
    };
    let mut sink = shop.sink(Arc::new(odd), json!({}));
    let fault = sink.open(&cx).await.expect_err("SQLite does not know it");
    expect![[r#"upstream: the table `odd` cannot be made, since its `CREATE TABLE` is not SQLite's (near "IDENTITY": syntax error): make it by hand, and remove `create` [Never, Config]"#]].assert_eq(&shown(&fault));
    written(&*shop.sink(orders(), json!({})), &[], &cx).await;
    assert_eq!(shop.sql("SELECT count(*) FROM orders;"), ["0"]);
}

#[test]
fn numbers_keep_their_digits_or_are_refused() {
    let stored = |text: &str, ty: &Type| {
        let value = Value::number(text).expect("a number");
        match crate::values::store(&value, ty, "x") {
            Ok(stored) => {
                let rusqlite::types::ToSqlOutput::Borrowed(stored) =
                    rusqlite::ToSql::to_sql(&stored).expect("values are stored")
                else {
                    return "owned".to_owned();
                };
                let back = crate::values::load(stored, ty, "x").expect("values are loaded");
                assert!(back == value || back.as_str() == Some(text), "{text}");
                format!("{stored:?}")
            }
            Err(fault) => fault.code().to_string(),
        }
    };
    let money = number(20, 2);
    assert_eq!(stored("12.50", &money), "Real(12.5)");
    assert_eq!(stored("0.1", &money), "Real(0.1)");
    assert_eq!(stored("123456789012.34", &money), "Real(123456789012.34)");
    assert_eq!(stored("12345678901234567.89", &money), "limit");
    assert_eq!(
        stored("9007199254740993.0", &money),
        "Integer(9007199254740993)"
    );
    assert_eq!(stored("1e3", &money), "Real(1000.0)");
    assert_eq!(stored("1e400", &money), "limit");
    let any = stored("12345678901234567.89", &Type::any());
    assert!(any.starts_with("Text("), "{any}");
}

#[test]
fn the_documentation_runs() {
    let path = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/md/sqlite.md"));
    markdown::run(path, |case| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime can be built");
        runtime.block_on(documented(case))
    });
}

async fn documented(case: &markdown::Case) -> markdown::Outcome {
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    let shop = Shop::with(yaml::json(case.role("connection").expect("a connection")));
    let mut outcome = Vec::new();
    if let Some(write) = case.role("write") {
        let mut fields = yaml::json(write);
        fields.as_object_mut().expect("a map").remove("write");
        let sink = shop.sink(orders(), fields);
        let rows = case.role("rows").expect("rows");
        let rows: Vec<Row> = rows.lines().map(|line| row_of(yaml::value(line))).collect();
        let said = written(&*sink, &rows, &cx).await;
        outcome.push((
            "failed",
            if said == "written" {
                String::new()
            } else {
                said
            },
        ));
    }
    if let Some(sql) = case.role("query") {
        outcome.push(("table", shop.sql(sql).join("\n")));
    }
    outcome
}

#[tokio::test]
async fn a_text_that_is_no_utf8_is_a_fault() {
    let shop = Shop::new();
    let (cx, _owner, _log) = sluice_testkit::cx(0);
    written(&*shop.sink(orders(), json!({})), &[], &cx).await;
    shop.sql("INSERT INTO orders (id, total) VALUES (CAST(x'ff' AS TEXT), 1);");
    let all = statement(
        "all",
        "SELECT * FROM orders",
        &[],
        (Cardinality::Many, Effect::Reads),
    );
    assert_eq!(
        called(&shop, all, json!({})).await,
        "contract: the column `id` holds a text that is not UTF-8 [Never, Upstream]"
    );
}
