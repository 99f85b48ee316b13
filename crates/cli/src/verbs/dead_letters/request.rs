//! Requests to the process that runs the project: redrive, archive, reopen.

use std::io::{IsTerminal, Write as _};
use std::path::Path;
use std::time::Duration;

use sluice_model::ids::FlowName;
use sluice_model::value::Value;
use sluice_store::dead_letter::message::{MessageFormat, StoredMessage};
use sluice_store::dead_letter::{
    DeadLetterFilter, DeadLetterHead, DeadLetterId, DeadLetterState, GroupId,
};
use sluice_store::request::{
    Action, NewRequest, RequestId, RequestResult, RequestStatus, SELECTION_MAX, Selection,
};
use sluice_store::store::StoreReader;

use super::{Chosen, group_of, letter_of, search, unknown};
use crate::exit::{FAILED, OK, usage};
use crate::output;
use crate::verbs::stored::{self, Stored, number_of};

/// How often it is asked how far a request has come.
const POLL_EVERY: Duration = Duration::from_millis(100);
/// After how many of these it is looked whether there is an owner still, and what is left.
const LOOK_EVERY: u32 = 10;
/// The most failures that are told one by one.
const FAILURES_TOLD: usize = 20;

/// What a verb does with dead letters.
pub(super) struct Deed {
    action: Action,
    /// The state that a dead letter must be in.
    from: DeadLetterState,
    /// The verb, for suggestions.
    verb: &'static str,
    /// What it is called once it worked.
    done: &'static str,
}

/// Sends open ones again.
const REDRIVE: Deed = Deed {
    action: Action::Redrive,
    from: DeadLetterState::Open,
    verb: "redrive",
    done: "redriven",
};
/// Puts open ones away.
pub(super) const ARCHIVE: Deed = Deed {
    action: Action::Archive,
    from: DeadLetterState::Open,
    verb: "archive",
    done: "archived",
};
/// Takes archived ones out.
pub(super) const REOPEN: Deed = Deed {
    action: Action::Reopen,
    from: DeadLetterState::Archived,
    verb: "reopen",
    done: "open",
};

/// Sends dead letters again, one of them with another payload if one is given.
pub(super) fn redrive(chosen: &Chosen, payload: Option<&Path>) -> anyhow::Result<u8> {
    let Some(payload) = payload else {
        return put(chosen, &REDRIVE);
    };
    let (ids, project) = stored::split_project(&chosen.words);
    let [id] = &numbers(&ids)?[..] else {
        return Err(usage(
            "`--payload` replaces the payload of one dead letter: name its id, and only that",
        ));
    };
    let bytes = stored::read_input(payload)?;
    let stored = Stored::open(&project, &chosen.environment)?;
    let message = edited(letter_of(&stored, id.0)?.message, &bytes)?;
    carry_out(
        &stored,
        chosen,
        &Deed {
            action: Action::RedriveEdited(message),
            ..REDRIVE
        },
        &ids,
    )
}

/// Does something with dead letters as they are.
pub(super) fn put(chosen: &Chosen, deed: &Deed) -> anyhow::Result<u8> {
    let (ids, project) = stored::split_project(&chosen.words);
    let stored = Stored::open(&project, &chosen.environment)?;
    carry_out(&stored, chosen, deed, &ids)
}

/// Returns a message with another payload.
fn edited(message: StoredMessage, bytes: &[u8]) -> anyhow::Result<StoredMessage> {
    if message.format == MessageFormat::Bytes {
        return Ok(StoredMessage {
            body: bytes.into(),
            ..message
        });
    }
    let places = message.bytes_at.clone();
    let mut edited = message.with_json(bytes);
    edited
        .payload()
        .map_err(|fault| usage(format!("the payload is not sent: {}", fault.public())))?;
    // What was bytes, and is base 64 still, is bytes again; what was edited away is not.
    let still = places.iter().flat_map(|all| all.lines()).filter(|place| {
        let alone = StoredMessage {
            bytes_at: Some((*place).into()),
            ..edited.clone()
        };
        alone.payload().is_ok()
    });
    let still: Vec<&str> = still.collect();
    edited.bytes_at = (!still.is_empty()).then(|| still.join("\n").into());
    Ok(edited)
}

fn numbers(ids: &[&str]) -> anyhow::Result<Vec<DeadLetterId>> {
    let read = |id: &&str| {
        let wrong = |_| {
            usage(format!(
                "`{}` is not the id of a dead letter",
                stored::clean(id)
            ))
        };
        id.parse().map(DeadLetterId).map_err(wrong)
    };
    ids.iter().map(read).collect()
}

/// What a command came to.
enum Came {
    /// No dead letter is meant.
    Nothing,
    /// The request waits for a process that runs the project.
    Waiting(RequestId),
    /// It is done.
    Finished(RequestId, RequestResult),
}

fn carry_out(stored: &Stored, chosen: &Chosen, deed: &Deed, ids: &[&str]) -> anyhow::Result<u8> {
    let json = stored::is_json(chosen.output)?;
    let Some((selection, meant)) = select(stored, chosen, deed, ids)? else {
        return tell(stored, json, deed, None, &Came::Nothing);
    };
    let at = stored.cx.now();
    let wanted = NewRequest {
        action: deed.action.clone(),
        selection: selection.clone(),
        by: user(),
        at,
    };
    let id = stored.wait(stored.reader.request(wanted))?;
    let came = match chosen.no_wait {
        true => Came::Waiting(id),
        false => wait(stored, id, &selection, meant)?,
    };
    tell(stored, json, deed, Some(&selection), &came)
}

/// Who asks.
fn user() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "the environment is read in `cli`"
    )]
    let name = std::env::var("USER").ok().filter(|name| !name.is_empty());
    name.unwrap_or_else(|| "unknown".to_owned())
}

/// Returns which dead letters are meant, and how many; `None` if none is in the state for it.
fn select(
    stored: &Stored,
    chosen: &Chosen,
    deed: &Deed,
    ids: &[&str],
) -> anyhow::Result<Option<(Selection, u64)>> {
    let filtered = chosen.all || chosen.group.is_some() || chosen.flow.is_some();
    match (ids.is_empty(), filtered) {
        (true, false) => Err(usage(
            "say which dead letters: their ids, `--group ID`, `--flow FLOW` or `--all`",
        )),
        (false, true) => Err(usage(
            "name ids, or choose by `--group`, `--flow` or `--all`: not both",
        )),
        (false, false) => by_id(stored, deed, &numbers(ids)?),
        (true, true) => {
            let flow = chosen.flow.as_deref().map(FlowName::from);
            stored.check_flow(flow.as_ref())?;
            if let Some(group) = chosen.group {
                group_of(stored, group)?;
            }
            let group = chosen.group.map(GroupId);
            let filter = DeadLetterFilter {
                flow,
                group,
                state: Some(deed.from),
                run: None,
            };
            let meant = left(stored, &filter)?;
            Ok((meant != 0).then_some((Selection::Filter(filter), meant)))
        }
    }
}

/// Returns how many dead letters a filter finds now.
fn left(stored: &Stored, filter: &DeadLetterFilter) -> anyhow::Result<u64> {
    let groups = stored.wait(stored.reader.dead_letter_groups(filter.flow.as_ref()))?;
    let meant = groups
        .iter()
        .filter(|one| filter.group.is_none_or(|group| group == one.id));
    Ok(meant
        .map(|one| filter.state.map_or(0, |state| one.count(state)))
        .sum())
}

fn by_id(
    stored: &Stored,
    deed: &Deed,
    ids: &[DeadLetterId],
) -> anyhow::Result<Option<(Selection, u64)>> {
    if SELECTION_MAX < ids.len() {
        return Err(usage(format!(
            "{} ids are more than the limit of {SELECTION_MAX}: choose by `--group` or `--flow`",
            ids.len()
        )));
    }
    let mut meant = Vec::new();
    for id in ids {
        let head = head_of(stored, *id)?.ok_or_else(|| unknown(stored, id.0))?;
        if head.state == deed.from {
            meant.push(*id);
        } else {
            output::say(&format!(
                "note: dead letter {id} is left out: it is {}, not {}",
                head.state, deed.from
            ));
        }
    }
    let count = meant.len() as u64;
    Ok((count != 0).then_some((Selection::Ids(meant), count)))
}

/// Returns a dead letter without its message.
fn head_of(stored: &Stored, id: DeadLetterId) -> anyhow::Result<Option<DeadLetterHead>> {
    let above = Some(DeadLetterId(id.0.saturating_add(1)));
    let (heads, _) = search(stored, &DeadLetterFilter::default(), above, 1)?;
    Ok(heads.into_iter().next().filter(|head| head.id == id))
}

/// Waits for the result, as long as there is a process that can bring it about.
fn wait(stored: &Stored, id: RequestId, selection: &Selection, meant: u64) -> anyhow::Result<Came> {
    let terminal = std::io::stderr().is_terminal();
    let mut looks: u32 = 0;
    let came = loop {
        if let Some(RequestStatus::Finished(result)) =
            stored.wait(stored.reader.request_status(id))?
        {
            break Came::Finished(id, result);
        }
        if looks.is_multiple_of(LOOK_EVERY) {
            if stored.reader.owner()?.is_none() {
                break Came::Waiting(id);
            }
            if terminal {
                progress(stored, selection, meant)?;
            }
        }
        looks = looks.wrapping_add(1);
        stored.sleep(POLL_EVERY);
    };
    if terminal {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    Ok(came)
}

/// Shows on one line how many there are still.
fn progress(stored: &Stored, selection: &Selection, meant: u64) -> anyhow::Result<()> {
    let text = match selection {
        Selection::Ids(_) => format!("waiting for {}", number_of(meant, "result", "results")),
        Selection::Filter(filter) => format!("{} of {meant} are left", left(stored, filter)?),
    };
    let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
    Ok(())
}

/// Tells the result, and returns the exit code for it.
fn tell(
    stored: &Stored,
    json: bool,
    deed: &Deed,
    selection: Option<&Selection>,
    came: &Came,
) -> anyhow::Result<u8> {
    let (status, id, result) = match came {
        Came::Nothing => ("nothing", None, None),
        Came::Waiting(id) => ("waiting", Some(*id), None),
        Came::Finished(id, result) => ("finished", Some(*id), Some(result)),
    };
    let (done, failed) = result.map_or((0, 0), |result| (result.done, result.failed));
    let note = result
        .map(|result| result.note.as_str())
        .filter(|note| !note.is_empty());
    let failures = match (selection, failed) {
        (Some(selection), 1..) => failures(stored, selection)?,
        _ => Vec::new(),
    };
    if json {
        let told = failures.iter().map(|head| {
            let fault = stored::optional(head.redrive_fault.as_ref());
            stored::record([("id", stored::count(head.id.0)), ("fault", fault)])
        });
        stored::print_json(&stored::record([
            ("request", id.map_or(Value::Null, |id| stored::count(id.0))),
            ("status", stored::text(status)),
            ("done", stored::count(done)),
            ("failed", stored::count(failed)),
            ("note", stored::optional(note)),
            ("failures", Value::List(told.collect())),
        ]))?;
    }
    match came {
        Came::Nothing => {
            output::say(&format!(
                "there is no {} dead letter to {}",
                deed.from, deed.verb
            ));
        }
        Came::Waiting(id) => tell_waiting(stored, *id)?,
        Came::Finished(..) => {
            if !json {
                output::line(&format!("{done} {}, {failed} failed", deed.done))?;
            }
            if let Some(note) = note {
                output::say(&format!("note: {}", stored::clean(note)));
            }
            tell_next(stored, deed, &failures, failed);
        }
    }
    // A note without a number is why nothing came of it.
    let nothing = result.is_some() && done == 0 && note.is_some();
    Ok(if failed != 0 || nothing { FAILED } else { OK })
}

fn tell_waiting(stored: &Stored, id: RequestId) -> anyhow::Result<()> {
    match stored.reader.owner()? {
        Some(owner) => {
            let owner = stored::clean(&owner);
            output::say(&format!("request {id} is kept: {owner} carries it out"));
        }
        None => output::say(&format!(
            "no process runs this project: request {id} is kept, and carried out once {} does",
            stored.command("run")
        )),
    }
    Ok(())
}

/// Returns dead letters of a selection that were sent again and failed.
fn failures(stored: &Stored, selection: &Selection) -> anyhow::Result<Vec<DeadLetterHead>> {
    let heads = match selection {
        Selection::Filter(filter) => search(stored, filter, None, FAILURES_TOLD)?.0,
        Selection::Ids(ids) => {
            let mut heads = Vec::new();
            for id in ids {
                heads.extend(head_of(stored, *id)?);
            }
            heads
        }
    };
    let failed =
        |head: &DeadLetterHead| head.state == DeadLetterState::Open && head.redrive_fault.is_some();
    Ok(heads
        .into_iter()
        .filter(failed)
        .take(FAILURES_TOLD)
        .collect())
}

fn tell_next(stored: &Stored, deed: &Deed, failures: &[DeadLetterHead], failed: u64) {
    for head in failures {
        let fault = head.redrive_fault.as_deref().unwrap_or_default();
        output::say(&format!(
            "  dead letter {}: {}",
            head.id,
            stored::clean(fault)
        ));
    }
    if failures.len() as u64 != failed {
        output::say(&format!("  {failed} in all"));
    }
    match failures.first() {
        Some(head) => {
            let show = stored.command(&format!("dead-letters show {}", head.id));
            output::say(&format!("next: {show} shows its cause and its message"));
        }
        None if deed.from == DeadLetterState::Archived => {
            output::say(&format!(
                "next: {} lists them",
                stored.command("dead-letters list")
            ));
        }
        None => {
            let counts = stored.command("runs counts");
            output::say(&format!("next: {counts} shows whether the sums balance"));
        }
    }
}

#[cfg(test)]
mod tests {
    use sluice_store::dead_letter::message::{MessageFormat, StoredMessage, StoredPayloadValue};

    use super::edited;

    fn message(format: MessageFormat, body: &str, bytes_at: Option<&str>) -> StoredMessage {
        StoredMessage {
            format,
            key_id: 0,
            body: body.as_bytes().into(),
            bytes_at: bytes_at.map(Into::into),
            params: None,
            headers: None,
            position: None,
        }
    }

    #[test]
    fn an_edited_payload_keeps_its_bytes_where_they_are_still() {
        let old = r#"{"scan":"AP8=","note":"AP8=","gone":"AP8="}"#;
        let old = message(MessageFormat::Json, old, Some("/scan\n/note\n/gone\n"));
        let new = edited(old, br#"{"scan":"AP8A","note":"no base 64"}"#).unwrap();
        assert_eq!(new.bytes_at.as_deref(), Some("/scan"));
        let StoredPayloadValue::Value(value) = new.payload().unwrap() else {
            panic!("it is read")
        };
        assert_eq!(value.get("note").unwrap().as_str(), Some("no base 64"));
        assert_eq!(value.get("scan").unwrap().kind(), "bytes");
    }

    #[test]
    fn bytes_are_replaced_by_bytes_and_what_was_unread_by_json() {
        let bytes = edited(message(MessageFormat::Bytes, "a", None), b"\xff").unwrap();
        assert_eq!(
            (bytes.format, &*bytes.body),
            (MessageFormat::Bytes, &b"\xff"[..])
        );
        let unread = edited(message(MessageFormat::Unread, "1;2", None), b"{\"a\":1}").unwrap();
        assert_eq!(unread.format, MessageFormat::Json);
        let bad = edited(message(MessageFormat::Unread, "1;2", None), b"1;2").unwrap_err();
        assert!(
            bad.to_string().starts_with("the payload is not sent: "),
            "{bad}"
        );
    }
}
