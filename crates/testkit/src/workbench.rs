//! Makes components of their configuration, as the compiler does, without a project.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value as Json, json};
use sluice_model::operation::Target;
use sluice_model::types::Type;
use sluice_sdk::check::{Check, CheckError};
use sluice_sdk::config::{FormatRef, TypeName};
use sluice_sdk::connection::{DynCall, DynConnection, DynSink, DynSource};
use sluice_sdk::format::DynFormat;
use sluice_sdk::registry::{ConfigSchema, Registry};

use crate::format::{Document, Lines};

/// The components of a registry, the two formats of [`crate::format`], and a folder that stands for
/// the project.
pub struct Workbench {
    registry: Registry,
    base: PathBuf,
    types: BTreeMap<String, Type>,
    contract: Vec<Target>,
}

impl Workbench {
    /// Returns a workbench for the project folder `base` with the components that `register` adds.
    pub fn new(base: &Path, register: impl FnOnce(&mut Registry)) -> Self {
        let mut registry = Registry::default();
        registry.format::<Lines>().format::<Document>();
        register(&mut registry);
        Self {
            registry,
            base: base.to_path_buf(),
            types: BTreeMap::new(),
            contract: Vec::new(),
        }
    }

    /// Adds a type that a configuration may name: `contracts/a.schema.json#Row`.
    pub fn with_type(mut self, name: &str, ty: Type) -> Self {
        self.types.insert(name.to_owned(), ty);
        self
    }

    /// Sets what the connection's contract names.
    pub fn with_contract(mut self, targets: Vec<Target>) -> Self {
        self.contract = targets;
        self
    }

    /// Returns the registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Makes a connection of its own fields: those of a connection's file, `type` among them.
    ///
    /// # Errors
    /// What is wrong with the fields, a line for each problem.
    pub fn connection(&self, mut fields: Json) -> Result<Arc<dyn DynConnection>, String> {
        let name = take(&mut fields, "type");
        let entry = self.registry.connections().get(name.as_str());
        let entry = entry.ok_or_else(|| format!("there is no connector `{name}`"))?;
        let (fields, mut check) = self.prepare(&entry.config, fields, None);
        let mut deserializer = <dyn erased_serde::Deserializer<'_>>::erase(fields);
        entry.make(&mut deserializer, &mut check).map_err(text)
    }

    /// Makes a source of its fields in `from`, beside the reference, which is `target`.
    ///
    /// # Errors
    /// What is wrong with the fields, a line for each problem.
    pub fn source(
        &self,
        on: &Arc<dyn DynConnection>,
        name: &str,
        target: Target,
        fields: Json,
    ) -> Result<Box<dyn DynSource>, String> {
        let entry = &self.registry.connections()[on.info().name];
        let found = entry.sources.iter().find(|source| source.info.name == name);
        let schema = found.ok_or_else(|| format!("there is no source `{name}`"))?;
        let (fields, mut check) = self.prepare(schema, fields, Some(target));
        let mut deserializer = <dyn erased_serde::Deserializer<'_>>::erase(fields);
        on.source(name, &mut deserializer, &mut check)
            .map_err(|error| error.map_or_else(|| "no such source".to_owned(), text))
    }

    /// Makes a sink of its fields beside the reference and those that every `write` has.
    ///
    /// # Errors
    /// What is wrong with the fields, a line for each problem.
    pub fn sink(
        &self,
        on: &Arc<dyn DynConnection>,
        target: Target,
        fields: Json,
    ) -> Result<Box<dyn DynSink>, String> {
        let entry = &self.registry.connections()[on.info().name];
        let schema = entry.sink.as_ref().ok_or("there is no sink")?;
        let (fields, mut check) = self.prepare(schema, fields, Some(target));
        let mut deserializer = <dyn erased_serde::Deserializer<'_>>::erase(fields);
        on.sink(&mut deserializer, &mut check)
            .map_err(|error| error.map_or_else(|| "no sink".to_owned(), text))
    }

    /// Makes a call of its fields beside the reference and those that every `call` has.
    ///
    /// # Errors
    /// What is wrong with the fields, a line for each problem.
    pub fn call(
        &self,
        on: &Arc<dyn DynConnection>,
        target: Target,
        fields: Json,
    ) -> Result<Arc<dyn DynCall>, String> {
        let entry = &self.registry.connections()[on.info().name];
        let schema = entry.call.as_ref().ok_or("there is no call")?;
        let (fields, mut check) = self.prepare(schema, fields, Some(target));
        let mut deserializer = <dyn erased_serde::Deserializer<'_>>::erase(fields);
        on.call(&mut deserializer, &mut check)
            .map_err(|error| error.map_or_else(|| "no call".to_owned(), text))
    }

    /// Replaces the values of placed fields (formats, types...) by places, and keeps them where the
    /// check finds them by those.
    fn prepare(
        &self,
        schema: &ConfigSchema,
        mut fields: Json,
        target: Option<Target>,
    ) -> (Json, Workpiece<'_>) {
        let mut placed = Vec::new();
        if let Some(map) = fields.as_object_mut() {
            for (name, value) in map {
                let format = &schema.schema["properties"][name]["format"];
                let kinds = ["expression", "template", "format", "type", "mapping"];
                if kinds.iter().any(|kind| format == kind) {
                    let place = placed.len();
                    placed.push(std::mem::replace(value, json!([0, place, place])));
                }
            }
        }
        let check = Workpiece {
            bench: self,
            target,
            placed,
        };
        (fields, check)
    }
}

fn take(fields: &mut Json, name: &str) -> String {
    let value = fields.as_object_mut().and_then(|map| map.remove(name));
    value
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn text(error: CheckError) -> String {
    match error {
        CheckError::Shape(text) => text,
        CheckError::Problems(problems) => {
            let line = |problem: &sluice_sdk::check::Problem| match &problem.help {
                Some(help) => format!("{}: {}; {help}", problem.at, problem.message),
                None => format!("{}: {}", problem.at, problem.message),
            };
            problems.iter().map(line).collect::<Vec<_>>().join("\n")
        }
    }
}

struct Workpiece<'w> {
    bench: &'w Workbench,
    target: Option<Target>,
    placed: Vec<Json>,
}

impl Check for Workpiece<'_> {
    fn base(&self) -> &Path {
        &self.bench.base
    }

    fn contract(&self) -> Vec<Target> {
        self.bench.contract.clone()
    }

    fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    fn format(&mut self, format: FormatRef, ty: Option<&Type>) -> Option<Arc<dyn DynFormat>> {
        let (name, options) = match &self.placed[format.span.start as usize] {
            Json::String(name) => (name.clone(), json!({})),
            Json::Object(map) => {
                let (name, options) = map.iter().next()?;
                (name.clone(), options.clone())
            }
            _ => return None,
        };
        let entry = self.bench.registry.formats().get(name.as_str())?;
        let mut deserializer = <dyn erased_serde::Deserializer<'_>>::erase(options);
        entry.make(&mut deserializer, ty).ok()
    }

    fn contract_type(&mut self, name: TypeName) -> Option<Type> {
        let name = self.placed[name.span.start as usize].as_str()?;
        self.bench.types.get(name).cloned()
    }
}
