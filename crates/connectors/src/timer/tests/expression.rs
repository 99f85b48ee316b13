use expect_test::{Expect, expect};
use sluice_model::time::{civil, days};

use crate::timer::expression::Expression;

fn show(minute: i64) -> String {
    let (year, month, day) = civil(minute.div_euclid(1440));
    let of_day = minute.rem_euclid(1440);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}",
        of_day / 60,
        of_day % 60
    )
}

/// Checks the first times from 2026-01-01T00:00 on.
fn check(text: &str, count: usize, expected: Expect) {
    let actual = match Expression::parse(text) {
        Ok(expression) => {
            let mut at = days(2026, 1, 1) * 1440;
            let mut lines = String::new();
            for _ in 0..count {
                let found = expression.next(at, i64::MAX).expect("there is a next time");
                lines.push_str(&show(found));
                lines.push('\n');
                at = found + 1;
            }
            lines
        }
        Err(wrong) => wrong
            .iter()
            .map(|wrong| format!("{}\n  {}\n", wrong.message, wrong.help))
            .collect(),
    };
    expected.assert_eq(&actual);
}

#[test]
fn fields_restrict() {
    check(
        "0 6 * * MON-FRI",
        3,
        expect![[r#"
        2026-01-01 06:00
        2026-01-02 06:00
        2026-01-05 06:00
    "#]],
    );
    check(
        "*/20 22-23 * * *",
        4,
        expect![[r#"
        2026-01-01 22:00
        2026-01-01 22:20
        2026-01-01 22:40
        2026-01-01 23:00
    "#]],
    );
    check(
        "5,10-14/2 0 1 jan,Jul *",
        6,
        expect![[r#"
        2026-01-01 00:05
        2026-01-01 00:10
        2026-01-01 00:12
        2026-01-01 00:14
        2026-07-01 00:05
        2026-07-01 00:10
    "#]],
    );
    check(
        "0 0 29 2 *",
        3,
        expect![[r#"
        2028-02-29 00:00
        2032-02-29 00:00
        2036-02-29 00:00
    "#]],
    );
    check(
        "0 12 * * FRI-SUN",
        4,
        expect![[r#"
        2026-01-02 12:00
        2026-01-03 12:00
        2026-01-04 12:00
        2026-01-09 12:00
    "#]],
    );
    check(
        "0 12 * * 5-7",
        4,
        expect![[r#"
        2026-01-02 12:00
        2026-01-03 12:00
        2026-01-04 12:00
        2026-01-09 12:00
    "#]],
    );
}

#[test]
fn one_of_two_days_is_enough_unless_one_begins_with_a_star() {
    check(
        "0 0 13 * FRI",
        5,
        expect![[r#"
        2026-01-02 00:00
        2026-01-09 00:00
        2026-01-13 00:00
        2026-01-16 00:00
        2026-01-23 00:00
    "#]],
    );
    check(
        "0 0 */2 * FRI",
        3,
        expect![[r#"
        2026-01-09 00:00
        2026-01-23 00:00
        2026-02-13 00:00
    "#]],
    );
    check(
        "0 0 1-7 * */1",
        3,
        expect![[r#"
        2026-01-01 00:00
        2026-01-02 00:00
        2026-01-03 00:00
    "#]],
    );
}

#[test]
fn names_stand_for_expressions() {
    check(
        "@hourly",
        2,
        expect![[r#"
        2026-01-01 00:00
        2026-01-01 01:00
    "#]],
    );
    check(
        "@Daily",
        2,
        expect![[r#"
        2026-01-01 00:00
        2026-01-02 00:00
    "#]],
    );
    check(
        "@weekly",
        2,
        expect![[r#"
        2026-01-04 00:00
        2026-01-11 00:00
    "#]],
    );
    check(
        "@monthly",
        2,
        expect![[r#"
        2026-01-01 00:00
        2026-02-01 00:00
    "#]],
    );
    check(
        "@yearly",
        2,
        expect![[r#"
        2026-01-01 00:00
        2027-01-01 00:00
    "#]],
    );
}

#[test]
fn says_what_is_wrong_with_each_field() {
    check(
        "60 24 0 13 8",
        0,
        expect![[r#"
            `60` is no minute
              allowed are 0 to 59
            `24` is no hour
              allowed are 0 to 23
            `0` is no day of the month
              allowed are 1 to 31
            `13` is no month
              allowed are 1 to 12 or `JAN` to `DEC`
            `8` is no day of the week
              allowed are 0 to 7 (0 and 7 are Sunday) or `SUN` to `SAT`
        "#]],
    );
    check(
        "x -1 1- ,1 FUNDAY",
        0,
        expect![[r#"
            `x` is no minute
              allowed are 0 to 59
            a value is missing in the hour
              allowed are 0 to 23
            a value is missing in the day of the month
              allowed are 1 to 31
            a value is missing in the month
              allowed are 1 to 12 or `JAN` to `DEC`
            `FUNDAY` is no day of the week
              allowed are 0 to 7 (0 and 7 are Sunday) or `SUN` to `SAT`
        "#]],
    );
    check(
        "*/0 */24 1/5 JAN-X FRI-TUE",
        0,
        expect![[r#"
            `*/0` in the minute has no valid step
              a step is a number from 1 to 59
            `*/24` in the hour has no valid step
              a step is a number from 1 to 23
            `1/5` in the day of the month has a step, but no range to go through
              write `1-31/5`
            `X` is no month
              allowed are 1 to 12 or `JAN` to `DEC`
            `FRI-TUE` in the day of the week runs backwards
              write two ranges: `FRI-7,0-TUE`
        "#]],
    );
}

#[test]
fn says_what_is_not_part_of_cron() {
    check(
        "0 0 L * 5#2",
        0,
        expect![[r#"
            `L` in the day of the month is not part of standard cron
              allowed are 1 to 31, with `*`, `,`, `-` and `/`
            `5#2` in the day of the week is not part of standard cron
              allowed are 0 to 7 (0 and 7 are Sunday) or `SUN` to `SAT`, with `*`, `,`, `-` and `/`
        "#]],
    );
    check(
        "0 0 ? * 15W",
        0,
        expect![[r#"
            `?` in the day of the month is not part of standard cron
              allowed are 1 to 31, with `*`, `,`, `-` and `/`
            `15W` in the day of the week is not part of standard cron
              allowed are 0 to 7 (0 and 7 are Sunday) or `SUN` to `SAT`, with `*`, `,`, `-` and `/`
        "#]],
    );
    check(
        "+5 1e1 99999999999 1.0 0x1",
        0,
        expect![[r#"
            `+5` is no minute
              allowed are 0 to 59
            `1e1` is no hour
              allowed are 0 to 23
            `99999999999` is no day of the month
              allowed are 1 to 31
            `1.0` is no month
              allowed are 1 to 12 or `JAN` to `DEC`
            `0x1` is no day of the week
              allowed are 0 to 7 (0 and 7 are Sunday) or `SUN` to `SAT`
        "#]],
    );
    check(
        "* * 5-1 * *",
        0,
        expect![[r#"
            `5-1` in the day of the month runs backwards
              write two ranges: `5-31,1-1`
        "#]],
    );
}

#[test]
fn says_what_is_wrong_with_the_whole() {
    check(
        "",
        0,
        expect![[r#"
            a cron expression has five fields, this one has 0
              write minute, hour, day of the month, month, day of the week: `0 6 * * MON-FRI`
        "#]],
    );
    check(
        "0 6 * *",
        0,
        expect![[r#"
            a cron expression has five fields, this one has 4
              write minute, hour, day of the month, month, day of the week: `0 6 * * MON-FRI`
        "#]],
    );
    check(
        "0 0 6 * * MON-FRI",
        0,
        expect![[r#"
            a cron expression has five fields, this one has 6
              there is no field for seconds nor years: leave them out
        "#]],
    );
    check(
        "@reboot",
        0,
        expect![[r#"
            `@reboot` is no time
              write when it is due, such as `@daily` or `0 6 * * *`
        "#]],
    );
    check(
        "@noon",
        0,
        expect![[r#"
            `@noon` is not a known schedule
              known are `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly`
        "#]],
    );
    check(
        "0 0 30 2 *",
        0,
        expect![[r#"
            `0 0 30 2 *` never comes: no month that it names has such a day
              February has 28 or 29 days, April, June, September and November 30
        "#]],
    );
    check(
        "0 0 31 4,6,9,11 *",
        0,
        expect![[r#"
            `0 0 31 4,6,9,11 *` never comes: no month that it names has such a day
              February has 28 or 29 days, April, June, September and November 30
        "#]],
    );
}

#[test]
fn a_leap_day_on_one_weekday_is_found() {
    // Both day fields count, so this is due once in 28 years, and once in 40 around 2100.
    let expression = Expression::parse("0 0 29 2 */6").expect("an expression");
    let from = days(2096, 3, 1) * 1440;
    let found = expression.next(from, i64::MAX).expect("found");
    assert_eq!(show(found), "2116-02-29 00:00");
}
