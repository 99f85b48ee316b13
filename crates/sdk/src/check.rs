//! What a component may ask while its configuration is checked.

use std::path::Path;
use std::sync::Arc;

use sluice_model::operation::Target;
use sluice_model::types::Type;

use crate::config::{Expr, FormatRef, Template, TypeName};
use crate::format::DynFormat;

/// Something wrong with a configuration, at a field of it.
///
/// The message follows the rules of findings: lower case, no full stop, names in backticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field, as a JSON Pointer (RFC 6901) into the configuration; empty for the whole.
    pub at: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Problem {
    /// Returns a problem at the field `at`.
    pub fn new(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            message: message.into(),
            help: None,
        }
    }

    /// Adds what to do.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Why a component could not be made of its configuration.
#[derive(Debug)]
pub enum CheckError {
    /// The configuration does not have the component's shape. The schema check says so with a
    /// place; this is the net below it.
    Shape(String),
    /// The component's own check found these.
    Problems(Vec<Problem>),
}

/// What the compiler tells a component that is being checked.
pub trait Check {
    /// Returns the project's folder: where relative paths of a configuration start.
    fn base(&self) -> &Path;

    /// Returns all that the contract of the connection names, while a connection is checked; empty
    /// if it has no contract.
    fn contract(&self) -> Vec<Target> {
        Vec::new()
    }

    /// Returns what the reference stands for (`inbox#orders`); `None` for a source without one.
    fn target(&self) -> Option<&Target>;

    /// Returns the format that a field names; `None` if there is no such one, which is told as a
    /// finding already.
    fn format(&mut self, format: FormatRef, ty: Option<&Type>) -> Option<Arc<dyn DynFormat>>;

    /// Returns the type that a field names; `None` if there is no such one, which is told as a
    /// finding already.
    fn contract_type(&mut self, name: TypeName) -> Option<Type>;
}

/// A compiled expression of a flow: its index in the flow's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExprId(pub u32);

/// A compiled text with holes of a flow: its index in the flow's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TemplateId(pub u32);

/// A compiled validation against a type: its index in the flow's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ValidatorId(pub u32);

/// What an expression is used for: decides what may be missing.
#[derive(Debug, Clone)]
pub enum Expected {
    /// Anything, and it may be missing.
    Anything,
    /// A boolean that cannot be missing.
    Condition,
    /// A text, number or boolean that cannot be missing or null: a key.
    Scalar,
    /// A value that fits this type.
    Fits(Type),
}

/// What the compiler does for a step while it is typed.
pub trait Typing: Check {
    /// Compiles an expression whose context is of the type `input`, and returns its type.
    /// What is wrong with it is told as findings; then the type is any.
    fn expression(&mut self, expr: Expr, input: &Type, expected: Expected) -> (ExprId, Type);

    /// Returns what is known of the type `input` where a condition holds: a step that lets only
    /// such messages through says so of its output.
    fn narrowed(&mut self, condition: Expr, input: &Type) -> Type {
        let _ = condition;
        input.clone()
    }

    /// Compiles a text with holes whose context is of the type `input`.
    fn template(&mut self, template: Template, input: &Type) -> TemplateId;

    /// Compiles a validation against `ty`.
    fn validator(&mut self, ty: &Type) -> ValidatorId;
}
