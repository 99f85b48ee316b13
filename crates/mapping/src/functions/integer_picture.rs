//! Integers by a picture: `$formatInteger` and `$parseInteger` (XPath functions 3.1, section 4.6).

use crate::eval::failure::{Failure, Outcome, failure};
use crate::eval::item::Item;
use crate::eval::numbers::push_double;

/// How an integer is written.
#[derive(Debug, Clone)]
pub(super) struct IntegerFormat {
    pub(super) primary: Primary,
    pub(super) case: Case,
    pub(super) ordinal: bool,
    /// The fewest digits.
    pub(super) mandatory: usize,
    /// Digits that are written if there are so many.
    pub(super) optional: usize,
    /// The digit zero of the family that is used.
    zero: char,
    pub(super) separators: Separators,
    /// The number of digits to read, where another number follows at once.
    pub(super) width: Option<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Primary {
    Decimal,
    Letters,
    Roman,
    Words,
    /// A numbering that nobody knows.
    Sequence(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Lower,
    Title,
}

/// Separators between digits, by the number of digits on their right.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Separators {
    /// The same one after each so many digits.
    Regular(usize, char),
    /// Those that the picture shows, from the right.
    Shown(Vec<(usize, char)>),
}

/// The zeros of Unicode's families of decimal digits.
const ZEROS: [u32; 37] = [
    0x30, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6,
    0x0D66, 0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80,
    0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0,
    0xFF10,
];

const FEW: [&str; 20] = [
    "Zero",
    "One",
    "Two",
    "Three",
    "Four",
    "Five",
    "Six",
    "Seven",
    "Eight",
    "Nine",
    "Ten",
    "Eleven",
    "Twelve",
    "Thirteen",
    "Fourteen",
    "Fifteen",
    "Sixteen",
    "Seventeen",
    "Eighteen",
    "Nineteen",
];
const ORDINALS: [&str; 20] = [
    "Zeroth",
    "First",
    "Second",
    "Third",
    "Fourth",
    "Fifth",
    "Sixth",
    "Seventh",
    "Eighth",
    "Ninth",
    "Tenth",
    "Eleventh",
    "Twelfth",
    "Thirteenth",
    "Fourteenth",
    "Fifteenth",
    "Sixteenth",
    "Seventeenth",
    "Eighteenth",
    "Nineteenth",
];
const TENS: [&str; 8] = [
    "Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety",
];
const MAGNITUDES: [&str; 4] = ["Thousand", "Million", "Billion", "Trillion"];

const ROMAN: [(f64, &str); 13] = [
    (1000.0, "m"),
    (900.0, "cm"),
    (500.0, "d"),
    (400.0, "cd"),
    (100.0, "c"),
    (90.0, "xc"),
    (50.0, "l"),
    (40.0, "xl"),
    (10.0, "x"),
    (9.0, "ix"),
    (5.0, "v"),
    (4.0, "iv"),
    (1.0, "i"),
];

/// The greatest number that is written in Roman numerals, with a hundred `M`.
const ROMAN_MAX: f64 = 100_000.0;

/// Reads a picture.
pub(super) fn analyse(picture: &str) -> Outcome<IntegerFormat> {
    let (primary, modifier) = picture.rsplit_once(';').unwrap_or((picture, ""));
    let mut format = IntegerFormat {
        primary: Primary::Decimal,
        case: Case::Lower,
        ordinal: modifier.starts_with('o'),
        mandatory: 0,
        optional: 0,
        zero: '0',
        separators: Separators::Shown(Vec::new()),
        width: None,
    };
    (format.primary, format.case) = match primary {
        "A" => (Primary::Letters, Case::Upper),
        "a" => (Primary::Letters, Case::Lower),
        "I" => (Primary::Roman, Case::Upper),
        "i" => (Primary::Roman, Case::Lower),
        "W" => (Primary::Words, Case::Upper),
        "Ww" => (Primary::Words, Case::Title),
        "w" => (Primary::Words, Case::Lower),
        _ => {
            analyse_digits(primary, &mut format)?;
            return Ok(format);
        }
    };
    Ok(format)
}

fn analyse_digits(picture: &str, format: &mut IntegerFormat) -> Outcome<()> {
    let mut zero = None;
    let mut position = 0;
    let mut shown = Vec::new();
    for char in picture.chars().rev() {
        let code = u32::from(char);
        if let Some(own) = ZEROS
            .into_iter()
            .find(|own| (*own..*own + 10).contains(&code))
        {
            format.mandatory += 1;
            position += 1;
            if *zero.get_or_insert(own) != own {
                let message = "the picture mixes digits of different families";
                return Err(failure("D3131", message));
            }
        } else if char == '#' {
            format.optional += 1;
            position += 1;
        } else {
            shown.push((position, char));
        }
    }
    let Some(zero) = zero else {
        format.primary = Primary::Sequence(picture.to_owned());
        return Ok(());
    };
    format.zero = char::from_u32(zero).unwrap_or('0');
    format.separators = match interval(&shown) {
        Some((every, char)) => Separators::Regular(every, char),
        None => Separators::Shown(shown),
    };
    Ok(())
}

/// Returns the interval of separators that are equal and evenly spaced.
fn interval(shown: &[(usize, char)]) -> Option<(usize, char)> {
    let (_, char) = *shown.first()?;
    if shown.iter().any(|(_, own)| *own != char) {
        return None;
    }
    let every = shown
        .iter()
        .map(|(position, _)| *position)
        .reduce(divisor)?;
    let even = (1..=shown.len()).all(|n| shown.iter().any(|(position, _)| *position == n * every));
    (every > 0 && even).then_some((every, char))
}

/// The greatest common divisor (Euclid).
pub(super) fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}

pub(super) fn unknown_sequence(token: &str) -> Failure {
    let message = format!("a numbering that begins with `{token}` is not supported");
    failure("D3130", message)
}

/// Formats an integer by a picture.
pub(super) fn format_integer(value: f64, picture: &str) -> Outcome<String> {
    format_by(value, &analyse(picture)?)
}

/// Formats an integer.
pub(super) fn format_by(value: f64, format: &IntegerFormat) -> Outcome<String> {
    let magnitude = value.abs();
    let cased = |text: String| match format.case {
        Case::Upper => text.to_uppercase(),
        Case::Lower => text.to_lowercase(),
        Case::Title => text,
    };
    let mut text = match &format.primary {
        Primary::Letters => cased(letters(magnitude)),
        Primary::Roman => cased(roman(magnitude)?),
        Primary::Words => cased(words(magnitude, format.ordinal)),
        Primary::Decimal => decimal(magnitude, format),
        Primary::Sequence(token) => return Err(unknown_sequence(token)),
    };
    if value < 0.0 {
        text.insert(0, '-');
    }
    Ok(text)
}

fn decimal(value: f64, format: &IntegerFormat) -> String {
    let mut digits = String::new();
    push_double(&mut digits, value);
    // The picture decides the width; what nobody could mean is cut off.
    let missing = format.mandatory.min(1000).saturating_sub(digits.len());
    digits.insert_str(0, &"0".repeat(missing));
    let zero = u32::from(format.zero);
    let mut chars: Vec<char> = digits
        .chars()
        .map(|char| match char.to_digit(10) {
            Some(digit) => char::from_u32(zero + digit).unwrap_or(char),
            None => char,
        })
        .collect();
    match &format.separators {
        Separators::Regular(every, separator) => {
            let mut at = chars.len();
            while at > *every {
                at -= every;
                chars.insert(at, *separator);
            }
        }
        Separators::Shown(shown) => {
            // From the left, so that the positions from the right stay what they are.
            for (position, separator) in shown.iter().rev() {
                let at = chars.len().saturating_sub(*position);
                chars.insert(at, *separator);
            }
        }
    }
    let mut text: String = chars.iter().collect();
    if format.ordinal {
        let last = chars.last().copied();
        let teen = chars.len() > 1 && chars[chars.len() - 2] == '1';
        text.push_str(match last {
            Some('1') if !teen => "st",
            Some('2') if !teen => "nd",
            Some('3') if !teen => "rd",
            _ => "th",
        });
    }
    text
}

fn letters(value: f64) -> String {
    let mut letters = Vec::new();
    let mut left = value;
    while left >= 1.0 {
        let letter = ((left - 1.0) % 26.0) as u8;
        letters.push(char::from(b'a' + letter));
        left = ((left - 1.0) / 26.0).floor();
    }
    letters.into_iter().rev().collect()
}

fn roman(value: f64) -> Outcome<String> {
    if value > ROMAN_MAX {
        let message = format!("Roman numerals go up to {ROMAN_MAX}, not {value}");
        return Err(failure("D1001", message));
    }
    let mut out = String::new();
    let mut left = value;
    for (numeral, text) in ROMAN {
        while left >= numeral {
            out.push_str(text);
            left -= numeral;
        }
    }
    Ok(out)
}

fn words(value: f64, ordinal: bool) -> String {
    let mut out = String::new();
    push_words(&mut out, value, false, ordinal);
    out
}

fn push_words(out: &mut String, value: f64, after: bool, ordinal: bool) {
    if value < 20.0 {
        out.push_str(if after { " and " } else { "" });
        let list = if ordinal { &ORDINALS } else { &FEW };
        out.push_str(list[value as usize]);
    } else if value < 100.0 {
        out.push_str(if after { " and " } else { "" });
        let (tens, rest) = ((value / 10.0) as usize, value % 10.0);
        out.push_str(TENS[tens - 2]);
        if rest > 0.0 {
            out.push('-');
            push_words(out, rest, false, ordinal);
        } else if ordinal {
            out.pop();
            out.push_str("ieth");
        }
    } else {
        out.push_str(if after { ", " } else { "" });
        let rest = if value < 1000.0 {
            out.push_str(FEW[(value / 100.0) as usize]);
            out.push_str(" Hundred");
            value % 100.0
        } else {
            let power = ((value.log10() / 3.0).floor() as usize).clamp(1, MAGNITUDES.len());
            let factor = 1000f64.powi(power as i32);
            let count = (value / factor).floor();
            push_words(out, count, false, false);
            out.push(' ');
            out.push_str(MAGNITUDES[power - 1]);
            value - count * factor
        };
        if rest > 0.0 {
            push_words(out, rest, true, ordinal);
        } else if ordinal {
            out.push_str("th");
        }
    }
}

/// Reads an integer by a picture; missing if it is none.
pub(super) fn parse_integer<'a>(text: &str, picture: &str) -> Outcome<Item<'a>> {
    let format = analyse(picture)?;
    Ok(parse_by(text, &format)?.map_or(Item::Missing, Item::number))
}

/// Reads an integer.
pub(super) fn parse_by(text: &str, format: &IntegerFormat) -> Outcome<Option<f64>> {
    Ok(match &format.primary {
        Primary::Letters => parse_letters(text),
        Primary::Roman => Some(parse_roman(text)),
        Primary::Words => parse_words(&text.to_lowercase()),
        Primary::Decimal => parse_decimal(text, format),
        Primary::Sequence(token) => return Err(unknown_sequence(token)),
    })
}

fn parse_letters(text: &str) -> Option<f64> {
    let mut value = 0.0;
    for byte in text.bytes() {
        if !byte.is_ascii_alphabetic() {
            return None;
        }
        value = value * 26.0 + f64::from(byte.to_ascii_lowercase() - b'a' + 1);
    }
    Some(value)
}

fn parse_roman(text: &str) -> f64 {
    let (mut value, mut greatest) = (0.0, 1.0);
    for char in text.chars().rev() {
        let digit = match char.to_ascii_uppercase() {
            'M' => 1000.0,
            'D' => 500.0,
            'C' => 100.0,
            'L' => 50.0,
            'X' => 10.0,
            'V' => 5.0,
            'I' => 1.0,
            _ => 0.0,
        };
        if digit < greatest {
            value -= digit;
        } else {
            greatest = digit;
            value += digit;
        }
    }
    value
}

/// Returns the number that a word says, cardinal or ordinal.
pub(super) fn word_value(word: &str) -> Option<f64> {
    let position = |list: &[&str]| list.iter().position(|own| own.eq_ignore_ascii_case(word));
    if let Some(index) = position(&FEW).or_else(|| position(&ORDINALS)) {
        return Some(index as f64);
    }
    for (index, tens) in TENS.iter().enumerate() {
        let stem = &tens[..tens.len() - 1];
        let rest = word.get(stem.len()..).unwrap_or("");
        let begins = word
            .get(..stem.len())
            .is_some_and(|own| own.eq_ignore_ascii_case(stem));
        if begins && matches!(rest, "y" | "ieth") {
            return Some((index as f64 + 2.0) * 10.0);
        }
    }
    if word == "hundred" || word == "hundredth" {
        return Some(100.0);
    }
    let stem = word.strip_suffix("th").unwrap_or(word);
    let magnitude = MAGNITUDES
        .iter()
        .position(|own| own.eq_ignore_ascii_case(stem))?;
    Some(1000f64.powi(magnitude as i32 + 1))
}

fn parse_words(text: &str) -> Option<f64> {
    let spaced = text
        .replace(", ", " ")
        .replace(" and ", " ")
        .replace('-', " ");
    let mut segments = vec![0.0];
    for word in spaced.split_whitespace() {
        let value = word_value(word)?;
        let top = segments.pop().unwrap_or(0.0);
        if value < 100.0 {
            if top >= 1000.0 {
                segments.push(top);
                segments.push(value);
            } else {
                segments.push(top + value);
            }
        } else {
            segments.push(top * value);
        }
    }
    Some(segments.iter().sum())
}

fn parse_decimal(text: &str, format: &IntegerFormat) -> Option<f64> {
    let text = if format.ordinal {
        text.get(..text.len().saturating_sub(2))?
    } else {
        text
    };
    let separator = |char: char| match &format.separators {
        Separators::Regular(_, own) => char == *own || char == ',',
        Separators::Shown(shown) => shown.iter().any(|(_, own)| *own == char),
    };
    let (mut value, mut digits, mut negative) = (0.0, 0, false);
    for char in text.chars().filter(|char| !separator(*char)) {
        let digit = u32::from(char).wrapping_sub(u32::from(format.zero));
        match char {
            '-' if digits == 0 => negative = true,
            _ if digit < 10 => {
                value = value * 10.0 + f64::from(digit);
                digits += 1;
            }
            _ => break,
        }
    }
    (digits > 0).then_some(if negative { -value } else { value })
}
