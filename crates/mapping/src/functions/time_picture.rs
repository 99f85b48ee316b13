//! Dates and times by a picture: `$fromMillis` (XPath functions 3.1, section 9.8).

use sluice_model::time::{civil, days};

use crate::eval::failure::{Failure, Outcome, failure};
use crate::functions::integer_picture::{self, Case, IntegerFormat, Separators, format_by};

/// A part of a picture.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Literal(String),
    Marker(Marker),
}

/// A component of a date or time, and how it is written.
#[derive(Debug, Clone)]
pub(super) struct Marker {
    pub(super) component: char,
    /// Written as a name, in this case.
    pub(super) names: Option<Case>,
    pub(super) format: Option<IntegerFormat>,
    /// The most characters of a name.
    pub(super) width_max: Option<usize>,
    /// The digits of a year; `None` for all.
    year_digits: Option<usize>,
    /// Whether an offset of nothing is written `Z`.
    zulu: bool,
}

pub(super) const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(super) const MILLIS_PER_DAY: i64 = 86_400_000;

/// The components that are numbers.
const NUMERIC: &str = "YMDdFWwXxHhmsf";

pub(super) fn no_name(component: char) -> Failure {
    let message =
        format!("only months and days have names in a date/time picture, not `{component}`");
    failure("D3133", message)
}

/// Reads a picture.
pub(super) fn analyse(picture: &str) -> Outcome<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    let mut rest = picture;
    while let Some(at) = rest.find('[') {
        push_literal(&mut parts, &rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('[') {
            parts.push(Part::Literal("[".to_owned()));
            rest = after;
            continue;
        }
        let Some(end) = rest.find(']') else {
            let message = "a `[` in the date/time picture has no closing `]`";
            return Err(failure("D3135", message));
        };
        let marker: String = rest[..end]
            .chars()
            .filter(|char| !char.is_whitespace())
            .collect();
        let marker = analyse_marker(&marker)?;
        // A number that follows at once decides how many digits the one before has.
        if let (Some(_), Some(Part::Marker(before))) = (&marker.format, parts.last_mut())
            && let Some(format) = &mut before.format
            && NUMERIC.contains(marker.component)
        {
            format.width = Some(format.mandatory).filter(|width| *width > 0);
        }
        parts.push(Part::Marker(marker));
        rest = &rest[end + 1..];
    }
    push_literal(&mut parts, rest);
    Ok(parts)
}

fn push_literal(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Literal(text.replace("]]", "]")));
    }
}

fn analyse_marker(marker: &str) -> Outcome<Marker> {
    let mut chars = marker.chars();
    let component = chars.next().unwrap_or(' ');
    let default = match component {
        'Y' | 'M' | 'D' | 'd' | 'W' | 'w' | 'X' | 'x' | 'H' | 'h' | 'f' => "1",
        'm' | 's' => "01",
        'Z' | 'z' => "01:01",
        'F' | 'P' | 'C' | 'E' => "n",
        unknown => {
            let message = format!("the date/time picture has an unknown component `{unknown}`");
            return Err(failure("D3132", message));
        }
    };
    let rest = chars.as_str();
    let (presentation, width) = match rest.rsplit_once(',') {
        Some((presentation, width)) => (presentation, Some(width)),
        None => (rest, None),
    };
    let bound = |text: Option<&str>| text.and_then(|text| text.parse::<usize>().ok());
    let (width_min, width_max) = match width.map(|width| width.split_once('-')) {
        Some(Some((min, max))) => (bound(Some(min)), bound(Some(max))),
        Some(None) => (bound(width), None),
        None => (None, None),
    };
    let (first, second) = match presentation.chars().last() {
        None => (default, None),
        Some(last @ ('a' | 't' | 'c' | 'o')) if presentation.chars().count() > 1 => {
            (&presentation[..presentation.len() - 1], Some(last))
        }
        Some(_) => (presentation, None),
    };
    let names = match first.as_bytes() {
        [b'n', ..] => Some(Case::Lower),
        [b'N', b'n', ..] => Some(Case::Title),
        [b'N', ..] => Some(Case::Upper),
        _ => None,
    };
    let mut marker = Marker {
        component,
        names,
        format: None,
        width_max,
        year_digits: None,
        zulu: second == Some('t'),
    };
    if names.is_none() && NUMERIC.contains(component) {
        let picture = match second {
            Some(second) => format!("{first};{second}"),
            None => first.to_owned(),
        };
        marker.format = Some(number_format(&mut marker, &picture, width_min, width_max)?);
    }
    if matches!(component, 'Z' | 'z') {
        marker.format = Some(integer_picture::analyse(first)?);
    }
    Ok(marker)
}

fn number_format(
    marker: &mut Marker,
    picture: &str,
    width_min: Option<usize>,
    width_max: Option<usize>,
) -> Outcome<IntegerFormat> {
    let mut format = integer_picture::analyse(picture)?;
    format.mandatory = format.mandatory.max(width_min.unwrap_or(0));
    if marker.component == 'Y' {
        if let Some(digits) = width_max {
            format.mandatory = digits;
            marker.year_digits = Some(digits);
        } else {
            marker.year_digits = Some(format.mandatory + format.optional).filter(|n| *n >= 2);
        }
    }
    Ok(format)
}

/// A date and time of the proleptic Gregorian calendar, taken apart.
pub(super) struct Moment {
    /// Days since 1970-01-01.
    day: i64,
    millis_of_day: i64,
    year: i64,
    month: i64,
    day_of_month: i64,
}

impl Moment {
    pub(super) fn of(millis: i64) -> Self {
        let day = millis.div_euclid(MILLIS_PER_DAY);
        let (year, month, day_of_month) = civil(day);
        Self {
            day,
            millis_of_day: millis.rem_euclid(MILLIS_PER_DAY),
            year,
            month,
            day_of_month,
        }
    }

    /// Returns a component as a number; 0 for one that is none.
    pub(super) fn component(&self, component: char) -> i64 {
        let hour = self.millis_of_day / 3_600_000;
        match component {
            'Y' => self.year,
            'M' => self.month,
            'D' => self.day_of_month,
            'd' => self.day - days(self.year, 1, 1) + 1,
            'F' => weekday(self.day),
            'W' => {
                let next = first_week(self.year + 1, 1);
                self.week(
                    first_week(self.year, 1),
                    next,
                    first_week(self.year - 1, 1),
                    52,
                )
            }
            'w' => {
                let ((ny, nm), (py, pm)) = self.neighbours();
                let start = first_week(self.year, self.month);
                self.week(start, first_week(ny, nm), first_week(py, pm), 4)
            }
            'X' if self.day < first_week(self.year, 1) => self.year - 1,
            'X' if self.day >= first_week(self.year + 1, 1) => self.year + 1,
            'X' => self.year,
            'x' => {
                let ((ny, nm), (_, pm)) = self.neighbours();
                if self.day < first_week(self.year, self.month) {
                    pm
                } else if self.day >= first_week(ny, nm) {
                    nm
                } else {
                    self.month
                }
            }
            'H' => hour,
            'h' => (hour + 11) % 12 + 1,
            'P' => i64::from(hour >= 12),
            'm' => self.millis_of_day / 60_000 % 60,
            's' => self.millis_of_day / 1000 % 60,
            'f' => self.millis_of_day % 1000,
            _ => 0,
        }
    }

    /// Returns year and month of the month after and the month before.
    fn neighbours(&self) -> ((i64, i64), (i64, i64)) {
        let after = if self.month == 12 {
            (self.year + 1, 1)
        } else {
            (self.year, self.month + 1)
        };
        let before = if self.month == 1 {
            (self.year - 1, 12)
        } else {
            (self.year, self.month - 1)
        };
        (after, before)
    }

    fn week(&self, start: i64, next: i64, before: i64, most: i64) -> i64 {
        let week = (self.day - start).div_euclid(7) + 1;
        if week > most && self.day >= next {
            1
        } else if week < 1 {
            (self.day - before).div_euclid(7) + 1
        } else {
            week
        }
    }
}

/// Returns the day of the week, Monday 1 to Sunday 7.
fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7) + 1
}

/// Returns the Monday of the week that holds the first Thursday of a month (ISO 8601, and XPath for
/// months).
fn first_week(year: i64, month: i64) -> i64 {
    let first = days(year, month, 1);
    let weekday = weekday(first);
    if weekday > 4 {
        first + 8 - weekday
    } else {
        first - (weekday - 1)
    }
}

/// Formats an instant; the offset from UTC is in minutes.
pub(super) fn format_time(millis: i64, parts: &[Part], offset: i64) -> Outcome<String> {
    let moment = Moment::of(millis.saturating_add(offset * 60_000));
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Literal(text) => out.push_str(text),
            Part::Marker(marker) => out.push_str(&format_component(&moment, marker, offset)?),
        }
    }
    Ok(out)
}

fn cased(text: &str, case: Case) -> String {
    match case {
        Case::Upper => text.to_uppercase(),
        Case::Lower => text.to_lowercase(),
        Case::Title => text.to_owned(),
    }
}

fn format_component(moment: &Moment, marker: &Marker, offset: i64) -> Outcome<String> {
    let mut value = moment.component(marker.component);
    match marker.component {
        'Z' | 'z' => return format_offset(marker, offset),
        'P' => {
            let text = if value == 1 { "pm" } else { "am" };
            let upper = marker.names == Some(Case::Upper);
            return Ok(if upper {
                text.to_uppercase()
            } else {
                text.to_owned()
            });
        }
        'C' | 'E' => return Ok("ISO".to_owned()),
        _ => {}
    }
    if let Some(case) = marker.names {
        let name = match marker.component {
            'M' | 'x' => MONTHS.get((value - 1) as usize),
            'F' => DAYS.get((value - 1) as usize),
            _ => None,
        };
        let Some(name) = name else {
            return Err(no_name(marker.component));
        };
        let name = cased(name, case);
        let width = marker.width_max.unwrap_or(usize::MAX);
        return Ok(name.chars().take(width).collect());
    }
    if let (Some(digits), 'Y') = (marker.year_digits, marker.component) {
        value %= 10i64.saturating_pow(digits as u32);
    }
    match &marker.format {
        Some(format) => format_by(value as f64, format),
        None => Ok(value.to_string()),
    }
}

fn format_offset(marker: &Marker, offset: i64) -> Outcome<String> {
    if offset == 0 && marker.zulu {
        return Ok("Z".to_owned());
    }
    let Some(format) = &marker.format else {
        return Ok(String::new());
    };
    let (hours, minutes) = (offset / 60, offset % 60);
    let together = (hours * 100 + minutes) as f64;
    let mut text = match (&format.separators, format.mandatory) {
        (Separators::Regular(..), _) | (_, 3 | 4) => format_by(together, format)?,
        (_, 1 | 2) => {
            let mut text = format_by(hours as f64, format)?;
            if minutes != 0 {
                text.push_str(&format!(":{:02}", minutes.abs()));
            }
            text
        }
        (_, digits) => {
            let message = format!("a time zone has at most four digits in a picture, not {digits}");
            return Err(failure("D3134", message));
        }
    };
    if offset >= 0 {
        text.insert(0, '+');
    }
    if marker.component == 'z' {
        text.insert_str(0, "GMT");
    }
    Ok(text)
}
