//! Named statements.

use std::sync::Arc;

use rusqlite::types::ValueRef;
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::operation::{Cardinality, SqlStatement, Target};
use sluice_model::types::{Field, Kind, Type};
use sluice_model::value::{Key, Name, Record, Text, Value};
use sluice_sdk::check::{Check, Problem};
use sluice_sdk::config::NoConfig;
use sluice_sdk::connection::{Call, CallShape, Request, Response};
use sluice_sdk::cx::Cx;
use sluice_sdk::registry::Info;

use crate::Sqlite;
use crate::database::{Abandoned, Access};
use crate::fault::fault;
use crate::values::{Stored, load, store};

/// The most rows that a statement may give back.
pub(crate) const ROWS_MAX: usize = 100_000;

/// The most bytes of texts and blobs that a statement may give back.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// A call of a named statement.
pub struct SqliteCall {
    statement: Arc<SqlStatement>,
}

impl Call for SqliteCall {
    const INFO: Info = Info {
        name: "sqlite",
        summary: "Runs a named statement of the contract; `params` gives its parameters.",
        example: "- id: found\n  call: shop#findCustomer\n  params: { id: customerId }\n",
    };
    type On = Sqlite;
    type Config = NoConfig;

    fn check(_: NoConfig, cx: &mut dyn Check) -> Result<Self, Vec<Problem>> {
        let wrong = |text: &str| {
            let help = "name a statement of the contract: what stands after `-- name:`";
            Err(vec![Problem::new("", text).with_help(help)])
        };
        match cx.target() {
            Some(Target::Statement(statement)) => Ok(Self {
                statement: Arc::clone(statement),
            }),
            Some(Target::Table(_)) => wrong("a table is written to, not called"),
            Some(Target::Http(_) | Target::Place(_)) | None => {
                wrong("a SQLite connection calls named statements only")
            }
        }
    }

    fn shape(&self) -> CallShape {
        let params = self.statement.params.iter().map(|param| Field {
            name: param.name,
            ty: param.ty.clone(),
            required: true,
        });
        CallShape {
            params: Type::record(params.collect()),
            body: None,
            result: self.statement.result(),
            optional: self.statement.cardinality == Cardinality::One,
            faults: Vec::new(),
            reads: self.statement.reads,
            idempotent: self.statement.idempotent,
            keyed: false,
        }
    }

    async fn call(&self, on: &Sqlite, request: Request, cx: &Cx) -> Result<Response, Fault> {
        let params = self.bind(&request.params)?;
        let statement = Arc::clone(&self.statement);
        let file = on.database.name();
        let access = if statement.reads {
            Access::Read
        } else {
            Access::Write
        };
        let body = on
            .database
            .run(cx, access, Abandoned::Interrupted, move |connection| {
                if statement.reads || statement.cardinality == Cardinality::Exec {
                    return run(connection, &statement, &params, &file);
                }
                // What gives rows back may still fail after it has written: then nothing of it
                // stays.
                let transaction = connection
                    .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
                    .map_err(|error| fault(error, &file))?;
                let body = run(&transaction, &statement, &params, &file)?;
                transaction.commit().map_err(|error| fault(error, &file))?;
                Ok(body)
            })
            .await?;
        Ok(Response { status: None, body })
    }
}

impl SqliteCall {
    fn bind(&self, given: &Record<'static>) -> Result<Vec<Stored>, Fault> {
        let unknown = given.iter().find(|(key, _)| {
            let mut params = self.statement.params.iter();
            !params.any(|param| key.is(param.name))
        });
        if let Some((key, _)) = unknown {
            let text = format!(
                "the statement `{}` has no parameter `{}`",
                self.statement.name,
                key.as_str()
            );
            return Err(Fault::invalid(text));
        }
        let params = self.statement.params.iter();
        let bound = params.map(|param| match given.get(param.name) {
            Some(value) => store(value, &param.ty, param.name.as_str()),
            None => Err(Fault::invalid(format!(
                "the statement `{}` needs the parameter `{}`",
                self.statement.name, param.name
            ))),
        });
        bound.collect()
    }
}

/// Runs a statement; `None` is the missing row of `:one`.
fn run(
    connection: &rusqlite::Connection,
    statement: &SqlStatement,
    params: &[Stored],
    file: &str,
) -> Result<Option<Value<'static>>, Fault> {
    let sqlite = |error| fault(error, file).with_context("statement", statement.name.to_string());
    let mut prepared = connection.prepare_cached(&statement.sql).map_err(sqlite)?;
    for (index, param) in params.iter().enumerate() {
        prepared
            .raw_bind_parameter(index + 1, param)
            .map_err(sqlite)?;
    }
    if statement.cardinality == Cardinality::Exec {
        return exec(connection, &mut prepared).map(Some).map_err(sqlite);
    }
    let columns = columns(&prepared, &statement.row);
    let mut rows = prepared.raw_query();
    let mut found = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next().map_err(sqlite)? {
        if statement.cardinality == Cardinality::One && !found.is_empty() {
            return Err(two_rows(statement));
        }
        if found.len() == ROWS_MAX {
            return Err(too_much(statement, format!("{ROWS_MAX} rows")));
        }
        let mut record = Record::with_capacity(columns.len());
        for (index, (key, ty)) in columns.iter().enumerate() {
            let stored = row.get_ref(index).map_err(sqlite)?;
            if let ValueRef::Text(held) | ValueRef::Blob(held) = stored {
                bytes += held.len();
            }
            record.insert(key.clone(), load(stored, ty, key.as_str())?);
        }
        if BYTES_MAX < bytes {
            return Err(too_much(statement, format!("{} MiB", BYTES_MAX >> 20)));
        }
        found.push(Value::Record(record));
    }
    Ok(match statement.cardinality {
        Cardinality::One => found.pop(),
        Cardinality::Many | Cardinality::Exec => Some(Value::List(found)),
    })
}

fn exec(
    connection: &rusqlite::Connection,
    prepared: &mut rusqlite::CachedStatement<'_>,
) -> rusqlite::Result<Value<'static>> {
    // A statement that returns rows (`RETURNING`) is stepped to its end all the same.
    let mut rows = prepared.raw_query();
    while rows.next()?.is_some() {}
    drop(rows);
    let changed = if prepared.readonly() {
        0
    } else {
        connection.changes()
    };
    let changed = i64::try_from(changed).unwrap_or(i64::MAX);
    let rows = (Key::Name(Name::new("rows")), Value::Int(changed));
    Ok(Value::Record(Record::from_distinct(vec![rows])))
}

/// Returns key and type of each column of a result, by the contract where it knows them.
fn columns(prepared: &rusqlite::CachedStatement<'_>, row: &Type) -> Vec<(Key<'static>, Type)> {
    let row = row.resolved();
    let known = match &row.kind {
        Kind::Record(record) => Some(record),
        _ => None,
    };
    let one = |name: &str| match known.and_then(|record| record.field(name)) {
        Some(field) => (Key::Name(field.name), field.ty.resolved()),
        None => (Key::Text(Text::from(name)), Type::any()),
    };
    prepared.column_names().map(one).collect()
}

fn two_rows(statement: &SqlStatement) -> Fault {
    let text = format!(
        "the statement `{}` found more than one row: it is marked `:one`, or binds a whole key \
         that the table does not have",
        statement.name
    );
    Fault::new(FaultCode::CONTRACT, Retry::Never, Blame::Config, text)
}

fn too_much(statement: &SqlStatement, limit: String) -> Fault {
    let text = format!(
        "the statement `{}` gives back more than {limit}: add a `LIMIT`",
        statement.name
    );
    Fault::new(FaultCode::LIMIT, Retry::Never, Blame::Config, text)
}
