//! Writing a document in its canonical form.

use crate::edit::PathPart;
use crate::format::scalar::{self, Place};
use crate::format::{FieldKind, FormatOptions, is_text};
use crate::tree::{Document, Entry, Map, Node, NodeKind, Scalar, Style};
use crate::yaml::lines::{self, Line};

/// Returns the document in its canonical form.
pub(super) fn write(document: &Document, text: &str, options: &FormatOptions<'_>) -> String {
    let comments = document.comments.iter();
    let mut writer = Writer {
        text,
        options,
        comments: comments
            .map(|comment| {
                let range = comment.span.range();
                let line = Line::at(text, range.start);
                Remark {
                    start: range.start,
                    text: text[range.clone()].trim_end_matches([' ', '\t', '\r']),
                    own_line: line.indent_end == range.start,
                    column: range.start - line.range.start,
                }
            })
            .collect(),
        next: 0,
        line_starts: std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect(),
        flow_bytes_max: usize::MAX,
        out: String::with_capacity(text.len() + text.len() / 8),
        trailing: Vec::new(),
        path: Vec::new(),
        limit: usize::MAX,
        after_kept_lines: false,
    };
    writer.document(document);
    writer.finish()
}

/// A comment of the document.
struct Remark<'t> {
    start: usize,
    /// The comment with its `#`.
    text: &'t str,
    /// Whether nothing stands before it in its line.
    own_line: bool,
    column: usize,
}

struct Writer<'d, 'o> {
    text: &'d str,
    options: &'o FormatOptions<'o>,
    comments: Vec<Remark<'d>>,
    /// The first comment that is not written yet.
    next: usize,
    out: String,
    /// Where the lines of the text begin: a line may be as long as the file.
    line_starts: Vec<usize>,
    /// How many bytes of a map or list in brackets are of interest.
    flow_bytes_max: usize,
    /// Where in `out` the comments behind values begin, their two spaces included.
    trailing: Vec<usize>,
    path: Vec<PathPart<'d>>,
    /// Where the next entry or item outside of the one that is written begins.
    limit: usize,
    /// Whether the last scalar ends in empty lines that are part of its text.
    after_kept_lines: bool,
}

/// Where the next line of a block goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    /// Into the line that has been begun, behind its `- `.
    Inline,
    /// Into a line of its own.
    OwnLine,
}

impl<'d> Writer<'d, '_> {
    fn document(&mut self, document: &'d Document) {
        if let Some(root) = document.root.as_ref().filter(|root| !root.is_absent()) {
            self.comments_before(root.span.range().start, 0, true);
            match &root.kind {
                NodeKind::Map(_) | NodeKind::List(_) if self.is_block(root, 0) => {
                    self.block(root, 0, First::OwnLine);
                }
                NodeKind::Map(_) | NodeKind::List(_) | NodeKind::Scalar(_) => {
                    self.blank_line(root.span.range().start, self.out.is_empty());
                    self.start_line(0);
                    self.value(root, 0);
                    self.comment_behind(root.span.range().end);
                }
            }
        }
        self.comments_before(usize::MAX, 0, self.out.is_empty());
    }

    /// Aligns the comments behind values, and ends the file.
    fn finish(mut self) -> String {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        align(&self.out, &self.trailing, self.options.width_max)
    }

    /// Begins a line.
    fn start_line(&mut self, indent: usize) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.after_kept_lines = false;
    }

    /// Returns the column of a place of the text, in bytes.
    fn column(&self, at: usize) -> usize {
        let index = self.line_starts.partition_point(|start| *start <= at);
        at - index
            .checked_sub(1)
            .map_or(0, |index| self.line_starts[index])
    }

    /// Writes an empty line if there is one above the line that holds `at`.
    fn blank_line(&mut self, at: usize, first: bool) {
        let start = at - self.column(at);
        let above = &self.text[..start];
        let above = above.strip_suffix('\n').unwrap_or(above);
        let line = &above[above.rfind('\n').map_or(0, |line_break| line_break + 1)..];
        if !first
            && start != 0
            && !self.after_kept_lines
            && line.trim_matches([' ', '\t', '\r']).is_empty()
        {
            if !self.out.ends_with('\n') {
                self.out.push('\n');
            }
            self.out.push('\n');
        }
    }

    /// Writes the comments before `end` in lines of their own. Returns whether there were any.
    fn comments_before(&mut self, end: usize, indent: usize, first: bool) -> bool {
        let mut first = first;
        let begin = self.next;
        while let Some(comment) = self.comments.get(self.next) {
            if end <= comment.start {
                break;
            }
            let (start, text, own_line) = (comment.start, comment.text, comment.own_line);
            self.blank_line(start, first || !own_line);
            self.start_line(indent);
            self.out.push_str(text);
            self.next += 1;
            first = false;
        }
        begin != self.next
    }

    /// Writes the comments in lines of their own that follow a block and are indented by more than
    /// the key or dash that it stands under: they are about the block.
    fn comments_after(&mut self, parent_column: usize, indent: usize) {
        while let Some(comment) = self.comments.get(self.next) {
            let about_block =
                comment.own_line && comment.start < self.limit && parent_column < comment.column;
            if !about_block {
                break;
            }
            self.comments_before(comment.start + 1, indent, false);
        }
    }

    /// Writes the comment that stands behind `at` in the same line, if there is one.
    fn comment_behind(&mut self, at: usize) {
        let Some(comment) = self.comments.get(self.next) else {
            return;
        };
        // Only the end of what is written may stand between: else it is about something else.
        let ends = |between: &str| {
            between
                .chars()
                .all(|sign| matches!(sign, ' ' | '\t' | ',' | ':' | ']' | '}'))
        };
        if !comment.own_line && self.text.get(at..comment.start).is_some_and(ends) {
            self.trailing.push(self.out.len());
            self.out.push_str("  ");
            self.out.push_str(comment.text);
            self.next += 1;
        }
    }

    /// Returns whether a comment stands inside of a node.
    fn has_comments(&self, node: &Node) -> bool {
        let range = node.span.range();
        let rest = &self.comments[self.next..];
        let index = rest.partition_point(|comment| comment.start < range.start);
        rest.get(index)
            .is_some_and(|comment| comment.start < range.end)
    }

    fn is_flow(&self, node: &Node) -> bool {
        self.text[node.span.range()].starts_with(['{', '['])
            && !matches!(node.kind, NodeKind::Scalar(_))
            || matches!(&node.kind, NodeKind::Map(map) if map.flow_style)
    }

    /// Returns whether a map or list is written as a block, if its line has `column` columns yet.
    fn is_block(&mut self, node: &'d Node, column: usize) -> bool {
        let empty = match &node.kind {
            NodeKind::Scalar(_) => return false,
            NodeKind::Map(map) => map.entries.is_empty(),
            NodeKind::List(items) => items.is_empty(),
        };
        if !self.is_flow(node) {
            return true;
        }
        if self.has_comments(node) {
            // Without an entry there is no place for them in brackets but before them.
            return !empty;
        }
        // More than fits into the line need not be written only to be measured.
        self.flow_bytes_max = self.options.width_max * 4;
        let mut flow = String::new();
        self.flow(node, &mut flow);
        self.flow_bytes_max = usize::MAX;
        !empty && self.options.width_max < column + flow.chars().count()
    }

    fn line_width(&self) -> usize {
        let start = self.out.rfind('\n').map_or(0, |line_break| line_break + 1);
        self.out[start..].chars().count()
    }

    /// Writes the entries or items of a block whose lines are indented by `indent`.
    fn block(&mut self, node: &'d Node, indent: usize, first: First) {
        match &node.kind {
            NodeKind::Map(map) => self.map(map, indent, first),
            NodeKind::List(items) => self.list(items, indent, first),
            NodeKind::Scalar(_) => {}
        }
    }

    fn map(&mut self, map: &'d Map, indent: usize, first: First) {
        for (index, entry) in map.entries.iter().enumerate() {
            let start = entry.key_span.range().start;
            if index != 0 || first == First::OwnLine {
                let at_first = index == 0 && indent != 0 || self.out.is_empty();
                let commented = self.comments_before(start, indent, at_first);
                self.blank_line(start, at_first && !commented);
                self.start_line(indent);
            }
            let next = map.entries.get(index + 1);
            let next = next.map(|next| next.key_span.range().start);
            let limit = self.limit;
            self.limit = next.unwrap_or(limit);
            self.path.push(PathPart::Key(&entry.key.text));
            self.entry(entry, indent);
            self.path.pop();
            self.limit = limit;
        }
    }

    fn entry(&mut self, entry: &'d Entry, indent: usize) {
        let key = scalar::written_key(&entry.key.text, entry.key.style, Place::Block);
        self.out.push_str(&key);
        self.out.push(':');
        let value = &entry.value;
        let key_column = self.column(entry.key_span.range().start);
        if value.is_absent() {
            self.comment_behind(value.span.range().end);
        } else if self.is_block(value, self.line_width() + 1) {
            // What stands between the key and the block is behind the key.
            let before_value = self.comments.get(self.next);
            if before_value.is_some_and(|comment| comment.start < value.span.range().start) {
                self.comment_behind(entry.key_span.range().end);
            } else if self.is_flow(value) {
                self.comment_behind(value.span.range().end);
            }
            self.block(value, indent + 2, First::OwnLine);
            self.comments_after(key_column, indent + 2);
        } else {
            self.out.push(' ');
            self.value(value, indent);
            self.comment_behind(value.span.range().end);
        }
    }

    fn list(&mut self, items: &'d [Node], indent: usize, first: First) {
        for (index, item) in items.iter().enumerate() {
            let start = item.span.range().start;
            if index != 0 || first == First::OwnLine {
                let at_first = index == 0 && indent != 0 || self.out.is_empty();
                let commented = self.comments_before(start, indent, at_first);
                self.blank_line(start, at_first && !commented);
                self.start_line(indent);
            }
            let next = items.get(index + 1);
            let next = next
                .map(|next| lines::dash(self.text, item.span.range().end, next.span.range().start));
            let limit = self.limit;
            self.limit = next.unwrap_or(limit);
            self.path.push(PathPart::Index(index));
            self.item(item, indent);
            self.path.pop();
            self.limit = limit;
        }
    }

    fn item(&mut self, item: &'d Node, indent: usize) {
        self.out.push('-');
        if item.is_absent() {
            self.comment_behind(item.span.range().end);
        } else if self.is_block(item, self.line_width() + 1) {
            self.out.push(' ');
            self.block(item, indent + 2, First::Inline);
            // The dash stands before the content; with `-` in a line of its own, before its column.
            let column = self.column(item.span.range().start);
            self.comments_after(column.saturating_sub(1), indent + 2);
        } else {
            self.out.push(' ');
            self.value(item, indent);
            self.comment_behind(item.span.range().end);
        }
    }

    /// Writes a scalar, or brackets in one line.
    fn value(&mut self, node: &'d Node, indent: usize) {
        match &node.kind {
            NodeKind::Scalar(scalar) => self.scalar(node, scalar, indent),
            NodeKind::Map(_) | NodeKind::List(_) => {
                let mut flow = String::new();
                self.flow(node, &mut flow);
                self.out.push_str(&flow);
            }
        }
    }

    /// Writes a node in one line.
    fn flow(&mut self, node: &'d Node, out: &mut String) {
        if self.flow_bytes_max < out.len() {
            return;
        }
        match &node.kind {
            NodeKind::Scalar(scalar) => {
                let kind = (self.options.field_kind)(&self.path);
                out.push_str(&in_line(scalar, kind, Place::Flow));
            }
            NodeKind::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    self.path.push(PathPart::Index(index));
                    self.flow(item, out);
                    self.path.pop();
                }
                out.push(']');
            }
            NodeKind::Map(map) if map.entries.is_empty() => out.push_str("{}"),
            NodeKind::Map(map) => {
                out.push('{');
                for (index, entry) in map.entries.iter().enumerate() {
                    out.push_str(if index == 0 { " " } else { ", " });
                    self.path.push(PathPart::Key(&entry.key.text));
                    self.flow_entry(entry, out);
                    self.path.pop();
                }
                out.push_str(" }");
            }
        }
    }

    fn flow_entry(&mut self, entry: &'d Entry, out: &mut String) {
        let key = scalar::written_key(&entry.key.text, entry.key.style, Place::Flow);
        out.push_str(&key);
        if !entry.value.is_absent() {
            out.push_str(": ");
            self.flow(&entry.value, out);
        } else if entry.key_span.end < entry.value.span.start {
            out.push(':');
        }
    }

    fn scalar(&mut self, node: &Node, scalar: &Scalar, indent: usize) {
        let kind = (self.options.field_kind)(&self.path);
        let range = node.span.range();
        let indicators = |sign: &u8| b"|>+-0123456789".contains(sign);
        let header = self.text[range.clone()]
            .bytes()
            .take_while(indicators)
            .count();
        let header_end = range.start + header;
        match scalar.style {
            Style::Literal => {
                if let Some((header, lines)) = scalar::literal(&scalar.text) {
                    return self.lines(&header, &lines, indent, header_end);
                }
            }
            Style::Folded => {
                if let Some((header, lines)) = self.folded(node, scalar) {
                    return self.lines(&header, &lines, indent, header_end);
                }
            }
            Style::Plain | Style::Single | Style::Double => {
                let broken = self.text[range].contains('\n');
                let text = &*scalar.text;
                let expression = kind == FieldKind::Expression;
                let trailing_blank = text.split('\n').any(|line| line.ends_with([' ', '\t']));
                if expression
                    && text.contains('\n')
                    && !trailing_blank
                    && let Some((header, lines)) = scalar::literal(text)
                {
                    return self.lines(&header, &lines, indent, node.span.range().end);
                }
                let in_line = in_line(scalar, kind, Place::Block);
                let width = self.line_width() + in_line.chars().count();
                let too_long = self.options.width_max < width || text.contains('\n');
                let room = self.options.width_max.saturating_sub(indent + 2).max(20);
                if broken
                    && too_long
                    && is_text(scalar)
                    && let Some(lines) = scalar::fold(text, room)
                {
                    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                    return self.lines(">-", &lines, indent, node.span.range().end);
                }
                self.out.push_str(&in_line);
                return;
            }
        }
        self.out.push_str(&in_line(scalar, kind, Place::Block));
    }

    /// Writes a block scalar. Behind its header goes the comment that stands in the same line
    /// behind `comment_from`: the header, or the end of a text that was no block.
    fn lines(&mut self, header: &str, lines: &[&str], indent: usize, comment_from: usize) {
        self.out.push_str(header);
        self.comment_behind(comment_from);
        let mut kept = false;
        for line in lines {
            self.out.push('\n');
            kept = line.is_empty();
            if !kept {
                self.out.extend(std::iter::repeat_n(' ', indent + 2));
                self.out.push_str(line);
            }
        }
        if kept {
            self.out.push('\n');
        }
        self.after_kept_lines = kept;
    }

    /// Returns header and lines of a folded block as it is written, without its indentation.
    fn folded(&self, node: &Node, scalar: &Scalar) -> Option<(String, Vec<&'d str>)> {
        let text = &*scalar.text;
        let content = text.trim_end_matches('\n');
        if content.trim_matches([' ', '\t', '\n']).is_empty() {
            return None;
        }
        let raw = &self.text[node.span.range()];
        let raw = &raw[raw.find('\n')? + 1..];
        let filled = |line: &&str| !line.trim_matches([' ', '\t', '\r']).is_empty();
        let spaces = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let first = raw.split('\n').find(filled)?;
        let own = text.split('\n').find(filled)?;
        let indent = spaces(first).checked_sub(spaces(own))?;
        let mut lines: Vec<&str> = raw
            .split('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line))
            .map(|line| line.get(indent..).unwrap_or(""))
            .collect();
        while lines.last().is_some_and(|line| line.is_empty()) {
            lines.pop();
        }
        lines.extend(std::iter::repeat_n("", scalar::folded_kept(text)));
        Some((scalar::folded_header(text), lines))
    }
}

/// Returns a scalar in one line.
fn in_line(scalar: &Scalar, kind: FieldKind, place: Place) -> String {
    let text = &*scalar.text;
    if text.is_empty() && scalar.style == Style::Plain {
        return String::new();
    }
    let plain = scalar::plain_fits(text, place);
    let plain_is_text = crate::scalar::plain_is_text(text);
    if scalar.style == Style::Plain && plain {
        return text.to_owned();
    }
    if kind == FieldKind::Expression {
        // A finding asks whether a text or a path is meant: the answer is not ours.
        if scalar.style == Style::Double && scalar::is_bare_path(text) {
            return scalar::double_quoted(text);
        }
        if plain {
            return text.to_owned();
        }
    } else if plain && plain_is_text {
        return text.to_owned();
    }
    scalar::in_quotes(text)
}

/// Puts the comments behind values of lines that follow each other into one column. `places` are
/// where they begin, their two spaces included.
fn align(out: &str, places: &[usize], width_max: usize) -> String {
    let mut aligned = String::with_capacity(out.len() + places.len() * 8);
    let mut done = 0;
    let mut rest = places;
    while !rest.is_empty() {
        let follows = |pair: &[usize]| out[pair[0]..pair[1]].matches('\n').count() == 1;
        let run = 1 + rest.windows(2).take_while(|pair| follows(pair)).count();
        let widths: Vec<(usize, usize)> = rest[..run]
            .iter()
            .map(|place| {
                let start = out[..*place]
                    .rfind('\n')
                    .map_or(0, |line_break| line_break + 1);
                let end = out[*place..]
                    .find('\n')
                    .map_or(out.len(), |length| place + length);
                let comment = out[*place..end].chars().count();
                (out[start..*place].chars().count(), comment)
            })
            .collect();
        let column = widths.iter().map(|(width, _)| *width).max().unwrap_or(0);
        let fits = widths
            .iter()
            .all(|(_, comment)| column + comment <= width_max);
        for (place, (width, _)) in rest[..run].iter().zip(&widths) {
            aligned.push_str(&out[done..*place]);
            if fits {
                aligned.extend(std::iter::repeat_n(' ', column - width));
            }
            done = *place;
        }
        rest = &rest[run..];
    }
    aligned.push_str(&out[done..]);
    aligned
}
