use std::collections::HashSet;

use sluice_model::json;
use sluice_model::time::Timestamp;

use crate::eval::{Host, Limits, Mode};
use crate::functions::all;
use crate::program::{Options, Program};

struct TestHost;

impl Host for TestHost {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_773_480_413_589)
    }

    fn random(&self) -> f64 {
        0.25
    }
}

fn result(expression: &str, mode: Mode) -> String {
    let options = Options {
        mode,
        ..Options::default()
    };
    let program = match Program::compile(expression, &options) {
        Ok(program) => program,
        Err(errors) => return errors[0].message.clone(),
    };
    match program.evaluate(None, &[], &TestHost, &Limits::default()) {
        Ok(Some(value)) => json::to_string(&value),
        Ok(None) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_example_holds() {
    for function in all() {
        assert!(!function.examples.is_empty(), "{}", function.name);
        for example in function.examples {
            let called = format!("${}(", function.name);
            assert!(
                example.expression.contains(&called),
                "{}",
                example.expression
            );
            for mode in [Mode::Dynamic, Mode::Checked] {
                let came = result(example.expression, mode);
                assert_eq!(came, example.result, "{} in {mode:?}", example.expression);
            }
        }
    }
}

#[test]
fn the_table_is_well_formed() {
    let mut names = HashSet::new();
    for function in all() {
        assert!(
            names.insert(function.name),
            "{} stands twice",
            function.name
        );
        assert!(function.summary.ends_with('.'), "{}", function.name);
        assert_eq!(&*function.parsed().text, function.signature);
    }
    assert_eq!(names.len(), 65, "all functions of the reference");
}
