//! Reads dates and times: `$toMillis`, by a picture or in the forms of ISO 8601.

use sluice_model::time::{days, days_in_month};

use crate::eval::failure::{Failure, Outcome, failure};
use crate::functions::integer_picture::{
    IntegerFormat, Primary, Separators, parse_by, unknown_sequence, word_value,
};
use crate::functions::time_picture::{DAYS, MILLIS_PER_DAY, MONTHS, Marker, Moment, Part, no_name};

/// The longest text that is read by a picture: reading goes back and forth in it.
const TEXT_MAX: usize = 256;

/// The components that a picture gave; `None` for one that is not known.
#[derive(Default)]
struct Components {
    values: Vec<(char, Option<f64>)>,
}

impl Components {
    fn get(&self, component: char) -> Option<f64> {
        let found = self.values.iter().rev().find(|(own, _)| *own == component);
        found.and_then(|(_, value)| *value)
    }

    fn set(&mut self, component: char, value: f64) {
        self.values.push((component, Some(value)));
    }
}

fn underspecified() -> Failure {
    let message = "the picture lacks components that are needed to read a date and time";
    failure("D3136", message)
}

/// Returns milliseconds since the epoch; `None` if the text does not fit the picture.
pub(super) fn parse_time(text: &str, parts: &[Part], now: i64) -> Outcome<Option<i64>> {
    for part in parts {
        check(part)?;
    }
    if text.len() > TEXT_MAX {
        return Ok(None);
    }
    let mut ends = Vec::with_capacity(parts.len());
    if !fit(text, 0, parts, &mut ends) {
        return Ok(None);
    }
    let mut components = Components::default();
    let mut start = 0;
    for (part, end) in parts.iter().zip(ends) {
        if let Part::Marker(marker) = part {
            let value = read(&text[start..end], marker)?;
            components.values.push((marker.component, value));
        }
        start = end;
    }
    if components.values.is_empty() {
        return Ok(None);
    }
    instant(components, now).map(Some)
}

/// Refuses what cannot be read.
fn check(part: &Part) -> Outcome<()> {
    let Part::Marker(marker) = part else {
        return Ok(());
    };
    match &marker.format {
        Some(format) => match &format.primary {
            Primary::Sequence(token) => Err(unknown_sequence(token)),
            _ => Ok(()),
        },
        None if matches!(marker.component, 'M' | 'x' | 'F' | 'P') => Ok(()),
        None => Err(no_name(marker.component)),
    }
}

/// Finds where each part ends: the longest that lets the rest fit.
fn fit(text: &str, at: usize, parts: &[Part], ends: &mut Vec<usize>) -> bool {
    let Some((part, rest)) = parts.split_first() else {
        return at == text.len();
    };
    for end in candidates(text, at, part) {
        ends.push(end);
        if fit(text, end, rest, ends) {
            return true;
        }
        ends.pop();
    }
    false
}

/// Returns where a part that begins at `at` may end, the longest first.
fn candidates(text: &str, at: usize, part: &Part) -> Vec<usize> {
    let rest = &text[at..];
    match part {
        Part::Literal(literal) => {
            let same = rest
                .get(..literal.len())
                .is_some_and(|own| own.to_lowercase() == literal.to_lowercase());
            if same {
                vec![at + literal.len()]
            } else {
                Vec::new()
            }
        }
        Part::Marker(marker) => match (&marker.format, marker.component) {
            (Some(format), 'Z' | 'z') => offset_ends(rest, at, marker.component, format),
            (Some(_), 'f') => runs(rest, at, |byte| byte.is_ascii_digit()),
            (Some(format), _) => number_ends(rest, at, format),
            (None, _) => runs(rest, at, |byte| byte.is_ascii_alphabetic()),
        },
    }
}

/// Returns the ends of all runs of such bytes, of one at least.
fn runs(rest: &str, at: usize, fits: fn(u8) -> bool) -> Vec<usize> {
    let length = rest.bytes().take_while(|byte| fits(*byte)).count();
    (1..=length).rev().map(|length| at + length).collect()
}

fn number_ends(rest: &str, at: usize, format: &IntegerFormat) -> Vec<usize> {
    match format.primary {
        Primary::Letters => runs(rest, at, |byte| byte.is_ascii_alphabetic()),
        Primary::Roman => runs(rest, at, |byte| b"MDCLXVImdclxvi".contains(&byte)),
        Primary::Words => word_ends(rest, at),
        Primary::Decimal | Primary::Sequence(_) => {
            let mut ends = runs(rest, at, |byte| byte.is_ascii_digit());
            if let Some(width) = format.width {
                ends.retain(|end| *end == at + width);
            }
            if format.ordinal {
                ends.retain(|end| {
                    let suffix = rest.get(end - at..end - at + 2).map(str::to_lowercase);
                    matches!(suffix.as_deref(), Some("th" | "st" | "nd" | "rd"))
                });
                for end in &mut ends {
                    *end += 2;
                }
            }
            ends
        }
    }
}

/// Returns the ends of all sequences of number words.
fn word_ends(rest: &str, at: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut start = 0;
    for (index, byte) in rest.bytes().chain([b' ']).enumerate() {
        if byte.is_ascii_alphabetic() {
            continue;
        }
        let word = rest[start..index].to_lowercase();
        if !word.is_empty() && word != "and" && word_value(&word).is_none() {
            break;
        }
        if index > 0 {
            ends.push(at + index);
        }
        if !matches!(byte, b' ' | b'-' | b',') || index >= rest.len() {
            break;
        }
        ends.push(at + index + 1);
        start = index + 1;
    }
    ends.dedup();
    ends.reverse();
    ends
}

fn offset_ends(rest: &str, at: usize, component: char, format: &IntegerFormat) -> Vec<usize> {
    let (body, skipped) = match component {
        'z' if rest
            .get(..3)
            .is_some_and(|gmt| gmt.eq_ignore_ascii_case("GMT")) =>
        {
            (&rest[3..], 3)
        }
        'z' => return Vec::new(),
        _ => (rest, 0),
    };
    if !body.starts_with(['+', '-']) {
        return Vec::new();
    }
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let hours = digits(&body[1..]);
    if hours == 0 {
        return Vec::new();
    }
    let end = at + skipped + 1 + hours;
    match format.separators {
        Separators::Regular(_, separator) => match body[1 + hours..].strip_prefix(separator) {
            Some(minutes) if digits(minutes) > 0 => {
                vec![end + separator.len_utf8() + digits(minutes)]
            }
            _ => Vec::new(),
        },
        Separators::Shown(_) => vec![end],
    }
}

fn read(text: &str, marker: &Marker) -> Outcome<Option<f64>> {
    match (&marker.format, marker.component) {
        (Some(_), 'Z' | 'z') => Ok(Some(read_offset(text))),
        (Some(_), 'f') => {
            let millis: String = text.chars().chain("000".chars()).take(3).collect();
            Ok(millis.parse().ok())
        }
        (Some(format), _) => parse_by(text, format),
        (None, component) => Ok(read_name(text, component, marker.width_max)),
    }
}

fn read_name(text: &str, component: char, width: Option<usize>) -> Option<f64> {
    let position = |names: &[&str]| {
        let short = |name: &&&str| {
            let name: String = name.chars().take(width.unwrap_or(usize::MAX)).collect();
            name == text
        };
        names
            .iter()
            .position(|name| short(&name))
            .map(|index| index as f64 + 1.0)
    };
    match component {
        'M' | 'x' => position(&MONTHS),
        'F' => position(&DAYS),
        'P' => match text {
            "am" | "AM" => Some(0.0),
            "pm" | "PM" => Some(1.0),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the minutes of an offset such as `+01:00`, `GMT-5` or `+0530`.
fn read_offset(text: &str) -> f64 {
    let negative = text.contains('-');
    let digits: Vec<&str> = text
        .split(|char: char| !char.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .collect();
    let number = |text: &str| text.parse::<f64>().unwrap_or(0.0);
    let minutes = match digits.as_slice() {
        [hours, minutes, ..] => number(hours) * 60.0 + number(minutes),
        [together] if together.len() > 2 => number(&together[..2]) * 60.0 + number(&together[2..]),
        [hours] => number(hours) * 60.0,
        [] => 0.0,
    };
    if negative { -minutes } else { minutes }
}

/// Returns the instant that the components give. What is more significant than the given ones is
/// taken from now, what is less significant is zero.
fn instant(mut components: Components, now: i64) -> Outcome<i64> {
    let mask = |letters: &str| {
        letters.chars().fold(0u32, |mask, letter| {
            let given = components.get(letter).is_some_and(|value| value != 0.0);
            mask << 1 | u32::from(given)
        })
    };
    let is_type = |kind: u32, mask: u32| !kind & mask == 0 && kind & mask != 0;
    let (dates, times) = (mask("YXMxWwdD"), mask("PHhmsf"));
    let by_month = is_type(0b1010_0001, dates);
    let by_day_of_year = !by_month && is_type(0b1000_0010, dates);
    let by_week = is_type(0b0101_0100, dates) || is_type(0b0100_1000, dates);
    let half_days = !is_type(0b01_0111, times) && is_type(0b10_1111, times);
    if by_week {
        return Err(underspecified());
    }
    let date = if by_day_of_year { "YD" } else { "YMD" };
    let time = if half_days { "Phmsf" } else { "Hmsf" };
    let moment = Moment::of(now);
    let (mut started, mut ended) = (false, false);
    for component in date.chars().chain(time.chars()) {
        match components.get(component) {
            Some(_) if ended => return Err(underspecified()),
            Some(_) => started = true,
            None if started => {
                let least = if "MDd".contains(component) { 1.0 } else { 0.0 };
                components.set(component, least);
                // A day of the year gives month and day at once.
                ended = !(by_day_of_year && component == 'D');
            }
            None => components.set(component, moment.component(component) as f64),
        }
    }
    if half_days {
        let hour = components.get('h').unwrap_or(0.0);
        let morning = if hour == 12.0 { 0.0 } else { hour };
        let afternoon = components.get('P') == Some(1.0);
        components.set('H', if afternoon { morning + 12.0 } else { morning });
    }
    Ok(millis(&components, by_day_of_year))
}

fn millis(components: &Components, by_day_of_year: bool) -> i64 {
    let value = |component: char| components.get(component).unwrap_or(0.0).clamp(-9e9, 9e9) as i64;
    let year = match value('Y') {
        // ECMAScript's `Date.UTC` takes two digits for a year of the last century.
        year @ 0..=99 => 1900 + year,
        year => year.clamp(-270_000, 270_000),
    };
    let day = if by_day_of_year {
        days(year, 1, 1) + value('d') - 1
    } else {
        let month = value('M').max(1) - 1;
        let year = year + month.div_euclid(12);
        days(year, month.rem_euclid(12) + 1, 1) + value('D') - 1
    };
    let offset = components.get('Z').or(components.get('z')).unwrap_or(0.0) as i64;
    let minutes = value('H') * 60 + value('m') - offset;
    day.saturating_mul(MILLIS_PER_DAY)
        .saturating_add(minutes * 60_000 + value('s') * 1000 + value('f'))
}

/// Reads the forms of ISO 8601 that the reference takes: a year, month or date, with or without a
/// time, a fraction and an offset. Without an offset it is UTC. `None` if the text is none of them.
pub(super) fn parse_iso(text: &str) -> Option<i64> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = part(rest, "-", 2)?.unwrap_or((1, rest));
    let (day, rest) = part(rest, "-", 2)?.unwrap_or((1, rest));
    let (mut hour, mut minute, mut second, mut rest) = (0, 0, 0, rest);
    if let Some(time) = rest.strip_prefix('T') {
        let (own_hour, after) = digits(time, 2)?;
        let (own_minute, after) = digits(after.strip_prefix(':')?, 2)?;
        let (own_second, after) = digits(after.strip_prefix(':')?, 2)?;
        (hour, minute, second, rest) = (own_hour, own_minute, own_second, after);
    }
    let mut millis = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return None;
        }
        let padded: String = fraction[..length]
            .chars()
            .chain("00".chars())
            .take(3)
            .collect();
        millis = padded.parse().ok()?;
        rest = &fraction[length..];
    }
    let offset = match rest.as_bytes() {
        [] | [b'Z'] => 0,
        [sign @ (b'+' | b'-'), ..] => {
            let (hours, after) = digits(&rest[1..], 2)?;
            let (minutes, after) = digits(after.strip_prefix(':').unwrap_or(after), 2)?;
            if !after.is_empty() || hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    let valid_date = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    let midnight = hour == 24 && minute == 0 && second == 0 && millis == 0;
    let valid_time = (hour < 24 || midnight) && minute < 60 && second < 60;
    if !valid_date || !valid_time {
        return None;
    }
    let minutes = hour * 60 + minute - offset;
    Some(days(year, month, day) * MILLIS_PER_DAY + minutes * 60_000 + second * 1000 + millis)
}

/// Reads exactly `count` digits.
fn digits(text: &str, count: usize) -> Option<(i64, &str)> {
    let (number, rest) = text.split_at_checked(count)?;
    let all = number.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| number.parse().ok())
        .flatten()
        .map(|number| (number, rest))
}

/// Reads a separator and digits; `Some(None)` if the separator is not there.
fn part<'t>(text: &'t str, separator: &str, count: usize) -> Option<Option<(i64, &'t str)>> {
    match text.strip_prefix(separator) {
        // `-05:00` after a year or month is an offset.
        Some(rest) if rest.as_bytes().get(2) == Some(&b':') => Some(None),
        Some(rest) => digits(rest, count).map(Some),
        None => Some(None),
    }
}
