//! Values as text: what `$string` and `&` give.

use crate::eval::failure::{Explain, Outcome, failure};
use crate::eval::item::{Item, ListKind};
use crate::eval::numbers::{push_decimal, push_double, rounded_to_15_digits};
use crate::eval::operators::out_of_range;
use crate::eval::output::shown;

/// Whether JSON is written on one line or indented.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    Compact,
    Pretty,
}

/// Writes items as ECMAScript's `JSON.stringify` does.
///
/// A list that stands in a value a thousand times is written a thousand times, so the length is
/// limited while it is written, not afterwards.
struct Writer<'o> {
    out: &'o mut String,
    layout: Layout,
    length_max: usize,
}

/// Appends an item as `$string` gives it: a text as it is, anything else as JSON. The whole text
/// may grow to `length_max` bytes.
pub(crate) fn push_text(
    out: &mut String,
    item: &Item<'_>,
    layout: Layout,
    length_max: usize,
) -> Outcome<()> {
    match item {
        Item::InText(text) => out.push_str(text),
        Item::Text(text) => out.push_str(text),
        Item::Function(_) => {}
        Item::Float(float) if !float.is_finite() => {
            return Err(failure("D3001", "infinity cannot be written as a text"));
        }
        other => {
            let mut writer = Writer {
                out,
                layout,
                length_max,
            };
            writer.item(other, 0)?;
        }
    }
    Ok(())
}

impl Writer<'_> {
    fn item(&mut self, item: &Item<'_>, levels: usize) -> Outcome<()> {
        use std::fmt::Write;
        let out = &mut *self.out;
        if out.len() > self.length_max {
            return Err(failure(
                "D2015",
                "the text is longer than the evaluation may construct",
            ));
        }
        match item {
            Item::Missing | Item::Null => out.push_str("null"),
            Item::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
            Item::Int(int) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "{int}");
            }
            Item::Float(float) if float.is_finite() => {
                push_double(out, rounded_to_15_digits(*float));
            }
            Item::Float(_) => return Err(out_of_range().with_value(shown(item))),
            Item::InDecimal(decimal) => push_decimal(out, **decimal),
            Item::Decimal(decimal) => push_decimal(out, **decimal),
            Item::Literal(_) => match item.as_f64() {
                Some(float) if float.is_finite() => push_double(out, rounded_to_15_digits(float)),
                _ => return Err(out_of_range()),
            },
            Item::InText(text) => push_quoted(out, text),
            Item::Text(text) => push_quoted(out, text),
            Item::InBytes(bytes) => push_quoted(out, &crate::functions::encoding::base64(bytes)),
            Item::Function(_) => out.push_str("\"\""),
            Item::List(list) if list.kind == ListKind::Wrapper => {
                self.item(&list.items[0], levels)?;
            }
            Item::InList(_) | Item::List(_) | Item::Range(_) => self.list(item, levels)?,
            Item::InRecord(_) | Item::Record(_) => self.record(item, levels)?,
        }
        Ok(())
    }

    fn list(&mut self, item: &Item<'_>, levels: usize) -> Outcome<()> {
        self.out.push('[');
        for (index, part) in item.items().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.line(levels + 1);
            self.item(&part, levels + 1)?;
        }
        if item.count() > 0 {
            self.line(levels);
        }
        self.out.push(']');
        Ok(())
    }

    fn record(&mut self, item: &Item<'_>, levels: usize) -> Outcome<()> {
        self.out.push('{');
        for (index, (key, value)) in item.fields().iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.line(levels + 1);
            push_quoted(self.out, key.as_str());
            self.out.push_str(match self.layout {
                Layout::Pretty => ": ",
                Layout::Compact => ":",
            });
            self.item(value, levels + 1)?;
        }
        if item.field_count() > 0 {
            self.line(levels);
        }
        self.out.push('}');
        Ok(())
    }

    fn line(&mut self, levels: usize) {
        if self.layout == Layout::Pretty {
            self.out.push('\n');
            for _ in 0..levels {
                self.out.push_str("  ");
            }
        }
    }
}

fn push_quoted(out: &mut String, text: &str) {
    use std::fmt::Write;
    out.push('"');
    let mut start = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[start..index]);
        start = index + 1;
        if escape.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[start..]);
    out.push('"');
}
