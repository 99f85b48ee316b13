//! Run summaries as rows.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{ErrorCode, Row, params};
use sluice_model::fault::FaultCode;
use sluice_model::ids::{EnvironmentName, FlowName, ReleaseId, RunId, StepId};
use sluice_model::json;
use sluice_model::projection::Projection;
use sluice_model::time::Timestamp;
use sluice_model::value::Value;

use crate::error::StoreError;
use crate::run::{
    BusinessKey, FAULT_TEXT_MAX, OriginKind, Outcome, RunDetail, RunFault, RunOrigin, RunSummary,
    TEXT_MAX, clip,
};
use crate::run_id::instant;
use crate::sqlite::failure::{Done, signed, unsigned};
use crate::sqlite::names::View;
use crate::sqlite::session::{Txn, run_id};
use crate::sqlite::steps::{self, micros};
use crate::sqlite::terms;

/// Stores a summary.
pub(super) fn put(txn: &mut Txn<'_>, run: &RunSummary) -> Done<()> {
    let id = run_id(run.id)?;
    let flow = txn.name(run.flow.as_str())?;
    let release = txn.name(run.release.as_str())?;
    let environment = txn.name(run.environment.as_str())?;
    let fault = run.fault.as_ref();
    let fault_code = match fault {
        Some(fault) => Some(txn.name(&fault.code.0)?),
        None => None,
    };
    let fault_step = match fault.and_then(|fault| fault.step.as_ref()) {
        Some(step) => Some(txn.name(step.as_str())?),
        None => None,
    };
    let (line, offset) = run.origin.place.unzip();
    let parent = run.parent.map(run_id).transpose()?;
    let mut insert = txn.conn.prepare_cached(
        "INSERT INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
         ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
    )?;
    let row = params![
        id,
        flow,
        run.outcome.number(),
        release,
        environment,
        run.started.0,
        micros(run.duration),
        run.attempts,
        run.has_steps,
        run.origin.kind.number(),
        clip(&run.origin.text, TEXT_MAX),
        line.map(signed),
        offset.map(signed),
        keys_text(&run.keys),
        run.correlation.as_deref().map(|text| clip(text, TEXT_MAX)),
        run.trace.as_deref().map(|text| clip(text, TEXT_MAX)),
        parent,
        fault_code,
        fault.map(|fault| clip(&fault.public, FAULT_TEXT_MAX)),
        fault_step,
    ];
    // `INSERT OR REPLACE` would keep a journal for each row, for what hardly ever happens.
    if let Err(error) = insert.execute(row) {
        if error.sqlite_error_code() != Some(ErrorCode::ConstraintViolation) {
            return Err(error.into());
        }
        txn.conn
            .prepare_cached("DELETE FROM runs WHERE id = ?1")?
            .execute([id])?;
        insert.execute(row)?;
    }
    drop(insert);
    let slack = instant(run.id).millis().abs_diff(run.started.millis());
    txn.state.clock_slack = txn.state.clock_slack.max(signed(slack));
    terms::add(txn, id, run);
    Ok(())
}

/// Reads a run with its steps.
pub(super) fn one(view: &View<'_>, id: RunId) -> Done<Option<RunDetail>> {
    let id = signed(id.0);
    let Some(summary) = summary(view, id)? else {
        return Ok(None);
    };
    let steps = steps::of_run(view, id)?;
    Ok(Some(RunDetail { summary, steps }))
}

/// Reads a run's summary.
pub(super) fn summary(view: &View<'_>, id: i64) -> Done<Option<RunSummary>> {
    let mut statement = view
        .conn
        .prepare_cached("SELECT * FROM runs WHERE id = ?1")?;
    let mut rows = statement.query([id])?;
    match rows.next()? {
        Some(row) => Ok(Some(read(view, row)?)),
        None => Ok(None),
    }
}

fn read(view: &View<'_>, row: &Row<'_>) -> Done<RunSummary> {
    let id = RunId(unsigned(row.get(0)?));
    let damaged = |detail: &str| StoreError::corrupt("runs", id, detail);
    let fault = match row.get::<_, Option<i64>>(17)? {
        None => None,
        Some(code) => Some(RunFault {
            code: FaultCode(view.name(code)?),
            public: row.get::<_, Option<String>>(18)?.unwrap_or_default(),
            step: match row.get::<_, Option<i64>>(19)? {
                Some(step) => Some(StepId(view.name(step)?)),
                None => None,
            },
        }),
    };
    Ok(RunSummary {
        id,
        flow: FlowName(view.name(row.get(1)?)?),
        release: ReleaseId(view.name(row.get(3)?)?),
        environment: EnvironmentName(view.name(row.get(4)?)?),
        started: Timestamp(row.get(5)?),
        duration: Duration::from_micros(unsigned(row.get(6)?)),
        outcome: Outcome::from_number(row.get(2)?).ok_or_else(|| damaged("unknown outcome"))?,
        origin: origin(row, 9)?.ok_or_else(|| damaged("unknown kind of origin"))?,
        keys: keys(row.get(13)?).ok_or_else(|| damaged("its keys cannot be read"))?,
        correlation: row.get(14)?,
        trace: row.get(15)?,
        parent: row.get::<_, Option<i64>>(16)?.map(|id| RunId(unsigned(id))),
        attempts: row.get(7)?,
        fault,
        has_steps: row.get(8)?,
    })
}

/// Reads an origin from four columns.
pub(super) fn origin(row: &Row<'_>, first: usize) -> Done<Option<RunOrigin>> {
    let Some(kind) = OriginKind::from_number(row.get(first)?) else {
        return Ok(None);
    };
    let line: Option<i64> = row.get(first + 2)?;
    let offset: Option<i64> = row.get(first + 3)?;
    Ok(Some(RunOrigin {
        kind,
        text: row.get(first + 1)?,
        place: line.map(unsigned).zip(offset.map(unsigned)),
    }))
}

/// Returns keys as a column holds them: a JSON object, or nothing.
pub(super) fn keys_text(keys: &[BusinessKey]) -> Option<String> {
    let mut text = Vec::new();
    for key in keys {
        text.push(if text.is_empty() { b'{' } else { b',' });
        json::write(&Value::text(&*key.name), &mut text);
        text.push(b':');
        json::write(&Value::text(clip(&key.value, TEXT_MAX)), &mut text);
    }
    text.push(b'}');
    let text = String::from_utf8(text).expect("JSON of texts is UTF-8");
    (!keys.is_empty()).then_some(text)
}

/// Reads keys from a column; `None` if it is damaged.
pub(super) fn keys(text: Option<String>) -> Option<Vec<BusinessKey>> {
    let Some(text) = text else {
        return Some(Vec::new());
    };
    let limits = json::Limits::default();
    let value = json::read(text.as_bytes(), &Projection::All, &limits).ok()?;
    let keys = value.as_record()?.iter().map(|(name, value)| {
        Some(BusinessKey {
            name: Arc::from(name.as_str()),
            value: Arc::from(value.as_str()?),
        })
    });
    keys.collect()
}
