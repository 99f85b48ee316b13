//! Variables, and the places that their values may come from.

use std::collections::HashSet;
use std::sync::Arc;

use crate::ast::{Expr, ExprKind};
use crate::projection::{Places, Reads, add};

/// The scopes around an expression, the innermost last.
#[derive(Default)]
pub(super) struct Scopes {
    variables: Vec<Variable>,
    starts: Vec<usize>,
    /// How many functions lie around the expression.
    functions: u32,
    /// Variables that functions have read: what they are bound to later, they may see too.
    read_by_functions: HashSet<Arc<str>>,
}

struct Variable {
    name: Arc<str>,
    places: Places,
    /// Whether it is a function that its definition tells all of.
    function: bool,
}

impl Scopes {
    pub(super) fn enter(&mut self) {
        self.starts.push(self.variables.len());
    }

    pub(super) fn leave(&mut self) {
        let start = self.starts.pop().unwrap_or(0);
        self.variables.truncate(start);
    }

    pub(super) fn enter_function(&mut self) {
        self.enter();
        self.functions += 1;
    }

    pub(super) fn leave_function(&mut self) {
        self.functions -= 1;
        self.leave();
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &Variable> {
        self.variables.iter().filter(move |own| &*own.name == name)
    }

    /// Returns whether every variable of this name is a function that is known.
    pub(super) fn is_function(&self, name: &str) -> bool {
        self.named(name).all(|variable| variable.function)
    }

    /// Returns whether there is a variable of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.named(name).next().is_some()
    }
}

impl Reads {
    /// Returns the places of all variables of this name: which one is meant may depend on what was
    /// bound before.
    pub(super) fn variable(&mut self, name: &str) -> Places {
        if self.scopes.functions > 0 {
            self.scopes.read_by_functions.insert(name.into());
        }
        let mut places = Places::new();
        for variable in self.scopes.named(name) {
            add(&mut places, &variable.places);
        }
        places
    }

    pub(super) fn bind_places(&mut self, name: &Arc<str>, places: &Places) {
        self.scopes.variables.push(Variable {
            name: name.clone(),
            places: places.clone(),
            function: false,
        });
    }

    /// Evaluates `$name := value` as a statement of its block.
    pub(super) fn bind(&mut self, name: &Arc<str>, value: &Expr, context: &Places) -> Places {
        let function = matches!(value.kind, ExprKind::Lambda(_));
        let places = self.expr(value, context);
        if self.scopes.read_by_functions.contains(name) {
            self.need(&places);
        }
        self.scopes.variables.push(Variable {
            name: name.clone(),
            places: places.clone(),
            function,
        });
        places
    }
}
