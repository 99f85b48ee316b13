//! Tables as sinks: each batch in one transaction, each failing row alone.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::fault::Fault;
use sluice_model::operation::{SqlTable, Target};
use sluice_model::types::{Field, Type};
use sluice_model::value::Value;
use sluice_sdk::check::{Check, Problem};
use sluice_sdk::connection::{BatchFault, Row, Sink, SinkShape};
use sluice_sdk::cx::Cx;
use sluice_sdk::registry::Info;

use crate::Sqlite;
use crate::database::{Abandoned, Access};
use crate::fault::{concerns_one_row, fault};
use crate::schema::quoted;
use crate::values::{Stored, store};

/// The fields of a `write` to a table, beside those that every `write` has.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SqliteSinkConfig {
    /// What happens to a row whose primary key is there already.
    pub mode: Mode,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Each row is new: one whose key is there already is refused.
    #[default]
    Insert,
    /// A row whose primary key is there already replaces the columns that it gives.
    Upsert,
}

/// A sink that writes to a table.
#[derive(Clone)]
pub struct SqliteSink {
    table: Arc<SqlTable>,
    mode: Mode,
}

impl Sink for SqliteSink {
    const INFO: Info = Info {
        name: "sqlite",
        summary: "Inserts or upserts rows into a table, each batch in one transaction.",
        example: "- write: shop#orders\n  with: { id: orderId, total: total }\n  mode: upsert\n",
    };
    type On = Sqlite;
    type Config = SqliteSinkConfig;

    fn check(config: SqliteSinkConfig, cx: &mut dyn Check) -> Result<Self, Vec<Problem>> {
        let Some(Target::Table(table)) = cx.target() else {
            let problem = Problem::new("", "only a table of the contract can be written to");
            return Err(vec![problem.with_help(
                "name a table; a statement is called: `call: shop#addOrder`",
            )]);
        };
        if config.mode == Mode::Upsert && table.primary_key.is_empty() {
            let text = format!("the table `{}` has no primary key to upsert by", table.name);
            return Err(vec![
                Problem::new("/mode", text)
                    .with_help("declare one in the contract, or write `mode: insert`"),
            ]);
        }
        Ok(Self {
            table: Arc::clone(table),
            mode: config.mode,
        })
    }

    fn shape(&self) -> SinkShape {
        let fields = self.table.columns.iter().map(|column| Field {
            name: column.name,
            ty: column.ty.clone(),
            required: !column.optional || self.must_have(column.name),
        });
        SinkShape {
            row: Type::record(fields.collect()),
            idempotent: self.mode == Mode::Upsert,
            named: false,
        }
    }

    async fn open(&mut self, on: &Sqlite, cx: &Cx) -> Result<(), Fault> {
        on.database.ensure(cx, &self.table).await
    }

    async fn write(&mut self, on: &Sqlite, rows: &[Row], cx: &Cx) -> Result<(), BatchFault> {
        let mut batch = Batch::new(Arc::clone(&self.table), self.mode, on.database.name());
        for (index, row) in rows.iter().enumerate() {
            if let Err(fault) = batch.add(index, &row.value) {
                batch.failed.push((index, fault));
            }
        }
        let work = move |connection: &mut rusqlite::Connection| {
            batch.write(connection)?;
            Ok(batch.failed)
        };
        let failed = on
            .database
            .run(cx, Access::Write, Abandoned::Finished, work)
            .await
            .map_err(BatchFault::All)?;
        if failed.is_empty() {
            Ok(())
        } else {
            Err(BatchFault::Rows(failed))
        }
    }

    async fn finish(&mut self, _: &Sqlite, _: &str, _: &Cx) -> Result<(), Fault> {
        Ok(())
    }

    async fn close(&mut self, _: &Sqlite, _: &Cx) -> Result<(), Fault> {
        Ok(())
    }
}

impl SqliteSink {
    /// Returns whether a row needs the column although it has a default: as a key to upsert by.
    fn must_have(&self, name: sluice_model::value::Name) -> bool {
        self.mode == Mode::Upsert && self.table.primary_key.contains(&name)
    }
}

/// The rows of one `write` on their way into SQLite.
struct Batch {
    table: Arc<SqlTable>,
    mode: Mode,
    file: String,
    /// The different sets of columns that rows give, each with its statement.
    statements: Vec<(Vec<bool>, String)>,
    rows: Vec<BatchRow>,
    values: Vec<Stored>,
    failed: Vec<(usize, Fault)>,
}

/// A row: its index in what was to be written, its statement, its values' place.
struct BatchRow {
    index: usize,
    statement: usize,
    values: std::ops::Range<usize>,
}

/// The most different sets of columns that one batch remembers; more make new statements.
const STATEMENTS_MAX: usize = 16;

impl Batch {
    fn new(table: Arc<SqlTable>, mode: Mode, file: String) -> Self {
        Self {
            table,
            mode,
            file,
            statements: Vec::new(),
            rows: Vec::new(),
            values: Vec::new(),
            failed: Vec::new(),
        }
    }

    fn add(&mut self, index: usize, value: &Value<'static>) -> Result<(), Fault> {
        let Some(record) = value.as_record() else {
            let text = format!("a row has to be a record, not {}", value.kind());
            return Err(Fault::invalid(text));
        };
        let start = self.values.len();
        let mut given = vec![false; self.table.columns.len()];
        let mut count = 0;
        for (column, given) in self.table.columns.iter().zip(&mut given) {
            let Some(value) = record.get(column.name) else {
                continue;
            };
            match store(value, &column.ty, column.name.as_str()) {
                Ok(stored) => self.values.push(stored),
                Err(fault) => {
                    self.values.truncate(start);
                    let pointer = format!("/{}", column.name);
                    let text = fault.public().to_owned();
                    return Err(fault.with_detail(pointer, text));
                }
            }
            *given = true;
            count += 1;
        }
        if count < record.len() {
            self.values.truncate(start);
            return Err(self.unknown_column(record));
        }
        let statement = self.statement(given);
        let values = start..self.values.len();
        self.rows.push(BatchRow {
            index,
            statement,
            values,
        });
        Ok(())
    }

    fn unknown_column(&self, record: &sluice_model::value::Record<'static>) -> Fault {
        let unknown = record
            .iter()
            .find(|(key, _)| !self.table.columns.iter().any(|column| key.is(column.name)));
        let key = unknown.map_or("", |(key, _)| key.as_str());
        let text = format!("the table `{}` has no column `{key}`", self.table.name);
        Fault::invalid(text.as_str()).with_detail(format!("/{key}"), text)
    }

    /// Returns the index of the statement for rows that give these columns.
    fn statement(&mut self, given: Vec<bool>) -> usize {
        let known = self.statements.iter().rev().take(STATEMENTS_MAX);
        let known = known.enumerate().find(|(_, (own, _))| *own == given);
        if let Some((back, _)) = known {
            return self.statements.len() - 1 - back;
        }
        let sql = insert(&self.table, self.mode, &given);
        self.statements.push((given, sql));
        self.statements.len() - 1
    }

    /// Writes all rows in one transaction; one that fails is noted, and the others are written.
    fn write(&mut self, connection: &mut rusqlite::Connection) -> Result<(), Fault> {
        loop {
            match self.attempt(connection) {
                Ok(()) => break,
                Err(Lost::Batch(fault)) => return Err(fault),
                // A trigger or the commit took the whole transaction with it: what failed is left
                // out, or found by trying each row alone, so that this ends.
                Err(Lost::Row(at, fault)) => {
                    let row = self.rows.remove(at);
                    self.failed.push((row.index, fault));
                }
                Err(Lost::Commit) => {
                    self.one_by_one(connection)?;
                    break;
                }
            }
        }
        self.failed.sort_by_key(|(index, _)| *index);
        Ok(())
    }

    fn attempt(&mut self, connection: &mut rusqlite::Connection) -> Result<(), Lost> {
        let file = &self.file;
        let all = |error| Lost::Batch(fault(error, file));
        let transaction = connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(all)?;
        let mut failed = Vec::new();
        let mut prepared = None;
        for (at, row) in self.rows.iter().enumerate() {
            let values = &self.values[row.values.clone()];
            match self.execute(&transaction, row.statement, values, &mut prepared) {
                Ok(()) => {}
                Err(error) if !concerns_one_row(&error) => return Err(all(error)),
                Err(error) if transaction.is_autocommit() => {
                    return Err(Lost::Row(at, fault(error, file)));
                }
                Err(error) => failed.push((row.index, fault(error, file))),
            }
        }
        drop(prepared);
        match transaction.commit() {
            Ok(()) => {}
            Err(error) if concerns_one_row(&error) => return Err(Lost::Commit),
            Err(error) => return Err(all(error)),
        }
        self.failed.append(&mut failed);
        Ok(())
    }

    fn one_by_one(&mut self, connection: &mut rusqlite::Connection) -> Result<(), Fault> {
        let mut prepared = None;
        for row in &self.rows {
            let values = &self.values[row.values.clone()];
            match self.execute(connection, row.statement, values, &mut prepared) {
                Ok(()) => {}
                Err(error) if concerns_one_row(&error) => {
                    self.failed.push((row.index, fault(error, &self.file)));
                }
                // Rows before this one are written: it and those behind it are not.
                Err(error) => {
                    let fault = fault(error, &self.file);
                    let rest = self.rows.iter().filter(|other| row.index <= other.index);
                    self.failed
                        .extend(rest.map(|other| (other.index, fault.clone())));
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Batch {
    /// Writes a row by its statement, which stays prepared in `prepared` for the next row.
    fn execute<'c>(
        &self,
        connection: &'c rusqlite::Connection,
        statement: usize,
        values: &[Stored],
        prepared: &mut Option<(usize, rusqlite::CachedStatement<'c>)>,
    ) -> rusqlite::Result<()> {
        if !matches!(prepared, Some((own, _)) if *own == statement) {
            *prepared = None;
        }
        let (_, ready) = match prepared {
            Some(ready) => ready,
            None => {
                let sql = &self.statements[statement].1;
                prepared.insert((statement, connection.prepare_cached(sql)?))
            }
        };
        for (index, value) in values.iter().enumerate() {
            ready.raw_bind_parameter(index + 1, value)?;
        }
        ready.raw_execute().map(|_| ())
    }
}

/// Why a transaction came to nothing.
enum Lost {
    /// The database fails: no row can be written.
    Batch(Fault),
    /// The row at this place took the transaction with it.
    Row(usize, Fault),
    /// A constraint that is only checked at the end does not hold for one of the rows.
    Commit,
}

/// Returns the statement that writes a row which gives these columns.
fn insert(table: &SqlTable, mode: Mode, given: &[bool]) -> String {
    let columns: Vec<_> = table
        .columns
        .iter()
        .zip(given)
        .filter(|(_, given)| **given)
        .map(|(column, _)| column.name)
        .collect();
    let name = quoted(&table.name);
    let mut sql = if columns.is_empty() {
        format!("INSERT INTO {name} DEFAULT VALUES")
    } else {
        let list = |each: &dyn Fn(usize, &str) -> String| {
            let parts = columns.iter().enumerate();
            let parts: Vec<String> = parts.map(|(i, name)| each(i, name.as_str())).collect();
            parts.join(", ")
        };
        let names = list(&|_, name| quoted(name));
        let places = list(&|i, _| format!("?{}", i + 1));
        format!("INSERT INTO {name} ({names}) VALUES ({places})")
    };
    if mode == Mode::Upsert && !columns.is_empty() {
        let key: Vec<String> = table
            .primary_key
            .iter()
            .map(|name| quoted(name.as_str()))
            .collect();
        let changes: Vec<String> = columns
            .iter()
            .filter(|name| !table.primary_key.contains(name))
            .map(|name| quoted(name.as_str()))
            .map(|name| format!("{name} = excluded.{name}"))
            .collect();
        let action = if changes.is_empty() {
            "DO NOTHING".to_owned()
        } else {
            format!("DO UPDATE SET {}", changes.join(", "))
        };
        sql.push_str(&format!(" ON CONFLICT ({}) {action}", key.join(", ")));
    }
    sql
}
