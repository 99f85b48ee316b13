//! From a type to the checks of its values.

use std::collections::HashMap;
use std::sync::Arc;

use sluice_model::types::{Kind, RecordType, TextType, Type, UnionType};

use crate::pattern::Pattern;
use crate::validate::number::{NumberKind, Range};
use crate::validate::{
    Check, FieldCheck, Id, Node, RecordCheck, TextCheck, Told, UnionCheck, Validator,
};

/// From this many listed texts on, they are searched by halves.
const SORTED_MIN: usize = 16;
/// How many nodes one validator may have; what is beyond is not checked.
const NODES_MAX: usize = 1_000_000;

/// Compiles a type: a work list instead of recursion, since a contract may chain thousands of
/// types to each other.
pub(super) fn compile(ty: &Type) -> (Validator, Vec<Type>) {
    let mut compiler = Compiler {
        nodes: Vec::new(),
        known: HashMap::new(),
        waiting: Vec::new(),
        patterns: HashMap::new(),
        types: Vec::new(),
    };
    compiler.node(ty);
    while let Some(id) = compiler.waiting.pop() {
        let ty = compiler.types[id].clone();
        compiler.nodes[id].check = compiler.check(&ty);
    }
    let types = compiler.types;
    let mut validator = Validator {
        nodes: compiler.nodes,
    };
    tell_apart(&mut validator);
    (validator, types)
}

struct Compiler {
    nodes: Vec<Node>,
    /// The nodes of types that others may refer to again, by the address of what they share. The
    /// types are kept, so that no address is used twice.
    known: HashMap<(*const (), bool), Id>,
    waiting: Vec<Id>,
    types: Vec<Type>,
    patterns: HashMap<Arc<str>, Option<Pattern>>,
}

impl Compiler {
    fn node(&mut self, ty: &Type) -> Id {
        let mut ty = ty.resolved();
        if let Kind::Union(union) = &ty.kind {
            // An alternative may be a reference to a type that has null.
            ty.nullable |= union.of.iter().any(|one| one.resolved().nullable);
        }
        let address: Option<*const ()> = match &ty.kind {
            Kind::Record(record) => Some(Arc::as_ptr(record).cast()),
            Kind::List(list) => Some(Arc::as_ptr(list).cast()),
            Kind::Map(value) => Some(Arc::as_ptr(value).cast()),
            Kind::Union(union) => Some(Arc::as_ptr(union).cast()),
            _ => None,
        };
        let key = address.map(|address| (address, ty.nullable));
        if let Some(id) = key.and_then(|key| self.known.get(&key)) {
            return *id;
        }
        let id = self.nodes.len();
        let nullable = ty.nullable;
        self.nodes.push(Node {
            nullable,
            check: Check::Any,
        });
        if let Some(key) = key {
            self.known.insert(key, id);
        }
        self.types.push(ty);
        if id < NODES_MAX {
            self.waiting.push(id);
        }
        id
    }

    fn check(&mut self, ty: &Type) -> Check {
        match &ty.kind {
            Kind::Any | Kind::Ref(_) => Check::Any,
            Kind::Never => Check::Never,
            Kind::Null => Check::Null,
            Kind::Bool => Check::Bool,
            Kind::Int(bounds) => Check::Number(Range::new(NumberKind::Int, *bounds)),
            Kind::Decimal(bounds) => Check::Number(Range::new(NumberKind::Decimal, *bounds)),
            Kind::Float(bounds) => Check::Number(Range::new(NumberKind::Float, *bounds)),
            Kind::Text(text) => Check::Text(Box::new(self.text(text))),
            Kind::Bytes => Check::Bytes,
            Kind::List(list) => Check::List {
                item: self.node(&list.item),
                length_min: list.length_min,
                length_max: list.length_max,
                unique: list.unique,
            },
            Kind::Map(value) => Check::Map(self.node(value)),
            Kind::Record(record) => Check::Record(Box::new(self.record(record))),
            Kind::Union(union) => Check::Union(Box::new(self.union(union))),
        }
    }

    fn text(&mut self, text: &TextType) -> TextCheck {
        let values: Option<Vec<Box<str>>> = text
            .values
            .as_ref()
            .map(|values| values.iter().map(|value| Box::from(&**value)).collect());
        let sorted = values.clone().filter(|values| SORTED_MIN < values.len());
        let sorted = sorted.map(|mut values| {
            values.sort();
            values
        });
        TextCheck {
            format: text.format.clone(),
            values,
            sorted,
            length_min: text.length_min.unwrap_or(0),
            length_max: text.length_max,
            pattern: text
                .pattern
                .as_ref()
                .and_then(|pattern| self.pattern(pattern)),
        }
    }

    /// A pattern that cannot be matched was told when the contract was read.
    fn pattern(&mut self, pattern: &Arc<str>) -> Option<Pattern> {
        let compiled = self.patterns.entry(Arc::clone(pattern));
        compiled
            .or_insert_with(|| Pattern::parse(pattern).ok())
            .clone()
    }

    fn record(&mut self, record: &RecordType) -> RecordCheck {
        let fields = record.fields.iter().map(|field| FieldCheck {
            name: field.name,
            node: self.node(&field.ty),
            required: field.required,
        });
        RecordCheck {
            fields: fields.collect(),
            rest: record.rest.as_ref().map(|rest| self.node(rest)),
        }
    }

    fn union(&mut self, union: &UnionType) -> UnionCheck {
        let of: Vec<Id> = union.of.iter().map(|ty| self.node(ty)).collect();
        let discriminator = union.discriminator.as_ref().map(|discriminator| {
            let mapping = discriminator
                .mapping
                .iter()
                .filter_map(|(text, index)| Some((Box::from(&**text), *of.get(*index)?)));
            (discriminator.field, mapping.collect())
        });
        UnionCheck { of, discriminator }
    }
}

/// Gives unions of records a discriminator where one field has different listed values in each:
/// checking is faster, and a message speaks of the alternative that was meant.
fn tell_apart(validator: &mut Validator) {
    for id in 0..validator.nodes.len() {
        let Check::Union(union) = &validator.nodes[id].check else {
            continue;
        };
        if union.discriminator.is_some() {
            continue;
        }
        let found = distinct_field(validator, &union.of);
        if let Check::Union(union) = &mut validator.nodes[id].check {
            union.discriminator = found;
        }
    }
}

fn distinct_field(validator: &Validator, of: &[Id]) -> Option<Told> {
    let record = |id: Id| match &validator.nodes[id].check {
        Check::Record(record) => Some(record),
        _ => None,
    };
    let first = record(*of.first()?)?;
    first.fields.iter().find_map(|field| {
        let mut mapping: Vec<(Box<str>, Id)> = Vec::new();
        for id in of {
            let twin = record(*id)?
                .fields
                .iter()
                .find(|own| own.name == field.name)?;
            let Check::Text(text) = &validator.nodes[twin.node].check else {
                return None;
            };
            for value in text.values.as_ref().filter(|_| twin.required)? {
                if mapping.iter().any(|(known, _)| known == value) {
                    return None;
                }
                mapping.push((value.clone(), *id));
            }
        }
        Some((field.name, mapping))
    })
}
