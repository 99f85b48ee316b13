//! JSON Schemas of project files: merging what several structs say of one map.

use serde_json::{Map, Value as Json, json};
use sluice_sdk::registry::Registry;

use crate::files::{
    ApiFile, ApiSourceConfig, CallerConfig, ConnectionFile, EnvironmentFile, FlowFile, ProjectFile,
    SourceCommon, TestFile,
};
use crate::steps::{CONTROL, CommonConfig, schema_of};

/// Returns one schema for a map whose keys are the fields of several structs: closed if all of them
/// together know its keys.
pub(crate) fn merge(schemas: &[&Json]) -> Json {
    let mut properties = Map::new();
    let mut required: Vec<Json> = Vec::new();
    let mut definitions = Map::new();
    for schema in schemas {
        if let Some(own) = schema["properties"].as_object() {
            for (key, value) in own {
                properties
                    .entry(key.clone())
                    .or_insert_with(|| value.clone());
            }
        }
        if let Some(own) = schema["required"].as_array() {
            for key in own {
                if !required.contains(key) {
                    required.push(key.clone());
                }
            }
        }
        if let Some(own) = schema["$defs"].as_object() {
            definitions.extend(own.clone());
        }
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
        "$defs": definitions,
    })
}

/// A kind of project file, and the JSON Schema that an editor validates and completes it by.
pub struct FileSchema {
    /// Its name: `flow`.
    pub kind: &'static str,
    /// Which files it is for, as a glob below the project's folder.
    pub files: &'static str,
    /// The schema, JSON Schema 2020-12.
    pub schema: Json,
}

/// Returns the schemas of all kinds of project files, made of the same structs that check them.
pub fn file_schemas(registry: &Registry) -> Vec<FileSchema> {
    let file = |kind, files, schema| FileSchema {
        kind,
        files,
        schema,
    };
    vec![
        file("project", "sluice.yaml", schema_of::<ProjectFile>()),
        file(
            "connection",
            "connections/*.yaml",
            connection_schema(registry),
        ),
        file("flow", "flows/*.yaml", flow_schema(registry)),
        file("api", "apis/*.yaml", schema_of::<ApiFile>()),
        file(
            "environment",
            "environments/*.yaml",
            schema_of::<EnvironmentFile>(),
        ),
        file("test", "tests/*.yaml", schema_of::<TestFile>()),
    ]
}

/// One alternative for each connector.
fn connection_schema(registry: &Registry) -> Json {
    let common = schema_of::<ConnectionFile>();
    let of = registry.connections().values().map(|entry| {
        let mut schema = merge(&[&common, &entry.config.schema]);
        schema["properties"]["type"] = json!({ "const": entry.config.info.name });
        schema["title"] = json!(entry.config.info.name);
        schema["description"] = json!(entry.config.info.summary);
        schema
    });
    one_of("connection", of.collect())
}

fn flow_schema(registry: &Registry) -> Json {
    let mut flow = schema_of::<FlowFile>();
    let steps = json!({ "type": "array", "items": { "$ref": "#/$defs/step" } });
    flow["properties"]["steps"] = steps.clone();
    flow["properties"]["on_failure"] = steps;
    flow["properties"]["from"] = json!({ "$ref": "#/$defs/from" });
    let steps = one_of("step", step_schemas(registry));
    let from = one_of("from", source_schemas(registry));
    let definitions = flow["$defs"].take();
    let mut all = definitions.as_object().cloned().unwrap_or_default();
    for (name, mut schema) in [("step", steps), ("from", from)] {
        if let Some(Json::Object(inner)) = schema.get_mut("$defs").map(Json::take) {
            all.extend(inner);
        }
        if let Some(object) = schema.as_object_mut() {
            object.remove("$defs");
            object.remove("$schema");
        }
        all.insert(name.to_owned(), schema);
    }
    flow["$defs"] = Json::Object(all);
    flow
}

/// Joins alternatives; their definitions stand at the root, where `#/$defs/...` finds them.
fn one_of(title: &str, mut of: Vec<Json>) -> Json {
    let mut definitions = Map::new();
    for schema in &mut of {
        if let Some(object) = schema.as_object_mut() {
            if let Some(Json::Object(own)) = object.remove("$defs") {
                definitions.extend(own);
            }
            object.remove("$schema");
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "oneOf": of,
        "$defs": definitions,
    })
}

/// A verb of the language: control-flow and leaf steps alike.
pub struct Verb {
    /// What is written.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// The schema of its own keys; every step also has those of [`common_schema`].
    pub schema: Json,
}

/// Returns the verbs of all steps, control flow first.
pub fn verbs(registry: &Registry) -> Vec<Verb> {
    let control = CONTROL.iter().map(|step| Verb {
        name: step.verb,
        summary: step.summary,
        schema: (step.schema)(),
    });
    let leaves = registry.steps().values().map(|entry| Verb {
        name: entry.config.info.name,
        summary: entry.config.info.summary,
        schema: entry.config.schema.clone(),
    });
    control.chain(leaves).collect()
}

/// Returns the schema of the keys that every step has.
pub fn common_schema() -> Json {
    schema_of::<CommonConfig>()
}

fn step_schemas(registry: &Registry) -> Vec<Json> {
    let common = common_schema();
    let steps = json!({ "type": "array", "items": { "$ref": "#/$defs/step" } });
    let connections = registry.connections().values();
    let mut sinks: Vec<&Json> = Vec::new();
    let mut calls: Vec<&Json> = Vec::new();
    for connection in connections {
        sinks.extend(connection.sink.as_ref().map(|sink| &sink.schema));
        calls.extend(connection.call.as_ref().map(|call| &call.schema));
    }
    let one = |verb: Verb| {
        let mut all = vec![&verb.schema, &common];
        match verb.name {
            "write" => all.extend(sinks.iter().copied()),
            "call" => all.extend(calls.iter().copied()),
            _ => {}
        }
        let mut schema = merge(&all);
        schema["title"] = json!(verb.name);
        schema["description"] = json!(verb.summary);
        // What a connector needs depends on the connection: only the verb itself is required.
        if matches!(verb.name, "write" | "call") {
            schema["required"] = json!([verb.name]);
        }
        for key in ["steps", "try"] {
            if schema["properties"].get(key).is_some() {
                schema["properties"][key] = steps.clone();
            }
        }
        schema
    };
    verbs(registry).into_iter().map(one).collect()
}

fn source_schemas(registry: &Registry) -> Vec<Json> {
    let common = schema_of::<SourceCommon>();
    let mut all = vec![
        merge(&[&schema_of::<ApiSourceConfig>(), &common]),
        merge(&[&schema_of::<CallerConfig>(), &common]),
    ];
    for source in registry.sources().values() {
        all.push(merge(&[&source.config.schema, &common]));
    }
    for connection in registry.connections().values() {
        for source in &connection.sources {
            let name = source.info.name;
            let main = json!({
                "properties": { name: { "type": "string", "description": source.info.summary } },
                "required": [name],
            });
            all.push(merge(&[&main, &source.schema, &common]));
        }
    }
    all
}
