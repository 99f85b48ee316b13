//! A view of a JSON Schema (2020-12) as `schemars` writes it.

use std::borrow::Cow;

use serde_json::Value as Json;
use sluice_sdk::config::PLACED;

/// How many references may follow each other before something else stands there.
const REFERENCES_MAX: usize = 32;
/// How many choices a message lists.
const CHOICES_MAX: usize = 24;

/// One schema of a document of schemas.
#[derive(Clone, Copy)]
pub(super) struct Schema<'s> {
    root: &'s Json,
    at: &'s Json,
}

/// What a schema asks for, where it asks for one of several.
pub(super) struct Alternatives<'s> {
    /// Whether null is one of them.
    pub nullable: bool,
    /// The names that stand alone.
    pub names: Vec<&'s str>,
    /// The names that stand as the one key of a map, with the schema of the value.
    pub tagged: Vec<(&'s str, Schema<'s>)>,
    /// Everything else.
    pub others: Vec<Schema<'s>>,
}

impl<'s> Schema<'s> {
    /// Returns the root schema of a document.
    pub fn new(root: &'s Json) -> Self {
        Self { root, at: root }
    }

    fn child(self, at: &'s Json) -> Self {
        Self { at, ..self }
    }

    /// Follows `$ref`; a reference that leads nowhere allows everything.
    pub fn resolve(self) -> Self {
        let mut schema = self;
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = schema.text("$ref") else {
                return schema;
            };
            let pointer = reference.strip_prefix('#').unwrap_or(reference);
            match self.root.pointer(pointer) {
                Some(at) => schema = schema.child(at),
                None => return schema.child(&Json::Bool(true)),
            }
        }
        schema.child(&Json::Bool(true))
    }

    fn text(self, key: &str) -> Option<&'s str> {
        self.at.get(key)?.as_str()
    }

    /// Returns an integer keyword, such as `minimum` or `maxItems`.
    pub fn integer(self, key: &str) -> Option<i128> {
        self.at.get(key)?.to_string().parse().ok()
    }

    /// Returns a number keyword, such as `minimum`.
    pub fn number(self, key: &str) -> Option<f64> {
        self.at.get(key)?.as_f64()
    }

    pub fn format(self) -> Option<&'s str> {
        self.text("format")
    }

    pub fn pattern(self) -> Option<&'s str> {
        self.text("pattern")
    }

    /// Returns what the schema's doc comment says, as one sentence in the manner of findings.
    pub fn about(self) -> Option<String> {
        let text = self.text("description")?;
        let sentence = text.split("\n\n").next()?.replace('\n', " ");
        let sentence = sentence.trim().trim_end_matches('.');
        let mut letters = sentence.chars();
        let first = letters.next()?;
        // A word in capitals (`API`) keeps them.
        let shout = letters.clone().next().is_some_and(char::is_uppercase);
        let first = if shout {
            first.to_string()
        } else {
            first.to_lowercase().collect()
        };
        Some(first + letters.as_str())
    }

    /// Returns whether the field is one whose node the compiler reads itself, see [`PLACED`].
    pub fn is_placed(self) -> bool {
        self.format().is_some_and(|format| {
            PLACED
                .iter()
                .any(|name| name.strip_prefix("$sluice.") == Some(format))
        })
    }

    /// Returns whether the field holds an expression: nothing at all is none.
    pub fn is_expression(self) -> bool {
        self.format() == Some("expression")
    }

    /// Returns whether this is a reference to a secret, `{ secret: name }`, by its shape.
    pub fn is_secret(self) -> bool {
        self.tagged().is_some_and(|(key, _)| key == "secret")
    }

    /// Returns the names of the types that are allowed; none if the schema does not say.
    pub fn types(self) -> Vec<&'s str> {
        match self.at.get("type") {
            Some(Json::String(one)) => vec![one],
            Some(Json::Array(many)) => many.iter().filter_map(Json::as_str).collect(),
            _ if self.at.get("properties").is_some() => vec!["object"],
            _ if self.choices().is_some() => vec!["string"],
            _ => Vec::new(),
        }
    }

    /// Returns whether values of this type are allowed: `string`, `integer`, `object`...
    pub fn allows(self, kind: &str) -> bool {
        self.types().contains(&kind)
    }

    /// Returns whether the schema says nothing about the value.
    pub fn is_anything(self) -> bool {
        let Some(map) = self.at.as_object() else {
            return true;
        };
        let says = [
            "type",
            "properties",
            "enum",
            "const",
            "oneOf",
            "anyOf",
            "allOf",
            "$ref",
        ];
        !map.keys().any(|key| says.contains(&key.as_str()))
    }

    /// Returns the texts that are allowed, if the schema lists them.
    pub fn choices(self) -> Option<Vec<&'s str>> {
        if let Some(one) = self.text("const") {
            return Some(vec![one]);
        }
        let list = self.at.get("enum")?.as_array()?;
        Some(list.iter().filter_map(Json::as_str).collect())
    }

    pub fn properties(self) -> impl Iterator<Item = (&'s str, Schema<'s>)> {
        let map = self.at.get("properties").and_then(Json::as_object);
        map.into_iter()
            .flatten()
            .map(move |(key, at)| (key.as_str(), self.child(at)))
    }

    pub fn property(self, key: &str) -> Option<Schema<'s>> {
        Some(self.child(self.at.get("properties")?.get(key)?))
    }

    /// Returns the keys that must be there.
    pub fn required(self) -> impl Iterator<Item = &'s str> {
        let list = self.at.get("required").and_then(Json::as_array);
        list.into_iter().flatten().filter_map(Json::as_str)
    }

    /// Returns the schemas by patterns of keys.
    pub fn pattern_properties(self) -> impl Iterator<Item = (&'s str, Schema<'s>)> {
        let map = self.at.get("patternProperties").and_then(Json::as_object);
        map.into_iter()
            .flatten()
            .map(move |(key, at)| (key.as_str(), self.child(at)))
    }

    /// Returns the schema of keys that are not listed; `None` if there may be none.
    pub fn additional(self) -> Option<Schema<'s>> {
        match self.at.get("additionalProperties") {
            Some(Json::Bool(false)) => None,
            Some(at) => Some(self.child(at)),
            None => Some(self.child(&Json::Bool(true))),
        }
    }

    /// Returns the schema of the item at `index`; `None` if there may be none.
    pub fn item(self, index: usize) -> Option<Schema<'s>> {
        let first = self.at.get("prefixItems").and_then(Json::as_array);
        if let Some(at) = first.and_then(|list| list.get(index)) {
            return Some(self.child(at));
        }
        match self.at.get("items") {
            Some(Json::Bool(false)) => None,
            Some(at) => Some(self.child(at)),
            None => Some(self.child(&Json::Bool(true))),
        }
    }

    pub fn all_of(self) -> impl Iterator<Item = Schema<'s>> {
        let list = self.at.get("allOf").and_then(Json::as_array);
        list.into_iter().flatten().map(move |at| self.child(at))
    }

    /// Returns the alternatives of `oneOf` or `anyOf`, those inside of them included.
    pub fn alternatives(self) -> Option<Alternatives<'s>> {
        let mut found = Alternatives {
            nullable: false,
            names: Vec::new(),
            tagged: Vec::new(),
            others: Vec::new(),
        };
        self.collect_alternatives(&mut found, 0)?;
        Some(found)
    }

    fn collect_alternatives(self, found: &mut Alternatives<'s>, depth: usize) -> Option<()> {
        let list = ["oneOf", "anyOf"]
            .iter()
            .find_map(|key| self.at.get(key)?.as_array())?;
        for at in list {
            let schema = self.child(at).resolve();
            if depth < REFERENCES_MAX && schema.collect_alternatives(found, depth + 1).is_some() {
                continue;
            }
            if schema.types() == ["null"] {
                found.nullable = true;
            } else if let Some(choices) = schema.choices() {
                found.names.extend(choices);
            } else if let Some(tagged) = schema.tagged() {
                found.tagged.push(tagged);
            } else {
                found.others.push(schema);
            }
        }
        Some(())
    }

    /// Returns the key and the value's schema of a map with exactly one key.
    fn tagged(self) -> Option<(&'s str, Schema<'s>)> {
        let mut properties = self.properties();
        let (key, schema) = properties.next()?;
        let only = properties.next().is_none()
            && self.additional().is_none()
            && self.required().any(|required| required == key);
        only.then_some((key, schema))
    }

    /// Returns the key whose value tells which alternative a map is, and that value: `type: csv`.
    pub fn discriminator(self) -> Option<(&'s str, &'s str)> {
        self.properties()
            .find_map(|(key, schema)| Some((key, schema.text("const")?)))
    }

    /// Returns a value that is sensible where nothing is known but that one must be there.
    pub fn sensible_literal(self) -> Option<String> {
        let schema = self.resolve();
        let example = schema
            .at
            .get("examples")
            .or(self.at.get("examples"))
            .and_then(|list| list.get(0));
        if let Some(example) = example {
            return Some(match example {
                Json::String(text) => plain_or_quoted(text),
                other => other.to_string(),
            });
        }
        if let Some([only]) = schema.choices().as_deref() {
            return Some(plain_or_quoted(only));
        }
        let empty = |bound: &str| schema.integer(bound).unwrap_or(0) == 0;
        if schema.is_placed() {
            return None;
        }
        match schema.types().as_slice() {
            ["array"] if empty("minItems") && schema.item(0).is_some() => Some("[]".to_owned()),
            ["object"] if empty("minProperties") && schema.required().next().is_none() => {
                Some("{}".to_owned())
            }
            _ => None,
        }
    }

    /// Says in words what the schema asks for: `a duration`, `a list of texts`.
    pub fn expected(self) -> Cow<'static, str> {
        self.expected_within(3)
    }

    fn expected_within(self, depth: usize) -> Cow<'static, str> {
        let schema = self.resolve();
        if let Some(words) = schema.format().and_then(format_words) {
            return words.into();
        }
        if let Some(choices) = schema.choices() {
            return one_of(&choices).into();
        }
        if let Some(alternatives) = schema.alternatives() {
            return alternatives.expected(depth).into();
        }
        let mut words: Vec<Cow<'static, str>> = Vec::new();
        for kind in schema.types() {
            words.push(match kind {
                "string" => "a text".into(),
                "integer" => "an integer".into(),
                "number" => "a number".into(),
                "boolean" => "`true` or `false`".into(),
                "array" if depth == 0 => "a list".into(),
                "array" => match schema.item(0).map(|item| item.items_words(depth - 1)) {
                    Some(items) if !items.is_empty() => format!("a list of {items}").into(),
                    _ => "a list".into(),
                },
                "object" => "a map".into(),
                _ => continue,
            });
        }
        if words.is_empty() {
            return "a value".into();
        }
        words.join(" or ").into()
    }

    /// Says what the items of a list are: `texts`, `maps`; empty if there is no word for it.
    fn items_words(self, depth: usize) -> String {
        match self.expected_within(depth).as_ref() {
            "a text" => "texts".to_owned(),
            "an integer" => "integers".to_owned(),
            "a number" => "numbers".to_owned(),
            "a map" => "maps".to_owned(),
            "an expression" => "expressions".to_owned(),
            _ => String::new(),
        }
    }
}

impl Alternatives<'_> {
    /// Says in words what the alternatives are.
    pub fn expected(&self, depth: usize) -> String {
        let mut words: Vec<String> = Vec::new();
        let names: Vec<&str> = self.names.clone();
        if !names.is_empty() {
            words.push(one_of(&names));
        }
        let tags: Vec<&str> = self.tagged.iter().map(|(tag, _)| *tag).collect();
        match tags.as_slice() {
            [] => {}
            [tag] => words.push(format!("a map with the key `{tag}`")),
            tags => words.push(format!("a map with one of the keys {}", list(tags, "or"))),
        }
        for other in &self.others {
            let text = other.expected_within(depth.saturating_sub(1)).into_owned();
            if !words.contains(&text) {
                words.push(text);
            }
        }
        if words.is_empty() {
            return "nothing".to_owned();
        }
        words.join(", or ")
    }

    /// Returns all names that may stand here, alone or as a key.
    pub fn all_names(&self) -> Vec<&str> {
        let tags = self.tagged.iter().map(|(tag, _)| *tag);
        self.names.iter().copied().chain(tags).collect()
    }
}

fn format_words(format: &str) -> Option<&'static str> {
    Some(match format {
        "duration" => "a duration",
        "byte-size" => "a size",
        "rate" => "a rate",
        "expression" => "an expression",
        "template" => "a text",
        "format" => "a format",
        "type" => "a type of a contract",
        "mapping" => "the name of a mapping",
        _ => return None,
    })
}

/// Lists choices: `` `a`, `b` or `c` ``.
fn one_of(choices: &[&str]) -> String {
    list(choices, "or")
}

/// Lists names in backticks; a long list is cut.
pub(super) fn list(names: &[&str], last: &str) -> String {
    let quoted = |name: &&str| format!("`{name}`");
    match names {
        [] => String::new(),
        [one] => format!("`{one}`"),
        many if CHOICES_MAX < many.len() => {
            let shown: Vec<_> = many.iter().take(CHOICES_MAX).map(quoted).collect();
            let rest = many.len() - CHOICES_MAX;
            format!("{} {last} {rest} more", shown.join(", "))
        }
        [first @ .., end] => {
            let first: Vec<_> = first.iter().map(quoted).collect();
            format!("{} {last} `{end}`", first.join(", "))
        }
    }
}

/// Writes a text as a YAML scalar: plain where that is safe.
pub(super) fn plain_or_quoted(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "_-./#*+".contains(c);
    let starts_well = |c: char| c.is_ascii_alphanumeric() || "_./".contains(c);
    if text.chars().all(safe) && text.chars().next().is_some_and(starts_well) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}
