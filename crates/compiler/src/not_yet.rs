//! What the language has and this build does not run yet.

use sluice_model::codes;
use sluice_model::finding::Finding;
use sluice_model::span::Span;

use crate::work::Work;

/// Refuses what would do less than is written.
pub(crate) fn refused(work: &mut Work<'_>, span: Span, message: &str) {
    work.error(codes::NOT_YET, span, message).help =
        Some("it parses, but this build cannot run it; leave it out for now".to_owned());
}

/// Tells what is written but has no effect yet.
pub(crate) fn told(work: &mut Work<'_>, span: Span, message: &str) {
    work.push(Finding::info(codes::NOT_YET, span, message));
}
