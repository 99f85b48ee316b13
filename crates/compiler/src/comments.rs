//! Comments that YAML makes of expressions: `lines #$i.{ ... }`.

use sluice_model::codes;
use sluice_model::finding::Finding;
use sluice_model::span::Span;
use sluice_syntax::edit::PathPart;
use sluice_syntax::format::FieldKind;
use sluice_syntax::tree::{Comment, Node, NodeKind, Style};

use crate::layout::field_kind;
use crate::project::{FileKind, ParsedFile};
use crate::work::Work;

/// Tells of each expression of a flow that ends in a comment which begins like a variable: YAML
/// takes ` #` for the beginning of one, JSONata takes `#$i` for the position of an item.
pub(crate) fn check(work: &mut Work<'_>) {
    let parsed = work.parsed;
    for file in parsed.of_kind(FileKind::Flow) {
        let Some(document) = &file.document else {
            continue;
        };
        let suspects = document
            .comments
            .iter()
            .filter(|own| is_variable(&own.text));
        for comment in suspects {
            let text = &*parsed.sources.get(file.id).text;
            let root = document.root.as_ref();
            let cut = root.and_then(|root| find_cut(root, comment, text, &mut Vec::new()));
            if let Some(expression) = cut {
                tell(work, file, expression, comment);
            }
        }
    }
}

/// Returns whether the text after a `#` begins with `$name`.
fn is_variable(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next() == Some('$') && letters.next().is_some_and(|c| c.is_ascii_alphabetic())
}

/// Returns the place of the expression that a comment cuts off: a plain scalar that ends before it,
/// on its line, in a field that holds expressions.
fn find_cut<'n>(
    node: &'n Node,
    comment: &Comment,
    text: &str,
    path: &mut Vec<PathPart<'n>>,
) -> Option<Span> {
    if comment.span.start < node.span.start {
        return None;
    }
    match &node.kind {
        NodeKind::Scalar(scalar) => {
            let between = text.get(node.span.end as usize..comment.span.start as usize)?;
            let ends_there = between.bytes().all(|byte| matches!(byte, b' ' | b'\t'));
            let is_expression = field_kind(FileKind::Flow, path) == FieldKind::Expression;
            (scalar.style == Style::Plain && !node.is_absent() && ends_there && is_expression)
                .then_some(node.span)
        }
        NodeKind::Map(map) => map.entries.iter().find_map(|entry| {
            path.push(PathPart::Key(&entry.key.text));
            let found = find_cut(&entry.value, comment, text, path);
            path.pop();
            found
        }),
        NodeKind::List(items) => items.iter().enumerate().find_map(|(index, item)| {
            path.push(PathPart::Index(index));
            let found = find_cut(item, comment, text, path);
            path.pop();
            found
        }),
    }
}

fn tell(work: &mut Work<'_>, file: &ParsedFile, expression: Span, comment: &Comment) {
    let whole = expression.to(comment.span);
    let text = work.parsed.sources.text(whole).trim_end();
    let fix = format!("'{}'", text.replace('\'', "''"));
    debug_assert_eq!(
        whole.file, file.id,
        "comment and expression share their file"
    );
    work.push(
        Finding::error(
            codes::MISREAD_EXPRESSION,
            comment.span,
            "YAML takes this for a comment",
        )
        .with_place(expression, "the expression ends here")
        .with_note("in YAML, ` #` begins a comment")
        .with_help("put the expression in single quotes; a true comment has a space after its `#`")
        .with_fix("quote the expression", whole, fix),
    );
}
