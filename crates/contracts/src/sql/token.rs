//! SQL to tokens, each with its place.

use sluice_model::codes;
use sluice_model::finding::{Finding, Findings};
use sluice_model::span::{FileId, Span};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A keyword or a name without quotes.
    Word,
    /// A name in quotes, of any of the dialects.
    Quoted,
    /// A text, quotes included.
    String,
    Number,
    /// `:name`.
    Param,
    /// `?`, `?1`, `$1`, `@name`: parameters that have no name here.
    Positional,
    Symbol,
}

/// A token of SQL.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'t> {
    pub kind: TokenKind,
    /// The text as written.
    pub text: &'t str,
    pub start: usize,
    pub end: usize,
}

/// A comment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Comment<'t> {
    /// The text without its marks.
    pub text: &'t str,
    /// Where the comment starts, marks included.
    pub start: usize,
    pub end: usize,
    /// How many bytes its first mark has.
    mark: usize,
}

/// A lexed file.
#[derive(Debug, Default)]
pub(crate) struct Lexed<'t> {
    pub tokens: Vec<Token<'t>>,
    pub comments: Vec<Comment<'t>>,
}

impl Token<'_> {
    /// Returns whether this is the symbol or, case aside, the keyword.
    pub fn is(&self, text: &str) -> bool {
        match self.kind {
            TokenKind::Word => self.text.eq_ignore_ascii_case(text),
            TokenKind::Symbol => self.text == text,
            _ => false,
        }
    }

    /// Returns the name that this is, without its quotes.
    pub fn name(&self) -> Option<String> {
        match self.kind {
            TokenKind::Word => Some(self.text.to_owned()),
            TokenKind::Quoted => {
                let inner = self.text.get(1..self.text.len() - 1)?;
                let quote = &self.text[..1];
                Some(match quote {
                    "[" => inner.to_owned(),
                    quote => inner.replace(&quote.repeat(2), quote),
                })
            }
            _ => None,
        }
    }

    /// Returns the text of a string, without its quotes.
    pub fn string(&self) -> Option<String> {
        if self.kind != TokenKind::String {
            return None;
        }
        if self.text.starts_with('$') {
            let tag = self.text[1..].find('$')? + 2;
            return self.text.get(tag..self.text.len() - tag).map(str::to_owned);
        }
        let open = self.text.find('\'')?;
        let inner = self.text.get(open + 1..self.text.len() - 1)?;
        Some(inner.replace("''", "'"))
    }
}

impl Comment<'_> {
    /// Returns where `part`, a part of the text, starts, counted from the comment's start.
    pub fn text_at(&self, part: &str) -> usize {
        self.mark + self.text.find(part).unwrap_or(0)
    }
}

/// Symbols of more than one character, the longer ones first.
const SYMBOLS: [&str; 20] = [
    "->>", "#>>", "!~*", "::", ":=", "->", "#>", "@>", "<@", "||", "<=", ">=", "<>", "!=", "==",
    "~*", "!~", "&&", "<<", ">>",
];

/// Cuts a file into tokens and comments.
pub(crate) fn tokens(file: FileId, text: &str) -> (Lexed<'_>, Findings) {
    let mut lexer = Lexer {
        file,
        text,
        at: 0,
        lexed: Lexed::default(),
        findings: Findings::default(),
    };
    while lexer.at < text.len() {
        lexer.next();
    }
    (lexer.lexed, lexer.findings)
}

struct Lexer<'t> {
    file: FileId,
    text: &'t str,
    at: usize,
    lexed: Lexed<'t>,
    findings: Findings,
}

impl<'t> Lexer<'t> {
    fn next(&mut self) {
        let text = self.text;
        let rest = &text[self.at..];
        let Some(char) = rest.chars().next() else {
            return;
        };
        let after = rest.as_bytes().get(1).copied().unwrap_or(0);
        match char {
            _ if char.is_whitespace() || char == '\u{feff}' => self.at += char.len_utf8(),
            '-' if after == b'-' => {
                let end = rest.find('\n').unwrap_or(rest.len());
                self.comment(2, end, 0);
            }
            '/' if after == b'*' => self.block_comment(rest),
            '\'' => self.string(1),
            'E' | 'e' | 'X' | 'x' | 'B' | 'b' | 'N' | 'n' if after == b'\'' => self.string(2),
            '"' | '`' => self.quoted(char),
            '[' if self.starts_bracketed(rest) => {
                let end = rest.find(']').map_or(rest.len(), |end| end + 1);
                self.push(TokenKind::Quoted, end);
            }
            '$' if self.dollar_quoted(rest) => {}
            '0'..='9' => self.number(rest),
            '.' if after.is_ascii_digit() => self.number(rest),
            ':' if is_name_start(after) => {
                let end = name_end(rest, 1);
                self.push(TokenKind::Param, end);
            }
            '?' => self.positional(rest),
            '@' if is_name_start(after) => self.positional(rest),
            '$' if after.is_ascii_digit() || is_name_start(after) => self.positional(rest),
            _ if char.is_alphabetic() || char == '_' => {
                let end = name_end(rest, 0);
                self.push(TokenKind::Word, end);
            }
            _ => {
                let long = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
                let length = long.map_or(char.len_utf8(), |symbol| symbol.len());
                self.push(TokenKind::Symbol, length);
            }
        }
    }

    fn push(&mut self, kind: TokenKind, length: usize) {
        let end = self.at + length;
        self.lexed.tokens.push(Token {
            kind,
            text: &self.text[self.at..end],
            start: self.at,
            end,
        });
        self.at = end;
    }

    fn comment(&mut self, mark: usize, end: usize, closing: usize) {
        let start = self.at;
        self.lexed.comments.push(Comment {
            text: self.text[start + mark..start + end - closing].trim_end(),
            start,
            end: start + end,
            mark,
        });
        self.at = start + end;
    }

    fn block_comment(&mut self, rest: &str) {
        match rest[2..].find("*/") {
            Some(end) => self.comment(2, end + 4, 2),
            None => self.unclosed("a comment", "*/"),
        }
    }

    fn string(&mut self, open: usize) {
        let text = self.text;
        let rest = &text[self.at..];
        let escapes = rest.starts_with(['E', 'e']);
        match closing(&rest[open..], '\'', escapes) {
            Some(end) => self.push(TokenKind::String, open + end),
            None => self.unclosed("a text", "'"),
        }
    }

    fn quoted(&mut self, quote: char) {
        let text = self.text;
        match closing(&text[self.at + 1..], quote, false) {
            Some(end) => self.push(TokenKind::Quoted, 1 + end),
            None => self.unclosed("a name", quote.encode_utf8(&mut [0; 4])),
        }
    }

    /// `[name]` of SQLite, unless it is the subscript or the array of PostgreSQL.
    fn starts_bracketed(&self, rest: &str) -> bool {
        let inner = rest[1..].split(']').next().unwrap_or("");
        let after_name = self.lexed.tokens.last().is_some_and(|last| {
            last.end == self.at && (last.kind != TokenKind::Symbol || last.is(")") || last.is("]"))
        });
        let named = inner.starts_with(|first: char| first.is_alphabetic() || first == '_');
        named && !after_name && inner.len() + 1 < rest.len()
    }

    /// `$$ ... $$` and `$tag$ ... $tag$` of PostgreSQL.
    fn dollar_quoted(&mut self, rest: &str) -> bool {
        let name = name_end(rest, 1);
        let tag_ok = name == 1 || !rest.as_bytes()[1].is_ascii_digit();
        if !tag_ok || rest.as_bytes().get(name) != Some(&b'$') {
            return false;
        }
        let tag = &rest[..=name];
        match rest[tag.len()..].find(tag) {
            Some(end) => self.push(TokenKind::String, end + 2 * tag.len()),
            None => self.unclosed("a text", tag),
        }
        true
    }

    fn number(&mut self, rest: &str) {
        let bytes = rest.as_bytes();
        let mut end = 0;
        while let Some(byte) = bytes.get(end) {
            let sign = matches!(byte, b'+' | b'-')
                && 0 < end
                && matches!(bytes[end - 1], b'e' | b'E')
                && !rest.starts_with("0x");
            if !byte.is_ascii_alphanumeric() && *byte != b'.' && *byte != b'_' && !sign {
                break;
            }
            end += 1;
        }
        self.push(TokenKind::Number, end);
    }

    fn positional(&mut self, rest: &str) {
        let end = name_end(rest, 1);
        let span = Span::new(self.file, self.at, self.at + end);
        let text = format!("`{}` is a parameter without a name", &rest[..end]);
        let finding = Finding::error(codes::BAD_CONTRACT, span, text);
        self.findings
            .push(finding.with_help("write `:` and a name, such as `:id`"));
        self.push(TokenKind::Positional, end);
    }

    /// Reports what is never closed. The rest of the file belongs to it, and what stands before it
    /// in its statement is no statement: it would only give findings that follow from this one.
    fn unclosed(&mut self, what: &str, close: &str) {
        let width = self.text[self.at..]
            .chars()
            .next()
            .map_or(0, char::len_utf8);
        let span = Span::new(self.file, self.at, self.at + width);
        let text = format!("{what} begins here and never ends");
        let finding = Finding::error(codes::BAD_CONTRACT, span, text);
        self.findings
            .push(finding.with_help(format!("close it by `{close}`")));
        let whole = self.lexed.tokens.iter().rposition(|token| token.is(";"));
        self.lexed.tokens.truncate(whole.map_or(0, |at| at + 1));
        let end = self.lexed.tokens.last().map_or(0, |token| token.end);
        self.lexed.comments.retain(|comment| comment.start < end);
        self.at = self.text.len();
    }
}

/// Returns the length up to and with the closing quote; a doubled quote is one of the text.
fn closing(text: &str, quote: char, escapes: bool) -> Option<usize> {
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        if escapes && char == '\\' {
            chars.next();
        } else if char == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + quote.len_utf8());
        }
    }
    None
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || 127 < byte
}

/// Returns where a name that begins at `from` ends.
fn name_end(text: &str, from: usize) -> usize {
    let part = |char: char| char.is_alphanumeric() || char == '_';
    let rest = &text[from..];
    from + rest.find(|char| !part(char)).unwrap_or(rest.len())
}
