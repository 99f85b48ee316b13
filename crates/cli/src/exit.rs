//! Exit codes.

/// Everything is fine; warnings and information included.
pub const OK: u8 = 0;
/// Something failed: tests, an evaluation, a run.
pub const FAILED: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// There are findings.
pub const FINDINGS: u8 = 3;

/// An error in how the command was used: a folder without a project, a flow that is not there.
#[derive(Debug)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Returns the usage error with this text.
pub fn usage(text: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Usage(text.into()))
}

/// Returns the exit code for an error.
pub fn of(error: &anyhow::Error) -> u8 {
    if error.is::<Usage>() { USAGE } else { FAILED }
}
