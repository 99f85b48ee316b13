//! The files that a contract consists of, and what a `$ref` in one of them points at.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use sluice_model::finding::Findings;
use sluice_syntax::options::ParseOptions;
use sluice_syntax::tree::{Map, Node, NodeKind};

use crate::contract::ContractFile;

/// How many files one contract may draw in by `$ref`.
const FILES_MAX: usize = 1_000;

/// How a file's schemas are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Whether keywords beside `$ref` count (JSON Schema 2019-09 and later, OpenAPI 3.1).
    pub siblings: bool,
    /// Whether `nullable` is a keyword (OpenAPI 3.0).
    pub nullable: bool,
    /// Whether `example` and `discriminator` are keywords (OpenAPI).
    pub openapi: bool,
}

/// One parsed file.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub file: ContractFile,
    pub node: Node,
    pub dialect: Dialect,
    /// `$id` and `#anchor` to JSON Pointer.
    anchors: HashMap<String, String>,
}

/// All files of a contract; the first is the contract itself.
#[derive(Debug)]
pub(crate) struct Files {
    parsed: Vec<Parsed>,
    /// Path to index; `None` for a file that is there but has no tree.
    by_path: HashMap<Arc<str>, Option<usize>>,
    /// Whether a field anywhere travels in one direction only (`readOnly`, `writeOnly`).
    pub directed: bool,
}

/// What a `$ref` leads to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'d> {
    pub file: usize,
    pub node: &'d Node,
}

/// Why a `$ref` leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RefProblem {
    /// It names an address in the network: nothing is ever fetched.
    Remote,
    /// It names the meta-schema of JSON Schema itself.
    MetaSchema,
    /// There is no such file in the project.
    MissingFile(String),
    /// The file is there and broken; its own findings say why.
    BrokenFile,
    /// The file has nothing at this pointer.
    MissingPointer(String),
}

impl Files {
    /// Parses `first` and every file that a `$ref` names, from there on.
    pub fn load(
        first: &ContractFile,
        others: &mut dyn FnMut(&str) -> Option<ContractFile>,
    ) -> (Files, Findings) {
        let mut files = Files {
            parsed: Vec::new(),
            by_path: HashMap::new(),
            directed: false,
        };
        let mut findings = Findings::default();
        let mut waiting = vec![first.clone()];
        let mut inherited: Option<Dialect> = None;
        while let Some(file) = waiting.pop() {
            if files.by_path.contains_key(&file.path) || FILES_MAX <= files.by_path.len() {
                continue;
            }
            let Some(node) = parse(&file, &mut findings) else {
                files.by_path.insert(Arc::clone(&file.path), None);
                continue;
            };
            let dialect = dialect_of(&node, inherited);
            inherited.get_or_insert(dialect);
            let mut scan = Scan::default();
            scan.node(&node, &mut Vec::new());
            let named = scan.files.iter().map(|name| joined(&file.path, name));
            for path in named.collect::<Vec<_>>() {
                if !files.by_path.contains_key(path.as_str()) {
                    waiting.extend(others(&path));
                }
            }
            files.directed |= scan.directed;
            let index = files.parsed.len();
            files.by_path.insert(Arc::clone(&file.path), Some(index));
            files.parsed.push(Parsed {
                file,
                node,
                dialect,
                anchors: scan.anchors,
            });
        }
        (files, findings)
    }

    /// Returns the contract itself; `None` if it has no tree.
    pub fn root(&self) -> Option<&Parsed> {
        self.parsed.first()
    }

    /// Returns the file with this index.
    pub fn get(&self, index: usize) -> &Parsed {
        &self.parsed[index]
    }

    /// Returns the files without their trees.
    pub fn into_files(self) -> Vec<ContractFile> {
        self.parsed.into_iter().map(|parsed| parsed.file).collect()
    }

    /// Returns where `reference`, written in the file `from`, points: file and JSON Pointer.
    pub fn target(&self, from: usize, reference: &str) -> Result<(usize, String), RefProblem> {
        let (address, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        if let Some(found) = self.by_id(reference).or_else(|| self.by_id(address)) {
            let (file, base) = found;
            let rest = if found_whole(self, reference) {
                ""
            } else {
                fragment
            };
            return Ok((file, base + &decoded(rest)));
        }
        let file = if address.is_empty() {
            from
        } else {
            self.file_at(from, address)?
        };
        let fragment = decoded(fragment);
        if fragment.is_empty() || fragment.starts_with('/') {
            return Ok((file, fragment));
        }
        let anchor = self.parsed[file].anchors.get(&format!("#{fragment}"));
        match anchor {
            Some(pointer) => Ok((file, pointer.clone())),
            None => Err(RefProblem::MissingPointer(format!("#{fragment}"))),
        }
    }

    fn file_at(&self, from: usize, address: &str) -> Result<usize, RefProblem> {
        if address.starts_with("http://json-schema.org/") || address.contains("//json-schema.org/")
        {
            return Err(RefProblem::MetaSchema);
        }
        if address.contains("://") || address.starts_with("urn:") {
            return Err(RefProblem::Remote);
        }
        let path = joined(&self.parsed[from].file.path, address);
        match self.by_path.get(path.as_str()) {
            Some(Some(index)) => Ok(*index),
            Some(None) => Err(RefProblem::BrokenFile),
            None => Err(RefProblem::MissingFile(path)),
        }
    }

    /// Finds a schema by its `$id`.
    fn by_id(&self, id: &str) -> Option<(usize, String)> {
        if id.is_empty() || id.starts_with('#') {
            return None;
        }
        self.parsed.iter().enumerate().find_map(|(index, parsed)| {
            let pointer = parsed.anchors.get(id)?;
            Some((index, pointer.clone()))
        })
    }

    /// Returns the node at a place that [`Files::target`] gave.
    pub fn node(&self, file: usize, pointer: &str) -> Result<Place<'_>, RefProblem> {
        let node = self.parsed[file].node.lookup(pointer);
        match node {
            Some(node) => Ok(Place { file, node }),
            None => Err(RefProblem::MissingPointer(format!("#{pointer}"))),
        }
    }

    /// Returns what `reference`, written in the file `from`, points at.
    pub fn resolve(&self, from: usize, reference: &str) -> Result<Place<'_>, RefProblem> {
        let (file, pointer) = self.target(from, reference)?;
        self.node(file, &pointer)
    }
}

/// Returns whether a reference as a whole, fragment included, is the `$id` of something.
fn found_whole(files: &Files, reference: &str) -> bool {
    reference.contains('#') && files.by_id(reference).is_some()
}

fn parse(file: &ContractFile, findings: &mut Findings) -> Option<Node> {
    let options = ParseOptions::contract();
    let (document, own) = if file.path.ends_with(".json") {
        sluice_syntax::parse_json_with(file.id, &file.text, &options)
    } else {
        sluice_syntax::parse_yaml_with(file.id, &file.text, &options)
    };
    findings.append(own);
    document.root
}

fn dialect_of(root: &Node, inherited: Option<Dialect>) -> Dialect {
    let text = |key: &str| Some(&*root.get(key)?.as_scalar()?.text);
    if let Some(version) = text("openapi") {
        let old = version.starts_with("3.0");
        return Dialect {
            siblings: !old,
            nullable: old,
            openapi: true,
        };
    }
    let latest = Dialect {
        siblings: true,
        nullable: false,
        openapi: false,
    };
    match text("$schema") {
        Some(uri) => {
            let old = ["draft-03", "draft-04", "draft-06", "draft-07", "draft-05"];
            Dialect {
                siblings: !old.iter().any(|draft| uri.contains(draft)),
                ..latest
            }
        }
        None => inherited.unwrap_or(latest),
    }
}

/// What a walk over a file finds before any schema is read.
#[derive(Default)]
struct Scan {
    files: Vec<String>,
    anchors: HashMap<String, String>,
    directed: bool,
}

impl Scan {
    fn node<'n>(&mut self, node: &'n Node, path: &mut Vec<Cow<'n, str>>) {
        match &node.kind {
            NodeKind::Scalar(_) => {}
            NodeKind::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    if item.as_scalar().is_none() {
                        path.push(Cow::Owned(i.to_string()));
                        self.node(item, path);
                        path.pop();
                    }
                }
            }
            NodeKind::Map(map) => {
                for entry in &map.entries {
                    if entry.value.as_scalar().is_none() {
                        path.push(Cow::Borrowed(&entry.key.text));
                        self.node(&entry.value, path);
                        path.pop();
                    }
                }
                self.keywords(map, path);
            }
        }
    }

    fn keywords(&mut self, map: &Map, path: &[Cow<'_, str>]) {
        for entry in &map.entries {
            let Some(scalar) = entry.value.as_scalar() else {
                continue;
            };
            let text = &*scalar.text;
            match &*entry.key.text {
                "$ref" | "$dynamicRef" => {
                    let address = text.split('#').next().unwrap_or("");
                    if !address.is_empty() && !address.contains("://") {
                        self.files.push(address.to_owned());
                    }
                }
                "$id" => self.anchor(text.trim_end_matches('#').to_owned(), path),
                "id" if text.contains("://") || text.starts_with('#') => {
                    let id = text.strip_suffix('#').unwrap_or(text).to_owned();
                    self.anchor(id, path);
                }
                "readOnly" | "writeOnly" => self.directed |= text == "true",
                "$anchor" | "$dynamicAnchor" => self.anchor(format!("#{text}"), path),
                _ => {}
            }
        }
    }

    fn anchor(&mut self, id: String, path: &[Cow<'_, str>]) {
        let pointer = path.iter().map(|part| format!("/{}", escaped(part)));
        self.anchors.entry(id).or_insert_with(|| pointer.collect());
    }
}

/// Escapes a part of a JSON Pointer (RFC 6901, section 3).
pub(crate) fn escaped(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

/// Returns a part of a JSON Pointer without its escapes.
pub(crate) fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

/// Decodes the percent-encoding of a URI fragment; what is no encoding stays as it is.
fn decoded(fragment: &str) -> String {
    if !fragment.contains('%') {
        return fragment.to_owned();
    }
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| fragment.to_owned())
}

/// Returns the path that `relative` means in the file `from`, both relative to the project.
fn joined(from: &str, relative: &str) -> String {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let relative = decoded(relative);
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::{decoded, joined};

    #[test]
    fn paths_are_joined_within_the_project() {
        assert_eq!(joined("contracts/a.yaml", "./b.yaml"), "contracts/b.yaml");
        assert_eq!(
            joined("contracts/x/a.yaml", "../b.yaml"),
            "contracts/b.yaml"
        );
        assert_eq!(joined("a.yaml", "../../b.yaml"), "../../b.yaml");
    }

    #[test]
    fn fragments_are_decoded() {
        assert_eq!(decoded("/paths/%7Border%7D"), "/paths/{order}");
        assert_eq!(decoded("/a%2"), "/a%2");
        assert_eq!(decoded("/a%ff"), "/a%ff");
    }
}
