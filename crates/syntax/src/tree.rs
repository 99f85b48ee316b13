//! The tree that YAML and JSON files are read into.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use sluice_model::codes;
use sluice_model::finding::Finding;
use sluice_model::span::{FileId, Span};
use sluice_model::value::{Key, Record, Text, Value};

use crate::scalar;

/// A parsed file.
#[derive(Debug, Clone)]
pub struct Document {
    /// The file that the spans point into.
    pub file: FileId,
    /// The root node; `None` if the file is empty or broken from the start.
    pub root: Option<Node>,
    /// All comments, in order.
    pub comments: Vec<Comment>,
}

/// A comment, from its `#` to the end of the line.
#[derive(Debug, Clone)]
pub struct Comment {
    /// Where it stands, `#` included.
    pub span: Span,
    /// The text after `#`.
    pub text: Arc<str>,
}

/// A node of the tree.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it stands: a scalar with its quotes, a flow collection with its brackets, a block
    /// collection from its first entry to the end of its last.
    pub span: Span,
    /// What it is.
    pub kind: NodeKind,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// A text, number, boolean or null: which of them, the field that reads it decides.
    Scalar(Scalar),
    /// A map, in the order of the file; doubled keys are a finding, and the first one counts.
    Map(Map),
    /// A list.
    List(Vec<Node>),
}

/// A map's entries.
#[derive(Debug, Clone, Default)]
pub struct Map {
    /// The entries, in the order of the file.
    pub entries: Vec<Entry>,
    /// Whether it is written in braces.
    pub flow_style: bool,
}

/// An entry of a map.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: Scalar,
    /// Where the key stands, quotes included.
    pub key_span: Span,
    /// The value; an empty plain scalar where nothing is written.
    pub value: Node,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes; in JSON: a number, `true`, `false` or `null`.
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes; every JSON string.
    Double,
    /// A block after `|`.
    Literal,
    /// A block after `>`.
    Folded,
}

/// A scalar: its text after unquoting, and the way back to its bytes.
#[derive(Debug, Clone)]
pub struct Scalar {
    /// The text after unquoting, unescaping, folding.
    pub text: Arc<str>,
    /// How it is written.
    pub style: Style,
    /// Pairs of (offset in `text`, offset in the file), ascending, each true until the next: text
    /// and file run in step between them. At least one pair.
    pub map: Arc<[(u32, u32)]>,
}

impl Document {
    /// Returns a document without a node.
    pub fn empty(file: FileId) -> Self {
        Self {
            file,
            root: None,
            comments: Vec::new(),
        }
    }

    /// Returns the node that a JSON Pointer (RFC 6901) leads to, such as `/steps/0/call`; the root
    /// for an empty pointer.
    pub fn lookup(&self, pointer: &str) -> Option<&Node> {
        self.root.as_ref()?.lookup(pointer)
    }
}

impl Node {
    /// Returns the map; `None` if this is none.
    pub fn as_map(&self) -> Option<&Map> {
        match &self.kind {
            NodeKind::Map(map) => Some(map),
            NodeKind::Scalar(_) | NodeKind::List(_) => None,
        }
    }

    /// Returns the items; `None` if this is not a list.
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.kind {
            NodeKind::List(items) => Some(items),
            NodeKind::Scalar(_) | NodeKind::Map(_) => None,
        }
    }

    /// Returns the scalar; `None` if this is none.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            NodeKind::Scalar(scalar) => Some(scalar),
            NodeKind::Map(_) | NodeKind::List(_) => None,
        }
    }

    /// Returns the value of `key`; `None` if it is missing or this is no map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key)
    }

    /// Returns the word for what this is, as findings use it: `text`, `integer`, `number`,
    /// `boolean`, `null`, `list` or `map`.
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            NodeKind::Scalar(scalar) => scalar.value().kind(),
            NodeKind::Map(_) => "map",
            NodeKind::List(_) => "list",
        }
    }

    /// Returns the value that this stands for. Of doubled keys the first counts.
    pub fn to_value(&self) -> Value<'static> {
        match &self.kind {
            NodeKind::Scalar(scalar) => scalar.value(),
            NodeKind::List(items) => Value::List(items.iter().map(Node::to_value).collect()),
            NodeKind::Map(map) => {
                let mut record = Record::with_capacity(map.entries.len());
                for (entry, first) in map.entries.iter().zip(map.first_of_key()) {
                    if first {
                        let key = Key::Text(Text::from(&*entry.key.text));
                        record.push(key, entry.value.to_value());
                    }
                }
                Value::Record(record)
            }
        }
    }

    /// Returns the node that a JSON Pointer (RFC 6901) leads to from here, such as
    /// `/paths/~1orders/post`; this node for an empty pointer.
    pub fn lookup(&self, pointer: &str) -> Option<&Node> {
        if pointer.is_empty() {
            return Some(self);
        }
        let mut node = self;
        for part in pointer.strip_prefix('/')?.split('/') {
            node = match &node.kind {
                NodeKind::Map(map) => map.get(&unescape_pointer(part))?,
                NodeKind::List(items) => items.get(list_index(part)?)?,
                NodeKind::Scalar(_) => return None,
            };
        }
        Some(node)
    }

    /// Returns whether nothing is written here: the value of `key:` with nothing behind it.
    pub fn is_absent(&self) -> bool {
        self.span.is_empty()
    }
}

/// A part of a JSON Pointer without its escapes (RFC 6901, section 4).
fn unescape_pointer(part: &str) -> Cow<'_, str> {
    if part.contains('~') {
        Cow::Owned(part.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(part)
    }
}

/// A list index of a JSON Pointer: digits without leading zeros.
fn list_index(part: &str) -> Option<usize> {
    let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (part == "0" || !part.starts_with('0'))).then(|| part.parse().ok())?
}

impl Map {
    /// Returns the value of `key`, the first one if it is doubled.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Returns the entry of `key`, the first one if it is doubled.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| &*entry.key.text == key)
    }

    /// Tells for each entry whether it is the first one with its key.
    pub(crate) fn first_of_key(&self) -> impl Iterator<Item = bool> {
        first_of_key(self.entries.iter().map(|entry| &*entry.key.text)).map(|first| first.is_none())
    }
}

/// Up to this many keys, comparing each with each is faster than hashing them.
const LINEAR_KEYS: usize = 8;

/// Tells for each key the index of the first key that is equal to it; `None` if it is the first.
pub(crate) fn first_of_key<'k>(
    keys: impl ExactSizeIterator<Item = &'k str> + Clone,
) -> impl Iterator<Item = Option<usize>> {
    let mut table = std::collections::HashMap::new();
    let hashed = LINEAR_KEYS < keys.len();
    let all = keys.clone();
    keys.enumerate().map(move |(index, key)| {
        if hashed {
            let first = *table.entry(key).or_insert(index);
            (first != index).then_some(first)
        } else {
            all.clone().take(index).position(|own| own == key)
        }
    })
}

impl Scalar {
    /// Returns the value by the core schema of YAML 1.2 (section 10.3): a plain scalar may be null,
    /// a boolean or a number; every other is a text.
    pub fn value(&self) -> Value<'static> {
        match self.style {
            Style::Plain => scalar::plain_value(&self.text),
            Style::Single | Style::Double | Style::Literal | Style::Folded => {
                Value::text(Text::from(&*self.text))
            }
        }
    }

    /// Returns where the bytes of `range`, a range of [`Scalar::text`], stand in the file. The
    /// range of a character that is written as an escape is the whole escape.
    pub fn span_of(&self, file: FileId, range: Range<usize>) -> Span {
        let start = self.file_offset(range.start, Bound::Start);
        if range.end <= range.start {
            return Span::new(file, start, start);
        }
        let end = self.file_offset(range.end, Bound::End);
        Span::new(file, start, end)
    }

    fn file_offset(&self, offset: usize, bound: Bound) -> usize {
        let text = u32::try_from(offset.min(self.text.len())).unwrap_or(u32::MAX);
        // The end of a range belongs to the character before it, so that a range that ends where an
        // escape or a fold begins does not take it in.
        let index = self.map.partition_point(|(own, _)| match bound {
            Bound::Start => *own <= text,
            Bound::End => *own < text,
        });
        let Some((own, place)) = self.map.get(index.saturating_sub(1)) else {
            return 0;
        };
        let place = place.saturating_add(text.saturating_sub(*own));
        match self.map.get(index) {
            Some((next, limit)) if *next <= text => *limit as usize,
            Some((_, limit)) => place.min(*limit) as usize,
            None => place as usize,
        }
    }
}

/// Which end of a range an offset is.
#[derive(Clone, Copy)]
enum Bound {
    Start,
    End,
}

/// Returns the finding for a key that stands twice in one map.
pub(crate) fn duplicate_key(place: Span, key: &str, first: Span) -> Finding {
    Finding::error(
        codes::DUPLICATE_KEY,
        place,
        format!("the key `{key}` stands twice in one map"),
    )
    .with_label("here again")
    .with_place(first, "first here, and this one counts")
    .with_help("remove one of the two, or rename it")
}
