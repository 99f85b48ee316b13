//! Operators: what they need, and what they give.

use sluice_model::codes;
use sluice_model::finding::did_you_mean;
use sluice_model::types::{Kind, Type};
use sluice_model::value::Value;

use crate::ast::{BinaryOperator, Expr, ExprKind};
use crate::typing::Problem;
use crate::typing::explain::{described, listed, quoted};
use crate::typing::known::Known;
use crate::typing::shape::{self, KindSet, NumberClass};
use crate::typing::walk::Checker;

impl<'e> Checker<'e, '_> {
    /// Returns what an infix operator gives.
    pub fn binary(
        &mut self,
        expr: &'e Expr,
        operator: BinaryOperator,
        left: &'e Expr,
        right: &'e Expr,
    ) -> Known<'e> {
        match operator {
            BinaryOperator::And | BinaryOperator::Or => {
                self.infer(left);
                let holds = operator == BinaryOperator::And;
                self.where_it(left, holds, |checker| checker.infer(right));
                Known::of(Type::bool())
            }
            BinaryOperator::Equal | BinaryOperator::NotEqual => {
                let (a, b) = (self.infer(left), self.infer(right));
                self.compare_equal(expr, operator, (left, &a), (right, &b));
                Known::of(Type::bool())
            }
            BinaryOperator::In => {
                let (a, b) = (self.infer(left), self.infer(right));
                self.check_in(expr, (left, &a), (right, &b));
                Known::of(Type::bool())
            }
            BinaryOperator::Less
            | BinaryOperator::LessOrEqual
            | BinaryOperator::Greater
            | BinaryOperator::GreaterOrEqual => {
                let (a, b) = (self.infer(left), self.infer(right));
                self.compare_order(expr, operator, (left, &a), (right, &b));
                Known::of(Type::bool())
            }
            BinaryOperator::Range => {
                for side in [left, right] {
                    let known = self.infer(side);
                    self.number_operand(side, &known, "..");
                }
                Known::of(Type::list(Type::int()))
            }
            BinaryOperator::Add
            | BinaryOperator::Subtract
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Remainder => self.arithmetic(expr, operator, left, right),
        }
    }

    fn arithmetic(
        &mut self,
        expr: &'e Expr,
        operator: BinaryOperator,
        left: &'e Expr,
        right: &'e Expr,
    ) -> Known<'e> {
        let (a, b) = (self.infer(left), self.infer(right));
        let symbol = operator.as_str();
        let fine =
            [(left, &a), (right, &b)].map(|(side, known)| self.number_operand(side, known, symbol));
        if fine != [true, true] {
            return Known::number(false);
        }
        if a.loose || b.loose {
            return Known::number(false);
        }
        let (x, y) = (shape::number_class(&a.ty), shape::number_class(&b.ty));
        let is_literal = |side: &Expr| matches!(side.kind, ExprKind::Literal(_));
        let doubles = [x, y].contains(&NumberClass::Float);
        if doubles
            && [x, y].contains(&NumberClass::Decimal)
            && !is_literal(left)
            && !is_literal(right)
        {
            let double = if x == NumberClass::Float { left } else { right };
            let double = self.shown(double.range).trim_matches('`').to_owned();
            let message = format!("`{symbol}` of a decimal and a double computes in doubles");
            self.tell(
                Problem::error(expr.range, codes::LOSSY_NUMBER, message)
                    .warning()
                    .with_label("the exact digits are lost here")
                    .with_note("a double holds most decimal fractions only nearly")
                    .with_help(format!(
                        "make the double exact: `$number($string({double}))`"
                    )),
            );
        }
        match x.max(y) {
            NumberClass::Unknown => Known::number(false),
            NumberClass::Float => Known::of(Type::float()),
            NumberClass::Int if operator != BinaryOperator::Divide => Known::of(Type::int()),
            NumberClass::Int | NumberClass::Decimal => Known::of(Type::decimal()),
        }
    }

    /// Returns what `-operand` gives.
    pub fn negate(&mut self, operand: &'e Expr) -> Known<'e> {
        let known = self.infer(operand);
        if let ExprKind::Literal(Value::Int(int)) = &operand.kind
            && let Some(negative) = int.checked_neg()
        {
            let mut ty = Type::int();
            if let Kind::Int(bounds) = &mut ty.kind {
                (bounds.min, bounds.max) = (Some(negative.into()), Some(negative.into()));
            }
            return Known::of(ty);
        }
        if !self.number_operand(operand, &known, "-") || known.loose {
            return Known::number(false);
        }
        match shape::number_class(&known.ty) {
            NumberClass::Int => Known::of(Type::int()),
            NumberClass::Decimal => Known::of(Type::decimal()),
            NumberClass::Float => Known::of(Type::float()),
            NumberClass::Unknown => Known::number(false),
        }
    }

    /// Returns whether a value is a number, or may be one; tells what is wrong with an operand.
    fn number_operand(&mut self, expr: &Expr, known: &Known<'e>, operator: &str) -> bool {
        if known.function.is_some() {
            self.tell_function_result(expr);
            return false;
        }
        let set = shape::kinds(&known.ty);
        if set.has(KindSet::UNKNOWN) {
            return true;
        }
        if !set.is_empty() && !set.has(KindSet::NUMBER) {
            let shown = self.shown(expr.range);
            let bare = shown.trim_matches('`');
            if set == KindSet::LIST {
                let used = format!("`{operator}` takes one number");
                let help =
                    format!("write `$sum({bare})` for the sum, or `{bare}[0]` for the first");
                self.tell_list(expr, &used, &help);
                return false;
            }
            let what = described(&known.ty);
            let message = format!("`{operator}` takes numbers, {shown} is {what}");
            let help = if set.has(KindSet::TEXT) && operator == "+" {
                format!("write `&` to join texts, or `$number({bare})` to compute with it")
            } else if set.has(KindSet::RECORD) {
                "compute with one of its fields".to_owned()
            } else {
                format!("write `$number({bare})` to compute with it")
            };
            self.tell_wrong_kind(expr, message, help);
            return false;
        }
        self.must_be_there(expr, known, &format!("`{operator}` needs a number"));
        true
    }

    /// Tells a value that may be missing or null.
    fn must_be_there(&mut self, expr: &Expr, known: &Known<'e>, used: &str) {
        let absent = known.optional || shape::nullable(&known.ty);
        if absent && !known.ty.is_any() {
            self.tell_possibly_missing(expr, known, used);
        }
    }

    fn compare_order(
        &mut self,
        expr: &Expr,
        operator: BinaryOperator,
        (left, a): (&'e Expr, &Known<'e>),
        (right, b): (&'e Expr, &Known<'e>),
    ) {
        let symbol = operator.as_str();
        let both = KindSet::NUMBER.with(KindSet::TEXT);
        let (x, y) = (shape::kinds(&a.ty), shape::kinds(&b.ty));
        for (side, known, set) in [(left, a, x), (right, b, y)] {
            if known.function.is_some() {
                self.tell_function_result(side);
                return;
            }
            if set.has(KindSet::UNKNOWN) {
                continue;
            }
            if !set.is_empty() && !set.has(both) {
                let shown = self.shown(side.range);
                if set == KindSet::LIST {
                    let used = format!("`{symbol}` compares one value");
                    let bare = shown.trim_matches('`');
                    let help = format!("write `$count({bare})`, `$max({bare})` or `{bare}[0]`");
                    self.tell_list(side, &used, &help);
                } else {
                    let what = described(&known.ty);
                    let message =
                        format!("`{symbol}` compares numbers or texts, {shown} is {what}");
                    let help = "compare one of its parts, or use `=`".to_owned();
                    self.tell_wrong_kind(side, message, help);
                }
                return;
            }
            self.must_be_there(side, known, &format!("`{symbol}` needs a value"));
        }
        let unknown = x.has(KindSet::UNKNOWN) || y.has(KindSet::UNKNOWN);
        let text_and_number = |x: KindSet, y: KindSet| x == KindSet::TEXT && y == KindSet::NUMBER;
        if !unknown && (text_and_number(x, y) || text_and_number(y, x)) {
            let (message, text) = if x == KindSet::TEXT {
                (format!("`{symbol}` compares a text with a number"), left)
            } else {
                (format!("`{symbol}` compares a number with a text"), right)
            };
            let number = if x == KindSet::TEXT { right } else { left };
            let problem = Problem::error(expr.range, codes::BAD_ARGUMENT, message)
                .with_label("two kinds of values");
            let problem = self.one_kind(problem, text, number);
            self.tell(problem);
        }
    }

    fn compare_equal(
        &mut self,
        expr: &Expr,
        operator: BinaryOperator,
        (left, a): (&'e Expr, &Known<'e>),
        (right, b): (&'e Expr, &Known<'e>),
    ) {
        let (x, y) = (with_null(&a.ty), with_null(&b.ty));
        let known = [a, b].iter().all(|side| side.function.is_none());
        if !known || x.is_empty() || y.is_empty() {
            return;
        }
        if x.has(KindSet::UNKNOWN) || y.has(KindSet::UNKNOWN) {
            return;
        }
        let always = match operator {
            BinaryOperator::Equal => "never holds",
            _ => "always holds where both are there",
        };
        if x == KindSet::NULL || y == KindSet::NULL {
            let (side, known) = if x == KindSet::NULL {
                (right, b)
            } else {
                (left, a)
            };
            if !x.has(y) && !known.optional {
                self.tell_never_null(expr, side, known, always);
            }
            return;
        }
        if !x.has(y) {
            let (one, other) = (described(&a.ty), described(&b.ty));
            let message = format!("{one} never equals {other}: this comparison {always}");
            let shown = |side: &Expr| self.shown(side.range).trim_matches('`').to_owned();
            let problem = Problem::error(expr.range, codes::NEVER_EQUAL, message)
                .with_label(format!("{one} and {other}"));
            let problem = match (x, y) {
                (KindSet::TEXT, KindSet::NUMBER) => self.one_kind(problem, left, right),
                (KindSet::NUMBER, KindSet::TEXT) => self.one_kind(problem, right, left),
                (KindSet::LIST, _) => {
                    problem.with_help(format!("write `{} in {}`", shown(right), shown(left)))
                }
                (_, KindSet::LIST) => {
                    problem.with_help(format!("write `{} in {}`", shown(left), shown(right)))
                }
                _ => problem.with_help("compare values of one kind"),
            };
            self.tell(problem);
            return;
        }
        self.compare_values(expr, (left, a), (right, b), always);
        self.compare_values(expr, (right, b), (left, a), always);
    }

    /// Adds how a text and a number are made one kind: what is literal takes the other's.
    fn one_kind(&self, problem: Problem, text: &Expr, number: &Expr) -> Problem {
        if let ExprKind::Literal(Value::Text(literal)) = &text.kind
            && literal.parse::<rust_decimal::Decimal>().is_ok()
        {
            let number = literal.as_str().to_owned();
            return problem
                .with_help(format!("write the number `{number}`, without quotes"))
                .with_fix(format!("write `{number}`"), text.range, number);
        }
        if let ExprKind::Literal(_) = &number.kind {
            let literal = self.source.get(number.range.range()).unwrap_or_default();
            let literal = quoted(literal);
            return problem
                .with_help(format!(
                    "write the text `{literal}`, or `$number(...)` of the other side"
                ))
                .with_fix(format!("write `{literal}`"), number.range, literal);
        }
        let shown = self.shown(text.range).trim_matches('`').to_owned();
        problem.with_help(format!("write `$number({shown})`"))
    }

    /// Tells a comparison of what is never null with null: superfluous, at worst.
    fn tell_never_null(&mut self, expr: &Expr, side: &Expr, known: &Known<'e>, always: &str) {
        let shown = self.shown(side.range);
        self.tell(
            Problem::error(
                expr.range,
                codes::NEVER_EQUAL,
                format!("{shown} is never null: this comparison {always}"),
            )
            .warning()
            .with_label(always)
            .with_help("leave the comparison out")
            .declared_by(&known.ty),
        );
    }

    /// Tells a literal that is none of the values of what it is compared with.
    fn compare_values(
        &mut self,
        expr: &Expr,
        (literal, a): (&Expr, &Known<'e>),
        (side, b): (&Expr, &Known<'e>),
        always: &str,
    ) {
        if let ExprKind::Literal(Value::Text(text)) = &literal.kind {
            // Both nullable cannot be: a literal is not null.
            let Some(values) = shape::values(&b.ty) else {
                return;
            };
            if !values.iter().any(|value| **value == *text.as_str()) {
                self.tell_not_listed(literal, text.as_str(), side, b, always);
            }
            return;
        }
        let fraction = match &literal.kind {
            ExprKind::Literal(Value::Decimal(number)) => !number.fract().is_zero(),
            _ => false,
        };
        if fraction && shape::number_class(&b.ty) == NumberClass::Int && !b.loose {
            let shown = self.shown(side.range);
            let message = format!("{shown} is an integer, which never equals a fraction");
            self.tell(
                Problem::error(expr.range, codes::NEVER_EQUAL, message)
                    .with_label(always)
                    .with_help("compare with `<` or `>=`"),
            );
            return;
        }
        let (Some(own), Some(others)) = (shape::values(&a.ty), shape::values(&b.ty)) else {
            return;
        };
        let nullable = shape::nullable(&a.ty) && shape::nullable(&b.ty);
        let literals = [literal, side].map(|side| matches!(side.kind, ExprKind::Literal(_)));
        if literals == [false, false]
            && !nullable
            && own.iter().all(|value| !others.contains(value))
        {
            let (one, other) = (self.shown(literal.range), self.shown(side.range));
            let message = format!("{one} and {other} have no value in common");
            self.tell(
                Problem::error(expr.range, codes::NEVER_EQUAL, message)
                    .with_label(always)
                    .with_help("compare with a value that both can have"),
            );
        }
    }

    fn tell_not_listed(
        &mut self,
        literal: &Expr,
        text: &str,
        side: &Expr,
        known: &Known<'e>,
        always: &str,
    ) {
        let values = shape::values(&known.ty).unwrap_or_default();
        let names: Vec<&str> = values.iter().map(|value| &**value).collect();
        let shown = self.shown(side.range);
        let message = format!("{shown} is never {}", quoted(text));
        let mut problem = Problem::error(literal.range, codes::NEVER_EQUAL, message)
            .with_label(always)
            .with_note(format!("its values are {}", listed(&names)))
            .declared_by(&known.ty);
        problem = match did_you_mean(text, names.iter().copied()) {
            Some(near) => problem
                .with_help(format!("did you mean {}?", quoted(near)))
                .with_fix(
                    format!("write {}", quoted(near)),
                    literal.range,
                    quoted(near),
                ),
            None => problem.with_help("compare with one of its values"),
        };
        self.tell(problem);
    }

    fn check_in(
        &mut self,
        expr: &Expr,
        (left, a): (&'e Expr, &Known<'e>),
        (right, b): (&'e Expr, &Known<'e>),
    ) {
        let item = Known::of(shape::items(&b.shown_type()).item);
        let (x, y) = (with_null(&a.ty), with_null(&item.ty));
        let unknown = x.has(KindSet::UNKNOWN) || y.has(KindSet::UNKNOWN);
        if unknown || a.function.is_some() || x.is_empty() || y.is_empty() {
            return;
        }
        if !x.has(y) {
            let (one, other) = (described(&a.ty), described(&item.ty));
            let message = format!("{one} is never in a list of which each item is {other}");
            self.tell(
                Problem::error(expr.range, codes::NEVER_EQUAL, message)
                    .with_label("never holds")
                    .with_help("compare values of one kind"),
            );
            return;
        }
        if let ExprKind::Array(items) = &right.kind {
            for literal in items {
                if let ExprKind::Literal(Value::Text(_)) = &literal.kind {
                    let text = Known::of(item.ty.clone());
                    self.compare_values(expr, (literal, &text), (left, a), "never holds");
                }
            }
        }
        self.compare_values(expr, (left, a), (right, &item), "never holds");
    }

    /// Returns what `a & b & ...` gives.
    pub fn concat(&mut self, operands: &'e [Expr]) -> Known<'e> {
        for operand in operands {
            let known = self.infer(operand);
            if known.function.is_some() {
                self.tell_function_result(operand);
                continue;
            }
            if shape::kinds(&known.ty) == KindSet::LIST {
                let shown = self.shown(operand.range);
                let bare = shown.trim_matches('`');
                let message = format!("{shown} is a list: `&` writes it as JSON");
                let help =
                    format!("write `$join({bare}, \", \")`, or `$string({bare})` if JSON is meant");
                self.tell(
                    Problem::error(operand.range, codes::LIST_OR_ONE, message)
                        .warning()
                        .with_label("a list")
                        .with_help(help),
                );
            }
        }
        Known::of(Type::text())
    }
}

/// Returns the kinds of a type's values, null among them.
fn with_null(ty: &Type) -> KindSet {
    let set = shape::kinds(ty);
    if shape::nullable(ty) {
        set.with(KindSet::NULL)
    } else {
        set
    }
}
