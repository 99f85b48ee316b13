//! Tests against servers in this process, on ports that the system chooses.

mod answers;
mod configuration;
mod conformance;
mod connections;
mod documentation;
mod encryption;
mod server;
mod writing;

use std::sync::Arc;

use sluice_model::fault::Fault;
use sluice_model::ids::EffectKey;
use sluice_model::operation::{
    Body, HttpOperation, HttpResponse, Param, ParamPlace, StatusRange, Target,
};
use sluice_model::span::Span;
use sluice_model::types::Type;
use sluice_model::value::{Name, Record, Value};
use sluice_sdk::config::{NoConfig, SecretText};
use sluice_sdk::connection::{Call, Connection, Request, Response};
use sluice_sdk::cx::{CancelSource, Cx, TokioRuntime};

use super::{Http, HttpCall, HttpConfig};
use crate::tests::{NoCheck, Referring};

/// A context on the real clock; the secret `token` is `s3cret-t0ken`, `line` has a line break.
fn context() -> (Cx, CancelSource) {
    let secrets = |name: &str| match name {
        "token" => Some(SecretText::new("s3cret-t0ken".into())),
        "line" => Some(SecretText::new("s3cret\n".into())),
        _ => None,
    };
    let runtime = TokioRuntime::system(Box::new(secrets), Box::new(|_, _, _, _| {}));
    Cx::new(Arc::new(runtime))
}

fn span() -> Span {
    Span {
        file: sluice_model::span::FileId(0),
        start: 0,
        end: 0,
    }
}

/// Returns an operation that answers JSON.
fn operation(method: &str, path: &str) -> HttpOperation {
    let safe = matches!(method, "GET" | "HEAD" | "OPTIONS");
    HttpOperation {
        id: "op".into(),
        method: method.into(),
        path: path.into(),
        summary: None,
        params: Vec::new(),
        body: None,
        responses: vec![response(200, Some("application/json"))],
        idempotent: safe || matches!(method, "PUT" | "DELETE"),
        safe,
        span: span(),
    }
}

fn body(media_type: &str, required: bool) -> Body {
    Body {
        media_type: media_type.into(),
        ty: Type::any(),
        required,
        examples: Vec::new(),
    }
}

fn response(status: u16, media_type: Option<&str>) -> HttpResponse {
    HttpResponse {
        status: StatusRange::One(status),
        description: "".into(),
        body: media_type.map(|media_type| body(media_type, true)),
        headers: Vec::new(),
    }
}

fn param(name: &str, place: ParamPlace, explode: bool, required: bool) -> Param {
    Param {
        name: name.into(),
        place,
        ty: Type::any(),
        required,
        explode,
        span: span(),
    }
}

fn call_of(operation: HttpOperation) -> HttpCall {
    let mut check = Referring(Target::Http(Arc::new(operation)));
    HttpCall::check(NoConfig {}, &mut check).expect("a call")
}

/// Reads the fields of a connection, as a file has them.
fn config(json: serde_json::Value) -> HttpConfig {
    serde_json::from_value(json).expect("the fields of a connection")
}

fn connection(json: serde_json::Value) -> Http {
    Http::check(config(json), &mut NoCheck).expect("a connection")
}

/// Returns a connection to a URL, without anything else.
fn plain(url: &str) -> Http {
    connection(serde_json::json!({ "url": url }))
}

fn record(fields: &[(&str, Value<'static>)]) -> Record<'static> {
    fields
        .iter()
        .map(|(name, value)| (Name::new(name), value.clone()))
        .collect()
}

fn params(fields: &[(&str, Value<'static>)]) -> Request {
    Request {
        params: record(fields),
        ..Request::default()
    }
}

fn with_key(key: &str) -> Request {
    Request {
        key: Some(EffectKey::from(key)),
        ..Request::default()
    }
}

fn json(text: &str) -> Value<'static> {
    let limits = sluice_model::json::Limits::default();
    let all = sluice_model::projection::Projection::All;
    sluice_model::json::read_owned(text.as_bytes(), &all, &limits).expect("JSON")
}

/// Shows what came back, as operators see it.
fn show(result: &Result<Response, Fault>) -> String {
    let body = |body: Option<&Value<'static>>| match body {
        None => "nothing".to_owned(),
        Some(Value::Bytes(bytes)) => format!("{} bytes", bytes.len()),
        Some(body) => sluice_model::json::to_string(body),
    };
    match result {
        Ok(response) => {
            let status = response.status.expect("HTTP has a status");
            format!("{status} {}", body(response.body.as_ref()))
        }
        Err(fault) => {
            let mut text = format!(
                "{} [{:?}, {:?}]\n{}",
                fault.code(),
                fault.retry(),
                fault.blame(),
                wrapped(fault.public())
            );
            if let Some(status) = fault.status() {
                text.push_str(&format!("\n{status} {}", body(fault.body())));
            }
            for (what, value) in fault
                .context()
                .iter()
                .filter(|(what, _)| *what != "address")
            {
                text.push_str(&wrapped(&format!("\n({what}: {value})")));
            }
            text
        }
    }
}

/// Breaks lines that are too long for a test's text.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        if length > 0 {
            lines.push(if length + word.len() > 70 { '\n' } else { ' ' });
            if length + word.len() > 70 {
                length = 0;
            }
        }
        lines.push_str(word);
        length += word.len() + 1;
    }
    lines
}
