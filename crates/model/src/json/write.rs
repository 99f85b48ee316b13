//! The writer.

use std::io::Write as _;

use rust_decimal::Decimal;

use super::read::special;
use crate::value::{Record, Value};

/// Writes a value as compact JSON behind what `out` holds.
///
/// Decimals keep their scale (`1.10`) and literals are written as they were read. A double is
/// written as ECMAScript's `Number::toString` writes it: the shortest digits that read back as the
/// same double; one that is not finite becomes `null`. Bytes become base 64 (RFC 4648 section 4).
/// Texts are escaped where RFC 8259 section 7 requires it, and nowhere else.
pub fn write(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(int) => write_int(*int, out),
        Value::Decimal(decimal) => write_decimal(*decimal, out),
        Value::Float(float) => write_float(*float, out),
        Value::Literal(literal) => out.extend_from_slice(literal.as_bytes()),
        Value::Text(text) => write_text(text.as_str(), out),
        Value::Bytes(bytes) => write_base64(bytes, out),
        Value::List(items) => {
            let mut separator = b'[';
            for item in items {
                out.push(separator);
                separator = b',';
                write(item, out);
            }
            if items.is_empty() {
                out.push(b'[');
            }
            out.push(b']');
        }
        Value::Record(record) => {
            let mut separator = b'{';
            for (key, value) in record {
                out.push(separator);
                separator = b',';
                write_text(key.as_str(), out);
                out.push(b':');
                write(value, out);
            }
            if record.is_empty() {
                out.push(b'{');
            }
            out.push(b'}');
        }
    }
}

/// Writes a value as [`write`] does, on several lines with two spaces for each level.
pub fn write_pretty(value: &Value<'_>, out: &mut Vec<u8>) {
    pretty(value, 0, out);
}

/// Returns a value as compact JSON.
pub fn to_string(value: &Value<'_>) -> String {
    let mut out = Vec::new();
    write(value, &mut out);
    String::from_utf8(out).expect("texts, keys and literals are UTF-8, and so is all around them")
}

fn pretty(value: &Value<'_>, level: usize, out: &mut Vec<u8>) {
    match value {
        Value::List(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                out.extend_from_slice(if index == 0 { b"[" } else { b"," });
                line(level + 1, out);
                pretty(item, level + 1, out);
            }
            line(level, out);
            out.push(b']');
        }
        Value::Record(record) if !record.is_empty() => pretty_record(record, level, out),
        scalar_or_empty => write(scalar_or_empty, out),
    }
}

fn pretty_record(record: &Record<'_>, level: usize, out: &mut Vec<u8>) {
    for (index, (key, value)) in record.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"{" } else { b"," });
        line(level + 1, out);
        write_text(key.as_str(), out);
        out.extend_from_slice(b": ");
        pretty(value, level + 1, out);
    }
    line(level, out);
    out.push(b'}');
}

fn line(level: usize, out: &mut Vec<u8>) {
    out.push(b'\n');
    out.resize(out.len() + 2 * level, b' ');
}

fn write_int(int: i64, out: &mut Vec<u8>) {
    if int < 0 {
        out.push(b'-');
    }
    let mut buffer = [0; 20];
    out.extend_from_slice(digits(int.unsigned_abs(), &mut buffer));
}

/// Writes `number` at the end of `buffer` and returns its digits.
fn digits(mut number: u64, buffer: &mut [u8; 20]) -> &[u8] {
    const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
        2021222324252627282930313233343536373839\
        4041424344454647484950515253545556575859\
        6061626364656667686970717273747576777879\
        8081828384858687888990919293949596979899";
    let mut at = buffer.len();
    while number >= 100 {
        let pair = (number % 100) as usize * 2;
        number /= 100;
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if number >= 10 {
        let pair = number as usize * 2;
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    } else {
        at -= 1;
        buffer[at] = b'0' + number as u8;
    }
    &buffer[at..]
}

fn write_decimal(decimal: Decimal, out: &mut Vec<u8>) {
    let (mantissa, scale) = (decimal.mantissa(), decimal.scale() as usize);
    let Ok(magnitude) = u64::try_from(mantissa.unsigned_abs()) else {
        push_display(out, decimal);
        return;
    };
    if mantissa < 0 {
        out.push(b'-');
    }
    let mut buffer = [0; 20];
    let digits = digits(magnitude, &mut buffer);
    if scale == 0 {
        out.extend_from_slice(digits);
        return;
    }
    match digits.len().checked_sub(scale) {
        Some(whole) if whole > 0 => {
            out.extend_from_slice(&digits[..whole]);
            out.push(b'.');
            out.extend_from_slice(&digits[whole..]);
        }
        _ => {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + scale - digits.len(), b'0');
            out.extend_from_slice(digits);
        }
    }
}

fn push_display(out: &mut Vec<u8>, shown: impl std::fmt::Display) {
    write!(out, "{shown}").expect("writing to memory does not fail");
}

/// Writes a double as ECMAScript's `Number::toString(10)` (ECMA-262 section 6.1.6.1.20) does.
fn write_float(float: f64, out: &mut Vec<u8>) {
    if !float.is_finite() {
        out.extend_from_slice(b"null");
        return;
    }
    if float == 0.0 {
        out.push(b'0');
        return;
    }
    // Rust writes the same shortest digits, as `d.ddde-7`; only where the point stands differs.
    let mut buffer = [0_u8; 40];
    let mut rest = &mut buffer[..];
    write!(rest, "{:e}", float.abs()).expect("17 digits and an exponent fit into 40 bytes");
    let free = rest.len();
    let shown = &buffer[..buffer.len() - free];
    let split = shown.iter().position(|byte| *byte == b'e');
    let (mantissa, exponent) = shown.split_at(split.expect("`{:e}` writes an exponent"));
    let exponent = std::str::from_utf8(&exponent[1..]).unwrap_or_default();
    let exponent: i32 = exponent.parse().expect("an exponent is an integer");
    let mut digits = [0_u8; 24];
    let mut count = 0;
    for digit in mantissa.iter().filter(|byte| **byte != b'.') {
        digits[count] = *digit;
        count += 1;
    }
    if float < 0.0 {
        out.push(b'-');
    }
    place_point(&digits[..count], exponent, out);
}

/// Writes `d.ddd` times ten to the power of `exponent`, whose digits are `digits`.
fn place_point(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    let before = usize::try_from(exponent + 1).unwrap_or(0);
    match exponent {
        0..=20 if before >= digits.len() => {
            out.extend_from_slice(digits);
            out.resize(out.len() + before - digits.len(), b'0');
        }
        0..=20 => {
            out.extend_from_slice(&digits[..before]);
            out.push(b'.');
            out.extend_from_slice(&digits[before..]);
        }
        -6..=-1 => {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + exponent.unsigned_abs() as usize - 1, b'0');
            out.extend_from_slice(digits);
        }
        _ => {
            out.push(digits[0]);
            if digits.len() > 1 {
                out.push(b'.');
                out.extend_from_slice(&digits[1..]);
            }
            push_display(out, format_args!("e{exponent:+}"));
        }
    }
}

/// Writes a text in quotes.
fn write_text(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut from = 0;
    loop {
        let at = special(bytes, from);
        out.extend_from_slice(&bytes[from..at]);
        let Some(byte) = bytes.get(at) else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0C => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => push_display(out, format_args!("\\u{control:04x}")),
        }
        from = at + 1;
    }
    out.push(b'"');
}

/// Writes bytes in quotes, as base 64 with padding.
fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.reserve(bytes.len().div_ceil(3) * 4 + 2);
    out.push(b'"');
    for group in bytes.chunks(3) {
        let mut bits = [0; 4];
        bits[1..1 + group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(bits);
        for place in 0..4 {
            out.push(if place <= group.len() {
                ALPHABET[(bits >> (18 - 6 * place)) as usize % 64]
            } else {
                b'='
            });
        }
    }
    out.push(b'"');
}
