//! Splits an expression's text into tokens, one at a time, as the parser asks for them.

use std::sync::Arc;

use sluice_model::value::Value;

use crate::ast::{RegexLiteral, TextRange};
use crate::parse::SyntaxError;

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    /// An operator or a delimiter, `and`, `or` and `in` among them.
    Symbol(&'static str),
    Text(String),
    Number(Value<'static>),
    Bool(bool),
    Null,
    /// A field's name, plain or in backticks.
    Name(String),
    /// A variable's name, without `$`.
    Variable(String),
    Regex(RegexLiteral),
    End,
}

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) range: TextRange,
}

impl Token {
    /// Returns the token as an error message shows it.
    pub(super) fn shown(&self) -> String {
        match &self.kind {
            TokenKind::Symbol(symbol) => (*symbol).to_owned(),
            TokenKind::Text(text) => format!("\"{text}\""),
            TokenKind::Number(Value::Int(int)) => int.to_string(),
            TokenKind::Number(Value::Decimal(decimal)) => decimal.to_string(),
            TokenKind::Number(_) => "a number".to_owned(),
            TokenKind::Bool(bool) => bool.to_string(),
            TokenKind::Null => "null".to_owned(),
            TokenKind::Name(name) => name.clone(),
            TokenKind::Variable(name) => format!("${name}"),
            TokenKind::Regex(regex) => format!("/{}/", regex.pattern),
            TokenKind::End => "the end of the expression".to_owned(),
        }
    }
}

const DOUBLE: [&str; 10] = ["..", ":=", "!=", ">=", "<=", "**", "~>", "?:", "??", ""];
const SINGLE: [&str; 26] = [
    ".", "[", "]", "{", "}", "(", ")", ",", "@", "#", ";", ":", "?", "+", "-", "*", "/", "%", "|",
    "=", "<", ">", "^", "&", "!", "~",
];

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b)
}

fn single(byte: u8) -> Option<&'static str> {
    SINGLE
        .into_iter()
        .find(|symbol| symbol.as_bytes()[0] == byte)
}

pub(super) struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self { source, at: 0 }
    }

    fn byte(&self, offset: usize) -> Option<u8> {
        self.source.as_bytes().get(self.at + offset).copied()
    }

    fn error(&self, code: &'static str, start: usize, detail: &str) -> SyntaxError {
        SyntaxError::new(code, TextRange::new(start, self.at.max(start)), detail)
    }

    /// Returns the next token; `infix` says that a `/` is the operator and begins no regular
    /// expression.
    pub(super) fn next(&mut self, infix: bool) -> Result<Token, SyntaxError> {
        self.skip()?;
        let start = self.at;
        let kind = self.kind(infix)?;
        Ok(Token {
            kind,
            range: TextRange::new(start, self.at),
        })
    }

    /// Passes over white space and comments.
    fn skip(&mut self) -> Result<(), SyntaxError> {
        loop {
            while self.byte(0).is_some_and(is_space) {
                self.at += 1;
            }
            if !self.source[self.at..].starts_with("/*") {
                return Ok(());
            }
            match self.source[self.at + 2..].find("*/") {
                Some(length) => self.at += length + 4,
                None => {
                    let start = self.at;
                    self.at = self.source.len();
                    return Err(self.error("S0106", start, ""));
                }
            }
        }
    }

    fn kind(&mut self, infix: bool) -> Result<TokenKind, SyntaxError> {
        let Some(first) = self.byte(0) else {
            return Ok(TokenKind::End);
        };
        if first == b'/' && !infix {
            return self.regex();
        }
        let rest = &self.source[self.at..];
        if let Some(symbol) = DOUBLE
            .into_iter()
            .find(|symbol| !symbol.is_empty() && rest.starts_with(symbol))
        {
            self.at += 2;
            return Ok(TokenKind::Symbol(symbol));
        }
        if let Some(symbol) = single(first) {
            self.at += 1;
            if matches!(symbol, "!" | "~") {
                return Err(self.error("S0204", self.at - 1, symbol));
            }
            return Ok(TokenKind::Symbol(symbol));
        }
        match first {
            b'"' | b'\'' => self.text(first),
            b'0'..=b'9' => self.number(),
            b'`' => {
                let start = self.at;
                match rest[1..].find('`') {
                    Some(length) => {
                        self.at += length + 2;
                        Ok(TokenKind::Name(rest[1..=length].to_owned()))
                    }
                    None => {
                        self.at = self.source.len();
                        Err(self.error("S0105", start, ""))
                    }
                }
            }
            _ => Ok(self.name()),
        }
    }

    fn name(&mut self) -> TokenKind {
        let rest = &self.source[self.at..];
        let length = rest
            .bytes()
            .position(|byte| is_space(byte) || single(byte).is_some())
            .unwrap_or(rest.len());
        self.at += length;
        let name = &rest[..length];
        if let Some(variable) = name.strip_prefix('$') {
            return TokenKind::Variable(variable.to_owned());
        }
        match name {
            "and" => TokenKind::Symbol("and"),
            "or" => TokenKind::Symbol("or"),
            "in" => TokenKind::Symbol("in"),
            "true" => TokenKind::Bool(true),
            "false" => TokenKind::Bool(false),
            "null" => TokenKind::Null,
            _ => TokenKind::Name(name.to_owned()),
        }
    }

    fn number(&mut self) -> Result<TokenKind, SyntaxError> {
        let start = self.at;
        let bytes = self.source.as_bytes();
        let digits = |from: usize| {
            bytes[from..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count()
        };
        let mut end = start
            + if bytes[start] == b'0' {
                1
            } else {
                digits(start)
            };
        if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
            end += 1 + digits(end + 1);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits((end + 1 + sign).min(bytes.len()));
            if exponent > 0 {
                end += 1 + sign + exponent;
            }
        }
        self.at = end;
        let text = &self.source[start..end];
        match Value::number(text) {
            Some(number) if number.as_f64().is_some_and(f64::is_finite) => {
                Ok(TokenKind::Number(number))
            }
            _ => Err(self.error("S0102", start, text)),
        }
    }

    fn text(&mut self, quote: u8) -> Result<TokenKind, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let mut units = Units::default();
        loop {
            let rest = &self.source[self.at..];
            let length = rest.bytes().position(|byte| byte == quote || byte == b'\\');
            let Some(length) = length else {
                self.at = self.source.len();
                return Err(self.error("S0101", start, ""));
            };
            units.push_str(&rest[..length]);
            self.at += length + 1;
            if rest.as_bytes()[length] == quote {
                return Ok(TokenKind::Text(units.finish()));
            }
            self.escape(&mut units)?;
        }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self, units: &mut Units) -> Result<(), SyntaxError> {
        let start = self.at - 1;
        let Some(escaped) = self.source[self.at..].chars().next() else {
            return Err(self.error("S0101", start, ""));
        };
        self.at += escaped.len_utf8();
        let plain = match escaped {
            '"' | '\\' | '/' => escaped,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let code = self
                    .source
                    .get(self.at..self.at + 4)
                    .filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
                    .and_then(|hex| u16::from_str_radix(hex, 16).ok());
                let Some(code) = code else {
                    return Err(self.error("S0104", start, ""));
                };
                self.at += 4;
                units.push_unit(code);
                return Ok(());
            }
            other => return Err(self.error("S0103", start, &other.to_string())),
        };
        units.push_char(plain);
        Ok(())
    }

    fn regex(&mut self) -> Result<TokenKind, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let mut depth = 0i32;
        let mut escaped = false;
        while let Some(byte) = self.byte(0) {
            if !escaped {
                match byte {
                    b'/' if depth == 0 => return self.regex_end(start),
                    b'(' | b'[' | b'{' => depth += 1,
                    b')' | b']' | b'}' => depth -= 1,
                    _ => {}
                }
            }
            escaped = byte == b'\\' && !escaped;
            self.at += 1;
        }
        Err(self.error("S0302", start, ""))
    }

    fn regex_end(&mut self, start: usize) -> Result<TokenKind, SyntaxError> {
        let pattern: Arc<str> = self.source[start + 1..self.at].into();
        self.at += 1;
        if pattern.is_empty() {
            return Err(self.error("S0301", start, ""));
        }
        let mut regex = RegexLiteral {
            pattern,
            ignore_case: false,
            multi_line: false,
        };
        while let Some(flag @ (b'i' | b'm')) = self.byte(0) {
            regex.ignore_case |= flag == b'i';
            regex.multi_line |= flag == b'm';
            self.at += 1;
        }
        Ok(TokenKind::Regex(regex))
    }
}

/// A text that is put together from characters and from UTF-16 code units: `\uD83D\uDE02` is one
/// character. A surrogate without its other half, which UTF-8 cannot hold, becomes U+FFFD.
#[derive(Default)]
struct Units {
    text: String,
    high: Option<u16>,
}

impl Units {
    fn flush(&mut self) {
        if self.high.take().is_some() {
            self.text.push(char::REPLACEMENT_CHARACTER);
        }
    }

    fn push_str(&mut self, text: &str) {
        if !text.is_empty() {
            self.flush();
            self.text.push_str(text);
        }
    }

    fn push_char(&mut self, char: char) {
        self.flush();
        self.text.push(char);
    }

    fn push_unit(&mut self, unit: u16) {
        let decoded = match (self.high.take(), unit) {
            (Some(high), 0xdc00..=0xdfff) => char::decode_utf16([high, unit]).next(),
            (high, _) => {
                if high.is_some() {
                    self.text.push(char::REPLACEMENT_CHARACTER);
                }
                if (0xd800..0xdc00).contains(&unit) {
                    self.high = Some(unit);
                    return;
                }
                char::decode_utf16([unit]).next()
            }
        };
        let char = decoded.and_then(Result::ok);
        self.text.push(char.unwrap_or(char::REPLACEMENT_CHARACTER));
    }

    fn finish(mut self) -> String {
        self.flush();
        self.text
    }
}
