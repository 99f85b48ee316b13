//! A simulated context: a clock that follows tokio's paused time, a seed, a captured log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use sluice_model::time::Timestamp;
use sluice_sdk::config::SecretText;
use sluice_sdk::cx::{CancelSource, Cx, Level, TokioRuntime};

/// A captured log line.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// When, by the simulated clock.
    pub at: Timestamp,
    /// How grave.
    pub level: Level,
    /// The constant text.
    pub text: String,
    /// The fields, in the order in which they were given.
    pub fields: Vec<(String, String)>,
}

impl std::fmt::Display for LogLine {
    /// Writes `level text (name: value) ...`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let level = match self.level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        write!(f, "{level} {}", self.text)?;
        for (name, value) in &self.fields {
            write!(f, " ({name}: {value})")?;
        }
        Ok(())
    }
}

/// The lines that were logged to a context, shared with it.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<LogLine>>>);

impl Log {
    /// Returns all lines so far.
    pub fn lines(&self) -> Vec<LogLine> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns how many lines have this text.
    pub fn count(&self, text: &str) -> usize {
        self.lines().iter().filter(|line| line.text == text).count()
    }
}

/// Returns a context whose clock begins at 2026-01-01T00:00:00Z and follows tokio's time (pause it
/// with `#[tokio::test(start_paused = true)]`), what cancels it, and what is logged to it.
pub fn cx(seed: u64) -> (Cx, CancelSource, Log) {
    cx_with_secrets(seed, BTreeMap::new())
}

/// Returns a context as [`cx`] does, that knows these secrets by name.
pub fn cx_with_secrets(seed: u64, secrets: BTreeMap<String, String>) -> (Cx, CancelSource, Log) {
    let log = Log::default();
    let sink = log.clone();
    let start = Timestamp::from_millis(1_767_225_600_000);
    let runtime = TokioRuntime::simulated(
        start,
        seed,
        Box::new(move |name| secrets.get(name).cloned().map(SecretText::new)),
        Box::new(move |at, level, text, fields| {
            let fields = fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.to_string()))
                .collect();
            let line = LogLine {
                at,
                level,
                text: text.to_owned(),
                fields,
            };
            sink.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }),
    );
    let (cx, owner) = Cx::new(Arc::new(runtime));
    (cx, owner, log)
}
