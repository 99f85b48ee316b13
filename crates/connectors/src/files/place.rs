//! Folders that references name, and paths below them.

use std::path::{Component, Path, PathBuf};

use sluice_model::operation::Target;
use sluice_sdk::check::{Check, Problem};

/// A folder that exists, and lies in the folder of its connection.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    /// The connection's folder, without links.
    pub(crate) root: PathBuf,
    /// The folder itself, without links.
    pub(crate) real: PathBuf,
    /// The folder as messages show it.
    pub(crate) shown: String,
}

/// Returns the folder that the reference names, relative to the connection's; empty for that one.
pub(crate) fn check(cx: &dyn Check) -> Result<String, Problem> {
    let Some(Target::Place(place)) = cx.target() else {
        let problem = Problem::new("", "a folder has to be named");
        return Err(problem.with_help("write `inbox#orders`, or `inbox#.` for the folder itself"));
    };
    let place = match &**place {
        "" | "." => "",
        place => place.trim_end_matches('/'),
    };
    if !place.is_empty() && !is_below(place) {
        let text = format!("`{place}` is not a folder below that of the connection");
        let help = "write a relative path without `..`, such as `inbox#orders`";
        return Err(Problem::new("", text).with_help(help));
    }
    Ok(place.to_owned())
}

/// Returns whether a path stays below where it starts: relative, without `.` and `..`.
pub(crate) fn is_below(path: &str) -> bool {
    !path.is_empty()
        && !path.contains(['\\', '\0'])
        && path.split('/').all(|part| !part.is_empty())
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
        && Path::new(path).components().count() == path.split('/').count()
}

/// Returns a path below a connection's folder as messages show it.
pub(crate) fn shown(at: &str, place: &str) -> String {
    if place.is_empty() {
        return at.to_owned();
    }
    format!("{}/{place}", at.trim_end_matches('/'))
}
