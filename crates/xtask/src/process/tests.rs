use std::process::Command;
use std::time::Duration;

use crate::process::{answers, measured, output, shown, until};

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn what_a_program_costs_is_its_processor_time() {
    let work = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
    let (said, cost) = measured(|| output(&mut shell(&format!("{work}; echo done")))).unwrap();
    assert_eq!(said, "done\n");
    assert!(Duration::from_millis(10) < cost.cpu, "{cost:?}");
}

#[test]
fn a_failure_says_what_the_program_said() {
    let error = output(&mut shell("echo no space >&2; exit 3"))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "`sh -c echo no space >&2; exit 3` failed: exit status: 3\nno space"
    );
}

#[test]
fn a_program_is_asked_to_end_when_it_is_ready() {
    let script = "trap 'exit 0' TERM; while :; do :; done";
    let child = shell(script).spawn().unwrap();
    let peak = until(child, Duration::from_secs(20), Some(&|| true));
    // The shell may be asked before it has set its trap: then the signal ends it.
    assert!(
        peak.is_ok() || peak.is_err_and(|e| e.to_string().contains("signal: 15")),
        "neither ended well nor by the signal"
    );
}

#[test]
fn a_program_that_ends_too_early_or_never_is_a_failure() {
    let child = shell("exit 4").spawn().unwrap();
    let early = until(child, Duration::from_secs(20), Some(&|| false)).unwrap_err();
    assert_eq!(early.to_string(), "it ended: exit status: 4");
    let child = shell("while :; do :; done").spawn().unwrap();
    let never = until(child, Duration::from_millis(10), None).unwrap_err();
    assert_eq!(never.to_string(), "it did not finish within 0 s");
}

#[test]
fn a_program_that_is_missing_does_not_answer() {
    assert!(!answers("a-program-that-nobody-has"));
}

#[test]
fn a_command_is_shown_as_it_is_typed() {
    let mut command = Command::new("bin/cargo");
    command.args(["test", "--workspace"]);
    assert_eq!(shown(&command), "cargo test --workspace");
}
