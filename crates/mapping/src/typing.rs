//! Checked mode: what type an expression has, and what is wrong with it before it runs.
//!
//! Nothing is said about what is not known: [`sluice_model::types::Kind::Any`] goes everywhere. Of
//! a union, what only some alternatives have may be missing, and only what none has is a mistake. A
//! record type that lists fields means those, also where it is open, as JSON Schema's objects are
//! unless they say otherwise: a field that an open record does not list is an unknown path. Only a
//! record type without any field, or one that gives the type of its other fields, has any field.

mod arguments;
mod call;
mod constructors;
mod explain;
mod known;
mod narrowing;
mod operators;
mod paths;
mod results;
mod scope;
mod shape;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use sluice_model::finding::{Code, Severity};
use sluice_model::span::Span;
use sluice_model::types::Type;

use crate::ast::{Expr, TextRange};
use crate::typing::known::Place;
use crate::typing::scope::Scope;
use crate::typing::walk::Checker;

/// What an expression sees, with the types.
#[derive(Debug, Clone, Default)]
pub struct Env {
    /// The type of the context; `None` if there is none.
    pub context: Option<Type>,
    /// The variables in scope; of two with one name the later counts.
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
    /// What is wrong with it, in the order of the text.
    pub problems: Vec<Problem>,
    /// The expressions that are lists by their type: the evaluator keeps them lists, also where
    /// they have one item or none.
    pub lists: Vec<TextRange>,
    place: Option<Arc<Place>>,
}

impl Typed {
    /// Returns what is known of an expression of which nothing is known.
    pub fn unknown() -> Self {
        Self {
            ty: Type::any(),
            optional: true,
            problems: Vec::new(),
            lists: Vec::new(),
            place: None,
        }
    }

    /// Returns the range of the expression that produced the value at a JSON Pointer (RFC 6901) of
    /// the result: that of the longest prefix that is known. `*` stands for any key.
    ///
    /// Of the branches of a conditional, the first that has the value counts.
    pub fn place(&self, pointer: &str) -> Option<TextRange> {
        self.place.as_ref().map(|place| place.find(pointer))
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

/// Infers the type of an expression and finds what is wrong with it. `source` is the text that the
/// tree was parsed from.
pub fn check(expr: &Expr, source: &str, env: &Env) -> Typed {
    Checker::new(source, expr.range, Scope::of(env)).check(expr)
}

/// Returns the environment where a condition holds, or does not hold: fields and variables that
/// must be there for it are required in it, and not null.
pub fn narrow(condition: &Expr, env: &Env, holds: bool) -> Env {
    let mut scope = Scope::of(env);
    narrowing::narrow(&mut scope, condition, holds);
    scope.into_env(env)
}
