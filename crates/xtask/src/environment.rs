//! What xtask takes from its surroundings, read once.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where the repository and the material beside it lie, and who runs us.
pub struct Environment {
    /// The root of the workspace.
    pub root: PathBuf,
    /// Where builds go: `target`, unless `CARGO_TARGET_DIR` says otherwise.
    pub target: PathBuf,
    /// The `cargo` that started us.
    pub cargo: PathBuf,
    /// Whether this is continuous integration: `CI=true`.
    pub ci: bool,
    /// The test data of others. May be missing.
    pub corpora: PathBuf,
    /// Inputs and neighbours of the benchmarks. May be missing.
    pub bench: PathBuf,
}

impl Environment {
    /// Reads the environment of this process.
    pub fn of_process() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.parent().and_then(Path::parent);
        let root = root.expect("this crate lies two folders below the workspace's root");
        let beside = |name: &str, folder: &str| {
            let beside = root.join("../shared").join(folder);
            variable(name).map_or(beside, PathBuf::from)
        };
        Self {
            target: root.join(variable("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into())),
            cargo: variable("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from),
            ci: variable("CI").is_some_and(|value| value == "true"),
            corpora: beside("SLUICE_CORPORA", "corpora"),
            bench: beside("SLUICE_BENCH", "bench"),
            root: root.to_path_buf(),
        }
    }

    /// Returns the folder for what xtask makes: logs, inputs and neighbours of benchmarks.
    pub fn scratch(&self) -> PathBuf {
        self.target.join("xtask")
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is where xtask reads the environment"
)]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
