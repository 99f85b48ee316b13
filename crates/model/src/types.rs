//! Types: what every contract is lowered to and every mapping is checked against.

use std::sync::{Arc, OnceLock, Weak};

use rust_decimal::Decimal;

use crate::span::Span;
use crate::value::{Name, Value};

/// A type: a kind of value, whether null is one of its values, and what a person should know.
///
/// Cheap to clone. *Optional* is not a property of a type but of a record's field: null and missing
/// are different things.
#[derive(Debug, Clone)]
pub struct Type {
    /// What values it has, null aside.
    pub kind: Kind,
    /// Whether null is a value of it.
    pub nullable: bool,
    /// What is known beside: name, description, PII class, unit, where it is declared.
    pub meta: Option<Arc<Meta>>,
}

/// What is known of a type beside its values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Meta {
    /// The name that its contract gives it.
    pub name: Option<Arc<str>>,
    /// What its contract says of it.
    pub description: Option<Arc<str>>,
    /// The class of personal data that it holds.
    pub pii: Option<Arc<str>>,
    /// The unit of a number.
    pub unit: Option<Arc<str>>,
    /// Whether the contract calls it deprecated.
    pub deprecated: bool,
    /// An example from the contract.
    pub example: Option<Value<'static>>,
    /// The contract's default.
    pub default: Option<Value<'static>>,
    /// Where it is declared.
    pub span: Option<Span>,
}

/// What values a type has.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Nothing is known: any value, null too.
    Any,
    /// No value at all: the type of what never returns, and of the items of an empty list.
    Never,
    /// Null only.
    Null,
    /// Booleans.
    Bool,
    /// Whole numbers.
    Int(Bounds),
    /// Decimal numbers, exact.
    Decimal(Bounds),
    /// Doubles.
    Float(Bounds),
    /// Texts.
    Text(TextType),
    /// Bytes.
    Bytes,
    /// Lists.
    List(Arc<ListType>),
    /// Records with any keys and values of one type.
    Map(Arc<Type>),
    /// Records with known fields.
    Record(Arc<RecordType>),
    /// Values of any of these types.
    Union(Arc<UnionType>),
    /// A named type that may refer to itself.
    Ref(TypeRef),
}

/// Bounds of a number; `None` is no bound. `min` and `max` belong to the values unless exclusive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The least value.
    pub min: Option<Decimal>,
    /// The greatest value.
    pub max: Option<Decimal>,
    /// Whether `min` itself is excluded.
    pub min_exclusive: bool,
    /// Whether `max` itself is excluded.
    pub max_exclusive: bool,
    /// What every value is a whole multiple of.
    pub multiple_of: Option<Decimal>,
    /// The most digits, before and after the point together (`NUMERIC(p,s)`'s p).
    pub precision: Option<u32>,
    /// The most digits after the point (`NUMERIC(p,s)`'s s).
    pub scale: Option<u32>,
}

/// A text's constraints.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TextType {
    /// The format that every value has, if the contract names one.
    pub format: Option<TextFormat>,
    /// The only values, in the contract's order.
    pub values: Option<Arc<[Arc<str>]>>,
    /// The fewest characters.
    pub length_min: Option<u64>,
    /// The most characters.
    pub length_max: Option<u64>,
    /// A regular expression (ECMA-262 syntax) that every value contains a match of.
    pub pattern: Option<Arc<str>>,
}

/// The formats of texts that are checked; any other is kept as [`TextFormat::Other`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextFormat {
    /// RFC 3339 `full-date`.
    Date,
    /// RFC 3339 `full-time`.
    Time,
    /// RFC 3339 `date-time`.
    DateTime,
    /// ISO 8601 duration, as RFC 3339 appendix A has it.
    Duration,
    /// RFC 4122 UUID.
    Uuid,
    /// RFC 5321 mailbox.
    Email,
    /// RFC 3986 URI.
    Uri,
    /// RFC 1123 host name.
    Hostname,
    /// RFC 2673 IPv4 address.
    Ipv4,
    /// RFC 4291 IPv6 address.
    Ipv6,
    /// Base 64 of RFC 4648.
    Base64,
    /// One that is known to the contract's author only: it is shown, not checked.
    Other(Arc<str>),
}

impl TextFormat {
    /// Returns the format that JSON Schema and OpenAPI call `name`.
    pub fn from_name(name: &str) -> Self {
        match name {
            "date" => TextFormat::Date,
            "time" => TextFormat::Time,
            "date-time" => TextFormat::DateTime,
            "duration" => TextFormat::Duration,
            "uuid" => TextFormat::Uuid,
            "email" => TextFormat::Email,
            "uri" => TextFormat::Uri,
            "hostname" => TextFormat::Hostname,
            "ipv4" => TextFormat::Ipv4,
            "ipv6" => TextFormat::Ipv6,
            "byte" => TextFormat::Base64,
            other => TextFormat::Other(other.into()),
        }
    }

    /// Returns the name that JSON Schema and OpenAPI have for it.
    pub fn as_str(&self) -> &str {
        match self {
            TextFormat::Date => "date",
            TextFormat::Time => "time",
            TextFormat::DateTime => "date-time",
            TextFormat::Duration => "duration",
            TextFormat::Uuid => "uuid",
            TextFormat::Email => "email",
            TextFormat::Uri => "uri",
            TextFormat::Hostname => "hostname",
            TextFormat::Ipv4 => "ipv4",
            TextFormat::Ipv6 => "ipv6",
            TextFormat::Base64 => "byte",
            TextFormat::Other(name) => name,
        }
    }
}

/// A list's item type and length.
#[derive(Debug, Clone)]
pub struct ListType {
    /// The type of every item.
    pub item: Type,
    /// The fewest items.
    pub length_min: u64,
    /// The most items.
    pub length_max: Option<u64>,
    /// Whether no two items are equal.
    pub unique: bool,
}

/// A record's fields, and what else may stand beside them.
#[derive(Debug, Clone, Default)]
pub struct RecordType {
    /// The known fields, in the contract's order.
    pub fields: Vec<Field>,
    /// The type of fields with other keys; `None` closes the record.
    pub rest: Option<Type>,
}

/// One field of a record type.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its key.
    pub name: Name,
    /// The type of its value where it is present.
    pub ty: Type,
    /// Whether it is always present.
    pub required: bool,
}

impl RecordType {
    /// Returns the field with this key.
    pub fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.as_str() == key)
    }
}

/// Alternatives, at least two, none of which is a union.
#[derive(Debug, Clone)]
pub struct UnionType {
    /// The alternatives.
    pub of: Vec<Type>,
    /// The field whose text says which alternative a record is.
    pub discriminator: Option<Discriminator>,
}

/// Tells a union's alternatives apart by the text of one field.
#[derive(Debug, Clone)]
pub struct Discriminator {
    /// The field's key.
    pub field: Name,
    /// For each text, the index of its alternative.
    pub mapping: Vec<(Arc<str>, usize)>,
}

/// The named types of a contract, which may refer to each other in cycles.
///
/// The contract owns them; a [`TypeRef`] keeps a weak hold only, so that cycles are freed with it.
#[derive(Debug, Default)]
pub struct Definitions {
    types: OnceLock<Vec<(Arc<str>, Type)>>,
}

impl Definitions {
    /// Returns a table that is filled later by [`Definitions::fill`].
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Sets the named types; only the first call counts.
    pub fn fill(&self, types: Vec<(Arc<str>, Type)>) {
        let _ = self.types.set(types);
    }

    /// Returns all named types; empty before [`Definitions::fill`].
    pub fn types(&self) -> &[(Arc<str>, Type)] {
        self.types.get().map_or(&[], Vec::as_slice)
    }

    /// Returns a reference to the type that will stand at `index`.
    pub fn reference(self: &Arc<Self>, name: &str, index: usize) -> TypeRef {
        TypeRef {
            name: name.into(),
            definitions: Arc::downgrade(self),
            index,
        }
    }
}

/// A reference to a named type of a contract.
#[derive(Debug, Clone)]
pub struct TypeRef {
    /// The name, for people.
    pub name: Arc<str>,
    definitions: Weak<Definitions>,
    index: usize,
}

impl TypeRef {
    /// Returns the type; [`Kind::Any`] if its contract is gone.
    pub fn resolve(&self) -> Type {
        let definitions = self.definitions.upgrade();
        let ty = definitions.as_ref().and_then(|d| d.types().get(self.index));
        ty.map_or_else(Type::any, |(_, ty)| ty.clone())
    }

    /// Returns the index of the type in the table of its contract.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns whether both point at the same definition.
    pub fn same(&self, other: &TypeRef) -> bool {
        self.index == other.index && self.definitions.ptr_eq(&other.definitions)
    }
}

impl Type {
    /// Returns the type of this kind, without null.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            nullable: false,
            meta: None,
        }
    }

    /// Returns the type of any value.
    pub fn any() -> Self {
        Self {
            kind: Kind::Any,
            nullable: true,
            meta: None,
        }
    }

    /// Returns the type without values.
    pub fn never() -> Self {
        Self::new(Kind::Never)
    }

    /// Returns the type of null.
    pub fn null() -> Self {
        Self {
            kind: Kind::Null,
            nullable: true,
            meta: None,
        }
    }

    /// Returns the type of booleans.
    pub fn bool() -> Self {
        Self::new(Kind::Bool)
    }

    /// Returns the type of whole numbers without bounds.
    pub fn int() -> Self {
        Self::new(Kind::Int(Bounds::default()))
    }

    /// Returns the type of decimals without bounds.
    pub fn decimal() -> Self {
        Self::new(Kind::Decimal(Bounds::default()))
    }

    /// Returns the type of doubles without bounds.
    pub fn float() -> Self {
        Self::new(Kind::Float(Bounds::default()))
    }

    /// Returns the type of texts without constraints.
    pub fn text() -> Self {
        Self::new(Kind::Text(TextType::default()))
    }

    /// Returns the type of texts with this format.
    pub fn text_with(format: TextFormat) -> Self {
        Self::new(Kind::Text(TextType {
            format: Some(format),
            ..TextType::default()
        }))
    }

    /// Returns the type of lists of any length.
    pub fn list(item: Type) -> Self {
        let list = ListType {
            item,
            length_min: 0,
            length_max: None,
            unique: false,
        };
        Self::new(Kind::List(Arc::new(list)))
    }

    /// Returns the type of records with these fields and no others.
    pub fn record(fields: Vec<Field>) -> Self {
        Self::new(Kind::Record(Arc::new(RecordType { fields, rest: None })))
    }

    /// Returns the type of records of which nothing is known.
    pub fn open_record() -> Self {
        let open = RecordType {
            fields: Vec::new(),
            rest: Some(Type::any()),
        };
        Self::new(Kind::Record(Arc::new(open)))
    }

    /// Returns the union of `types`, flattened; the type itself where there is one, else never.
    pub fn union(types: Vec<Type>) -> Self {
        let mut nullable = false;
        let mut of: Vec<Type> = Vec::new();
        for ty in types {
            nullable |= ty.nullable;
            match ty.kind {
                Kind::Never | Kind::Null => {}
                Kind::Any => return Type::any(),
                Kind::Union(union) => of.extend(union.of.iter().cloned()),
                _ => of.push(ty),
            }
        }
        let kind = match of.len() {
            0 if nullable => Kind::Null,
            0 => Kind::Never,
            1 => {
                return Type {
                    nullable,
                    ..of.remove(0)
                };
            }
            _ => Kind::Union(Arc::new(UnionType {
                of,
                discriminator: None,
            })),
        };
        Type {
            kind,
            nullable,
            meta: None,
        }
    }

    /// Returns the same type with null.
    pub fn or_null(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// Returns the same type without null.
    pub fn not_null(mut self) -> Self {
        self.nullable = false;
        if matches!(self.kind, Kind::Null) {
            self.kind = Kind::Never;
        }
        self
    }

    /// Returns the same type with what is known beside.
    pub fn with_meta(mut self, meta: Meta) -> Self {
        self.meta = Some(Arc::new(meta));
        self
    }

    /// Returns the type that a reference stands for, followed to its end; itself otherwise.
    ///
    /// Null and the reference's own meta are kept.
    pub fn resolved(&self) -> Type {
        let mut ty = self.clone();
        for _ in 0..64 {
            let Kind::Ref(reference) = &ty.kind else {
                return ty;
            };
            let target = reference.resolve();
            ty = Type {
                nullable: ty.nullable || target.nullable,
                meta: ty.meta.clone().or_else(|| target.meta.clone()),
                kind: target.kind,
            };
        }
        Type::any()
    }

    /// Returns whether this is the type of any value.
    pub fn is_any(&self) -> bool {
        matches!(self.kind, Kind::Any)
    }

    /// Returns where the type is declared.
    pub fn span(&self) -> Option<Span> {
        self.meta.as_ref()?.span
    }

    /// Returns the name that the type's contract gives it.
    pub fn name(&self) -> Option<&str> {
        self.meta.as_ref()?.name.as_deref()
    }
}

impl std::fmt::Display for Type {
    /// Writes the type as findings show it: `{ id: text, lines: [ { qty: integer } ], ... }`, with
    /// `?` after the key of an optional field and `or null` behind a nullable type.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.write(f, 3)?;
        if self.nullable && !matches!(self.kind, Kind::Any | Kind::Null) {
            f.write_str(" or null")?;
        }
        Ok(())
    }
}

impl Type {
    fn write(&self, f: &mut std::fmt::Formatter<'_>, depth: usize) -> std::fmt::Result {
        match &self.kind {
            Kind::Any => f.write_str("any"),
            Kind::Never => f.write_str("nothing"),
            Kind::Null => f.write_str("null"),
            Kind::Bool => f.write_str("boolean"),
            Kind::Int(_) => f.write_str("integer"),
            Kind::Decimal(_) => f.write_str("decimal"),
            Kind::Float(_) => f.write_str("double"),
            Kind::Bytes => f.write_str("bytes"),
            Kind::Text(TextType {
                values: Some(values),
                ..
            }) if values.len() <= 6 => {
                for (i, value) in values.iter().enumerate() {
                    write!(f, "{}\"{value}\"", if i == 0 { "" } else { " | " })?;
                }
                Ok(())
            }
            Kind::Text(TextType {
                format: Some(format),
                ..
            }) => f.write_str(format.as_str()),
            Kind::Text(_) => f.write_str("text"),
            Kind::Ref(reference) => f.write_str(&reference.name),
            Kind::List(_) | Kind::Map(_) | Kind::Record(_) | Kind::Union(_) if depth == 0 => {
                f.write_str("…")
            }
            Kind::List(list) => {
                f.write_str("[ ")?;
                list.item.write(f, depth - 1)?;
                f.write_str(" ]")
            }
            Kind::Map(value) => {
                f.write_str("{ *: ")?;
                value.write(f, depth - 1)?;
                f.write_str(" }")
            }
            Kind::Union(union) => {
                for (i, ty) in union.of.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { " | " })?;
                    ty.write(f, depth - 1)?;
                }
                Ok(())
            }
            Kind::Record(record) => {
                f.write_str("{ ")?;
                for (i, field) in record.fields.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { ", " })?;
                    if i == 8 {
                        return f.write_str("… }");
                    }
                    let mark = if field.required { "" } else { "?" };
                    write!(f, "{}{mark}: ", field.name)?;
                    field.ty.write(f, depth - 1)?;
                }
                match (&record.rest, record.fields.is_empty()) {
                    (Some(_), true) => f.write_str("… }"),
                    (Some(_), false) => f.write_str(", … }"),
                    (None, _) => f.write_str(" }"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Definitions, Field, Kind, Type};
    use crate::value::Name;

    #[test]
    fn shows_types_as_findings_do() {
        let line = Type::record(vec![
            Field {
                name: Name::new("sku"),
                ty: Type::text(),
                required: true,
            },
            Field {
                name: Name::new("qty"),
                ty: Type::int().or_null(),
                required: false,
            },
        ]);
        assert_eq!(
            Type::list(line).or_null().to_string(),
            "[ { sku: text, qty?: integer } ] or null"
        );
        assert_eq!(
            Type::union(vec![Type::null(), Type::text()]).to_string(),
            "text or null"
        );
    }

    #[test]
    fn cycles_are_freed_with_their_contract() {
        let definitions = Definitions::new();
        let itself = Type::new(Kind::Ref(definitions.reference("Tree", 0)));
        let tree = Type::record(vec![Field {
            name: Name::new("children"),
            ty: Type::list(itself.clone()),
            required: true,
        }]);
        definitions.fill(vec![("Tree".into(), tree)]);
        assert_eq!(itself.resolved().to_string(), "{ children: [ Tree ] }");
        drop(definitions);
        assert!(itself.resolved().is_any());
    }
}
