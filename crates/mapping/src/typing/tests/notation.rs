//! Types as tests write them: `{ id: text, lines: [ { qty: integer, note?: text or null } ] }`.
//!
//! `"a" | "b"` is a text with only these values, `{ *: T }` a map, `{ a: T, ... }` an open record,
//! `{ a: T, ...: T }` one whose other fields have a type, `T+` behind a list: of at least one item.

use std::sync::Arc;

use sluice_model::types::{Field, Kind, ListType, RecordType, TextFormat, TextType, Type};
use sluice_model::value::Name;

/// Reads a type.
pub(super) fn ty(text: &str) -> Type {
    let mut reader = Reader { rest: text };
    let ty = reader.union();
    reader.space();
    assert_eq!(reader.rest, "", "left over in {text}");
    ty
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) {
        assert!(self.take(token), "expected {token} at {}", self.rest);
    }

    fn word(&mut self) -> &'t str {
        self.space();
        let end = self
            .rest
            .find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    fn union(&mut self) -> Type {
        let mut of = vec![self.one()];
        while self.take("|") {
            of.push(self.one());
        }
        let mut ty = of.into_iter().reduce(join).expect("one at least");
        if self.take("or null") {
            ty = ty.or_null();
        }
        ty
    }

    fn one(&mut self) -> Type {
        self.space();
        if self.take("\"") {
            let end = self.rest.find('"').expect("a closing quote");
            let value: Arc<str> = self.rest[..end].into();
            self.rest = &self.rest[end + 1..];
            return Type::new(Kind::Text(TextType {
                values: Some([value].into()),
                ..TextType::default()
            }));
        }
        if self.take("[") {
            let item = self.union();
            self.expect("]");
            let list = ListType {
                item,
                length_min: u64::from(self.take("+")),
                length_max: None,
                unique: false,
            };
            return Type::new(Kind::List(Arc::new(list)));
        }
        if self.take("(") {
            let ty = self.union();
            self.expect(")");
            return ty;
        }
        if self.take("{") {
            return self.record();
        }
        match self.word() {
            "any" => Type::any(),
            "text" => Type::text(),
            "integer" => Type::int(),
            "decimal" => Type::decimal(),
            "double" => Type::float(),
            "boolean" => Type::bool(),
            "null" => Type::null(),
            "date" => Type::text_with(TextFormat::Date),
            other => panic!("no type {other}"),
        }
    }

    fn record(&mut self) -> Type {
        if self.take("*:") {
            let value = self.union();
            self.expect("}");
            return Type::new(Kind::Map(Arc::new(value)));
        }
        let mut record = RecordType::default();
        while !self.take("}") {
            if self.take("...") {
                record.rest = Some(match self.take(":") {
                    true => self.union(),
                    false => Type::any(),
                });
            } else {
                let name = Name::new(self.word());
                let required = !self.take("?");
                self.expect(":");
                let ty = self.union();
                record.fields.push(Field { name, ty, required });
            }
            self.take(",");
        }
        Type::new(Kind::Record(Arc::new(record)))
    }
}

fn join(a: Type, b: Type) -> Type {
    match (&a.kind, &b.kind) {
        (Kind::Text(x), Kind::Text(y)) if x.values.is_some() && y.values.is_some() => {
            let values = x.values.iter().chain(&y.values).flat_map(|all| all.iter());
            Type::new(Kind::Text(TextType {
                values: Some(values.cloned().collect()),
                ..TextType::default()
            }))
        }
        _ => Type::union(vec![a, b]),
    }
}
