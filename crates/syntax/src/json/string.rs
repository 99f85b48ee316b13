//! Texts in quotes (RFC 8259, section 7).

use std::sync::Arc;

use crate::json::Reader;
use crate::pairs::{self, Pairs};
use crate::tree::{Node, NodeKind, Scalar, Style};

impl Reader<'_> {
    /// Reads a text in quotes; single quotes are a finding.
    pub(super) fn string_node(&mut self) -> Node {
        let start = self.at;
        let quote = self.text.as_bytes()[start];
        let content = start + 1;
        let bytes = self.text.as_bytes();
        let stops = |byte: &u8| *byte == quote || *byte == b'\\' || *byte < b' ';
        let plain = bytes[content..].iter().position(stops);
        let plain = plain.unwrap_or(bytes.len() - content);
        self.at = content + plain;
        let scalar = if self.peek() == Some(quote) {
            self.at += 1;
            Scalar {
                text: Arc::from(&self.text[content..content + plain]),
                style: Style::Double,
                map: pairs::in_step(content),
            }
        } else {
            self.escaped(start, quote)
        };
        if quote == b'\'' {
            self.single_quotes(start);
        }
        self.node(start, NodeKind::Scalar(scalar))
    }

    /// Reads on from the first escape, control character or end of the file.
    fn escaped(&mut self, start: usize, quote: u8) -> Scalar {
        let content = start + 1;
        let mut text = self.text[content..self.at].to_owned();
        let mut pairs = Pairs::default();
        if self.at != content {
            pairs.step(0, text.len());
        }
        loop {
            let at = self.at;
            match self.peek() {
                Some(byte) if byte == quote => break,
                None | Some(b'\n' | b'\r') => {
                    self.unclosed(start, quote);
                    break;
                }
                Some(b'\\') => {
                    let sign = self.escape();
                    pairs.step(at - content, sign.len_utf8());
                    text.push(sign);
                }
                Some(byte) if byte < b' ' => {
                    self.control(byte);
                    pairs.step(at - content, 1);
                    text.push(char::from(byte));
                    self.at += 1;
                }
                Some(_) => {
                    let rest = &self.text.as_bytes()[at..];
                    let stops = |byte: &u8| *byte == quote || *byte == b'\\' || *byte < b' ';
                    let run = rest.iter().position(stops).unwrap_or(rest.len());
                    pairs.step(at - content, run);
                    text.push_str(&self.text[at..at + run]);
                    self.at += run;
                }
            }
        }
        pairs.end(self.at - content);
        if self.peek() == Some(quote) {
            self.at += 1;
        }
        Scalar {
            style: Style::Double,
            map: pairs.finish(content, text.len()),
            text: Arc::from(text),
        }
    }

    fn unclosed(&mut self, start: usize, quote: u8) {
        let sign = char::from(quote);
        let finding = self.finding(
            start..start + 1,
            format!("the text that begins here is not closed by `{sign}` in its line"),
        );
        self.tell(finding.with_help(format!(
            "add the closing `{sign}`; a line break inside of a text is written `\\n`"
        )));
    }

    fn control(&mut self, byte: u8) {
        let span = crate::span(self.file, self.at..self.at + 1);
        let (name, escape) = match byte {
            b'\t' => ("a tab".to_owned(), "\\t".to_owned()),
            _ => (
                format!("the control character 0x{byte:02x}"),
                format!("\\u{byte:04x}"),
            ),
        };
        let finding = self.finding(span.range(), format!("{name} stands in a text"));
        self.tell(finding.with_help(format!("write `{escape}`")).with_fix(
            format!("write `{escape}`"),
            span,
            escape,
        ));
    }

    /// Reads the escape at the reader's place. What is none stands for itself, after a finding.
    fn escape(&mut self) -> char {
        let start = self.at;
        let Some(sign) = self.text[start + 1..].chars().next() else {
            self.at += 1;
            return '\\';
        };
        self.at += 1 + sign.len_utf8();
        match sign {
            '"' | '\\' | '/' => sign,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.unicode(start),
            _ => {
                let shown = sign.escape_debug();
                let span = crate::span(self.file, start..self.at);
                let finding = self.finding(span.range(), format!("`\\{shown}` is no escape"));
                let double = format!("\\\\{sign}");
                let finding = match sign {
                    '\'' => finding.with_fix("remove the backslash", span, "'"),
                    '\n' | '\r' => {
                        self.at = start + 1;
                        finding
                    }
                    _ => finding.with_fix("double the backslash", span, double),
                };
                self.tell(finding.with_help(
                    "the escapes are `\\\"` `\\\\` `\\/` `\\b` `\\f` `\\n` `\\r` `\\t` `\\uXXXX`; \
                     a backslash is `\\\\`",
                ));
                if matches!(sign, '\n' | '\r') {
                    '\\'
                } else {
                    sign
                }
            }
        }
    }

    /// Reads the digits of `\u`, and of the second half of a surrogate pair.
    fn unicode(&mut self, start: usize) -> char {
        let Some(first) = self.hex() else {
            let finding =
                self.finding(start..self.at, "four hexadecimal digits belong after `\\u`");
            self.tell(finding.with_help("write all four, such as `\\u00e9`"));
            return '\u{fffd}';
        };
        if let Some(sign) = char::from_u32(first) {
            return sign;
        }
        let after = self.at;
        if first < 0xdc00 && self.text[self.at..].starts_with("\\u") {
            self.at += 2;
            if let Some(second @ 0xdc00..0xe000) = self.hex() {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return char::from_u32(code).unwrap_or('\u{fffd}');
            }
            self.at = after;
        }
        let written = &self.text[start..self.at];
        let finding = self.finding(
            start..self.at,
            format!("`{written}` is one half of a surrogate pair, and no character"),
        );
        self.tell(finding.with_help("write both halves, or the character itself"));
        '\u{fffd}'
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        let hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let code = u32::from_str_radix(digits, 16).ok().filter(|_| hex)?;
        self.at += 4;
        Some(code)
    }

    fn single_quotes(&mut self, start: usize) {
        let written = &self.text[start..self.at];
        let mut finding = self
            .finding(start..self.at, "a text stands in single quotes")
            .with_help("JSON has only double quotes");
        let inner = written
            .strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix('\''));
        if let Some(inner) = inner
            && !inner.contains(['"', '\\'])
        {
            let span = crate::span(self.file, start..self.at);
            finding = finding.with_fix("write double quotes", span, format!("\"{inner}\""));
        }
        self.tell(finding);
    }
}
