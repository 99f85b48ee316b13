//! Search of runs, newest first.
//!
//! One of the filter's parts drives: it gives the ids of candidates, descending, from an index;
//! each candidate is read and held against the whole filter. The part with the fewest candidates
//! drives, as far as a bounded count tells.

use rusqlite::Params;
use sluice_model::ids::RunId;
use sluice_model::time::Timestamp;

use crate::run::{OriginKind, Outcome, PAGE_MAX, RunFilter, RunPage, RunSummary, TEXT_MAX, clip};
use crate::run_id::COUNTER_BITS;
use crate::sqlite::failure::{Done, rows, signed, unsigned};
use crate::sqlite::names::View;
use crate::sqlite::session::State;
use crate::sqlite::{runs, terms};

/// The most candidates that are read for one page.
const CANDIDATES_MAX: usize = 4_000;
/// Where counting the candidates of a part stops.
const COUNTED_MAX: usize = 2_000;

/// What gives the candidates.
enum Driver {
    /// An entry of the search terms.
    Term(i64),
    /// Runs of a parent.
    Parent(i64),
    /// Runs of flows with outcomes: one range of an index for each.
    Flows(Vec<(i64, i64)>),
    /// Runs of flows with a fault: one range of an index for each.
    Faults(Vec<(i64, i64)>),
    /// All runs.
    All,
}

/// Ids from `from` on, below `below`.
#[derive(Clone, Copy)]
struct Range {
    from: i64,
    below: i64,
}

/// Returns a page of runs.
pub(super) fn page(
    view: &View<'_>,
    filter: &RunFilter,
    before: Option<RunId>,
    limit: usize,
) -> Done<RunPage> {
    let limit = limit.clamp(1, PAGE_MAX);
    let mut range = range(view, filter, before)?;
    let Some(driver) = driver(view, filter, range)? else {
        return Ok(RunPage::default());
    };
    let mut page = RunPage::default();
    let mut read = 0;
    let mut chunk = limit + 1;
    loop {
        let ids = driver.next(view, range, chunk)?;
        for id in &ids {
            if let Some(run) = runs::summary(view, *id)?
                && matches(filter, &run)
            {
                if page.runs.len() == limit {
                    page.next = page.runs.last().map(|run| run.id);
                    return Ok(page);
                }
                page.runs.push(run);
            }
        }
        let Some(last) = ids.last().filter(|_| ids.len() == chunk) else {
            return Ok(page);
        };
        read += ids.len();
        if CANDIDATES_MAX <= read {
            page.next = Some(RunId(unsigned(*last)));
            return Ok(page);
        }
        range.below = *last;
        chunk = (chunk * 2).min(PAGE_MAX + 1);
    }
}

/// Returns the ids that the filter's times allow. An id carries the time of its run's start up to
/// a slack that the store knows; the row tells exactly.
fn range(view: &View<'_>, filter: &RunFilter, before: Option<RunId>) -> Done<Range> {
    let slack = State::read(view.conn)?.clock_slack;
    let id = |at: Timestamp, slack: i64| -> i64 {
        let millis = at
            .millis()
            .saturating_add(slack)
            .clamp(0, i64::MAX >> COUNTER_BITS);
        millis << COUNTER_BITS
    };
    let from = filter.from.map_or(i64::MIN, |at| id(at, -slack));
    let until = filter
        .until
        .map_or(i64::MAX, |at| id(at, slack.saturating_add(1)));
    let below = before.map_or(until, |before| until.min(signed(before.0)));
    Ok(Range { from, below })
}

/// Returns what drives; `None` if nothing can be found.
fn driver(view: &View<'_>, filter: &RunFilter, range: Range) -> Done<Option<Driver>> {
    let mut drivers = Vec::new();
    if let Some(key) = &filter.key {
        drivers.push(Driver::Term(terms::hash(terms::Kind::Key, &key.value)));
    }
    if let Some(correlation) = &filter.correlation {
        let kind = terms::Kind::Correlation;
        drivers.push(Driver::Term(terms::hash(kind, correlation)));
    }
    if let Some(origin) = &filter.origin {
        drivers.push(Driver::Term(terms::hash(terms::Kind::Origin, origin)));
    }
    if let Some(parent) = filter.parent {
        drivers.push(Driver::Parent(signed(parent.0)));
    }
    let mut flow = None;
    if let Some(name) = &filter.flow {
        flow = view.id(name.as_str())?;
        if flow.is_none() {
            return Ok(None);
        }
    }
    if let Some(code) = &filter.fault {
        let Some(fault) = view.id(&code.0)? else {
            return Ok(None);
        };
        let flows = match flow {
            Some(flow) => vec![flow],
            None => flows_with(
                view,
                "SELECT min(flow) FROM runs WHERE fault = ?1 AND flow > ?2",
                Some(fault),
            )?,
        };
        drivers.push(Driver::Faults(
            flows.into_iter().map(|flow| (fault, flow)).collect(),
        ));
    }
    if flow.is_some() || filter.outcome.is_some() {
        let flows = match flow {
            Some(flow) => vec![flow],
            None => flows_with(view, "SELECT min(flow) FROM runs WHERE flow > ?1", None)?,
        };
        let outcomes = match filter.outcome {
            Some(outcome) => vec![outcome],
            None => Outcome::ALL.to_vec(),
        };
        let pairs = flows
            .iter()
            .flat_map(|flow| outcomes.iter().map(|outcome| (*flow, outcome.number())));
        drivers.push(Driver::Flows(pairs.collect()));
    }
    Ok(Some(fewest(view, drivers, range)?))
}

/// Returns the driver with the fewest candidates.
fn fewest(view: &View<'_>, drivers: Vec<Driver>, range: Range) -> Done<Driver> {
    if drivers.len() < 2 {
        return Ok(drivers.into_iter().next().unwrap_or(Driver::All));
    }
    let mut best = (usize::MAX, Driver::All);
    for driver in drivers {
        let count = driver.next(view, range, COUNTED_MAX)?.len();
        if count < best.0 {
            best = (count, driver);
        }
    }
    Ok(best.1)
}

/// Returns the flows that an index has, one look for each.
fn flows_with(view: &View<'_>, sql: &str, fault: Option<i64>) -> Done<Vec<i64>> {
    let mut statement = view.conn.prepare_cached(sql)?;
    let mut flows = Vec::new();
    let mut last = i64::MIN;
    loop {
        let next: Option<i64> = match fault {
            Some(fault) => statement.query_row((fault, last), |row| row.get(0))?,
            None => statement.query_row([last], |row| row.get(0))?,
        };
        let Some(flow) = next else {
            return Ok(flows);
        };
        flows.push(flow);
        last = flow;
    }
}

impl Driver {
    /// Returns the greatest candidates of a range, descending, at most `limit`.
    fn next(&self, view: &View<'_>, range: Range, limit: usize) -> Done<Vec<i64>> {
        let Range { from, below } = range;
        match self {
            Driver::Term(term) => terms::find(view, *term, from, below, limit),
            Driver::Parent(parent) => ids(
                view,
                "SELECT id FROM runs WHERE parent = ?1 AND ?2 <= id AND id < ?3
                 ORDER BY id DESC LIMIT ?4",
                (parent, from, below, rows(limit)),
            ),
            Driver::Flows(pairs) => merge(pairs, limit, |(flow, outcome)| {
                ids(
                    view,
                    "SELECT id FROM runs INDEXED BY runs_by_flow
                     WHERE flow = ?1 AND outcome = ?2 AND ?3 <= id AND id < ?4
                     ORDER BY id DESC LIMIT ?5",
                    (flow, outcome, from, below, rows(limit)),
                )
            }),
            Driver::Faults(pairs) => merge(pairs, limit, |(fault, flow)| {
                ids(
                    view,
                    "SELECT id FROM runs INDEXED BY runs_by_fault
                     WHERE fault = ?1 AND flow = ?2 AND ?3 <= id AND id < ?4
                     ORDER BY id DESC LIMIT ?5",
                    (fault, flow, from, below, rows(limit)),
                )
            }),
            Driver::All => ids(
                view,
                "SELECT id FROM runs WHERE ?1 <= id AND id < ?2 ORDER BY id DESC LIMIT ?3",
                (from, below, rows(limit)),
            ),
        }
    }
}

fn ids(view: &View<'_>, sql: &str, params: impl Params) -> Done<Vec<i64>> {
    let mut statement = view.conn.prepare_cached(sql)?;
    let found: Result<Vec<i64>, _> = statement.query_map(params, |row| row.get(0))?.collect();
    Ok(found?)
}

fn merge(
    pairs: &[(i64, i64)],
    limit: usize,
    find: impl Fn((i64, i64)) -> Done<Vec<i64>>,
) -> Done<Vec<i64>> {
    let mut all = Vec::new();
    for pair in pairs {
        all.append(&mut find(*pair)?);
    }
    all.sort_unstable_by(|one, other| other.cmp(one));
    all.truncate(limit);
    Ok(all)
}

/// Reads `file:line`.
fn record_place(origin: &str) -> Option<(&str, u64)> {
    let (file, line) = origin.rsplit_once(':')?;
    Some((file, line.parse().ok()?))
}

fn matches(filter: &RunFilter, run: &RunSummary) -> bool {
    let key = filter.key.as_ref().is_none_or(|wanted| {
        run.keys.iter().any(|key| {
            *key.value == *clip(&wanted.value, TEXT_MAX)
                && wanted.name.as_ref().is_none_or(|name| *name == key.name)
        })
    });
    let origin = filter.origin.as_ref().is_none_or(|wanted| {
        let is = |text: &str| *run.origin.text == *clip(text, TEXT_MAX);
        let at = |(file, line)| is(file) && run.origin.place.is_some_and(|place| place.0 == line);
        run.origin.kind != OriginKind::Manual
            && (is(wanted) || record_place(wanted).is_some_and(at))
    });
    let correlation = filter
        .correlation
        .as_ref()
        .is_none_or(|wanted| run.correlation.as_deref() == Some(clip(wanted, TEXT_MAX)));
    let fault = filter
        .fault
        .as_ref()
        .is_none_or(|code| run.fault.as_ref().is_some_and(|fault| fault.code == *code));
    key && origin
        && correlation
        && fault
        && filter.flow.as_ref().is_none_or(|flow| *flow == run.flow)
        && filter.outcome.is_none_or(|outcome| outcome == run.outcome)
        && filter
            .parent
            .is_none_or(|parent| run.parent == Some(parent))
        && filter.from.is_none_or(|from| from <= run.started)
        && filter.until.is_none_or(|until| run.started < until)
}
