//! `sluice mock`: a server that answers as a contract says.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sluice_compiler::project::{FILE_BYTES_MAX, ProjectFiles};
use sluice_contracts::contract::{Contract, ContractFile, ContractKind};
use sluice_gateway::mock::{self, MockOptions, MockServer};
use sluice_model::finding::Findings;
use sluice_model::span::Sources;

use crate::exit::{FINDINGS, OK, usage};
use crate::output::{self, Output, OutputArgs};
use crate::process;
use crate::verbs::run::stopped;
use crate::verbs::stored;

/// How long requests that are under way may take once the mock is told to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// Serves an OpenAPI contract: requests are checked, answers are the contract's examples, else
/// generated from it.
///
/// The same request gets the same answer. `Prefer: code=422` asks for another of the contract's
/// answers; an `Idempotency-Key` is honoured; `GET /__mock/stats` counts. It serves until it is
/// stopped (Ctrl-C), and then exits with 0.
///
/// With `-o json` it prints one line once it serves: `{"event":"ready",
/// "address":"http://HOST:PORT","seed","operations":[{"operation","method","path"}]}`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The contract: a file in OpenAPI 3.0 or 3.1.
    contract: PathBuf,
    /// The address; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    listen: String,
    /// What generated answers derive from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the verb.
///
/// # Errors
/// If the contract cannot be read or is no OpenAPI, or the address cannot be taken.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let json = stored::is_json(args.output)?;
    let root = root_of(&args.contract)?;
    let (contract, findings, sources) = read(&args.contract, &root)?;
    if !findings.is_empty() {
        // Standard output is for the line that says where the mock is; findings take it only where
        // there will be none.
        let refused = output::code_of(&findings, false) != OK;
        let form = if refused {
            args.output.output
        } else {
            Output::Text
        };
        output::findings(&findings, &sources, form, false)?;
        if refused {
            return Ok(FINDINGS);
        }
    }
    let shown = args.contract.display();
    if contract.kind() != ContractKind::OpenApi {
        return Err(usage(format!(
            "`{shown}` is no OpenAPI: only the operations of OpenAPI 3.0 and 3.1 can be mocked"
        )));
    }
    if contract.operations().is_empty() {
        return Err(usage(format!(
            "`{shown}` has no operations: there is nothing to mock"
        )));
    }
    process::runtime()?.block_on(serve(args, &root, Arc::new(contract), json))
}

/// The folder that references between files begin at: the project's, else the contract's own.
fn root_of(contract: &Path) -> anyhow::Result<PathBuf> {
    let path = std::path::absolute(contract)?;
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    Ok(ProjectFiles::find_root(&folder).unwrap_or(folder))
}

fn read(contract: &Path, root: &Path) -> anyhow::Result<(Contract, Findings, Sources)> {
    let path = std::path::absolute(contract)?;
    let relative = path
        .strip_prefix(root)
        .unwrap_or(&path)
        .to_string_lossy()
        .into_owned();
    let text = text_of(&path)
        .map_err(|error| usage(format!("cannot read `{}`: {error}", contract.display())))?;
    let mut sources = Sources::default();
    let id = sources.add(relative.as_str(), text.as_str());
    let file = ContractFile::of(&sources, id);
    let mut others = |path: &str| {
        let text = text_of(&root.join(path)).ok()?;
        let id = sources.add(path, text.as_str());
        Some(ContractFile::of(&sources, id))
    };
    let (contract, findings) = Contract::read(&file, &mut others);
    Ok((contract, findings, sources))
}

/// Reads a file of bounded size.
fn text_of(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if FILE_BYTES_MAX < text.len() as u64 {
        let limit = format!("it is larger than the limit of {FILE_BYTES_MAX} bytes");
        return Err(std::io::Error::other(limit));
    }
    Ok(text)
}

async fn serve(
    args: &Args,
    root: &Path,
    contract: Arc<Contract>,
    json: bool,
) -> anyhow::Result<u8> {
    let (cx, process) = process::context(root);
    let options = MockOptions {
        listen: args.listen.clone(),
        seed: args.seed,
        ..MockOptions::default()
    };
    let server = mock::serve(Arc::clone(&contract), &options, &cx);
    let server = server.map_err(|fault| usage(fault.public().to_owned()))?;
    tell_ready(args, &contract, &server, json)?;
    stopped().await?;
    if !server.drain(DRAIN).await {
        output::say("warning: some requests were cut off");
    }
    let stats = server.stats();
    output::say(&format!(
        "stopped: {}, {} refused, {} done, {} answered from memory",
        stored::number_of(stats.requests, "request", "requests"),
        stats.refused,
        stored::number_of(stats.effects, "change", "changes"),
        stats.replayed,
    ));
    process.cancel();
    Ok(OK)
}

fn tell_ready(
    args: &Args,
    contract: &Contract,
    server: &MockServer,
    json: bool,
) -> anyhow::Result<()> {
    let address = format!("http://{}", server.address());
    let operations = contract.operations();
    if json {
        let operations: Vec<_> = operations
            .iter()
            .map(|operation| {
                json!({
                    "operation": &*operation.id,
                    "method": &*operation.method,
                    "path": &*operation.path,
                })
            })
            .collect();
        output::json(&json!({
            "event": "ready",
            "address": address,
            "seed": args.seed,
            "operations": operations,
        }))?;
        return Ok(());
    }
    output::say(&format!(
        "`{}` is mocked at {address}",
        args.contract.display()
    ));
    let rows: Vec<Vec<String>> = operations
        .iter()
        .map(|operation| {
            let summary = operation.summary.as_deref().unwrap_or_default();
            vec![
                operation.method.to_string(),
                operation.path.to_string(),
                operation.id.to_string(),
                stored::clipped(summary, 60),
            ]
        })
        .collect();
    output::say(stored::table(&["METHOD", "PATH", "OPERATION", "SUMMARY"], &rows).trim_end());
    output::say("stop with Ctrl-C");
    Ok(())
}
