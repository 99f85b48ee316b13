//! `sluice check`: everything that is known before it runs.

use anyhow::Context as _;

use sluice_model::finding::Code;

use crate::output::{self, OutputArgs};
use crate::target::ProjectArgs;

/// Checks a project: all files, all environments, all findings in one go.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Fails on these too.
    #[arg(long, value_name = "KIND", value_parser = ["warnings"])]
    deny: Option<String>,
    /// Applies the fixes that leave no choice, and checks again.
    #[arg(long)]
    fix: bool,
}

/// Runs the verb.
///
/// # Errors
/// If the project cannot be read, or a fixed file cannot be written.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let mut compiled = args.project.compile(None)?;
    if args.fix {
        let root = args.project.root()?;
        let mut clear = compiled.findings.clone();
        clear
            .0
            .retain(|finding| finding.fixes.len() == 1 && is_safe(finding.code));
        let applied = sluice_compiler::apply::apply(&clear, &compiled.sources);
        for (file, text) in &applied.files {
            let path = root.join(&*compiled.sources.get(*file).path);
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write `{}`", path.display()))?;
        }
        output::say(&format!("fixed {} findings", applied.applied));
        compiled = args.project.compile(None)?;
    }
    let deny = args.deny.is_some();
    Ok(output::findings(
        &compiled.findings,
        &compiled.sources,
        args.output.output,
        deny,
    )?)
}

/// Returns whether a fix keeps what was meant: how something is written, not what an expression
/// computes. A field that is gone is no text, and only a person knows what it is called now.
fn is_safe(code: Code) -> bool {
    code.0 < "E0300"
}
