//! Texts with holes: `Order {orderId} over {total}`; `{{` and `}}` are braces.

use std::ops::Range;
use std::sync::Arc;

use sluice_mapping::typing::{self, Env};
use sluice_model::codes;
use sluice_model::finding::Finding;
use sluice_model::types::Kind;
use sluice_syntax::tree::{Node, Scalar};

use crate::expr::{CompiledExpr, CompiledTemplate, Source, TemplatePart};
use crate::work::Work;

/// A piece of a text with holes.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The range of the expression between the braces.
    Hole(Range<usize>),
}

/// Splits a text at its holes.
///
/// # Errors
/// What is wrong, and where.
fn split(text: &str) -> Result<Vec<Piece>, (String, Range<usize>)> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(['{', '}']) {
        literal.push_str(&text[at..at + found]);
        at += found;
        let brace = &text[at..at + 1];
        if text[at + 1..].starts_with(brace) {
            literal.push_str(brace);
            at += 2;
            continue;
        }
        if brace == "}" {
            return Err((
                "this `}` closes nothing; for the brace itself write `}}`".into(),
                at..at + 1,
            ));
        }
        let Some(end) = hole_end(&text[at + 1..]) else {
            return Err((
                "this hole is not closed; for the brace itself write `{{`".into(),
                at..at + 1,
            ));
        };
        let hole = at + 1..at + 1 + end;
        if text[hole.clone()].trim().is_empty() {
            return Err((
                "there is no expression in this hole".into(),
                at..hole.end + 1,
            ));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
        }
        at = hole.end + 1;
        pieces.push(Piece::Hole(hole));
    }
    literal.push_str(&text[at..]);
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    Ok(pieces)
}

/// The offset of the brace that closes a hole: braces of objects and quoted texts are passed over.
fn hole_end(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None => match c {
                '"' | '\'' | '`' => quote = Some(c),
                '{' => depth += 1,
                '}' if depth == 0 => return Some(at),
                '}' => depth -= 1,
                _ => {}
            },
        }
    }
    None
}

/// Types and compiles a text with holes; what is wrong is told at its place.
pub(crate) fn compile(
    work: &mut Work<'_>,
    node: &Node,
    scalar: &Scalar,
    env: &Env,
    slots: &[(Arc<str>, u16)],
) -> CompiledTemplate {
    let file = node.span.file;
    let pieces = match split(&scalar.text) {
        Ok(pieces) => pieces,
        Err((message, range)) => {
            work.error(
                codes::EXPRESSION_SYNTAX,
                scalar.span_of(file, range),
                message,
            );
            return CompiledTemplate::literal("");
        }
    };
    let mut parts = Vec::new();
    for piece in pieces {
        let range = match piece {
            Piece::Text(text) => {
                parts.push(TemplatePart::Text(text.into()));
                continue;
            }
            Piece::Hole(range) => range,
        };
        let source = &scalar.text[range.clone()];
        let shift = |inner: Range<usize>| {
            scalar.span_of(file, range.start + inner.start..range.start + inner.end)
        };
        let (expr, errors) = sluice_mapping::parse::parse(source);
        for error in &errors {
            let span = shift(error.range.range());
            let finding = work.error(codes::EXPRESSION_SYNTAX, span, &error.message);
            finding.help = Some(error.help.clone());
        }
        let Some(expr) = expr.filter(|_| errors.is_empty()) else {
            continue;
        };
        let typed = typing::check(&expr, source, env);
        for problem in &typed.problems {
            let mut finding =
                Finding::error(problem.code, shift(problem.range.range()), &problem.message);
            finding.severity = problem.severity;
            finding.label.clone_from(&problem.label);
            finding.notes.clone_from(&problem.notes);
            finding.help.clone_from(&problem.help);
            work.push(finding);
        }
        let resolved = typed.ty.resolved();
        if matches!(
            resolved.kind,
            Kind::List(_) | Kind::Record(_) | Kind::Map(_)
        ) {
            let message = format!(
                "a hole takes a text, a number or a boolean, this is {}",
                typed.ty
            );
            work.error(codes::WRONG_TYPE, shift(0..source.len()), message)
                .help = Some("write `$string(...)` for its JSON text".to_owned());
        }
        let leaf = Source::Leaf {
            text: source.into(),
            lists: typed.lists.clone(),
        };
        parts.push(TemplatePart::Hole(CompiledExpr::compile(
            &leaf, slots, node.span,
        )));
    }
    CompiledTemplate { parts }
}

#[cfg(test)]
mod tests {
    use super::{Piece, split};

    #[test]
    fn splits_at_holes() {
        let text = |text: &str| Piece::Text(text.to_owned());
        assert_eq!(
            split("a {b} c"),
            Ok(vec![text("a "), Piece::Hole(3..4), text(" c")])
        );
        assert_eq!(split("{{a}}"), Ok(vec![text("{a}")]));
        assert_eq!(
            split("{ {\"x\": \"}\"}.x }!"),
            Ok(vec![Piece::Hole(1..16), text("!")])
        );
        assert_eq!(split(""), Ok(vec![]));
        assert_eq!(split("a } b").map_err(|(_, range)| range), Err(2..3));
        assert_eq!(split("a { b").map_err(|(_, range)| range), Err(2..3));
        assert_eq!(split("a {} b").map_err(|(_, range)| range), Err(2..4));
    }
}
