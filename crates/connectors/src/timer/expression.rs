//! Cron expressions: five fields as Vixie cron reads them, and which local minutes they name.

use sluice_model::time::{civil, days};

/// Minutes of a day.
pub(super) const DAY: i64 = 1440;

/// How far ahead a match is looked for: beyond the 40 years that a 29 February on one day of the
/// week may be away around a year such as 2100.
const HORIZON_DAYS: i64 = 60 * 366;

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const MACROS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// What is wrong with an expression, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) help: String,
}

/// A cron expression, each field as the set of its values: bit `n` stands for `n`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expression {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether a day has to be in both day fields; else one of them is enough. As in Vixie cron,
    /// both count where one of them begins with `*`.
    both_days: bool,
}

/// One of the five fields.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
    range: &'static str,
}

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        min: 0,
        max: 59,
        names: &[],
        range: "0 to 59",
    },
    Field {
        name: "hour",
        min: 0,
        max: 23,
        names: &[],
        range: "0 to 23",
    },
    Field {
        name: "day of the month",
        min: 1,
        max: 31,
        names: &[],
        range: "1 to 31",
    },
    Field {
        name: "month",
        min: 1,
        max: 12,
        names: &MONTHS,
        range: "1 to 12 or `JAN` to `DEC`",
    },
    Field {
        name: "day of the week",
        min: 0,
        max: 7,
        names: &WEEKDAYS,
        range: "0 to 7 (0 and 7 are Sunday) or `SUN` to `SAT`",
    },
];

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// The first thing that is wrong with each field.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<Wrong>> {
        let text = text.trim();
        let text = if text.starts_with('@') {
            expand(text).map_err(|wrong| vec![wrong])?
        } else {
            text
        };
        let parts: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts[..] else {
            return Err(vec![wrong_count(parts.len())]);
        };
        let mut wrong = Vec::new();
        let mut sets = [0u64; 5];
        for ((set, field), text) in sets
            .iter_mut()
            .zip(&FIELDS)
            .zip([minute, hour, day, month, weekday])
        {
            match field.parse(text) {
                Ok(values) => *set = values,
                Err(error) => wrong.push(error),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let [minutes, hours, days, months, weekdays] = sets;
        let expression = Self {
            minutes,
            hours,
            days,
            months,
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            both_days: day.starts_with('*') || weekday.starts_with('*'),
        };
        if expression.next(0, HORIZON_DAYS * DAY).is_none() {
            return Err(vec![Wrong {
                message: format!("`{text}` never comes: no month that it names has such a day"),
                help: "February has 28 or 29 days, April, June, September and November 30".into(),
            }]);
        }
        Ok(expression)
    }

    /// Returns whether every hour is named: then the expression is a rhythm, not times of day.
    pub(super) fn is_every_hour(&self) -> bool {
        self.hours == (1 << 24) - 1
    }

    /// Returns the first local minute (since 1970-01-01T00:00) from `start` on and before `end`
    /// that the expression names; `None` if there is none within 60 years.
    pub(super) fn next(&self, start: i64, end: i64) -> Option<i64> {
        let mut day = start.div_euclid(DAY);
        let mut minute = start.rem_euclid(DAY);
        let last = end.min(start.saturating_add(HORIZON_DAYS * DAY));
        while day.saturating_mul(DAY) < last {
            let (year, month, of_month) = civil(day);
            if self.months & 1 << month == 0 {
                // On to the first day of the next month.
                day = match month {
                    12 => days(year + 1, 1, 1),
                    _ => days(year, month + 1, 1),
                };
                minute = 0;
                continue;
            }
            if self.is_day(day, of_month)
                && let Some(found) = self.next_in_day(minute)
            {
                let found = day * DAY + found;
                return (found < last).then_some(found);
            }
            day += 1;
            minute = 0;
        }
        None
    }

    fn is_day(&self, day: i64, of_month: i64) -> bool {
        let in_month = self.days & 1 << of_month != 0;
        // 1970-01-01 was a Thursday.
        let in_week = self.weekdays & 1 << (day + 4).rem_euclid(7) != 0;
        match self.both_days {
            true => in_month && in_week,
            false => in_month || in_week,
        }
    }

    /// Returns the first minute of a day from `minute` on that is named.
    fn next_in_day(&self, minute: i64) -> Option<i64> {
        let (hour, of_hour) = (minute / 60, minute % 60);
        if self.hours & 1 << hour != 0
            && let Some(of_hour) = first(self.minutes, of_hour)
        {
            return Some(hour * 60 + of_hour);
        }
        let hour = first(self.hours, hour + 1)?;
        Some(hour * 60 + first(self.minutes, 0)?)
    }
}

/// Returns the lowest value of a set that is at least `from`.
fn first(set: u64, from: i64) -> Option<i64> {
    let rest = set.checked_shr(u32::try_from(from).ok()?)?;
    (rest != 0).then(|| from + i64::from(rest.trailing_zeros()))
}

fn expand(text: &str) -> Result<&'static str, Wrong> {
    let found = MACROS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text));
    match found {
        Some((_, expression)) => Ok(expression),
        None if text.eq_ignore_ascii_case("@reboot") => Err(Wrong {
            message: "`@reboot` is no time".into(),
            help: "write when it is due, such as `@daily` or `0 6 * * *`".into(),
        }),
        None => Err(Wrong {
            message: format!("`{text}` is not a known schedule"),
            help: "known are `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly`".into(),
        }),
    }
}

fn wrong_count(count: usize) -> Wrong {
    let help = match count {
        6 | 7 => "there is no field for seconds nor years: leave them out",
        _ => "write minute, hour, day of the month, month, day of the week: `0 6 * * MON-FRI`",
    };
    Wrong {
        message: format!("a cron expression has five fields, this one has {count}"),
        help: help.into(),
    }
}

impl Field {
    fn parse(&self, text: &str) -> Result<u64, Wrong> {
        let mut set = 0;
        for item in text.split(',') {
            set |= self.item(item)?;
        }
        Ok(set)
    }

    /// Reads one item of a list: `*`, `5`, `1-5`, `*/15`, `10-40/10`.
    fn item(&self, item: &str) -> Result<u64, Wrong> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let (low, high) = if range == "*" {
            (self.min, self.max)
        } else if let Some((low, high)) = range.split_once('-') {
            self.between(low, high)?
        } else {
            let value = self.value(range)?;
            if let Some(step) = step {
                return Err(Wrong {
                    message: format!(
                        "`{item}` in the {} has a step, but no range to go through",
                        self.name
                    ),
                    help: format!("write `{range}-{}/{step}`", self.max),
                });
            }
            (value, value)
        };
        let step = match step.map(str::parse::<u32>) {
            None => 1,
            Some(Ok(step)) if (1..=self.max).contains(&step) => step,
            Some(_) => {
                return Err(Wrong {
                    message: format!("`{item}` in the {} has no valid step", self.name),
                    help: format!("a step is a number from 1 to {}", self.max),
                });
            }
        };
        // `*` is Sunday to Saturday, so that `*/2` counts Sunday once.
        let high = if range == "*" && self.max == 7 {
            6
        } else {
            high
        };
        let mut set = 0;
        let mut value = low;
        while value <= high {
            set |= 1 << value;
            value += step;
        }
        Ok(set)
    }

    fn between(&self, low: &str, high: &str) -> Result<(u32, u32), Wrong> {
        let (from, mut to) = (self.value(low)?, self.value(high)?);
        if self.max == 7 && to == 0 && from > 0 {
            to = 7;
        }
        if to < from {
            return Err(Wrong {
                message: format!("`{low}-{high}` in the {} runs backwards", self.name),
                help: format!("write two ranges: `{low}-{},{}-{high}`", self.max, self.min),
            });
        }
        Ok((from, to))
    }

    fn value(&self, text: &str) -> Result<u32, Wrong> {
        if let Some(index) = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text))
        {
            let base = if self.max == 7 { 0 } else { self.min };
            return Ok(base + u32::try_from(index).unwrap_or(0));
        }
        if text.is_empty() {
            return Err(Wrong {
                message: format!("a value is missing in the {}", self.name),
                help: format!("allowed are {}", self.range),
            });
        }
        let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(value) if all_digits && (self.min..=self.max).contains(&value) => Ok(value),
            _ if text.contains(['L', 'W', '#', '?', 'l', 'w']) && !all_digits => Err(Wrong {
                message: format!("`{text}` in the {} is not part of standard cron", self.name),
                help: format!("allowed are {}, with `*`, `,`, `-` and `/`", self.range),
            }),
            _ => Err(Wrong {
                message: format!("`{text}` is no {}", self.name),
                help: format!("allowed are {}", self.range),
            }),
        }
    }
}
