//! A contract: what a file promises, and how its parts are found by name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sluice_model::codes;
use sluice_model::finding::{Finding, Findings, did_you_mean};
use sluice_model::operation::{HttpOperation, SqlStatement, SqlTable, Target};
use sluice_model::span::{FileId, Sources, Span};
use sluice_model::types::{Definitions, Type};
use sluice_syntax::tree::Node;

use crate::openapi;
use crate::schema::files::{Files, Parsed};
use crate::schema::lower::Lowering;
use crate::sql;

/// A file that a contract is read from.
#[derive(Debug, Clone)]
pub struct ContractFile {
    /// The file that spans point into.
    pub id: FileId,
    /// Its path relative to the project's folder, with `/` between parts.
    pub path: Arc<str>,
    /// Its whole text.
    pub text: Arc<str>,
}

impl ContractFile {
    /// Returns the file `id` of a table of sources; the text is shared.
    ///
    /// # Panics
    /// If `id` comes from another table.
    pub fn of(sources: &Sources, id: FileId) -> Self {
        let source = sources.get(id);
        Self {
            id,
            path: Arc::clone(&source.path),
            text: Arc::clone(&source.text),
        }
    }
}

/// In which language a contract is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContractKind {
    /// JSON Schema, drafts 4 to 2020-12.
    JsonSchema,
    /// OpenAPI 3.0 or 3.1.
    OpenApi,
    /// SQL: `CREATE TABLE` and named statements.
    Sql,
    /// None that this build reads; the findings say so.
    Unknown,
}

/// What a contract file promises: named types, operations, tables, statements.
///
/// It owns its [`Definitions`]: types that were taken from it hold their references weakly and
/// become `any` once the contract is dropped.
#[derive(Debug)]
pub struct Contract {
    path: Arc<str>,
    kind: ContractKind,
    definitions: Arc<Definitions>,
    named: Vec<NamedType>,
    root: Option<Type>,
    operations: Vec<Arc<HttpOperation>>,
    statements: Vec<Arc<SqlStatement>>,
    tables: Vec<Arc<SqlTable>>,
    /// The files that it was read from, for JSON Pointers to what has no name.
    files: Vec<ContractFile>,
    pointed: Mutex<HashMap<String, Pointed>>,
}

/// A type that has a name in its contract.
#[derive(Debug, Clone)]
pub struct NamedType {
    /// The name.
    pub name: Arc<str>,
    /// The JSON Pointer of its declaration; empty for the root and for tables.
    pub pointer: Arc<str>,
    /// The type.
    pub ty: Type,
}

/// What a JSON Pointer led to; the definitions are kept so that references in the type hold.
#[derive(Debug, Clone)]
struct Pointed {
    ty: Option<Type>,
    _definitions: Arc<Definitions>,
}

/// Why a type was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupError {
    /// Nothing has this name, or stands at this pointer.
    NotFound {
        /// The nearest name, if one is near enough to be what was meant.
        suggestion: Option<Arc<str>>,
        /// All names, in the contract's order.
        candidates: Vec<Arc<str>>,
    },
    /// Several things have this name; a pointer says which.
    Ambiguous {
        /// The JSON Pointers of all of them.
        pointers: Vec<Arc<str>>,
    },
}

/// What the readers of the single languages hand over.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub definitions: Arc<Definitions>,
    pub named: Vec<NamedType>,
    pub root: Option<Type>,
    pub operations: Vec<Arc<HttpOperation>>,
    pub statements: Vec<Arc<SqlStatement>>,
    pub tables: Vec<Arc<SqlTable>>,
}

impl Contract {
    /// Reads a contract. `others` gives a further file of the project by its path (relative to the
    /// project's folder), for references from one contract file into another; `None` if there is
    /// no such file.
    ///
    /// The language is told by the file's name (`*.openapi.yaml`, `*.schema.json`, `*.sql`...),
    /// else by its content. A contract that cannot be read in whole is returned with all that could
    /// be read, and one finding for each independent mistake.
    pub fn read(
        file: &ContractFile,
        others: &mut dyn FnMut(&str) -> Option<ContractFile>,
    ) -> (Contract, Findings) {
        match kind_of_name(&file.path) {
            NameKind::Sql => {
                let (parts, findings) = sql::read(file);
                let contract = Self::assemble(file, ContractKind::Sql, parts, Vec::new());
                (contract, findings)
            }
            NameKind::Tree(named) => Self::read_tree(file, named, others),
            NameKind::NotYet(language) => {
                let text = format!("this build does not read {language} contracts yet");
                let finding = Finding::error(codes::NOT_YET, start_of(file), text)
                    .with_help("this build reads JSON Schema, OpenAPI 3.0 and 3.1, and SQL");
                (Self::unknown(file), finding.into())
            }
            NameKind::Unknown => (Self::unknown(file), unknown_language(file).into()),
        }
    }

    fn read_tree(
        file: &ContractFile,
        named: Option<ContractKind>,
        others: &mut dyn FnMut(&str) -> Option<ContractFile>,
    ) -> (Contract, Findings) {
        let (files, mut findings) = Files::load(file, others);
        let Some(root) = files.root() else {
            if !findings.has_errors() {
                findings.push(empty_contract(file));
            }
            return (Self::unknown(file), findings);
        };
        let Some(kind) = named.or_else(|| kind_of_content(&root.node)) else {
            findings.push(unknown_language(file));
            return (Self::unknown(file), findings);
        };
        let mut lowering = Lowering::new(&files);
        let parts = match kind {
            ContractKind::OpenApi => openapi::read(root, &mut lowering),
            ContractKind::JsonSchema | ContractKind::Sql | ContractKind::Unknown => {
                read_schema(root, &mut lowering)
            }
        };
        findings.append(lowering.into_findings());
        let kept = files.into_files();
        (Self::assemble(file, kind, parts, kept), findings)
    }

    fn assemble(
        file: &ContractFile,
        kind: ContractKind,
        parts: Parts,
        files: Vec<ContractFile>,
    ) -> Self {
        Self {
            path: Arc::clone(&file.path),
            kind,
            definitions: parts.definitions,
            named: parts.named,
            root: parts.root,
            operations: parts.operations,
            statements: parts.statements,
            tables: parts.tables,
            files,
            pointed: Mutex::default(),
        }
    }

    fn unknown(file: &ContractFile) -> Self {
        Self::assemble(file, ContractKind::Unknown, Parts::default(), Vec::new())
    }

    /// Returns the path of its file, relative to the project's folder.
    pub fn path(&self) -> &Arc<str> {
        &self.path
    }

    /// Returns the language that it is written in.
    pub fn kind(&self) -> ContractKind {
        self.kind
    }

    /// Returns the type of the whole document: a JSON Schema's root; `None` for other languages,
    /// and for a JSON Schema that only holds definitions.
    pub fn root(&self) -> Option<&Type> {
        self.root.as_ref()
    }

    /// Returns all named types, in the contract's order.
    pub fn types(&self) -> &[NamedType] {
        &self.named
    }

    /// Returns the table of definitions that references in its types point into.
    pub fn definitions(&self) -> &Arc<Definitions> {
        &self.definitions
    }

    /// Returns all operations over HTTP, in the contract's order.
    pub fn operations(&self) -> &[Arc<HttpOperation>] {
        &self.operations
    }

    /// Returns all named statements, in the contract's order.
    pub fn statements(&self) -> &[Arc<SqlStatement>] {
        &self.statements
    }

    /// Returns all tables, in the contract's order.
    pub fn tables(&self) -> &[Arc<SqlTable>] {
        &self.tables
    }

    /// Returns the type that `FILE#name` stands for: `name` is that of a definition, a component
    /// schema, the root's title, or a table; a text that begins with `/` is a JSON Pointer to a
    /// schema, to what holds one (a media type, a parameter, a header), or to an operation, whose
    /// request body is meant then.
    ///
    /// # Errors
    /// If nothing has the name, or more than one thing.
    pub fn type_named(&self, name: &str) -> Result<Type, LookupError> {
        if name.starts_with('/') {
            return self.type_at(name).ok_or_else(|| self.not_found(name));
        }
        let found: Vec<&NamedType> = self.named.iter().filter(|n| &*n.name == name).collect();
        match found.as_slice() {
            [] => Err(self.not_found(name)),
            [one] => Ok(one.ty.clone()),
            several => Err(LookupError::Ambiguous {
                pointers: several.iter().map(|n| Arc::clone(&n.pointer)).collect(),
            }),
        }
    }

    fn not_found(&self, name: &str) -> LookupError {
        let candidates: Vec<Arc<str>> = self.named.iter().map(|n| Arc::clone(&n.name)).collect();
        LookupError::NotFound {
            suggestion: did_you_mean(name, candidates.iter().map(|c| &**c)).map(Arc::from),
            candidates,
        }
    }

    /// The files are parsed again for a pointer: references to what has no name are few, and a
    /// parsed document would hold ten times the memory of its text for the life of the process.
    fn type_at(&self, pointer: &str) -> Option<Type> {
        if let Some(named) = self.named.iter().find(|n| &*n.pointer == pointer) {
            return Some(named.ty.clone());
        }
        let mut pointed = self.pointed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = pointed.get(pointer) {
            return known.ty.clone();
        }
        let first = self.files.first()?;
        let (files, _) = Files::load(first, &mut |path| {
            self.files.iter().find(|file| &*file.path == path).cloned()
        });
        let mut lowering = Lowering::new(&files);
        let node = files.root()?.node.lookup(pointer);
        let schema = node.and_then(|node| openapi::schema_of(node, &files));
        let ty = schema.map(|(file, node)| lowering.lower(file, node, node.span));
        let definitions = lowering.finish();
        let entry = Pointed {
            ty,
            _definitions: definitions,
        };
        let ty = entry.ty.clone();
        pointed.insert(pointer.to_owned(), entry);
        ty
    }

    /// Returns the operation with this `operationId`, or `METHOD path`.
    pub fn operation(&self, id: &str) -> Option<&Arc<HttpOperation>> {
        self.operations
            .iter()
            .find(|operation| &*operation.id == id)
    }

    /// Returns the statement with this name.
    pub fn statement(&self, name: &str) -> Option<&Arc<SqlStatement>> {
        self.statements
            .iter()
            .find(|statement| &*statement.name == name)
    }

    /// Returns the table with this name; case does not count, as in SQL.
    pub fn table(&self, name: &str) -> Option<&Arc<SqlTable>> {
        let exact = self.tables.iter().find(|table| &*table.name == name);
        exact.or_else(|| {
            self.tables
                .iter()
                .find(|table| table.name.eq_ignore_ascii_case(name))
        })
    }

    /// Returns what `connection#name` stands for: an operation, a statement or a table.
    pub fn target(&self, name: &str) -> Option<Target> {
        let operation = || Some(Target::Http(Arc::clone(self.operation(name)?)));
        let statement = || Some(Target::Statement(Arc::clone(self.statement(name)?)));
        let table = || Some(Target::Table(Arc::clone(self.table(name)?)));
        operation().or_else(statement).or_else(table)
    }

    /// Returns the names of all targets, in the contract's order.
    pub fn target_names(&self) -> impl Iterator<Item = &str> {
        let operations = self.operations.iter().map(|operation| &*operation.id);
        let statements = self.statements.iter().map(|statement| &*statement.name);
        let tables = self.tables.iter().map(|table| &*table.name);
        operations.chain(statements).chain(tables)
    }
}

/// What a file's name says of its language.
enum NameKind {
    Sql,
    /// A YAML or JSON tree; its content tells where the name does not.
    Tree(Option<ContractKind>),
    NotYet(&'static str),
    Unknown,
}

fn kind_of_name(path: &str) -> NameKind {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let Some((stem, extension)) = name.rsplit_once('.') else {
        return NameKind::Unknown;
    };
    let inner = stem.rsplit_once('.').map_or("", |(_, inner)| inner);
    match (inner, extension) {
        (_, "sql") => NameKind::Sql,
        ("openapi", "json" | "yaml" | "yml") => NameKind::Tree(Some(ContractKind::OpenApi)),
        ("schema", "json" | "yaml" | "yml") => NameKind::Tree(Some(ContractKind::JsonSchema)),
        ("asyncapi", "json" | "yaml" | "yml") => NameKind::NotYet("AsyncAPI"),
        ("edi", "json") => NameKind::NotYet("EDI"),
        (_, "json" | "yaml" | "yml") => NameKind::Tree(None),
        (_, "avsc") => NameKind::NotYet("Avro"),
        (_, "proto") => NameKind::NotYet("Protocol Buffers"),
        (_, "wsdl") => NameKind::NotYet("WSDL"),
        (_, "xsd") => NameKind::NotYet("XML Schema"),
        (_, "graphql") => NameKind::NotYet("GraphQL"),
        _ => NameKind::Unknown,
    }
}

fn kind_of_content(root: &Node) -> Option<ContractKind> {
    if root.get("openapi").is_some() || root.get("swagger").is_some() {
        return Some(ContractKind::OpenApi);
    }
    let marks = [
        "$schema",
        "$defs",
        "definitions",
        "type",
        "properties",
        "$ref",
        "allOf",
    ];
    let marked = marks.iter().any(|key| root.get(key).is_some());
    marked.then_some(ContractKind::JsonSchema)
}

fn start_of(file: &ContractFile) -> Span {
    Span::new(file.id, 0, 0)
}

fn unknown_language(file: &ContractFile) -> Finding {
    let text = format!("`{}` is no contract that can be read", file.path);
    Finding::error(codes::BAD_CONTRACT, start_of(file), text)
        .with_note("neither its name nor its content tells the language")
        .with_help("name it `*.schema.json`, `*.openapi.yaml` or `*.sql` by what it holds")
}

fn empty_contract(file: &ContractFile) -> Finding {
    let text = format!("`{}` is empty", file.path);
    Finding::error(codes::BAD_CONTRACT, start_of(file), text)
        .with_help("put the contract into the file, or remove the file")
}

/// Lowers a JSON Schema: its definitions under their names, its root under its title.
fn read_schema<'d>(root: &'d Parsed, lowering: &mut Lowering<'d>) -> Parts {
    let mut names = Vec::new();
    for group in ["$defs", "definitions"] {
        let Some(map) = root.node.get(group).and_then(Node::as_map) else {
            continue;
        };
        for entry in &map.entries {
            let index = lowering.name(0, &[group], entry);
            names.push((Arc::clone(&entry.key.text), index));
        }
    }
    let holds_a_schema = root.node.as_map().is_none_or(|map| {
        map.entries.is_empty() || map.entries.iter().any(|e| !is_frame(&e.key.text))
    });
    let whole = holds_a_schema.then(|| lowering.root(0, &root.node));
    let definitions = lowering.finish();
    let mut named: Vec<NamedType> = names
        .into_iter()
        .filter_map(|(name, index)| {
            let ty = definitions.types().get(index)?.1.clone();
            let pointer = lowering.pointer(index);
            Some(NamedType { name, pointer, ty })
        })
        .collect();
    let ty = whole.and_then(|index| Some(definitions.types().get(index)?.1.clone()));
    if let (Some(ty), Some(title)) = (&ty, root.node.get("title").and_then(Node::as_scalar)) {
        // A root that only refers to a definition of the same name is that definition.
        let only_refers =
            root.node.get("$ref").is_some() && named.iter().any(|n| n.name == title.text);
        if !only_refers {
            named.push(NamedType {
                name: Arc::clone(&title.text),
                pointer: "".into(),
                ty: ty.clone(),
            });
        }
    }
    Parts {
        definitions,
        named,
        root: ty,
        ..Parts::default()
    }
}

/// Keys of a root that say nothing of a value.
fn is_frame(key: &str) -> bool {
    let frame = [
        "$schema",
        "$id",
        "id",
        "$defs",
        "definitions",
        "title",
        "description",
        "$comment",
        "$vocabulary",
        "version",
    ];
    frame.contains(&key)
}
