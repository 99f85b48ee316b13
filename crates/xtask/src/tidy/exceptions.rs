//! What is allowed in spite of the rules. The list may only shrink: an exception that is no longer
//! needed is a problem of its own.

use crate::tidy::Problem;

/// One file that one rule does not hold for.
struct Exception {
    rule: &'static str,
    path: &'static str,
    /// Why, for the reader.
    #[expect(dead_code, reason = "it is read by people")]
    reason: &'static str,
}

const EXCEPTIONS: [Exception; 0] = [];

/// Takes away what is allowed, and adds what is allowed without need.
pub fn apply(problems: Vec<Problem>) -> Vec<Problem> {
    apply_list(problems, &EXCEPTIONS)
}

fn apply_list(problems: Vec<Problem>, list: &[Exception]) -> Vec<Problem> {
    let holds = |exception: &Exception, problem: &Problem| {
        exception.rule == problem.rule && exception.path == problem.path
    };
    let needless: Vec<Problem> = list
        .iter()
        .filter(|exception| !problems.iter().any(|problem| holds(exception, problem)))
        .map(|exception| {
            let text = format!(
                "the exception from `{}` is no longer needed",
                exception.rule
            );
            Problem::new("needless-exception", exception.path, 0, text)
        })
        .collect();
    let mut left: Vec<Problem> = problems
        .into_iter()
        .filter(|problem| !list.iter().any(|exception| holds(exception, problem)))
        .collect();
    left.extend(needless);
    left
}

#[cfg(test)]
mod tests {
    use super::{Exception, apply_list};
    use crate::tidy::Problem;

    #[test]
    fn an_exception_allows_one_rule_in_one_file_and_has_to_be_needed() {
        let list = [
            Exception {
                rule: "file-length",
                path: "a.rs",
                reason: "a table",
            },
            Exception {
                rule: "file-length",
                path: "b.rs",
                reason: "it was long once",
            },
        ];
        let problems = vec![
            Problem::new("file-length", "a.rs", 0, "long"),
            Problem::new("vague-name", "a.rs", 0, "vague"),
        ];
        let left = apply_list(problems, &list);
        let left: Vec<(&str, &str)> = left.iter().map(|p| (p.rule, p.path.as_str())).collect();
        assert_eq!(
            left,
            [("vague-name", "a.rs"), ("needless-exception", "b.rs")]
        );
    }
}
