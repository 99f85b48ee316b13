use serde_json::{Value, json};

use crate::tidy::layers::{LAYERS, check, matches};

fn package(folder: &str, edges: Value) -> Value {
    let name = if folder == "xtask" {
        folder.to_owned()
    } else {
        format!("sluice-{folder}")
    };
    json!({
        "name": name,
        "manifest_path": format!("/a/crates/{folder}/Cargo.toml"),
        "dependencies": edges,
        "targets": [{ "kind": ["lib"] }],
    })
}

fn texts(package: Value) -> Vec<String> {
    let problems = check(&json!({ "packages": [package] })).unwrap();
    problems.into_iter().map(|problem| problem.text).collect()
}

#[test]
fn an_edge_that_is_not_in_the_table_is_found() {
    let edges = json!([{ "name": "sluice-store", "kind": null }, { "name": "sluice-sdk" }]);
    assert_eq!(
        texts(package("connectors", edges)),
        ["`connectors` (layer 2) may not depend on `store`"]
    );
    let edges = json!([{ "name": "sluice-connectors" }]);
    assert_eq!(
        texts(package("connector-kafka", edges)),
        ["`connector-kafka` (layer 2) may not depend on `connectors`"]
    );
    let edges = json!([{ "name": "sluice-model" }]);
    assert_eq!(
        texts(package("xtask", edges)),
        ["`xtask` (layer 6) may not depend on `model`"]
    );
}

#[test]
fn the_edges_of_the_table_are_allowed() {
    let edges = json!([{ "name": "sluice-connector-sqlite" }, { "name": "sluice-model" }]);
    assert_eq!(texts(package("cli", edges)), Vec::<String>::new());
}

#[test]
fn the_testkit_is_for_tests() {
    let edges = json!([{ "name": "sluice-testkit", "kind": "dev" }]);
    assert_eq!(texts(package("engine", edges)), Vec::<String>::new());
    let edges = json!([{ "name": "sluice-testkit", "kind": null }]);
    assert_eq!(
        texts(package("engine", edges)),
        ["`engine` (layer 3) may only in a test depend on `testkit`"]
    );
    let edges = json!([{ "name": "sluice-engine", "kind": "dev" }]);
    assert_eq!(
        texts(package("store", edges)),
        ["`store` (layer 2) may not depend on `engine`"]
    );
}

#[test]
fn a_pure_crate_has_no_runtime_and_nobody_has_default_features() {
    let edges = json!([{ "name": "tokio", "uses_default_features": false }]);
    assert_eq!(
        texts(package("mapping", edges)),
        ["`mapping` does no I/O and reads no clock; it cannot need `tokio`"]
    );
    let edges = json!([{ "name": "regex", "uses_default_features": true }]);
    assert_eq!(
        texts(package("mapping", edges)),
        ["`regex` has its default features; name what is used"]
    );
}

#[test]
fn an_unknown_crate_and_a_wrong_name_are_found() {
    assert_eq!(
        texts(package("extras", json!([]))),
        ["`extras` has no row in the layer table"]
    );
    let mut other = package("sdk", json!([]));
    other["name"] = json!("sluice-kit");
    assert_eq!(
        texts(other),
        ["the package of the folder `sdk` is named `sluice-sdk`"]
    );
}

#[test]
fn a_procedural_macro_is_found() {
    let mut other = package("sdk", json!([]));
    other["targets"] = json!([{ "kind": ["proc-macro"] }]);
    assert_eq!(
        texts(other),
        ["write a function instead of a procedural macro"]
    );
}

/// The table itself: each row uses lower layers only.
#[test]
fn every_row_points_down() {
    for row in &LAYERS {
        for used in row.may_use {
            let below = LAYERS.iter().find(|other| other.name == *used);
            let below = below.unwrap_or_else(|| panic!("`{used}` has no row"));
            assert!(below.level < row.level, "{} uses {used}", row.name);
        }
        let rows = LAYERS
            .iter()
            .filter(|other| matches(other.name, row.name))
            .count();
        assert_eq!(rows, 1, "`{}` has {rows} rows", row.name);
    }
}
