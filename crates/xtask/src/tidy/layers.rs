//! Which crate may know which: the layer table of `ARCHITECTURE.md`, as data.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::environment::Environment;
use crate::process;
use crate::tidy::Problem;

/// A crate's place.
struct Layer {
    /// The folder's name. `connector-*` stands for each crate that begins so.
    name: &'static str,
    level: u8,
    /// What it may depend on beside `model`.
    may_use: &'static [&'static str],
}

const fn layer(name: &'static str, level: u8, may_use: &'static [&'static str]) -> Layer {
    Layer {
        name,
        level,
        may_use,
    }
}

const BELOW_SERVER: &[&str] = &[
    "syntax",
    "sdk",
    "mapping",
    "contracts",
    "api",
    "store",
    "formats",
    "compiler",
    "engine",
    "gateway",
    "governance",
];
const ALL: &[&str] = &[
    "syntax",
    "sdk",
    "mapping",
    "contracts",
    "api",
    "store",
    "formats",
    "connectors",
    "connector-*",
    "compiler",
    "engine",
    "gateway",
    "governance",
    "server",
];

/// The table. A crate that is not in it, or an edge that is not in it, is a problem: a new edge
/// changes this table and `ARCHITECTURE.md` in the same commit.
const LAYERS: [Layer; 18] = [
    layer("model", 0, &[]),
    layer("syntax", 0, &[]),
    layer("sdk", 1, &[]),
    layer("mapping", 1, &[]),
    layer("contracts", 1, &["syntax"]),
    layer("api", 1, &[]),
    layer("store", 2, &["sdk"]),
    layer("formats", 2, &["sdk", "contracts"]),
    layer("connectors", 2, &["sdk"]),
    layer("connector-*", 2, &["sdk"]),
    layer("compiler", 2, &["syntax", "sdk", "mapping", "contracts"]),
    layer(
        "engine",
        3,
        &[
            "sdk",
            "mapping",
            "contracts",
            "formats",
            "compiler",
            "store",
        ],
    ),
    layer(
        "gateway",
        3,
        &["sdk", "mapping", "contracts", "formats", "compiler"],
    ),
    layer("governance", 3, &["syntax", "contracts", "compiler"]),
    layer("server", 4, BELOW_SERVER),
    layer("cli", 5, ALL),
    layer("testkit", 6, &["syntax", "sdk", "store"]),
    layer("xtask", 6, &[]),
];
/// Only a dev-dependency may name it.
const TESTKIT: &str = "testkit";
/// Pure crates: no network, no clock, no asynchronous runtime.
const PURE: [&str; 7] = [
    "model",
    "mapping",
    "contracts",
    "formats",
    "compiler",
    "governance",
    "syntax",
];
const IMPURE: [&str; 5] = ["tokio", "hyper", "hyper-util", "rusqlite", "rustls"];

/// Returns what cargo knows of the crates of the workspace.
///
/// # Errors
/// If cargo cannot read the manifests.
pub fn metadata(environment: &Environment) -> Result<Value> {
    let mut command = Command::new(&environment.cargo);
    command
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(&environment.root);
    let text = process::output(&mut command)?;
    serde_json::from_str(&text).context("cargo's metadata is not JSON")
}

/// Checks each edge between the crates, and how each outside one is used.
///
/// # Errors
/// If the metadata has another form than cargo gives it.
pub fn check(metadata: &Value) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let packages = metadata["packages"]
        .as_array()
        .context("the metadata has no packages")?;
    for package in packages {
        let name = package["name"].as_str().context("a package has no name")?;
        let folder = folder(package).context("a package has no folder")?;
        let path = format!("crates/{folder}/Cargo.toml");
        let expected = if folder == "xtask" {
            folder.to_owned()
        } else {
            format!("sluice-{folder}")
        };
        if name != expected {
            let text = format!("the package of the folder `{folder}` is named `{expected}`");
            problems.push(Problem::new("crate-name", &path, 0, text));
        }
        let Some(layer) = find(folder) else {
            let text = format!("`{folder}` has no row in the layer table");
            problems.push(Problem::new("layers", &path, 0, text));
            continue;
        };
        for edge in package["dependencies"]
            .as_array()
            .context("a package has no edges")?
        {
            problems.extend(
                check_edge(layer, folder, edge)
                    .map(|(rule, text)| Problem::new(rule, &path, 0, text)),
            );
        }
        problems.extend(check_targets(package, &path));
    }
    Ok(problems)
}

fn folder(package: &Value) -> Option<&str> {
    let manifest = package["manifest_path"].as_str()?;
    manifest.rsplit(['/', '\\']).nth(1)
}

fn find(folder: &str) -> Option<&'static Layer> {
    LAYERS.iter().find(|layer| matches(layer.name, folder))
}

fn matches(row: &str, folder: &str) -> bool {
    match row.strip_suffix('*') {
        Some(start) => folder.starts_with(start),
        None => row == folder,
    }
}

fn check_edge(layer: &Layer, folder: &str, edge: &Value) -> Option<(&'static str, String)> {
    let name = edge["name"].as_str().unwrap_or_default();
    let dev = edge["kind"].as_str() == Some("dev");
    let Some(other) = name.strip_prefix("sluice-") else {
        if edge["uses_default_features"].as_bool() == Some(true) {
            let text = format!("`{name}` has its default features; name what is used");
            return Some(("outside-crate", text));
        }
        if !dev && PURE.contains(&folder) && IMPURE.contains(&name) {
            let text =
                format!("`{folder}` does no I/O and reads no clock; it cannot need `{name}`");
            return Some(("layers", text));
        }
        return None;
    };
    let allowed = match other {
        TESTKIT => dev,
        "model" => folder != "xtask",
        _ => layer.may_use.iter().any(|row| matches(row, other)),
    };
    (!allowed).then(|| {
        let kind = if other == TESTKIT {
            "only in a test"
        } else {
            "not"
        };
        let level = layer.level;
        (
            "layers",
            format!("`{folder}` (layer {level}) may {kind} depend on `{other}`"),
        )
    })
}

/// Code that builds code is another language to learn.
fn check_targets(package: &Value, path: &str) -> Option<Problem> {
    let targets = package["targets"].as_array()?;
    let builds = |target: &Value| {
        target["kind"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|kind| kind == "proc-macro"))
    };
    let text = "write a function instead of a procedural macro";
    let has = targets.iter().any(builds);
    has.then(|| Problem::new("procedural-macro", path, 0, text))
}

#[cfg(test)]
mod tests;
