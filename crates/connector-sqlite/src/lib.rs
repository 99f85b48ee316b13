//! The SQLite connector.
