//! The way back from a scalar's text to the bytes of its file.
//!
//! The parser gives a scalar's text and the range of its source. This module unquotes the source a
//! second time, only to note which byte became which; the common case, a text that is its own
//! source, costs one comparison.

use std::ops::Range;
use std::sync::Arc;

use granit_parser::ScalarStyle;

use crate::pairs::{self, Pairs};

/// Where a scalar stands, and how its text maps to the file.
pub(super) struct Unquoted {
    /// The whole scalar: with its quotes, a block scalar from its header to its last line.
    pub(super) range: Range<usize>,
    /// See [`crate::tree::Scalar::map`].
    pub(super) map: Arc<[(u32, u32)]>,
    /// Whether both unquotings agree. The parser passes over a comment line with a tab before it
    /// in the middle of a text, where YAML (section 6.6) has no comments.
    pub(super) exact: bool,
}

/// Maps `text`, which the parser read from `range` of `source`. `last_end` is where the syntax
/// before it ended.
pub(super) fn unquote(
    source: &str,
    text: &str,
    style: ScalarStyle,
    range: Range<usize>,
    last_end: usize,
) -> Unquoted {
    let raw = source.get(range.clone()).unwrap_or("");
    let (inner, decode): (&str, fn(&str) -> Pairs) = match style {
        ScalarStyle::Plain => (raw, |inner| unfold(inner, Quotes::None)),
        ScalarStyle::SingleQuoted => (unwrap(raw), |inner| unfold(inner, Quotes::Single)),
        ScalarStyle::DoubleQuoted => (unwrap(raw), |inner| unfold(inner, Quotes::Double)),
        ScalarStyle::Literal | ScalarStyle::Folded => {
            return block(source, text, style, range, last_end);
        }
    };
    let offset = range.start + usize::from(style != ScalarStyle::Plain);
    if inner == text {
        return Unquoted {
            range,
            map: pairs::in_step(offset),
            exact: true,
        };
    }
    let pairs = decode(inner);
    Unquoted {
        range,
        exact: pairs.text_len() == text.len(),
        map: pairs.finish(offset, text.len()),
    }
}

fn unwrap(raw: &str) -> &str {
    raw.get(1..raw.len().saturating_sub(1)).unwrap_or("")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    None,
    Single,
    Double,
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Returns the length of the line break that `bytes` begin with; 0 if there is none.
fn line_break(bytes: &[u8]) -> usize {
    match bytes {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        _ => 0,
    }
}

/// Unquotes a plain or quoted scalar (YAML 1.2.2, sections 6.5, 7.3).
fn unfold(inner: &str, quotes: Quotes) -> Pairs {
    let bytes = inner.as_bytes();
    let mut pairs = Pairs::default();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\'' if quotes == Quotes::Single => {
                pairs.step(at, 1);
                at += 2;
            }
            b'\\' if quotes == Quotes::Double => at = escape(inner, at, &mut pairs),
            b'\r' | b'\n' => at = fold(bytes, at, at, &mut pairs),
            byte if is_blank(byte) => {
                let run = bytes[at..]
                    .iter()
                    .take_while(|byte| is_blank(**byte))
                    .count();
                if line_break(&bytes[at + run..]) == 0 {
                    pairs.step(at, run);
                    at += run;
                } else {
                    at = fold(bytes, at, at + run, &mut pairs);
                }
            }
            _ => {
                let stops =
                    |byte: &u8| matches!(byte, b'\'' | b'\\' | b'\r' | b'\n' | b' ' | b'\t');
                let run = bytes[at..]
                    .iter()
                    .position(stops)
                    .unwrap_or(bytes.len() - at);
                let run = run.max(1);
                pairs.step(at, run);
                at += run;
            }
        }
    }
    pairs.end(at);
    pairs
}

/// Folds the line breaks from `at_break` on: one becomes a space, of several the first is dropped.
/// `at` is where the blanks before them begin. Returns where the next content begins.
fn fold(bytes: &[u8], at: usize, at_break: usize, pairs: &mut Pairs) -> usize {
    let mut next = at_break + line_break(&bytes[at_break..]);
    let mut single = true;
    loop {
        let blanks = bytes[next..]
            .iter()
            .take_while(|byte| is_blank(**byte))
            .count();
        let length = line_break(&bytes[next + blanks..]);
        if length == 0 {
            if single {
                pairs.step(at, 1);
            }
            return next + blanks;
        }
        pairs.step(if single { at } else { next + blanks }, 1);
        single = false;
        next += blanks + length;
    }
}

/// Reads an escape of a double-quoted scalar (section 5.7). Returns where it ends.
fn escape(inner: &str, at: usize, pairs: &mut Pairs) -> usize {
    let bytes = inner.as_bytes();
    let length = line_break(&bytes[at + 1..]);
    if length != 0 {
        // An escaped line break: nothing of it is text; empty lines after it are.
        let mut next = at + 1 + length;
        loop {
            let blanks = bytes[next..]
                .iter()
                .take_while(|byte| is_blank(**byte))
                .count();
            let length = line_break(&bytes[next + blanks..]);
            if length == 0 {
                return next + blanks;
            }
            pairs.step(next + blanks, 1);
            next += blanks + length;
        }
    }
    let hex = |from: usize, digits: usize| {
        let digits = inner.get(from..from + digits);
        digits.and_then(|digits| u32::from_str_radix(digits, 16).ok())
    };
    let (digits, code) = match bytes.get(at + 1) {
        Some(b'x') => (2, hex(at + 2, 2)),
        Some(b'u') => (4, hex(at + 2, 4)),
        Some(b'U') => (8, hex(at + 2, 8)),
        Some(b'N') => (0, Some(0x85)),
        Some(b'_') => (0, Some(0xa0)),
        Some(b'L') => (0, Some(0x2028)),
        Some(b'P') => (0, Some(0x2029)),
        _ => (0, Some(0)),
    };
    let mut end = at + 2 + digits;
    let mut code = code.unwrap_or(0);
    if (0xd800..0xdc00).contains(&code) && inner[end.min(inner.len())..].starts_with("\\u") {
        // The first half of a surrogate pair, which the parser joins as JSON does.
        end += 6;
        code = 0x10000;
    }
    pairs.step(at, char::from_u32(code).map_or(1, char::len_utf8));
    end.min(bytes.len())
}

/// Maps a block scalar (section 8.1).
fn block(
    source: &str,
    text: &str,
    style: ScalarStyle,
    range: Range<usize>,
    last_end: usize,
) -> Unquoted {
    // The range of a block scalar without content may begin at its header.
    let at_start = || {
        source[range.start..]
            .starts_with(['|', '>'])
            .then_some(range.start)
    };
    let Some(header) = find_header(source, last_end, range.start).or_else(at_start) else {
        return Unquoted {
            map: pairs::in_step(range.start),
            range,
            exact: true,
        };
    };
    let indicators = source[header..]
        .bytes()
        .take_while(|byte| matches!(byte, b'|' | b'>' | b'+' | b'-' | b'0'..=b'9'))
        .count();
    let keep = source[header..header + indicators].contains('+');
    let first_line = header
        + source[header..]
            .find('\n')
            .map_or(0, |line_end| line_end + 1);
    let first_line = first_line.clamp(header, range.end.max(header));
    let region = source.get(first_line..range.end).unwrap_or("");
    let mut pairs = block_pairs(region, text, style);
    // The last line break is text, and no part of the node; nor are those that are not kept.
    let content = if keep {
        text.strip_suffix('\n').unwrap_or(text)
    } else {
        text.trim_end_matches('\n')
    };
    let end = if content.is_empty() {
        header + indicators
    } else {
        first_line + pairs.source_before(content.len()).min(region.len())
    };
    if let Some(end) = end.checked_sub(first_line) {
        pairs.end(end);
    }
    let map = if content.is_empty() {
        let mut none = Pairs::default();
        none.step(0, text.len());
        none.end(0);
        none.finish(end, text.len())
    } else {
        pairs.finish(first_line, text.len())
    };
    Unquoted {
        range: header..end,
        map,
        exact: true,
    }
}

/// Finds the `|` or `>` of a block scalar between the syntax before it and its content.
fn find_header(source: &str, from: usize, to: usize) -> Option<usize> {
    let between = source.get(from..to)?;
    let bytes = between.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'|' | b'>' => return Some(from + at),
            // Tags and anchors may hold any sign, up to a blank.
            b'&' | b'!' => at += between[at..].find([' ', '\t', '\r', '\n'])?,
            b'#' => at += between[at..].find('\n')?,
            _ => at += 1,
        }
    }
    None
}

fn block_pairs(region: &str, text: &str, style: ScalarStyle) -> Pairs {
    let mut pairs = Pairs::default();
    let spaces = |line: &str| line.bytes().take_while(|byte| *byte == b' ').count();
    let filled = |line: &&str| !line.trim_matches([' ', '\r']).is_empty();
    let Some(first) = region.split('\n').find(filled) else {
        pairs.step(0, text.len());
        return pairs;
    };
    // An indentation indicator may leave blanks to the text.
    let content = text.split('\n').find(filled).unwrap_or("");
    let indent = spaces(first).saturating_sub(spaces(content));
    let mut line_start = 0;
    for line in region.split_inclusive('\n') {
        if pairs.text_len() == text.len() {
            break;
        }
        let content = line.trim_end_matches('\n');
        let content = content.strip_suffix('\r').unwrap_or(content);
        let content_at = line_start + indent.min(content.len());
        let content = content.get(indent..).unwrap_or("");
        let Some(rest) = text.get(pairs.text_len()..) else {
            break;
        };
        if style == ScalarStyle::Literal {
            let whole = content.len() + usize::from(rest.len() > content.len());
            pairs.step(content_at, whole.min(rest.len()));
        } else if !content.is_empty() {
            let breaks = separators(rest, content);
            if breaks != 0 {
                // The breaks before this line: from the end of the line before it.
                let at = pairs.source_end();
                pairs.step(at, breaks);
            }
            let left = text.len() - pairs.text_len();
            pairs.step(content_at, content.len().min(left));
        }
        line_start += line.len();
    }
    if pairs.text_len() < text.len() {
        let (at, left) = (pairs.source_end(), text.len() - pairs.text_len());
        pairs.step(at, left);
    }
    pairs
}

/// Returns how many bytes of line breaks and their fold stand in `rest` before `content`.
fn separators(rest: &str, content: &str) -> usize {
    let breaks = rest.bytes().take_while(|byte| *byte == b'\n').count();
    if breaks == 0 && !rest.starts_with(content) && rest.starts_with(' ') {
        return 1;
    }
    breaks
}
