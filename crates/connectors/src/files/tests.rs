//! Tests on real folders; time is tokio's, paused.

mod documented;
mod reading;
mod writing;

use std::sync::Arc;

use serde_json::json;
use sluice_model::batch::{Message, Payload};
use sluice_model::fault::Fault;
use sluice_model::operation::Target;
use sluice_model::value::Value;
use sluice_sdk::connection::{BatchFault, DynConnection, DynSink, DynSource, Row};
use sluice_testkit::project::TempProject;
use sluice_testkit::workbench::Workbench;

/// A project with a connection to its folder `box`.
pub(super) struct Boxes {
    pub(super) project: TempProject,
    bench: Workbench,
    connection: Arc<dyn DynConnection>,
}

impl Boxes {
    pub(super) fn new() -> Self {
        Self::with(
            TempProject::new(),
            json!({ "type": "files", "at": "./box", "create": true }),
        )
    }

    pub(super) fn with(project: TempProject, fields: serde_json::Value) -> Self {
        let bench = Workbench::new(project.path(), |registry| {
            registry.connection::<crate::files::Files>();
        });
        let connection = bench.connection(fields).expect("the fields are right");
        Self {
            project,
            bench,
            connection,
        }
    }

    pub(super) fn try_source(
        &self,
        place: &str,
        fields: serde_json::Value,
    ) -> Result<Box<dyn DynSource>, String> {
        let target = Target::Place(place.into());
        self.bench.source(&self.connection, "files", target, fields)
    }

    pub(super) fn source(&self, place: &str, fields: serde_json::Value) -> Box<dyn DynSource> {
        self.try_source(place, fields)
            .expect("the fields are right")
    }

    pub(super) fn try_sink(
        &self,
        place: &str,
        fields: serde_json::Value,
    ) -> Result<Box<dyn DynSink>, String> {
        let target = Target::Place(place.into());
        self.bench.sink(&self.connection, target, fields)
    }

    pub(super) fn sink(&self, place: &str, fields: serde_json::Value) -> Box<dyn DynSink> {
        self.try_sink(place, fields).expect("the fields are right")
    }

    pub(super) fn connection(&self) -> &Arc<dyn DynConnection> {
        &self.connection
    }
}

pub(super) fn value(json: serde_json::Value) -> Value<'static> {
    sluice_testkit::yaml::value(&json.to_string())
}

pub(super) fn row(name: Option<&str>, group: Option<&str>, json: serde_json::Value) -> Row {
    Row {
        value: value(json),
        name: name.map(sluice_model::value::Text::from),
        key: None,
        group: group.map(Arc::from),
    }
}

pub(super) fn shown(fault: &Fault) -> String {
    format!("{fault} [{:?}, {:?}]", fault.retry(), fault.blame())
}

pub(super) fn failures(result: Result<(), BatchFault>) -> String {
    match result {
        Ok(()) => "written".to_owned(),
        Err(BatchFault::All(fault)) => format!("all: {}", shown(&fault)),
        Err(BatchFault::Rows(rows)) => rows
            .iter()
            .map(|(index, fault)| format!("{index}: {}\n", shown(fault)))
            .collect(),
    }
}

/// Shows a message: where it came from, and what it holds.
pub(super) fn message(message: &Message) -> String {
    match &message.payload {
        Payload::Value(Value::Bytes(bytes)) => {
            format!(
                "{}: bytes {:?}",
                message.origin,
                String::from_utf8_lossy(bytes)
            )
        }
        Payload::Value(value) => {
            format!(
                "{}: {}",
                message.origin,
                sluice_model::json::to_string(value)
            )
        }
        Payload::Unread { raw, fault } => format!(
            "{}: unread {:?}, {}",
            message.origin,
            String::from_utf8_lossy(raw),
            fault.code()
        ),
    }
}
