//! Whether a value is one of a type's values: at run time, with texts fit for API callers.
//!
//! A [`Validator`] is compiled once from a type: references are resolved, patterns compiled,
//! alternatives told apart by a field where that is possible. Checking a valid value allocates
//! nothing, except for a long list whose items must differ.

use std::borrow::Cow;

use sluice_model::fault::Detail;
use sluice_model::finding::did_you_mean;
use sluice_model::types::{TextFormat, Type};
use sluice_model::value::{Name, Record, Value};

use crate::format;
use crate::pattern::Pattern;
use crate::validate::number::Range;

mod compile;
mod number;
#[cfg(test)]
mod tests;
mod unique;

/// How many details are given for one value, unless the caller says otherwise.
pub const DETAILS_MAX: usize = 20;
/// How deep a value is checked; what is deeper is refused.
const DEPTH_MAX: usize = 256;
/// How many single checks one value may take: alternatives within alternatives would otherwise
/// cost exponentially.
const STEPS_MAX: u64 = 4_000_000;
/// How many listed values a message names.
const LISTED_MAX: usize = 10;

/// Returns what is wrong with a value, at most [`DETAILS_MAX`] details; none if it is one of the
/// type's values. Where many values of one type are checked, a [`Validator`] is far faster.
pub fn validate(ty: &Type, value: &Value<'_>) -> Vec<Detail> {
    Validator::new(ty).validate(value)
}

/// A type made ready to check values.
#[derive(Debug, Clone)]
pub struct Validator {
    /// The checks; the first one is the type itself.
    nodes: Vec<Node>,
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub nullable: bool,
    pub check: Check,
}

/// The index of a node.
pub(crate) type Id = usize;

#[derive(Debug, Clone)]
pub(crate) enum Check {
    Any,
    Never,
    Null,
    Bool,
    Number(Range),
    Text(Box<TextCheck>),
    Bytes,
    List {
        item: Id,
        length_min: u64,
        length_max: Option<u64>,
        unique: bool,
    },
    Map(Id),
    Record(Box<RecordCheck>),
    Union(Box<UnionCheck>),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct TextCheck {
    pub format: Option<TextFormat>,
    /// In the contract's order, for messages.
    pub values: Option<Vec<Box<str>>>,
    /// Sorted, where there are many.
    pub sorted: Option<Vec<Box<str>>>,
    pub length_min: u64,
    pub length_max: Option<u64>,
    pub pattern: Option<Pattern>,
}

#[derive(Debug, Clone)]
pub(crate) struct RecordCheck {
    pub fields: Vec<FieldCheck>,
    pub rest: Option<Id>,
}

#[derive(Debug, Clone)]
pub(crate) struct FieldCheck {
    pub name: Name,
    pub node: Id,
    pub required: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct UnionCheck {
    pub of: Vec<Id>,
    pub discriminator: Option<Told>,
}

/// A field, and the alternative that each of its texts stands for.
type Told = (Name, Vec<(Box<str>, Id)>);

impl Validator {
    /// Compiles a type. References are followed now: the contract may be dropped afterwards.
    pub fn new(ty: &Type) -> Self {
        compile::compile(ty).0
    }

    /// Compiles a type, and gives the type that each node was made of.
    pub(crate) fn with_types(ty: &Type) -> (Self, Vec<Type>) {
        compile::compile(ty)
    }

    /// Returns how many nodes there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns a node.
    pub(crate) fn node(&self, id: Id) -> &Node {
        &self.nodes[id]
    }

    /// Returns whether a value is right for a node.
    pub(crate) fn accepts(&self, id: Id, value: &Value<'_>) -> bool {
        self.is_valid_within(id, value, &mut 0)
    }

    /// Returns what is wrong with a value, at most [`DETAILS_MAX`] details.
    pub fn validate(&self, value: &Value<'_>) -> Vec<Detail> {
        self.validate_up_to(value, DETAILS_MAX)
    }

    /// Returns what is wrong with a value, at most `details_max` details.
    pub fn validate_up_to(&self, value: &Value<'_>, details_max: usize) -> Vec<Detail> {
        let mut out = Out {
            details: Vec::new(),
            details_max: details_max.max(1),
            quiet: false,
            failed: false,
            steps: 0,
        };
        self.check(0, value, &Path::ROOT, &mut out);
        out.details
    }

    /// Returns whether a value is one of the type's values.
    pub fn is_valid(&self, value: &Value<'_>) -> bool {
        self.is_valid_within(0, value, &mut 0)
    }

    fn is_valid_within(&self, node: Id, value: &Value<'_>, steps: &mut u64) -> bool {
        let mut out = Out {
            details: Vec::new(),
            details_max: 1,
            quiet: true,
            failed: false,
            steps: *steps,
        };
        self.check(node, value, &Path::ROOT, &mut out);
        *steps = out.steps;
        !out.failed
    }

    fn check(&self, id: Id, value: &Value<'_>, path: &Path<'_>, out: &mut Out) {
        let node = &self.nodes[id];
        out.steps += 1;
        if STEPS_MAX < out.steps || DEPTH_MAX < path.depth {
            return out.fail(path, || "is too large or too deep to be checked".into());
        }
        if matches!(value, Value::Null) {
            let any = matches!(node.check, Check::Any | Check::Null);
            if !node.nullable && !any {
                out.fail(path, || "must not be null".into());
            }
            return;
        }
        match &node.check {
            Check::Any => {}
            Check::Never => out.fail(path, || "is not allowed".into()),
            Check::Null => out.fail(path, || "must be null".into()),
            Check::Bool => {
                if !matches!(value, Value::Bool(_)) {
                    out.fail(path, || "must be true or false".into());
                }
            }
            Check::Number(range) => {
                if let Some(problem) = range.problem(value) {
                    out.fail(path, || Cow::Owned(problem.message(range)));
                }
            }
            Check::Text(text) => text.check(value, path, out),
            Check::Bytes => {
                if !matches!(value, Value::Bytes(_) | Value::Text(_)) {
                    out.fail(path, || "must be bytes".into());
                }
            }
            Check::List { .. } => self.check_list(&node.check, value, path, out),
            Check::Map(item) => match value {
                Value::Record(record) => self.check_rest(Some(*item), record, &[], path, out),
                _ => out.fail(path, || "must be an object".into()),
            },
            Check::Record(check) => match value {
                Value::Record(record) => self.check_record(check, record, path, out),
                _ => out.fail(path, || "must be an object".into()),
            },
            Check::Union(check) => self.check_union(check, value, path, out),
        }
    }

    fn check_list(&self, check: &Check, value: &Value<'_>, path: &Path<'_>, out: &mut Out) {
        let Check::List {
            item,
            length_min,
            length_max,
            unique,
        } = check
        else {
            return;
        };
        let Value::List(items) = value else {
            return out.fail(path, || "must be a list".into());
        };
        let length = items.len() as u64;
        if length < *length_min {
            let plural = if *length_min == 1 { "item" } else { "items" };
            out.fail(path, || {
                format!("must have at least {length_min} {plural}").into()
            });
        }
        if let Some(max) = length_max.filter(|max| *max < length) {
            let plural = if max == 1 { "item" } else { "items" };
            out.fail(path, || format!("must have at most {max} {plural}").into());
        }
        for (i, one) in items.iter().enumerate() {
            if out.stopped() {
                return;
            }
            self.check(*item, one, &path.item(i), out);
        }
        if *unique && let Some((first, second)) = unique::first_twins(items) {
            out.fail(&path.item(second), || {
                format!("must differ from item {first}").into()
            });
        }
    }

    fn check_record(
        &self,
        check: &RecordCheck,
        record: &Record<'_>,
        path: &Path<'_>,
        out: &mut Out,
    ) {
        let fields = record.iter().as_slice();
        // Fields mostly come in the contract's order: the next one is looked at first.
        let mut next = 0;
        let mut found = 0;
        for field in &check.fields {
            if out.stopped() {
                return;
            }
            let at = match fields.get(next) {
                Some((key, _)) if key.is(field.name) => Some(next),
                _ => fields.iter().position(|(key, _)| key.is(field.name)),
            };
            match at {
                Some(at) => {
                    next = at + 1;
                    found += 1;
                    let path = path.field(field.name.as_str());
                    self.check(field.node, &fields[at].1, &path, out);
                }
                None if field.required => {
                    out.fail(&path.field(field.name.as_str()), || "is required".into());
                }
                None => {}
            }
        }
        let any = check
            .rest
            .is_some_and(|rest| matches!(self.nodes[rest].check, Check::Any));
        if found < fields.len() && !any {
            self.check_rest(check.rest, record, &check.fields, path, out);
        }
    }

    /// Checks the fields that are not declared.
    fn check_rest(
        &self,
        rest: Option<Id>,
        record: &Record<'_>,
        declared: &[FieldCheck],
        path: &Path<'_>,
        out: &mut Out,
    ) {
        for (key, value) in record {
            if out.stopped() {
                return;
            }
            if declared.iter().any(|field| key.is(field.name)) {
                continue;
            }
            let path = path.field(key.as_str());
            match rest {
                Some(rest) => self.check(rest, value, &path, out),
                None => out.fail(&path, || {
                    let names = declared.iter().map(|field| field.name.as_str());
                    match did_you_mean(key.as_str(), names) {
                        Some(near) => format!("is not allowed; did you mean `{near}`?").into(),
                        None => "is not allowed".into(),
                    }
                }),
            }
        }
    }

    fn check_union(&self, check: &UnionCheck, value: &Value<'_>, path: &Path<'_>, out: &mut Out) {
        let told = match (&check.discriminator, value) {
            (Some((field, _)), Value::Record(record)) => record.get(*field),
            _ => None,
        };
        if let (Some((_, mapping)), Some(Value::Text(text))) = (&check.discriminator, told)
            && let Some((_, id)) = mapping.iter().find(|(own, _)| **own == *text.as_str())
        {
            return self.check(*id, value, path, out);
        }
        let candidate = |id: &Id| self.takes(*id, value);
        for id in check.of.iter().copied().filter(candidate) {
            if self.is_valid_within(id, value, &mut out.steps) {
                return;
            }
        }
        if out.quiet {
            return out.fail(path, || "".into());
        }
        if let Some(listed) = self.listed(check) {
            return out.fail(path, || listed.into());
        }
        let Some(mut details) = self.nearest(check, value, path, out) else {
            let mut kinds: Vec<&str> = check.of.iter().map(|id| self.kind(*id)).collect();
            kinds.dedup();
            return out.fail(path, || format!("must be {}", kinds.join(" or ")).into());
        };
        if let Some((field, mapping)) = &check.discriminator {
            let path = path.field(field.as_str());
            if told.is_some() {
                let texts = mapping.iter().map(|(text, _)| &**text);
                return out.fail(&path, || one_of(texts).into());
            }
            // Which alternative is meant cannot be known: what else is wrong with it neither.
            let pointer = path.pointer();
            if details.iter().any(|detail| detail.pointer == pointer) {
                details.retain(|detail| detail.pointer == pointer);
            }
        }
        out.details.extend(details);
        out.details.truncate(out.details_max);
        out.failed = true;
    }

    /// Returns what is wrong by the alternative with the fewest mistakes, which is the one that was
    /// probably meant; `None` if none takes values of this kind.
    fn nearest(
        &self,
        check: &UnionCheck,
        value: &Value<'_>,
        path: &Path<'_>,
        out: &mut Out,
    ) -> Option<Vec<Detail>> {
        let candidates = check.of.iter().copied();
        let attempts = candidates.filter(|id| self.takes(*id, value)).map(|id| {
            let mut attempt = Out {
                details: Vec::new(),
                details_max: DETAILS_MAX,
                quiet: false,
                failed: false,
                steps: out.steps,
            };
            self.check(id, value, path, &mut attempt);
            out.steps = attempt.steps;
            attempt.details
        });
        attempts.min_by_key(Vec::len)
    }

    /// Returns the message of a union of single numbers and listed texts.
    fn listed(&self, check: &UnionCheck) -> Option<String> {
        let mut texts = Vec::new();
        for id in &check.of {
            match &self.nodes[*id].check {
                Check::Number(range) => texts.push(range.single()?.to_string()),
                Check::Text(text) => {
                    let values = text.values.as_ref()?;
                    texts.extend(values.iter().map(|value| value.to_string()));
                }
                _ => return None,
            }
        }
        Some(one_of(texts.iter().map(String::as_str)))
    }

    /// Returns whether the kind of a value is one that the node takes.
    fn takes(&self, id: Id, value: &Value<'_>) -> bool {
        match &self.nodes[id].check {
            Check::Any | Check::Union(_) => true,
            Check::Never | Check::Null => false,
            Check::Bool => matches!(value, Value::Bool(_)),
            Check::Number(_) => value.is_number(),
            Check::Text(_) | Check::Bytes => matches!(value, Value::Text(_) | Value::Bytes(_)),
            Check::List { .. } => matches!(value, Value::List(_)),
            Check::Map(_) | Check::Record(_) => matches!(value, Value::Record(_)),
        }
    }

    fn kind(&self, id: Id) -> &'static str {
        match &self.nodes[id].check {
            Check::Any | Check::Union(_) => "a value",
            Check::Never => "nothing",
            Check::Null => "null",
            Check::Bool => "true or false",
            Check::Number(range) => range.kind(),
            Check::Text(_) => "a text",
            Check::Bytes => "bytes",
            Check::List { .. } => "a list",
            Check::Map(_) | Check::Record(_) => "an object",
        }
    }
}

impl TextCheck {
    fn check(&self, value: &Value<'_>, path: &Path<'_>, out: &mut Out) {
        let text = match value {
            Value::Text(text) => text.as_str(),
            // Bytes are written as base 64.
            Value::Bytes(_) if self.format == Some(TextFormat::Base64) => return,
            _ => return out.fail(path, || "must be a text".into()),
        };
        if !self.is_listed(text) {
            let values = self.values.as_deref().unwrap_or_default();
            return out.fail(path, || one_of(values.iter().map(|value| &**value)).into());
        }
        if let Some(format) = &self.format
            && !format::matches(format, text)
        {
            return out.fail(path, || {
                format!("must be {}", format::describe(format)).into()
            });
        }
        // A character has one to four bytes: most texts need no counting.
        let (few, many) = (text.len() as u64 / 4, text.len() as u64);
        if few < self.length_min || self.length_max.is_some_and(|max| max < many) {
            let length = text.chars().count() as u64;
            let plural = |count| {
                if count == 1 {
                    "character"
                } else {
                    "characters"
                }
            };
            if length < self.length_min {
                let min = self.length_min;
                out.fail(path, || match (min, length) {
                    (1, _) => "must not be empty".into(),
                    _ => format!("must be at least {min} characters").into(),
                });
            }
            if let Some(max) = self.length_max.filter(|max| *max < length) {
                out.fail(path, || {
                    format!("must be at most {max} {}", plural(max)).into()
                });
            }
        }
        if let Some(pattern) = &self.pattern
            && !pattern.is_match(text)
        {
            out.fail(path, || {
                format!("must match the pattern {}", pattern.source()).into()
            });
        }
    }

    fn is_listed(&self, text: &str) -> bool {
        match (&self.sorted, &self.values) {
            (Some(sorted), _) => sorted.binary_search_by(|own| (**own).cmp(text)).is_ok(),
            (None, Some(values)) => values.iter().any(|own| **own == *text),
            (None, None) => true,
        }
    }
}

/// Says which values there are.
fn one_of<'t>(values: impl ExactSizeIterator<Item = &'t str>) -> String {
    let count = values.len();
    let values: Vec<&str> = values.take(LISTED_MAX).collect();
    match values.as_slice() {
        [one] => format!("must be {one}"),
        _ if LISTED_MAX < count => {
            format!("must be one of {}, … ({count} in all)", values.join(", "))
        }
        _ => format!("must be one of {}", values.join(", ")),
    }
}

/// Where in a value the check stands: a list of frames on the stack, written out on failure only.
struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    part: Part<'p>,
    depth: usize,
}

#[derive(Clone, Copy)]
enum Part<'p> {
    Root,
    Field(&'p str),
    Item(usize),
}

impl<'p> Path<'p> {
    const ROOT: Path<'static> = Path {
        parent: None,
        part: Part::Root,
        depth: 0,
    };

    fn field<'q>(&'q self, key: &'q str) -> Path<'q> {
        self.child(Part::Field(key))
    }

    fn item(&self, index: usize) -> Path<'_> {
        self.child(Part::Item(index))
    }

    fn child<'q>(&'q self, part: Part<'q>) -> Path<'q> {
        Path {
            parent: Some(self),
            part,
            depth: self.depth + 1,
        }
    }

    /// Writes the path as a JSON Pointer (RFC 6901).
    fn pointer(&self) -> String {
        let mut parts = Vec::with_capacity(self.depth);
        let mut path = Some(self);
        while let Some(own) = path {
            match own.part {
                Part::Root => {}
                Part::Field(key) => parts.push(key.replace('~', "~0").replace('/', "~1")),
                Part::Item(index) => parts.push(index.to_string()),
            }
            path = own.parent;
        }
        parts.iter().rev().map(|part| format!("/{part}")).collect()
    }
}

/// What was found so far.
struct Out {
    details: Vec<Detail>,
    details_max: usize,
    /// Whether only the verdict counts.
    quiet: bool,
    failed: bool,
    steps: u64,
}

impl Out {
    fn fail(&mut self, path: &Path<'_>, message: impl FnOnce() -> Cow<'static, str>) {
        self.failed = true;
        if !self.quiet && self.details.len() < self.details_max {
            self.details.push(Detail {
                pointer: path.pointer(),
                message: message().into_owned(),
            });
        }
    }

    fn stopped(&self) -> bool {
        if self.quiet {
            self.failed
        } else {
            self.details_max <= self.details.len() || STEPS_MAX < self.steps
        }
    }
}
