//! Numbers as the reference writes and reads them: ECMAScript's `Number` as text.

use rust_decimal::Decimal;

/// Appends a double as ECMAScript writes it (`Number::toString`, ECMA-262 section 6.1.6.1.20).
pub(crate) fn push_double(out: &mut String, float: f64) {
    use std::fmt::Write;
    if float == 0.0 {
        out.push('0');
        return;
    }
    if !float.is_finite() {
        out.push_str(if float.is_nan() {
            "NaN"
        } else if float > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        });
        return;
    }
    let magnitude = float.abs();
    if (1e-6..1e21).contains(&magnitude) {
        // Writing to a string cannot fail.
        let _ = write!(out, "{float}");
        return;
    }
    let start = out.len();
    let _ = write!(out, "{float:e}");
    // Rust writes `1e21`, ECMAScript `1e+21`.
    if let Some(at) = out[start..].find('e')
        && !out[start + at + 1..].starts_with('-')
    {
        out.insert(start + at + 1, '+');
    }
}

/// Returns the double with 15 significant digits, which `$string` writes: enough to hide the dust
/// of binary arithmetic.
pub(crate) fn rounded_to_15_digits(float: f64) -> f64 {
    if float.fract() == 0.0 || !float.is_finite() {
        return float;
    }
    // Most numbers are the nearest to one of six digits after the point, 14 in all: those stay.
    let scaled = (float * 1e6).round();
    if scaled.abs() < 1e14 && scaled / 1e6 == float {
        return float;
    }
    format!("{float:.14e}").parse().unwrap_or(float)
}

/// Appends a decimal without trailing zeros.
pub(crate) fn push_decimal(out: &mut String, decimal: Decimal) {
    use std::fmt::Write;
    let _ = write!(out, "{}", decimal.normalize());
}

/// Rounds to `digits` after the point, halves to the even neighbour, as `$round` does: on the
/// decimal digits that the double is written with.
pub(crate) fn round(float: f64, digits: i64) -> f64 {
    if !float.is_finite() {
        return float;
    }
    let digits = digits.clamp(-400, 400);
    if (-22..=22).contains(&digits)
        && let Some(rounded) = round_fast(float, digits as i32)
    {
        return rounded;
    }
    let shifted = shift(float, digits);
    if !shifted.is_finite() {
        // It has no digits that far behind the point.
        return float;
    }
    shift(round_half_even(shifted), -digits)
}

/// Rounds where no doubt is possible: far enough from a half, and within exact powers of ten.
fn round_fast(float: f64, digits: i32) -> Option<f64> {
    let power = 10f64.powi(digits.abs());
    let scaled = if digits >= 0 {
        float * power
    } else {
        float / power
    };
    if scaled.abs() > 1e15 {
        return None;
    }
    let whole = scaled.floor();
    let fraction = scaled - whole;
    // The product is off by half a unit in its last place at most; a half that is nearer than
    // that needs the digits.
    if (fraction - 0.5).abs() < 1e-4 {
        return None;
    }
    let rounded = if fraction < 0.5 { whole } else { whole + 1.0 };
    let result = if digits >= 0 {
        rounded / power
    } else {
        rounded * power
    };
    Some(if result == 0.0 { 0.0 } else { result })
}

/// Moves the decimal point in the shortest text of a double.
fn shift(float: f64, digits: i64) -> f64 {
    let text = format!("{float:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return float;
    };
    let exponent = exponent.parse::<i64>().unwrap_or(0) + digits;
    format!("{mantissa}e{exponent}").parse().unwrap_or(float)
}

fn round_half_even(float: f64) -> f64 {
    let rounded = float.round_ties_even();
    if rounded == 0.0 { 0.0 } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::{push_double, round, rounded_to_15_digits};

    fn text(float: f64) -> String {
        let mut out = String::new();
        push_double(&mut out, float);
        out
    }

    #[test]
    fn doubles_are_written_as_ecmascript_does() {
        assert_eq!(text(1e21), "1e+21");
        assert_eq!(text(1.5e300), "1.5e+300");
        assert_eq!(text(1e-7), "1e-7");
        assert_eq!(text(0.000001), "0.000001");
        assert_eq!(text(123456789012345680000.0), "123456789012345680000");
        assert_eq!(text(-0.0), "0");
        assert_eq!(text(-0.1), "-0.1");
    }

    #[test]
    fn fifteen_digits_hide_the_dust() {
        assert_eq!(rounded_to_15_digits(0.1 + 0.2), 0.3);
        assert_eq!(rounded_to_15_digits(22.2 * 100.0), 2220.0);
        assert_eq!(rounded_to_15_digits(1.0 / 3.0), 0.333333333333333);
        assert_eq!(rounded_to_15_digits(299.8), 299.8);
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        for (float, digits, expected) in [
            (4.5, 0, 4.0),
            (5.5, 0, 6.0),
            (-4.5, 0, -4.0),
            (-0.5, 0, 0.0),
            (1.005, 2, 1.0),
            (1.015, 2, 1.02),
            (2.675, 2, 2.68),
            (4.515, 2, 4.52),
            (125.0, -1, 120.0),
            (12345.6789, 2, 12345.68),
            (1e300, 2, 1e300),
            (0.1, 400, 0.1),
        ] {
            assert_eq!(round(float, digits), expected, "{float} {digits}");
        }
    }
}
