//! From a call's parameters and body to a request: how OpenAPI's default styles write them.
//!
//! Path and header parameters have the style `simple`, query and cookie parameters `form`. What is
//! not unreserved is percent-encoded (RFC 3986 section 2.1), in the query too.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue,
};
use http::uri::PathAndQuery;
use http_body_util::Full;
use sluice_model::fault::Fault;
use sluice_model::json;
use sluice_model::operation::{HttpOperation, Param, ParamPlace};
use sluice_model::value::{Name, Record, Value};
use sluice_sdk::check::Problem;
use sluice_sdk::connection;

use super::client::Request;
use super::config::is_framing;

/// The header field that carries an effect's key.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How a media type is read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Text,
    Form,
    Bytes,
}

impl Media {
    /// Returns how a media type is read and written; `None` where that is not built.
    pub(super) fn of(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        let essence = essence.to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/')?;
        match (kind, subtype) {
            (_, "json" | "*") => Some(Media::Json),
            (_, subtype) if subtype.ends_with("+json") => Some(Media::Json),
            (_, "xml") | ("multipart", _) => None,
            (_, subtype) if subtype.ends_with("+xml") => None,
            ("application", "x-www-form-urlencoded") => Some(Media::Form),
            ("text", _) => Some(Media::Text),
            _ => Some(Media::Bytes),
        }
    }
}

/// How an operation's requests are made.
pub(super) struct Plan {
    id: String,
    method: http::Method,
    path: Vec<Part>,
    /// The parameters that are not in the path.
    others: Vec<ParamPlan>,
    body: Option<BodyPlan>,
    accept: HeaderValue,
    /// All names that a request may give.
    names: Vec<Name>,
}

enum Part {
    /// A piece of the template, encoded.
    Text(String),
    Param(ParamPlan),
}

struct ParamPlan {
    name: Name,
    required: bool,
    explode: bool,
    place: Place,
}

enum Place {
    Path,
    /// With the encoded name.
    Query(String),
    Header(HeaderName),
    Cookie(String),
}

impl Place {
    fn is_key(&self) -> bool {
        matches!(self, Place::Header(name) if *name == IDEMPOTENCY_KEY)
    }
}

struct BodyPlan {
    media: Media,
    content_type: HeaderValue,
    required: bool,
}

impl Plan {
    /// Returns how the requests of an operation are made.
    pub(super) fn new(operation: &HttpOperation) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let id = &operation.id;
        let method = http::Method::from_bytes(operation.method.as_bytes()).map_err(|_| {
            problems.push(problem(
                id,
                format!("has no valid method: `{}`", operation.method),
            ));
        });
        let path = path(operation, &mut problems);
        let mut others = Vec::new();
        for param in &operation.params {
            match other(param) {
                Ok(Some(plan)) => others.push(plan),
                Ok(None) => {}
                Err(why) => problems.push(problem(id, why)),
            }
        }
        let body = body(operation).map_err(|problem| problems.push(problem));
        let accept = accept(operation).map_err(|problem| problems.push(problem));
        let names = operation
            .params
            .iter()
            .map(|p| Name::new(&p.name))
            .collect();
        match (method, body, accept) {
            (Ok(method), Ok(body), Ok(accept)) if problems.is_empty() => Ok(Self {
                id: id.to_string(),
                method,
                path,
                others,
                body,
                accept,
                names,
            }),
            _ => Err(problems),
        }
    }

    /// Makes a request. `prefix` is the path before the operation's, `fixed` what every request of
    /// the connection has.
    ///
    /// # Errors
    /// An `invalid` fault that points at the parameter: one is missing, or is not what its place
    /// can carry.
    pub(super) fn request(
        &self,
        given: &connection::Request,
        prefix: &str,
        fixed: &HeaderMap,
    ) -> Result<Request, Fault> {
        self.refuse_unknown(&given.params)?;
        let mut headers = fixed.clone();
        headers.entry(ACCEPT).or_insert_with(|| self.accept.clone());
        if let Some(key) = &given.key {
            let value = HeaderValue::from_str(key.as_str()).map_err(|_| {
                Fault::invalid(
                    "the effect's key has a control character, which a header cannot carry",
                )
            })?;
            headers.insert(IDEMPOTENCY_KEY, value);
        }
        let mut target = String::with_capacity(prefix.len() + 64);
        target.push_str(prefix);
        self.write_path(&given.params, &mut target)?;
        self.write_others(given, &mut target, &mut headers)?;
        let body = self.write_body(given.body.as_ref(), &mut headers)?;
        let target = PathAndQuery::try_from(target).map_err(|error| {
            Fault::invalid(format!("the path of `{}` is too long", self.id)).with_source(error)
        })?;
        let mut request = http::Request::new(Full::new(body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = target.into();
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn refuse_unknown(&self, params: &Record<'static>) -> Result<(), Fault> {
        for (key, _) in params {
            if !self.names.iter().any(|name| key.is(*name)) {
                let text = format!("`{}` has no parameter `{}`", self.id, key.as_str());
                return Err(Fault::invalid(text).with_detail(pointer(key.as_str()), "unknown"));
            }
        }
        Ok(())
    }

    fn write_path(&self, params: &Record<'static>, target: &mut String) -> Result<(), Fault> {
        let start = target.len();
        let mut has_dots = false;
        for part in &self.path {
            let param = match part {
                Part::Text(text) => {
                    target.push_str(text);
                    continue;
                }
                Part::Param(param) => param,
            };
            let before = target.len();
            if let Some(value) = self.given(param, params)? {
                simple(value, param.explode, target, push_encoded)
                    .map_err(|why| self.unfit(param, why))?;
            }
            let written = &target[before..];
            if written.is_empty() {
                // An empty segment would name another resource.
                return Err(self.unfit(param, "is empty, which a path cannot carry"));
            }
            has_dots |= written.bytes().all(|byte| byte == b'.');
        }
        if has_dots && target[start..].split('/').any(|s| s == "." || s == "..") {
            // Servers resolve these segments (RFC 3986 section 5.2.4): another resource again.
            let text = format!("a path parameter of `{}` is `.` or `..`", self.id);
            return Err(Fault::invalid(text));
        }
        Ok(())
    }

    fn write_others(
        &self,
        given: &connection::Request,
        target: &mut String,
        headers: &mut HeaderMap,
    ) -> Result<(), Fault> {
        let mut separator = '?';
        let mut cookies = String::new();
        for param in &self.others {
            let value = match given.params.get(param.name) {
                // The effect's key stands there already.
                None if given.key.is_some() && param.place.is_key() => continue,
                _ => self.given(param, &given.params)?,
            };
            let Some(value) = value else { continue };
            match &param.place {
                Place::Path => {}
                Place::Query(name) => form(value, name, param.explode, |text| {
                    target.push(separator);
                    separator = '&';
                    target.push_str(text);
                })
                .map_err(|why| self.unfit(param, why))?,
                Place::Cookie(name) => form(value, name, param.explode, |text| {
                    if !cookies.is_empty() {
                        cookies.push_str("; ");
                    }
                    cookies.push_str(text);
                })
                .map_err(|why| self.unfit(param, why))?,
                Place::Header(name) => {
                    let mut text = String::new();
                    simple(value, param.explode, &mut text, push_plain)
                        .map_err(|why| self.unfit(param, why))?;
                    let value = HeaderValue::from_str(&text).map_err(|_| {
                        self.unfit(
                            param,
                            "has a control character, which a header cannot carry",
                        )
                    })?;
                    headers.insert(name, value);
                }
            }
        }
        if !cookies.is_empty() {
            let value = HeaderValue::from_str(&cookies)
                .map_err(|_| Fault::internal("an encoded cookie is not valid"))?;
            headers.insert(COOKIE, value);
        }
        Ok(())
    }

    fn write_body(
        &self,
        body: Option<&Value<'static>>,
        headers: &mut HeaderMap,
    ) -> Result<Bytes, Fault> {
        let bytes = match (&self.body, body) {
            (None, None) => None,
            (None, Some(_)) => {
                return Err(Fault::invalid(format!("`{}` takes no body", self.id)));
            }
            (Some(plan), None) if plan.required => {
                return Err(Fault::invalid(format!("`{}` needs a body", self.id)));
            }
            (Some(_), None) => None,
            (Some(plan), Some(body)) => {
                headers.insert(CONTENT_TYPE, plan.content_type.clone());
                Some(self.encode_body(plan.media, body)?)
            }
        };
        // RFC 9110 section 8.6: a method that usually has a body says that there is none.
        let usual = [http::Method::POST, http::Method::PUT, http::Method::PATCH];
        if bytes.is_some() || usual.contains(&self.method) {
            let length = bytes.as_ref().map_or(0, Bytes::len);
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        Ok(bytes.unwrap_or_default())
    }

    fn encode_body(&self, media: Media, body: &Value<'static>) -> Result<Bytes, Fault> {
        let unfit = |why: &str| {
            let text = format!(
                "the body of `{}` has to be {why}, not {}",
                self.id,
                body.kind()
            );
            Fault::invalid(text)
        };
        match (media, body) {
            (Media::Json, _) => {
                let mut out = Vec::with_capacity(256);
                json::write(body, &mut out);
                Ok(out.into())
            }
            (Media::Text | Media::Bytes, Value::Text(text)) => {
                Ok(Bytes::copy_from_slice(text.as_bytes()))
            }
            (Media::Bytes, Value::Bytes(bytes)) => Ok(Bytes::copy_from_slice(bytes)),
            (Media::Text, Value::List(_) | Value::Record(_) | Value::Null | Value::Bytes(_)) => {
                Err(unfit("a text"))
            }
            (Media::Text, scalar) => Ok(json::to_string(scalar).into()),
            (Media::Form, Value::Record(fields)) => {
                let mut out = String::new();
                for (key, value) in fields {
                    let mut name = String::new();
                    push_encoded(key.as_str(), &mut name);
                    form(value, &name, true, |text| {
                        if !out.is_empty() {
                            out.push('&');
                        }
                        out.push_str(text);
                    })
                    .map_err(|_| unfit("a record of texts, numbers and lists of them"))?;
                }
                Ok(out.into())
            }
            (Media::Form, _) => Err(unfit("a record")),
            (Media::Bytes, _) => Err(unfit("bytes or a text")),
        }
    }

    /// Returns the value of a parameter; `None` if it is missing and may be.
    fn given<'r>(
        &self,
        param: &ParamPlan,
        params: &'r Record<'static>,
    ) -> Result<Option<&'r Value<'static>>, Fault> {
        match params.get(param.name) {
            None | Some(Value::Null) if param.required => Err(self.unfit(param, "is missing")),
            None | Some(Value::Null) => Ok(None),
            value => Ok(value),
        }
    }

    fn unfit(&self, param: &ParamPlan, why: &str) -> Fault {
        let text = format!("the parameter `{}` of `{}` {why}", param.name, self.id);
        Fault::invalid(text).with_detail(pointer(param.name.as_str()), why)
    }
}

fn problem(id: &str, message: impl std::fmt::Display) -> Problem {
    Problem::new("", format!("the operation `{id}` {message}"))
}

/// Returns the JSON Pointer (RFC 6901) of a field.
fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Takes the path template apart.
fn path(operation: &HttpOperation, problems: &mut Vec<Problem>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest: &str = &operation.path;
    while let Some(open) = rest.find('{') {
        let Some(close) = rest[open..].find('}').map(|length| open + length) else {
            break;
        };
        push_literal(&mut parts, &rest[..open]);
        let name = &rest[open + 1..close];
        let param = operation
            .params
            .iter()
            .find(|param| param.place == ParamPlace::Path && *param.name == *name);
        match param {
            Some(param) => parts.push(Part::Param(ParamPlan {
                name: Name::new(name),
                required: true,
                explode: param.explode,
                place: Place::Path,
            })),
            None => problems.push(problem(
                &operation.id,
                format!("has `{{{name}}}` in its path, but no such parameter"),
            )),
        }
        rest = &rest[close + 1..];
    }
    push_literal(&mut parts, rest);
    if !operation.path.starts_with('/') || operation.path.contains(['?', '#']) {
        let message = format!("has the path `{}`, which is none", operation.path);
        problems.push(problem(&operation.id, message));
    }
    parts
}

fn push_literal(parts: &mut Vec<Part>, text: &str) {
    if text.is_empty() {
        return;
    }
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        // What a path may hold as it is (RFC 3986 section 3.3), and what is encoded already.
        match byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte) {
            true => encoded.push(char::from(byte)),
            false => push_escape(byte, &mut encoded),
        }
    }
    parts.push(Part::Text(encoded));
}

/// Returns how a parameter outside of the path travels; `None` for one that does not.
fn other(param: &Param) -> Result<Option<ParamPlan>, String> {
    let place = match param.place {
        ParamPlace::Path => return Ok(None),
        ParamPlace::Query => {
            let mut name = String::new();
            push_encoded(&param.name, &mut name);
            Place::Query(name)
        }
        ParamPlace::Cookie => {
            let mut name = String::new();
            push_encoded(&param.name, &mut name);
            Place::Cookie(name)
        }
        ParamPlace::Header => {
            let name = HeaderName::from_bytes(param.name.as_bytes()).map_err(|_| {
                format!(
                    "has a header parameter without a valid name: `{}`",
                    param.name
                )
            })?;
            if is_framing(&name) {
                return Err(format!(
                    "has the header parameter `{name}`, which the client sets"
                ));
            }
            Place::Header(name)
        }
    };
    Ok(is_sent(param).then(|| ParamPlan {
        name: Name::new(&param.name),
        required: param.required,
        explode: param.explode,
        place,
    }))
}

/// Returns whether a parameter is a caller's to give: OpenAPI (section "Parameter Object") has the
/// header fields `Accept`, `Content-Type` and `Authorization` described elsewhere.
pub(super) fn is_sent(param: &Param) -> bool {
    let is_elsewhere = [ACCEPT, CONTENT_TYPE, AUTHORIZATION]
        .iter()
        .any(|name| param.name.eq_ignore_ascii_case(name.as_str()));
    param.place != ParamPlace::Header || !is_elsewhere
}

fn body(operation: &HttpOperation) -> Result<Option<BodyPlan>, Problem> {
    let Some(body) = &operation.body else {
        return Ok(None);
    };
    let not_yet = |media_type: &str| {
        let message = format!(
            "not yet: a body of `{media_type}` (operation `{}`)",
            operation.id
        );
        Problem::new("", message).with_help("JSON, forms, texts and plain bytes are built")
    };
    let media = Media::of(&body.media_type).ok_or_else(|| not_yet(&body.media_type))?;
    let written = match media {
        Media::Json if body.media_type.contains('*') => "application/json".to_owned(),
        Media::Text if !body.media_type.contains("charset") => {
            format!("{}; charset=utf-8", body.media_type)
        }
        _ => body.media_type.to_string(),
    };
    let content_type = HeaderValue::from_str(&written).map_err(|_| not_yet(&written))?;
    Ok(Some(BodyPlan {
        media,
        content_type,
        required: body.required,
    }))
}

fn accept(operation: &HttpOperation) -> Result<HeaderValue, Problem> {
    let success = operation
        .success()
        .1
        .and_then(|answer| answer.body.as_ref());
    let Some(body) = success else {
        return Ok(HeaderValue::from_static("*/*"));
    };
    let not_yet = || {
        let message = format!(
            "not yet: an answer of `{}` (operation `{}`)",
            body.media_type, operation.id
        );
        Problem::new("", message).with_help("JSON, texts and plain bytes are built")
    };
    Media::of(&body.media_type).ok_or_else(not_yet)?;
    HeaderValue::from_str(&body.media_type).map_err(|_| not_yet())
}

/// Writes a value in the style `simple` (RFC 6570 section 3.2.2).
fn simple(
    value: &Value<'static>,
    explode: bool,
    out: &mut String,
    push: fn(&str, &mut String),
) -> Result<(), &'static str> {
    match value {
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push(&scalar(item)?, out);
            }
        }
        Value::Record(fields) => {
            for (index, (key, value)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push(key.as_str(), out);
                out.push(if explode { '=' } else { ',' });
                push(&scalar(value)?, out);
            }
        }
        value => push(&scalar(value)?, out),
    }
    Ok(())
}

/// Writes a value in the style `form` (RFC 6570 section 3.2.8): hands over one `name=value` or,
/// exploded, one for each item or field. A list or record without items is not there.
fn form(
    value: &Value<'static>,
    name: &str,
    explode: bool,
    mut pair: impl FnMut(&str),
) -> Result<(), &'static str> {
    let mut text = String::with_capacity(name.len() + 16);
    match value {
        Value::List(items) if explode => {
            for item in items {
                text.clear();
                text.push_str(name);
                text.push('=');
                push_encoded(&scalar(item)?, &mut text);
                pair(&text);
            }
        }
        Value::Record(fields) if explode => {
            for (key, value) in fields {
                text.clear();
                push_encoded(key.as_str(), &mut text);
                text.push('=');
                push_encoded(&scalar(value)?, &mut text);
                pair(&text);
            }
        }
        Value::List(items) if items.is_empty() => {}
        Value::Record(fields) if fields.is_empty() => {}
        value => {
            text.push_str(name);
            text.push('=');
            simple(value, false, &mut text, push_encoded)?;
            pair(&text);
        }
    }
    Ok(())
}

/// Returns a scalar as text; numbers as they were written.
fn scalar<'v>(value: &'v Value<'static>) -> Result<Cow<'v, str>, &'static str> {
    match value {
        Value::Text(text) => Ok(Cow::Borrowed(text.as_str())),
        Value::Null => Err("has a null inside, which it cannot carry"),
        Value::List(_) | Value::Record(_) => {
            Err("has a list or record inside another, which it cannot carry")
        }
        Value::Bytes(_) => Ok(Cow::Owned(
            json::to_string(value).trim_matches('"').to_owned(),
        )),
        value => Ok(Cow::Owned(json::to_string(value))),
    }
}

fn push_plain(text: &str, out: &mut String) {
    out.push_str(text);
}

/// Writes a text, percent-encoded but for unreserved characters (RFC 3986 section 2.3).
fn push_encoded(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => out.push(char::from(byte)),
            false => push_escape(byte, out),
        }
    }
}

fn push_escape(byte: u8, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}
