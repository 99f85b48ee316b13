//! Records, lists and choices: what an expression puts together from others.

use std::sync::Arc;

use sluice_model::types::{Field, Kind, ListType, Type};
use sluice_model::value::{Name, Value};

use crate::ast::{BinaryOperator, Expr, ExprKind, Pair, TextRange};
use crate::typing::explain::described;
use crate::typing::known::{Callee, Known, Place};
use crate::typing::scope::Role;
use crate::typing::shape::{self, KindSet};
use crate::typing::walk::Checker;

/// The key of a field that is constructed.
pub(super) enum KeyKnown {
    /// It is this one.
    Constant(Arc<str>),
    /// It is computed.
    Computed,
}

/// Fields as they are gathered.
#[derive(Default)]
pub(super) struct Keyed {
    fields: Vec<Field>,
    /// The type of all values, once a key is computed.
    value: Option<Type>,
    parts: Vec<(Option<Arc<str>>, Arc<Place>)>,
}

impl Keyed {
    /// Adds a field whose value stands at `range`.
    pub fn add(&mut self, key: KeyKnown, value: Known<'_>, range: TextRange) {
        let ty = value.shown_type();
        let place = value.place_or(range);
        match key {
            KeyKnown::Constant(name) => {
                let field = Field {
                    name: Name::new(&name),
                    ty,
                    required: !value.optional,
                };
                match self.fields.iter_mut().find(|own| own.name == field.name) {
                    Some(own) => *own = field,
                    None => self.fields.push(field),
                }
                self.parts.push((Some(name), place));
            }
            KeyKnown::Computed => {
                let before = self.value.take().unwrap_or_else(Type::never);
                self.value = Some(shape::join(&before, &ty));
                self.parts.push((None, place));
            }
        }
    }

    /// Returns the record: of these fields, or of any keys where one is computed.
    pub fn into_known<'e>(self, range: TextRange) -> Known<'e> {
        let ty = match self.value {
            None => Type::record(self.fields),
            Some(value) => {
                let fields = self.fields.iter();
                let value = fields.fold(value, |all, field| shape::join(&all, &field.ty));
                Type::new(Kind::Map(Arc::new(value)))
            }
        };
        Known {
            place: Some(Arc::new(Place {
                range,
                parts: self.parts,
            })),
            ..Known::of(ty)
        }
    }
}

impl<'e> Checker<'e, '_> {
    /// Returns what a key is, which must be a text.
    pub fn key(&mut self, key: &'e Expr) -> KeyKnown {
        if let ExprKind::Literal(Value::Text(text)) = &key.kind {
            return KeyKnown::Constant(text.as_str().into());
        }
        let known = self.infer(key);
        let set = shape::kinds(&known.ty);
        if !set.is_empty() && !set.has(KindSet::TEXT.with(KindSet::UNKNOWN)) {
            let shown = self.shown(key.range);
            let message = format!("a key is a text, {shown} is {}", described(&known.ty));
            let help = format!("write `$string({})`", shown.trim_matches('`'));
            self.tell_wrong_kind(key, message, help);
        }
        KeyKnown::Computed
    }

    /// Returns what `{key: value, ...}` gives.
    pub fn object(&mut self, pairs: &'e [Pair], range: TextRange) -> Known<'e> {
        // In a list, an object constructor groups the items: its values see all that have the key.
        let items = shape::items(&self.scope.context.ty);
        let mut keyed = Keyed::default();
        for pair in pairs {
            if items.many {
                let item = Known::of(items.item.clone());
                let key = self.within(item, Role::Item, |checker| checker.key(&pair.key));
                let group = Known::of(shape::list_of(items.item.clone()));
                let value = self.within(group, Role::Group, |checker| checker.infer(&pair.value));
                keyed.add(key, value, pair.value.range);
            } else {
                let key = self.key(&pair.key);
                let value = self.infer(&pair.value);
                keyed.add(key, value, pair.value.range);
            }
        }
        keyed.into_known(range)
    }

    /// Returns what `[a, b, ...]` gives: the items of lists, and all other values.
    pub fn array(&mut self, items: &'e [Expr], range: TextRange) -> Known<'e> {
        let (mut item, mut parts) = (Type::never(), Vec::new());
        let (mut length_min, mut length_max) = (0, Some(0));
        let mut each = Vec::with_capacity(items.len());
        for (index, expr) in items.iter().enumerate() {
            let known = self.infer(expr);
            each.push((known.shown_type(), known.optional));
            let nested = matches!(expr.kind, ExprKind::Array(_));
            let range_item = matches!(
                expr.kind,
                ExprKind::Binary {
                    operator: BinaryOperator::Range,
                    ..
                }
            );
            let set = shape::kinds(&known.shown_type());
            let spread = !nested && set.has(KindSet::LIST.with(KindSet::UNKNOWN));
            if spread || range_item {
                let ty = if range_item {
                    Type::int()
                } else {
                    shape::items(&known.shown_type()).item
                };
                item = shape::join(&item, &ty);
                length_max = None;
                let part = known.place.as_ref().and_then(|place| {
                    let [(None, part)] = place.parts.as_slice() else {
                        return None;
                    };
                    Some(Arc::clone(part))
                });
                parts.push((None, part.unwrap_or_else(|| Place::leaf(expr.range))));
                continue;
            }
            item = shape::join(&item, &known.shown_type());
            length_min += u64::from(!known.optional);
            length_max = length_max.map(|most: u64| most + 1);
            let key = length_max.map(|_| index.to_string().into());
            parts.push((key, known.place_or(expr.range)));
        }
        if let [(key, _)] = parts.as_mut_slice() {
            *key = None;
        }
        self.remember_array(range, each);
        let list = ListType {
            item,
            length_min,
            length_max,
            unique: false,
        };
        Known {
            place: Some(Arc::new(Place { range, parts })),
            ..Known::of(Type::new(Kind::List(Arc::new(list))))
        }
    }

    /// Returns what `condition ? then : otherwise` gives.
    pub fn condition(
        &mut self,
        range: TextRange,
        condition: &'e Expr,
        then: &'e Expr,
        otherwise: Option<&'e Expr>,
    ) -> Known<'e> {
        self.infer(condition);
        let first = self.where_it(condition, true, |checker| checker.infer(then));
        let (second, second_range) = match otherwise {
            Some(expr) => {
                let known = self.where_it(condition, false, |checker| checker.infer(expr));
                (known, expr.range)
            }
            None => (Known::missing(), then.range),
        };
        let first_place = first.place_or(then.range);
        let second_place = second.place_or(second_range);
        self.either(range, (first, first_place), (second, second_place))
    }

    fn either(
        &mut self,
        range: TextRange,
        (first, first_place): (Known<'e>, Arc<Place>),
        (second, second_place): (Known<'e>, Arc<Place>),
    ) -> Known<'e> {
        if first.function.is_some() || second.function.is_some() {
            return Known::function(Callee::Opaque);
        }
        let parts = first_place.parts.iter().chain(&second_place.parts);
        Known {
            ty: shape::join(&first.ty, &second.ty),
            optional: first.optional || second.optional,
            loose: first.loose || second.loose,
            function: None,
            place: Some(Arc::new(Place {
                range,
                parts: parts.cloned().collect(),
            })),
        }
    }

    /// Returns what `left ?: right` gives.
    pub fn default(&mut self, left: &'e Expr, right: &'e Expr) -> Known<'e> {
        let first = self.infer(left);
        let second = self.where_it(left, false, |checker| checker.infer(right));
        self.first_or(left, first, right, second)
    }

    /// Returns what `left ?? right` gives.
    pub fn coalesce(&mut self, left: &'e Expr, right: &'e Expr) -> Known<'e> {
        let first = self.infer(left);
        let second = self.infer(right);
        self.first_or(left, first, right, second)
    }

    fn first_or(
        &mut self,
        left: &Expr,
        first: Known<'e>,
        right: &Expr,
        second: Known<'e>,
    ) -> Known<'e> {
        let first = Known {
            ty: without_null(&first.ty),
            optional: false,
            ..first
        };
        let range = left.range.to(right.range);
        let (first_place, second_place) =
            (first.place_or(left.range), second.place_or(right.range));
        self.either(range, (first, first_place), (second, second_place))
    }

    /// Returns what `| pattern | update, delete |` is: a function.
    pub fn transform(
        &mut self,
        pattern: &'e Expr,
        update: &'e Expr,
        delete: Option<&'e Expr>,
    ) -> Known<'e> {
        self.transformed(Known::any(), pattern, update, delete);
        Known::function(Callee::Opaque)
    }

    /// Returns what a transformer makes of a value.
    pub fn transformed(
        &mut self,
        argument: Known<'e>,
        pattern: &'e Expr,
        update: &'e Expr,
        delete: Option<&'e Expr>,
    ) -> Known<'e> {
        let optional = argument.optional;
        let kind = shape::kinds(&argument.ty);
        let selected = self.within(argument, Role::Item, |checker| checker.infer(pattern));
        let item = Known::of(shape::items(&selected.shown_type()).item);
        self.within(item, Role::Item, |checker| {
            checker.infer(update);
            if let Some(delete) = delete {
                checker.infer(delete);
            }
        });
        // Fields are set and removed wherever the pattern points: nothing is left for sure.
        let ty = if kind == KindSet::RECORD {
            Type::open_record()
        } else {
            Type::any()
        };
        let optional = optional && !ty.is_any();
        Known::maybe(ty, optional)
    }
}

/// Returns a type without null, in its alternatives too.
pub(super) fn without_null(ty: &Type) -> Type {
    if ty.is_any() {
        return Type::any();
    }
    let all = shape::alternatives(ty);
    if !all.nullable {
        return ty.clone();
    }
    let of = all.of.into_iter().map(Type::not_null).collect();
    let meta = ty.meta.clone();
    let ty = Type::union(of);
    Type {
        meta: ty.meta.clone().or(meta),
        ..ty
    }
}
