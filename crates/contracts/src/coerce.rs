//! What a text means as a value of a type: parameters of paths, queries and header fields.

use rust_decimal::Decimal;
use sluice_model::types::{Kind, TextFormat, TextType, Type};
use sluice_model::value::{Text, Value};

use crate::format;

#[cfg(test)]
mod tests;

/// How deep a text is read: lists of lists, alternatives of alternatives.
const DEPTH_MAX: usize = 8;
/// How many items a list in a text may have.
const ITEMS_MAX: usize = 10_000;

/// Reads `text` as a value of the type: integers, numbers, booleans, texts with their format,
/// lists whose items are separated by commas. An empty text is null where null is allowed and text
/// is not. Bounds, lengths and patterns are for the `Validator` to check.
///
/// # Errors
/// A message fit for an API caller, `must be an integer`.
pub fn parse_text<'a>(ty: &Type, text: &'a str) -> Result<Value<'a>, String> {
    parse(ty, text, 0)
}

fn parse<'a>(ty: &Type, text: &'a str, depth: usize) -> Result<Value<'a>, String> {
    let ty = ty.resolved();
    if DEPTH_MAX < depth {
        return Err("cannot be written as a text".to_owned());
    }
    let empty_is_null = ty.nullable && text.is_empty() && !takes_text(&ty);
    if empty_is_null && !ty.is_any() {
        return Ok(Value::Null);
    }
    match &ty.kind {
        Kind::Any | Kind::Bytes => Ok(Value::Text(Text::borrowed(text))),
        Kind::Never => Err("is not allowed".to_owned()),
        Kind::Null if text.is_empty() || text == "null" => Ok(Value::Null),
        Kind::Null => Err("must be empty".to_owned()),
        Kind::Bool => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err("must be true or false".to_owned()),
        },
        Kind::Int(_) => integer(text).ok_or_else(|| "must be an integer".to_owned()),
        Kind::Decimal(_) => decimal(text).ok_or_else(|| "must be a number".to_owned()),
        Kind::Float(_) => float(text).ok_or_else(|| "must be a number".to_owned()),
        Kind::Text(own) => {
            check_text(own, text)?;
            Ok(Value::Text(Text::borrowed(text)))
        }
        Kind::List(list) => {
            if text.is_empty() {
                return Ok(Value::List(Vec::new()));
            }
            if ITEMS_MAX <= text.matches(',').count() {
                return Err(format!("must have at most {ITEMS_MAX} items"));
            }
            let items = text
                .split(',')
                .map(|item| parse(&list.item, item, depth + 1));
            Ok(Value::List(items.collect::<Result<_, _>>()?))
        }
        Kind::Union(union) => alternatives(&union.of, text, depth),
        Kind::Record(_) | Kind::Map(_) => Err("cannot be written as a text".to_owned()),
        Kind::Ref(_) => Err("is defined in terms of itself".to_owned()),
    }
}

/// The first alternative that takes the text; texts come last, since they take any.
fn alternatives<'a>(of: &[Type], text: &'a str, depth: usize) -> Result<Value<'a>, String> {
    let (texts, others): (Vec<&Type>, Vec<&Type>) = of.iter().partition(|ty| takes_text(ty));
    let mut problem = None;
    for ty in others.into_iter().chain(texts) {
        match parse(ty, text, depth + 1) {
            Ok(value) => return Ok(value),
            Err(message) => {
                problem.get_or_insert(message);
            }
        }
    }
    Err(problem.unwrap_or_else(|| "is not allowed".to_owned()))
}

fn takes_text(ty: &Type) -> bool {
    matches!(ty.resolved().kind, Kind::Text(_) | Kind::Any | Kind::Bytes)
}

fn check_text(ty: &TextType, text: &str) -> Result<(), String> {
    match &ty.format {
        Some(TextFormat::Other(_)) | None => Ok(()),
        Some(known) if format::matches(known, text) => Ok(()),
        Some(known) => Err(format!("must be {}", format::describe(known))),
    }
}

/// An integer as people write one: a sign, digits; `+` and leading zeros are allowed.
fn integer(text: &str) -> Option<Value<'static>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match text.parse() {
        Ok(int) => Some(Value::Int(int)),
        Err(_) => Value::number(text.strip_prefix('+').unwrap_or(text)),
    }
}

fn decimal(text: &str) -> Option<Value<'static>> {
    if let Some(integer) = integer(text) {
        return Some(integer);
    }
    let plain = text.strip_prefix('+').unwrap_or(text);
    if let Some(value) = Value::number(plain) {
        return Some(value);
    }
    let unsigned = plain.strip_prefix('-').unwrap_or(plain);
    let digits = unsigned
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let some = unsigned.bytes().any(|byte| byte.is_ascii_digit());
    (digits && some).then(|| Decimal::from_str_exact(plain).ok().map(Value::Decimal))?
}

fn float(text: &str) -> Option<Value<'static>> {
    let value = decimal(text)?;
    value
        .as_f64()
        .filter(|float| float.is_finite())
        .map(Value::Float)
}
