//! `sluice fmt`: the one canonical form of a YAML file.
//!
//! * Two spaces for each level; the items of a list are indented under their key. One space after
//!   `:`, `,`, `-` and inside of `{ }`; none inside of `[ ]`. No blanks at the end of a line, one
//!   line break at the end of the file, `\n` everywhere, no `---`.
//! * At most one empty line before an entry, none before the first of a block.
//! * A map or list in brackets stays in one line if the line has no more than 100 columns and no
//!   comment stands inside of the brackets; else it is written as a block.
//! * Quotes: none where YAML carries the same text and type; else single ones; double ones only
//!   where escapes are needed. An expression's type does not count, since a number is one with or
//!   without quotes there; but a double-quoted bare word stays, so that its finding does. An
//!   expression over several lines stands after `|`. Block scalars keep their lines; a text that
//!   was folded over several lines is put into one, or after `>-` if it is longer than the line.
//! * A comment in a line of its own is indented like what follows it in its block. One behind a
//!   value has two spaces before it; in lines that follow each other such comments begin in one
//!   column, unless that would push one of them beyond the limit.
//!
//! The order of keys is never changed. The result is read again and compared: if the tree or the
//! comments were not the same, the file is left alone and the finding says so.

use sluice_model::codes;
use sluice_model::finding::{Finding, Findings};
use sluice_model::span::{FileId, Span};

use crate::edit::PathPart;
use crate::options::ParseOptions;
use crate::tree::{Document, Node, NodeKind, Scalar, Style};

pub(crate) mod scalar;
#[cfg(test)]
mod tests;
mod write;

/// How many columns a line may have before brackets are opened up.
pub const WIDTH_MAX: usize = 100;

/// What a field holds, which decides how its scalar is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A value whose type counts: `1` and `'1'` are two things.
    Value,
    /// An expression: the text counts, and nothing else.
    Expression,
    /// A text for people, or a name; it may have holes.
    Text,
}

/// How a file is formatted.
#[derive(Clone, Copy)]
pub struct FormatOptions<'o> {
    /// How many columns a line may have before brackets are opened up.
    pub width_max: usize,
    /// Says what the scalar at a path holds.
    pub field_kind: &'o dyn Fn(&[PathPart<'_>]) -> FieldKind,
}

impl Default for FormatOptions<'_> {
    /// Returns the canonical form for files without expressions.
    fn default() -> Self {
        Self {
            width_max: WIDTH_MAX,
            field_kind: &|_| FieldKind::Value,
        }
    }
}

/// Returns a file of a project in its canonical form.
///
/// # Errors
/// The findings of a file that cannot be read; or one that says that the form would change what the
/// file means, which is an error of this program: the file is to be left as it is.
pub fn format_yaml(
    file: FileId,
    text: &str,
    options: &FormatOptions<'_>,
) -> Result<String, Findings> {
    let (document, findings) = crate::parse_yaml_with(file, text, &ParseOptions::project());
    if findings.has_errors() {
        return Err(findings);
    }
    let formatted = write::write(&document, text, options);
    match check_same(&document, &formatted, options) {
        Ok(()) => Ok(formatted),
        Err(place) => {
            let span = place.unwrap_or(Span::new(file, 0, 0));
            let finding = Finding::error(
                codes::SYNTAX,
                span,
                "the file is left as it is: its canonical form would not mean the same",
            );
            Err(finding
                .with_help("write this place in a simpler form; and please report it as an error")
                .into())
        }
    }
}

/// Checks that `formatted` has the same tree and the same comments. The error is a place of the
/// original that is lost or changed, if one can be named.
fn check_same(
    original: &Document,
    formatted: &str,
    options: &FormatOptions<'_>,
) -> Result<(), Option<Span>> {
    let (again, findings) =
        crate::parse_yaml_with(original.file, formatted, &ParseOptions::project());
    if findings.has_errors() {
        return Err(None);
    }
    let (before, after) = (&original.comments, &again.comments);
    for (index, comment) in before.iter().enumerate() {
        let kept = after.get(index).is_some_and(|own| {
            let blanks = [' ', '\t'];
            own.text.trim_end_matches(blanks) == comment.text.trim_end_matches(blanks)
        });
        if !kept {
            return Err(Some(comment.span));
        }
    }
    if before.len() != after.len() {
        return Err(None);
    }
    match (&original.root, &again.root) {
        (Some(before), Some(after)) => same(before, after, &mut Vec::new(), options).map_err(Some),
        (None, None) => Ok(()),
        (Some(node), None) if node.is_absent() => Ok(()),
        (Some(node), None) => Err(Some(node.span)),
        (None, Some(_)) => Err(None),
    }
}

/// Compares two trees; the error is the first place of `before` that differs.
fn same<'n>(
    before: &'n Node,
    after: &Node,
    path: &mut Vec<PathPart<'n>>,
    options: &FormatOptions<'_>,
) -> Result<(), Span> {
    let equal = match (&before.kind, &after.kind) {
        (NodeKind::Scalar(before), NodeKind::Scalar(after)) => {
            let typed = (options.field_kind)(path) != FieldKind::Expression;
            before.text == after.text && (!typed || is_text(before) == is_text(after))
        }
        (NodeKind::List(before), NodeKind::List(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                path.push(PathPart::Index(index));
                same(before, after, path, options)?;
                path.pop();
            }
            true
        }
        (NodeKind::Map(before), NodeKind::Map(after))
            if before.entries.len() == after.entries.len() =>
        {
            for (before, after) in before.entries.iter().zip(&after.entries) {
                if before.key.text != after.key.text {
                    return Err(before.key_span);
                }
                path.push(PathPart::Key(&before.key.text));
                same(&before.value, &after.value, path, options)?;
                path.pop();
            }
            true
        }
        _ => false,
    };
    if equal { Ok(()) } else { Err(before.span) }
}

/// Returns whether a scalar is a text by the core schema.
fn is_text(scalar: &Scalar) -> bool {
    scalar.style != Style::Plain || crate::scalar::plain_is_text(&scalar.text)
}
