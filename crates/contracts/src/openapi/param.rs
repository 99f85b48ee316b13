//! Parameters and header fields.

use std::sync::Arc;

use sluice_model::codes;
use sluice_model::finding::{Finding, did_you_mean};
use sluice_model::operation::{Param, ParamPlace};
use sluice_model::types::Type;
use sluice_syntax::tree::{Entry, Map, Node};

use super::{Reader, Route, body};
use crate::schema::files::Place;
use crate::schema::lower::{Direction, is_true};

/// Header fields that OpenAPI describes elsewhere: parameters with these names are ignored.
const ELSEWHERE: [&str; 3] = ["accept", "content-type", "authorization"];

impl<'d> Reader<'_, 'd> {
    /// Reads the parameters of an operation or of a path item.
    pub(super) fn params(&mut self, route: &Route<'d>, map: &'d Map) -> Vec<Param> {
        let Some(entry) = map.entry("parameters") else {
            return Vec::new();
        };
        let Some(nodes) = entry.value.as_list() else {
            let text = format!("`parameters` is a list, not a {}", entry.value.kind_name());
            self.lowering
                .bad(entry.key_span, text, "write each parameter behind a `-`");
            return Vec::new();
        };
        let mut params: Vec<Param> = Vec::with_capacity(nodes.len());
        for node in nodes {
            let place = Place {
                file: route.file,
                node,
            };
            let Some(param) = self.param(place) else {
                continue;
            };
            let twin = params
                .iter()
                .find(|p| p.place == param.place && p.name == param.name);
            if let Some(first) = twin {
                let text = format!("the parameter `{}` is declared twice", param.name);
                let finding = Finding::error(codes::DUPLICATE_NAME, node.span, text)
                    .with_place(first.span, "the first one is here")
                    .with_help("remove one of them");
                self.lowering.report(finding);
                continue;
            }
            params.push(param);
        }
        params
    }

    fn param(&mut self, place: Place<'d>) -> Option<Param> {
        let place = self.resolved(place)?;
        let map = self.map(place.node, place.node.span, "a parameter")?;
        let Some(name) = map.get("name").and_then(Node::as_scalar) else {
            let text = "the parameter has no name";
            self.lowering.bad(place.node.span, text, "add `name`");
            return None;
        };
        let Some(entry) = map.entry("in") else {
            let text = format!("the parameter `{}` does not say where it stands", name.text);
            let help = "add `in: query`, `path`, `header` or `cookie`";
            self.lowering.bad(place.node.span, text, help);
            return None;
        };
        let names = ["path", "query", "header", "cookie"];
        let kind = match entry.value.as_scalar().map_or("", |scalar| &*scalar.text) {
            "path" => ParamPlace::Path,
            "query" => ParamPlace::Query,
            "header" => ParamPlace::Header,
            "cookie" => ParamPlace::Cookie,
            other => {
                let help = match did_you_mean(other, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "write `query`, `path`, `header` or `cookie`".to_owned(),
                };
                let text = format!("a parameter cannot stand in `{other}`");
                self.lowering.bad(entry.value.span, text, help);
                return None;
            }
        };
        let lower = name.text.to_ascii_lowercase();
        if kind == ParamPlace::Header && ELSEWHERE.contains(&&*lower) {
            return None;
        }
        let required = self.must_be(map, kind, &name.text);
        let (ty, explode) = self.param_type(place.file, map, kind, Direction::Request);
        Some(Param {
            name: Arc::clone(&name.text),
            place: kind,
            ty,
            required,
            explode,
            span: map
                .entry("name")
                .map_or(place.node.span, |entry| entry.value.span),
        })
    }

    /// A path parameter is always there; a document that says otherwise is told so.
    fn must_be(&mut self, map: &'d Map, kind: ParamPlace, name: &str) -> bool {
        let required = map.entry("required").is_some_and(is_true);
        if kind != ParamPlace::Path {
            return required;
        }
        if !required && let Some(entry) = map.entry("required").or_else(|| map.entry("in")) {
            let text = format!("the path parameter `{name}` must be required");
            let finding = Finding::warning(codes::BAD_CONTRACT, entry.key_span, text);
            self.lowering
                .report(finding.with_help("add `required: true`"));
        }
        true
    }

    /// Reads the type of a parameter or header field, and whether a list is written as one
    /// parameter for each item.
    fn param_type(
        &mut self,
        file: usize,
        map: &'d Map,
        kind: ParamPlace,
        direction: Direction,
    ) -> (Type, bool) {
        let style = map.entry("style");
        let form = match style.and_then(|entry| entry.value.as_scalar()) {
            Some(style) => &*style.text == "form",
            None => matches!(kind, ParamPlace::Query | ParamPlace::Cookie),
        };
        self.tell_style(style);
        let explode = match map.entry("explode") {
            Some(entry) => is_true(entry),
            None => form,
        };
        if let Some(schema) = map.entry("schema") {
            let ty = self
                .lowering
                .lower_in(direction, file, &schema.value, schema.key_span);
            return (ty, explode);
        }
        let content = map.get("content").and_then(Node::as_map);
        let media = content.and_then(body::preferred);
        let schema = media.and_then(|media| media.value.as_map()?.entry("schema"));
        let ty = match schema {
            Some(schema) => self
                .lowering
                .lower_in(direction, file, &schema.value, schema.key_span),
            None => Type::any(),
        };
        (ty, false)
    }

    fn tell_style(&mut self, style: Option<&'d Entry>) {
        let Some(entry) = style else { return };
        let text = entry.value.as_scalar().map_or("", |style| &*style.text);
        if matches!(text, "form" | "simple") {
            return;
        }
        let known = [
            "matrix",
            "label",
            "spaceDelimited",
            "pipeDelimited",
            "deepObject",
        ];
        if known.contains(&text) {
            let text = format!("parameters are not written in the style `{text}` yet");
            let finding = Finding::info(codes::UNSUPPORTED_CONTRACT, entry.value.span, text);
            self.lowering
                .report(finding.with_note("they are read and written as plain text"));
            return;
        }
        let help = match did_you_mean(text, known.into_iter().chain(["form", "simple"])) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "the styles are `form`, `simple`, `matrix`, `label`, `spaceDelimited`, \
                     `pipeDelimited` and `deepObject`"
                .to_owned(),
        };
        let message = format!("there is no style `{text}`");
        self.lowering.bad(entry.value.span, message, help);
    }

    /// Reads the header fields of an answer.
    pub(super) fn headers(&mut self, file: usize, map: &'d Map) -> Vec<Param> {
        let Some(entry) = map.entry("headers") else {
            return Vec::new();
        };
        let Some(headers) = self.map(&entry.value, entry.key_span, "`headers`") else {
            return Vec::new();
        };
        let mut params = Vec::with_capacity(headers.entries.len());
        for header in &headers.entries {
            if header.key.text.eq_ignore_ascii_case("content-type") {
                continue;
            }
            let place = Place {
                file,
                node: &header.value,
            };
            let Some(place) = self.resolved(place) else {
                continue;
            };
            let Some(own) = self.map(place.node, header.key_span, "a header") else {
                continue;
            };
            let kind = ParamPlace::Header;
            let (ty, explode) = self.param_type(place.file, own, kind, Direction::Response);
            params.push(Param {
                name: Arc::clone(&header.key.text),
                place: kind,
                ty,
                required: own.entry("required").is_some_and(is_true),
                explode,
                span: header.key_span,
            });
        }
        params
    }
}
