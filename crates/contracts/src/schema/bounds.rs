//! Numbers and texts: bounds, lengths, formats, patterns.

use std::sync::Arc;

use rust_decimal::Decimal;
use sluice_model::codes;
use sluice_model::finding::Finding;
use sluice_model::types::{Bounds, Kind, TextFormat, TextType};
use sluice_model::value::Value;
use sluice_syntax::tree::Entry;

use crate::intersect::is_empty;
use crate::pattern::{Pattern, PatternError};
use crate::schema::keywords::Keywords;
use crate::schema::lower::{Lowering, is_true};

impl<'d> Lowering<'d> {
    /// Reads `type: number`, or `integer` where `whole` says so.
    pub fn number(&mut self, keywords: &Keywords<'d>, whole: Whole) -> Kind {
        let mut bounds = self.number_bounds(keywords);
        let format = keywords.format.and_then(|entry| entry.value.as_scalar());
        let kind = match (whole, format.map(|format| &*format.text)) {
            (Whole::Yes | Whole::No, Some(format @ ("int32" | "int64"))) => {
                within(&mut bounds, format);
                Kind::Int
            }
            (Whole::Yes, _) => Kind::Int,
            (Whole::No, Some("double" | "float")) => Kind::Float,
            (Whole::No, _) => Kind::Decimal,
        };
        kind(bounds)
    }

    fn number_bounds(&mut self, keywords: &Keywords<'d>) -> Bounds {
        let mut bounds = Bounds {
            min: keywords.minimum.and_then(|entry| self.decimal(entry)),
            max: keywords.maximum.and_then(|entry| self.decimal(entry)),
            multiple_of: keywords.multiple_of.and_then(|entry| self.decimal(entry)),
            ..Bounds::default()
        };
        if let Some(entry) = keywords.minimum_exclusive {
            match flag(entry) {
                Some(exclusive) => bounds.min_exclusive = exclusive && bounds.min.is_some(),
                None => {
                    let min = self.decimal(entry);
                    if bounds.min <= min {
                        (bounds.min, bounds.min_exclusive) = (min, min.is_some());
                    }
                }
            }
        }
        if let Some(entry) = keywords.maximum_exclusive {
            match flag(entry) {
                Some(exclusive) => bounds.max_exclusive = exclusive && bounds.max.is_some(),
                None => {
                    let max = self.decimal(entry);
                    if bounds.max.is_none() || (max.is_some() && max <= bounds.max) {
                        (bounds.max, bounds.max_exclusive) = (max, max.is_some());
                    }
                }
            }
        }
        if bounds.multiple_of.is_some_and(|step| step <= Decimal::ZERO) {
            bounds.multiple_of = None;
            if let Some(entry) = keywords.multiple_of {
                let help = "write a number above zero, or remove the keyword";
                self.bad(
                    entry.value.span,
                    "`multipleOf` is a number above zero",
                    help,
                );
            }
        }
        if is_empty(&bounds) {
            let low = keywords.minimum_exclusive.filter(|e| flag(e).is_none());
            let high = keywords.maximum_exclusive.filter(|e| flag(e).is_none());
            self.crossed(keywords.minimum.or(low), keywords.maximum.or(high));
            return Bounds::default();
        }
        bounds
    }

    /// Reports a lower bound above the upper one.
    fn crossed(&mut self, min: Option<&'d Entry>, max: Option<&'d Entry>) {
        let (Some(min), Some(max)) = (min, max) else {
            return;
        };
        let text = format!("`{}` is above `{}`", min.key.text, max.key.text);
        self.report(
            Finding::error(codes::CONTRADICTION, min.value.span, text)
                .with_label("no value is within both")
                .with_place(max.value.span, "the upper bound")
                .with_help("swap or mend the bounds"),
        );
    }

    fn decimal(&mut self, entry: &'d Entry) -> Option<Decimal> {
        let value = entry.value.to_value();
        if !value.is_number() {
            let text = format!("`{}` is a number, not a {}", entry.key.text, value.kind());
            self.bad(entry.value.span, text, "write a number, without quotes");
            return None;
        }
        // A bound beyond 28 digits (the greatest double, say) bounds nothing that is computed.
        value.as_decimal()
    }

    /// Reads a count: `minLength`, `maxItems` and such.
    pub fn count(&mut self, entry: Option<&'d Entry>) -> Option<u64> {
        let entry = entry?;
        let value = entry.value.to_value();
        let count = value.as_i64().and_then(|int| u64::try_from(int).ok());
        if count.is_none() {
            let text = format!("`{}` is a whole number from 0 on", entry.key.text);
            self.bad(entry.value.span, text, "write the count without quotes");
        }
        count
    }

    /// Reads a lower and an upper count.
    pub fn counts(&mut self, min: Option<&'d Entry>, max: Option<&'d Entry>) -> Counts {
        let counts = Counts {
            min: self.count(min),
            max: self.count(max),
        };
        if counts.max.is_some_and(|max| Some(max) < counts.min) {
            self.crossed(min, max);
            return Counts::default();
        }
        counts
    }

    /// Reads `type: string`.
    pub fn text(&mut self, keywords: &Keywords<'d>) -> Kind {
        let format = keywords.format.and_then(|entry| entry.value.as_scalar());
        let encoding = keywords.encoding.and_then(|entry| entry.value.as_scalar());
        if format.is_some_and(|format| &*format.text == "binary") {
            return Kind::Bytes;
        }
        let counts = self.counts(keywords.length_min, keywords.length_max);
        let base64 = encoding.is_some_and(|encoding| &*encoding.text == "base64");
        Kind::Text(TextType {
            format: match format {
                Some(format) => Some(TextFormat::from_name(&format.text)),
                None => base64.then_some(TextFormat::Base64),
            },
            values: None,
            length_min: counts.min.filter(|min| *min != 0),
            length_max: counts.max,
            pattern: keywords.pattern.and_then(|entry| self.pattern(entry)),
        })
    }

    fn pattern(&mut self, entry: &'d Entry) -> Option<Arc<str>> {
        let Some(scalar) = entry.value.as_scalar() else {
            let help = "write the regular expression as a text";
            self.bad(entry.value.span, "`pattern` is a text", help);
            return None;
        };
        match Pattern::parse(&scalar.text) {
            Ok(_) => Some(Arc::clone(&scalar.text)),
            Err(PatternError::Unsupported(what)) => {
                let text = format!("the pattern uses {what} and is not checked");
                self.report(
                    Finding::info(codes::UNSUPPORTED_CONTRACT, entry.value.span, text)
                        .with_note("patterns are matched in linear time, which rules this out"),
                );
                Some(Arc::clone(&scalar.text))
            }
            Err(PatternError::Invalid(why)) => {
                let text = format!("the pattern is no regular expression: {why}");
                let help = "mend the pattern; its syntax is that of ECMA-262";
                self.bad(entry.value.span, text, help);
                None
            }
        }
    }

    /// Returns whether the items of a list differ.
    pub fn unique(&self, keywords: &Keywords<'d>) -> bool {
        keywords.items_unique.is_some_and(is_true)
    }
}

/// Whether numbers have no fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    Yes,
    No,
}

/// A lower and an upper count.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub min: Option<u64>,
    pub max: Option<u64>,
}

/// Narrows bounds to those of a format.
fn within(bounds: &mut Bounds, format: &str) {
    let (low, high) = match format {
        "int32" => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let (low, high) = (Decimal::from(low), Decimal::from(high));
    if bounds.min.is_none_or(|min| min < low) {
        (bounds.min, bounds.min_exclusive) = (Some(low), false);
    }
    if bounds.max.is_none_or(|max| high < max) {
        (bounds.max, bounds.max_exclusive) = (Some(high), false);
    }
}

/// Draft 4's boolean beside a bound.
fn flag(entry: &Entry) -> Option<bool> {
    match entry.value.to_value() {
        Value::Bool(flag) => Some(flag),
        _ => None,
    }
}
