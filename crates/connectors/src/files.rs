//! The `files` connector: files in a local folder, as a source and as a sink.

mod fault;
mod glob;
mod name;
mod opened;
mod part;
mod place;
mod poll;
mod read;
mod reader;
mod rename;
mod settle;
#[cfg(test)]
mod tests;
mod then;
mod write;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_sdk::check::{Check, Problem};
use sluice_sdk::connection::Connection;
use sluice_sdk::cx::Cx;
use sluice_sdk::registry::{Info, Offers};

use crate::files::fault::io;
use crate::files::read::FilesSource;
use crate::files::write::FilesSink;

/// A folder with files.
#[derive(Debug, Clone)]
pub struct Files {
    /// The folder.
    root: PathBuf,
    /// The folder as the connection's file writes it, for messages.
    at: String,
    create: bool,
}

/// The fields of a connection of the type `files`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilesConfig {
    /// The folder; a relative path starts at the project's folder. What a reference names,
    /// `inbox#orders`, is a folder below it; `inbox#.` is the folder itself.
    pub at: String,
    /// Whether folders that are missing are made when they are first used.
    pub create: bool,
}

impl Connection for Files {
    const INFO: Info = Info {
        name: "files",
        summary: "A local folder: its files are read, and files are written to it.",
        example: "connection: inbox\ntype: files\nat: ./inbox\n",
    };
    type Config = FilesConfig;

    fn check(config: FilesConfig, cx: &mut dyn Check) -> Result<Self, Vec<Problem>> {
        if config.at.is_empty() {
            let problem = Problem::new("/at", "the folder is not named");
            return Err(vec![problem.with_help("write `at: ./inbox`")]);
        }
        if let Some((scheme, _)) = config.at.split_once("://") {
            let text = format!("a folder at `{scheme}://` cannot be used yet");
            let problem = Problem::new("/at", text);
            return Err(vec![
                problem.with_help("name a local folder: `at: ./inbox`"),
            ]);
        }
        Ok(Self {
            root: cx.base().join(&config.at),
            at: config.at,
            create: config.create,
        })
    }

    async fn probe(&self, cx: &Cx) -> Result<(), Fault> {
        let (root, at, create) = (self.root.clone(), self.at.clone(), self.create);
        cx.blocking(move || match std::fs::read_dir(&root) {
            Ok(_) => Ok(()),
            Err(error) if create && error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(io(error, "read the folder", &at)),
        })
        .await?
    }

    fn offers(offers: &mut Offers<Self>) {
        offers.source::<FilesSource>().sink::<FilesSink>();
    }
}

impl Files {
    /// Returns the folder that a reference names, and makes it if the connection makes folders.
    ///
    /// Blocks; the place was checked by [`place::check`].
    fn folder(&self, place: &str) -> Result<place::Folder, Fault> {
        let path = self.root.join(place);
        let shown = place::shown(&self.at, place);
        if self.create {
            std::fs::create_dir_all(&path).map_err(|error| io(error, "make the folder", &shown))?;
        }
        let root = canonical(&self.root, &self.at)?;
        let real = canonical(&path, &shown)?;
        if !real.starts_with(&root) {
            let text = format!("the folder `{shown}` is a link that leaves `{}`", self.at);
            return Err(Fault::new(
                FaultCode::DENIED,
                Retry::Never,
                Blame::Config,
                text,
            ));
        }
        if !real.is_dir() {
            let text = format!("`{shown}` is not a folder");
            return Err(Fault::new(
                FaultCode::NOT_FOUND,
                Retry::Never,
                Blame::Config,
                text,
            ));
        }
        Ok(place::Folder { root, real, shown })
    }
}

impl Files {
    /// Returns the folder that a reference names, to write to it: it is made if the connection's
    /// folder is there. Blocks.
    fn folder_to_write(&self, place: &str) -> Result<place::Folder, Fault> {
        if !self.create && !place.is_empty() {
            canonical(&self.root, &self.at)?;
            let shown = place::shown(&self.at, place);
            std::fs::create_dir_all(self.root.join(place))
                .map_err(|error| io(error, "make the folder", &shown))?;
        }
        self.folder(place)
    }
}

fn canonical(path: &std::path::Path, shown: &str) -> Result<PathBuf, Fault> {
    path.canonicalize().map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            let text = format!(
                "the folder `{shown}` does not exist: make it, or write `create: true` in the \
                 connection"
            );
            let fault = Fault::new(FaultCode::NOT_FOUND, Retry::Soon, Blame::Config, text);
            fault.with_source(error)
        } else {
            io(error, "find the folder", shown)
        }
    })
}
