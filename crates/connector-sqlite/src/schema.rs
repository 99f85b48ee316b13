//! Tables: made from the contract, and compared with it.

use std::sync::Arc;

use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::operation::SqlTable;

use crate::fault::fault;

/// Returns a name between double quotes, as SQL writes any name.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Makes the tables that are missing, as the contract's own statements do, with the keys that it
/// adds elsewhere (`ALTER TABLE`, `CREATE UNIQUE INDEX`).
pub(crate) fn create(
    connection: &rusqlite::Connection,
    tables: &[Arc<SqlTable>],
    file: &str,
) -> Result<(), Fault> {
    for table in tables {
        if columns(connection, &table.name, file)?.is_empty() {
            // All of it or nothing; another process that made it meanwhile is no fault.
            let made = connection
                .execute_batch("BEGIN IMMEDIATE")
                .and_then(|()| make(connection, table));
            let ended = match &made {
                Ok(()) => connection.execute_batch("COMMIT"),
                Err(_) => connection.execute_batch("ROLLBACK"),
            };
            made.and(ended)
                .map_err(|error| not_made(error, table, file))?;
        }
    }
    Ok(())
}

fn make(connection: &rusqlite::Connection, table: &SqlTable) -> rusqlite::Result<()> {
    let name = quoted(&table.name);
    let definition = &table.definition;
    connection.execute_batch(&format!("CREATE TABLE IF NOT EXISTS {name} {definition}"))?;
    let present = column_names(connection, &table.name)?;
    for column in &table.columns {
        let own = column.name.as_str();
        if !present.iter().any(|other| other.eq_ignore_ascii_case(own)) {
            let (own, declared) = (quoted(own), &column.declared);
            connection.execute_batch(&format!("ALTER TABLE {name} ADD COLUMN {own} {declared}"))?;
        }
    }
    let keys = std::iter::once(&table.primary_key).chain(&table.unique_keys);
    for (number, key) in keys.filter(|key| !key.is_empty()).enumerate() {
        let key: Vec<&str> = key.iter().map(|column| column.as_str()).collect();
        if !has_key(connection, &table.name, &key)? {
            let index = quoted(&format!("{}_key_{number}", table.name));
            let key: Vec<String> = key.into_iter().map(quoted).collect();
            let key = key.join(", ");
            connection.execute_batch(&format!(
                "CREATE UNIQUE INDEX IF NOT EXISTS {index} ON {name} ({key})"
            ))?;
        }
    }
    Ok(())
}

/// Returns whether these columns, in any order, are a key of the table.
fn has_key(connection: &rusqlite::Connection, table: &str, key: &[&str]) -> rusqlite::Result<bool> {
    let is_key = |mut columns: Vec<String>| {
        columns.sort();
        let mut key: Vec<String> = key.iter().map(|name| name.to_lowercase()).collect();
        key.sort();
        columns == key
    };
    let names = |sql: &str, of: &str| {
        let mut statement = connection.prepare(sql)?;
        let names = statement.query_map([of], |row| row.get(0))?;
        names.collect::<rusqlite::Result<Vec<String>>>()
    };
    let primary = "SELECT lower(name) FROM pragma_table_info(?1) WHERE pk > 0";
    if is_key(names(primary, table)?) {
        return Ok(true);
    }
    let unique = "SELECT name FROM pragma_index_list(?1) WHERE \"unique\" = 1 AND partial = 0";
    for index in names(unique, table)? {
        let columns = "SELECT lower(name) FROM pragma_index_info(?1) WHERE name IS NOT NULL";
        if is_key(names(columns, &index)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn not_made(error: rusqlite::Error, table: &SqlTable, file: &str) -> Fault {
    let said = match &error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(code, Some(text))
            if code.code == rusqlite::ErrorCode::Unknown =>
        {
            text.clone()
        }
        _ => return fault(error, file),
    };
    let text = format!(
        "the table `{}` cannot be made, since its `CREATE TABLE` is not SQLite's ({said}): make it \
         by hand, and remove `create`",
        table.name
    );
    Fault::new(FaultCode::UPSTREAM, Retry::Never, Blame::Config, text).with_source(error)
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
    column_names(connection, table).map_err(|error| fault(error, file))
}

fn column_names(connection: &rusqlite::Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_xinfo(?1)")?;
    let names = statement.query_map([table], |row| row.get(0))?;
    names.collect()
}
