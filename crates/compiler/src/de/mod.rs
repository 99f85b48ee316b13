//! From trees to config structs: a `serde` deserializer over nodes, whose errors have a place.
//!
//! The type that reads a scalar decides what it is, never its quotes: a text field takes the text
//! of `12` and of `true`, an integer field takes an integer that is written plain. Where the type
//! does not say (`serde_json::Value`, untagged enums), the core schema of YAML 1.2 (section 10.3)
//! decides. Of doubled keys the first counts, as in the tree.

use std::cell::Cell;

use serde::de::Error as _;
use sluice_model::span::Span;
use sluice_model::value::Value;
use sluice_syntax::tree::{Map, Node, NodeKind, Scalar, Style};

mod node;
#[cfg(test)]
mod tests;

/// Why a tree could not be read into a type, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The innermost node that did not fit; `None` where `serde` saw no node.
    pub span: Option<Span>,
    /// What is wrong with it.
    pub message: String,
}

impl serde::de::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self {
            span: None,
            message: message.to_string(),
        }
    }
}

impl Error {
    fn at(span: Span, message: impl std::fmt::Display) -> Self {
        Self::custom(message).or_at(span)
    }

    /// Adds the place, unless a node further inside has given its own.
    fn or_at(mut self, span: Span) -> Self {
        self.span = self.span.or(Some(span));
        self
    }
}

/// Where reading failed, for a caller who gets the error only as a text: an erased deserializer
/// loses the place of [`Error`].
#[derive(Debug, Default)]
pub struct Trace(Cell<Option<Span>>);

impl Trace {
    /// Returns the innermost node that did not fit; `None` if nothing failed.
    pub fn span(&self) -> Option<Span> {
        self.0.get()
    }

    fn note(&self, span: Span) {
        self.0.set(self.0.get().or(Some(span)));
    }
}

/// A field of [`Fields`].
#[derive(Debug, Clone, Copy)]
pub struct Field<'n> {
    /// The key's text.
    pub key: &'n str,
    /// Where the key stands, quotes included.
    pub key_span: Span,
    /// The value.
    pub value: &'n Node,
}

/// The fields of a map, or some of them: what is left for a component after the compiler has taken
/// the keys that every component has.
#[derive(Debug, Clone)]
pub struct Fields<'n> {
    /// The place of the whole map.
    pub span: Span,
    /// Whether the map is written in braces.
    pub flow_style: bool,
    /// The fields in the order of the file, each key once.
    pub entries: Vec<Field<'n>>,
}

impl<'n> Fields<'n> {
    /// Returns the fields of a map; `None` if the node is none.
    pub fn of(node: &'n Node) -> Option<Self> {
        let map = node.as_map()?;
        Some(Self {
            span: node.span,
            flow_style: map.flow_style,
            entries: first_entries(map).collect(),
        })
    }

    /// Returns no fields at all, for a configuration that is not written: `csv` for `csv: {}`.
    pub fn empty(span: Span) -> Self {
        Self {
            span,
            flow_style: true,
            entries: Vec::new(),
        }
    }

    /// Returns the fields without those of these keys.
    #[must_use]
    pub fn without(mut self, keys: &[&str]) -> Self {
        self.entries.retain(|field| !keys.contains(&field.key));
        self
    }

    /// Returns the fields of these keys only.
    #[must_use]
    pub fn only(mut self, keys: &[&str]) -> Self {
        self.entries.retain(|field| keys.contains(&field.key));
        self
    }

    /// Returns the field `key`.
    pub fn get(&self, key: &str) -> Option<&Field<'n>> {
        self.entries.iter().find(|field| field.key == key)
    }

    /// Returns the place that findings about the whole map underline: its first key, or the map
    /// itself where it has none.
    pub fn anchor(&self) -> Span {
        self.entries
            .first()
            .map_or(self.span, |field| field.key_span)
    }

    /// Reads the fields into a type.
    ///
    /// # Errors
    /// The first field that does not fit; none if `shape` has found nothing.
    pub fn read<T: serde::Deserialize<'n>>(&self) -> Result<T, Error> {
        let trace = Trace::default();
        T::deserialize(self.deserializer(&trace)).map_err(|error| error.or_at(self.anchor()))
    }

    /// Returns a deserializer of the fields, which notes in `trace` where it fails.
    pub fn deserializer<'t>(&'t self, trace: &'t Trace) -> FieldsDeserializer<'n, 't> {
        FieldsDeserializer {
            fields: self,
            trace,
        }
    }

    /// Returns the deserializer that components take.
    pub fn erased<'t>(&'t self, trace: &'t Trace) -> Box<dyn erased_serde::Deserializer<'n> + 't>
    where
        'n: 't,
    {
        Box::new(<dyn erased_serde::Deserializer<'n>>::erase(
            self.deserializer(trace),
        ))
    }
}

/// Reads a node into a type.
///
/// # Errors
/// The first node that does not fit; none if `shape` has found nothing.
pub fn read<'n, T: serde::Deserialize<'n>>(node: &'n Node) -> Result<T, Error> {
    let trace = Trace::default();
    T::deserialize(NodeDeserializer::new(node, &trace))
}

/// Returns the deserializer of a node that components take; it notes in `trace` where it fails.
pub fn erased<'n: 't, 't>(
    node: &'n Node,
    trace: &'t Trace,
) -> Box<dyn erased_serde::Deserializer<'n> + 't> {
    Box::new(<dyn erased_serde::Deserializer<'n>>::erase(
        NodeDeserializer::new(node, trace),
    ))
}

/// A deserializer of a node.
#[derive(Debug, Clone, Copy)]
pub struct NodeDeserializer<'n, 't> {
    node: &'n Node,
    trace: &'t Trace,
}

impl<'n, 't> NodeDeserializer<'n, 't> {
    /// Returns a deserializer of the node, which notes in `trace` where it fails.
    pub fn new(node: &'n Node, trace: &'t Trace) -> Self {
        Self { node, trace }
    }
}

/// A deserializer of the fields of a map.
#[derive(Debug, Clone, Copy)]
pub struct FieldsDeserializer<'n, 't> {
    fields: &'t Fields<'n>,
    trace: &'t Trace,
}

/// The entries of a map, the first one of each key.
pub(crate) fn first_entries(map: &Map) -> impl Iterator<Item = Field<'_>> {
    let mut seen = std::collections::HashSet::new();
    map.entries
        .iter()
        .filter(move |entry| seen.insert(&*entry.key.text))
        .map(|entry| Field {
            key: &entry.key.text,
            key_span: entry.key_span,
            value: &entry.value,
        })
}

/// Returns whether a node is a null that is written plain, or nothing at all.
pub(crate) fn is_null(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Scalar(scalar) => matches!(scalar.value(), Value::Null),
        NodeKind::Map(_) | NodeKind::List(_) => false,
    }
}

/// Returns the integer that a plain scalar is; `None` for every other scalar.
pub(crate) fn integer(scalar: &Scalar) -> Option<i128> {
    match scalar.value() {
        Value::Int(int) => Some(i128::from(int)),
        Value::Literal(text) => text.parse().ok(),
        _ => None,
    }
}

/// Returns the boolean that a plain scalar is; `None` for every other scalar.
pub(crate) fn boolean(scalar: &Scalar) -> Option<bool> {
    match scalar.value() {
        Value::Bool(bool) => Some(bool),
        _ => None,
    }
}

/// Returns whether a scalar is written without quotes.
pub(crate) fn is_plain(scalar: &Scalar) -> bool {
    scalar.style == Style::Plain
}
