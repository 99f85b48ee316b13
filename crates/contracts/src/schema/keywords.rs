//! The keywords of a schema, sorted out once.

use sluice_syntax::tree::{Entry, Map, NodeKind};

/// The entries of one schema object by what they say.
#[derive(Debug, Default)]
pub(crate) struct Keywords<'d> {
    pub reference: Option<&'d Entry>,
    pub ty: Option<&'d Entry>,
    pub nullable: Option<&'d Entry>,
    pub format: Option<&'d Entry>,
    pub values: Option<&'d Entry>,
    pub constant: Option<&'d Entry>,
    pub properties: Option<&'d Entry>,
    pub required: Option<&'d Entry>,
    pub additional: Option<&'d Entry>,
    pub unevaluated: Option<&'d Entry>,
    pub pattern_properties: Option<&'d Entry>,
    pub items: Option<&'d Entry>,
    pub prefix_items: Option<&'d Entry>,
    pub additional_items: Option<&'d Entry>,
    pub items_min: Option<&'d Entry>,
    pub items_max: Option<&'d Entry>,
    pub items_unique: Option<&'d Entry>,
    pub minimum: Option<&'d Entry>,
    pub maximum: Option<&'d Entry>,
    pub minimum_exclusive: Option<&'d Entry>,
    pub maximum_exclusive: Option<&'d Entry>,
    pub multiple_of: Option<&'d Entry>,
    pub length_min: Option<&'d Entry>,
    pub length_max: Option<&'d Entry>,
    pub pattern: Option<&'d Entry>,
    pub encoding: Option<&'d Entry>,
    pub one_of: Option<&'d Entry>,
    pub any_of: Option<&'d Entry>,
    pub all_of: Option<&'d Entry>,
    pub discriminator: Option<&'d Entry>,
    pub title: Option<&'d Entry>,
    pub description: Option<&'d Entry>,
    pub deprecated: Option<&'d Entry>,
    pub default: Option<&'d Entry>,
    pub example: Option<&'d Entry>,
    pub examples: Option<&'d Entry>,
    pub pii: Option<&'d Entry>,
    pub unit: Option<&'d Entry>,
    /// Keywords that say something of values which a type cannot say.
    pub untyped: Vec<&'d Entry>,
}

/// Keywords that restrict values and have no place in a type: they are told and not checked.
const UNTYPED: [&str; 15] = [
    "not",
    "if",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "propertyNames",
    "contains",
    "minContains",
    "maxContains",
    "minProperties",
    "maxProperties",
    "unevaluatedItems",
    "extends",
    "disallow",
    "$recursiveRef",
];

impl<'d> Keywords<'d> {
    /// Sorts the entries of a schema object.
    pub fn of(map: &'d Map) -> Self {
        let mut found = Self::default();
        for entry in &map.entries {
            let key = &*entry.key.text;
            match found.slot(key) {
                // Of doubled keys the first counts.
                Some(slot) => {
                    slot.get_or_insert(entry);
                }
                None if UNTYPED.contains(&key) => found.untyped.push(entry),
                None => {}
            }
        }
        found
    }

    fn slot(&mut self, key: &str) -> Option<&mut Option<&'d Entry>> {
        Some(match key {
            "$ref" | "$dynamicRef" => &mut self.reference,
            "type" => &mut self.ty,
            "nullable" => &mut self.nullable,
            "format" => &mut self.format,
            "enum" => &mut self.values,
            "const" => &mut self.constant,
            "properties" => &mut self.properties,
            "required" => &mut self.required,
            "additionalProperties" => &mut self.additional,
            "unevaluatedProperties" => &mut self.unevaluated,
            "patternProperties" => &mut self.pattern_properties,
            "items" => &mut self.items,
            "prefixItems" => &mut self.prefix_items,
            "additionalItems" => &mut self.additional_items,
            "minItems" => &mut self.items_min,
            "maxItems" => &mut self.items_max,
            "uniqueItems" => &mut self.items_unique,
            "minimum" => &mut self.minimum,
            "maximum" => &mut self.maximum,
            "exclusiveMinimum" => &mut self.minimum_exclusive,
            "exclusiveMaximum" => &mut self.maximum_exclusive,
            "multipleOf" | "divisibleBy" => &mut self.multiple_of,
            "minLength" => &mut self.length_min,
            "maxLength" => &mut self.length_max,
            "pattern" => &mut self.pattern,
            "contentEncoding" => &mut self.encoding,
            "oneOf" => &mut self.one_of,
            "anyOf" => &mut self.any_of,
            "allOf" => &mut self.all_of,
            "discriminator" => &mut self.discriminator,
            "title" => &mut self.title,
            "description" => &mut self.description,
            "deprecated" => &mut self.deprecated,
            "default" => &mut self.default,
            "example" => &mut self.example,
            "examples" => &mut self.examples,
            "x-pii" => &mut self.pii,
            "x-unit" => &mut self.unit,
            _ => return None,
        })
    }

    /// Returns whether something here restricts values, beside a reference.
    pub fn restrict(&self) -> bool {
        self.nullable.is_some()
            || self.ty.is_some()
            || self.values.is_some()
            || self.constant.is_some()
            || self.one_of.is_some()
            || self.any_of.is_some()
            || self.all_of.is_some()
            || self.unevaluated.is_some()
            || self.speaks_of_records()
            || self.speaks_of_lists()
            || self.speaks_of_numbers()
            || self.speaks_of_texts()
    }

    /// Returns whether a keyword here is about records.
    pub fn speaks_of_records(&self) -> bool {
        self.properties.is_some()
            || self.required.is_some()
            || self.additional.is_some()
            || self.pattern_properties.is_some()
    }

    /// Returns whether a keyword here is about lists.
    pub fn speaks_of_lists(&self) -> bool {
        self.items.is_some()
            || self.prefix_items.is_some()
            || self.items_min.is_some()
            || self.items_max.is_some()
            || self.items_unique.is_some()
    }

    /// Returns whether a keyword here is about numbers.
    pub fn speaks_of_numbers(&self) -> bool {
        self.minimum.is_some()
            || self.maximum.is_some()
            || self.multiple_of.is_some()
            || self.minimum_exclusive.is_some_and(is_no_flag)
            || self.maximum_exclusive.is_some_and(is_no_flag)
    }

    /// Returns whether a keyword here is about texts.
    pub fn speaks_of_texts(&self) -> bool {
        self.length_min.is_some()
            || self.length_max.is_some()
            || self.pattern.is_some()
            || self.encoding.is_some()
    }
}

/// Draft 4 has a boolean beside the bound, later drafts the bound itself.
fn is_no_flag(entry: &Entry) -> bool {
    match &entry.value.kind {
        NodeKind::Scalar(scalar) => !matches!(&*scalar.text, "true" | "false"),
        NodeKind::Map(_) | NodeKind::List(_) => true,
    }
}
