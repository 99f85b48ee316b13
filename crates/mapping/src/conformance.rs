//! Runs the official test suite of JSONata (`test/test-suite` of its repository).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sluice_model::json;
use sluice_model::projection::Projection;
use sluice_model::time::Timestamp;
use sluice_model::value::Value;

use crate::eval::{Host, Limits, Mode};
use crate::program::{Options, Program};

/// The number of cases that passed when the engine was last changed: it may only rise.
const RECORDED: &str = include_str!("../conformance.txt");

struct TestHost;

impl Host for TestHost {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_773_480_413_589)
    }

    fn random(&self) -> f64 {
        0.5
    }
}

/// Returns the folder of the suite; `None` if the corpora are not there.
#[expect(
    clippy::disallowed_methods,
    reason = "a test finds its corpora by the environment"
)]
fn suite() -> Option<PathBuf> {
    let corpora = std::env::var_os("SLUICE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    let suite = corpora.join("jsonata");
    if suite.is_dir() {
        return Some(suite);
    }
    let on_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!on_ci, "the corpora are missing: {}", suite.display());
    println!("not run: the_official_suite_passes: corpora missing");
    None
}

fn read(path: &Path) -> Value<'static> {
    let bytes = std::fs::read(path).expect("the suite's files can be read");
    match json::read(&bytes, &Projection::All, &json::Limits::default()) {
        Ok(value) => value.into_owned(),
        // Lone surrogates are no UTF-8: such cases are told as failing.
        Err(_) => Value::Null,
    }
}

/// Returns the files of a folder in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the suite's folders can be read");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the suite's folders can be read").path())
        .collect();
    paths.sort();
    paths
}

struct Suite {
    root: PathBuf,
    datasets: HashMap<String, Value<'static>>,
}

impl Suite {
    fn input(&mut self, case: &Value<'static>) -> Option<&Value<'static>> {
        let name = match case.get("dataset") {
            Some(Value::Text(name)) => name.as_str().to_owned(),
            _ => return None,
        };
        let path = self.root.join("datasets").join(format!("{name}.json"));
        Some(self.datasets.entry(name).or_insert_with(|| read(&path)))
    }

    fn expression(case: &Value<'static>, folder: &Path) -> Option<String> {
        match (case.get("expr"), case.get("expr-file")) {
            (Some(Value::Text(text)), _) => Some(text.as_str().to_owned()),
            (_, Some(Value::Text(file))) => {
                std::fs::read_to_string(folder.join(file.as_str())).ok()
            }
            _ => None,
        }
    }
}

fn limits(case: &Value<'static>) -> Limits {
    let mut limits = Limits::default();
    if let Some(depth) = case.get("depth").and_then(Value::as_i64) {
        limits.depth = limits.depth.max(u32::try_from(depth).unwrap_or(u32::MAX));
    }
    limits
}

/// What a case came to: `Ok` with a value or nothing, or the code of an error.
type Came = Result<Option<Value<'static>>, &'static str>;

fn evaluate(
    source: &str,
    input: Option<&Value<'static>>,
    bindings: &Value<'static>,
    limits: &Limits,
) -> Came {
    let bindings: Vec<(Arc<str>, &Value<'static>)> = match bindings {
        Value::Record(record) => record
            .iter()
            .map(|(key, value)| (Arc::from(key.as_str()), value))
            .collect(),
        _ => Vec::new(),
    };
    let options = Options {
        mode: Mode::Dynamic,
        bindings: bindings.iter().map(|(name, _)| name.clone()).collect(),
        lists: Vec::new(),
    };
    let program = Program::compile(source, &options).map_err(|errors| errors[0].code)?;
    let bindings: Vec<Option<&Value<'_>>> = bindings.iter().map(|(_, v)| Some(*v)).collect();
    let run = |input: Option<&Value<'static>>| -> Came {
        program
            .evaluate(input, &bindings, &TestHost, limits)
            .map(|value| value.map(Value::into_owned))
            .map_err(|error| error.code)
    };
    let came = run(input);
    if let Some(input) = input {
        // What the program says that it does not read makes no difference.
        let text = json::to_string(input);
        let projected = json::read(
            text.as_bytes(),
            program.projection(),
            &json::Limits::default(),
        )
        .expect("what was written can be read")
        .into_owned();
        let again = run(Some(&projected));
        assert_eq!(came, again, "{source} by {:?}", program.projection());
    }
    came
}

/// Compares as ECMAScript does: numbers as doubles.
fn equal(came: &Value<'_>, expected: &Value<'_>, unordered: bool) -> bool {
    match (came, expected) {
        (Value::List(a), Value::List(b)) if unordered => {
            a.len() == b.len()
                && a.iter()
                    .all(|item| b.iter().any(|other| equal(item, other, false)))
        }
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b, false))
        }
        (Value::Record(a), Value::Record(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| {
                    b.get_str(key.as_str())
                        .is_some_and(|other| equal(value, other, false))
                })
        }
        (a, b) if a.is_number() && b.is_number() => a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

/// Returns what is wrong; `None` if the case passes.
fn check(suite: &mut Suite, case: &Value<'static>, folder: &Path) -> Option<String> {
    let Some(source) = Suite::expression(case, folder) else {
        return Some("not run: no expression, or one that is no UTF-8".to_owned());
    };
    let bindings = case.get("bindings").cloned().unwrap_or_default();
    let limits = limits(case);
    let came = match case.get("data") {
        Some(data) => evaluate(&source, Some(data), &bindings, &limits),
        None => evaluate(&source, suite.input(case), &bindings, &limits),
    };
    let code = case
        .get("code")
        .or_else(|| case.get("error").and_then(|error| error.get("code")))
        .and_then(Value::as_str);
    let passes = match (&came, code, case.get("result")) {
        (Err(came), Some(code), _) => {
            // The suite still has the code of time and depth limits from before 2.2.
            *came == code || (code == "U1001" && matches!(*came, "D1011" | "D1012"))
        }
        (Ok(Some(came)), None, Some(expected)) => {
            let unordered = case.get("unordered").is_some();
            equal(came, expected, unordered)
        }
        (Ok(None), None, None) => true,
        _ => false,
    };
    let expected = match (code, case.get("result")) {
        (Some(code), _) => code.to_owned(),
        (None, Some(result)) => json::to_string(result),
        (None, None) => "nothing".to_owned(),
    };
    let came = match came {
        Ok(Some(value)) => json::to_string(&value),
        Ok(None) => "nothing".to_owned(),
        Err(code) => code.to_owned(),
    };
    (!passes).then(|| format!("{source:?}\n    expected {expected}\n    came     {came}"))
}

#[test]
fn the_official_suite_passes() {
    let Some(root) = suite() else {
        return;
    };
    let mut suite = Suite {
        root: root.clone(),
        datasets: HashMap::new(),
    };
    let (mut passed, mut total) = (0, 0);
    for folder in files(&root.join("groups")) {
        for file in files(&folder) {
            if file.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let cases = match read(&file) {
                Value::List(cases) => cases,
                case => vec![case],
            };
            for (index, case) in cases.iter().enumerate() {
                total += 1;
                match check(&mut suite, case, &folder) {
                    None => passed += 1,
                    Some(wrong) => {
                        let name = file.strip_prefix(&root).unwrap_or(&file).display();
                        println!("{name}[{index}]: {wrong}");
                    }
                }
            }
        }
    }
    println!("jsonata: {passed} of {total} pass");
    let recorded: usize = RECORDED
        .trim()
        .parse()
        .expect("conformance.txt is a number");
    assert!(
        passed >= recorded,
        "{passed} of {total} pass, but {recorded} did when it was recorded"
    );
}
