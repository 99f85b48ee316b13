//! Which project and environment a verb works on.

use std::path::{Path, PathBuf};

use sluice_compiler::compile::{Compiled, Options, compile};
use sluice_compiler::project::ProjectFiles;
use sluice_model::ids::EnvironmentName;

use crate::exit::usage;
use crate::registry::registry;

/// The project that a verb works on.
#[derive(Debug, Clone, clap::Args)]
pub struct ProjectArgs {
    /// The project's folder; left out: the nearest one with a `sluice.yaml`.
    pub project: Option<PathBuf>,
}

/// The environment that a verb works for.
#[derive(Debug, Clone, clap::Args)]
pub struct EnvironmentArgs {
    /// The environment.
    #[arg(long, default_value = "dev")]
    pub env: String,
    /// The folder of runs, dead letters and positions; left out: `.sluice/ENV` of the project.
    #[arg(long)]
    pub data: Option<PathBuf>,
}

impl EnvironmentArgs {
    /// Returns the environment's name.
    pub fn name(&self) -> EnvironmentName {
        EnvironmentName::from(self.env.as_str())
    }

    /// Returns the data folder.
    pub fn data_folder(&self, root: &Path) -> PathBuf {
        self.data
            .clone()
            .unwrap_or_else(|| root.join(".sluice").join(&self.env))
    }
}

impl ProjectArgs {
    /// Returns the project's folder.
    ///
    /// # Errors
    /// If there is no project.
    pub fn root(&self) -> anyhow::Result<PathBuf> {
        let from = self.project.clone().unwrap_or_else(|| PathBuf::from("."));
        if !from.exists() {
            return Err(usage(format!("there is no folder `{}`", from.display())));
        }
        let from = if from.ends_with("sluice.yaml") && from.is_file() {
            from.parent()
                .map_or_else(|| PathBuf::from("."), Path::to_owned)
        } else {
            from
        };
        ProjectFiles::find_root(&from).map_err(|error| usage(error.to_string()))
    }

    /// Reads the project's files.
    ///
    /// # Errors
    /// If there is no project, or something cannot be read.
    pub fn files(&self) -> anyhow::Result<ProjectFiles> {
        Ok(ProjectFiles::load(&self.root()?)?)
    }

    /// Compiles the project.
    ///
    /// # Errors
    /// If its files cannot be read.
    pub fn compile(&self, environment: Option<EnvironmentName>) -> anyhow::Result<Compiled> {
        let files = self.files()?;
        let options = Options {
            environment,
            ..Options::default()
        };
        Ok(compile(&files, &registry(), &options))
    }
}
