//! Dead letters stored by the group commit, against a plain append with `fdatasync`.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::bench::figures::{Bar, Figure};
use crate::bench::{Bench, Outcome, median};
use crate::process;

/// Runs the benchmark: the example alternates both by itself.
pub fn run(bench: &Bench<'_>) -> Outcome {
    std::fs::create_dir_all(bench.scratch()).context("cannot make the folder of the benchmarks")?;
    let mut all = Vec::new();
    for _ in 0..bench.rounds {
        let mut command = Command::new(bench.program("examples/group_commit"));
        // Below the workspace: a temporary folder may be memory, where a sync costs nothing.
        command.arg(bench.scratch());
        let text = process::output(&mut command)?;
        println!("    {}", text.trim_end());
        all.push(read(&text)?);
    }
    let middle = |field: fn(&Round) -> f64| median(all.iter().map(field).collect());
    Ok(vec![Figure {
        what: "dead letters of 1 KiB by 64 producers / raw `fdatasync`".to_owned(),
        ratio: middle(|round| round.ratio),
        bar: Bar::AtLeast(3.0),
        behind: format!(
            "{:.0} a second against {:.0}; {:.1} CPU-us each",
            middle(|round| round.letters),
            middle(|round| round.syncs),
            middle(|round| round.cpu_us)
        ),
    }])
}

#[derive(Debug, PartialEq)]
struct Round {
    ratio: f64,
    letters: f64,
    syncs: f64,
    cpu_us: f64,
}

fn read(text: &str) -> Result<Round> {
    let parsed: Value = serde_json::from_str(text).context("the example prints no JSON")?;
    let field = |name: &str| {
        let value = parsed[name].as_f64();
        value.with_context(|| format!("the example prints no `{name}`: {text}"))
    };
    Ok(Round {
        ratio: field("ratio")?,
        letters: field("dead_letters_per_second")?,
        syncs: field("raw_fdatasync_per_second")?,
        cpu_us: field("cpu_us_per_dead_letter")?,
    })
}

#[cfg(test)]
mod tests {
    use super::{Round, read};

    #[test]
    fn the_line_of_the_example_is_read() {
        let text = r#"{"producers":64,"bytes":1024,"dead_letters_per_second":9000,
            "raw_fdatasync_per_second":1000,"ratio":9.00,"cpu_us_per_dead_letter":30.5}"#;
        let expected = Round {
            ratio: 9.0,
            letters: 9000.0,
            syncs: 1000.0,
            cpu_us: 30.5,
        };
        assert_eq!(read(text).unwrap(), expected);
        assert!(read("{}").is_err());
    }
}
