use jiff::tz::TimeZone;
use proptest::prelude::*;
use sluice_model::time::Timestamp;

use crate::timer::expression::Expression;
use crate::timer::schedule::{Schedule, similar_zone, zone};

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect("an instant")
}

fn schedule(expression: &str, name: &str) -> Schedule {
    Schedule::new(
        Expression::parse(expression).expect("an expression"),
        zone(name).expect("a zone"),
    )
}

/// Checks all local times between two instants.
fn check(expression: &str, name: &str, after: &str, until: &str, expected: &[&str]) {
    let schedule = schedule(expression, name);
    let (mut last, until) = (at(after), at(until));
    let mut actual = Vec::new();
    while let Some(next) = schedule.next_after(last).filter(|next| *next <= until) {
        actual.push(schedule.local(next));
        last = next;
    }
    assert_eq!(actual, expected, "{expression} in {name}");
    let latest = schedule.last_until(at(after), until);
    assert_eq!(
        latest.map(|at| schedule.local(at)).as_deref(),
        expected.last().copied()
    );
}

// In Vienna the clock went from 02:00 to 03:00 at 01:00Z on 2026-03-29, and goes from 03:00 back to
// 02:00 at 01:00Z on 2026-10-25.
const SPRING: (&str, &str) = ("2026-03-28T23:30:00Z", "2026-03-29T02:30:00Z");
const AUTUMN: (&str, &str) = ("2026-10-24T23:30:00Z", "2026-10-25T02:30:00Z");

#[test]
fn a_time_that_the_clock_skips_is_due_once_when_it_was_moved() {
    check(
        "30 2 * * *",
        "Europe/Vienna",
        SPRING.0,
        SPRING.1,
        &["2026-03-29T03:00:00+02:00"],
    );
    check(
        "0,15,30 1-2 * * *",
        "Europe/Vienna",
        SPRING.0,
        SPRING.1,
        &[
            "2026-03-29T01:00:00+01:00",
            "2026-03-29T01:15:00+01:00",
            "2026-03-29T01:30:00+01:00",
            "2026-03-29T03:00:00+02:00",
        ],
    );
    check(
        "0 2,3 * * *",
        "Europe/Vienna",
        SPRING.0,
        SPRING.1,
        &["2026-03-29T03:00:00+02:00"],
    );
    check(
        "0 4 * * *",
        "Europe/Vienna",
        SPRING.0,
        "2026-03-29T01:59:00Z",
        &[],
    );
}

#[test]
fn a_time_that_the_clock_shows_twice_is_due_the_first_time() {
    check(
        "30 2 * * *",
        "Europe/Vienna",
        AUTUMN.0,
        AUTUMN.1,
        &["2026-10-25T02:30:00+02:00"],
    );
    check(
        "30 2 * * *",
        "Europe/Vienna",
        "2026-10-25T00:45:00Z",
        AUTUMN.1,
        &[],
    );
    check(
        "0 2,3 * * *",
        "Europe/Vienna",
        AUTUMN.0,
        AUTUMN.1,
        &["2026-10-25T02:00:00+02:00", "2026-10-25T03:00:00+01:00"],
    );
}

#[test]
fn a_rhythm_goes_on_while_the_clock_is_moved() {
    check(
        "30 * * * *",
        "Europe/Vienna",
        SPRING.0,
        SPRING.1,
        &[
            "2026-03-29T01:30:00+01:00",
            "2026-03-29T03:30:00+02:00",
            "2026-03-29T04:30:00+02:00",
        ],
    );
    check(
        "30 * * * *",
        "Europe/Vienna",
        AUTUMN.0,
        AUTUMN.1,
        &[
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:30:00+01:00",
            "2026-10-25T03:30:00+01:00",
        ],
    );
}

#[test]
fn a_day_that_a_country_left_out_is_made_up_for() {
    // Samoa had no 2011-12-30.
    check(
        "0 6 * * *",
        "Pacific/Apia",
        "2011-12-29T12:00:00Z",
        "2011-12-31T12:00:00Z",
        &[
            "2011-12-29T06:00:00-10:00",
            "2011-12-31T00:00:00+14:00",
            "2011-12-31T06:00:00+14:00",
        ],
    );
}

#[test]
fn shifts_of_half_an_hour_and_at_midnight() {
    // Lord Howe moves its clock by half an hour, at 02:00.
    check(
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2026-10-03T12:00:00Z",
        "2026-10-04T12:00:00Z",
        &["2026-10-04T02:30:00+11:00"],
    );
    // In Cuba the day begins at 01:00 when summer time does.
    check(
        "0 0 * * *",
        "America/Havana",
        "2026-03-07T12:00:00Z",
        "2026-03-09T12:00:00Z",
        &["2026-03-08T01:00:00-04:00", "2026-03-09T00:00:00-04:00"],
    );
}

#[test]
fn zones_by_name() {
    assert!(zone("Europe/Vienna").is_some());
    assert!(zone("Vienna").is_none());
    assert!(zone("").is_none());
    assert_eq!(similar_zone("vienna").as_deref(), Some("Europe/Vienna"));
    assert_eq!(
        similar_zone("USA/New York").as_deref(),
        Some("America/New_York")
    );
    assert_eq!(similar_zone("Atlantis"), None);
    let utc = schedule("0 6 * * *", "UTC");
    assert_eq!(
        utc.local(at("2026-01-01T06:00:00Z")),
        "2026-01-01T06:00:00Z"
    );
}

#[test]
fn ends_where_the_calendar_ends() {
    let schedule = schedule("* * * * *", "Europe/Vienna");
    assert_eq!(schedule.next_after(Timestamp(i64::MAX)), None);
    assert!(schedule.next_after(at("9998-01-01T00:00:00Z")).is_some());
    assert_eq!(schedule.next_after(at("9999-06-01T00:00:00Z")), None);
}

/// What an expression's fields allow, read in the plainest way: the tests' own idea of it.
#[derive(Debug)]
struct Plain {
    fields: [Vec<i64>; 5],
    starred: [bool; 5],
}

impl Plain {
    fn is_due(&self, local: jiff::civil::DateTime) -> bool {
        let values = [
            i64::from(local.minute()),
            i64::from(local.hour()),
            i64::from(local.day()),
            i64::from(local.month()),
            i64::from(local.weekday().to_sunday_zero_offset()),
        ];
        let fits = |index: usize| self.fields[index].contains(&values[index]);
        let day = match self.starred[2] || self.starred[4] {
            true => fits(2) && fits(4),
            false => fits(2) || fits(4),
        };
        fits(0) && fits(1) && fits(3) && day
    }

    fn is_every_hour(&self) -> bool {
        (0..24).all(|hour| self.fields[1].contains(&hour))
    }

    /// Goes through every minute of `minutes` after `after`.
    fn scan(&self, zone: &TimeZone, after: Timestamp, minutes: i64) -> Vec<Timestamp> {
        let mut found = Vec::new();
        let first = after.0.div_euclid(60_000_000) + 1;
        let local = |minute: i64| {
            let instant = jiff::Timestamp::from_second(minute * 60).expect("in range");
            zone.to_datetime(instant)
        };
        for minute in first..first + minutes {
            let (now, before) = (local(minute), local(minute - 1));
            let step = now.duration_since(before).as_secs() / 60;
            let mut due = self.is_due(now);
            if !self.is_every_hour() {
                // Shown for the second time: some earlier instant showed it too.
                due = due && !(1..=180).any(|back| local(minute - back) == now);
                for skipped in 1..step {
                    let skipped = jiff::SignedDuration::from_mins(skipped);
                    due |= self.is_due(before.checked_add(skipped).expect("in range"));
                }
            }
            if due {
                found.push(Timestamp(minute * 60_000_000));
            }
        }
        found
    }
}

/// A field's text, the values that it allows, and whether it begins with a star.
fn field(min: i64, max: i64) -> impl Strategy<Value = (String, Vec<i64>, bool)> {
    let item =
        (min..=max, min..=max, 1..=max.max(2) / 2, 0..4).prop_map(move |(a, b, step, kind)| {
            let (low, high) = (a.min(b), a.max(b));
            match kind {
                0 => (format!("{a}"), vec![a]),
                1 => (format!("{low}-{high}"), (low..=high).collect()),
                2 => (
                    format!("{low}-{high}/{step}"),
                    (low..=high)
                        .filter(|value| (value - low) % step == 0)
                        .collect(),
                ),
                _ => (
                    format!("*/{step}"),
                    (min..=max)
                        .filter(|value| (value - min) % step == 0)
                        .collect(),
                ),
            }
        });
    let list = proptest::collection::vec(item, 1..4).prop_map(|items| {
        let texts: Vec<String> = items.iter().map(|(text, _)| text.clone()).collect();
        let text = texts.join(",");
        let starred = text.starts_with('*');
        let values = items.into_iter().flat_map(|(_, values)| values).collect();
        (text, values, starred)
    });
    prop_oneof![
        2 => Just(("*".to_owned(), (min..=max).collect(), true)),
        3 => list,
    ]
}

fn expression() -> impl Strategy<Value = (String, Plain)> {
    (
        field(0, 59),
        field(0, 23),
        field(1, 31),
        field(1, 12),
        field(0, 6),
    )
        .prop_map(|(minute, hour, day, month, weekday)| {
            let parts = [minute, hour, day, month, weekday];
            let texts: Vec<&str> = parts.iter().map(|(text, _, _)| text.as_str()).collect();
            let text = texts.join(" ");
            let starred = std::array::from_fn(|index| parts[index].2);
            let fields = parts.map(|(_, values, _)| values);
            (text, Plain { fields, starred })
        })
}

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Vienna",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Havana",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Pacific/Apia",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn next_after_is_what_a_scan_of_all_minutes_finds(
        (text, plain) in expression(),
        name in proptest::sample::select(&ZONES[..]),
        // From 2010 to 2037, near a transition or anywhere.
        start in 1_262_304_000_i64..2_114_380_800,
        near in any::<bool>(),
    ) {
        let Ok(parsed) = Expression::parse(&text) else {
            // Only what never comes may be refused.
            prop_assert!(plain.fields[3].iter().all(|month| [2, 4, 6, 9, 11].contains(month)));
            return Ok(());
        };
        let zone = zone(name).expect("a zone");
        let mut start = start;
        if near {
            let from = jiff::Timestamp::from_second(start).expect("in range");
            if let Some(transition) = zone.following(from).next() {
                start = transition.timestamp().as_second() - start % 14_400;
            }
        }
        let after = Timestamp(start * 1_000_000);
        let expected = plain.scan(&zone, after, 2880);
        let schedule = Schedule::new(parsed, zone);
        let end = Timestamp((start.div_euclid(60) + 2880) * 60_000_000);
        let mut actual = Vec::new();
        let mut last = after;
        while let Some(next) = schedule.next_after(last).filter(|next| *next <= end) {
            prop_assert!(last < next);
            actual.push(next);
            last = next;
        }
        prop_assert_eq!(&actual, &expected, "{} in {}", text, name);
        prop_assert_eq!(schedule.last_until(after, end), expected.last().copied());
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-*/,@ 0-9A-Za-z#]{0,24}") {
        let _ = Expression::parse(&text);
    }
}
