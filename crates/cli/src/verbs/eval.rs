//! `sluice eval`: an expression or a mapping on one input.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use serde_json::json;
use sluice_mapping::eval::{Host, Limits, Mode};
use sluice_mapping::program::{Options, Program};
use sluice_model::json as text;
use sluice_model::projection::Projection;
use sluice_model::time::Timestamp;
use sluice_model::value::Value;

use crate::exit::{FAILED, OK, usage};
use crate::output::{self, OutputArgs};

/// Evaluates an expression or a mapping and prints the result as JSON; nothing for a result that is
/// missing.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The expression.
    #[arg(short = 'e', long = "expression", conflicts_with = "mapping")]
    expression: Option<String>,
    /// The mapping's file.
    #[arg(long, required_unless_present = "expression")]
    mapping: Option<PathBuf>,
    /// The input, a JSON file; `-`: standard input; left out: no input.
    #[arg(long)]
    input: Option<PathBuf>,
    /// Variables, a JSON object: `{"limit": 5}` binds `$limit`.
    #[arg(long)]
    bindings: Option<String>,
    /// Evaluates by the reference's semantics: numbers are doubles, one item is no list.
    #[arg(long)]
    dynamic: bool,
    /// Evaluates this many times, bytes in to bytes out, and prints how many a CPU-second holds.
    #[arg(long, value_name = "N")]
    repeat: Option<u64>,
    #[command(flatten)]
    output: OutputArgs,
}

/// The largest input, in bytes.
const INPUT_BYTES_MAX: usize = 1 << 30;

/// Runs the verb.
///
/// # Errors
/// If a file cannot be read, or the bindings are not an object.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let source = match (&args.expression, &args.mapping) {
        (Some(expression), _) => expression.clone(),
        (None, Some(path)) => std::fs::read_to_string(path)
            .with_context(|| format!("cannot read `{}`", path.display()))?,
        (None, None) => return Err(usage("give an expression by `-e`, or a `--mapping`")),
    };
    let bindings = bindings(args.bindings.as_deref())?;
    let names = bindings.iter().map(|(name, _)| Arc::clone(name)).collect();
    let mode = if args.dynamic {
        Mode::Dynamic
    } else {
        Mode::Checked
    };
    let options = Options {
        mode,
        bindings: names,
        lists: Vec::new(),
    };
    let program = match Program::compile(&source, &options) {
        Ok(program) => program,
        Err(errors) => {
            let error = errors
                .first()
                .context("an expression that does not compile says why")?;
            let place = Some(error.range.start);
            return failed(args.output, error.code, &error.message, place);
        }
    };
    let input = input(args.input.as_deref())?;
    let job = Job {
        program: &program,
        bindings: &bindings,
    };
    if let Some(times) = args.repeat {
        return repeat(&job, input.as_deref(), times, args.output);
    }
    let mut out = Vec::new();
    match job.evaluate(input.as_deref(), &mut out) {
        Ok(true) => output::line(&String::from_utf8_lossy(&out))?,
        Ok(false) => {}
        Err(error) => {
            return failed(args.output, error.code, &error.message, error.position);
        }
    }
    Ok(OK)
}

/// Why an evaluation failed.
struct Failure {
    code: &'static str,
    message: String,
    position: Option<u32>,
}

/// What is evaluated.
struct Job<'j> {
    program: &'j Program,
    bindings: &'j [(Arc<str>, Value<'static>)],
}

impl Job<'_> {
    /// Reads the input, evaluates, and writes the result; `false` if it is missing.
    fn evaluate(&self, input: Option<&[u8]>, out: &mut Vec<u8>) -> Result<bool, Failure> {
        let limits = text::Limits {
            bytes: INPUT_BYTES_MAX,
            ..text::Limits::default()
        };
        let value = match input {
            None => None,
            Some(bytes) => {
                let value = text::read(bytes, self.program.projection(), &limits);
                Some(value.map_err(|error| Failure {
                    code: "input",
                    message: format!("the input is not JSON: {error}"),
                    position: None,
                })?)
            }
        };
        let bound: Vec<Option<&Value<'_>>> =
            self.bindings.iter().map(|(_, value)| Some(value)).collect();
        let result = self
            .program
            .evaluate(value.as_ref(), &bound, &SystemHost, &Limits::default());
        match result {
            Ok(None) => Ok(false),
            Ok(Some(value)) => {
                text::write(&value, out);
                Ok(true)
            }
            Err(error) => Err(Failure {
                code: error.code,
                message: error.message,
                position: error.range.map(|range| range.start),
            }),
        }
    }
}

fn repeat(
    job: &Job<'_>,
    input: Option<&[u8]>,
    times: u64,
    output: OutputArgs,
) -> anyhow::Result<u8> {
    let mut out = Vec::new();
    let begun = cpu_seconds()?;
    for _ in 0..times.max(1) {
        out.clear();
        if let Err(error) = job.evaluate(input, &mut out) {
            return failed(output, error.code, &error.message, error.position);
        }
    }
    let spent = (cpu_seconds()? - begun).max(1e-9);
    output::json(&json!({
        "per_cpu_second": times.max(1) as f64 / spent,
        "cpu_seconds": spent,
        "times": times.max(1),
    }))?;
    Ok(OK)
}

/// The processor time of this process, user and system, in seconds.
fn cpu_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/schedstat");
    if let Ok(text) = stat
        && let Some(nanos) = text.split_whitespace().next()
    {
        return Ok(nanos.parse::<f64>()? / 1e9);
    }
    let stat = std::fs::read_to_string("/proc/self/stat")
        .context("processor time is known on Linux only")?;
    let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = |index: usize| -> Option<f64> { after.split_whitespace().nth(index)?.parse().ok() };
    let all = ticks(11)
        .zip(ticks(12))
        .context("cannot read the processor time")?;
    Ok((all.0 + all.1) / 100.0)
}

fn failed(
    output: OutputArgs,
    code: &str,
    message: &str,
    position: Option<u32>,
) -> anyhow::Result<u8> {
    if output.is_json() {
        let mut error = json!({ "code": code, "message": message });
        if let Some(position) = position {
            error["position"] = json!(position);
        }
        output::say(&json!({ "error": error }).to_string());
    } else {
        let place = position.map_or(String::new(), |at| format!(" (at {at})"));
        output::say(&format!("error: {code}: {message}{place}"));
    }
    Ok(FAILED)
}

fn input(path: Option<&std::path::Path>) -> anyhow::Result<Option<Vec<u8>>> {
    match path {
        None => Ok(None),
        Some(path) if path.as_os_str() == "-" => {
            let mut bytes = Vec::new();
            std::io::stdin()
                .lock()
                .read_to_end(&mut bytes)
                .context("cannot read the input")?;
            Ok(Some(bytes))
        }
        Some(path) => std::fs::read(path)
            .map(Some)
            .with_context(|| format!("cannot read `{}`", path.display())),
    }
}

fn bindings(text: Option<&str>) -> anyhow::Result<Vec<(Arc<str>, Value<'static>)>> {
    let Some(text) = text else {
        return Ok(Vec::new());
    };
    let limits = sluice_model::json::Limits::default();
    let value = sluice_model::json::read_owned(text.as_bytes(), &Projection::All, &limits)
        .map_err(|error| usage(format!("`--bindings` is not JSON: {error}")))?;
    match value {
        Value::Record(record) => Ok(record
            .into_iter()
            .map(|(key, value)| (key.as_str().into(), value))
            .collect()),
        other => Err(usage(format!(
            "`--bindings` is an object, not a {}",
            other.kind()
        ))),
    }
}

/// The system's clock and chance.
struct SystemHost;

impl Host for SystemHost {
    #[expect(
        clippy::disallowed_methods,
        reason = "an evaluation at the command line is of now"
    )]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp(0).plus(since.unwrap_or_default())
    }

    fn random(&self) -> f64 {
        use std::hash::{BuildHasher, Hasher};
        let bits = std::hash::RandomState::new().build_hasher().finish();
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }
}
