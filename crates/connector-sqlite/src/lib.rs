//! The SQLite connector: named statements as calls, tables as sinks.
//!
//! One database file, one writing and a few reading connections of SQLite to it, opened when they
//! are first needed. Work runs off the asynchronous threads. Foreign keys are enforced, and what
//! SQLite acknowledges is on disk (`synchronous=FULL`).

mod call;
mod database;
mod fault;
mod schema;
mod sink;
#[cfg(test)]
mod tests;
mod values;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::fault::Fault;
use sluice_model::operation::{SqlTable, Target};
use sluice_sdk::check::{Check, Problem};
use sluice_sdk::config::Duration;
use sluice_sdk::connection::Connection;
use sluice_sdk::cx::Cx;
use sluice_sdk::registry::{Info, Offers, Registry};

use crate::call::SqliteCall;
use crate::database::Database;
use crate::sink::SqliteSink;

/// Adds the connector.
pub fn register(registry: &mut Registry) {
    registry.connection::<Sqlite>();
}

/// A connection to a SQLite database file.
pub struct Sqlite {
    database: Arc<Database>,
}

/// The fields of a connection of the type `sqlite`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SqliteConfig {
    /// The database file; a relative path starts at the project's folder.
    pub file: String,
    /// Whether a missing file, and those tables of the contract that are missing in it, are made
    /// when the connection is first used, by the contract's own `CREATE TABLE` statements.
    pub create: bool,
    /// How long a statement waits while another process writes, before it is refused.
    pub busy_timeout: Duration,
    /// How many statements may read at the same time, from 1 to 64.
    pub readers: u32,
}

impl Default for SqliteConfig {
    fn default() -> Self {
        Self {
            file: String::new(),
            create: false,
            busy_timeout: Duration(std::time::Duration::from_secs(5)),
            readers: 4,
        }
    }
}

impl Connection for Sqlite {
    const INFO: Info = Info {
        name: "sqlite",
        summary: "A SQLite database file: its tables take rows, its named statements are called.",
        example: "connection: shop\ntype: sqlite\ncontract: contracts/shop.sql\nfile: shop.db\n",
    };
    type Config = SqliteConfig;

    fn check(config: SqliteConfig, cx: &mut dyn Check) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if config.file.is_empty() {
            problems.push(
                Problem::new("/file", "the database file is not named")
                    .with_help("write `file: shop.db`"),
            );
        }
        if !(1..=64).contains(&config.readers) {
            problems.push(
                Problem::new("/readers", format!("`{}` readers", config.readers))
                    .with_help("write a number from 1 to 64"),
            );
        }
        if std::time::Duration::from_secs(3600) < config.busy_timeout.0 {
            problems
                .push(Problem::new("/busy_timeout", "longer than an hour").with_help("write `5s`"));
        }
        let tables: Vec<Arc<SqlTable>> = cx
            .contract()
            .into_iter()
            .filter_map(|target| match target {
                Target::Table(table) => Some(table),
                _ => None,
            })
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let path = cx.base().join(&config.file);
        let database = Database::new(path, config, tables);
        Ok(Self {
            database: Arc::new(database),
        })
    }

    async fn probe(&self, cx: &Cx) -> Result<(), Fault> {
        self.database.probe(cx).await
    }

    fn offers(offers: &mut Offers<Self>) {
        offers.sink::<SqliteSink>().call::<SqliteCall>();
    }
}
