//! `sluice describe`: connectors, sources, steps, formats and functions, from the catalog.

use serde_json::{Value as Json, json};
use sluice_compiler::schema::verbs;
use sluice_model::finding::did_you_mean;

use crate::exit::{OK, usage};
use crate::output::{self, OutputArgs};
use crate::registry::registry;

/// Tells of connectors, steps, formats and functions.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One of them by name, such as `sqlite`, `choose`, `csv` or `$substring`; or a kind,
    /// `connectors`, `sources`, `steps`, `formats`, `functions`; left out: all, a line each.
    name: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// One thing that can be described.
struct Entry {
    kind: &'static str,
    name: String,
    summary: String,
    example: String,
    config: Json,
    more: Json,
}

/// Runs the verb.
///
/// # Errors
/// If nothing has this name.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let entries = entries();
    let Some(name) = &args.name else {
        list(&entries.iter().collect::<Vec<_>>(), args.output)?;
        return Ok(OK);
    };
    let of_kind: Vec<&Entry> = entries.iter().filter(|entry| entry.kind == name).collect();
    if !of_kind.is_empty() {
        list(&of_kind, args.output)?;
        return Ok(OK);
    }
    let found: Vec<&Entry> = entries.iter().filter(|entry| entry.name == *name).collect();
    if found.is_empty() {
        let near = did_you_mean(name, entries.iter().map(|entry| entry.name.as_str()));
        return Err(usage(match near {
            Some(near) => format!("nothing is called `{name}`: did you mean `{near}`?"),
            None => format!("nothing is called `{name}`: `sluice describe` lists all"),
        }));
    }
    if args.output.is_json() {
        let all: Vec<Json> = found.iter().map(|entry| to_json(entry)).collect();
        output::json(&json!({ "entries": all }))?;
    } else {
        for entry in found {
            output::line(&page(entry))?;
        }
    }
    Ok(OK)
}

fn entries() -> Vec<Entry> {
    let registry = registry();
    let catalog = registry.catalog();
    let mut all = Vec::new();
    for (kind, key) in [
        ("connectors", "connectors"),
        ("sources", "sources"),
        ("formats", "formats"),
    ] {
        for entry in catalog[key].as_array().into_iter().flatten() {
            all.push(of_catalog(kind, entry));
            for source in entry["sources"].as_array().into_iter().flatten() {
                all.push(of_catalog("sources", source));
            }
        }
    }
    for verb in verbs(&registry) {
        let info = registry
            .steps()
            .get(verb.name)
            .map(|entry| entry.config.info);
        all.push(Entry {
            kind: "steps",
            name: verb.name.to_owned(),
            summary: verb.summary.to_owned(),
            example: info.map_or("", |info| info.example).to_owned(),
            config: verb.schema,
            more: Json::Null,
        });
    }
    for function in sluice_mapping::functions::all() {
        all.push(Entry {
            kind: "functions",
            name: format!("${}", function.name),
            summary: function.summary.to_owned(),
            example: String::new(),
            config: Json::Null,
            more: json!({
                "signature": function.signature,
                "examples": function
                    .examples
                    .iter()
                    .map(|own| json!({ "expression": own.expression, "result": own.result }))
                    .collect::<Vec<_>>(),
            }),
        });
    }
    all
}

fn of_catalog(kind: &'static str, entry: &Json) -> Entry {
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    Entry {
        kind,
        name: text("name"),
        summary: text("summary"),
        example: text("example"),
        config: entry["config"].clone(),
        more: json!({ "sink": entry["sink"], "call": entry["call"] }),
    }
}

fn list(entries: &[&Entry], output: OutputArgs) -> anyhow::Result<()> {
    if output.is_json() {
        let all: Vec<Json> = entries.iter().map(|entry| to_json(entry)).collect();
        return Ok(output::json(&json!({ "entries": all }))?);
    }
    let width = entries
        .iter()
        .map(|entry| entry.name.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    let mut kind = "";
    for entry in entries {
        if entry.kind != kind {
            kind = entry.kind;
            text.push_str(&format!(
                "{}{kind}\n",
                if text.is_empty() { "" } else { "\n" }
            ));
        }
        text.push_str(&format!("  {:width$}  {}\n", entry.name, entry.summary));
    }
    Ok(output::line(&text)?)
}

fn to_json(entry: &Entry) -> Json {
    json!({
        "kind": entry.kind,
        "name": entry.name,
        "summary": entry.summary,
        "example": entry.example,
        "config": entry.config,
        "more": entry.more,
    })
}

/// The page of one entry, for people.
fn page(entry: &Entry) -> String {
    let kind = entry.kind.trim_end_matches('s');
    let mut text = format!("{} ({kind})\n\n{}\n", entry.name, entry.summary);
    if let Some(signature) = entry.more["signature"].as_str() {
        text.push_str(&format!("\nsignature: {signature}\n"));
    }
    fields(&mut text, "fields", &entry.config);
    for part in ["sink", "call"] {
        fields(&mut text, part, &entry.more[part]["config"]);
    }
    if !entry.example.is_empty() {
        text.push_str(&format!("\nexample:\n\n{}\n", indented(&entry.example)));
    }
    for example in entry.more["examples"].as_array().into_iter().flatten() {
        let part = |key: &str| example[key].as_str().unwrap_or_default().to_owned();
        text.push_str(&format!(
            "\n  {}\n  = {}\n",
            part("expression"),
            part("result")
        ));
    }
    text
}

/// The fields of a schema with type, default and meaning.
fn fields(text: &mut String, title: &str, schema: &Json) {
    let Some(properties) = schema["properties"]
        .as_object()
        .filter(|all| !all.is_empty())
    else {
        return;
    };
    text.push_str(&format!("\n{title}:\n"));
    let required = schema["required"].as_array();
    for (name, field) in properties {
        let needed = required.is_some_and(|all| all.iter().any(|key| key.as_str() == Some(name)));
        let about = field["description"]
            .as_str()
            .unwrap_or_default()
            .replace('\n', " ");
        let default = match &field["default"] {
            Json::Null => String::new(),
            default => format!(" (default: {default})"),
        };
        let mark = if needed { " (required)" } else { "" };
        text.push_str(&format!("  {name}{mark}: {about}{default}\n"));
    }
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
