use crate::report::Report;

fn read(text: &str) -> (Report, Vec<String>) {
    let mut report = Report::default();
    let mut shown: Vec<String> = text.lines().filter_map(|line| report.line(line)).collect();
    shown.extend(report.end(true));
    (report, shown)
}

const TWO: &str = "\
     Running unittests src/lib.rs (target/debug/deps/sluice_model-0a1b2c)

running 3 tests
test a ... ok
test corpus::b ... ok
test c ... ok

successes:

---- corpus::b stdout ----
not run: b: corpora missing

---- c stdout ----
error: a passing test may print this


successes:
    a
    c
    corpus::b

test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.05s

     Running tests/it/main.rs (target/debug/deps/it-77)

running 2 tests
test one ... ok
test two ... FAILED

failures:

---- two stdout ----

thread 'two' panicked at tests/it/main.rs:3:5:
assertion failed


failures:
    two

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s
";

#[test]
fn sums_over_the_binaries_and_counts_what_was_not_run_apart() {
    let (report, _) = read(TWO);
    assert_eq!(report.summary(), "3 passed, 1 failed, 1 skipped");
    let not_run: Vec<&String> = report.not_run.iter().collect();
    assert_eq!(not_run, ["b: corpora missing"]);
}

#[test]
fn shows_each_binary_and_each_failure_and_nothing_else() {
    let (_, shown) = read(TWO);
    let shown: Vec<&str> = shown
        .iter()
        .map(String::as_str)
        .filter(|l| !l.is_empty())
        .collect();
    assert_eq!(
        shown,
        [
            "    sluice_model: 2 passed, 0 failed in 0.05s",
            "test two ... FAILED",
            "failures:",
            "---- two stdout ----",
            "thread 'two' panicked at tests/it/main.rs:3:5:",
            "assertion failed",
            "failures:",
            "    two",
            "    it (tests/it/main.rs): 1 passed, 1 failed in 1.20s",
        ]
    );
}

#[test]
fn a_binary_that_crashes_is_a_failure() {
    let text = "\
     Running unittests src/lib.rs (target/debug/deps/a-1)
running 3 tests
     Running unittests src/lib.rs (target/debug/deps/b-2)
test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.05s
     Running unittests src/lib.rs (target/debug/deps/c-3)
error: test failed, to rerun pass `--lib`
";
    let (report, shown) = read(text);
    assert_eq!(report.summary(), "3 passed, 2 failed");
    assert!(
        shown
            .iter()
            .any(|line| line.contains("a: ended without a result"))
    );
    assert!(
        shown
            .iter()
            .any(|line| line.contains("c: ended without a result"))
    );
    assert!(
        shown
            .iter()
            .any(|line| line.starts_with("error: test failed"))
    );
}

#[test]
fn a_failure_of_cargo_is_a_failure() {
    let mut report = Report::default();
    assert!(report.line("error: no such file").is_some());
    assert!(report.end(false).is_some());
    assert_eq!(report.summary(), "0 passed, 1 failed");
}

#[test]
fn an_ignored_test_does_not_go_unnoticed() {
    let text = "\
     Running unittests src/lib.rs (target/debug/deps/a-1)
test result: ok. 3 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.05s
";
    let (report, _) = read(text);
    assert_eq!(report.summary(), "3 passed, 0 failed, 1 skipped");
}

#[test]
fn a_case_that_says_not_run_within_a_sentence_is_no_test() {
    let (report, _) = read("not run: no expression, or one that is no UTF-8: 3\n");
    assert!(report.not_run.is_empty());
}
