//! Environments: what differs from one to the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_model::codes;
use sluice_model::ids::EnvironmentName;
use sluice_model::span::Span;
use sluice_model::types::{Field, Kind, RecordType, Type};
use sluice_model::value::{Name, Record, Value};
use sluice_syntax::tree::Node;

use crate::files::EnvironmentFile;
use crate::names::{bad_identifier, is_identifier, is_name};
use crate::project::{FileKind, ParsedFile};
use crate::work::Work;

/// The environment that is meant where none is named.
pub const DEFAULT_ENVIRONMENT: &str = "dev";
/// The address that APIs listen on where no environment says otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

/// An environment, read.
#[derive(Debug)]
pub(crate) struct Environment<'r> {
    pub name: EnvironmentName,
    pub listen: Arc<str>,
    /// For each connection, the fields that differ.
    pub connections: BTreeMap<&'r str, (&'r Node, Span)>,
    /// What `$config` gives.
    pub config: Record<'static>,
    /// The type of `$config`.
    pub config_type: Type,
    /// Whether its file is broken, which is told: what it lacks is no finding.
    pub broken: bool,
}

impl Environment<'_> {
    fn bare(name: &str) -> Self {
        Self {
            name: name.into(),
            listen: DEFAULT_LISTEN.into(),
            connections: BTreeMap::new(),
            config: Record::default(),
            config_type: Type::record(Vec::new()),
            broken: false,
        }
    }
}

/// Reads all environments; there is always the default one.
pub(crate) fn read_all<'r>(work: &mut Work<'r>) -> Vec<Environment<'r>> {
    let parsed = work.parsed;
    let mut all: Vec<(Environment<'r>, Span)> = Vec::new();
    for file in parsed.of_kind(FileKind::Environment) {
        let root = file.document.as_ref().and_then(|d| d.root.as_ref());
        let found = root.and_then(|root| read(work, root));
        let (mut environment, span) = found.unwrap_or_else(|| lost(file, root));
        if file.broken || environment.broken {
            environment.broken = true;
            environment.config_type = Type::any();
        }
        if let Some((_, first)) = all.iter().find(|(own, _)| own.name == environment.name) {
            work.duplicate("environments", environment.name.as_str(), span, *first);
            continue;
        }
        all.push((environment, span));
    }
    let mut all: Vec<_> = all
        .into_iter()
        .map(|(environment, _)| environment)
        .collect();
    if !all
        .iter()
        .any(|own| own.name.as_str() == DEFAULT_ENVIRONMENT)
    {
        all.insert(0, Environment::bare(DEFAULT_ENVIRONMENT));
    }
    all
}

/// Returns what is known of an environment whose file is broken: hardly its name.
fn lost<'r>(file: &'r ParsedFile, root: Option<&'r Node>) -> (Environment<'r>, Span) {
    let node = root.and_then(|root| root.get("environment"));
    let written = node.and_then(Node::as_scalar).map(|own| &*own.text);
    let stem = file.path.rsplit('/').next().unwrap_or(&file.path);
    let stem = stem.split('.').next().unwrap_or(stem);
    let mut environment = Environment::bare(written.unwrap_or(stem));
    environment.broken = true;
    (environment, node.map_or(file.start(), |node| node.span))
}

fn read<'r>(work: &mut Work<'r>, root: &'r Node) -> Option<(Environment<'r>, Span)> {
    let config: EnvironmentFile = work.read_node(root, "an environment")?;
    let name_span = root.get("environment").map_or(root.span, |node| node.span);
    if !is_name(&config.environment) {
        let message = format!(
            "`{}` cannot be the name of an environment",
            config.environment
        );
        work.error(codes::BAD_NAME, name_span, message).help =
            Some("use lower case letters, digits and hyphens".to_owned());
        return None;
    }
    let mut environment = Environment::bare(&config.environment);
    if let Some(listen) = &config.listen {
        if !is_address(listen) {
            let span = root.get("listen").map_or(root.span, |node| node.span);
            let message = format!("`{listen}` is not an address");
            work.error(codes::BAD_VALUE, span, message).help =
                Some("write a host and a port, such as `127.0.0.1:8080`".to_owned());
        }
        environment.listen = listen.as_str().into();
    }
    if let Some(node) = root.get("connections") {
        read_overrides(work, node, &mut environment);
    }
    if let Some(node) = root.get("values") {
        read_values(work, node, &mut environment);
    }
    Some((environment, name_span))
}

/// Returns whether it is `host:port`.
pub(crate) fn is_address(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

fn read_overrides<'r>(work: &mut Work<'r>, node: &'r Node, environment: &mut Environment<'r>) {
    let Some(map) = node.as_map() else {
        let found = node.kind_name();
        work.error(
            codes::WRONG_TYPE,
            node.span,
            format!("expected a map, found {found}"),
        )
        .help = Some("write each connection's name, and the fields that differ".to_owned());
        return;
    };
    for entry in &map.entries {
        if entry.value.as_map().is_none() {
            let found = entry.value.kind_name();
            let message = format!("expected the fields that differ, found {found}");
            work.error(codes::WRONG_TYPE, entry.value.span, message)
                .help = Some("write a map: `erp: { url: https://erp.example }`".to_owned());
            continue;
        }
        environment
            .connections
            .insert(&*entry.key.text, (&entry.value, entry.key_span));
    }
}

fn read_values(work: &mut Work<'_>, node: &Node, environment: &mut Environment<'_>) {
    let Some(map) = node.as_map() else {
        let found = node.kind_name();
        work.error(
            codes::WRONG_TYPE,
            node.span,
            format!("expected a map, found {found}"),
        )
        .help = Some("write each value's name and the value".to_owned());
        return;
    };
    let mut record = RecordType::default();
    for entry in &map.entries {
        if !is_identifier(&entry.key.text) {
            let finding = bad_identifier(&entry.key.text, "the name of a value", entry.key_span);
            work.push(finding);
            continue;
        }
        let value = entry.value.to_value();
        let name = Name::new(&entry.key.text);
        record.fields.push(Field {
            name,
            ty: type_of_value(&value),
            required: true,
        });
        environment.config.insert(name, value);
    }
    environment.config_type = Type::new(Kind::Record(Arc::new(record)));
}

/// The type of a literal.
pub(crate) fn type_of_value(value: &Value<'_>) -> Type {
    match value {
        Value::Null => Type::null(),
        Value::Bool(_) => Type::bool(),
        Value::Int(_) => Type::int(),
        Value::Decimal(_) | Value::Literal(_) => Type::decimal(),
        Value::Float(_) => Type::float(),
        Value::Text(_) => Type::text(),
        Value::Bytes(_) => Type::new(Kind::Bytes),
        Value::List(items) => Type::list(Type::union(items.iter().map(type_of_value).collect())),
        Value::Record(record) => Type::record(
            record
                .iter()
                .map(|(key, value)| Field {
                    name: Name::new(key.as_str()),
                    ty: type_of_value(value),
                    required: true,
                })
                .collect(),
        ),
    }
}
