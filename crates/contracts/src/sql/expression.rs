//! Expressions of SQL, as far as types need them.

use sluice_model::types::Type;

use crate::sql::Schema;
use crate::sql::column::declared;
use crate::sql::cursor::{Cursor, Ident};
use crate::sql::token::TokenKind;

/// How deep expressions may stand in each other.
const DEPTH_MAX: usize = 64;

/// Operators on bits, documents and arrays: nothing is known of what they give.
const OPERATORS: [&str; 12] = [
    "->", "->>", "#>", "#>>", "&", "|", "<<", ">>", "#", "@>", "<@", "&&",
];

/// Why a statement is run and not typed: what it does that is beyond what is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beyond(pub &'static str);

/// An expression.
#[derive(Debug, Clone)]
pub(crate) enum Expression {
    /// A column, with the table or alias before its dot.
    Column {
        qualifier: Option<Ident>,
        name: Ident,
    },
    /// `:name`.
    Param(Ident),
    /// Something whose type is known.
    Known(Type),
    Compare {
        left: Box<Expression>,
        right: Box<Expression>,
        operator: Comparison,
    },
    /// `a + b`, `a * b`...
    Arithmetic(Box<Expression>, Box<Expression>),
    /// `a || b`.
    Concat(Box<Expression>, Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    /// `OR`, `NOT`, and operators whose result nothing is known of: all parts are looked at.
    Other(Vec<Expression>),
    In(Box<Expression>, Vec<Expression>),
    Between(Box<Expression>, Box<Expression>, Box<Expression>),
    IsNull(Box<Expression>),
    Negative(Box<Expression>),
    Call {
        name: String,
        arguments: Vec<Expression>,
    },
    Case {
        operand: Option<Box<Expression>>,
        arms: Vec<(Expression, Expression)>,
        otherwise: Option<Box<Expression>>,
    },
    Cast(Box<Expression>, Type),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// `=`.
    Equal,
    /// `IS`, `IS NOT DISTINCT FROM`: null is compared as a value.
    Same,
    /// `LIKE`, `GLOB`, `~`: the right side is a pattern of texts.
    Pattern,
    Other,
}

/// Parses one expression.
pub(crate) fn expression(cursor: &mut Cursor<'_>, schema: &Schema) -> Result<Expression, Beyond> {
    Parser { schema, depth: 0 }.either(cursor)
}

struct Parser<'s> {
    schema: &'s Schema,
    depth: usize,
}

type Parsed = Result<Expression, Beyond>;

impl Parser<'_> {
    fn either(&mut self, cursor: &mut Cursor<'_>) -> Parsed {
        self.depth += 1;
        if DEPTH_MAX < self.depth {
            return Err(Beyond("it is nested too deeply"));
        }
        let mut left = self.both(cursor)?;
        while cursor.eat("OR") {
            let right = self.both(cursor)?;
            left = Expression::Other(vec![left, right]);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn both(&mut self, cursor: &mut Cursor<'_>) -> Parsed {
        let mut left = self.negated(cursor)?;
        while cursor.eat("AND") {
            let right = self.negated(cursor)?;
            left = Expression::And(Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn negated(&mut self, cursor: &mut Cursor<'_>) -> Parsed {
        let mut negations = 0;
        while cursor.eat("NOT") {
            negations += 1;
        }
        let inner = self.comparison(cursor)?;
        Ok(match negations {
            0 => inner,
            _ => Expression::Other(vec![inner]),
        })
    }

    fn comparison(&mut self, cursor: &mut Cursor<'_>) -> Parsed {
        let mut left = self.sum(cursor)?;
        loop {
            let compare = |left: Expression, right: Expression, operator| Expression::Compare {
                left: Box::new(left),
                right: Box::new(right),
                operator,
            };
            if cursor.eat_any(&["=", "=="]) {
                let right = self.sum(cursor)?;
                left = compare(left, right, Comparison::Equal);
            } else if cursor.eat_any(&["<>", "!=", "<=", ">=", "<", ">"]) {
                let right = self.sum(cursor)?;
                left = compare(left, right, Comparison::Other);
            } else if cursor.eat_any(&["ISNULL", "NOTNULL"]) {
                left = Expression::IsNull(Box::new(left));
            } else if cursor.eat("IS") {
                left = self.is(cursor, left)?;
            } else if let Some(found) = self.negatable(cursor, &mut left)? {
                left = found;
            } else if cursor.eat_any(&["~", "~*", "!~", "!~*"]) {
                let right = self.sum(cursor)?;
                left = compare(left, right, Comparison::Pattern);
            } else {
                return Ok(left);
            }
        }
    }

    fn is(&mut self, cursor: &mut Cursor<'_>, left: Expression) -> Parsed {
        cursor.eat("NOT");
        if cursor.eat("NULL") {
            return Ok(Expression::IsNull(Box::new(left)));
        }
        if cursor.eat_any(&["TRUE", "FALSE", "UNKNOWN"]) {
            return Ok(Expression::Other(vec![left]));
        }
        cursor.eat_words(&["DISTINCT", "FROM"]);
        Ok(Expression::Compare {
            left: Box::new(left),
            right: Box::new(self.sum(cursor)?),
            operator: Comparison::Same,
        })
    }

    /// `[NOT] IN`, `BETWEEN`, `LIKE` and its kin; `None`, with nothing taken, for another word.
    fn negatable(
        &mut self,
        cursor: &mut Cursor<'_>,
        left: &mut Expression,
    ) -> Result<Option<Expression>, Beyond> {
        let mut ahead = *cursor;
        ahead.eat("NOT");
        let take = |left: &mut Expression| {
            Box::new(std::mem::replace(left, Expression::Other(Vec::new())))
        };
        if ahead.eat("IN") {
            *cursor = ahead;
            let Some(group) = cursor.group() else {
                return Err(Beyond("it uses `IN` without a list"));
            };
            if group.is("SELECT") || group.is("WITH") || group.is("VALUES") {
                return Err(Beyond("it has a query within"));
            }
            let items = self.list(group)?;
            return Ok(Some(Expression::In(take(left), items)));
        }
        if ahead.eat("BETWEEN") {
            *cursor = ahead;
            cursor.eat("SYMMETRIC");
            let low = self.sum(cursor)?;
            if !cursor.eat("AND") {
                return Err(Beyond("it uses `BETWEEN` without `AND`"));
            }
            let high = self.sum(cursor)?;
            let found = Expression::Between(take(left), Box::new(low), Box::new(high));
            return Ok(Some(found));
        }
        if ahead.eat_any(&["LIKE", "ILIKE", "GLOB", "REGEXP", "MATCH"])
            || ahead.eat_words(&["SIMILAR", "TO"])
        {
            *cursor = ahead;
            let right = self.sum(cursor)?;
            if cursor.eat("ESCAPE") {
                self.sum(cursor)?;
            }
            return Ok(Some(Expression::Compare {
                left: take(left),
                right: Box::new(right),
                operator: Comparison::Pattern,
            }));
        }
        Ok(None)
    }

    fn sum(&mut self, cursor: &mut Cursor<'_>) -> Parsed {
        let mut left = self.product(cursor)?;
        loop {
            if cursor.eat("||") {
                let right = self.product(cursor)?;
                left = Expression::Concat(Box::new(left), Box::new(right));
            } else if cursor.eat_any(&["+", "-"]) {
                let right = self.product(cursor)?;
                left = Expression::Arithmetic(Box::new(left), Box::new(right));
            } else if cursor.eat_any(&OPERATORS) {
                let right = self.product(cursor)?;
                left = Expression::Other(vec![left, right]);
            } else {
                return Ok(left);
            }
        }
    }

    fn product(&mut self, cursor: &mut Cursor<'_>) -> Parsed {
        let mut left = self.signed(cursor)?;
        while cursor.eat_any(&["*", "/", "%", "^"]) {
            let right = self.signed(cursor)?;
            left = Expression::Arithmetic(Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn signed(&mut self, cursor: &mut Cursor<'_>) -> Parsed {
        let mut negative = false;
        while cursor.eat_any(&["-", "+", "~"]) {
            negative = true;
        }
        let mut inner = self.primary(cursor)?;
        loop {
            if cursor.eat("::") {
                let written = declared(cursor);
                let ty = written.ty(self.schema).unwrap_or_else(Type::any);
                inner = Expression::Cast(Box::new(inner), ty);
            } else if cursor.eat("COLLATE") {
                cursor.qualified();
            } else if cursor.eat_words(&["AT", "TIME", "ZONE"]) {
                let zone = self.primary(cursor)?;
                inner = Expression::Other(vec![inner, zone]);
            } else if cursor.is("[") {
                return Err(Beyond("it takes items of arrays"));
            } else {
                break;
            }
        }
        Ok(match negative {
            true => Expression::Negative(Box::new(inner)),
            false => inner,
        })
    }

    fn primary(&mut self, cursor: &mut Cursor<'_>) -> Parsed {
        let unreadable = Beyond("it holds what this build does not read");
        let Some(token) = cursor.peek() else {
            return Err(Beyond("it ends within an expression"));
        };
        match token.kind {
            TokenKind::Number => {
                cursor.next();
                let whole = token.text.parse::<u128>().is_ok() || token.text.starts_with("0x");
                Ok(Expression::Known(if whole {
                    Type::int()
                } else {
                    Type::decimal()
                }))
            }
            TokenKind::String => {
                cursor.next();
                Ok(Expression::Known(Type::text()))
            }
            TokenKind::Param => {
                cursor.next();
                Ok(Expression::Param(Ident {
                    text: token.text[1..].to_owned(),
                    start: token.start,
                    end: token.end,
                }))
            }
            TokenKind::Positional => {
                cursor.next();
                Ok(Expression::Known(Type::any()))
            }
            TokenKind::Symbol => {
                let group = cursor.group().ok_or(unreadable)?;
                if group.is("SELECT") || group.is("WITH") || group.is("VALUES") {
                    return Err(Beyond("it has a query within"));
                }
                let mut items = self.list(group)?;
                match items.len() {
                    1 => Ok(items.remove(0)),
                    _ => Err(Beyond("it compares rows")),
                }
            }
            TokenKind::Quoted => self.column(cursor),
            TokenKind::Word => self.word(cursor),
        }
    }

    fn list(&mut self, group: Cursor<'_>) -> Result<Vec<Expression>, Beyond> {
        if group.is_done() {
            return Ok(Vec::new());
        }
        let parts = group.split_commas().into_iter();
        let items = parts.map(|mut part| {
            let item = self.either(&mut part)?;
            match part.is_done() {
                true => Ok(item),
                false => Err(Beyond("it holds what this build does not read")),
            }
        });
        items.collect()
    }

    fn word(&mut self, cursor: &mut Cursor<'_>) -> Parsed {
        let second = cursor.peek_second();
        let next_is = |text: &str| second.is_some_and(|token| token.is(text));
        if cursor.eat("NULL") {
            return Ok(Expression::Known(Type::null()));
        }
        if cursor.eat_any(&["TRUE", "FALSE"]) {
            return Ok(Expression::Known(Type::bool()));
        }
        if cursor.eat_any(&[
            "CURRENT_DATE",
            "CURRENT_TIME",
            "CURRENT_TIMESTAMP",
            "LOCALTIMESTAMP",
        ]) {
            return Ok(Expression::Known(Type::text()));
        }
        if cursor.is("CASE") {
            return self.case(cursor);
        }
        if cursor.is("EXISTS") || cursor.is("ARRAY") || cursor.is("ROW") || cursor.is("SELECT") {
            return Err(Beyond("it has a query, an array or a row within"));
        }
        if cursor.is("CAST") && next_is("(") {
            return self.cast(cursor);
        }
        let literal = second.is_some_and(|token| token.kind == TokenKind::String);
        if literal {
            // `DATE '2026-01-01'`, `INTERVAL '1 day'`.
            cursor.next();
            cursor.next();
            return Ok(Expression::Known(Type::text()));
        }
        if next_is("(") {
            return self.call(cursor);
        }
        self.column(cursor)
    }

    fn column(&mut self, cursor: &mut Cursor<'_>) -> Parsed {
        let unreadable = Beyond("it holds what this build does not read");
        let mut name = cursor.name().ok_or(unreadable)?;
        let mut qualifier = None;
        while cursor.eat(".") {
            if cursor.is("(") || cursor.is("*") {
                return Err(unreadable);
            }
            qualifier = Some(name);
            name = cursor.name().ok_or(unreadable)?;
        }
        if cursor.is("(") {
            // A function of a schema.
            return Err(unreadable);
        }
        Ok(Expression::Column { qualifier, name })
    }

    fn call(&mut self, cursor: &mut Cursor<'_>) -> Parsed {
        let unreadable = Beyond("it holds what this build does not read");
        let name = cursor.name().ok_or(unreadable)?.text.to_ascii_lowercase();
        let mut group = cursor.group().ok_or(unreadable)?;
        if cursor.is("OVER") || cursor.is("WITHIN") {
            return Err(Beyond("it uses window functions"));
        }
        if cursor.eat("FILTER") {
            cursor.skip();
        }
        group.eat_any(&["DISTINCT", "ALL"]);
        if group.eat("*") {
            return Ok(Expression::Call {
                name,
                arguments: Vec::new(),
            });
        }
        if name == "extract" {
            // `EXTRACT(year FROM at)`: a number of the second part.
            group.next();
            if group.eat("FROM") {
                let inner = self.either(&mut group)?;
                return Ok(Expression::Call {
                    name,
                    arguments: vec![inner],
                });
            }
        }
        let arguments = self.list(group)?;
        Ok(Expression::Call { name, arguments })
    }

    fn cast(&mut self, cursor: &mut Cursor<'_>) -> Parsed {
        let unreadable = Beyond("it holds what this build does not read");
        cursor.next();
        let mut group = cursor.group().ok_or(unreadable)?;
        let inner = self.either(&mut group)?;
        if !group.eat("AS") {
            return Err(unreadable);
        }
        let ty = declared(&mut group)
            .ty(self.schema)
            .unwrap_or_else(Type::any);
        Ok(Expression::Cast(Box::new(inner), ty))
    }

    fn case(&mut self, cursor: &mut Cursor<'_>) -> Parsed {
        let unreadable = Beyond("it holds what this build does not read");
        cursor.next();
        let operand = match cursor.is("WHEN") {
            true => None,
            false => Some(Box::new(self.either(cursor)?)),
        };
        let mut arms = Vec::new();
        while cursor.eat("WHEN") {
            let when = self.either(cursor)?;
            if !cursor.eat("THEN") {
                return Err(unreadable);
            }
            arms.push((when, self.either(cursor)?));
        }
        let otherwise = match cursor.eat("ELSE") {
            true => Some(Box::new(self.either(cursor)?)),
            false => None,
        };
        if arms.is_empty() || !cursor.eat("END") {
            return Err(unreadable);
        }
        Ok(Expression::Case {
            operand,
            arms,
            otherwise,
        })
    }
}
