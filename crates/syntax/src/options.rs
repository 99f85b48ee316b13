//! What a reader accepts, and its limits.

use sluice_model::codes;
use sluice_model::finding::{Finding, Severity};
use sluice_model::span::{FileId, Span};

/// The size that a file of a project may have, in bytes: 4 MiB.
pub const PROJECT_BYTES_MAX: usize = 4 << 20;
/// The size that a contract may have, in bytes: 32 MiB.
pub const CONTRACT_BYTES_MAX: usize = 32 << 20;
/// How deep maps and lists may stand in each other.
pub const DEPTH_MAX: usize = 128;
/// How many nodes the aliases of a contract may add in all.
pub const ALIASED_NODES_MAX: usize = 1 << 20;
/// How many nodes the aliases of a project file (each of them a finding) may add in all.
pub(crate) const PROJECT_ALIASED_NODES_MAX: usize = 1 << 10;
/// How many syntax errors are reported for one file.
pub const SYNTAX_ERRORS_MAX: usize = 20;
/// How many findings beside syntax errors a reader makes for one file.
pub const OTHER_FINDINGS_MAX: usize = 100;

/// Which parts of YAML a file may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The project language: anchors, aliases, tags, merge keys and directives are findings.
    Project,
    /// Files of others: aliases and merge keys (`<<`) are expanded, tags are heeded where they are
    /// of the core schema (`!!str`) and passed over otherwise.
    Contract {
        /// How many nodes the aliases may add in all; more is a finding `TOO_LARGE`.
        aliased_nodes_max: usize,
    },
}

/// What a reader accepts, and its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseOptions {
    /// Which parts of YAML are allowed; JSON has no parts to choose from.
    pub dialect: Dialect,
    /// The size that the file may have, in bytes; more is a finding `TOO_LARGE`.
    pub bytes_max: usize,
    /// How deep maps and lists may stand in each other; more is a finding `TOO_LARGE`.
    pub depth_max: usize,
    /// How grave a doubled key in JSON is; RFC 8259 section 4 leaves its meaning open. In YAML it
    /// is always an error.
    pub json_duplicate_key: Severity,
}

impl ParseOptions {
    /// Returns the options for a project's own files.
    pub const fn project() -> Self {
        Self {
            dialect: Dialect::Project,
            bytes_max: PROJECT_BYTES_MAX,
            depth_max: DEPTH_MAX,
            json_duplicate_key: Severity::Error,
        }
    }

    /// Returns the options for contracts, which others write.
    pub const fn contract() -> Self {
        Self {
            dialect: Dialect::Contract {
                aliased_nodes_max: ALIASED_NODES_MAX,
            },
            bytes_max: CONTRACT_BYTES_MAX,
            depth_max: DEPTH_MAX,
            json_duplicate_key: Severity::Warning,
        }
    }
}

/// Refuses a text above the size limit, before anything of it is read.
pub(crate) fn check_size(
    file: FileId,
    text: &str,
    options: &ParseOptions,
) -> Result<(), Box<Finding>> {
    if text.len() <= options.bytes_max {
        return Ok(());
    }
    let finding = Finding::error(
        codes::TOO_LARGE,
        Span::new(file, 0, 0),
        format!(
            "the file has {} bytes, the limit is {}",
            text.len(),
            options.bytes_max
        ),
    );
    Err(Box::new(finding.with_help(
        "split it into smaller files, and keep data out of them",
    )))
}

/// Returns the finding for what stands deeper than the limit.
pub(crate) fn too_deep(span: Span, options: &ParseOptions) -> Finding {
    Finding::error(
        codes::TOO_LARGE,
        span,
        format!(
            "maps and lists stand in each other more than {} deep",
            options.depth_max
        ),
    )
    .with_help("name the inner parts and refer to them, or remove a level")
}
