//! Tables: made from the contract, and compared with it.

use std::sync::Arc;

use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::operation::{SqlColumn, SqlTable};
use sluice_model::value::Value;
use sluice_sdk::check::Problem;

use crate::fault::fault;

/// Returns a name between double quotes, as SQL writes any name.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns why a table cannot be made from what the contract's types say of it.
pub(crate) fn cannot_create(table: &SqlTable) -> Option<Problem> {
    let column = table.columns.iter().find(|column| {
        column.optional
            && !column.ty.nullable
            && !is_row_id(table, column)
            && default(column).is_none()
    })?;
    let text = format!(
        "the table `{}` cannot be made: its column `{}` has a default or is computed by a rule",
        table.name, column.name
    );
    Some(Problem::new("/create", text).with_help(
        "make the tables by the contract's own statements, such as \
         `sqlite3 shop.db < contracts/shop.sql`, and remove `create`",
    ))
}

/// Makes the tables that are missing.
pub(crate) fn create(
    connection: &rusqlite::Connection,
    tables: &[Arc<SqlTable>],
    file: &str,
) -> Result<(), Fault> {
    for table in tables {
        if let Some(problem) = cannot_create(table) {
            let fault = Fault::new(
                FaultCode::NOT_FOUND,
                Retry::Never,
                Blame::Config,
                problem.message,
            );
            if columns(connection, &table.name, file)?.is_empty() {
                return Err(fault);
            }
            continue;
        }
        connection
            .execute_batch(&statement(table))
            .map_err(|error| fault(error, file))?;
    }
    Ok(())
}

fn statement(table: &SqlTable) -> String {
    let mut parts: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let mut part = format!("{} {}", quoted(column.name.as_str()), column.declared);
            if is_row_id(table, column) {
                part.push_str(" PRIMARY KEY");
            } else if !column.ty.nullable {
                part.push_str(" NOT NULL");
            }
            if let Some(default) = default(column) {
                part.push_str(" DEFAULT ");
                part.push_str(&default);
            }
            part
        })
        .collect();
    let key = |names: &[sluice_model::value::Name]| {
        let names: Vec<String> = names.iter().map(|name| quoted(name.as_str())).collect();
        names.join(", ")
    };
    let has_row_id = table.columns.iter().any(|column| is_row_id(table, column));
    if !table.primary_key.is_empty() && !has_row_id {
        parts.push(format!("PRIMARY KEY ({})", key(&table.primary_key)));
    }
    parts.extend(
        table
            .unique_keys
            .iter()
            .map(|names| format!("UNIQUE ({})", key(names))),
    );
    let name = quoted(&table.name);
    format!(
        "CREATE TABLE IF NOT EXISTS {name} (\n  {}\n)",
        parts.join(",\n  ")
    )
}

/// Returns whether the column is the table's row id, which SQLite gives out: declared exactly
/// `INTEGER`, and the whole primary key (<https://sqlite.org/lang_createtable.html#rowid>).
pub(crate) fn is_row_id(table: &SqlTable, column: &SqlColumn) -> bool {
    table.primary_key.as_slice() == [column.name] && column.declared.eq_ignore_ascii_case("integer")
}

/// Returns the column's default as SQL, where the contract has a literal one.
fn default(column: &SqlColumn) -> Option<String> {
    match column.ty.meta.as_ref()?.default.as_ref()? {
        Value::Null => Some("NULL".to_owned()),
        Value::Bool(bool) => Some(u8::from(*bool).to_string()),
        Value::Int(int) => Some(int.to_string()),
        Value::Decimal(decimal) => Some(decimal.to_string()),
        Value::Float(float) => Some(float.to_string()),
        Value::Literal(literal) => Some(literal.to_string()),
        Value::Text(text) => Some(format!("'{}'", text.replace('\'', "''"))),
        Value::Bytes(_) | Value::List(_) | Value::Record(_) => None,
    }
}

/// Compares the database's tables with the contract's.
pub(crate) fn compare(
    connection: &rusqlite::Connection,
    tables: &[Arc<SqlTable>],
    file: &str,
    create: bool,
) -> Result<(), Fault> {
    // Reads a page at least, so that a file that is no database is found out.
    connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        .map_err(|error| fault(error, file))?;
    let mut wrong = Vec::new();
    for table in tables {
        let present = columns(connection, &table.name, file)?;
        if present.is_empty() {
            if !create {
                wrong.push(format!("there is no table `{}`", table.name));
            }
            continue;
        }
        let missing = table.columns.iter().filter(|column| {
            let name = column.name.as_str();
            !present.iter().any(|own| own.eq_ignore_ascii_case(name))
        });
        wrong.extend(missing.map(|c| format!("`{}` has no column `{}`", table.name, c.name)));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let text = format!(
        "the database `{file}` is not what its contract says: {}",
        wrong.join(", ")
    );
    Err(Fault::new(
        FaultCode::NOT_FOUND,
        Retry::Never,
        Blame::Config,
        text,
    ))
}

/// Returns the columns of a table; empty if there is no such table.
fn columns(
    connection: &rusqlite::Connection,
    table: &str,
    file: &str,
) -> Result<Vec<String>, Fault> {
    let read = || {
        let mut statement = connection.prepare("SELECT name FROM pragma_table_xinfo(?1)")?;
        let names = statement.query_map([table], |row| row.get(0))?;
        names.collect::<rusqlite::Result<Vec<String>>>()
    };
    read().map_err(|error| fault(error, file))
}
