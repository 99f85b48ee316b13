//! A line of YAML as a reader of the file sees it, for messages and for going on after an error.

use std::ops::Range;

/// What stands in a line; all offsets are those of the text.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The line without its line break.
    pub(crate) range: Range<usize>,
    /// Where its first sign that is no blank stands.
    pub(crate) indent_end: usize,
    /// Where its content begins, behind the `- ` of list items.
    pub(crate) content: usize,
    /// The key, if it has one, quotes included.
    pub(crate) key: Option<Range<usize>>,
    /// The value behind the key, or the whole content, without a comment behind it.
    pub(crate) value: Range<usize>,
}

impl Line {
    /// Returns the line that holds the byte at `at`.
    pub(crate) fn at(text: &str, at: usize) -> Self {
        let at = floor(text, at);
        let start = text[..at].rfind('\n').map_or(0, |before| before + 1);
        let rest = &text[start..];
        let line = rest.split('\n').next().unwrap_or("");
        let line = line.trim_end_matches('\r');
        let blanks = |from: usize| {
            let rest = &line[from..];
            from + rest.len() - rest.trim_start_matches([' ', '\t']).len()
        };
        let indent = blanks(0);
        let mut content = indent;
        while line[content..].starts_with("- ") {
            content = blanks(content + 1);
        }
        let key = key(&line[content..]);
        let value = key.map_or(content, |length| {
            let colon = content + length + line[content + length..].find(':').unwrap_or(0);
            blanks(colon + 1)
        });
        let length = without_comment(&line[value..]).len();
        Self {
            range: start..start + line.len(),
            indent_end: start + indent,
            content: start + content,
            key: key.map(|length| start + content..start + content + length),
            value: start + value..start + value + length,
        }
    }

    /// Returns the number of blanks before the line.
    pub(crate) fn indent(&self) -> usize {
        self.indent_end - self.range.start
    }

    /// Returns the column of the content, behind the `- ` of list items.
    pub(crate) fn content_column(&self) -> usize {
        self.content - self.range.start
    }

    /// Returns whether nothing but a comment stands here.
    pub(crate) fn is_blank(&self, text: &str) -> bool {
        let content = &text[self.indent_end..self.range.end];
        content.is_empty() || content.starts_with('#')
    }

    /// Returns the key without its quotes.
    pub(crate) fn key_text<'t>(&self, text: &'t str) -> Option<&'t str> {
        let key = text.get(self.key.clone()?)?;
        Some(key.trim().trim_matches(['"', '\'']))
    }

    /// Returns the nearest line before this one that is not blank.
    pub(crate) fn before(&self, text: &str) -> Option<Self> {
        let mut start = self.range.start;
        while start != 0 {
            let line = Self::at(text, start - 1);
            if !line.is_blank(text) {
                return Some(line);
            }
            start = line.range.start;
        }
        None
    }

    /// Returns the line after this one.
    pub(crate) fn after(&self, text: &str) -> Option<Self> {
        let length = text[self.range.end..].find('\n')? + 1;
        let start = self.range.end + length;
        (start < text.len()).then(|| Self::at(text, start))
    }

    /// Returns the lines that this one stands under, nearest first: each is indented less than the
    /// one before it.
    pub(crate) fn parents(&self, text: &str) -> Vec<Self> {
        let mut parents = Vec::new();
        let mut limit = self.indent();
        let mut line = self.before(text);
        while let Some(own) = line {
            if limit == 0 {
                break;
            }
            line = own.before(text);
            if own.indent() < limit {
                limit = own.indent();
                parents.push(own);
            }
        }
        parents
    }
}

/// Returns the nearest character boundary at or before `at`.
pub(crate) fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Returns the length of the key that a line's content begins with.
fn key(content: &str) -> Option<usize> {
    let quote = content.chars().next()?;
    if matches!(quote, '"' | '\'') {
        let length = content[1..].find(quote)? + 2;
        return content[length..]
            .trim_start_matches([' ', '\t'])
            .starts_with(':')
            .then_some(length);
    }
    if matches!(quote, '#' | '{' | '[' | '|' | '>') {
        return None;
    }
    let comment = content.find(" #").unwrap_or(content.len());
    let colon = content
        .match_indices(':')
        .find(|(at, _)| matches!(content.as_bytes().get(at + 1), None | Some(b' ' | b'\t')))?;
    (colon.0 < comment).then(|| content[..colon.0].trim_end_matches([' ', '\t']).len())
}

/// Returns a value without the comment behind it, and without blanks at its end.
pub(crate) fn without_comment(value: &str) -> &str {
    let quote = value
        .chars()
        .next()
        .filter(|sign| matches!(sign, '"' | '\''));
    let from = quote
        .and_then(|quote| value[1..].find(quote))
        .map_or(0, |end| end + 2);
    if value.starts_with('#') {
        return "";
    }
    let end = value[from..].find(" #").map_or(value.len(), |at| from + at);
    value[..end].trim_end_matches([' ', '\t'])
}

/// Returns a text in single quotes.
pub(crate) fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns where the dash of a block list's item stands that begins at `start`, after an item that
/// ends at `end`.
pub(crate) fn dash(text: &str, end: usize, start: usize) -> usize {
    let gap = text.get(end..start).unwrap_or("");
    let mut at = end;
    for line in gap.split_inclusive('\n') {
        let content = line.trim_start_matches([' ', '\t']);
        if at != end && content.starts_with('-') {
            return at + line.len() - content.len();
        }
        at += line.len();
    }
    start
}
