//! Small changes that mend findings.

use sluice_model::finding::{Edit, Finding, Fix};
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

/// Proposes the name that is nearest to the one at `span`; where none is near, says `otherwise`.
pub(crate) fn suggest(
    finding: &mut Finding,
    span: Span,
    near: Option<&str>,
    otherwise: impl FnOnce() -> String,
) {
    match near {
        Some(near) => {
            finding.help = Some(format!("did you mean `{near}`?"));
            finding
                .fixes
                .push(replace(format!("use `{near}`"), span, near));
        }
        None => finding.help = Some(otherwise()),
    }
}

/// Returns the names in a list, as far as they help: "it has `a`, `b`".
pub(crate) fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    const SHOWN: usize = 8;
    let mut names = names.peekable();
    let mut list = String::new();
    for name in names.by_ref().take(SHOWN) {
        let separator = if list.is_empty() { "" } else { ", " };
        list.push_str(&format!("{separator}`{name}`"));
    }
    if names.peek().is_some() {
        list.push_str(", ...");
    }
    list
}
