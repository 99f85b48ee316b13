//! What the functions of the library give, by what they are given.

use std::sync::Arc;

use sluice_model::codes;
use sluice_model::finding::did_you_mean;
use sluice_model::types::{Bounds, Field, Kind, RecordType, TextFormat, TextType, Type};
use sluice_model::value::{Name, Value};

use crate::ast::{Expr, ExprKind, TextRange};
use crate::functions::Function;
use crate::typing::Problem;
use crate::typing::arguments::{Argument, absent, type_of};
use crate::typing::explain::{described, listed, named, quoted};
use crate::typing::known::Known;
use crate::typing::paths::fields;
use crate::typing::shape::{self, KindSet, NumberClass};
use crate::typing::walk::Checker;

/// How the result of a function follows from its arguments. Where nothing else is said, the result
/// may be missing if the first argument may be.
#[derive(Debug, Clone, Copy)]
enum Rule {
    /// A text.
    Text,
    /// The text, changed in the same way whatever it is.
    SameText(fn(&str) -> String),
    /// The text itself, or the text of another value.
    String,
    /// A text; a date-time where no picture says otherwise, after so many arguments.
    Instant(usize),
    /// One of the kinds of values.
    TypeName,
    /// An integer.
    Int,
    /// An integer that is always there.
    Count,
    /// A number of which nothing else is known.
    Number,
    /// The number that a value is read as.
    ToNumber,
    /// A number of the argument's class.
    SameNumber,
    Round,
    Power,
    Sum,
    Average,
    /// The least or greatest item.
    Extreme,
    /// A boolean.
    Bool,
    /// A boolean that is always there.
    Exists,
    Split,
    Match,
    Map,
    Filter,
    Single,
    Reduce,
    Each,
    Sift,
    Sort,
    /// A list of the same items.
    SameItems,
    Distinct,
    Append,
    Zip,
    Keys,
    Lookup,
    Spread,
    Merge,
    /// The argument itself.
    Same,
    /// It never returns.
    Never,
    /// It gives nothing.
    Nothing,
    /// Nothing is known.
    Any,
}

/// The rule of each function.
const RULES: &[(&str, Rule)] = &[
    ("string", Rule::String),
    ("substring", Rule::Text),
    ("substringBefore", Rule::Text),
    ("substringAfter", Rule::Text),
    ("uppercase", Rule::SameText(|text| text.to_uppercase())),
    ("lowercase", Rule::SameText(|text| text.to_lowercase())),
    ("trim", Rule::Text),
    ("pad", Rule::Text),
    ("join", Rule::Text),
    ("replace", Rule::Text),
    ("formatNumber", Rule::Text),
    ("formatBase", Rule::Text),
    ("formatInteger", Rule::Text),
    ("base64encode", Rule::Text),
    ("base64decode", Rule::Text),
    ("encodeUrlComponent", Rule::Text),
    ("encodeUrl", Rule::Text),
    ("decodeUrlComponent", Rule::Text),
    ("decodeUrl", Rule::Text),
    ("now", Rule::Instant(0)),
    ("fromMillis", Rule::Instant(1)),
    ("type", Rule::TypeName),
    ("length", Rule::Int),
    ("parseInteger", Rule::Int),
    ("toMillis", Rule::Int),
    ("floor", Rule::Int),
    ("ceil", Rule::Int),
    ("count", Rule::Count),
    ("millis", Rule::Count),
    ("sqrt", Rule::Number),
    ("random", Rule::Number),
    ("number", Rule::ToNumber),
    ("abs", Rule::SameNumber),
    ("round", Rule::Round),
    ("power", Rule::Power),
    ("sum", Rule::Sum),
    ("average", Rule::Average),
    ("max", Rule::Extreme),
    ("min", Rule::Extreme),
    ("boolean", Rule::Bool),
    ("not", Rule::Bool),
    ("contains", Rule::Bool),
    ("exists", Rule::Exists),
    ("split", Rule::Split),
    ("match", Rule::Match),
    ("map", Rule::Map),
    ("filter", Rule::Filter),
    ("single", Rule::Single),
    ("reduce", Rule::Reduce),
    ("each", Rule::Each),
    ("sift", Rule::Sift),
    ("sort", Rule::Sort),
    ("reverse", Rule::SameItems),
    ("shuffle", Rule::SameItems),
    ("distinct", Rule::Distinct),
    ("append", Rule::Append),
    ("zip", Rule::Zip),
    ("keys", Rule::Keys),
    ("lookup", Rule::Lookup),
    ("spread", Rule::Spread),
    ("merge", Rule::Merge),
    ("clone", Rule::Same),
    ("error", Rule::Never),
    ("assert", Rule::Nothing),
    ("eval", Rule::Any),
];

/// Returns whether there is a rule for a function.
#[cfg(test)]
pub(super) fn has_rule(name: &str) -> bool {
    RULES.iter().any(|(own, _)| *own == name)
}

impl<'e> Checker<'e, '_> {
    /// Returns what a function gives for these arguments, which fit it.
    pub fn result(
        &mut self,
        range: TextRange,
        function: &Function,
        arguments: &[Argument<'e>],
    ) -> Known<'e> {
        let rule = RULES.iter().find(|(name, _)| *name == function.name);
        let rule = rule.map_or(Rule::Any, |(_, rule)| *rule);
        let optional = absent(arguments);
        let first = type_of(arguments, 0);
        match rule {
            Rule::Text => Known::maybe(Type::text(), optional),
            Rule::SameText(change) => Known::maybe(same_text(&first, change), optional),
            Rule::String => Known::maybe(string_of(&first), optional),
            Rule::Instant(count) if arguments.len() <= count => {
                Known::maybe(Type::text_with(TextFormat::DateTime), optional)
            }
            Rule::Instant(count) => Known::maybe(Type::text(), count > 0 && optional),
            Rule::TypeName => Known::maybe(type_names(), optional),
            Rule::Int => Known::maybe(Type::int(), optional),
            Rule::Count => Known::of(Type::int()),
            Rule::Number => Known::number(optional),
            Rule::Bool => Known::maybe(Type::bool(), optional),
            Rule::Exists => Known::of(Type::bool()),
            Rule::ToNumber
            | Rule::SameNumber
            | Rule::Round
            | Rule::Power
            | Rule::Sum
            | Rule::Average
            | Rule::Extreme => number(rule, arguments),
            Rule::Same => arguments.first().map_or_else(Known::any, |argument| Known {
                place: None,
                ..argument.known.clone()
            }),
            Rule::Never => Known::of(Type::never()),
            Rule::Nothing => Known::missing(),
            Rule::Any => Known::any(),
            Rule::Lookup => self.lookup(arguments),
            Rule::Merge => self.merge(arguments),
            Rule::Sift => self.sift(arguments),
            Rule::Single => self.single(arguments),
            Rule::Reduce => self.reduce(arguments),
            Rule::Split => Known::maybe(Type::list(Type::text()), optional),
            Rule::Zip => Known::of(Type::list(Type::list(Type::any()))),
            Rule::Distinct if !shape::items(&first).many => Known::maybe(first, optional),
            Rule::Match
            | Rule::Map
            | Rule::Filter
            | Rule::Each
            | Rule::Sort
            | Rule::SameItems
            | Rule::Distinct
            | Rule::Append
            | Rule::Keys
            | Rule::Spread => {
                let list = self.list_result(rule, arguments);
                self.keep_list(range);
                list
            }
        }
    }

    /// What gives a sequence: it is kept a list, so that it is never missing.
    fn list_result(&mut self, rule: Rule, arguments: &[Argument<'e>]) -> Known<'e> {
        let first = type_of(arguments, 0);
        let item = shape::items(&first).item;
        let list = Known::of(first.clone());
        let position = Known::of(Type::int());
        match rule {
            Rule::Match => Known::of(Type::list(match_type())),
            Rule::Keys => Known::of(Type::list(Type::text())),
            Rule::Spread => {
                let value = record_values(&item);
                Known::of(Type::list(Type::new(Kind::Map(Arc::new(value)))))
            }
            Rule::Append => {
                let second = shape::items(&type_of(arguments, 1)).item;
                Known::of(shape::list_of(shape::join(&item, &second)))
            }
            Rule::Map => {
                let given = [Known::of(item), position, list];
                let result = match arguments.get(1) {
                    Some(function) => self.call_argument(function, &given),
                    None => Known::any(),
                };
                let ty = shape::list_of(result.shown_type());
                let place = result.place.map(|part| {
                    let range = part.range;
                    Arc::new(crate::typing::known::Place {
                        range,
                        parts: vec![(None, part)],
                    })
                });
                Known {
                    place,
                    ..Known::of(ty)
                }
            }
            Rule::Filter => {
                let item = self.passing(arguments, item);
                Known::of(shape::list_of(item))
            }
            Rule::Each => {
                let value = Known::of(record_values(&item));
                let given = [value, Known::of(Type::text()), list];
                let result = match arguments.get(1) {
                    Some(function) => self.call_argument(function, &given),
                    None => Known::any(),
                };
                Known::of(shape::list_of(result.shown_type()))
            }
            Rule::Sort => {
                if let Some(function) = arguments.get(1) {
                    let given = [Known::of(item.clone()), Known::of(item.clone())];
                    self.call_argument(function, &given);
                } else {
                    self.check_sortable(arguments, &item);
                }
                Known::of(shape::list_of(item))
            }
            _ => Known::of(Type::list(item)),
        }
    }

    /// Without a function, only numbers or texts have an order.
    fn check_sortable(&mut self, arguments: &[Argument<'e>], item: &Type) {
        let set = shape::kinds(item);
        let sortable = KindSet::NUMBER.with(KindSet::TEXT).with(KindSet::UNKNOWN);
        let Some(expr) = arguments.first().and_then(|own| own.expr) else {
            return;
        };
        if !set.is_empty() && !set.has(sortable) {
            let what = described(item);
            let message = format!("`$sort` knows no order of items each of which is {what}");
            let help = "say it by a function: `function($a, $b) { $a.name > $b.name }`".to_owned();
            self.tell_wrong_kind(expr, message, help);
        }
    }

    /// Returns what the items are that a function lets pass.
    fn passing(&mut self, arguments: &[Argument<'e>], item: Type) -> Type {
        let Some(function) = arguments.get(1) else {
            return item;
        };
        let given = [
            Known::of(item.clone()),
            Known::of(Type::int()),
            Known::of(type_of(arguments, 0)),
        ];
        self.call_argument(function, &given);
        let Some(ExprKind::Lambda(lambda)) = function.expr.map(|expr| &expr.kind) else {
            return item;
        };
        let Some(parameter) = lambda.parameters.first() else {
            return item;
        };
        let mark = self.scope.variables.len();
        let [first, ..] = given;
        self.scope.bind(&parameter.name, first);
        let narrowed = self.where_it(&lambda.body, true, |checker| {
            let own = checker.scope.variable(&parameter.name);
            own.map(|known| known.ty.clone())
        });
        self.scope.variables.truncate(mark);
        narrowed.unwrap_or(item)
    }

    fn single(&mut self, arguments: &[Argument<'e>]) -> Known<'e> {
        let item = shape::items(&type_of(arguments, 0)).item;
        let item = self.passing(arguments, item);
        Known::maybe(item, absent(arguments))
    }

    fn sift(&mut self, arguments: &[Argument<'e>]) -> Known<'e> {
        let first = type_of(arguments, 0);
        if let Some(function) = arguments.get(1) {
            let value = Known::of(record_values(&first));
            let given = [value, Known::of(Type::text()), Known::of(first.clone())];
            self.call_argument(function, &given);
        }
        let all = shape::alternatives(&first);
        let ty = match all.of.as_slice() {
            [one] => match &one.kind {
                Kind::Record(record) => Type::new(Kind::Record(Arc::new(RecordType {
                    fields: record
                        .fields
                        .iter()
                        .map(|field| Field {
                            required: false,
                            ..field.clone()
                        })
                        .collect(),
                    rest: record.rest.clone(),
                }))),
                Kind::Map(_) => one.clone(),
                _ => Type::any(),
            },
            _ => Type::any(),
        };
        // A record of which nothing is left is missing.
        Known::maybe(ty.clone(), !ty.is_any())
    }

    /// What is gone over is typed until the type of the result no longer grows; at most twice.
    fn reduce(&mut self, arguments: &[Argument<'e>]) -> Known<'e> {
        let [list, function, rest @ ..] = arguments else {
            return Known::any();
        };
        let items = shape::items(&list.known.shown_type());
        let initial = match rest.first() {
            Some(argument) => argument.known.clone(),
            None => Known::of(items.item.clone()),
        };
        let mut given = [
            Known::any(),
            Known::of(items.item),
            Known::of(Type::int()),
            Known::of(list.known.shown_type()),
        ];
        let mut so_far = initial.shown_type();
        let mut settled = false;
        if !self.in_trial() {
            for _ in 0..2 {
                given[0] = Known::of(so_far.clone());
                let next = self.trial(|checker| checker.call_argument(function, &given));
                let next = shape::join(&so_far, &without_bounds(next.shown_type()));
                settled = shape::same(&next, &so_far) && !next.is_any();
                so_far = next;
                if settled {
                    break;
                }
            }
        }
        given[0] = if settled {
            Known::of(so_far.clone())
        } else {
            Known::any()
        };
        let result = self.call_argument(function, &given);
        if !settled {
            return Known::any();
        }
        let empty = rest.is_empty();
        let optional = list.known.optional || empty || initial.optional || result.optional;
        Known::maybe(so_far, optional)
    }

    fn lookup(&mut self, arguments: &[Argument<'e>]) -> Known<'e> {
        let (first, key) = (type_of(arguments, 0), type_of(arguments, 1));
        let items = shape::items(&first);
        if shape::alternatives(&first).of.iter().any(Type::is_any) || items.many {
            return Known::any();
        }
        let optional = absent(arguments) || arguments.get(1).is_some_and(|own| own.known.optional);
        let Some(keys) = shape::values(&key) else {
            return Known::maybe(record_values(&first), !record_values(&first).is_any());
        };
        let mut ty = Type::never();
        let (mut missing, mut found_any) = (false, false);
        for key in &keys {
            let found = fields(&first, key, 0);
            missing |= found.optional || found.lacking;
            if let Some(own) = found.ty {
                ty = shape::join(&ty, &own);
                found_any = true;
            }
        }
        if !found_any {
            self.tell_unknown_key(arguments, &first, &keys);
            return Known::any();
        }
        Known::maybe(ty, optional || missing)
    }

    fn tell_unknown_key(&mut self, arguments: &[Argument<'e>], ty: &Type, keys: &[Arc<str>]) {
        let (Some(expr), [key]) = (arguments.get(1).and_then(|own| own.expr), keys) else {
            return;
        };
        let all = shape::alternatives(ty);
        let mut names = Vec::new();
        for one in &all.of {
            if let Kind::Record(record) = &one.kind {
                names.extend(record.fields.iter().map(|field| field.name.as_str()));
            }
        }
        if names.is_empty() {
            return;
        }
        let message = format!("there is no field `{key}` in {}", named(ty));
        let mut problem = Problem::error(expr.range, codes::UNKNOWN_PATH, message)
            .with_label("no such field")
            .with_note(format!("its fields are {}", listed(&names)));
        if let Some(near) = did_you_mean(key, names.iter().copied()) {
            let text = quoted(near);
            problem = problem.with_help(format!("did you mean {text}?")).with_fix(
                format!("write {text}"),
                expr.range,
                text,
            );
        }
        self.tell(problem);
    }

    fn merge(&mut self, arguments: &[Argument<'e>]) -> Known<'e> {
        let Some(argument) = arguments.first() else {
            return Known::any();
        };
        let optional = argument.known.optional;
        let parts = match argument.expr.map(|expr| &expr.kind) {
            Some(ExprKind::Array(_)) => self.items_of_array(argument.expr),
            _ => vec![(argument.known.shown_type(), false)],
        };
        let mut merged = RecordType::default();
        for (ty, absent) in parts {
            if !merge_part(&mut merged, &ty, absent) {
                return Known::maybe(Type::open_record(), optional);
            }
        }
        let ty = Type::new(Kind::Record(Arc::new(merged)));
        Known::maybe(ty, optional)
    }
}

/// Adds what a part has to a merged record; returns whether its fields are known.
fn merge_part(merged: &mut RecordType, ty: &Type, absent: bool) -> bool {
    let items = shape::items(ty);
    let all = shape::alternatives(&items.item);
    let certain = !absent && !items.many && !all.nullable && all.of.len() == 1;
    for one in &all.of {
        let Kind::Record(record) = &one.kind else {
            return false;
        };
        if record.rest.as_ref().is_some_and(Type::is_any) && record.fields.is_empty() {
            return false;
        }
        for field in &record.fields {
            let required = field.required && certain;
            match merged.fields.iter_mut().find(|own| own.name == field.name) {
                Some(own) if required => {
                    own.ty = field.ty.clone();
                    own.required = true;
                }
                Some(own) => own.ty = shape::join(&own.ty, &field.ty),
                None => merged.fields.push(Field {
                    required,
                    ..field.clone()
                }),
            }
        }
        if merged.rest.is_none() {
            merged.rest = record.rest.clone();
        }
    }
    true
}

fn number<'e>(rule: Rule, arguments: &[Argument<'e>]) -> Known<'e> {
    let optional = absent(arguments);
    let Some(first) = arguments.first() else {
        return Known::number(false);
    };
    let ty = &first.known.ty;
    if first.known.loose && !matches!(rule, Rule::Round) {
        return Known::number(optional);
    }
    let (class, empty) = match rule {
        Rule::Sum | Rule::Average | Rule::Extreme => {
            let item = shape::items(ty).item;
            let class = match item.kind {
                Kind::Never => NumberClass::Int,
                _ => shape::number_class(&item),
            };
            (class, may_be_empty(ty))
        }
        _ => (shape::number_class(ty), false),
    };
    let of = |class: NumberClass, optional: bool| match class {
        NumberClass::Int => Known::maybe(Type::int(), optional),
        NumberClass::Decimal => Known::maybe(Type::decimal(), optional),
        NumberClass::Float => Known::maybe(Type::float(), optional),
        NumberClass::Unknown => Known::number(optional),
    };
    match rule {
        Rule::ToNumber => {
            let bools = shape::kinds(ty) == KindSet::BOOL;
            of(if bools { NumberClass::Int } else { class }, optional)
        }
        Rule::Average if class == NumberClass::Int => {
            Known::maybe(Type::decimal(), optional || empty)
        }
        Rule::Average | Rule::Extreme => of(class, optional || empty),
        Rule::Round => {
            let exact = !first.known.loose;
            round(
                class,
                exact,
                arguments.get(1).and_then(|own| own.expr),
                arguments.len(),
                optional,
            )
        }
        Rule::Power => {
            let exponent = arguments
                .get(1)
                .and_then(|own| own.expr)
                .map(|expr| &expr.kind);
            match (class, exponent) {
                (NumberClass::Int, Some(ExprKind::Literal(Value::Int(0..)))) => {
                    of(NumberClass::Int, optional)
                }
                _ => Known::number(optional),
            }
        }
        _ => of(class, optional),
    }
}

fn round<'e>(
    class: NumberClass,
    exact: bool,
    digits: Option<&Expr>,
    count: usize,
    optional: bool,
) -> Known<'e> {
    let digits = match digits.map(|expr| &expr.kind) {
        Some(ExprKind::Literal(Value::Int(digits))) => Some(*digits),
        _ => None,
    };
    match (class, digits) {
        _ if count < 2 => Known::maybe(Type::int(), optional),
        (NumberClass::Int, _) => Known::maybe(Type::int(), optional),
        (NumberClass::Float, _) => Known::maybe(Type::float(), optional),
        (NumberClass::Decimal, digits) if exact => {
            let bounds = Bounds {
                scale: digits.and_then(|digits| u32::try_from(digits).ok()),
                ..Bounds::default()
            };
            Known::maybe(Type::new(Kind::Decimal(bounds)), optional)
        }
        _ => Known::number(optional),
    }
}

/// Returns whether a list may have no item.
fn may_be_empty(ty: &Type) -> bool {
    shape::alternatives(ty)
        .of
        .iter()
        .any(|one| match &one.kind {
            Kind::List(list) => list.length_min == 0,
            _ => false,
        })
}

/// Returns a number's type without its bounds: what is computed again and again leaves them.
fn without_bounds(ty: Type) -> Type {
    match ty.kind {
        Kind::Int(_) => Type::int(),
        Kind::Decimal(_) => Type::decimal(),
        Kind::Float(_) => Type::float(),
        _ => ty,
    }
}

fn same_text(ty: &Type, change: fn(&str) -> String) -> Type {
    match shape::values(ty) {
        Some(values) => shape::text_of(values.iter().map(|value| change(value).into())),
        None => Type::text(),
    }
}

fn string_of(ty: &Type) -> Type {
    let all = shape::alternatives(ty);
    match all.of.as_slice() {
        [one] if matches!(one.kind, Kind::Text(_)) && !all.nullable => one.clone(),
        _ => Type::text(),
    }
}

fn type_names() -> Type {
    let names = [
        "null", "number", "string", "boolean", "array", "object", "function",
    ];
    shape::text_of(names.into_iter().map(Arc::from))
}

/// What `$match` gives for each match.
fn match_type() -> Type {
    let field = |name: &str, ty: Type| Field {
        name: Name::new(name),
        ty,
        required: true,
    };
    Type::record(vec![
        field("match", Type::new(Kind::Text(TextType::default()))),
        field("index", Type::int()),
        field("groups", Type::list(Type::text())),
    ])
}

/// Returns the type of all values of a record; any if there may be others.
fn record_values(ty: &Type) -> Type {
    let mut all = Type::never();
    for one in shape::alternatives(ty).of {
        match &one.kind {
            Kind::Record(record) => {
                for field in &record.fields {
                    all = shape::join(&all, &field.ty);
                }
                if let Some(rest) = &record.rest {
                    all = shape::join(&all, rest);
                }
            }
            Kind::Map(value) => all = shape::join(&all, value),
            _ => return Type::any(),
        }
    }
    all
}
