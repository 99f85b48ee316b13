//! Operators on values: arithmetic, truth, concatenation.

use rust_decimal::Decimal;
use sluice_model::value::{Text, Value};

use crate::ast::BinaryOperator;
use crate::eval::Mode;
use crate::eval::failure::{Explain, Failure, Outcome, failure};
use crate::eval::item::Item;
use crate::eval::machine::Machine;
use crate::eval::output::shown;
use crate::eval::text::{self, Layout};
use crate::ir::{Node, Op};

/// Returns what a value counts as where a boolean is needed (`$boolean`).
#[inline]
pub(crate) fn truthy(item: &Item<'_>) -> bool {
    match item {
        Item::Bool(bool) => *bool,
        Item::Missing | Item::Null | Item::Function(_) => false,
        Item::Int(int) => *int != 0,
        Item::Float(float) => *float != 0.0 && !float.is_nan(),
        Item::InDecimal(decimal) => !decimal.is_zero(),
        Item::Decimal(decimal) => !decimal.is_zero(),
        Item::Literal(_) => item.as_f64().is_some_and(|float| float != 0.0),
        Item::InText(text) => !text.is_empty(),
        Item::Text(text) => !text.is_empty(),
        Item::InBytes(bytes) => !bytes.is_empty(),
        Item::InRecord(_) | Item::Record(_) => item.field_count() > 0,
        Item::Range(ends) => **ends != (0, 0),
        // How deep lists lie in each other is bounded by what the input's reader and the depth
        // limit allow.
        Item::InList(_) | Item::List(_) => item.items().any(|item| truthy(&item)),
    }
}

impl<'a> Machine<'_, 'a> {
    pub(crate) fn arithmetic(
        &mut self,
        operator: BinaryOperator,
        two: &(Node, Node),
        node: &Node,
        context: &Item<'a>,
    ) -> Outcome<Item<'a>> {
        let left = self.eval(&two.0, context)?;
        let right = self.eval(&two.1, context)?;
        if self.mode == Mode::Dynamic
            && let (Some(a), Some(b)) = (left.as_f64(), right.as_f64())
            && a.is_finite()
            && b.is_finite()
        {
            return Ok(Item::number(in_doubles(operator, a, b)));
        }
        if let Some(failure) = misfit(&left, operator, "T2001", "left", &two.0)
            .or_else(|| misfit(&right, operator, "T2002", "right", &two.1))
        {
            return Err(failure);
        }
        if left.is_missing() || right.is_missing() {
            return Ok(Item::Missing);
        }
        match self.mode {
            Mode::Dynamic => {
                finite(&left).within(operator.as_str()).at(two.0.range)?;
                finite(&right).within(operator.as_str()).at(two.1.range)?;
                Ok(Item::Missing)
            }
            Mode::Checked => exact(operator, &left, &right)
                .within(operator.as_str())
                .at(node.range),
        }
    }

    pub(crate) fn negate(
        &mut self,
        operand: &Node,
        node: &Node,
        context: &Item<'a>,
    ) -> Outcome<Item<'a>> {
        let item = self.eval(operand, context)?;
        match (&item, self.mode) {
            (Item::Missing, _) => Ok(Item::Missing),
            (Item::Int(int), _) if *int != i64::MIN => Ok(Item::Int(-int)),
            (Item::InDecimal(decimal), Mode::Checked) => Ok(Item::exact(-**decimal)),
            (Item::Decimal(decimal), Mode::Checked) => Ok(Item::exact(-**decimal)),
            (number, _) if number.is_number() => {
                let float = finite(number).within("-").at(operand.range)?;
                Ok(Item::number(-float))
            }
            (other, _) => {
                let message = format!("`-` needs a number, but stands before {}", other.word());
                Err(failure("D1002", message)
                    .with_value(shown(other))
                    .within("-")
                    .at(node.range))
            }
        }
    }

    pub(crate) fn concat(&mut self, nodes: &[Node], context: &Item<'a>) -> Outcome<Item<'a>> {
        // The buffer is taken, so that a concatenation within has one of its own.
        let mut buffer = std::mem::take(&mut self.scratch);
        buffer.clear();
        let result = self.concat_to(&mut buffer, nodes, context);
        let text = match result {
            Ok(()) => self
                .charge(buffer.len() as u64)
                .map(|()| Item::text(Text::from(buffer.as_str()))),
            Err(failure) => Err(failure),
        };
        self.scratch = buffer;
        text
    }

    fn concat_to(
        &mut self,
        buffer: &mut String,
        nodes: &[Node],
        context: &Item<'a>,
    ) -> Outcome<()> {
        for node in nodes {
            if let Op::Constant(Value::Text(text)) = &node.op {
                buffer.push_str(text);
                continue;
            }
            let item = self.eval(node, context)?;
            let before = buffer.len();
            match &item {
                Item::Missing => {}
                Item::InText(text) => buffer.push_str(text),
                Item::Text(text) => buffer.push_str(text),
                other => {
                    let length_max = self.text_length_max(before);
                    text::push_text(buffer, other, Layout::Compact, length_max)
                        .within("&")
                        .at(node.range)?;
                }
            }
            self.charge((buffer.len() - before) as u64)?;
        }
        Ok(())
    }
}

fn misfit(
    item: &Item<'_>,
    operator: BinaryOperator,
    code: &'static str,
    side: &str,
    node: &Node,
) -> Option<Failure> {
    if item.is_missing() || item.is_number() {
        return None;
    }
    let operator = operator.as_str();
    let message = format!(
        "the {side} side of `{operator}` must be a number, but is {}",
        item.word()
    );
    Some(
        failure(code, message)
            .with_value(shown(item))
            .within(operator)
            .at(node.range),
    )
}

/// Returns the number as a double that is finite.
pub(crate) fn finite(item: &Item<'_>) -> Outcome<f64> {
    match item.as_f64() {
        Some(float) if float.is_finite() => Ok(float),
        _ => Err(out_of_range().with_value(shown(item))),
    }
}

pub(crate) fn out_of_range() -> Failure {
    failure("D1001", "the number is out of range")
}

#[inline]
fn in_doubles(operator: BinaryOperator, a: f64, b: f64) -> f64 {
    match operator {
        BinaryOperator::Add => a + b,
        BinaryOperator::Subtract => a - b,
        BinaryOperator::Multiply => a * b,
        BinaryOperator::Divide => a / b,
        _ => a % b,
    }
}

/// Computes in the mode's arithmetic; both are numbers.
pub(crate) fn compute<'a>(
    mode: Mode,
    operator: BinaryOperator,
    left: &Item<'_>,
    right: &Item<'_>,
) -> Outcome<Item<'a>> {
    match mode {
        Mode::Dynamic => {
            let (a, b) = (finite(left)?, finite(right)?);
            Ok(Item::number(in_doubles(operator, a, b)))
        }
        Mode::Checked => exact(operator, left, right),
    }
}

/// Computes in integers and decimals; in doubles only where a double takes part.
fn exact<'a>(operator: BinaryOperator, left: &Item<'_>, right: &Item<'_>) -> Outcome<Item<'a>> {
    if let (Item::Int(a), Item::Int(b)) = (left, right) {
        let int = match operator {
            BinaryOperator::Add => a.checked_add(*b),
            BinaryOperator::Subtract => a.checked_sub(*b),
            BinaryOperator::Multiply => a.checked_mul(*b),
            BinaryOperator::Divide if *b != 0 && a.checked_rem(*b) == Some(0) => a.checked_div(*b),
            BinaryOperator::Remainder => a.checked_rem(*b),
            _ => None,
        };
        if let Some(int) = int {
            return Ok(Item::Int(int));
        }
    }
    let double = |item: &Item<'_>| matches!(item, Item::Float(_));
    if double(left) || double(right) {
        return checked_double(in_doubles(operator, finite(left)?, finite(right)?));
    }
    match (left.as_decimal(), right.as_decimal()) {
        (Some(a), Some(b)) => in_decimals(operator, a, b).map(Item::decimal),
        // A literal beyond 28 digits is a double as far as arithmetic goes.
        _ => checked_double(in_doubles(operator, finite(left)?, finite(right)?)),
    }
}

fn checked_double<'a>(float: f64) -> Outcome<Item<'a>> {
    if float.is_finite() {
        Ok(Item::number(float))
    } else {
        Err(out_of_range())
    }
}

fn in_decimals(operator: BinaryOperator, a: Decimal, b: Decimal) -> Outcome<Decimal> {
    if b.is_zero() && matches!(operator, BinaryOperator::Divide | BinaryOperator::Remainder) {
        return Err(failure("D1001", "a number cannot be divided by zero"));
    }
    let result = match operator {
        BinaryOperator::Add => exact_or(a.checked_add(b), a, b),
        BinaryOperator::Subtract => exact_or(a.checked_sub(b), a, b),
        BinaryOperator::Multiply => exact_product(a, b),
        BinaryOperator::Divide => a.checked_div(b),
        _ => a.checked_rem(b),
    };
    result.ok_or_else(|| failure("D1001", "the result has more than 28 digits"))
}

/// Refuses a sum that lost digits: its scale is the larger of the two, if it is exact.
fn exact_or(result: Option<Decimal>, a: Decimal, b: Decimal) -> Option<Decimal> {
    let scale = a.normalize().scale().max(b.normalize().scale());
    result.filter(|sum| sum.is_zero() || sum.scale() >= scale)
}

/// Refuses a product that lost digits.
fn exact_product(a: Decimal, b: Decimal) -> Option<Decimal> {
    let (a, b) = (a.normalize(), b.normalize());
    let product = a.checked_mul(b)?;
    let whole = product.is_zero() == (a.is_zero() || b.is_zero());
    (whole && (product.is_zero() || product.scale() >= a.scale() + b.scale())).then_some(product)
}
