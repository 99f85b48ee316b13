//! Expressions as YAML carries them: a scalar, or a map or list whose leaves are.

use std::ops::Range;
use std::sync::Arc;

use sluice_mapping::ast::TextRange;
use sluice_model::codes;
use sluice_model::finding::Finding;
use sluice_model::span::{FileId, Span};
use sluice_syntax::tree::{Node, NodeKind, Scalar, Style};

use crate::work::Work;

/// An expression of a project file.
#[derive(Debug, Clone)]
pub(crate) enum Tree {
    /// One expression.
    Leaf(Leaf),
    /// A record with these fields.
    Map(Vec<(Arc<str>, Tree)>),
    /// A list of these items.
    List(Vec<Tree>),
    /// Something that is told already: nothing else about it is complained of.
    Broken(Span),
}

/// One expression, and the way back to its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    /// The expression's text.
    pub text: Arc<str>,
    /// The whole node.
    pub span: Span,
    file: FileId,
    scalar: Option<Scalar>,
    /// Where the text begins in the scalar's.
    offset: usize,
}

impl Leaf {
    /// Returns the place of a range of the expression's text.
    pub fn span_of(&self, range: TextRange) -> Span {
        match &self.scalar {
            Some(scalar) => {
                let range = range.range();
                scalar.span_of(
                    self.file,
                    self.offset + range.start..self.offset + range.end,
                )
            }
            None => Span::new(self.file, range.start as usize, range.end as usize),
        }
    }

    /// Returns the expression that a whole file is.
    pub fn file(file: FileId, text: Arc<str>) -> Self {
        let span = Span::new(file, 0, text.len());
        Self {
            text,
            span,
            file,
            scalar: None,
            offset: 0,
        }
    }

    /// Returns the expression of a hole: a range of a text.
    pub fn hole(node: &Node, scalar: &Scalar, range: Range<usize>) -> Self {
        Self {
            text: scalar.text[range.clone()].into(),
            span: scalar.span_of(node.span.file, range.clone()),
            file: node.span.file,
            scalar: Some(scalar.clone()),
            offset: range.start,
        }
    }
}

impl Tree {
    /// Reads a node; what YAML misreads is told as findings.
    pub fn read(work: &mut Work<'_>, node: &Node) -> Tree {
        match &node.kind {
            NodeKind::Scalar(_) if node.is_absent() => {
                let message = "an expression is missing here";
                work.error(codes::MISREAD_EXPRESSION, node.span, message)
                    .help = Some("write one behind the colon".to_owned());
                Tree::Broken(node.span)
            }
            NodeKind::Scalar(scalar) => match double_quoted(node, scalar) {
                Some(finding) => {
                    work.push(finding);
                    Tree::Broken(node.span)
                }
                None => Tree::Leaf(Leaf {
                    text: Arc::clone(&scalar.text),
                    span: node.span,
                    file: node.span.file,
                    scalar: Some(scalar.clone()),
                    offset: 0,
                }),
            },
            NodeKind::Map(map) => {
                let mut fields = Vec::with_capacity(map.entries.len());
                for entry in &map.entries {
                    let tree = if entry.value.is_absent() {
                        let key = &entry.key.text;
                        work.push(split_by_comma(entry.key_span, key, map.flow_style));
                        Tree::Broken(entry.key_span)
                    } else {
                        Tree::read(work, &entry.value)
                    };
                    fields.push((Arc::clone(&entry.key.text), tree));
                }
                Tree::Map(fields)
            }
            NodeKind::List(items) => {
                Tree::List(items.iter().map(|item| Tree::read(work, item)).collect())
            }
        }
    }
}

/// A key without a value in a map of expressions: most often a comma inside an expression that
/// YAML took for the end of the entry.
fn split_by_comma(span: Span, key: &str, flow_style: bool) -> Finding {
    let finding = Finding::error(
        codes::MISREAD_EXPRESSION,
        span,
        format!("`{key}` has no expression"),
    );
    if flow_style {
        finding
            .with_note("inside `{ ... }` a comma ends an entry, also within an expression")
            .with_help("put the expression that has the comma in single quotes")
    } else {
        finding.with_help("write an expression behind the colon")
    }
}

/// Returns the finding for a double-quoted bare word: YAML drops the quotes, so that it is a path
/// and no text.
fn double_quoted(node: &Node, scalar: &Scalar) -> Option<Finding> {
    let text = &*scalar.text;
    if scalar.style != Style::Double || !is_bare_path(text) {
        return None;
    }
    let finding = Finding::error(
        codes::MISREAD_EXPRESSION,
        node.span,
        format!("is \"{text}\" the text, or the path `{text}`?"),
    )
    .with_note("YAML takes the double quotes away: the expression is the bare word")
    .with_help(format!(
        "for the text write '\"{text}\"', for the path write {text}"
    ))
    .with_fix("make it the text", node.span, format!("'\"{text}\"'"))
    .with_fix("make it the path", node.span, text);
    Some(finding)
}

fn is_bare_path(text: &str) -> bool {
    !text.is_empty()
        && text.split('.').all(|part| {
            part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        })
        && !matches!(text, "true" | "false" | "null")
}
