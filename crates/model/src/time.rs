//! Instants in UTC.

/// An instant in UTC: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

const MICROS_PER_DAY: i64 = 86_400_000_000;

impl Timestamp {
    /// Returns the instant `millis` milliseconds after the epoch.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// Returns whole milliseconds since the epoch, rounded down.
    pub fn millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Returns the instant `duration` later, clamped to the range of the type.
    pub fn plus(self, duration: std::time::Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// Returns the time since `earlier`; zero if that lies after `self`.
    pub fn since(self, earlier: Timestamp) -> std::time::Duration {
        std::time::Duration::from_micros(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// Returns the RFC 3339 form, in UTC, with three digits of a second:
    /// `2026-03-14T09:26:53.589Z`.
    pub fn rfc3339(self) -> String {
        let (year, month, day) = civil(self.0.div_euclid(MICROS_PER_DAY));
        let ms = self.0.rem_euclid(MICROS_PER_DAY) / 1000;
        let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        format!(
            "{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{:03}Z",
            ms % 1000
        )
    }

    /// Reads an RFC 3339 date-time with `Z` or a numeric offset; `None` if it is not one.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let number = |range: std::ops::Range<usize>| -> Option<i64> {
            let digits = text.get(range)?;
            digits
                .bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| digits.parse().ok())?
        };
        let byte = |index: usize| text.as_bytes().get(index).copied();
        let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
        if separators
            .iter()
            .any(|(index, expected)| byte(*index) != Some(*expected))
            || !matches!(byte(10)?, b'T' | b't' | b' ')
        {
            return None;
        }
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let (h, m, s) = (number(11..13)?, number(14..16)?, number(17..19)?);
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        if h > 23 || m > 59 || s > 60 {
            return None;
        }
        let mut at = 19;
        let mut micros = 0;
        if byte(at) == Some(b'.') {
            let digits = text[at + 1..]
                .bytes()
                .take_while(u8::is_ascii_digit)
                .count();
            if digits == 0 {
                return None;
            }
            for i in 0..6 {
                let digit = if i < digits {
                    i64::from(text.as_bytes()[at + 1 + i] - b'0')
                } else {
                    0
                };
                micros = micros * 10 + digit;
            }
            at += 1 + digits;
        }
        let offset = match byte(at)? {
            b'Z' | b'z' if text.len() == at + 1 => 0,
            sign @ (b'+' | b'-') if text.len() == at + 6 && byte(at + 3) == Some(b':') => {
                let (oh, om) = (number(at + 1..at + 3)?, number(at + 4..at + 6)?);
                if oh > 23 || om > 59 {
                    return None;
                }
                (oh * 60 + om) * if sign == b'+' { 1 } else { -1 }
            }
            _ => return None,
        };
        let seconds = days(year, month, day) * 86_400 + h * 3600 + (m - offset) * 60 + s;
        Some(Self(seconds * 1_000_000 + micros))
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// Returns the number of days in a month of the proleptic Gregorian calendar.
pub fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Returns the days between 1970-01-01 and a date of the proleptic Gregorian calendar.
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Returns year, month and day of the date `days` after 1970-01-01.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{Timestamp, civil, days};

    #[test]
    fn round_trips() {
        for text in [
            "1970-01-01T00:00:00.000Z",
            "2026-02-28T23:59:59.999Z",
            "1969-12-31T23:59:59.001Z",
        ] {
            assert_eq!(
                Timestamp::parse_rfc3339(text)
                    .map(Timestamp::rfc3339)
                    .as_deref(),
                Some(text)
            );
        }
        for day in (-800_000..800_000).step_by(97) {
            let (y, m, d) = civil(day);
            assert_eq!(days(y, m, d), day);
        }
    }

    #[test]
    fn offsets_and_bad_dates() {
        let at = |text| Timestamp::parse_rfc3339(text).map(|t| t.0);
        assert_eq!(at("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(at("1970-01-01T00:00:00.5Z"), Some(500_000));
        for bad in [
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+1:00",
        ] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }
}
