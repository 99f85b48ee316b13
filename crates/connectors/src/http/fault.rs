//! What goes wrong between request and answer, as faults.

use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderMap, RETRY_AFTER};
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::time::Timestamp;

use super::client::{Client, Failure, Repeat};

/// The longest wait that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

impl Failure {
    /// Returns the fault of a failed exchange of the operation `id`.
    pub(super) fn fault(self, client: &Client, id: &str, repeat: Repeat) -> Fault {
        let upstream = |code: &str, retry, text: String| {
            Fault::new(code, retry, Blame::Upstream, text)
                .with_context("address", client.address.to_string())
        };
        match self {
            Failure::Before(fault) => fault,
            Failure::Unsent(error) => upstream(
                FaultCode::UNREACHABLE,
                Retry::Soon,
                format!("the connection broke before `{id}` was sent"),
            )
            .with_source(error),
            Failure::Cut(error) if repeat == Repeat::Harmless => upstream(
                FaultCode::UNREACHABLE,
                Retry::Soon,
                format!("the connection broke before `{id}` was answered"),
            )
            .with_source(error),
            Failure::Cut(error) => upstream(
                FaultCode::UNKNOWN,
                Retry::Never,
                format!(
                    "the connection broke before `{id}` was answered: it may have been carried out"
                ),
            )
            .with_source(error),
            Failure::NotHttp(error) => upstream(
                FaultCode::CONTRACT,
                Retry::Never,
                format!("`{id}` was answered with what is not HTTP"),
            )
            .with_source(error),
            Failure::HeadTooLarge => upstream(
                FaultCode::LIMIT,
                Retry::Never,
                format!("the header fields of the answer to `{id}` are too large"),
            ),
            Failure::BodyTooLarge => upstream(
                FaultCode::LIMIT,
                Retry::Never,
                format!(
                    "the answer to `{id}` is larger than {} bytes, see `transport.body_max`",
                    client.body_max()
                ),
            ),
        }
    }
}

/// Returns the fault of an answer that is no success.
pub(super) fn of_status(
    id: &str,
    status: StatusCode,
    headers: &HeaderMap,
    now: Timestamp,
) -> Fault {
    let number = status.as_u16();
    let (code, retry, blame, text) = match number {
        300..=303 | 305..=399 => (
            FaultCode::UPSTREAM,
            Retry::Never,
            Blame::Config,
            format!("`{id}` answered {number}: redirects are not followed"),
        ),
        401 => (
            FaultCode::DENIED,
            Retry::Never,
            Blame::Config,
            format!("`{id}` answered 401: the called system does not know us"),
        ),
        403 => (
            FaultCode::DENIED,
            Retry::Never,
            Blame::Config,
            format!("`{id}` answered 403: the called system does not let us"),
        ),
        408 | 425 | 429 | 500..=599 => (
            FaultCode::UPSTREAM,
            retry_after(headers, now).map_or(Retry::Soon, Retry::After),
            Blame::Upstream,
            format!("`{id}` answered {number}"),
        ),
        _ => (
            FaultCode::UPSTREAM,
            Retry::Never,
            Blame::Upstream,
            format!("`{id}` answered {number}"),
        ),
    };
    let fault = Fault::new(code, retry, blame, text).with_status(number);
    let location = headers.get(http::header::LOCATION);
    match location.and_then(|location| location.to_str().ok()) {
        Some(location) if status.is_redirection() => fault.with_context("location", location),
        _ => fault,
    }
}

/// Returns what `Retry-After` asks for: seconds or a date (RFC 9110 section 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that does not fit is a very long time.
        match text.is_empty() {
            true => return None,
            false => Duration::from_secs(text.parse().unwrap_or(u64::MAX)),
        }
    } else {
        let date = httpdate::parse_http_date(text).ok()?;
        let since = date
            .duration_since(std::time::SystemTime::UNIX_EPOCH)
            .ok()?;
        Timestamp(0).plus(since).since(now)
    };
    Some(wait.min(RETRY_AFTER_MAX))
}
