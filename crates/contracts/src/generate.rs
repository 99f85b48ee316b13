//! Values of a type, from a seed: what mocks answer and tests send.
//!
//! The same type and seed give the same value, on every machine. A value meets all constraints that
//! the validator checks. Two cases have no such value or none that is found: a type without finite
//! values (a record that requires itself; what is generated stops with null there), and a text
//! whose pattern, format and lengths together are met by no draw (a text that keeps to as many of
//! them as possible, the pattern first).

use rust_decimal::Decimal;
use sluice_model::types::{Kind, Type};
use sluice_model::value::{Key, Record, Text, Value};

use crate::validate::{Check, Id, RecordCheck, UnionCheck, Validator};

mod number;
#[cfg(test)]
mod tests;
mod text;

/// How deep values grow before only what is required is generated.
const DEPTH_FULL: usize = 6;
/// How deep values grow at all.
const DEPTH_MAX: usize = 64;
/// How many parts a value has before only what is required is generated.
const PARTS_FULL: usize = 2_000;
/// How many parts a value has at all; lists that must be longer are cut.
const PARTS_MAX: usize = 100_000;
/// How often an item is drawn anew where the items of a list must differ.
const DRAWS_MAX: usize = 50;

/// Whether examples and defaults of the contract are taken where there are some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Examples {
    /// They are, where they are values of their type.
    Prefer,
    /// Everything is generated.
    Ignore,
}

/// Returns a value of the type. Seed 0 gives every optional field and no null; other seeds leave
/// some out. Examples of the contract come first.
pub fn generate(ty: &Type, seed: u64) -> Value<'static> {
    Generator::new(ty, Examples::Prefer).generate(seed)
}

/// A type made ready to generate values.
#[derive(Debug, Clone)]
pub struct Generator {
    validator: Validator,
    /// The type of each node of the validator, references followed.
    types: Vec<Type>,
    /// The example or default of each node, if it is one of its values.
    examples: Vec<Option<Value<'static>>>,
    /// How deep the smallest value of each node is; `u32::MAX` if it has no finite one.
    heights: Vec<u32>,
}

impl Generator {
    /// Compiles a type. References are followed now: the contract may be dropped afterwards.
    pub fn new(ty: &Type, examples: Examples) -> Self {
        let (validator, types) = Validator::with_types(ty);
        let heights = heights(&validator);
        let examples = types.iter().enumerate().map(|(id, ty)| match examples {
            Examples::Prefer => example(&validator, id, ty),
            Examples::Ignore => None,
        });
        Self {
            examples: examples.collect(),
            validator,
            types,
            heights,
        }
    }

    /// Puts the first of these that is a value of the type before all that is generated: the
    /// examples of a body, which stand beside its type.
    pub fn with_examples(mut self, examples: &[Value<'static>]) -> Self {
        let valid = |value: &&Value<'static>| self.validator.accepts(0, value);
        if let Some(example) = examples.iter().find(valid) {
            self.examples[0] = Some(example.clone());
        }
        self
    }

    /// Returns the value that belongs to the seed.
    pub fn generate(&self, seed: u64) -> Value<'static> {
        let mut draw = Draw {
            random: Random::new(seed),
            seed,
            parts: 0,
        };
        self.value(0, 0, &mut draw)
    }

    /// Returns the validator of the same type.
    pub fn validator(&self) -> &Validator {
        &self.validator
    }

    fn value(&self, id: Id, depth: usize, draw: &mut Draw) -> Value<'static> {
        match &self.examples[id] {
            Some(example) => example.clone(),
            None => self.fresh(id, depth, draw),
        }
    }

    fn fresh(&self, id: Id, depth: usize, draw: &mut Draw) -> Value<'static> {
        draw.parts += 1;
        let sparse = DEPTH_FULL < depth || PARTS_FULL < draw.parts;
        let node = self.validator.node(id);
        if DEPTH_MAX < depth || (node.nullable && (sparse || draw.seldom(8))) {
            return Value::Null;
        }
        match &node.check {
            Check::Any => Value::text("anything"),
            Check::Never | Check::Null => Value::Null,
            Check::Bool => Value::Bool(draw.random.below(2) == 0),
            Check::Number(_) => number::draw(&self.types[id].kind, &mut draw.random),
            Check::Text(_) => self.text(id, draw),
            Check::Bytes => {
                let count = draw.random.between(4, 16);
                Value::Bytes((0..count).map(|_| draw.random.next() as u8).collect())
            }
            Check::List { .. } => self.list(id, depth, sparse, draw),
            Check::Map(item) => self.map(*item, depth, sparse, draw),
            Check::Record(record) => self.record(record, depth, sparse, draw),
            Check::Union(union) => self.union(id, union, depth, sparse, draw),
        }
    }

    fn text(&self, id: Id, draw: &mut Draw) -> Value<'static> {
        let Check::Text(check) = &self.validator.node(id).check else {
            return Value::Null;
        };
        let fits = |text: &str| self.validator.accepts(id, &Value::from(text));
        Value::text(Text::from(text::draw(check, &mut draw.random, &fits)))
    }

    fn list(&self, id: Id, depth: usize, sparse: bool, draw: &mut Draw) -> Value<'static> {
        let Check::List {
            item,
            length_min,
            length_max,
            unique,
        } = &self.validator.node(id).check
        else {
            return Value::Null;
        };
        let most = length_max.unwrap_or(u64::MAX);
        let count = match sparse {
            true => *length_min,
            false if draw.seed == 0 => (*length_min).max(2).min(most),
            false => {
                let high = length_min.saturating_add(3).min(most);
                draw.random.between(*length_min, high.max(*length_min))
            }
        };
        // A list whose items have no finite value stays empty.
        let count = if self.heights[*item] == u32::MAX {
            *length_min
        } else {
            count
        };
        let mut items: Vec<Value<'static>> = Vec::new();
        for _ in 0..count {
            if PARTS_MAX < draw.parts {
                break;
            }
            let mut one = self.value(*item, depth + 1, draw);
            if *unique {
                let mut draws = 0;
                while items.contains(&one) && draws < DRAWS_MAX {
                    one = self.fresh(*item, depth + 1, draw);
                    draws += 1;
                }
                if items.contains(&one) {
                    continue;
                }
            }
            items.push(one);
        }
        Value::List(items)
    }

    fn map(&self, item: Id, depth: usize, sparse: bool, draw: &mut Draw) -> Value<'static> {
        let mut record = Record::default();
        let count = if sparse || self.heights[item] == u32::MAX {
            0
        } else {
            2
        };
        for i in 1..=count {
            let key = Key::Text(Text::from(format!("key{i}")));
            record.push(key, self.value(item, depth + 1, draw));
        }
        Value::Record(record)
    }

    fn record(
        &self,
        check: &RecordCheck,
        depth: usize,
        sparse: bool,
        draw: &mut Draw,
    ) -> Value<'static> {
        let mut record = Record::with_capacity(check.fields.len());
        for field in &check.fields {
            let endless = self.heights[field.node] == u32::MAX;
            if !field.required && (sparse || endless || draw.seldom(4)) {
                continue;
            }
            record.push(field.name, self.value(field.node, depth + 1, draw));
        }
        Value::Record(record)
    }

    fn union(
        &self,
        id: Id,
        check: &UnionCheck,
        depth: usize,
        sparse: bool,
        draw: &mut Draw,
    ) -> Value<'static> {
        let mut order: Vec<Id> = check.of.clone();
        if sparse {
            order.sort_by_key(|one| self.heights[*one]);
        } else {
            let first = draw.random.below(order.len() as u64) as usize;
            order.rotate_left(first);
            order.sort_by_key(|one| self.heights[*one] == u32::MAX);
        }
        let mut last = Value::Null;
        for one in order {
            last = self.value(one, depth, draw);
            if let (Some((field, mapping)), Value::Record(record)) =
                (&check.discriminator, &mut last)
            {
                let text = mapping
                    .iter()
                    .find(|(_, to)| *to == one)
                    .map(|(text, _)| text);
                if let Some(text) = text {
                    let before = record.clone();
                    record.insert(*field, Value::text(Text::from(&**text)));
                    if !self.validator.accepts(one, &last) {
                        last = Value::Record(before);
                    }
                }
            }
            if self.validator.accepts(id, &last) {
                return last;
            }
        }
        last
    }
}

/// Returns the example or default of a type, if it is one of its values.
fn example(validator: &Validator, id: Id, ty: &Type) -> Option<Value<'static>> {
    let meta = ty.meta.as_ref()?;
    let own = [meta.example.as_ref(), meta.default.as_ref()];
    let mut known = own.into_iter().flatten();
    known.find(|value| validator.accepts(id, value)).cloned()
}

/// Returns how deep the smallest value of each node is.
fn heights(validator: &Validator) -> Vec<u32> {
    let count = validator.len();
    let mut heights = vec![u32::MAX; count];
    for _ in 0..count {
        let mut changed = false;
        // Nodes come before what they hold: backwards, most heights are known after one round.
        for id in (0..count).rev() {
            let node = validator.node(id);
            let above = |height: u32| height.saturating_add(1);
            let height = match &node.check {
                _ if node.nullable => 0,
                Check::Never => u32::MAX,
                Check::List {
                    item, length_min, ..
                } if 0 < *length_min => above(heights[*item]),
                Check::Record(record) => {
                    let required = record.fields.iter().filter(|field| field.required);
                    required
                        .map(|field| above(heights[field.node]))
                        .max()
                        .unwrap_or(0)
                }
                Check::Union(union) => union
                    .of
                    .iter()
                    .map(|one| heights[*one])
                    .min()
                    .unwrap_or(u32::MAX),
                Check::Any
                | Check::Null
                | Check::Bool
                | Check::Number(_)
                | Check::Text(_)
                | Check::Bytes
                | Check::Map(_)
                | Check::List { .. } => 0,
            };
            changed |= height != heights[id];
            heights[id] = height;
        }
        if !changed {
            break;
        }
    }
    heights
}

struct Draw {
    random: Random,
    seed: u64,
    parts: usize,
}

impl Draw {
    /// Returns true once in `times`; never for seed 0, which gives full values.
    fn seldom(&mut self, times: u64) -> bool {
        self.seed != 0 && self.random.below(times) == 0
    }
}

/// A small deterministic generator: SplitMix64.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x5bd1_e995_9d1d_27a3)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Returns a number below `end`; 0 where `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 {
            return 0;
        }
        self.next() % end
    }

    /// Returns a number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        match high.saturating_sub(low).checked_add(1) {
            Some(width) => low + self.below(width),
            None => self.next(),
        }
    }

    pub fn letter(&mut self) -> char {
        char::from(b'a' + self.below(26) as u8)
    }
}

/// Returns a type's bounds if it is one of numbers, and the step that its values go by.
fn numeric(kind: &Kind) -> Option<(sluice_model::types::Bounds, Decimal)> {
    match kind {
        Kind::Int(bounds) => Some((*bounds, Decimal::ONE)),
        Kind::Decimal(bounds) | Kind::Float(bounds) => {
            let places = bounds.scale.unwrap_or(2).min(2);
            Some((*bounds, Decimal::new(1, places)))
        }
        _ => None,
    }
}
