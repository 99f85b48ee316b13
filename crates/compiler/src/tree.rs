//! Expressions as YAML carries them: a scalar, or a map or list whose leaves are.

use std::ops::Range;
use std::sync::Arc;

use sluice_mapping::ast::TextRange;
use sluice_model::codes;
use sluice_model::finding::Finding;
use sluice_model::span::{FileId, Span};
use sluice_syntax::tree::{Map, Node, NodeKind, Scalar, Style};

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
            NodeKind::Map(map) => Tree::Map(read_fields(work, map)),
            NodeKind::List(items) => {
                Tree::List(items.iter().map(|item| Tree::read(work, item)).collect())
            }
        }
    }
}

fn read_fields(work: &mut Work<'_>, map: &Map) -> Vec<(Arc<str>, Tree)> {
    let mut fields = Vec::with_capacity(map.entries.len());
    let mut rest = map.entries.as_slice();
    while let [entry, after @ ..] = rest {
        // What follows without a value may be the rest of this entry's expression.
        let lone = after.iter().take_while(|own| own.value.is_absent()).count();
        let (lost, next) = after.split_at(lone);
        let tree = match lost.last() {
            Some(last) if map.flow_style && is_cut(&entry.value) => {
                let whole = entry.value.span.to(last.key_span);
                let finding = split_by_comma(work, whole, entry.value.span);
                work.push(finding);
                rest = next;
                Tree::Broken(whole)
            }
            _ if entry.value.is_absent() => {
                let message = format!("`{}` has no expression", entry.key.text);
                work.error(codes::MISREAD_EXPRESSION, entry.key_span, message)
                    .help = Some("write an expression behind the colon".to_owned());
                rest = after;
                Tree::Broken(entry.key_span)
            }
            _ => {
                rest = after;
                Tree::read(work, &entry.value)
            }
        };
        fields.push((Arc::clone(&entry.key.text), tree));
    }
    fields
}

/// Returns whether an expression ends before its time.
fn is_cut(value: &Node) -> bool {
    value.as_scalar().is_some_and(|scalar| {
        let is_whole = || sluice_mapping::parse::parse(&scalar.text).1.is_empty();
        scalar.style == Style::Plain && !value.is_absent() && !is_whole()
    })
}

/// Returns the finding for an expression with a comma that YAML took for the end of its entry.
fn split_by_comma(work: &Work<'_>, whole: Span, first: Span) -> Finding {
    let text = work.parsed.sources.text(whole);
    let quoted = format!("'{}'", text.replace('\'', "''"));
    Finding::error(
        codes::MISREAD_EXPRESSION,
        whole,
        "a comma splits this expression",
    )
    .with_place(first, "for YAML, the entry ends here")
    .with_note("inside `{ ... }` a comma ends an entry, also within an expression")
    .with_help("put the expression in single quotes")
    .with_fix("quote the expression", whole, quoted)
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
