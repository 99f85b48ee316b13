//! The OpenAPI documents of others: each is read, or yields precise findings; nothing panics.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sluice_model::codes;
use sluice_model::finding::Severity;
use sluice_model::types::Type;

use crate::contract::Contract;
use crate::fits::fits;
use crate::generate::{Examples, Generator};
use crate::testing::Project;

/// Returns the folder of the corpus; `None`, with a word on it, where it is missing.
#[expect(
    clippy::disallowed_methods,
    reason = "a test may look where its data lies"
)]
fn folder(test: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora");
    let root = std::env::var_os("SLUICE_CORPORA").map_or_else(|| default.into(), PathBuf::from);
    let folder = root.join("openapi");
    if folder.is_dir() {
        return Some(folder);
    }
    let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!ci, "{test}: corpora missing");
    println!("not run: {test}: corpora missing");
    None
}

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("the corpus can be read");
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if path.is_dir() && name != ".github" {
            documents(&path, found);
        } else if name.ends_with(".json") || name.ends_with(".yaml") {
            found.push(path);
        }
    }
}

/// All types of a contract: named ones, and those of its operations.
fn types(contract: &Contract) -> Vec<(String, Type)> {
    let named = contract.types().iter();
    let mut types: Vec<(String, Type)> = named
        .map(|named| (named.name.to_string(), named.ty.clone()))
        .collect();
    for operation in contract.operations() {
        let id = &operation.id;
        for param in &operation.params {
            types.push((format!("{id} {}", param.name), param.ty.clone()));
        }
        types.extend(
            operation
                .body
                .iter()
                .map(|body| (format!("{id} body"), body.ty.clone())),
        );
        for response in &operation.responses {
            let status = response.status;
            let bodies = response.body.iter();
            types.extend(bodies.map(|body| (format!("{id} {status:?}"), body.ty.clone())));
            for header in &response.headers {
                types.push((
                    format!("{id} {status:?} {}", header.name),
                    header.ty.clone(),
                ));
            }
        }
    }
    types
}

#[test]
fn every_document_is_read_or_told() {
    let Some(folder) = folder("every_document_is_read_or_told") else {
        return;
    };
    let mut paths = Vec::new();
    documents(&folder, &mut paths);
    let mut faulty = BTreeSet::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = |what: &str, by: usize| *counts.entry(what.to_owned()).or_default() += by;
    for path in &paths {
        let text = fs::read_to_string(path).expect("a document is UTF-8");
        let name = path
            .strip_prefix(&folder)
            .expect("below the folder")
            .to_string_lossy();
        let project = Project::new(&[(&name, &text)]);
        let (contract, findings) = project.read();
        count("documents", 1);
        for finding in findings.iter() {
            count(
                &format!("{} {}", finding.severity.as_str(), finding.code),
                1,
            );
            let span = finding.span.expect("every finding has its place");
            assert!(span.end as usize <= text.len(), "{name}: {finding:?}");
        }
        if findings.has_errors() {
            let errors = findings.iter().filter(|f| f.severity == Severity::Error);
            let unsupported = errors
                .clone()
                .all(|f| f.code == codes::UNSUPPORTED_CONTRACT);
            count(
                if unsupported {
                    "of a version not read yet"
                } else {
                    "with errors"
                },
                1,
            );
            if !unsupported {
                println!("{name}\n{}", project.show(&findings));
                faulty.insert(name.rsplit(['/', '.']).nth(1).expect("a name").to_owned());
            }
        } else {
            count("read without errors", 1);
        }
        count("operations", contract.operations().len());
        count("types", types(&contract).len());
    }
    for (what, count) in &counts {
        println!("{count:6} {what}");
    }
    assert!(
        100 < paths.len(),
        "the corpus has more than {} documents",
        paths.len()
    );
    // A path with one parameter twice; `allOf` of a text and an integer. Both mean to be wrong.
    let known = BTreeSet::from(["parameters-common".to_owned(), "schema-types".to_owned()]);
    assert_eq!(faulty, known);
}

#[test]
fn what_is_generated_is_valid() {
    let Some(folder) = folder("what_is_generated_is_valid") else {
        return;
    };
    let mut paths = Vec::new();
    documents(&folder, &mut paths);
    let mut values = 0;
    for path in &paths {
        let text = fs::read_to_string(path).expect("a document is UTF-8");
        let name = path
            .strip_prefix(&folder)
            .expect("below the folder")
            .to_string_lossy();
        let project = Project::new(&[(&name, &text)]);
        let (contract, _) = project.read();
        for (what, ty) in types(&contract) {
            for examples in [Examples::Prefer, Examples::Ignore] {
                let generator = Generator::new(&ty, examples);
                for seed in 0..6 {
                    let value = generator.generate(seed);
                    let details = generator.validator().validate(&value);
                    assert_eq!(details, [], "{name} {what} {seed}: {value:?} of {ty}");
                    values += 1;
                }
            }
            let misfits = fits(&ty, &ty);
            assert_eq!(misfits, [], "{name} {what} fits itself: {ty}");
        }
    }
    println!("{values:6} values");
}
