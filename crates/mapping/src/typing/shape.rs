//! Questions to types: alternatives, items, kinds; and the type of what comes from either of two.

use std::collections::HashSet;
use std::sync::Arc;

use sluice_model::types::{Bounds, Field, Kind, ListType, RecordType, TextType, Type};

/// How many alternatives a union has at most; with more, nothing is known.
const ALTERNATIVES_MAX: usize = 24;
/// How many values a text is said to be one of; with more, it is any text.
const VALUES_MAX: usize = 64;
/// How deep types are compared and joined.
const DEPTH_MAX: u32 = 16;

/// The alternatives of a type, references resolved.
pub(super) struct Alternatives {
    /// None of them is a union, a reference or null; any is one if nothing is known.
    pub of: Vec<Type>,
    /// Whether null is a value too.
    pub nullable: bool,
}

/// Returns the alternatives of a type.
pub(super) fn alternatives(ty: &Type) -> Alternatives {
    fn gather(ty: &Type, all: &mut Alternatives, depth: u32) {
        let ty = ty.resolved();
        all.nullable |= ty.nullable && !ty.is_any();
        match &ty.kind {
            Kind::Union(union) if depth < DEPTH_MAX => {
                for one in &union.of {
                    gather(one, all, depth + 1);
                }
            }
            Kind::Union(_) => all.of.push(Type::any()),
            Kind::Null | Kind::Never => {}
            _ => all.of.push(ty),
        }
    }
    let mut all = Alternatives {
        of: Vec::with_capacity(1),
        nullable: false,
    };
    gather(ty, &mut all, 0);
    if all.of.iter().any(Type::is_any) {
        all.of = vec![Type::any()];
    }
    all
}

/// A set of kinds of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KindSet(u8);

impl KindSet {
    pub const BOOL: KindSet = KindSet(1);
    pub const NUMBER: KindSet = KindSet(2);
    pub const TEXT: KindSet = KindSet(4);
    pub const LIST: KindSet = KindSet(8);
    pub const RECORD: KindSet = KindSet(16);
    pub const FUNCTION: KindSet = KindSet(32);
    pub const NULL: KindSet = KindSet(64);
    /// Of which nothing is said.
    pub const UNKNOWN: KindSet = KindSet(128);

    pub fn has(self, other: KindSet) -> bool {
        self.0 & other.0 != 0
    }

    pub fn with(self, other: KindSet) -> KindSet {
        KindSet(self.0 | other.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Returns the kinds of a type's values, without null.
pub(super) fn kinds(ty: &Type) -> KindSet {
    let mut set = KindSet(0);
    for one in alternatives(ty).of {
        set = set.with(match one.kind {
            Kind::Bool => KindSet::BOOL,
            Kind::Int(_) | Kind::Decimal(_) | Kind::Float(_) => KindSet::NUMBER,
            Kind::Text(_) => KindSet::TEXT,
            Kind::List(_) => KindSet::LIST,
            Kind::Map(_) | Kind::Record(_) => KindSet::RECORD,
            Kind::Any | Kind::Bytes | Kind::Never | Kind::Null | Kind::Union(_) | Kind::Ref(_) => {
                KindSet::UNKNOWN
            }
        });
    }
    set
}

/// Returns whether null is a value of a type of which something is known.
pub(super) fn nullable(ty: &Type) -> bool {
    alternatives(ty).nullable
}

/// The items of a value that is a list or one.
pub(super) struct Items {
    /// What each is.
    pub item: Type,
    /// Whether it is a list, or may be one.
    pub many: bool,
}

/// Returns what is gone over where each item of a value is asked for: a list's items, and any other
/// value itself.
pub(super) fn items(ty: &Type) -> Items {
    let all = alternatives(ty);
    let many = all.of.iter().any(|one| matches!(one.kind, Kind::List(_)));
    if !many {
        return Items {
            item: ty.clone(),
            many,
        };
    }
    let mut item = if all.nullable {
        Type::null()
    } else {
        Type::never()
    };
    for one in &all.of {
        item = match &one.kind {
            Kind::List(list) => join(&item, &list.item),
            _ => join(&item, one),
        };
    }
    Items { item, many }
}

/// Returns the type of a sequence of these items that is kept a list. One item that is a list
/// itself stands for the sequence at run time, so nothing is known of such items.
pub(super) fn list_of(item: Type) -> Type {
    if kinds(&item).has(KindSet::LIST) {
        return Type::list(Type::any());
    }
    Type::list(item)
}

/// Returns the type of a value that comes from either of two.
pub(super) fn join(a: &Type, b: &Type) -> Type {
    join_within(a, b, 0)
}

fn join_within(a: &Type, b: &Type, depth: u32) -> Type {
    match (&a.kind, &b.kind) {
        (Kind::Any, _) | (_, Kind::Any) => return Type::any(),
        (Kind::Never | Kind::Null, _) => return or_null(b, a.nullable),
        (_, Kind::Never | Kind::Null) => return or_null(a, b.nullable),
        _ => {}
    }
    if same(a, b) || depth > DEPTH_MAX {
        return if depth > DEPTH_MAX {
            Type::any()
        } else {
            a.clone()
        };
    }
    let mut of = flat(a);
    'next: for one in flat(b) {
        for own in &mut of {
            if let Some(both) = merged(own, &one, depth) {
                *own = both;
                continue 'next;
            }
        }
        of.push(one);
    }
    if of.len() > ALTERNATIVES_MAX {
        return Type::any();
    }
    let nullable = a.nullable || b.nullable;
    or_null(&Type::union(of), nullable)
}

fn or_null(ty: &Type, nullable: bool) -> Type {
    Type {
        nullable: ty.nullable || nullable,
        ..ty.clone()
    }
}

/// The alternatives as they stand, references not resolved, without null.
fn flat(ty: &Type) -> Vec<Type> {
    match &ty.kind {
        Kind::Union(union) => union.of.to_vec(),
        _ => vec![Type {
            nullable: false,
            ..ty.clone()
        }],
    }
}

/// Returns the one type that says what two alternatives say, if there is one.
fn merged(a: &Type, b: &Type, depth: u32) -> Option<Type> {
    let kind = match (&a.kind, &b.kind) {
        (Kind::Float(_), Kind::Int(_) | Kind::Decimal(_) | Kind::Float(_))
        | (Kind::Int(_) | Kind::Decimal(_), Kind::Float(_)) => Kind::Float(Bounds::default()),
        (Kind::Int(x), Kind::Int(y)) => Kind::Int(hull(x, y)),
        (Kind::Int(x) | Kind::Decimal(x), Kind::Int(y) | Kind::Decimal(y)) => {
            Kind::Decimal(hull(x, y))
        }
        (Kind::Text(x), Kind::Text(y)) => Kind::Text(either_text(x, y)),
        (Kind::List(x), Kind::List(y)) => {
            let longest = x.length_max.zip(y.length_max);
            Kind::List(Arc::new(ListType {
                item: join_within(&x.item, &y.item, depth + 1),
                length_min: x.length_min.min(y.length_min),
                length_max: longest.map(|(x, y)| x.max(y)),
                unique: false,
            }))
        }
        (Kind::Map(x), Kind::Map(y)) => Kind::Map(Arc::new(join_within(x, y, depth + 1))),
        (Kind::Record(x), Kind::Record(y)) if same_keys(x, y) => {
            let fields = x.fields.iter().zip(&y.fields);
            Kind::Record(Arc::new(RecordType {
                fields: fields
                    .map(|(x, y)| Field {
                        name: x.name,
                        ty: join_within(&x.ty, &y.ty, depth + 1),
                        required: x.required && y.required,
                    })
                    .collect(),
                rest: x.rest.clone(),
            }))
        }
        _ if same(a, b) => a.kind.clone(),
        _ => return None,
    };
    let meta = match (&a.meta, &b.meta) {
        (Some(x), Some(y)) if Arc::ptr_eq(x, y) => Some(Arc::clone(x)),
        _ => None,
    };
    Some(Type {
        kind,
        nullable: a.nullable || b.nullable,
        meta,
    })
}

fn same_keys(a: &RecordType, b: &RecordType) -> bool {
    let keys = |record: &RecordType| record.fields.len();
    keys(a) == keys(b)
        && a.rest.is_none()
        && b.rest.is_none()
        && a.fields
            .iter()
            .zip(&b.fields)
            .all(|(x, y)| x.name == y.name)
}

/// Returns bounds that hold for both.
fn hull(a: &Bounds, b: &Bounds) -> Bounds {
    if a == b {
        return *a;
    }
    let plain = |bounds: &Bounds| !bounds.min_exclusive && !bounds.max_exclusive;
    let scale = a.scale.zip(b.scale).map(|(x, y)| x.max(y));
    if !plain(a) || !plain(b) {
        return Bounds {
            scale,
            ..Bounds::default()
        };
    }
    Bounds {
        min: a.min.zip(b.min).map(|(x, y)| x.min(y)),
        max: a.max.zip(b.max).map(|(x, y)| x.max(y)),
        scale,
        ..Bounds::default()
    }
}

fn either_text(a: &TextType, b: &TextType) -> TextType {
    if a == b {
        return a.clone();
    }
    let format = a.format.clone().filter(|_| a.format == b.format);
    let values = match (&a.values, &b.values) {
        (Some(x), Some(y)) => one_of(x.iter().chain(y.iter()).cloned()),
        _ => None,
    };
    TextType {
        format,
        values,
        ..TextType::default()
    }
}

/// Returns the values of a text that is one of these, each once; `None` for too many.
pub(super) fn one_of(values: impl Iterator<Item = Arc<str>>) -> Option<Arc<[Arc<str>]>> {
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for value in values {
        if seen.insert(Arc::clone(&value)) {
            all.push(value);
        }
        if all.len() > VALUES_MAX {
            return None;
        }
    }
    Some(all.into())
}

/// Returns the type of a text that is one of these.
pub(super) fn text_of(values: impl Iterator<Item = Arc<str>>) -> Type {
    Type::new(Kind::Text(TextType {
        values: one_of(values),
        ..TextType::default()
    }))
}

/// Returns whether two types are the same for sure.
pub(super) fn same(a: &Type, b: &Type) -> bool {
    same_within(a, b, 0)
}

fn same_within(a: &Type, b: &Type, depth: u32) -> bool {
    if a.nullable != b.nullable || depth > DEPTH_MAX {
        return false;
    }
    match (&a.kind, &b.kind) {
        (Kind::Any, Kind::Any)
        | (Kind::Never, Kind::Never)
        | (Kind::Null, Kind::Null)
        | (Kind::Bool, Kind::Bool)
        | (Kind::Bytes, Kind::Bytes) => true,
        (Kind::Int(x), Kind::Int(y))
        | (Kind::Decimal(x), Kind::Decimal(y))
        | (Kind::Float(x), Kind::Float(y)) => x == y,
        (Kind::Text(x), Kind::Text(y)) => x == y,
        (Kind::Ref(x), Kind::Ref(y)) => x.same(y),
        (Kind::List(x), Kind::List(y)) => {
            Arc::ptr_eq(x, y)
                || ((x.length_min, x.length_max) == (y.length_min, y.length_max)
                    && same_within(&x.item, &y.item, depth + 1))
        }
        (Kind::Map(x), Kind::Map(y)) => Arc::ptr_eq(x, y) || same_within(x, y, depth + 1),
        (Kind::Record(x), Kind::Record(y)) => {
            Arc::ptr_eq(x, y)
                || (same_keys(x, y)
                    && x.fields.iter().zip(&y.fields).all(|(x, y)| {
                        x.required == y.required && same_within(&x.ty, &y.ty, depth + 1)
                    }))
        }
        (Kind::Union(x), Kind::Union(y)) => {
            Arc::ptr_eq(x, y)
                || (x.of.len() == y.of.len()
                    && x.of
                        .iter()
                        .zip(&y.of)
                        .all(|(x, y)| same_within(x, y, depth + 1)))
        }
        _ => false,
    }
}

/// Which arithmetic numbers of a type take part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NumberClass {
    /// Whole.
    Int,
    /// Exact.
    Decimal,
    /// In doubles.
    Float,
    /// Not known.
    Unknown,
}

/// Returns the class of the numbers of a type; unknown if it may be something else.
pub(super) fn number_class(ty: &Type) -> NumberClass {
    let all = alternatives(ty);
    let classes = all.of.iter().map(|one| match one.kind {
        Kind::Int(_) => NumberClass::Int,
        Kind::Decimal(_) => NumberClass::Decimal,
        Kind::Float(_) => NumberClass::Float,
        _ => NumberClass::Unknown,
    });
    classes.max().unwrap_or(NumberClass::Unknown)
}

/// Returns the texts that are the only values of a type, if there are such.
pub(super) fn values(ty: &Type) -> Option<Vec<Arc<str>>> {
    let mut all = Vec::new();
    let of = alternatives(ty).of;
    if of.is_empty() {
        return None;
    }
    for one in of {
        match &one.kind {
            Kind::Text(TextType {
                values: Some(values),
                ..
            }) => all.extend(values.iter().cloned()),
            _ => return None,
        }
    }
    Some(all)
}
