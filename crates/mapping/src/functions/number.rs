//! Numbers.

use rust_decimal::{Decimal, RoundingStrategy};
use sluice_model::value::Value;

use crate::eval::failure::{Explain, Failure, Outcome, failure};
use crate::eval::function::Arguments;
use crate::eval::item::Item;
use crate::eval::operators::{finite, out_of_range};
use crate::eval::output::shown;
use crate::eval::{Machine, Mode, numbers};
use crate::functions::integer_picture::{format_integer, parse_integer};
use crate::functions::number_picture::format_number;
use crate::functions::{Function, Group, example};

pub(super) static FUNCTIONS: [Function; 12] = [
    Function::new(
        Group::Number,
        ("number", "<(nsb)-:n>", 1),
        "Returns the number that a text says, or 1 for true and 0 for false.",
        &[
            example("$number('4711')", "4711"),
            example("$number('0x1F')", "31"),
        ],
        number,
    ),
    Function::new(
        Group::Number,
        ("abs", "<n-:n>", 1),
        "Returns a number without its sign.",
        &[example("$abs(-5)", "5")],
        |machine, arguments| unary(machine, &arguments, f64::abs, |decimal| decimal.abs()),
    ),
    Function::new(
        Group::Number,
        ("floor", "<n-:n>", 1),
        "Returns the greatest integer that is not above a number.",
        &[example("$floor(-5.3)", "-6")],
        |machine, arguments| unary(machine, &arguments, f64::floor, |decimal| decimal.floor()),
    ),
    Function::new(
        Group::Number,
        ("ceil", "<n-:n>", 1),
        "Returns the least integer that is not below a number.",
        &[example("$ceil(5.3)", "6")],
        |machine, arguments| unary(machine, &arguments, f64::ceil, |decimal| decimal.ceil()),
    ),
    Function::new(
        Group::Number,
        ("round", "<n-n?:n>", 2),
        "Returns a number rounded to so many digits after the point, halves to the even neighbour.",
        &[
            example("$round(4.515, 2)", "4.52"),
            example("$round(2.5)", "2"),
            example("$round(125, -1)", "120"),
        ],
        round,
    ),
    Function::new(
        Group::Number,
        ("power", "<n-n:n>", 2),
        "Returns a number raised to a power.",
        &[example("$power(2, 8)", "256")],
        power,
    ),
    Function::new(
        Group::Number,
        ("sqrt", "<n-:n>", 1),
        "Returns the square root.",
        &[example("$sqrt(4)", "2")],
        |_, arguments| match arguments.get(0) {
            Item::Missing => Ok(Item::Missing),
            item => match finite(item)? {
                float if float < 0.0 => {
                    let message = "a negative number has no square root";
                    Err(failure("D3060", message).with_value(shown(item)))
                }
                float => Ok(Item::number(float.sqrt())),
            },
        },
    ),
    Function::new(
        Group::Number,
        ("random", "<:n>", 0),
        "Returns a number from 0 to below 1 that chance decides.",
        &[example("$random() < 1", "true")],
        |machine, _| Ok(Item::number(machine.host.random())),
    ),
    Function::new(
        Group::Number,
        ("formatNumber", "<n-so?:s>", 3),
        "Returns a number formatted by a picture, as XPath's `format-number` does.",
        &[example(
            "$formatNumber(12345.6, '#,##0.00')",
            "\"12,345.60\"",
        )],
        |machine, arguments| match (arguments.get(0), arguments.get(1).as_str()) {
            (Item::Missing, _) | (_, None) => Ok(Item::Missing),
            (item, Some(picture)) => {
                machine.charge(picture.len() as u64 + 400)?;
                let text = format_number(finite(item)?, picture, arguments.get(2))?;
                machine.text(&text)
            }
        },
    ),
    Function::new(
        Group::Number,
        ("formatBase", "<n-n?:s>", 2),
        "Returns a number rounded to an integer and written in a base from 2 to 36.",
        &[example("$formatBase(255, 16)", "\"ff\"")],
        format_base,
    ),
    Function::new(
        Group::Number,
        ("formatInteger", "<n-s:s>", 2),
        "Returns an integer formatted by a picture, as XPath's `format-integer` does.",
        &[
            example(
                "$formatInteger(2789, 'w')",
                "\"two thousand, seven hundred and eighty-nine\"",
            ),
            example("$formatInteger(1999, 'I')", "\"MCMXCIX\""),
        ],
        |machine, arguments| match (arguments.get(0), arguments.get(1).as_str()) {
            (Item::Missing, _) | (_, None) => Ok(Item::Missing),
            (item, Some(picture)) => {
                machine.charge(picture.len() as u64 + 400)?;
                let text = format_integer(finite(item)?.floor(), picture)?;
                machine.text(&text)
            }
        },
    ),
    Function::new(
        Group::Number,
        ("parseInteger", "<s-s:n>", 2),
        "Returns the integer that a text says in the form of a picture.",
        &[example("$parseInteger('twelve thousand', 'w')", "12000")],
        |_, arguments| match (arguments.get(0).as_str(), arguments.get(1).as_str()) {
            (Some(text), Some(picture)) => parse_integer(text, picture),
            _ => Ok(Item::Missing),
        },
    ),
];

fn number<'a>(machine: &mut Machine<'_, 'a>, mut arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    match arguments.take(0) {
        Item::Missing => Ok(Item::Missing),
        Item::Bool(bool) => Ok(Item::Int(i64::from(bool))),
        text if text.as_text().is_some() => {
            let source = text.as_str().unwrap_or("");
            parse(source, machine.mode).ok_or_else(|| {
                let message = format!("the text {:?} is no number", shorten(source));
                failure("D3030", message).with_value(shown(&text))
            })
        }
        number if number.is_number() => Ok(number),
        other => {
            let message = format!("{} cannot be made a number", other.word());
            Err(failure("D3030", message))
        }
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Reads a number: JSON's syntax, leading zeros allowed, or a prefix `0x`, `0o`, `0b`.
fn parse<'a>(text: &str, mode: Mode) -> Option<Item<'a>> {
    if let Some((prefix, digits)) = text.split_at_checked(2) {
        let radix = match prefix {
            "0x" | "0X" => 16,
            "0o" | "0O" => 8,
            "0b" | "0B" => 2,
            _ => 10,
        };
        if radix != 10 {
            return from_radix(digits, radix).map(Item::number);
        }
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let significant = digits.trim_start_matches('0');
    let digits = match significant.as_bytes().first() {
        Some(b'0'..=b'9') => significant,
        _ if digits.len() > significant.len() => &digits[digits.len() - significant.len() - 1..],
        _ => significant,
    };
    let value = Value::number(&format!("{sign}{digits}"))?;
    let float = value.as_f64().filter(|float| float.is_finite())?;
    Some(match (value, mode) {
        (Value::Int(int), _) => Item::Int(int),
        (Value::Decimal(decimal), Mode::Checked) => Item::exact(decimal),
        (Value::Literal(text), Mode::Checked) => Item::Literal(std::rc::Rc::new(text)),
        _ => Item::number(float),
    })
}

fn from_radix(digits: &str, radix: u32) -> Option<f64> {
    if digits.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for char in digits.chars() {
        value = value * f64::from(radix) + f64::from(char.to_digit(radix)?);
    }
    Some(value).filter(|value| value.is_finite())
}

fn unary<'a>(
    machine: &mut Machine<'_, 'a>,
    arguments: &Arguments<'a>,
    double: fn(f64) -> f64,
    decimal: fn(&Decimal) -> Decimal,
) -> Outcome<Item<'a>> {
    Ok(match (arguments.get(0), machine.mode) {
        (Item::Missing, _) => Item::Missing,
        (Item::InDecimal(exact), Mode::Checked) => Item::decimal(decimal(exact)),
        (Item::Decimal(exact), Mode::Checked) => Item::decimal(decimal(exact)),
        (item, _) => Item::number(double(finite(item)?)),
    })
}

fn round<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let item = arguments.get(0);
    if item.is_missing() {
        return Ok(Item::Missing);
    }
    let digits = match arguments.get(1) {
        Item::Missing => 0,
        digits => finite(digits)?.trunc().clamp(-400.0, 400.0) as i64,
    };
    match item {
        Item::Int(int) if digits >= 0 => Ok(Item::Int(*int)),
        Item::Int(_) | Item::InDecimal(_) | Item::Decimal(_) if machine.mode == Mode::Checked => {
            let exact = item.as_decimal().unwrap_or_default();
            round_decimal(exact, digits).map(Item::decimal)
        }
        _ => {
            let rounded = numbers::round(finite(item)?, digits);
            Ok(Item::number(rounded))
        }
    }
}

fn round_decimal(exact: Decimal, digits: i64) -> Outcome<Decimal> {
    let even = RoundingStrategy::MidpointNearestEven;
    if digits >= 0 {
        return Ok(exact.round_dp_with_strategy(digits.min(28) as u32, even));
    }
    if digits < -28 {
        return Ok(Decimal::ZERO);
    }
    let power = Decimal::from_i128_with_scale(10i128.pow((-digits) as u32), 0);
    exact
        .checked_div(power)
        .and_then(|shifted| shifted.round_dp_with_strategy(0, even).checked_mul(power))
        .ok_or_else(out_of_range)
}

fn power<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let (base, exponent) = (arguments.get(0), arguments.get(1));
    if base.is_missing() {
        return Ok(Item::Missing);
    }
    if exponent.is_missing() {
        return Err(too_large(base, exponent));
    }
    if machine.mode == Mode::Checked
        && let (Some(exact), Item::Int(times @ 0..=1024)) = (base.as_decimal(), exponent)
        && !matches!(base, Item::Float(_))
    {
        let mut result = Decimal::ONE;
        for _ in 0..*times {
            result = result
                .checked_mul(exact)
                .filter(|product| product.scale() + 1 < 28)
                .ok_or_else(|| too_large(base, exponent))?;
        }
        return Ok(Item::decimal(result));
    }
    let result = finite(base)?.powf(finite(exponent)?);
    if !result.is_finite() {
        return Err(too_large(base, exponent));
    }
    Ok(Item::number(result))
}

fn too_large(base: &Item<'_>, exponent: &Item<'_>) -> Failure {
    let message = format!(
        "the power is no number that can be written: base {}, exponent {}",
        base.as_f64().unwrap_or(f64::NAN),
        exponent.as_f64().unwrap_or(f64::NAN)
    );
    failure("D3061", message).with_value(shown(base))
}

fn format_base<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let item = arguments.get(0);
    if item.is_missing() {
        return Ok(Item::Missing);
    }
    let value = numbers::round(finite(item)?, 0);
    let radix = match arguments.get(1) {
        Item::Missing => 10.0,
        radix => numbers::round(finite(radix)?, 0),
    };
    if !(2.0..=36.0).contains(&radix) {
        let message = format!("a number can be written in the bases 2 to 36, not {radix}");
        return Err(failure("D3100", message).with_value(shown(arguments.get(1))));
    }
    let radix = radix as u128;
    let mut left = value.abs() as u128;
    let mut digits = Vec::new();
    loop {
        let digit = (left % radix) as u32;
        digits.push(char::from_digit(digit, radix as u32).unwrap_or('0'));
        left /= radix;
        if left == 0 {
            break;
        }
    }
    if value < 0.0 {
        digits.push('-');
    }
    let text: String = digits.into_iter().rev().collect();
    machine.text(&text)
}
