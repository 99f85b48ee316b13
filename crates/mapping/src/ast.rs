//! The syntax tree of an expression, resolved: location paths are flat lists of steps, and each
//! `%` knows which step's context it means.
//!
//! It says the same as the tree that the reference implementation hands to its evaluator
//! (`jsonata(expr).ast()`), with one node kind for each construct and a byte range on every node.

use std::sync::Arc;

use sluice_model::value::Value;

use crate::signature::Signature;

/// A half-open range of bytes in an expression's own text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TextRange {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl TextRange {
    /// Returns the range `start..end`; offsets beyond 4 GiB are clamped.
    pub fn new(start: usize, end: usize) -> Self {
        let clamp = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self {
            start: clamp(start),
            end: clamp(end.max(start)),
        }
    }

    /// Returns the smallest range that holds both.
    pub fn to(self, other: TextRange) -> TextRange {
        TextRange {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// Returns the range as `usize` offsets, fit to slice the expression's text.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One `%`: the step whose context it means lists it in [`Step::ancestors`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AncestorId(pub u32);

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// Where it stands.
    pub range: TextRange,
    /// What it is.
    pub kind: ExprKind,
    /// Whether `[]` follows: a sequence of one item stays a list.
    pub keep_array: bool,
}

/// The kinds of expressions.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A text, number, boolean or null.
    Literal(Value<'static>),
    /// `/pattern/flags`.
    Regex(RegexLiteral),
    /// `$`, the context.
    Context,
    /// `$$`, the input of the whole expression.
    Root,
    /// `$name`.
    Variable(Arc<str>),
    /// A field of the context. Stands only as a step of a path.
    Name(Arc<str>),
    /// `*`, every field's value.
    Wildcard,
    /// `**`, the context and everything below it.
    Descendant,
    /// `%`, the context of an earlier step.
    Parent(AncestorId),
    /// `a.b.c`: also a name that stands alone, as a path of one step.
    Path(Path),
    /// `base[predicate]...` where the base is not a path.
    Filter {
        /// What is filtered, as a whole.
        base: Box<Expr>,
        /// The predicates, in order.
        predicates: Vec<Expr>,
    },
    /// `base{key: value, ...}`: groups the base's items by key.
    Group {
        /// What is grouped.
        base: Box<Expr>,
        /// Key and value of each pair; the value's context are the items of one group.
        pairs: Vec<Pair>,
    },
    /// `-operand`.
    Negate(Box<Expr>),
    /// An infix operator that has no node kind of its own.
    Binary {
        /// Which one.
        operator: BinaryOperator,
        /// Where the operator stands.
        operator_range: TextRange,
        /// Its left side.
        left: Box<Expr>,
        /// Its right side.
        right: Box<Expr>,
    },
    /// `a & b & ...`, two operands or more.
    Concat(Vec<Expr>),
    /// `left ?: right`: the right side where the left is falsy.
    Default {
        /// What is tested and taken.
        left: Box<Expr>,
        /// What is taken otherwise.
        right: Box<Expr>,
    },
    /// `left ?? right`: the right side where the left is missing (in checked mode: or null).
    Coalesce {
        /// What is tested and taken.
        left: Box<Expr>,
        /// What is taken otherwise.
        right: Box<Expr>,
    },
    /// `condition ? then : otherwise`.
    Condition {
        /// The test.
        condition: Box<Expr>,
        /// Taken if it is truthy.
        then: Box<Expr>,
        /// Taken if not; missing where it is left out.
        otherwise: Option<Box<Expr>>,
    },
    /// `[a, b, ...]`; an item may be a range.
    Array(Vec<Expr>),
    /// `{key: value, ...}`.
    Object(Vec<Pair>),
    /// `(a; b; ...)`: a scope of its own, with the value of its last expression.
    Block(Vec<Expr>),
    /// `$name := value`.
    Bind {
        /// The variable's name, without `$`.
        name: Arc<str>,
        /// Where the variable stands.
        name_range: TextRange,
        /// What it is bound to.
        value: Box<Expr>,
    },
    /// `function(arguments)`.
    Call {
        /// What is called.
        function: Box<Expr>,
        /// What it is called with.
        arguments: Vec<Expr>,
    },
    /// `function(?, argument)`: a function of the arguments that are left open.
    Partial {
        /// What is partially applied.
        function: Box<Expr>,
        /// Its arguments; `None` where a `?` stands.
        arguments: Vec<Option<Expr>>,
    },
    /// `function($a, $b)<signature>{ body }`.
    Lambda(Lambda),
    /// `left ~> right`: calls the right side with the left as its first argument.
    Apply {
        /// The first argument, or a function to compose.
        left: Box<Expr>,
        /// The function or call.
        right: Box<Expr>,
    },
    /// `| pattern | update, delete |`: a function that changes a copy of its argument.
    Transform {
        /// Selects what is changed.
        pattern: Box<Expr>,
        /// Evaluates to the fields to set.
        update: Box<Expr>,
        /// Evaluates to the names of fields to remove.
        delete: Option<Box<Expr>>,
    },
}

/// One `key: value` of an object constructor or a grouping.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The key, which must give a text.
    pub key: Expr,
    /// The value.
    pub value: Expr,
}

/// A function definition.
#[derive(Debug, Clone, PartialEq)]
pub struct Lambda {
    /// The parameters.
    pub parameters: Vec<Parameter>,
    /// The types that its arguments are checked against.
    pub signature: Option<Arc<Signature>>,
    /// What it computes.
    pub body: Box<Expr>,
}

/// A parameter of a function definition.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name, without `$`.
    pub name: Arc<str>,
    /// Where it stands.
    pub range: TextRange,
}

/// A regular expression as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct RegexLiteral {
    /// The pattern, in ECMAScript's syntax.
    pub pattern: Arc<str>,
    /// Flag `i`.
    pub ignore_case: bool,
    /// Flag `m`: `^` and `$` also match at line breaks.
    pub multi_line: bool,
}

/// The infix operators of [`ExprKind::Binary`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOperator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `and`
    And,
    /// `or`
    Or,
    /// `in`
    In,
    /// `..`, only as an item of an array constructor.
    Range,
}

impl BinaryOperator {
    /// Returns the operator as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            BinaryOperator::Add => "+",
            BinaryOperator::Subtract => "-",
            BinaryOperator::Multiply => "*",
            BinaryOperator::Divide => "/",
            BinaryOperator::Remainder => "%",
            BinaryOperator::Equal => "=",
            BinaryOperator::NotEqual => "!=",
            BinaryOperator::Less => "<",
            BinaryOperator::LessOrEqual => "<=",
            BinaryOperator::Greater => ">",
            BinaryOperator::GreaterOrEqual => ">=",
            BinaryOperator::And => "and",
            BinaryOperator::Or => "or",
            BinaryOperator::In => "in",
            BinaryOperator::Range => "..",
        }
    }
}

/// A location path.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Path {
    /// Its steps, at least one.
    pub steps: Vec<Step>,
    /// Whether one of its steps says `[]`: a sequence of one item stays a list.
    pub keep_list: bool,
    /// Whether it hands its bindings (`@`, `#`, `%`) on to the path that it is a step of.
    pub tuples: bool,
}

/// One step of a path: evaluated for each item that the step before it gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What is evaluated.
    pub kind: StepKind,
    /// Predicates and position bindings that follow, in order.
    pub stages: Vec<Stage>,
    /// `@$name`: the variable that is bound to each item, while the context stays.
    pub focus: Option<Arc<str>>,
    /// `#$name`: the variable that is bound to each item's position.
    pub index: Option<Arc<str>>,
    /// The ids of each `%` that means this step's context.
    pub ancestors: Vec<AncestorId>,
    /// Whether it binds something: the path then carries bindings beside each item.
    pub tuples: bool,
    /// Whether it is an array constructor whose list must not be flattened (and, as the first
    /// step, is evaluated once and not for each item of the context).
    pub constructor: bool,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum StepKind {
    /// Evaluates an expression for each item.
    Expr(Expr),
    /// `^(terms)`: sorts the items.
    Sort(Vec<SortTerm>, TextRange),
}

/// One term of a sort.
#[derive(Debug, Clone, PartialEq)]
pub struct SortTerm {
    /// What is compared.
    pub expr: Expr,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// What follows a step in brackets or after `#`.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// `[predicate]`.
    Filter(Expr),
    /// `#$name` after a predicate.
    Index(Arc<str>),
}

impl Step {
    /// Returns a step that evaluates `expr` and has nothing else.
    pub fn new(kind: StepKind) -> Self {
        Self {
            kind,
            stages: Vec::new(),
            focus: None,
            index: None,
            ancestors: Vec::new(),
            tuples: false,
            constructor: false,
        }
    }

    /// Returns where the step's own expression stands.
    pub fn range(&self) -> TextRange {
        match &self.kind {
            StepKind::Expr(expr) => expr.range,
            StepKind::Sort(_, range) => *range,
        }
    }
}

impl Expr {
    /// Returns the expression `kind` at `range`.
    pub fn new(range: TextRange, kind: ExprKind) -> Self {
        Self {
            range,
            kind,
            keep_array: false,
        }
    }

    /// Calls `visit` with each direct part of this expression, in the order of the text.
    pub fn for_each_child(&self, visit: &mut dyn FnMut(&Expr)) {
        match &self.kind {
            ExprKind::Literal(_)
            | ExprKind::Regex(_)
            | ExprKind::Context
            | ExprKind::Root
            | ExprKind::Variable(_)
            | ExprKind::Name(_)
            | ExprKind::Wildcard
            | ExprKind::Descendant
            | ExprKind::Parent(_) => {}
            ExprKind::Path(path) => path.steps.iter().for_each(|step| step.for_each(visit)),
            ExprKind::Filter { base, predicates } => {
                visit(base);
                predicates.iter().for_each(visit);
            }
            ExprKind::Group { base, pairs } => {
                visit(base);
                for_each_pair(pairs, visit);
            }
            ExprKind::Negate(operand) => visit(operand),
            ExprKind::Binary { left, right, .. }
            | ExprKind::Default { left, right }
            | ExprKind::Coalesce { left, right }
            | ExprKind::Apply { left, right } => {
                visit(left);
                visit(right);
            }
            ExprKind::Concat(items) | ExprKind::Array(items) | ExprKind::Block(items) => {
                items.iter().for_each(visit);
            }
            ExprKind::Condition {
                condition,
                then,
                otherwise,
            } => {
                visit(condition);
                visit(then);
                otherwise.iter().for_each(|expr| visit(expr));
            }
            ExprKind::Object(pairs) => for_each_pair(pairs, visit),
            ExprKind::Bind { value, .. } => visit(value),
            ExprKind::Call {
                function,
                arguments,
            } => {
                visit(function);
                arguments.iter().for_each(visit);
            }
            ExprKind::Partial {
                function,
                arguments,
            } => {
                visit(function);
                arguments.iter().flatten().for_each(visit);
            }
            ExprKind::Lambda(lambda) => visit(&lambda.body),
            ExprKind::Transform {
                pattern,
                update,
                delete,
            } => {
                visit(pattern);
                visit(update);
                delete.iter().for_each(|expr| visit(expr));
            }
        }
    }
}

impl Step {
    fn for_each(&self, visit: &mut dyn FnMut(&Expr)) {
        match &self.kind {
            StepKind::Expr(expr) => visit(expr),
            StepKind::Sort(terms, _) => terms.iter().for_each(|term| visit(&term.expr)),
        }
        for stage in &self.stages {
            match stage {
                Stage::Filter(predicate) => visit(predicate),
                Stage::Index(_) => {}
            }
        }
    }
}

fn for_each_pair(pairs: &[Pair], visit: &mut dyn FnMut(&Expr)) {
    for pair in pairs {
        visit(&pair.key);
        visit(&pair.value);
    }
}
