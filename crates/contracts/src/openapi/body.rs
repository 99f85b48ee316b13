//! Request bodies and answers.

use std::sync::Arc;

use sluice_model::operation::{Body, HttpResponse, StatusRange};
use sluice_model::types::{Kind, Type};
use sluice_model::value::Value;
use sluice_syntax::tree::{Entry, Map, Node};

use super::Reader;
use crate::schema::files::Place;
use crate::schema::lower::{Direction, is_true};

impl<'d> Reader<'_, 'd> {
    /// Reads an operation's request body.
    pub(super) fn request_body(&mut self, file: usize, entry: &'d Entry) -> Option<Body> {
        let place = Place {
            file,
            node: &entry.value,
        };
        let place = self.resolved(place)?;
        let map = self.map(place.node, entry.key_span, "`requestBody`")?;
        let required = map.entry("required").is_some_and(is_true);
        let Some(content) = map.entry("content") else {
            let text = "`requestBody` has no `content`";
            let help = "add `content: { application/json: { schema: ... } }`";
            self.lowering.bad(entry.key_span, text, help);
            return None;
        };
        let content = self.map(&content.value, content.key_span, "`content`")?;
        self.body(place.file, content, Direction::Request, required)
    }

    /// Reads an operation's answers.
    pub(super) fn responses(
        &mut self,
        file: usize,
        map: &'d Map,
        operation: &'d Entry,
    ) -> Vec<HttpResponse> {
        let Some(entry) = map.entry("responses") else {
            // OpenAPI 3.1 allows an operation that does not say what it answers.
            if !self.lowering.dialect(file).siblings {
                let text = "the operation has no `responses`";
                let help = "add `responses: { 200: { description: ... } }`";
                self.lowering.bad(operation.key_span, text, help);
            }
            return Vec::new();
        };
        let Some(responses) = self.map(&entry.value, entry.key_span, "`responses`") else {
            return Vec::new();
        };
        let mut read = Vec::with_capacity(responses.entries.len());
        for response in &responses.entries {
            if response.key.text.starts_with("x-") {
                continue;
            }
            let Some(status) = status(&response.key.text) else {
                let text = format!("`{}` is no status", response.key.text);
                let help = "write a number from 100 to 599, a class such as `4XX`, or `default`";
                self.lowering.bad(response.key_span, text, help);
                continue;
            };
            read.extend(self.response(file, response, status));
        }
        read
    }

    fn response(
        &mut self,
        file: usize,
        entry: &'d Entry,
        status: StatusRange,
    ) -> Option<HttpResponse> {
        let place = Place {
            file,
            node: &entry.value,
        };
        let place = self.resolved(place)?;
        let map = self.map(place.node, entry.key_span, "a response")?;
        let description = map.get("description").and_then(Node::as_scalar);
        let content = match map.entry("content") {
            Some(content) => self.map(&content.value, content.key_span, "`content`"),
            None => None,
        };
        let body =
            content.and_then(|content| self.body(place.file, content, Direction::Response, true));
        Some(HttpResponse {
            status,
            description: description.map_or_else(|| "".into(), |text| Arc::clone(&text.text)),
            body,
            headers: self.headers(place.file, map),
        })
    }

    fn body(
        &mut self,
        file: usize,
        content: &'d Map,
        direction: Direction,
        required: bool,
    ) -> Option<Body> {
        let media = preferred(content)?;
        let map = self.map(&media.value, media.key_span, "a media type")?;
        let ty = match map.entry("schema") {
            Some(schema) => self
                .lowering
                .lower_in(direction, file, &schema.value, schema.key_span),
            None => type_of_media(&media.key.text),
        };
        Some(Body {
            media_type: Arc::clone(&media.key.text),
            ty,
            required,
            examples: self.examples(file, map),
        })
    }

    /// Reads the examples of a media type.
    fn examples(&mut self, file: usize, map: &'d Map) -> Vec<Value<'static>> {
        let mut values = Vec::new();
        values.extend(map.get("example").map(Node::to_value));
        let named = map.get("examples").and_then(Node::as_map);
        for entry in named.map_or(&[][..], |map| &map.entries) {
            let place = Place {
                file,
                node: &entry.value,
            };
            let value = self
                .resolved(place)
                .and_then(|place| place.node.get("value"));
            values.extend(value.map(Node::to_value));
        }
        values
    }
}

/// Returns the media type that types are taken from: the first JSON one, else the first.
pub(super) fn preferred(content: &Map) -> Option<&Entry> {
    let json = |entry: &&Entry| is_json(&entry.key.text);
    let any = |entry: &&Entry| !entry.key.text.starts_with("x-");
    let mut entries = content.entries.iter();
    entries.clone().find(json).or_else(|| entries.find(any))
}

/// Returns whether a media type is JSON (RFC 6839 section 3.1 for `+json`).
fn is_json(media_type: &str) -> bool {
    let essence = media_type
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}

/// What a body without a schema is.
fn type_of_media(media_type: &str) -> Type {
    let essence = media_type
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    if is_json(media_type) || essence == "*/*" || essence.ends_with("xml") {
        return Type::any();
    }
    if essence.starts_with("text/") {
        return Type::text();
    }
    if essence == "application/x-www-form-urlencoded" || essence.starts_with("multipart/") {
        return Type::open_record();
    }
    Type::new(Kind::Bytes)
}

fn status(key: &str) -> Option<StatusRange> {
    if key == "default" {
        return Some(StatusRange::Default);
    }
    if let [class @ b'1'..=b'5', b'X' | b'x', b'X' | b'x'] = key.as_bytes() {
        return Some(StatusRange::Class(class - b'0'));
    }
    let status: u16 = key.parse().ok().filter(|_| key.len() == 3)?;
    (100..600)
        .contains(&status)
        .then_some(StatusRange::One(status))
}
