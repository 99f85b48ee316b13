//! What `runs` and `dead-letters` share: the data folder, and how what lies in it is shown.

use std::future::Future;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use sluice_model::finding::did_you_mean;
use sluice_model::ids::FlowName;
use sluice_model::json;
use sluice_model::projection::Projection;
use sluice_model::time::Timestamp;
use sluice_model::value::{Text, Value};
use sluice_sdk::config;
use sluice_sdk::cx::{CancelSource, Cx};
use sluice_store::error::StoreError;
use sluice_store::payload::PAYLOAD_MAX;
use sluice_store::run::{BusinessKey, RunOrigin};
use sluice_store::sqlite::reader::SqliteReader;
use sluice_store::store::StoreReader;

use crate::exit::usage;
use crate::output::{self, Output, OutputArgs};
use crate::process;
use crate::target::{EnvironmentArgs, ProjectArgs};

/// The most environments that are named where one has no data.
const ENVIRONMENTS_TOLD: usize = 8;
/// The lines of a payload that a page shows, unless all are asked for.
pub(super) const LINES_SHOWN: usize = 40;

/// A data folder, opened for reading beside its owner or without one.
pub(super) struct Stored {
    pub reader: SqliteReader,
    pub cx: Cx,
    /// What commands that are suggested need behind their own words.
    options: String,
    runtime: tokio::runtime::Runtime,
    _cancel: CancelSource,
}

impl Stored {
    /// Opens the data folder of a project's environment; with `--data` no project is needed.
    ///
    /// # Errors
    /// If there is no project, or nothing has run there.
    pub fn open(project: &ProjectArgs, environment: &EnvironmentArgs) -> anyhow::Result<Self> {
        let root = match &environment.data {
            Some(folder) => folder.clone(),
            None => project.root()?,
        };
        let folder = environment.data_folder(&root);
        let options = options(project, environment);
        let reader = SqliteReader::open(&folder)
            .map_err(|error| explain(error, &root, &folder, environment, &options))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the asynchronous runtime")?;
        let (cx, cancel) = {
            let _inside = runtime.enter();
            process::context(&root)
        };
        Ok(Self {
            reader,
            cx,
            options,
            runtime,
            _cancel: cancel,
        })
    }

    /// Waits for the store's answer.
    pub fn wait<T>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> anyhow::Result<T> {
        Ok(self.runtime.block_on(answer)?)
    }

    /// Lets time pass.
    pub fn sleep(&self, duration: Duration) {
        self.runtime.block_on(self.cx.sleep(duration));
    }

    /// Returns a command for the same data folder, to be suggested.
    pub fn command(&self, words: &str) -> String {
        format!("`sluice {words}{}`", self.options)
    }

    /// Says on standard error if a flow has never run here.
    pub fn check_flow(&self, flow: Option<&FlowName>) -> anyhow::Result<()> {
        let Some(flow) = flow else { return Ok(()) };
        let all = self.wait(self.reader.counts_all())?;
        if all.iter().any(|(name, _)| name == flow) {
            return Ok(());
        }
        let near = did_you_mean(flow.as_str(), all.iter().map(|(name, _)| name.as_str()));
        let remedy = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("{} tells which flows have", self.command("runs counts")),
        };
        output::say(&format!(
            "note: no flow `{}` has run here: {remedy}",
            clean(flow.as_str())
        ));
        Ok(())
    }
}

/// Returns the project and the options of a command line, as they are repeated in another.
fn options(project: &ProjectArgs, environment: &EnvironmentArgs) -> String {
    let mut text = String::new();
    let mut add = |word: &str| {
        text.push(' ');
        text.push_str(&quoted(word));
    };
    if let Some(project) = &project.project {
        add(&project.to_string_lossy());
    }
    if environment.env != "dev" {
        add("--env");
        add(&environment.env);
    }
    if let Some(data) = &environment.data {
        add("--data");
        add(&data.to_string_lossy());
    }
    text
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Says what to do where the data folder cannot be opened.
fn explain(
    error: StoreError,
    root: &Path,
    folder: &Path,
    environment: &EnvironmentArgs,
    options: &str,
) -> anyhow::Error {
    let StoreError::Missing { .. } = error else {
        return anyhow::Error::new(error);
    };
    let place = process::shown(folder);
    if environment.data.is_some() {
        return usage(format!(
            "there is no data in `{place}`: nothing has run there yet; `--data` names the folder \
             that `sluice run --data` was given"
        ));
    }
    let others = environments_with_data(root);
    let remedy = match &others[..] {
        [] => format!("`sluice run{options}` starts the project"),
        others => format!(
            "there is data of `{}`: say so with `--env`",
            others.join("`, `")
        ),
    };
    usage(format!(
        "there is no data of environment `{}` in `{place}`: nothing has run there yet; {remedy}",
        environment.env
    ))
}

fn environments_with_data(root: &Path) -> Vec<String> {
    let Ok(folders) = std::fs::read_dir(root.join(".sluice")) else {
        return Vec::new();
    };
    let mut names: Vec<String> = folders
        .filter_map(Result::ok)
        .filter(|entry| entry.path().join("store.sqlite").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names.truncate(ENVIRONMENTS_TOLD);
    names
}

/// Returns whether programs read the output.
///
/// # Errors
/// If it is asked for in a form that only findings and tests have.
pub(super) fn is_json(output: OutputArgs) -> anyhow::Result<bool> {
    match output.output {
        Output::Text => Ok(false),
        Output::Json => Ok(true),
        Output::Sarif | Output::Junit => Err(usage(
            "this verb prints `text` or `json`: `-o sarif` and `-o junit` are of others",
        )),
    }
}

/// Prints a value as JSON, its numbers as they are: indented on a terminal, else on one line.
pub(super) fn print_json(value: &Value<'_>) -> anyhow::Result<()> {
    let text = if std::io::stdout().is_terminal() {
        pretty(value)
    } else {
        json::to_string(value)
    };
    Ok(output::line(&text)?)
}

/// Returns a value as indented JSON.
pub(super) fn pretty(value: &Value<'_>) -> String {
    let mut out = Vec::new();
    json::write_pretty(value, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// A point in time on the command line: an instant, a date, or a duration before now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum When {
    At(Timestamp),
    Ago(Duration),
}

impl When {
    /// Reads `2026-03-14T09:26:53Z`, `2026-03-14` (its midnight in UTC), `90m` or `7d`.
    ///
    /// # Errors
    /// If it is none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let instant = Timestamp::parse_rfc3339(text)
            .or_else(|| Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")));
        if let Some(at) = instant {
            return Ok(Self::At(at));
        }
        let ago = config::Duration::parse(text).map_err(|_| {
            format!(
                "`{text}` is no time: write `2026-03-14T09:26:53Z`, `2026-03-14`, or how long ago \
                 it was, such as `90m`, `24h` or `7d`"
            )
        })?;
        Ok(Self::Ago(ago.0))
    }

    /// Returns the instant, as seen from `now`.
    pub fn instant(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => {
                let micros = i64::try_from(ago.as_micros()).unwrap_or(i64::MAX);
                Timestamp(now.0.saturating_sub(micros))
            }
        }
    }
}

/// Makes a record of fields.
pub(super) fn record<const N: usize>(
    fields: [(&'static str, Value<'static>); N],
) -> Value<'static> {
    let fields = fields
        .into_iter()
        .map(|(key, value)| (Text::borrowed(key), value));
    Value::Record(fields.collect())
}

/// A text, or null.
pub(super) fn optional(text: Option<impl std::fmt::Display>) -> Value<'static> {
    text.map_or(Value::Null, |text| Value::from(text.to_string()))
}

/// A text.
pub(super) fn text(text: impl std::fmt::Display) -> Value<'static> {
    Value::from(text.to_string())
}

/// A count.
pub(super) fn count(count: u64) -> Value<'static> {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

/// A duration in milliseconds.
pub(super) fn millis(duration: Duration) -> Value<'static> {
    Value::Float(duration.as_micros() as f64 / 1000.0)
}

/// `{ "kind", "text", "line", "offset" }`; line and offset are null where there are none.
pub(super) fn origin(origin: &RunOrigin) -> Value<'static> {
    let (line, offset) = origin.place.unzip();
    record([
        ("kind", text(origin.kind.as_str())),
        ("text", text(&origin.text)),
        ("line", line.map_or(Value::Null, count)),
        ("offset", offset.map_or(Value::Null, count)),
    ])
}

/// Keys as an object.
pub(super) fn keys(keys: &[BusinessKey]) -> Value<'static> {
    let fields = keys
        .iter()
        .map(|key| (Text::from(key.name.to_string()), text(&key.value)));
    Value::Record(fields.collect())
}

/// Keys as people read them: `order=4711 customer=C-1`.
pub(super) fn keys_text(keys: &[BusinessKey]) -> String {
    let all: Vec<String> = keys
        .iter()
        .map(|key| format!("{}={}", clean(&key.name), clean(&key.value)))
        .collect();
    all.join(" ")
}

/// Reads stored JSON; `None` if it is none, as where a message could not be read.
pub(super) fn read_json(bytes: &[u8]) -> Option<Value<'static>> {
    let limits = json::Limits {
        depth: json::DEPTH_MAX,
        bytes: PAYLOAD_MAX,
    };
    json::read_owned(bytes, &Projection::All, &limits).ok()
}

/// Returns the lines of a payload, indented: JSON in its indented form, other bytes as text if they
/// are one. `lines_max` is how many are shown; the rest is counted.
pub(super) fn payload_lines(bytes: &[u8], is_json: bool, indent: &str, lines_max: usize) -> String {
    let value = if is_json { read_json(bytes) } else { None };
    let shown = match (value, std::str::from_utf8(bytes)) {
        (Some(value), _) => pretty(&value),
        (None, Ok(text)) => text.to_owned(),
        (None, Err(_)) => format!("({} bytes that are no text)", bytes.len()),
    };
    let mut text = String::new();
    let all = shown.lines().count();
    for line in shown.lines().take(lines_max) {
        text.push_str(&format!("{indent}{}\n", clean(line)));
    }
    if lines_max < all {
        text.push_str(&format!(
            "{indent}... {} more lines: `--full` shows them\n",
            all - lines_max
        ));
    }
    text
}

/// What came from outside cannot steer the terminal, nor begin a line of its own.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Returns the beginning of a text that has at most `max` characters.
pub(super) fn clipped(text: &str, max: usize) -> String {
    let text = clean(text);
    if text.chars().count() <= max {
        return text;
    }
    let mut short: String = text.chars().take(max.saturating_sub(3)).collect();
    short.push_str("...");
    short
}

/// A duration as people read it.
pub(super) fn duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        1_000_000..120_000_000 => format!("{:.2} s", micros as f64 / 1e6),
        _ => format!(
            "{} min {} s",
            duration.as_secs() / 60,
            duration.as_secs() % 60
        ),
    }
}

/// Returns rows in columns, two spaces between them, the last one as long as it is.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.len()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (cell, width) in cells.zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    };
    line(&mut head.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    text
}

/// Returns `count` and the word that fits it.
pub(super) fn number_of(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Reads a file that the command line names; `-` is standard input.
///
/// # Errors
/// If it cannot be read, or is larger than a payload may be.
pub(super) fn read_input(path: &Path) -> anyhow::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let limit = PAYLOAD_MAX as u64 + 1;
    if path.as_os_str() == "-" {
        std::io::stdin()
            .lock()
            .take(limit)
            .read_to_end(&mut bytes)
            .context("cannot read the input")?;
    } else {
        let file = std::fs::File::open(path)
            .map_err(|error| usage(format!("cannot read `{}`: {error}", path.display())))?;
        file.take(limit)
            .read_to_end(&mut bytes)
            .with_context(|| format!("cannot read `{}`", path.display()))?;
    }
    if PAYLOAD_MAX < bytes.len() {
        return Err(usage(format!(
            "the payload is larger than the limit of {PAYLOAD_MAX} bytes"
        )));
    }
    Ok(bytes)
}

/// The project among words that are ids otherwise: the last one, if it is not a number.
pub(super) fn split_project(words: &[String]) -> (Vec<&str>, ProjectArgs) {
    let mut ids: Vec<&str> = words.iter().map(String::as_str).collect();
    let is_project = |word: &&str| !word.bytes().all(|byte| byte.is_ascii_digit());
    let project = ids.pop_if(|word| is_project(&&**word)).map(PathBuf::from);
    (ids, ProjectArgs { project })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sluice_model::time::Timestamp;

    use super::{When, clipped, duration, quoted, split_project, table};

    #[test]
    fn times_are_instants_dates_or_ages() {
        let now = Timestamp::parse_rfc3339("2026-03-14T12:00:00Z").unwrap();
        for (text, expected) in [
            ("2026-03-14T09:26:53+01:00", "2026-03-14T08:26:53.000Z"),
            ("2026-03-14", "2026-03-14T00:00:00.000Z"),
            ("1h30m", "2026-03-14T10:30:00.000Z"),
            ("7d", "2026-03-07T12:00:00.000Z"),
        ] {
            assert_eq!(
                When::parse(text).unwrap().instant(now).rfc3339(),
                expected,
                "{text}"
            );
        }
        for bad in ["", "yesterday", "7", "2026-02-30", "h"] {
            assert!(When::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_comes_from_outside_stays_in_its_place() {
        assert_eq!(clipped("a\u{1b}[2Jb\nc", 20), "a [2Jb c");
        assert_eq!(clipped("0123456789", 8), "01234...");
        assert_eq!(quoted("a b'c"), "'a b'\\''c'");
        let rows = [
            vec!["1".to_owned(), "x".to_owned()],
            vec!["22222".to_owned(), "".to_owned()],
        ];
        assert_eq!(
            table(&["ID", "TEXT"], &rows),
            "ID     TEXT\n1      x\n22222\n"
        );
    }

    #[test]
    fn durations_read_well() {
        for (micros, expected) in [
            (7, "7 us"),
            (1_500, "1.5 ms"),
            (2_340_000, "2.34 s"),
            (125_000_000, "2 min 5 s"),
        ] {
            assert_eq!(duration(Duration::from_micros(micros)), expected);
        }
    }

    #[test]
    fn the_last_word_may_be_the_project() {
        let words = |all: &[&str]| {
            all.iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        let (ids, project) = (words(&["4", "7", "shop"]), words(&["4"]));
        let (ids, found) = split_project(&ids);
        assert_eq!((ids, found.project), (vec!["4", "7"], Some("shop".into())));
        let (ids, found) = split_project(&project);
        assert_eq!((ids, found.project), (vec!["4"], None));
    }
}
