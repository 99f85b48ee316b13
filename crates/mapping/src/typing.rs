//! Checked mode: what type an expression has, and what is wrong with it before it runs.

use std::sync::Arc;

use sluice_model::finding::{Code, Severity};
use sluice_model::span::Span;
use sluice_model::types::Type;

use crate::ast::{Expr, TextRange};

/// What an expression sees, with the types.
#[derive(Debug, Clone, Default)]
pub struct Env {
    /// The type of the context; `None` if there is none.
    pub context: Option<Type>,
    /// The variables in scope.
    pub variables: Vec<Binding>,
}

/// A variable in scope.
#[derive(Debug, Clone)]
pub struct Binding {
    /// Its name, without `$`.
    pub name: Arc<str>,
    /// Its type.
    pub ty: Type,
    /// Whether it may be missing.
    pub optional: bool,
}

/// What is known of an expression.
#[derive(Debug, Clone)]
pub struct Typed {
    /// The type of its result, where there is one.
    pub ty: Type,
    /// Whether the result may be missing.
    pub optional: bool,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// The expressions that are lists by their type: the evaluator keeps them lists.
    pub lists: Vec<TextRange>,
    places: Vec<(String, TextRange)>,
}

impl Typed {
    /// Returns what is known of an expression of which nothing is known.
    pub fn unknown() -> Self {
        Self {
            ty: Type::any(),
            optional: true,
            problems: Vec::new(),
            lists: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Returns the range of the expression that produced the value at a JSON Pointer of the result:
    /// that of the longest prefix that is known.
    pub fn place(&self, pointer: &str) -> Option<TextRange> {
        let is_prefix = |place: &str| {
            pointer
                .strip_prefix(place)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let fitting = self.places.iter().filter(|(place, _)| is_prefix(place));
        fitting
            .max_by_key(|(place, _)| place.len())
            .map(|(_, range)| *range)
    }
}

/// Something wrong with an expression.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Where, in the expression's own text.
    pub range: TextRange,
    /// Which kind of finding.
    pub code: Code,
    /// How grave it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// What stands at the place.
    pub label: String,
    /// Causes in plain words.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Option<String>,
    /// A change that mends it: title, range, text.
    pub fix: Option<(String, TextRange, String)>,
    /// Where the type that does not have it is declared.
    pub declared: Option<Span>,
}

/// Infers the type of an expression and finds what is wrong with it.
pub fn check(_expr: &Expr, _source: &str, _env: &Env) -> Typed {
    Typed::unknown()
}

/// Returns the environment where a condition holds, or does not hold.
pub fn narrow(_condition: &Expr, env: &Env, _holds: bool) -> Env {
    env.clone()
}
