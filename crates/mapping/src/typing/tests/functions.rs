//! The functions of the library.

use expect_test::expect_file;

use crate::functions;
use crate::typing::results::has_rule;
use crate::typing::tests::{check_all, check_types};

#[test]
fn each_function_has_a_rule() {
    let without = functions::all().filter(|function| !has_rule(function.name));
    let without: Vec<&str> = without.map(|function| function.name).collect();
    assert_eq!(without, [""; 0]);
}

#[test]
fn texts() {
    check_types(include_str!("cases/functions_texts.types.txt"));
}

#[test]
fn numbers() {
    check_types(include_str!("cases/functions_numbers.types.txt"));
}

#[test]
fn lists_and_records() {
    check_types(include_str!("cases/functions_lists_and_records.types.txt"));
}

#[test]
fn bad_arguments() {
    check_all(
        include_str!("cases/functions_bad_arguments.txt"),
        expect_file!["cases/functions_bad_arguments.txt"],
    );
}
