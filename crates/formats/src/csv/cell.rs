//! What a cell's text may become.

use rust_decimal::Decimal;
use sluice_model::time::{Timestamp, days_in_month};
use sluice_model::types::{Kind, TextFormat, TextType, Type};
use sluice_model::value::{Text, Value};

/// What the cells of a column are converted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CellKind {
    Text,
    Int,
    Decimal,
    Float,
    Bool,
    Date,
    Time,
    DateTime,
    /// The first of these that fits.
    OneOf(Vec<CellKind>),
    /// No text fits.
    Never,
}

impl CellKind {
    /// Returns what the cells of a column of this type are converted to.
    ///
    /// # Errors
    /// The word for the type if a cell cannot hold its values.
    pub fn of(ty: &Type) -> Result<Self, &'static str> {
        let ty = ty.resolved();
        Ok(match &ty.kind {
            Kind::Any => CellKind::Text,
            Kind::Text(TextType { format, .. }) => match format {
                Some(TextFormat::Date) => CellKind::Date,
                Some(TextFormat::Time) => CellKind::Time,
                Some(TextFormat::DateTime) => CellKind::DateTime,
                _ => CellKind::Text,
            },
            Kind::Int(_) => CellKind::Int,
            Kind::Decimal(_) => CellKind::Decimal,
            Kind::Float(_) => CellKind::Float,
            Kind::Bool => CellKind::Bool,
            Kind::Never | Kind::Null => CellKind::Never,
            Kind::Union(union) => {
                let kinds: Result<_, _> = union.of.iter().map(CellKind::of).collect();
                CellKind::OneOf(kinds?)
            }
            Kind::Bytes => return Err("bytes"),
            Kind::List(_) => return Err("a list"),
            Kind::Map(_) | Kind::Record(_) => return Err("a record"),
            Kind::Ref(_) => return Err("a type without an end"),
        })
    }

    /// Returns the value that a cell's text stands for; `None` if it is none of this kind.
    #[inline]
    pub fn convert(&self, text: &str) -> Option<Value<'static>> {
        match self {
            CellKind::Text => Some(Value::Text(Text::from(text))),
            CellKind::Int => int(text),
            CellKind::Decimal => decimal(text),
            CellKind::Float => float(text),
            CellKind::Bool => bool(text),
            CellKind::Date => checked(text, is_date),
            CellKind::Time => checked(text, is_time),
            CellKind::DateTime => checked(text, is_date_time),
            CellKind::OneOf(kinds) => kinds.iter().find_map(|kind| kind.convert(text)),
            CellKind::Never => None,
        }
    }

    /// Returns what was expected, for a message.
    pub fn expected(&self) -> String {
        match self {
            CellKind::Text => "a text".to_owned(),
            CellKind::Int => "an integer".to_owned(),
            CellKind::Decimal => "a decimal number such as `12.50`".to_owned(),
            CellKind::Float => "a number".to_owned(),
            CellKind::Bool => "`true`, `false`, `1` or `0`".to_owned(),
            CellKind::Date => "a date such as `2026-03-14`".to_owned(),
            CellKind::Time => "a time with its offset such as `09:26:53Z`".to_owned(),
            CellKind::DateTime => "a date-time such as `2026-03-14T09:26:53Z`".to_owned(),
            CellKind::OneOf(kinds) => {
                let all: Vec<String> = kinds.iter().map(CellKind::expected).collect();
                all.join(" or ")
            }
            CellKind::Never => "an empty cell".to_owned(),
        }
    }
}

/// Reads up to 18 digits with an optional sign.
#[inline]
pub(super) fn short_int(text: &str) -> Option<i64> {
    let (negative, digits) = sign(text);
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut int = 0_i64;
    for byte in digits.as_bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        int = int * 10 + i64::from(digit);
    }
    Some(if negative { -int } else { int })
}

/// Reads digits with an optional sign; leading zeros do not count.
fn int(text: &str) -> Option<Value<'static>> {
    if let Some(int) = short_int(text) {
        return Some(Value::Int(int));
    }
    let (negative, digits) = sign(text);
    let bytes = digits.as_bytes();
    if !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    number_of(negative, digits)
}

/// Reads a number in JSON's syntax; a sign and leading zeros are allowed. A whole one is an
/// integer, as JSON's reader has it.
fn decimal(text: &str) -> Option<Value<'static>> {
    let (negative, digits) = sign(text);
    let bytes = digits.as_bytes();
    let mut mantissa = 0_u64;
    let mut point = None;
    if bytes.is_empty() || bytes.len() > 19 {
        return number_of(negative, digits);
    }
    for (index, byte) in bytes.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            mantissa = mantissa * 10 + u64::from(digit);
        } else if *byte == b'.' && point.is_none() && index > 0 {
            point = Some(index + 1);
        } else {
            return number_of(negative, digits);
        }
    }
    match point {
        None => int(text),
        Some(point) if point == bytes.len() => None,
        Some(point) => {
            let (low, middle) = (mantissa as u32, (mantissa >> 32) as u32);
            let scale = (bytes.len() - point) as u32;
            let decimal = Decimal::from_parts(low, middle, 0, negative, scale);
            Some(Value::Decimal(decimal))
        }
    }
}

fn float(text: &str) -> Option<Value<'static>> {
    // Rust reads `inf` and `nan` too.
    if !text.ends_with(|last: char| last.is_ascii_digit()) {
        return None;
    }
    let float: f64 = text.parse().ok()?;
    float.is_finite().then_some(Value::Float(float))
}

fn bool(text: &str) -> Option<Value<'static>> {
    match text {
        "1" => Some(Value::Bool(true)),
        "0" => Some(Value::Bool(false)),
        _ if text.eq_ignore_ascii_case("true") => Some(Value::Bool(true)),
        _ if text.eq_ignore_ascii_case("false") => Some(Value::Bool(false)),
        _ => None,
    }
}

#[inline]
fn sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

/// Reads a number in JSON's syntax after needless zeros in front were left out.
fn number_of(negative: bool, digits: &str) -> Option<Value<'static>> {
    let is_digit = |char: char| char.is_ascii_digit();
    if !digits.starts_with(is_digit) {
        return None;
    }
    let zeros = digits.bytes().take_while(|byte| *byte == b'0').count();
    let needless = if digits[zeros..].starts_with(is_digit) {
        zeros
    } else {
        zeros.saturating_sub(1)
    };
    let minus = if negative { "-" } else { "" };
    Value::number(&format!("{minus}{}", &digits[needless..]))
}

#[inline]
fn checked(text: &str, is: fn(&str) -> bool) -> Option<Value<'static>> {
    is(text).then(|| Value::Text(Text::from(text)))
}

/// RFC 3339 section 5.6, `full-date`.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let [_, _, _, _, b'-', _, _, b'-', _, _] = bytes else {
        return false;
    };
    let (Some(year), Some(month), Some(day)) = (
        digits(&bytes[..4]),
        digits(&bytes[5..7]),
        digits(&bytes[8..]),
    ) else {
        return false;
    };
    (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month)
}

/// RFC 3339 section 5.6, `full-time`: a date-time without its date.
fn is_time(text: &str) -> bool {
    text.is_ascii() && is_date_time(&format!("1972-06-30T{text}"))
}

/// RFC 3339 section 5.6, `date-time`.
fn is_date_time(text: &str) -> bool {
    // Timestamps are read with a blank in the middle too; contracts know `T` only.
    matches!(text.as_bytes().get(10), Some(b'T' | b't')) && Timestamp::parse_rfc3339(text).is_some()
}

fn digits(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + i64::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use sluice_model::json;

    use super::CellKind;

    fn shown(kind: &CellKind, text: &str) -> String {
        kind.convert(text)
            .map_or_else(|| "-".to_owned(), |value| json::to_string(&value))
    }

    #[test]
    fn cells_are_converted_strictly() {
        for (kind, text, value) in [
            (CellKind::Int, "42", "42"),
            (CellKind::Int, "-007", "-7"),
            (CellKind::Int, "+5", "5"),
            (CellKind::Int, "-0", "0"),
            (CellKind::Int, "00000000000000000000000012", "12"),
            (CellKind::Int, "9223372036854775808", "9223372036854775808"),
            (CellKind::Int, "4.0", "-"),
            (CellKind::Int, "1e3", "-"),
            (CellKind::Int, "-", "-"),
            (CellKind::Int, "--1", "-"),
            (CellKind::Int, "1 ", "-"),
            (CellKind::Decimal, "1.10", "1.10"),
            (CellKind::Decimal, "-0012.50", "-12.50"),
            (CellKind::Decimal, "0000000000000000000012.50", "12.50"),
            (CellKind::Decimal, "12", "12"),
            (CellKind::Decimal, "1e5", "1e5"),
            (
                CellKind::Decimal,
                "0.1234567890123456789012345",
                "0.1234567890123456789012345",
            ),
            (
                CellKind::Decimal,
                "99999999999999999.99",
                "99999999999999999.99",
            ),
            (CellKind::Decimal, ".5", "-"),
            (CellKind::Decimal, "5.", "-"),
            (CellKind::Decimal, "1.2.3", "-"),
            (CellKind::Decimal, "1,5", "-"),
            (CellKind::Decimal, "+-1.5", "-"),
            (CellKind::Float, "1.5e3", "1500"),
            (CellKind::Float, "nan", "-"),
            (CellKind::Float, "1e999", "-"),
            (CellKind::Bool, "TRUE", "true"),
            (CellKind::Bool, "0", "false"),
            (CellKind::Bool, "yes", "-"),
            (CellKind::Date, "2024-02-29", "\"2024-02-29\""),
            (CellKind::Date, "2026-02-29", "-"),
            (CellKind::Date, "2026-2-1", "-"),
            (CellKind::Date, "14.03.2026", "-"),
            (CellKind::Time, "09:26:53.5+01:00", "\"09:26:53.5+01:00\""),
            (CellKind::Time, "25:00:00Z", "-"),
            (
                CellKind::DateTime,
                "2026-03-14T09:26:53Z",
                "\"2026-03-14T09:26:53Z\"",
            ),
            (CellKind::DateTime, "2026-03-14", "-"),
            (CellKind::DateTime, "2026-03-14 09:26:53Z", "-"),
            (
                CellKind::OneOf(vec![CellKind::Int, CellKind::Bool]),
                "true",
                "true",
            ),
            (
                CellKind::OneOf(vec![CellKind::Int, CellKind::Text]),
                "007x",
                "\"007x\"",
            ),
        ] {
            assert_eq!(shown(&kind, text), value, "{kind:?} {text}");
        }
    }
}
