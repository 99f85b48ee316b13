//! `sluice fmt`: the one canonical form of project files.

use anyhow::Context;
use sluice_compiler::layout::field_kind;
use sluice_compiler::project::{FileKind, ProjectFiles};
use sluice_model::finding::Findings;
use sluice_model::span::Sources;
use sluice_syntax::edit::PathPart;
use sluice_syntax::format::{FormatOptions, format_yaml};

use crate::exit::{FAILED, OK};
use crate::output;
use crate::target::ProjectArgs;

/// Puts project files into their canonical form; comments and the order of keys stay.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Changes nothing; the exit code is 1 if a file would change.
    #[arg(long)]
    check: bool,
}

/// Runs the verb.
///
/// # Errors
/// If the project cannot be read, or a file cannot be written.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let project: ProjectFiles = args.project.files()?;
    let mut sources = Sources::default();
    let mut findings = Findings::default();
    let mut changed = 0;
    for (path, bytes) in &project.files {
        let kind = match FileKind::of(path) {
            None | Some(FileKind::Contract | FileKind::Mapping | FileKind::Sample) => continue,
            Some(kind) => kind,
        };
        let Ok(text) = std::str::from_utf8(bytes) else {
            continue;
        };
        let id = sources.add(path, text);
        let kind_of = |path: &[PathPart<'_>]| field_kind(kind, path);
        let options = FormatOptions {
            field_kind: &kind_of,
            ..FormatOptions::default()
        };
        match format_yaml(id, text, &options) {
            Err(more) => findings.append(more),
            Ok(formatted) if formatted == text => {}
            Ok(formatted) => {
                changed += 1;
                output::line(path)?;
                if !args.check {
                    let path = project.root.join(&**path);
                    std::fs::write(&path, formatted)
                        .with_context(|| format!("cannot write `{}`", path.display()))?;
                }
            }
        }
    }
    if !findings.is_empty() {
        return Ok(output::findings(
            &findings,
            &sources,
            output::Output::Text,
            false,
        )?);
    }
    Ok(if args.check && changed > 0 {
        FAILED
    } else {
        OK
    })
}
