//! Schedules: a cron expression in a time zone, and the instants that it names.
//!
//! Where clocks are moved, an expression that names times of day is due once for each of them:
//! one that the clock skips is due when it has been moved, one that the clock shows twice is due
//! the first time. An expression of every hour (`*` as its hour) is a rhythm: it is due whenever
//! the clock shows a minute that it names, so that an hour is an hour on those days too.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use sluice_model::time::Timestamp;

use super::expression::Expression;

/// The last instant that is looked at: the end of the year 9998, which zones and calendar cover.
const END_SECONDS: i64 = 253_370_764_800;

/// A cron expression in a time zone.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    expression: Expression,
    zone: TimeZone,
}

/// A time during which a zone's offset stays the same, in seconds of UTC.
struct Segment {
    /// Begins here; `None` before all transitions.
    start: Option<i64>,
    /// Ends before this.
    end: i64,
    /// Local time minus UTC.
    offset: i64,
    /// The offset before `start`.
    before: i64,
}

/// Returns the time zone `name` of the IANA database that is built in; `None` if there is none.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

/// Returns the zone that `name` may stand for: `Europe/Vienna` for `vienna`.
pub(super) fn similar_zone(name: &str) -> Option<String> {
    let wanted = name.rsplit('/').next()?.replace(' ', "_");
    TimeZoneDatabase::bundled()
        .available()
        .find(|zone| {
            zone.as_str()
                .rsplit('/')
                .next()
                .is_some_and(|city| city.eq_ignore_ascii_case(&wanted))
        })
        .map(|zone| zone.as_str().to_owned())
}

impl Schedule {
    /// Returns the schedule of `expression` in `zone`.
    pub(super) fn new(expression: Expression, zone: TimeZone) -> Self {
        Self { expression, zone }
    }

    /// Returns the first instant after `after` that the schedule names; `None` if there is none
    /// within 60 years.
    pub(super) fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let after = after.0.div_euclid(1_000_000);
        let mut at = after;
        // The 60 years have less than 600 transitions: none has more than ten a year.
        for _ in 0..600 {
            let segment = self.segment(at)?;
            if let Some(found) = self.in_segment(&segment, after) {
                return Some(Timestamp(found * 1_000_000));
            }
            if segment.end >= END_SECONDS {
                return None;
            }
            at = segment.end;
        }
        None
    }

    /// Returns the last instant up to and including `until`, but after `after`; `None` if there is
    /// none.
    pub(super) fn last_until(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let mut window = 60_000_000_i64;
        loop {
            let from = Timestamp(until.0.saturating_sub(window).max(after.0));
            if let Some(mut found) = self.next_after(from).filter(|at| *at <= until) {
                while let Some(next) = self.next_after(found).filter(|at| *at <= until) {
                    found = next;
                }
                return Some(found);
            }
            if from <= after {
                return None;
            }
            window = window.saturating_mul(2);
        }
    }

    /// Returns an instant as a local date-time with its offset (RFC 3339), to the second.
    pub(super) fn local(&self, at: Timestamp) -> String {
        let Ok(instant) = jiff::Timestamp::from_second(at.0.div_euclid(1_000_000)) else {
            return at.rfc3339();
        };
        let offset = self.zone.to_offset(instant);
        match offset.seconds() {
            0 => format!("{instant:.0}"),
            _ => instant.display_with_offset(offset).to_string(),
        }
    }

    fn segment(&self, at: i64) -> Option<Segment> {
        let instant = jiff::Timestamp::from_second(at.min(END_SECONDS)).ok()?;
        let offset = |at| i64::from(self.zone.to_offset(at).seconds());
        // `preceding` does not count a transition at the instant itself.
        let next = instant
            .checked_add(jiff::SignedDuration::from_secs(1))
            .ok()?;
        let start = self.zone.preceding(next).next();
        let before = start.as_ref().and_then(|transition| {
            let moment = transition.timestamp();
            moment.checked_sub(jiff::SignedDuration::from_secs(1)).ok()
        });
        let end = self.zone.following(instant).next();
        Some(Segment {
            start: start.map(|transition| transition.timestamp().as_second()),
            end: end.map_or(END_SECONDS, |transition| {
                transition.timestamp().as_second().min(END_SECONDS)
            }),
            offset: offset(instant),
            before: offset(before.unwrap_or(instant)),
        })
    }

    /// Returns the first second of UTC after `after` that is due within a segment.
    fn in_segment(&self, segment: &Segment, after: i64) -> Option<i64> {
        let end = (segment.end + segment.offset).div_euclid(60) + 1;
        let rhythm = self.expression.is_every_hour();
        let mut from = match segment.start {
            Some(start) if after < start => {
                let shown = start + segment.offset;
                let would = start + segment.before;
                if !rhythm && would < shown {
                    let skipped = minutes_from(would)..minutes_from(shown);
                    if self.expression.next(skipped.start, skipped.end).is_some() {
                        return Some(start);
                    }
                }
                minutes_from(shown)
            }
            _ => (after + segment.offset).div_euclid(60) + 1,
        };
        if let (Some(start), false) = (segment.start, rhythm) {
            // What the clock shows for the second time was due the first time.
            from = from.max(minutes_from(start + segment.before.max(segment.offset)));
        }
        let found = self.expression.next(from, end)? * 60 - segment.offset;
        (after < found && found < segment.end).then_some(found)
    }
}

/// Returns the first whole minute at or after a local second.
fn minutes_from(seconds: i64) -> i64 {
    (seconds + 59).div_euclid(60)
}
