//! The types of columns.

use std::sync::Arc;

use rust_decimal::Decimal;
use sluice_model::types::{Bounds, Kind, TextFormat, TextType, Type};

use crate::sql::Schema;
use crate::sql::cursor::Cursor;
use crate::sql::token::{Token, TokenKind};

/// A column's type as it is written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Declared {
    /// The words in capitals: `TIMESTAMP WITH TIME ZONE`.
    pub words: String,
    /// The numbers in parentheses: precision and scale, or a length.
    pub numbers: Vec<u32>,
    /// How many dimensions an array has.
    pub dimensions: usize,
    pub start: usize,
    pub end: usize,
}

/// Words that end a column's type.
const ENDS: [&str; 17] = [
    "NOT",
    "NULL",
    "DEFAULT",
    "PRIMARY",
    "UNIQUE",
    "REFERENCES",
    "CHECK",
    "CONSTRAINT",
    "GENERATED",
    "COLLATE",
    "AS",
    "ON",
    "DEFERRABLE",
    "AUTOINCREMENT",
    "INITIALLY",
    "STORED",
    "VIRTUAL",
];

/// Takes a type; its words are empty if there is none (SQLite allows that).
pub(crate) fn declared(cursor: &mut Cursor<'_>) -> Declared {
    let mut declared = Declared::default();
    while let Some(token) = cursor.peek() {
        let word = cursor.is_name_but(&ENDS);
        if word {
            add_word(&mut declared, token);
            cursor.next();
        } else if token.is(".") && !declared.words.is_empty() {
            // A type of a schema: its own name counts.
            declared.words.clear();
            cursor.next();
        } else if token.is("(") && !declared.words.is_empty() && declared.numbers.is_empty() {
            let Some(group) = cursor.group() else { break };
            declared.end = cursor.last().map_or(declared.end, |token| token.end);
            for mut part in group.split_commas() {
                let number = part.next().and_then(|token| token.text.parse::<u32>().ok());
                declared.numbers.extend(number);
            }
        } else if token.is("[") && !declared.words.is_empty() {
            while cursor.peek().is_some_and(|token| !token.is("]")) {
                cursor.next();
            }
            declared.end = cursor.next().map_or(declared.end, |token| token.end);
            declared.dimensions += 1;
        } else {
            break;
        }
    }
    declared
}

fn add_word(declared: &mut Declared, token: &Token<'_>) {
    if declared.words.is_empty() {
        declared.start = token.start;
    } else {
        declared.words.push(' ');
    }
    declared.end = token.end;
    match token.kind {
        TokenKind::Quoted => declared.words.push_str(&token.name().unwrap_or_default()),
        _ => declared.words.push_str(&token.text.to_ascii_uppercase()),
    }
}

impl Declared {
    /// Returns the type of the values, without null; `None` for a type that is not known.
    pub fn ty(&self, schema: &Schema) -> Option<Type> {
        let mut ty = match self.words.as_str() {
            words if words.ends_with(" ARRAY") => {
                let item = Declared {
                    words: words.trim_end_matches(" ARRAY").to_owned(),
                    ..self.clone()
                };
                Type::list(item.ty(schema)?.or_null())
            }
            words => match self.scalar(words) {
                Some(ty) => ty,
                None => {
                    let known = schema.enums.iter();
                    let mut named = known.filter(|(name, _)| name.eq_ignore_ascii_case(words));
                    named.next()?.1.clone()
                }
            },
        };
        for _ in 0..self.dimensions {
            ty = Type::list(ty.or_null());
        }
        Some(ty)
    }

    fn scalar(&self, words: &str) -> Option<Type> {
        let text = |format: &str| {
            Some(Type::new(Kind::Text(TextType {
                format: Some(TextFormat::from_name(format)),
                ..TextType::default()
            })))
        };
        match words {
            "" | "ANY" | "JSON" | "JSONB" => Some(Type::any().not_null()),
            // SQLite's integers have 64 bits whatever they are called: only names that SQLite does
            // not teach set bounds.
            "INT" | "INTEGER" | "BIGINT" | "INT8" | "BIGSERIAL" | "SERIAL8" | "MEDIUMINT"
            | "TINYINT" | "UNSIGNED BIG INT" => Some(Type::int()),
            "SMALLINT" | "INT2" | "SMALLSERIAL" | "SERIAL2" => {
                Some(within(i64::from(i16::MIN), i64::from(i16::MAX)))
            }
            "INT4" | "SERIAL" | "SERIAL4" => Some(within(i64::from(i32::MIN), i64::from(i32::MAX))),
            "BOOLEAN" | "BOOL" => Some(Type::bool()),
            "REAL" | "DOUBLE" | "DOUBLE PRECISION" | "FLOAT" | "FLOAT4" | "FLOAT8" => {
                Some(Type::float())
            }
            "NUMERIC" | "DECIMAL" | "DEC" => Some(self.numeric()),
            "MONEY" => Some(Type::decimal()),
            "TEXT" | "CLOB" | "CITEXT" | "NAME" | "STRING" | "XML" => Some(Type::text()),
            "VARCHAR" | "CHARACTER VARYING" | "CHAR" | "CHARACTER" | "NCHAR" | "NVARCHAR"
            | "BPCHAR" | "VARYING CHARACTER" | "NATIVE CHARACTER" => Some(self.characters(words)),
            "BLOB" | "BYTEA" => Some(Type::new(Kind::Bytes)),
            "UUID" => text("uuid"),
            "DATE" => text("date"),
            // A time without an offset is not one of RFC 3339: the formats are shown, not checked.
            "TIME" | "TIME WITHOUT TIME ZONE" => text("local-time"),
            "TIMETZ" | "TIME WITH TIME ZONE" => text("time"),
            "TIMESTAMP" | "TIMESTAMP WITHOUT TIME ZONE" | "DATETIME" => text("local-date-time"),
            "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" => text("date-time"),
            "INTERVAL" => text("interval"),
            "INET" | "CIDR" | "MACADDR" => text("inet"),
            "TSVECTOR" | "POINT" => Some(Type::any().not_null()),
            _ => None,
        }
    }

    fn characters(&self, words: &str) -> Type {
        let single = matches!(words, "CHAR" | "CHARACTER" | "NCHAR");
        let length = self.numbers.first().copied();
        let length = length.or(single.then_some(1));
        Type::new(Kind::Text(TextType {
            length_max: length.map(u64::from),
            ..TextType::default()
        }))
    }

    fn numeric(&self) -> Type {
        let precision = self.numbers.first().copied();
        Type::new(Kind::Decimal(Bounds {
            precision,
            scale: self.numbers.get(1).copied().or(precision.map(|_| 0)),
            ..Bounds::default()
        }))
    }
}

fn within(low: i64, high: i64) -> Type {
    Type::new(Kind::Int(Bounds {
        min: Some(Decimal::from(low)),
        max: Some(Decimal::from(high)),
        ..Bounds::default()
    }))
}

/// Returns the type of texts that are one of these.
pub(crate) fn listed(values: Vec<String>) -> Type {
    let values: Vec<Arc<str>> = values.into_iter().map(Arc::from).collect();
    Type::new(Kind::Text(TextType {
        values: Some(values.into()),
        ..TextType::default()
    }))
}
