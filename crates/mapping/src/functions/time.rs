//! Dates and times.

use std::sync::LazyLock;

use sluice_model::time::Timestamp;
use sluice_model::value::Text;

use crate::eval::Machine;
use crate::eval::failure::{Explain, Outcome, failure};
use crate::eval::function::Arguments;
use crate::eval::item::Item;
use crate::eval::operators::finite;
use crate::eval::output::shown;
use crate::functions::time_parse::{parse_iso, parse_time};
use crate::functions::time_picture::{Part, analyse, format_time};
use crate::functions::{Function, Group, example};

pub(super) static FUNCTIONS: [Function; 4] = [
    Function::new(
        Group::Time,
        ("now", "<s?s?:s>", 2),
        "Returns the current time as a text, always the same within one evaluation.",
        &[example("$now()", "\"2026-03-14T09:26:53.589Z\"")],
        |machine, arguments| {
            let now = machine.now().millis();
            from_millis(machine, now, arguments.get(0), arguments.get(1))
        },
    ),
    Function::new(
        Group::Time,
        ("millis", "<:n>", 0),
        "Returns the current time in milliseconds since 1970, always the same within one \
         evaluation.",
        &[example("$millis()", "1773480413589")],
        |machine, _| Ok(Item::Int(machine.now().millis())),
    ),
    Function::new(
        Group::Time,
        ("fromMillis", "<n-s?s?:s>", 3),
        "Returns a time, given in milliseconds since 1970, as a text: by ISO 8601 or a picture, in \
         UTC or at an offset such as `+0100`.",
        &[
            example("$fromMillis(1510067557121)", "\"2017-11-07T15:12:37.121Z\""),
            example(
                "$fromMillis(1510067557121, '[D1o] [MNn] [Y], [h#1]:[m01] [P]')",
                "\"7th November 2017, 3:12 pm\"",
            ),
        ],
        |machine, arguments| match arguments.get(0) {
            Item::Missing => Ok(Item::Missing),
            millis => {
                let millis = finite(millis)?;
                if millis.abs() > MILLIS_MAX {
                    let message = "the time is out of range";
                    return Err(failure("D1001", message).with_value(shown(arguments.get(0))));
                }
                from_millis(machine, millis as i64, arguments.get(1), arguments.get(2))
            }
        },
    ),
    Function::new(
        Group::Time,
        ("toMillis", "<s-s?:n>", 2),
        "Returns a time, given as a text by ISO 8601 or a picture, in milliseconds since 1970.",
        &[
            example("$toMillis('2017-11-07T15:12:37.121Z')", "1510067557121"),
            example(
                "$toMillis('07.11.2017', '[D01].[M01].[Y0001]')",
                "1510012800000",
            ),
        ],
        to_millis,
    ),
];

/// The furthest time from 1970 that ECMAScript knows (ECMA-262 section 21.4.1.1), in milliseconds.
const MILLIS_MAX: f64 = 8.64e15;

static ISO: LazyLock<Vec<Part>> = LazyLock::new(|| {
    analyse("[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z01:01t]")
        .expect("the picture of ISO 8601 is well-formed")
});

fn from_millis<'a>(
    machine: &mut Machine<'_, 'a>,
    millis: i64,
    picture: &Item<'a>,
    zone: &Item<'a>,
) -> Outcome<Item<'a>> {
    let offset = zone.as_str().map_or(0, offset_of);
    let text = match picture.as_str() {
        None if offset == 0 && (0..=253_402_300_799_999).contains(&millis) => {
            Timestamp::from_millis(millis).rfc3339()
        }
        None => format_time(millis, &ISO, offset)?,
        Some(picture) => {
            machine.charge(picture.len() as u64 * 8)?;
            format_time(millis, &analyse(picture)?, offset)?
        }
    };
    machine.charge(text.len() as u64)?;
    Ok(Item::text(Text::from(text)))
}

/// Returns the minutes of an offset such as `+0100` or `-0530`; 0 for what is none.
fn offset_of(zone: &str) -> i64 {
    let (sign, digits) = match zone.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, zone.strip_prefix('+').unwrap_or(zone)),
    };
    let length = digits.bytes().take_while(u8::is_ascii_digit).count().min(6);
    let number: i64 = digits[..length].parse().unwrap_or(0);
    sign * (number / 100 * 60 + number % 100)
}

fn to_millis<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let Some(text) = arguments.get(0).as_str() else {
        return Ok(Item::Missing);
    };
    let Some(picture) = arguments.get(1).as_str() else {
        return parse_iso(text).map(Item::Int).ok_or_else(|| {
            let message = "the text is no time in a form of ISO 8601; other forms need a picture";
            failure("D3110", message).with_value(shown(arguments.get(0)))
        });
    };
    machine.charge(picture.len() as u64 * 8)?;
    let parts = analyse(picture)?;
    let now = machine.now().millis();
    Ok(parse_time(text, &parts, now)?.map_or(Item::Missing, Item::Int))
}
