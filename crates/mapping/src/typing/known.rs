//! What is known of one expression's value.

use std::sync::Arc;

use sluice_model::types::Type;

use crate::ast::{Lambda, TextRange};
use crate::functions::Function;
use crate::typing::scope::Variable;

/// What is known of a value.
#[derive(Debug, Clone)]
pub(super) struct Known<'e> {
    /// Its type, where there is one.
    pub ty: Type,
    /// Whether it may be missing.
    pub optional: bool,
    /// Whether it is a number of which it is not known whether it is whole: the type is decimal
    /// then, and any to those who ask for it.
    pub loose: bool,
    /// What is called, if it is a function.
    pub function: Option<Callee<'e>>,
    /// The expressions that made its parts, where a constructor did.
    pub place: Option<Arc<Place>>,
}

/// A function that is known before it runs.
#[derive(Debug, Clone)]
pub(super) enum Callee<'e> {
    /// One of the library.
    Library(&'static Function),
    /// One that the expression defines.
    Lambda(Arc<Closure<'e>>),
    /// Any other: a regular expression, a composition.
    Opaque,
}

/// A function definition, and what it saw where it stands.
#[derive(Debug)]
pub(super) struct Closure<'e> {
    /// The definition.
    pub lambda: &'e Lambda,
    /// The variables that it speaks of, as they are where it stands.
    pub variables: Vec<Variable<'e>>,
    /// The context there.
    pub context: Known<'e>,
    /// What it gives for arguments of which nothing is known.
    pub result: Known<'e>,
}

/// The expression that made a value, and those that made its parts.
#[derive(Debug)]
pub(super) struct Place {
    /// Where the expression stands.
    pub range: TextRange,
    /// Its fields or items by key or position; `None` stands for all.
    pub parts: Vec<(Option<Arc<str>>, Arc<Place>)>,
}

impl Place {
    /// Returns the place of an expression of whose parts nothing is known.
    pub fn leaf(range: TextRange) -> Arc<Self> {
        Arc::new(Self {
            range,
            parts: Vec::new(),
        })
    }

    /// Returns the range of the longest prefix of a JSON Pointer that is known.
    pub fn find(&self, pointer: &str) -> TextRange {
        let Some(rest) = pointer.strip_prefix('/') else {
            return self.range;
        };
        let (token, rest) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let token = token.replace("~1", "/").replace("~0", "~");
        let is_it = |key: &Option<Arc<str>>| match key {
            Some(key) => **key == *token,
            None => true,
        };
        let part = self.parts.iter().find(|(key, _)| is_it(key));
        part.map_or(self.range, |(_, part)| part.find(rest))
    }
}

impl<'e> Known<'e> {
    /// Returns a value of this type that is there.
    pub fn of(ty: Type) -> Self {
        Self {
            ty,
            optional: false,
            loose: false,
            function: None,
            place: None,
        }
    }

    /// Returns a value of this type that may be missing.
    pub fn maybe(ty: Type, optional: bool) -> Self {
        Self {
            optional,
            ..Self::of(ty)
        }
    }

    /// Returns a value of which nothing is known. Nothing is said of it, so it is not optional.
    pub fn any() -> Self {
        Self::of(Type::any())
    }

    /// Returns nothing.
    pub fn missing() -> Self {
        Self::maybe(Type::never(), true)
    }

    /// Returns a number of which nothing else is known.
    pub fn number(optional: bool) -> Self {
        Self {
            optional,
            loose: true,
            ..Self::of(Type::decimal())
        }
    }

    /// Returns a function.
    pub fn function(callee: Callee<'e>) -> Self {
        Self {
            function: Some(callee),
            ..Self::any()
        }
    }

    /// Returns the type as others see it.
    pub fn shown_type(&self) -> Type {
        if self.loose {
            Type::any()
        } else {
            self.ty.clone()
        }
    }

    /// Returns whether nothing is known of its type.
    pub fn is_any(&self) -> bool {
        self.ty.is_any() && self.function.is_none()
    }

    /// Returns the place of its parts, or that of the expression at `range`.
    pub fn place_or(&self, range: TextRange) -> Arc<Place> {
        match &self.place {
            Some(place) => Arc::clone(place),
            None => Place::leaf(range),
        }
    }
}
