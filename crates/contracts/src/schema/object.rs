//! What a schema says by itself: its `type`, fields, items and values.

use std::sync::Arc;

use sluice_model::codes;
use sluice_model::finding::{Finding, did_you_mean};
use sluice_model::span::Span;
use sluice_model::types::{Field, Kind, ListType, RecordType, Type};
use sluice_model::value::Name;
use sluice_syntax::tree::{Entry, Node};

use crate::schema::bounds::Whole;
use crate::schema::keywords::Keywords;
use crate::schema::lower::{Direction, Lowering, is_false, is_true};

/// The names that `type` may have.
const TYPES: [&str; 7] = [
    "string", "number", "integer", "boolean", "array", "object", "null",
];

impl<'d> Lowering<'d> {
    /// Lowers what a schema says without `allOf`, `oneOf`, `anyOf` and `$ref`.
    pub fn own(&mut self, file: usize, keywords: &Keywords<'d>, declared: Span) -> Type {
        let kinds = self.kinds(file, keywords);
        let both = kinds.contains(&"number");
        let mut types = Vec::with_capacity(kinds.len());
        for kind in &kinds {
            types.push(match *kind {
                "null" => Type::null(),
                "boolean" => Type::bool(),
                "integer" if both => continue,
                "integer" => Type::new(self.number(keywords, Whole::Yes)),
                "number" => Type::new(self.number(keywords, Whole::No)),
                "string" => Type::new(self.text(keywords)),
                "array" => Type::new(self.list(file, keywords)),
                _ => Type::new(self.record(file, keywords)),
            });
        }
        let ty = if kinds.is_empty() {
            Type::any()
        } else {
            Type::union(types)
        };
        match (keywords.constant, keywords.values) {
            (Some(entry), _) => self.narrowed(ty, entry, std::slice::from_ref(&entry.value)),
            (None, Some(entry)) => match entry.value.as_list() {
                Some(values) if !values.is_empty() => self.narrowed(ty, entry, values),
                _ => {
                    let help = "list the values, or remove the keyword";
                    let at = if entry.value.is_absent() {
                        declared
                    } else {
                        entry.value.span
                    };
                    self.bad(at, "`enum` is a list of values, at least one", help);
                    ty
                }
            },
            (None, None) => ty,
        }
    }

    /// The kinds that `type` names; where it names none, the kind that the other keywords are
    /// about: contracts leave `type: object` out more often than they mean "or anything else".
    fn kinds(&mut self, file: usize, keywords: &Keywords<'d>) -> Vec<&'static str> {
        let Some(entry) = keywords.ty else {
            let implied = if keywords.speaks_of_records() {
                Some("object")
            } else if keywords.speaks_of_lists() {
                Some("array")
            } else if keywords.speaks_of_texts() {
                Some("string")
            } else if keywords.speaks_of_numbers() {
                Some("number")
            } else {
                None
            };
            return implied.into_iter().collect();
        };
        let nodes = match entry.value.as_list() {
            Some(nodes) if !nodes.is_empty() => nodes,
            _ => std::slice::from_ref(&entry.value),
        };
        let mut kinds = Vec::with_capacity(nodes.len());
        for node in nodes {
            match self.kind(file, node, entry) {
                Some(kind) if !kinds.contains(&kind) => kinds.push(kind),
                _ => {}
            }
        }
        kinds
    }

    fn kind(&mut self, file: usize, node: &'d Node, entry: &'d Entry) -> Option<&'static str> {
        let text = node.as_scalar().map(|scalar| &*scalar.text);
        let known = TYPES.into_iter().find(|name| Some(*name) == text);
        if known.is_some() {
            return known;
        }
        // Draft 3's word for what a schema without `type` says today.
        if text == Some("any") && !self.dialect(file).openapi {
            return None;
        }
        let at = if node.is_absent() {
            entry.key_span
        } else {
            node.span
        };
        let help = match text.and_then(synonym) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the types are `{}`", TYPES.join("`, `")),
        };
        let message = match text {
            Some(text) if !text.is_empty() => format!("there is no type `{text}`"),
            _ => "`type` is the name of a type, or a list of names".to_owned(),
        };
        self.bad(at, message, help);
        None
    }

    fn list(&mut self, file: usize, keywords: &Keywords<'d>) -> Kind {
        let counts = self.counts(keywords.items_min, keywords.items_max);
        let mut items = Vec::new();
        let mut closed = false;
        // Until 2019-09 a list under `items` was what `prefixItems` is now.
        let listed = keywords
            .items
            .filter(|entry| entry.value.as_list().is_some());
        for entry in listed.into_iter().chain(keywords.prefix_items) {
            for node in entry.value.as_list().unwrap_or(&[]) {
                items.push(self.lower(file, node, node.span));
            }
        }
        let rest = match listed {
            Some(_) => keywords.additional_items,
            None => keywords.items,
        };
        match rest {
            Some(entry) if is_false(entry) => closed = true,
            Some(entry) => items.push(self.lower(file, &entry.value, entry.key_span)),
            None => items.push(Type::any()),
        }
        let known = if listed.is_some() || keywords.prefix_items.is_some() {
            items.len() as u64
        } else {
            0
        };
        Kind::List(Arc::new(ListType {
            item: one_of(items),
            length_min: counts.min.unwrap_or(0),
            length_max: match counts.max {
                Some(max) => Some(max),
                None => closed.then_some(known),
            },
            unique: self.unique(keywords),
        }))
    }

    fn record(&mut self, file: usize, keywords: &Keywords<'d>) -> Kind {
        let required = self.required(keywords);
        let mut fields = Vec::new();
        let mut one_way = Vec::new();
        if let Some(entry) = keywords.properties {
            match entry.value.as_map() {
                Some(map) => {
                    fields.reserve(map.entries.len());
                    for property in &map.entries {
                        self.property(file, property, &required, &mut fields, &mut one_way);
                    }
                }
                None => {
                    let text = format!(
                        "`properties` is a map of names and schemas, not a {}",
                        entry.value.kind_name()
                    );
                    let help = "write `name: { type: ... }` under it, or remove it";
                    self.bad(entry.key_span, text, help);
                }
            }
        }
        let rest = self.rest(file, keywords);
        if fields.is_empty()
            && required.is_empty()
            && keywords.properties.is_none()
            && let Some(value) = &rest
            && keywords
                .additional
                .is_some_and(|entry| entry.value.as_map().is_some())
        {
            return Kind::Map(Arc::new(value.clone()));
        }
        let mut record = RecordType { fields, rest };
        for (name, node) in required {
            if record.field(&name).is_some() || one_way.contains(&&*name) {
                continue;
            }
            match &record.rest {
                Some(rest) => {
                    let ty = rest.clone();
                    record.fields.push(Field {
                        name: Name::new(&name),
                        ty,
                        required: true,
                    });
                }
                None => self.forbidden(&name, node, &record),
            }
        }
        Kind::Record(Arc::new(record))
    }

    fn property(
        &mut self,
        file: usize,
        property: &'d Entry,
        required: &[(Arc<str>, &'d Node)],
        fields: &mut Vec<Field>,
        one_way: &mut Vec<&'d str>,
    ) {
        let name = &*property.key.text;
        let against = match self.direction() {
            Direction::Both => None,
            Direction::Request => Some("readOnly"),
            Direction::Response => Some("writeOnly"),
        };
        let map = property.value.as_map();
        let other_way = against.and_then(|key| map?.entry(key)).is_some_and(is_true);
        if other_way {
            one_way.push(name);
        }
        if fields.iter().any(|field| field.name.as_str() == name) {
            return;
        }
        fields.push(Field {
            name: Name::new(name),
            ty: self.lower(file, &property.value, property.key_span),
            required: !other_way && required.iter().any(|(own, _)| &**own == name),
        });
    }

    /// Reports a field that must be there and may not be there.
    fn forbidden(&mut self, name: &str, node: &'d Node, record: &RecordType) {
        let text = format!("`{name}` is required and not allowed at once");
        let names = record.fields.iter().map(|field| field.name.as_str());
        let help = match did_you_mean(name, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "declare it under `properties`, or do not require it".to_owned(),
        };
        self.report(
            Finding::error(codes::CONTRADICTION, node.span, text)
                .with_label("not among `properties`, and `additionalProperties` is false")
                .with_help(help),
        );
    }

    fn required(&mut self, keywords: &Keywords<'d>) -> Vec<(Arc<str>, &'d Node)> {
        let Some(entry) = keywords.required else {
            return Vec::new();
        };
        let Some(nodes) = entry.value.as_list() else {
            let text = format!(
                "`required` is a list of names, not a {}",
                entry.value.kind_name()
            );
            let help = "list the names of the required fields in the record that holds them";
            self.bad(entry.key_span, text, help);
            return Vec::new();
        };
        let mut names: Vec<(Arc<str>, &'d Node)> = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node.as_scalar() {
                Some(scalar) => names.push((Arc::clone(&scalar.text), node)),
                None => {
                    let text = "`required` holds names of fields";
                    self.bad(node.span, text, "write the name of a field");
                }
            }
        }
        names
    }

    /// The type of fields that are not declared; `None` closes the record.
    fn rest(&mut self, file: usize, keywords: &Keywords<'d>) -> Option<Type> {
        if let Some(entry) = keywords.pattern_properties {
            let finding = Finding::info(
                codes::UNSUPPORTED_CONTRACT,
                entry.key_span,
                "`patternProperties` is not checked",
            );
            self.report(finding.with_note("such fields may hold any value"));
            return Some(Type::any());
        }
        match keywords.additional {
            None => Some(Type::any()),
            Some(entry) if is_false(entry) => None,
            Some(entry) if is_true(entry) => Some(Type::any()),
            Some(entry) => Some(self.lower(file, &entry.value, entry.key_span)),
        }
    }
}

/// The type of items that are of one of these types: a pair of texts is a list of texts.
fn one_of(mut types: Vec<Type>) -> Type {
    let alike = |a: &Type, b: &Type| {
        a.nullable == b.nullable
            && match (&a.kind, &b.kind) {
                (Kind::Text(a), Kind::Text(b)) => a == b,
                (Kind::Int(a), Kind::Int(b))
                | (Kind::Decimal(a), Kind::Decimal(b))
                | (Kind::Float(a), Kind::Float(b)) => a == b,
                (Kind::Ref(a), Kind::Ref(b)) => a.same(b),
                _ => false,
            }
    };
    types.dedup_by(|b, a| alike(a, b));
    match types.len() {
        1 => types.remove(0),
        _ => Type::union(types),
    }
}

/// The type that a word of another language means, or that is nearest to a misspelt one.
fn synonym(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "text" | "str" | "date" | "datetime" | "date-time" | "uuid" => Some("string"),
        "int" | "long" | "int32" | "int64" => Some("integer"),
        "decimal" | "float" | "double" => Some("number"),
        "bool" => Some("boolean"),
        "list" => Some("array"),
        "map" | "record" | "dict" => Some("object"),
        "nil" | "none" => Some("null"),
        other => did_you_mean(other, TYPES).and_then(|near| TYPES.into_iter().find(|t| *t == near)),
    }
}
