//! Compiles regular expressions: ECMAScript's syntax to an engine that takes linear time.

use regex::{Regex, RegexBuilder};

use crate::ast::RegexLiteral;

/// The most bytes that a compiled regular expression may take.
const COMPILED_BYTES_MAX: usize = 4 << 20;

/// Compiles a regular expression; the error says what it cannot do.
pub(crate) fn compile(literal: &RegexLiteral) -> Result<Regex, String> {
    let pattern = translate(&literal.pattern)?;
    RegexBuilder::new(&pattern)
        .case_insensitive(literal.ignore_case)
        .multi_line(literal.multi_line)
        .size_limit(COMPILED_BYTES_MAX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
            other => {
                let text = other.to_string();
                text.lines().last().unwrap_or("it is malformed").to_owned()
            }
        })
}

/// Rewrites what ECMAScript means otherwise: `\d`, `\w` and `\b` are ASCII, `.` matches no line
/// separator, and a bracket or brace may stand for itself.
fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.char_indices().peekable();
    let mut class = false;
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => {
                let Some((_, escaped)) = chars.next() else {
                    return Err("it ends with a backslash".to_owned());
                };
                escape(escaped, class, &mut out)?;
            }
            '[' if class => out.push_str("\\["),
            '[' => {
                class = true;
                out.push('[');
                if pattern[at..].starts_with("[^]") {
                    chars.next();
                    chars.next();
                    out.push_str("\\s\\S]");
                    class = false;
                }
            }
            ']' => {
                class = false;
                out.push(']');
            }
            '&' | '~' if class => {
                out.push('\\');
                out.push(char);
            }
            '(' if !class => {
                let rest = &pattern[at..];
                if ["(?=", "(?!", "(?<=", "(?<!"]
                    .iter()
                    .any(|look| rest.starts_with(look))
                {
                    return Err("it looks around".to_owned());
                }
                out.push('(');
            }
            '.' if !class => out.push_str("[^\\n\\r\\u{2028}\\u{2029}]"),
            '{' if !class && !is_repetition(&pattern[at..]) => out.push_str("\\{"),
            '}' if !class && !closes_repetition(&pattern[..at]) => out.push_str("\\}"),
            other => out.push(other),
        }
    }
    Ok(out)
}

fn escape(escaped: char, class: bool, out: &mut String) -> Result<(), String> {
    match escaped {
        'd' if class => out.push_str("0-9"),
        'd' => out.push_str("[0-9]"),
        'D' => out.push_str("[^0-9]"),
        'w' if class => out.push_str("0-9A-Za-z_"),
        'w' => out.push_str("[0-9A-Za-z_]"),
        'W' => out.push_str("[^0-9A-Za-z_]"),
        'b' if class => out.push_str("\\x08"),
        'b' => out.push_str("(?-u:\\b)"),
        'B' => out.push_str("(?-u:\\B)"),
        '0' => out.push_str("\\x00"),
        '1'..='9' | 'k' if !class => return Err("it refers back to a group".to_owned()),
        other if other.is_ascii_alphanumeric() || other.is_ascii_punctuation() => {
            out.push('\\');
            out.push(other);
        }
        other => out.push(other),
    }
    Ok(())
}

/// Returns whether `text` begins with `{2}`, `{2,}` or `{2,3}`.
fn is_repetition(text: &str) -> bool {
    let Some(end) = text.find('}') else {
        return false;
    };
    let inner = &text[1..end];
    let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
    !least.is_empty()
        && least.bytes().all(|byte| byte.is_ascii_digit())
        && most.bytes().all(|byte| byte.is_ascii_digit())
}

fn closes_repetition(before: &str) -> bool {
    match before.rfind('{') {
        Some(open) => {
            let candidate = format!("{}}}", &before[open..]);
            is_repetition(&candidate)
                || before[..open].ends_with("\\u")
                || before[..open].ends_with("\\p")
                || before[..open].ends_with("\\P")
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::compile;
    use crate::ast::RegexLiteral;

    fn matches(pattern: &str, text: &str) -> bool {
        let literal = RegexLiteral {
            pattern: pattern.into(),
            ignore_case: false,
            multi_line: false,
        };
        compile(&literal).expect("a pattern").is_match(text)
    }

    #[test]
    fn ecmascript_means_the_same_here() {
        assert!(matches("^\\d+$", "12") && !matches("\\d", "٣"));
        assert!(matches("^[\\w-]+$", "a_b-c") && !matches("\\w", "ä"));
        assert!(matches("a{,b}", "a{,b}") && matches("^a{2,}$", "aaa"));
        assert!(matches("[[]", "[") && matches("[a&&b]", "&"));
        assert!(matches("\\/x\\-", "/x-") && matches("\\u00e4", "ä"));
        assert!(!matches("a.b", "a\nb") && matches("a[^]b", "a\nb"));
        assert!(matches("\\ba", "x a"));
    }

    #[test]
    fn what_cannot_be_linear_is_refused() {
        for pattern in ["(?=a)", "(?<!a)b", "(a)\\1", "a(", "\\"] {
            let literal = RegexLiteral {
                pattern: pattern.into(),
                ignore_case: false,
                multi_line: false,
            };
            assert!(compile(&literal).is_err(), "{pattern}");
        }
    }
}
