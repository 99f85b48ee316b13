//! Calls of functions.

use crate::ast::{Expr, ExprKind, TextRange};
use crate::functions::{self, Function};
use crate::typing::arguments::Argument;
use crate::typing::known::{Callee, Known};
use crate::typing::paths::first_name;
use crate::typing::walk::Checker;

impl<'e> Checker<'e, '_> {
    /// Returns what `function(arguments)` gives.
    pub fn call(
        &mut self,
        range: TextRange,
        function: &'e Expr,
        arguments: &'e [Expr],
    ) -> Known<'e> {
        self.call_with(range, function, None, arguments)
    }

    /// As [`Checker::call`], with another argument before the others.
    fn call_with(
        &mut self,
        range: TextRange,
        function: &'e Expr,
        first: Option<Argument<'e>>,
        rest: &'e [Expr],
    ) -> Known<'e> {
        let callee = self.callee(function);
        let mut arguments: Vec<Argument<'e>> = first.into_iter().collect();
        for expr in rest {
            arguments.push(self.argument(expr, callee.as_ref()));
        }
        match callee {
            Some(Callee::Library(library)) => self.library(range, library, arguments),
            Some(Callee::Lambda(closure)) => {
                let known: Vec<_> = arguments.into_iter().map(|own| own.known).collect();
                self.replay(&closure, &known)
            }
            Some(Callee::Opaque) | None => {
                if let ExprKind::Lambda(lambda) = &function.kind {
                    let known: Vec<_> = arguments.into_iter().map(|own| own.known).collect();
                    return self.body(lambda, &known);
                }
                Known::any()
            }
        }
    }

    /// Returns what is called; tells what cannot be.
    fn callee(&mut self, function: &'e Expr) -> Option<Callee<'e>> {
        match &function.kind {
            ExprKind::Variable(name) => match self.scope.variable(name) {
                Some(known) => known.function.clone(),
                None => match functions::find(name) {
                    Some(library) => Some(Callee::Library(library)),
                    None => {
                        self.tell_unknown_function(name, function.range);
                        None
                    }
                },
            },
            ExprKind::Path(path) if path.steps.len() == 1 => {
                let name = first_name(path)?;
                if functions::find(name).is_some() || self.scope.variable(name).is_some() {
                    self.tell_forgotten_dollar(name, function.range);
                } else {
                    self.tell_unknown_function(name, function.range);
                }
                None
            }
            ExprKind::Lambda(_) => None,
            _ => self.infer(function).function,
        }
    }

    fn argument(&mut self, expr: &'e Expr, callee: Option<&Callee<'e>>) -> Argument<'e> {
        let deferred = match callee {
            Some(Callee::Library(function)) => {
                matches!(expr.kind, ExprKind::Lambda(_)) && takes_functions(function)
            }
            _ => false,
        };
        let known = if deferred {
            Known::function(Callee::Opaque)
        } else {
            self.infer(expr)
        };
        Argument {
            expr: Some(expr),
            stands_for: "",
            known,
            deferred,
        }
    }

    fn library(
        &mut self,
        range: TextRange,
        function: &'static Function,
        mut arguments: Vec<Argument<'e>>,
    ) -> Known<'e> {
        self.with_context(function, &mut arguments);
        if !self.check_arguments(range, function, &arguments) {
            for argument in &arguments {
                if argument.deferred {
                    self.call_argument(argument, &[]);
                }
            }
            return Known::any();
        }
        self.result(range, function, &arguments)
    }

    /// Returns what the function that an argument is gives for these arguments.
    pub fn call_argument(&mut self, argument: &Argument<'e>, arguments: &[Known<'e>]) -> Known<'e> {
        if let (true, Some(expr)) = (argument.deferred, argument.expr)
            && let ExprKind::Lambda(lambda) = &expr.kind
        {
            return self.body(lambda, arguments);
        }
        match &argument.known.function {
            Some(Callee::Lambda(closure)) => self.replay(closure, arguments),
            Some(Callee::Library(function)) => {
                let function: &'static Function = function;
                let given = arguments.iter().take(usize::from(function.arity.max(1)));
                let given = given.map(|known| Argument {
                    expr: None,
                    stands_for: "what is handed to it here",
                    known: known.clone(),
                    deferred: false,
                });
                let given: Vec<_> = given.collect();
                let range = argument.expr.map_or(self.whole, |expr| expr.range);
                self.library_in_turn(range, function, given)
            }
            Some(Callee::Opaque) | None => Known::any(),
        }
    }

    /// Calls a library function for each item of something; what does not fit is told where the
    /// function is named.
    fn library_in_turn(
        &mut self,
        range: TextRange,
        function: &'static Function,
        mut arguments: Vec<Argument<'e>>,
    ) -> Known<'e> {
        let most = function.parsed().parameters.len();
        arguments.truncate(most.max(1));
        // Of an argument that a function may leave out, what is handed may be of any kind.
        let least = function.parsed().parameters.iter();
        let least = least.filter(|own| !own.optional || own.context).count();
        for argument in arguments.iter_mut().skip(least.max(1)) {
            argument.known = Known::any();
        }
        if !self.check_arguments(range, function, &arguments) {
            return Known::any();
        }
        self.trial(|checker| checker.result(range, function, &arguments))
    }

    /// Returns what `function(?, argument)` is: a function.
    pub fn partial(&mut self, function: &'e Expr, arguments: &'e [Option<Expr>]) -> Known<'e> {
        self.callee(function);
        for argument in arguments.iter().flatten() {
            self.infer(argument);
        }
        Known::function(Callee::Opaque)
    }

    /// Returns what `left ~> right` gives.
    pub fn apply(&mut self, range: TextRange, left: &'e Expr, right: &'e Expr) -> Known<'e> {
        let known = self.infer(left);
        if known.function.is_some() {
            self.infer(right);
            return Known::function(Callee::Opaque);
        }
        if let ExprKind::Transform {
            pattern,
            update,
            delete,
        } = &right.kind
        {
            return self.transformed(known, pattern, update, delete.as_deref());
        }
        let first = Some(Argument {
            expr: Some(left),
            stands_for: "",
            known,
            deferred: false,
        });
        match &right.kind {
            ExprKind::Call {
                function,
                arguments,
            } => self.call_with(range, function, first, arguments),
            _ => self.call_with(range, right, first, &[]),
        }
    }
}

/// Returns whether a function is handed functions that it calls with what it is given.
fn takes_functions(function: &Function) -> bool {
    matches!(
        function.name,
        "map" | "filter" | "single" | "reduce" | "each" | "sift" | "sort"
    )
}
