//! Equality and order of values.

use std::cmp::Ordering;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use sluice_model::value::Value;

use crate::ast::BinaryOperator;
use crate::eval::Mode;
use crate::eval::failure::{Explain, Outcome, failure};
use crate::eval::item::Item;
use crate::eval::machine::Machine;
use crate::eval::output::shown;

/// Compares two values by `<`, `<=`, `>` or `>=`.
pub(crate) fn ordered<'a>(
    operator: BinaryOperator,
    left: &Item<'a>,
    right: &Item<'a>,
    mode: Mode,
) -> Outcome<Item<'a>> {
    let comparable =
        |item: &Item<'_>| item.is_missing() || item.as_text().is_some() || item.is_number();
    for side in [left, right] {
        if !comparable(side) {
            let message = format!(
                "`{}` compares numbers or texts, not {}",
                operator.as_str(),
                side.word()
            );
            return Err(failure("T2010", message));
        }
    }
    if left.is_missing() || right.is_missing() {
        return Ok(Item::Missing);
    }
    let Some(ordering) = order(left, right, mode) else {
        let message = format!(
            "`{}` needs two values of one kind, but has {} and {}",
            operator.as_str(),
            left.word(),
            right.word()
        );
        return Err(failure("T2009", message).with_value(shown(left)));
    };
    Ok(Item::Bool(match operator {
        BinaryOperator::Less => ordering.is_lt(),
        BinaryOperator::LessOrEqual => ordering.is_le(),
        BinaryOperator::Greater => ordering.is_gt(),
        _ => ordering.is_ge(),
    }))
}

/// Compares a value with a constant, which needs no item then; `None` where that takes more.
#[inline]
pub(crate) fn with_constant(
    operator: BinaryOperator,
    left: &Item<'_>,
    constant: &Value<'static>,
) -> Option<bool> {
    let ordering = match (left, constant) {
        (Item::Int(left), Value::Int(right)) => left.cmp(right),
        (left, Value::Text(right)) => {
            let left = left.as_str()?;
            match operator {
                BinaryOperator::Equal => return Some(left == right.as_str()),
                BinaryOperator::NotEqual => return Some(left != right.as_str()),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(match operator {
        BinaryOperator::Equal => ordering.is_eq(),
        BinaryOperator::NotEqual => ordering.is_ne(),
        BinaryOperator::Less => ordering.is_lt(),
        BinaryOperator::LessOrEqual => ordering.is_le(),
        BinaryOperator::Greater => ordering.is_gt(),
        BinaryOperator::GreaterOrEqual => ordering.is_ge(),
        _ => return None,
    })
}

/// Orders two numbers or two texts; `None` for anything else.
pub(crate) fn order(left: &Item<'_>, right: &Item<'_>, mode: Mode) -> Option<Ordering> {
    match (left, right) {
        (Item::Int(a), Item::Int(b)) => Some(a.cmp(b)),
        (a, b) if a.is_number() && b.is_number() => {
            if mode == Mode::Checked
                && let (Some(a), Some(b)) = (a.as_decimal(), b.as_decimal())
            {
                return Some(a.cmp(&b));
            }
            a.as_f64()?.partial_cmp(&b.as_f64()?)
        }
        // The reference compares UTF-16 code units; the two orders differ above U+FFFF only.
        (a, b) => {
            let (a, b) = (a.as_str()?, b.as_str()?);
            Some(if a.is_ascii() || b.is_ascii() {
                a.cmp(b)
            } else {
                a.encode_utf16().cmp(b.encode_utf16())
            })
        }
    }
}

fn numbers_equal(left: &Item<'_>, right: &Item<'_>, mode: Mode) -> bool {
    match (left, right) {
        (Item::Int(a), Item::Int(b)) => a == b,
        (a, b) => order(a, b, mode) == Some(Ordering::Equal),
    }
}

impl<'a> Machine<'_, 'a> {
    /// Returns whether two values are equal, records without regard to the order of their fields.
    pub(crate) fn deep_equal(&mut self, left: &Item<'a>, right: &Item<'a>) -> Outcome<bool> {
        match (left, right) {
            (Item::Bool(a), Item::Bool(b)) => Ok(a == b),
            (Item::Null, Item::Null) | (Item::Missing, Item::Missing) => Ok(true),
            (Item::InBytes(a), Item::InBytes(b)) => Ok(a == b),
            (Item::Function(a), Item::Function(b)) => Ok(Rc::ptr_eq(a, b)),
            (a, b) if a.is_number() && b.is_number() => Ok(numbers_equal(a, b, self.mode)),
            (a, b) if a.is_list() && b.is_list() => self.lists_equal(a, b),
            (Item::Record(_) | Item::InRecord(_), Item::Record(_) | Item::InRecord(_)) => {
                self.records_equal(left, right)
            }
            (a, b) => Ok(a.as_str().is_some() && a.as_str() == b.as_str()),
        }
    }

    fn lists_equal(&mut self, left: &Item<'a>, right: &Item<'a>) -> Outcome<bool> {
        if left.count() != right.count() {
            return Ok(false);
        }
        self.enter()?;
        for index in 0..left.count() {
            self.spend(1)?;
            if !self.deep_equal(&left.at(index), &right.at(index))? {
                self.leave();
                return Ok(false);
            }
        }
        self.leave();
        Ok(true)
    }

    fn records_equal(&mut self, left: &Item<'a>, right: &Item<'a>) -> Outcome<bool> {
        if left.field_count() != right.field_count() {
            return Ok(false);
        }
        self.enter()?;
        self.spend(left.field_count() as u64)?;
        for (key, value) in left.fields() {
            let other = right.field(&key);
            if other.is_missing() || !self.deep_equal(&value, &other)? {
                self.leave();
                return Ok(false);
            }
        }
        self.leave();
        Ok(true)
    }

    /// Returns whether `left` is one of the items of `right` (`in`): records and lists only if they
    /// are the very same.
    pub(crate) fn included(&mut self, left: &Item<'a>, right: &Item<'a>) -> Outcome<bool> {
        if left.is_missing() || right.is_missing() {
            return Ok(false);
        }
        self.spend(right.count() as u64)?;
        let mode = self.mode;
        Ok(match right {
            Item::InList(values) => values
                .iter()
                .any(|value| same(left, &Item::of(value), mode)),
            Item::List(list) => list.items.iter().any(|item| same(left, item, mode)),
            Item::Range(ends) => {
                let (first, last) = (&ends.0, &ends.1);
                left.as_f64().is_some_and(|float| float.fract() == 0.0)
                    && left
                        .as_f64()
                        .is_some_and(|float| (*first as f64..=*last as f64).contains(&float))
            }
            item => same(left, item, mode),
        })
    }
}

/// The reference's `===`.
fn same(left: &Item<'_>, right: &Item<'_>, mode: Mode) -> bool {
    match (left, right) {
        (Item::Bool(a), Item::Bool(b)) => a == b,
        (Item::Null, Item::Null) => true,
        (Item::InRecord(a), Item::InRecord(b)) => std::ptr::eq(*a, *b),
        (Item::InList(a), Item::InList(b)) => std::ptr::eq(*a, *b),
        (Item::Record(a), Item::Record(b)) => Rc::ptr_eq(a, b),
        (Item::List(a), Item::List(b)) => Rc::ptr_eq(a, b),
        (a, b) if a.is_number() && b.is_number() => numbers_equal(a, b, mode),
        (a, b) => a.as_str().is_some() && a.as_str() == b.as_str(),
    }
}

/// Returns a number that is the same for values that are equal.
pub(crate) fn hash_of(item: &Item<'_>) -> u64 {
    fn visit(item: &Item<'_>, hasher: &mut DefaultHasher, levels: u32) {
        item.word().hash(hasher);
        match item {
            text if text.as_text().is_some() => text.as_str().hash(hasher),
            Item::Bool(bool) => bool.hash(hasher),
            Item::InBytes(bytes) => bytes.hash(hasher),
            number if number.is_number() => {
                let float = number.as_f64().unwrap_or(0.0);
                (if float == 0.0 { 0.0 } else { float })
                    .to_bits()
                    .hash(hasher);
            }
            other => {
                (other.count(), other.field_count()).hash(hasher);
                // A few of the parts tell most values apart, and keep the cost down.
                if levels > 0 && other.is_list() {
                    for item in other.items().take(8) {
                        visit(&item, hasher, levels - 1);
                    }
                } else if levels > 0 && other.field_count() <= 32 {
                    let sum = other.fields().iter().fold(0u64, |sum, (key, value)| {
                        let mut part = DefaultHasher::new();
                        key.as_str().hash(&mut part);
                        visit(value, &mut part, levels - 1);
                        sum.wrapping_add(part.finish())
                    });
                    sum.hash(hasher);
                }
            }
        }
    }
    let mut hasher = DefaultHasher::new();
    visit(item, &mut hasher, 3);
    hasher.finish()
}
