//! The timer: a source that gives a message whenever a cron expression is due.

mod expression;
mod schedule;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::batch::{Message, Origin, Payload, Receipt, Settled};
use sluice_model::fault::Fault;
use sluice_model::time::Timestamp;
use sluice_model::types::{Field, TextFormat, Type};
use sluice_model::value::{Name, Record, Value};
use sluice_sdk::check::{Check, Problem};
use sluice_sdk::connection::{
    Delivery, Nowhere, PositionMark, Positions, Promises, Source, SourceShape,
};
use sluice_sdk::cx::{Cx, Level};
use sluice_sdk::registry::Info;
use tokio::sync::Notify;

use expression::Expression;
use schedule::Schedule;

/// The longest sleep: a wall clock that was moved is noticed within it.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// A time that is not met within this was missed.
const LATE_MAX: Duration = Duration::from_secs(60);

/// How long a time that could not be settled waits until it is given again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The fields of a cron source.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CronConfig {
    /// When it is due: minute, hour, day of the month, month, day of the week (`0 6 * * MON-FRI`),
    /// or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. Where both days are restricted,
    /// one of them is enough.
    pub cron: String,
    /// The time zone whose clock counts: a name of the IANA database, `Europe/Vienna`. `UTC` by
    /// default.
    #[serde(default)]
    pub zone: Zone,
    /// What becomes of the times that passed while nothing ran, or while the flow was busy.
    #[serde(default)]
    pub missed: Missed,
}

/// The name of a time zone.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Zone(pub String);

impl Default for Zone {
    fn default() -> Self {
        Self("UTC".to_owned())
    }
}

/// What becomes of times that passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// They are skipped.
    Skip,
    /// The last of them is made up for, once.
    #[default]
    Once,
    /// Each of them is made up for, in order.
    All,
}

/// Gives a message whenever a cron expression is due.
///
/// The position is the last instant that was given; what passed after it before a start is missed.
/// The first start of all has missed nothing: its delivery without messages leaves its own instant
/// as the position.
#[derive(Debug, Clone)]
pub struct Cron {
    schedule: Schedule,
    missed: Missed,
    /// Changes with the schedule: a new one has missed nothing.
    key: Arc<str>,
    /// The last instant that was given or passed over.
    last: Timestamp,
    /// Whether the position of the first start is still to be left.
    is_new: bool,
    again: Arc<Again>,
}

/// The instants that were given, but could not be settled: each with when it is given again, in
/// monotonic time. There are never more of them than deliveries that the engine holds.
#[derive(Debug, Default)]
struct Again {
    due: Mutex<BTreeMap<Timestamp, Duration>>,
    changed: Notify,
}

impl Again {
    fn add(&self, instant: Timestamp, at: Duration) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.insert(instant, at);
        drop(due);
        self.changed.notify_one();
    }

    /// Returns the earliest instant and how long it has still to wait.
    fn first(&self, now: Duration) -> Option<(Timestamp, Duration)> {
        let due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let (instant, at) = due.first_key_value()?;
        Some((*instant, at.saturating_sub(now)))
    }

    fn remove(&self, instant: Timestamp) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.remove(&instant);
    }
}

/// What the source does next.
enum Next {
    /// Gives this instant.
    Give(Timestamp),
    /// Gives this instant again.
    GiveAgain(Timestamp),
    /// Waits so long, then looks again.
    Wait(Duration),
}

impl Source for Cron {
    const INFO: Info = Info {
        name: "cron",
        summary: "Gives a message at the times of a cron expression, in a time zone.",
        example: "from: { cron: \"0 6 * * MON-FRI\", zone: Europe/Vienna, missed: once }\n",
    };
    type On = Nowhere;
    type Config = CronConfig;

    fn check(config: CronConfig, _: &mut dyn Check) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let expression = Expression::parse(&config.cron).map_err(|wrongs| {
            problems.extend(
                wrongs
                    .into_iter()
                    .map(|wrong| Problem::new("/cron", wrong.message).with_help(wrong.help)),
            );
        });
        let zone = schedule::zone(&config.zone.0);
        if zone.is_none() {
            problems.push(unknown_zone(&config.zone.0));
        }
        let (Ok(expression), Some(zone)) = (expression, zone) else {
            return Err(problems);
        };
        let fields: Vec<&str> = config.cron.split_ascii_whitespace().collect();
        Ok(Self {
            schedule: Schedule::new(expression, zone),
            missed: config.missed,
            key: format!("{} {}", fields.join(" "), config.zone.0).into(),
            last: Timestamp(0),
            is_new: false,
            again: Arc::default(),
        })
    }

    fn shape(&self) -> SourceShape {
        SourceShape {
            payload: Type::record(vec![Field {
                name: Name::new("scheduled"),
                ty: Type::text_with(TextFormat::DateTime),
                required: true,
            }]),
            params: None,
            meta: Type::record(Vec::new()),
            reply: None,
        }
    }

    fn promises(&self) -> Promises {
        Promises {
            ordered: true,
            // What was missed is passed over, or made up for by one message.
            redelivers: self.missed == Missed::All,
            replies: false,
            finite: false,
        }
    }

    async fn open(
        &mut self,
        _: &Nowhere,
        positions: Arc<dyn Positions>,
        cx: &Cx,
    ) -> Result<(), Fault> {
        let now = cx.now();
        let stored = positions.get(&self.key).await?;
        let last = match &stored {
            None => None,
            Some(value) => {
                let read = value.as_str().and_then(Timestamp::parse_rfc3339);
                Some(read.ok_or_else(|| {
                    Fault::internal("the stored position of a timer is no instant")
                        .with_context("key", &*self.key)
                })?)
            }
        };
        if let Some(last) = last
            && last > now
        {
            cx.log(
                Level::Warn,
                "the timer has run for a later time than the clock shows; it waits for that",
                &[("schedule", &self.key), ("last", &last)],
            );
        }
        self.last = match self.missed {
            Missed::Skip => last.map_or(now, |last| last.max(now)),
            Missed::Once | Missed::All => last.unwrap_or(now),
        };
        self.is_new = stored.is_none();
        self.again = Arc::default();
        Ok(())
    }

    async fn next(&mut self, _: &Nowhere, cx: &Cx) -> Result<Option<Delivery>, Fault> {
        if std::mem::take(&mut self.is_new) {
            return Ok(Some(self.settled(self.last, Vec::new(), Receipt::nobody())));
        }
        loop {
            let wait = match self.look(cx) {
                Next::Give(instant) => {
                    self.last = instant;
                    return Ok(Some(self.delivery(instant, cx)));
                }
                Next::GiveAgain(instant) => {
                    self.again.remove(instant);
                    return Ok(Some(self.delivery(instant, cx)));
                }
                Next::Wait(wait) => wait,
            };
            tokio::select! {
                biased;
                () = self.again.changed.notified() => {}
                () = cx.sleep(wait) => {}
            }
        }
    }

    async fn close(&mut self, _: &Nowhere, _: &Cx) {
        self.again = Arc::default();
    }
}

impl Cron {
    /// Decides what comes next; passes over what was missed if it is to be skipped.
    fn look(&mut self, cx: &Cx) -> Next {
        match self.again.first(cx.monotonic()) {
            Some((instant, Duration::ZERO)) => return Next::GiveAgain(instant),
            // Later instants wait for it, so that they come in order.
            Some((_, wait)) => return Next::Wait(wait),
            None => {}
        }
        let now = cx.now();
        if self.missed == Missed::Skip {
            // The instant that is due now is not missed unless it is late.
            let limit = Timestamp(now.0.saturating_sub(micros(LATE_MAX)));
            self.last = self.last.max(limit);
        }
        let Some(due) = self.schedule.next_after(self.last) else {
            return Next::Wait(SLEEP_MAX);
        };
        if due <= now {
            let last = match self.missed {
                Missed::Once => self.schedule.last_until(self.last, now),
                Missed::Skip | Missed::All => None,
            };
            return Next::Give(last.unwrap_or(due));
        }
        // Rounded up, so that the clock is not looked at before the instant.
        Next::Wait((due.since(now) + Duration::from_millis(1)).min(SLEEP_MAX))
    }

    fn delivery(&self, instant: Timestamp, cx: &Cx) -> Delivery {
        let mut payload = Record::with_capacity(1);
        payload.push(
            Name::new("scheduled"),
            Value::from(self.schedule.local(instant)),
        );
        let message = Message {
            payload: Payload::Value(payload.into()),
            origin: Origin::Tick(instant),
            params: None,
            headers: None,
            received: cx.now(),
        };
        let again = Arc::clone(&self.again);
        let clock = cx.clone();
        let receipt = Receipt::new(move |settled| match settled {
            Settled::Ack => {}
            Settled::Nack(_) => again.add(instant, clock.monotonic() + AGAIN_AFTER),
        });
        self.settled(instant, vec![message], receipt)
    }

    /// Returns a delivery whose settlement leaves `instant` as the position.
    fn settled(&self, instant: Timestamp, messages: Vec<Message>, receipt: Receipt) -> Delivery {
        Delivery {
            messages,
            receipt,
            position: Some(PositionMark {
                key: Arc::clone(&self.key),
                value: Some(Value::from(instant.rfc3339())),
            }),
            reply: None,
            group_end: None,
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn unknown_zone(name: &str) -> Problem {
    let help = match schedule::similar_zone(name) {
        Some(similar) => format!("did you mean `{similar}`?"),
        None => "write a name of the IANA time zone database, such as `Europe/Vienna`".to_owned(),
    };
    Problem::new("/zone", format!("there is no time zone `{name}`")).with_help(help)
}
