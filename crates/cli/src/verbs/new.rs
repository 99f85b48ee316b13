//! `sluice new`: a folder with a small project that works.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use crate::exit::{OK, usage};
use crate::output::{self, OutputArgs};
use crate::process;
use crate::verbs::stored;

/// Where a template says the project's name.
const NAME: &str = "PROJECT";
/// The longest name of a project, in bytes.
const NAME_MAX: usize = 64;

/// Makes a folder with a small project that works: it checks clean, has a test, and its README
/// tells what to try.
///
/// With `-o json`: `{"project","folder","template","files":[PATH]}`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder, which is made; its last part is the project's name.
    name: PathBuf,
    /// What the project does.
    #[arg(long, value_enum, default_value_t)]
    template: Template,
    #[command(flatten)]
    output: OutputArgs,
}

/// What a new project does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Template {
    /// An API that stores tickets in a database and shows them.
    #[default]
    Api,
    /// CSV files are taken row by row into a table; bad rows become dead letters.
    Files,
    /// One flow that says every minute that it is alive.
    Empty,
}

/// Names files of a template, with their content.
macro_rules! files {
    ($folder:literal: $($path:literal),* $(,)?) => {
        &[
            (".gitignore", include_str!("../templates/gitignore")),
            $(($path, include_str!(concat!("../templates/", $folder, "/", $path)))),*
        ]
    };
}

impl Template {
    fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Files => "files",
            Self::Empty => "empty",
        }
    }

    /// Returns its files: path and content.
    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Api => files!("api":
                "README.md",
                "sluice.yaml",
                "apis/tickets.yaml",
                "connections/desk.yaml",
                "contracts/desk.sql",
                "contracts/tickets.openapi.yaml",
                "flows/create-ticket.yaml",
                "flows/show-ticket.yaml",
                "tests/create-ticket.yaml",
            ),
            Self::Files => files!("files":
                "README.md",
                "sluice.yaml",
                "connections/inbox.yaml",
                "connections/shop.yaml",
                "contracts/item-row.schema.json",
                "contracts/shop.sql",
                "flows/import-items.yaml",
                "inbox/items/sample.csv",
                "mappings/row-to-item.jsonata",
                "tests/bad-row.yaml",
                "tests/import-items.yaml",
            ),
            Self::Empty => files!("empty":
                "README.md",
                "sluice.yaml",
                "flows/heartbeat.yaml",
                "tests/heartbeat.yaml",
            ),
        }
    }
}

/// Runs the verb.
///
/// # Errors
/// If the folder is there and not empty, its name cannot be a project's, or it cannot be written.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let json = stored::is_json(args.output)?;
    let folder = std::path::absolute(&args.name)
        .with_context(|| format!("cannot find `{}`", args.name.display()))?;
    let name = project_name(&folder)?;
    refuse_content(&folder)?;
    let files = args.template.files();
    for (path, content) in files {
        write(&folder.join(path), &content.replace(NAME, &name))?;
    }
    let shown = process::shown(&folder);
    if json {
        let files: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
        output::json(&json!({
            "project": name,
            "folder": folder,
            "template": args.template.name(),
            "files": files,
        }))?;
    }
    let template = args.template.name();
    let there = if shown.is_empty() {
        "this folder".to_owned()
    } else {
        format!("`{shown}`")
    };
    output::say(&format!(
        "made the project `{name}` in {there}: {} files of the template `{template}`",
        files.len()
    ));
    let enter = if shown.is_empty() {
        String::new()
    } else {
        format!("`cd {shown}`, then ")
    };
    output::say(&format!(
        "next: {enter}`sluice check`, `sluice test` and `sluice run`; README.md says more"
    ));
    Ok(OK)
}

/// Returns the name that a folder gives its project.
fn project_name(folder: &Path) -> anyhow::Result<String> {
    let last = folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let last = last.unwrap_or_default();
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let begins = |name: &str| name.starts_with(|c: char| c.is_ascii_lowercase());
    if begins(&last) && last.chars().all(good) && last.len() <= NAME_MAX {
        return Ok(last);
    }
    let proposed: String = last
        .to_lowercase()
        .chars()
        .map(|c| if good(c) { c } else { '-' })
        .skip_while(|c| !c.is_ascii_lowercase())
        .take(NAME_MAX)
        .collect();
    let proposed = proposed.trim_end_matches('-');
    let hint = if begins(proposed) {
        format!(": `{proposed}` can")
    } else {
        String::new()
    };
    Err(usage(format!(
        "`{}` cannot be a project's name, which is lower-case letters, digits, `-` and `_`, \
         beginning with a letter{hint}",
        stored::clean(&last)
    )))
}

/// Refuses a folder that has something in it.
fn refuse_content(folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => Err(usage(format!(
            "`{shown}` is a file: name a folder that is not there yet"
        ))),
        Err(error) => Err(error).with_context(|| format!("cannot read `{shown}`")),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(usage(format!(
                "`{shown}` is not empty: nothing is written over; name another folder"
            ))),
        },
    }
}

fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    let cannot = || format!("cannot write `{}`", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(cannot)?;
    }
    // Never over another file, even one that came just now.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .with_context(cannot)?;
    file.write_all(content.as_bytes()).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::project_name;

    #[test]
    fn the_last_part_of_the_path_names_the_project() {
        let name = |path: &str| project_name(Path::new(path)).map_err(|error| error.to_string());
        assert_eq!(name("/projects/web-shop_2"), Ok("web-shop_2".to_owned()));
        for (bad, proposed) in [
            ("/My Shop!", "`my-shop` can"),
            ("/2nd-shop", "`nd-shop` can"),
            ("/Zoë", "`zo` can"),
        ] {
            let error = name(bad).unwrap_err();
            assert!(error.ends_with(proposed), "{bad}: {error}");
        }
        assert!(name("/1").unwrap_err().ends_with("beginning with a letter"));
        assert!(name("/").is_err());
    }
}
