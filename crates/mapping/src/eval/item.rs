//! The values of an evaluation: they borrow the input's subtrees, and share what was constructed.

use std::rc::Rc;
use std::sync::Arc;

use rust_decimal::Decimal;
use sluice_model::value::{Key, Record, Text, Value};

use crate::eval::function::FunctionItem;
use crate::signature::Kinds;

/// A value while an expression is evaluated; [`Item::Missing`] is the reference's `undefined`.
///
/// It fits in two registers, and so does a result that holds one: evaluating hands millions of them
/// around. The tag takes a whole word, so that the rest is moved as one, whatever it is.
#[derive(Clone, Default)]
#[repr(u64)]
pub(crate) enum Item<'a> {
    #[default]
    Missing,
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A decimal number of the input.
    InDecimal(&'a Decimal),
    Decimal(Rc<Decimal>),
    Literal(Rc<Arc<str>>),
    /// A text of the input.
    InText(&'a Text<'a>),
    Text(Rc<Text<'a>>),
    InBytes(&'a Arc<[u8]>),
    /// A list of the input.
    InList(&'a Vec<Value<'a>>),
    /// A record of the input.
    InRecord(&'a Record<'a>),
    List(Rc<List<'a>>),
    /// The integers from the first to the last, both included: a list that takes no memory.
    Range(Rc<(i64, i64)>),
    Record(Rc<RecordItem<'a>>),
    Function(Rc<FunctionItem<'a>>),
}

/// A constructed list.
#[derive(Clone, Default)]
pub(crate) struct List<'a> {
    pub(crate) items: Vec<Item<'a>>,
    pub(crate) kind: ListKind,
    /// Levels of constructed values in it, itself included.
    pub(crate) height: u16,
}

/// A constructed record.
#[derive(Clone, Default)]
pub(crate) struct RecordItem<'a> {
    pub(crate) fields: Fields<'a>,
    /// Levels of constructed values in it, itself included.
    pub(crate) height: u16,
}

/// What kind of list it is; the reference hangs these flags on its arrays.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) enum ListKind {
    /// A list as data has them.
    #[default]
    Plain,
    /// The result of a path: of one item it is that item.
    Sequence,
    /// A sequence that stays a list (`[]`).
    Kept,
    /// From an array constructor in a path: not flattened.
    Constructed,
    /// The list that the input is, as the one item of a sequence.
    Wrapper,
}

impl ListKind {
    /// Returns whether the reference calls it a sequence.
    pub(crate) fn is_sequence(self) -> bool {
        match self {
            ListKind::Sequence | ListKind::Kept | ListKind::Wrapper => true,
            ListKind::Plain | ListKind::Constructed => false,
        }
    }
}

/// The fields of a constructed record.
pub(crate) type Fields<'a> = Vec<(Key<'a>, Item<'a>)>;

impl<'a> Item<'a> {
    /// Returns the item that borrows `value`.
    #[inline]
    pub(crate) fn of(value: &'a Value<'a>) -> Item<'a> {
        match value {
            Value::Null => Item::Null,
            Value::Bool(bool) => Item::Bool(*bool),
            Value::Int(int) => Item::Int(*int),
            Value::Decimal(decimal) => Item::InDecimal(decimal),
            Value::Float(float) => Item::Float(*float),
            Value::Literal(text) => Item::Literal(Rc::new(text.clone())),
            Value::Text(text) => Item::InText(text),
            Value::Bytes(bytes) => Item::InBytes(bytes),
            Value::List(items) => Item::InList(items),
            Value::Record(record) => Item::InRecord(record),
        }
    }

    /// Returns the item of a constant, which shares its text.
    pub(crate) fn of_constant(value: &Value<'static>) -> Item<'a> {
        match value {
            Value::Null => Item::Null,
            Value::Bool(bool) => Item::Bool(*bool),
            Value::Int(int) => Item::Int(*int),
            Value::Decimal(decimal) => Item::exact(*decimal),
            Value::Float(float) => Item::Float(*float),
            Value::Literal(text) => Item::Literal(Rc::new(text.clone())),
            Value::Text(text) => Item::text(text.clone()),
            // No expression can write bytes.
            Value::Bytes(_) => Item::Missing,
            Value::List(items) => {
                Item::plain(items.iter().map(Item::of_constant).collect::<Vec<_>>())
            }
            Value::Record(record) => Item::record(
                record
                    .iter()
                    .map(|(key, value)| (key.clone(), Item::of_constant(value)))
                    .collect(),
            ),
        }
    }

    pub(crate) fn list(items: Vec<Item<'a>>, kind: ListKind) -> Item<'a> {
        let height = height_of(&items) + 1;
        Item::List(Rc::new(List {
            items,
            kind,
            height,
        }))
    }

    pub(crate) fn plain(items: Vec<Item<'a>>) -> Item<'a> {
        Item::list(items, ListKind::Plain)
    }

    pub(crate) fn record(fields: Fields<'a>) -> Item<'a> {
        let inner = fields.iter().map(|(_, item)| item.height()).max();
        let height = inner.unwrap_or(0) + 1;
        Item::Record(Rc::new(RecordItem { fields, height }))
    }

    /// Returns how many levels of constructed values lie in each other here; the machine bounds it,
    /// so that whatever goes down a value, dropping it too, needs little of the stack.
    #[inline]
    pub(crate) fn height(&self) -> u16 {
        match self {
            Item::List(list) => list.height,
            Item::Record(record) => record.height,
            Item::Function(function) => function.height,
            _ => 0,
        }
    }

    /// Returns the value of a sequence: nothing, its one item, or all of them as a list.
    #[inline]
    pub(crate) fn sequence(mut items: Vec<Item<'a>>) -> Item<'a> {
        match items.len() {
            0 => Item::Missing,
            1 => items.pop().unwrap_or_default(),
            _ => Item::list(items, ListKind::Sequence),
        }
    }

    /// Returns the number, as an integer where it is one.
    #[inline]
    pub(crate) fn number(float: f64) -> Item<'a> {
        // The conversion cuts off and saturates: it comes back the same for integers only.
        let int = float as i64;
        if int as f64 == float && float.abs() < 9.2e18 {
            Item::Int(int)
        } else {
            Item::Float(float)
        }
    }

    /// Returns the number, as an integer where it is one.
    pub(crate) fn decimal(decimal: Decimal) -> Item<'a> {
        use rust_decimal::prelude::ToPrimitive;
        if decimal.fract().is_zero()
            && let Some(int) = decimal.to_i64()
        {
            return Item::Int(int);
        }
        Item::exact(decimal.normalize())
    }

    /// Returns the decimal, with its trailing zeros.
    pub(crate) fn exact(decimal: Decimal) -> Item<'a> {
        Item::Decimal(Rc::new(decimal))
    }

    pub(crate) fn text(text: Text<'a>) -> Item<'a> {
        Item::Text(Rc::new(text))
    }

    pub(crate) fn range(first: i64, last: i64) -> Item<'a> {
        Item::Range(Rc::new((first, last)))
    }

    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Item::Missing)
    }

    pub(crate) fn is_function(&self) -> bool {
        matches!(self, Item::Function(_))
    }

    #[inline]
    pub(crate) fn is_list(&self) -> bool {
        matches!(self, Item::List(_) | Item::InList(_) | Item::Range(_))
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(
            self,
            Item::Int(_)
                | Item::Float(_)
                | Item::InDecimal(_)
                | Item::Decimal(_)
                | Item::Literal(_)
        )
    }

    /// Returns the number nearest to it as a double; `None` if it is not a number.
    #[inline]
    pub(crate) fn as_f64(&self) -> Option<f64> {
        match self {
            Item::Int(int) => Some(*int as f64),
            Item::Float(float) => Some(*float),
            Item::InDecimal(decimal) => Value::Decimal(**decimal).as_f64(),
            Item::Decimal(decimal) => Value::Decimal(**decimal).as_f64(),
            Item::Literal(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Returns the number as a decimal, where it is one that fits.
    pub(crate) fn as_decimal(&self) -> Option<Decimal> {
        match self {
            Item::Int(int) => Some(Decimal::from(*int)),
            Item::InDecimal(decimal) => Some(**decimal),
            Item::Decimal(decimal) => Some(**decimal),
            Item::Float(float) => Value::Float(*float).as_decimal(),
            Item::Literal(text) => Value::Literal((**text).clone()).as_decimal(),
            _ => None,
        }
    }

    /// Returns the text; `None` if it is not one.
    #[inline]
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Item::InText(text) => Some(text.as_str()),
            Item::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// Returns the text if it lies in the input or the program: parts of it need no copy.
    pub(crate) fn as_borrowed(&self) -> Option<&'a str> {
        match self {
            Item::InText(text) => Some(text.as_str()),
            Item::Text(text) => text.as_borrowed(),
            _ => None,
        }
    }

    /// Returns the text; `None` if it is not one.
    #[inline]
    pub(crate) fn as_text(&self) -> Option<&Text<'a>> {
        match self {
            Item::InText(text) => Some(text),
            Item::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the kind that signatures speak of.
    #[inline]
    pub(crate) fn kinds(&self) -> Kinds {
        match self {
            Item::Missing => Kinds::MISSING,
            Item::Null => Kinds::NULL,
            Item::Bool(_) => Kinds::BOOL,
            Item::Int(_)
            | Item::Float(_)
            | Item::InDecimal(_)
            | Item::Decimal(_)
            | Item::Literal(_) => Kinds::NUMBER,
            Item::InText(_) | Item::Text(_) => Kinds::TEXT,
            // Goes only where anything goes.
            Item::InBytes(_) => Kinds::OPAQUE,
            Item::InList(_) | Item::List(_) | Item::Range(_) => Kinds::LIST,
            Item::InRecord(_) | Item::Record(_) => Kinds::RECORD,
            Item::Function(_) => Kinds::FUNCTION,
        }
    }

    /// Returns the number of items of a list; 1 for anything else.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        match self {
            Item::InList(items) => items.len(),
            Item::List(list) => list.items.len(),
            Item::Range(ends) => (ends.1 - ends.0 + 1) as usize,
            _ => 1,
        }
    }

    /// Returns one item of a list; the item itself for anything else.
    #[inline]
    pub(crate) fn at(&self, index: usize) -> Item<'a> {
        match self {
            Item::InList(items) => items.get(index).map(Item::of).unwrap_or_default(),
            Item::List(list) => list.items.get(index).cloned().unwrap_or_default(),
            Item::Range(ends) => Item::Int(ends.0 + index as i64),
            other => other.clone(),
        }
    }

    /// Returns the items of a list; the item itself for anything else.
    pub(crate) fn items(&self) -> impl Iterator<Item = Item<'a>> + '_ {
        (0..self.count()).map(|index| self.at(index))
    }

    /// Returns the kind of the list; plain for lists of the input, and for what is none.
    pub(crate) fn list_kind(&self) -> ListKind {
        match self {
            Item::List(list) => list.kind,
            _ => ListKind::Plain,
        }
    }

    /// Returns the number of fields of a record; 0 for anything else.
    pub(crate) fn field_count(&self) -> usize {
        match self {
            Item::InRecord(record) => record.len(),
            Item::Record(record) => record.fields.len(),
            _ => 0,
        }
    }

    /// Returns the fields of a record; none for anything else.
    pub(crate) fn fields(&self) -> Vec<(Key<'a>, Item<'a>)> {
        match self {
            Item::InRecord(record) => record
                .iter()
                .map(|(key, value)| (borrowed_key(key), Item::of(value)))
                .collect(),
            Item::Record(record) => record.fields.to_vec(),
            _ => Vec::new(),
        }
    }

    /// Returns the field `key` of a record; missing for anything else.
    #[inline]
    pub(crate) fn field(&self, key: &Key<'_>) -> Item<'a> {
        match self {
            Item::InRecord(record) => {
                let value = match key {
                    Key::Name(name) => record.get(*name),
                    Key::Text(text) => record.get_str(text.as_str()),
                };
                value.map(Item::of).unwrap_or_default()
            }
            Item::Record(record) => record
                .fields
                .iter()
                .find(|(own, _)| same_key(own, key))
                .map(|(_, value)| value.clone())
                .unwrap_or_default(),
            _ => Item::Missing,
        }
    }

    /// Returns the word for its kind, as messages use it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Item::Missing => "nothing",
            Item::Null => "null",
            Item::Bool(_) => "a boolean",
            Item::Int(_)
            | Item::Float(_)
            | Item::InDecimal(_)
            | Item::Decimal(_)
            | Item::Literal(_) => "a number",
            Item::InText(_) | Item::Text(_) => "a text",
            Item::InBytes(_) => "bytes",
            Item::InList(_) | Item::List(_) | Item::Range(_) => "a list",
            Item::InRecord(_) | Item::Record(_) => "a record",
            Item::Function(_) => "a function",
        }
    }
}

/// Returns the greatest height of the items.
pub(crate) fn height_of(items: &[Item<'_>]) -> u16 {
    items.iter().map(Item::height).max().unwrap_or(0)
}

/// Returns the key, borrowing its text from the input.
pub(crate) fn borrowed_key<'a>(key: &'a Key<'a>) -> Key<'a> {
    match key {
        Key::Name(name) => Key::Name(*name),
        Key::Text(text) => Key::Text(Text::borrowed(text.as_str())),
    }
}

#[inline]
pub(crate) fn same_key(a: &Key<'_>, b: &Key<'_>) -> bool {
    match (a, b) {
        (Key::Name(a), Key::Name(b)) => a == b,
        _ => a.as_str() == b.as_str(),
    }
}

impl std::fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::Item;
    use crate::eval::failure::Outcome;

    #[test]
    fn an_item_fits_in_two_registers() {
        assert_eq!(size_of::<Item<'static>>(), 16);
        assert_eq!(size_of::<Outcome<Item<'static>>>(), 16);
        assert_eq!(size_of::<Option<Item<'static>>>(), 16);
    }
}
