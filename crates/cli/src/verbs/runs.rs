//! `sluice runs`: what became of messages, found by key, flow, status and time.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use sluice_model::fault::FaultCode;
use sluice_model::ids::{FlowName, RunId};
use sluice_model::value::Value;
use sluice_store::dead_letter::{DeadLetterFilter, DeadLetterHead};
use sluice_store::payload::StoredPayload;
use sluice_store::run::{
    KeyFilter, Outcome, PAGE_MAX, RunDetail, RunFilter, RunSummary, StepOutcome,
};
use sluice_store::store::StoreReader;

use crate::exit::{FAILED, OK, usage};
use crate::output::{self, OutputArgs};
use crate::target::{EnvironmentArgs, ProjectArgs};
use crate::verbs::stored::{self, Stored, When};

mod page;
mod shape;
#[cfg(test)]
mod tests;

/// The runs of a run that its page lists.
const CHILDREN_SHOWN: usize = 100;

/// Finds runs, and shows them step by step.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    List(Box<List>),
    Show(Show),
    Counts(CountsArgs),
}

/// Lists runs, newest first.
///
/// With `-o json`: `{"runs":[RUN],"next":ID|null}`; `--before` takes `next`. RUN is
/// `{"id","flow","status","started","duration_ms","keys":{NAME:VALUE},"origin":{"kind","text",
/// "line","offset"},"attempts","fault":{"code","message","step"}|null,"environment","release",
/// "correlation","trace","parent","has_steps"}`; times are RFC 3339 in UTC, and what is not there
/// is null.
#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// A business key: `order=4711`, or `4711` for a key of any name (`=a=b` if the value has a
    /// `=`).
    #[arg(long, value_name = "[NAME=]VALUE")]
    key: Option<String>,
    /// The flow.
    #[arg(long)]
    flow: Option<String>,
    /// How they ended.
    #[arg(long, value_parser = status())]
    status: Option<Outcome>,
    /// Those that began then or later: `1h` (ago), `2026-03-14`, `2026-03-14T09:26:53Z`.
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    since: Option<When>,
    /// Those that began before.
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    until: Option<When>,
    /// The code of the fault, such as `timeout`.
    #[arg(long, value_name = "CODE")]
    fault: Option<String>,
    /// Where the message came from: a file, `file:line`, a request's id.
    #[arg(long, value_name = "TEXT")]
    origin: Option<String>,
    /// The correlation id.
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    /// The run that ran them.
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// How many, at most 1000.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Those before this one: the next page begins where the last one said.
    #[arg(long, value_name = "ID")]
    before: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Shows a run step by step.
///
/// With `-o json`: RUN as in `runs list`, and beside it `"steps":[{"ordinal","step","status",
/// "attempts","offset_ms","duration_ms","effect_key","input","output","fault":{"code","message",
/// "detail"}|null}]`, `"children":[RUN]`, `"dead_letter":ID|null`. Input and output are null (none)
/// or `{"hash","size","kept","format":"json"|"bytes","value"|"base64","why"}`: `why` says why a
/// payload is not kept.
#[derive(Debug, clap::Args)]
struct Show {
    /// Its id, or the beginning of it.
    id: String,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Shows payloads whole.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Adds up what entered each flow and how it ended.
///
/// With `-o json`: `{"flows":[{"flow","received","delivered","answered_error","dead_lettered",
/// "parked","filtered","duplicate","settled","retries","balanced"}],"balanced"}`. The exit code is
/// 1 if `received` is not the sum of the outcomes.
#[derive(Debug, clap::Args)]
struct CountsArgs {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Only this flow.
    #[arg(long)]
    flow: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the verb.
///
/// # Errors
/// If there is no data, or it cannot be read, or no run has the id.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    match &args.what {
        What::List(list) => list.run(),
        What::Show(show) => show.run(),
        What::Counts(counts) => counts.run(),
    }
}

fn status() -> impl TypedValueParser<Value = Outcome> {
    PossibleValuesParser::new(Outcome::ALL.map(Outcome::as_str))
        .map(|word| Outcome::parse(&word).expect("it is one of their words"))
}

impl List {
    fn run(&self) -> anyhow::Result<u8> {
        let json = stored::is_json(self.output)?;
        let stored = Stored::open(&self.project, &self.environment)?;
        let filter = self.filter(&stored)?;
        let before = self
            .before
            .as_deref()
            .map(|id| full_id(id, "--before"))
            .transpose()?;
        let (runs, next) = search(&stored, &filter, before, usize::from(self.limit))?;
        if json {
            let all = runs.iter().map(shape::run).collect();
            let fields = [("runs", Value::List(all)), ("next", stored::optional(next))];
            stored::print_json(&stored::record(fields))?;
        } else if !runs.is_empty() {
            output::line(&page::list(&runs))?;
        }
        self.advise(&stored, &runs, next)?;
        Ok(OK)
    }

    fn filter(&self, stored: &Stored) -> anyhow::Result<RunFilter> {
        let now = stored.cx.now();
        let parent = match self.parent.as_deref() {
            Some(id) => Some(find(stored, id)?),
            None => None,
        };
        Ok(RunFilter {
            key: self.key.as_deref().map(key).transpose()?,
            flow: self.flow.as_deref().map(FlowName::from),
            outcome: self.status,
            fault: self.fault.as_deref().map(FaultCode::from),
            origin: self.origin.as_deref().map(Into::into),
            correlation: self.correlation.as_deref().map(Into::into),
            parent,
            from: self.since.map(|when| when.instant(now)),
            until: self.until.map(|when| when.instant(now)),
        })
    }

    /// Says on a terminal's behalf what to do next; programs read `next`.
    fn advise(
        &self,
        stored: &Stored,
        runs: &[RunSummary],
        next: Option<RunId>,
    ) -> anyhow::Result<()> {
        let Some(first) = runs.first() else {
            stored.check_flow(self.flow.as_deref().map(FlowName::from).as_ref())?;
            output::say(
                "no run matches; runs that delivered are kept for flows with `keys`, or with \
                 `record: all`",
            );
            return Ok(());
        };
        if let Some(next) = next {
            output::say(&format!("there are more: repeat it with `--before {next}`"));
        }
        let command = stored.command(&format!("runs show {}", first.id));
        output::say(&format!("next: {command} shows a run step by step"));
        Ok(())
    }
}

/// Searches until enough runs are found or there are no more: the store stops a page after a
/// bounded amount of work.
fn search(
    stored: &Stored,
    filter: &RunFilter,
    mut before: Option<RunId>,
    limit: usize,
) -> anyhow::Result<(Vec<RunSummary>, Option<RunId>)> {
    let mut runs = Vec::new();
    loop {
        let wanted = (limit - runs.len()).min(PAGE_MAX);
        let mut found = stored.wait(stored.reader.runs(filter.clone(), before, wanted))?;
        runs.append(&mut found.runs);
        before = found.next;
        if before.is_none() || limit <= runs.len() {
            return Ok((runs, before));
        }
    }
}

/// Reads `NAME=VALUE`, `VALUE`, or `=VALUE`.
fn key(text: &str) -> anyhow::Result<KeyFilter> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let (name, value) = match text.split_once('=') {
        Some(("", value)) => (None, value),
        Some((name, value)) if is_name(name) => (Some(name.into()), value),
        _ => (None, text),
    };
    if value.is_empty() {
        return Err(usage(
            "`--key` needs a value: `--key order=4711`, or `--key 4711`",
        ));
    }
    Ok(KeyFilter {
        name,
        value: value.into(),
    })
}

/// Reads an id in full.
fn full_id(text: &str, option: &str) -> anyhow::Result<RunId> {
    RunId::parse(text).ok_or_else(|| {
        usage(format!(
            "`{option}` takes an id of 13 characters as lists print it, not `{text}`"
        ))
    })
}

/// Returns the ids that begin with a text: from the first to the last; `None` if none can.
fn range_of(prefix: &str) -> Option<(RunId, RunId)> {
    let free = 13_usize.checked_sub(prefix.len())?;
    let ends = |fill: &str| RunId::parse(&format!("{prefix}{}", fill.repeat(free)));
    Some((ends("0")?, ends("z")?))
}

/// Returns the run whose id is, or begins with, a text.
fn find(stored: &Stored, text: &str) -> anyhow::Result<RunId> {
    let lists = stored.command("runs list");
    let wrong = || {
        let text = stored::clean(text);
        usage(format!(
            "`{text}` is not the id of a run, nor the beginning of one: {lists} shows ids"
        ))
    };
    if text.is_empty() || !text.is_ascii() {
        return Err(wrong());
    }
    let (first, last) = range_of(text).ok_or_else(wrong)?;
    if first == last {
        return Ok(first);
    }
    let below = Some(RunId(last.0.saturating_add(1)));
    let (runs, _) = search(stored, &RunFilter::default(), below, 2)?;
    let mut ids = runs
        .iter()
        .map(|run| run.id)
        .filter(|id| first <= *id && *id <= last);
    match (ids.next(), ids.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(usage(format!(
            "no run has an id that begins with `{text}`: {lists}"
        ))),
        (Some(one), Some(other)) => Err(usage(format!(
            "several runs have an id that begins with `{text}`, such as `{one}` and `{other}`: \
             write more of it"
        ))),
    }
}

/// A run with all that its page shows.
struct Whole {
    detail: RunDetail,
    /// For each step what went in and what came out, where that is kept.
    payloads: Vec<(Option<StoredPayload>, Option<StoredPayload>)>,
    children: Vec<RunSummary>,
    dead_letter: Option<DeadLetterHead>,
}

impl Whole {
    fn read(stored: &Stored, detail: RunDetail) -> anyhow::Result<Self> {
        let id = detail.summary.id;
        let kept = |step: &StepOutcome| {
            let one = |reference: Option<sluice_store::payload::PayloadRef>| match reference {
                None => Ok(None),
                Some(reference) => stored.wait(stored.reader.payload(id, reference.hash)),
            };
            anyhow::Ok((one(step.input)?, one(step.output)?))
        };
        let payloads = detail.steps.iter().map(kept).collect::<Result<_, _>>()?;
        let of_parent = RunFilter {
            parent: Some(id),
            ..RunFilter::default()
        };
        let (children, _) = search(stored, &of_parent, None, CHILDREN_SHOWN)?;
        let of_run = DeadLetterFilter {
            run: Some(id),
            ..DeadLetterFilter::default()
        };
        let letters = stored.wait(stored.reader.dead_letters(of_run, None, 1))?;
        let dead_letter = letters.dead_letters.into_iter().next();
        Ok(Self {
            detail,
            payloads,
            children,
            dead_letter,
        })
    }
}

impl Show {
    fn run(&self) -> anyhow::Result<u8> {
        let json = stored::is_json(self.output)?;
        let stored = Stored::open(&self.project, &self.environment)?;
        let id = find(&stored, &self.id)?;
        let Some(detail) = stored.wait(stored.reader.run(id))? else {
            let lists = stored.command("runs list");
            return Err(usage(format!(
                "there is no run `{id}` any more, or never was: {lists}"
            )));
        };
        let whole = Whole::read(&stored, detail)?;
        if json {
            stored::print_json(&shape::whole(&whole))?;
        } else {
            output::line(&page::whole(&whole, self.full))?;
        }
        if let Some(letter) = &whole.dead_letter {
            let command = stored.command(&format!("dead-letters show {}", letter.id));
            output::say(&format!("next: {command} shows the message and its cause"));
        }
        Ok(OK)
    }
}

impl CountsArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let json = stored::is_json(self.output)?;
        let stored = Stored::open(&self.project, &self.environment)?;
        let mut all = stored.wait(stored.reader.counts_all())?;
        if let Some(flow) = self.flow.as_deref().map(FlowName::from) {
            stored.check_flow(Some(&flow))?;
            all.retain(|(name, _)| *name == flow);
        }
        let balanced = all.iter().all(|(_, counts)| counts.is_balanced());
        if json {
            let flows = all
                .iter()
                .map(|(name, counts)| shape::counts(name, counts))
                .collect();
            let fields = [
                ("flows", Value::List(flows)),
                ("balanced", Value::Bool(balanced)),
            ];
            stored::print_json(&stored::record(fields))?;
        } else if !all.is_empty() {
            output::line(&page::counts(&all))?;
        }
        if all.is_empty() {
            output::say("no flow has had a message yet");
        }
        if !balanced {
            output::say(
                "error: the sums do not balance: of some messages it is not known how they ended; \
                 that is a defect of Sluice, please report it with these numbers",
            );
            return Ok(FAILED);
        }
        Ok(OK)
    }
}
