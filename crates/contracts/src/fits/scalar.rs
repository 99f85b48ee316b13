//! Numbers, texts and bytes, and the bounds that both sides declare.

use rust_decimal::Decimal;
use sluice_model::finding::did_you_mean;
use sluice_model::types::{Bounds, Kind, ListType, TextFormat, TextType, Type};
use sluice_model::value::Value;

use super::{Check, MisfitKind, Pair};
use crate::format;
use crate::validate::Validator;

impl Check {
    pub(super) fn scalars(&mut self, pair: Pair<'_>) {
        match (&pair.from.kind, &pair.to.kind) {
            (Kind::Bool, Kind::Bool) | (Kind::Bytes, Kind::Bytes) => {}
            (Kind::Int(from), Kind::Int(to) | Kind::Decimal(to) | Kind::Float(to))
            | (Kind::Decimal(from), Kind::Decimal(to) | Kind::Float(to))
            | (Kind::Float(from), Kind::Float(to)) => self.bounds(pair, from, to),
            (Kind::Decimal(from), Kind::Int(to)) if is_whole(from) => self.bounds(pair, from, to),
            (Kind::Decimal(_), Kind::Int(_)) => {
                let text = format!("is {} where {} is wanted", pair.from, pair.to);
                let help = "round it by `$round(...)` or `$floor(...)`";
                self.add(pair, MisfitKind::Lossy, text, Some(help.to_owned()));
            }
            (Kind::Float(_), Kind::Int(_) | Kind::Decimal(_)) => {
                let text = format!("is a double where an exact {} is wanted", pair.to);
                let help = "round it by `$round(..., 2)`, which is exact";
                self.add(pair, MisfitKind::Lossy, text, Some(help.to_owned()));
            }
            (Kind::Text(from), Kind::Text(to)) => self.texts(pair, from, to),
            (Kind::Bytes, Kind::Text(text)) | (Kind::Text(text), Kind::Bytes)
                if text.format == Some(TextFormat::Base64) => {}
            _ => self.wrong_kind(pair),
        }
    }

    fn bounds(&mut self, pair: Pair<'_>, from: &Bounds, to: &Bounds) {
        let Some(text) = contradiction(from, to) else {
            return;
        };
        self.add(pair, MisfitKind::Bounds, text, None);
    }

    fn texts(&mut self, pair: Pair<'_>, from: &TextType, to: &TextType) {
        if let Some(values) = &from.values {
            // What is listed is known: it can be checked now.
            let wanted = Validator::new(&Type::new(pair.to.kind.clone()));
            for value in values.iter() {
                let details = wanted.validate_up_to(&Value::from(&**value), 1);
                if let Some(detail) = details.first() {
                    self.listed(pair, value, to, &detail.message);
                }
            }
            return;
        }
        if let (Some(a), Some(b)) = (&from.format, &to.format)
            && exclude(a, b)
        {
            let text = format!(
                "is {} where {} is wanted",
                format::describe(a),
                format::describe(b)
            );
            self.add(pair, MisfitKind::Format, text, None);
        }
        if let (Some(a), Some(b)) = (from.length_max, to.length_max)
            && b < a
        {
            let text = format!("may have {a} characters where at most {b} are allowed");
            let help = format!("shorten it by `$substring(..., 0, {b})`");
            self.add(pair, MisfitKind::Bounds, text, Some(help));
        }
        if let (Some(a), Some(b)) = (from.length_min, to.length_min)
            && a < b
        {
            let text = format!("may have {a} characters where at least {b} are wanted");
            self.add(pair, MisfitKind::Bounds, text, None);
        }
        let apart =
            |max: Option<u64>, min: Option<u64>| max.zip(min).filter(|(max, min)| max < min);
        if let Some((a, b)) = apart(from.length_max, to.length_min) {
            let text = format!("has at most {a} characters where at least {b} are wanted");
            self.add(pair, MisfitKind::Bounds, text, None);
        }
        if let Some((b, a)) = apart(to.length_max, from.length_min) {
            let text = format!("has at least {a} characters where at most {b} are allowed");
            self.add(pair, MisfitKind::Bounds, text, None);
        }
    }

    fn listed(&mut self, pair: Pair<'_>, value: &str, to: &TextType, why: &str) {
        let Some(wanted) = &to.values else {
            let kind = if to.format.is_some() {
                MisfitKind::Format
            } else {
                MisfitKind::Bounds
            };
            let text = format!("is `{value}`, which {why}");
            return self.add(pair, kind, text, None);
        };
        let help = match did_you_mean(value, wanted.iter().map(|value| &**value)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let values: Vec<&str> = wanted.iter().take(12).map(|value| &**value).collect();
                format!("the values there are `{}`", values.join("`, `"))
            }
        };
        let text = format!("may be `{value}`, which is not among the values that are allowed");
        self.add(pair, MisfitKind::NotListed, text, Some(help));
    }

    pub(super) fn lengths(&mut self, pair: Pair<'_>, from: &ListType, to: &ListType) {
        let declared = |min: u64| Some(min).filter(|min| 0 < *min);
        if let (Some(a), Some(b)) = (from.length_max, to.length_max)
            && b < a
        {
            let text = format!("may have {a} items where at most {b} are allowed");
            self.add(pair, MisfitKind::Bounds, text, None);
        }
        if let (Some(a), Some(b)) = (declared(from.length_min), declared(to.length_min))
            && a < b
        {
            let text = format!("may have {a} items where at least {b} are wanted");
            self.add(pair, MisfitKind::Bounds, text, None);
        }
        if let Some(a) = from.length_max.filter(|max| *max < to.length_min) {
            let text = format!(
                "has at most {a} items where at least {} are wanted",
                to.length_min
            );
            self.add(pair, MisfitKind::Bounds, text, None);
        }
    }
}

/// Returns whether a decimal type has whole numbers only.
fn is_whole(bounds: &Bounds) -> bool {
    let step = bounds
        .multiple_of
        .is_some_and(|step| step.fract().is_zero() && !step.is_zero());
    let single = bounds.min.filter(|min| Some(*min) == bounds.max);
    bounds.scale == Some(0) || step || single.is_some_and(|number| number.fract().is_zero())
}

/// Returns what contradicts between the bounds that both sides declare.
fn contradiction(from: &Bounds, to: &Bounds) -> Option<String> {
    let from = &declared(from);
    let (low, high) = (from.min, from.max);
    // A single known number is checked against everything.
    let known = low.is_some() && low == high;
    if let (Some(a), Some(b)) = (high, to.max) {
        if b < a && known {
            return Some(format!("is {} where at most {} is allowed", a, b));
        }
        if b < a {
            return Some(format!("may be {a} where at most {b} is allowed"));
        }
        if a == b && to.max_exclusive && !from.max_exclusive {
            return Some(format!("may be {a} where less is wanted"));
        }
    }
    if let (Some(a), Some(b)) = (low, to.min) {
        if a < b && known {
            return Some(format!("is {a} where at least {b} is wanted"));
        }
        if a < b {
            return Some(format!("may be {a} where at least {b} is wanted"));
        }
        if a == b && to.min_exclusive && !from.min_exclusive {
            return Some(format!("may be {a} where more is wanted"));
        }
    }
    if let (Some(a), Some(b)) = (low, to.max)
        && b < a
    {
        return Some(format!("is at least {a} where at most {b} is allowed"));
    }
    if let (Some(a), Some(b)) = (high, to.min)
        && a < b
    {
        return Some(format!("is at most {a} where at least {b} is wanted"));
    }
    if let (Some(a), Some(b)) = (from.scale, to.scale)
        && b < a
    {
        return Some(format!(
            "may have {a} digits after the point where {b} are kept"
        ));
    }
    let before = |bounds: &Bounds| {
        let precision = bounds.precision?;
        Some(precision.saturating_sub(bounds.scale.unwrap_or(0)))
    };
    if let (Some(a), Some(b)) = (before(from), before(to))
        && b < a
    {
        return Some(format!(
            "may have {a} digits before the point where {b} fit"
        ));
    }
    let (a, b) = (from.multiple_of?, to.multiple_of?);
    let rest = a.checked_rem(b)?;
    (!rest.is_zero()).then(|| format!("is a multiple of {a} where a multiple of {b} is wanted"))
}

/// The bounds without those that only say how wide the machine's integers are.
fn declared(bounds: &Bounds) -> Bounds {
    let width = |bound: Decimal, limits: [i64; 3]| limits.into_iter().any(|l| bound == l.into());
    let least = [i64::MIN, i64::from(i32::MIN), i64::from(i16::MIN)];
    let most = [i64::MAX, i64::from(i32::MAX), i64::from(i16::MAX)];
    Bounds {
        min: bounds.min.filter(|min| !width(*min, least)),
        max: bounds.max.filter(|max| !width(*max, most)),
        ..*bounds
    }
}

/// Returns whether no text has both formats.
fn exclude(a: &TextFormat, b: &TextFormat) -> bool {
    let strict = |format: &TextFormat| {
        matches!(
            format,
            TextFormat::Date
                | TextFormat::Time
                | TextFormat::DateTime
                | TextFormat::Duration
                | TextFormat::Uuid
                | TextFormat::Email
                | TextFormat::Ipv4
                | TextFormat::Ipv6
        )
    };
    a != b && strict(a) && strict(b)
}
