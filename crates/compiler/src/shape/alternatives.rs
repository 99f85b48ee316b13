//! Tagged enums, options, and other places where one of several shapes may stand.

use sluice_model::codes;
use sluice_model::finding::{Finding, did_you_mean};
use sluice_syntax::tree::{Node, NodeKind, Scalar};

use crate::de::{self, Field, Fields};
use crate::shape::schema::{self, Alternatives, Schema};
use crate::shape::walk::{Place, Walk, found};

impl Walk<'_> {
    /// Checks a node against a schema that is one of several.
    pub(super) fn alternatives(
        &mut self,
        node: &Node,
        schema: Schema<'_>,
        alternatives: &Alternatives<'_>,
        place: &Place,
    ) {
        if alternatives.nullable && de::is_null(node) {
            return;
        }
        let named = !alternatives.names.is_empty() || !alternatives.tagged.is_empty();
        if let ([only], false) = (alternatives.others.as_slice(), named) {
            return self.value(node, *only, place);
        }
        match &node.kind {
            NodeKind::Scalar(scalar) if !node.is_absent() => {
                self.named(node, scalar, schema, alternatives, place);
            }
            NodeKind::Map(_) if !alternatives.tagged.is_empty() => {
                let fields = Fields::of(node).expect("the node is a map");
                self.tagged(node, &fields, alternatives, place);
            }
            _ => self.untagged(node, schema, alternatives, place),
        }
    }

    /// Checks a scalar: the name of an alternative, or a value of one.
    fn named(
        &mut self,
        node: &Node,
        scalar: &Scalar,
        schema: Schema<'_>,
        alternatives: &Alternatives<'_>,
        place: &Place,
    ) {
        if alternatives.names.contains(&&*scalar.text) {
            return;
        }
        let takes_scalars = |other: &&Schema<'_>| {
            ["string", "integer", "number", "boolean"]
                .iter()
                .any(|kind| other.allows(kind))
        };
        if alternatives
            .others
            .iter()
            .any(|other| takes_scalars(&other))
        {
            return self.untagged(node, schema, alternatives, place);
        }
        let tag = alternatives
            .tagged
            .iter()
            .find(|(tag, _)| *tag == &*scalar.text);
        if let Some((tag, content)) = tag {
            let content = content.resolve();
            let finding = Finding::error(
                codes::WRONG_TYPE,
                node.span,
                format!("`{tag}` needs {} in {}", content.expected(), place.what),
            )
            .with_label("only the name stands here")
            .with_help(format!("write `{{ {tag}: ... }}`"));
            let empty = content.allows("object") && content.required().next().is_none();
            self.findings.push(if empty {
                let text = format!("{{ {tag}: {{}} }}");
                finding.with_fix(format!("write `{text}`"), node.span, text)
            } else {
                finding
            });
            return;
        }
        let names = alternatives.all_names();
        if names.is_empty() {
            return self.wrong_type(node, schema, place);
        }
        if alternatives.names.is_empty() {
            // Every alternative is a map: the scalar is of the wrong type, whatever its text.
            let mut finding = Finding::error(
                codes::WRONG_TYPE,
                node.span,
                format!("{} must be {}", place.what, alternatives.expected(2)),
            )
            .with_label(found(node));
            if let Some(meant) = did_you_mean(&scalar.text, names.iter().copied()) {
                finding = finding.with_help(format!("did you mean `{{ {meant}: ... }}`?"));
            }
            return self.findings.push(finding);
        }
        self.bad_choice(node, &scalar.text, &names, place);
    }

    /// Checks a map whose one key says which alternative it is.
    fn tagged(
        &mut self,
        node: &Node,
        fields: &Fields<'_>,
        alternatives: &Alternatives<'_>,
        place: &Place,
    ) {
        let find = |field: &Field<'_>| {
            alternatives
                .tagged
                .iter()
                .find(|(tag, _)| *tag == field.key)
                .map(|(_, schema)| *schema)
        };
        if let [only] = fields.entries.as_slice()
            && let Some(schema) = find(only)
        {
            return self.value(only.value, schema, &Place::of_key(only.key, only.key_span));
        }
        let maps = alternatives
            .others
            .iter()
            .any(|other| other.allows("object"));
        if maps {
            return self.untagged_map(node, alternatives, place);
        }
        let known: Vec<_> = fields
            .entries
            .iter()
            .filter(|f| find(f).is_some())
            .collect();
        match (fields.entries.as_slice(), known.as_slice()) {
            ([only], _) => self.unknown_tag(only, alternatives, place),
            ([], _) => self.findings.push(
                Finding::error(
                    codes::WRONG_TYPE,
                    node.span,
                    format!("{} must be {}", place.what, alternatives.expected(2)),
                )
                .with_label("this map is empty"),
            ),
            (_, [first, second, ..]) => self.findings.push(
                Finding::error(
                    codes::WRONG_TYPE,
                    second.key_span,
                    format!("{} is one thing, not several", place.what),
                )
                .with_label(format!("`{}` is a second one", second.key))
                .with_place(first.key_span, format!("`{}` is the first", first.key))
                .with_help(format!("keep one of `{}` and `{}`", first.key, second.key)),
            ),
            (all, [one]) => {
                let schema = find(one).expect("the key is a known one");
                self.value(one.value, schema, &Place::of_key(one.key, one.key_span));
                for field in all.iter().filter(|field| field.key != one.key) {
                    self.beside_tag(field, one, schema, place);
                }
            }
            (all, []) => {
                for field in all {
                    self.unknown_tag(field, alternatives, place);
                }
            }
        }
    }

    fn unknown_tag(&mut self, field: &Field<'_>, alternatives: &Alternatives<'_>, place: &Place) {
        let tags: Vec<&str> = alternatives.tagged.iter().map(|(tag, _)| *tag).collect();
        let names = alternatives.all_names();
        let finding = Finding::error(
            codes::BAD_CHOICE,
            field.key_span,
            format!("`{}` is not a choice for {}", field.key, place.what),
        )
        .with_label(format!("expected {}", schema::list(&names, "or")));
        self.findings
            .push(match did_you_mean(field.key, tags.iter().copied()) {
                Some(meant) => finding
                    .with_help(format!("did you mean `{meant}`?"))
                    .with_fix(format!("rename to `{meant}`"), field.key_span, meant),
                None => finding.with_help(format!("write {}", alternatives.expected(2))),
            });
    }

    /// Says that a key stands beside the one that says which alternative the map is.
    fn beside_tag(
        &mut self,
        field: &Field<'_>,
        tag: &Field<'_>,
        schema: Schema<'_>,
        place: &Place,
    ) {
        let finding = Finding::error(
            codes::UNKNOWN_KEY,
            field.key_span,
            format!("unknown key `{}` in {}", field.key, place.what),
        )
        .with_label(format!("nothing may stand beside `{}`", tag.key))
        .with_place(tag.key_span, format!("{} is `{}`", place.what, tag.key));
        let inside = schema.resolve().property(field.key).is_some();
        self.findings.push(if inside {
            finding.with_help(format!(
                "`{}` is a key of `{}`: move it there",
                field.key, tag.key
            ))
        } else {
            finding.with_help("remove it")
        });
    }

    /// Checks a node against alternatives that no name tells apart: those of its kind.
    fn untagged(
        &mut self,
        node: &Node,
        schema: Schema<'_>,
        alternatives: &Alternatives<'_>,
        place: &Place,
    ) {
        let kinds: &[&str] = match &node.kind {
            NodeKind::Scalar(_) => &["string", "integer", "number", "boolean"],
            NodeKind::List(_) => &["array"],
            NodeKind::Map(_) => return self.untagged_map(node, alternatives, place),
        };
        let fitting = alternatives
            .others
            .iter()
            .filter(|other| kinds.iter().any(|kind| other.allows(kind)));
        let place = Place {
            untagged: true,
            ..place.clone()
        };
        let trials: Vec<_> = fitting
            .map(|other| self.trial(node, *other, &place))
            .collect();
        if trials.iter().any(|findings| findings.is_empty()) {
            return;
        }
        match trials.into_iter().next() {
            Some(findings) if alternatives.names.is_empty() => self.findings.append(findings),
            Some(_) | None => self.wrong_type(node, schema, &place),
        }
    }

    /// Checks a map against those alternatives that are maps: that one which its keys fit best.
    fn untagged_map(&mut self, node: &Node, alternatives: &Alternatives<'_>, place: &Place) {
        let fields = Fields::of(node).expect("the node is a map");
        let maps: Vec<Schema<'_>> = alternatives
            .others
            .iter()
            .copied()
            .filter(|other| other.allows("object"))
            .collect();
        let kinds: Vec<(&str, &str, Schema<'_>)> = maps
            .iter()
            .filter_map(|map| map.discriminator().map(|(key, value)| (key, value, *map)))
            .collect();
        if let Some((key, ..)) = kinds.first()
            && kinds.len() == maps.len()
            && let Some(field) = fields.get(key)
            && let Some(scalar) = field.value.as_scalar()
        {
            let chosen = kinds.iter().find(|(_, value, _)| *value == &*scalar.text);
            return match chosen {
                Some((_, _, map)) => self.fields(&fields, *map, place),
                None => {
                    let values: Vec<&str> = kinds.iter().map(|(_, value, _)| *value).collect();
                    let own = Place::of_key(field.key, field.key_span);
                    self.bad_choice(field.value, &scalar.text, &values, &own);
                }
            };
        }
        let fit = |map: &Schema<'_>| {
            fields
                .entries
                .iter()
                .filter(|field| map.property(field.key).is_some())
                .count()
        };
        match maps.iter().rev().max_by_key(|map| fit(map)) {
            Some(best) => {
                let trials: Vec<_> = maps
                    .iter()
                    .map(|map| self.trial(node, *map, place))
                    .collect();
                if !trials.iter().any(|findings| findings.is_empty()) {
                    self.fields(&fields, *best, place);
                }
            }
            None => {
                let finding = Finding::error(
                    codes::WRONG_TYPE,
                    node.span,
                    format!("{} must be {}", place.what, alternatives.expected(2)),
                );
                self.findings.push(finding.with_label(found(node)));
            }
        }
    }
}
