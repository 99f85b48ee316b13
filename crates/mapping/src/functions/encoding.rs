//! Encodings of texts: base 64 and URLs.

use crate::eval::failure::{Explain, Failure, Outcome, failure};
use crate::eval::function::Arguments;
use crate::eval::item::Item;
use crate::eval::output::shown;
use crate::eval::{Machine, Mode};
use crate::functions::{Function, Group, example};

pub(super) static FUNCTIONS: [Function; 6] = [
    Function::new(
        Group::Text,
        ("base64encode", "<s-:s>", 1),
        "Returns a text in base 64: its UTF-8 bytes; in dynamic mode one byte for each character.",
        &[example(
            "$base64encode('hello:world')",
            "\"aGVsbG86d29ybGQ=\"",
        )],
        |machine, arguments| {
            with_text(machine, &arguments, |machine, text| {
                let bytes = match machine.mode {
                    Mode::Checked => text.as_bytes().to_vec(),
                    // The reference takes the low byte of each UTF-16 code unit.
                    Mode::Dynamic => text.encode_utf16().map(|unit| unit as u8).collect(),
                };
                Ok(base64(&bytes))
            })
        },
    ),
    Function::new(
        Group::Text,
        ("base64decode", "<s-:s>", 1),
        "Returns the text that base 64 stands for.",
        &[example(
            "$base64decode('aGVsbG86d29ybGQ=')",
            "\"hello:world\"",
        )],
        |machine, arguments| {
            with_text(machine, &arguments, |machine, text| {
                let bytes = from_base64(text);
                match machine.mode {
                    Mode::Dynamic => Ok(bytes.into_iter().map(char::from).collect()),
                    Mode::Checked => String::from_utf8(bytes).map_err(|_| {
                        let message = "the bytes that the base 64 stands for are no UTF-8 text";
                        failure("D3030", message)
                    }),
                }
            })
        },
    ),
    Function::new(
        Group::Text,
        ("encodeUrlComponent", "<s-:s>", 1),
        "Returns a text as a part of a URL: every character that has a meaning there is escaped.",
        &[example("$encodeUrlComponent('?x=test')", "\"%3Fx%3Dtest\"")],
        |machine, arguments| with_text(machine, &arguments, |_, text| Ok(encode(text, COMPONENT))),
    ),
    Function::new(
        Group::Text,
        ("encodeUrl", "<s-:s>", 1),
        "Returns a text as a URL: what cannot stand in one is escaped.",
        &[example(
            "$encodeUrl('https://a.example/ä?x=1')",
            "\"https://a.example/%C3%A4?x=1\"",
        )],
        |machine, arguments| with_text(machine, &arguments, |_, text| Ok(encode(text, URL))),
    ),
    Function::new(
        Group::Text,
        ("decodeUrlComponent", "<s-:s>", 1),
        "Returns the text that a part of a URL stands for.",
        &[example("$decodeUrlComponent('%3Fx%3Dtest')", "\"?x=test\"")],
        |machine, arguments| {
            with_text(machine, &arguments, |_, text| {
                decode(text, "").ok_or_else(|| malformed("decodeUrlComponent", text))
            })
        },
    ),
    Function::new(
        Group::Text,
        ("decodeUrl", "<s-:s>", 1),
        "Returns a URL with its escapes resolved, but those that separate its parts.",
        &[example(
            "$decodeUrl('a.example/%C3%A4%2F')",
            "\"a.example/ä%2F\"",
        )],
        |machine, arguments| {
            with_text(machine, &arguments, |_, text| {
                decode(text, ";/?:@&=+$,#").ok_or_else(|| malformed("decodeUrl", text))
            })
        },
    ),
];

/// What `encodeURIComponent` leaves as it is, beside letters and digits (ECMA-262 section 19.2.6).
const COMPONENT: &str = "-_.!~*'()";
/// What `encodeURI` leaves as it is.
const URL: &str = "-_.!~*'();/?:@&=+$,#";

fn with_text<'a>(
    machine: &mut Machine<'_, 'a>,
    arguments: &Arguments<'a>,
    change: fn(&mut Machine<'_, 'a>, &str) -> Outcome<String>,
) -> Outcome<Item<'a>> {
    match arguments.get(0).as_text() {
        Some(text) => {
            machine.charge(text.len() as u64 * 3)?;
            let changed = change(machine, text)?;
            machine.text(&changed)
        }
        None => Ok(Item::Missing),
    }
}

fn malformed(function: &str, text: &str) -> Failure {
    let message = format!("Malformed URL passed to ${function}(): \"{text}\"");
    failure("D3140", message).with_value(shown(&Item::text(text.into())))
}

fn encode(text: &str, kept: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || (byte.is_ascii() && kept.contains(char::from(byte))) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Resolves escapes, but those of the characters in `reserved`; `None` if one is malformed.
fn decode(text: &str, reserved: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        if byte != b'%' {
            out.push(byte);
            at += 1;
            continue;
        }
        let hex = text.get(at + 1..at + 3)?;
        if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let decoded = u8::from_str_radix(hex, 16).ok()?;
        if decoded.is_ascii() && reserved.contains(char::from(decoded)) {
            out.extend_from_slice(&bytes[at..at + 3]);
        } else {
            out.push(decoded);
        }
        at += 3;
    }
    String::from_utf8(out).ok()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Returns bytes in base 64 (RFC 4648 section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            if digit <= chunk.len() {
                let index = (group >> (18 - 6 * digit)) & 63;
                out.push(char::from(ALPHABET[index as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

/// Reads base 64 as leniently as the reference: other characters are passed over.
fn from_base64(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut bits) = (0u32, 0);
    for byte in text.bytes().take_while(|byte| *byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => continue,
        };
        group = group << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((group >> bits) as u8);
            group &= (1 << bits) - 1;
        }
    }
    out
}
