//! `sluice schema`: the JSON Schema of a kind of project file.

use sluice_compiler::schema::file_schemas;

use crate::exit::{OK, usage};
use crate::output;
use crate::registry::registry;

/// Prints the JSON Schema of a kind of project file, for an editor.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kind: project, connection, flow, api, environment or test; left out: all of them.
    kind: Option<String>,
    /// Writes all schemas into this folder, as `KIND.schema.json`.
    #[arg(long, conflicts_with = "kind")]
    out: Option<std::path::PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// If there is no such kind, or the folder cannot be written.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let all = file_schemas(&registry());
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder)?;
        for file in &all {
            let path = folder.join(format!("{}.schema.json", file.kind));
            std::fs::write(&path, serde_json::to_string_pretty(&file.schema)? + "\n")?;
            output::say(&format!("wrote `{}`, for `{}`", path.display(), file.files));
        }
        return Ok(OK);
    }
    match &args.kind {
        Some(kind) => {
            let Some(file) = all.iter().find(|file| file.kind == kind) else {
                let kinds: Vec<&str> = all.iter().map(|file| file.kind).collect();
                let list = kinds.join("`, `");
                return Err(usage(format!(
                    "there is no kind `{kind}`: kinds are `{list}`"
                )));
            };
            output::json(&file.schema)?;
        }
        None => {
            let all = all.into_iter().map(|file| {
                let json = serde_json::json!({ "files": file.files, "schema": file.schema });
                (file.kind.to_owned(), json)
            });
            output::json(&serde_json::Value::Object(all.collect()))?;
        }
    }
    Ok(OK)
}
