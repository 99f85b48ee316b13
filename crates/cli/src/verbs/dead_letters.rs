//! `sluice dead-letters`: messages that flows gave up on, by cause; sent again, put away.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use sluice_model::ids::{FlowName, RunId};
use sluice_model::value::Value;
use sluice_store::dead_letter::message::MessageFormat;
use sluice_store::dead_letter::{
    DeadLetter, DeadLetterFilter, DeadLetterGroup, DeadLetterHead, DeadLetterId, DeadLetterState,
    GroupId,
};
use sluice_store::run::PAGE_MAX;
use sluice_store::store::StoreReader;

use crate::exit::{OK, usage};
use crate::output::{self, OutputArgs};
use crate::target::{EnvironmentArgs, ProjectArgs};
use crate::verbs::stored::{self, Stored};

mod page;
mod request;
mod shape;

/// Finds messages that flows gave up on, and sends them again.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    List(Box<List>),
    Show(Show),
    Redrive(Redrive),
    Archive(Chosen),
    Reopen(Chosen),
}

/// Lists dead letters by cause, or one by one.
///
/// With `-o json`: `{"groups":[{"group","flow","step","code","message","open","redriving",
/// "redriven","archived","first","last"}]}`, where `message` is that of the newest; with `--all`,
/// `--group` or `--run` `{"dead_letters":[DEAD_LETTER],"next":ID|null}`, and `--before` takes
/// `next`. DEAD_LETTER is `{"id","group","flow","state","changed","code","message","detail",
/// "step","run","release","keys":{NAME:VALUE},"origin":{"kind","text","line","offset"},
/// "attempts","received","created","redrives","redrive_run","redrive_fault","size"}`; times are
/// RFC 3339 in UTC.
#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// The flow.
    #[arg(long)]
    flow: Option<String>,
    /// The group, by the id that the list of causes shows: lists its dead letters one by one.
    #[arg(long, value_name = "ID")]
    group: Option<u64>,
    /// The run that gave up: lists its dead letters one by one.
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// What is happening to them: `any` for all.
    #[arg(long, default_value = "open", value_parser = states())]
    state: String,
    /// Lists them one by one.
    #[arg(long)]
    all: bool,
    /// How many one by one, at most 1000.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Those before this one: the next page begins where the last one said.
    #[arg(long, value_name = "ID")]
    before: Option<u64>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Shows a dead letter: its cause, and the message as it entered the flow.
///
/// With `-o json`: DEAD_LETTER as in `dead-letters list`, and beside it `"format":"json"|"bytes"|
/// "unread"`, `"payload"` (the value; base 64 unless the format is `json`), `"params"`, `"headers"`
/// and `"position"` (null where there is none).
#[derive(Debug, clap::Args)]
struct Show {
    /// Its id.
    id: u64,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Writes only the payload, to be edited: JSON indented, other bytes as they came.
    #[arg(long, conflicts_with = "output")]
    raw: bool,
    /// Shows the payload whole.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Which dead letters are meant, and who carries it out.
///
/// The process that runs the project carries it out: a request is stored for it, and its result is
/// waited for. If no process runs the project, the request is kept, and carried out once one does.
///
/// With `-o json`: `{"request":ID|null,"status":"finished"|"waiting"|"nothing","done","failed",
/// "note":TEXT|null,"failures":[{"id","fault"}]}`; `failures` names at most 20. The exit code is 1
/// if it failed for any.
#[derive(Debug, clap::Args)]
struct Chosen {
    /// The ids; the last word is the project if it is not a number.
    #[arg(value_name = "ID|PROJECT")]
    words: Vec<String>,
    /// Those of a group, by the id that the list of causes shows.
    #[arg(long, value_name = "ID")]
    group: Option<u64>,
    /// Those of a flow.
    #[arg(long)]
    flow: Option<String>,
    /// All of them.
    #[arg(long, conflicts_with_all = ["group", "flow"])]
    all: bool,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Stores the request and does not wait for its result.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Sends dead letters through their flows again, each with the message as it was.
///
/// The process that runs the project carries it out: a request is stored for it, and its result is
/// waited for. If no process runs the project, the request is kept, and carried out once one does.
///
/// With `-o json`: `{"request":ID|null,"status":"finished"|"waiting"|"nothing","done","failed",
/// "note":TEXT|null,"failures":[{"id","fault"}]}`; `failures` names at most 20. The exit code is 1
/// if any failed again: those are open still.
#[derive(Debug, clap::Args)]
struct Redrive {
    #[command(flatten)]
    chosen: Chosen,
    /// Sends one dead letter with this payload in place of its own; `-` is standard input.
    #[arg(long, value_name = "FILE|-")]
    payload: Option<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// If there is no data, or it cannot be read, or what is named is not there.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    match &args.what {
        What::List(list) => list.run(),
        What::Show(show) => show.run(),
        What::Redrive(redrive) => request::redrive(&redrive.chosen, redrive.payload.as_deref()),
        What::Archive(chosen) => request::put(chosen, &request::ARCHIVE),
        What::Reopen(chosen) => request::put(chosen, &request::REOPEN),
    }
}

fn states() -> PossibleValuesParser {
    let words = DeadLetterState::ALL.map(DeadLetterState::as_str);
    PossibleValuesParser::new(words.into_iter().chain(["any"]))
}

impl List {
    fn run(&self) -> anyhow::Result<u8> {
        let json = stored::is_json(self.output)?;
        let stored = Stored::open(&self.project, &self.environment)?;
        let flow = self.flow.as_deref().map(FlowName::from);
        if self.all || self.group.is_some() || self.run.is_some() {
            self.one_by_one(&stored, flow, json)?;
        } else {
            self.by_cause(&stored, flow, json)?;
        }
        Ok(OK)
    }

    fn by_cause(&self, stored: &Stored, flow: Option<FlowName>, json: bool) -> anyhow::Result<()> {
        let mut groups = stored.wait(stored.reader.dead_letter_groups(flow.as_ref()))?;
        let state = DeadLetterState::parse(&self.state);
        groups.retain(|group| state.is_none_or(|state| group.count(state) != 0));
        if json {
            let all = groups.iter().map(shape::group).collect();
            stored::print_json(&stored::record([("groups", Value::List(all))]))?;
        } else if !groups.is_empty() {
            output::line(&page::groups(&groups))?;
        }
        let Some(first) = groups.first() else {
            return self.nothing(stored, flow);
        };
        let list = stored.command(&format!("dead-letters list --group {}", first.id));
        output::say(&format!("next: {list} lists those of one cause"));
        if first.count(DeadLetterState::Open) != 0 {
            let again = stored.command(&format!("dead-letters redrive --group {}", first.id));
            output::say(&format!("      {again} sends them again"));
        }
        Ok(())
    }

    fn one_by_one(
        &self,
        stored: &Stored,
        flow: Option<FlowName>,
        json: bool,
    ) -> anyhow::Result<()> {
        let run = self.run.as_deref().map(|id| {
            let wrong = || usage("`--run` takes a run's id of 13 characters, as lists print it");
            RunId::parse(id).ok_or_else(wrong)
        });
        if let Some(group) = self.group {
            group_of(stored, group)?;
        }
        let filter = DeadLetterFilter {
            flow: flow.clone(),
            group: self.group.map(GroupId),
            state: DeadLetterState::parse(&self.state),
            run: run.transpose()?,
        };
        let before = self.before.map(DeadLetterId);
        let (heads, next) = search(stored, &filter, before, usize::from(self.limit))?;
        if json {
            let all = heads.iter().map(shape::head).collect();
            let next = next.map_or(Value::Null, |id| stored::count(id.0));
            let fields = [("dead_letters", Value::List(all)), ("next", next)];
            stored::print_json(&stored::record(fields))?;
        } else if !heads.is_empty() {
            output::line(&page::list(&heads))?;
        }
        let Some(first) = heads.first() else {
            return self.nothing(stored, flow);
        };
        if let Some(next) = next {
            output::say(&format!("there are more: repeat it with `--before {next}`"));
        }
        let show = stored.command(&format!("dead-letters show {}", first.id));
        output::say(&format!("next: {show} shows its cause and its message"));
        Ok(())
    }

    fn nothing(&self, stored: &Stored, flow: Option<FlowName>) -> anyhow::Result<()> {
        stored.check_flow(flow.as_ref())?;
        let state = if self.state == "any" {
            ""
        } else {
            &format!("{} ", self.state)
        };
        let hint = if self.state == "any" {
            ""
        } else {
            "; `--state any` lists the others, too"
        };
        output::say(&format!(
            "there is no {state}dead letter of that kind{hint}"
        ));
        Ok(())
    }
}

/// Searches until enough dead letters are found or there are no more.
fn search(
    stored: &Stored,
    filter: &DeadLetterFilter,
    mut before: Option<DeadLetterId>,
    limit: usize,
) -> anyhow::Result<(Vec<DeadLetterHead>, Option<DeadLetterId>)> {
    let mut heads = Vec::new();
    loop {
        let wanted = (limit - heads.len()).min(PAGE_MAX);
        let mut found = stored.wait(stored.reader.dead_letters(filter.clone(), before, wanted))?;
        heads.append(&mut found.dead_letters);
        before = found.next;
        if before.is_none() || limit <= heads.len() {
            return Ok((heads, before));
        }
    }
}

/// Returns a group by its id.
fn group_of(stored: &Stored, id: u64) -> anyhow::Result<DeadLetterGroup> {
    let groups = stored.wait(stored.reader.dead_letter_groups(None))?;
    groups
        .into_iter()
        .find(|group| group.id.0 == id)
        .ok_or_else(|| {
            let list = stored.command("dead-letters list --state any");
            usage(format!("there is no group `{id}`: {list} shows their ids"))
        })
}

/// Returns a dead letter with its message.
fn letter_of(stored: &Stored, id: u64) -> anyhow::Result<DeadLetter> {
    stored
        .wait(stored.reader.dead_letter(DeadLetterId(id)))?
        .ok_or_else(|| unknown(stored, id))
}

fn unknown(stored: &Stored, id: u64) -> anyhow::Error {
    let list = stored.command("dead-letters list --all");
    usage(format!(
        "there is no dead letter `{id}`: {list} shows their ids"
    ))
}

impl Show {
    fn run(&self) -> anyhow::Result<u8> {
        let json = stored::is_json(self.output)?;
        let stored = Stored::open(&self.project, &self.environment)?;
        let letter = letter_of(&stored, self.id)?;
        if self.raw {
            write_raw(&letter)?;
            return Ok(OK);
        }
        if json {
            stored::print_json(&shape::whole(&letter))?;
        } else {
            output::line(&page::whole(&letter, self.full))?;
        }
        let id = self.id;
        let run = stored.command(&format!("runs show {}", letter.head.facts.run));
        output::say(&format!("next: {run} shows how it came to that"));
        if letter.head.state == DeadLetterState::Open {
            let raw = stored.command(&format!("dead-letters show {id} --raw"));
            let edited = stored.command(&format!("dead-letters redrive {id} --payload FILE"));
            output::say(&format!(
                "      {raw} writes the payload, {edited} sends an edited one"
            ));
        }
        Ok(OK)
    }
}

/// Writes the payload and nothing else.
fn write_raw(letter: &DeadLetter) -> anyhow::Result<()> {
    use std::io::Write as _;
    let message = &letter.message;
    let value = match message.format {
        MessageFormat::Json => stored::read_json(&message.body),
        MessageFormat::Bytes | MessageFormat::Unread => None,
    };
    let mut out = std::io::stdout().lock();
    match value {
        Some(value) => writeln!(out, "{}", stored::pretty(&value))?,
        None => out.write_all(&message.body)?,
    }
    Ok(out.flush()?)
}
