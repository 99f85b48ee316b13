//! Steps of runs.

use std::time::Duration;

use rusqlite::{ErrorCode, Row, params};
use sluice_model::fault::FaultCode;
use sluice_model::ids::{EffectKey, RunId, StepId};

use crate::crc::RowCrc;
use crate::error::StoreError;
use crate::payload::{ContentHash, PayloadRef};
use crate::run::{FAULT_TEXT_MAX, StepFault, StepOutcome, StepStatus, TEXT_MAX, clip};
use crate::sqlite::failure::{Done, signed, unsigned};
use crate::sqlite::names::View;
use crate::sqlite::session::{Txn, run_id};

/// A row of table `steps`, as its columns hold it.
struct StepRow {
    run: i64,
    ordinal: i64,
    step: i64,
    status: i64,
    attempts: i64,
    offset: i64,
    duration: i64,
    effect: Option<String>,
    input: Option<(Vec<u8>, i64)>,
    output: Option<(Vec<u8>, i64)>,
    fault: Option<i64>,
    fault_text: Option<String>,
    fault_private: Option<String>,
}

impl StepRow {
    fn crc(&self) -> i64 {
        let reference = |crc: RowCrc, reference: &Option<(Vec<u8>, i64)>| {
            let (hash, size) = (reference.as_ref().map(|r| &r.0[..]), reference.as_ref());
            crc.opt_bytes(hash).opt_int(size.map(|r| r.1))
        };
        let crc = RowCrc::of("steps")
            .int(self.run)
            .int(self.ordinal)
            .int(self.step)
            .int(self.status)
            .int(self.attempts)
            .int(self.offset)
            .int(self.duration)
            .opt_text(self.effect.as_deref());
        reference(reference(crc, &self.input), &self.output)
            .opt_int(self.fault)
            .opt_text(self.fault_text.as_deref())
            .opt_text(self.fault_private.as_deref())
            .finish()
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let reference = |hash: usize| -> rusqlite::Result<Option<(Vec<u8>, i64)>> {
            Ok(row.get::<_, Option<Vec<u8>>>(hash)?.zip(row.get(hash + 1)?))
        };
        Ok(Self {
            run: row.get(0)?,
            ordinal: row.get(1)?,
            step: row.get(2)?,
            status: row.get(3)?,
            attempts: row.get(4)?,
            offset: row.get(5)?,
            duration: row.get(6)?,
            effect: row.get(7)?,
            input: reference(8)?,
            output: reference(10)?,
            fault: row.get(12)?,
            fault_text: row.get(13)?,
            fault_private: row.get(14)?,
        })
    }
}

/// Stores a step.
pub(super) fn put(txn: &mut Txn<'_>, step: &StepOutcome) -> Done<()> {
    let reference =
        |r: &Option<PayloadRef>| r.as_ref().map(|r| (r.hash.0.to_vec(), signed(r.size)));
    let fault = step.fault.as_ref();
    let row = StepRow {
        run: run_id(step.run)?,
        ordinal: i64::from(step.ordinal),
        step: txn.name(step.step.as_str())?,
        status: step.status.number(),
        attempts: i64::from(step.attempts),
        offset: micros(step.offset),
        duration: micros(step.duration),
        effect: step
            .effect
            .as_ref()
            .map(|key| clip(key.as_str(), TEXT_MAX).to_owned()),
        input: reference(&step.input),
        output: reference(&step.output),
        fault: match fault {
            Some(fault) => Some(txn.name(&fault.code.0)?),
            None => None,
        },
        fault_text: fault.map(|fault| clip(&fault.public, FAULT_TEXT_MAX).to_owned()),
        fault_private: fault.map(|fault| clip(&fault.private, FAULT_TEXT_MAX).to_owned()),
    };
    let mut insert = txn.conn.prepare_cached(
        "INSERT INTO steps VALUES
         (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?;
    let columns = params![
        row.run,
        row.ordinal,
        row.step,
        row.status,
        row.attempts,
        row.offset,
        row.duration,
        row.effect,
        row.input.as_ref().map(|r| &r.0),
        row.input.as_ref().map(|r| r.1),
        row.output.as_ref().map(|r| &r.0),
        row.output.as_ref().map(|r| r.1),
        row.fault,
        row.fault_text,
        row.fault_private,
        row.crc(),
    ];
    // As with runs: replacing is rare.
    if let Err(error) = insert.execute(columns) {
        if error.sqlite_error_code() != Some(ErrorCode::ConstraintViolation) {
            return Err(error.into());
        }
        txn.conn
            .prepare_cached("DELETE FROM steps WHERE run = ?1 AND ordinal = ?2")?
            .execute((row.run, row.ordinal))?;
        insert.execute(columns)?;
    }
    Ok(())
}

/// Reads the steps of a run in their order.
pub(super) fn of_run(view: &View<'_>, run: i64) -> Done<Vec<StepOutcome>> {
    let mut statement = view
        .conn
        .prepare_cached("SELECT * FROM steps WHERE run = ?1 ORDER BY ordinal")?;
    let mut rows = statement.query([run])?;
    let mut steps = Vec::new();
    while let Some(row) = rows.next()? {
        let stored: i64 = row.get(15)?;
        steps.push(step(view, StepRow::read(row)?, stored)?);
    }
    Ok(steps)
}

fn step(view: &View<'_>, row: StepRow, stored: i64) -> Done<StepOutcome> {
    let run = RunId(unsigned(row.run));
    let damaged =
        |detail: &str| StoreError::corrupt("steps", format_args!("{run}, {}", row.ordinal), detail);
    if row.crc() != stored {
        return Err(damaged("its checksum differs").into());
    }
    let reference = |reference: &Option<(Vec<u8>, i64)>| match reference {
        None => Ok(None),
        Some((hash, size)) => match hash.as_slice().try_into() {
            Ok(hash) => Ok(Some(PayloadRef {
                hash: ContentHash(hash),
                size: unsigned(*size),
            })),
            Err(_) => Err(damaged("a hash has the wrong length")),
        },
    };
    Ok(StepOutcome {
        run,
        ordinal: u32::try_from(row.ordinal).map_err(|_| damaged("its ordinal is too large"))?,
        step: StepId(view.name(row.step)?),
        status: StepStatus::from_number(row.status).ok_or_else(|| damaged("unknown status"))?,
        attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
        offset: Duration::from_micros(unsigned(row.offset)),
        duration: Duration::from_micros(unsigned(row.duration)),
        effect: row.effect.as_deref().map(EffectKey::from),
        input: reference(&row.input)?,
        output: reference(&row.output)?,
        fault: match row.fault {
            None => None,
            Some(code) => Some(StepFault {
                code: FaultCode(view.name(code)?),
                public: row.fault_text.unwrap_or_default(),
                private: row.fault_private.unwrap_or_default(),
            }),
        },
    })
}

/// Returns a duration as a column holds it.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
