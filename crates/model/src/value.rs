//! Values: what messages hold and mappings compute.
//!
//! A [`Value`] may borrow its texts from the bytes that it was read from (`Value<'a>`); one that
//! travels from task to task owns them (`Value<'static>`). Texts up to 23 bytes lie inside the
//! value; longer owned ones are shared, so that a clone copies no text.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};

/// A text that is borrowed, inline (up to 23 bytes) or shared.
pub type Text<'a> = hipstr::HipStr<'a>;

/// A name known when a project is compiled: a field of a contract or of an expression.
///
/// Interned for the life of the process, so that two names are equal if their addresses are.
/// Names come from the project's files only, never from messages: the table is bounded by them.
#[derive(Clone, Copy)]
pub struct Name(&'static str);

impl Name {
    /// Returns the one name with this text.
    pub fn new(text: &str) -> Self {
        static NAMES: OnceLock<RwLock<HashSet<&'static str>>> = OnceLock::new();
        let names = NAMES.get_or_init(Default::default);
        if let Some(name) = names
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(text)
        {
            return Self(name);
        }
        let mut names = names.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = names.get(text) {
            return Self(name);
        }
        let name: &'static str = Box::leak(text.into());
        names.insert(name);
        Self(name)
    }

    /// Returns the text.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0.as_ptr(), other.0.as_ptr()) && self.0.len() == other.0.len()
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(other.0)
    }
}

impl std::hash::Hash for Name {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self.0, f)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// The key of a record's field.
#[derive(Clone)]
pub enum Key<'a> {
    /// One that the compiled project knows; compared by address.
    Name(Name),
    /// Any other.
    Text(Text<'a>),
}

impl<'a> Key<'a> {
    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        match self {
            Key::Name(name) => name.as_str(),
            Key::Text(text) => text.as_str(),
        }
    }

    /// Returns whether this is the key `name`.
    #[inline]
    pub fn is(&self, name: Name) -> bool {
        match self {
            Key::Name(own) => *own == name,
            Key::Text(text) => text.as_str() == name.as_str(),
        }
    }

    /// Returns the same key, owning its text.
    pub fn into_owned(self) -> Key<'static> {
        match self {
            Key::Name(name) => Key::Name(name),
            Key::Text(text) => Key::Text(text.into_owned()),
        }
    }

    /// Returns the key as a text value; no copy for a name.
    pub fn to_text(&self) -> Text<'a> {
        match self {
            Key::Name(name) => Text::borrowed(name.as_str()),
            Key::Text(text) => text.clone(),
        }
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Key::Name(a), Key::Name(b)) => a == b,
            _ => self.as_str() == other.as_str(),
        }
    }
}

impl Eq for Key<'_> {}

impl std::fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self.as_str(), f)
    }
}

impl From<Name> for Key<'_> {
    fn from(name: Name) -> Self {
        Key::Name(name)
    }
}

impl<'a> From<Text<'a>> for Key<'a> {
    fn from(text: Text<'a>) -> Self {
        Key::Text(text)
    }
}

/// An ordered record: fields in the order in which they came, each key once.
#[derive(Clone, Default)]
pub struct Record<'a> {
    fields: Vec<(Key<'a>, Value<'a>)>,
}

impl<'a> Record<'a> {
    /// Returns an empty record with room for `capacity` fields.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            fields: Vec::with_capacity(capacity),
        }
    }

    /// Returns the record of these fields. The caller knows that no key stands there twice.
    pub fn from_distinct(fields: Vec<(Key<'a>, Value<'a>)>) -> Self {
        Self { fields }
    }

    /// Returns the number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Returns whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Returns the value of the field `name`.
    #[inline]
    pub fn get(&self, name: Name) -> Option<&Value<'a>> {
        self.fields
            .iter()
            .find(|(key, _)| key.is(name))
            .map(|(_, value)| value)
    }

    /// Returns the value of the field whose key is `key`, which need not be interned.
    pub fn get_str(&self, key: &str) -> Option<&Value<'a>> {
        self.fields
            .iter()
            .find(|(own, _)| own.as_str() == key)
            .map(|(_, value)| value)
    }

    /// Returns the value of the field whose key is `key`, to change it.
    pub fn get_str_mut(&mut self, key: &str) -> Option<&mut Value<'a>> {
        self.fields
            .iter_mut()
            .find(|(own, _)| own.as_str() == key)
            .map(|(_, value)| value)
    }

    /// Sets a field: replaces the value of one that is there, in its place, else adds it at the
    /// end.
    pub fn insert(&mut self, key: impl Into<Key<'a>>, value: Value<'a>) {
        let key = key.into();
        match self.fields.iter_mut().find(|(own, _)| *own == key) {
            Some((_, slot)) => *slot = value,
            None => self.fields.push((key, value)),
        }
    }

    /// Adds a field at the end. The caller knows that the key is not there yet.
    #[inline]
    pub fn push(&mut self, key: impl Into<Key<'a>>, value: Value<'a>) {
        self.fields.push((key.into(), value));
    }

    /// Removes a field and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<Value<'a>> {
        let index = self
            .fields
            .iter()
            .position(|(own, _)| own.as_str() == key)?;
        Some(self.fields.remove(index).1)
    }

    /// Returns the fields in order.
    pub fn iter(&self) -> std::slice::Iter<'_, (Key<'a>, Value<'a>)> {
        self.fields.iter()
    }

    /// Returns the fields in order, to change their values.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Key<'a>, &mut Value<'a>)> {
        self.fields.iter_mut().map(|(key, value)| (&*key, value))
    }
}

impl<'a> IntoIterator for Record<'a> {
    type Item = (Key<'a>, Value<'a>);
    type IntoIter = std::vec::IntoIter<(Key<'a>, Value<'a>)>;

    fn into_iter(self) -> Self::IntoIter {
        self.fields.into_iter()
    }
}

impl<'r, 'a> IntoIterator for &'r Record<'a> {
    type Item = &'r (Key<'a>, Value<'a>);
    type IntoIter = std::slice::Iter<'r, (Key<'a>, Value<'a>)>;

    fn into_iter(self) -> Self::IntoIter {
        self.fields.iter()
    }
}

impl<'a, K: Into<Key<'a>>> FromIterator<(K, Value<'a>)> for Record<'a> {
    /// Collects fields; of two with one key the later value stands at the earlier place.
    fn from_iter<I: IntoIterator<Item = (K, Value<'a>)>>(fields: I) -> Self {
        let mut record = Record::default();
        for (key, value) in fields {
            record.insert(key, value);
        }
        record
    }
}

impl PartialEq for Record<'_> {
    /// Compares fields by key: their order does not count.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .all(|(key, value)| other.get_str(key.as_str()) == Some(value))
    }
}

impl std::fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(self.fields.iter().map(|(k, v)| (k, v)))
            .finish()
    }
}

/// A value: null, boolean, number, text, bytes, list or record.
///
/// There is no "missing" value: what is missing is `Option::None` where it is asked for.
///
/// A number read from a text keeps what was written: an integer that fits is [`Value::Int`], one
/// with a fraction and up to 28 digits [`Value::Decimal`] with its trailing zeros, everything else
/// (exponents, more digits) a [`Value::Literal`]. [`Value::Float`] is what float arithmetic gives.
#[derive(Clone, Debug, Default)]
pub enum Value<'a> {
    /// JSON's `null`.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer within 64 bits, signed.
    Int(i64),
    /// A decimal number: 96 bits of digits and a scale from 0 to 28.
    Decimal(Decimal),
    /// A double; finite in everything that is written as JSON.
    Float(f64),
    /// A number as it was written, where no other kind holds it exactly.
    Literal(Arc<str>),
    /// A text.
    Text(Text<'a>),
    /// Bytes; written to JSON as base 64.
    Bytes(Arc<[u8]>),
    /// A list.
    List(Vec<Value<'a>>),
    /// A record.
    Record(Record<'a>),
}

impl<'a> Value<'a> {
    /// Returns a text value that owns or shares `text`.
    pub fn text(text: impl Into<Text<'a>>) -> Self {
        Value::Text(text.into())
    }

    /// Reads a number in JSON's syntax, keeping what was written; `None` if it is not one.
    pub fn number(text: &str) -> Option<Value<'static>> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let integer = digits.bytes().take_while(u8::is_ascii_digit).count();
        if integer == 0 || (integer > 1 && digits.starts_with('0')) {
            return None;
        }
        let rest = &digits[integer..];
        if rest.is_empty() {
            return Some(match text.parse() {
                Ok(int) if text != "-0" => Value::Int(int),
                _ => Value::Literal(text.into()),
            });
        }
        let fraction = match rest.strip_prefix('.') {
            Some(after) => after.bytes().take_while(u8::is_ascii_digit).count(),
            None => 0,
        };
        if rest.starts_with('.') && fraction == 0 {
            return None;
        }
        let exponent = if fraction == 0 {
            rest
        } else {
            &rest[1 + fraction..]
        };
        if exponent.is_empty() {
            return Some(match Decimal::from_str_exact(text) {
                Ok(decimal) if !(decimal.is_zero() && text.starts_with('-')) => {
                    Value::Decimal(decimal)
                }
                _ => Value::Literal(text.into()),
            });
        }
        let power = exponent.strip_prefix(['e', 'E'])?;
        let power = power.strip_prefix(['+', '-']).unwrap_or(power);
        (!power.is_empty() && power.bytes().all(|b| b.is_ascii_digit()))
            .then(|| Value::Literal(text.into()))
    }

    /// Returns whether this is a number of any kind.
    pub fn is_number(&self) -> bool {
        matches!(
            self,
            Value::Int(_) | Value::Decimal(_) | Value::Float(_) | Value::Literal(_)
        )
    }

    /// Returns the number nearest to this one as a double; `None` if it is not a number.
    #[inline]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(int) => Some(*int as f64),
            Value::Float(float) => Some(*float),
            Value::Decimal(decimal) => Some(decimal_to_f64(*decimal)),
            Value::Literal(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Returns the number if it is an integer within 64 bits (`2.0` and `2e3` are).
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(int) => Some(*int),
            Value::Decimal(decimal) if decimal.fract().is_zero() => decimal.to_i64(),
            Value::Float(float) => float_to_i64(*float),
            Value::Literal(text) => match self.as_decimal() {
                Some(decimal) if decimal.fract().is_zero() => decimal.to_i64(),
                Some(_) => None,
                None => float_to_i64(text.parse().ok()?),
            },
            _ => None,
        }
    }

    /// Returns the number as a decimal where that is exact for what was written; a double gives the
    /// shortest decimal that reads back as the same double. `None` beyond 28 digits.
    pub fn as_decimal(&self) -> Option<Decimal> {
        match self {
            Value::Int(int) => Some(Decimal::from(*int)),
            Value::Decimal(decimal) => Some(*decimal),
            Value::Float(float) => Decimal::from_str_exact(&float.to_string())
                .ok()
                .or_else(|| Decimal::from_f64(*float)),
            Value::Literal(text) => {
                if text.contains(['e', 'E']) {
                    Decimal::from_scientific(text).ok()
                } else {
                    Decimal::from_str_exact(text).ok()
                }
            }
            _ => None,
        }
    }

    /// Returns the text; `None` if it is not a text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// Returns the boolean; `None` if it is not one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(bool) => Some(*bool),
            _ => None,
        }
    }

    /// Returns the items; `None` if it is not a list.
    pub fn as_list(&self) -> Option<&[Value<'a>]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the record; `None` if it is not one.
    pub fn as_record(&self) -> Option<&Record<'a>> {
        match self {
            Value::Record(record) => Some(record),
            _ => None,
        }
    }

    /// Returns the field `key` of a record; `None` if it is missing or this is not a record.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.as_record()?.get_str(key)
    }

    /// Returns the word for this kind of value, as findings and faults use it.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Int(_) => "integer",
            Value::Decimal(_) | Value::Float(_) | Value::Literal(_) => "number",
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "list",
            Value::Record(_) => "record",
        }
    }

    /// Returns the same value, owning all its texts.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Bool(bool) => Value::Bool(bool),
            Value::Int(int) => Value::Int(int),
            Value::Decimal(decimal) => Value::Decimal(decimal),
            Value::Float(float) => Value::Float(float),
            Value::Literal(text) => Value::Literal(text),
            Value::Text(text) => Value::Text(text.into_owned()),
            Value::Bytes(bytes) => Value::Bytes(bytes),
            Value::List(items) => Value::List(items.into_iter().map(Value::into_owned).collect()),
            Value::Record(record) => Value::Record(Record {
                fields: record
                    .into_iter()
                    .map(|(key, value)| (key.into_owned(), value.into_owned()))
                    .collect(),
            }),
        }
    }
}

fn float_to_i64(float: f64) -> Option<i64> {
    (float.fract() == 0.0
        && (-9.007_199_254_740_992e15..=9.007_199_254_740_992e15).contains(&float))
    .then_some(float as i64)
}

/// The double nearest to a decimal. Up to 2^53 and a scale of 22 the one division is exact in both
/// operands and so correctly rounded; beyond that the text is read.
#[inline]
fn decimal_to_f64(decimal: Decimal) -> f64 {
    const POWERS: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
        1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    ];
    let mantissa = decimal.mantissa();
    match POWERS.get(decimal.scale() as usize) {
        // Converting 64 bits is one instruction, 128 a call.
        Some(power) if mantissa.unsigned_abs() <= 1 << 53 => mantissa as i64 as f64 / power,
        _ => decimal.to_string().parse().unwrap_or(f64::NAN),
    }
}

impl PartialEq for Value<'_> {
    /// Compares by meaning: numbers of any kind by their value, records without order.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => a.as_str() == b.as_str(),
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Record(a), Value::Record(b)) => a == b,
            _ if self.is_number() && other.is_number() => {
                match (self.as_decimal(), other.as_decimal()) {
                    (Some(a), Some(b)) => a == b,
                    _ => self.as_f64() == other.as_f64(),
                }
            }
            _ => false,
        }
    }
}

impl From<bool> for Value<'_> {
    fn from(bool: bool) -> Self {
        Value::Bool(bool)
    }
}

impl From<i64> for Value<'_> {
    fn from(int: i64) -> Self {
        Value::Int(int)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(Text::borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value::Text(text.into())
    }
}

impl<'a> From<Record<'a>> for Value<'a> {
    fn from(record: Record<'a>) -> Self {
        Value::Record(record)
    }
}

impl<'a> From<Vec<Value<'a>>> for Value<'a> {
    fn from(items: Vec<Value<'a>>) -> Self {
        Value::List(items)
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Name, Record, Text, Value};

    #[test]
    fn numbers_keep_what_was_written() {
        let show = |text: &str| match Value::number(text) {
            Some(Value::Int(int)) => format!("int {int}"),
            Some(Value::Decimal(decimal)) => format!("decimal {decimal}"),
            Some(Value::Literal(literal)) => format!("literal {literal}"),
            other => format!("{other:?}"),
        };
        assert_eq!(show("9007199254740993"), "int 9007199254740993");
        assert_eq!(show("1.10"), "decimal 1.10");
        assert_eq!(show("1234567890123456.78"), "decimal 1234567890123456.78");
        assert_eq!(show("1e400"), "literal 1e400");
        assert_eq!(show("-0"), "literal -0");
        assert_eq!(
            show("123456789012345678901234567890123"),
            "literal 123456789012345678901234567890123"
        );
        for bad in [
            "", "-", "01", "1.", ".5", "1e", "1e+", "1x", "+1", "1.5x", "0x1",
        ] {
            assert_eq!(Value::number(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_compare_by_value() {
        let number = |text| Value::number(text).expect("a number");
        assert_eq!(number("1.0"), number("1"));
        assert_eq!(number("1e3"), number("1000"));
        assert_eq!(Value::Float(0.1), number("0.1"));
        assert_ne!(number("9007199254740993"), number("9007199254740992"));
        assert_eq!(number("0.1").as_f64(), Some(0.1));
        assert_eq!(
            number("123456789.123456789").as_f64(),
            "123456789.123456789".parse().ok()
        );
        assert_eq!(number("2e3").as_i64(), Some(2000));
        assert_eq!(number("2.5").as_i64(), None);
    }

    #[test]
    fn records_find_names_and_texts() {
        let mut record = Record::default();
        record.insert(Name::new("a"), Value::Int(1));
        record.insert(Text::borrowed("b"), Value::Int(2));
        record.insert(Text::borrowed("a"), Value::Int(3));
        assert_eq!(record.get(Name::new("a")), Some(&Value::Int(3)));
        assert_eq!(record.get(Name::new("b")), Some(&Value::Int(2)));
        assert_eq!(record.len(), 2);
        assert!(Key::Text(Text::borrowed("a")) == Key::Name(Name::new("a")));
    }

    #[test]
    fn a_value_is_small() {
        assert!(std::mem::size_of::<Value<'static>>() <= 32);
    }
}
