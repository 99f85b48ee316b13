//! The examples of all pages about findings, compiled.

use sluice_compiler::explain::{PAGES, examples};
use sluice_model::finding::Severity;

use crate::support::{compile_files, serious, shown};

#[test]
fn each_page_shows_its_finding_and_how_it_is_mended() {
    let mut wrong = String::new();
    for (code, page) in PAGES {
        for example in examples(page) {
            let broken = compile_files(example.files);
            if !broken.findings.iter().any(|own| own.code.0 == *code) {
                let found = shown(broken.findings.iter(), &broken.sources);
                wrong += &format!("{code}: the example does not give it, but:\n{found}\n");
            }
            let mended = compile_files(example.fixed_files);
            let left = serious(&mended);
            if !left.is_empty() {
                let found = shown(left, &mended.sources);
                wrong += &format!("{code}: the mended example still gives:\n{found}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn each_example_gives_its_finding_alone() {
    let mut wrong = String::new();
    for (code, page) in PAGES {
        for example in examples(page) {
            let broken = compile_files(example.files);
            let others: Vec<_> = serious(&broken)
                .into_iter()
                .filter(|own| own.severity == Severity::Error && own.code.0 != *code)
                .collect();
            if !others.is_empty() {
                let found = shown(others, &broken.sources);
                wrong += &format!("{code}: the example gives beside it:\n{found}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
