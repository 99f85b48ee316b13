//! The order mapping: bytes in to bytes out, by Sluice, by jsonata-js, and by hand.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::bench::figures::{Bar, Figure};
use crate::bench::{Bench, NotRun, Outcome, median};
use crate::process;

/// The reference implementation, in the version that is measured.
const JSONATA: &str = "2.2.2";
/// Processor time of each measurement, in seconds.
const SECONDS: f64 = 2.0;
/// How often each is called to find out how often it is to be called.
const PROBE: u64 = 300;

/// Someone who maps orders: `N` prints `{"per_cpu_second": ...}`; nothing prints the result.
struct Mapper {
    name: &'static str,
    command: Vec<PathBuf>,
    /// What stands before the number of times.
    repeat: Option<&'static str>,
    times: u64,
    rates: Vec<f64>,
}

impl Mapper {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]);
        command
    }

    fn result(&self) -> Result<Value> {
        let text = process::output(&mut self.command())?;
        let parsed = serde_json::from_str(&text);
        parsed.with_context(|| format!("what {} makes is not JSON", self.name))
    }

    fn rate(&self, times: u64) -> Result<f64> {
        let mut command = self.command();
        command.args(self.repeat).arg(times.to_string());
        let text = process::output(&mut command)?;
        let parsed: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} prints no JSON: {text}", self.name))?;
        let rate = parsed["per_cpu_second"].as_f64();
        rate.with_context(|| format!("{} prints no `per_cpu_second`: {text}", self.name))
    }
}

/// Runs the benchmark.
pub fn run(bench: &Bench<'_>) -> Outcome {
    let mapping = bench.material("order/canonical.jsonata")?;
    let input = bench.material("order/order.json")?;
    let expected = bench.material("order/expected.json")?;
    let mut mappers = vec![sluice(bench, &mapping, &input), by_hand(bench, &input)];
    match jsonata_js(bench, &mapping, &input) {
        Ok(mapper) => mappers.push(mapper),
        Err(NotRun::Missing(what)) => println!("not run: order by jsonata-js: {what}"),
        Err(failed) => return Err(failed),
    }
    check(&mappers, &expected)?;
    for mapper in &mut mappers {
        mapper.times = times(mapper.rate(PROBE)?);
    }
    for _ in 0..bench.rounds {
        for mapper in &mut mappers {
            let rate = mapper.rate(mapper.times)?;
            println!("    {}: {rate:.0} orders per CPU-second", mapper.name);
            mapper.rates.push(rate);
        }
    }
    let (ours, others) = mappers.split_first().context("Sluice is measured too")?;
    Ok(others.iter().map(|other| figure(ours, other)).collect())
}

fn times(rate: f64) -> u64 {
    // A rate is far below what would not fit.
    ((rate * SECONDS) as u64).max(1)
}

fn figure(ours: &Mapper, other: &Mapper) -> Figure {
    let ratios = ours
        .rates
        .iter()
        .zip(&other.rates)
        .map(|(ours, other)| ours / other);
    let (our_rate, rate) = (median(ours.rates.clone()), median(other.rates.clone()));
    Figure {
        what: format!("order mapping, bytes to bytes: Sluice / {}", other.name),
        ratio: median(ratios.collect()),
        bar: Bar::AtLeast(if other.name == "by hand" { 2.0 } else { 15.0 }),
        behind: format!("{our_rate:.0} against {rate:.0} orders per CPU-second"),
    }
}

/// All make the same, and what is expected. A number is a number, however it is spelt.
fn check(mappers: &[Mapper], expected: &Path) -> Result<()> {
    let expected = std::fs::read_to_string(expected).context("cannot read the expected order")?;
    let expected: Value = serde_json::from_str(&expected).context("the expected order")?;
    for mapper in mappers {
        let result = plain(mapper.result()?);
        ensure!(
            result == plain(expected.clone()),
            "{} makes another order than expected:\n{result}",
            mapper.name
        );
    }
    Ok(())
}

fn plain(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, plain(value)))
            .collect(),
        other => other,
    }
}

fn sluice(bench: &Bench<'_>, mapping: &Path, input: &Path) -> Mapper {
    let words = ["eval", "--dynamic", "--mapping"].map(PathBuf::from);
    let mut command = vec![bench.program("sluice")];
    command.extend(words);
    command.extend([mapping.to_path_buf(), "--input".into(), input.to_path_buf()]);
    Mapper {
        name: "Sluice",
        command,
        repeat: Some("--repeat"),
        times: PROBE,
        rates: Vec::new(),
    }
}

fn by_hand(bench: &Bench<'_>, input: &Path) -> Mapper {
    Mapper {
        name: "by hand",
        command: vec![bench.program("examples/order_by_hand"), input.to_path_buf()],
        repeat: None,
        times: PROBE,
        rates: Vec::new(),
    }
}

/// jsonata-js is installed by npm below `target`.
fn jsonata_js(bench: &Bench<'_>, mapping: &Path, input: &Path) -> Result<Mapper, NotRun> {
    for program in ["node", "npm"] {
        if !process::answers(program) {
            return Err(NotRun::Missing(format!("`{program}` does not answer")));
        }
    }
    let folder = bench.scratch().join("jsonata");
    let module = folder.join("node_modules").join("jsonata");
    let manifest = std::fs::read_to_string(module.join("package.json")).unwrap_or_default();
    let manifest: Value = serde_json::from_str(&manifest).unwrap_or_default();
    if manifest["version"] != JSONATA {
        install(&folder)?;
    }
    let script = bench
        .environment
        .root
        .join("benches/order/order_jsonata.js");
    let command = vec![
        "node".into(),
        script,
        module,
        mapping.to_path_buf(),
        input.to_path_buf(),
    ];
    Ok(Mapper {
        name: "jsonata-js",
        command,
        repeat: None,
        times: PROBE,
        rates: Vec::new(),
    })
}

fn install(folder: &Path) -> Result<(), NotRun> {
    std::fs::create_dir_all(folder).context("cannot make the folder for jsonata-js")?;
    let manifest = "{ \"private\": true }\n";
    std::fs::write(folder.join("package.json"), manifest).context("cannot write for npm")?;
    let mut command = Command::new("npm");
    command
        .args(["install", "--no-audit", "--no-fund", "--silent"])
        .arg(format!("jsonata@{JSONATA}"))
        .current_dir(folder);
    let installed = process::output(&mut command);
    installed
        .map(drop)
        .map_err(|error| NotRun::Missing(format!("{error:#}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Mapper, figure, plain, times};
    use crate::bench::figures::Bar;

    #[test]
    fn numbers_are_compared_by_value() {
        assert_eq!(
            plain(json!({ "a": [1, 2.5] })),
            plain(json!({ "a": [1.0, 2.5] }))
        );
        assert_ne!(plain(json!({ "a": 1 })), plain(json!({ "a": "1" })));
    }

    #[test]
    fn ratios_are_those_of_one_round() {
        let mapper = |name, rates: &[f64]| Mapper {
            name,
            command: Vec::new(),
            repeat: None,
            times: 1,
            rates: rates.to_vec(),
        };
        let ours = mapper("Sluice", &[30.0, 15.0, 40.0]);
        let other = mapper("by hand", &[10.0, 5.0, 10.0]);
        let figure = figure(&ours, &other);
        assert_eq!((figure.ratio, figure.bar), (3.0, Bar::AtLeast(2.0)));
        assert_eq!(figure.behind, "30 against 10 orders per CPU-second");
    }

    #[test]
    fn something_is_always_measured() {
        assert_eq!((times(0.0), times(1_000.0)), (1, 2_000));
    }
}
