//! Does a value of one type go where another type is wanted?
//!
//! The answer has a direction and is given before anything runs: what is certainly or possibly
//! wrong is a [`Misfit`]; what merely cannot be proven (a text where a pattern is wanted, a number
//! where a minimum is) is left to the check at run time. Where nothing is known of a value, nothing
//! is said.

use std::collections::HashSet;
use std::fmt;

use sluice_model::codes;
use sluice_model::finding::{Code, did_you_mean};
use sluice_model::span::Span;
use sluice_model::types::{Field, Kind, RecordType, Type, UnionType};
use sluice_model::value::Name;

mod scalar;
#[cfg(test)]
mod tests;

/// How many misfits are told of one pair of types.
pub const MISFITS_MAX: usize = 50;
/// How deep two types are compared; beyond it nothing is told.
const DEPTH_MAX: usize = 120;
/// How many pairs of types are compared for one answer.
const STEPS_MAX: usize = 200_000;

/// One thing that keeps a type from fitting another.
#[derive(Debug, Clone, PartialEq)]
pub struct Misfit {
    /// What sort of thing.
    pub kind: MisfitKind,
    /// Where in the type that comes; of a missing field, the path that it would have, or that of
    /// the field that was probably meant to be it.
    pub path: Path,
    /// What is wrong, in one line; the path is not repeated in it.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where the part that comes is declared.
    pub from: Option<Span>,
    /// Where the part that is wanted is declared.
    pub to: Option<Span>,
}

/// The sorts of misfits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MisfitKind {
    /// A required field is not there.
    Missing,
    /// A required field may be missing.
    MaybeMissing,
    /// A value may be null where null is none of the values.
    MaybeNull,
    /// A value of another kind is wanted.
    Kind,
    /// A number would lose digits.
    Lossy,
    /// A listed value is not among those that are wanted.
    NotListed,
    /// A list where one value is wanted, or the other way round.
    ListOrOne,
    /// A field that the other side does not allow.
    UnknownField,
    /// Both sides declare bounds, and they contradict.
    Bounds,
    /// Both sides declare a format, and they contradict.
    Format,
}

impl MisfitKind {
    /// Returns the code of the finding that tells it.
    pub fn code(self) -> Code {
        match self {
            MisfitKind::MaybeMissing | MisfitKind::MaybeNull => codes::POSSIBLY_MISSING,
            MisfitKind::Lossy => codes::LOSSY_NUMBER,
            MisfitKind::ListOrOne => codes::LIST_OR_ONE,
            MisfitKind::Missing
            | MisfitKind::Kind
            | MisfitKind::NotListed
            | MisfitKind::UnknownField
            | MisfitKind::Bounds
            | MisfitKind::Format => codes::DOES_NOT_FIT,
        }
    }
}

/// A path into a type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path(pub Vec<Part>);

/// A step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The field of a record.
    Field(Name),
    /// Any item of a list.
    Item,
    /// The value of any other key of a record.
    Rest,
}

impl fmt::Display for Path {
    /// Writes the path as findings show it: `lines[].qty`, `prices.*`; nothing for the whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.0.iter().enumerate() {
            let dot = if i == 0 { "" } else { "." };
            match part {
                Part::Field(name) => write!(f, "{dot}{name}")?,
                Part::Item => f.write_str("[]")?,
                Part::Rest => write!(f, "{dot}*")?,
            }
        }
        Ok(())
    }
}

/// Returns what keeps values of `from` from being values of `to`; nothing if they fit.
pub fn fits(from: &Type, to: &Type) -> Vec<Misfit> {
    let mut check = Check::default();
    check.types(from, to);
    check.misfits
}

/// The state of one comparison.
#[derive(Default)]
struct Check {
    misfits: Vec<Misfit>,
    path: Vec<Part>,
    /// The pairs that are being compared: met again, they are taken to fit, since what keeps them
    /// from fitting is told where they were met first.
    open: HashSet<(usize, usize)>,
    /// The pairs that are known to fit.
    proved: HashSet<(usize, usize)>,
    proved_order: Vec<(usize, usize)>,
    steps: usize,
}

/// The part that comes and the part that is wanted.
#[derive(Clone, Copy)]
struct Pair<'t> {
    from: &'t Type,
    to: &'t Type,
}

impl Check {
    fn add(&mut self, pair: Pair<'_>, kind: MisfitKind, message: String, help: Option<String>) {
        if self.misfits.len() < MISFITS_MAX {
            self.misfits.push(Misfit {
                kind,
                path: Path(self.path.clone()),
                message,
                help,
                from: pair.from.span(),
                to: pair.to.span(),
            });
        }
    }

    fn types(&mut self, from: &Type, to: &Type) {
        self.steps += 1;
        if DEPTH_MAX < self.path.len() || STEPS_MAX < self.steps {
            return;
        }
        let (from, to) = (full(from), full(to));
        let pair = Pair {
            from: &from,
            to: &to,
        };
        if from.is_any() || to.is_any() || matches!(from.kind, Kind::Never) {
            return;
        }
        if matches!(from.kind, Kind::Null) {
            if !to.nullable {
                let text = format!("is null where {to} is wanted");
                self.add(pair, MisfitKind::MaybeNull, text, None);
            }
            return;
        }
        if from.nullable && !to.nullable {
            let help = "give a default by `??`, or use it only where it is not null";
            let text = "may be null where null is not allowed".to_owned();
            self.add(pair, MisfitKind::MaybeNull, text, Some(help.to_owned()));
        }
        let key = (address(&from), address(&to));
        if key.0 == 0 || key.1 == 0 {
            return self.kinds(pair);
        }
        if self.proved.contains(&key) || !self.open.insert(key) {
            return;
        }
        let (misfits, proved) = (self.misfits.len(), self.proved_order.len());
        self.kinds(pair);
        self.open.remove(&key);
        if self.misfits.len() == misfits {
            self.proved.insert(key);
            self.proved_order.push(key);
        } else {
            // What was proved while this pair was taken to fit is not proved any more.
            for key in self.proved_order.drain(proved..) {
                self.proved.remove(&key);
            }
        }
    }

    fn kinds(&mut self, pair: Pair<'_>) {
        match (&pair.from.kind, &pair.to.kind) {
            (Kind::Union(union), _) => self.each_of_union(union, pair),
            (_, Kind::Union(union)) => self.union_takes(union, pair),
            (Kind::List(from), Kind::List(to)) => {
                self.lengths(pair, from, to);
                self.path.push(Part::Item);
                self.types(&from.item, &to.item);
                self.path.pop();
            }
            (Kind::List(_), _) => {
                let text = format!("is a list where one value is wanted, {}", pair.to);
                let help = "take one item, such as `[0]`, or aggregate the items";
                self.add(pair, MisfitKind::ListOrOne, text, Some(help.to_owned()));
            }
            (_, Kind::List(_)) => {
                let text = format!("is one value where a list is wanted, {}", pair.to);
                let help = "write `[ ... ]` around it";
                self.add(pair, MisfitKind::ListOrOne, text, Some(help.to_owned()));
            }
            (Kind::Record(from), Kind::Record(to)) => self.records(from, to, pair),
            (Kind::Record(from), Kind::Map(to)) => self.fields_into(from, to),
            (Kind::Map(from), Kind::Map(to)) => self.rest(from, to),
            (Kind::Map(from), Kind::Record(to)) => self.map_into(from, to, pair),
            _ => self.scalars(pair),
        }
    }

    fn rest(&mut self, from: &Type, to: &Type) {
        self.path.push(Part::Rest);
        self.types(from, to);
        self.path.pop();
    }

    /// Each alternative must fit; what one of them is not said twice.
    fn each_of_union(&mut self, union: &UnionType, pair: Pair<'_>) {
        for one in &union.of {
            let before = self.misfits.len();
            self.types(one, pair.to);
            let (old, new) = self.misfits.split_at(before);
            let fresh = new.iter().filter(|misfit| {
                !old.iter()
                    .any(|o| o.path == misfit.path && o.message == misfit.message)
            });
            let fresh: Vec<Misfit> = fresh.cloned().collect();
            self.misfits.truncate(before);
            self.misfits.extend(fresh);
        }
    }

    /// One alternative must take it; if none does, the nearest one tells why.
    fn union_takes(&mut self, union: &UnionType, pair: Pair<'_>) {
        let mut nearest: Option<Vec<Misfit>> = None;
        for one in &union.of {
            let resolved = full(one);
            let alike = same_kind(&pair.from.kind, &resolved.kind);
            let before = std::mem::take(&mut self.misfits);
            // Null was compared with the union as a whole.
            self.types(&pair.from.clone().not_null(), &resolved);
            let found = std::mem::replace(&mut self.misfits, before);
            if found.is_empty() {
                return;
            }
            let fewer = nearest
                .as_ref()
                .is_none_or(|known| found.len() < known.len());
            if alike && fewer {
                nearest = Some(found);
            }
        }
        match nearest {
            Some(found) => {
                self.misfits.extend(found);
                self.misfits.truncate(MISFITS_MAX);
            }
            None => self.wrong_kind(pair),
        }
    }

    fn wrong_kind(&mut self, pair: Pair<'_>) {
        let text = format!("is {} where {} is wanted", pair.from, pair.to);
        let help = conversion(&pair.from.kind, &pair.to.kind);
        self.add(pair, MisfitKind::Kind, text, help.map(str::to_owned));
    }

    fn records(&mut self, from: &RecordType, to: &RecordType, pair: Pair<'_>) {
        // Of a record without a declared field nothing is known.
        let unknown = from.fields.is_empty() && from.rest.as_ref().is_some_and(Type::is_any);
        let mut misspelt = Vec::new();
        for field in &to.fields {
            match from.field(field.name.as_str()) {
                Some(own) => self.field(own, field, pair),
                None if !field.required || unknown => {}
                None => match from.rest.as_ref().filter(|rest| !rest.is_any()) {
                    Some(rest) => self.maybe_missing(rest, field, pair),
                    None => misspelt.extend(self.missing(from, to, field, pair)),
                },
            }
        }
        for own in &from.fields {
            // A misspelt field is one mistake, not one that is missing and one that is too many.
            if to.field(own.name.as_str()).is_some() || misspelt.contains(&own.name) {
                continue;
            }
            self.path.push(Part::Field(own.name));
            match &to.rest {
                Some(rest) => self.types(&own.ty, rest),
                None => self.unknown_field(from, to, own, pair),
            }
            self.path.pop();
        }
        if let (Some(from), Some(to)) = (&from.rest, &to.rest) {
            self.rest(from, to);
        }
    }

    fn field(&mut self, own: &Field, wanted: &Field, pair: Pair<'_>) {
        self.path.push(Part::Field(own.name));
        if wanted.required && !own.required {
            let text = "may be missing where it is required".to_owned();
            let help = "give a default by `??`, or use it only where it is present";
            let pair = Pair {
                from: if own.ty.span().is_some() {
                    &own.ty
                } else {
                    pair.from
                },
                to: if wanted.ty.span().is_some() {
                    &wanted.ty
                } else {
                    pair.to
                },
            };
            self.add(pair, MisfitKind::MaybeMissing, text, Some(help.to_owned()));
        }
        self.types(&own.ty, &wanted.ty);
        self.path.pop();
    }

    fn maybe_missing(&mut self, rest: &Type, wanted: &Field, pair: Pair<'_>) {
        self.path.push(Part::Field(wanted.name));
        let text = "may be missing where it is required".to_owned();
        let to = Pair {
            from: pair.from,
            to: &wanted.ty,
        };
        self.add(to, MisfitKind::MaybeMissing, text, None);
        self.types(rest, &wanted.ty);
        self.path.pop();
    }

    /// Tells of a required field that is missing; returns the field that was probably meant to be
    /// it, if there is one that the other side does not know.
    fn missing(
        &mut self,
        from: &RecordType,
        to: &RecordType,
        wanted: &Field,
        pair: Pair<'_>,
    ) -> Option<Name> {
        let name = wanted.name;
        let strange = |own: &&Field| to.field(own.name.as_str()).is_none();
        let candidates = from
            .fields
            .iter()
            .filter(strange)
            .map(|own| own.name.as_str());
        let near = did_you_mean(name.as_str(), candidates).and_then(|near| from.field(near));
        let own = near.map_or(pair.from, |near| &near.ty);
        let pair = Pair {
            from: if own.span().is_some() { own } else { pair.from },
            to: if wanted.ty.span().is_some() {
                &wanted.ty
            } else {
                pair.to
            },
        };
        let (text, help) = match near {
            Some(_) => (
                format!("is no field of what is wanted, where `{name}` is required"),
                format!("did you mean `{name}`?"),
            ),
            None => (
                "is required and missing".to_owned(),
                format!("add `{name}`, {}", wanted.ty),
            ),
        };
        self.path
            .push(Part::Field(near.map_or(name, |near| near.name)));
        self.add(pair, MisfitKind::Missing, text, Some(help));
        self.path.pop();
        near.map(|near| near.name)
    }

    fn unknown_field(&mut self, from: &RecordType, to: &RecordType, own: &Field, pair: Pair<'_>) {
        let free = to
            .fields
            .iter()
            .filter(|field| from.field(field.name.as_str()).is_none());
        let help = match did_you_mean(own.name.as_str(), free.map(|field| field.name.as_str())) {
            Some(near) => format!("did you mean `{near}`?"),
            None if to.fields.is_empty() => "remove it".to_owned(),
            None => {
                let names = to.fields.iter().take(12).map(|field| field.name.as_str());
                let names: Vec<&str> = names.collect();
                format!("remove it; the fields there are `{}`", names.join("`, `"))
            }
        };
        let pair = Pair {
            from: if own.ty.span().is_some() {
                &own.ty
            } else {
                pair.from
            },
            to: pair.to,
        };
        let text = "is no field of what is wanted".to_owned();
        self.add(pair, MisfitKind::UnknownField, text, Some(help));
    }

    /// A record where any keys with values of one type are wanted.
    fn fields_into(&mut self, from: &RecordType, to: &Type) {
        for own in &from.fields {
            self.path.push(Part::Field(own.name));
            self.types(&own.ty, to);
            self.path.pop();
        }
        if let Some(rest) = &from.rest {
            self.rest(rest, to);
        }
    }

    /// Any keys where certain fields are wanted: a required one is never certain.
    fn map_into(&mut self, from: &Type, to: &RecordType, pair: Pair<'_>) {
        for field in &to.fields {
            if field.required {
                self.maybe_missing(from, field, pair);
            } else {
                self.path.push(Part::Field(field.name));
                self.types(from, &field.ty);
                self.path.pop();
            }
        }
        if let Some(rest) = &to.rest {
            self.rest(from, rest);
        }
    }
}

/// Follows references, and adds the null of a union's alternatives.
fn full(ty: &Type) -> Type {
    let mut ty = ty.resolved();
    if let Kind::Union(union) = &ty.kind {
        ty.nullable |= union.of.iter().any(|one| one.resolved().nullable);
    }
    ty
}

/// The address of what a type shares with its copies; 0 where it shares nothing.
fn address(ty: &Type) -> usize {
    match &ty.kind {
        Kind::Record(record) => std::sync::Arc::as_ptr(record) as usize,
        Kind::List(list) => std::sync::Arc::as_ptr(list) as usize,
        Kind::Map(value) => std::sync::Arc::as_ptr(value) as usize,
        Kind::Union(union) => std::sync::Arc::as_ptr(union) as usize,
        _ => 0,
    }
}

fn same_kind(from: &Kind, to: &Kind) -> bool {
    let group = |kind: &Kind| match kind {
        Kind::Int(_) | Kind::Decimal(_) | Kind::Float(_) => 1,
        Kind::Text(_) | Kind::Bytes => 2,
        Kind::Record(_) | Kind::Map(_) => 3,
        Kind::List(_) => 4,
        Kind::Bool => 5,
        Kind::Any | Kind::Never | Kind::Null | Kind::Union(_) | Kind::Ref(_) => 6,
    };
    group(from) == group(to)
}

/// Returns how one kind is made of another, where a function does it.
fn conversion(from: &Kind, to: &Kind) -> Option<&'static str> {
    let number = |kind: &Kind| matches!(kind, Kind::Int(_) | Kind::Decimal(_) | Kind::Float(_));
    let text = |kind: &Kind| matches!(kind, Kind::Text(_));
    match (from, to) {
        (from, to) if text(from) && number(to) => Some("convert it by `$number(...)`"),
        (from, to) if (number(from) || matches!(from, Kind::Bool)) && text(to) => {
            Some("convert it by `$string(...)`")
        }
        (Kind::Record(_) | Kind::Map(_), to) if text(to) || number(to) => {
            Some("take the field that is meant")
        }
        _ => None,
    }
}
