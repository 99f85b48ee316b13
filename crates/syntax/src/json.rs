//! Reading JSON (RFC 8259).
//!
//! Strict in what it accepts, forgiving in how it goes on: where a mistake has one clear meaning (a
//! comma too many, single quotes, a comment), it is a finding with its fix, and reading goes on as
//! if it had been written right.

use std::sync::Arc;

use sluice_model::codes;
use sluice_model::finding::{Finding, Findings, Severity};
use sluice_model::span::{FileId, Span};
use sluice_model::value::Value;

use crate::options::{self, OTHER_FINDINGS_MAX, ParseOptions, SYNTAX_ERRORS_MAX};
use crate::pairs;
use crate::tree::{self, Comment, Document, Entry, Map, Node, NodeKind, Scalar, Style};

mod string;
#[cfg(test)]
mod tests;

/// Reads a text whose size is within the limit.
pub(crate) fn parse(file: FileId, text: &str, options: &ParseOptions) -> (Document, Findings) {
    let mut reader = Reader {
        file,
        text,
        options,
        // RFC 8259 section 8.1 lets a reader pass over a byte order mark.
        at: if text.starts_with('\u{feff}') { 3 } else { 0 },
        open: Vec::new(),
        ended: false,
        errors: 0,
        findings: Findings::default(),
        comments: Vec::new(),
        items: Vec::new(),
        entries: Vec::new(),
    };
    let root = reader.document();
    let document = Document {
        file,
        root,
        comments: reader.comments,
    };
    (document, reader.findings)
}

struct Reader<'t> {
    file: FileId,
    text: &'t str,
    options: &'t ParseOptions,
    at: usize,
    /// The closing brackets that are still to come, innermost last.
    open: Vec<u8>,
    /// Whether it has been told that the file ends too early.
    ended: bool,
    /// Syntax errors so far; those beyond the limit are counted, not told.
    errors: usize,
    findings: Findings,
    comments: Vec<Comment>,
    /// The items of all open lists, and the entries of all open maps: each collection takes its own
    /// off the end when it is complete, in one allocation of the right size.
    items: Vec<Node>,
    entries: Vec<Entry>,
}

impl Reader<'_> {
    fn document(&mut self) -> Option<Node> {
        self.blanks();
        if self.at == self.text.len() {
            let finding = self.finding(self.at..self.at, "the file is empty");
            self.tell(finding.with_help("write a JSON value, such as `{}`"));
            return None;
        }
        let root = self.value();
        self.blanks();
        if self.at < self.text.len() && root.is_some() {
            let finding = self.finding(
                self.at..self.at + self.char_len(),
                "the file goes on after its value",
            );
            self.tell(finding.with_help(
                "a JSON file holds one value: remove the rest, or put both into a list",
            ));
        }
        root
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Returns the length of the character at the reader's place.
    fn char_len(&self) -> usize {
        self.text[self.at..]
            .chars()
            .next()
            .map_or(0, char::len_utf8)
    }

    fn finding(&self, range: std::ops::Range<usize>, message: impl Into<String>) -> Finding {
        Finding::error(codes::SYNTAX, crate::span(self.file, range), message)
    }

    fn tell(&mut self, finding: Finding) {
        self.errors += 1;
        if self.errors <= SYNTAX_ERRORS_MAX {
            self.findings.push(finding);
        }
    }

    /// Passes over white space, and over comments, which are findings.
    fn blanks(&mut self) {
        let bytes = self.text.as_bytes();
        loop {
            while let Some(b' ' | b'\n' | b'\t' | b'\r') = bytes.get(self.at) {
                self.at += 1;
            }
            let rest = &self.text[self.at..];
            let length = if rest.starts_with("//") || rest.starts_with('#') {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            } else {
                return;
            };
            let range = self.at..self.at + length;
            let span = crate::span(self.file, range.clone());
            self.comments.push(Comment {
                span,
                text: Arc::from(rest[..length].trim_start_matches(['/', '#'])),
            });
            let finding = self.finding(range, "JSON has no comments");
            self.tell(
                finding
                    .with_help("remove it, or say it in a field of its own")
                    .with_fix("remove the comment", span, ""),
            );
            self.at += length;
        }
    }

    /// Reads the value at the reader's place; `None` after a finding, with the reader where the
    /// collection around it can go on.
    fn value(&mut self) -> Option<Node> {
        match self.peek() {
            Some(b'"') => Some(self.string_node()),
            Some(b'\'') => Some(self.string_node()),
            Some(b'{') => self.nested(b'}', Self::map),
            Some(b'[') => self.nested(b']', Self::list),
            Some(b'-' | b'+' | b'.' | b'0'..=b'9') => Some(self.word()),
            Some(byte) if byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$') => {
                Some(self.word())
            }
            _ => {
                self.no_value();
                None
            }
        }
    }

    fn no_value(&mut self) {
        let range = self.at..self.at + self.char_len();
        let finding = match self.peek() {
            None => {
                self.ended = true;
                self.finding(range, "the file ends where a value should stand")
            }
            Some(b',' | b':' | b']' | b'}') => {
                let sign = &self.text[range.clone()];
                let message = format!("a value is missing before `{sign}`");
                self.finding(range, message)
            }
            Some(_) => {
                let sign = self.text[range.clone()].escape_debug().to_string();
                let message = format!("a value cannot begin with `{sign}`");
                self.finding(range, message)
            }
        };
        self.tell(finding.with_help(
            "write a text in double quotes, a number, `true`, `false`, `null`, a list or a map",
        ));
        self.resume();
    }

    fn nested(&mut self, closing: u8, read: fn(&mut Self) -> Node) -> Option<Node> {
        let start = self.at;
        if self.open.len() == self.options.depth_max {
            let span = crate::span(self.file, start..start + 1);
            let mut told = self.findings.iter();
            if !told.any(|finding| finding.code == codes::TOO_LARGE) {
                self.findings.push(options::too_deep(span, self.options));
            }
            self.skip_nested();
            return None;
        }
        self.open.push(closing);
        let node = read(self);
        self.open.pop();
        Some(node)
    }

    fn list(&mut self) -> Node {
        let (start, base) = (self.at, self.items.len());
        self.at += 1;
        let mut comma = None;
        loop {
            self.blanks();
            if self.ends(b']', start, comma) {
                break;
            }
            if let Some(item) = self.value() {
                self.items.push(item);
            }
            comma = self.separator(b']');
        }
        let items = self.items.drain(base..).collect();
        self.node(start, NodeKind::List(items))
    }

    fn map(&mut self) -> Node {
        let (start, base) = (self.at, self.entries.len());
        self.at += 1;
        let mut comma = None;
        loop {
            self.blanks();
            if self.ends(b'}', start, comma) {
                break;
            }
            if let Some(entry) = self.entry() {
                self.entries.push(entry);
            }
            comma = self.separator(b'}');
        }
        let map = Map {
            entries: self.entries.drain(base..).collect(),
            flow_style: true,
        };
        self.check_keys(&map);
        self.node(start, NodeKind::Map(map))
    }

    fn node(&self, start: usize, kind: NodeKind) -> Node {
        Node {
            span: crate::span(self.file, start..self.at),
            kind,
        }
    }

    /// Tells whether the collection that began at `start` ends here, and passes over its bracket.
    /// `comma` is where a comma stands before this place.
    fn ends(&mut self, bracket: u8, start: usize, comma: Option<usize>) -> bool {
        match self.peek() {
            Some(byte) if byte == bracket => {
                if let Some(comma) = comma {
                    let span = crate::span(self.file, comma..comma + 1);
                    let finding = self.finding(
                        comma..comma + 1,
                        format!(
                            "a comma stands before the closing `{}`",
                            char::from(bracket)
                        ),
                    );
                    self.tell(
                        finding
                            .with_help("remove it: in JSON a comma only stands between two values")
                            .with_fix("remove the comma", span, ""),
                    );
                }
                self.at += 1;
                true
            }
            Some(byte @ (b']' | b'}')) => {
                self.wrong_bracket(byte, bracket, start);
                true
            }
            None => {
                if !std::mem::replace(&mut self.ended, true) {
                    let open = &self.text[start..start + 1];
                    let message = format!("`{open}` is opened here and never closed");
                    let finding = self.finding(start..start + 1, message);
                    let close = char::from(bracket);
                    self.tell(finding.with_help(format!("close it by `{close}`")));
                }
                true
            }
            Some(_) => false,
        }
    }

    /// Tells of a closing bracket of the other kind. One that closes a collection around this one
    /// is left to it.
    fn wrong_bracket(&mut self, found: u8, bracket: u8, start: usize) {
        let range = self.at..self.at + 1;
        let (open, close) = (&self.text[start..start + 1], char::from(bracket));
        let outer = self.open.iter().rev().skip(1).any(|own| *own == found);
        let message = format!("`{open}` is closed by `{}`", char::from(found));
        let finding = self
            .finding(range.clone(), message)
            .with_place(crate::span(self.file, start..start + 1), "opened here")
            .with_help(format!("close it by `{close}`"));
        let span = crate::span(self.file, range.clone());
        let finding = if outer {
            let before = crate::span(self.file, self.at..self.at);
            finding.with_fix(format!("insert `{close}`"), before, close.to_string())
        } else {
            self.at += 1;
            finding.with_fix(format!("write `{close}`"), span, close.to_string())
        };
        self.tell(finding);
    }

    /// Reads what stands between two values. Returns where the comma stands.
    fn separator(&mut self, bracket: u8) -> Option<usize> {
        let last = self.at;
        self.blanks();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Some(self.at - 1)
            }
            None | Some(b']' | b'}') => None,
            Some(byte) => {
                let place = crate::span(self.file, last..last);
                let wrong = matches!(byte, b';' | b':' | b'=');
                let sign = self.text[self.at..self.at + self.char_len()].escape_debug();
                let what = if bracket == b']' { "items" } else { "entries" };
                let message = format!("a comma is missing between two {what}, before `{sign}`");
                let mut finding = self.finding(self.at..self.at + self.char_len(), message);
                if wrong {
                    let span = crate::span(self.file, self.at..self.at + 1);
                    finding = finding.with_fix("write a comma", span, ",");
                } else {
                    finding = finding.with_fix("insert the comma", place, ",");
                }
                self.tell(finding.with_help("put a `,` after the value before it"));
                let begins_value = byte.is_ascii_alphanumeric()
                    || matches!(byte, b'"' | b'\'' | b'{' | b'[' | b'-' | b'_' | b'$');
                if wrong {
                    self.at += 1;
                } else if !begins_value || last == self.at {
                    // What clings to the value before it is no next value: two readings of one
                    // mistake would be two findings.
                    self.at += if begins_value { 0 } else { self.char_len() };
                    self.resume();
                    if self.peek() == Some(b',') {
                        self.at += 1;
                    }
                }
                None
            }
        }
    }

    fn entry(&mut self) -> Option<Entry> {
        let key_node = match self.peek() {
            Some(b'"' | b'\'') => self.string_node(),
            Some(byte)
                if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'-' | b'.') =>
            {
                self.bare_key()
            }
            Some(_) | None => {
                let range = self.at..self.at + self.char_len();
                let sign = self.text[range.clone()].escape_debug().to_string();
                let finding = self.finding(range, format!("a key is missing before `{sign}`"));
                self.tell(finding.with_help("write each entry as `\"key\": value`"));
                self.resume();
                return None;
            }
        };
        let key_span = key_node.span;
        let NodeKind::Scalar(key) = key_node.kind else {
            return None;
        };
        self.blanks();
        if self.peek() == Some(b':') {
            self.at += 1;
        } else if self.no_colon(key_span) {
            return None;
        }
        self.blanks();
        let value = self.value()?;
        Some(Entry {
            key,
            key_span,
            value,
        })
    }

    /// Tells of a missing `:`. Returns whether there is no value to read.
    fn no_colon(&mut self, key_span: Span) -> bool {
        let written = &self.text[key_span.range()];
        let finding = self.finding(
            key_span.range(),
            format!(
                "a `:` and a value are missing after the key {}",
                quoted(written)
            ),
        );
        let instead = self.text[self.at..].starts_with("=>");
        let place = crate::span(self.file, self.at..self.at + if instead { 2 } else { 1 });
        match self.peek() {
            Some(b'=') => {
                self.tell(finding.with_fix("write `:`", place, ":"));
                self.at += place.len();
                false
            }
            Some(byte) if byte.is_ascii_alphanumeric() || b"\"'[{-".contains(&byte) => {
                self.tell(finding.with_fix("insert `:`", key_span.after(), ":"));
                false
            }
            Some(_) | None => {
                self.tell(finding.with_help("write each entry as `\"key\": value`"));
                self.resume();
                true
            }
        }
    }

    fn bare_key(&mut self) -> Node {
        let start = self.at;
        let rest = &self.text[start..];
        let ends = |sign: char| !(sign.is_alphanumeric() || matches!(sign, '_' | '$' | '-' | '.'));
        let length = rest.find(ends).unwrap_or(rest.len());
        self.at += length;
        let key = &rest[..length];
        let span = crate::span(self.file, start..self.at);
        let finding = self.finding(start..self.at, format!("the key `{key}` has no quotes"));
        self.tell(finding.with_help(format!("write `\"{key}\"`")).with_fix(
            "quote the key",
            span,
            format!("\"{key}\""),
        ));
        self.node(start, scalar(key, Style::Double, start))
    }

    /// Reads a number, `true`, `false`, `null`, or what was meant as one.
    fn word(&mut self) -> Node {
        let start = self.at;
        let rest = &self.text[start..];
        let ends =
            |sign: char| !(sign.is_alphanumeric() || matches!(sign, '_' | '$' | '-' | '+' | '.'));
        let length = rest.find(ends).unwrap_or(rest.len());
        self.at += length;
        let word = &rest[..length];
        if matches!(word, "true" | "false" | "null") || Value::number(word).is_some() {
            return self.node(start, scalar(word, Style::Plain, start));
        }
        let span = crate::span(self.file, start..self.at);
        let finding = self.finding(start..self.at, format!("`{word}` is no JSON value"));
        let number = matches!(word.as_bytes()[0], b'-' | b'+' | b'.' | b'0'..=b'9');
        let mut text = scalar(word, Style::Plain, start);
        let finding = match (meant(word), number) {
            (Some(meant), _) => {
                text = scalar(meant, Style::Plain, start);
                finding.with_help(format!("write `{meant}`")).with_fix(
                    format!("write `{meant}`"),
                    span,
                    meant,
                )
            }
            (None, true) => finding
                .with_note(number_cause(word))
                .with_help("write it as `-12`, `0.5` or `1e3`; quote it if it is a text"),
            (None, false) => {
                text = scalar(word, Style::Double, start);
                finding
                    .with_help(format!("a text stands in double quotes: `\"{word}\"`"))
                    .with_fix("quote the text", span, format!("\"{word}\""))
            }
        };
        self.tell(finding);
        self.node(start, text)
    }

    /// Goes on to the next comma or closing bracket of this collection.
    fn resume(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b',' | b']' | b'}' => return,
                b'[' | b'{' => self.skip_nested(),
                b'"' => self.skip_string(),
                _ => self.at += self.char_len(),
            }
        }
    }

    /// Passes over a collection without reading it, however deep it is.
    fn skip_nested(&mut self) {
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.skip_string();
                    continue;
                }
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += self.char_len();
            if depth == 0 {
                return;
            }
        }
    }

    /// Passes over a text without reading it; one that is not closed ends with its line.
    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += match byte {
                b'\\' => 1,
                _ => 0,
            };
            self.at += if self.at < self.text.len() {
                self.char_len()
            } else {
                0
            };
            if matches!(byte, b'"' | b'\n') {
                return;
            }
        }
    }

    fn check_keys(&mut self, map: &Map) {
        let keys = map.entries.iter().map(|entry| &*entry.key.text);
        for (entry, first) in map.entries.iter().zip(tree::first_of_key(keys)) {
            if let Some(first) = first {
                let first = map.entries[first].key_span;
                let mut finding = tree::duplicate_key(entry.key_span, &entry.key.text, first);
                finding.severity = self.options.json_duplicate_key;
                if finding.severity != Severity::Error {
                    finding =
                        finding.with_note("readers of JSON differ in which of the two counts");
                }
                if self.findings.0.len() < SYNTAX_ERRORS_MAX + OTHER_FINDINGS_MAX {
                    self.findings.push(finding);
                }
            }
        }
    }
}

/// Returns a scalar whose text is its own source at `start`.
fn scalar(text: &str, style: Style, start: usize) -> NodeKind {
    NodeKind::Scalar(Scalar {
        text: Arc::from(text),
        style,
        map: pairs::in_step(start),
    })
}

/// Returns what a word of another language is in JSON.
fn meant(word: &str) -> Option<&'static str> {
    match word {
        "True" | "TRUE" => Some("true"),
        "False" | "FALSE" => Some("false"),
        "None" | "NULL" | "Null" | "nil" | "undefined" | "NaN" | "Infinity" | "-Infinity"
        | "+Infinity" => Some("null"),
        _ => None,
    }
}

/// Says why a word that begins as a number is none.
fn number_cause(word: &str) -> &'static str {
    let digits = word.trim_start_matches(['-', '+']);
    if word.starts_with('+') {
        "a number has no `+` before it"
    } else if digits.starts_with("0x") || digits.starts_with("0X") {
        "JSON has no hexadecimal numbers"
    } else if digits.starts_with('.') {
        "a digit must stand before the point"
    } else if 1 < digits.len() && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit() {
        "a number has no zeros before it"
    } else if digits.ends_with('.') || digits.contains(".e") || digits.contains(".E") {
        "a digit must stand after the point"
    } else {
        "something that is no digit stands in the number"
    }
}

/// Returns a key as messages show it.
fn quoted(written: &str) -> String {
    format!("`{}`", written.trim_matches(['"', '\'']))
}
