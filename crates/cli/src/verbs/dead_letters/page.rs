//! Dead letters as people read them.

use std::fmt::Write as _;

use sluice_store::dead_letter::message::MessageFormat;
use sluice_store::dead_letter::{DeadLetter, DeadLetterGroup, DeadLetterHead, DeadLetterState};

use crate::verbs::stored::{
    LINES_SHOWN, clean, clipped, keys_text, number_of, payload_lines, table,
};

/// The characters of a cause that a list shows.
const CAUSE: usize = 64;
/// The characters of keys and origins that a list shows.
const CELL: usize = 40;

/// The list of causes.
pub(super) fn groups(groups: &[DeadLetterGroup]) -> String {
    let rows: Vec<Vec<String>> = groups
        .iter()
        .map(|group| {
            let step = group.signature.step.as_ref();
            vec![
                group.id.to_string(),
                group.count(DeadLetterState::Open).to_string(),
                others(group),
                group.signature.flow.to_string(),
                step.map_or_else(|| "-".to_owned(), ToString::to_string),
                group.signature.code.to_string(),
                group.first.to_string(),
                group.last.to_string(),
                clipped(&group.example, CAUSE),
            ]
        })
        .collect();
    let head = [
        "GROUP",
        "OPEN",
        "OTHERS",
        "FLOW",
        "STEP",
        "CODE",
        "FIRST",
        "LAST",
        "CAUSE OF THE NEWEST",
    ];
    table(&head, &rows)
}

/// Those of a group that are not open.
fn others(group: &DeadLetterGroup) -> String {
    let states = [
        DeadLetterState::Redriving,
        DeadLetterState::Redriven,
        DeadLetterState::Archived,
    ];
    let some: Vec<String> = states
        .into_iter()
        .filter(|state| group.count(*state) != 0)
        .map(|state| format!("{} {state}", group.count(state)))
        .collect();
    if some.is_empty() {
        "-".to_owned()
    } else {
        some.join(", ")
    }
}

/// A list of dead letters.
pub(super) fn list(heads: &[DeadLetterHead]) -> String {
    let rows: Vec<Vec<String>> = heads
        .iter()
        .map(|head| {
            let facts = &head.facts;
            vec![
                head.id.to_string(),
                head.state.to_string(),
                facts.created.to_string(),
                facts.flow.to_string(),
                clipped(&keys_text(&facts.keys), CELL),
                clipped(&facts.origin.to_string(), CELL),
                clipped(
                    &format!("{}: {}", facts.cause.code, facts.cause.public),
                    CAUSE,
                ),
            ]
        })
        .collect();
    table(
        &["ID", "STATE", "GAVE UP", "FLOW", "KEYS", "ORIGIN", "CAUSE"],
        &rows,
    )
}

/// A dead letter with its message.
pub(super) fn whole(letter: &DeadLetter, full: bool) -> String {
    let (head, facts) = (&letter.head, &letter.head.facts);
    let mut text = format!(
        "dead letter {} of {}: {}\n",
        head.id, facts.flow, head.state
    );
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:8}  {}", clean(value));
        }
    };
    let cause = &facts.cause;
    let at = match &cause.step {
        Some(step) => format!(" at step `{step}`"),
        None => " before the first step".to_owned(),
    };
    fact("cause", &format!("{}{at}: {}", cause.code, cause.public));
    if cause.private != cause.public {
        fact("detail", &cause.private);
    }
    let offset = facts
        .origin
        .place
        .map_or(String::new(), |(_, at)| format!(" (byte {at})"));
    fact("origin", &format!("{}{offset}", facts.origin));
    fact("keys", &keys_text(&facts.keys));
    fact("attempts", &facts.attempts.to_string());
    fact("received", &facts.received.to_string());
    fact("gave up", &facts.created.to_string());
    fact("run", &facts.run.to_string());
    fact("release", &clipped(facts.release.as_str(), 15));
    fact("group", &head.group.to_string());
    if head.redrives != 0 {
        fact("redriven", &redrives(head));
    }
    let message = &letter.message;
    let (is_json, how) = match message.format {
        MessageFormat::Json => (true, "JSON"),
        MessageFormat::Bytes => (false, "bytes"),
        MessageFormat::Unread => (
            false,
            "as it came: it could not be read; send JSON in its place",
        ),
    };
    let size = number_of(message.body.len() as u64, "byte", "bytes");
    let lines = if full { usize::MAX } else { LINES_SHOWN };
    let _ = writeln!(text, "\npayload ({size}, {how})");
    text.push_str(&payload_lines(&message.body, is_json, "  ", lines));
    let parts = [
        ("params", &message.params),
        ("headers", &message.headers),
        ("position", &message.position),
    ];
    for (name, part) in parts {
        if let Some(part) = part {
            let _ = writeln!(text, "{name}");
            text.push_str(&payload_lines(part.as_bytes(), true, "  ", lines));
        }
    }
    text
}

fn redrives(head: &DeadLetterHead) -> String {
    let times = number_of(u64::from(head.redrives), "time", "times");
    let run = head
        .redrive_run
        .map_or(String::new(), |run| format!(", last by run {run}"));
    let fault = head.redrive_fault.as_ref();
    let fault = fault.map_or(String::new(), |fault| format!(", which failed: {fault}"));
    format!("{times}{run}{fault}")
}
