//! Texts: listed ones, drawn from a pattern, of a format, or words.

use sluice_model::types::TextFormat;

use super::Random;
use crate::validate::TextCheck;

/// Words that texts are made of.
const WORDS: [&str; 24] = [
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbor", "indigo", "juniper",
    "kelp", "linden", "maple", "nectar", "olive", "pine", "quartz", "river", "slate", "thistle",
    "umber", "velvet", "willow", "zephyr",
];
/// How far open repetitions of a pattern go, one after the other.
const REACHES: [u32; 9] = [0, 1, 2, 4, 8, 16, 32, 64, 200];
/// How many texts are drawn for each reach.
const DRAWS: usize = 12;
/// The longest text that a minimum length may ask for.
const LENGTH_MAX: u64 = 1 << 20;

/// Draws a text that `fits`, if one is found.
pub(super) fn draw(check: &TextCheck, random: &mut Random, fits: &dyn Fn(&str) -> bool) -> String {
    if let Some(values) = &check.values {
        return listed(values, random, fits);
    }
    let mut last = String::new();
    if let Some(pattern) = &check.pattern {
        for reach in REACHES {
            for _ in 0..DRAWS {
                last = pattern.draw(random, reach);
                if fits(&last) {
                    return last;
                }
                // A match anywhere counts, so that what is too short may be filled up.
                let filled = sized(&last, check, random);
                if fits(&filled) {
                    return filled;
                }
            }
        }
        return last;
    }
    if let Some(format) = &check.format {
        for _ in 0..DRAWS {
            last = of_format(format, check, random);
            if fits(&last) {
                return last;
            }
        }
        return last;
    }
    let words = format!("{} {}", word(random), word(random));
    sized(&words, check, random)
}

fn listed(values: &[Box<str>], random: &mut Random, fits: &dyn Fn(&str) -> bool) -> String {
    let first = random.below(values.len() as u64) as usize;
    let order = (0..values.len()).map(|i| &values[(first + i) % values.len()]);
    let mut fitting = order.clone().filter(|value| fits(value));
    fitting
        .next()
        .or(order.clone().next())
        .map_or_else(String::new, |value| value.to_string())
}

fn word(random: &mut Random) -> &'static str {
    WORDS[random.below(WORDS.len() as u64) as usize]
}

/// Cuts or fills a text to the lengths that are asked for.
fn sized(text: &str, check: &TextCheck, random: &mut Random) -> String {
    let most = check.length_max.unwrap_or(u64::MAX);
    let mut sized: String = text
        .chars()
        .take(usize::try_from(most).unwrap_or(usize::MAX))
        .collect();
    let mut length = sized.chars().count() as u64;
    while length < check.length_min.min(LENGTH_MAX) {
        sized.push(random.letter());
        length += 1;
    }
    sized
}

fn of_format(format: &TextFormat, check: &TextCheck, random: &mut Random) -> String {
    let mut pair = |low: u64, high: u64| format!("{:02}", random.between(low, high));
    let day = |pair: &mut dyn FnMut(u64, u64) -> String| {
        format!("20{}-{}-{}", pair(24, 27), pair(1, 12), pair(1, 28))
    };
    match format {
        TextFormat::Date => day(&mut pair),
        TextFormat::Time => format!("{}:{}:{}Z", pair(0, 23), pair(0, 59), pair(0, 59)),
        TextFormat::DateTime => {
            let day = day(&mut pair);
            format!("{day}T{}:{}:{}Z", pair(0, 23), pair(0, 59), pair(0, 59))
        }
        TextFormat::Duration => format!("PT{}M", random.between(1, 59)),
        TextFormat::Uuid => uuid(random),
        TextFormat::Email => format!("{}@example.com", filler(check, 12, word(random), random)),
        TextFormat::Uri => {
            format!(
                "https://example.com/{}",
                filler(check, 20, word(random), random)
            )
        }
        TextFormat::Hostname => format!("{}.example.com", word(random)),
        TextFormat::Ipv4 => format!("192.0.2.{}", random.between(1, 254)),
        TextFormat::Ipv6 => format!("2001:db8::{:x}", random.between(1, 0xffff)),
        TextFormat::Base64 => base64(check, random),
        TextFormat::Other(_) => sized(word(random), check, random),
    }
}

/// A part that makes a text with `other` further characters long enough.
fn filler(check: &TextCheck, other: u64, word: &str, random: &mut Random) -> String {
    let mut part = word.to_owned();
    while (part.len() as u64) < check.length_min.min(LENGTH_MAX).saturating_sub(other) {
        part.push(random.letter());
    }
    let room = check.length_max.map(|max| max.saturating_sub(other).max(1));
    part.truncate(usize::try_from(room.unwrap_or(u64::MAX)).unwrap_or(usize::MAX));
    part
}

/// A UUID of version 4 (RFC 4122 section 4.4).
fn uuid(random: &mut Random) -> String {
    let (high, low) = (random.next(), random.next());
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

fn base64(check: &TextCheck, random: &mut Random) -> String {
    let least = check.length_min.clamp(4, LENGTH_MAX).div_ceil(4) * 4;
    let most = check.length_max.unwrap_or(u64::MAX) / 4 * 4;
    (0..least.max(8).min(most.max(least.min(most))))
        .map(|_| random.letter())
        .collect()
}
