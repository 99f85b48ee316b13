//! The types of configuration fields: each says by itself what it holds, how it is written, and
//! which widget a form shows for it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use sluice_model::span::{FileId, Span};

/// A component's configuration: a struct with `deny_unknown_fields`, a doc comment on every field
/// and its defaults in `Default`.
pub trait Config: DeserializeOwned + JsonSchema + Send + 'static {}

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Config for T {}

/// The configuration of what has nothing to configure.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// Defines a field type that holds the place of its node: the compiler reads the node itself.
macro_rules! placed {
    ($($(#[$doc:meta])* $name:ident, $format:literal, $types:expr, $about:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name {
            /// Where it is written.
            pub span: Span,
        }

        impl<'de> Deserialize<'de> for $name {
            /// Takes `(file, start, end)` inside a newtype struct of this type's name, which only
            /// the compiler's deserializer gives.
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Placed;
                impl<'de> serde::de::Visitor<'de> for Placed {
                    type Value = (u32, u32, u32);
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($about)
                    }
                    fn visit_newtype_struct<D: Deserializer<'de>>(
                        self,
                        deserializer: D,
                    ) -> Result<Self::Value, D::Error> {
                        Deserialize::deserialize(deserializer)
                    }
                }
                let name = concat!("$sluice.", $format);
                let (file, start, end) = deserializer.deserialize_newtype_struct(name, Placed)?;
                Ok(Self { span: Span { file: FileId(file), start, end } })
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": $types, "format": $format })
            }
        }
    )*};
}

placed! {
    /// A JSONata expression, or a map or list whose leaves are expressions.
    Expr, "expression", ["string", "number", "boolean", "null", "object", "array"], "an expression";
    /// A text with holes: `Order {orderId}`.
    Template, "template", ["string", "number", "boolean"], "a text with holes";
    /// A format: its name, or a map from its name to its options.
    FormatRef, "format", ["string", "object"], "a format";
    /// A type of a contract: `contracts/FILE#Name`.
    TypeName, "type", "string", "a type of a contract";
    /// A mapping of the project, by its file's name without the ending.
    MappingName, "mapping", "string", "a mapping";
    /// A node that the compiler reads by its own rules.
    Raw, "raw", ["string", "number", "boolean", "null", "object", "array"], "a node";
}

/// The names that the compiler's deserializer answers with a place, see [`Expr`].
pub const PLACED: [&str; 6] = [
    "$sluice.expression",
    "$sluice.template",
    "$sluice.format",
    "$sluice.type",
    "$sluice.mapping",
    "$sluice.raw",
];

/// Defines a field type that is written as a text and read by a function.
macro_rules! written {
    ($($(#[$doc:meta])* $name:ident($inner:ty), $format:literal, $parse:path;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $name(pub $inner);

        impl $name {
            /// Reads the written form.
            ///
            /// # Errors
            /// What is wrong with it, and what would be right.
            pub fn parse(text: &str) -> Result<Self, String> {
                $parse(text).map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format })
            }
        }
    )*};
}

written! {
    /// A duration with its unit: `250ms`, `30s`, `5m`, `2h`, `7d`; parts may follow each other,
    /// `1h30m`.
    Duration(std::time::Duration), "duration", parse_duration;
    /// A size in bytes with its unit: `512B`, `64KiB`, `4MiB`, `1GiB`, `10MB`.
    ByteSize(u64), "byte-size", parse_size;
    /// A count per time: `50/s`, `100/min`, `1000/h`.
    Rate(PerTime), "rate", parse_rate;
}

/// How often within which time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerTime {
    /// How often.
    pub count: u32,
    /// Within which time.
    pub per: std::time::Duration,
}

fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = |why: &str| {
        Err(format!(
            "{why}: write a number and a unit, such as `250ms`, `30s`, `5m`, `2h` or `7d`"
        ))
    };
    if text.is_empty() {
        return wrong("the duration is empty");
    }
    let mut rest = text;
    let mut total = 0u64;
    let mut last = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let Ok(count) = rest[..digits].parse::<u64>() else {
            return wrong(&format!("`{text}` is not a duration"));
        };
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let millis = match &rest[..letters] {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "" => return wrong(&format!("`{text}` has no unit")),
            unit => return wrong(&format!("`{unit}` is not a unit of time")),
        };
        if millis >= last {
            return wrong(&format!("the units in `{text}` do not descend"));
        }
        last = millis;
        rest = &rest[letters..];
        total = match count
            .checked_mul(millis)
            .and_then(|part| total.checked_add(part))
        {
            Some(total) => total,
            None => return wrong(&format!("`{text}` is too long")),
        };
    }
    Ok(std::time::Duration::from_millis(total))
}

fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = |why: String| {
        Err(format!(
            "{why}: write a number and a unit, such as `512B`, `64KiB`, `4MiB` or `1GiB`"
        ))
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let Ok(count) = text[..digits].parse::<u64>() else {
        return wrong(format!("`{text}` is not a size"));
    };
    let factor: u64 = match &text[digits..] {
        "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "" => return wrong(format!("`{text}` has no unit")),
        unit => return wrong(format!("`{unit}` is not a unit of size")),
    };
    count
        .checked_mul(factor)
        .map_or_else(|| wrong(format!("`{text}` is too large")), Ok)
}

fn parse_rate(text: &str) -> Result<PerTime, String> {
    let wrong = |why: String| {
        Err(format!(
            "{why}: write a count and a time, such as `50/s`, `100/min` or `1000/h`"
        ))
    };
    let Some((count, unit)) = text.split_once('/') else {
        return wrong(format!("`{text}` is not a rate"));
    };
    let count = match count.parse::<u32>() {
        Ok(count) if count > 0 => count,
        _ => return wrong(format!("`{count}` is not a count above zero")),
    };
    let seconds = match unit {
        "s" => 1,
        "min" | "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        unit => return wrong(format!("`{unit}` is not a unit of time")),
    };
    Ok(PerTime {
        count,
        per: std::time::Duration::from_secs(seconds),
    })
}

/// A secret by its name: `{ secret: erp_client }`. The value is read at start, never kept in a
/// release.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// The secret's name: lower case letters, digits and underscores.
    pub secret: String,
}

/// The value of a secret; it never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Returns the value wrapped.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// Returns the value: only where it leaves for the system that it belongs to.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// How a failing call or write is tried again.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// How often it is tried, the first time included.
    pub attempts: u32,
    /// The longest wait before the second try; it doubles with each further one.
    pub backoff: Duration,
    /// The longest wait before any try.
    pub max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Duration(std::time::Duration::from_millis(200)),
            max: Duration(std::time::Duration::from_secs(10)),
        }
    }
}

impl RetryPolicy {
    /// Returns the longest wait before try `attempt` (the second is 2): the backoff, doubled each
    /// time, at most `max`. The wait itself is drawn evenly from zero up to it (full jitter).
    pub fn ceiling(&self, attempt: u32) -> std::time::Duration {
        let doublings = attempt.saturating_sub(2).min(31);
        self.backoff
            .0
            .saturating_mul(1 << doublings)
            .min(self.max.0)
    }
}

/// How messages are gathered before they are written together.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BatchPolicy {
    /// The most messages of one batch.
    pub count: u32,
    /// How long the first message of a batch waits for others.
    pub after: Duration,
}

impl Default for BatchPolicy {
    fn default() -> Self {
        Self {
            count: 500,
            after: Duration(std::time::Duration::from_millis(5)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ByteSize, Duration, Rate, RetryPolicy};

    #[test]
    fn reads_units() {
        let ms = |text| {
            Duration::parse(text)
                .map(|d| d.0.as_millis())
                .map_err(|_| ())
        };
        assert_eq!(ms("250ms"), Ok(250));
        assert_eq!(ms("1h30m"), Ok(5_400_000));
        assert_eq!(ms("7d"), Ok(604_800_000));
        for bad in [
            "",
            "5",
            "s",
            "5 s",
            "5sec",
            "1m1h",
            "1s1s",
            "-1s",
            "99999999999999999999s",
        ] {
            assert_eq!(ms(bad), Err(()), "{bad}");
        }
        assert_eq!(ByteSize::parse("4MiB").map(|s| s.0), Ok(4 << 20));
        assert!(ByteSize::parse("4").is_err() && ByteSize::parse("4Mib").is_err());
        assert_eq!(
            Rate::parse("100/min").map(|r| (r.0.count, r.0.per.as_secs())),
            Ok((100, 60))
        );
        assert!(Rate::parse("0/s").is_err() && Rate::parse("5").is_err());
    }

    #[test]
    fn backoff_doubles_up_to_its_cap() {
        let policy = RetryPolicy::default();
        let ceilings: Vec<_> = (2..=9).map(|n| policy.ceiling(n).as_millis()).collect();
        assert_eq!(ceilings, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(policy.ceiling(u32::MAX).as_millis(), 10_000);
    }
}
