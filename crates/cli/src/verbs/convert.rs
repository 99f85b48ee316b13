//! `sluice convert`: records from one format to another, in constant memory.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use sluice_compiler::de::{Fields, Trace};
use sluice_formats::convert::Conversion;
use sluice_model::finding::did_you_mean;
use sluice_model::span::{Sources, Span};
use sluice_sdk::check::CheckError;
use sluice_sdk::format::DynFormat;
use sluice_sdk::registry::Registry;

use crate::exit::{FAILED, OK, usage};
use crate::output;
use crate::registry::registry;

/// Converts records from one format to another.
///
/// A format is its name, `csv`, or its name with options in YAML: `{ csv: { delimiter: ";" } }`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The format that is read.
    #[arg(long)]
    from: String,
    /// The format that is written.
    #[arg(long)]
    to: String,
    /// The file that is read; left out or `-`: standard input.
    input: Option<PathBuf>,
    /// The file that is written; left out: standard output.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// How much is read at a time, in bytes.
const CHUNK_BYTES: usize = 256 << 10;
/// How many records that could not be converted are told one by one.
const TOLD_MAX: u64 = 20;

/// Runs the verb. Records that cannot be converted are told and left out; then the exit code is 1.
///
/// # Errors
/// If a format is unknown, or a file cannot be read or written.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let registry = registry();
    let from = format(&registry, &args.from)?;
    let to = format(&registry, &args.to)?;
    let mut input: Box<dyn Read> = match args.input.as_deref() {
        None => Box::new(std::io::stdin().lock()),
        Some(path) if path.as_os_str() == "-" => Box::new(std::io::stdin().lock()),
        Some(path) => Box::new(
            std::fs::File::open(path)
                .with_context(|| format!("cannot read `{}`", path.display()))?,
        ),
    };
    let mut out: Box<dyn Write> = match &args.out {
        None => Box::new(std::io::stdout().lock()),
        Some(path) => Box::new(
            std::fs::File::create(path)
                .with_context(|| format!("cannot write `{}`", path.display()))?,
        ),
    };
    let mut conversion = Conversion::new(&*from, &*to);
    let mut told = 0;
    let mut failed = |failed: sluice_formats::convert::Failed| {
        told += 1;
        if told <= TOLD_MAX {
            output::say(&format!("error: {}", failed.fault.private()));
        }
    };
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut written = Vec::new();
    loop {
        let read = input.read(&mut chunk).context("cannot read the input")?;
        if read == 0 {
            break;
        }
        conversion.feed(&chunk[..read], &mut written, &mut failed);
        out.write_all(&written).context("cannot write the output")?;
        written.clear();
    }
    let counts = conversion.finish(&mut written, &mut failed);
    out.write_all(&written).context("cannot write the output")?;
    out.flush().context("cannot write the output")?;
    if counts.failed == 0 {
        return Ok(OK);
    }
    output::say(&format!(
        "{} records converted, {} could not be",
        counts.written, counts.failed
    ));
    Ok(FAILED)
}

/// Makes a format of its name, or of its name with options in YAML.
pub(super) fn format(registry: &Registry, text: &str) -> anyhow::Result<Arc<dyn DynFormat>> {
    let mut sources = Sources::default();
    let file = sources.add("format", text);
    let (document, findings) = sluice_syntax::parse_yaml(file, text);
    if let Some(finding) = findings.iter().next() {
        return Err(usage(format!(
            "`{text}` is not a format: {}",
            finding.message
        )));
    }
    let root = document.root.ok_or_else(|| usage("the format is empty"))?;
    let (name, options) = match (root.as_scalar(), root.as_map().map(|map| &map.entries[..])) {
        (Some(scalar), _) => (scalar.text.to_string(), None),
        (None, Some([entry])) => (entry.key.text.to_string(), Some(&entry.value)),
        _ => return Err(usage(format!("`{text}` is not one format"))),
    };
    let Some(entry) = registry.formats().get(name.as_str()) else {
        let near = did_you_mean(&name, registry.formats().keys().copied());
        let list: Vec<&str> = registry.formats().keys().copied().collect();
        return Err(usage(match near {
            Some(near) => format!("there is no format `{name}`: did you mean `{near}`?"),
            None => format!(
                "there is no format `{name}`: formats are `{}`",
                list.join("`, `")
            ),
        }));
    };
    let fields = match options {
        None => Fields::empty(Span::new(file, 0, 0)),
        Some(options) => {
            let mut findings = sluice_model::finding::Findings::default();
            let schema = &entry.config.schema;
            sluice_compiler::shape::check(options, schema, "the format", &sources, &mut findings);
            if let Some(finding) = findings.iter().next() {
                return Err(usage(finding.message.clone()));
            }
            Fields::of(options).unwrap_or_else(|| Fields::empty(options.span))
        }
    };
    let trace = Trace::default();
    let made = entry.make(&mut *fields.erased(&trace), None);
    made.map_err(|error| match error {
        CheckError::Shape(message) => usage(message),
        CheckError::Problems(problems) => {
            let all: Vec<String> = problems
                .into_iter()
                .map(|problem| problem.message)
                .collect();
            usage(all.join("; "))
        }
    })
}
