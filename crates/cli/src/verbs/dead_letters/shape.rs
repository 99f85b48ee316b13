//! Dead letters as JSON. The shape is stable; the arguments of the verb document it.

use sluice_model::value::{Record, Text, Value};
use sluice_store::dead_letter::message::MessageFormat;
use sluice_store::dead_letter::{DeadLetter, DeadLetterGroup, DeadLetterHead, DeadLetterState};

use crate::verbs::stored::{count, keys, optional, origin, read_json, record, text};

/// The dead letters of one cause.
pub(super) fn group(group: &DeadLetterGroup) -> Value<'static> {
    record([
        ("group", count(group.id.0)),
        ("flow", text(&group.signature.flow)),
        ("step", optional(group.signature.step.as_ref())),
        ("code", text(&group.signature.code)),
        ("message", text(&group.example)),
        ("open", count(group.count(DeadLetterState::Open))),
        ("redriving", count(group.count(DeadLetterState::Redriving))),
        ("redriven", count(group.count(DeadLetterState::Redriven))),
        ("archived", count(group.count(DeadLetterState::Archived))),
        ("first", text(group.first)),
        ("last", text(group.last)),
    ])
}

/// One dead letter of a list.
pub(super) fn head(head: &DeadLetterHead) -> Value<'static> {
    Value::Record(fields_of(head))
}

fn fields_of(head: &DeadLetterHead) -> Record<'static> {
    let facts = &head.facts;
    let fields = [
        ("id", count(head.id.0)),
        ("group", count(head.group.0)),
        ("flow", text(&facts.flow)),
        ("state", text(head.state)),
        ("changed", text(head.changed)),
        ("code", text(&facts.cause.code)),
        ("message", text(&facts.cause.public)),
        ("detail", text(&facts.cause.private)),
        ("step", optional(facts.cause.step.as_ref())),
        ("run", text(facts.run)),
        ("release", text(&facts.release)),
        ("keys", keys(&facts.keys)),
        ("origin", origin(&facts.origin)),
        ("attempts", count(u64::from(facts.attempts))),
        ("received", text(facts.received)),
        ("created", text(facts.created)),
        ("redrives", count(u64::from(head.redrives))),
        ("redrive_run", optional(head.redrive_run)),
        ("redrive_fault", optional(head.redrive_fault.as_ref())),
        ("size", count(head.size)),
    ];
    fields
        .into_iter()
        .map(|(key, value)| (Text::borrowed(key), value))
        .collect()
}

/// A dead letter with its message.
pub(super) fn whole(letter: &DeadLetter) -> Value<'static> {
    let message = &letter.message;
    let mut fields = fields_of(&letter.head);
    let mut push = |key, value| fields.push(Text::borrowed(key), value);
    let json = match message.format {
        MessageFormat::Json => read_json(&message.body),
        MessageFormat::Bytes | MessageFormat::Unread => None,
    };
    push("format", text(message.format.as_str()));
    push(
        "payload",
        json.unwrap_or_else(|| Value::Bytes(message.body.clone())),
    );
    let parts = [
        ("params", &message.params),
        ("headers", &message.headers),
        ("position", &message.position),
    ];
    for (name, part) in parts {
        let value = part.as_deref().and_then(|part| read_json(part.as_bytes()));
        push(name, value.unwrap_or(Value::Null));
    }
    Value::Record(fields)
}
