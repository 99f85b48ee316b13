//! OpenAPI 3.0 and 3.1: paths and operations; the schemas are read as JSON Schema.
//!
//! `servers`, `security`, `callbacks`, `links`, `webhooks` and `tags` say nothing that types or
//! operations hold, and are passed over.

use std::collections::HashMap;
use std::sync::Arc;

use sluice_model::codes;
use sluice_model::finding::{Finding, did_you_mean};
use sluice_model::operation::{HttpOperation, Param, ParamPlace};
use sluice_model::span::Span;
use sluice_syntax::tree::{Entry, Map, Node};

use crate::contract::{NamedType, Parts};
use crate::schema::files::{Files, Parsed, Place};
use crate::schema::lower::Lowering;

mod body;
mod param;
#[cfg(test)]
mod tests;

/// How many references may be followed to one object.
const REFERENCES_MAX: usize = 16;
/// The methods of a path item, in the order of the specification.
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// Reads an OpenAPI document.
pub(crate) fn read<'d>(root: &'d Parsed, lowering: &mut Lowering<'d>) -> Parts {
    if !is_supported(root, lowering) {
        return Parts::default();
    }
    let schemas = root.node.lookup("/components/schemas");
    let mut named = Vec::new();
    for entry in schemas
        .and_then(Node::as_map)
        .map_or(&[][..], |map| &map.entries)
    {
        let index = lowering.name(0, &["components", "schemas"], entry);
        named.push((Arc::clone(&entry.key.text), index));
    }
    let mut reader = Reader {
        lowering,
        operations: Vec::new(),
        ids: HashMap::new(),
    };
    reader.paths(&root.node);
    let operations = reader.operations;
    let definitions = lowering.finish();
    let named = named.into_iter().filter_map(|(name, index)| {
        let ty = definitions.types().get(index)?.1.clone();
        let pointer = lowering.pointer(index);
        Some(NamedType { name, pointer, ty })
    });
    Parts {
        named: named.collect(),
        operations,
        definitions,
        ..Parts::default()
    }
}

/// Reports a version that this build does not read.
fn is_supported(root: &Parsed, lowering: &mut Lowering) -> bool {
    let Some(map) = root.node.as_map() else {
        let text = "an OpenAPI document is a map";
        lowering.bad(root.node.span, text, "begin it with `openapi: 3.1.0`");
        return false;
    };
    if let Some(entry) = map.entry("swagger") {
        let finding = Finding::error(
            codes::UNSUPPORTED_CONTRACT,
            entry.key_span,
            "OpenAPI 2.0 (Swagger) is not supported yet",
        );
        lowering.report(
            finding.with_help("convert the document to OpenAPI 3.0, for instance by its editor"),
        );
        return false;
    }
    let Some(entry) = map.entry("openapi") else {
        let start = Span::new(root.file.id, 0, 0);
        let text = "the document does not say its version";
        lowering.bad(start, text, "add `openapi: 3.1.0`");
        return false;
    };
    let version = entry.value.as_scalar().map_or("", |scalar| &*scalar.text);
    if version == "3.0" || version.starts_with("3.0.") || version.starts_with("3.1") {
        return true;
    }
    if version.starts_with("3.") {
        let text = format!("OpenAPI {version} is read as 3.1");
        lowering.report(Finding::info(
            codes::UNSUPPORTED_CONTRACT,
            entry.value.span,
            text,
        ));
        return true;
    }
    let text = format!("there is no OpenAPI version `{version}`");
    lowering.bad(
        entry.value.span,
        text,
        "the versions that are read are 3.0 and 3.1",
    );
    false
}

/// Returns the schema that a pointer means: of what it points at, of the media type or body that
/// stands there, or of an operation's request body.
pub(crate) fn schema_of<'d>(node: &'d Node, files: &'d Files) -> Option<(usize, &'d Node)> {
    let mut place = Place { file: 0, node };
    for _ in 0..REFERENCES_MAX {
        let holder = ["requestBody", "schema"]
            .into_iter()
            .find_map(|key| place.node.get(key));
        let content = place.node.get("content").and_then(Node::as_map);
        if let Some(inner) = holder {
            place.node = inner;
        } else if let Some(entry) = content.and_then(body::preferred) {
            place.node = &entry.value;
        } else if let Some(reference) = place.node.get("$ref").and_then(Node::as_scalar)
            && let Ok(target) = files.resolve(place.file, &reference.text)
            && ["content", "schema"]
                .iter()
                .any(|key| target.node.get(key).is_some())
        {
            place = target;
        } else {
            return Some((place.file, place.node));
        }
    }
    None
}

struct Reader<'l, 'd> {
    lowering: &'l mut Lowering<'d>,
    operations: Vec<Arc<HttpOperation>>,
    /// Where each operation id was seen first.
    ids: HashMap<Arc<str>, Span>,
}

/// An operation's surroundings, while it is read.
struct Route<'d> {
    /// The file that the path item stands in.
    file: usize,
    path: &'d Entry,
    /// The names in braces.
    names: Vec<&'d str>,
}

impl<'d> Reader<'_, 'd> {
    fn paths(&mut self, root: &'d Node) {
        let Some(entry) = root.as_map().and_then(|map| map.entry("paths")) else {
            if root.get("webhooks").is_none() && root.get("components").is_none() {
                let text = "the document has neither `paths` nor `components`";
                let help = "add `paths: {}`, or the operations under it";
                self.lowering.bad(root.span, text, help);
            }
            return;
        };
        let Some(map) = self.map(&entry.value, entry.key_span, "`paths`") else {
            return;
        };
        for path in &map.entries {
            if path.key.text.starts_with("x-") {
                continue;
            }
            if !path.key.text.starts_with('/') {
                let text = format!("the path `{}` does not begin with `/`", path.key.text);
                let help = format!("write `/{}`", path.key.text);
                self.lowering.bad(path.key_span, text, help);
                continue;
            }
            self.path_item(path);
        }
    }

    fn path_item(&mut self, path: &'d Entry) {
        let place = Place {
            file: 0,
            node: &path.value,
        };
        let Some(place) = self.resolved(place) else {
            return;
        };
        let Some(item) = self.map(place.node, path.key_span, "a path item") else {
            return;
        };
        let names = match template(&path.key.text) {
            Ok(names) => names,
            Err(why) => {
                let text = format!("the path `{}` {why}", path.key.text);
                let help = "write each parameter as `{name}`, once";
                self.lowering.bad(path.key_span, text, help);
                return;
            }
        };
        let route = Route {
            file: place.file,
            path,
            names,
        };
        let common = self.params(&route, item);
        for entry in &item.entries {
            let key = &*entry.key.text;
            if METHODS.contains(&key) {
                self.operation(&route, entry, &common);
            } else if let Some(near) = misspelt_method(key) {
                let text = format!("`{key}` is no method");
                let help = format!("did you mean `{near}`?");
                self.lowering.bad(entry.key_span, text, help);
            }
        }
    }

    fn operation(&mut self, route: &Route<'d>, entry: &'d Entry, common: &[Param]) {
        let Some(map) = self.map(&entry.value, entry.key_span, "an operation") else {
            return;
        };
        let method: Arc<str> = entry.key.text.to_ascii_uppercase().into();
        let id = self.id(route, map, &method);
        let mut params = self.params(route, map);
        let own = |param: &Param| {
            let twin = |own: &Param| own.place == param.place && own.name == param.name;
            !params.iter().any(twin)
        };
        let inherited: Vec<Param> = common.iter().filter(|param| own(param)).cloned().collect();
        params.splice(0..0, inherited);
        self.check_template(route, entry, &params);
        let body = map.entry("requestBody");
        let body = body.and_then(|body| self.request_body(route.file, body));
        let responses = self.responses(route.file, map, entry);
        let summary = ["summary", "description"].into_iter().find_map(|key| {
            let text = map.get(key)?.as_scalar()?;
            let line = text
                .text
                .lines()
                .next()
                .filter(|line| !line.trim().is_empty())?;
            Some(Arc::from(line.trim()))
        });
        let idempotent = matches!(
            &*method,
            "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE"
        );
        let safe = matches!(&*method, "GET" | "HEAD" | "OPTIONS" | "TRACE");
        self.operations.push(Arc::new(HttpOperation {
            id,
            method,
            path: Arc::clone(&route.path.key.text),
            summary,
            params,
            body,
            responses,
            idempotent,
            safe,
            span: entry.key_span,
        }));
    }

    /// Returns an operation's id; a doubled one is a finding, and the second goes by its path.
    fn id(&mut self, route: &Route<'d>, map: &'d Map, method: &str) -> Arc<str> {
        let by_path: Arc<str> = format!("{method} {}", route.path.key.text).into();
        let Some(node) = map.get("operationId") else {
            return by_path;
        };
        let Some(id) = node.as_scalar().filter(|id| !id.text.is_empty()) else {
            let help = "write a name, such as `operationId: createOrder`";
            self.lowering
                .bad(node.span, "`operationId` is a text", help);
            return by_path;
        };
        if let Some(first) = self.ids.get(&id.text) {
            let text = format!("two operations have the id `{}`", id.text);
            let finding = Finding::error(codes::DUPLICATE_NAME, node.span, text)
                .with_place(*first, "the first one is here")
                .with_help(format!(
                    "give one of them another id; until then it goes by `{by_path}`"
                ));
            self.lowering.report(finding);
            return by_path;
        }
        self.ids.insert(Arc::clone(&id.text), node.span);
        Arc::clone(&id.text)
    }

    /// Each name in the path's braces is a path parameter, and the other way round.
    fn check_template(&mut self, route: &Route<'d>, entry: &'d Entry, params: &[Param]) {
        let in_path = params
            .iter()
            .filter(|param| param.place == ParamPlace::Path);
        let (known, strange): (Vec<&Param>, Vec<&Param>) =
            in_path.partition(|param| route.names.contains(&&*param.name));
        let declared = |name: &&str| known.iter().any(|param| *param.name == **name);
        let mut missing: Vec<&str> = route.names.clone();
        missing.retain(|name| !declared(name));
        for param in strange {
            let text = format!(
                "the path `{}` has no parameter `{}`",
                route.path.key.text, param.name
            );
            let near = did_you_mean(&param.name, missing.iter().copied());
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("add `{{{}}}` to the path, or remove it", param.name),
            };
            // A misspelt parameter is one mistake, not one that is missing beside.
            missing.retain(|name| Some(*name) != near);
            let finding = Finding::error(codes::CONTRADICTION, param.span, text);
            self.lowering.report(finding.with_help(help));
        }
        for name in missing {
            let text = format!("nothing declares the path parameter `{name}`");
            let help = format!("add `{{ name: {name}, in: path, required: true, schema: ... }}`");
            let finding = Finding::error(codes::CONTRADICTION, route.path.key_span, text)
                .with_place(entry.key_span, "this operation needs it");
            self.lowering.report(finding.with_help(help));
        }
    }

    /// Follows `$ref` to the object that is meant.
    fn resolved(&mut self, mut place: Place<'d>) -> Option<Place<'d>> {
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = place.node.get("$ref") else {
                return Some(place);
            };
            let Some(scalar) = reference.as_scalar() else {
                let help = "write it as `$ref: '#/...'`";
                self.lowering.bad(reference.span, "`$ref` is a text", help);
                return None;
            };
            match self.lowering.files.resolve(place.file, &scalar.text) {
                Ok(next) => place = next,
                Err(problem) => {
                    let at = reference.span;
                    self.lowering
                        .broken_reference(place.file, &scalar.text, at, problem);
                    return None;
                }
            }
        }
        let text = "references lead in a circle";
        let finding = Finding::error(codes::CONTRADICTION, place.node.span, text);
        self.lowering
            .report(finding.with_help("let one of them hold the thing itself"));
        None
    }

    fn map(&mut self, node: &'d Node, at: Span, what: &str) -> Option<&'d Map> {
        let map = node.as_map();
        if map.is_none() {
            let at = if node.is_absent() { at } else { node.span };
            let text = format!("{what} is a map, not a {}", node.kind_name());
            self.lowering
                .bad(at, text, "indent its entries below it, or write `{}`");
        }
        map
    }
}

/// Returns the names in a path's braces.
fn template(path: &str) -> Result<Vec<&str>, &'static str> {
    let mut names = Vec::new();
    let mut rest = path;
    while let Some(open) = rest.find(['{', '}']) {
        if rest[open..].starts_with('}') {
            return Err("has a `}` without its `{`");
        }
        let after = &rest[open + 1..];
        let Some(close) = after.find('}') else {
            return Err("has a `{` without its `}`");
        };
        let name = &after[..close];
        if name.is_empty() || name.contains('{') {
            return Err("has a parameter without a name");
        }
        if names.contains(&name) {
            return Err("has a parameter twice");
        }
        names.push(name);
        rest = &after[close + 1..];
    }
    Ok(names)
}

/// Returns the method that a key of a path item was probably meant to be.
fn misspelt_method(key: &str) -> Option<&'static str> {
    let known = ["summary", "description", "servers", "parameters", "$ref"];
    if known.contains(&key) || key.starts_with("x-") {
        return None;
    }
    let near = did_you_mean(key, METHODS)?;
    METHODS.into_iter().find(|method| *method == near)
}
