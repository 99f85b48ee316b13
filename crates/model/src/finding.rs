//! What a check says: code, severity, place, cause and fix.

use crate::span::Span;

/// A finding's code, such as `E0142`; every code has a page in `docs/errors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Told, and never changes an exit code.
    Info,
    /// Told, and fails only under `--deny warnings`.
    Warning,
    /// The project cannot be run as written.
    Error,
}

impl Severity {
    /// Returns the word that outputs use: `error`, `warning` or `info`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// Replaces the bytes of `span` by `text`; an empty span inserts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced.
    pub span: Span,
    /// What stands there afterwards.
    pub text: String,
}

/// A change that mends the finding and that a machine can apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What the change does, as an imperative: ``rename to `summary` ``.
    pub title: String,
    /// The edits, none of which overlap.
    pub edits: Vec<Edit>,
}

/// A place that explains the finding, beside the primary one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is to be seen there.
    pub text: String,
}

/// One thing that a check has to say.
///
/// `message` says what is wrong, `label` what stands at the place, `notes` why it is wrong, `help`
/// what to do. All are lower case, without a full stop, names in backticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which kind of finding.
    pub code: Code,
    /// How grave it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Where; `None` for what has no place in a file (a missing file, say).
    pub span: Option<Span>,
    /// What stands at the place, written under the underlined source.
    pub label: String,
    /// Further places that explain it.
    pub labels: Vec<Label>,
    /// Causes in plain words.
    pub notes: Vec<String>,
    /// What to do; the "did you mean" stands here.
    pub help: Option<String>,
    /// Changes that mend it.
    pub fixes: Vec<Fix>,
}

impl Finding {
    /// Returns an error at `span`.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, Some(span), message.into())
    }

    /// Returns a warning at `span`.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, Some(span), message.into())
    }

    /// Returns an information at `span`.
    pub fn info(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Info, Some(span), message.into())
    }

    /// Returns an error that has no place in a file.
    pub fn placeless(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, None, message.into())
    }

    fn new(code: Code, severity: Severity, span: Option<Span>, message: String) -> Self {
        Self {
            code,
            severity,
            message,
            span,
            label: String::new(),
            labels: Vec::new(),
            notes: Vec::new(),
            help: None,
            fixes: Vec::new(),
        }
    }

    /// Adds what is written under the underlined source.
    pub fn with_label(mut self, text: impl Into<String>) -> Self {
        self.label = text.into();
        self
    }

    /// Adds a further place.
    pub fn with_place(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// Adds a cause.
    pub fn with_note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds what to do.
    pub fn with_help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Adds a change of one place that mends it.
    pub fn with_fix(
        mut self,
        title: impl Into<String>,
        span: Span,
        text: impl Into<String>,
    ) -> Self {
        let edits = vec![Edit {
            span,
            text: text.into(),
        }];
        self.fixes.push(Fix {
            title: title.into(),
            edits,
        });
        self
    }
}

/// Findings, in the order in which they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// Adds one.
    pub fn push(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    /// Adds all of `other`.
    pub fn append(&mut self, mut other: Findings) {
        self.0.append(&mut other.0);
    }

    /// Returns whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0
            .iter()
            .any(|finding| finding.severity == Severity::Error)
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns them in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.0.iter()
    }

    /// Sorts by file, place and code, and drops exact doubles, so that output is stable.
    pub fn sort(&mut self) {
        self.0
            .sort_by(|a, b| (a.span, a.code, &a.message).cmp(&(b.span, b.code, &b.message)));
        self.0.dedup();
    }
}

impl From<Finding> for Findings {
    fn from(finding: Finding) -> Self {
        Findings(vec![finding])
    }
}

impl IntoIterator for Findings {
    type Item = Finding;
    type IntoIter = std::vec::IntoIter<Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Returns the candidate nearest to `word`, if one is near enough to be what was meant.
///
/// Near enough is an edit distance (insert, delete, replace, swap of neighbours) of at most a third
/// of the word's length, at least 1; case does not count.
pub fn did_you_mean<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let word = word.to_lowercase();
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The optimal string alignment distance between two words.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().take(64).collect();
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn suggests_near_words_only() {
        let keys = ["summary", "owner", "steps", "from"];
        assert_eq!(did_you_mean("sumary", keys), Some("summary"));
        assert_eq!(did_you_mean("ownre", keys), Some("owner"));
        assert_eq!(did_you_mean("Form", keys), Some("from"));
        assert_eq!(did_you_mean("guarantee", keys), None);
    }
}
