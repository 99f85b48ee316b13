//! What a build may cost on two cores. Going beyond is a warning: the figures come from a machine
//! that may have had other work.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Where `cargo xtask record` writes its figures; the last one counts.
pub const FILE: &str = "benches/build.json";

/// What is recorded, its limit, its unit.
const BUDGET: [(&str, f64, &str); 3] = [
    ("cold_build_cpu_seconds", 900.0, "CPU-s"),
    ("tests_build_cpu_seconds", 1_500.0, "CPU-s"),
    ("connector_touched_seconds", 10.0, "s"),
];

/// Returns what goes beyond the budget.
///
/// # Errors
/// If the figures are there but cannot be read.
pub fn warnings(root: &Path) -> Result<Vec<String>> {
    match std::fs::read_to_string(root.join(FILE)) {
        Ok(text) => check(&text),
        Err(_) => Ok(vec![format!(
            "nothing is recorded in `{FILE}`: run `cargo xtask record`"
        )]),
    }
}

fn check(text: &str) -> Result<Vec<String>> {
    let file: Value =
        serde_json::from_str(text).with_context(|| format!("`{FILE}` is not JSON"))?;
    let last = file["records"]
        .as_array()
        .and_then(|records| records.last());
    let last = last.with_context(|| format!("`{FILE}` has no records"))?;
    let mut warnings = Vec::new();
    for (name, limit, unit) in BUDGET {
        let figure = last[name]
            .as_f64()
            .with_context(|| format!("`{FILE}` has no `{name}`"))?;
        if limit < figure {
            let commit = last["commit"].as_str().unwrap_or("unknown");
            warnings.push(format!(
                "`{name}` was {figure} {unit} at {commit}; the budget is {limit}"
            ));
        }
    }
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn only_the_last_record_counts_and_only_beyond_its_budget() {
        let text = r#"{"records":[
            {"commit":"a","cold_build_cpu_seconds":5000,"tests_build_cpu_seconds":1,
             "connector_touched_seconds":1},
            {"commit":"b","cold_build_cpu_seconds":900,"tests_build_cpu_seconds":1,
             "connector_touched_seconds":12.5}]}"#;
        let warnings = check(text).unwrap();
        assert_eq!(
            warnings,
            ["`connector_touched_seconds` was 12.5 s at b; the budget is 10"]
        );
    }

    #[test]
    fn a_damaged_file_says_so() {
        assert!(check("{").is_err());
        assert!(check("{}").is_err());
        assert!(check(r#"{"records":[{}]}"#).is_err());
    }
}
