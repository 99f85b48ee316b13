//! What the tests of whole projects share.

use std::path::Path;

use sluice_compiler::compile::{Compiled, Options, compile};
use sluice_compiler::project::ProjectFiles;
use sluice_model::finding::{Finding, Severity};
use sluice_model::ids::EnvironmentName;
use sluice_model::span::Sources;
use sluice_sdk::registry::Registry;

/// Returns the components that the binary has.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    sluice_formats::register(&mut registry);
    sluice_connectors::register(&mut registry);
    sluice_connector_sqlite::register(&mut registry);
    sluice_engine::steps::register(&mut registry);
    registry
}

/// Compiles files that lie in no folder.
pub fn compile_files<P, B>(files: impl IntoIterator<Item = (P, B)>) -> Compiled
where
    P: AsRef<str>,
    B: AsRef<[u8]>,
{
    let mut project = ProjectFiles {
        root: Path::new("/nowhere").to_owned(),
        ..ProjectFiles::default()
    };
    for (path, bytes) in files {
        project
            .files
            .insert(path.as_ref().into(), bytes.as_ref().into());
    }
    compile(&project, &registry(), &Options::default())
}

/// Compiles the project in a folder for one environment.
pub fn compile_folder(folder: &Path, environment: &str) -> Compiled {
    let files = ProjectFiles::load(folder).expect("the project can be read");
    let options = Options {
        environment: Some(EnvironmentName::from(environment)),
        ..Options::default()
    };
    compile(&files, &registry(), &options)
}

/// Returns the findings that make a check fail under `--deny warnings`.
pub fn serious(compiled: &Compiled) -> Vec<&Finding> {
    let findings = compiled.findings.iter();
    findings
        .filter(|finding| finding.severity != Severity::Info)
        .collect()
}

/// Shows findings, a few lines each: place, code, message; then notes, help and fixes.
pub fn shown<'f>(findings: impl IntoIterator<Item = &'f Finding>, sources: &Sources) -> String {
    let mut text = String::new();
    for finding in findings {
        let place = finding.span.map_or("-".to_owned(), |span| {
            let source = sources.get(span.file);
            let (start, end) = (
                source.line_column(span.start as usize),
                source.line_column(span.end as usize),
            );
            let to = match end.line == start.line {
                true => end.column.to_string(),
                false => format!("{}:{}", end.line, end.column),
            };
            let (line, column) = (start.line, start.column);
            format!("{}:{line}:{column}-{to}", source.path)
        });
        let severity = match finding.severity {
            Severity::Error => "",
            Severity::Warning => " warning",
            Severity::Info => " info",
        };
        text += &format!("{place} {}{severity} {}\n", finding.code.0, finding.message);
        for note in &finding.notes {
            text += &format!("  note: {note}\n");
        }
        if let Some(help) = &finding.help {
            text += &format!("  help: {help}\n");
        }
        for fix in &finding.fixes {
            text += &format!("  fix: {}\n", fix.title);
        }
    }
    text
}
