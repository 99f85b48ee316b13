//! Dead letters: how they are written and change their state.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{OptionalExtension, params};
use sluice_model::time::Timestamp;

use crate::dead_letter::message::StoredMessage;
use crate::dead_letter::{
    CLAIM_BYTES, Claimed, DeadLetterId, DeadLetterState, NewDeadLetter, RedriveResult,
};
use crate::error::StoreError;
use crate::run::{FAULT_TEXT_MAX, TEXT_MAX, clip};
use crate::sqlite::failure::{Done, Failure, signed};
use crate::sqlite::read_dead_letters::{self, HeadRow, group_crc, head_row, message_crc};
use crate::sqlite::runs::keys_text;
use crate::sqlite::session::{Txn, run_id};

/// The ids of groups by their flow, step and code.
pub(super) type GroupIds = HashMap<(i64, i64, i64), i64>;

/// What a transaction changes in a group.
#[derive(Debug, Default)]
pub(super) struct GroupChange {
    counts: [i64; 4],
    newest: Option<(Timestamp, Arc<str>)>,
}

/// Stores a dead letter.
pub(super) fn put(txn: &mut Txn<'_>, letter: &NewDeadLetter) -> Done<DeadLetterId> {
    let (facts, message) = (&letter.facts, &letter.message);
    let release = txn.name(facts.release.as_str())?;
    let group_id = group_of(txn, letter)?;
    let (line, offset) = facts.origin.place.unzip();
    let row = HeadRow {
        id: txn.state.dead_letter + 1,
        group_id,
        state: DeadLetterState::Open.number(),
        changed: facts.created.0,
        redrives: 0,
        redrive_run: None,
        redrive_fault: None,
        run: run_id(facts.run)?,
        release,
        public: clip(&facts.cause.public, FAULT_TEXT_MAX).to_owned(),
        private: clip(&facts.cause.private, FAULT_TEXT_MAX).to_owned(),
        origin_kind: facts.origin.kind.number(),
        origin: clip(&facts.origin.text, TEXT_MAX).into(),
        origin_line: line.map(signed),
        origin_offset: offset.map(signed),
        attempts: facts.attempts,
        keys: keys_text(&facts.keys),
        received: facts.received.0,
        created: facts.created.0,
        size: signed(message.size() as u64),
    };
    insert(txn, &row, message)?;
    txn.state.dead_letter = row.id;
    let change = txn.groups.entry(group_id).or_default();
    change.counts[DeadLetterState::Open as usize] += 1;
    if change
        .newest
        .as_ref()
        .is_none_or(|(at, _)| *at <= facts.created)
    {
        change.newest = Some((facts.created, row.public.into()));
    }
    Ok(DeadLetterId(u64::try_from(row.id).unwrap_or(0)))
}

/// Inserts the row of a dead letter.
fn insert(txn: &Txn<'_>, row: &HeadRow, message: &StoredMessage) -> Done<()> {
    let mut insert = txn.conn.prepare_cached(
        "INSERT INTO dead_letters VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
         ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29)",
    )?;
    insert.execute(params![
        row.id,
        row.group_id,
        row.state,
        row.changed,
        row.redrives,
        row.redrive_run,
        row.redrive_fault,
        row.run,
        row.release,
        row.public,
        row.private,
        row.origin_kind,
        row.origin,
        row.origin_line,
        row.origin_offset,
        row.attempts,
        row.keys,
        row.received,
        row.created,
        row.size,
        row.crc(),
        message_crc(row.id, message),
        message.key_id,
        message.format.number(),
        message.bytes_at,
        message.params,
        message.headers,
        message.position,
        message.body,
    ])?;
    Ok(())
}

/// Returns the id of a dead letter's group; its row is there when this returns.
fn group_of(txn: &mut Txn<'_>, letter: &NewDeadLetter) -> Done<i64> {
    let facts = &letter.facts;
    let flow = txn.name(facts.flow.as_str())?;
    let step = match &facts.cause.step {
        Some(step) => txn.name(step.as_str())?,
        None => 0,
    };
    let code = txn.name(&facts.cause.code.0)?;
    if let Some(id) = txn.group_ids.get(&(flow, step, code)) {
        return Ok(*id);
    }
    txn.conn
        .prepare_cached(
            "INSERT INTO dead_letter_groups
             (flow, step, code, crc, open, redriving, redriven, archived, first, last, example)
             VALUES (?1, ?2, ?3, ?4, 0, 0, 0, 0, ?5, ?5, '')
             ON CONFLICT (flow, step, code) DO NOTHING",
        )?
        .execute((
            flow,
            step,
            code,
            group_crc(flow, step, code),
            facts.created.0,
        ))?;
    let id = txn
        .conn
        .prepare_cached(
            "SELECT id FROM dead_letter_groups WHERE flow = ?1 AND step = ?2 AND code = ?3",
        )?
        .query_row((flow, step, code), |row| row.get(0))?;
    txn.group_ids.insert((flow, step, code), id);
    Ok(id)
}

/// Writes what was gathered for groups.
pub(super) fn flush(txn: &mut Txn<'_>) -> Done<()> {
    for (group, change) in std::mem::take(&mut txn.groups) {
        let [open, redriving, redriven, archived] = change.counts;
        txn.conn
            .prepare_cached(
                "UPDATE dead_letter_groups SET open = open + ?2, redriving = redriving + ?3,
                 redriven = redriven + ?4, archived = archived + ?5 WHERE id = ?1",
            )?
            .execute((group, open, redriving, redriven, archived))?;
        if let Some((at, example)) = change.newest {
            txn.conn
                .prepare_cached(
                    "UPDATE dead_letter_groups SET last = ?2, example = ?3
                     WHERE id = ?1 AND last <= ?2",
                )?
                .execute((group, at.0, example))?;
        }
    }
    Ok(())
}

/// Counts a dead letter that is deleted.
pub(super) fn forget(txn: &mut Txn<'_>, group: i64, state: DeadLetterState) {
    txn.groups.entry(group).or_default().counts[state as usize] -= 1;
}

/// Changes the state of a dead letter from one of `from`; returns whether it was in one.
///
/// `edit` changes what else changes with it.
pub(super) fn change(
    txn: &mut Txn<'_>,
    id: DeadLetterId,
    (from, to): (&[DeadLetterState], DeadLetterState),
    at: Timestamp,
    edit: impl FnOnce(&mut HeadRow),
) -> Done<bool> {
    let Some(mut row) = head_row(&txn.view(), signed(id.0))? else {
        return Ok(false);
    };
    let state = row.state()?;
    if !from.contains(&state) {
        return Ok(false);
    }
    row.state = to.number();
    row.changed = at.0;
    edit(&mut row);
    txn.conn
        .prepare_cached(
            "UPDATE dead_letters SET state = ?2, changed = ?3, redrives = ?4, redrive_run = ?5,
             redrive_fault = ?6, crc = ?7 WHERE id = ?1",
        )?
        .execute((
            row.id,
            row.state,
            row.changed,
            row.redrives,
            row.redrive_run,
            &row.redrive_fault,
            row.crc(),
        ))?;
    let counts = &mut txn.groups.entry(row.group_id).or_default().counts;
    counts[state as usize] -= 1;
    counts[to as usize] += 1;
    Ok(true)
}

/// Stores what became of a dead letter that was sent again.
pub(super) fn settle(txn: &mut Txn<'_>, result: &RedriveResult) -> Done<()> {
    let run = run_id(result.run)?;
    let to = match &result.fault {
        None => DeadLetterState::Redriven,
        Some(_) => DeadLetterState::Open,
    };
    let step = (&[DeadLetterState::Redriving][..], to);
    let fault = result
        .fault
        .as_deref()
        .map(|text| clip(text, FAULT_TEXT_MAX).to_owned());
    let changed = change(txn, result.id, step, result.at, |row| {
        row.redrives = row.redrives.saturating_add(1);
        row.redrive_run = Some(run);
        row.redrive_fault = fault;
    })?;
    if changed {
        return Ok(());
    }
    let state: Option<i64> = txn
        .conn
        .prepare_cached("SELECT state FROM dead_letters WHERE id = ?1")?
        .query_row([signed(result.id.0)], |row| row.get(0))
        .optional()?;
    let is = match state.map(DeadLetterState::from_number) {
        None => "not there",
        Some(None) => "in an unknown state",
        Some(Some(state)) => state.as_str(),
    };
    Err(StoreError::conflict(format!(
        "dead letter {} is {is}, not redriving: it cannot be settled",
        result.id
    ))
    .into())
}

/// Takes those of `ids` that are open, to be sent again.
///
/// One whose message is damaged stays open and says so: it does not stop the others.
pub(super) fn claim(txn: &mut Txn<'_>, ids: &[DeadLetterId], now: Timestamp) -> Done<Claimed> {
    let mut claimed = Vec::new();
    let mut bytes = 0_u64;
    for (index, id) in ids.iter().enumerate() {
        if CLAIM_BYTES <= bytes {
            return Ok(Claimed {
                dead_letters: claimed,
                rest: ids[index..].to_vec(),
            });
        }
        let open = &[DeadLetterState::Open][..];
        let changed = match change(txn, *id, (open, DeadLetterState::Redriving), now, |_| {}) {
            Err(Failure::Store(StoreError::Corrupt { .. })) => continue,
            changed => changed?,
        };
        if !changed {
            continue;
        }
        match read_dead_letters::one(&txn.view(), *id) {
            Ok(letter) => {
                bytes += letter.as_ref().map_or(0, |letter| letter.head.size);
                claimed.extend(letter);
            }
            Err(Failure::Store(error @ StoreError::Corrupt { .. })) => {
                let back = (&[DeadLetterState::Redriving][..], DeadLetterState::Open);
                change(txn, *id, back, now, |row| {
                    row.redrive_fault = Some(error.to_string());
                })?;
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(Claimed {
        dead_letters: claimed,
        rest: Vec::new(),
    })
}

/// Archives open dead letters, or opens archived and claimed ones; returns how many changed.
pub(super) fn set(
    txn: &mut Txn<'_>,
    ids: &[DeadLetterId],
    to: DeadLetterState,
    now: Timestamp,
) -> Done<u64> {
    let from: &[DeadLetterState] = match to {
        DeadLetterState::Archived => &[DeadLetterState::Open],
        DeadLetterState::Open => &[DeadLetterState::Archived, DeadLetterState::Redriving],
        DeadLetterState::Redriving | DeadLetterState::Redriven => {
            return Err(StoreError::conflict(format!(
                "dead letters become {to} by being sent again, not by being set"
            ))
            .into());
        }
    };
    let mut count = 0;
    for id in ids {
        count += u64::from(change(txn, *id, (from, to), now, |_| {})?);
    }
    Ok(count)
}

/// Opens the dead letters again that a process that died had taken.
pub(super) fn reopen_claimed(txn: &mut Txn<'_>) -> Done<()> {
    let claimed: Result<Vec<(i64, i64)>, _> = txn
        .conn
        .prepare(
            "SELECT l.id, l.changed FROM dead_letter_groups g
             JOIN dead_letters l ON l.group_id = g.id AND l.state = ?1 WHERE 0 < g.redriving",
        )?
        .query_map([DeadLetterState::Redriving.number()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect();
    for (id, changed) in claimed? {
        let id = DeadLetterId(u64::try_from(id).unwrap_or(0));
        let step = (&[DeadLetterState::Redriving][..], DeadLetterState::Open);
        change(txn, id, step, Timestamp(changed), |_| {})?;
    }
    Ok(())
}
