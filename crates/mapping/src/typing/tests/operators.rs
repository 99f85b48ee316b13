//! Operators.

use expect_test::expect_file;

use crate::typing::tests::{check_all, check_types};

#[test]
fn results() {
    check_types(include_str!("cases/operators_results.types.txt"));
}

#[test]
fn possibly_missing() {
    check_all(
        include_str!("cases/operators_possibly_missing.txt"),
        expect_file!["cases/operators_possibly_missing.txt"],
    );
}

#[test]
fn list_or_one() {
    check_all(
        include_str!("cases/operators_list_or_one.txt"),
        expect_file!["cases/operators_list_or_one.txt"],
    );
}

#[test]
fn wrong_kinds() {
    check_all(
        include_str!("cases/operators_wrong_kinds.txt"),
        expect_file!["cases/operators_wrong_kinds.txt"],
    );
}

#[test]
fn never_equal() {
    check_all(
        include_str!("cases/operators_never_equal.txt"),
        expect_file!["cases/operators_never_equal.txt"],
    );
}

#[test]
fn lossy() {
    check_all(
        include_str!("cases/operators_lossy.txt"),
        expect_file!["cases/operators_lossy.txt"],
    );
}
