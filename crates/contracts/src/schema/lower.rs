//! The walk from schemas to types.
//!
//! Every `$ref` becomes a reference into one table of definitions, so that cycles cost nothing and
//! the stack grows with the depth of the document only. What must see the referenced type itself
//! (`allOf`, keywords beside `$ref`) lowers it on demand.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sluice_model::codes;
use sluice_model::finding::{Code, Finding, Findings, did_you_mean};
use sluice_model::span::Span;
use sluice_model::types::{Definitions, Kind, Meta, Type, TypeRef};
use sluice_syntax::tree::{Entry, Map, Node, NodeKind};

use crate::intersect::{intersect, overlaid};
use crate::schema::files::{Dialect, Files, Place, RefProblem, escaped, unescaped};
use crate::schema::keywords::Keywords;

/// How deep schemas may stand in each other, `allOf` across references included.
const DEPTH_MAX: usize = 100;

/// How many schemas are looked at for what is known of a definition beside its values.
const METAS_MAX: usize = 32;

/// Which way a value travels: fields that are `readOnly` need not be in a request, those that are
/// `writeOnly` need not be in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    Both,
    Request,
    Response,
}

/// A schema that references point at.
struct Target<'d> {
    file: usize,
    pointer: Arc<str>,
    name: Arc<str>,
    node: &'d Node,
    direction: Direction,
    declared: Span,
    meta: Arc<Meta>,
    /// Whether the meta holds all that lowering will find out.
    known: bool,
    state: State,
}

enum State {
    Waiting,
    /// It is being lowered; the type without its alternatives, as soon as that is known.
    Started(Option<Type>),
    Done(Type),
}

/// The state of one contract's lowering.
pub(crate) struct Lowering<'d> {
    pub files: &'d Files,
    findings: Findings,
    reported: HashSet<(Code, Span, String)>,
    definitions: Arc<Definitions>,
    targets: Vec<Target<'d>>,
    index: HashMap<(usize, String, Direction), usize>,
    direction: Direction,
    /// The target that is being lowered.
    current: Option<usize>,
    depth: usize,
    next: usize,
}

impl<'d> Lowering<'d> {
    /// Returns a lowering without any definition.
    pub fn new(files: &'d Files) -> Self {
        Self {
            files,
            findings: Findings::default(),
            reported: HashSet::new(),
            definitions: Definitions::new(),
            targets: Vec::new(),
            index: HashMap::new(),
            direction: Direction::Both,
            current: None,
            depth: 0,
            next: 0,
        }
    }

    /// Adds a finding, once.
    pub fn report(&mut self, finding: Finding) {
        let at = finding
            .span
            .unwrap_or(Span::new(self.files.get(0).file.id, 0, 0));
        if self
            .reported
            .insert((finding.code, at, finding.message.clone()))
        {
            self.findings.push(finding);
        }
    }

    /// Reports something that is not what the specification of its language says.
    pub fn bad(&mut self, at: Span, message: impl Into<String>, help: impl Into<String>) {
        self.report(Finding::error(codes::BAD_CONTRACT, at, message).with_help(help));
    }

    /// Registers an entry of a group of definitions under its name; returns its index.
    pub fn name(&mut self, file: usize, group: &[&str], entry: &'d Entry) -> usize {
        let mut pointer = String::new();
        for part in group.iter().copied().chain([&*entry.key.text]) {
            pointer.push('/');
            pointer.push_str(&escaped(part));
        }
        self.target(file, pointer, &entry.value, entry.key_span)
    }

    /// Registers a file's root; returns its index.
    pub fn root(&mut self, file: usize, node: &'d Node) -> usize {
        self.target(file, String::new(), node, node.span)
    }

    fn target(&mut self, file: usize, pointer: String, node: &'d Node, at: Span) -> usize {
        let direction = if self.files.directed {
            self.direction
        } else {
            Direction::Both
        };
        let key = (file, pointer, direction);
        if let Some(index) = self.index.get(&key) {
            return *index;
        }
        let name = self.name_of(file, &key.1, node);
        let mut budget = METAS_MAX;
        let mut meta = self.gathered(file, node, at, &mut budget);
        meta.name = Some(Arc::clone(&name));
        let index = self.targets.len();
        self.targets.push(Target {
            file,
            pointer: key.1.as_str().into(),
            name,
            node,
            direction,
            declared: at,
            meta: Arc::new(meta),
            known: 0 < budget,
            state: State::Waiting,
        });
        self.index.insert(key, index);
        index
    }

    /// Returns what is known of a definition before it is lowered: what it says itself, and what
    /// the references and merges that it consists of say.
    fn gathered(&mut self, file: usize, node: &'d Node, at: Span, budget: &mut usize) -> Meta {
        let Some(map) = node.as_map() else {
            return Meta::default();
        };
        let keywords = Keywords::of(map);
        let mut meta = self.meta(&keywords, at);
        let mut parts = Vec::new();
        if let Some(reference) = keywords.reference.and_then(|entry| entry.value.as_scalar()) {
            parts.extend(self.files.resolve(file, &reference.text).ok());
        }
        let members = keywords.all_of.and_then(|entry| entry.value.as_list());
        let members = members.unwrap_or(&[]).iter();
        parts.extend(members.map(|node| Place { file, node }));
        for part in parts {
            if *budget == 0 {
                break;
            }
            *budget -= 1;
            let below = self.gathered(part.file, part.node, at, budget);
            meta = overlaid(meta, &below);
        }
        meta
    }

    /// The name for people: the last part of the pointer, the title of a root, else its file.
    fn name_of(&self, file: usize, pointer: &str, node: &Node) -> Arc<str> {
        if let Some((_, last)) = pointer.rsplit_once('/') {
            return unescaped(last).into();
        }
        if let Some(title) = node.get("title").and_then(Node::as_scalar) {
            return Arc::clone(&title.text);
        }
        let path = &self.files.get(file).file.path;
        let name = path.rsplit('/').next().unwrap_or(path);
        name.split('.').next().unwrap_or(name).into()
    }

    /// Returns the JSON Pointer of a definition.
    pub fn pointer(&self, index: usize) -> Arc<str> {
        Arc::clone(&self.targets[index].pointer)
    }

    /// Returns the name of a definition, and whether `reference` points at it.
    pub fn target_name(&self, reference: &TypeRef) -> Arc<str> {
        Arc::clone(&self.targets[reference.index()].name)
    }

    /// Returns the index of the definition at a place, if something refers to it already.
    pub fn known(&self, file: usize, pointer: &str) -> Option<usize> {
        let direction = if self.files.directed {
            self.direction
        } else {
            Direction::Both
        };
        let key = (file, pointer.to_owned(), direction);
        self.index.get(&key).copied()
    }

    /// Lowers a schema that travels in one direction.
    pub fn lower_in(
        &mut self,
        direction: Direction,
        file: usize,
        node: &'d Node,
        declared: Span,
    ) -> Type {
        let before = std::mem::replace(&mut self.direction, direction);
        let ty = self.lower(file, node, declared);
        self.direction = before;
        ty
    }

    /// Returns which way the schema that is being lowered travels.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Lowers all that is referred to, fills the table of definitions and returns it.
    pub fn finish(&mut self) -> Arc<Definitions> {
        while self.next < self.targets.len() {
            self.lower_target(self.next);
            self.next += 1;
        }
        self.tell_circles();
        let types = self.targets.iter().map(|target| {
            let ty = match &target.state {
                State::Done(ty) => ty.clone(),
                State::Waiting | State::Started(_) => Type::any(),
            };
            (Arc::clone(&target.name), ty)
        });
        self.definitions.fill(types.collect());
        Arc::clone(&self.definitions)
    }

    /// Reports definitions that are nothing but a reference to themselves, over others or not.
    fn tell_circles(&mut self) {
        let next = |target: &Target<'d>| match &target.state {
            State::Done(ty) => match &ty.kind {
                Kind::Ref(reference) => Some(reference.index()),
                _ => None,
            },
            State::Waiting | State::Started(_) => None,
        };
        // 0: not seen; otherwise the number of the walk that came by.
        let mut walks = vec![0; self.targets.len()];
        let mut circles = Vec::new();
        for start in 0..self.targets.len() {
            let mut at = start;
            while walks[at] == 0 {
                walks[at] = start + 1;
                let Some(following) = next(&self.targets[at]) else {
                    break;
                };
                at = following;
                if walks[at] == start + 1 {
                    circles.push(at);
                }
            }
        }
        for index in circles {
            let target = &self.targets[index];
            let text = format!("`{}` only refers to itself", target.name);
            let finding = Finding::error(codes::CONTRADICTION, target.declared, text);
            self.report(finding.with_help("say what its values are"));
        }
    }

    /// Returns what was found.
    pub fn into_findings(self) -> Findings {
        self.findings
    }

    /// Returns a definition's type, lowering it first where needed; of one that is just being
    /// lowered the part without alternatives, if that is known.
    fn lower_target(&mut self, index: usize) -> Option<Type> {
        match &self.targets[index].state {
            State::Done(ty) => return Some(ty.clone()),
            State::Started(base) => return base.clone(),
            State::Waiting => {}
        }
        self.targets[index].state = State::Started(None);
        let target = &self.targets[index];
        let (file, node, declared) = (target.file, target.node, target.declared);
        let direction = std::mem::replace(&mut self.direction, target.direction);
        let current = self.current.replace(index);
        let mut ty = self.lower(file, node, declared);
        self.current = current;
        self.direction = direction;
        let own = &self.targets[index];
        let meta = match &ty.meta {
            // The name of a definition that only refers to another one is still its own.
            Some(below) => overlaid((*own.meta).clone(), below),
            None => (*own.meta).clone(),
        };
        ty.meta = Some(Arc::new(meta));
        self.targets[index].state = State::Done(ty.clone());
        Some(ty)
    }

    /// Lowers one schema. `declared` is the place that findings show as its declaration.
    pub fn lower(&mut self, file: usize, node: &'d Node, declared: Span) -> Type {
        match &node.kind {
            NodeKind::Map(map) => {
                if DEPTH_MAX <= self.depth {
                    let text = format!("schemas stand in each other more than {DEPTH_MAX} deep");
                    self.bad(
                        declared,
                        text,
                        "name the inner ones and refer to them by `$ref`",
                    );
                    return Type::any();
                }
                self.depth += 1;
                let ty = self.schema(file, node, map, declared);
                self.depth -= 1;
                ty
            }
            NodeKind::Scalar(scalar) if &*scalar.text == "true" => Type::any(),
            NodeKind::Scalar(scalar) if &*scalar.text == "false" => Type::never(),
            NodeKind::Scalar(_) | NodeKind::List(_) => {
                let text = format!("a schema is a map, not a {}", node.kind_name());
                let at = if node.is_absent() {
                    declared
                } else {
                    node.span
                };
                self.bad(at, text, "write `{}` for a schema that allows everything");
                Type::any()
            }
        }
    }

    fn schema(&mut self, file: usize, node: &'d Node, map: &'d Map, declared: Span) -> Type {
        let keywords = Keywords::of(map);
        let Some(reference) = keywords.reference else {
            let ty = self.constrained(file, node, &keywords, declared);
            return self.annotated(ty, &keywords, declared);
        };
        let Some(index) = self.reference(file, reference) else {
            return Type::any();
        };
        let target = self.refer(index);
        // Older dialects pass over what stands beside a reference. Constraints are; a PII class
        // that somebody wrote there is heeded all the same.
        let ty = if keywords.restrict() && self.dialect(file).siblings {
            let own = self.constrained(file, node, &keywords, declared);
            self.meet(target, own, reference.key_span)
        } else {
            target
        };
        self.annotated(ty, &keywords, declared)
    }

    /// Returns a reference to a definition; it carries what is known of the definition.
    fn refer(&self, index: usize) -> Type {
        let target = &self.targets[index];
        let reference = self.definitions.reference(&target.name, index);
        Type {
            kind: Kind::Ref(reference),
            nullable: false,
            // Else the definition itself tells, when the reference is followed.
            meta: target.known.then(|| Arc::clone(&target.meta)),
        }
    }

    /// Adds what a schema says beside its constraints, over what a reference or a merge brought
    /// along. The name stays with a reference: what was merged is no longer what had the name.
    fn annotated(&mut self, mut ty: Type, keywords: &Keywords<'d>, declared: Span) -> Type {
        let own = self.meta(keywords, declared);
        let silent = Meta {
            span: own.span,
            ..Meta::default()
        };
        if matches!(ty.kind, Kind::Ref(_)) && own == silent {
            return ty;
        }
        ty.meta = Some(Arc::new(match (&ty.kind, &ty.meta) {
            (Kind::Ref(_), Some(below)) => overlaid(own, below),
            (_, Some(below)) => Meta {
                name: None,
                ..overlaid(own, below)
            },
            (_, None) => own,
        }));
        ty
    }

    /// Returns how the schemas of a file are to be read.
    pub fn dialect(&self, file: usize) -> Dialect {
        self.files.get(file).dialect
    }

    /// Returns the index of the definition that a `$ref` entry points at.
    pub fn reference(&mut self, file: usize, entry: &'d Entry) -> Option<usize> {
        let Some(scalar) = entry.value.as_scalar() else {
            let text = format!("`$ref` is a text, not a {}", entry.value.kind_name());
            self.bad(entry.value.span, text, "write it as `$ref: '#/...'`");
            return None;
        };
        let files = self.files;
        let found = files
            .target(file, &scalar.text)
            .and_then(|(file, pointer)| {
                let place = files.node(file, &pointer)?;
                Ok((place, pointer))
            });
        match found {
            Ok((place, pointer)) => {
                let at = self.declared_at(place.file, &pointer, place.node);
                Some(self.target(place.file, pointer, place.node, at))
            }
            Err(problem) => {
                self.broken_reference(file, &scalar.text, entry.value.span, problem);
                None
            }
        }
    }

    /// The key of a definition shows better than its whole block.
    fn declared_at(&self, file: usize, pointer: &str, node: &Node) -> Span {
        let key = || {
            let (parent, last) = pointer.rsplit_once('/')?;
            let parent = self.files.get(file).node.lookup(parent)?;
            Some(parent.as_map()?.entry(&unescaped(last))?.key_span)
        };
        key().unwrap_or(node.span)
    }

    /// Reports a `$ref` that leads nowhere.
    pub fn broken_reference(&mut self, file: usize, text: &str, at: Span, problem: RefProblem) {
        let finding = match problem {
            RefProblem::BrokenFile => return,
            RefProblem::MetaSchema => Finding::info(
                codes::UNSUPPORTED_CONTRACT,
                at,
                "the meta-schema of JSON Schema is read as any value",
            ),
            RefProblem::Remote => {
                let text = format!("`{text}` lies in the network, and nothing is fetched");
                Finding::error(codes::UNKNOWN_REFERENCE, at, text)
                    .with_help("put the file into the project and refer to it by its path")
            }
            RefProblem::MissingFile(path) => {
                let text = format!("there is no file `{path}`");
                Finding::error(codes::MISSING_FILE, at, text)
                    .with_note("a `$ref` is relative to the file that it stands in")
                    .with_help("add the file to the project, or mend the path")
            }
            RefProblem::MissingPointer(pointer) => {
                let message = format!("nothing stands at `{pointer}`");
                let finding = Finding::error(codes::UNKNOWN_REFERENCE, at, message);
                match self.near(file, text) {
                    Some(near) => finding.with_help(format!("did you mean `{near}`?")),
                    None => finding.with_help("declare it there, or mend the reference"),
                }
            }
        };
        self.report(finding);
    }

    /// Returns the reference that was probably meant: the same one with its last part mended.
    fn near(&self, file: usize, reference: &str) -> Option<String> {
        let (file, pointer) = self.files.target(file, reference).ok()?;
        let (parent, last) = pointer.rsplit_once('/')?;
        let map = self.files.get(file).node.lookup(parent)?.as_map()?;
        let keys = map.entries.iter().map(|entry| &*entry.key.text);
        let near = did_you_mean(&unescaped(last), keys)?;
        Some(format!("#{parent}/{}", escaped(near)))
    }

    fn constrained(
        &mut self,
        file: usize,
        node: &'d Node,
        keywords: &Keywords<'d>,
        declared: Span,
    ) -> Type {
        self.tell_untyped(keywords);
        let mut ty = self.own(file, keywords, declared);
        if let Some(entry) = keywords.all_of {
            for member in self.members(entry) {
                let other = self.lower(file, member, member.span);
                ty = self.meet(ty, other, entry.key_span);
            }
        }
        self.keep_base(node, &ty);
        for entry in [keywords.one_of, keywords.any_of].into_iter().flatten() {
            let union = self.alternatives(file, entry, keywords.discriminator);
            ty = self.meet(ty, union, entry.key_span);
        }
        if keywords.unevaluated.is_some_and(is_false) {
            if let Kind::Ref(reference) = &ty.kind {
                ty = self.lower_target(reference.index()).unwrap_or(ty);
            }
            ty = closed(ty);
        }
        if self.dialect(file).nullable && keywords.nullable.is_some_and(is_true) {
            ty.nullable = true;
        }
        ty
    }

    /// A schema whose alternatives include it again (`Pet: oneOf: [Cat]`, `Cat: allOf: [Pet]`)
    /// lends them what it says itself.
    fn keep_base(&mut self, node: &'d Node, ty: &Type) {
        let Some(index) = self.current else { return };
        let target = &mut self.targets[index];
        if std::ptr::eq(target.node, node) && matches!(target.state, State::Started(_)) {
            target.state = State::Started(Some(ty.clone()));
        }
    }

    /// Returns the members of `allOf`, `oneOf` or `anyOf`.
    pub fn members(&mut self, entry: &'d Entry) -> &'d [Node] {
        let members = entry.value.as_list().unwrap_or(&[]);
        if members.is_empty() {
            let text = format!("`{}` is a list of schemas, at least one", entry.key.text);
            self.bad(
                entry.key_span,
                text,
                "list the schemas, or remove the keyword",
            );
        }
        members
    }

    /// Returns the values that are of both types, and reports where there are none.
    pub fn meet(&mut self, a: Type, b: Type, at: Span) -> Type {
        let mut stuck = None;
        let met = intersect(&a, &b, &mut |reference, depth| {
            let ty = self.lower_target(reference.index());
            if ty.is_none() && depth == 0 {
                stuck = Some(Arc::clone(&reference.name));
            }
            ty
        });
        if let Some(name) = stuck {
            let text = format!("`{name}` includes itself");
            self.report(
                Finding::error(codes::CONTRADICTION, at, text)
                    .with_note("no value can ever be checked against it")
                    .with_help("break the circle of `allOf`"),
            );
            return a;
        }
        met.unwrap_or_else(|conflict| {
            let finding = Finding::error(codes::CONTRADICTION, at, conflict.message)
                .with_help("no value satisfies both: mend one of them");
            let spans = [conflict.first, conflict.second];
            let finding = spans.into_iter().flatten().fold(finding, |finding, span| {
                finding.with_place(span, "one is declared here")
            });
            self.report(finding);
            a
        })
    }

    /// Tells of keywords that no type can express.
    fn tell_untyped(&mut self, keywords: &Keywords<'d>) {
        for entry in &keywords.untyped {
            // A list beside `dependencies` and the like is common, and no less unchecked.
            let text = format!("`{}` is not checked", entry.key.text);
            self.report(
                Finding::info(codes::UNSUPPORTED_CONTRACT, entry.key_span, text)
                    .with_note("values are typed and checked as if it were not there"),
            );
        }
    }

    /// Reads what a schema says beside its constraints.
    fn meta(&mut self, keywords: &Keywords<'d>, declared: Span) -> Meta {
        let text = |entry: Option<&'d Entry>| Some(Arc::clone(&entry?.value.as_scalar()?.text));
        let example = keywords.example.map(|entry| entry.value.to_value());
        let listed = || {
            let first = keywords.examples?.value.as_list()?.first()?;
            Some(first.to_value())
        };
        let meta = Meta {
            name: None,
            description: text(keywords.description).or_else(|| text(keywords.title)),
            pii: text(keywords.pii),
            unit: text(keywords.unit),
            deprecated: keywords.deprecated.is_some_and(is_true),
            example: example.or_else(listed),
            default: keywords.default.map(|entry| entry.value.to_value()),
            span: Some(declared),
        };
        if let Some(entry) = keywords.pii
            && (meta.pii.is_none() || entry.value.is_absent())
        {
            let help = "write one class, such as `x-pii: contact`";
            self.bad(
                entry.key_span,
                "`x-pii` names one class of personal data",
                help,
            );
        }
        meta
    }
}

/// Closes a record: `unevaluatedProperties: false` sees the fields of all that was merged.
fn closed(mut ty: Type) -> Type {
    match &ty.kind {
        Kind::Record(record) if record.rest.is_some() => {
            let mut record = (**record).clone();
            record.rest = None;
            ty.kind = Kind::Record(Arc::new(record));
            ty
        }
        Kind::Union(union) => {
            let mut union = (**union).clone();
            union.of = union.of.into_iter().map(closed).collect();
            ty.kind = Kind::Union(Arc::new(union));
            ty
        }
        _ => ty,
    }
}

/// Returns whether an entry's value is `true`.
pub(crate) fn is_true(entry: &Entry) -> bool {
    entry.value.as_scalar().is_some_and(|s| &*s.text == "true")
}

/// Returns whether an entry's value is `false`.
pub(crate) fn is_false(entry: &Entry) -> bool {
    entry.value.as_scalar().is_some_and(|s| &*s.text == "false")
}
