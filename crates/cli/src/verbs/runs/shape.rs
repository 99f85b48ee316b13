//! Runs as JSON. The shape is stable; the arguments of the verb document it.

use sluice_model::ids::FlowName;
use sluice_model::value::{Record, Text, Value};
use sluice_store::counts::Counts;
use sluice_store::payload::{PayloadFormat, PayloadRef, StoredPayload};
use sluice_store::run::{RunSummary, StepOutcome};

use super::Whole;
use crate::verbs::runs::page::why_not_kept;
use crate::verbs::stored::{count, keys, millis, optional, origin, read_json, record, text};

/// One run of a list.
pub(super) fn run(run: &RunSummary) -> Value<'static> {
    Value::Record(fields_of(run))
}

fn fields_of(run: &RunSummary) -> Record<'static> {
    let fault = run.fault.as_ref().map_or(Value::Null, |fault| {
        record([
            ("code", text(&fault.code)),
            ("message", text(&fault.public)),
            ("step", optional(fault.step.as_ref())),
        ])
    });
    let fields = [
        ("id", text(run.id)),
        ("flow", text(&run.flow)),
        ("status", text(run.outcome)),
        ("started", text(run.started)),
        ("duration_ms", millis(run.duration)),
        ("keys", keys(&run.keys)),
        ("origin", origin(&run.origin)),
        ("attempts", count(u64::from(run.attempts))),
        ("fault", fault),
        ("environment", text(&run.environment)),
        ("release", text(&run.release)),
        ("correlation", optional(run.correlation.as_ref())),
        ("trace", optional(run.trace.as_ref())),
        ("parent", optional(run.parent)),
        ("has_steps", Value::Bool(run.has_steps)),
    ];
    fields
        .into_iter()
        .map(|(key, value)| (Text::borrowed(key), value))
        .collect()
}

/// A run with its steps.
pub(super) fn whole(whole: &Whole) -> Value<'static> {
    let mut fields = fields_of(&whole.detail.summary);
    let mut push = |key, value| fields.push(Text::borrowed(key), value);
    let steps = whole.detail.steps.iter().zip(&whole.payloads);
    let steps = steps.map(|(outcome, (input, output))| step(outcome, input, output));
    push("steps", Value::List(steps.collect()));
    push(
        "children",
        Value::List(whole.children.iter().map(run).collect()),
    );
    push(
        "dead_letter",
        whole
            .dead_letter
            .as_ref()
            .map_or(Value::Null, |head| count(head.id.0)),
    );
    Value::Record(fields)
}

fn step(
    step: &StepOutcome,
    input: &Option<StoredPayload>,
    output: &Option<StoredPayload>,
) -> Value<'static> {
    let fault = step.fault.as_ref().map_or(Value::Null, |fault| {
        record([
            ("code", text(&fault.code)),
            ("message", text(&fault.public)),
            ("detail", text(&fault.private)),
        ])
    });
    record([
        ("ordinal", count(u64::from(step.ordinal))),
        ("step", text(&step.step)),
        ("status", text(step.status.as_str())),
        ("attempts", count(u64::from(step.attempts))),
        ("offset_ms", millis(step.offset)),
        ("duration_ms", millis(step.duration)),
        ("effect_key", optional(step.effect.as_ref())),
        ("input", payload(step.input, input.as_ref())),
        ("output", payload(step.output, output.as_ref())),
        ("fault", fault),
    ])
}

fn payload(reference: Option<PayloadRef>, kept: Option<&StoredPayload>) -> Value<'static> {
    let Some(reference) = reference else {
        return Value::Null;
    };
    let mut fields: Vec<(&'static str, Value<'static>)> = vec![
        ("hash", text(reference.hash)),
        ("size", count(reference.size)),
        ("kept", Value::Bool(kept.is_some())),
    ];
    match kept {
        None => fields.push(("why", text(why_not_kept(reference)))),
        Some(payload) => {
            let json = match payload.format {
                PayloadFormat::Json => read_json(&payload.body),
                PayloadFormat::Bytes => None,
            };
            let format = if json.is_some() { "json" } else { "bytes" };
            fields.push(("format", text(format)));
            fields.push(match json {
                Some(value) => ("value", value),
                None => ("base64", Value::Bytes(payload.body.clone())),
            });
        }
    }
    Value::Record(
        fields
            .into_iter()
            .map(|(key, value)| (Text::borrowed(key), value))
            .collect(),
    )
}

/// The counts of a flow.
pub(super) fn counts(flow: &FlowName, counts: &Counts) -> Value<'static> {
    record([
        ("flow", text(flow)),
        ("received", count(counts.received)),
        ("delivered", count(counts.delivered)),
        ("answered_error", count(counts.answered_error)),
        ("dead_lettered", count(counts.dead_lettered)),
        ("parked", count(counts.parked)),
        ("filtered", count(counts.filtered)),
        ("duplicate", count(counts.duplicate)),
        ("settled", count(counts.settled())),
        ("retries", count(counts.retries)),
        ("balanced", Value::Bool(counts.is_balanced())),
    ])
}
