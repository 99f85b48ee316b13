//! Patterns of file names: `*`, `?`, `[a-z]`, `[!a]`, `{csv,txt}`, and `**` for any folders.
//!
//! Case counts. `*` and `?` never match a `/`.

/// The most alternatives that braces may make together.
const ALTERNATIVES_MAX: usize = 64;

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    /// Each alternative, as the patterns of its path's parts.
    alternatives: Vec<Vec<Part>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `**`: any number of folders.
    Folders,
    /// One name.
    Name(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Char(char),
    Any,
    Many,
    Set {
        ranges: Vec<(char, char)>,
        inverted: bool,
    },
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the pattern is empty".to_owned());
        }
        let alternatives = braces(text)?;
        let alternatives = alternatives.iter().map(|text| path(text));
        Ok(Self {
            alternatives: alternatives.collect::<Result<_, _>>()?,
        })
    }

    /// Returns whether a path with `/` between its parts matches.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        self.alternatives
            .iter()
            .any(|parts| parts_match(parts, &names))
    }

    /// Returns how deep files that match may lie: 1 for the folder itself, `None` for any depth.
    pub(crate) fn depth(&self) -> Option<usize> {
        let depth = |parts: &Vec<Part>| {
            let bounded = !parts.contains(&Part::Folders);
            bounded.then_some(parts.len())
        };
        let depths = self.alternatives.iter().map(depth);
        depths.collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}

/// Writes out `{a,b}`: `x.{csv,txt}` is `x.csv` and `x.txt`. Braces may lie in each other.
fn braces(text: &str) -> Result<Vec<String>, String> {
    let Some(open) = text.find('{') else {
        if text.contains('}') {
            return Err(format!("`{text}` has a `}}` without a `{{`"));
        }
        return Ok(vec![text.to_owned()]);
    };
    let mut depth = 0;
    let mut starts = vec![open + 1];
    let mut close = None;
    for (at, c) in text.char_indices().skip_while(|(at, _)| *at < open) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => starts.push(at + 1),
            _ => {}
        }
        if depth == 0 {
            close = Some(at);
            break;
        }
    }
    let Some(close) = close else {
        return Err(format!("`{text}` has a `{{` that is never closed"));
    };
    let mut all = Vec::new();
    for (i, start) in starts.iter().enumerate() {
        let end = starts.get(i + 1).map_or(close, |next| next - 1);
        let one = format!(
            "{}{}{}",
            &text[..open],
            &text[*start..end],
            &text[close + 1..]
        );
        all.extend(braces(&one)?);
        if ALTERNATIVES_MAX < all.len() {
            return Err(format!(
                "more than {ALTERNATIVES_MAX} alternatives in braces"
            ));
        }
    }
    Ok(all)
}

fn path(text: &str) -> Result<Vec<Part>, String> {
    text.split('/')
        .map(|part| match part {
            "" | "." | ".." => Err(format!(
                "`{text}` is not a path below the folder: no leading `/`, no `..`"
            )),
            "**" => Ok(Part::Folders),
            part if part.contains("**") => {
                Err(format!("`**` in `{text}` has to stand alone between `/`"))
            }
            part => name(part).map(Part::Name),
        })
        .collect()
}

fn name(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '*' => Piece::Many,
            '?' => Piece::Any,
            '[' => set(text, &mut chars)?,
            c => Piece::Char(c),
        });
    }
    Ok(pieces)
}

fn set(text: &str, chars: &mut std::str::Chars<'_>) -> Result<Piece, String> {
    let never_closed = || format!("`{text}` has a `[` that is never closed");
    let mut inverted = false;
    let mut ranges: Vec<(char, char)> = Vec::new();
    let mut first = true;
    loop {
        let c = chars.next().ok_or_else(never_closed)?;
        if first && (c == '!' || c == '^') && !inverted {
            inverted = true;
            continue;
        }
        if c == ']' && !first {
            return Ok(Piece::Set { ranges, inverted });
        }
        first = false;
        let mut ahead = chars.clone();
        let end = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(end)) if end != ']' => {
                *chars = ahead;
                end
            }
            _ => c,
        };
        if end < c {
            return Err(format!("`{c}-{end}` in `{text}` is the wrong way round"));
        }
        ranges.push((c, end));
    }
}

fn parts_match(parts: &[Part], names: &[&str]) -> bool {
    match (parts.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((Part::Folders, rest)), _) => {
            // The last name is a file's: `**` alone matches files at any depth.
            if rest.is_empty() {
                return !names.is_empty();
            }
            (0..names.len()).any(|skip| parts_match(rest, &names[skip..]))
        }
        (Some((Part::Name(pieces), rest)), Some((name, names))) => {
            name_matches(pieces, name) && parts_match(rest, names)
        }
        _ => false,
    }
}

/// Matches with one point to come back to, the last `*`: quadratic at worst.
fn name_matches(pieces: &[Piece], name: &str) -> bool {
    let chars: Vec<char> = name.chars().collect();
    let (mut piece, mut at) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while at < chars.len() {
        let here = match pieces.get(piece) {
            Some(Piece::Many) => {
                back = Some((piece, at));
                piece += 1;
                continue;
            }
            Some(Piece::Any) => true,
            Some(Piece::Char(c)) => *c == chars[at],
            Some(Piece::Set { ranges, inverted }) => {
                let among = ranges.iter().any(|(a, b)| (*a..=*b).contains(&chars[at]));
                among != *inverted
            }
            None => false,
        };
        if here {
            piece += 1;
            at += 1;
        } else if let Some((star, from)) = back {
            back = Some((star, from + 1));
            piece = star + 1;
            at = from + 1;
        } else {
            return false;
        }
    }
    pieces[piece..].iter().all(|piece| *piece == Piece::Many)
}

#[cfg(test)]
mod tests {
    use super::Glob;

    fn matching(pattern: &str, paths: &[&str]) -> Vec<String> {
        let glob = Glob::parse(pattern).expect("the pattern is right");
        let found = paths.iter().filter(|path| glob.matches(path));
        found.map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn matches_names() {
        let names = [
            "a.csv", "ab.csv", "a.CSV", "a.txt", "b/a.csv", "é.csv", ".csv", "a-b.csv",
        ];
        assert_eq!(
            matching("*.csv", &names),
            ["a.csv", "ab.csv", "é.csv", ".csv", "a-b.csv"]
        );
        assert_eq!(matching("?.csv", &names), ["a.csv", "é.csv"]);
        assert_eq!(matching("[!a-b].csv", &names), ["é.csv"]);
        assert_eq!(matching("a[]b-]*.csv", &names), ["ab.csv", "a-b.csv"]);
        assert_eq!(matching("a.{csv,txt}", &names), ["a.csv", "a.txt"]);
        assert_eq!(matching("a{,{b,c}}.csv", &names), ["a.csv", "ab.csv"]);
        assert_eq!(matching("*a*b*.csv", &names), ["ab.csv", "a-b.csv"]);
    }

    #[test]
    fn matches_folders() {
        let paths = ["a.csv", "x/a.csv", "x/y/a.csv", "x/y/b.txt"];
        assert_eq!(
            matching("**/*.csv", &paths),
            ["a.csv", "x/a.csv", "x/y/a.csv"]
        );
        assert_eq!(matching("x/*.csv", &paths), ["x/a.csv"]);
        assert_eq!(
            matching("x/**", &paths),
            ["x/a.csv", "x/y/a.csv", "x/y/b.txt"]
        );
        assert_eq!(matching("**/y/*", &paths), ["x/y/a.csv", "x/y/b.txt"]);
        let depth = |pattern| Glob::parse(pattern).expect("the pattern is right").depth();
        assert_eq!(
            (depth("*"), depth("a/{b,c/d}"), depth("a/**")),
            (Some(1), Some(3), None)
        );
    }

    #[test]
    fn says_what_is_wrong() {
        for (pattern, why) in [
            ("", "the pattern is empty"),
            ("[a", "`[a` has a `[` that is never closed"),
            ("{a", "`{a` has a `{` that is never closed"),
            ("a}", "`a}` has a `}` without a `{`"),
            ("[b-a]", "`b-a` in `[b-a]` is the wrong way round"),
            (
                "../a",
                "`../a` is not a path below the folder: no leading `/`, no `..`",
            ),
            ("a**", "`**` in `a**` has to stand alone between `/`"),
            (
                "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
                "more than 64 alternatives in braces",
            ),
        ] {
            assert_eq!(Glob::parse(pattern), Err(why.to_owned()), "{pattern}");
        }
    }

    #[test]
    fn many_stars_end_soon() {
        let glob = Glob::parse("*a*a*a*a*a*a*a*a*b").expect("the pattern is right");
        assert!(!glob.matches(&"a".repeat(2000)));
    }
}
