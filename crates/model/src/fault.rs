//! What goes wrong at run time.

use std::sync::Arc;
use std::time::Duration;

use crate::value::Value;

/// A fault's code: what a flow's `catch` names.
///
/// Built-in codes are the constants here; a contract's are `erp#createOrder/422`; a project's own
/// are what its `fail` steps say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultCode(pub Arc<str>);

impl FaultCode {
    /// No answer in time.
    pub const TIMEOUT: &'static str = "timeout";
    /// The other side refuses: too much at once, not now, or a circuit is open.
    pub const REFUSED: &'static str = "refused";
    /// The other side cannot be reached.
    pub const UNREACHABLE: &'static str = "unreachable";
    /// The message is not what its contract says.
    pub const INVALID: &'static str = "invalid";
    /// The other side answered an error that no contract lists.
    pub const UPSTREAM: &'static str = "upstream";
    /// The other side answered what its contract does not allow.
    pub const CONTRACT: &'static str = "contract";
    /// The other side does not know us or does not let us.
    pub const DENIED: &'static str = "denied";
    /// A constraint of a table was violated: a key that is there twice, a missing parent.
    pub const CONFLICT: &'static str = "conflict";
    /// What was asked for is not there.
    pub const NOT_FOUND: &'static str = "not_found";
    /// An expression failed.
    pub const MAPPING: &'static str = "mapping";
    /// A documented limit was exceeded.
    pub const LIMIT: &'static str = "limit";
    /// The file system or a store failed.
    pub const IO: &'static str = "io";
    /// The run was stopped with its process.
    pub const STOPPED: &'static str = "stopped";
    /// The outcome of an effect cannot be known.
    pub const UNKNOWN: &'static str = "unknown";
    /// A defect of Sluice or of a component.
    pub const INTERNAL: &'static str = "internal";

    /// All built-in codes, in the order in which the documentation lists them.
    pub const BUILT_IN: [&'static str; 15] = [
        Self::TIMEOUT,
        Self::REFUSED,
        Self::UNREACHABLE,
        Self::INVALID,
        Self::UPSTREAM,
        Self::CONTRACT,
        Self::DENIED,
        Self::CONFLICT,
        Self::NOT_FOUND,
        Self::MAPPING,
        Self::LIMIT,
        Self::IO,
        Self::STOPPED,
        Self::UNKNOWN,
        Self::INTERNAL,
    ];
}

impl From<&str> for FaultCode {
    fn from(code: &str) -> Self {
        Self(code.into())
    }
}

impl std::fmt::Display for FaultCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the same thing may work if it is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It will fail again.
    Never,
    /// It may work at once or soon.
    Soon,
    /// It may work after a new connection is made.
    Reconnect,
    /// The other side said when to come again.
    After(Duration),
}

/// On whose side the cause lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// Who sent the message.
    Caller,
    /// Who configured the project.
    Config,
    /// The system that was called.
    Upstream,
    /// Sluice.
    Us,
}

/// What went wrong with a message at run time.
///
/// `public` may be shown to a caller; `context` is for operators only. Neither holds a secret.
#[derive(Debug, Clone)]
pub struct Fault(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    code: FaultCode,
    retry: Retry,
    blame: Blame,
    public: String,
    context: Vec<(&'static str, String)>,
    status: Option<u16>,
    body: Option<Value<'static>>,
    details: Vec<Detail>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// One of several things that are wrong with a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Detail {
    /// Where in the message, as a JSON Pointer (RFC 6901); empty for the whole.
    pub pointer: String,
    /// What is wrong there, fit for the caller.
    pub message: String,
}

impl Fault {
    /// Returns a fault with a text that may be shown to a caller.
    pub fn new(
        code: impl Into<FaultCode>,
        retry: Retry,
        blame: Blame,
        public: impl Into<String>,
    ) -> Self {
        Self(Box::new(Inner {
            code: code.into(),
            retry,
            blame,
            public: public.into(),
            context: Vec::new(),
            status: None,
            body: None,
            details: Vec::new(),
            source: None,
        }))
    }

    /// Returns a fault of ours: a defect.
    pub fn internal(public: impl Into<String>) -> Self {
        Self::new(FaultCode::INTERNAL, Retry::Never, Blame::Us, public)
    }

    /// Returns the fault of a message that is not what its contract says.
    pub fn invalid(public: impl Into<String>) -> Self {
        Self::new(FaultCode::INVALID, Retry::Never, Blame::Caller, public)
    }

    /// Adds something for operators: what, and its value.
    pub fn with_context(mut self, what: &'static str, value: impl Into<String>) -> Self {
        self.0.context.push((what, value.into()));
        self
    }

    /// Sets the HTTP status that goes with it: what was answered, or what is to be answered.
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Sets the body that the other side answered.
    pub fn with_body(mut self, body: Value<'static>) -> Self {
        self.0.body = Some(body);
        self
    }

    /// Adds one of several things that are wrong.
    pub fn with_detail(mut self, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        self.0.details.push(Detail {
            pointer: pointer.into(),
            message: message.into(),
        });
        self
    }

    /// Sets the error behind it; the public text does not repeat it.
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// Replaces the code.
    pub fn with_code(mut self, code: impl Into<FaultCode>) -> Self {
        self.0.code = code.into();
        self
    }

    /// Returns the code.
    pub fn code(&self) -> &FaultCode {
        &self.0.code
    }

    /// Returns whether trying again may help.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// Returns on whose side the cause lies.
    pub fn blame(&self) -> Blame {
        self.0.blame
    }

    /// Returns the text that may be shown to a caller.
    pub fn public(&self) -> &str {
        &self.0.public
    }

    /// Returns what operators may see beside.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// Returns the HTTP status that goes with it.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Returns the body that the other side answered.
    pub fn body(&self) -> Option<&Value<'static>> {
        self.0.body.as_ref()
    }

    /// Returns the several things that are wrong.
    pub fn details(&self) -> &[Detail] {
        &self.0.details
    }

    /// Returns everything an operator may see, in one line: code, text, context and causes.
    pub fn private(&self) -> String {
        let mut line = format!("{}: {}", self.0.code, self.0.public);
        for (what, value) in &self.0.context {
            line.push_str(&format!(" ({what}: {value})"));
        }
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            line.push_str(&format!(": {error}"));
            source = error.source();
        }
        line
    }
}

impl From<String> for FaultCode {
    fn from(code: String) -> Self {
        Self(code.into())
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.public)
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|error| error as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::{Blame, Fault, FaultCode, Retry};

    #[test]
    fn private_text_has_the_chain_once() {
        let cause = std::io::Error::other("connection reset");
        let fault = Fault::new(
            FaultCode::UNREACHABLE,
            Retry::Soon,
            Blame::Upstream,
            "cannot reach `erp`",
        )
        .with_context("address", "127.0.0.1:1")
        .with_source(cause);
        assert_eq!(
            fault.private(),
            "unreachable: cannot reach `erp` (address: 127.0.0.1:1): connection reset"
        );
        assert_eq!(fault.to_string(), "unreachable: cannot reach `erp`");
    }
}
