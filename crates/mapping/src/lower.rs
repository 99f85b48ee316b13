//! Compiles the syntax tree to the operations of [`crate::ir`].

mod path;
mod regexes;
mod scope;

use std::collections::HashSet;
use std::sync::Arc;

use sluice_model::value::{Key, Name, Text, Value};

use crate::ast::{BinaryOperator, Expr, ExprKind, Lambda, Pair, RegexLiteral, TextRange};
use crate::ir::{
    ArrayItem, BlockNode, Body, CallNode, Closure, Code, ConditionNode, EvalNode, FilterNode,
    GroupNode, Node, Op, PairKey, PairNode, PartialNode, Place, Predicate, Slot,
};
use crate::lower::scope::{Frames, bound_in};
use crate::parse::SyntaxError;

/// A tree of expressions whose leaves are parsed.
pub(crate) enum Tree {
    /// An expression.
    Leaf(Expr),
    /// A record of trees.
    Map(Vec<(String, Tree)>),
    /// A list of trees.
    List(Vec<Tree>),
    /// Texts and expressions, joined to one text.
    Text(Vec<Piece>),
}

/// A piece of a text with holes.
pub(crate) enum Piece {
    Text(String),
    Hole(Expr),
}

/// What the compiler is told beside the tree.
pub(crate) struct Settings<'o> {
    /// Names of the caller's bindings.
    pub(crate) bindings: &'o [Arc<str>],
    /// Leaf and place of each expression that is a list by its type.
    pub(crate) lists: &'o HashSet<(u32, TextRange)>,
    /// Whether names may be interned: only those that come from a project's files.
    pub(crate) intern: bool,
    /// Names of parameters that the whole program takes.
    pub(crate) parameters: &'o [Arc<str>],
}

/// An error, and the leaf in which it is.
pub(crate) type LeafError = (u32, SyntaxError);

/// Compiles a tree to a function without arguments.
pub(crate) fn lower(tree: &Tree, settings: &Settings<'_>) -> Result<Code, Vec<LeafError>> {
    let mut cells = Vec::new();
    loop {
        let mut lowering = Lowering {
            frames: Frames::new(settings.bindings, cells),
            settings,
            leaf: 0,
            leaves: 0,
            regions: Vec::new(),
            errors: Vec::new(),
        };
        let code = lowering.program(tree);
        if !lowering.errors.is_empty() {
            return Err(lowering.errors);
        }
        // Which variables closures share is known at the end only: then once more.
        match lowering.frames.unforeseen() {
            Some(found) => cells = found,
            None => return Ok(code),
        }
    }
}

struct Lowering<'o> {
    frames: Frames<'o>,
    settings: &'o Settings<'o>,
    /// The leaf that is compiled.
    leaf: u32,
    leaves: u32,
    /// The slots of the bindings of the paths that the compiler is inside of.
    regions: Vec<path::Region>,
    errors: Vec<LeafError>,
}

impl Lowering<'_> {
    fn program(&mut self, tree: &Tree) -> Code {
        self.frames.enter_function();
        self.frames.enter_scope();
        for name in self.settings.parameters {
            self.frames.declare_bound(name);
        }
        let body = self.tree(tree);
        self.frames.leave_scope();
        let (slots, _) = self.frames.leave_function();
        Code {
            parameters: self.settings.parameters.len() as u32,
            parameter_cells: Box::default(),
            slots,
            locals: Box::default(),
            signature: None,
            body: Body::Expression(body),
        }
    }

    fn tree(&mut self, tree: &Tree) -> Node {
        let nowhere = TextRange::default();
        match tree {
            Tree::Leaf(expr) => self.next_leaf(expr),
            Tree::Map(entries) => {
                let fields = entries
                    .iter()
                    .map(|(key, tree)| (self.key(key), self.tree(tree)))
                    .collect();
                Node {
                    op: Op::Record(fields),
                    range: nowhere,
                }
            }
            Tree::List(items) => Node {
                op: Op::List(items.iter().map(|tree| self.tree(tree)).collect()),
                range: nowhere,
            },
            Tree::Text(pieces) => {
                let parts = pieces
                    .iter()
                    .map(|piece| match piece {
                        Piece::Text(text) => Node {
                            op: Op::Constant(Value::from(text.clone())),
                            range: nowhere,
                        },
                        Piece::Hole(expr) => self.next_leaf(expr),
                    })
                    .collect();
                Node {
                    op: Op::Concat(parts),
                    range: nowhere,
                }
            }
        }
    }

    /// Compiles one leaf, in a scope of its own.
    fn next_leaf(&mut self, expr: &Expr) -> Node {
        self.leaf = self.leaves;
        self.leaves += 1;
        let block = self.block(std::slice::from_ref(expr), expr.range);
        Node {
            op: Op::Leaf(self.leaf, Box::new(block)),
            range: expr.range,
        }
    }

    fn key(&self, text: &str) -> Key<'static> {
        if self.settings.intern {
            Key::Name(Name::new(text))
        } else {
            Key::Text(Text::from(text))
        }
    }

    fn nodes(&mut self, exprs: &[Expr]) -> Box<[Node]> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn boxed(&mut self, expr: &Expr) -> Box<Node> {
        Box::new(self.expr(expr))
    }

    fn two(&mut self, left: &Expr, right: &Expr) -> Box<(Node, Node)> {
        let left = self.expr(left);
        Box::new((left, self.expr(right)))
    }

    fn expr(&mut self, expr: &Expr) -> Node {
        let range = expr.range;
        let mut node = Node {
            op: self.op(expr),
            range,
        };
        if expr.keep_array && !matches!(expr.kind, ExprKind::Name(_)) {
            node = Node {
                op: Op::Keep(Box::new(node)),
                range,
            };
        }
        let named = matches!(expr.kind, ExprKind::Name(_));
        if !named && self.settings.lists.contains(&(self.leaf, range)) {
            node = Node {
                op: Op::AsList(Box::new(node)),
                range,
            };
        }
        node
    }

    fn op(&mut self, expr: &Expr) -> Op {
        match &expr.kind {
            ExprKind::Literal(value) => Op::Constant(value.clone()),
            ExprKind::Regex(regex) => self.regex(regex, expr.range),
            ExprKind::Context => Op::Context,
            ExprKind::Root => Op::Root,
            ExprKind::Variable(name) => Op::Variable(self.frames.resolve(name)),
            ExprKind::Name(name) => Op::Field(self.key(name)),
            ExprKind::Wildcard => Op::Wildcard,
            ExprKind::Descendant => Op::Descendant,
            ExprKind::Parent(id) => self.ancestor(*id),
            ExprKind::Path(path) => self.path(path),
            ExprKind::Filter { base, predicates } => Op::Filter(Box::new(FilterNode {
                base: self.expr(base),
                predicates: predicates.iter().map(|expr| self.predicate(expr)).collect(),
            })),
            ExprKind::Group { base, pairs } => self.group(base, pairs),
            ExprKind::Object(pairs) => Op::Object(Box::new(self.pairs(None, pairs))),
            ExprKind::Negate(operand) => Op::Negate(self.boxed(operand)),
            ExprKind::Binary {
                operator,
                left,
                right,
                ..
            } => self.binary(*operator, left, right),
            ExprKind::Concat(items) => self.concat(items),
            ExprKind::Default { left, right } => Op::Default(self.two(left, right)),
            ExprKind::Coalesce { left, right } => Op::Coalesce(self.two(left, right)),
            ExprKind::Condition {
                condition,
                then,
                otherwise,
            } => Op::Condition(Box::new(ConditionNode {
                condition: self.expr(condition),
                then: self.expr(then),
                otherwise: otherwise.as_ref().map(|expr| self.expr(expr)),
            })),
            ExprKind::Array(items) => Op::Array(
                items
                    .iter()
                    .map(|item| ArrayItem {
                        node: self.expr(item),
                        nested: matches!(item.kind, ExprKind::Array(_)),
                    })
                    .collect(),
            ),
            ExprKind::Block(items) => self.block(items, expr.range).op,
            ExprKind::Bind { name, value, .. } => self.bind(name, value, Occurrence::Repeated),
            ExprKind::Call {
                function,
                arguments,
            } => self.call(function, arguments),
            ExprKind::Partial {
                function,
                arguments,
            } => self.partial(function, arguments),
            ExprKind::Lambda(lambda) => Op::Lambda(Box::new(self.lambda(lambda))),
            ExprKind::Apply { left, right } => self.apply(left, right),
            ExprKind::Transform {
                pattern,
                update,
                delete,
            } => Op::Transform(Box::new(self.transform(pattern, update, delete))),
        }
    }

    fn regex(&mut self, regex: &RegexLiteral, range: TextRange) -> Op {
        match regexes::compile(regex) {
            Ok(regex) => Op::Regex(Arc::new(regex)),
            Err(why) => {
                let error = SyntaxError::new("S0303", range, &why);
                self.errors.push((self.leaf, error));
                Op::Constant(Value::Null)
            }
        }
    }

    fn apply(&mut self, left: &Expr, right: &Expr) -> Op {
        let left = self.expr(left);
        // A call takes the left side as its argument: it is none of its own, and whether its result
        // stays a list is up to the whole.
        let right = match right.kind {
            ExprKind::Call { .. } => Node {
                op: self.op(right),
                range: right.range,
            },
            _ => self.expr(right),
        };
        Op::Apply(Box::new((left, right)))
    }

    /// Compiles a concatenation; texts that stand side by side are joined here and now.
    fn concat(&mut self, items: &[Expr]) -> Op {
        let mut nodes: Vec<Node> = Vec::with_capacity(items.len());
        for item in items {
            let node = self.expr(item);
            if let Op::Constant(Value::Text(text)) = &node.op
                && let Some(Node {
                    op: Op::Constant(Value::Text(before)),
                    range,
                }) = nodes.last_mut()
            {
                *before = Text::from(format!("{before}{text}"));
                *range = range.to(node.range);
                continue;
            }
            nodes.push(node);
        }
        Op::Concat(nodes.into())
    }

    fn binary(&mut self, operator: BinaryOperator, left: &Expr, right: &Expr) -> Op {
        let two = self.two(left, right);
        match operator {
            BinaryOperator::Add
            | BinaryOperator::Subtract
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Remainder => Op::Arithmetic(operator, two),
            BinaryOperator::Equal
            | BinaryOperator::NotEqual
            | BinaryOperator::Less
            | BinaryOperator::LessOrEqual
            | BinaryOperator::Greater
            | BinaryOperator::GreaterOrEqual => Op::Compare(operator, two),
            BinaryOperator::And => Op::And(two),
            BinaryOperator::Or => Op::Or(two),
            BinaryOperator::In => Op::In(two),
            BinaryOperator::Range => Op::Range(two),
        }
    }

    /// Compiles a predicate: a literal number is a position.
    fn predicate(&mut self, expr: &Expr) -> Predicate {
        match &expr.kind {
            ExprKind::Literal(value) if value.is_number() => {
                let position = value.as_f64().unwrap_or(f64::NAN).floor();
                Predicate::Position(position as i64)
            }
            _ => Predicate::Test(self.expr(expr)),
        }
    }

    fn pairs(&mut self, base: Option<Node>, pairs: &[Pair]) -> GroupNode {
        let pairs: Box<[PairNode]> = pairs
            .iter()
            .map(|pair| {
                let key = match &pair.key.kind {
                    ExprKind::Literal(Value::Text(text)) => PairKey::Constant(self.key(text)),
                    _ => PairKey::Computed(self.expr(&pair.key)),
                };
                PairNode {
                    key,
                    value: self.expr(&pair.value),
                }
            })
            .collect();
        let mut keys = HashSet::new();
        let distinct = pairs.iter().all(|pair| match &pair.key {
            PairKey::Constant(key) => keys.insert(key.as_str()),
            PairKey::Computed(_) => false,
        });
        GroupNode {
            base,
            pairs,
            distinct,
        }
    }

    fn block(&mut self, items: &[Expr], range: TextRange) -> Node {
        self.frames.enter_scope();
        let locals: Box<[Slot]> = bound_in(items)
            .iter()
            .map(|name| self.frames.declare(name))
            .collect();
        let items: Box<[Node]> = items
            .iter()
            .map(|item| match &item.kind {
                ExprKind::Bind { name, value, .. } if !item.keep_array => Node {
                    op: self.bind(name, value, Occurrence::Once),
                    range: item.range,
                },
                _ => self.expr(item),
            })
            .collect();
        self.frames.leave_scope();
        Node {
            op: Op::Block(Box::new(BlockNode { locals, items })),
            range,
        }
    }

    fn bind(&mut self, name: &str, value: &Expr, occurrence: Occurrence) -> Op {
        let value = match &value.kind {
            // `$a := $b := 1` binds both as often as the statement runs.
            ExprKind::Bind {
                name, value: inner, ..
            } if !value.keep_array => Node {
                op: self.bind(name, inner, occurrence),
                range: value.range,
            },
            _ => self.expr(value),
        };
        match self.frames.bind(name, occurrence == Occurrence::Once) {
            Some(slot) => Op::Bind(slot, Box::new(value)),
            // Only `$` and `$$`, which mean the context and the input whatever is bound.
            None => value.op,
        }
    }

    fn call(&mut self, function: &Expr, arguments: &[Expr]) -> Op {
        if let ExprKind::Variable(name) = &function.kind
            && !function.keep_array
        {
            let variable = self.frames.resolve(name);
            if let [Place::Builtin(builtin)] = *variable.places {
                let arguments = self.nodes(arguments);
                if builtin.name != "eval" {
                    return Op::CallBuiltin(builtin, arguments);
                }
                let scope = self
                    .frames
                    .visible()
                    .into_iter()
                    .map(|name| {
                        let variable = self.frames.resolve(&name);
                        (name, variable)
                    })
                    .collect();
                return Op::Eval(Box::new(EvalNode { arguments, scope }));
            }
        }
        let (name, forgot_dollar) = self.called_name(function);
        Op::Call(Box::new(CallNode {
            function: self.expr(function),
            arguments: self.nodes(arguments),
            name,
            forgot_dollar,
        }))
    }

    fn partial(&mut self, function: &Expr, arguments: &[Option<Expr>]) -> Op {
        let (name, forgot_dollar) = self.called_name(function);
        Op::Partial(Box::new(PartialNode {
            function: self.expr(function),
            arguments: arguments
                .iter()
                .map(|argument| argument.as_ref().map(|expr| self.expr(expr)))
                .collect(),
            name,
            forgot_dollar,
        }))
    }

    /// Returns the name of what is called, and whether only its `$` is missing.
    fn called_name(&mut self, function: &Expr) -> (Box<str>, bool) {
        match &function.kind {
            ExprKind::Variable(name) => ((&**name).into(), false),
            ExprKind::Path(path) => match path::first_name(path) {
                Some(name) => {
                    let known = !self.frames.resolve(name).places.is_empty();
                    (name.into(), known)
                }
                None => ("".into(), false),
            },
            _ => ("".into(), false),
        }
    }

    fn lambda(&mut self, lambda: &Lambda) -> Closure {
        let regions = self.enter_function();
        let mut parameter_cells = Vec::new();
        for parameter in &lambda.parameters {
            if let Slot::Cell(slot) = self.frames.declare_bound(&parameter.name) {
                parameter_cells.push(slot);
            }
        }
        let locals = self.function_locals(&[&lambda.body], &lambda.parameters);
        let body = Body::Expression(self.expr(&lambda.body));
        let (slots, captures) = self.leave_function(regions);
        let code = Code {
            parameters: lambda.parameters.len() as u32,
            parameter_cells: parameter_cells.into(),
            slots,
            locals,
            signature: lambda.signature.clone(),
            body,
        };
        Closure {
            code: Arc::new(code),
            captures,
        }
    }

    /// Begins a function; the paths around it do not lend it their slots.
    fn enter_function(&mut self) -> Vec<path::Region> {
        self.frames.enter_function();
        self.frames.enter_scope();
        std::mem::take(&mut self.regions)
    }

    fn leave_function(&mut self, regions: Vec<path::Region>) -> (u32, Box<[(u32, u32)]>) {
        self.regions = regions;
        self.frames.leave_scope();
        self.frames.leave_function()
    }

    /// Declares what a function binds outside of any block in it.
    fn function_locals(
        &mut self,
        bodies: &[&Expr],
        parameters: &[crate::ast::Parameter],
    ) -> Box<[Slot]> {
        let mut locals = Vec::new();
        for body in bodies {
            for name in bound_in(std::slice::from_ref(body)) {
                if parameters.iter().all(|parameter| parameter.name != name) {
                    locals.push(self.frames.declare(&name));
                }
            }
        }
        locals.into()
    }

    fn transform(&mut self, pattern: &Expr, update: &Expr, delete: &Option<Box<Expr>>) -> Closure {
        let regions = self.enter_function();
        let mut bodies = vec![pattern, update];
        bodies.extend(delete.as_deref());
        let argument: Arc<str> = "".into();
        self.frames.declare_bound(&argument);
        let locals = self.function_locals(&bodies, &[]);
        let body = Body::Transform {
            pattern: self.expr(pattern),
            update: self.expr(update),
            delete: delete.as_ref().map(|expr| self.expr(expr)),
        };
        let (slots, captures) = self.leave_function(regions);
        let code = Code {
            parameters: 1,
            parameter_cells: Box::default(),
            slots,
            locals,
            signature: Some(crate::functions::transform_signature()),
            body,
        };
        Closure {
            code: Arc::new(code),
            captures,
        }
    }
}

/// How often an assignment runs in one activation of its scope.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Occurrence {
    /// A statement of its block.
    Once,
    /// Inside of something that may be skipped or repeated.
    Repeated,
}
