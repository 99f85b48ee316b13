//! Reads what `cargo test` prints: counts, failures, and tests that could not run.

use std::collections::BTreeSet;

/// What a run of all test binaries came to.
#[derive(Debug, Default, PartialEq)]
pub struct Report {
    /// Tests that passed, without those that said that they were not run.
    pub passed: u64,
    /// Tests that failed, and test binaries that ended without a result.
    pub failed: u64,
    /// What tests said that they could not run: `NAME: reason`.
    pub not_run: BTreeSet<String>,
    binary: Option<String>,
    test: Option<String>,
    in_failures: bool,
    quiet: BTreeSet<String>,
}

impl Report {
    /// Takes the next line of output, and returns what of it is worth showing.
    pub fn line(&mut self, line: &str) -> Option<String> {
        if let Some(binary) = running(line) {
            let gone = self.missing_result();
            self.binary = Some(binary);
            return gone;
        }
        if let Some(counts) = line.strip_prefix("test result: ") {
            return Some(self.result(counts));
        }
        if let Some(test) = captured_of(line) {
            self.test = Some(test.to_owned());
        }
        if let Some(reason) = not_run(line) {
            self.not_run.insert(reason.to_owned());
            self.quiet.extend(self.test.clone());
        }
        if line == "failures:" {
            self.in_failures = true;
        }
        let failure = line.starts_with("test ") && line.ends_with("FAILED");
        let trouble = self.in_failures || failure || self.of_cargo(line);
        trouble.then(|| line.to_owned())
    }

    /// Returns whether cargo complains, not a test that speaks of an error.
    fn of_cargo(&self, line: &str) -> bool {
        let between = self.binary.is_none() && line.starts_with("error");
        between
            || line.starts_with("error: test failed")
            || line.contains("process didn't exit successfully")
    }

    /// Ends the report: the last binary has to have had its result too, and if cargo failed
    /// without any test that did, that is a failure of its own.
    pub fn end(&mut self, succeeded: bool) -> Option<String> {
        let gone = self.missing_result();
        if !succeeded && self.failed == 0 {
            self.failed = 1;
            return Some("    cargo failed before the tests were through".to_owned());
        }
        gone
    }

    /// Returns the line that sums everything up.
    pub fn summary(&self) -> String {
        let mut summary = format!("{} passed, {} failed", self.passed, self.failed);
        if !self.not_run.is_empty() {
            summary.push_str(&format!(", {} skipped", self.not_run.len()));
        }
        summary
    }

    /// A result line: `ok. 12 passed; 0 failed; 0 ignored; ...; finished in 0.05s`.
    fn result(&mut self, counts: &str) -> String {
        let binary = self.binary.take().unwrap_or_default();
        let count = |what: &str| -> u64 {
            let mut parts = counts.split([';', '.']).map(str::trim);
            let part = parts.find_map(|part| part.strip_suffix(what));
            part.and_then(|number| number.trim().parse().ok())
                .unwrap_or(0)
        };
        let quiet = std::mem::take(&mut self.quiet).len() as u64;
        let (passed, failed) = (count("passed").saturating_sub(quiet), count("failed"));
        let ignored = count("ignored");
        if ignored != 0 {
            let said = format!("{binary}: {ignored} tests are ignored");
            self.not_run.insert(said);
        }
        self.passed += passed;
        self.failed += failed;
        self.in_failures = false;
        let time = counts
            .rsplit_once("finished in ")
            .map_or("", |(_, time)| time);
        format!("    {binary}: {passed} passed, {failed} failed in {time}")
    }

    /// A binary that crashed has no result line.
    fn missing_result(&mut self) -> Option<String> {
        let binary = self.binary.take()?;
        self.failed += 1;
        self.in_failures = false;
        self.quiet.clear();
        Some(format!("    {binary}: ended without a result"))
    }
}

/// `     Running unittests src/lib.rs (target/debug/deps/sluice_model-0a1b2c)`.
fn running(line: &str) -> Option<String> {
    let rest = line.trim_start().strip_prefix("Running ")?;
    let (what, path) = rest.strip_suffix(')')?.rsplit_once(" (")?;
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let name = file.rsplit_once('-').map_or(file, |(name, _)| name);
    Some(match what.strip_prefix("unittests ") {
        Some(_) => name.to_owned(),
        None => format!("{name} ({what})"),
    })
}

/// `---- tests::name stdout ----`.
fn captured_of(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

/// `not run: NAME: reason`.
fn not_run(line: &str) -> Option<&str> {
    let said = line.strip_prefix("not run: ")?;
    let (name, _) = said.split_once(": ")?;
    (!name.contains(' ')).then_some(said)
}

#[cfg(test)]
mod tests;
