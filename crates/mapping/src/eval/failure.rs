//! What goes wrong while an expression is evaluated.

use sluice_model::value::Value;

use crate::ast::TextRange;

/// Why an evaluation failed.
#[derive(Debug, Clone, PartialEq)]
pub struct EvalError {
    /// The reference's code: `T....` for a wrong type, `D....` for anything else.
    pub code: &'static str,
    /// What is wrong, for a person.
    pub message: String,
    /// Where, in the text of the expression or leaf; `None` if no place is known.
    pub range: Option<TextRange>,
    /// Which leaf of a tree of expressions; 0 for a single expression.
    pub leaf: u32,
    /// The value that did not fit, where it is a scalar: a larger one could be anything.
    pub value: Option<Value<'static>>,
    /// The function or operator that it happened in.
    pub token: Option<String>,
}

impl std::fmt::Display for EvalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for EvalError {}

/// An error on its way: on the heap, so that results stay small.
pub(crate) type Failure = Box<FailureParts>;

/// An error, and whether its leaf is known yet.
#[derive(Debug)]
pub(crate) struct FailureParts {
    pub(crate) error: EvalError,
    pub(crate) in_leaf: bool,
}

pub(crate) type Outcome<T> = Result<T, Failure>;

/// Returns the failure with this code and message.
#[cold]
pub(crate) fn failure(code: &'static str, message: impl Into<String>) -> Failure {
    Box::new(FailureParts {
        error: EvalError {
            code,
            message: message.into(),
            range: None,
            leaf: 0,
            value: None,
            token: None,
        },
        in_leaf: false,
    })
}

/// Adds to failures what those who pass them on know.
pub(crate) trait Explain {
    /// Says where it happened, unless that is known more closely.
    fn at(self, range: TextRange) -> Self;
    /// Says in which function or operator it happened, unless that is known.
    fn within(self, token: &str) -> Self;
    /// Shows the value that did not fit.
    fn with_value(self, value: Option<Value<'static>>) -> Self;
}

impl Explain for Failure {
    #[cold]
    fn at(mut self, range: TextRange) -> Self {
        self.error.range.get_or_insert(range);
        self
    }

    #[cold]
    fn within(mut self, token: &str) -> Self {
        if self.error.token.is_none() {
            self.error.token = Some(token.to_owned());
        }
        self
    }

    #[cold]
    fn with_value(mut self, value: Option<Value<'static>>) -> Self {
        self.error.value = value;
        self
    }
}

impl<T> Explain for Outcome<T> {
    #[inline]
    fn at(self, range: TextRange) -> Self {
        self.map_err(|failure| failure.at(range))
    }

    #[inline]
    fn within(self, token: &str) -> Self {
        self.map_err(|failure| failure.within(token))
    }

    #[inline]
    fn with_value(self, value: Option<Value<'static>>) -> Self {
        self.map_err(|failure| failure.with_value(value))
    }
}
