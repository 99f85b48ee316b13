//! Small changes that mend findings.

use sluice_model::finding::{Edit, Fix};
use sluice_model::span::Span;

/// Returns the fix that replaces one place.
pub(crate) fn replace(title: impl Into<String>, span: Span, text: &str) -> Fix {
    Fix {
        title: title.into(),
        edits: vec![Edit {
            span,
            text: text.to_owned(),
        }],
    }
}

/// Returns a further place of a finding.
pub(crate) fn label(span: Span, text: &str) -> sluice_model::finding::Label {
    sluice_model::finding::Label {
        span,
        text: text.to_owned(),
    }
}
