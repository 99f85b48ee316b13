//! Values of messages as values of SQLite, and back.
//!
//! SQLite has integers, doubles, texts and blobs (<https://sqlite.org/datatype3.html>). Booleans
//! are 0 and 1. A decimal is stored as the double that reads back as the same decimal, so that
//! sums and comparisons work; where there is no such double (more than some 15 digits) as text,
//! which only a column of text keeps: elsewhere it is refused instead of losing digits. Dates and
//! times are texts. What is read takes the type that the contract gives its column.

use std::sync::Arc;

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::types::{Kind, Type};
use sluice_model::value::{Text, Value};

/// A value as SQLite stores it.
#[derive(Debug, Clone)]
pub(crate) enum Stored {
    /// NULL.
    Null,
    /// INTEGER.
    Int(i64),
    /// REAL.
    Real(f64),
    /// TEXT.
    Text(Text<'static>),
    /// BLOB.
    Blob(Arc<[u8]>),
}

impl ToSql for Stored {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Stored::Null => ValueRef::Null,
            Stored::Int(int) => ValueRef::Integer(*int),
            Stored::Real(real) => ValueRef::Real(*real),
            Stored::Text(text) => ValueRef::Text(text.as_bytes()),
            Stored::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Returns how a value is stored in a place of the type `ty`; `what` names the place.
pub(crate) fn store(value: &Value<'static>, ty: &Type, what: &str) -> Result<Stored, Fault> {
    Ok(match value {
        Value::Null => Stored::Null,
        Value::Bool(bool) => Stored::Int(i64::from(*bool)),
        Value::Int(int) => Stored::Int(*int),
        Value::Float(float) if float.is_finite() => Stored::Real(*float),
        Value::Text(text) => Stored::Text(text.clone()),
        Value::Bytes(bytes) => Stored::Blob(Arc::clone(bytes)),
        Value::Decimal(_) | Value::Literal(_) => return number(value, ty, what),
        Value::Float(_) => {
            return Err(Fault::invalid(format!("`{what}` is not a finite number")));
        }
        Value::List(_) | Value::Record(_) if keeps_json(ty) => {
            Stored::Text(sluice_model::json::to_string(value).into())
        }
        Value::List(_) | Value::Record(_) => {
            let text = format!("`{what}` takes one value, not a {}", value.kind());
            return Err(Fault::invalid(text));
        }
    })
}

fn number(value: &Value<'static>, ty: &Type, what: &str) -> Result<Stored, Fault> {
    if matches!(ty.kind, Kind::Text(_)) {
        let text = sluice_model::json::to_string(value);
        return Ok(Stored::Text(text.into()));
    }
    let too_long = || {
        let text = format!(
            "`{what}` has more digits than a number of SQLite keeps: round it, or declare the \
             column as TEXT"
        );
        Fault::new(FaultCode::LIMIT, Retry::Never, Blame::Caller, text)
    };
    let double = value.as_f64().filter(|double| double.is_finite());
    match (double, value.as_decimal()) {
        (Some(double), _) if matches!(ty.kind, Kind::Float(_)) => Ok(Stored::Real(double)),
        (Some(double), Some(exact)) if Value::Float(double).as_decimal() == Some(exact) => {
            Ok(Stored::Real(double))
        }
        (_, Some(exact)) if exact.fract().is_zero() => {
            let int = value.as_i64().ok_or_else(too_long)?;
            Ok(Stored::Int(int))
        }
        (_, _) if matches!(ty.kind, Kind::Any) => {
            Ok(Stored::Text(sluice_model::json::to_string(value).into()))
        }
        _ => Err(too_long()),
    }
}

/// Returns whether a list or record goes into a place as JSON text: where the contract has no
/// scalar type for it (`JSON` columns, and parameters of which nothing is known).
fn keeps_json(ty: &Type) -> bool {
    matches!(
        ty.kind,
        Kind::Any | Kind::List(_) | Kind::Map(_) | Kind::Record(_) | Kind::Union(_) | Kind::Ref(_)
    )
}

/// Returns a value of SQLite as the type `ty` has it; `what` names the column.
pub(crate) fn load(stored: ValueRef<'_>, ty: &Type, what: &str) -> Result<Value<'static>, Fault> {
    Ok(match (stored, &ty.kind) {
        (ValueRef::Null, _) => Value::Null,
        (ValueRef::Integer(int), Kind::Bool) => Value::Bool(int != 0),
        (ValueRef::Integer(int), Kind::Float(_)) => Value::Float(int as f64),
        (ValueRef::Integer(int), Kind::Decimal(bounds)) => decimal(&Value::Int(int), bounds.scale),
        (ValueRef::Integer(int), _) => Value::Int(int),
        (ValueRef::Real(real), Kind::Decimal(bounds)) => decimal(&Value::Float(real), bounds.scale),
        (ValueRef::Real(real), Kind::Int(_)) => {
            let float = Value::Float(real);
            float.as_i64().map_or(float, Value::Int)
        }
        (ValueRef::Real(real), _) => Value::Float(real),
        (ValueRef::Text(bytes), kind) => {
            let text = std::str::from_utf8(bytes).map_err(|_| {
                let text = format!("the column `{what}` holds a text that is not UTF-8");
                Fault::new(FaultCode::CONTRACT, Retry::Never, Blame::Upstream, text)
            })?;
            load_text(text, kind)
        }
        (ValueRef::Blob(bytes), _) => Value::Bytes(bytes.into()),
    })
}

fn load_text(text: &str, kind: &Kind) -> Value<'static> {
    let read = match kind {
        Kind::Int(_) | Kind::Decimal(_) => Value::number(text),
        Kind::List(_) | Kind::Map(_) | Kind::Record(_) => sluice_model::json::read_owned(
            text.as_bytes(),
            &sluice_model::projection::Projection::All,
            &sluice_model::json::Limits::default(),
        )
        .ok(),
        _ => None,
    };
    read.unwrap_or_else(|| Value::text(Text::from(text)))
}

/// Returns a number as a decimal with as many digits after the point as its column has, where that
/// loses none.
fn decimal(number: &Value<'static>, scale: Option<u32>) -> Value<'static> {
    let Some(exact) = number.as_decimal() else {
        return number.clone();
    };
    let mut scaled = exact;
    if let Some(scale) = scale.filter(|scale| *scale <= 28) {
        scaled.rescale(scale);
    }
    Value::Decimal(if scaled == exact { scaled } else { exact })
}
