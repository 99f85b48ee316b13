//! What all stages of one compilation share.

use std::any::TypeId;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value as Json;
use sluice_contracts::contract::{Contract, ContractFile, LookupError};
use sluice_model::codes;
use sluice_model::finding::{Code, Finding, Findings, Severity, did_you_mean};
use sluice_model::operation::Target;
use sluice_model::span::{FileId, Span};
use sluice_model::types::Type;
use sluice_sdk::check::{Check, CheckError, Problem};
use sluice_sdk::config::{Config, FormatRef, TypeName};
use sluice_sdk::format::DynFormat;
use sluice_sdk::registry::Registry;
use sluice_syntax::tree::Node;

use crate::de::{Fields, Trace};
use crate::project::{FileKind, Parsed, ProjectFiles};

/// One compilation.
pub(crate) struct Work<'r> {
    /// The components of this build.
    pub registry: &'r Registry,
    /// The project's folder, and the bytes of its files.
    pub project: &'r ProjectFiles,
    /// The project's files.
    pub parsed: &'r Parsed,
    /// What was found so far.
    pub findings: Findings,
    /// Whether the environment is one that is checked and not run: nothing is compiled for it.
    pub check_only: bool,
    contracts: BTreeMap<Arc<str>, Option<Arc<Contract>>>,
    damaged: HashSet<Arc<str>>,
    /// The mappings that some flow of the environment applies.
    pub typed_mappings: HashSet<FileId>,
    declared: HashSet<(FileKind, &'r str)>,
    schemas: HashMap<TypeId, Arc<Json>>,
    merged: HashMap<MergedKey, Arc<Json>>,
}

/// Stands for the name of a file whose own is lost.
const NAME_LOST: &str = "";

/// The names that the files of each kind declare by their first key.
fn declared_names(parsed: &Parsed) -> HashSet<(FileKind, &str)> {
    let mut names = HashSet::new();
    for file in &parsed.files {
        let key = match file.kind {
            FileKind::Connection => "connection",
            FileKind::Flow => "flow",
            FileKind::Api => "api",
            FileKind::Environment => "environment",
            FileKind::Project
            | FileKind::Contract
            | FileKind::Mapping
            | FileKind::Test
            | FileKind::Sample => continue,
        };
        let root = file.document.as_ref().and_then(|own| own.root.as_ref());
        let node = root.and_then(|root| root.get(key));
        match node.and_then(Node::as_scalar) {
            Some(scalar) => {
                names.insert((file.kind, &*scalar.text));
            }
            None => {
                let stem = file.path.rsplit('/').next().unwrap_or(&file.path);
                let stem = stem.split('.').next().unwrap_or(stem);
                names.insert((file.kind, stem));
                if file.broken {
                    names.insert((file.kind, NAME_LOST));
                }
            }
        }
    }
    names
}

/// What a merged schema is of: the kind of thing, and the names of what shares its keys.
pub(crate) type MergedKey = (&'static str, &'static str, &'static str);

impl<'r> Work<'r> {
    pub fn new(registry: &'r Registry, project: &'r ProjectFiles, parsed: &'r Parsed) -> Self {
        Self {
            registry,
            project,
            parsed,
            findings: Findings::default(),
            check_only: false,
            contracts: BTreeMap::new(),
            damaged: HashSet::new(),
            typed_mappings: HashSet::new(),
            declared: declared_names(parsed),
            schemas: HashMap::new(),
            merged: HashMap::new(),
        }
    }

    /// Returns whether some file declares this name, be it broken otherwise. Where a file is so
    /// broken that its name is lost, the name may be any.
    pub fn declares(&self, kind: FileKind, name: &str) -> bool {
        self.declared.contains(&(kind, name)) || self.declared.contains(&(kind, NAME_LOST))
    }

    /// Returns the names that the files of one kind declare.
    pub fn names(&self, kind: FileKind) -> impl Iterator<Item = &'r str> + use<'r> {
        let parsed = self.parsed;
        let all = declared_names(parsed).into_iter();
        let own = all.filter(move |(own, name)| *own == kind && *name != NAME_LOST);
        let mut names: Vec<&'r str> = own.map(|(_, name)| name).collect();
        names.sort_unstable();
        names.into_iter()
    }

    /// Adds an error and returns it, to be completed.
    pub fn error(&mut self, code: Code, span: Span, message: impl Into<String>) -> &mut Finding {
        self.push(Finding::error(code, span, message))
    }

    /// Adds a finding and returns it, to be completed.
    pub fn push(&mut self, finding: Finding) -> &mut Finding {
        self.findings.push(finding);
        self.findings.0.last_mut().expect("one was just added")
    }

    /// Returns the JSON Schema of a configuration struct.
    pub fn schema<C: Config>(&mut self) -> Arc<Json> {
        let schema = self.schemas.entry(TypeId::of::<C>()).or_insert_with(|| {
            let generator = schemars::SchemaGenerator::default();
            Arc::new(generator.into_root_schema_for::<C>().to_value())
        });
        Arc::clone(schema)
    }

    /// Returns a schema that several structs make together; it is made once.
    pub fn merged(&mut self, key: MergedKey, make: impl FnOnce(&mut Self) -> Json) -> Arc<Json> {
        if let Some(schema) = self.merged.get(&key) {
            return Arc::clone(schema);
        }
        let schema = Arc::new(make(self));
        self.merged.insert(key, Arc::clone(&schema));
        schema
    }

    /// Checks a node against a schema: each unknown key, missing key and wrong value is a finding.
    pub fn check_shape(&mut self, node: &Node, schema: &Json, what: &str) -> bool {
        let before = self.findings.0.len();
        crate::shape::check(node, schema, what, &self.parsed.sources, &mut self.findings);
        !self.has_errors_since(before)
    }

    /// Returns whether there is an error among the findings from the given count on.
    pub fn has_errors_since(&self, count: usize) -> bool {
        let mut later = self.findings.0[count..].iter();
        later.any(|own| own.severity == Severity::Error)
    }

    /// Tells that a name stands twice.
    pub fn duplicate(&mut self, what: &str, name: &str, span: Span, first: Span) {
        let message = format!("there are two {what} `{name}`");
        let finding = self.error(codes::DUPLICATE_NAME, span, message);
        finding
            .labels
            .push(crate::fix::label(first, "the first one"));
        finding.help = Some("rename one of them".to_owned());
    }

    /// Makes a configuration struct of those fields that are its own.
    pub fn read<C: Config>(&mut self, fields: &Fields<'_>) -> Option<C> {
        let schema = self.schema::<C>();
        match own_fields(fields, &schema).read::<C>() {
            Ok(config) => Some(config),
            Err(error) => {
                let span = error.span.unwrap_or(fields.anchor());
                self.error(codes::WRONG_TYPE, span, error.message);
                None
            }
        }
    }

    /// Checks a whole node against one struct and makes it.
    pub fn read_node<C: Config>(&mut self, node: &Node, what: &str) -> Option<C> {
        let schema = self.schema::<C>();
        let fits = self.check_shape(node, &schema, what);
        let fields = Fields::of(node)?;
        if fits { self.read(&fields) } else { None }
    }

    /// Turns what a component found into findings at its fields.
    pub fn component_error(&mut self, error: CheckError, fields: &Fields<'_>, trace: &Trace) {
        match error {
            CheckError::Shape(message) => {
                let span = trace.span().unwrap_or(fields.anchor());
                self.error(codes::WRONG_TYPE, span, message);
            }
            CheckError::Problems(problems) => {
                for problem in problems {
                    self.problem(problem, fields);
                }
            }
        }
    }

    fn problem(&mut self, problem: Problem, fields: &Fields<'_>) {
        let span = place(fields, &problem.at).unwrap_or(fields.anchor());
        let (code, message) = match problem.message.strip_prefix("not yet: ") {
            Some(rest) => (codes::NOT_YET, rest.to_owned()),
            None => (codes::COMPONENT, problem.message),
        };
        self.error(code, span, message).help = problem.help;
    }

    /// Returns the contract at `path`; `None` if there is none, which is a finding at `span` then.
    pub fn contract(&mut self, path: &str, span: Span) -> Option<Arc<Contract>> {
        if let Some(contract) = self.contracts.get(path) {
            return contract.clone();
        }
        let contract = self.read_contract(path, span);
        self.contracts.insert(path.into(), contract.clone());
        contract
    }

    fn read_contract(&mut self, path: &str, span: Span) -> Option<Arc<Contract>> {
        let found = self
            .parsed
            .of_kind(FileKind::Contract)
            .find(|file| &*file.path == path);
        let Some(file) = found else {
            let parsed = self.parsed;
            let paths = parsed.of_kind(FileKind::Contract).map(|file| &*file.path);
            let near = did_you_mean(path, paths);
            let finding = self.error(
                codes::MISSING_FILE,
                span,
                format!("there is no file `{path}`"),
            );
            finding.label = "named here".to_owned();
            match near {
                Some(near) => {
                    finding.help = Some(format!("did you mean `{near}`?"));
                    finding
                        .fixes
                        .push(crate::fix::replace(format!("use `{near}`"), span, near));
                }
                None => {
                    finding.help = Some(
                        "contracts lie below `contracts/`; the path begins at the project's folder"
                            .to_owned(),
                    );
                }
            }
            return None;
        };
        if file.broken {
            return None;
        }
        let own = ContractFile::of(&self.parsed.sources, file.id);
        let parsed = self.parsed;
        let mut others = |path: &str| {
            let file = parsed
                .of_kind(FileKind::Contract)
                .find(|file| &*file.path == path)?;
            Some(ContractFile::of(&parsed.sources, file.id))
        };
        let (contract, findings) = Contract::read(&own, &mut others);
        if findings.has_errors() {
            self.damaged.insert(path.into());
        }
        // What is not well-formed has lost types, or parts of them: nothing is said by the rest.
        let is_whole = !findings.iter().any(|own| own.code == codes::SYNTAX);
        self.findings.append(findings);
        is_whole.then(|| Arc::new(contract))
    }

    /// Returns whether a contract could not be read as a whole, which is a finding already: a name
    /// that it does not have is none.
    pub fn is_damaged(&self, contract: &Contract) -> bool {
        self.damaged.contains(contract.path())
    }

    /// Returns the type that `contracts/FILE#Name` names; `None` if there is no such one, which is
    /// a finding at `span` then.
    pub fn type_named(&mut self, text: &str, span: Span) -> Option<Type> {
        let (path, name) = match text.split_once('#') {
            Some((path, name)) => (path, Some(name)),
            None => (text, None),
        };
        let contract = self.contract(path, span)?;
        let Some(name) = name else {
            if let Some(root) = contract.root() {
                return Some(root.clone());
            }
            if self.is_damaged(&contract) {
                return None;
            }
            let names: Vec<_> = contract
                .types()
                .iter()
                .map(|ty| &*ty.name)
                .take(8)
                .collect();
            let help = format!("it has `{}`", names.join("`, `"));
            let message = format!("`{path}` has no type without a name");
            let finding = self.error(codes::UNKNOWN_REFERENCE, span, message);
            finding.help = Some(format!("write `{path}#Name`; {help}"));
            return None;
        };
        match contract.type_named(name) {
            Ok(ty) => Some(ty),
            Err(LookupError::NotFound { .. }) if self.is_damaged(&contract) => None,
            Err(LookupError::NotFound {
                suggestion,
                candidates,
            }) => {
                let message = format!("`{path}` has no type `{name}`");
                let finding = self.error(codes::UNKNOWN_REFERENCE, span, message);
                finding.help = Some(match &suggestion {
                    Some(near) => format!("did you mean `{path}#{near}`?"),
                    None => {
                        let some: Vec<&str> = candidates.iter().take(8).map(|c| &**c).collect();
                        format!("it has `{}`", some.join("`, `"))
                    }
                });
                if let Some(near) = suggestion {
                    let text = format!("{path}#{near}");
                    finding
                        .fixes
                        .push(crate::fix::replace(format!("use `{text}`"), span, &text));
                }
                None
            }
            Err(LookupError::Ambiguous { pointers }) => {
                let message = format!("`{name}` stands more than once in `{path}`");
                let finding = self.error(codes::AMBIGUOUS_REFERENCE, span, message);
                let list: Vec<String> = pointers.iter().map(|p| format!("`{path}#{p}`")).collect();
                finding.help = Some(format!("say which: {}", list.join(", ")));
                None
            }
        }
    }

    /// Returns the node of a placed field, by its place.
    pub fn node_at(&self, span: Span) -> Option<&'r Node> {
        let file = self.parsed.get(span.file)?;
        find_node(file.document.as_ref()?.root.as_ref()?, span)
    }

    /// Returns the scalar's text of a placed field, by its place.
    pub fn text_at(&self, span: Span) -> Option<&'r str> {
        Some(&self.node_at(span)?.as_scalar()?.text)
    }
}

/// The node whose place is exactly `span`.
fn find_node(node: &Node, span: Span) -> Option<&Node> {
    if node.span == span {
        return Some(node);
    }
    if span.start < node.span.start || node.span.end < span.end {
        return None;
    }
    if let Some(map) = node.as_map() {
        return map
            .entries
            .iter()
            .find_map(|entry| find_node(&entry.value, span));
    }
    node.as_list()?
        .iter()
        .find_map(|item| find_node(item, span))
}

/// What a connection, source, sink or call is told while it is checked.
pub(crate) struct ComponentCheck<'c, 'r> {
    /// The compilation.
    pub work: &'c mut Work<'r>,
    /// What the reference stands for.
    pub target: Option<Target>,
    /// The tables and operations of the connection's contract.
    pub contract: Option<Arc<Contract>>,
}

impl Check for ComponentCheck<'_, '_> {
    fn base(&self) -> &Path {
        &self.work.project.root
    }

    fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    fn contract(&self) -> Vec<Target> {
        self.contract
            .as_ref()
            .map_or_else(Vec::new, |contract| all_targets(contract))
    }

    fn format(&mut self, format: FormatRef, ty: Option<&Type>) -> Option<Arc<dyn DynFormat>> {
        crate::formats::resolve(self.work, format, ty)
    }

    fn contract_type(&mut self, name: TypeName) -> Option<Type> {
        let text = self.work.text_at(name.span)?;
        self.work.type_named(text, name.span)
    }
}

fn all_targets(contract: &Contract) -> Vec<Target> {
    let tables = contract
        .tables()
        .iter()
        .map(|table| Target::Table(Arc::clone(table)));
    let statements = contract
        .statements()
        .iter()
        .map(|s| Target::Statement(Arc::clone(s)));
    let operations = contract
        .operations()
        .iter()
        .map(|o| Target::Http(Arc::clone(o)));
    tables.chain(statements).chain(operations).collect()
}

/// Returns those fields that the schema of a struct knows.
pub(crate) fn own_fields<'n>(fields: &Fields<'n>, schema: &Json) -> Fields<'n> {
    let keys: Vec<&str> = schema["properties"]
        .as_object()
        .map_or_else(Vec::new, |properties| {
            properties.keys().map(String::as_str).collect()
        });
    let mut own = fields.clone().only(&keys);
    if own.entries.is_empty() {
        // What is said about none of them is said at the first key of all.
        own.span = fields.anchor();
    }
    own
}

/// Returns the place that a JSON Pointer into the fields leads to.
fn place(fields: &Fields<'_>, pointer: &str) -> Option<Span> {
    let rest = pointer.strip_prefix('/')?;
    let (key, below) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let field = fields.get(key)?;
    Some(
        field
            .value
            .lookup(below)
            .map_or(field.value.span, |node| node.span),
    )
}
