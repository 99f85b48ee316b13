//! Figures, and the table that they are recorded in.

use anyhow::{Context, Result};

/// Which side of the bar is good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// The ratio has to reach it.
    AtLeast(f64),
    /// The ratio may not go beyond it.
    AtMost(f64),
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What was compared with what.
    pub what: String,
    /// The ratio of CPU-seconds, or of what is said in `what`.
    pub ratio: f64,
    /// What must hold.
    pub bar: Bar,
    /// The figures behind the ratio.
    pub behind: String,
}

/// The head of the table.
pub const HEAD: &str = "\
| date | commit | what | ratio | bar | figures behind it |
|---|---|---|---|---|---|
";

/// Returns the rows of some figures.
pub fn rows(figures: &[Figure], date: &str, commit: &str) -> String {
    let row = |figure: &Figure| {
        let (bar, holds) = match figure.bar {
            Bar::AtLeast(bar) => (format!("≥ {bar}"), figure.ratio >= bar),
            Bar::AtMost(bar) => (format!("≤ {bar}"), figure.ratio <= bar),
        };
        let verdict = if holds { "holds" } else { "missed" };
        let Figure {
            what,
            ratio,
            behind,
            ..
        } = figure;
        format!("| {date} | {commit} | {what} | {ratio:.2} | {bar}: {verdict} | {behind} |\n")
    };
    figures.iter().map(row).collect()
}

/// Returns the document with rows added below its table.
///
/// # Errors
/// If the document has no such table.
pub fn recorded(document: &str, rows: &str) -> Result<String> {
    let begin = document
        .find(HEAD)
        .context("`benches/README.md` has lost its table of figures")?;
    let body = begin + HEAD.len();
    let length: usize = document[body..]
        .split_inclusive('\n')
        .take_while(|line| line.starts_with('|'))
        .map(str::len)
        .sum();
    let (before, after) = document.split_at(body + length);
    Ok(format!("{before}{rows}{after}"))
}

#[cfg(test)]
mod tests {
    use super::{Bar, Figure, HEAD, recorded, rows};

    fn figure(ratio: f64, bar: Bar) -> Figure {
        Figure {
            what: "a / b".to_owned(),
            ratio,
            bar,
            behind: "3 against 2".to_owned(),
        }
    }

    #[test]
    fn a_row_says_whether_its_bar_holds() {
        let figures = [
            figure(1.5, Bar::AtLeast(2.0)),
            figure(1.5, Bar::AtMost(2.0)),
        ];
        assert_eq!(
            rows(&figures, "2026-01-01", "abc"),
            "| 2026-01-01 | abc | a / b | 1.50 | ≥ 2: missed | 3 against 2 |\n\
             | 2026-01-01 | abc | a / b | 1.50 | ≤ 2: holds | 3 against 2 |\n"
        );
        // A ratio that could not be worked out holds no bar.
        let none = rows(&[figure(f64::NAN, Bar::AtMost(2.0))], "d", "c");
        assert!(none.contains("missed"), "{none}");
    }

    #[test]
    fn rows_are_added_below_the_earlier_ones() {
        let document = format!("# A\n\n{HEAD}| old |\n\nText.\n");
        let added = recorded(&document, "| new |\n").unwrap();
        assert_eq!(added, format!("# A\n\n{HEAD}| old |\n| new |\n\nText.\n"));
        assert!(recorded("# A\n", "| new |\n").is_err());
    }
}
