//! Requests for the owner: the one table that another process writes.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sluice_model::ids::{FlowName, RunId};
use sluice_model::time::Timestamp;

use crate::crc::RowCrc;
use crate::dead_letter::message::{MessageFormat, StoredMessage};
use crate::dead_letter::{DeadLetterFilter, DeadLetterId, DeadLetterState, GroupId};
use crate::error::StoreError;
use crate::request::{
    Action, NewRequest, Request, RequestId, RequestResult, RequestStatus, Selection,
};
use crate::run::{FAULT_TEXT_MAX, TEXT_MAX, clip};
use crate::sqlite::failure::{Done, rows as count, signed, unsigned};
use crate::sqlite::names::View;
use crate::sqlite::session::Txn;

const WAITING: i64 = 0;
const TAKEN: i64 = 1;
const FINISHED: i64 = 2;

/// The columns of a request, as they are stored.
#[derive(Default)]
struct RequestRow {
    action: i64,
    by: String,
    at: i64,
    ids: Option<String>,
    filter_flow: Option<String>,
    filter_group: Option<i64>,
    filter_state: Option<i64>,
    filter_run: Option<i64>,
    message: Option<StoredMessage>,
}

impl RequestRow {
    fn of(request: &NewRequest) -> Self {
        let mut row = Self {
            action: request.action.number(),
            by: clip(&request.by, TEXT_MAX).to_owned(),
            at: request.at.0,
            ..Self::default()
        };
        match &request.selection {
            Selection::Ids(ids) => {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                row.ids = Some(ids.join(" "));
            }
            Selection::Filter(filter) => {
                row.filter_flow = filter.flow.as_ref().map(|flow| flow.as_str().to_owned());
                row.filter_group = filter.group.map(|group| signed(group.0));
                row.filter_state = filter.state.map(DeadLetterState::number);
                row.filter_run = filter.run.map(|run| signed(run.0));
            }
        }
        if let Action::RedriveEdited(message) = &request.action {
            row.message = Some(message.clone());
        }
        row
    }

    fn crc(&self) -> i64 {
        let crc = RowCrc::of("requests")
            .int(self.action)
            .text(&self.by)
            .int(self.at)
            .opt_text(self.ids.as_deref())
            .opt_text(self.filter_flow.as_deref())
            .opt_int(self.filter_group)
            .opt_int(self.filter_state)
            .opt_int(self.filter_run);
        let crc = match &self.message {
            None => crc,
            Some(message) => crc
                .int(message.format.number())
                .int(i64::from(message.key_id))
                .opt_text(message.bytes_at.as_deref())
                .opt_text(message.params.as_deref())
                .opt_text(message.headers.as_deref())
                .opt_text(message.position.as_deref())
                .bytes(&message.body),
        };
        crc.finish()
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let format: Option<i64> = row.get("format")?;
        let message = match format.and_then(MessageFormat::from_number) {
            None => None,
            Some(format) => Some(StoredMessage {
                format,
                key_id: row.get("key_id")?,
                body: row.get("body")?,
                bytes_at: row.get("bytes_at")?,
                params: row.get("params")?,
                headers: row.get("headers")?,
                position: row.get("position")?,
            }),
        };
        Ok(Self {
            action: row.get("action")?,
            by: row.get("by")?,
            at: row.get("at")?,
            ids: row.get("ids")?,
            filter_flow: row.get("filter_flow")?,
            filter_group: row.get("filter_group")?,
            filter_state: row.get("filter_state")?,
            filter_run: row.get("filter_run")?,
            message,
        })
    }

    /// Returns what is wanted; `None` if the columns do not fit each other.
    fn wanted(self) -> Option<NewRequest> {
        let action = match (self.action, self.message) {
            (0, None) => Action::Redrive,
            (1, Some(message)) => Action::RedriveEdited(message),
            (2, None) => Action::Archive,
            (3, None) => Action::Reopen,
            _ => return None,
        };
        let selection = match self.ids {
            Some(ids) => {
                let ids = ids.split_ascii_whitespace();
                let ids: Result<Vec<_>, _> = ids.map(|id| id.parse().map(DeadLetterId)).collect();
                Selection::Ids(ids.ok()?)
            }
            None => Selection::Filter(DeadLetterFilter {
                flow: self.filter_flow.as_deref().map(FlowName::from),
                group: self.filter_group.map(|id| GroupId(unsigned(id))),
                state: match self.filter_state {
                    None => None,
                    Some(number) => Some(DeadLetterState::from_number(number)?),
                },
                run: self.filter_run.map(|id| RunId(unsigned(id))),
            }),
        };
        Some(NewRequest {
            action,
            selection,
            by: self.by,
            at: Timestamp(self.at),
        })
    }
}

/// Stores a request.
pub(super) fn put(conn: &Connection, request: &NewRequest) -> Done<RequestId> {
    let row = RequestRow::of(request);
    let message = row.message.as_ref();
    conn.prepare_cached(
        "INSERT INTO requests (state, action, \"by\", \"at\", ids, filter_flow, filter_group,
         filter_state, filter_run, format, key_id, bytes_at, params, headers, position, body, crc)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )?
    .execute(params![
        WAITING,
        row.action,
        row.by,
        row.at,
        row.ids,
        row.filter_flow,
        row.filter_group,
        row.filter_state,
        row.filter_run,
        message.map(|message| message.format.number()),
        message.map(|message| message.key_id),
        message.and_then(|message| message.bytes_at.as_deref()),
        message.and_then(|message| message.params.as_deref()),
        message.and_then(|message| message.headers.as_deref()),
        message.and_then(|message| message.position.as_deref()),
        message.map(|message| &message.body),
        row.crc(),
    ])?;
    Ok(RequestId(unsigned(conn.last_insert_rowid())))
}

/// Takes requests that wait. One that is damaged is finished instead, with what is wrong with it.
pub(super) fn take(txn: &mut Txn<'_>, limit: usize) -> Done<Vec<Request>> {
    let mut taken = Vec::new();
    let mut damaged = Vec::new();
    let mut statement = txn
        .conn
        .prepare_cached("SELECT * FROM requests WHERE state = ?1 ORDER BY id LIMIT ?2")?;
    let mut rows = statement.query((WAITING, count(limit)))?;
    while let Some(row) = rows.next()? {
        let id = RequestId(unsigned(row.get("id")?));
        let stored: i64 = row.get("crc")?;
        let row = RequestRow::read(row)?;
        let at = Timestamp(row.at);
        match Some(row)
            .filter(|row| row.crc() == stored)
            .and_then(RequestRow::wanted)
        {
            Some(wanted) => taken.push(Request { id, wanted }),
            None => damaged.push((id, at)),
        }
    }
    drop(rows);
    drop(statement);
    for (id, at) in damaged {
        let note = StoreError::corrupt("requests", id, "its checksum differs").to_string();
        let result = RequestResult {
            at,
            done: 0,
            failed: 0,
            note,
        };
        close(txn, id, WAITING, &result)?;
    }
    let mut take = txn
        .conn
        .prepare_cached("UPDATE requests SET state = ?1 WHERE id = ?2")?;
    for request in &taken {
        take.execute((TAKEN, signed(request.id.0)))?;
    }
    Ok(taken)
}

/// Stores what a request came to.
pub(super) fn finish(txn: &mut Txn<'_>, id: RequestId, result: &RequestResult) -> Done<()> {
    if close(txn, id, TAKEN, result)? {
        return Ok(());
    }
    Err(StoreError::conflict(format!("request {id} was not taken: it cannot be finished")).into())
}

fn close(txn: &Txn<'_>, id: RequestId, from: i64, result: &RequestResult) -> Done<bool> {
    let changed = txn
        .conn
        .prepare_cached(
            "UPDATE requests SET state = ?1, finished = ?2, done = ?3, failed = ?4, note = ?5
             WHERE id = ?6 AND state = ?7",
        )?
        .execute((
            FINISHED,
            result.at.0,
            signed(result.done),
            signed(result.failed),
            clip(&result.note, FAULT_TEXT_MAX),
            signed(id.0),
            from,
        ))?;
    Ok(changed == 1)
}

/// Lets the requests wait again that a process that died had taken.
pub(super) fn reopen_taken(txn: &Txn<'_>) -> Done<()> {
    txn.conn.execute(
        "UPDATE requests SET state = ?1 WHERE state = ?2",
        (WAITING, TAKEN),
    )?;
    Ok(())
}

/// Reads how far a request has come.
pub(super) fn status(view: &View<'_>, id: RequestId) -> Done<Option<RequestStatus>> {
    let status = view
        .conn
        .prepare_cached("SELECT state, finished, done, failed, note FROM requests WHERE id = ?1")?
        .query_row([signed(id.0)], |row| {
            Ok(match row.get(0)? {
                WAITING => RequestStatus::Waiting,
                TAKEN => RequestStatus::Taken,
                _ => RequestStatus::Finished(RequestResult {
                    at: Timestamp(row.get(1)?),
                    done: unsigned(row.get(2)?),
                    failed: unsigned(row.get(3)?),
                    note: row.get(4)?,
                }),
            })
        })
        .optional()?;
    Ok(status)
}
