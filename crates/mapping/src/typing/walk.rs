//! Goes through an expression and infers what each part of it gives.

use std::collections::HashSet;
use std::sync::Arc;

use rust_decimal::Decimal;
use sluice_model::types::{Bounds, Kind, Type};
use sluice_model::value::Value;

use crate::ast::{Expr, ExprKind, Lambda, Parameter, TextRange};
use crate::functions;
use crate::typing::known::{Callee, Closure, Known};
use crate::typing::scope::{Role, Scope, Variable, bound_in, spoken_of};
use crate::typing::{Problem, Typed, narrowing, shape};

/// How deep expressions lie in each other at most; deeper ones are not typed.
const DEPTH_MAX: u32 = 400;
/// How many expressions are typed for one check at most; after that, functions are not typed again
/// for each of their calls.
const STEPS_MAX: u32 = 200_000;
/// How many variables are in scope at most; where there are more, nothing is typed.
const VARIABLES_MAX: usize = 1_000;
/// How many problems of one expression are told at most.
const PROBLEMS_MAX: usize = 200;

/// Infers types, and gathers what is wrong.
pub(super) struct Checker<'e, 's> {
    /// The expression's text.
    pub source: &'s str,
    /// The range of the whole expression.
    pub whole: TextRange,
    /// The range of the path of one word that is typed: maybe a text is meant that lacks quotes.
    pub word: TextRange,
    /// What names mean here.
    pub scope: Scope<'e>,
    problems: Vec<Problem>,
    lists: HashSet<TextRange>,
    depth: u32,
    steps: u32,
    /// How many trials it is inside of: what a trial finds is not told.
    trials: u32,
    /// Whether a trial found a list that the evaluator does not know of.
    strayed: bool,
    /// The array constructor that was typed last, with what each item is, and whether it may be
    /// missing.
    array: Option<(TextRange, Vec<(Type, bool)>)>,
}

impl<'e, 's> Checker<'e, 's> {
    /// Returns a checker of the expression at `whole`.
    pub fn new(source: &'s str, whole: TextRange, scope: Scope<'e>) -> Self {
        Self {
            source,
            whole,
            word: TextRange::new(usize::MAX, usize::MAX),
            scope,
            problems: Vec::new(),
            lists: HashSet::new(),
            depth: 0,
            steps: 0,
            trials: 0,
            strayed: false,
            array: None,
        }
    }

    /// Remembers what the items of an array constructor are.
    pub fn remember_array(&mut self, range: TextRange, items: Vec<(Type, bool)>) {
        self.array = Some((range, items));
    }

    /// Returns what the items of the array constructor are that was typed last, if it is `expr`.
    pub fn items_of_array(&mut self, expr: Option<&Expr>) -> Vec<(Type, bool)> {
        let range = expr.map(|expr| expr.range);
        match self.array.take() {
            Some((own, items)) if Some(own) == range => items,
            _ => vec![(Type::any(), true)],
        }
    }

    /// Infers the type of the whole expression.
    pub fn check(mut self, expr: &'e Expr) -> Typed {
        self.declare(std::slice::from_ref(expr));
        let known = self.infer(expr);
        if known.function.is_some() {
            self.tell_function_result(expr);
        }
        let mut lists: Vec<TextRange> = self.lists.into_iter().collect();
        lists.sort_unstable();
        self.problems
            .sort_by_key(|problem| (problem.range.start, problem.range.end));
        Typed {
            ty: known.shown_type(),
            optional: known.optional,
            problems: self.problems,
            lists,
            place: Some(known.place_or(expr.range)),
        }
    }

    /// Takes down a problem.
    pub fn tell(&mut self, problem: Problem) {
        if self.problems.len() >= PROBLEMS_MAX {
            return;
        }
        let twice = |own: &Problem| own.range == problem.range && own.code == problem.code;
        if self.trials == 0 && !self.problems.iter().any(twice) {
            self.problems.push(problem);
        }
    }

    /// Takes down an expression that the evaluator keeps a list.
    pub fn keep_list(&mut self, range: TextRange) {
        if self.trials == 0 {
            self.lists.insert(range);
        } else if !self.lists.contains(&range) {
            self.strayed = true;
        }
    }

    /// Infers without telling anything.
    pub fn trial<T>(&mut self, infer: impl FnOnce(&mut Self) -> T) -> T {
        self.trials += 1;
        let result = infer(self);
        self.trials -= 1;
        result
    }

    /// Returns whether this is a trial already.
    pub fn in_trial(&self) -> bool {
        self.trials > 0
    }

    /// Infers what an expression gives.
    pub fn infer(&mut self, expr: &'e Expr) -> Known<'e> {
        self.steps = self.steps.saturating_add(1);
        if self.depth >= DEPTH_MAX || self.scope.variables.len() > VARIABLES_MAX {
            return Known::any();
        }
        self.depth += 1;
        let known = self.infer_kind(expr);
        self.depth -= 1;
        if expr.keep_array && !matches!(expr.kind, ExprKind::Name(_)) {
            return self.kept(known, expr.range);
        }
        known
    }

    fn infer_kind(&mut self, expr: &'e Expr) -> Known<'e> {
        match &expr.kind {
            ExprKind::Literal(value) => Known::of(literal(value)),
            ExprKind::Regex(_) => Known::function(Callee::Opaque),
            ExprKind::Context => self.context(expr.range),
            ExprKind::Root => self.scope.root.clone(),
            ExprKind::Variable(name) => self.variable(name, expr.range),
            ExprKind::Name(name) => {
                let context = self.scope.context.clone();
                self.field(&context, name, expr.range)
            }
            ExprKind::Wildcard | ExprKind::Descendant => {
                self.keep_list(expr.range);
                Known::of(Type::list(Type::any()))
            }
            ExprKind::Parent(id) => {
                let found = self.scope.ancestors.get(id);
                found.cloned().unwrap_or_else(Known::any)
            }
            ExprKind::Path(path) => self.path(expr, path),
            ExprKind::Filter { base, predicates } => self.filter_expr(expr, base, predicates),
            ExprKind::Group { base, pairs } => self.group(base, pairs, expr.range),
            ExprKind::Negate(operand) => self.negate(operand),
            ExprKind::Binary {
                operator,
                left,
                right,
                ..
            } => self.binary(expr, *operator, left, right),
            ExprKind::Concat(operands) => self.concat(operands),
            ExprKind::Default { left, right } => self.default(left, right),
            ExprKind::Coalesce { left, right } => self.coalesce(left, right),
            ExprKind::Condition {
                condition,
                then,
                otherwise,
            } => self.condition(expr.range, condition, then, otherwise.as_deref()),
            ExprKind::Array(items) => self.array(items, expr.range),
            ExprKind::Object(pairs) => self.object(pairs, expr.range),
            ExprKind::Block(items) => self.block(items),
            ExprKind::Bind { name, value, .. } => {
                let known = self.infer(value);
                self.scope.bind(name, known.clone());
                known
            }
            ExprKind::Call {
                function,
                arguments,
            } => self.call(expr.range, function, arguments),
            ExprKind::Partial {
                function,
                arguments,
            } => self.partial(function, arguments),
            ExprKind::Lambda(lambda) => self.lambda(lambda),
            ExprKind::Apply { left, right } => self.apply(expr.range, left, right),
            ExprKind::Transform {
                pattern,
                update,
                delete,
            } => self.transform(pattern, update, delete.as_deref()),
        }
    }

    fn context(&mut self, range: TextRange) -> Known<'e> {
        match self.scope.role {
            Role::Nothing => {
                self.tell_no_context("$", range);
                Known::any()
            }
            Role::Root | Role::Item => self.scope.context.clone(),
            Role::Group => {
                self.keep_list(range);
                self.scope.context.clone()
            }
        }
    }

    fn variable(&mut self, name: &Arc<str>, range: TextRange) -> Known<'e> {
        if let Some(known) = self.scope.variable(name) {
            return known.clone();
        }
        match functions::find(name) {
            Some(function) => Known::function(Callee::Library(function)),
            None => {
                self.tell_unknown_variable(name, range);
                Known::any()
            }
        }
    }

    /// Returns what `value[]` gives: a list in any case.
    pub fn kept(&mut self, known: Known<'e>, range: TextRange) -> Known<'e> {
        self.keep_list(range);
        let items = shape::items(&known.shown_type());
        Known {
            place: known.place,
            ..Known::of(shape::list_of(items.item))
        }
    }

    /// Binds what the expressions of a block bind anywhere, as something not known yet.
    pub fn declare(&mut self, exprs: &[Expr]) {
        for name in bound_in(exprs) {
            self.scope.bind(&name, Known::any());
        }
    }

    fn block(&mut self, items: &'e [Expr]) -> Known<'e> {
        let mark = self.scope.variables.len();
        self.declare(items);
        let mut last = Known::missing();
        for item in items {
            last = self.infer(item);
        }
        self.scope.variables.truncate(mark);
        last
    }

    /// Infers with another context.
    pub fn within<T>(
        &mut self,
        context: Known<'e>,
        role: Role,
        infer: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let context = std::mem::replace(&mut self.scope.context, context);
        let role = std::mem::replace(&mut self.scope.role, role);
        let result = infer(self);
        self.scope.context = context;
        self.scope.role = role;
        result
    }

    /// Infers where a condition holds, or does not hold.
    pub fn where_it<T>(
        &mut self,
        condition: &Expr,
        holds: bool,
        infer: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let mark = self.scope.variables.len();
        let context = self.scope.context.clone();
        let root = self.scope.root.clone();
        narrowing::narrow(&mut self.scope, condition, holds);
        let result = infer(self);
        self.scope.context = context;
        self.scope.root = root;
        self.scope.variables.truncate(mark);
        result
    }

    fn lambda(&mut self, lambda: &'e Lambda) -> Known<'e> {
        let result = self.body(lambda, &[]);
        let variables = spoken_of(&lambda.body).into_iter().filter_map(|name| {
            let known = self.scope.variable(&name)?.clone();
            Some(Variable { name, known })
        });
        Known::function(Callee::Lambda(Arc::new(Closure {
            lambda,
            variables: variables.collect(),
            context: self.scope.context.clone(),
            result,
        })))
    }

    /// Infers what a function gives for these arguments; nothing is known of others.
    pub fn body(&mut self, lambda: &'e Lambda, arguments: &[Known<'e>]) -> Known<'e> {
        let mark = self.scope.variables.len();
        self.declare(std::slice::from_ref(&lambda.body));
        for (index, Parameter { name, .. }) in lambda.parameters.iter().enumerate() {
            let argument = arguments.get(index).cloned().unwrap_or_else(Known::any);
            self.scope.bind(name, argument);
        }
        let result = self.infer(&lambda.body);
        self.scope.variables.truncate(mark);
        result
    }

    /// Infers what a function gives for these arguments, without telling anything. The evaluator
    /// keeps only those lists that are lists for any argument.
    pub fn replay(&mut self, closure: &Closure<'e>, arguments: &[Known<'e>]) -> Known<'e> {
        if self.trials > 0 || self.steps > STEPS_MAX {
            return closure.result.clone();
        }
        let variables: Vec<Variable<'e>> = closure.variables.clone();
        let variables = std::mem::replace(&mut self.scope.variables, variables);
        self.strayed = false;
        let result = self.trial(|checker| {
            checker.within(closure.context.clone(), Role::Item, |checker| {
                checker.body(closure.lambda, arguments)
            })
        });
        self.scope.variables = variables;
        if self.strayed {
            return closure.result.clone();
        }
        result
    }
}

/// Returns the type of a literal: of that value only, where a type can say so.
fn literal(value: &Value<'_>) -> Type {
    let exactly = |number: Decimal| Bounds {
        min: Some(number),
        max: Some(number),
        ..Bounds::default()
    };
    match value {
        Value::Null => Type::null(),
        Value::Bool(_) => Type::bool(),
        Value::Int(int) => Type::new(Kind::Int(exactly(Decimal::from(*int)))),
        Value::Decimal(decimal) => Type::new(Kind::Decimal(exactly(*decimal))),
        Value::Float(_) => Type::float(),
        Value::Literal(_) => Type::decimal(),
        Value::Text(text) => shape::text_of(std::iter::once(text.as_str().into())),
        Value::Bytes(_) => Type::new(Kind::Bytes),
        Value::List(_) => Type::list(Type::any()),
        Value::Record(_) => Type::open_record(),
    }
}
