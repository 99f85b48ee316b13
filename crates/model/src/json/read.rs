//! The reader: recursive over what is kept, a loop over what is left out.

use std::borrow::Cow;
use std::collections::HashMap;

use rust_decimal::Decimal;

use super::{DEPTH_MAX, JsonError, Limits};
use crate::projection::Projection;
use crate::value::{Key, Record, Text, Value};

/// How texts are kept: borrowed from the input, or owned.
pub(super) trait Keep<'a, 'v> {
    fn text(text: &'a str) -> Text<'v>;
}

pub(super) struct Borrow;

impl<'a> Keep<'a, 'a> for Borrow {
    #[inline]
    fn text(text: &'a str) -> Text<'a> {
        Text::borrowed(text)
    }
}

pub(super) struct Own;

impl<'a> Keep<'a, 'static> for Own {
    #[inline]
    fn text(text: &'a str) -> Text<'static> {
        Text::from(text)
    }
}

/// What went wrong, before line, column and pointer are known.
struct Failure {
    offset: usize,
    message: String,
    /// The parts of the pointer, innermost first.
    path: Vec<String>,
}

/// The most fields for which a record gets room before they are there.
const HINT_MAX: usize = 32;

type Read<T> = Result<T, Box<Failure>>;

/// Reads one whole document.
pub(super) fn document<'a, 'v, K: Keep<'a, 'v>>(
    bytes: &'a [u8],
    projection: &Projection,
    limits: &Limits,
) -> Result<Value<'v>, JsonError> {
    if bytes.len() > limits.bytes {
        let message = format!("larger than the limit of {} bytes", limits.bytes);
        return Err(error(bytes, limits.bytes, message, &[]));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(invalid) => {
            let offset = invalid.valid_up_to();
            let message = format!("byte 0x{:02X} is not UTF-8", bytes[offset]);
            return Err(error(bytes, offset, message, &[]));
        }
    };
    let mut reader = Reader::<K> {
        text,
        bytes,
        at: 0,
        levels: limits.depth.min(DEPTH_MAX),
        depth: limits.depth.min(DEPTH_MAX),
        hint: 4,
        keep: std::marker::PhantomData,
    };
    reader
        .document(projection)
        .map_err(|failure| error(bytes, failure.offset, failure.message, &failure.path))
}

/// Finds line, column and pointer of a failure.
#[cold]
fn error(bytes: &[u8], offset: usize, message: String, path: &[String]) -> JsonError {
    let before = &bytes[..offset.min(bytes.len())];
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let lines = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    // A character's first byte is any that is not a continuation byte; a byte order mark is none.
    let line_text = before[start..]
        .strip_prefix(b"\xEF\xBB\xBF")
        .unwrap_or(&before[start..]);
    let column = line_text.iter().filter(|b| **b & 0xC0 != 0x80).count() + 1;
    let mut pointer = String::new();
    for part in path.iter().rev() {
        pointer.push('/');
        pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
    }
    JsonError {
        offset,
        line: u32::try_from(lines).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
        message,
        pointer,
    }
}

struct Reader<'a, 'v, K> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Levels that may still be entered.
    levels: usize,
    /// All levels that may be entered.
    depth: usize,
    /// The room that the next record gets: what the one before needed, since records of a list
    /// mostly look alike.
    hint: usize,
    keep: std::marker::PhantomData<(K, &'v ())>,
}

impl<'a, 'v, K: Keep<'a, 'v>> Reader<'a, 'v, K> {
    fn document(&mut self, projection: &Projection) -> Read<Value<'v>> {
        let mut value = Value::Null;
        if self.bytes.starts_with(b"\xEF\xBB\xBF") {
            self.at = 3;
        }
        self.space();
        self.value(projection, &mut value)?;
        self.space();
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(self.unexpected("the end of the document")),
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Skips the white space of RFC 8259 section 2.
    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    #[cold]
    fn fail(&self, offset: usize, message: impl Into<String>) -> Box<Failure> {
        Box::new(Failure {
            offset,
            message: message.into(),
            path: Vec::new(),
        })
    }

    #[cold]
    fn unexpected(&self, expected: &str) -> Box<Failure> {
        let found = match self
            .text
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
        {
            None => "the end of the input".to_owned(),
            Some('\n' | '\r') => "the end of the line".to_owned(),
            Some(char) if char.is_control() => format!("U+{:04X}", u32::from(char)),
            Some(char) => format!("`{char}`"),
        };
        self.fail(self.at, format!("expected {expected}, found {found}"))
    }

    #[inline]
    fn enter(&mut self) -> Read<()> {
        match self.levels.checked_sub(1) {
            Some(levels) => {
                self.levels = levels;
                Ok(())
            }
            None => Err(self.fail(
                self.at,
                format!("nested deeper than the limit of {} levels", self.depth),
            )),
        }
    }

    /// Reads a value into `slot`, which is null before: a value that is handed up as a result would
    /// be taken apart and put together at each level.
    fn value(&mut self, projection: &Projection, slot: &mut Value<'v>) -> Read<()> {
        match self.peek() {
            Some(b'"') => {
                *slot = match self.string()? {
                    Cow::Borrowed(text) => Value::Text(K::text(text)),
                    Cow::Owned(text) => Value::Text(text.into()),
                };
                Ok(())
            }
            Some(b'{') => self.record(projection, slot),
            Some(b'[') => self.list(projection, slot),
            Some(b'-' | b'0'..=b'9') => self.number(slot),
            Some(b't') => {
                *slot = Value::Bool(true);
                self.word("true")
            }
            Some(b'f') => {
                *slot = Value::Bool(false);
                self.word("false")
            }
            Some(b'n') => self.word("null"),
            Some(b'\'') => Err(self.unexpected("a value (texts stand in double quotes)")),
            _ => Err(self.unexpected("a value")),
        }
    }

    #[inline]
    fn word(&mut self, word: &'static str) -> Read<()> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.fail(self.at, format!("expected a value, `{word}` perhaps")))
        }
    }

    fn list(&mut self, projection: &Projection, slot: &mut Value<'v>) -> Read<()> {
        self.enter()?;
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            self.levels += 1;
            *slot = Value::List(Vec::new());
            return Ok(());
        }
        let mut items = Vec::with_capacity(4);
        loop {
            // Read where it will lie.
            let item = items.push_mut(Value::Null);
            if let Err(failure) = self.value(projection, item) {
                return Err(within(failure, &(items.len() - 1).to_string()));
            }
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                    if self.peek() == Some(b']') {
                        return Err(self.fail(self.at, "expected an item after `,`, found `]`"));
                    }
                }
                Some(b']') => break,
                _ => {
                    let index = items.len() - 1;
                    return Err(self.unexpected(&format!("`,` or `]` after item {index}")));
                }
            }
        }
        self.at += 1;
        self.levels += 1;
        *slot = Value::List(items);
        Ok(())
    }

    fn record(&mut self, projection: &Projection, slot: &mut Value<'v>) -> Read<()> {
        self.enter()?;
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.levels += 1;
            *slot = Value::Record(Record::default());
            return Ok(());
        }
        let mut fields: Vec<(Key<'v>, Value<'v>)> = Vec::with_capacity(self.hint);
        let mut seen = Seen::default();
        loop {
            let key = self.key()?;
            match projection.field(&key) {
                None => self.skip().map_err(|failure| within(failure, &key))?,
                Some((name, inner)) => {
                    // Read where it will lie; the key too is made there.
                    let value = match (seen.place(&fields, &key), name, &key) {
                        (Some(index), _, _) => {
                            let value = &mut fields[index].1;
                            *value = Value::Null;
                            value
                        }
                        (None, Some(name), _) => {
                            &mut fields.push_mut((Key::Name(name), Value::Null)).1
                        }
                        (None, None, Cow::Borrowed(text)) => {
                            let key = Key::Text(K::text(text));
                            &mut fields.push_mut((key, Value::Null)).1
                        }
                        (None, None, Cow::Owned(text)) => {
                            let key = Key::Text(Text::from(text.as_str()));
                            &mut fields.push_mut((key, Value::Null)).1
                        }
                    };
                    if let Err(failure) = self.value(inner, value) {
                        return Err(within(failure, &key));
                    }
                }
            }
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                }
                Some(b'}') => break,
                _ => {
                    let expected = format!("`,` or `}}` after the value of `{key}`");
                    return Err(self.unexpected(&expected));
                }
            }
        }
        self.at += 1;
        self.levels += 1;
        self.hint = fields.len().min(HINT_MAX);
        *slot = Value::Record(Record::from_distinct(fields));
        Ok(())
    }

    /// Reads a key, the colon and the space around it.
    #[inline]
    fn key(&mut self) -> Read<Cow<'a, str>> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        let key = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected(&format!("`:` after the key `{key}`")));
        }
        self.at += 1;
        self.space();
        Ok(key)
    }

    /// Reads a text, at its opening quote; owned only if it has escapes.
    #[inline]
    fn string(&mut self) -> Read<Cow<'a, str>> {
        let start = self.at + 1;
        let end = special(self.bytes, start);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Cow::Borrowed(&self.text[start..end]));
        }
        self.string_escaped(start, end).map(Cow::Owned)
    }

    fn string_escaped(&mut self, start: usize, mut end: usize) -> Read<String> {
        let quote = start - 1;
        let mut text = String::new();
        let mut from = start;
        loop {
            text.push_str(&self.text[from..end]);
            self.at = end;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(byte) => {
                    let message = format!(
                        "a text may not hold the control character U+{byte:04X}: \
                         write it as `\\u{byte:04x}`"
                    );
                    return Err(self.fail(self.at, message));
                }
                None => return Err(self.fail(quote, "this text has no closing quote")),
            }
            from = self.at;
            end = special(self.bytes, from);
        }
    }

    /// Reads an escape, at its backslash.
    fn escape(&mut self) -> Read<char> {
        let start = self.at;
        self.at += 2;
        Ok(match self.bytes.get(start + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(start),
            _ => {
                self.at = start;
                let message = "not an escape: one of `\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX` \
                               was expected";
                return Err(self.fail(start, message));
            }
        })
    }

    fn unicode_escape(&mut self, start: usize) -> Read<char> {
        let Some(unit) = self.hex_digits() else {
            return Err(self.fail(start, "expected four hexadecimal digits after `\\u`"));
        };
        if let Some(char) = char::from_u32(unit) {
            return Ok(char);
        }
        let second = (unit < 0xDC00 && self.bytes[self.at..].starts_with(b"\\u"))
            .then(|| {
                self.at += 2;
                self.hex_digits()
            })
            .flatten()
            .filter(|unit| (0xDC00..0xE000).contains(unit));
        second
            .and_then(|low| char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)))
            .ok_or_else(|| {
                let message = format!(
                    "`\\u{unit:04X}` is half a surrogate pair and no character: \
                     write both halves, or the character itself"
                );
                self.fail(start, message)
            })
    }

    fn hex_digits(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at + 4)?;
        let mut unit = 0;
        for digit in digits {
            unit = unit * 16 + char::from(*digit).to_digit(16)?;
        }
        self.at += 4;
        Some(unit)
    }

    /// Reads a number, at its first byte.
    fn number(&mut self, slot: &mut Value<'v>) -> Read<()> {
        let start = self.at;
        let negative = self.bytes[start] == b'-';
        self.at += usize::from(negative);
        let first = self.at;
        // Wraps around for more than 19 digits: such a number is read again from its text.
        let mut digits = self.digits(0);
        let integer = self.at - first;
        if integer == 0 {
            return Err(self.unexpected("a digit after `-`"));
        }
        if integer > 1 && self.bytes[first] == b'0' {
            return Err(self.fail(first, "a number may not begin with a needless `0`"));
        }
        let mut fraction = 0;
        if self.peek() == Some(b'.') {
            self.at += 1;
            let point = self.at;
            digits = self.digits(digits);
            fraction = self.at - point;
            if fraction == 0 {
                return Err(self.unexpected("a digit after `.`"));
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            let exponent = self.at;
            self.digits(0);
            if self.at == exponent {
                return Err(self.unexpected("a digit of the exponent"));
            }
            *slot = Value::Literal(self.text[start..self.at].into());
            return Ok(());
        }
        let negative_zero = negative && digits == 0;
        if fraction == 0 && integer <= 18 && !negative_zero {
            let int = digits as i64;
            *slot = Value::Int(if negative { -int } else { int });
            return Ok(());
        }
        if fraction > 0 && integer + fraction <= 19 && !negative_zero {
            let (low, middle) = (digits as u32, (digits >> 32) as u32);
            let scale = fraction as u32;
            *slot = Value::Decimal(Decimal::from_parts(low, middle, 0, negative, scale));
            return Ok(());
        }
        let text = &self.text[start..self.at];
        *slot = Value::number(text)
            .ok_or_else(|| self.fail(start, format!("`{text}` is not a number")))?;
        Ok(())
    }

    #[inline]
    fn digits(&mut self, mut digits: u64) -> u64 {
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            digits = digits.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            self.at += 1;
        }
        digits
    }

    /// Skips a value, checking it.
    fn skip(&mut self) -> Read<()> {
        let start = self.at;
        if self.skip_value().is_some() {
            return Ok(());
        }
        // It is wrong somewhere. Reading it says what is wrong, and where.
        self.at = start;
        match self.value(&Projection::All, &mut Value::Null) {
            Err(failure) => Err(failure),
            Ok(()) => Err(self.fail(start, "not a JSON value")),
        }
    }

    fn skip_value(&mut self) -> Option<()> {
        // One bit for each open level: whether it is a record.
        let mut records = [0_u64; DEPTH_MAX / 64];
        let mut open = 0;
        loop {
            let opened = match self.peek()? {
                b'"' => {
                    self.skip_string()?;
                    false
                }
                byte @ (b'{' | b'[') => {
                    if open == self.levels {
                        return None;
                    }
                    self.at += 1;
                    self.space();
                    let bit = 1 << (open % 64);
                    if byte == b'{' {
                        records[open / 64] |= bit;
                    } else {
                        records[open / 64] &= !bit;
                    }
                    open += 1;
                    // The end of an empty one is met below.
                    !matches!((byte, self.peek()?), (b'{', b'}') | (b'[', b']'))
                }
                b'-' | b'0'..=b'9' => {
                    self.skip_number()?;
                    false
                }
                b't' => self.skip_word("true")?,
                b'f' => self.skip_word("false")?,
                b'n' => self.skip_word("null")?,
                _ => return None,
            };
            let mut next = opened;
            while !next {
                let Some(level) = usize::checked_sub(open, 1) else {
                    return Some(());
                };
                self.space();
                let record = records[level / 64] >> (level % 64) & 1 == 1;
                match (self.peek()?, record) {
                    (b',', _) => {
                        self.at += 1;
                        self.space();
                        next = true;
                    }
                    (b'}', true) | (b']', false) => {
                        self.at += 1;
                        open = level;
                    }
                    _ => return None,
                }
            }
            let level = open - 1;
            if records[level / 64] >> (level % 64) & 1 == 1 {
                self.skip_key()?;
            }
        }
    }

    #[inline]
    fn skip_key(&mut self) -> Option<()> {
        if self.peek() != Some(b'"') {
            return None;
        }
        self.skip_string()?;
        self.space();
        if self.peek() != Some(b':') {
            return None;
        }
        self.at += 1;
        self.space();
        Some(())
    }

    #[inline]
    fn skip_word(&mut self, word: &str) -> Option<bool> {
        self.bytes[self.at..].starts_with(word.as_bytes()).then(|| {
            self.at += word.len();
            false
        })
    }

    #[inline]
    fn skip_string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            self.at = special(self.bytes, self.at);
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.escape().map(drop).ok()?,
                _ => return None,
            }
        }
    }

    fn skip_number(&mut self) -> Option<()> {
        self.at += usize::from(self.peek() == Some(b'-'));
        let first = self.at;
        self.skip_digits()?;
        if self.bytes[first] == b'0' && self.at > first + 1 {
            return None;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.skip_digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.skip_digits()?;
        }
        Some(())
    }

    #[inline]
    fn skip_digits(&mut self) -> Option<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

#[cold]
fn within(mut failure: Box<Failure>, key: &str) -> Box<Failure> {
    failure.path.push(key.to_owned());
    failure
}

/// Returns the offset from `at` of the next byte that may not stand in a text as it is: a quote, a
/// backslash or a control character; the length if there is none. Eight bytes at a time.
#[inline]
pub(super) fn special(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        // The lowest bit of each mask is exact; false ones can only stand above it.
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        let found = (control
            | (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash))
            & HIGH;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(byte) = bytes.get(at) {
        if matches!(byte, b'"' | b'\\' | 0..0x20) {
            break;
        }
        at += 1;
    }
    at
}

/// The keys that a record has so far, to find a second one of the same text.
#[derive(Default)]
struct Seen<'v> {
    /// One bit for each key's hash: a key whose bit is not set is new.
    bits: u64,
    /// Where each key stands, once there are more than [`Seen::FEW`].
    places: Option<HashMap<Text<'v>, usize>>,
}

impl<'v> Seen<'v> {
    /// Up to so many fields are compared one by one.
    const FEW: usize = 32;

    /// Returns where `key` stands already; if it does not, it is about to be added at the end.
    #[inline]
    fn place(&mut self, fields: &[(Key<'v>, Value<'v>)], key: &str) -> Option<usize> {
        let bytes = key.as_bytes();
        let middle = bytes.get(bytes.len() / 2).copied().unwrap_or(0);
        let last = bytes.last().copied().unwrap_or(0);
        let hash = bytes.len().wrapping_mul(7) + usize::from(middle) * 31 + usize::from(last) * 5;
        let bit = 1 << (hash % 64);
        let new = self.bits & bit == 0;
        self.bits |= bit;
        if fields.len() < Self::FEW {
            if new {
                return None;
            }
            return fields.iter().position(|(own, _)| own.as_str() == key);
        }
        self.place_among_many(fields, key)
    }

    #[cold]
    fn place_among_many(&mut self, fields: &[(Key<'v>, Value<'v>)], key: &str) -> Option<usize> {
        let places = self.places.get_or_insert_with(|| {
            let places = fields.iter().enumerate();
            places
                .map(|(index, (own, _))| (own.to_text(), index))
                .collect()
        });
        match places.entry(Text::from(key)) {
            std::collections::hash_map::Entry::Occupied(place) => Some(*place.get()),
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(fields.len());
                None
            }
        }
    }
}
