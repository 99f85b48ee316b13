//! Files as a source: its configuration. What it does when it is open stands in
//! [`crate::files::opened`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_model::fault::Fault;
use sluice_model::types::{Field, Type};
use sluice_model::value::Name;
use sluice_sdk::check::{Check, Problem};
use sluice_sdk::config::{Duration as Span, FormatRef, TypeName};
use sluice_sdk::connection::{Delivery, Positions, Promises, Source, SourceShape};
use sluice_sdk::cx::Cx;
use sluice_sdk::format::DynFormat;
use sluice_sdk::registry::Info;

use crate::files::Files;
use crate::files::glob::Glob;
use crate::files::opened::State;
use crate::files::place;
use crate::files::then::Then;

/// The fields of `from: { files: ... }`, beside the reference.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilesSourceConfig {
    /// Which files: `*.csv`, `{a,b}-??.txt`, `**/*.json` for those in folders below too. Case
    /// counts. Names that begin with `.` or end with `.part` or `.tmp` are never read.
    pub r#match: String,
    /// What the files hold. Without a format a file's content is bytes.
    pub format: Option<FormatRef>,
    /// What a message is.
    pub each: Each,
    /// The type of a record: cells are converted on reading.
    pub r#type: Option<TypeName>,
    /// What becomes of a file once all that came from it is settled. Without it the file stays, and
    /// is not read again until it changes.
    pub then: Option<Then>,
    /// How often the folder is looked at.
    pub every: Span,
    /// How long nothing may have changed a file before it is read, so that one that is still being
    /// written is not.
    pub settle: Span,
}

impl Default for FilesSourceConfig {
    fn default() -> Self {
        Self {
            r#match: "*".to_owned(),
            format: None,
            each: Each::File,
            r#type: None,
            then: None,
            every: Span(Duration::from_secs(1)),
            settle: Span(Duration::from_secs(1)),
        }
    }
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Each {
    /// A whole file, up to 16 MiB: its one record, the list of its records, or its bytes.
    #[default]
    File,
    /// Each record of a file of any size.
    Record,
}

/// A source that reads the files of a folder.
pub struct FilesSource {
    plan: Arc<Plan>,
    state: Option<Mutex<State>>,
}

impl Clone for FilesSource {
    /// Returns a source that is not open.
    fn clone(&self) -> Self {
        Self {
            plan: Arc::clone(&self.plan),
            state: None,
        }
    }
}

/// What the configuration says.
pub(crate) struct Plan {
    /// The folder below the connection's; empty for that itself.
    pub(crate) place: String,
    pub(crate) glob: Glob,
    pub(crate) format: Option<Arc<dyn DynFormat>>,
    pub(crate) each: Each,
    pub(crate) then: Option<Then>,
    pub(crate) every: Duration,
    pub(crate) settle: Duration,
}

impl Source for FilesSource {
    const INFO: Info = Info {
        name: "files",
        summary: "Reads the files of a folder, whole or record by record, and those that come.",
        example: "from:\n  files: inbox#orders\n  match: \"*.csv\"\n  format: csv\n  \
                  each: record\n  then: { move: done }\n",
    };
    type On = Files;
    type Config = FilesSourceConfig;

    fn check(config: FilesSourceConfig, cx: &mut dyn Check) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let place = place::check(cx).unwrap_or_else(|problem| {
            problems.push(problem);
            String::new()
        });
        let glob = Glob::parse(&config.r#match);
        problems.extend(glob.as_ref().err().map(|text| Problem::new("/match", text)));
        let ty = config.r#type.and_then(|name| cx.contract_type(name));
        let format = config.format.and_then(|name| cx.format(name, ty.as_ref()));
        problems.extend(check_each(&config, format.as_deref()));
        problems.extend(config.then.as_ref().and_then(check_then));
        if config.every.0 < Duration::from_millis(10) {
            let problem = Problem::new("/every", "the folder would be looked at all the time");
            problems.push(problem.with_help("write `10ms` or more"));
        }
        let Ok(glob) = glob else {
            return Err(problems);
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let plan = Plan {
            place,
            glob,
            format,
            each: config.each,
            then: config.then.filter(|then| *then != Then::Delete(false)),
            every: config.every.0,
            settle: config.settle.0,
        };
        Ok(Self {
            plan: Arc::new(plan),
            state: None,
        })
    }

    fn shape(&self) -> SourceShape {
        let payload = match (&self.plan.format, self.plan.each) {
            (None, _) => Type::new(sluice_model::types::Kind::Bytes),
            (Some(format), Each::File) if format.is_stream_of_records() => {
                Type::list(format.record_type())
            }
            (Some(format), _) => format.record_type(),
        };
        let field = |name, ty| Field {
            name: Name::new(name),
            ty,
            required: true,
        };
        let mut meta = vec![field("file", Type::text())];
        if self.plan.each == Each::Record {
            meta.push(field("line", Type::int()));
            meta.push(field("offset", Type::int()));
        }
        SourceShape {
            payload,
            params: None,
            meta: Type::record(meta),
            reply: None,
        }
    }

    fn promises(&self) -> Promises {
        Promises {
            ordered: true,
            redelivers: true,
            replies: false,
            finite: false,
        }
    }

    async fn open(
        &mut self,
        on: &Files,
        positions: Arc<dyn Positions>,
        cx: &Cx,
    ) -> Result<(), Fault> {
        let (files, place) = (on.clone(), self.plan.place.clone());
        let folder = cx.blocking(move || files.folder(&place)).await??;
        // What is under way after a fault goes on as it is.
        match &mut self.state {
            Some(state) => state_of(state).use_positions(positions),
            None => {
                let state = State::new(Arc::clone(&self.plan), folder, positions);
                self.state = Some(Mutex::new(state));
            }
        }
        Ok(())
    }

    async fn next(&mut self, _: &Files, cx: &Cx) -> Result<Option<Delivery>, Fault> {
        match &mut self.state {
            Some(state) => state_of(state).next(cx).await.map(Some),
            None => Ok(None),
        }
    }

    async fn close(&mut self, _: &Files, _: &Cx) {
        self.state = None;
    }
}

fn check_each(config: &FilesSourceConfig, format: Option<&dyn DynFormat>) -> Option<Problem> {
    match (config.each, config.format, format) {
        (Each::Record, None, _) => {
            let problem = Problem::new("/each", "records need a format to tell them apart");
            Some(problem.with_help("add `format: csv`, or write `each: file`"))
        }
        (Each::Record, _, Some(format)) if !format.is_stream_of_records() => {
            let name = format.info().name;
            let text = format!("a file of the format `{name}` is one record");
            Some(Problem::new("/each", text).with_help("write `each: file`"))
        }
        (_, None, _) if config.r#type.is_some() => {
            let problem = Problem::new("/type", "bytes have no type");
            Some(problem.with_help("add the files' `format`"))
        }
        _ => None,
    }
}

fn check_then(then: &Then) -> Option<Problem> {
    match then {
        Then::Move(folder) if !place::is_below(folder) => {
            let text = format!("`{folder}` is not a folder below the one that is read");
            let problem = Problem::new("/then/move", text);
            Some(problem.with_help("write a relative path without `..`, such as `done`"))
        }
        Then::Move(_) | Then::Delete(_) => None,
    }
}

fn state_of(state: &mut Mutex<State>) -> &mut State {
    state.get_mut().unwrap_or_else(PoisonError::into_inner)
}
