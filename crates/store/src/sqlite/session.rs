//! The writer's side of the database: a transaction, and what is gathered until it ends.

use std::collections::{BTreeMap, HashMap};

use rusqlite::Connection;
use sluice_model::ids::RunId;

use crate::commit::{Commit, Committed};
use crate::error::StoreError;
use crate::sqlite::counts;
use crate::sqlite::dead_letters::{self, GroupChange, GroupIds};
use crate::sqlite::failure::{Done, signed};
use crate::sqlite::names::{Ids, Texts, View};
use crate::sqlite::{dedupe, payloads, positions, runs, steps, terms};

/// What the store as a whole has reached: the one row of table `state`.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    pub(super) sequence: i64,
    pub(super) epoch: i64,
    pub(super) run: i64,
    pub(super) clock_slack: i64,
    pub(super) dead_letter: i64,
    pub(super) term_bucket: i64,
    pub(super) term_count: i64,
}

impl State {
    /// Reads the row.
    pub(super) fn read(conn: &Connection) -> Done<Self> {
        let state = conn
            .prepare_cached(
                "SELECT sequence, epoch, run, clock_slack, dead_letter, term_bucket, term_count
                 FROM state WHERE id = 1",
            )?
            .query_row([], |row| {
                Ok(Self {
                    sequence: row.get(0)?,
                    epoch: row.get(1)?,
                    run: row.get(2)?,
                    clock_slack: row.get(3)?,
                    dead_letter: row.get(4)?,
                    term_bucket: row.get(5)?,
                    term_count: row.get(6)?,
                })
            })?;
        Ok(state)
    }

    /// Writes the row.
    pub(super) fn write(&self, conn: &Connection) -> Done<()> {
        conn.prepare_cached(
            "UPDATE state SET sequence = ?1, epoch = ?2, run = ?3, clock_slack = ?4,
             dead_letter = ?5, term_bucket = ?6, term_count = ?7 WHERE id = 1",
        )?
        .execute([
            self.sequence,
            self.epoch,
            self.run,
            self.clock_slack,
            self.dead_letter,
            self.term_bucket,
            self.term_count,
        ])?;
        Ok(())
    }
}

/// The writer's connection and what it remembers between transactions.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) conn: Connection,
    pub(super) state: State,
    pub(super) ids: Ids,
    pub(super) texts: Texts,
    pub(super) group_ids: GroupIds,
}

impl Session {
    /// Returns the session of a connection whose schema is up to date.
    pub(super) fn new(conn: Connection) -> Done<Self> {
        let state = State::read(&conn)?;
        Ok(Self {
            conn,
            state,
            ids: Ids::default(),
            texts: Texts::default(),
            group_ids: GroupIds::default(),
        })
    }

    /// Begins a transaction; a lock that another process holds for a request is waited for.
    pub(super) fn begin(&mut self) -> Done<Txn<'_>> {
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Txn {
            conn: &self.conn,
            ids: &mut self.ids,
            texts: &self.texts,
            group_ids: &mut self.group_ids,
            state: self.state,
            counts: BTreeMap::new(),
            groups: HashMap::new(),
            terms: Vec::new(),
        })
    }

    /// Ends a transaction that [`Txn::finish`] prepared; it is on disk when this returns.
    pub(super) fn commit(&mut self, state: State) -> Done<()> {
        self.conn.prepare_cached("COMMIT")?.execute([])?;
        self.state = state;
        Ok(())
    }

    /// Undoes a transaction, if one is open.
    pub(super) fn rollback(&mut self) -> Done<()> {
        self.ids.clear();
        self.texts.clear();
        self.group_ids.clear();
        if !self.conn.is_autocommit() {
            self.conn.execute_batch("ROLLBACK")?;
        }
        Ok(())
    }
}

/// An open transaction.
///
/// What many rows add to one place (counts, groups, search terms) is gathered here, and written
/// once when the transaction ends.
#[derive(Debug)]
pub(super) struct Txn<'s> {
    pub(super) conn: &'s Connection,
    pub(super) ids: &'s mut Ids,
    pub(super) texts: &'s Texts,
    pub(super) group_ids: &'s mut GroupIds,
    pub(super) state: State,
    pub(super) counts: BTreeMap<i64, [u64; 8]>,
    pub(super) groups: HashMap<i64, GroupChange>,
    pub(super) terms: Vec<(i64, i64)>,
}

impl Txn<'_> {
    /// Returns the number of a name.
    pub(super) fn name(&mut self, name: &str) -> Done<i64> {
        self.ids.of(self.conn, name)
    }

    /// Returns what reads within the transaction.
    pub(super) fn view(&self) -> View<'_> {
        View {
            conn: self.conn,
            texts: self.texts,
        }
    }

    /// Applies a commit.
    pub(super) fn apply(&mut self, commit: &Commit) -> Done<Committed> {
        for run in &commit.runs {
            runs::put(self, run)?;
        }
        for step in &commit.steps {
            steps::put(self, step)?;
        }
        for payload in &commit.payloads {
            payloads::put(self, payload)?;
        }
        let mut ids = Vec::with_capacity(commit.dead_letters.len());
        for letter in &commit.dead_letters {
            ids.push(dead_letters::put(self, letter)?);
        }
        for result in &commit.redriven {
            dead_letters::settle(self, result)?;
        }
        for settlement in &commit.dedupe {
            dedupe::settle(self, settlement)?;
        }
        for update in &commit.positions {
            positions::put(self, update)?;
        }
        for (flow, counts) in &commit.counts {
            counts::add(self, flow, counts)?;
        }
        Ok(Committed {
            sequence: 0,
            dead_letters: ids,
        })
    }

    /// Writes what was gathered and numbers the transaction.
    pub(super) fn finish(mut self, last_run: RunId) -> Done<State> {
        counts::flush(&self)?;
        dead_letters::flush(&mut self)?;
        terms::flush(&mut self)?;
        self.state.sequence += 1;
        self.state.run = self.state.run.max(signed(last_run.0));
        self.state.write(self.conn)?;
        Ok(self.state)
    }
}

/// Returns a run's id as a column holds it.
pub(super) fn run_id(id: RunId) -> Done<i64> {
    i64::try_from(id.0).map_err(|_| {
        StoreError::conflict(format!("the run id `{id}` was not given out by this store")).into()
    })
}
