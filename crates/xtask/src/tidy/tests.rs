use crate::environment::Environment;
use crate::tidy::files::TextFile;
use crate::tidy::{budget, check, check_file, manifests};

/// The tree as it is.
#[test]
fn the_tree_is_tidy() {
    let environment = Environment::of_process();
    for warning in budget::warnings(&environment.root).unwrap() {
        println!("warning: {warning}");
    }
    let problems = check(&environment).unwrap();
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

fn file(path: &str, text: &str) -> TextFile {
    TextFile {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

fn rules(path: &str, text: &str) -> Vec<&'static str> {
    let problems = check_file(&file(path, text));
    problems.into_iter().map(|problem| problem.rule).collect()
}

fn manifest_rules(path: &str, text: &str) -> Vec<&'static str> {
    let problems = manifests::check(&[file(path, text)]);
    problems.into_iter().map(|problem| problem.rule).collect()
}

const SOURCE: &str = "crates/engine/src/flow.rs";
const TEST: &str = "crates/engine/src/flow/tests.rs";

#[test]
fn long_files_and_lines_are_found() {
    assert_eq!(rules(SOURCE, &"\n".repeat(1_001)), ["file-length"]);
    assert_eq!(rules(SOURCE, &"\n".repeat(1_000)), Vec::<&str>::new());
    assert_eq!(
        rules(SOURCE, &format!("// {}", "ü".repeat(98))),
        ["line-length"]
    );
    assert_eq!(
        rules(SOURCE, &format!("// {}", "ü".repeat(97))),
        Vec::<&str>::new()
    );
}

#[test]
fn names_that_say_nothing_are_found() {
    assert_eq!(rules("crates/engine/src/util.rs", ""), ["vague-name"]);
    assert_eq!(rules("crates/common/src/lib.rs", ""), ["vague-name"]);
    assert_eq!(
        rules("crates/engine/src/utility_bill.rs", ""),
        Vec::<&str>::new()
    );
}

#[test]
fn folders_of_one_machine_are_found() {
    let path = concat!("/", "tmp/x");
    assert_eq!(
        rules("docs/a.md", &format!("see `{path}`")),
        ["machine-path"]
    );
    assert_eq!(
        rules(SOURCE, &format!("const A: &str = \"{path}\";")),
        ["machine-path"]
    );
    assert_eq!(
        rules("docs/a.md", &format!("see `a{path}`")),
        Vec::<&str>::new()
    );
}

#[test]
fn tests_that_wait_or_do_not_run_are_found() {
    assert_eq!(rules(TEST, "std::thread::sleep(second);"), ["sleep"]);
    assert_eq!(rules(TEST, "tokio::time::sleep(second).await;"), ["sleep"]);
    assert_eq!(rules(TEST, "cx.sleep(second).await;"), Vec::<&str>::new());
    assert_eq!(rules(TEST, "#[ignore = \"slow\"]"), ["ignored-test"]);
    assert_eq!(
        rules(TEST, "#[should_panic(expected = \"x\")]"),
        ["panic-test"]
    );
    assert_eq!(
        rules(TEST, "let a = \"#[ignore] sleep(1)\";"),
        Vec::<&str>::new()
    );
}

#[test]
fn what_was_left_for_later_is_found() {
    let todo = concat!("// TO", "DO: later");
    assert_eq!(rules(SOURCE, todo), ["leftover"]);
    assert_eq!(
        rules(SOURCE, concat!("let a = \"TO", "DO\";")),
        Vec::<&str>::new()
    );
    let known = concat!("// FIX", "ME: the sum is one too high");
    assert_eq!(rules(SOURCE, known), ["leftover"]);
    assert_eq!(rules(TEST, known), Vec::<&str>::new());
    assert_eq!(
        rules(SOURCE, &format!("#[cfg(test)]\nmod tests {{\n{known}\n}}")),
        Vec::<&str>::new()
    );
    assert_eq!(rules(TEST, concat!("// FIX", "ME")), ["leftover"]);
}

#[test]
fn what_has_no_owner_or_no_limit_is_found() {
    assert_eq!(rules(SOURCE, "tokio::spawn(async {});"), ["spawn"]);
    assert_eq!(
        rules("crates/sdk/src/cx.rs", "tokio::spawn(async {});"),
        Vec::<&str>::new()
    );
    assert_eq!(rules(SOURCE, "cx.spawn(async {});"), Vec::<&str>::new());
    assert_eq!(
        rules(SOURCE, "let (tx, rx) = mpsc::unbounded_channel();"),
        ["unbounded"]
    );
    assert_eq!(
        rules(SOURCE, "let (tx, rx) = mpsc::channel();"),
        ["unbounded"]
    );
    assert_eq!(
        rules(SOURCE, "let (tx, rx) = mpsc::channel(8);"),
        Vec::<&str>::new()
    );
}

const MANIFEST: &str = "\
[package]
name = \"sluice-a\"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
publish.workspace = true

[lib]
doctest = false

[lints]
workspace = true

[dependencies]
regex.workspace = true
";

#[test]
fn manifests_take_everything_from_the_workspace() {
    let path = "crates/a/Cargo.toml";
    assert_eq!(manifest_rules(path, MANIFEST), Vec::<&str>::new());
    let own = MANIFEST.replace("regex.workspace = true", "regex = \"1\"");
    assert_eq!(manifest_rules(path, &own), ["outside-crate"]);
    let doctest = MANIFEST.replace("doctest = false", "");
    assert_eq!(manifest_rules(path, &doctest), ["manifest"]);
    let lints = MANIFEST.replace("[lints]\nworkspace = true", "");
    assert_eq!(manifest_rules(path, &lints), ["manifest"]);
    let version = MANIFEST.replace(
        "version.workspace = true\nedition",
        "version = \"1.0.0\"\nedition",
    );
    assert_eq!(manifest_rules(path, &version), ["manifest"]);
    let features = format!("{MANIFEST}\n[features]\nfast = []\n");
    assert_eq!(manifest_rules(path, &features), ["features"]);
}

#[test]
fn an_outside_crate_names_its_features_at_the_root() {
    let root = "\
[workspace]
members = [\"crates/*\"]
default-members = [\"crates/cli\"]
publish = false
unsafe_code = \"forbid\"

[workspace.dependencies]
sluice-a = { path = \"crates/a\" }
regex = { version = \"1\", default-features = false }
";
    assert_eq!(manifest_rules("Cargo.toml", root), Vec::<&str>::new());
    let loose = format!("{root}csv = \"1\"\n");
    assert_eq!(manifest_rules("Cargo.toml", &loose), ["outside-crate"]);
}

#[test]
fn continuous_integration_runs_one_command() {
    let right = "#!/usr/bin/env bash\n# Why.\nset -eu\ncargo xtask test\n";
    assert_eq!(manifest_rules(".ci/run", right), Vec::<&str>::new());
    assert_eq!(
        manifest_rules(".ci/run", &right.replace("test\n", "test || true\n")),
        ["ci"]
    );
}
