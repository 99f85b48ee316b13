//! What names mean at one place of an expression.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::ast::{AncestorId, Expr, ExprKind};
use crate::typing::known::Known;
use crate::typing::{Binding, Env};

/// The names at one place of an expression.
#[derive(Debug, Clone)]
pub(super) struct Scope<'e> {
    /// The context.
    pub context: Known<'e>,
    /// What the context is.
    pub role: Role,
    /// The input of the whole expression.
    pub root: Known<'e>,
    /// The variables; a later one hides an earlier one.
    pub variables: Vec<Variable<'e>>,
    /// What each `%` means.
    pub ancestors: HashMap<AncestorId, Known<'e>>,
    /// How many variables stand there from outside.
    given: usize,
}

/// What a context is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// There is none.
    Nothing,
    /// The input of the whole expression.
    Root,
    /// One item of a path, say.
    Item,
    /// All items of a group; one is no list unless it is kept one.
    Group,
}

/// A variable and its value.
#[derive(Debug, Clone)]
pub(super) struct Variable<'e> {
    /// Its name, without `$`.
    pub name: Arc<str>,
    /// What is known of its value.
    pub known: Known<'e>,
}

impl<'e> Scope<'e> {
    /// Returns the scope at the top of an expression.
    pub fn of(env: &Env) -> Self {
        let (context, role) = match &env.context {
            Some(ty) => (Known::of(ty.clone()), Role::Root),
            None => (Known::missing(), Role::Nothing),
        };
        let variables: Vec<_> = env
            .variables
            .iter()
            .map(|binding| Variable {
                name: Arc::clone(&binding.name),
                known: Known::maybe(binding.ty.clone(), binding.optional),
            })
            .collect();
        Self {
            root: context.clone(),
            context,
            role,
            given: variables.len(),
            variables,
            ancestors: HashMap::new(),
        }
    }

    /// Returns the environment `before` as this scope knows it now.
    pub fn into_env(self, before: &Env) -> Env {
        let mut env = before.clone();
        env.context = before.context.as_ref().map(|_| self.context.ty.clone());
        for variable in &self.variables[self.given..] {
            let own = env.variables.iter_mut().rev();
            if let Some(own) = own.into_iter().find(|own| own.name == variable.name) {
                *own = Binding {
                    name: Arc::clone(&variable.name),
                    ty: variable.known.ty.clone(),
                    optional: variable.known.optional,
                };
            }
        }
        env
    }

    /// Returns what is known of a variable.
    pub fn variable(&self, name: &str) -> Option<&Known<'e>> {
        let variable = self.variables.iter().rev().find(|own| &*own.name == name)?;
        Some(&variable.known)
    }

    /// Binds a variable.
    pub fn bind(&mut self, name: &Arc<str>, known: Known<'e>) {
        self.variables.push(Variable {
            name: Arc::clone(name),
            known,
        });
    }
}

/// Returns the names that expressions bind in the block that they stand in: those in blocks and
/// functions within are theirs.
pub(super) fn bound_in(exprs: &[Expr]) -> Vec<Arc<str>> {
    fn visit(expr: &Expr, seen: &mut HashSet<Arc<str>>, names: &mut Vec<Arc<str>>) {
        if let ExprKind::Bind { name, .. } = &expr.kind
            && seen.insert(Arc::clone(name))
        {
            names.push(Arc::clone(name));
        }
        if !matches!(expr.kind, ExprKind::Block(_) | ExprKind::Lambda(_)) {
            expr.for_each_child(&mut |child| visit(child, seen, names));
        }
    }
    let (mut seen, mut names) = (HashSet::new(), Vec::new());
    for expr in exprs {
        visit(expr, &mut seen, &mut names);
    }
    names
}

/// Returns the names of the variables that an expression speaks of.
pub(super) fn spoken_of(expr: &Expr) -> HashSet<Arc<str>> {
    fn visit(expr: &Expr, names: &mut HashSet<Arc<str>>) {
        if let ExprKind::Variable(name) = &expr.kind {
            names.insert(Arc::clone(name));
        }
        expr.for_each_child(&mut |child| visit(child, names));
    }
    let mut names = HashSet::new();
    visit(expr, &mut names);
    names
}
