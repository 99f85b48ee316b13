//! Scalars: the field's type decides what they are.

use sluice_model::codes;
use sluice_model::finding::{Finding, did_you_mean};
use sluice_sdk::config::{ByteSize, Duration, Rate};
use sluice_syntax::tree::{Node, Scalar};

use crate::de;
use crate::shape::schema::{self, Schema};
use crate::shape::walk::{Place, Walk, found, shown};

impl Walk<'_> {
    /// Checks a scalar against a schema without alternatives.
    pub(super) fn scalar(
        &mut self,
        node: &Node,
        scalar: &Scalar,
        schema: Schema<'_>,
        place: &Place,
    ) {
        if node.is_absent() {
            return self.wrong_type(node, schema, place);
        }
        if let Some(choices) = schema.choices() {
            if !choices.contains(&&*scalar.text) {
                self.bad_choice(node, &scalar.text, &choices, place);
            }
            return;
        }
        if schema.allows("boolean") && de::boolean(scalar).is_some() {
            return;
        }
        if schema.allows("integer") && self.integer(node, scalar, schema, place) {
            return;
        }
        if schema.allows("number") && self.number(node, scalar, schema, place) {
            return;
        }
        // Without knowing its type, a plain scalar that YAML reads as a number is no text.
        let is_text = !place.untagged || matches!(node.kind_name(), "text");
        if schema.allows("string") && is_text {
            return self.text(node, &scalar.text, schema, place);
        }
        self.wrong_scalar(node, scalar, schema, place);
    }

    /// Checks the bounds if this is an integer.
    fn integer(&mut self, node: &Node, scalar: &Scalar, schema: Schema<'_>, place: &Place) -> bool {
        let Some(value) = de::integer(scalar) else {
            return false;
        };
        let (kind_least, kind_most) = integer_range(schema.format());
        let least = schema
            .integer("minimum")
            .unwrap_or(kind_least)
            .max(kind_least);
        let most = schema
            .integer("maximum")
            .unwrap_or(kind_most)
            .min(kind_most);
        let least = schema
            .integer("exclusiveMinimum")
            .map_or(least, |b| least.max(b + 1));
        let most = schema
            .integer("exclusiveMaximum")
            .map_or(most, |b| most.min(b - 1));
        // Bounds that only the kind of the number has are of no use to a reader.
        let narrow = most < i128::from(u32::MAX);
        let range = narrow.then_some((least, most));
        if value < least {
            self.out_of_bounds(node, place, ("at least", &least.to_string()), range);
        } else if most < value {
            self.out_of_bounds(node, place, ("at most", &most.to_string()), range);
        } else if let Some(step) = schema.integer("multipleOf").filter(|step| *step != 0)
            && value % step != 0
        {
            self.findings.push(
                Finding::error(
                    codes::BAD_VALUE,
                    node.span,
                    format!("{} must be a multiple of {step}", place.what),
                )
                .with_label(found(node)),
            );
        }
        true
    }

    /// Checks the bounds if this is a number.
    fn number(&mut self, node: &Node, scalar: &Scalar, schema: Schema<'_>, place: &Place) -> bool {
        let Some(value) = scalar.value().as_f64() else {
            return false;
        };
        let bounds = [
            ("minimum", "at least"),
            ("maximum", "at most"),
            ("exclusiveMinimum", "more than"),
            ("exclusiveMaximum", "less than"),
        ];
        for (keyword, words) in bounds {
            let Some(bound) = schema.number(keyword) else {
                continue;
            };
            let holds = match keyword {
                "minimum" => bound <= value,
                "maximum" => value <= bound,
                "exclusiveMinimum" => bound < value,
                _ => value < bound,
            };
            if !holds {
                self.out_of_bounds(node, place, (words, &bound.to_string()), None);
                return true;
            }
        }
        true
    }

    fn out_of_bounds(
        &mut self,
        node: &Node,
        place: &Place,
        (words, bound): (&str, &str),
        range: Option<(i128, i128)>,
    ) {
        let finding = Finding::error(
            codes::BAD_VALUE,
            node.span,
            format!("{} must be {words} {bound}", place.what),
        )
        .with_label(found(node));
        self.findings.push(match range {
            Some((least, most)) => {
                finding.with_help(format!("write a number from {least} to {most}"))
            }
            None => finding.with_help(format!("write a number that is {words} {bound}")),
        });
    }

    fn text(&mut self, node: &Node, text: &str, schema: Schema<'_>, place: &Place) {
        let unit = match schema.format() {
            Some("duration") => Some(Unit::DURATION),
            Some("byte-size") => Some(Unit::SIZE),
            Some("rate") => Some(Unit::RATE),
            _ => None,
        };
        if let Some(unit) = unit {
            if let Err(why) = (unit.read)(text) {
                self.bad_unit(node, text, &unit, &why);
            }
            return;
        }
        let length = text.chars().count() as i128;
        let bad = match (schema.integer("minLength"), schema.integer("maxLength")) {
            (Some(least), _) if length < least && length == 0 => {
                Some("must not be empty".to_owned())
            }
            (Some(least), _) if length < least => {
                Some(format!("must have at least {least} characters"))
            }
            (_, Some(most)) if most < length => {
                Some(format!("must have at most {most} characters"))
            }
            _ => schema
                .pattern()
                .filter(|pattern| !matches(pattern, text))
                .map(|pattern| format!("must match the pattern `{pattern}`")),
        };
        if let Some(bad) = bad {
            let mut finding =
                Finding::error(codes::BAD_VALUE, node.span, format!("{} {bad}", place.what))
                    .with_label(match length {
                        0 => "this is empty".to_owned(),
                        _ => format!("`{}` does not", shown(text)),
                    });
            if let Some(about) = schema.about() {
                finding = finding.with_note(format!("{}: {about}", place.what));
            }
            self.findings.push(finding);
        }
    }

    fn bad_unit(&mut self, node: &Node, text: &str, unit: &Unit, why: &str) {
        let (cause, help) = why.rsplit_once(": write ").unwrap_or((why, ""));
        let help = match help {
            "" => format!("write {}", unit.name),
            help => format!("write {help}"),
        };
        let mut finding = Finding::error(codes::BAD_UNIT, node.span, cause)
            .with_label(format!("expected {}", unit.name))
            .with_help(help);
        if let Some(better) = unit.repaired(text) {
            finding = finding.with_fix(format!("write `{better}`"), node.span, better);
        }
        self.findings.push(finding);
    }

    /// Says that a text is none of the choices.
    pub(super) fn bad_choice(&mut self, node: &Node, text: &str, choices: &[&str], place: &Place) {
        let finding = Finding::error(
            codes::BAD_CHOICE,
            node.span,
            format!("`{}` is not a choice for {}", shown(text), place.what),
        )
        .with_label(format!("expected {}", schema::list(choices, "or")));
        self.findings
            .push(match did_you_mean(text, choices.iter().copied()) {
                Some(meant) => finding
                    .with_help(format!("did you mean `{meant}`?"))
                    .with_fix(
                        format!("write `{meant}`"),
                        node.span,
                        schema::plain_or_quoted(meant),
                    ),
                None => finding.with_help(format!("write {}", schema::list(choices, "or"))),
            });
    }

    /// Says that a secret stands where its name belongs. The finding does not repeat it.
    pub(super) fn plain_secret(&mut self, node: &Node, place: &Place) {
        let key = place.key.as_deref().unwrap_or("secret");
        let name: String = key
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let text = format!("{{ secret: {name} }}");
        self.findings.push(
            Finding::error(
                codes::PLAIN_SECRET,
                node.span,
                format!("{} is a secret, and stands here in plain text", place.what),
            )
            .with_label("the name of a secret belongs here")
            .with_note(format!(
                "the value is read at start, from `SLUICE_SECRET_{}` or `.sluice/secrets/{name}`",
                name.to_uppercase()
            ))
            .with_help(format!(
                "write `{text}`, and renew the secret if this file was shared"
            ))
            .with_fix(format!("write `{text}`"), node.span, text),
        );
    }

    /// Says that a scalar is not of the type that is expected, with a fix where it is clear what
    /// was meant.
    fn wrong_scalar(&mut self, node: &Node, scalar: &Scalar, schema: Schema<'_>, place: &Place) {
        let text = scalar.text.trim();
        let meant = if schema.allows("boolean") {
            boolean_word(text).map(str::to_owned)
        } else if schema.allows("integer") {
            integer_word(text)
        } else if schema.allows("number") {
            sluice_model::value::Value::number(text).map(|_| text.to_owned())
        } else if schema.allows("string") {
            Some(format!("'{}'", scalar.text.replace('\'', "''")))
        } else {
            None
        };
        let Some(meant) = meant else {
            return self.wrong_type(node, schema, place);
        };
        let quoted = !de::is_plain(scalar) && meant == text;
        let help = match quoted {
            true => format!("write `{meant}` without quotes"),
            false => format!("write `{meant}`"),
        };
        self.findings.push(
            Finding::error(
                codes::WRONG_TYPE,
                node.span,
                format!("{} must be {}", place.what, schema.expected()),
            )
            .with_label(found(node))
            .with_help(help.clone())
            .with_fix(help, node.span, meant),
        );
    }
}

/// Returns what an integer of this format can be.
fn integer_range(format: Option<&str>) -> (i128, i128) {
    match format {
        Some("int8") => (i8::MIN.into(), i8::MAX.into()),
        Some("int16") => (i16::MIN.into(), i16::MAX.into()),
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        Some("uint8") => (0, u8::MAX.into()),
        Some("uint16") => (0, u16::MAX.into()),
        Some("uint32") => (0, u32::MAX.into()),
        Some("uint64" | "uint") => (0, u64::MAX.into()),
        _ => (i64::MIN.into(), i64::MAX.into()),
    }
}

/// Returns the boolean that a word of YAML 1.1 or of a person stands for.
fn boolean_word(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "1" => Some("true"),
        "false" | "no" | "off" | "n" | "0" => Some("false"),
        _ => None,
    }
}

/// Returns the integer that is meant by `1_000`, `1,000`, `"5"` or `5.0`.
fn integer_word(text: &str) -> Option<String> {
    let digits: String = text
        .chars()
        .filter(|c| !matches!(c, '_' | ',' | ' '))
        .collect();
    let whole = match digits.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole,
        Some(_) => return None,
        None => &digits,
    };
    whole.parse::<i64>().ok().map(|number| number.to_string())
}

/// Returns whether a text matches a pattern; a pattern that cannot be read matches everything.
fn matches(pattern: &str, text: &str) -> bool {
    regex::Regex::new(pattern).map_or(true, |regex| regex.is_match(text))
}

/// A value that is written with a unit.
struct Unit {
    name: &'static str,
    read: fn(&str) -> Result<(), String>,
    /// Words for units, and the unit that each means, longest first.
    words: &'static [(&'static str, &'static str)],
    /// The unit that is meant where none is written.
    default: &'static str,
}

impl Unit {
    const DURATION: Unit = Unit {
        name: "a duration",
        read: |text| Duration::parse(text).map(drop),
        words: &[
            ("milliseconds", "ms"),
            ("millisecond", "ms"),
            ("millis", "ms"),
            ("msec", "ms"),
            ("seconds", "s"),
            ("second", "s"),
            ("secs", "s"),
            ("sec", "s"),
            ("minutes", "m"),
            ("minute", "m"),
            ("mins", "m"),
            ("hours", "h"),
            ("hour", "h"),
            ("hrs", "h"),
            ("hr", "h"),
            ("days", "d"),
            ("day", "d"),
        ],
        default: "s",
    };
    const SIZE: Unit = Unit {
        name: "a size",
        read: |text| ByteSize::parse(text).map(drop),
        words: &[
            ("bytes", "B"),
            ("byte", "B"),
            ("kib", "KiB"),
            ("mib", "MiB"),
            ("gib", "GiB"),
            ("tib", "TiB"),
            ("kb", "kB"),
            ("mb", "MB"),
            ("gb", "GB"),
            ("k", "KiB"),
            ("m", "MiB"),
            ("g", "GiB"),
            ("t", "TiB"),
            ("b", "B"),
        ],
        default: "B",
    };
    const RATE: Unit = Unit {
        name: "a rate",
        read: |text| Rate::parse(text).map(drop),
        words: &[
            ("/seconds", "/s"),
            ("/second", "/s"),
            ("/sec", "/s"),
            ("rps", "/s"),
            ("/minutes", "/min"),
            ("/minute", "/min"),
            ("/mins", "/min"),
            ("/hours", "/h"),
            ("/hour", "/h"),
            ("/days", "/d"),
            ("/day", "/d"),
        ],
        default: "/s",
    };

    /// Returns the value that was meant, if that is clear.
    fn repaired(&self, text: &str) -> Option<String> {
        let compact: String = text
            .to_ascii_lowercase()
            .replace(" per ", "/")
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '_')
            .collect();
        let digits = compact.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return None;
        }
        let (count, unit) = compact.split_at(digits);
        let unit = match self.words.iter().find(|(word, _)| *word == unit) {
            Some((_, unit)) => unit,
            None if unit.is_empty() => self.default,
            None => unit,
        };
        let better = format!("{count}{unit}");
        ((self.read)(&better).is_ok() && better != text).then_some(better)
    }
}
