//! Numbers within bounds: small and readable where the bounds allow.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use sluice_model::types::{Bounds, Kind};
use sluice_model::value::Value;

use super::{Random, numeric};

/// The most places after the point that a step goes down to, where the bounds are that close.
const PLACES_MAX: u32 = 20;

/// Draws a number of a type of numbers.
pub(super) fn draw(kind: &Kind, random: &mut Random) -> Value<'static> {
    let Some((bounds, step)) = numeric(kind) else {
        return Value::Null;
    };
    let whole = matches!(kind, Kind::Int(_));
    let number = drawn(&bounds, step, whole, random);
    match kind {
        Kind::Int(_) => match number.to_i64() {
            Some(int) => Value::Int(int),
            None => Value::Decimal(number.trunc()),
        },
        Kind::Float(_) => Value::Float(number.to_f64().unwrap_or(0.0)),
        _ => Value::Decimal(number),
    }
}

fn drawn(bounds: &Bounds, step: Decimal, whole: bool, random: &mut Random) -> Decimal {
    if let (Some(min), Some(max)) = (bounds.min, bounds.max)
        && min == max
    {
        return min;
    }
    let step = match bounds.multiple_of.filter(|multiple| !multiple.is_zero()) {
        // A whole number that is a multiple of 0.25 is one of 25, which is enough.
        Some(multiple) if whole && !multiple.fract().is_zero() => {
            Decimal::from_i128_with_scale(multiple.mantissa(), 0)
        }
        Some(multiple) => multiple,
        None => step,
    };
    let mut step = step;
    loop {
        if let Some(number) = on_grid(bounds, step, random) {
            return number;
        }
        // The bounds lie closer than the step.
        let finer = step
            .checked_div(Decimal::TEN)
            .filter(|finer| finer.scale() < PLACES_MAX);
        match finer.filter(|_| !whole && bounds.multiple_of.is_none()) {
            Some(finer) => step = finer,
            None => return bounds.min.or(bounds.max).unwrap_or_default(),
        }
    }
}

/// Draws a multiple of `step` within the bounds; `None` if there is none.
fn on_grid(bounds: &Bounds, step: Decimal, random: &mut Random) -> Option<Decimal> {
    let mut low = bounds.min;
    let mut high = bounds.max;
    if let Some(precision) = bounds.precision {
        let before = precision.saturating_sub(bounds.scale.unwrap_or(0)).min(27);
        let limit = Decimal::from_i128_with_scale(10i128.pow(before), 0) - step.min(Decimal::ONE);
        high = Some(high.map_or(limit, |high| high.min(limit)));
        low = Some(low.map_or(-limit, |low| low.max(-limit)));
    }
    let first = low.and_then(|low| {
        let at = low.checked_div(step)?.ceil();
        let on = bounds.min_exclusive && at.checked_mul(step)? == low;
        Some(if on { at + Decimal::ONE } else { at })
    });
    let last = high.and_then(|high| {
        let at = high.checked_div(step)?.floor();
        let on = bounds.max_exclusive && at.checked_mul(step)? == high;
        Some(if on { at - Decimal::ONE } else { at })
    });
    // 1 to 1000 where the bounds leave room for it, else a thousand steps from a bound on.
    let unit = Decimal::ONE.checked_div(step)?.ceil().max(Decimal::ONE);
    let (friendly, wide) = (unit, Decimal::from(1_000).checked_mul(unit)?);
    let (mut low, mut high) = match (first, last) {
        (Some(first), Some(last)) => (first, last),
        (Some(first), None) => (first, first.max(friendly).checked_add(wide)?),
        (None, Some(last)) => (last.min(friendly).checked_sub(wide)?, last),
        (None, None) => (friendly, wide),
    };
    if low <= friendly && friendly <= high {
        low = friendly;
        high = high.min(wide.max(friendly));
    }
    let width = high
        .checked_sub(low)?
        .to_i128()
        .filter(|width| 0 <= *width)?;
    let offset = random.below(
        u64::try_from(width)
            .unwrap_or(u64::MAX)
            .saturating_add(1)
            .max(1),
    );
    low.checked_add(Decimal::from(offset))?.checked_mul(step)
}
