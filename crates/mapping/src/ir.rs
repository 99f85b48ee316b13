//! What an expression is compiled to: a tree whose names are interned, whose variables are slots of
//! a frame, and whose built-in functions are entries of the table.

use std::sync::Arc;

use regex::Regex;
use sluice_model::value::{Key, Value};

use crate::ast::{BinaryOperator, TextRange};
use crate::functions::Function;
use crate::signature::Signature;

/// An operation, and where its expression stands.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) range: TextRange,
}

/// The operations.
#[derive(Debug)]
pub(crate) enum Op {
    Constant(Value<'static>),
    Context,
    Root,
    Variable(Variable),
    /// A field of the context.
    Field(Key<'static>),
    /// A path of fields only.
    Fields(Box<[Key<'static>]>),
    Wildcard,
    Descendant,
    Path(Box<PathNode>),
    Filter(Box<FilterNode>),
    Group(Box<GroupNode>),
    Object(Box<GroupNode>),
    Array(Box<[ArrayItem]>),
    Negate(Box<Node>),
    Arithmetic(BinaryOperator, Box<(Node, Node)>),
    Compare(BinaryOperator, Box<(Node, Node)>),
    And(Box<(Node, Node)>),
    Or(Box<(Node, Node)>),
    In(Box<(Node, Node)>),
    Range(Box<(Node, Node)>),
    Concat(Box<[Node]>),
    Default(Box<(Node, Node)>),
    Coalesce(Box<(Node, Node)>),
    Condition(Box<ConditionNode>),
    Block(Box<BlockNode>),
    Bind(Slot, Box<Node>),
    /// A built-in function, known when the expression was compiled.
    CallBuiltin(&'static Function, Box<[Node]>),
    Call(Box<CallNode>),
    Partial(Box<PartialNode>),
    Lambda(Box<Closure>),
    Transform(Box<Closure>),
    Apply(Box<(Node, Node)>),
    Regex(Arc<Regex>),
    /// `$eval`, with the variables that its text may name.
    Eval(Box<EvalNode>),
    /// `[]`: a sequence of one item stays a list.
    Keep(Box<Node>),
    /// A list by type: whatever comes out is one, also nothing and one item.
    AsList(Box<Node>),
    /// One leaf of a tree of expressions.
    Leaf(u32, Box<Node>),
    /// A record of a tree of expressions: what is missing leaves its key out.
    Record(Box<[(Key<'static>, Node)]>),
    /// A list of a tree of expressions: what is missing is left out.
    List(Box<[Node]>),
}

/// Where a variable lies in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// In the frame itself.
    Local(u32),
    /// In a cell that closures share, whose number lies in the frame.
    Cell(u32),
}

/// Where the value of a variable may come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    Slot(Slot),
    /// One of the caller's bindings, by its index.
    Binding(u32),
    Builtin(&'static Function),
}

/// A variable: the innermost place first, the others for where that one is not bound yet.
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) places: Box<[Place]>,
}

#[derive(Debug)]
pub(crate) struct ArrayItem {
    pub(crate) node: Node,
    /// Whether it is an array constructor itself, whose list stays one item.
    pub(crate) nested: bool,
}

#[derive(Debug)]
pub(crate) struct ConditionNode {
    pub(crate) condition: Node,
    pub(crate) then: Node,
    pub(crate) otherwise: Option<Node>,
}

/// A scope: its variables are unbound whenever it is entered.
#[derive(Debug)]
pub(crate) struct BlockNode {
    pub(crate) locals: Box<[Slot]>,
    pub(crate) items: Box<[Node]>,
}

#[derive(Debug)]
pub(crate) struct CallNode {
    pub(crate) function: Node,
    pub(crate) arguments: Box<[Node]>,
    /// The function's name as errors show it.
    pub(crate) name: Box<str>,
    /// Whether it is called without its `$`, although there is such a function.
    pub(crate) forgot_dollar: bool,
}

#[derive(Debug)]
pub(crate) struct PartialNode {
    pub(crate) function: Node,
    pub(crate) arguments: Box<[Option<Node>]>,
    pub(crate) name: Box<str>,
    pub(crate) forgot_dollar: bool,
}

#[derive(Debug)]
pub(crate) struct EvalNode {
    pub(crate) arguments: Box<[Node]>,
    pub(crate) scope: Box<[(Arc<str>, Variable)]>,
}

/// A function definition, and what it takes along from the frame that it stands in.
#[derive(Debug)]
pub(crate) struct Closure {
    pub(crate) code: Arc<Code>,
    /// From this slot of the outer frame to that slot of its own.
    pub(crate) captures: Box<[(u32, u32)]>,
}

/// The code of a function.
#[derive(Debug)]
pub(crate) struct Code {
    /// Its parameters are the first slots of its frame.
    pub(crate) parameters: u32,
    /// Parameters that closures share.
    pub(crate) parameter_cells: Box<[u32]>,
    /// The slots of its frame.
    pub(crate) slots: u32,
    /// Variables of its outermost scope that are not parameters.
    pub(crate) locals: Box<[Slot]>,
    pub(crate) signature: Option<Arc<Signature>>,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    Expression(Node),
    Transform {
        pattern: Node,
        update: Node,
        delete: Option<Node>,
    },
}

/// A path that is more than fields.
#[derive(Debug)]
pub(crate) struct PathNode {
    pub(crate) steps: Box<[StepNode]>,
    pub(crate) keep_list: bool,
    /// The slots that its bindings (`@`, `#`, `%`) take, if it has any.
    pub(crate) bindings: Option<Bindings>,
    /// Whether the first step is a variable, which is not looked up in each item of the context.
    pub(crate) absolute: bool,
}

/// Slots in a row of a frame: one tuple of a path's bindings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bindings {
    pub(crate) start: u32,
    pub(crate) count: u32,
    /// Whether they belong to the path around, which gets the tuples.
    pub(crate) shared: bool,
}

#[derive(Debug)]
pub(crate) struct StepNode {
    pub(crate) kind: StepOp,
    pub(crate) stages: Box<[StageNode]>,
    pub(crate) focus: Option<u32>,
    pub(crate) index: Option<u32>,
    pub(crate) ancestors: Box<[u32]>,
    pub(crate) tuples: bool,
    /// Whether it is, as the first step, evaluated once for the whole context.
    pub(crate) once: bool,
    /// Whether it constructs a list that stays one item.
    pub(crate) constructor: bool,
}

#[derive(Debug)]
pub(crate) enum StepOp {
    Node(Node),
    Sort(Box<[TermNode]>, TextRange),
}

#[derive(Debug)]
pub(crate) struct TermNode {
    pub(crate) node: Node,
    pub(crate) descending: bool,
}

#[derive(Debug)]
pub(crate) enum StageNode {
    Filter(Predicate),
    Index(u32),
}

#[derive(Debug)]
pub(crate) enum Predicate {
    /// A literal position; negative ones count from the end.
    Position(i64),
    Test(Node),
}

#[derive(Debug)]
pub(crate) struct FilterNode {
    pub(crate) base: Node,
    pub(crate) predicates: Box<[Predicate]>,
}

/// An object constructor, or a grouping of what `base` gives.
#[derive(Debug)]
pub(crate) struct GroupNode {
    pub(crate) base: Option<Node>,
    pub(crate) pairs: Box<[PairNode]>,
    /// Whether all keys are texts that differ: a record without looking for duplicates.
    pub(crate) distinct: bool,
}

#[derive(Debug)]
pub(crate) struct PairNode {
    pub(crate) key: PairKey,
    pub(crate) value: Node,
}

#[derive(Debug)]
pub(crate) enum PairKey {
    Constant(Key<'static>),
    Computed(Node),
}
