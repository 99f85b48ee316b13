//! The embedded store: SQLite in a data folder.
