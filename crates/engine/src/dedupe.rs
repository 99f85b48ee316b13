//! `dedupe`: reserves a key, which the commit that settles the message confirms.
//!
//! Messages with one key are under way together more often than not: in one delivery, or in two
//! that are processed beside each other. The second one does not ask again and again, and it does
//! not wait for the first one's commit (which may have to wait for its own): it waits until the
//! first one has ended. If that one delivered, it is a duplicate; else it takes the key over.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_compiler::release::StepPlan;
use sluice_model::fault::{Blame, Fault, FaultCode, Retry};
use sluice_model::ids::FlowName;
use sluice_sdk::check::ExprId;
use sluice_sdk::cx::Cx;
use sluice_store::dedupe::{DedupeKey, Reserved};
use sluice_store::store::Store;
use tokio::sync::oneshot;

use crate::execute::Execution;
use crate::run::{Run, State};
use crate::view::mapping_fault;

/// How long a message waits for another one with the same key that is under way.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How long between two looks at a reservation that nobody here holds.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The keys of one flow that are under way.
pub(crate) struct Keys {
    flow: FlowName,
    store: Arc<dyn Store>,
    under_way: Mutex<HashMap<DedupeKey, Entry>>,
}

enum Entry {
    /// A run holds it, and these wait for its end.
    Held(VecDeque<oneshot::Sender<Fate>>),
    /// The run that held it has delivered; its commit is on its way.
    Done,
}

/// What became of the run that held a key.
pub(crate) enum Fate {
    /// It delivered.
    Done,
    /// It did not: the key belongs to the one that waited.
    Yours(Held),
}

/// A reserved key. Dropped before it is done, it goes to the next one that waits for it, or is
/// free again: whatever ends a run, its keys do not stay behind.
pub(crate) struct Held {
    keys: Arc<Keys>,
    key: DedupeKey,
    keep: Duration,
    /// The store knows of it.
    is_reserved: bool,
    is_settled: bool,
}

/// The wait of a run for the one that holds its key.
pub(crate) struct Waits {
    fate: oneshot::Receiver<Fate>,
}

enum Answer {
    New(Held),
    Duplicate,
    Waits(Waits),
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Held({})", self.key.as_str())
    }
}

impl std::fmt::Debug for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waits")
    }
}

impl Keys {
    pub fn new(flow: FlowName, store: Arc<dyn Store>) -> Self {
        Self {
            flow,
            store,
            under_way: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DedupeKey, Entry>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves keys; the answers are in their order.
    async fn reserve(
        self: &Arc<Self>,
        wanted: Vec<DedupeKey>,
        keep: Duration,
        cx: &Cx,
    ) -> Result<Vec<Answer>, Fault> {
        let mut answers: Vec<Answer> = wanted
            .into_iter()
            .map(|key| self.enter(key, keep))
            .collect();
        let mut open: Vec<usize> = (0..answers.len())
            .filter(|at| matches!(answers[*at], Answer::New(_)))
            .collect();
        let mut waited = Duration::ZERO;
        loop {
            let keys: Vec<DedupeKey> = open
                .iter()
                .filter_map(|at| match &answers[*at] {
                    Answer::New(held) => Some(held.key.clone()),
                    _ => None,
                })
                .collect();
            if keys.is_empty() {
                return Ok(answers);
            }
            let reserved = self.store.reserve(&self.flow, keys, cx.now()).await;
            let reserved = reserved.map_err(|error| crate::settle::store_fault(&error))?;
            let mut in_flight = Vec::new();
            for (at, reserved) in open.into_iter().zip(reserved) {
                match (reserved, &mut answers[at]) {
                    (Reserved::New, Answer::New(held)) => held.is_reserved = true,
                    (Reserved::Duplicate, answer) => {
                        if let Answer::New(held) = std::mem::replace(answer, Answer::Duplicate) {
                            held.was_there_before();
                        }
                    }
                    _ => in_flight.push(at),
                }
            }
            if in_flight.is_empty() {
                return Ok(answers);
            }
            if WAIT_MAX <= waited {
                return Err(in_flight_fault());
            }
            // Held, and by nobody here: a commit that is about to be done.
            cx.sleep(LOOK_EVERY).await;
            waited += LOOK_EVERY;
            open = in_flight;
        }
    }

    /// Takes a key that is not under way, or a place behind the one that has it.
    fn enter(self: &Arc<Self>, key: DedupeKey, keep: Duration) -> Answer {
        let mut under_way = self.lock();
        match under_way.get_mut(&key) {
            Some(Entry::Done) => Answer::Duplicate,
            Some(Entry::Held(waiting)) => {
                let (tell, fate) = oneshot::channel();
                waiting.push_back(tell);
                Answer::Waits(Waits { fate })
            }
            None => {
                under_way.insert(key.clone(), Entry::Held(VecDeque::new()));
                Answer::New(Held {
                    keys: Arc::clone(self),
                    key,
                    keep,
                    is_reserved: false,
                    is_settled: false,
                })
            }
        }
    }

    /// Forgets keys whose commit is done, or did not come about.
    pub fn forget<'k>(&self, keys: impl Iterator<Item = &'k DedupeKey>) {
        let mut under_way = self.lock();
        for key in keys {
            if let Some(Entry::Done) = under_way.get(key) {
                under_way.remove(key);
            }
        }
    }
}

impl Held {
    /// The run that holds it has delivered: who waits for it is a duplicate.
    pub fn done(&self) {
        let before = self.keys.lock().insert(self.key.clone(), Entry::Done);
        tell_done(before);
    }

    /// Gives the key to the commit that confirms it; [`Keys::forget`] ends it then.
    pub fn settle(mut self) -> (DedupeKey, Duration) {
        self.is_settled = true;
        (self.key.clone(), self.keep)
    }

    /// The store knows the key of an earlier message: so it is for all who wait.
    fn was_there_before(mut self) {
        self.is_settled = true;
        let before = self.keys.lock().remove(&self.key);
        tell_done(before);
    }

    /// Hands the key to the next one that waits; `false` if nobody does.
    fn hand_over(&self) -> bool {
        let mut under_way = self.keys.lock();
        while let Some(Entry::Held(waiting)) = under_way.get_mut(&self.key)
            && let Some(next) = waiting.pop_front()
        {
            let held = Held {
                keys: Arc::clone(&self.keys),
                key: self.key.clone(),
                ..*self
            };
            match next.send(Fate::Yours(held)) {
                Ok(()) => return true,
                Err(Fate::Yours(mut held)) => held.is_settled = true,
                Err(Fate::Done) => {}
            }
        }
        under_way.remove(&self.key);
        false
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        if !self.is_reserved {
            // Who waits is told by the end of its channel.
            self.keys.lock().remove(&self.key);
        } else if !self.hand_over() {
            let key = std::slice::from_ref(&self.key);
            self.keys.store.release_keys(&self.keys.flow, key);
        }
    }
}

fn tell_done(entry: Option<Entry>) {
    if let Some(Entry::Held(waiting)) = entry {
        for next in waiting {
            let _ = next.send(Fate::Done);
        }
    }
}

/// Waits for the end of the run that holds the key.
///
/// # Errors
/// If it takes too long.
pub(crate) async fn fate(waits: Waits, cx: &Cx) -> Result<Fate, Fault> {
    match cx.timeout(WAIT_MAX, waits.fate).await {
        Some(Ok(fate)) => Ok(fate),
        Some(Err(_)) | None => Err(in_flight_fault()),
    }
}

/// Reserves the keys of all runs at once.
pub(crate) async fn apply(
    execution: &Execution,
    step: &StepPlan,
    key: ExprId,
    keep: Duration,
    runs: &mut [&mut Run],
) {
    let at = execution.begin(step);
    let mut places = Vec::with_capacity(runs.len());
    let mut wanted = Vec::with_capacity(runs.len());
    for (place, run) in runs.iter_mut().enumerate() {
        match execution.world().key(run, key) {
            Ok(Some(text)) => {
                let key = DedupeKey::new(&text);
                // A key that this run has taken over is its own already.
                if run.reserved.iter().all(|held| held.key != key) {
                    wanted.push(key);
                    places.push(place);
                } else {
                    execution.done(&at, run);
                }
            }
            Ok(None) => {
                execution.failed(&at, run, mapping_fault("the key of `dedupe` is missing"));
            }
            Err(fault) => execution.failed(&at, run, fault),
        }
    }
    if wanted.is_empty() {
        return execution.end(&at, 1);
    }
    let cx = &execution.flow.cx;
    match execution.flow.dedupe.reserve(wanted, keep, cx).await {
        Ok(answers) => {
            for (place, answer) in places.into_iter().zip(answers) {
                let run = &mut *runs[place];
                execution.done(&at, run);
                match answer {
                    Answer::New(held) => run.reserved.push(held),
                    Answer::Duplicate => run.state = State::Duplicate,
                    Answer::Waits(waits) => run.state = State::Waits(waits),
                }
            }
        }
        Err(fault) => {
            for place in places {
                execution.failed(&at, runs[place], fault.clone());
            }
        }
    }
    execution.end(&at, 1);
}

/// Returns the fault of a message that waited too long for another one with its key.
pub(crate) fn in_flight_fault() -> Fault {
    Fault::new(
        FaultCode::REFUSED,
        Retry::Soon,
        Blame::Caller,
        "another message with the same key is under way",
    )
}
