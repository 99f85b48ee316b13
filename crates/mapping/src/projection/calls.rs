//! Calls of functions: which arguments they look into, and what they hand on.

use crate::ast::{Expr, ExprKind, Lambda};
use crate::functions::{self, Function};
use crate::projection::{Places, Reads, add};
use crate::signature::{Kinds, Signature, SignatureParameter};

/// What a built-in function does with its arguments.
enum Use {
    /// Looks into them.
    Whole,
    /// Counts them, or asks whether they are there.
    Presence,
    /// Gives them on, as they are or some of them.
    Pass,
    /// Calls a function with the items of the first, and gives on what passes.
    Select,
    /// Calls a function with the items of the first, and gives on its results.
    Map,
}

fn use_of(function: &Function) -> Use {
    match function.name {
        "count" | "exists" => Use::Presence,
        "append" | "reverse" | "shuffle" => Use::Pass,
        "filter" | "single" => Use::Select,
        "map" => Use::Map,
        _ => Use::Whole,
    }
}

/// Returns whether the context may stand in for an argument of a call with so many. A context that
/// stands in for a scalar is one itself, and those are always there.
fn may_take_context(signature: &Signature, given: usize) -> bool {
    let structured = |parameter: &SignatureParameter| {
        parameter.kinds.contain(Kinds::RECORD) || parameter.kinds.contain(Kinds::LIST)
    };
    let required = |parameter: &&SignatureParameter| parameter.context || !parameter.optional;
    let parameters = &signature.parameters;
    parameters.iter().any(|parameter| {
        let enough = if parameter.kinds.contain(Kinds::FUNCTION) {
            // It takes whatever comes first.
            parameters.iter().filter(required).count()
        } else {
            parameters.len()
        };
        parameter.context && structured(parameter) && given < enough
    })
}

impl Reads {
    /// Evaluates a call; `first` is the first argument where `~>` gives it.
    pub(super) fn call(
        &mut self,
        function: &Expr,
        first: Option<Places>,
        arguments: &[Expr],
        context: &Places,
    ) -> Places {
        let ExprKind::Variable(name) = &function.kind else {
            self.needed(function, context);
            return self.unknown_call(first, arguments, context);
        };
        if self.scopes.has(name) {
            // Where it is not bound after all, a function of the library may have the name.
            if self.scopes.is_function(name) && functions::find(name).is_none() {
                return self.known_call(first, arguments, context);
            }
            let callee = self.variable(name);
            self.need(&callee);
            return self.unknown_call(first, arguments, context);
        }
        match functions::find(name) {
            Some(builtin) => self.builtin_call(builtin, first, arguments, context),
            None => self.unknown_call(first, arguments, context),
        }
    }

    /// Calls what may take the context for an argument that is not given.
    fn unknown_call(
        &mut self,
        first: Option<Places>,
        arguments: &[Expr],
        context: &Places,
    ) -> Places {
        self.need(context);
        self.known_call(first, arguments, context)
    }

    /// Calls a function that is defined here. Its body was evaluated where it stands; it gives
    /// nothing on that is not needed as a whole.
    fn known_call(
        &mut self,
        first: Option<Places>,
        arguments: &[Expr],
        context: &Places,
    ) -> Places {
        self.need(&first.unwrap_or_default());
        for argument in arguments {
            self.needed(argument, context);
        }
        Places::new()
    }

    fn builtin_call(
        &mut self,
        function: &Function,
        first: Option<Places>,
        arguments: &[Expr],
        context: &Places,
    ) -> Places {
        let given = arguments.len() + usize::from(first.is_some());
        if may_take_context(function.parsed(), given) {
            self.need(context);
        }
        let piped = first.is_some();
        let subject = match (first, arguments.first()) {
            (Some(first), _) => first,
            (None, Some(argument)) => self.expr(argument, context),
            (None, None) => return Places::new(),
        };
        let rest = if piped { arguments } else { &arguments[1..] };
        match use_of(function) {
            Use::Whole => {
                self.need(&subject);
                for argument in rest {
                    self.needed(argument, context);
                }
                Places::new()
            }
            Use::Presence => Places::new(),
            Use::Pass => {
                let mut places = subject;
                for argument in rest {
                    let more = self.expr(argument, context);
                    add(&mut places, &more);
                }
                places
            }
            Use::Select | Use::Map => {
                let maps = matches!(use_of(function), Use::Map);
                match rest {
                    [
                        Expr {
                            kind: ExprKind::Lambda(lambda),
                            ..
                        },
                    ] => {
                        self.each_item(lambda, &subject, context);
                    }
                    _ => {
                        self.need(&subject);
                        for argument in rest {
                            self.needed(argument, context);
                        }
                    }
                }
                // What a function gives is needed as a whole: see `lambda`.
                if maps { Places::new() } else { subject }
            }
        }
    }

    /// Calls a function with item, position and list.
    fn each_item(&mut self, lambda: &Lambda, subject: &Places, context: &Places) {
        let arguments = [subject.clone(), Places::new(), subject.clone()];
        self.lambda_for(lambda, &arguments, context);
    }

    /// Evaluates `left ~> right`.
    pub(super) fn apply(&mut self, left: &Expr, right: &Expr, context: &Places) -> Places {
        let places = self.expr(left, context);
        match &right.kind {
            ExprKind::Call {
                function,
                arguments,
            } => self.call(function, Some(places), arguments, context),
            ExprKind::Variable(_) => self.call(right, Some(places), &[], context),
            _ => {
                self.need(&places);
                self.need(context);
                self.needed(right, context);
                Places::new()
            }
        }
    }
}
