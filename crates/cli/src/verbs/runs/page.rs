//! Runs as people read them.

use std::fmt::Write as _;

use sluice_model::ids::FlowName;
use sluice_store::counts::Counts;
use sluice_store::payload::{PayloadFormat, PayloadRef, StoredPayload};
use sluice_store::run::{RunSummary, StepOutcome};

use super::Whole;
use crate::verbs::stored::{
    LINES_SHOWN, clean, clipped, duration, keys_text, number_of, payload_lines, table,
};

/// The characters of a key or a fault that a list shows.
const CELL: usize = 48;
/// From which size a payload is not kept whole, in bytes; the engine records its hash then.
const KEPT_MAX: u64 = 64 << 10;

/// A list of runs.
pub(super) fn list(runs: &[RunSummary]) -> String {
    let rows: Vec<Vec<String>> = runs.iter().map(row).collect();
    table(
        &[
            "RUN", "STARTED", "FLOW", "STATUS", "TOOK", "KEYS", "ORIGIN", "FAULT",
        ],
        &rows,
    )
}

fn row(run: &RunSummary) -> Vec<String> {
    let fault = run.fault.as_ref();
    let fault = fault.map_or(String::new(), |fault| {
        format!("{}: {}", fault.code, fault.public)
    });
    vec![
        run.id.to_string(),
        run.started.to_string(),
        run.flow.to_string(),
        run.outcome.to_string(),
        duration(run.duration),
        clipped(&keys_text(&run.keys), CELL),
        clipped(&run.origin.to_string(), CELL),
        clipped(&fault, CELL),
    ]
}

/// A run with its steps.
pub(super) fn whole(whole: &Whole, full: bool) -> String {
    let run = &whole.detail.summary;
    let mut text = format!("run {} of {}: {}\n", run.id, run.flow, run.outcome);
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:11}  {}", clean(value));
        }
    };
    fact(
        "started",
        &format!("{}, took {}", run.started, duration(run.duration)),
    );
    fact("origin", &run.origin.to_string());
    fact("keys", &keys_text(&run.keys));
    fact("attempts", &run.attempts.to_string());
    if let Some(fault) = &run.fault {
        let at = fault
            .step
            .as_ref()
            .map_or(String::new(), |step| format!(" at step `{step}`"));
        fact("fault", &format!("{}{at}: {}", fault.code, fault.public));
    }
    fact("environment", run.environment.as_str());
    fact("release", &clipped(run.release.as_str(), 15));
    fact(
        "correlation",
        run.correlation.as_deref().unwrap_or_default(),
    );
    fact("trace", run.trace.as_deref().unwrap_or_default());
    fact(
        "parent",
        &run.parent.map(|id| id.to_string()).unwrap_or_default(),
    );
    if let Some(letter) = &whole.dead_letter {
        fact("dead letter", &format!("{} ({})", letter.id, letter.state));
    }
    text.push_str("\nsteps\n");
    if whole.detail.steps.is_empty() {
        text.push_str(no_steps(run));
    }
    for (outcome, (input, output)) in whole.detail.steps.iter().zip(&whole.payloads) {
        step(&mut text, outcome, input.as_ref(), output.as_ref(), full);
    }
    if !whole.children.is_empty() {
        text.push_str("\nruns that it ran\n");
        for line in list(&whole.children).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

fn no_steps(run: &RunSummary) -> &'static str {
    if run.has_steps {
        "  there are none: it ended before the first\n"
    } else {
        "  they are not kept: the flow's `record` is `failures` (the default: those of failed runs \
         are), or `none`, or a share; `record: all` keeps those of each run\n"
    }
}

fn step(
    text: &mut String,
    step: &StepOutcome,
    input: Option<&StoredPayload>,
    output: Option<&StoredPayload>,
    full: bool,
) {
    let _ = writeln!(
        text,
        "  {:>2}  {:20}  {:8}  {:11}  at {:>8}  took {}",
        step.ordinal,
        clean(step.step.as_str()),
        step.status.as_str(),
        number_of(u64::from(step.attempts), "attempt", "attempts"),
        duration(step.offset),
        duration(step.duration),
    );
    if let Some(effect) = &step.effect {
        let _ = writeln!(text, "      effect key {}", clean(effect.as_str()));
    }
    if let Some(fault) = &step.fault {
        let _ = writeln!(
            text,
            "      fault {}: {}",
            clean(&fault.code.0),
            clean(&fault.public)
        );
        if fault.private != fault.public {
            let _ = writeln!(text, "      detail {}", clean(&fault.private));
        }
    }
    for (name, reference, kept) in [
        ("input", step.input, input),
        ("output", step.output, output),
    ] {
        let Some(reference) = reference else { continue };
        let size = number_of(reference.size, "byte", "bytes");
        match kept {
            None => {
                let _ = writeln!(text, "      {name} ({size}): {}", why_not_kept(reference));
            }
            Some(payload) => {
                let _ = writeln!(text, "      {name} ({size})");
                let lines = if full { usize::MAX } else { LINES_SHOWN };
                let is_json = payload.format == PayloadFormat::Json;
                text.push_str(&payload_lines(&payload.body, is_json, "        ", lines));
            }
        }
    }
}

/// Says why a payload that a step had is not there.
pub(super) fn why_not_kept(reference: PayloadRef) -> String {
    if KEPT_MAX < reference.size {
        format!("not kept: payloads over {KEPT_MAX} bytes are recorded by size and hash only")
    } else {
        "not kept any more: its time is over".to_owned()
    }
}

/// The counts of flows, and whether they balance.
pub(super) fn counts(all: &[(FlowName, Counts)]) -> String {
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|(flow, counts)| {
            let numbers = [
                counts.received,
                counts.delivered,
                counts.answered_error,
                counts.dead_lettered,
                counts.parked,
                counts.filtered,
                counts.duplicate,
                counts.retries,
            ];
            let mut row = vec![flow.to_string()];
            row.extend(numbers.map(|number| number.to_string()));
            row.push(if counts.is_balanced() {
                "yes".to_owned()
            } else {
                off_by(counts)
            });
            row
        })
        .collect();
    let head = [
        "FLOW",
        "RECEIVED",
        "DELIVERED",
        "ANSWERED_ERROR",
        "DEAD_LETTERED",
        "PARKED",
        "FILTERED",
        "DUPLICATE",
        "RETRIES",
        "BALANCED",
    ];
    table(&head, &rows)
}

fn off_by(counts: &Counts) -> String {
    let (received, settled) = (i128::from(counts.received), i128::from(counts.settled()));
    format!("no: {} ended, {:+}", settled, settled - received)
}
