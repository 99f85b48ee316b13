//! The parser: top-down operator precedence (Pratt 1973), with the reference's binding powers.

use std::sync::Arc;

use sluice_model::value::Value;

use crate::ast::{BinaryOperator, Expr, ExprKind, Lambda, Pair, Parameter, SortTerm, TextRange};
use crate::parse::ancestry::Slots;
use crate::parse::lexer::{Lexer, Token, TokenKind};
use crate::parse::{NESTING_MAX, SyntaxError};
use crate::signature::Signature;

/// An expression under construction. It lies on the heap, as its errors do, so that a level of
/// nesting takes little of the stack.
pub(super) struct Node(Box<Parts>);

/// An expression, with the `%` in it whose step is not found yet.
pub(super) struct Parts {
    pub(super) expr: Expr,
    /// Slots that this expression as a whole is still looking for.
    pub(super) seeking: Vec<usize>,
    /// Slots that the last step of a path was looking for.
    pub(super) last_seeking: Vec<usize>,
    /// Levels of nodes, this one included.
    pub(super) height: u32,
}

impl Node {
    pub(super) fn new(range: TextRange, kind: ExprKind) -> Self {
        Self::of(Expr::new(range, kind))
    }

    pub(super) fn of(expr: Expr) -> Self {
        Self(Box::new(Parts {
            expr,
            seeking: Vec::new(),
            last_seeking: Vec::new(),
            height: 1,
        }))
    }

    pub(super) fn into_expr(self) -> Expr {
        self.0.expr
    }
}

impl std::ops::Deref for Node {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl std::ops::DerefMut for Node {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.0
    }
}

pub(super) struct Parser<'s> {
    pub(super) source: &'s str,
    lexer: Lexer<'s>,
    token: Token,
    depth: u32,
    pub(super) slots: Slots,
    /// Errors of meaning, after which parsing goes on.
    pub(super) errors: Vec<SyntaxError>,
    /// Where the text ended although an operand was due: told only if nothing else is wrong.
    early_end: Option<TextRange>,
}

pub(super) type Parsed<T> = Result<T, Box<SyntaxError>>;

pub(super) fn parse(source: &str) -> (Option<Expr>, Vec<SyntaxError>) {
    let mut parser = Parser {
        source,
        lexer: Lexer::new(source),
        token: Token {
            kind: TokenKind::End,
            range: TextRange::default(),
        },
        depth: 0,
        slots: Slots::default(),
        errors: Vec::new(),
        early_end: None,
    };
    match parser.whole() {
        Ok(expr) => {
            let mut errors = parser.errors;
            if let (Some(range), true) = (parser.early_end, errors.is_empty()) {
                return (None, vec![SyntaxError::new("S0207", range, "")]);
            }
            errors.sort_by_key(|error| error.range);
            (Some(expr), errors)
        }
        // What was found before it may be a mistake of the reader's own.
        Err(error) => (None, vec![*error]),
    }
}

impl Parser<'_> {
    fn whole(&mut self) -> Parsed<Expr> {
        self.advance(false)?;
        let node = self.expression(0)?;
        if self.token.kind != TokenKind::End {
            let (range, shown) = (self.token.range, self.token.shown());
            return Err(SyntaxError::boxed("S0201", range, &shown));
        }
        let bare = matches!(node.expr.kind, ExprKind::Parent(_));
        if self.early_end.is_none() && (bare || !node.seeking.is_empty()) {
            let range = node.expr.range;
            self.errors.push(SyntaxError::new("S0217", range, ""));
        }
        Ok(node.into_expr())
    }

    fn advance(&mut self, infix: bool) -> Parsed<Token> {
        let next = self.lexer.next(infix).map_err(Box::new)?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn is(&self, symbol: &str) -> bool {
        matches!(self.token.kind, TokenKind::Symbol(own) if own == symbol)
    }

    /// Passes over `symbol`, after which an operand is due.
    fn expect(&mut self, symbol: &str) -> Parsed<TextRange> {
        self.expect_before(symbol, false)
    }

    /// Passes over `symbol`, after which an infix operator may follow.
    fn expect_end(&mut self, symbol: &str) -> Parsed<TextRange> {
        self.expect_before(symbol, true)
    }

    fn expect_before(&mut self, symbol: &str, infix: bool) -> Parsed<TextRange> {
        if self.is(symbol) {
            return self.advance(infix).map(|token| token.range);
        }
        Err(Box::new(SyntaxError::expected(symbol, &self.token)))
    }

    /// Parses an expression whose operators bind more tightly than `power`.
    fn expression(&mut self, power: u32) -> Parsed<Node> {
        if self.depth >= NESTING_MAX {
            return Err(SyntaxError::boxed("S0501", self.token.range, ""));
        }
        self.depth += 1;
        let parsed = self.expression_inner(power);
        self.depth -= 1;
        parsed
    }

    fn expression_inner(&mut self, power: u32) -> Parsed<Node> {
        let token = self.advance(true)?;
        let mut left = self.prefix(token)?;
        while let TokenKind::Symbol(symbol) = self.token.kind {
            if binding_power(symbol) <= power {
                break;
            }
            let operator = self.advance(false)?.range;
            left = self.infix(left, symbol, operator)?;
            if left.height > NESTING_MAX {
                return Err(SyntaxError::boxed("S0501", left.expr.range, ""));
            }
        }
        Ok(left)
    }

    /// Parses what `token` begins.
    fn prefix(&mut self, token: Token) -> Parsed<Node> {
        let range = token.range;
        let shown = token.shown();
        let literal = |value| Ok(Node::new(range, ExprKind::Literal(value)));
        match token.kind {
            TokenKind::Text(text) => literal(Value::from(text)),
            TokenKind::Number(number) => literal(number),
            TokenKind::Bool(bool) => literal(Value::Bool(bool)),
            TokenKind::Null => literal(Value::Null),
            TokenKind::Name(name) => Ok(self.name(range, &name)),
            TokenKind::Variable(name) => Ok(Node::new(
                range,
                match name.as_str() {
                    "" => ExprKind::Context,
                    "$" => ExprKind::Root,
                    name => ExprKind::Variable(name.into()),
                },
            )),
            TokenKind::Regex(regex) => Ok(Node::new(range, ExprKind::Regex(regex))),
            TokenKind::End => {
                self.early_end = Some(range);
                literal(Value::Null)
            }
            TokenKind::Symbol(symbol) => match symbol {
                "and" | "or" | "in" => Ok(self.name(range, symbol)),
                "*" => Ok(Node::new(range, ExprKind::Wildcard)),
                "**" => Ok(Node::new(range, ExprKind::Descendant)),
                "%" => Ok(self.parent(range)),
                "-" => self.negate(range),
                "(" => self.block(range),
                "[" => self.array(range),
                "{" => {
                    let (pairs, end, seeking, height) = self.pairs()?;
                    let mut node = Node::new(range.to(end), ExprKind::Object(pairs));
                    node.seeking = seeking;
                    node.height = height + 1;
                    Ok(node)
                }
                "|" => self.transform(range),
                _ => Err(SyntaxError::boxed("S0211", range, &shown)),
            },
        }
    }

    fn negate(&mut self, range: TextRange) -> Parsed<Node> {
        let operand = self.expression(70)?;
        let range = range.to(operand.expr.range);
        if let ExprKind::Literal(value) = &operand.expr.kind
            && let Some(negated) = negated(value)
        {
            return Ok(Node::new(range, ExprKind::Literal(negated)));
        }
        let seeking = self.open_slots(&operand);
        let height = operand.height + 1;
        let mut node = Node::new(range, ExprKind::Negate(Box::new(operand.into_expr())));
        (node.seeking, node.height) = (seeking, height);
        Ok(node)
    }

    fn block(&mut self, range: TextRange) -> Parsed<Node> {
        let mut items = Vec::new();
        while !self.is(")") {
            items.push(self.expression(0)?);
            if !self.is(";") {
                break;
            }
            self.advance(false)?;
        }
        let end = self.expect_end(")")?;
        Ok(self.gather(range.to(end), items, ExprKind::Block))
    }

    fn array(&mut self, range: TextRange) -> Parsed<Node> {
        let mut items = Vec::new();
        if !self.is("]") {
            loop {
                let mut item = self.expression(0)?;
                if self.is("..") {
                    let operator = self.advance(false)?.range;
                    let right = self.expression(0)?;
                    item = self.binary(item, BinaryOperator::Range, operator, right);
                }
                items.push(item);
                if !self.is(",") {
                    break;
                }
                self.advance(false)?;
            }
        }
        let end = self.expect_end("]")?;
        Ok(self.gather(range.to(end), items, ExprKind::Array))
    }

    /// Returns the node of `items`, which seeks what they seek.
    fn gather(
        &mut self,
        range: TextRange,
        items: Vec<Node>,
        kind: impl FnOnce(Vec<Expr>) -> ExprKind,
    ) -> Node {
        let seeking = items
            .iter()
            .flat_map(|item| self.open_slots(item))
            .collect();
        let height = items.iter().map(|item| item.height).max().unwrap_or(0) + 1;
        let items = items.into_iter().map(Node::into_expr).collect();
        let mut node = Node::new(range, kind(items));
        (node.seeking, node.height) = (seeking, height);
        node
    }

    /// Parses `key: value, ...}`.
    fn pairs(&mut self) -> Parsed<(Vec<Pair>, TextRange, Vec<usize>, u32)> {
        let (mut pairs, mut seeking, mut height) = (Vec::new(), Vec::new(), 0);
        if !self.is("}") {
            loop {
                let key = self.expression(0)?;
                self.expect(":")?;
                let value = self.expression(0)?;
                seeking.extend(self.open_slots(&key));
                seeking.extend(self.open_slots(&value));
                height = height.max(key.height).max(value.height);
                pairs.push(Pair {
                    key: key.into_expr(),
                    value: value.into_expr(),
                });
                if !self.is(",") {
                    break;
                }
                self.advance(false)?;
            }
        }
        let end = self.expect_end("}")?;
        Ok((pairs, end, seeking, height))
    }

    fn transform(&mut self, range: TextRange) -> Parsed<Node> {
        let pattern = self.expression(0)?;
        self.expect("|")?;
        let update = self.expression(0)?;
        let mut height = pattern.height.max(update.height);
        let delete = if self.is(",") {
            self.advance(false)?;
            let delete = self.expression(0)?;
            height = height.max(delete.height);
            Some(Box::new(delete.into_expr()))
        } else {
            None
        };
        let end = self.expect_end("|")?;
        let mut node = Node::new(
            range.to(end),
            ExprKind::Transform {
                pattern: Box::new(pattern.into_expr()),
                update: Box::new(update.into_expr()),
                delete,
            },
        );
        node.height = height + 1;
        Ok(node)
    }

    /// Parses what follows the infix operator `symbol`.
    fn infix(&mut self, left: Node, symbol: &'static str, range: TextRange) -> Parsed<Node> {
        if let Some(operator) = binary_operator(symbol) {
            let right = self.expression(binding_power(symbol))?;
            return Ok(self.binary(left, operator, range, right));
        }
        match symbol {
            "." => {
                let right = self.expression(binding_power("."))?;
                Ok(self.step(left, right))
            }
            "&" => {
                let right = self.expression(binding_power("&"))?;
                Ok(self.concat(left, right))
            }
            "[" => self.bracket(left, range),
            "{" => {
                let (pairs, end, _, height) = self.pairs()?;
                Ok(self.group(left, pairs, range.to(end), height))
            }
            "(" => self.call(left),
            "^" => self.sort(left, range),
            "@" | "#" => {
                let right = self.expression(binding_power(symbol))?;
                self.bind_step(left, right, symbol, range)
            }
            ":=" => self.bind(left),
            "?" => self.condition(left),
            "?:" => {
                let right = self.expression(0)?;
                Ok(self.two(left, right, |left, right| ExprKind::Default { left, right }))
            }
            "??" => {
                let right = self.expression(0)?;
                Ok(self.two(left, right, |left, right| ExprKind::Coalesce {
                    left,
                    right,
                }))
            }
            "~>" => {
                let right = self.expression(binding_power("~>"))?;
                let keep = left.expr.keep_array || right.expr.keep_array;
                let mut node = self.two(left, right, |left, right| ExprKind::Apply { left, right });
                node.expr.keep_array = keep;
                node.seeking.clear();
                Ok(node)
            }
            _ => Err(SyntaxError::boxed("S0201", range, symbol)),
        }
    }

    fn two(
        &mut self,
        left: Node,
        right: Node,
        kind: impl FnOnce(Box<Expr>, Box<Expr>) -> ExprKind,
    ) -> Node {
        let mut seeking = self.open_slots(&left);
        seeking.extend(self.open_slots(&right));
        let range = left.expr.range.to(right.expr.range);
        let height = left.height.max(right.height) + 1;
        let mut node = Node::new(
            range,
            kind(Box::new(left.into_expr()), Box::new(right.into_expr())),
        );
        (node.seeking, node.height) = (seeking, height);
        node
    }

    fn binary(
        &mut self,
        left: Node,
        operator: BinaryOperator,
        operator_range: TextRange,
        right: Node,
    ) -> Node {
        self.two(left, right, |left, right| ExprKind::Binary {
            operator,
            operator_range,
            left,
            right,
        })
    }

    /// Joins a chain of `&` in one node.
    fn concat(&mut self, left: Node, right: Node) -> Node {
        let mut seeking = self.open_slots(&left);
        seeking.extend(self.open_slots(&right));
        let range = left.expr.range.to(right.expr.range);
        let chained = matches!(left.expr.kind, ExprKind::Concat(_)) && !left.expr.keep_array;
        let height = (left.height + u32::from(!chained)).max(right.height + 1);
        let left = left.into_expr();
        let items = match left.kind {
            ExprKind::Concat(mut items) if !left.keep_array => {
                items.push(right.into_expr());
                items
            }
            kind => {
                let left = Expr { kind, ..left };
                vec![left, right.into_expr()]
            }
        };
        let mut node = Node::new(range, ExprKind::Concat(items));
        (node.seeking, node.height) = (seeking, height);
        node
    }

    fn bracket(&mut self, left: Node, open: TextRange) -> Parsed<Node> {
        if self.is("]") {
            let end = self.expect_end("]")?;
            return Ok(self.keep(left, end));
        }
        let predicate = self.expression(0)?;
        let end = self.expect_end("]")?;
        Ok(self.filter(left, predicate, open, end))
    }

    fn sort(&mut self, left: Node, range: TextRange) -> Parsed<Node> {
        self.expect("(")?;
        let (mut terms, mut seeking, mut height) = (Vec::new(), Vec::new(), 0);
        loop {
            let descending = self.is(">");
            if descending || self.is("<") {
                self.advance(false)?;
            }
            let term = self.expression(0)?;
            seeking.extend(self.open_slots(&term));
            height = height.max(term.height);
            terms.push(SortTerm {
                expr: term.into_expr(),
                descending,
            });
            if !self.is(",") {
                break;
            }
            self.advance(false)?;
        }
        let end = self.expect_end(")")?;
        Ok(self.sorted(left, terms, range.to(end), seeking, height))
    }

    fn bind(&mut self, left: Node) -> Parsed<Node> {
        let name: Arc<str> = match &left.expr.kind {
            ExprKind::Variable(name) => name.clone(),
            ExprKind::Context => "".into(),
            ExprKind::Root => "$".into(),
            _ => return Err(SyntaxError::boxed("S0212", left.expr.range, "")),
        };
        let value = self.expression(binding_power(":=") - 1)?;
        let seeking = self.open_slots(&value);
        let (range, height) = (left.expr.range.to(value.expr.range), value.height + 1);
        let mut node = Node::new(
            range,
            ExprKind::Bind {
                name,
                name_range: left.expr.range,
                value: Box::new(value.into_expr()),
            },
        );
        (node.seeking, node.height) = (seeking, height);
        Ok(node)
    }

    fn condition(&mut self, condition: Node) -> Parsed<Node> {
        let then = self.expression(0)?;
        let otherwise = if self.is(":") {
            self.advance(false)?;
            Some(self.expression(0)?)
        } else {
            None
        };
        let mut seeking = self.open_slots(&condition);
        seeking.extend(self.open_slots(&then));
        let mut range = condition.expr.range.to(then.expr.range);
        let mut height = condition.height.max(then.height);
        if let Some(otherwise) = &otherwise {
            seeking.extend(self.open_slots(otherwise));
            range = range.to(otherwise.expr.range);
            height = height.max(otherwise.height);
        }
        let mut node = Node::new(
            range,
            ExprKind::Condition {
                condition: Box::new(condition.into_expr()),
                then: Box::new(then.into_expr()),
                otherwise: otherwise.map(|node| Box::new(node.into_expr())),
            },
        );
        (node.seeking, node.height) = (seeking, height + 1);
        Ok(node)
    }

    fn call(&mut self, left: Node) -> Parsed<Node> {
        let mut arguments: Vec<Option<Node>> = Vec::new();
        if !self.is(")") {
            loop {
                if self.is("?") {
                    self.advance(false)?;
                    arguments.push(None);
                } else {
                    arguments.push(Some(self.expression(0)?));
                }
                if !self.is(",") {
                    break;
                }
                self.advance(false)?;
            }
        }
        let end = self.expect_end(")")?;
        if is_function_keyword(&left.expr) {
            return self.lambda(&left, arguments);
        }
        let range = left.expr.range.to(end);
        let mut seeking = Vec::new();
        let mut height = left.height;
        for argument in arguments.iter().flatten() {
            seeking.extend(self.open_slots(argument));
            height = height.max(argument.height);
        }
        let function = Box::new(left.into_expr());
        let kind = if arguments.iter().all(Option::is_some) {
            ExprKind::Call {
                function,
                arguments: arguments
                    .into_iter()
                    .flatten()
                    .map(Node::into_expr)
                    .collect(),
            }
        } else {
            ExprKind::Partial {
                function,
                arguments: arguments
                    .into_iter()
                    .map(|node| node.map(Node::into_expr))
                    .collect(),
            }
        };
        let mut node = Node::new(range, kind);
        (node.seeking, node.height) = (seeking, height + 1);
        Ok(node)
    }

    fn lambda(&mut self, left: &Node, arguments: Vec<Option<Node>>) -> Parsed<Node> {
        let mut parameters = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let range = argument
                .as_ref()
                .map_or(left.expr.range, |node| node.expr.range);
            match argument.map(|node| node.into_expr().kind) {
                Some(ExprKind::Variable(name)) => parameters.push(Parameter { name, range }),
                Some(ExprKind::Context) => parameters.push(Parameter {
                    name: "".into(),
                    range,
                }),
                _ => {
                    let shown = self.source.get(range.range()).unwrap_or("?");
                    return Err(SyntaxError::boxed("S0208", range, shown));
                }
            }
        }
        let signature = if self.is("<") {
            Some(Arc::new(self.signature()?))
        } else {
            None
        };
        self.expect("{")?;
        let body = self.expression(0)?;
        let end = self.expect_end("}")?;
        let height = body.height + 1;
        let mut node = Node::new(
            left.expr.range.to(end),
            ExprKind::Lambda(Lambda {
                parameters,
                signature,
                body: Box::new(body.into_expr()),
            }),
        );
        node.height = height;
        Ok(node)
    }

    fn signature(&mut self) -> Parsed<Signature> {
        let start = self.token.range.start;
        let mut depth = 0;
        let mut end = start;
        while !self.is("{") && self.token.kind != TokenKind::End {
            match self.token.kind {
                TokenKind::Symbol("<") => depth += 1,
                TokenKind::Symbol(">") => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                end = self.token.range.end;
                break;
            }
            self.advance(true)?;
        }
        let range = TextRange { start, end };
        self.expect(">")?;
        let text: String = self.source[range.range()]
            .chars()
            .filter(|char| !char.is_whitespace())
            .collect();
        Signature::parse(&text).map_err(|error| SyntaxError::boxed(error.code, range, &text))
    }
}

/// Returns the number with its sign turned; `None` if it is not a number.
fn negated(value: &Value<'static>) -> Option<Value<'static>> {
    Some(match value {
        Value::Int(int) => match int.checked_neg() {
            Some(int) => Value::Int(int),
            None => Value::Float(-(*int as f64)),
        },
        Value::Decimal(decimal) => Value::Decimal(-*decimal),
        Value::Float(float) => Value::Float(-float),
        Value::Literal(text) => Value::Literal(match text.strip_prefix('-') {
            Some(positive) => positive.into(),
            None => format!("-{text}").into(),
        }),
        _ => return None,
    })
}

fn is_function_keyword(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Path(path) => match path.steps.as_slice() {
            [step] => match &step.kind {
                crate::ast::StepKind::Expr(Expr {
                    kind: ExprKind::Name(name),
                    ..
                }) => step.stages.is_empty() && matches!(&**name, "function" | "λ"),
                _ => false,
            },
            _ => false,
        },
        _ => false,
    }
}

fn binary_operator(symbol: &str) -> Option<BinaryOperator> {
    Some(match symbol {
        "+" => BinaryOperator::Add,
        "-" => BinaryOperator::Subtract,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "%" => BinaryOperator::Remainder,
        "=" => BinaryOperator::Equal,
        "!=" => BinaryOperator::NotEqual,
        "<" => BinaryOperator::Less,
        "<=" => BinaryOperator::LessOrEqual,
        ">" => BinaryOperator::Greater,
        ">=" => BinaryOperator::GreaterOrEqual,
        "and" => BinaryOperator::And,
        "or" => BinaryOperator::Or,
        "in" => BinaryOperator::In,
        _ => return None,
    })
}

/// How tightly an infix operator binds; 0 for what is none.
fn binding_power(symbol: &str) -> u32 {
    match symbol {
        "[" | "(" | "@" | "#" => 80,
        "." => 75,
        "{" => 70,
        "*" | "/" | "%" => 60,
        "+" | "-" | "&" => 50,
        "=" | "!=" | "<" | "<=" | ">" | ">=" | "^" | "~>" | "?:" | "??" | "in" => 40,
        "and" => 30,
        "or" => 25,
        "?" => 20,
        ":=" => 10,
        _ => 0,
    }
}
