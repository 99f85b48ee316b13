//! Mapping languages: parse, type, evaluate.
