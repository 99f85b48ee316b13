//! Files that end too early: nothing panics, and no other file is complained of.

use std::path::Path;

use sluice_compiler::compile::{Options, compile};
use sluice_compiler::project::ProjectFiles;
use sluice_model::finding::Severity;

use crate::support::{registry, shown};

#[test]
fn a_file_that_ends_too_early_is_the_only_one_complained_of() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/orders");
    let whole = ProjectFiles::load(&folder).expect("the example can be read");
    let registry = registry();
    let mut wrong = String::new();
    let mut broken = 0;
    for (path, bytes) in &whole.files {
        // Cuts in the middle of lines too: the step has no divisor in common with their lengths.
        for cut in (0..bytes.len()).step_by(101) {
            let mut project = whole.clone();
            let shorter = bytes[..cut].into();
            project.files.insert(path.clone(), shorter);
            let compiled = compile(&project, &registry, &Options::default());
            let file_of = |own: &sluice_model::finding::Finding| {
                own.span.map(|span| &*compiled.sources.get(span.file).path)
            };
            let findings = compiled.findings.iter();
            let is_syntax = |code: &str| matches!(code, "E0001" | "E0301");
            let cuts = findings.clone().any(|own| is_syntax(own.code.0));
            if !cuts {
                continue;
            }
            broken += 1;
            let others: Vec<_> = findings
                .filter(|own| own.severity != Severity::Info)
                .filter(|own| file_of(own) != Some(path))
                .collect();
            if !others.is_empty() {
                let found = shown(others, &compiled.sources);
                wrong += &format!("`{path}`, cut at {cut}:\n{found}\n");
            }
        }
    }
    assert!(40 < broken, "{broken} cuts broke a file");
    assert!(wrong.is_empty(), "{wrong}");
}
