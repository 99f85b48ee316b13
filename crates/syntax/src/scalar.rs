//! What a plain scalar stands for: the core schema of YAML 1.2 (section 10.3.2).

use sluice_model::value::{Text, Value};

/// Returns the value of a plain scalar with this text.
pub(crate) fn plain_value(text: &str) -> Value<'static> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).unwrap_or_else(|| Value::text(Text::from(text))),
    }
}

/// Returns whether a plain scalar with this text is a text.
pub(crate) fn plain_is_text(text: &str) -> bool {
    matches!(plain_value(text), Value::Text(_))
}

/// Reads a number: those of JSON as they are written, those that only YAML has (`+1`, `.5`, `1.`,
/// `007`, `0x1F`, `0o17`, `.inf`) by what they mean.
fn number(text: &str) -> Option<Value<'static>> {
    if !matches!(text.as_bytes().first()?, b'0'..=b'9' | b'-' | b'+' | b'.') {
        return None;
    }
    if let Some(number) = Value::number(text) {
        return Some(number);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let (sign, rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) if text.starts_with('-') => ("-", rest),
        Some(rest) => ("", rest),
        None => ("", text),
    };
    match rest {
        ".inf" | ".Inf" | ".INF" if sign == "-" => return Some(Value::Float(f64::NEG_INFINITY)),
        ".inf" | ".Inf" | ".INF" => return Some(Value::Float(f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" if rest == text => return Some(Value::Float(f64::NAN)),
        _ => {}
    }
    let split = |at: usize| rest.split_at(at);
    let (mantissa, exponent) = rest.find(['e', 'E']).map_or((rest, ""), split);
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if integer.is_empty() && fraction.is_empty() {
        return None;
    }
    let zeros_cut = integer.trim_start_matches('0');
    let integer = match (integer, zeros_cut) {
        // Only digits may follow the zeros; `Value::number` sees to the rest.
        ("" | "0", _) | (_, "") => "0",
        _ => zeros_cut,
    };
    let dot = if fraction.is_empty() { "" } else { "." };
    Value::number(&format!("{sign}{integer}{dot}{fraction}{exponent}"))
}

/// Reads digits of base 8 or 16; a number beyond 128 bits becomes the nearest double.
fn radix(digits: &str, base: u32) -> Option<Value<'static>> {
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
        return None;
    }
    if let Ok(number) = u128::from_str_radix(digits, base) {
        return Value::number(&number.to_string());
    }
    let double = digits.chars().fold(0.0, |sum, digit| {
        sum * f64::from(base) + f64::from(digit.to_digit(base).unwrap_or(0))
    });
    Some(Value::Float(double))
}

#[cfg(test)]
mod tests {
    use sluice_model::value::Value;

    use super::plain_value;

    #[test]
    fn the_core_schema_decides() {
        let show = |text: &str| match plain_value(text) {
            Value::Text(text) => format!("text {text}"),
            Value::Literal(text) => format!("literal {text}"),
            Value::Decimal(decimal) => format!("decimal {decimal}"),
            other => format!("{other:?}"),
        };
        for null in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(show(null), "Null");
        }
        assert_eq!(show("True"), "Bool(true)");
        for (text, expected) in [
            ("007", "Int(7)"),
            ("00", "Int(0)"),
            ("-012", "Int(-12)"),
            ("+5", "Int(5)"),
            ("0o17", "Int(15)"),
            ("0x1F", "Int(31)"),
            ("0xFFFFFFFFFFFFFFFF", "literal 18446744073709551615"),
            (".5", "decimal 0.5"),
            ("1.", "Int(1)"),
            ("1.10", "decimal 1.10"),
            ("+.5e3", "literal 0.5e3"),
            ("1e3", "literal 1e3"),
            (".inf", "Float(inf)"),
            ("-.INF", "Float(-inf)"),
        ] {
            assert_eq!(show(text), expected, "{text}");
        }
        for text in [
            "yes",
            "no",
            "on",
            "nUll",
            "1_000",
            "0b1",
            "1:30",
            "0x",
            "0o8",
            "-",
            "+",
            ".",
            "-.",
            "1e",
            "e3",
            ".e3",
            "1.2.3",
            "- 1",
            "0x-1",
            "+.nan",
            "10s",
            "2026-01-01",
            "1 ",
            "0+1",
            "--1",
        ] {
            assert_eq!(show(text), format!("text {text}"));
        }
        assert!(matches!(plain_value(".NaN"), Value::Float(nan) if nan.is_nan()));
    }
}
