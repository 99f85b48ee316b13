//! Texts with holes: `Order {orderId} over {total}`; `{{` and `}}` are braces.

use std::ops::Range;
use std::sync::Arc;

use sluice_mapping::template::Part;
use sluice_mapping::typing::Env;
use sluice_model::codes;
use sluice_model::types::Kind;
use sluice_syntax::tree::{Node, Scalar};

use crate::expr::{CompiledExpr, CompiledTemplate, Source, TemplatePart};
use crate::tree::Leaf;
use crate::work::Work;

/// Types and compiles a text with holes; what is wrong is told at its place.
pub(crate) fn compile(
    work: &mut Work<'_>,
    node: &Node,
    scalar: &Scalar,
    env: &Env,
    slots: &[(Arc<str>, u16)],
) -> CompiledTemplate {
    let file = node.span.file;
    let mut parts = Vec::new();
    for part in sluice_mapping::template::parts(&scalar.text) {
        let range = match part {
            Ok(Part::Text(text)) => {
                parts.push(TemplatePart::Text(text.into()));
                continue;
            }
            Ok(Part::Hole(range)) => range.range(),
            Err(error) => {
                let span = scalar.span_of(file, error.range.range());
                work.error(codes::EXPRESSION_SYNTAX, span, error.message)
                    .help = Some(error.help);
                continue;
            }
        };
        if let Some(hole) = compile_hole(work, node, scalar, range, env, slots) {
            parts.push(TemplatePart::Hole(hole));
        }
    }
    CompiledTemplate { parts }
}

/// Types and compiles the expression of a hole; `None` if it is broken, which is told.
fn compile_hole(
    work: &mut Work<'_>,
    node: &Node,
    scalar: &Scalar,
    range: Range<usize>,
    env: &Env,
    slots: &[(Arc<str>, u16)],
) -> Option<CompiledExpr> {
    let file = node.span.file;
    let leaf = Leaf::hole(node, scalar, range.clone());
    if leaf.text.trim().is_empty() {
        let span = scalar.span_of(file, range.start - 1..range.end + 1);
        let message = "there is no expression in this hole";
        work.error(codes::EXPRESSION_SYNTAX, span, message).help =
            Some("write one between the braces; for braces themselves write `{{` and `}}`".into());
        return None;
    }
    let typed = crate::typing::type_leaf(work, &leaf, env)?;
    let resolved = typed.ty.resolved();
    if matches!(
        resolved.kind,
        Kind::List(_) | Kind::Record(_) | Kind::Map(_)
    ) {
        let message = format!(
            "a hole takes a text, a number or a boolean, this is {}",
            typed.ty
        );
        work.error(codes::WRONG_TYPE, leaf.span, message).help =
            Some("write `$string(...)` for its JSON text".to_owned());
    }
    let source = Source::Leaf {
        text: Arc::clone(&leaf.text),
        lists: typed.lists,
    };
    Some(CompiledExpr::compile(&source, slots, node.span))
}
