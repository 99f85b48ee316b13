//! Compiled expressions and texts, and what they see when they are evaluated.

use std::sync::Arc;

use sluice_mapping::ast::TextRange;
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::span::Span;
use sluice_model::value::Value;

/// What an expression sees beside the payload. References only: made anew for each evaluation.
#[derive(Clone, Copy, Default)]
pub struct Scope<'s> {
    /// `$`: the payload; `None` where there is none.
    pub payload: Option<&'s Value<'static>>,
    /// `$params`.
    pub params: Option<&'s Value<'static>>,
    /// `$meta`.
    pub meta: Option<&'s Value<'static>>,
    /// `$steps`: a record with one field for each result.
    pub steps: Option<&'s Value<'static>>,
    /// `$config`.
    pub config: Option<&'s Value<'static>>,
    /// `$run`.
    pub run: Option<&'s Value<'static>>,
    /// `$fault`, in handlers.
    pub fault: Option<&'s Value<'static>>,
    /// What `let` has bound, by slot; `None` where nothing is bound.
    pub variables: &'s [Option<Value<'static>>],
}

/// A compiled text with holes.
pub struct CompiledTemplate {
    /// Its pieces in order.
    pub parts: Vec<TemplatePart>,
}

/// A piece of a text with holes.
pub enum TemplatePart {
    /// Stands as it is.
    Text(Arc<str>),
    /// Is filled with the value of an expression.
    Hole(CompiledExpr),
}

/// An expression before it is compiled: one text, or a map or list whose leaves are.
#[derive(Debug, Clone)]
pub enum Source {
    /// One expression.
    Leaf {
        /// Its text.
        text: Arc<str>,
        /// The parts of it that are lists by their type.
        lists: Vec<TextRange>,
    },
    /// A record with these fields; one whose expression gives nothing is left out.
    Map(Vec<(Arc<str>, Source)>),
    /// A list of these items.
    List(Vec<Source>),
}

/// A compiled expression.
pub struct CompiledExpr {
    /// Where it is declared.
    pub span: Span,
    /// Its source, as it was compiled.
    pub source: Source,
}

impl CompiledExpr {
    /// Compiles an expression in checked mode; `slots` are the variables in scope.
    pub(crate) fn compile(source: &Source, _slots: &[(Arc<str>, u16)], span: Span) -> Self {
        Self {
            span,
            source: source.clone(),
        }
    }

    /// Compiles an expression with the reference's semantics.
    pub(crate) fn compile_dynamic(text: &Arc<str>, slots: &[(Arc<str>, u16)], span: Span) -> Self {
        let source = Source::Leaf {
            text: Arc::clone(text),
            lists: Vec::new(),
        };
        Self::compile(&source, slots, span)
    }

    /// Returns the expression that gives nothing, in the place of one that is broken.
    pub(crate) fn nothing(span: Span) -> Self {
        Self {
            span,
            source: Source::List(Vec::new()),
        }
    }

    /// Evaluates it; `None` if the result is missing.
    ///
    /// # Errors
    /// A `mapping` fault.
    pub fn evaluate(&self, _scope: &Scope<'_>) -> Result<Option<Value<'static>>, Fault> {
        Err(Fault::new(
            FaultCode::MAPPING,
            Retry::Never,
            Blame::Us,
            "not compiled",
        ))
    }
}

impl CompiledTemplate {
    /// Returns a text without holes.
    pub(crate) fn literal(text: &str) -> Self {
        Self {
            parts: vec![TemplatePart::Text(text.into())],
        }
    }
}
