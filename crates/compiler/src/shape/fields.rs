//! Maps: unknown keys, missing keys, and where a new key goes.

use sluice_model::codes;
use sluice_model::finding::{Finding, did_you_mean};
use sluice_model::span::Span;

use crate::de::{Field, Fields};
use crate::shape::schema::{self, Schema};
use crate::shape::walk::{Place, Walk};

impl Walk<'_> {
    /// Checks the fields of a map.
    pub(super) fn fields(&mut self, fields: &Fields<'_>, schema: Schema<'_>, place: &Place) {
        let mut meant: Vec<&str> = Vec::new();
        for field in &fields.entries {
            let own = Place::of_key(field.key, field.key_span);
            if let Some(property) = schema.property(field.key) {
                let needed = schema.required().any(|key| key == field.key);
                if needed && field.value.is_absent() && property.is_expression() {
                    self.wrong_type(field.value, property, &own);
                } else {
                    self.value(field.value, property, &own);
                }
                continue;
            }
            let by_pattern = schema
                .pattern_properties()
                .find(|(pattern, _)| regex_matches(pattern, field.key));
            match by_pattern.map(|(_, schema)| schema).or(schema.additional()) {
                Some(schema) => self.value(field.value, schema, &own),
                None => meant.extend(self.unknown_key(fields, field, schema, place)),
            }
        }
        for key in schema.required() {
            let there = fields.get(key).is_some() || meant.contains(&key);
            if !there {
                self.missing_key(fields, key, schema, place);
            }
        }
        let count = fields.entries.len() as i128;
        if let Some(most) = schema.integer("maxProperties").filter(|most| *most < count) {
            self.findings.push(
                Finding::error(
                    codes::BAD_VALUE,
                    place.anchor,
                    format!("{} must have at most {most} keys", place.what),
                )
                .with_label(format!("has {count}")),
            );
        }
        if let Some(least) = schema
            .integer("minProperties")
            .filter(|least| count < *least)
        {
            self.findings.push(
                Finding::error(
                    codes::BAD_VALUE,
                    place.anchor,
                    format!("{} must have at least {least} keys", place.what),
                )
                .with_label(format!("has {count}")),
            );
        }
    }

    /// Says that a key is not known; returns the key that it is likely to mean.
    fn unknown_key<'s>(
        &mut self,
        fields: &Fields<'_>,
        field: &Field<'_>,
        schema: Schema<'s>,
        place: &Place,
    ) -> Option<&'s str> {
        let known: Vec<&str> = schema.properties().map(|(key, _)| key).collect();
        let free = known
            .iter()
            .copied()
            .filter(|key| fields.get(key).is_none());
        let meant = did_you_mean(field.key, free);
        let keys = match known.as_slice() {
            [] => format!("{} has no keys", place.what),
            [only] => format!("the only key of {} is `{only}`", place.what),
            known => format!(
                "the keys of {} are {}",
                place.what,
                schema::list(known, "and")
            ),
        };
        let finding = Finding::error(
            codes::UNKNOWN_KEY,
            field.key_span,
            format!("unknown key `{}` in {}", field.key, place.what),
        )
        .with_label(format!("not a key of {}", place.what));
        self.findings.push(match meant {
            Some(meant) => finding
                .with_note(keys)
                .with_help(format!("did you mean `{meant}`?"))
                .with_fix(format!("rename to `{meant}`"), field.key_span, meant),
            None => finding.with_help(keys),
        });
        meant
    }

    fn missing_key(&mut self, fields: &Fields<'_>, key: &str, schema: Schema<'_>, place: &Place) {
        let property = schema.property(key);
        let expected = property.map(|property| property.expected());
        let mut finding = Finding::error(
            codes::MISSING_KEY,
            place.anchor,
            format!("{} has no `{key}`", place.what),
        )
        .with_label(format!("`{key}` is missing here"));
        let about = property.and_then(|own| own.about().or(own.resolve().about()));
        if let Some(about) = about {
            finding = finding.with_note(format!("`{key}`: {about}"));
        }
        let literal = property.and_then(Schema::sensible_literal);
        let Some(literal) = literal else {
            let expected = expected.as_deref().unwrap_or("a value");
            return self
                .findings
                .push(finding.with_help(format!("add `{key}: ...`, {expected}")));
        };
        finding = finding.with_help(format!("add `{key}: {literal}`"));
        if let Some((place, text)) = self.insertion(fields, &format!("{key}: {literal}")) {
            finding = finding.with_fix(format!("add `{key}: {literal}`"), place, text);
        }
        self.findings.push(finding);
    }

    /// Returns where and how a new entry is written into a map: before its first key, so that
    /// neither comments nor block scalars behind it are in the way.
    fn insertion(&self, fields: &Fields<'_>, entry: &str) -> Option<(Span, String)> {
        let first = fields.entries.first();
        if fields.flow_style {
            if !self.sources.text(fields.span).starts_with('{') {
                return None;
            }
            let place = Span {
                end: fields.span.start + 1,
                start: fields.span.start + 1,
                ..fields.span
            };
            let text = match first {
                Some(_) => format!(" {entry},"),
                None => format!(" {entry} "),
            };
            return Some((place, text));
        }
        let first = first?.key_span;
        let column = self
            .sources
            .get(first.file)
            .line_column(first.start as usize)
            .column;
        let indent = " ".repeat(column.saturating_sub(1) as usize);
        let place = Span {
            end: first.start,
            ..first
        };
        Some((place, format!("{entry}\n{indent}")))
    }
}

/// Returns whether a key matches a pattern; a pattern that cannot be read matches nothing.
fn regex_matches(pattern: &str, key: &str) -> bool {
    regex::Regex::new(pattern).is_ok_and(|regex| regex.is_match(key))
}
