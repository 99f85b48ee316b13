//! Dead letters: how they are read and listed.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{OptionalExtension, Row};
use sluice_model::fault::FaultCode;
use sluice_model::ids::{FlowName, ReleaseId, RunId, StepId};
use sluice_model::time::Timestamp;

use crate::crc::RowCrc;
use crate::dead_letter::message::{MessageFormat, StoredMessage};
use crate::dead_letter::{
    Cause, DeadLetter, DeadLetterFacts, DeadLetterFilter, DeadLetterGroup, DeadLetterHead,
    DeadLetterId, DeadLetterPage, DeadLetterState, GroupId, Signature,
};
use crate::error::StoreError;
use crate::run::{OriginKind, PAGE_MAX, RunOrigin};
use crate::sqlite::failure::{Done, rows, signed, unsigned};
use crate::sqlite::names::View;
use crate::sqlite::runs::keys;

/// The columns of a row without its message, as they are stored.
#[derive(Debug)]
pub(super) struct HeadRow {
    pub(super) id: i64,
    pub(super) group_id: i64,
    pub(super) state: i64,
    pub(super) changed: i64,
    pub(super) redrives: u32,
    pub(super) redrive_run: Option<i64>,
    pub(super) redrive_fault: Option<String>,
    pub(super) run: i64,
    pub(super) release: i64,
    pub(super) public: String,
    pub(super) private: String,
    pub(super) origin_kind: i64,
    pub(super) origin: Arc<str>,
    pub(super) origin_line: Option<i64>,
    pub(super) origin_offset: Option<i64>,
    pub(super) attempts: u32,
    pub(super) keys: Option<String>,
    pub(super) received: i64,
    pub(super) created: i64,
    pub(super) size: i64,
}

impl HeadRow {
    /// Returns the checksum of the row.
    pub(super) fn crc(&self) -> i64 {
        RowCrc::of("dead_letters")
            .int(self.id)
            .int(self.group_id)
            .int(self.state)
            .int(self.changed)
            .int(i64::from(self.redrives))
            .opt_int(self.redrive_run)
            .opt_text(self.redrive_fault.as_deref())
            .int(self.run)
            .int(self.release)
            .text(&self.public)
            .text(&self.private)
            .int(self.origin_kind)
            .text(&self.origin)
            .opt_int(self.origin_line)
            .opt_int(self.origin_offset)
            .int(i64::from(self.attempts))
            .opt_text(self.keys.as_deref())
            .int(self.received)
            .int(self.created)
            .int(self.size)
            .finish()
    }

    /// Returns the state.
    pub(super) fn state(&self) -> Result<DeadLetterState, StoreError> {
        DeadLetterState::from_number(self.state)
            .ok_or_else(|| StoreError::corrupt("dead_letters", self.id, "unknown state"))
    }

    /// Reads a row of `SELECT *`, and its checksum, which must fit.
    fn read(row: &Row<'_>) -> Done<Self> {
        let head = Self {
            id: row.get(0)?,
            group_id: row.get(1)?,
            state: row.get(2)?,
            changed: row.get(3)?,
            redrives: row.get(4)?,
            redrive_run: row.get(5)?,
            redrive_fault: row.get(6)?,
            run: row.get(7)?,
            release: row.get(8)?,
            public: row.get(9)?,
            private: row.get(10)?,
            origin_kind: row.get(11)?,
            origin: row.get(12)?,
            origin_line: row.get(13)?,
            origin_offset: row.get(14)?,
            attempts: row.get(15)?,
            keys: row.get(16)?,
            received: row.get(17)?,
            created: row.get(18)?,
            size: row.get(19)?,
        };
        if head.crc() == row.get::<_, i64>(20)? {
            Ok(head)
        } else {
            Err(StoreError::corrupt("dead_letters", head.id, "its checksum differs").into())
        }
    }
}

/// Reads the row of a dead letter, checked but for its message.
pub(super) fn head_row(view: &View<'_>, id: i64) -> Done<Option<HeadRow>> {
    let mut statement = view
        .conn
        .prepare_cached("SELECT * FROM dead_letters WHERE id = ?1")?;
    let mut rows = statement.query([id])?;
    rows.next()?.map(HeadRow::read).transpose()
}

fn message(row: &Row<'_>, id: i64) -> Done<StoredMessage> {
    let damaged = |detail: &str| StoreError::corrupt("dead_letters", id, detail);
    let stored: i64 = row.get(21)?;
    let message = StoredMessage {
        key_id: row.get(22)?,
        format: MessageFormat::from_number(row.get(23)?)
            .ok_or_else(|| damaged("unknown format"))?,
        bytes_at: row.get(24)?,
        params: row.get(25)?,
        headers: row.get(26)?,
        position: row.get(27)?,
        body: row.get(28)?,
    };
    if message_crc(id, &message) == stored {
        Ok(message)
    } else {
        Err(damaged("the checksum of its message differs").into())
    }
}

/// Returns the checksum of a message that belongs to the row `id`.
pub(super) fn message_crc(id: i64, message: &StoredMessage) -> i64 {
    RowCrc::of("dead_letters.message")
        .int(id)
        .int(i64::from(message.key_id))
        .int(message.format.number())
        .opt_text(message.bytes_at.as_deref())
        .opt_text(message.params.as_deref())
        .opt_text(message.headers.as_deref())
        .opt_text(message.position.as_deref())
        .bytes(&message.body)
        .finish()
}

/// Reads a dead letter with its message.
pub(super) fn one(view: &View<'_>, id: DeadLetterId) -> Done<Option<DeadLetter>> {
    let mut statement = view
        .conn
        .prepare_cached("SELECT * FROM dead_letters WHERE id = ?1")?;
    let mut rows = statement.query([signed(id.0)])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let head = head(view, HeadRow::read(row)?, &mut HashMap::new())?;
    let message = message(row, signed(id.0))?;
    Ok(Some(DeadLetter { head, message }))
}

fn head(
    view: &View<'_>,
    row: HeadRow,
    signatures: &mut HashMap<i64, Signature>,
) -> Done<DeadLetterHead> {
    let damaged = |detail: &str| StoreError::corrupt("dead_letters", row.id, detail);
    let signature = match signatures.get(&row.group_id) {
        Some(signature) => signature.clone(),
        None => {
            let found = groups(view, GroupsOf::Group(row.group_id))?;
            let group = found
                .into_iter()
                .next()
                .ok_or_else(|| damaged("its group is missing"))?;
            signatures.insert(row.group_id, group.signature.clone());
            group.signature
        }
    };
    let state = row.state()?;
    let kind = OriginKind::from_number(row.origin_kind)
        .ok_or_else(|| damaged("unknown kind of origin"))?;
    let keys = keys(row.keys)
        .ok_or_else(|| StoreError::corrupt("dead_letters", row.id, "its keys cannot be read"))?;
    let facts = DeadLetterFacts {
        flow: signature.flow,
        run: RunId(unsigned(row.run)),
        release: ReleaseId(view.name(row.release)?),
        cause: Cause {
            code: signature.code,
            public: row.public,
            private: row.private,
            step: signature.step,
        },
        origin: RunOrigin {
            kind,
            text: row.origin,
            place: row
                .origin_line
                .map(unsigned)
                .zip(row.origin_offset.map(unsigned)),
        },
        attempts: row.attempts,
        keys,
        received: Timestamp(row.received),
        created: Timestamp(row.created),
    };
    Ok(DeadLetterHead {
        id: DeadLetterId(unsigned(row.id)),
        group: GroupId(unsigned(row.group_id)),
        state,
        changed: Timestamp(row.changed),
        redrives: row.redrives,
        redrive_run: row.redrive_run.map(|id| RunId(unsigned(id))),
        redrive_fault: row.redrive_fault,
        size: unsigned(row.size),
        facts,
    })
}

/// Which groups are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum GroupsOf {
    Group(i64),
    Flow(i64),
    All,
}

/// Reads groups that have a dead letter or had one, those with the newest first.
pub(super) fn groups(view: &View<'_>, of: GroupsOf) -> Done<Vec<DeadLetterGroup>> {
    let (group, flow) = match of {
        GroupsOf::Group(id) => (Some(id), None),
        GroupsOf::Flow(id) => (None, Some(id)),
        GroupsOf::All => (None, None),
    };
    let mut statement = view.conn.prepare_cached(
        "SELECT id, flow, step, code, open, redriving, redriven, archived, first, last, example, crc
         FROM dead_letter_groups WHERE (?1 IS NULL OR id = ?1) AND (?2 IS NULL OR flow = ?2)
         ORDER BY last DESC, id DESC",
    )?;
    let mut rows = statement.query((group, flow))?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, step): (i64, i64) = (row.get(0)?, row.get(2)?);
        if group_crc(row.get(1)?, step, row.get(3)?) != row.get::<_, i64>(11)? {
            return Err(
                StoreError::corrupt("dead_letter_groups", id, "its checksum differs").into(),
            );
        }
        let signature = Signature {
            flow: FlowName(view.name(row.get(1)?)?),
            step: match step {
                0 => None,
                step => Some(StepId(view.name(step)?)),
            },
            code: FaultCode(view.name(row.get(3)?)?),
        };
        let mut counts = [0; 4];
        for (index, count) in counts.iter_mut().enumerate() {
            *count = unsigned(row.get(4 + index)?);
        }
        all.push(DeadLetterGroup {
            id: GroupId(unsigned(id)),
            signature,
            counts,
            first: Timestamp(row.get(8)?),
            last: Timestamp(row.get(9)?),
            example: row.get(10)?,
        });
    }
    Ok(all)
}

/// Returns the checksum of what the dead letters of a group have in common.
pub(super) fn group_crc(flow: i64, step: i64, code: i64) -> i64 {
    RowCrc::of("dead_letter_groups")
        .int(flow)
        .int(step)
        .int(code)
        .finish()
}

/// Reads the groups that have dead letters now.
pub(super) fn groups_now(view: &View<'_>, flow: Option<&FlowName>) -> Done<Vec<DeadLetterGroup>> {
    let of = match flow {
        None => GroupsOf::All,
        Some(flow) => match view.id(flow.as_str())? {
            None => return Ok(Vec::new()),
            Some(id) => GroupsOf::Flow(id),
        },
    };
    let mut all = groups(view, of)?;
    all.retain(|group| group.counts.iter().any(|count| *count != 0));
    Ok(all)
}

/// Lists dead letters, newest first.
pub(super) fn page(
    view: &View<'_>,
    filter: &DeadLetterFilter,
    before: Option<DeadLetterId>,
    limit: usize,
) -> Done<DeadLetterPage> {
    let limit = limit.clamp(1, PAGE_MAX);
    let below = before.map_or(i64::MAX, |id| signed(id.0));
    let mut ids = candidates(view, filter, below, limit + 1)?;
    let more = limit < ids.len();
    ids.truncate(limit);
    let mut page = DeadLetterPage::default();
    let mut signatures = HashMap::new();
    let mut statement = view
        .conn
        .prepare_cached("SELECT * FROM dead_letters WHERE id = ?1")?;
    for id in ids {
        let row = statement
            .query_row([id], |row| Ok(HeadRow::read(row)))
            .optional()?;
        if let Some(row) = row {
            page.dead_letters.push(head(view, row?, &mut signatures)?);
        }
    }
    if more {
        page.next = page.dead_letters.last().map(|head| head.id);
    }
    Ok(page)
}

/// Returns the greatest ids below `below` that fit the filter, descending.
fn candidates(
    view: &View<'_>,
    filter: &DeadLetterFilter,
    below: i64,
    limit: usize,
) -> Done<Vec<i64>> {
    let flow = match &filter.flow {
        None => None,
        Some(flow) => match view.id(flow.as_str())? {
            None => return Ok(Vec::new()),
            id => id,
        },
    };
    let group = filter.group.map(|group| signed(group.0));
    let state = filter.state.map(DeadLetterState::number);
    if let Some(run) = filter.run {
        let found: Result<Vec<i64>, _> = view
            .conn
            .prepare_cached(
                "SELECT l.id FROM dead_letters l JOIN dead_letter_groups g ON g.id = l.group_id
                 WHERE l.run = ?1 AND (?2 IS NULL OR l.group_id = ?2)
                 AND (?3 IS NULL OR g.flow = ?3) AND (?4 IS NULL OR l.state = ?4) AND l.id < ?5
                 ORDER BY l.id DESC LIMIT ?6",
            )?
            .query_map(
                (signed(run.0), group, flow, state, below, rows(limit)),
                |row| row.get(0),
            )?
            .collect();
        return Ok(found?);
    }
    let of = match (group, flow) {
        (Some(group), _) => GroupsOf::Group(group),
        (None, Some(flow)) => GroupsOf::Flow(flow),
        (None, None) => GroupsOf::All,
    };
    let mut statement = view.conn.prepare_cached(
        "SELECT id FROM dead_letters WHERE group_id = ?1 AND state = ?2 AND id < ?3
         ORDER BY id DESC LIMIT ?4",
    )?;
    let mut all: Vec<i64> = Vec::new();
    for group in groups(view, of)? {
        if filter
            .flow
            .as_ref()
            .is_some_and(|flow| *flow != group.signature.flow)
        {
            continue;
        }
        for one in DeadLetterState::ALL {
            if group.count(one) == 0 || filter.state.is_some_and(|state| state != one) {
                continue;
            }
            let params = (signed(group.id.0), one.number(), below, rows(limit));
            for id in statement.query_map(params, |row| row.get(0))? {
                all.push(id?);
            }
        }
    }
    all.sort_unstable_by(|one, other| other.cmp(one));
    all.truncate(limit);
    Ok(all)
}
