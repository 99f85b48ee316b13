//! The parser of patterns: ECMA-262 section 22.2.1, with the allowances of annex B.

use std::iter::Peekable;
use std::str::Chars;

use crate::pattern::{DIGITS, PatternError, Set, SetItem, Tree, WORD};

/// How deep groups may stand in each other.
const DEPTH_MAX: usize = 50;
/// How often a part may be repeated, as written.
const REPEAT_MAX: u32 = 100_000;

/// Parses a whole pattern.
pub(crate) fn parse(pattern: &str) -> Result<Tree, PatternError> {
    let mut parser = Parser {
        chars: pattern.chars().peekable(),
        depth: 0,
    };
    let tree = parser.either()?;
    match parser.chars.next() {
        None => Ok(tree),
        Some(_) => Err(PatternError::Invalid("a `)` without its `(`")),
    }
}

struct Parser<'p> {
    chars: Peekable<Chars<'p>>,
    depth: usize,
}

impl Parser<'_> {
    fn eat(&mut self, wanted: char) -> bool {
        self.chars.next_if_eq(&wanted).is_some()
    }

    fn either(&mut self) -> Result<Tree, PatternError> {
        let mut parts = vec![self.sequence()?];
        while self.eat('|') {
            parts.push(self.sequence()?);
        }
        Ok(match parts.len() {
            1 => parts.remove(0),
            _ => Tree::Either(parts),
        })
    }

    fn sequence(&mut self) -> Result<Tree, PatternError> {
        let mut parts = Vec::new();
        while let Some(next) = self.chars.peek() {
            if matches!(next, '|' | ')') {
                break;
            }
            let part = self.atom()?;
            parts.push(self.repeated(part)?);
        }
        Ok(Tree::Sequence(parts))
    }

    fn repeated(&mut self, tree: Tree) -> Result<Tree, PatternError> {
        let (min, max) = match self.chars.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => match self.counts()? {
                Some(counts) => counts,
                None => return Ok(tree),
            },
            _ => return Ok(tree),
        };
        // The sign itself, or the closing brace.
        self.chars.next();
        if max.is_some_and(|max| max < min) {
            return Err(PatternError::Invalid(
                "a repetition whose bounds are swapped",
            ));
        }
        let anchor = matches!(tree, Tree::Start | Tree::End | Tree::Boundary { .. });
        if anchor || matches!(self.chars.peek(), Some('*' | '+')) {
            return Err(PatternError::Invalid(
                "a repetition of what cannot be repeated",
            ));
        }
        Ok(Tree::Repeat {
            tree: Box::new(tree),
            min,
            max,
            lazy: self.eat('?'),
        })
    }

    /// Reads `{2}`, `{2,}` or `{2,5}` up to its closing brace; `None`, with nothing read, where the
    /// brace stands for itself.
    fn counts(&mut self) -> Result<Option<(u32, Option<u32>)>, PatternError> {
        let mut ahead = self.chars.clone();
        ahead.next();
        let Some(min) = number(&mut ahead)? else {
            return Ok(None);
        };
        let max = if ahead.next_if_eq(&',').is_some() {
            number(&mut ahead)?
        } else {
            Some(min)
        };
        if ahead.peek() != Some(&'}') {
            return Ok(None);
        }
        self.chars = ahead;
        Ok(Some((min, max)))
    }

    fn atom(&mut self) -> Result<Tree, PatternError> {
        let Some(char) = self.chars.next() else {
            return Ok(Tree::Sequence(Vec::new()));
        };
        match char {
            '^' => Ok(Tree::Start),
            '$' => Ok(Tree::End),
            '.' => Ok(Tree::Dot),
            '[' => self.set(),
            '(' => self.group(),
            '\\' => self.escape(),
            '*' | '+' | '?' => Err(PatternError::Invalid("a repetition of nothing")),
            other => Ok(Tree::Char(other)),
        }
    }

    fn group(&mut self) -> Result<Tree, PatternError> {
        self.depth += 1;
        if DEPTH_MAX < self.depth {
            return Err(PatternError::Invalid("groups stand in each other too deep"));
        }
        if self.eat('?') {
            match self.chars.next() {
                Some(':') => {}
                Some('=' | '!') => return Err(PatternError::Unsupported("look-around")),
                Some('<') if matches!(self.chars.peek(), Some('=' | '!')) => {
                    return Err(PatternError::Unsupported("look-around"));
                }
                Some('<') => {
                    if !self.chars.by_ref().any(|char| char == '>') {
                        return Err(PatternError::Invalid("a group name without its `>`"));
                    }
                }
                _ => return Err(PatternError::Unsupported("flags in a group")),
            }
        }
        let tree = self.either()?;
        if !self.eat(')') {
            return Err(PatternError::Invalid("a `(` without its `)`"));
        }
        self.depth -= 1;
        // A group of its own, so that a repetition takes all of it.
        Ok(match tree {
            Tree::Either(_) => tree,
            other => Tree::Either(vec![other]),
        })
    }

    fn escape(&mut self) -> Result<Tree, PatternError> {
        Ok(match self.chars.peek().copied() {
            Some('b') | Some('B') => {
                let negated = self.chars.next() == Some('B');
                Tree::Boundary { negated }
            }
            Some('1'..='9') | Some('k') => {
                return Err(PatternError::Unsupported("a backreference"));
            }
            _ => match self.escaped()? {
                Escaped::Char(char) => Tree::Char(char),
                Escaped::Items(items) => Tree::Set(Set {
                    negated: false,
                    items,
                }),
            },
        })
    }

    /// Reads what stands after a backslash, in a set or outside.
    fn escaped(&mut self) -> Result<Escaped, PatternError> {
        let Some(char) = self.chars.next() else {
            return Err(PatternError::Invalid("a backslash at the end"));
        };
        let ranges = |ranges: &[(char, char)]| {
            let items = ranges.iter().map(|(low, high)| SetItem::Range(*low, *high));
            Escaped::Items(items.collect())
        };
        Ok(match char {
            'd' => ranges(DIGITS),
            'w' => ranges(WORD),
            'D' => Escaped::Items(vec![SetItem::NotAscii(DIGITS)]),
            'W' => Escaped::Items(vec![SetItem::NotAscii(WORD)]),
            's' | 'S' => Escaped::Items(vec![SetItem::Space {
                negated: char == 'S',
            }]),
            'p' | 'P' if self.chars.peek() == Some(&'{') => self.property(char == 'P')?,
            't' => Escaped::Char('\t'),
            'n' => Escaped::Char('\n'),
            'r' => Escaped::Char('\r'),
            'f' => Escaped::Char('\u{c}'),
            'v' => Escaped::Char('\u{b}'),
            '0' => Escaped::Char('\0'),
            'c' => match self.chars.next_if(char::is_ascii_alphabetic) {
                Some(letter) => Escaped::Char(char::from(letter as u8 & 0x1f)),
                None => Escaped::Char('c'),
            },
            'x' => Escaped::Char(self.hex(2).unwrap_or('x')),
            'u' => Escaped::Char(self.unicode()?),
            other => Escaped::Char(other),
        })
    }

    fn property(&mut self, negated: bool) -> Result<Escaped, PatternError> {
        self.chars.next();
        let mut name = String::new();
        loop {
            match self.chars.next() {
                Some('}') => break,
                Some(char) if char.is_ascii_alphanumeric() || "_=".contains(char) => {
                    name.push(char);
                }
                _ => return Err(PatternError::Invalid("a property without its `}`")),
            }
        }
        Ok(Escaped::Items(vec![SetItem::Property { name, negated }]))
    }

    fn hex(&mut self, digits: usize) -> Option<char> {
        let mut ahead = self.chars.clone();
        let mut code = 0;
        for _ in 0..digits {
            code = code * 16 + ahead.next()?.to_digit(16)?;
        }
        let char = char::from_u32(code)?;
        self.chars = ahead;
        Some(char)
    }

    fn unicode(&mut self) -> Result<char, PatternError> {
        if self.eat('{') {
            let mut code: u32 = 0;
            loop {
                match self.chars.next() {
                    Some('}') => break,
                    Some(char) => {
                        let digit = char.to_digit(16).filter(|_| code < 0x11_0000);
                        let Some(digit) = digit else {
                            return Err(PatternError::Invalid("a character that does not exist"));
                        };
                        code = code * 16 + digit;
                    }
                    None => return Err(PatternError::Invalid("a `\\u{` without its `}`")),
                }
            }
            let missing = PatternError::Invalid("a character that does not exist");
            return char::from_u32(code).ok_or(missing);
        }
        if let Some(char) = self.hex(4) {
            return Ok(char);
        }
        // Two escapes of surrogates are one character.
        let text: String = self.chars.clone().take(10).collect();
        let half = |part: Option<&str>| u16::from_str_radix(part?, 16).ok();
        let pair = [half(text.get(..4)), half(text.get(6..10))];
        if text.get(4..6) == Some("\\u")
            && let [Some(high), Some(low)] = pair
            && let Some(Ok(char)) = char::decode_utf16([high, low]).next()
        {
            self.chars.nth(9);
            return Ok(char);
        }
        match half(text.get(..4)) {
            Some(_) => Err(PatternError::Unsupported("half of a surrogate pair")),
            None => Ok('u'),
        }
    }

    fn set(&mut self) -> Result<Tree, PatternError> {
        let mut set = Set {
            negated: self.eat('^'),
            items: Vec::new(),
        };
        loop {
            let Some(first) = self.member(&mut set)? else {
                return Ok(Tree::Set(set));
            };
            let Member::Char(low) = first else { continue };
            let mut ahead = self.chars.clone();
            let ranged = ahead.next() == Some('-') && !matches!(ahead.peek(), Some(']') | None);
            if !ranged {
                set.items.push(SetItem::Range(low, low));
                continue;
            }
            self.chars.next();
            match self.member(&mut set)? {
                Some(Member::Char(high)) if low <= high => {
                    set.items.push(SetItem::Range(low, high));
                }
                Some(Member::Char(_)) => {
                    return Err(PatternError::Invalid("a range whose ends are swapped"));
                }
                // `[\w-\d]`: the hyphen stands for itself.
                _ => {
                    set.items.push(SetItem::Range(low, low));
                    set.items.push(SetItem::Range('-', '-'));
                }
            }
        }
    }

    /// Reads one member of a set; `None` at its end. Classes are added to the set at once.
    fn member(&mut self, set: &mut Set) -> Result<Option<Member>, PatternError> {
        Ok(match self.chars.next() {
            None => return Err(PatternError::Invalid("a `[` without its `]`")),
            Some(']') => None,
            Some('\\') if self.eat('b') => Some(Member::Char('\u{8}')),
            Some('\\') => match self.escaped()? {
                Escaped::Char(char) => Some(Member::Char(char)),
                Escaped::Items(items) => {
                    set.items.extend(items);
                    Some(Member::Class)
                }
            },
            Some(char) => Some(Member::Char(char)),
        })
    }
}

enum Escaped {
    Char(char),
    Items(Vec<SetItem>),
}

enum Member {
    Char(char),
    Class,
}

fn number(chars: &mut Peekable<Chars<'_>>) -> Result<Option<u32>, PatternError> {
    let mut number: Option<u32> = None;
    while let Some(digit) = chars.peek().and_then(|char| char.to_digit(10)) {
        chars.next();
        let next = number.unwrap_or(0) * 10 + digit;
        if REPEAT_MAX < next {
            return Err(PatternError::Unsupported("a very large repetition"));
        }
        number = Some(next);
    }
    Ok(number)
}
