//! Changing a file by splicing bytes: what an edit does not name stays as it is.

use std::fmt;

use sluice_model::finding::Edit;
use sluice_model::span::Span;

use crate::format::scalar as quoting;
use crate::tree::{Document, Entry, Node, NodeKind, Style};
use crate::yaml::lines::{self, Line};

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
/// `value` is YAML: what stands behind the colon (`{ a: 1 }`, `'text'`, `|` and its lines indented
/// by two spaces), or the lines of a block map or list without indentation. It is indented to its
/// place. Only what is inside of the old value changes; a comment behind its key stays.
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
    let value = value.trim_end_matches('\n');
    let Some((last, parents)) = path.split_last() else {
        return Ok(vec![edit(root.span, value.to_owned())]);
    };
    let parent = root.at(parents).ok_or_else(|| missing(root, path))?;
    match (&parent.kind, last) {
        (NodeKind::Map(map), PathPart::Key(key)) => match map.entry(key) {
            Some(entry) if map.flow_style => Ok(vec![replace_in_flow(text, entry, value)]),
            Some(entry) => Ok(replace(document, text, entry, value)),
            None => insert(document, text, parents, key, value),
        },
        (NodeKind::List(items), PathPart::Index(index)) => {
            let item = items.get(*index).ok_or_else(|| missing(root, path))?;
            let start = item.span.range().start;
            let space = if item.is_absent() { " " } else { "" };
            let line = Line::at(text, start);
            let column = start + space.len() - line.range.start;
            // The lines of a block scalar bring two columns of their own.
            let column = column.saturating_sub(if is_block_scalar(value) { 2 } else { 0 });
            Ok(vec![edit(
                item.span,
                format!("{space}{}", indented(value, column)),
            )])
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
    let first = map.entries.first();
    let json = map.flow_style && first.is_some_and(|entry| entry.key.style == Style::Double);
    let key = if json {
        quoting::double_quoted(key)
    } else {
        quoting::key(key, map.flow_style)
    };
    let value = value.trim_end_matches('\n');
    let Some(last) = map.entries.last().filter(|_| !map.flow_style) else {
        return Ok(vec![add_in_flow(text, node, &format!("{key}: {value}"))]);
    };
    let column = column_of(text, last.key_span.range().start);
    let entry = format!("{key}:{}", after_colon(value, column));
    Ok(vec![add_line(text, last.value.span, column, &entry)])
}

/// Returns the edits that add an item (see [`set`] for `value`) at the end of the list at `path`.
///
/// # Errors
/// [`EditError::NoSuchPath`] if there is no list.
pub fn push(
    document: &Document,
    text: &str,
    path: &[PathPart<'_>],
    value: &str,
) -> Result<Vec<Edit>, EditError> {
    let root = document.root.as_ref().ok_or(EditError::NoSuchPath(0))?;
    let node = root.at(path).ok_or_else(|| missing(root, path))?;
    let items = node.as_list().ok_or_else(|| missing(root, path))?;
    let value = value.trim_end_matches('\n');
    let flow = text[node.span.range()].starts_with('[');
    let Some(last) = items.last().filter(|_| !flow) else {
        return Ok(vec![add_in_flow(text, node, value)]);
    };
    // A block list begins with its first dash.
    let column = column_of(text, node.span.range().start);
    let shift = if is_block_scalar(value) { 0 } else { 2 };
    let item = format!("- {}", indented(value, column + shift));
    Ok(vec![add_line(text, last.span, column, &item)])
}

/// Returns the edits that remove the entry or item at `path`, with its lines where it has lines of
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
    let flow = text[parent.span.range()].starts_with(['{', '[']);
    let (spans, index, empty) =
        parts(text, parent, last, flow).ok_or_else(|| missing(root, path))?;
    if flow {
        return Ok(vec![remove_from_flow(text, &spans, index)]);
    }
    if spans.len() == 1 {
        return set(document, text, parents, empty);
    }
    Ok(vec![remove_lines(text, &spans, index)])
}

/// Returns the places of all entries or items of a node, which of them `part` is, and what the node
/// is without any. The place of an item in a block begins with its dash.
fn parts(
    text: &str,
    node: &Node,
    part: &PathPart<'_>,
    flow: bool,
) -> Option<(Vec<Span>, usize, &'static str)> {
    match (&node.kind, part) {
        (NodeKind::Map(map), PathPart::Key(key)) => {
            let entries = map.entries.iter();
            let index = entries.clone().position(|entry| &*entry.key.text == *key)?;
            let spans = entries.map(|entry| entry.key_span.to(entry.value.span));
            Some((spans.collect(), index, "{}"))
        }
        (NodeKind::List(items), PathPart::Index(index)) if *index < items.len() => {
            let mut end = None;
            let spans = items.iter().map(|item| {
                let start = item.span.range().start;
                let dash = match end.replace(item.span.range().end) {
                    _ if flow => start,
                    None => node.span.range().start,
                    Some(end) => lines::dash(text, end, start),
                };
                Span::new(item.span.file, dash, item.span.range().end)
            });
            Some((spans.collect(), *index, "[]"))
        }
        (NodeKind::Map(_) | NodeKind::List(_) | NodeKind::Scalar(_), _) => None,
    }
}

fn edit(span: Span, text: String) -> Edit {
    Edit { span, text }
}

fn is_block_scalar(value: &str) -> bool {
    value.starts_with(['|', '>'])
}

/// Returns the column of a place, in bytes.
fn column_of(text: &str, at: usize) -> usize {
    at - Line::at(text, at).range.start
}

/// Returns the error for a path that leads to nothing.
fn missing(root: &Node, path: &[PathPart<'_>]) -> EditError {
    let found = (0..=path.len())
        .rev()
        .find(|length| root.at(&path[..*length]).is_some());
    EditError::NoSuchPath(found.unwrap_or(0))
}

/// Indents all lines of a value but its first; empty lines stay empty.
fn indented(value: &str, column: usize) -> String {
    let mut lines = value.split('\n');
    let mut out = lines.next().unwrap_or("").to_owned();
    for line in lines {
        out.push('\n');
        if !line.is_empty() {
            out.extend(std::iter::repeat_n(' ', column));
            out.push_str(line);
        }
    }
    out
}

/// Returns what stands behind the colon of a key at `column`.
fn after_colon(value: &str, column: usize) -> String {
    let lines = value.contains('\n') || value == "-" || value.starts_with("- ");
    if lines && !is_block_scalar(value) && !value.starts_with(['{', '[', '"', '\'']) {
        let column = column + 2;
        return format!("\n{}{}", " ".repeat(column), indented(value, column));
    }
    match value {
        "" => String::new(),
        _ => format!(" {}", indented(value, column)),
    }
}

fn replace_in_flow(text: &str, entry: &Entry, value: &str) -> Edit {
    let place = entry.value.span;
    if !entry.value.is_absent() {
        return edit(place, value.to_owned());
    }
    let colon = text[..place.range().start].ends_with(':');
    let colon = if colon { " " } else { ": " };
    edit(place, format!("{colon}{value}"))
}

/// Replaces the value of an entry of a block. A comment behind its key, its block scalar's header
/// or its value stays where it is in the first line.
fn replace(document: &Document, text: &str, entry: &Entry, value: &str) -> Vec<Edit> {
    let (key, old) = (entry.key_span.range(), entry.value.span.range());
    let file = entry.key_span.file;
    let key_line = Line::at(text, key.start);
    let new = after_colon(value, key.start - key_line.range.start);
    let colon = text[key.end..old.start].find(':');
    let colon = colon.map_or(key.end, |colon| key.end + colon + 1);
    let lines = new.contains('\n');
    let absent = entry.value.is_absent();
    if old.start <= key_line.range.end && !lines && !absent && !text[old.clone()].contains('\n') {
        return vec![edit(entry.value.span, value.to_owned())];
    }
    if key_line.range.end < old.start {
        // The old value stands in the lines below, and so may comments above it.
        let start = Line::at(text, old.start).range.start;
        let end = Line::at(text, old.end).range.end;
        let (first, rest) = new.split_at(new.find('\n').unwrap_or(new.len()));
        let old_lines = match rest.strip_prefix('\n') {
            Some(rest) if is_block_scalar(value) => {
                // Comments above the old value would be text of the new one: they go below it.
                let column = " ".repeat(key.start - key_line.range.start);
                let above = text[key_line.range.end..start].lines().map(str::trim);
                let comments = above.filter(|line| !line.is_empty());
                let comments: String = comments
                    .map(|comment| format!("\n{column}{comment}"))
                    .collect();
                let place = Span::new(file, key_line.range.end, end);
                edit(place, format!("\n{rest}{comments}"))
            }
            Some(rest) => edit(Span::new(file, start, end), rest.to_owned()),
            None => edit(Span::new(file, start - 1, end), String::new()),
        };
        let first = edit(Span::new(file, colon, colon), first.to_owned());
        return if first.text.is_empty() {
            vec![old_lines]
        } else {
            vec![first, old_lines]
        };
    }
    let behind = document.comments.iter().find(|comment| {
        colon <= comment.span.range().start && comment.span.range().start < key_line.range.end
    });
    let Some(comment) = behind else {
        return vec![edit(Span::new(file, colon, old.end), new)];
    };
    let (first, rest) = new.split_at(new.find('\n').unwrap_or(new.len()));
    let new = format!("{first}  {}{rest}", &text[comment.span.range()]);
    let end = old.end.max(comment.span.range().end);
    vec![edit(Span::new(file, colon, end), new)]
}

/// Adds a line after that in which `last` ends; the comment behind it stays behind it.
fn add_line(text: &str, last: Span, column: usize, line: &str) -> Edit {
    let end = Line::at(text, last.range().end).range.end;
    let indent = " ".repeat(column);
    edit(Span::new(last.file, end, end), format!("\n{indent}{line}"))
}

/// Adds an entry or item in front of the closing bracket.
fn add_in_flow(text: &str, node: &Node, part: &str) -> Edit {
    let range = node.span.range();
    let file = node.span.file;
    let inner = text
        .get(range.start + 1..range.end.saturating_sub(1))
        .unwrap_or("");
    let space = if text[range.clone()].starts_with('{') {
        " "
    } else {
        ""
    };
    if inner.trim().is_empty() {
        let place = Span::new(file, range.start + 1, range.start + 1 + inner.len());
        return edit(place, format!("{space}{part}{space}"));
    }
    // A comment may stand before the bracket: the place is behind the last part.
    let last = match &node.kind {
        NodeKind::Map(map) => map.entries.last().map(|entry| entry.value.span),
        NodeKind::List(items) => items.last().map(|item| item.span),
        NodeKind::Scalar(_) => None,
    };
    let end = last.map_or(range.start + 1, |last| last.range().end);
    edit(Span::new(file, end, end), format!(", {part}"))
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
            let before = text[..span.range().start].trim_end_matches(' ').len();
            before..span.range().end + comma
        }
    };
    edit(Span::new(span.file, range.start, range.end), String::new())
}

/// Removes an entry or item of a block that is not the only one.
fn remove_lines(text: &str, spans: &[Span], index: usize) -> Edit {
    let span = spans[index];
    let (start, end) = (span.range().start, span.range().end);
    let line = Line::at(text, start);
    let last = Line::at(text, end);
    if line.indent_end < start {
        // A dash stands before it: what comes next moves up behind that dash.
        let next = last
            .after(text)
            .map_or(last.range.end, |next| next.indent_end);
        return edit(Span::new(span.file, start, next), String::new());
    }
    let (start, end) = match text[last.range.end..].find('\n') {
        Some(line_break) => (line.range.start, last.range.end + line_break + 1),
        None => (line.range.start.saturating_sub(1), text.len()),
    };
    edit(Span::new(span.file, start, end), String::new())
}
