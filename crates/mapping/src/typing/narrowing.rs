//! What a condition says of the values that it asks for.

use std::sync::Arc;

use sluice_model::types::{Field, Kind, RecordType, TextType, Type};
use sluice_model::value::Value;

use crate::ast::{BinaryOperator, Expr, ExprKind, StepKind};
use crate::typing::constructors::without_null;
use crate::typing::known::Known;
use crate::typing::scope::{Role, Scope};
use crate::typing::shape;

/// How deep conditions lie in each other at most; what is deeper says nothing.
const DEPTH_MAX: u32 = 64;
/// How many fields a path has at most of whose end something is said.
const NAMES_MAX: usize = 64;

/// What a condition says of one value.
#[derive(Debug, Clone, Copy)]
enum Fact<'c> {
    /// It is there; it may be null.
    Present,
    /// It is there, and not null.
    Value,
    /// It is not null; it may be missing.
    NotNull,
    /// It is this text.
    Is(&'c str),
    /// It is another text, null, or missing.
    IsNot(&'c str),
    /// It is this text, or missing.
    IsIfThere(&'c str),
    /// It is of this kind, as `$type` names it.
    OfKind(&'c str),
}

impl Fact<'_> {
    /// Returns whether it says that the value is there.
    fn is_there(self) -> bool {
        match self {
            Fact::Present | Fact::Value | Fact::Is(_) | Fact::OfKind(_) => true,
            Fact::NotNull | Fact::IsNot(_) | Fact::IsIfThere(_) => false,
        }
    }
}

/// Changes a scope to what it is where a condition holds, or does not.
pub(super) fn narrow(scope: &mut Scope<'_>, condition: &Expr, holds: bool) {
    narrow_within(scope, condition, holds, 0);
}

fn narrow_within(scope: &mut Scope<'_>, condition: &Expr, holds: bool, depth: u32) {
    if depth > DEPTH_MAX {
        return;
    }
    match &condition.kind {
        ExprKind::Binary {
            operator,
            left,
            right,
            ..
        } => match (operator, holds) {
            (BinaryOperator::And, true) | (BinaryOperator::Or, false) => {
                narrow_within(scope, left, holds, depth + 1);
                narrow_within(scope, right, holds, depth + 1);
            }
            (BinaryOperator::And, false) | (BinaryOperator::Or, true) => {}
            _ => comparison(scope, *operator, left, right, holds),
        },
        ExprKind::Block(items) => {
            if let [item] = items.as_slice() {
                narrow_within(scope, item, holds, depth + 1);
            }
        }
        ExprKind::Coalesce { left, right } | ExprKind::Default { left, right } => {
            // `x ?? false` holds only where `x` does.
            let falsy = match &right.kind {
                ExprKind::Literal(Value::Bool(bool)) => !bool,
                ExprKind::Literal(Value::Null) => true,
                _ => false,
            };
            if holds && falsy {
                narrow_within(scope, left, true, depth + 1);
            }
        }
        ExprKind::Call {
            function,
            arguments,
        } => {
            let ExprKind::Variable(name) = &function.kind else {
                return;
            };
            if scope.variable(name).is_some() {
                return;
            }
            match (&**name, arguments.as_slice()) {
                ("not", [argument]) => narrow_within(scope, argument, !holds, depth + 1),
                ("boolean", [argument]) => narrow_within(scope, argument, holds, depth + 1),
                ("exists", [argument]) if holds => state(scope, argument, Fact::Present),
                ("contains", [argument, _]) if holds => state(scope, argument, Fact::Value),
                _ => {}
            }
        }
        _ if holds => state(scope, condition, Fact::Value),
        _ => {}
    }
}

fn comparison(
    scope: &mut Scope<'_>,
    operator: BinaryOperator,
    left: &Expr,
    right: &Expr,
    holds: bool,
) {
    match operator {
        BinaryOperator::Equal | BinaryOperator::NotEqual => {
            let equal = operator == BinaryOperator::Equal;
            for (side, other) in [(left, right), (right, left)] {
                equality(scope, side, other, equal, holds);
            }
        }
        BinaryOperator::Less
        | BinaryOperator::LessOrEqual
        | BinaryOperator::Greater
        | BinaryOperator::GreaterOrEqual
            if holds =>
        {
            state(scope, left, Fact::Value);
            state(scope, right, Fact::Value);
        }
        BinaryOperator::In if holds => state(scope, left, Fact::Present),
        _ => {}
    }
}

/// `=` and `!=` with something missing are both false: what holds says that both sides are there.
fn equality(scope: &mut Scope<'_>, side: &Expr, other: &Expr, equal: bool, holds: bool) {
    let literal = match &other.kind {
        ExprKind::Literal(value) => Some(value),
        _ => None,
    };
    if let Some(Value::Text(text)) = literal
        && let ExprKind::Call {
            function,
            arguments,
        } = &side.kind
        && let (ExprKind::Variable(name), [argument]) = (&function.kind, arguments.as_slice())
        && &**name == "type"
        && scope.variable(name).is_none()
    {
        if equal && holds {
            state(scope, argument, Fact::OfKind(text.as_str()));
        }
        return;
    }
    let fact = match (literal, equal, holds) {
        (Some(Value::Null), true, true) => Fact::Present,
        (Some(Value::Null), false, true) => Fact::Value,
        (Some(Value::Null), true, false) => Fact::NotNull,
        (Some(Value::Null), false, false) => return,
        (Some(Value::Text(text)), true, true) => Fact::Is(text.as_str()),
        (Some(Value::Text(text)), true, false) | (Some(Value::Text(text)), false, true) => {
            if holds {
                state(scope, side, Fact::Present);
            }
            Fact::IsNot(text.as_str())
        }
        (Some(Value::Text(text)), false, false) => Fact::IsIfThere(text.as_str()),
        (Some(_), true, true) => Fact::Value,
        (_, _, true) => Fact::Present,
        (_, _, false) => return,
    };
    state(scope, side, fact);
}

/// Where a value stands: in the context, the input or a variable, behind these fields.
struct Located<'c> {
    base: Base<'c>,
    names: Vec<&'c str>,
}

#[derive(PartialEq, Eq)]
enum Base<'c> {
    Context,
    Root,
    Variable(&'c Arc<str>),
}

fn located(expr: &Expr) -> Option<Located<'_>> {
    let whole = |base| {
        Some(Located {
            base,
            names: Vec::new(),
        })
    };
    let path = match &expr.kind {
        ExprKind::Context => return whole(Base::Context),
        ExprKind::Root => return whole(Base::Root),
        ExprKind::Variable(name) => return whole(Base::Variable(name)),
        ExprKind::Path(path) if !path.keep_list && !path.tuples => path,
        _ => return None,
    };
    if path.steps.len() > NAMES_MAX {
        return None;
    }
    let mut found = Located {
        base: Base::Context,
        names: Vec::new(),
    };
    for (index, step) in path.steps.iter().enumerate() {
        let StepKind::Expr(expr) = &step.kind else {
            return None;
        };
        if !step.stages.is_empty() || step.tuples {
            return None;
        }
        match &expr.kind {
            ExprKind::Name(name) => found.names.push(name),
            ExprKind::Context if index == 0 => {}
            ExprKind::Root if index == 0 => found.base = Base::Root,
            ExprKind::Variable(name) if index == 0 => found.base = Base::Variable(name),
            _ => return None,
        }
    }
    Some(found)
}

/// Makes a fact of the value that an expression asks for known in a scope.
fn state(scope: &mut Scope<'_>, expr: &Expr, fact: Fact<'_>) {
    if let ExprKind::Block(items) = &expr.kind {
        if let [item] = items.as_slice() {
            state(scope, item, fact);
        }
        return;
    }
    let Some(Located { base, names }) = located(expr) else {
        return;
    };
    if base == Base::Context && scope.role == Role::Nothing {
        return;
    }
    let apply = |known: &Known<'_>| {
        let ty = refined(&known.ty, &names, fact);
        (ty, known.optional && !fact.is_there())
    };
    match base {
        Base::Context => {
            let (ty, optional) = apply(&scope.context);
            (scope.context.ty, scope.context.optional) = (ty, optional);
            if scope.role == Role::Root {
                scope.root.ty = scope.context.ty.clone();
            }
        }
        Base::Root => {
            let (ty, optional) = apply(&scope.root);
            (scope.root.ty, scope.root.optional) = (ty, optional);
            if scope.role == Role::Root {
                scope.context.ty = scope.root.ty.clone();
            }
        }
        Base::Variable(name) => {
            if let Some(known) = scope.variable(name).cloned() {
                let (ty, optional) = apply(&known);
                let name = Arc::clone(name);
                scope.bind(
                    &name,
                    Known {
                        ty,
                        optional,
                        ..known
                    },
                );
            }
        }
    }
}

/// Returns a type as it is where a fact is known of what stands behind these fields of it.
fn refined(ty: &Type, names: &[&str], fact: Fact<'_>) -> Type {
    if ty.is_any() {
        return ty.clone();
    }
    let Some((name, rest)) = names.split_first() else {
        return refined_value(ty, fact);
    };
    let all = shape::alternatives(ty);
    let certain = fact.is_there();
    let mut of = Vec::with_capacity(all.of.len());
    for one in &all.of {
        if let Some(one) = refined_field(one, name, rest, fact) {
            of.push(one);
        }
    }
    // A contradiction is not ours to tell: what is never there is typed as it was.
    if of.is_empty() {
        return ty.clone();
    }
    let whole = Type::union(of);
    Type {
        nullable: all.nullable && !certain,
        meta: whole.meta.clone().or_else(|| ty.resolved().meta),
        kind: whole.kind,
    }
}

/// Returns an alternative with a fact of one of its fields; `None` if it cannot be this one.
fn refined_field(one: &Type, name: &str, rest: &[&str], fact: Fact<'_>) -> Option<Type> {
    let certain = fact.is_there();
    let kind = match &one.kind {
        Kind::Record(record) => match record.field(name) {
            Some(field) => {
                let ty = refined(&field.ty, rest, fact);
                let nothing = matches!(ty.kind, Kind::Never) && !ty.nullable;
                let contradicted = match fact {
                    Fact::Is(_) => nothing,
                    Fact::IsNot(_) | Fact::IsIfThere(_) => {
                        field.required && rest.is_empty() && nothing
                    }
                    _ => false,
                };
                if contradicted {
                    return None;
                }
                let fields = record.fields.iter().map(|own| Field {
                    name: own.name,
                    ty: if own.name == field.name {
                        ty.clone()
                    } else {
                        own.ty.clone()
                    },
                    required: own.required || (own.name == field.name && certain),
                });
                Kind::Record(Arc::new(RecordType {
                    fields: fields.collect(),
                    rest: record.rest.clone(),
                }))
            }
            None if record.rest.is_none() => return (!certain).then(|| one.clone()),
            None => return Some(one.clone()),
        },
        Kind::Map(value) if certain && !value.is_any() => {
            let field = Field {
                name: sluice_model::value::Name::new(name),
                ty: refined(value, rest, fact),
                required: true,
            };
            Kind::Record(Arc::new(RecordType {
                fields: vec![field],
                rest: Some((**value).clone()),
            }))
        }
        // Of a list, it is said of some item only.
        _ => return Some(one.clone()),
    };
    Some(Type {
        kind,
        nullable: false,
        meta: one.meta.clone(),
    })
}

fn refined_value(ty: &Type, fact: Fact<'_>) -> Type {
    match fact {
        Fact::Present => ty.clone(),
        Fact::Value | Fact::NotNull => without_null(ty),
        Fact::Is(text) | Fact::IsIfThere(text) => {
            let all = shape::alternatives(ty);
            let of = all.of.into_iter().filter_map(|one| is_text(&one, text));
            Type::union(of.collect())
        }
        Fact::IsNot(text) => {
            let all = shape::alternatives(ty);
            let nullable = all.nullable;
            let of = all.of.into_iter().filter_map(|one| is_not_text(one, text));
            let ty = Type::union(of.collect());
            if nullable { ty.or_null() } else { ty }
        }
        Fact::OfKind(kind) => {
            let all = shape::alternatives(ty);
            let nullable = all.nullable && kind == "null";
            let of = all.of.into_iter().filter(|one| has_kind(one, kind));
            let narrowed = Type::union(of.collect());
            if matches!(narrowed.kind, Kind::Never) && !nullable {
                return ty.clone();
            }
            if nullable {
                narrowed.or_null()
            } else {
                narrowed
            }
        }
    }
}

fn is_text(one: &Type, text: &str) -> Option<Type> {
    match &one.kind {
        Kind::Text(TextType {
            values: Some(values),
            ..
        }) => {
            let value = values.iter().find(|value| ***value == *text)?;
            let only = shape::text_of(std::iter::once(Arc::clone(value)));
            Some(Type {
                kind: only.kind,
                nullable: false,
                meta: one.meta.clone(),
            })
        }
        Kind::Text(_) | Kind::Any | Kind::Bytes => Some(one.clone().not_null()),
        _ => None,
    }
}

fn is_not_text(one: Type, text: &str) -> Option<Type> {
    let Kind::Text(TextType {
        values: Some(values),
        ..
    }) = &one.kind
    else {
        return Some(one);
    };
    let others: Vec<Arc<str>> = values
        .iter()
        .filter(|value| ***value != *text)
        .cloned()
        .collect();
    if others.is_empty() {
        return None;
    }
    Some(Type {
        kind: shape::text_of(others.into_iter()).kind,
        ..one
    })
}

fn has_kind(one: &Type, kind: &str) -> bool {
    match &one.kind {
        Kind::Bool => kind == "boolean",
        Kind::Int(_) | Kind::Decimal(_) | Kind::Float(_) => kind == "number",
        Kind::Text(_) | Kind::Bytes => kind == "string",
        Kind::List(_) => kind == "array",
        Kind::Map(_) | Kind::Record(_) => kind == "object",
        Kind::Any | Kind::Never | Kind::Null | Kind::Union(_) | Kind::Ref(_) => true,
    }
}
