//! Numbers within bounds.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use sluice_model::types::Bounds;
use sluice_model::value::Value;

/// Which numbers a type has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberKind {
    Int,
    Decimal,
    Float,
}

/// A type of numbers made ready to check values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    kind: NumberKind,
    bounds: Bounds,
    /// The least and the greatest integer, where that is all there is to check of one.
    integers: Option<(i64, i64)>,
}

/// What is wrong with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    Kind,
    Fraction,
    Min,
    Max,
    Multiple,
    Digits,
    Places,
}

impl Range {
    pub fn new(kind: NumberKind, bounds: Bounds) -> Self {
        let plain = bounds.multiple_of.is_none() && bounds.precision.is_none();
        let low = match bounds.min {
            None => Some(i64::MIN),
            Some(min) if min.fract().is_zero() && bounds.min_exclusive => {
                min.to_i64().and_then(|min| min.checked_add(1))
            }
            Some(min) => min.ceil().to_i64(),
        };
        let high = match bounds.max {
            None => Some(i64::MAX),
            Some(max) if max.fract().is_zero() && bounds.max_exclusive => {
                max.to_i64().and_then(|max| max.checked_sub(1))
            }
            Some(max) => max.floor().to_i64(),
        };
        Self {
            kind,
            bounds,
            integers: low.zip(high).filter(|_| plain),
        }
    }

    /// Returns the only number that is allowed, if there is just one.
    pub fn single(&self) -> Option<Decimal> {
        self.bounds.min.filter(|min| Some(*min) == self.bounds.max)
    }

    pub fn kind(&self) -> &'static str {
        match self.kind {
            NumberKind::Int => "an integer",
            NumberKind::Decimal | NumberKind::Float => "a number",
        }
    }

    /// Returns what is wrong with a value.
    #[inline]
    pub fn problem(&self, value: &Value<'_>) -> Option<Problem> {
        if let (Value::Int(int), Some((low, high))) = (value, self.integers) {
            return match *int {
                int if int < low => Some(Problem::Min),
                int if high < int => Some(Problem::Max),
                _ => None,
            };
        }
        self.slow_problem(value)
    }

    fn slow_problem(&self, value: &Value<'_>) -> Option<Problem> {
        if !value.is_number() {
            return Some(Problem::Kind);
        }
        match value.as_decimal() {
            Some(number) => self.decimal_problem(number),
            None => self.huge_problem(value),
        }
    }

    fn decimal_problem(&self, number: Decimal) -> Option<Problem> {
        let bounds = &self.bounds;
        if self.kind == NumberKind::Int && !number.fract().is_zero() {
            return Some(Problem::Fraction);
        }
        let below = |min| number < min || (bounds.min_exclusive && number == min);
        if bounds.min.is_some_and(below) {
            return Some(Problem::Min);
        }
        let above = |max| max < number || (bounds.max_exclusive && number == max);
        if bounds.max.is_some_and(above) {
            return Some(Problem::Max);
        }
        if let Some(step) = bounds.multiple_of.filter(|step| !step.is_zero()) {
            let rest = number.checked_rem(step);
            if rest.is_none_or(|rest| !rest.is_zero()) {
                return Some(Problem::Multiple);
            }
        }
        let normal = number.normalize();
        if bounds.scale.is_some_and(|scale| scale < normal.scale()) {
            return Some(Problem::Places);
        }
        if let Some(precision) = bounds.precision {
            // `NUMERIC(p,s)` leaves p - s digits before the point, however few come after it.
            let before = digits(normal.trunc().mantissa().unsigned_abs());
            if precision.saturating_sub(bounds.scale.unwrap_or(0)) < before {
                return Some(Problem::Digits);
            }
        }
        None
    }

    /// Numbers that no decimal holds: compared as doubles, which is exact enough that far out.
    fn huge_problem(&self, value: &Value<'_>) -> Option<Problem> {
        let float = value.as_f64().unwrap_or(f64::NAN);
        let whole = float.is_infinite() || float.fract() == 0.0;
        if self.kind == NumberKind::Int && !whole {
            return Some(Problem::Fraction);
        }
        let limit = |bound: Option<Decimal>| bound.and_then(|bound| bound.to_f64());
        if limit(self.bounds.min).is_some_and(|min| float < min) {
            return Some(Problem::Min);
        }
        if limit(self.bounds.max).is_some_and(|max| max < float) {
            return Some(Problem::Max);
        }
        if float.is_nan() || self.bounds.precision.is_some() {
            return Some(Problem::Digits);
        }
        None
    }
}

fn digits(mut number: u128) -> u32 {
    let mut digits = 0;
    while 0 < number {
        number /= 10;
        digits += 1;
    }
    digits
}

impl Problem {
    /// Returns the message for API callers.
    pub fn message(self, range: &Range) -> String {
        let bounds = &range.bounds;
        if !matches!(self, Problem::Kind)
            && let Some(single) = range.single()
        {
            return format!("must be {single}");
        }
        let shown = |number: Option<Decimal>| number.unwrap_or_default().normalize();
        match self {
            Problem::Kind | Problem::Fraction => format!("must be {}", range.kind()),
            Problem::Min if bounds.min_exclusive => {
                format!("must be more than {}", shown(bounds.min))
            }
            Problem::Min => format!("must be at least {}", shown(bounds.min)),
            Problem::Max if bounds.max_exclusive => {
                format!("must be less than {}", shown(bounds.max))
            }
            Problem::Max => format!("must be at most {}", shown(bounds.max)),
            Problem::Multiple => format!("must be a multiple of {}", shown(bounds.multiple_of)),
            Problem::Places => match bounds.scale.unwrap_or(0) {
                0 => "must have no digits after the point".to_owned(),
                1 => "must have at most 1 digit after the point".to_owned(),
                scale => format!("must have at most {scale} digits after the point"),
            },
            Problem::Digits => match bounds.precision {
                Some(precision) => {
                    let before = precision.saturating_sub(bounds.scale.unwrap_or(0));
                    format!("must have at most {before} digits before the point")
                }
                None => "must be a finite number".to_owned(),
            },
        }
    }
}
