//! The values that are of two types at once: what `allOf` means.

use std::sync::Arc;

use rust_decimal::Decimal;
use sluice_model::span::Span;
use sluice_model::types::{
    Bounds, Discriminator, Field, Kind, ListType, Meta, RecordType, TextType, Type, TypeRef,
    UnionType,
};

/// How deep two types are compared.
const DEPTH_MAX: usize = 64;
/// How many alternatives a union may come to have.
const ALTERNATIVES_MAX: usize = 256;

/// Why two types have no value in common.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conflict {
    pub message: String,
    pub first: Option<Span>,
    pub second: Option<Span>,
}

/// Gives the type that a reference stands for, at a depth below the types that were given; `None`
/// while that is not known.
pub(crate) type Resolve<'r> = dyn FnMut(&TypeRef, usize) -> Option<Type> + 'r;

/// Returns the type of the values that are of both `a` and `b`.
pub(crate) fn intersect(a: &Type, b: &Type, resolve: &mut Resolve) -> Result<Type, Conflict> {
    meet(a, b, resolve, 0)
}

fn meet(a: &Type, b: &Type, resolve: &mut Resolve, depth: usize) -> Result<Type, Conflict> {
    let mut met = meet_values(a, b, resolve, depth)?;
    // What is known beside values is known of both: a PII class must not get lost in a merge.
    met.meta = match (&a.meta, &b.meta) {
        (Some(a), Some(b)) if !Arc::ptr_eq(a, b) => Some(Arc::new(overlaid((**a).clone(), b))),
        (a, b) => a.clone().or_else(|| b.clone()),
    };
    Ok(met)
}

fn meet_values(a: &Type, b: &Type, resolve: &mut Resolve, depth: usize) -> Result<Type, Conflict> {
    let nullable = a.nullable && b.nullable;
    let same = |ty: &Type| {
        Ok(Type {
            nullable,
            ..ty.clone()
        })
    };
    if DEPTH_MAX < depth {
        return same(a);
    }
    let kind = match (&a.kind, &b.kind) {
        (Kind::Any, _) => return same(b),
        (_, Kind::Any) => return same(a),
        (Kind::Ref(x), Kind::Ref(y)) if x.same(y) => return same(a),
        (Kind::Ref(reference), _) => {
            return match resolve(reference, depth) {
                Some(ty) => meet(&or_null(ty, a), b, resolve, depth + 1),
                None => same(a),
            };
        }
        (_, Kind::Ref(reference)) => {
            return match resolve(reference, depth) {
                Some(ty) => meet(a, &or_null(ty, b), resolve, depth + 1),
                None => same(b),
            };
        }
        (Kind::Union(union), _) => return distribute(union, b, nullable, resolve, depth, false),
        (_, Kind::Union(union)) => return distribute(union, a, nullable, resolve, depth, true),
        _ => meet_kinds(a, b, resolve, depth)?,
    };
    Ok(Type {
        kind,
        nullable,
        meta: None,
    })
}

fn or_null(mut ty: Type, reference: &Type) -> Type {
    ty.nullable |= reference.nullable;
    ty
}

/// What is said nearer to the use stands over what is said farther away.
pub(crate) fn overlaid(own: Meta, below: &Meta) -> Meta {
    Meta {
        name: own.name.or_else(|| below.name.clone()),
        description: own.description.or_else(|| below.description.clone()),
        pii: own.pii.or_else(|| below.pii.clone()),
        unit: own.unit.or_else(|| below.unit.clone()),
        deprecated: own.deprecated || below.deprecated,
        example: own.example.or_else(|| below.example.clone()),
        default: own.default.or_else(|| below.default.clone()),
        span: own.span.or(below.span),
    }
}

fn meet_kinds(a: &Type, b: &Type, resolve: &mut Resolve, depth: usize) -> Result<Kind, Conflict> {
    Ok(match (&a.kind, &b.kind) {
        (Kind::Bool, Kind::Bool) => Kind::Bool,
        (Kind::Bytes, Kind::Bytes) => Kind::Bytes,
        (Kind::Int(x), Kind::Int(y) | Kind::Decimal(y) | Kind::Float(y))
        | (Kind::Decimal(x) | Kind::Float(x), Kind::Int(y)) => Kind::Int(bounds(*x, *y, a, b)?),
        (Kind::Decimal(x), Kind::Decimal(y)) => Kind::Decimal(bounds(*x, *y, a, b)?),
        (Kind::Float(x), Kind::Float(y) | Kind::Decimal(y))
        | (Kind::Decimal(x), Kind::Float(y)) => Kind::Float(bounds(*x, *y, a, b)?),
        (Kind::Text(x), Kind::Text(y)) => Kind::Text(text(x, y, a, b)?),
        (Kind::Text(_), Kind::Bytes) | (Kind::Bytes, Kind::Text(_)) => Kind::Bytes,
        (Kind::List(x), Kind::List(y)) => Kind::List(Arc::new(list(x, y, a, b, resolve, depth)?)),
        (Kind::Record(x), Kind::Record(y)) => {
            Kind::Record(Arc::new(record(x, y, a, b, resolve, depth)?))
        }
        (Kind::Record(x), Kind::Map(y)) => record_of_map(x, y, resolve, depth)?,
        (Kind::Map(x), Kind::Record(y)) => record_of_map(y, x, resolve, depth)?,
        (Kind::Map(x), Kind::Map(y)) => Kind::Map(Arc::new(meet(x, y, resolve, depth + 1)?)),
        _ if a.nullable && b.nullable => Kind::Null,
        _ => return Err(conflict(a, b, format!("nothing is {a} and {b} at once"))),
    })
}

fn conflict(a: &Type, b: &Type, message: String) -> Conflict {
    Conflict {
        message,
        first: a.span(),
        second: b.span(),
    }
}

/// Meets each alternative with `other` and keeps those that have values left.
fn distribute(
    union: &UnionType,
    other: &Type,
    nullable: bool,
    resolve: &mut Resolve,
    depth: usize,
    swapped: bool,
) -> Result<Type, Conflict> {
    let mut of: Vec<Type> = Vec::new();
    let mut places = Vec::with_capacity(union.of.len());
    let mut first_conflict = None;
    for alternative in &union.of {
        let met = if swapped {
            meet(other, alternative, resolve, depth + 1)
        } else {
            meet(alternative, other, resolve, depth + 1)
        };
        match met {
            Ok(ty) => {
                places.push(Some(of.len()));
                match ty.kind {
                    Kind::Union(inner) => of.extend(inner.of.iter().cloned()),
                    _ => of.push(ty),
                }
            }
            Err(conflict) => {
                places.push(None);
                first_conflict.get_or_insert(conflict);
            }
        }
    }
    if of.is_empty() {
        return match first_conflict {
            Some(conflict) if !nullable => Err(conflict),
            _ => Ok(Type::null()),
        };
    }
    of.truncate(ALTERNATIVES_MAX);
    let discriminator = union.discriminator.as_ref().map(|discriminator| {
        let mapping = discriminator.mapping.iter().filter_map(|(text, index)| {
            let place = places.get(*index).copied().flatten()?;
            (place < ALTERNATIVES_MAX).then(|| (Arc::clone(text), place))
        });
        Discriminator {
            field: discriminator.field,
            mapping: mapping.collect(),
        }
    });
    if of.len() == 1 {
        let mut ty = of.remove(0);
        ty.nullable |= nullable;
        return Ok(ty);
    }
    Ok(Type {
        kind: Kind::Union(Arc::new(UnionType { of, discriminator })),
        nullable,
        meta: None,
    })
}

/// Returns the bounds of values that keep to both.
fn bounds(x: Bounds, y: Bounds, a: &Type, b: &Type) -> Result<Bounds, Conflict> {
    let (min, min_exclusive) = match (x.min, y.min) {
        (Some(p), Some(q)) if p == q => (Some(p), x.min_exclusive || y.min_exclusive),
        (Some(p), Some(q)) if p < q => (Some(q), y.min_exclusive),
        (Some(p), _) => (Some(p), x.min_exclusive),
        (None, q) => (q, y.min_exclusive),
    };
    let (max, max_exclusive) = match (x.max, y.max) {
        (Some(p), Some(q)) if p == q => (Some(p), x.max_exclusive || y.max_exclusive),
        (Some(p), Some(q)) if q < p => (Some(q), y.max_exclusive),
        (Some(p), _) => (Some(p), x.max_exclusive),
        (None, q) => (q, y.max_exclusive),
    };
    let met = Bounds {
        min,
        max,
        min_exclusive,
        max_exclusive,
        multiple_of: match (x.multiple_of, y.multiple_of) {
            (Some(p), Some(q)) => Some(common_multiple(p, q)),
            (p, q) => p.or(q),
        },
        precision: least(x.precision, y.precision),
        scale: least(x.scale, y.scale),
    };
    if is_empty(&met) {
        return Err(conflict(a, b, "no number is within both bounds".to_owned()));
    }
    Ok(met)
}

/// Returns whether no number is within the bounds.
pub(crate) fn is_empty(bounds: &Bounds) -> bool {
    match (bounds.min, bounds.max) {
        (Some(min), Some(max)) if min == max => bounds.min_exclusive || bounds.max_exclusive,
        (Some(min), Some(max)) => max < min,
        _ => false,
    }
}

/// Returns the least common multiple where it can be told, else the first.
fn common_multiple(p: Decimal, q: Decimal) -> Decimal {
    let zero = |x: Decimal| x.is_zero();
    if zero(p) || zero(q) {
        return p;
    }
    let (mut a, mut b) = (p.abs(), q.abs());
    // Euclid's steps shrink fast; the bound only guards against digits lost at 28 places.
    for _ in 0..200 {
        if b.is_zero() {
            let product = p.abs().checked_mul(q.abs());
            return product
                .and_then(|product| product.checked_div(a))
                .unwrap_or(p);
        }
        match a.checked_rem(b) {
            Some(rest) => (a, b) = (b, rest),
            None => return p,
        }
    }
    p
}

fn least<T: Ord>(x: Option<T>, y: Option<T>) -> Option<T> {
    match (x, y) {
        (Some(x), Some(y)) => Some(x.min(y)),
        (x, y) => x.or(y),
    }
}

fn text(x: &TextType, y: &TextType, a: &Type, b: &Type) -> Result<TextType, Conflict> {
    let values: Option<Arc<[Arc<str>]>> = match (&x.values, &y.values) {
        (Some(p), Some(q)) => Some(p.iter().filter(|v| q.contains(v)).cloned().collect()),
        (p, q) => p.clone().or_else(|| q.clone()),
    };
    if values.as_ref().is_some_and(|values| values.is_empty()) {
        return Err(conflict(a, b, "no value is in both lists".to_owned()));
    }
    let met = TextType {
        format: x.format.clone().or_else(|| y.format.clone()),
        values,
        length_min: x.length_min.max(y.length_min),
        length_max: least(x.length_max, y.length_max),
        // One pattern is all that a type holds; the nearer one says more.
        pattern: x.pattern.clone().or_else(|| y.pattern.clone()),
    };
    match (met.length_min, met.length_max) {
        (Some(min), Some(max)) if max < min => {
            Err(conflict(a, b, "no text has both lengths".to_owned()))
        }
        _ => Ok(met),
    }
}

fn list(
    x: &ListType,
    y: &ListType,
    a: &Type,
    b: &Type,
    resolve: &mut Resolve,
    depth: usize,
) -> Result<ListType, Conflict> {
    let met = ListType {
        item: meet(&x.item, &y.item, resolve, depth + 1)?,
        length_min: x.length_min.max(y.length_min),
        length_max: least(x.length_max, y.length_max),
        unique: x.unique || y.unique,
    };
    match met.length_max {
        Some(max) if max < met.length_min => {
            Err(conflict(a, b, "no list has both lengths".to_owned()))
        }
        _ => Ok(met),
    }
}

fn record(
    x: &RecordType,
    y: &RecordType,
    a: &Type,
    b: &Type,
    resolve: &mut Resolve,
    depth: usize,
) -> Result<RecordType, Conflict> {
    let mut fields = Vec::with_capacity(x.fields.len() + y.fields.len());
    let mut add = |field: &Field, other: &RecordType, resolve: &mut Resolve| {
        let (ty, required) = match (other.field(field.name.as_str()), &other.rest) {
            (Some(twin), _) => {
                let ty = meet(&field.ty, &twin.ty, resolve, depth + 1);
                (ty, field.required || twin.required)
            }
            (None, Some(rest)) => {
                let ty = meet(&field.ty, rest, resolve, depth + 1);
                (ty, field.required)
            }
            (None, None) if field.required => {
                let message = format!("`{}` is required and not allowed at once", field.name);
                return Err(conflict(a, b, message));
            }
            (None, None) => return Ok(()),
        };
        fields.push(Field {
            name: field.name,
            ty: ty?,
            required,
        });
        Ok(())
    };
    for field in &x.fields {
        add(field, y, resolve)?;
    }
    for field in y
        .fields
        .iter()
        .filter(|f| x.field(f.name.as_str()).is_none())
    {
        add(field, x, resolve)?;
    }
    let rest = match (&x.rest, &y.rest) {
        (Some(p), Some(q)) => Some(meet(p, q, resolve, depth + 1)?),
        _ => None,
    };
    Ok(RecordType { fields, rest })
}

fn record_of_map(
    record: &RecordType,
    value: &Type,
    resolve: &mut Resolve,
    depth: usize,
) -> Result<Kind, Conflict> {
    let mut met = record.clone();
    for field in &mut met.fields {
        field.ty = meet(&field.ty, value, resolve, depth + 1)?;
    }
    if let Some(rest) = &met.rest {
        met.rest = Some(meet(rest, value, resolve, depth + 1)?);
    }
    if met.fields.is_empty() && met.rest.is_some() {
        return Ok(Kind::Map(Arc::new(value.clone())));
    }
    Ok(Kind::Record(Arc::new(met)))
}
