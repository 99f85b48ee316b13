//! Formats of texts: RFC 3339 dates and times, UUIDs, addresses, names.
//!
//! Hand-written over bytes: they run on every message and allocate nothing.

use sluice_model::types::TextFormat;

/// Returns whether `text` has the format; formats that are not checked always do.
pub(crate) fn matches(format: &TextFormat, text: &str) -> bool {
    let bytes = text.as_bytes();
    match format {
        TextFormat::Date => is_date(bytes),
        TextFormat::Time => is_time(bytes),
        TextFormat::DateTime => is_date_time(bytes),
        TextFormat::Duration => is_duration(bytes),
        TextFormat::Uuid => is_uuid(bytes),
        TextFormat::Email => is_email(text),
        TextFormat::Uri => is_uri(text),
        TextFormat::Hostname => is_hostname(text),
        TextFormat::Ipv4 => text.parse::<std::net::Ipv4Addr>().is_ok(),
        TextFormat::Ipv6 => text.parse::<std::net::Ipv6Addr>().is_ok(),
        TextFormat::Base64 => is_base64(bytes),
        TextFormat::Other(_) => true,
    }
}

/// Returns what a text of the format is, for a message: "must be ...".
pub(crate) fn describe(format: &TextFormat) -> &'static str {
    match format {
        TextFormat::Date => "a date such as 2026-01-31",
        TextFormat::Time => "a time with its offset such as 13:45:00Z",
        TextFormat::DateTime => "a date and time with its offset such as 2026-01-31T13:45:00Z",
        TextFormat::Duration => "a duration such as PT5M",
        TextFormat::Uuid => "a UUID",
        TextFormat::Email => "an e-mail address",
        TextFormat::Uri => "a URI with its scheme",
        TextFormat::Hostname => "a host name",
        TextFormat::Ipv4 => "an IPv4 address",
        TextFormat::Ipv6 => "an IPv6 address",
        TextFormat::Base64 => "base 64",
        TextFormat::Other(_) => "of its format",
    }
}

/// Reads exactly `count` digits at the start.
fn digits(bytes: &[u8], count: usize) -> Option<(u32, &[u8])> {
    let (head, rest) = bytes.split_at_checked(count)?;
    let mut number = 0;
    for byte in head {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u32::from(byte - b'0');
    }
    Some((number, rest))
}

fn after(bytes: &[u8], byte: u8) -> Option<&[u8]> {
    let (first, rest) = bytes.split_first()?;
    (*first == byte).then_some(rest)
}

fn is_date(bytes: &[u8]) -> bool {
    date(bytes).is_some_and(<[u8]>::is_empty)
}

/// RFC 3339 `full-date`; returns what follows.
fn date(bytes: &[u8]) -> Option<&[u8]> {
    let (year, rest) = digits(bytes, 4)?;
    let (month, rest) = digits(after(rest, b'-')?, 2)?;
    let (day, rest) = digits(after(rest, b'-')?, 2)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    (1..=last).contains(&day).then_some(rest)
}

/// RFC 3339 `full-time`. A leap second is allowed at any minute's end: which ones had one is
/// nothing that a format knows.
fn is_time(bytes: &[u8]) -> bool {
    let parsed = || {
        let (hour, rest) = digits(bytes, 2)?;
        let (minute, rest) = digits(after(rest, b':')?, 2)?;
        let (second, mut rest) = digits(after(rest, b':')?, 2)?;
        if let Some(fraction) = after(rest, b'.') {
            let count = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            rest = fraction.get(count..).filter(|_| 0 < count)?;
        }
        let in_range = hour < 24 && minute < 60 && second <= 60;
        if matches!(rest, b"Z" | b"z") {
            return Some(in_range);
        }
        let (sign, rest) = rest.split_first()?;
        let (hours, rest) = digits(rest, 2)?;
        let (minutes, rest) = digits(after(rest, b':')?, 2)?;
        let offset = matches!(sign, b'+' | b'-') && hours < 24 && minutes < 60;
        Some(in_range && offset && rest.is_empty())
    };
    parsed().unwrap_or(false)
}

fn is_date_time(bytes: &[u8]) -> bool {
    let Some((separator, rest)) = date(bytes).and_then(<[u8]>::split_first) else {
        return false;
    };
    matches!(separator, b'T' | b't') && is_time(rest)
}

/// RFC 3339 appendix A: `P1Y2M3DT4H5M6S`, `P3W`; no fractions.
fn is_duration(bytes: &[u8]) -> bool {
    let Some(rest) = after(bytes, b'P') else {
        return false;
    };
    let (dates, times) = match rest.iter().position(|byte| *byte == b'T') {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let units = |mut part: &[u8], units: &[u8]| -> Option<usize> {
        let (mut next, mut found) = (0, 0);
        while !part.is_empty() {
            let count = part.iter().take_while(|b| b.is_ascii_digit()).count();
            let unit = part.get(count).filter(|_| 0 < count)?;
            next += 1 + units.get(next..)?.iter().position(|u| u == unit)?;
            part = &part[count + 1..];
            found += 1;
        }
        Some(found)
    };
    if times.is_none() && units(dates, b"W") == Some(1) {
        return true;
    }
    match (
        units(dates, b"YMD"),
        times.map(|times| units(times, b"HMS")),
    ) {
        (Some(dates), None) => 0 < dates,
        (Some(_), Some(Some(times))) => 0 < times,
        _ => false,
    }
}

fn is_uuid(bytes: &[u8]) -> bool {
    let hyphen = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match hyphen(at) {
            true => *byte == b'-',
            false => byte.is_ascii_hexdigit(),
        })
}

/// RFC 5321 mailbox: a dotted or quoted local part, and a domain or an address literal; letters
/// beyond ASCII are allowed (RFC 6531).
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let atom = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    let dotted = local
        .split('.')
        .all(|part| !part.is_empty() && part.bytes().all(|byte| atom(byte) || 127 < byte));
    let quoted = 2 < local.len() && local.starts_with('"') && local.ends_with('"') && {
        !local[1..local.len() - 1].contains(['"', '\n', '\r'])
    };
    let literal = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']'));
    let known = match literal {
        Some(address) => match address.strip_prefix("IPv6:") {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => address.parse::<std::net::Ipv4Addr>().is_ok(),
        },
        None => is_international_hostname(domain),
    };
    local.len() <= 64 && (dotted || quoted) && known
}

/// RFC 3986 URI: a scheme, and only characters that a URI may have. No relative reference.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let scheme_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let starts = scheme
        .as_bytes()
        .first()
        .is_some_and(u8::is_ascii_alphabetic);
    let bytes = rest.as_bytes();
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    let percent = |at: usize| {
        let pair = bytes.get(at + 1..at + 3);
        pair.is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
    };
    starts
        && scheme.bytes().all(scheme_byte)
        && bytes
            .iter()
            .enumerate()
            .all(|(at, byte)| allowed(*byte) && (*byte != b'%' || percent(at)))
        && rest.matches('#').count() < 2
}

/// RFC 1123 host name, a final dot aside.
fn is_hostname(text: &str) -> bool {
    text.is_ascii() && is_international_hostname(text)
}

fn is_international_hostname(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    text.len() <= 253
        && text.split('.').all(|label| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || 127 < byte;
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// RFC 4648 section 4, padded.
fn is_base64(bytes: &[u8]) -> bool {
    let padding = bytes.iter().rev().take_while(|byte| **byte == b'=').count();
    let data = &bytes[..bytes.len() - padding];
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    bytes.len().is_multiple_of(4) && padding < 3 && data.iter().all(letter)
}

#[cfg(test)]
mod tests {
    use sluice_model::types::TextFormat;

    fn check(name: &str, good: &[&str], bad: &[&str]) {
        let format = TextFormat::from_name(name);
        for text in good {
            assert!(super::matches(&format, text), "{name} {text}");
        }
        for text in bad {
            assert!(!super::matches(&format, text), "{name} {text}");
        }
    }

    #[test]
    fn dates_and_times() {
        check(
            "date",
            &["2024-02-29", "2026-12-31", "0000-01-01"],
            &[
                "2023-02-29",
                "2026-13-01",
                "2026-1-1",
                "2026-04-31",
                "",
                "2026-01-01T",
                "1900-02-29",
            ],
        );
        check(
            "time",
            &[
                "13:45:00Z",
                "23:59:60Z",
                "08:30:06.283185+05:30",
                "00:00:00z",
            ],
            &[
                "13:45:00",
                "24:00:00Z",
                "13:45Z",
                "13:45:00.Z",
                "13:45:00+0530",
                "13:45:00+24:00",
            ],
        );
        check(
            "date-time",
            &["2026-01-31T13:45:00Z", "2026-01-31t13:45:00.5-08:00"],
            &[
                "2026-01-31 13:45:00Z",
                "2026-01-31",
                "2026-01-31T13:45:00",
                "T",
            ],
        );
        check(
            "duration",
            &["PT5M", "P1Y2M3DT4H5M6S", "P3W", "P0D", "PT36H"],
            &["P", "PT", "5M", "P1S", "PT5", "P1Y2W", "P2M1Y", "PT0.5S"],
        );
    }

    #[test]
    fn names_and_addresses() {
        check(
            "uuid",
            &["123e4567-e89b-12d3-a456-426614174000"],
            &[
                "123e4567e89b12d3a456426614174000",
                "123e4567-e89b-12d3-a456-42661417400g",
                "",
            ],
        );
        check(
            "email",
            &[
                "a@b",
                "first.last+tag@example.com",
                "\"a b\"@example.com",
                "x@[127.0.0.1]",
                "ö@ü.de",
            ],
            &[
                "a",
                "@b",
                "a@",
                "a..b@c.de",
                ".a@b.de",
                "a@-b.de",
                "a b@c.de",
                "a@b@c@",
            ],
        );
        check(
            "uri",
            &[
                "https://a.b/c?d=e#f",
                "urn:isbn:1",
                "mailto:a@b.c",
                "http://[::1]/%20",
            ],
            &[
                "/a/b",
                "a b:c",
                "http://a b",
                "1a:b",
                "http://a/%2",
                "http://ä/",
            ],
        );
        check(
            "hostname",
            &["a.example.com", "localhost", "1.2.3.4", "a-b.c."],
            &["", "-a.b", "a_b", "a..b", "ä.de", &"a".repeat(64)],
        );
        check(
            "ipv4",
            &["127.0.0.1"],
            &["127.0.0", "256.0.0.1", "01.2.3.4"],
        );
        check(
            "ipv6",
            &["::1", "2001:db8::"],
            &["1.2.3.4", ":::", "12345::"],
        );
        check(
            "byte",
            &["", "TQ==", "TWFu", "a+/="],
            &["T", "TQ=", "T===", "TQ-_"],
        );
    }
}
