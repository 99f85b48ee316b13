//! Numbers by a picture: `$formatNumber` (XPath functions 3.1, section 4.7).

use sluice_model::value::{Key, Name};

use crate::eval::failure::{Failure, Outcome, failure};
use crate::eval::item::Item;
use crate::eval::numbers::round;
use crate::functions::integer_picture::divisor;

/// The characters that mean something in a picture, and those that are written.
struct Symbols {
    decimal: char,
    grouping: char,
    exponent: char,
    minus: String,
    percent: char,
    per_mille: char,
    zero: char,
    digit: char,
    pattern: char,
}

impl Symbols {
    /// Returns the symbols, where `options` has none the usual ones.
    fn of(options: &Item<'_>) -> Self {
        let text = |name: &str, usual: char| {
            let field = options.field(&Key::Name(Name::new(name)));
            field.as_str().map_or(usual.to_string(), str::to_owned)
        };
        let symbol = |name, usual| text(name, usual).chars().next().unwrap_or(usual);
        Self {
            decimal: symbol("decimal-separator", '.'),
            grouping: symbol("grouping-separator", ','),
            exponent: symbol("exponent-separator", 'e'),
            minus: text("minus-sign", '-'),
            percent: symbol("percent", '%'),
            per_mille: symbol("per-mille", '\u{2030}'),
            zero: symbol("zero-digit", '0'),
            digit: symbol("digit", '#'),
            pattern: symbol("pattern-separator", ';'),
        }
    }

    fn is_mandatory(&self, char: char) -> bool {
        let zero = u32::from(self.zero);
        (zero..zero.saturating_add(10)).contains(&u32::from(char))
    }

    fn is_digit(&self, char: char) -> bool {
        self.is_mandatory(char) || char == self.digit
    }

    fn is_active(&self, char: char) -> bool {
        self.is_digit(char)
            || [self.decimal, self.exponent, self.grouping, self.pattern].contains(&char)
    }

    fn begins(&self, char: char) -> bool {
        self.is_active(char) && char != self.exponent
    }
}

/// One half of a picture, taken apart.
struct Parts {
    whole: Vec<char>,
    prefix: String,
    suffix: String,
    active: Vec<char>,
    mantissa: Vec<char>,
    exponent: Option<Vec<char>>,
    integer: Vec<char>,
    fraction: Vec<char>,
}

fn position(chars: &[char], char: char) -> Option<usize> {
    chars.iter().position(|own| *own == char)
}

fn take_apart(picture: &str, symbols: &Symbols) -> Parts {
    let whole: Vec<char> = picture.chars().collect();
    let start = whole.iter().position(|char| symbols.begins(*char));
    let end = whole.iter().rposition(|char| symbols.begins(*char));
    let start = start.unwrap_or(0);
    let end = end.map_or(whole.len(), |last| last + 1);
    let active = whole[start..end].to_vec();
    let (mantissa, exponent) = match position(&active, symbols.exponent) {
        Some(at) => (active[..at].to_vec(), Some(active[at + 1..].to_vec())),
        None => (active.clone(), None),
    };
    let suffix: String = whole[end..].iter().collect();
    let (integer, fraction) = match position(&mantissa, symbols.decimal) {
        Some(at) => (mantissa[..at].to_vec(), mantissa[at + 1..].to_vec()),
        // As in the reference: without a decimal separator the suffix stands for the fraction.
        None => (mantissa.clone(), suffix.chars().collect()),
    };
    Parts {
        prefix: whole[..start].iter().collect(),
        suffix,
        active,
        mantissa,
        exponent,
        integer,
        fraction,
        whole,
    }
}

/// Returns the code of what is wrong with a picture. Of several the last counts, as in the
/// reference.
fn wrong(parts: &Parts, symbols: &Symbols) -> Option<&'static str> {
    let many = |char: char| parts.whole.iter().filter(|own| **own == char).count() > 1;
    let has = |char: char| parts.whole.contains(&char);
    let scaled = has(symbols.percent) || has(symbols.per_mille);
    let mandatory = |char: &char| symbols.is_mandatory(*char);
    let grouping_at =
        |at: Option<usize>| at.and_then(|at| parts.whole.get(at)) == Some(&symbols.grouping);
    let decimal = position(&parts.whole, symbols.decimal);
    let optional = position(&parts.integer, symbols.digit);
    let optional_fraction = parts
        .fraction
        .iter()
        .rposition(|char| *char == symbols.digit);
    let exponent = parts.exponent.as_deref();
    let checks = [
        (many(symbols.decimal), "D3081"),
        (many(symbols.percent), "D3082"),
        (many(symbols.per_mille), "D3083"),
        (has(symbols.percent) && has(symbols.per_mille), "D3084"),
        (
            !parts.mantissa.iter().any(|char| symbols.is_digit(*char)),
            "D3085",
        ),
        (
            !parts.active.iter().all(|char| symbols.is_active(*char)),
            "D3086",
        ),
        (
            decimal.is_some_and(|at| grouping_at(at.checked_sub(1)) || grouping_at(Some(at + 1))),
            "D3087",
        ),
        (
            decimal.is_none() && parts.integer.last() == Some(&symbols.grouping),
            "D3088",
        ),
        (
            parts
                .whole
                .windows(2)
                .any(|pair| pair == [symbols.grouping; 2]),
            "D3089",
        ),
        (
            optional.is_some_and(|at| parts.integer[..at].iter().any(mandatory)),
            "D3090",
        ),
        (
            optional_fraction.is_some_and(|at| parts.fraction[at..].iter().any(mandatory)),
            "D3091",
        ),
        (
            exponent.is_some_and(|digits| !digits.is_empty()) && scaled,
            "D3092",
        ),
        (
            exponent.is_some_and(|digits| digits.is_empty() || !digits.iter().all(mandatory)),
            "D3093",
        ),
    ];
    checks
        .into_iter()
        .rev()
        .find(|(wrong, _)| *wrong)
        .map(|(_, code)| code)
}

fn refused(code: &'static str) -> Failure {
    let what = match code {
        "D3080" => "has more than two parts",
        "D3081" => "has more than one decimal separator",
        "D3082" => "has more than one percent sign",
        "D3083" => "has more than one per-mille sign",
        "D3084" => "has both a percent and a per-mille sign",
        "D3085" => "has no digit",
        "D3086" => "has a character without meaning between its digits",
        "D3087" => "has a grouping separator beside the decimal separator",
        "D3088" => "has a grouping separator at the end of its integer part",
        "D3089" => "has two grouping separators in a row",
        "D3090" => "has an optional digit after a mandatory one in its integer part",
        "D3091" => "has a mandatory digit after an optional one in its fraction",
        "D3092" => "has an exponent and a percent or per-mille sign",
        _ => "has an exponent that is more than digits",
    };
    failure(code, format!("the picture {what}"))
}

/// What a picture asks for.
struct Format {
    grouping: Vec<usize>,
    regular: usize,
    integer_min: usize,
    scale: usize,
    fraction_grouping: Vec<usize>,
    fraction_min: usize,
    fraction_max: usize,
    exponent_min: usize,
    prefix: String,
    suffix: String,
    percent: bool,
    per_mille: bool,
    has_decimal: bool,
}

fn analyse(parts: &Parts, symbols: &Symbols) -> Format {
    let count = |chars: &[char], fits: &dyn Fn(char) -> bool| {
        chars.iter().filter(|char| fits(**char)).count()
    };
    let mandatory = |char: char| symbols.is_mandatory(char);
    let digit = |char: char| symbols.is_digit(char);
    let grouping: Vec<usize> = parts
        .integer
        .iter()
        .enumerate()
        .filter(|(_, char)| **char == symbols.grouping)
        .map(|(at, _)| count(&parts.integer[at..], &digit))
        .collect();
    let fraction_grouping = parts
        .fraction
        .iter()
        .enumerate()
        .filter(|(_, char)| **char == symbols.grouping)
        .map(|(at, _)| count(&parts.fraction[..at], &digit))
        .collect();
    let mut integer_min = count(&parts.integer, &mandatory);
    let scale = integer_min;
    let mut fraction_min = count(&parts.fraction, &mandatory);
    let mut fraction_max = count(&parts.fraction, &digit);
    let exponent = parts.exponent.as_deref();
    if integer_min == 0 && fraction_max == 0 {
        if exponent.is_some() {
            (fraction_min, fraction_max) = (1, 1);
        } else {
            integer_min = 1;
        }
    }
    if exponent.is_some() && integer_min == 0 && parts.integer.contains(&symbols.digit) {
        integer_min = 1;
    }
    if integer_min == 0 && fraction_min == 0 {
        fraction_min = 1;
    }
    Format {
        regular: regular(&grouping),
        grouping,
        integer_min,
        scale,
        fraction_grouping,
        fraction_min,
        fraction_max,
        exponent_min: exponent.map_or(0, |digits| count(digits, &mandatory)),
        prefix: parts.prefix.clone(),
        suffix: parts.suffix.clone(),
        percent: parts.whole.contains(&symbols.percent),
        per_mille: parts.whole.contains(&symbols.per_mille),
        has_decimal: parts.whole.contains(&symbols.decimal),
    }
}

/// Returns the interval of grouping separators that are evenly spaced; 0 if they are not.
fn regular(positions: &[usize]) -> usize {
    let Some(every) = positions.iter().copied().reduce(divisor) else {
        return 0;
    };
    let even = (1..=positions.len()).all(|n| positions.contains(&(n * every)));
    if even { every } else { 0 }
}

/// Formats a number by a picture.
pub(super) fn format_number(value: f64, picture: &str, options: &Item<'_>) -> Outcome<String> {
    let symbols = Symbols::of(options);
    let halves: Vec<&str> = picture.split(symbols.pattern).collect();
    if halves.len() > 2 {
        return Err(refused("D3080"));
    }
    let mut formats = Vec::with_capacity(2);
    for half in &halves {
        let parts = take_apart(half, &symbols);
        if let Some(code) = wrong(&parts, &symbols) {
            return Err(refused(code));
        }
        formats.push(analyse(&parts, &symbols));
    }
    let (format, minus) = match (value < 0.0, formats.as_slice()) {
        (true, [_, negative]) => (negative, ""),
        (true, [positive]) => (positive, symbols.minus.as_str()),
        (_, [positive, ..]) => (positive, ""),
        (_, []) => return Err(refused("D3085")),
    };
    let mut number = value;
    if format.percent {
        number *= 100.0;
    } else if format.per_mille {
        number *= 1000.0;
    }
    let (mantissa, exponent) = scaled(number, format);
    let digits = digits(mantissa, format, &symbols);
    let mut out = format!("{minus}{}{digits}", format.prefix);
    if let Some(exponent) = exponent {
        out.push(symbols.exponent);
        if exponent < 0 {
            out.push_str(&symbols.minus);
        }
        let width = format.exponent_min;
        let text = format!("{:0width$}", exponent.unsigned_abs());
        out.extend(text.chars().map(|char| in_family(char, symbols.zero)));
    }
    out.push_str(&format.suffix);
    Ok(out)
}

/// Returns the mantissa that the picture has room for, and the exponent.
fn scaled(number: f64, format: &Format) -> (f64, Option<i32>) {
    if format.exponent_min == 0 {
        return (number, None);
    }
    let most = 10f64.powi(format.scale.min(300) as i32);
    let least = most / 10.0;
    let (mut mantissa, mut exponent) = (number, 0);
    if mantissa != 0.0 {
        while mantissa.abs() < least {
            mantissa *= 10.0;
            exponent -= 1;
        }
        while mantissa.abs() > most {
            mantissa /= 10.0;
            exponent += 1;
        }
    }
    (mantissa, Some(exponent))
}

fn in_family(char: char, zero: char) -> char {
    match char.to_digit(10) {
        Some(digit) => char::from_u32(u32::from(zero) + digit).unwrap_or(char),
        None => char,
    }
}

/// Returns the digits of the mantissa, padded and grouped.
fn digits(mantissa: f64, format: &Format, symbols: &Symbols) -> String {
    // More digits than a double has are zeros.
    let fraction_max = format.fraction_max.min(400);
    let rounded = round(mantissa, fraction_max as i64).abs();
    let text = format!("{rounded:.fraction_max$}");
    let (integer, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let integer = integer.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let missing = format.integer_min.saturating_sub(integer.len());
    let padding = std::iter::repeat_n('0', missing);
    let mut integer: Vec<char> = padding.chain(integer.chars()).collect();
    let mut fraction: Vec<char> = fraction.chars().collect();
    while fraction.len() < format.fraction_min {
        fraction.push('0');
    }
    let family = |chars: &mut Vec<char>| {
        for char in chars {
            *char = in_family(*char, symbols.zero);
        }
    };
    family(&mut integer);
    family(&mut fraction);
    let length = integer.len();
    let positions: Vec<usize> = match length.saturating_sub(1).checked_div(format.regular) {
        Some(groups) => (1..=groups).map(|n| n * format.regular).collect(),
        None => format.grouping.iter().rev().copied().collect(),
    };
    for position in positions {
        if position < length || format.regular == 0 {
            integer.insert(length.saturating_sub(position), symbols.grouping);
        }
    }
    for (done, position) in format.fraction_grouping.iter().enumerate() {
        let at = position + done;
        if at < fraction.len() {
            fraction.insert(at, symbols.grouping);
        }
    }
    let mut out: String = integer.into_iter().collect();
    if format.has_decimal && !fraction.is_empty() {
        out.push(symbols.decimal);
    }
    out.extend(fraction);
    out
}
