//! A request is read and checked against its operation: parameters, content type, body.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use sluice_contracts::coerce::parse_text;
use sluice_contracts::validate::Validator;
use sluice_model::fault::FaultCode;
use sluice_model::json::{self, Limits};
use sluice_model::operation::{HttpOperation, Param, ParamPlace};
use sluice_model::projection::Projection;
use sluice_model::types::{Kind, Type};
use sluice_model::value::{Name, Record, Text, Value};

use crate::limits::FrontLimits;
use crate::problem::{ERRORS_MAX, Problem, ProblemError};
use crate::stdx::{Plus, percent_decoded};

/// How deep a body's lists and records may lie in each other.
const DEPTH_MAX: usize = 128;

/// The most parts of a query.
const QUERY_PARTS_MAX: usize = 1000;

/// The names and values of a query, decoded.
type Query<'q> = Vec<(Cow<'q, str>, Cow<'q, str>)>;

/// An operation, made ready to check its requests.
#[derive(Debug)]
pub(crate) struct Checker {
    pub operation: Arc<HttpOperation>,
    params: Vec<ParamPlan>,
    body: BodyPlan,
    limits: FrontLimits,
}

#[derive(Debug)]
struct ParamPlan {
    name: Name,
    /// Its name as header fields have it.
    field: String,
    param: Param,
    /// The type of its items, if it is a list.
    item: Option<Type>,
    /// Which of the path's parameters it is.
    position: Option<usize>,
    validator: Validator,
}

#[derive(Debug)]
enum BodyPlan {
    None,
    Some {
        media_type: Box<str>,
        kind: BodyKind,
        required: bool,
        validator: Validator,
    },
}

/// How a body's bytes become a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyKind {
    Json,
    /// Text, in UTF-8.
    Text,
    /// As it came.
    Bytes,
    /// In a way that this build does not read: forms.
    NotYet,
}

/// A request that is what its operation says.
#[derive(Debug)]
pub(crate) struct Checked {
    pub payload: Value<'static>,
    pub params: Record<'static>,
    /// The body as it came.
    pub bytes: Bytes,
}

impl Checker {
    /// `path_params` names the parameters of the route's template in their order.
    pub fn new(operation: &Arc<HttpOperation>, path_params: &[&str], limits: FrontLimits) -> Self {
        let position = |param: &Param| match param.place {
            ParamPlace::Path => path_params.iter().position(|name| *name == &*param.name),
            ParamPlace::Query | ParamPlace::Header | ParamPlace::Cookie => None,
        };
        // Cookies are for browsers' sessions; no flow is given them.
        let given = operation
            .params
            .iter()
            .filter(|p| p.place != ParamPlace::Cookie);
        let params = given.map(|param| ParamPlan {
            name: Name::new(&param.name),
            field: param.name.to_ascii_lowercase(),
            item: match &param.ty.resolved().kind {
                Kind::List(list) => Some(list.item.clone()),
                _ => None,
            },
            position: position(param),
            validator: Validator::new(&param.ty),
            param: param.clone(),
        });
        let body = match &operation.body {
            None => BodyPlan::None,
            Some(body) => BodyPlan::Some {
                kind: BodyKind::of(&body.media_type),
                media_type: essence(&body.media_type).into(),
                required: body.required,
                validator: Validator::new(&body.ty),
            },
        };
        Self {
            params: params.collect(),
            operation: Arc::clone(operation),
            body,
            limits,
        }
    }

    /// Reads and checks a request; `path` holds the texts of its path parameters in their order.
    ///
    /// # Errors
    /// 400 for parameters that are missing or not of their type, and for a body that cannot be
    /// read; 422 for a body that can be read and is not what the contract says; 413 and 415.
    pub async fn check(
        &self,
        head: &Parts,
        path: &[&str],
        body: Incoming,
    ) -> Result<Checked, Problem> {
        let params = self.params(head, path)?;
        let kind = self.media_type(&head.headers, &body)?;
        let bytes = read(body, &self.limits).await?;
        let payload = self.payload(kind, &bytes)?;
        Ok(Checked {
            payload,
            params,
            bytes,
        })
    }

    fn params(&self, head: &Parts, path: &[&str]) -> Result<Record<'static>, Problem> {
        let query = query(head.uri.query().unwrap_or(""))?;
        let mut record = Record::with_capacity(self.params.len());
        let mut errors = Vec::new();
        for plan in &self.params {
            match plan.read(head, path, &query) {
                Ok(Some(value)) => record.push(plan.name, value),
                Ok(None) => {}
                Err(detail) => errors.push(ProblemError::parameter(&plan.param.name, detail)),
            }
        }
        match errors.as_slice() {
            [] => Ok(record),
            [ProblemError::Parameter { name, detail }] => {
                let text = format!("the parameter `{name}` {detail}");
                Err(parameter_problem(text).with_errors(errors))
            }
            _ => {
                let text = format!("{} parameters are wrong", errors.len());
                Err(parameter_problem(text).with_errors(errors))
            }
        }
    }

    /// Checks what the header fields say of the body; `None` if there is none.
    fn media_type(
        &self,
        headers: &HeaderMap,
        body: &Incoming,
    ) -> Result<Option<BodyKind>, Problem> {
        if body.is_end_stream() {
            return Ok(None);
        }
        let announced = body.size_hint().lower();
        if u64::try_from(self.limits.body_bytes).unwrap_or(u64::MAX) < announced {
            return Err(too_large(&self.limits));
        }
        let BodyPlan::Some {
            media_type, kind, ..
        } = &self.body
        else {
            return Err(Problem::malformed("this operation takes no body").closing());
        };
        let coding = headers.get(header::CONTENT_ENCODING);
        if coding.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
            let text = "the body is encoded; send it without `Content-Encoding`";
            return Err(unsupported(text.to_owned()));
        }
        let sent = headers.get(header::CONTENT_TYPE);
        let sent = sent.and_then(|value| value.to_str().ok()).unwrap_or("");
        let fits = essence(sent).eq_ignore_ascii_case(media_type)
            || (*kind == BodyKind::Json && BodyKind::is_json(&essence(sent)));
        if !fits {
            return Err(unsupported(format!("the body has to be `{media_type}`")));
        }
        if matches!(kind, BodyKind::Json | BodyKind::Text) && !is_utf8(sent) {
            return Err(unsupported("the body has to be in UTF-8".to_owned()));
        }
        match kind {
            BodyKind::NotYet => {
                let text = format!("a body that is `{media_type}` cannot be read yet");
                Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", text).closing())
            }
            read => Ok(Some(*read)),
        }
    }

    fn payload(&self, kind: Option<BodyKind>, bytes: &Bytes) -> Result<Value<'static>, Problem> {
        let BodyPlan::Some {
            required,
            validator,
            ..
        } = &self.body
        else {
            return Ok(Value::Null);
        };
        let kind = match kind {
            Some(kind) if !bytes.is_empty() => kind,
            _ if *required => return Err(Problem::malformed("a body is required")),
            _ => return Ok(Value::Null),
        };
        let value = match kind {
            BodyKind::Json => self.json(bytes)?,
            BodyKind::Text => match std::str::from_utf8(bytes) {
                Ok(text) => Value::Text(Text::from(text)),
                Err(_) => return Err(Problem::malformed("the body is no UTF-8")),
            },
            BodyKind::Bytes | BodyKind::NotYet => Value::Bytes(Arc::from(&**bytes)),
        };
        if validator.is_valid(&value) {
            return Ok(value);
        }
        let details = validator.validate_up_to(&value, ERRORS_MAX);
        let text = match details.as_slice() {
            [] => "the body is not what the contract says".to_owned(),
            [one] if one.pointer.is_empty() => format!("the body {}", one.message),
            [one] => format!("`{}` {}", one.pointer, one.message),
            many => format!(
                "{} things in the body are not what the contract says",
                many.len()
            ),
        };
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, FaultCode::INVALID, text);
        Err(problem.with_errors(details.into_iter().map(ProblemError::At)))
    }

    fn json(&self, bytes: &[u8]) -> Result<Value<'static>, Problem> {
        let limits = Limits {
            depth: DEPTH_MAX,
            bytes: self.limits.body_bytes,
        };
        json::read_owned(bytes, &Projection::All, &limits).map_err(|error| {
            let detail = sluice_model::fault::Detail {
                pointer: error.pointer.clone(),
                message: error.message.clone(),
            };
            Problem::malformed(format!("the body is not JSON: {error}"))
                .with_errors([ProblemError::At(detail)])
        })
    }
}

impl ParamPlan {
    /// Returns the value of the parameter; `None` if it may be missing and is.
    ///
    /// # Errors
    /// What is wrong with it, to stand behind its name.
    fn read(
        &self,
        head: &Parts,
        path: &[&str],
        query: &Query<'_>,
    ) -> Result<Option<Value<'static>>, String> {
        let texts: Vec<&str> = match self.param.place {
            ParamPlace::Path => self
                .position
                .and_then(|at| path.get(at).copied())
                .into_iter()
                .collect(),
            ParamPlace::Query => {
                let own = query.iter().filter(|(name, _)| **name == *self.param.name);
                own.map(|(_, value)| &**value).collect()
            }
            ParamPlace::Header => {
                let own = head.headers.get_all(self.field.as_str()).iter();
                let own: Result<_, _> = own.map(HeaderValue::to_str).collect();
                own.map_err(|_| "must be ASCII".to_owned())?
            }
            ParamPlace::Cookie => Vec::new(),
        };
        let value = match (texts.as_slice(), &self.item) {
            ([], _) if self.param.required => return Err("is required".to_owned()),
            ([], _) => return Ok(None),
            (texts, Some(item)) if self.param.explode && self.param.place == ParamPlace::Query => {
                let items = texts.iter().map(|text| parse_text(item, text));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            ([text], _) => parse_text(&self.param.ty, text)?,
            _ => return Err("is given more than once".to_owned()),
        };
        if let Some(first) = self.validator.validate_up_to(&value, 1).first() {
            return Err(first.message.clone());
        }
        Ok(Some(value.into_owned()))
    }
}

impl BodyKind {
    /// Returns how a media type is read.
    pub fn of(media_type: &str) -> Self {
        let essence = essence(media_type);
        match &*essence {
            json if Self::is_json(json) => BodyKind::Json,
            "application/x-www-form-urlencoded" | "multipart/form-data" => BodyKind::NotYet,
            text if text.starts_with("text/") => BodyKind::Text,
            _ => BodyKind::Bytes,
        }
    }

    fn is_json(essence: &str) -> bool {
        essence.eq_ignore_ascii_case("application/json") || essence.ends_with("+json")
    }
}

/// Returns a media type in small letters, without its parameters.
fn essence(media_type: &str) -> Cow<'_, str> {
    let essence = media_type.split(';').next().unwrap_or("").trim();
    if essence.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(essence.to_ascii_lowercase());
    }
    Cow::Borrowed(essence)
}

/// Whether a media type's charset is UTF-8, or none is given.
fn is_utf8(media_type: &str) -> bool {
    let mut params = media_type
        .split(';')
        .skip(1)
        .filter_map(|p| p.split_once('='));
    let charset = params.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    charset.is_none_or(|(_, value)| {
        let value = value.trim().trim_matches('"');
        value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("us-ascii")
    })
}

fn query(text: &str) -> Result<Query<'_>, Problem> {
    let broken = || parameter_problem("the query has a broken percent-encoding".to_owned());
    let mut parts = Vec::new();
    for part in text.split('&').filter(|part| !part.is_empty()) {
        if parts.len() == QUERY_PARTS_MAX {
            let text = format!("the query has more than {QUERY_PARTS_MAX} parts");
            return Err(parameter_problem(text));
        }
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let name = percent_decoded(name, Plus::Space).ok_or_else(broken)?;
        let value = percent_decoded(value, Plus::Space).ok_or_else(broken)?;
        parts.push((name, value));
    }
    Ok(parts)
}

async fn read(body: Incoming, limits: &FrontLimits) -> Result<Bytes, Problem> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    match Limited::new(body, limits.body_bytes).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(limits)),
        Err(error) => Err(broken_body(&*error)),
    }
}

fn broken_body(error: &(dyn std::error::Error + 'static)) -> Problem {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut) {
            let text = "the body did not come in time";
            return Problem::new(StatusCode::REQUEST_TIMEOUT, FaultCode::TIMEOUT, text).closing();
        }
        cause = error.source();
    }
    Problem::malformed("the body ends too early, or is not framed as it should be").closing()
}

fn parameter_problem(text: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, FaultCode::INVALID, text)
}

fn too_large(limits: &FrontLimits) -> Problem {
    let text = format!("the body has more than {} bytes", limits.body_bytes);
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, FaultCode::LIMIT, text).closing()
}

fn unsupported(text: String) -> Problem {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Problem::new(status, "unsupported_media_type", text).closing()
}
