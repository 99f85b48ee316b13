//! Tells code from comments and from what stands between quotes, so that a rule about code does not
//! stumble over a message or an explanation.

/// The same text twice, line for line and column for column.
pub struct Split {
    /// Comments and the contents of literals are blanks.
    pub code: String,
    /// Everything but comments is blanks.
    pub comments: String,
}

/// Splits Rust source text.
pub fn split(source: &str) -> Split {
    let chars: Vec<char> = source.chars().collect();
    let mut split = Split {
        code: String::with_capacity(source.len()),
        comments: String::new(),
    };
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let (length, kind) = next(rest, at.checked_sub(1).map(|before| chars[before]));
        for &c in &rest[..length] {
            let (code, comment) = match (c, kind) {
                ('\n', _) => ('\n', '\n'),
                (_, Part::Code) => (c, ' '),
                (_, Part::Comment) => (' ', c),
                (_, Part::Literal) => (' ', ' '),
            };
            split.code.push(code);
            split.comments.push(comment);
        }
        at += length;
    }
    split
}

#[derive(Clone, Copy)]
enum Part {
    Code,
    Comment,
    Literal,
}

/// Returns the length and the kind of what comes next; at least one character.
fn next(rest: &[char], before: Option<char>) -> (usize, Part) {
    match rest {
        ['/', '/', ..] => (until_line_end(rest), Part::Comment),
        ['/', '*', ..] => (block_comment(rest), Part::Comment),
        ['"', ..] => (quoted(rest, '"'), Part::Literal),
        ['r', '"' | '#', ..] if !before.is_some_and(in_word) => match raw(rest) {
            Some(length) => (length, Part::Literal),
            None => (1, Part::Code),
        },
        // After `b` and `c` the rule of `r` would see a letter before it.
        ['b' | 'c', 'r', '"' | '#', ..] if !before.is_some_and(in_word) => match raw(&rest[1..]) {
            Some(length) => (length + 1, Part::Literal),
            None => (1, Part::Code),
        },
        ['\'', '\\', ..] => (quoted(rest, '\''), Part::Literal),
        ['\'', _, '\'', ..] => (3, Part::Literal),
        _ => (1, Part::Code),
    }
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn until_line_end(rest: &[char]) -> usize {
    rest.iter().position(|&c| c == '\n').unwrap_or(rest.len())
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth.saturating_sub(1), at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `r"..."` and `r#"..."#`; `r#name` is none.
fn raw(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|&&c| c == '#').count();
    let open = 1 + hashes;
    if rest.get(open) != Some(&'"') {
        return None;
    }
    let mut at = open + 1;
    while at < rest.len() {
        let closing =
            rest[at] == '"' && rest[at + 1..].iter().take_while(|&&c| c == '#').count() >= hashes;
        if closing {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(rest.len())
}

#[cfg(test)]
mod tests {
    use super::split;

    fn code(source: &str) -> String {
        split(source)
            .code
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn literals_and_comments_are_no_code() {
        assert_eq!(code("a(\"b // \\\" c\"); // d"), "a( );");
        assert_eq!(code("a /* b /* c */ d */ e"), "a e");
        assert_eq!(code("r#\"a \" b\"# c"), "c");
        assert_eq!(code("br\"a\" b\"c\" r#type"), "b r#type");
        assert_eq!(code("'\"' a '\\'' b"), "a b");
        assert_eq!(code("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
    }

    #[test]
    fn lines_and_columns_stay() {
        let split = split("let a = \"x\ny\"; // ü\nb");
        assert_eq!(split.code.lines().count(), 3);
        assert_eq!(split.comments.lines().nth(1), Some("    // ü"));
    }

    #[test]
    fn what_is_not_closed_ends_with_the_text() {
        for source in ["\"a", "/* a", "r#\"a\"", "'\\", "a\\", "r", "'"] {
            assert_eq!(split(source).code.chars().count(), source.chars().count());
        }
    }
}
