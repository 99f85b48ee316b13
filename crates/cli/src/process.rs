//! The process: its asynchronous runtime, its secrets, its log.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use sluice_model::time::Timestamp;
use sluice_sdk::config::SecretText;
use sluice_sdk::cx::{CancelSource, Cx, Level, TokioRuntime};
use sluice_store::sqlite::open::OwnerInfo;
use sluice_store::sqlite::store::SqliteStore;

use crate::exit::usage;

/// Returns the asynchronous runtime of a process that serves.
///
/// # Errors
/// If the system gives no threads.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")
}

/// Returns the context of the process. Must be called inside the runtime.
pub fn context(root: &Path) -> (Cx, CancelSource) {
    let secrets = root.join(".sluice").join("secrets");
    let lookup = Box::new(move |name: &str| secret(&secrets, name));
    Cx::new(Arc::new(TokioRuntime::system(lookup, Box::new(log))))
}

/// Reads a secret: from `SLUICE_SECRET_NAME`, else from a file that only its owner may read.
fn secret(folder: &Path, name: &str) -> Option<SecretText> {
    let known = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.is_empty();
    if !known {
        return None;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "the environment is read in `cli`"
    )]
    let set = std::env::var(format!("SLUICE_SECRET_{}", name.to_uppercase())).ok();
    set.or_else(|| secret_file(&folder.join(name)))
        .map(SecretText::new)
}

fn secret_file(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    if mode & 0o077 != 0 {
        let path = path.display();
        crate::output::say(&format!(
            "warning: `{path}` is not read: others may read it too; `chmod 600 {path}`"
        ));
        return None;
    }
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// Writes a log line: time, level, text, fields.
fn log(at: Timestamp, level: Level, text: &str, fields: &[(&str, &dyn std::fmt::Display)]) {
    if level == Level::Debug {
        return;
    }
    let level = match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let mut line = format!("{at} {level:5} {}", one_line(text));
    for (name, value) in fields {
        line.push_str(&format!(" {name}={}", quoted(&value.to_string())));
    }
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A field's value: quoted where it would not be one word.
fn quoted(value: &str) -> String {
    let plain = !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
    if plain {
        value.to_owned()
    } else {
        format!("{value:?}")
    }
}

/// A text from outside cannot begin a line of its own.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Becomes the owner of a data folder.
///
/// # Errors
/// If another process owns it, or it cannot be opened.
pub fn own(folder: &Path, cx: &Cx, address: Option<String>) -> anyhow::Result<SqliteStore> {
    let owner = OwnerInfo {
        pid: std::process::id(),
        address,
        started: cx.now(),
    };
    SqliteStore::open(folder, &owner).map_err(|error| usage(error.to_string()))
}

/// Returns the path of a folder as people are told it.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    path.strip_prefix(&here)
        .unwrap_or(path)
        .display()
        .to_string()
}
