//! From the items of an evaluation to values.

use std::rc::Rc;

use sluice_model::value::{Record, Text, Value};

use crate::eval::failure::Outcome;
use crate::eval::item::{Item, ListKind};
use crate::eval::machine::Machine;
use crate::eval::operators::out_of_range;

impl<'a> Machine<'_, 'a> {
    /// Returns the value of an item; `None` if it is missing. A function has none, as in JSON.
    pub(crate) fn output(&mut self, item: Item<'a>) -> Outcome<Option<Value<'a>>> {
        match item {
            Item::Missing | Item::Function(_) => Ok(None),
            item => self.value(item).map(Some),
        }
    }

    fn value(&mut self, item: Item<'a>) -> Outcome<Value<'a>> {
        Ok(match item {
            Item::Missing | Item::Null | Item::Function(_) => Value::Null,
            Item::Bool(bool) => Value::Bool(bool),
            Item::Int(int) => Value::Int(int),
            Item::Float(float) if float.is_finite() => Value::Float(float),
            Item::Float(_) => return Err(out_of_range()),
            Item::InDecimal(decimal) => Value::Decimal(*decimal),
            Item::Decimal(decimal) => Value::Decimal(*decimal),
            Item::Literal(text) => Value::Literal((*text).clone()),
            Item::InText(text) => Value::Text(Text::borrowed(text.as_str())),
            Item::Text(text) => Value::Text(Rc::unwrap_or_clone(text)),
            Item::InBytes(bytes) => Value::Bytes(bytes.clone()),
            Item::InList(values) => {
                self.charge_copies(values)?;
                Value::List(values.clone())
            }
            Item::InRecord(record) => {
                self.charge_copy_of_record(record)?;
                Value::Record(record.clone())
            }
            Item::Range(ends) => {
                let (first, last) = *ends;
                self.charge_items((last - first + 1) as usize)?;
                Value::List((first..=last).map(Value::Int).collect())
            }
            Item::List(list) if list.kind == ListKind::Wrapper => {
                return self.value(list.items[0].clone());
            }
            Item::List(list) => {
                let items = match Rc::try_unwrap(list) {
                    Ok(list) => list.items,
                    Err(list) => {
                        self.charge_items(list.items.len())?;
                        list.items.clone()
                    }
                };
                let values = items.into_iter().map(|item| self.value(item));
                Value::List(values.collect::<Outcome<_>>()?)
            }
            Item::Record(record) => {
                let fields = match Rc::try_unwrap(record) {
                    Ok(record) => record.fields,
                    Err(record) => {
                        self.charge_items(2 * record.fields.len())?;
                        record.fields.clone()
                    }
                };
                let mut out = Record::with_capacity(fields.len());
                for (key, item) in fields {
                    if !item.is_function() {
                        let value = self.value(item)?;
                        out.push(key, value);
                    }
                }
                Value::Record(out)
            }
        })
    }

    fn charge_copies(&mut self, values: &'a [Value<'a>]) -> Outcome<()> {
        self.charge_items(values.len())?;
        for value in values {
            self.charge_copy(value)?;
        }
        Ok(())
    }

    fn charge_copy_of_record(&mut self, record: &'a Record<'a>) -> Outcome<()> {
        self.charge_items(2 * record.len())?;
        for (_, value) in record {
            self.charge_copy(value)?;
        }
        Ok(())
    }

    fn charge_copy(&mut self, value: &'a Value<'a>) -> Outcome<()> {
        match value {
            Value::List(values) => self.charge_copies(values),
            Value::Record(record) => self.charge_copy_of_record(record),
            _ => Ok(()),
        }
    }
}

/// Returns a scalar as an error shows it, cut off where it is long; `None` for anything else.
pub(crate) fn shown(item: &Item<'_>) -> Option<Value<'static>> {
    const SHOWN_MAX: usize = 80;
    Some(match item {
        Item::Null => Value::Null,
        Item::Bool(bool) => Value::Bool(*bool),
        Item::Int(int) => Value::Int(*int),
        Item::Float(float) if float.is_finite() => Value::Float(*float),
        Item::InDecimal(decimal) => Value::Decimal(**decimal),
        Item::Decimal(decimal) => Value::Decimal(**decimal),
        Item::Literal(text) => Value::Literal((**text).clone()),
        other => Value::from(other.as_str()?.chars().take(SHOWN_MAX).collect::<String>()),
    })
}
