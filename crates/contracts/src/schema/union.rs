//! Alternatives and listed values: `oneOf`, `anyOf`, `discriminator`, `enum`, `const`.

use std::sync::Arc;

use rust_decimal::Decimal;
use sluice_model::codes;
use sluice_model::finding::{Finding, did_you_mean};
use sluice_model::types::{Bounds, Discriminator, Kind, TextType, Type, UnionType};
use sluice_model::value::{Name, Value};
use sluice_syntax::tree::{Entry, Node, Style};

use crate::schema::lower::Lowering;

impl<'d> Lowering<'d> {
    /// Lowers `oneOf` or `anyOf`: for typing, both are "one of these".
    pub fn alternatives(
        &mut self,
        file: usize,
        entry: &'d Entry,
        discriminator: Option<&'d Entry>,
    ) -> Type {
        let mut of: Vec<Type> = Vec::new();
        let mut nullable = false;
        // For each alternative that is a reference: the definition, and its place in the union.
        let mut places = Vec::new();
        for member in self.members(entry) {
            let ty = self.lower(file, member, member.span);
            nullable |= ty.nullable;
            match &ty.kind {
                Kind::Any => return Type::any(),
                Kind::Null | Kind::Never => {}
                Kind::Union(inner) => of.extend(inner.of.iter().cloned()),
                Kind::Ref(reference) => {
                    places.push((reference.index(), self.target_name(reference), of.len()));
                    of.push(ty);
                }
                _ => of.push(ty),
            }
        }
        if of.len() < 2 {
            let mut ty = Type::union(of);
            ty.nullable |= nullable;
            return if nullable && matches!(ty.kind, Kind::Never) {
                Type::null()
            } else {
                ty
            };
        }
        let discriminator =
            discriminator.and_then(|entry| self.discriminator(file, entry, &places));
        Type {
            kind: Kind::Union(Arc::new(UnionType { of, discriminator })),
            nullable,
            meta: None,
        }
    }

    fn discriminator(
        &mut self,
        file: usize,
        entry: &'d Entry,
        places: &[(usize, Arc<str>, usize)],
    ) -> Option<Discriminator> {
        let Some(field) = entry.value.get("propertyName").and_then(Node::as_scalar) else {
            if self.dialect(file).openapi {
                let help = "write `discriminator: { propertyName: kind }`";
                self.bad(entry.key_span, "`discriminator` needs `propertyName`", help);
            }
            return None;
        };
        let mut mapping: Vec<(Arc<str>, usize)> = Vec::new();
        let explicit = entry.value.get("mapping").and_then(Node::as_map);
        for mapped in explicit.map_or(&[][..], |map| &map.entries) {
            let Some(target) = mapped.value.as_scalar() else {
                continue;
            };
            let index = self.mapped(file, &target.text);
            let place = places.iter().find(|(own, name, _)| {
                Some(*own) == index || (index.is_none() && *name == target.text)
            });
            match place {
                Some((_, _, place)) => mapping.push((Arc::clone(&mapped.key.text), *place)),
                None => self.unmapped(mapped, &target.text, places),
            }
        }
        // What is not mapped goes by the name of its schema.
        for (_, name, place) in places {
            if !mapping.iter().any(|(text, at)| text == name || at == place) {
                mapping.push((Arc::clone(name), *place));
            }
        }
        Some(Discriminator {
            field: Name::new(&field.text),
            mapping,
        })
    }

    /// Returns the definition that a mapping's value refers to; `None` if it is a bare name.
    fn mapped(&self, file: usize, text: &str) -> Option<usize> {
        let reference = text.contains(['#', '/']) || text.ends_with(".json");
        let (file, pointer) = self.files.target(file, text).ok().filter(|_| reference)?;
        self.known(file, &pointer)
    }

    fn unmapped(&mut self, entry: &'d Entry, target: &str, places: &[(usize, Arc<str>, usize)]) {
        let text = format!("`{target}` is none of the alternatives");
        let name = target.rsplit('/').next().unwrap_or(target);
        let help = match did_you_mean(name, places.iter().map(|(_, name, _)| &**name)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "add it to `oneOf`, or remove it from `mapping`".to_owned(),
        };
        self.report(Finding::warning(codes::CONTRADICTION, entry.value.span, text).with_help(help));
    }

    /// Narrows a type to the values that `enum` or `const` lists.
    pub fn narrowed(&mut self, ty: Type, entry: &'d Entry, nodes: &'d [Node]) -> Type {
        let mut listed = Listed::default();
        let mut refused = Vec::new();
        for node in nodes {
            if !listed.add(&ty, node) {
                refused.push(node);
            }
        }
        if refused.len() == nodes.len() {
            let text = format!("no value of `{}` is {ty}", entry.key.text);
            self.report(
                Finding::error(codes::CONTRADICTION, entry.key_span, text)
                    .with_help("mend the type or the values"),
            );
            return ty;
        }
        for node in refused {
            let text = format!("this value is not {ty} and never occurs");
            self.report(
                Finding::warning(codes::CONTRADICTION, node.span, text)
                    .with_help("write it as the type says, or remove it"),
            );
        }
        if listed.composite {
            self.report(Finding::info(
                codes::UNSUPPORTED_CONTRACT,
                entry.key_span,
                "lists and records among the values are not compared",
            ));
        }
        listed.into_type(&ty)
    }
}

/// The values of an `enum`, by kind.
#[derive(Default)]
struct Listed {
    texts: Vec<Arc<str>>,
    numbers: Vec<Decimal>,
    /// Whether the values have booleans, null, lists or records among them.
    bool: bool,
    null: bool,
    composite: bool,
    whole: Vec<Type>,
}

impl Listed {
    /// Takes a value; `false` if the type has no such value.
    fn add(&mut self, ty: &Type, node: &Node) -> bool {
        let any = ty.is_any();
        let value = node.to_value();
        if let Some(text) = as_text(ty, node, &value) {
            self.texts.push(text);
            return true;
        }
        match &value {
            // `nullable: true` beside an `enum` is added by the caller.
            Value::Null if any || ty.nullable => self.null = true,
            Value::Bool(_) if any || part(ty, |kind| matches!(kind, Kind::Bool)).is_some() => {
                self.bool = true;
            }
            value if value.is_number() => {
                let numeric = |kind: &Kind| {
                    matches!(kind, Kind::Decimal(_) | Kind::Float(_))
                        || (matches!(kind, Kind::Int(_)) && value.as_i64().is_some())
                };
                let Some(decimal) = value.as_decimal() else {
                    return any || part(ty, numeric).is_some();
                };
                if !any && part(ty, numeric).is_none() {
                    return false;
                }
                self.numbers.push(decimal);
            }
            Value::List(_) | Value::Record(_) => {
                let list = matches!(value, Value::List(_));
                let fits = part(ty, |kind| match kind {
                    Kind::List(_) => list,
                    Kind::Record(_) | Kind::Map(_) => !list,
                    _ => false,
                });
                let open = if list {
                    Type::list(Type::any())
                } else {
                    Type::open_record()
                };
                let Some(own) = fits.or(any.then_some(open)) else {
                    return false;
                };
                if !self.whole.iter().any(|w| same_kind(w, &own)) {
                    self.whole.push(own);
                }
                self.composite = true;
            }
            _ => return false,
        }
        true
    }

    fn into_type(self, ty: &Type) -> Type {
        let mut types = self.whole;
        if !self.texts.is_empty() {
            let base = match part(ty, |kind| matches!(kind, Kind::Text(_))).map(|ty| ty.kind) {
                Some(Kind::Text(text)) => text,
                _ => TextType::default(),
            };
            types.push(Type::new(Kind::Text(TextType {
                values: Some(self.texts.into()),
                ..base
            })));
        }
        if self.bool {
            types.push(Type::bool());
        }
        types.extend(numbers(self.numbers, ty));
        let mut union = Type::union(types);
        if self.null {
            union.nullable = true;
            if matches!(union.kind, Kind::Never) {
                return Type::null();
            }
        }
        union
    }
}

fn same_kind(a: &Type, b: &Type) -> bool {
    std::mem::discriminant(&a.kind) == std::mem::discriminant(&b.kind)
}

/// YAML takes an unquoted `1`, `on` or `2020-01-01` for what it likes; where only a text can be
/// meant, it is the text.
fn as_text(ty: &Type, node: &Node, value: &Value<'_>) -> Option<Arc<str>> {
    let scalar = node.as_scalar()?;
    let quoted = scalar.style != Style::Plain;
    let plain_text = matches!(value, Value::Text(_));
    let text_part = part(ty, |kind| matches!(kind, Kind::Text(_)));
    let only_text = matches!(ty.kind, Kind::Text(_)) && !matches!(value, Value::Null);
    let meant = if ty.is_any() {
        quoted || plain_text
    } else {
        text_part.is_some() && (quoted || plain_text || only_text)
    };
    meant.then(|| Arc::clone(&scalar.text))
}

/// Returns the part of a type, or of a union's alternatives, whose kind is wanted.
fn part(ty: &Type, wanted: impl Fn(&Kind) -> bool) -> Option<Type> {
    match &ty.kind {
        Kind::Union(union) => union.of.iter().find(|one| wanted(&one.kind)).cloned(),
        kind => wanted(kind).then(|| ty.clone().not_null()),
    }
}

/// Numbers have no list of values in a type: neighbouring integers are a range, others a union of
/// single numbers.
fn numbers(mut numbers: Vec<Decimal>, ty: &Type) -> Vec<Type> {
    numbers.sort();
    numbers.dedup();
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
        return Vec::new();
    };
    let float = part(ty, |kind| matches!(kind, Kind::Float(_))).is_some();
    let decimal = part(ty, |kind| matches!(kind, Kind::Decimal(_))).is_some();
    let whole = |number: &Decimal| number.fract().is_zero();
    let kind = |bounds: Bounds, whole: bool| {
        Type::new(if float {
            Kind::Float(bounds)
        } else if decimal || !whole {
            Kind::Decimal(bounds)
        } else {
            Kind::Int(bounds)
        })
    };
    let range = |min: Decimal, max: Decimal| Bounds {
        min: Some(min),
        max: Some(max),
        ..Bounds::default()
    };
    let dense = !float && !decimal && numbers.iter().all(whole);
    if dense && last.checked_sub(*first) == Some(Decimal::from(numbers.len() - 1)) {
        return vec![kind(range(*first, *last), true)];
    }
    let single = |number: &Decimal| kind(range(*number, *number), whole(number));
    numbers.iter().map(single).collect()
}
