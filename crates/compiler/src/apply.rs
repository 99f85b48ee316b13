//! Fixes applied to sources, for `check --fix`.

use std::collections::BTreeMap;

use sluice_model::finding::{Edit, Findings, Fix};
use sluice_model::span::{FileId, Sources, Span};

/// What came of applying fixes.
#[derive(Debug, Default)]
pub struct Applied {
    /// The new text of each file that changes.
    pub files: BTreeMap<FileId, String>,
    /// The number of findings whose fix was applied.
    pub applied: usize,
    /// The number of findings whose fix changes what another one has changed already: checking
    /// again shows them.
    pub skipped: usize,
}

/// Applies the first fix of each finding, in the order of the findings.
///
/// A fix is applied with all of its edits or not at all. Two findings may ask for the same edit:
/// it is made once. No byte outside of the edits changes.
pub fn apply(findings: &Findings, sources: &Sources) -> Applied {
    let mut accepted: BTreeMap<FileId, Vec<&Edit>> = BTreeMap::new();
    let mut result = Applied::default();
    for fix in findings.iter().filter_map(|finding| finding.fixes.first()) {
        let fits = fix.edits.iter().all(|edit| {
            is_within(edit.span, sources)
                && accepted
                    .get(&edit.span.file)
                    .is_none_or(|others| others.iter().all(|other| are_compatible(other, edit)))
        });
        if !fits {
            result.skipped += 1;
            continue;
        }
        result.applied += 1;
        accept(fix, &mut accepted);
    }
    for (file, mut edits) in accepted {
        // Stable: insertions at one place keep the order of their findings, and stand before what
        // replaces the text there.
        edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
        result
            .files
            .insert(file, spliced(&sources.get(file).text, &edits));
    }
    result
}

fn accept<'f>(fix: &'f Fix, accepted: &mut BTreeMap<FileId, Vec<&'f Edit>>) {
    for edit in &fix.edits {
        let others = accepted.entry(edit.span.file).or_default();
        if !others.contains(&edit) {
            others.push(edit);
        }
    }
}

fn is_within(span: Span, sources: &Sources) -> bool {
    sources.get(span.file).text.get(span.range()).is_some()
}

fn are_compatible(a: &Edit, b: &Edit) -> bool {
    a == b || a.span.end <= b.span.start || b.span.end <= a.span.start
}

/// Returns the text with the edits made; they ascend and do not overlap.
fn spliced(text: &str, edits: &[&Edit]) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = 0;
    for edit in edits {
        let range = edit.span.range();
        result.push_str(&text[rest..range.start]);
        result.push_str(&edit.text);
        rest = range.end;
    }
    result + &text[rest..]
}

#[cfg(test)]
mod tests {
    use sluice_model::codes;
    use sluice_model::finding::{Finding, Findings};
    use sluice_model::span::{Sources, Span};

    use super::apply;

    #[test]
    fn edits_are_made_once_and_never_over_each_other() {
        let mut sources = Sources::default();
        let file = sources.add("flows/a.yaml", "flwo: a # why\nsteps: []\n");
        let other = sources.add("flows/b.yaml", "flow: b\n");
        let fix = |start, end, text: &str| {
            let span = Span::new(file, start, end);
            Finding::error(codes::UNKNOWN_KEY, span, "x").with_fix("y", span, text)
        };
        let findings = Findings(vec![
            fix(0, 4, "flow"),
            fix(0, 0, "owner: x\n"),
            fix(2, 6, "overlaps"),
            fix(0, 0, "owner: x\n"),
            fix(21, 23, "[x]"),
            fix(14, 99, "outside"),
        ]);
        let applied = apply(&findings, &sources);
        assert_eq!((applied.applied, applied.skipped), (4, 2));
        assert_eq!(
            applied.files[&file],
            "owner: x\nflow: a # why\nsteps: [x]\n"
        );
        assert!(!applied.files.contains_key(&other));
    }
}
