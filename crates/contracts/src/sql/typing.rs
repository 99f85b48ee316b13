//! The types of parameters and results, from the columns that they meet.

use rust_decimal::Decimal;
use sluice_model::codes;
use sluice_model::finding::Finding;
use sluice_model::operation::{SqlParam, SqlTable};
use sluice_model::types::{Bounds, Kind, Type};
use sluice_model::value::Name;

use crate::sql::Reader;
use crate::sql::cursor::Ident;
use crate::sql::expression::{Comparison, Expression};
use crate::sql::parse::Query;

/// How a parameter meets a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// It is compared: null would match nothing.
    Compared,
    /// It is stored: null goes where the column takes it.
    Stored,
}

/// A parameter while the statement is read.
#[derive(Debug)]
struct Slot {
    name: String,
    ty: Option<Type>,
    /// Where its type comes from.
    at: Ident,
    /// Whether the statement asks if it is null.
    may_be_null: bool,
}

/// The types of one statement's parts.
pub(crate) struct Typing<'r, 't> {
    reader: &'r mut Reader<'t>,
    table: Option<SqlTable>,
    /// The names that may stand before a column's dot.
    qualifiers: Vec<String>,
    /// Names of results, which `ORDER BY` may use.
    aliases: Vec<String>,
    slots: Vec<Slot>,
    grouped: bool,
}

impl<'r, 't> Typing<'r, 't> {
    pub fn new(reader: &'r mut Reader<'t>, table: Option<SqlTable>, query: &Query) -> Self {
        let own = [query.table.as_ref(), query.alias.as_ref()]
            .into_iter()
            .flatten();
        let mut qualifiers: Vec<String> = own.map(|ident| ident.text.clone()).collect();
        qualifiers.push("excluded".to_owned());
        Self {
            reader,
            table,
            qualifiers,
            aliases: Vec::new(),
            slots: Vec::new(),
            grouped: query.grouped,
        }
    }

    /// Lets `ORDER BY` and `GROUP BY` use the name of a result.
    pub fn alias(&mut self, name: &str) {
        self.aliases.push(name.to_owned());
    }

    /// Returns the parameters in the order of `names`, those of no known type as any.
    pub fn params(self, names: &[String]) -> Vec<SqlParam> {
        let mut slots = self.slots;
        let params = names.iter().map(|name| {
            let at = slots.iter().position(|slot| slot.name == *name);
            let slot = at.map(|at| slots.swap_remove(at));
            let ty = slot.and_then(|slot| {
                let mut ty = slot.ty?;
                ty.nullable |= slot.may_be_null;
                Some(ty)
            });
            SqlParam {
                name: Name::new(name),
                ty: ty.unwrap_or_else(Type::any),
            }
        });
        params.collect()
    }

    /// Returns the type of the column, and reports one that is not there; any for such a one.
    pub fn column(&mut self, qualifier: Option<&Ident>, name: &Ident) -> Type {
        if let Some(qualifier) = qualifier {
            let known = self.qualifiers.iter();
            if !known
                .clone()
                .any(|own| own.eq_ignore_ascii_case(&qualifier.text))
            {
                let at = self.reader.span(qualifier.start, qualifier.end);
                let known: Vec<String> = known.filter(|own| *own != "excluded").cloned().collect();
                let candidates = known.iter().map(String::as_str);
                self.reader
                    .unknown("there is no table", &qualifier.text, at, candidates);
                return Type::any();
            }
        }
        let Some(table) = &self.table else {
            return Type::any();
        };
        let mut columns = table.columns.iter();
        let same = |own: &str| own.eq_ignore_ascii_case(&name.text);
        if let Some(column) = columns.find(|column| same(column.name.as_str())) {
            return column.ty.clone();
        }
        if self.aliases.iter().any(|own| same(own)) {
            return Type::any();
        }
        // Every table of SQLite has these; PostgreSQL has the others.
        let hidden = ["rowid", "oid", "_rowid_", "ctid", "xmin", "tableoid"];
        if hidden.iter().any(|own| same(own)) {
            return Type::any();
        }
        let what = format!("table `{}` has no column", table.name);
        let names: Vec<&str> = table
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        let at = self.reader.span(name.start, name.end);
        self.reader.unknown(&what, &name.text, at, names);
        Type::any()
    }

    /// Gives an expression the type that it meets, if it is a parameter; looks into it otherwise.
    pub fn meet(&mut self, expression: &Expression, ty: &Type, how: Use) {
        let param = match expression {
            Expression::Param(param) => param,
            // A negative parameter or one within a sum is a number of the same sort.
            Expression::Negative(inner) => return self.meet(inner, ty, how),
            other => {
                self.infer(other);
                return;
            }
        };
        let mut ty = ty.clone();
        if how == Use::Compared && !ty.is_any() {
            ty = ty.not_null();
        }
        let slot = self.slot(param);
        if ty.is_any() {
            return;
        }
        let Some(known) = &mut slot.ty else {
            slot.ty = Some(ty);
            slot.at = param.clone();
            return;
        };
        known.nullable &= ty.nullable;
        if alike(&known.kind, &ty.kind) {
            return;
        }
        let (name, first, text) = (
            slot.name.clone(),
            slot.at.clone(),
            format!("`:{}` is {} here and {} before", slot.name, ty, known),
        );
        let at = self.reader.span(param.start, param.end);
        let first = self.reader.span(first.start, first.end);
        let finding = Finding::warning(codes::CONTRADICTION, at, text)
            .with_place(first, "its first use")
            .with_help(format!("give one of them another name than `:{name}`"));
        self.reader.findings.push(finding);
    }

    fn slot(&mut self, param: &Ident) -> &mut Slot {
        let known = self.slots.iter().position(|slot| slot.name == param.text);
        let at = known.unwrap_or_else(|| {
            self.slots.push(Slot {
                name: param.text.clone(),
                ty: None,
                at: param.clone(),
                may_be_null: false,
            });
            self.slots.len() - 1
        });
        &mut self.slots[at]
    }

    /// Returns the type of an expression's values, and types the parameters within.
    pub fn infer(&mut self, expression: &Expression) -> Type {
        match expression {
            Expression::Column { qualifier, name } => self.column(qualifier.as_ref(), name),
            Expression::Param(param) => {
                self.slot(param);
                Type::any()
            }
            Expression::Known(ty) => ty.clone(),
            Expression::Compare {
                left,
                right,
                operator,
            } => self.compare(left, right, *operator),
            Expression::Arithmetic(left, right) => self.arithmetic(left, right),
            Expression::Concat(left, right) => {
                let types = [self.infer(left), self.infer(right)];
                self.meet(left, &Type::text(), Use::Compared);
                self.meet(right, &Type::text(), Use::Compared);
                nullable_if(Type::text(), types.iter().any(|ty| ty.nullable))
            }
            Expression::And(left, right) => {
                self.infer(left);
                self.infer(right);
                Type::any()
            }
            Expression::Other(parts) => {
                for part in parts {
                    self.infer(part);
                }
                Type::any()
            }
            Expression::In(value, items) => {
                let ty = self.infer(value);
                for item in items {
                    self.meet(item, &ty, Use::Compared);
                }
                self.meet_first(value, items);
                Type::any()
            }
            Expression::Between(value, low, high) => {
                let ty = self.infer(value);
                self.meet(low, &ty, Use::Compared);
                self.meet(high, &ty, Use::Compared);
                Type::any()
            }
            Expression::IsNull(inner) => {
                if let Expression::Param(param) = &**inner {
                    self.slot(param).may_be_null = true;
                } else {
                    self.infer(inner);
                }
                Type::any()
            }
            Expression::Negative(inner) => self.infer(inner),
            Expression::Call { name, arguments } => self.call(name, arguments),
            Expression::Case {
                operand,
                arms,
                otherwise,
            } => self.case(operand.as_deref(), arms, otherwise.as_deref()),
            Expression::Cast(inner, ty) => {
                let null = match &**inner {
                    Expression::Param(_) => {
                        self.meet(inner, &ty.clone().or_null(), Use::Stored);
                        true
                    }
                    other => self.infer(other).nullable,
                };
                nullable_if(ty.clone(), null)
            }
        }
    }

    /// `:id IN (a, b)`: the parameter is of the items' type.
    fn meet_first(&mut self, value: &Expression, items: &[Expression]) {
        if let (Expression::Param(_), Some(first)) = (value, items.first()) {
            let ty = self.infer(first);
            self.meet(value, &ty, Use::Compared);
        }
    }

    fn compare(&mut self, left: &Expression, right: &Expression, operator: Comparison) -> Type {
        let (a, b) = (self.infer(left), self.infer(right));
        let (a, b) = match operator {
            Comparison::Pattern => (Type::text(), Type::text()),
            Comparison::Equal | Comparison::Same | Comparison::Other => (a, b),
        };
        for (side, ty) in [(left, &b), (right, &a)] {
            let Expression::Param(param) = side else {
                continue;
            };
            // A pattern has neither the format nor the length of what it is compared with.
            self.meet(side, &plain(ty, operator), Use::Compared);
            if operator == Comparison::Same {
                self.slot(param).may_be_null = true;
            }
        }
        Type::any()
    }

    fn arithmetic(&mut self, left: &Expression, right: &Expression) -> Type {
        let (a, b) = (self.infer(left), self.infer(right));
        // What is added to an integer need not keep to the bounds of its column.
        self.meet(left, &unbounded(&b), Use::Compared);
        self.meet(right, &unbounded(&a), Use::Compared);
        let known = if a.is_any() { &b } else { &a };
        let kind = match (&a.kind, &b.kind) {
            (Kind::Float(_), _) | (_, Kind::Float(_)) => Type::float(),
            (Kind::Decimal(_), _) | (_, Kind::Decimal(_)) => Type::decimal(),
            (Kind::Int(_), Kind::Int(_)) => Type::int(),
            _ => return Type::any(),
        };
        nullable_if(kind, known.nullable || a.nullable || b.nullable)
    }

    fn case(
        &mut self,
        operand: Option<&Expression>,
        arms: &[(Expression, Expression)],
        otherwise: Option<&Expression>,
    ) -> Type {
        let subject = operand.map(|operand| self.infer(operand));
        let mut types = Vec::new();
        for (when, then) in arms {
            match &subject {
                Some(ty) => self.meet(when, ty, Use::Compared),
                None => {
                    self.infer(when);
                }
            }
            types.push(self.infer(then));
        }
        match otherwise {
            Some(otherwise) => types.push(self.infer(otherwise)),
            None => types.push(Type::null()),
        }
        common(types)
    }

    fn call(&mut self, name: &str, arguments: &[Expression]) -> Type {
        let types: Vec<Type> = arguments
            .iter()
            .map(|argument| self.infer(argument))
            .collect();
        let first = types.first().cloned().unwrap_or_else(Type::any);
        // Without groups, an aggregate of no row at all is null.
        let empty = !self.grouped || first.nullable;
        let null = types.iter().any(|ty| ty.nullable);
        match name {
            "count" => Type::int(),
            "sum" => match first.kind {
                Kind::Int(_) => nullable_if(Type::int(), empty),
                Kind::Decimal(_) => nullable_if(Type::decimal(), empty),
                Kind::Float(_) => nullable_if(Type::float(), empty),
                _ => Type::any(),
            },
            "avg" => nullable_if(Type::float(), empty),
            "total" => Type::float(),
            "min" | "max" if arguments.len() == 1 => nullable_if(first, empty),
            "min" | "max" | "greatest" | "least" => common(types),
            "coalesce" | "ifnull" => self.coalesce(arguments, types),
            "nullif" => unbounded(&first).or_null(),
            "lower" | "upper" | "trim" | "ltrim" | "rtrim" | "replace" | "substr" | "substring" => {
                if let [subject, ..] = arguments {
                    self.meet(subject, &Type::text(), Use::Compared);
                }
                nullable_if(Type::text(), null)
            }
            "length" | "char_length" | "octet_length" => nullable_if(Type::int(), null),
            "abs" => nullable_if(unbounded(&first), null),
            "group_concat" | "string_agg" | "strftime" | "datetime" | "date" | "time"
            | "to_char" => Type::text().or_null(),
            "now" | "hex" | "typeof" => Type::text(),
            "changes" | "last_insert_rowid" => Type::int(),
            _ => Type::any(),
        }
    }

    /// The first that is not null: a parameter is of the others' type, and may be null.
    fn coalesce(&mut self, arguments: &[Expression], types: Vec<Type>) -> Type {
        let params = arguments
            .iter()
            .any(|argument| matches!(argument, Expression::Param(_)));
        let known: Vec<Type> = types.iter().filter(|ty| !ty.is_any()).cloned().collect();
        let all_null = known.iter().all(|ty| ty.nullable);
        let ty = common(known);
        let last = arguments.len().saturating_sub(1);
        for (i, argument) in arguments.iter().enumerate() {
            if let Expression::Param(param) = argument {
                self.meet(argument, &ty.clone().or_null(), Use::Stored);
                self.slot(param).may_be_null |= i != last;
            }
        }
        match types.iter().any(Type::is_any) && !params {
            true => Type::any(),
            false => nullable_if(ty, all_null),
        }
    }

    /// `LIMIT` and `OFFSET`.
    pub fn limit(&mut self, expression: &Expression) {
        let bounds = Bounds {
            min: Some(Decimal::ZERO),
            ..Bounds::default()
        };
        self.meet(expression, &Type::new(Kind::Int(bounds)), Use::Compared);
    }
}

fn nullable_if(mut ty: Type, null: bool) -> Type {
    if !ty.is_any() {
        ty.nullable = null;
    }
    ty
}

/// A type without its bounds, lengths and formats.
fn unbounded(ty: &Type) -> Type {
    let kind = match &ty.kind {
        Kind::Int(_) => Type::int(),
        Kind::Decimal(_) => Type::decimal(),
        Kind::Float(_) => Type::float(),
        Kind::Text(_) => Type::text(),
        _ => return ty.clone(),
    };
    Type {
        meta: ty.meta.clone(),
        nullable: ty.nullable,
        ..kind
    }
}

fn plain(ty: &Type, operator: Comparison) -> Type {
    match operator {
        Comparison::Pattern => unbounded(ty),
        Comparison::Equal | Comparison::Same | Comparison::Other => ty.clone(),
    }
}

/// One type for all of these: the type itself where they are alike, else any.
fn common(types: Vec<Type>) -> Type {
    let null = types.iter().any(|ty| ty.nullable);
    let mut known = types.iter().filter(|ty| !matches!(ty.kind, Kind::Null));
    let Some(first) = known.next() else {
        return Type::any();
    };
    let mut rest = known.peekable();
    if rest.peek().is_none() {
        return nullable_if(first.clone(), null);
    }
    match rest.all(|ty| alike(&first.kind, &ty.kind)) && !first.is_any() {
        true => nullable_if(unbounded(first), null),
        false => Type::any(),
    }
}

/// Returns whether two kinds are of one sort: all numbers are, whatever their bounds.
fn alike(a: &Kind, b: &Kind) -> bool {
    let number = |kind: &Kind| matches!(kind, Kind::Int(_) | Kind::Decimal(_) | Kind::Float(_));
    let any = |kind: &Kind| matches!(kind, Kind::Any);
    any(a)
        || any(b)
        || (number(a) && number(b))
        || std::mem::discriminant(a) == std::mem::discriminant(b)
}

impl Typing<'_, '_> {
    /// Reports a result that has no name of its own: the databases call it differently.
    pub fn nameless(&mut self, span: (usize, usize)) {
        let at = self.reader.span(span.0, span.1);
        let finding = Finding::warning(codes::BAD_CONTRACT, at, "this result has no name");
        let note =
            "SQLite and PostgreSQL call it differently, so that its type has no field for it";
        self.reader
            .findings
            .push(finding.with_note(note).with_help("name it by `AS name`"));
    }

    /// Reports a statement that contradicts its table.
    pub fn contradiction(&mut self, span: (usize, usize), text: String, help: &str) {
        let at = self.reader.span(span.0, span.1);
        let finding = Finding::error(codes::CONTRADICTION, at, text);
        self.reader.findings.push(finding.with_help(help));
    }
}
