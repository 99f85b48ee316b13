//! Texts.

use sluice_model::value::Text;

use crate::eval::Machine;
use crate::eval::failure::Outcome;
use crate::eval::function::Arguments;
use crate::eval::item::Item;
use crate::eval::operators::truthy;
use crate::eval::text::{Layout, push_text};
use crate::functions::{Function, Group, example};

pub(super) static FUNCTIONS: [Function; 10] = [
    Function::new(
        Group::Text,
        ("string", "<x-b?:s>", 1),
        "Returns a value as a text: JSON, but a text as it is; indented if the second argument is \
         true.",
        &[
            example("$string(5)", "\"5\""),
            example("$string({'a': [1, 0.1 + 0.2]})", "\"{\\\"a\\\":[1,0.3]}\""),
        ],
        string,
    ),
    Function::new(
        Group::Text,
        ("length", "<s-:n>", 1),
        "Returns the number of characters.",
        &[example("$length('Währung')", "7")],
        |_, arguments| {
            Ok(match arguments.get(0).as_str() {
                Some(text) => Item::Int(count(text) as i64),
                None => Item::Missing,
            })
        },
    ),
    Function::new(
        Group::Text,
        ("substring", "<s-nn?:s>", 3),
        "Returns the characters from a position (from the end, if negative), all or so many.",
        &[
            example("$substring('hello world', 3, 5)", "\"lo wo\""),
            example("$substring('hello world', -4)", "\"orld\""),
        ],
        substring,
    ),
    Function::new(
        Group::Text,
        ("substringBefore", "<s-s:s>", 2),
        "Returns what stands before the first occurrence of a text; all if there is none.",
        &[example("$substringBefore('a-b-c', '-')", "\"a\"")],
        |machine, mut arguments| split_at(machine, &mut arguments, |at, _| (0, at)),
    ),
    Function::new(
        Group::Text,
        ("substringAfter", "<s-s:s>", 2),
        "Returns what stands after the first occurrence of a text; all if there is none.",
        &[example("$substringAfter('a-b-c', '-')", "\"b-c\"")],
        |machine, mut arguments| {
            split_at(machine, &mut arguments, |at, length| {
                (at + length, usize::MAX)
            })
        },
    ),
    Function::new(
        Group::Text,
        ("uppercase", "<s-:s>", 1),
        "Returns the text in capital letters.",
        &[example("$uppercase('Straße')", "\"STRASSE\"")],
        |machine, mut arguments| change(machine, &mut arguments, uppercase),
    ),
    Function::new(
        Group::Text,
        ("lowercase", "<s-:s>", 1),
        "Returns the text in small letters.",
        &[example("$lowercase('HeLLo')", "\"hello\"")],
        |machine, mut arguments| change(machine, &mut arguments, lowercase),
    ),
    Function::new(
        Group::Text,
        ("trim", "<s-:s>", 1),
        "Returns the text without white space at its ends, and with single spaces within.",
        &[example("$trim('  a \\n b ')", "\"a b\"")],
        |machine, mut arguments| change(machine, &mut arguments, trim),
    ),
    Function::new(
        Group::Text,
        ("pad", "<s-ns?:s>", 3),
        "Returns the text filled up to a width: at the end, or at the beginning if it is negative.",
        &[
            example("$pad('foo', 5)", "\"foo  \""),
            example("$pad('7', -3, '0')", "\"007\""),
        ],
        pad,
    ),
    Function::new(
        Group::Text,
        ("join", "<a<s>s?:s>", 2),
        "Returns the texts of a list as one, with a separator between them.",
        &[example("$join(['a','b'], ', ')", "\"a, b\"")],
        join,
    ),
];

/// Returns the number of characters.
fn count(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.chars().count()
    }
}

fn string<'a>(machine: &mut Machine<'_, 'a>, mut arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let layout = if truthy(arguments.get(1)) {
        Layout::Pretty
    } else {
        Layout::Compact
    };
    match arguments.take(0) {
        Item::Missing => Ok(Item::Missing),
        text @ (Item::InText(_) | Item::Text(_)) => Ok(text),
        item => {
            let mut out = String::new();
            push_text(&mut out, &item, layout, machine.text_length_max(0))?;
            machine.text(&out)
        }
    }
}

/// Returns the part of a text between two offsets in bytes, borrowing what it borrows.
fn part<'a>(
    machine: &mut Machine<'_, 'a>,
    whole: &Item<'a>,
    start: usize,
    end: usize,
) -> Outcome<Item<'a>> {
    let slice = |text: &'a str| text.get(start..end.min(text.len())).unwrap_or("");
    if let Some(text) = whole.as_borrowed() {
        return Ok(Item::text(Text::borrowed(slice(text))));
    }
    let text = whole.as_str().unwrap_or("");
    machine.text(text.get(start..end.min(text.len())).unwrap_or(""))
}

fn substring<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let whole = arguments.get(0);
    let Some(text) = whole.as_str() else {
        return Ok(Item::Missing);
    };
    let total = count(text);
    let mut start = arguments.get(1).as_f64().unwrap_or(0.0);
    if total as f64 + start < 0.0 {
        start = 0.0;
    }
    let end = match arguments.get(2).as_f64() {
        Some(length) if length <= 0.0 => return machine.text(""),
        Some(length) if start >= 0.0 => start + length,
        Some(length) => total as f64 + start + length,
        None => total as f64,
    };
    let (first, last) = (position(start, total), position(end, total));
    if first >= last {
        return machine.text("");
    }
    if text.is_ascii() {
        return part(machine, whole, first, last);
    }
    let offset = |characters: usize| {
        text.char_indices()
            .nth(characters)
            .map_or(text.len(), |(at, _)| at)
    };
    part(machine, whole, offset(first), offset(last))
}

/// Returns a position as ECMAScript's `slice` takes it: negative ones count from the end.
fn position(position: f64, total: usize) -> usize {
    let position = position.trunc();
    if position < 0.0 {
        (total as f64 + position).max(0.0) as usize
    } else {
        (position as usize).min(total)
    }
}

/// Returns a part of the first argument that the first occurrence of the second decides.
fn split_at<'a>(
    machine: &mut Machine<'_, 'a>,
    arguments: &mut Arguments<'a>,
    bounds: fn(usize, usize) -> (usize, usize),
) -> Outcome<Item<'a>> {
    let whole = arguments.take(0);
    let Some(text) = whole.as_text() else {
        return Ok(Item::Missing);
    };
    // The reference looks for the text `undefined` where the second argument is missing.
    let separator = arguments.get(1).as_str().unwrap_or("undefined");
    match text.find(separator) {
        Some(at) => {
            let (start, end) = bounds(at, separator.len());
            part(machine, &whole, start, end)
        }
        None => Ok(whole),
    }
}

/// Changes a text; a change that would leave it as it is gives `None`.
fn change<'a>(
    machine: &mut Machine<'_, 'a>,
    arguments: &mut Arguments<'a>,
    change: fn(&str, &mut String) -> Changed,
) -> Outcome<Item<'a>> {
    let whole = arguments.take(0);
    let Some(text) = whole.as_text() else {
        return Ok(Item::Missing);
    };
    let mut scratch = std::mem::take(&mut machine.scratch);
    scratch.clear();
    let changed = change(text, &mut scratch);
    let item = match changed {
        Changed::ToPart(0, end) if end == text.len() => Ok(whole),
        Changed::Not => Ok(whole),
        Changed::ToPart(start, end) => part(machine, &whole, start, end),
        Changed::ToScratch => machine.text(&scratch),
    };
    machine.scratch = scratch;
    item
}

/// What a change of a text gave.
enum Changed {
    Not,
    /// The part between two offsets.
    ToPart(usize, usize),
    /// What was written.
    ToScratch,
}

fn uppercase(text: &str, out: &mut String) -> Changed {
    if text.is_ascii() {
        if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return Changed::Not;
        }
        out.push_str(text);
        out.make_ascii_uppercase();
    } else {
        out.push_str(&text.to_uppercase());
    }
    Changed::ToScratch
}

fn lowercase(text: &str, out: &mut String) -> Changed {
    if text.is_ascii() {
        if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Changed::Not;
        }
        out.push_str(text);
        out.make_ascii_lowercase();
    } else {
        out.push_str(&text.to_lowercase());
    }
    Changed::ToScratch
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn trim(text: &str, out: &mut String) -> Changed {
    let bytes = text.as_bytes();
    let Some(start) = bytes.iter().position(|byte| !is_space(*byte)) else {
        return Changed::ToScratch;
    };
    let last = bytes.iter().rposition(|byte| !is_space(*byte));
    let end = last.map_or(start, |last| last + 1);
    let inner = &bytes[start..end];
    let plain = |pair: &[u8]| !is_space(pair[0]) || (pair[0] == b' ' && !is_space(pair[1]));
    if inner.windows(2).all(plain) {
        return Changed::ToPart(start, end);
    }
    for word in text[start..end].split([' ', '\t', '\n', '\r']) {
        if !word.is_empty() {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(word);
        }
    }
    Changed::ToScratch
}

fn pad<'a>(machine: &mut Machine<'_, 'a>, mut arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let whole = arguments.take(0);
    let Some(text) = whole.as_text() else {
        return Ok(Item::Missing);
    };
    let width = arguments.get(1).as_f64().unwrap_or(0.0).trunc();
    let filler = match arguments.get(2).as_str() {
        Some(filler) if !filler.is_empty() => filler,
        _ => " ",
    };
    let missing = width.abs() - count(text) as f64;
    if missing < 1.0 {
        return Ok(whole);
    }
    let missing = missing as u64;
    machine.charge(missing.saturating_mul(4).saturating_add(text.len() as u64))?;
    let padding: String = filler.chars().cycle().take(missing as usize).collect();
    let padded = if width > 0.0 {
        format!("{text}{padding}")
    } else {
        format!("{padding}{text}")
    };
    Ok(Item::text(Text::from(padded)))
}

fn join<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let list = arguments.get(0);
    if list.is_missing() {
        return Ok(Item::Missing);
    }
    let separator = arguments.get(1).as_str().unwrap_or("");
    let mut joined = String::new();
    for (index, item) in list.items().enumerate() {
        let before = joined.len();
        if index > 0 {
            joined.push_str(separator);
        }
        joined.push_str(item.as_str().unwrap_or(""));
        machine.charge((joined.len() - before) as u64)?;
    }
    Ok(Item::text(Text::from(joined)))
}
