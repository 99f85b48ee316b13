//! Location paths, predicates and groupings.

use std::sync::Arc;

use sluice_model::types::{Field, Kind, Type};
use sluice_model::value::Value;

use crate::ast::{Expr, ExprKind, Pair, Path, SortTerm, Stage, Step, StepKind, TextRange};
use crate::functions;
use crate::typing::constructors::Keyed;
use crate::typing::explain::described;
use crate::typing::known::{Known, Place};
use crate::typing::scope::Role;
use crate::typing::shape::{self, KindSet};
use crate::typing::walk::Checker;

/// How far a path has come.
struct Walk<'e> {
    /// What it gave so far: one of the items, if it gives many.
    item: Known<'e>,
    /// Whether it gives many items. At run time they are a sequence, which is one item where it
    /// has one, unless it is kept a list.
    many: bool,
}

impl<'e> Checker<'e, '_> {
    /// Returns what the field `name` of a value is; a list's items are asked for theirs.
    pub fn field(&mut self, context: &Known<'e>, name: &str, range: TextRange) -> Known<'e> {
        let place = context.place.as_ref().and_then(|place| {
            let part = place
                .parts
                .iter()
                .find(|(key, _)| key.as_deref() == Some(name))?;
            (!part.1.parts.is_empty()).then(|| Arc::clone(&part.1))
        });
        let found = fields(&context.ty, name, 0);
        match found.ty {
            Some(ty) => Known {
                place,
                ..Known::maybe(ty, context.optional || found.optional)
            },
            None if found.lacking => {
                self.tell_unknown_field(context, name, range);
                Known::any()
            }
            // Null, or the item of an empty list: there is no value that could lack it.
            None => Known::missing(),
        }
    }

    /// Returns what a path gives.
    pub fn path(&mut self, expr: &'e Expr, path: &'e Path) -> Known<'e> {
        let mark = self.scope.variables.len();
        if let [step] = path.steps.as_slice()
            && step.stages.is_empty()
            && first_name(path).is_some()
        {
            self.word = expr.range;
        }
        let known = self.path_in_scope(expr.range, path, true);
        if !path.tuples {
            self.scope.variables.truncate(mark);
        }
        known
    }

    /// Returns what a path gives; what it binds stays bound.
    fn path_in_scope(&mut self, range: TextRange, path: &'e Path, keep: bool) -> Known<'e> {
        if self.scope.role == Role::Nothing
            && let Some(name) = first_name(path)
            && let Some(step) = path.steps.first()
        {
            self.tell_no_context(name, step.range());
            return Known::any();
        }
        let mut walk = self.first_input(path);
        let last = path.steps.len().saturating_sub(1);
        let mut unknown = false;
        for (index, step) in path.steps.iter().enumerate() {
            for id in &step.ancestors {
                self.scope.ancestors.insert(*id, walk.item.clone());
            }
            let turn = Turn {
                first: index == 0,
                last: index == last,
            };
            if 0 < index && !walk.many && walk.item.ty.is_any() {
                // It may be a list or not, and so may what is made of it.
                unknown = true;
            }
            self.step(&mut walk, step, turn);
        }
        if unknown && !walk.many && !path.keep_list {
            return Known::maybe(Type::any(), walk.item.optional);
        }
        let item = if walk.many {
            walk.item.shown_type()
        } else if path.keep_list {
            shape::items(&walk.item.shown_type()).item
        } else {
            return walk.item;
        };
        if keep && !path.tuples {
            self.keep_list(range);
        }
        let place = walk.item.place.clone().map(|place| {
            Arc::new(Place {
                range,
                parts: vec![(None, place)],
            })
        });
        Known {
            place,
            ..Known::of(shape::list_of(item))
        }
    }

    /// Returns what the first step is evaluated for.
    fn first_input(&mut self, path: &'e Path) -> Walk<'e> {
        let context = self.scope.context.clone();
        let once = path
            .steps
            .first()
            .is_some_and(|step| step.constructor || is_absolute(step));
        let items = shape::items(&context.ty);
        if once || !items.many {
            return Walk {
                item: context,
                many: false,
            };
        }
        Walk {
            item: Known::of(items.item),
            many: true,
        }
    }

    fn step(&mut self, walk: &mut Walk<'e>, step: &'e Step, turn: Turn) {
        let expr = match &step.kind {
            StepKind::Sort(terms, _) => return self.sort(walk, terms, &step.stages),
            StepKind::Expr(expr) => expr,
        };
        let input = walk.item.clone();
        let mut given = self.step_expr(walk, expr, turn);
        let mut sequence = matches!(expr.kind, ExprKind::Wildcard | ExprKind::Descendant);
        for stage in &step.stages {
            match stage {
                Stage::Filter(predicate) => {
                    let filtered = self.filtered(given, predicate);
                    (given, sequence) = (filtered.known, filtered.sequence);
                }
                Stage::Index(name) => self.scope.bind(name, Known::of(Type::int())),
            }
        }
        if let Some(name) = &step.index {
            self.scope.bind(name, Known::of(Type::int()));
        }
        let items = shape::items(&given.shown_type());
        if let Some(name) = &step.focus {
            let bound = if items.many {
                Known::of(items.item)
            } else {
                given
            };
            self.scope.bind(name, bound);
            walk.many |= items.many;
            walk.item = input;
            return;
        }
        if turn.last && !walk.many && !sequence && step.index.is_none() {
            // A list that nothing was done to stays as it is, and missing where it is missing.
            walk.item = given;
            return;
        }
        if !items.many {
            given.optional &= !walk.many;
            walk.item = given;
            return;
        }
        // Lists that a last step constructs for each item stay lists in the list.
        let nested = step.constructor && walk.many && turn.last;
        let item = if nested { Type::any() } else { items.item };
        let place = given.place.as_ref().and_then(only_part);
        walk.item = Known {
            place,
            ..Known::of(item)
        };
        walk.many = true;
    }

    fn step_expr(&mut self, walk: &Walk<'e>, expr: &'e Expr, turn: Turn) -> Known<'e> {
        let mut input = walk.item.clone();
        if let ExprKind::Name(name) = &expr.kind {
            return self.field(&input, name, expr.range);
        }
        let role = if turn.first && !walk.many {
            self.scope.role
        } else {
            Role::Item
        };
        let optional = input.optional && !turn.first;
        input.optional &= turn.first;
        let mut given = self.within(input, role, |checker| checker.infer(expr));
        // A step is not evaluated for what is missing.
        given.optional |= optional;
        given
    }

    fn sort(&mut self, walk: &mut Walk<'e>, terms: &'e [SortTerm], stages: &'e [Stage]) {
        for term in terms {
            let known = self.within(walk.item.clone(), Role::Item, |checker| {
                checker.infer(&term.expr)
            });
            let set = shape::kinds(&known.ty);
            let sortable = KindSet::NUMBER.with(KindSet::TEXT).with(KindSet::UNKNOWN);
            if !set.is_empty() && !set.has(sortable) {
                let shown = self.shown(term.expr.range);
                let what = described(&known.ty);
                self.tell_wrong_kind(
                    &term.expr,
                    format!("items are sorted by numbers or texts, {shown} is {what}"),
                    "sort by a field of the items that is a number or a text".to_owned(),
                );
            } else if shape::nullable(&known.ty) {
                self.tell_possibly_missing(
                    &term.expr,
                    &Known {
                        optional: false,
                        ..known
                    },
                    "items are sorted by it",
                );
            }
        }
        for stage in stages {
            if let Stage::Filter(predicate) = stage {
                let item = walk.item.shown_type();
                let list = if walk.many { Type::list(item) } else { item };
                let filtered = self.filtered(Known::of(list), predicate);
                let items = shape::items(&filtered.known.shown_type());
                walk.many = items.many;
                walk.item = Known::maybe(items.item, filtered.known.optional);
            }
        }
    }

    /// Returns what `base[predicate]...` gives.
    pub fn filter_expr(
        &mut self,
        expr: &'e Expr,
        base: &'e Expr,
        predicates: &'e [Expr],
    ) -> Known<'e> {
        let mut known = self.infer(base);
        let mut sequence = false;
        for predicate in predicates {
            let filtered = self.filtered(known, predicate);
            (known, sequence) = (filtered.known, filtered.sequence);
        }
        if sequence {
            self.keep_list(expr.range);
        }
        known
    }

    /// Returns what a predicate leaves of a value.
    fn filtered(&mut self, base: Known<'e>, predicate: &'e Expr) -> Filtered<'e> {
        let items = shape::items(&base.shown_type());
        let part = base.place.as_ref().and_then(only_part);
        let item = Known {
            place: part.clone(),
            ..Known::of(items.item.clone())
        };
        if let Some(position) = literal_position(predicate) {
            let there = is_there(&base.ty, items.many, position);
            return Filtered::one(Known {
                place: part.filter(|_| items.many),
                ..Known::maybe(items.item, base.optional || !there)
            });
        }
        let test = self.within(item.clone(), Role::Item, |checker| checker.infer(predicate));
        if base.is_any() {
            return Filtered::one(Known::any());
        }
        let set = shape::kinds(&test.ty);
        let constant = !uses_context(predicate);
        let number = set.has(KindSet::NUMBER) || (test.is_any() && constant);
        if number && constant && !set.has(KindSet::LIST) {
            // A position that is computed; or something of which nobody knows what it is.
            let known = if set.has(KindSet::UNKNOWN) {
                Known::any()
            } else {
                Known::maybe(items.item, true)
            };
            return Filtered::one(known);
        }
        let item = self.within(item, Role::Item, |checker| {
            checker.where_it(predicate, true, |checker| checker.scope.context.clone())
        });
        if !items.many {
            return Filtered::one(Known::maybe(item.ty, true));
        }
        Filtered {
            known: Known {
                place: base.place,
                ..Known::of(shape::list_of(item.ty))
            },
            sequence: true,
        }
    }

    /// Returns what `base{key: value, ...}` gives: a record with a field for each group.
    pub fn group(&mut self, base: &'e Expr, pairs: &'e [Pair], range: TextRange) -> Known<'e> {
        let mark = self.scope.variables.len();
        let (items, tuples) = match &base.kind {
            ExprKind::Path(path) if path.steps.iter().any(|step| step.tuples) => {
                (self.path_in_scope(base.range, path, false), true)
            }
            _ => (self.infer(base), false),
        };
        let item = Known::of(shape::items(&items.shown_type()).item);
        let mut keyed = Keyed::default();
        for pair in pairs {
            let key = self.within(item.clone(), Role::Item, |checker| checker.key(&pair.key));
            let (group, role) = if tuples {
                (Known::any(), Role::Item)
            } else {
                (Known::of(shape::list_of(item.ty.clone())), Role::Group)
            };
            let bound = self.scope.variables.len();
            for index in mark..bound {
                // In a value, what the path binds is that of all items of the group.
                let name = Arc::clone(&self.scope.variables[index].name);
                self.scope.bind(&name, Known::any());
            }
            let value = self.within(group, role, |checker| checker.infer(&pair.value));
            self.scope.variables.truncate(bound);
            keyed.add(key, value, pair.value.range);
        }
        self.scope.variables.truncate(mark);
        keyed.into_known(range)
    }
}

/// Which step of a path it is.
#[derive(Debug, Clone, Copy)]
struct Turn {
    first: bool,
    last: bool,
}

struct Filtered<'e> {
    known: Known<'e>,
    /// Whether it is a sequence, which is to be kept a list.
    sequence: bool,
}

impl<'e> Filtered<'e> {
    fn one(known: Known<'e>) -> Self {
        Self {
            known,
            sequence: false,
        }
    }
}

/// What the alternatives of a type have under a name.
pub(super) struct Fields {
    /// The type, where one of them has it.
    pub ty: Option<Type>,
    /// Whether it may be missing.
    pub optional: bool,
    /// Whether one of them cannot have it.
    pub lacking: bool,
}

/// Looks for a field in all alternatives of a type.
pub(super) fn fields(ty: &Type, name: &str, depth: u32) -> Fields {
    let all = shape::alternatives(ty);
    let mut found = Fields {
        ty: None,
        optional: all.nullable,
        lacking: false,
    };
    for one in &all.of {
        let (own, optional) = match &one.kind {
            Kind::Any | Kind::Never | Kind::Null | Kind::Union(_) | Kind::Ref(_) => {
                (Some(Type::any()), false)
            }
            Kind::Record(record) => match (record.field(name), &record.rest) {
                (Some(Field { ty, required, .. }), _) => (Some(ty.clone()), !required),
                (None, Some(rest)) if record.fields.is_empty() && rest.is_any() => {
                    (Some(Type::any()), false)
                }
                (None, Some(rest)) if !rest.is_any() => (Some(rest.clone()), true),
                (None, _) => (None, true),
            },
            Kind::Map(value) => (Some((**value).clone()), true),
            Kind::List(list) if depth < 16 => {
                let inner = fields(&list.item, name, depth + 1);
                found.lacking |= inner.lacking;
                let ty = inner.ty.map(|ty| shape::list_of(shape::items(&ty).item));
                (ty, false)
            }
            Kind::List(_) => (Some(Type::any()), false),
            Kind::Bool
            | Kind::Int(_)
            | Kind::Decimal(_)
            | Kind::Float(_)
            | Kind::Text(_)
            | Kind::Bytes => (None, true),
        };
        found.optional |= optional;
        match own {
            Some(own) => {
                let before = found.ty.take().unwrap_or_else(Type::never);
                found.ty = Some(shape::join(&before, &own));
            }
            None => found.lacking = true,
        }
    }
    found
}

/// Returns the name of the first step, if it is one.
pub(super) fn first_name(path: &Path) -> Option<&str> {
    match &path.steps.first()?.kind {
        StepKind::Expr(Expr {
            kind: ExprKind::Name(name),
            ..
        }) => Some(name),
        _ => None,
    }
}

/// Returns whether a first step means something else than the items of the context.
fn is_absolute(step: &Step) -> bool {
    let StepKind::Expr(expr) = &step.kind else {
        return false;
    };
    let base = match &expr.kind {
        ExprKind::Filter { base, .. } => base,
        _ => expr,
    };
    matches!(
        base.kind,
        ExprKind::Variable(_) | ExprKind::Context | ExprKind::Root
    )
}

fn only_part(place: &Arc<Place>) -> Option<Arc<Place>> {
    match place.parts.as_slice() {
        [(None, part)] => Some(Arc::clone(part)),
        _ => None,
    }
}

/// Returns the position that a predicate is, if it is a literal number.
pub(super) fn literal_position(predicate: &Expr) -> Option<i64> {
    match &predicate.kind {
        ExprKind::Literal(value) if value.is_number() => {
            Some(value.as_f64().unwrap_or(f64::NAN).floor() as i64)
        }
        ExprKind::Negate(operand) => match &operand.kind {
            ExprKind::Literal(Value::Int(int)) => int.checked_neg(),
            _ => None,
        },
        _ => None,
    }
}

/// Returns whether there is an item at a position for sure.
fn is_there(ty: &Type, many: bool, position: i64) -> bool {
    if !many {
        return matches!(position, 0 | -1) || ty.is_any();
    }
    let all = shape::alternatives(ty);
    let least = all.of.iter().map(|one| match &one.kind {
        Kind::List(list) => list.length_min,
        _ => 1,
    });
    let needed = if position < 0 {
        position.unsigned_abs()
    } else {
        position.unsigned_abs().saturating_add(1)
    };
    needed <= least.min().unwrap_or(0)
}

/// Returns whether an expression may give something else for each item that it is evaluated for.
fn uses_context(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Context
        | ExprKind::Name(_)
        | ExprKind::Wildcard
        | ExprKind::Descendant
        | ExprKind::Parent(_)
        | ExprKind::Transform { .. } => true,
        // Later steps see what the first one gives.
        ExprKind::Path(path) => match path.steps.first().map(|step| &step.kind) {
            Some(StepKind::Expr(expr)) => uses_context(expr),
            _ => true,
        },
        ExprKind::Call {
            function,
            arguments,
        } => {
            let own = match &function.kind {
                ExprKind::Variable(name) => functions::find(name)
                    .is_some_and(|known| known.parsed().parameters.len() > arguments.len()),
                _ => true,
            };
            own || arguments.iter().any(uses_context)
        }
        _ => {
            let mut uses = false;
            expr.for_each_child(&mut |child| uses |= uses_context(child));
            uses
        }
    }
}
