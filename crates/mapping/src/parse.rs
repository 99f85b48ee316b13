//! Reads an expression's text: tokens, then the resolved tree of [`crate::ast`].
//!
//! The grammar and the codes of its errors are those of the reference implementation, JSONata 2.2.

mod ancestry;
mod lexer;
mod path;
mod pratt;
#[cfg(test)]
mod tests;

use crate::ast::{Expr, TextRange};

/// The deepest nesting that an expression may have: of brackets, and of operators in operators.
/// A chain of `.` or `&` counts once, however long it is.
pub const NESTING_MAX: u32 = 200;

/// The longest text that an expression may have, in bytes.
pub const SOURCE_BYTES_MAX: usize = 1 << 20;

/// What is wrong with an expression's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// The reference's code, `S0101` to `S0500`; `S0303`, `S0501` and `S0502` are our own.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where, in the expression's text.
    pub range: TextRange,
    /// What to do.
    pub help: String,
}

/// Parses an expression. There is no tree where its text has an error that the rest cannot be
/// understood without; errors of meaning (a predicate after a grouping, say) leave one.
pub fn parse(source: &str) -> (Option<Expr>, Vec<SyntaxError>) {
    if source.len() > SOURCE_BYTES_MAX {
        let range = TextRange::new(0, 0);
        return (None, vec![SyntaxError::new("S0502", range, "")]);
    }
    pratt::parse(source)
}

impl SyntaxError {
    /// Returns the error with the message and help that belong to `code`; `detail` is what the
    /// message speaks of, a token mostly.
    pub(crate) fn new(code: &'static str, range: TextRange, detail: &str) -> Self {
        let (message, help) = words(code, detail);
        Self {
            code,
            message,
            range,
            help,
        }
    }

    /// As [`SyntaxError::new`], on the heap.
    fn boxed(code: &'static str, range: TextRange, detail: &str) -> Box<Self> {
        Box::new(Self::new(code, range, detail))
    }

    /// Returns the error for `expected` not standing where `found` stands.
    fn expected(expected: &str, found: &lexer::Token) -> Self {
        let at_end = found.kind == lexer::TokenKind::End;
        let (code, message) = if at_end {
            let message = format!("expected `{expected}` before the end of the expression");
            ("S0203", message)
        } else {
            let message = format!("expected `{expected}`, got `{}`", found.shown());
            ("S0202", message)
        };
        Self {
            code,
            message,
            range: found.range,
            help: format!("write `{expected}` here, or remove what opened it"),
        }
    }
}

impl std::fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for SyntaxError {}

/// Returns message and help of a code.
fn words(code: &'static str, detail: &str) -> (String, String) {
    let (message, help) = match code {
        "S0101" => (
            "the text has no closing quote".to_owned(),
            "end it with the quote that it begins with",
        ),
        "S0102" => (
            format!("the number `{detail}` is out of range"),
            "numbers go up to 1.8e308",
        ),
        "S0103" => (
            format!("`\\{detail}` is no escape sequence"),
            "a backslash is written `\\\\`",
        ),
        "S0104" => (
            "`\\u` must be followed by four hex digits".to_owned(),
            "write `\\u00e4`, say; a backslash is written `\\\\`",
        ),
        "S0105" => (
            "the quoted name has no closing backtick".to_owned(),
            "end it with a backtick",
        ),
        "S0106" => ("the comment is not closed".to_owned(), "end it with `*/`"),
        "S0201" => (
            format!("unexpected `{detail}` after the end of the expression"),
            "join it by an operator, or separate expressions by `;` in parentheses",
        ),
        "S0204" => (
            format!("`{detail}` is no operator"),
            "use `$not(..)` for a negation",
        ),
        "S0207" => (
            "the expression ends too early".to_owned(),
            "write what the last operator needs",
        ),
        "S0208" => (
            format!("the parameter `{detail}` is no variable"),
            "a parameter's name starts with `$`",
        ),
        _ => return more_words(code, detail),
    };
    (message, help.to_owned())
}

fn more_words(code: &'static str, detail: &str) -> (String, String) {
    let (message, help) = match code {
        "S0209" => (
            "a predicate cannot follow a grouping".to_owned(),
            "put the predicate before the `{`, or the grouping in parentheses",
        ),
        "S0210" => (
            "a step can have one grouping only".to_owned(),
            "put the first grouping in parentheses",
        ),
        "S0211" => (
            format!("`{detail}` cannot stand at the beginning of an expression"),
            "write what stands on its left side; a name with such characters goes in backticks",
        ),
        "S0212" => (
            "the left side of `:=` is no variable".to_owned(),
            "a variable's name starts with `$`",
        ),
        "S0213" => (
            format!("the literal `{detail}` cannot be a step of a path"),
            "a field with such a name goes in backticks",
        ),
        "S0214" => (
            format!("the right side of `{detail}` is no variable"),
            "a variable's name starts with `$`",
        ),
        "S0215" => (
            "`@` must stand before the predicates of its step".to_owned(),
            "move it before the `[`",
        ),
        "S0216" => (
            "`@` must stand before the sorting of its step".to_owned(),
            "move it before the `^`",
        ),
        "S0217" => (
            "no step is known that `%` could mean the parent of".to_owned(),
            "`%` needs a field name or `*` before it in its path, for each `%`",
        ),
        "S0301" => (
            "the regular expression is empty".to_owned(),
            "write a pattern between the slashes",
        ),
        "S0302" => (
            "the regular expression is not closed".to_owned(),
            "end it with `/`; a slash inside is written `\\/`",
        ),
        "S0303" => (
            format!("the regular expression cannot be used: {detail}"),
            "look-around and back-references are not supported: they take unbounded time",
        ),
        "S0401" => (
            "only functions and lists take a type parameter in a signature".to_owned(),
            "remove the inner `<..>`",
        ),
        "S0402" => (
            "a choice in a signature cannot hold types with parameters".to_owned(),
            "remove the inner `<..>`",
        ),
        "S0501" => (
            format!("the expression is nested more than {NESTING_MAX} levels deep"),
            "bind parts of it to variables: `($part := ...; ...)`",
        ),
        "S0502" => (
            format!("the expression is longer than {SOURCE_BYTES_MAX} bytes"),
            "split it, and keep data out of it",
        ),
        _ => ("the expression has a syntax error".to_owned(), "mend it"),
    };
    (message, help.to_owned())
}
