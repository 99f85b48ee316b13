//! Which quotes a scalar needs.

use std::fmt::Write;

use crate::tree::Style;
use crate::yaml::lines::single_quoted;

/// Where a scalar stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a block: behind a colon or dash, up to the end of the line.
    Block,
    /// In brackets.
    Flow,
}

/// Returns a key, in quotes where it needs them.
pub(crate) fn key(text: &str, flow: bool) -> String {
    let place = if flow { Place::Flow } else { Place::Block };
    let plain = plain_fits(text, place) && text != "<<" && crate::scalar::plain_is_text(text);
    if plain {
        text.to_owned()
    } else {
        in_quotes(text)
    }
}

/// Returns a key as it is written in the canonical form; one without quotes stays without.
pub(super) fn written_key(text: &str, style: Style, place: Place) -> String {
    let typed = style != Style::Plain;
    if plain_fits(text, place) && !(typed && (text == "<<" || !crate::scalar::plain_is_text(text)))
    {
        return text.to_owned();
    }
    in_quotes(text)
}

/// Returns a text in single quotes, or in double ones where escapes are needed.
pub(crate) fn in_quotes(text: &str) -> String {
    if text.chars().any(needs_escape) {
        double_quoted(text)
    } else {
        single_quoted(text)
    }
}

/// Returns whether a character cannot stand in single quotes in one line, or could not be seen.
pub(super) fn needs_escape(sign: char) -> bool {
    matches!(sign, '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
        || matches!(sign, '\u{fffe}' | '\u{ffff}')
}

/// Returns a text in double quotes; the escapes are those of JSON where JSON has them.
pub(crate) fn double_quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for sign in text.chars() {
        match sign {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            _ if needs_escape(sign) => {
                write!(quoted, "\\u{:04x}", sign as u32).expect("a string takes all");
            }
            _ => quoted.push(sign),
        }
    }
    quoted.push('"');
    quoted
}

/// Returns whether YAML reads this text back without quotes (YAML 1.2.2, section 7.3.3), in one
/// line. Whether it then is a text is another question.
pub(super) fn plain_fits(text: &str, place: Place) -> bool {
    let mut signs = text.chars();
    let (Some(first), second) = (signs.next(), signs.next()) else {
        return false;
    };
    let flow_sign = |sign: char| matches!(sign, ',' | '[' | ']' | '{' | '}');
    let begins = match first {
        '-' | '?' | ':' => second.is_some_and(|sign| {
            !matches!(sign, ' ' | '\t') && (place == Place::Block || !flow_sign(sign))
        }),
        ',' | '[' | ']' | '{' | '}' | '#' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
        | '@' | '`' | ' ' | '\t' => false,
        _ => true,
    };
    begins
        && !text.ends_with([' ', '\t', ':'])
        && !text.starts_with("---")
        && !text.starts_with("...")
        && !text.contains(needs_escape)
        && !text.contains(": ")
        && !text.contains(" #")
        && (place == Place::Block || !text.contains(flow_sign))
}

/// Returns whether a text is one bare word or path, such as `EUR` or `customer.id`.
pub(super) fn is_bare_path(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|sign| sign.is_alphanumeric() || matches!(sign, '_' | '.' | '$'))
}

/// Returns the header and the lines of a literal block, without indentation; `None` if the text
/// cannot be one.
pub(super) fn literal(text: &str) -> Option<(String, Vec<&str>)> {
    let escapes = |sign: char| needs_escape(sign) && !matches!(sign, '\n' | '\t');
    let content = text.trim_end_matches('\n');
    if content.trim_matches([' ', '\t', '\n']).is_empty() || text.contains(escapes) {
        return None;
    }
    let (chomping, kept) = chomping(text);
    let mut lines: Vec<&str> = content.split('\n').collect();
    lines.extend(std::iter::repeat_n("", kept));
    Some((header('|', content, chomping), lines))
}

/// Returns the indicator for the line breaks at the end of a text, and how many empty lines they
/// are.
fn chomping(text: &str) -> (&'static str, usize) {
    let breaks = text.len() - text.trim_end_matches('\n').len();
    match breaks {
        0 => ("-", 0),
        1 => ("", 0),
        _ => ("+", breaks - 1),
    }
}

/// Returns a header; the indentation has to be told where the first line begins with a blank.
fn header(kind: char, content: &str, chomping: &str) -> String {
    let first = content.trim_start_matches('\n');
    let indicator = if first.starts_with([' ', '\t']) {
        "2"
    } else {
        ""
    };
    format!("{kind}{indicator}{chomping}")
}

/// Returns the header of a folded block whose text is `text`.
pub(super) fn folded_header(text: &str) -> String {
    header('>', text, chomping(text).0)
}

/// Returns how many empty lines a folded block of this text ends with.
pub(super) fn folded_kept(text: &str) -> usize {
    chomping(text).1
}

/// Folds a text into lines of at most `width` characters for a block after `>-`; `None` if a line
/// break would change it.
pub(super) fn fold(text: &str, width: usize) -> Option<Vec<String>> {
    let fits = |paragraph: &str| {
        !paragraph.starts_with([' ', '\t'])
            && !paragraph.ends_with([' ', '\t'])
            && !paragraph.contains("  ")
    };
    if text.contains(|sign: char| needs_escape(sign) && sign != '\n')
        || text.starts_with('\n')
        || text.ends_with('\n')
        || !text.split('\n').all(fits)
    {
        return None;
    }
    let mut lines = Vec::new();
    for (index, paragraph) in text.split('\n').enumerate() {
        if index != 0 {
            lines.push(String::new());
        }
        if paragraph.is_empty() {
            continue;
        }
        let mut line = String::new();
        let mut columns = 0;
        for word in paragraph.split(' ') {
            let length = word.chars().count();
            if columns != 0 && width < columns + 1 + length {
                lines.push(std::mem::take(&mut line));
                columns = 0;
            }
            if columns != 0 {
                line.push(' ');
                columns += 1;
            }
            line.push_str(word);
            columns += length;
        }
        lines.push(line);
    }
    Some(lines)
}
