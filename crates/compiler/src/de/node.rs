//! The `serde` side of the deserializers.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use sluice_model::span::Span;
use sluice_model::value::Value;
use sluice_sdk::config::PLACED;
use sluice_syntax::tree::{Node, NodeKind, Scalar};

use super::{
    Error, Field, FieldsDeserializer, NodeDeserializer, Trace, boolean, first_entries, integer,
    is_null,
};

impl<'de, 't> NodeDeserializer<'de, 't> {
    fn child(self, node: &'de Node) -> Self {
        Self {
            node,
            trace: self.trace,
        }
    }

    fn scalar(self) -> Option<&'de Scalar> {
        self.node.as_scalar()
    }

    /// Gives an error its place, and notes it.
    fn placed<T>(self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| {
            self.trace.note(error.span.unwrap_or(self.node.span));
            error.or_at(self.node.span)
        })
    }

    fn refuse<T>(self, expected: &str) -> Result<T, Error> {
        let found = self.node.kind_name();
        let message = format!("expected {expected}, found {found}");
        self.placed(Err(Error::at(self.node.span, message)))
    }

    fn signed<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar().and_then(integer) {
            Some(int) => self.placed(visit_integer(int, visitor)),
            None => self.refuse("an integer"),
        }
    }

    fn double<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar().and_then(|scalar| scalar.value().as_f64()) {
            Some(double) => self.placed(visitor.visit_f64(double)),
            None => self.refuse("a number"),
        }
    }

    fn text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar() {
            Some(scalar) if !self.node.is_absent() => {
                self.placed(visitor.visit_borrowed_str(&scalar.text))
            }
            Some(_) | None => self.refuse("a text"),
        }
    }

    fn list<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Some(items) = self.node.as_list() else {
            return self.refuse("a list");
        };
        let mut rest = Items {
            items: items.iter(),
            of: self,
        };
        let value = self.placed(visitor.visit_seq(&mut rest))?;
        match rest.items.next() {
            None => Ok(value),
            Some(item) => self.child(item).refuse("no further item"),
        }
    }

    fn map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Some(map) = self.node.as_map() else {
            return self.refuse("a map");
        };
        let entries = Entries {
            entries: first_entries(map),
            value: None,
            trace: self.trace,
        };
        self.placed(visitor.visit_map(entries))
    }
}

/// Hands an integer on in the smallest kind that it fits.
fn visit_integer<'de, V: Visitor<'de>>(int: i128, visitor: V) -> Result<V::Value, Error> {
    match (i64::try_from(int), u64::try_from(int)) {
        (Ok(signed), _) => visitor.visit_i64(signed),
        (_, Ok(unsigned)) => visitor.visit_u64(unsigned),
        _ => visitor.visit_i128(int),
    }
}

/// Sends the integer kinds to one method.
macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.signed(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for NodeDeserializer<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let scalar = match &self.node.kind {
            NodeKind::Scalar(scalar) => scalar,
            NodeKind::List(_) => return self.list(visitor),
            NodeKind::Map(_) => return self.map(visitor),
        };
        match scalar.value() {
            Value::Null => self.placed(visitor.visit_unit()),
            Value::Bool(bool) => self.placed(visitor.visit_bool(bool)),
            Value::Text(_) => self.text(visitor),
            value if value.is_number() => match integer(scalar) {
                Some(int) => self.placed(visit_integer(int, visitor)),
                None => self.double(visitor),
            },
            _ => self.refuse("a value"),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar().and_then(boolean) {
            Some(bool) => self.placed(visitor.visit_bool(bool)),
            None => self.refuse("`true` or `false`"),
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.double(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.double(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if is_null(self.node) {
            self.placed(visitor.visit_none())
        } else {
            self.placed(visitor.visit_some(self))
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if is_null(self.node) {
            self.placed(visitor.visit_unit())
        } else {
            self.refuse("null")
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if PLACED.contains(&name) {
            self.placed(visitor.visit_newtype_struct(Place(self.node.span)))
        } else {
            self.placed(visitor.visit_newtype_struct(self))
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.list(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.list(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.map(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let variant = match &self.node.kind {
            NodeKind::Scalar(scalar) if !self.node.is_absent() => Variant {
                tag: &scalar.text,
                content: None,
                of: self,
            },
            NodeKind::Map(map) => {
                let mut entries = first_entries(map);
                match (entries.next(), entries.next()) {
                    (Some(only), None) => Variant {
                        tag: only.key,
                        content: Some(only.value),
                        of: self,
                    },
                    _ => return self.refuse("a map with one key"),
                }
            }
            NodeKind::Scalar(_) | NodeKind::List(_) => {
                return self.refuse("a name, or a map with one key");
            }
        };
        self.placed(visitor.visit_enum(variant))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}

impl<'de> Deserializer<'de> for FieldsDeserializer<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor
            .visit_map(Entries {
                entries: self.fields.entries.iter().copied(),
                value: None,
                trace: self.trace,
            })
            .map_err(|error| {
                let anchor = self.fields.anchor();
                self.trace.note(error.span.unwrap_or(anchor));
                error.or_at(anchor)
            })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if PLACED.contains(&name) {
            visitor.visit_newtype_struct(Place(self.fields.span))
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The items of a list that are still to be read.
struct Items<'de, 't> {
    items: std::slice::Iter<'de, Node>,
    of: NodeDeserializer<'de, 't>,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        match self.items.next() {
            Some(item) => {
                let item = self.of.child(item);
                item.placed(seed.deserialize(item)).map(Some)
            }
            None => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The entries of a map that are still to be read.
struct Entries<'de, 't, I> {
    entries: I,
    value: Option<&'de Node>,
    trace: &'t Trace,
}

impl<'de, I: Iterator<Item = Field<'de>>> MapAccess<'de> for Entries<'de, '_, I> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some(field) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some(field.value);
        seed.deserialize(KeyDeserializer(field.key))
            .map(Some)
            .map_err(|error| {
                self.trace.note(field.key_span);
                error.or_at(field.key_span)
            })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let node = self
            .value
            .take()
            .expect("serde asks for a value only after its key");
        let value = NodeDeserializer::new(node, self.trace);
        value.placed(seed.deserialize(value))
    }
}

/// A map's key: a text, or a number where the type of the keys is one.
struct KeyDeserializer<'de>(&'de str);

/// Reads the key as a number for types that are one.
macro_rules! number_keys {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.0.parse::<$type>() {
                Ok(number) => visitor.$visit(number),
                Err(_) => Err(serde::de::Error::invalid_type(Unexpected::Str(self.0), &visitor)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for KeyDeserializer<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.0)
    }

    number_keys! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_bool visit_bool bool;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text: StrDeserializer<'_, Error> = self.0.into_deserializer();
        text.deserialize_enum(name, variants, visitor)
    }

    serde::forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct
        map struct identifier ignored_any
    }
}

/// A variant of an enum: its name alone, or a map from its name to its content.
struct Variant<'de, 't> {
    tag: &'de str,
    content: Option<&'de Node>,
    of: NodeDeserializer<'de, 't>,
}

impl<'de, 't> EnumAccess<'de> for Variant<'de, 't> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let value = seed.deserialize(KeyDeserializer(self.tag))?;
        Ok((value, self))
    }
}

impl<'de, 't> Variant<'de, 't> {
    fn content(&self) -> Result<NodeDeserializer<'de, 't>, Error> {
        match self.content {
            Some(node) => Ok(self.of.child(node)),
            None => self
                .of
                .refuse(&format!("a map with the key `{}`", self.tag)),
        }
    }
}

impl<'de> VariantAccess<'de> for Variant<'de, '_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.content {
            Some(node) if !is_null(node) => self.of.child(node).refuse("nothing"),
            Some(_) | None => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let content = self.content()?;
        content.placed(seed.deserialize(content))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        self.content()?.list(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.content()?.map(visitor)
    }
}

/// The place of a node as `(file, start, end)`.
struct Place(Span);

impl<'de> Deserializer<'de> for Place {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Span { file, start, end } = self.0;
        let parts = [file.0, start, end].into_iter();
        visitor.visit_seq(serde::de::value::SeqDeserializer::new(parts))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}
