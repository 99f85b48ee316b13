//! Correct projects give no finding.

use std::path::{Path, PathBuf};

use sluice_testkit::markdown;

use crate::support::{compile_files, compile_folder, serious, shown};

#[test]
fn the_examples_are_clean_in_every_environment() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut projects: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the repository has examples")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("sluice.yaml").is_file())
        .collect();
    projects.sort();
    assert!(
        !projects.is_empty(),
        "no examples in `{}`",
        folder.display()
    );
    for project in projects {
        for environment in ["dev", "prod"] {
            let compiled = compile_folder(&project, environment);
            let found = shown(serious(&compiled), &compiled.sources);
            let name = project.display();
            assert!(found.is_empty(), "{name}, {environment}:\n{found}");
            assert!(compiled.release.is_some(), "{name}, {environment}");
        }
    }
}

#[test]
fn small_projects_are_clean() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clean.md");
    let mut cases = 0;
    markdown::run(&path, |case| {
        cases += 1;
        let compiled = compile_files(case.files());
        vec![("findings", shown(serious(&compiled), &compiled.sources))]
    });
    assert_eq!(cases, 10, "cases of `clean.md`");
}
