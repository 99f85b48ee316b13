//! Regular expressions of contracts: the syntax of ECMA-262, matched in linear time.
//!
//! A pattern is read by a parser of our own, since the dialects differ where it matters (`\d` is
//! ASCII, `[` needs no escape in a class, `.` stops at four line ends). The tree is written out for
//! the `regex` crate, and texts that match are drawn from it.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::generate::Random;

mod parse;

/// How large a compiled pattern may be, in bytes: 1 MiB.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// How long a drawn text may become, in characters.
const DRAWN_MAX: usize = 4_096;

/// A parsed and compiled pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: Arc<str>,
    tree: Arc<Tree>,
    regex: Regex,
}

/// Why a pattern is not matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatternError {
    /// It is valid and uses what linear-time matching cannot do: this.
    Unsupported(&'static str),
    /// It is no regular expression: why.
    Invalid(&'static str),
}

/// The parts of a pattern.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    Char(char),
    /// `.`: anything but a line end.
    Dot,
    Set(Set),
    Start,
    End,
    /// `\b`, or `\B` where negated.
    Boundary {
        negated: bool,
    },
    Sequence(Vec<Tree>),
    Either(Vec<Tree>),
    Repeat {
        tree: Box<Tree>,
        min: u32,
        max: Option<u32>,
        lazy: bool,
    },
}

/// A set of characters.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Set {
    pub negated: bool,
    pub items: Vec<SetItem>,
}

/// A part of a set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SetItem {
    Range(char, char),
    /// `\s`, or `\S` where negated.
    Space {
        negated: bool,
    },
    /// What is not in these ASCII ranges: `\D`, `\W`.
    NotAscii(&'static [(char, char)]),
    /// `\p{...}`, or `\P{...}` where negated.
    Property {
        name: String,
        negated: bool,
    },
}

pub(crate) const DIGITS: &[(char, char)] = &[('0', '9')];
pub(crate) const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

impl Pattern {
    /// Reads and compiles a pattern.
    ///
    /// # Errors
    /// If it is no regular expression of ECMA-262, or one that cannot be matched in linear time
    /// (look-around, backreferences) and bounded memory.
    pub fn parse(pattern: &str) -> Result<Self, PatternError> {
        let tree = parse::parse(pattern)?;
        let mut source = String::with_capacity(pattern.len() + 16);
        write(&tree, &mut source);
        let regex = RegexBuilder::new(&source)
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(COMPILED_BYTES_MAX)
            .build();
        match regex {
            Ok(regex) => Ok(Self {
                source: pattern.into(),
                tree: Arc::new(tree),
                regex,
            }),
            Err(regex::Error::CompiledTooBig(_)) => {
                Err(PatternError::Unsupported("more than 1 MiB when compiled"))
            }
            Err(_) => Err(PatternError::Unsupported(
                "an unknown property of characters",
            )),
        }
    }

    /// Returns the pattern as the contract writes it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns whether `text` contains a match.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Draws a text that is likely to match; the caller checks it. Open repetitions go up to
    /// `reach` beyond their minimum.
    pub(crate) fn draw(&self, random: &mut Random, reach: u32) -> String {
        let mut text = String::new();
        draw(&self.tree, random, reach, &mut text);
        text
    }
}

fn write(tree: &Tree, out: &mut String) {
    match tree {
        Tree::Char(char) => out.push_str(&regex::escape(char.encode_utf8(&mut [0; 4]))),
        Tree::Dot => out.push_str(r"[^\n\r\u{2028}\u{2029}]"),
        Tree::Set(set) => write_set(set, out),
        Tree::Start => out.push('^'),
        Tree::End => out.push('$'),
        Tree::Boundary { negated } => {
            out.push_str(if *negated { r"(?-u:\B)" } else { r"(?-u:\b)" })
        }
        Tree::Sequence(parts) => parts.iter().for_each(|part| write(part, out)),
        Tree::Either(parts) => {
            out.push_str("(?:");
            for (i, part) in parts.iter().enumerate() {
                if 0 < i {
                    out.push('|');
                }
                write(part, out);
            }
            out.push(')');
        }
        Tree::Repeat {
            tree,
            min,
            max,
            lazy,
        } => {
            out.push_str("(?:");
            write(tree, out);
            out.push(')');
            match (min, max) {
                (0, None) => out.push('*'),
                (1, None) => out.push('+'),
                (0, Some(1)) => out.push('?'),
                (min, None) => out.push_str(&format!("{{{min},}}")),
                (min, Some(max)) => out.push_str(&format!("{{{min},{max}}}")),
            }
            if *lazy {
                out.push('?');
            }
        }
    }
}

fn write_set(set: &Set, out: &mut String) {
    if set.items.is_empty() {
        // `[]` matches nothing, `[^]` anything.
        out.push_str(if set.negated { r"(?s:.)" } else { r"[^\s\S]" });
        return;
    }
    out.push_str(if set.negated { "[^" } else { "[" });
    for item in &set.items {
        match item {
            SetItem::Range(low, high) => {
                out.push_str(&format!(
                    r"\u{{{:X}}}-\u{{{:X}}}",
                    *low as u32, *high as u32
                ));
            }
            SetItem::Space { negated } => out.push_str(if *negated { r"\S" } else { r"\s" }),
            SetItem::NotAscii(ranges) => {
                out.push_str("[^");
                for (low, high) in *ranges {
                    out.push_str(&format!("{low}-{high}"));
                }
                out.push(']');
            }
            SetItem::Property { name, negated } => {
                let letter = if *negated { 'P' } else { 'p' };
                out.push_str(&format!(r"\{letter}{{{name}}}"));
            }
        }
    }
    out.push(']');
}

fn draw(tree: &Tree, random: &mut Random, reach: u32, out: &mut String) {
    if DRAWN_MAX < out.len() {
        return;
    }
    match tree {
        Tree::Char(char) => out.push(*char),
        Tree::Dot => out.push(random.letter()),
        Tree::Set(set) => out.extend(draw_char(set, random)),
        Tree::Start | Tree::End | Tree::Boundary { .. } => {}
        Tree::Sequence(parts) => {
            for part in parts {
                draw(part, random, reach, out);
            }
        }
        Tree::Either(parts) => {
            if let Some(part) = parts.get(random.below(parts.len() as u64) as usize) {
                draw(part, random, reach, out);
            }
        }
        Tree::Repeat { tree, min, max, .. } => {
            let most = min.saturating_add(reach).min(max.unwrap_or(u32::MAX));
            let times = random.between(u64::from(*min), u64::from(most.max(*min)));
            for _ in 0..times {
                draw(tree, random, reach, out);
            }
        }
    }
}

fn draw_char(set: &Set, random: &mut Random) -> Option<char> {
    if set.negated
        || set
            .items
            .iter()
            .any(|item| !matches!(item, SetItem::Range(..)))
    {
        let printable = (' '..='~').filter(|char| contains(set, *char));
        let pool: Vec<char> = printable.collect();
        // Letters and digits read better than what else a negated set allows.
        let plain: Vec<char> = pool
            .iter()
            .copied()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let pool = if plain.is_empty() { pool } else { plain };
        return pool.get(random.below(pool.len() as u64) as usize).copied();
    }
    let count = |item: &SetItem| match item {
        SetItem::Range(low, high) => u64::from(*high as u32 - *low as u32) + 1,
        _ => 0,
    };
    let mut at = random.below(set.items.iter().map(count).sum());
    for item in &set.items {
        let own = count(item);
        if let SetItem::Range(low, _) = item
            && at < own
        {
            // A range may span the surrogates, which are no characters.
            return char::from_u32(*low as u32 + at as u32).or(Some(*low));
        }
        at = at.saturating_sub(own);
    }
    None
}

/// Returns whether an ASCII character is in the set; properties are guessed by their names.
fn contains(set: &Set, char: char) -> bool {
    let within = |ranges: &[(char, char)]| ranges.iter().any(|(l, h)| (*l..=*h).contains(&char));
    let found = set.items.iter().any(|item| match item {
        SetItem::Range(low, high) => (*low..=*high).contains(&char),
        SetItem::Space { negated } => char.is_whitespace() != *negated,
        SetItem::NotAscii(ranges) => !within(ranges),
        SetItem::Property { name, negated } => property(name, char) != *negated,
    });
    found != set.negated
}

fn property(name: &str, char: char) -> bool {
    match name {
        "L" | "Letter" | "Alphabetic" => char.is_alphabetic(),
        "Lu" | "Uppercase" | "Uppercase_Letter" => char.is_uppercase(),
        "Ll" | "Lowercase" | "Lowercase_Letter" => char.is_lowercase(),
        "N" | "Nd" | "Number" => char.is_numeric(),
        "P" | "Punctuation" => char.is_ascii_punctuation(),
        _ => char.is_alphanumeric(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Pattern, PatternError};
    use crate::generate::Random;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern).expect(pattern).is_match(text)
    }

    #[test]
    fn patterns_mean_what_ecma_says() {
        assert!(matches(r"^\d{4}-\d{2}$", "2026-01"));
        assert!(!matches(r"^\d$", "٣"), "digits are ASCII");
        assert!(!matches(r"^\w$", "ä"));
        assert!(
            matches(r"^[[a]$", "["),
            "a bracket needs no escape in a class"
        );
        assert!(matches(r"^[a&&b]+$", "a&b"));
        assert!(matches(r"^[\w.-]+@[^@]$", "a.b-c@x"));
        assert!(
            matches(r"^{x}$", "{x}"),
            "a brace that repeats nothing is a brace"
        );
        assert!(matches(r"^\/\-\u0041\x42\u{43}$", "/-ABC"));
        assert!(matches(r"b+", "abbc"), "a match anywhere counts");
        assert!(!matches("^.$", "\u{2028}"));
        assert!(matches(r"^[^]$", "\n"));
        assert!(!matches(r"[]", "a"));
        assert!(matches(r"^(?<year>\d+)(?:a|b)*?$", "12ab"));
        assert!(matches(r"^\p{Lu}\P{L}$", "Ä1"));
        assert!(matches(r"^[-a]+$", "-a"));
        assert!(matches(r"^[\]\\]$", "]"));
        assert!(matches("^a|b$", "ax"));
    }

    #[test]
    fn what_cannot_be_matched_is_told() {
        let why = |pattern: &str| Pattern::parse(pattern).err();
        assert!(matches!(
            why("(?=a)"),
            Some(PatternError::Unsupported("look-around"))
        ));
        assert!(matches!(
            why("(?<!a)b"),
            Some(PatternError::Unsupported("look-around"))
        ));
        assert!(matches!(
            why(r"(a)\1"),
            Some(PatternError::Unsupported("a backreference"))
        ));
        assert!(matches!(
            why("(?:a{5000}){5000}"),
            Some(PatternError::Unsupported(_))
        ));
        assert!(matches!(why("(a"), Some(PatternError::Invalid(_))));
        assert!(matches!(why("a)"), Some(PatternError::Invalid(_))));
        assert!(matches!(why("*"), Some(PatternError::Invalid(_))));
        assert!(matches!(why("[z-a]"), Some(PatternError::Invalid(_))));
        assert!(matches!(
            why(&"(".repeat(10_000)),
            Some(PatternError::Invalid(_))
        ));
        assert!(matches!(
            why(r"\p{Nope}"),
            Some(PatternError::Unsupported(_))
        ));
    }

    proptest! {
        #[test]
        fn any_pattern_is_compiled_or_told(
            parts in prop::collection::vec(prop::sample::select(vec![
                "(", ")", "[", "]", "{", "}", "2", ",", "5", "*", "+", "?", "^", "$", ".", "|", "\\",
                "d", "D", "w", "s", "b", "u", "x", "{1F600}", "p{L}", "k<a>", "-", "a", "z", "ä", ":",
                "=", "!", "<", ">", "&&", "~~", "\u{10ffff}", "c", "0", "\\u{D800}", "\\uD83D\\uDE00",
            ]), 0..16),
            seed in any::<u64>(),
        ) {
            let text = parts.concat();
            // What our parser takes, the engine takes too, but for its size and unknown properties.
            match Pattern::parse(&text) {
                Ok(pattern) => {
                    pattern.draw(&mut Random::new(seed), 3);
                    pattern.is_match("a");
                }
                Err(PatternError::Unsupported(why)) => {
                    let property = text.contains("p{") || text.contains("P{");
                    prop_assert!(property || why != "an unknown property of characters", "{}", text);
                }
                Err(PatternError::Invalid(_)) => {}
            }
        }
    }

    #[test]
    fn drawn_texts_match() {
        for pattern in [
            r"^\d{4}-\d{2}$",
            r"^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$",
            r"^(red|green|blue)$",
            r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$",
            r"^\+?[1-9]\d{1,14}$",
            r"a\w+b",
            r"^\S+$",
            r"^\p{L}+$",
            r"^(?:{[0-9a-fA-F]{4}(?:-?[0-9a-fA-F]{4}){7}}|[0-9a-fA-F]{4}(?:-?[0-9a-fA-F]{4}){7})$",
        ] {
            let pattern = Pattern::parse(pattern).expect(pattern);
            for seed in 0..50 {
                let text = pattern.draw(&mut Random::new(seed), 3);
                assert!(pattern.is_match(&text), "{text:?}");
            }
        }
    }
}
