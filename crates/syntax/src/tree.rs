//! The tree that YAML and JSON files are read into.

use std::sync::Arc;

use sluice_model::span::{FileId, Span};

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
