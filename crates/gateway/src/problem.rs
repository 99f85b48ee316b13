//! Problem documents (RFC 9457): how a caller is told that something went wrong.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use sluice_model::fault::{Blame, Detail, Fault, FaultCode, Retry};
use sluice_model::value::{Name, Record, Value};

use crate::listen::Response;

/// The most single faults that a document lists.
pub(crate) const ERRORS_MAX: usize = 20;

/// When a caller whose request was refused should come again, in seconds, where nobody knows
/// better.
const RETRY_AFTER: u64 = 1;

/// Something a caller is told; all of it is fit for the caller.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    pub status: StatusCode,
    /// A stable word for programs: a fault's code.
    pub code: String,
    pub detail: String,
    pub errors: Vec<ProblemError>,
    /// Further header fields.
    pub headers: Vec<(http::HeaderName, HeaderValue)>,
    /// Whether the connection cannot go on.
    pub close: bool,
}

/// One of several things that are wrong with a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ProblemError {
    /// In the body, at a JSON Pointer (RFC 6901).
    At(Detail),
    /// In a parameter.
    Parameter { name: String, detail: String },
}

impl Problem {
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
            close: false,
        }
    }

    /// A request that cannot be read.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// A refusal for now.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, FaultCode::REFUSED, detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER))
    }

    /// A defect of ours; what exactly is for the log.
    pub fn internal() -> Self {
        let text = "the request could not be answered";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, FaultCode::INTERNAL, text)
    }

    pub fn with_header(mut self, name: http::HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub fn with_errors(mut self, errors: impl IntoIterator<Item = ProblemError>) -> Self {
        self.errors.extend(errors);
        self.errors.truncate(ERRORS_MAX);
        self
    }

    /// Ends the connection after the answer.
    pub fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// Returns what a caller is told of a fault: its public text, never its context.
    ///
    /// A status that a flow gave (`fail`) is kept; the status of a system that was called is not
    /// the caller's business: it is a 502, or a 504 where it did not answer in time.
    pub fn of_fault(fault: &Fault) -> Self {
        let code = &*fault.code().0;
        let mut problem = Self::new(status_of(fault), code, fault.public());
        if problem.status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = match fault.retry() {
                Retry::After(wait) => wait.as_secs().max(RETRY_AFTER),
                Retry::Never | Retry::Soon | Retry::Reconnect => RETRY_AFTER,
            };
            problem = problem.with_header(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // Details of what another system complained of describe our message to it, not this one.
        if fault.blame() == Blame::Caller {
            let details = fault.details().iter().cloned().map(ProblemError::At);
            problem = problem.with_errors(details);
        }
        problem
    }

    /// Returns the document; `instance` is the request's id.
    pub fn document(&self, instance: &str) -> Vec<u8> {
        let field = |name, value| (Name::new(name), value);
        let title = self.status.canonical_reason().unwrap_or("Problem");
        let mut fields: Record<'_> = [
            field("type", Value::from("about:blank")),
            field("title", Value::from(title)),
            field("status", Value::Int(i64::from(self.status.as_u16()))),
            field("code", Value::from(self.code.as_str())),
            field("detail", Value::from(self.detail.as_str())),
            field("instance", Value::from(instance)),
        ]
        .into_iter()
        .collect();
        if !self.errors.is_empty() {
            let errors = self.errors.iter().map(ProblemError::value).collect();
            fields.push(Name::new("errors"), Value::List(errors));
        }
        let mut out = Vec::with_capacity(256);
        sluice_model::json::write(&Value::Record(fields), &mut out);
        out
    }

    /// Returns the answer.
    pub fn response(self, instance: &str) -> Response {
        let document = Bytes::from(self.document(instance));
        let mut response = http::Response::new(document.into());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let media_type = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, media_type);
        if self.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        headers.extend(self.headers);
        response
    }
}

impl ProblemError {
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        ProblemError::Parameter {
            name: name.to_owned(),
            detail: detail.into(),
        }
    }

    fn value(&self) -> Value<'_> {
        let (place, at, detail) = match self {
            ProblemError::At(Detail { pointer, message }) => ("pointer", pointer, message),
            ProblemError::Parameter { name, detail } => ("parameter", name, detail),
        };
        let fields = [(place, at), ("detail", detail)];
        let fields = fields.map(|(name, text)| (Name::new(name), Value::from(text.as_str())));
        Value::Record(fields.into_iter().collect())
    }
}

fn status_of(fault: &Fault) -> StatusCode {
    // Only a status that is about the caller is the caller's: what another system answered us, be
    // it that our password is wrong, is not.
    let given = fault.status().filter(|_| fault.blame() == Blame::Caller);
    // A fault is an error: a status that says otherwise would hide it.
    if let Some(status) = given.filter(|status| (400..600).contains(status)) {
        return StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    }
    match (&*fault.code().0, fault.blame()) {
        (FaultCode::TIMEOUT, _) => StatusCode::GATEWAY_TIMEOUT,
        (FaultCode::REFUSED | FaultCode::STOPPED, _) => StatusCode::SERVICE_UNAVAILABLE,
        (FaultCode::UNREACHABLE | FaultCode::DENIED, _) | (_, Blame::Upstream) => {
            StatusCode::BAD_GATEWAY
        }
        (FaultCode::NOT_FOUND, Blame::Caller) => StatusCode::NOT_FOUND,
        (FaultCode::CONFLICT, Blame::Caller) => StatusCode::CONFLICT,
        (FaultCode::LIMIT, Blame::Caller) => StatusCode::PAYLOAD_TOO_LARGE,
        (_, Blame::Caller) => StatusCode::UNPROCESSABLE_ENTITY,
        (_, Blame::Config | Blame::Us) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests;
