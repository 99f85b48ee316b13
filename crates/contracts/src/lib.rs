//! Readers of contract files: types, operations, generated values.
