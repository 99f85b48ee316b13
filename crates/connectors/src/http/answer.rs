//! From an answer to a result or a fault.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::json;
use sluice_model::operation::{Body, HttpOperation, StatusRange};
use sluice_model::projection::Projection;
use sluice_model::time::Timestamp;
use sluice_model::value::{Text, Value};
use sluice_sdk::connection::Response;

use super::client::Answer;
use super::fault::of_status;
use super::request::Media;

/// The largest body that a fault keeps.
const FAULT_BODY_MAX: usize = 64 << 10;

/// Reads an answer of `operation`.
///
/// # Errors
/// An answer that is no success, or one that is not what it says or what the contract has.
pub(super) fn read(
    operation: &HttpOperation,
    answer: &Answer,
    body_max: u64,
    now: Timestamp,
) -> Result<Response, Fault> {
    let status = answer.head.status;
    let declared = operation.response(status.as_u16());
    if status.is_success() {
        // An answer for "all others" is about errors where the contract has a success.
        let listed = declared.filter(|answer| answer.status != StatusRange::Default);
        let described = listed.or_else(|| operation.success().1);
        let expected = described.and_then(|answer| answer.body.as_ref());
        let body = match expected {
            // The contract has no body here: whatever came is nothing that anyone has typed.
            None if described.is_some() => None,
            expected => body(answer, expected, body_max).map_err(|why| {
                Fault::new(
                    FaultCode::CONTRACT,
                    Retry::Never,
                    Blame::Upstream,
                    format!("the answer to `{}` {why}", operation.id),
                )
                .with_status(status.as_u16())
            })?,
        };
        return Ok(Response {
            status: Some(status.as_u16()),
            body,
        });
    }
    let fault = of_status(&operation.id, status, &answer.head.headers, now);
    if answer.body.len() > FAULT_BODY_MAX {
        let size = answer.body.len().to_string();
        return Err(fault.with_context("body left out, bytes", size));
    }
    match body(answer, None, body_max) {
        Ok(Some(body)) => Err(fault.with_body(body)),
        Ok(None) => Err(fault),
        Err(why) => Err(fault.with_context("body left out", why)),
    }
}

/// Reads a body by its content type, which has to be of the kind that `expected` has; `None` if it
/// is empty.
fn body(
    answer: &Answer,
    expected: Option<&Body>,
    body_max: u64,
) -> Result<Option<Value<'static>>, String> {
    if answer.body.is_empty() {
        return match expected {
            Some(expected) if expected.required && answer.head.status.as_u16() != 204 => {
                // Not all contracts tell apart what may be empty: an empty text is one.
                match Media::of(&expected.media_type) {
                    Some(Media::Text) => Ok(Some(Value::Text(Text::default()))),
                    _ => Err("is empty, where the contract has a body".to_owned()),
                }
            }
            _ => Ok(None),
        };
    }
    let headers = &answer.head.headers;
    if let Some(coding) = headers.get(CONTENT_ENCODING)
        && coding != "identity"
    {
        return Err("is compressed, although we asked for what is not".to_owned());
    }
    let content_type = match headers.get(CONTENT_TYPE) {
        None => None,
        Some(value) => {
            let text = value.to_str();
            Some(text.map_err(|_| "has a content type that is no text".to_owned())?)
        }
    };
    let media = match (content_type, expected) {
        (Some(content_type), _) => Media::of(content_type),
        (None, Some(expected)) => Media::of(&expected.media_type),
        (None, None) => Some(Media::Bytes),
    };
    let media = media.unwrap_or(Media::Bytes);
    if let (Some(content_type), Some(expected)) = (content_type, expected)
        && Media::of(&expected.media_type) != Some(media)
    {
        return Err(format!(
            "is `{content_type}`, where the contract has `{}`",
            expected.media_type
        ));
    }
    let bytes = &answer.body[..];
    match media {
        Media::Json => {
            let limits = json::Limits {
                bytes: usize::try_from(body_max).unwrap_or(usize::MAX),
                ..json::Limits::default()
            };
            let value = json::read_owned(bytes, &Projection::All, &limits);
            value
                .map(Some)
                .map_err(|error| format!("is not JSON: {error}"))
        }
        Media::Text | Media::Form => text(bytes, content_type).map(Some),
        Media::Bytes => Ok(Some(Value::Bytes(bytes.into()))),
    }
}

fn text(bytes: &[u8], content_type: Option<&str>) -> Result<Value<'static>, String> {
    let charset = content_type.and_then(charset);
    match charset.as_deref() {
        None | Some("utf-8" | "utf8" | "us-ascii") => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::Text(Text::from(text))),
            Err(error) => Err(format!("is not UTF-8 at byte {}", error.valid_up_to())),
        },
        Some("iso-8859-1" | "latin1") => {
            let text: String = bytes.iter().copied().map(char::from).collect();
            Ok(Value::from(text))
        }
        Some(other) => Err(format!(
            "has the character set `{other}`, which is not built"
        )),
    }
}

/// Returns the parameter `charset` of a media type, in lower case.
fn charset(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    })
}
