//! What a flow answered, as an HTTP response.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use sluice_model::fault::Fault;
use sluice_model::operation::HttpOperation;
use sluice_model::value::Value;
use sluice_sdk::connection::Answer;

use crate::listen::Response;
use crate::request::BodyKind;

/// Header fields that belong to the connection, not to a flow.
const NOT_FOR_FLOWS: [HeaderName; 6] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TRAILER,
    header::UPGRADE,
    header::DATE,
];

/// Returns the response to `operation` that a flow's answer stands for.
///
/// # Errors
/// An internal fault if the answer cannot be sent: a status or a header field that HTTP does not
/// allow.
pub(crate) fn response(operation: &HttpOperation, answer: Answer) -> Result<Response, Fault> {
    let number = answer.status.unwrap_or_else(|| operation.success().0);
    let status = StatusCode::from_u16(number).ok();
    let Some(status) = status.filter(|status| !status.is_informational()) else {
        return Err(
            Fault::internal("the flow answered with a status that is none")
                .with_context("status", number.to_string()),
        );
    };
    let declared = operation.response(number).and_then(|r| r.body.as_ref());
    let declared = declared.map(|body| &*body.media_type);
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = answer.body.filter(|_| !bodiless);
    let (bytes, media_type) = match &body {
        None => (Bytes::new(), None),
        Some(value) => {
            let (bytes, media_type) = encode(value, declared);
            (bytes, Some(media_type))
        }
    };
    let mut response = http::Response::new(bytes.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Some(media_type) = media_type {
        let value = HeaderValue::try_from(media_type);
        headers.insert(header::CONTENT_TYPE, value.unwrap_or(JSON));
    }
    for (name, value) in &answer.headers {
        let (name, value) = field(name, value)?;
        headers.append(name, value);
    }
    Ok(response)
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Returns the bytes of a body and what they are: a text or bytes as they are where the contract
/// has no JSON there, else JSON.
pub(crate) fn encode<'m>(value: &Value<'_>, declared: Option<&'m str>) -> (Bytes, &'m str) {
    let media_type = declared.unwrap_or("application/json");
    match (BodyKind::of(media_type), value) {
        (BodyKind::Json, _) => (to_json(value), media_type),
        (_, Value::Text(text)) => (Bytes::copy_from_slice(text.as_bytes()), media_type),
        (_, Value::Bytes(bytes)) => (Bytes::from_owner(Arc::clone(bytes)), media_type),
        _ => (to_json(value), "application/json"),
    }
}

fn to_json(value: &Value<'_>) -> Bytes {
    let mut out = Vec::with_capacity(256);
    sluice_model::json::write(value, &mut out);
    out.into()
}

fn field(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Fault> {
    let refused = |why: &str| {
        Fault::internal("the flow answered with a header field that cannot be sent")
            .with_context("field", name)
            .with_context("why", why)
    };
    let field = HeaderName::try_from(name).map_err(|_| refused("its name is not a token"))?;
    if NOT_FOR_FLOWS.contains(&field) {
        return Err(refused("it belongs to the connection"));
    }
    let value = HeaderValue::try_from(value);
    let value = value.map_err(|_| refused("its value has a control character"))?;
    Ok((field, value))
}
