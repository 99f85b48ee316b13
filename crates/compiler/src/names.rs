//! Names and references as files write them.

use sluice_model::codes;
use sluice_model::finding::Finding;
use sluice_model::span::Span;

/// A reference `connection#thing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference<'t> {
    /// The connection, API or file.
    pub of: &'t str,
    /// The thing that its contract names.
    pub thing: &'t str,
}

impl<'t> Reference<'t> {
    /// Reads `connection#thing`.
    ///
    /// # Errors
    /// A finding at `span` if it is not one.
    pub fn parse(text: &'t str, span: Span, example: &str) -> Result<Self, Box<Finding>> {
        match text.split_once('#') {
            Some((of, thing)) if !of.is_empty() && !thing.is_empty() => Ok(Self { of, thing }),
            _ => Err(Box::new(
                Finding::error(
                    codes::BAD_NAME,
                    span,
                    format!("`{text}` is not a reference"),
                )
                .with_label("expected a name, `#`, and what is meant there")
                .with_help(format!("write it like `{example}`")),
            )),
        }
    }
}

/// Returns whether expressions can name it: `[a-z][A-Za-z0-9_]*`.
pub(crate) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Returns whether it can be the name of a flow, connection, API or environment: lower case
/// letters, digits and hyphens, beginning with a letter.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
        && text.len() <= 64
}

/// Returns an identifier made of `text`, to be proposed.
pub(crate) fn to_identifier(text: &str) -> String {
    let mut out = String::new();
    let mut upper = false;
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            let first = out.is_empty();
            if first && c.is_ascii_digit() {
                out.push('n');
            }
            out.push(match (first, upper) {
                (true, _) => c.to_ascii_lowercase(),
                (false, true) => c.to_ascii_uppercase(),
                (false, false) => c,
            });
            upper = false;
        } else {
            upper = true;
        }
    }
    if out.is_empty() {
        "name".to_owned()
    } else {
        out
    }
}

/// Returns the finding for a text that expressions could not name.
pub(crate) fn bad_identifier(text: &str, what: &str, span: Span) -> Finding {
    let proposal = to_identifier(text);
    Finding::error(codes::BAD_NAME, span, format!("`{text}` cannot be {what}"))
        .with_label("expressions use it as a name")
        .with_help("begin with a lower case letter; then letters, digits and `_`, no hyphen")
        .with_fix(format!("rename it to `{proposal}`"), span, proposal)
}

#[cfg(test)]
mod tests {
    use super::{is_identifier, is_name, to_identifier};

    #[test]
    fn identifiers_and_names() {
        assert!(is_identifier("orderId") && is_identifier("a_1"));
        assert!(!is_identifier("Order") && !is_identifier("order-id") && !is_identifier(""));
        assert!(is_name("order-intake") && !is_name("Order") && !is_name("a b"));
        assert_eq!(to_identifier("order-id"), "orderId");
        assert_eq!(to_identifier("Order"), "order");
        assert_eq!(to_identifier("1st"), "n1st");
    }
}
