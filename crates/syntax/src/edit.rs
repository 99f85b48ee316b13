//! Changing a file by splicing bytes: what an edit does not name stays as it is.

use std::fmt;

use sluice_model::finding::Edit;
use sluice_model::span::Span;

use crate::format::scalar as quoting;
use crate::tree::{Document, Entry, Map, Node, NodeKind, Style};
use crate::yaml::lines::Line;

#[cfg(test)]
mod tests;

/// One step of the way from the root to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathPart<'p> {
    /// The value of this key.
    Key(&'p str),
    /// The item at this index, from 0.
    Index(usize),
}

/// Why a file cannot be changed as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditError {
    /// Two edits change the same bytes, or insert at the same place.
    Overlap(Span, Span),
    /// An edit lies outside of the text, or splits a character.
    Outside(Span),
    /// The edits are of different files.
    Files(Span, Span),
    /// The path leads to nothing; this is how many of its parts were found.
    NoSuchPath(usize),
    /// The key is there already.
    Exists(Span),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EditError::Overlap(first, second) => write!(
                f,
                "two edits change the same place: bytes {}..{} and {}..{}",
                first.start, first.end, second.start, second.end
            ),
            EditError::Outside(span) => write!(
                f,
                "the edit of bytes {}..{} does not lie on characters of the text",
                span.start, span.end
            ),
            EditError::Files(..) => f.write_str("the edits are of different files"),
            EditError::NoSuchPath(found) => {
                write!(f, "the path leads to nothing after {found} of its parts")
            }
            EditError::Exists(span) => {
                write!(f, "the key is there already, at byte {}", span.start)
            }
        }
    }
}

impl std::error::Error for EditError {}

/// Applies edits of one file to its text. Their order does not count.
///
/// # Errors
/// [`EditError::Overlap`], [`EditError::Outside`] or [`EditError::Files`]; then nothing is applied.
pub fn apply(text: &str, edits: &[Edit]) -> Result<String, EditError> {
    let mut sorted: Vec<&Edit> = edits.iter().collect();
    sorted.sort_by_key(|edit| edit.span);
    for pair in sorted.windows(2) {
        let (first, second) = (pair[0].span, pair[1].span);
        if first.file != second.file {
            return Err(EditError::Files(first, second));
        }
        if second.start < first.end || first == second {
            return Err(EditError::Overlap(first, second));
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for edit in sorted {
        let span = edit.span;
        let before = text.get(done..span.range().start);
        let (Some(before), true) = (before, text.get(span.range()).is_some()) else {
            return Err(EditError::Outside(span));
        };
        out.push_str(before);
        out.push_str(&edit.text);
        done = span.range().end;
    }
    out.push_str(&text[done..]);
    Ok(out)
}

impl Node {
    /// Returns the node that a path leads to from here.
    pub fn at(&self, path: &[PathPart<'_>]) -> Option<&Node> {
        path.iter().try_fold(self, |node, part| match part {
            PathPart::Key(key) => node.get(key),
            PathPart::Index(index) => node.as_list()?.get(*index),
        })
    }
}

/// Returns the edits that give the node at `path` a new value, which must be there, or, if only the
/// last part of the path is a missing key, add it at the end of its map.
///
/// `value` is YAML: what stands behind the colon (`{ a: 1 }`, `'text'`), or the lines of a block,
/// as they would stand under a key at the beginning of a line, without indentation of their own
/// for maps and lists. It is indented to its place. Comments outside of the old value stay.
///
/// # Errors
/// [`EditError::NoSuchPath`].
pub fn set(
    document: &Document,
    text: &str,
    path: &[PathPart<'_>],
    value: &str,
) -> Result<Vec<Edit>, EditError> {
    let root = document.root.as_ref().ok_or(EditError::NoSuchPath(0))?;
    let Some((last, parents)) = path.split_last() else {
        return Ok(vec![edit(root.span, value.to_owned())]);
    };
    let parent = root.at(parents).ok_or_else(|| missing(root, path))?;
    match (&parent.kind, last) {
        (NodeKind::Map(map), PathPart::Key(key)) => match map.entry(key) {
            Some(entry) => Ok(vec![replace(text, map, entry, value)]),
            None => insert(document, text, parents, key, value),
        },
        (NodeKind::List(items), PathPart::Index(index)) => {
            let item = items.get(*index).ok_or_else(|| missing(root, path))?;
            let column = Line::at(text, item.span.range().start).content_column();
            Ok(vec![edit(item.span, indented(value, column))])
        }
        (NodeKind::Map(_) | NodeKind::List(_) | NodeKind::Scalar(_), _) => Err(missing(root, path)),
    }
}

/// Returns the edits that add `key` with a value (see [`set`]) at the end of the map at `path`.
///
/// # Errors
/// [`EditError::NoSuchPath`] if there is no map, [`EditError::Exists`] if it has the key.
pub fn insert(
    document: &Document,
    text: &str,
    path: &[PathPart<'_>],
    key: &str,
    value: &str,
) -> Result<Vec<Edit>, EditError> {
    let root = document.root.as_ref().ok_or(EditError::NoSuchPath(0))?;
    let node = root.at(path).ok_or_else(|| missing(root, path))?;
    let map = node.as_map().ok_or_else(|| missing(root, path))?;
    if let Some(entry) = map.entry(key) {
        return Err(EditError::Exists(entry.key_span));
    }
    let json = map.flow_style
        && map
            .entries
            .first()
            .is_some_and(|entry| entry.key.style == Style::Double);
    let key = if json {
        quoting::double_quoted(key)
    } else {
        quoting::key(key, map.flow_style)
    };
    if map.flow_style {
        return Ok(vec![insert_in_flow(text, node, format!("{key}: {value}"))]);
    }
    let Some(entry) = map.entries.last() else {
        return Ok(vec![edit(node.span, format!("{key}: {value}"))]);
    };
    let line = Line::at(text, entry.key_span.range().start);
    let column = entry.key_span.range().start - line.range.start;
    let end = Line::at(text, entry.value.span.range().end).range.end;
    let entry = format!("{key}:{}", after_colon(value, column));
    let place = Span::new(node.span.file, end, end);
    let indent = " ".repeat(column);
    Ok(vec![edit(place, format!("\n{indent}{entry}"))])
}

/// Returns the edits that remove the entry or item at `path`, with its line where it has lines of
/// its own. Of a map or list that would be empty then, `{}` or `[]` is left.
///
/// # Errors
/// [`EditError::NoSuchPath`]; the root cannot be removed.
pub fn remove(
    document: &Document,
    text: &str,
    path: &[PathPart<'_>],
) -> Result<Vec<Edit>, EditError> {
    let root = document.root.as_ref().ok_or(EditError::NoSuchPath(0))?;
    let (last, parents) = path.split_last().ok_or(EditError::NoSuchPath(0))?;
    let parent = root.at(parents).ok_or_else(|| missing(root, path))?;
    let (spans, index, empty): (Vec<Span>, _, _) = match (&parent.kind, last) {
        (NodeKind::Map(map), PathPart::Key(key)) => {
            let entries = map.entries.iter();
            let index = entries.clone().position(|entry| &*entry.key.text == *key);
            let spans = entries.map(|entry| entry.key_span.to(entry.value.span));
            (spans.collect(), index, "{}")
        }
        (NodeKind::List(items), PathPart::Index(index)) => {
            let spans: Vec<Span> = items.iter().map(|item| item.span).collect();
            let index = (*index < spans.len()).then_some(*index);
            (spans, index, "[]")
        }
        (NodeKind::Map(_) | NodeKind::List(_) | NodeKind::Scalar(_), _) => {
            return Err(missing(root, path));
        }
    };
    let index = index.ok_or_else(|| missing(root, path))?;
    let flow = text[parent.span.range()].starts_with(['{', '[']);
    Ok(vec![if flow {
        remove_from_flow(text, &spans, index)
    } else if spans.len() == 1 {
        edit(parent.span, only_left(text, parent, empty))
    } else {
        remove_lines(text, parent, &spans, index)
    }])
}

fn edit(span: Span, text: String) -> Edit {
    Edit { span, text }
}

/// Returns the error for a path that leads to nothing.
fn missing(root: &Node, path: &[PathPart<'_>]) -> EditError {
    let found = (0..=path.len())
        .rev()
        .find(|length| root.at(&path[..*length]).is_some());
    EditError::NoSuchPath(found.unwrap_or(0))
}

/// Indents all lines of a value but its first.
fn indented(value: &str, column: usize) -> String {
    value
        .trim_end_matches('\n')
        .replace('\n', &format!("\n{}", " ".repeat(column)))
}

/// Returns what stands behind the colon of a key at `column`.
fn after_colon(value: &str, column: usize) -> String {
    let block = value.trim_end_matches('\n').contains('\n') || value.starts_with("- ");
    if block && !value.starts_with(['|', '>']) {
        let column = column + 2;
        return format!("\n{}{}", " ".repeat(column), indented(value, column));
    }
    match value {
        "" => String::new(),
        _ => format!(" {}", indented(value, column)),
    }
}

/// Replaces the value of an entry, from its colon on; a comment behind the colon stays there.
fn replace(text: &str, map: &Map, entry: &Entry, value: &str) -> Edit {
    let (key, old) = (entry.key_span.range(), entry.value.span.range());
    let line = Line::at(text, key.start);
    let same_line = old.start <= line.range.end;
    if map.flow_style && !entry.value.is_absent() {
        return edit(entry.value.span, value.to_owned());
    }
    let colon = text[key.end..old.start].find(':');
    let file = entry.key_span.file;
    let Some(colon) = colon.map(|at| key.end + at + 1) else {
        return edit(entry.key_span.after(), format!(": {value}"));
    };
    let column = key.start - line.range.start;
    let mut new = after_colon(value, column);
    if !same_line {
        // The old value stands in the lines below: what stands behind the colon is a comment.
        let comment = text[colon..line.range.end].trim();
        if let (true, Some(line_break)) = (!comment.is_empty(), new.find('\n')) {
            new.insert_str(line_break, &format!("  {comment}"));
        } else if !comment.is_empty() {
            new.push_str(&format!("  {comment}"));
        }
    }
    edit(Span::new(file, colon, old.end), new)
}

fn insert_in_flow(text: &str, node: &Node, entry: String) -> Edit {
    let range = node.span.range();
    let inner = &text[range.start + 1..range.end.saturating_sub(1).max(range.start + 1)];
    let file = node.span.file;
    if inner.trim().is_empty() {
        let place = Span::new(file, range.start + 1, range.start + 1 + inner.len());
        return edit(place, format!(" {entry} "));
    }
    let end = range.start + 1 + inner.trim_end().len();
    let comma = if inner.trim_end().ends_with(',') {
        " "
    } else {
        ", "
    };
    edit(Span::new(file, end, end), format!("{comma}{entry}"))
}

/// Removes an entry or item of a flow collection with one of the commas beside it.
fn remove_from_flow(text: &str, spans: &[Span], index: usize) -> Edit {
    let span = spans[index];
    let range = match (index.checked_sub(1), spans.get(index + 1)) {
        (Some(before), _) => spans[before].range().end..span.range().end,
        (None, Some(next)) => span.range().start..next.range().start,
        (None, None) => {
            let rest = &text[span.range().end..];
            let comma = rest.len() - rest.trim_start_matches([' ', ',']).len();
            span.range().start..span.range().end + comma
        }
    };
    edit(Span::new(span.file, range.start, range.end), String::new())
}

/// Returns what is left of a block collection without its only entry: `{}` or `[]`, in the line of
/// its key where it can be.
fn only_left(text: &str, parent: &Node, empty: &str) -> String {
    let start = parent.span.range().start;
    let line = Line::at(text, start);
    debug_assert!(line.range.start <= start, "a node stands in its line");
    empty.to_owned()
}

fn remove_lines(text: &str, parent: &Node, spans: &[Span], index: usize) -> Edit {
    let span = spans[index];
    let file = span.file;
    let line = Line::at(text, span.range().start);
    let list = parent.as_list().is_some();
    let own_start = if list { line.indent_end } else { line.content };
    let first_in_item = line.content != line.indent_end && !list;
    if index == 0 && (first_in_item || own_start != parent.span.range().start && !list) {
        // The first key of a list item: the dash before it stays for the next key.
        let next = spans[1].range().start;
        return edit(Span::new(file, span.range().start, next), String::new());
    }
    let end = Line::at(text, span.range().end).range.end;
    let end = end
        + text[end..]
            .find('\n')
            .map_or(0, |line_break| line_break + 1);
    edit(Span::new(file, line.range.start, end), String::new())
}
