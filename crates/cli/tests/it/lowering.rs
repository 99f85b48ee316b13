//! Steps, typed and lowered: what each case's flow is told.
//!
//! A case is a flow in the project below `lowering/base`; further files of a case come beside it,
//! or in the place of one of the base's.

use std::path::{Path, PathBuf};

use sluice_compiler::project::ProjectFiles;
use sluice_testkit::markdown;

use crate::support::{compile_files, shown};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/lowering")
}

fn run(name: &str) {
    let base = ProjectFiles::load(&folder().join("base")).expect("the project of all cases");
    markdown::run(&folder().join(name), |case| {
        let mut files = base.files.clone();
        for (path, text) in case.files() {
            files.insert(path.into(), text.as_bytes().into());
        }
        let compiled = compile_files(files);
        // That a case's one flow leaves an operation unserved is not what it is about.
        let told = compiled.findings.iter().filter(|own| own.code.0 != "E0702");
        vec![("findings", shown(told, &compiled.sources))]
    });
}

#[test]
fn replies() {
    run("replies.md");
}

#[test]
fn branches() {
    run("branches.md");
}

#[test]
fn names() {
    run("names.md");
}

#[test]
fn calls_and_faults() {
    run("calls.md");
}

#[test]
fn expressions_that_yaml_misreads() {
    run("misread.md");
}

#[test]
fn one_mistake_is_told_once() {
    run("consequences.md");
}

#[test]
fn environments() {
    run("environments.md");
}
