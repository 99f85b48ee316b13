//! Mistakes in and around quotes.

use sluice_model::finding::Finding;

use crate::yaml::diagnose::{Case, Diagnosis, shorten};
use crate::yaml::lines::{Line, single_quoted};

impl Case<'_> {
    /// Returns where the quoted text that the parser was reading begins.
    fn opening_quote(&self) -> Option<usize> {
        let quotes = |from: usize, to: usize| {
            let part = self.masked.get(from..to)?;
            part.find(['"', '\'']).map(|at| from + at)
        };
        let stop = self.masked[self.at..].chars().next();
        if matches!(stop, Some('"' | '\'')) && self.last_end <= self.at {
            return quotes(self.last_end, self.at).or(Some(self.at));
        }
        quotes(self.last_end, self.at)
    }

    pub(super) fn unclosed_quote(&self) -> Diagnosis {
        let Some(open) = self.opening_quote() else {
            return self.other_at("a text in quotes is not closed");
        };
        let quote = &self.text[open..open + 1];
        let line = Line::at(self.text, open);
        let rest = &self.text[open + 1..line.range.end];
        let mut finding = self
            .finding(
                open..open + 1,
                format!("the text that begins with `{quote}` here is not closed"),
            )
            .with_help(format!(
                "add the closing `{quote}`; the further lines of a longer text are indented more \
                 than its key"
            ));
        if !rest.contains(quote) && !rest.contains(" #") && self.open_flows.is_empty() {
            let end = open + 1 + rest.trim_end().len();
            finding = finding.with_fix(
                format!("add `{quote}` at the end of the line"),
                self.span(end..end),
                quote,
            );
        }
        Diagnosis {
            finding,
            origin: open,
            end: self.closing_quote(&line, quote).unwrap_or(open),
            follows: false,
        }
    }

    /// Returns the end of the line with the closing quote, if it comes before the next key.
    fn closing_quote(&self, opening: &Line, quote: &str) -> Option<usize> {
        let mut line = opening.after(self.masked)?;
        loop {
            if line.key.is_some() {
                return None;
            }
            if self.masked[line.range.clone()].contains(quote) {
                return Some(line.range.end);
            }
            line = line.after(self.masked)?;
        }
    }

    /// Something after the closing quote, in the same line.
    pub(super) fn after_quote(&self) -> Diagnosis {
        let value = &self.text[self.line.value.clone()];
        let inside = self.line.value.start < self.at && self.at < self.line.value.end;
        let end = if inside {
            self.line.value.end
        } else {
            self.here().end
        };
        let rest = &self.text[self.at..end];
        let quote = value
            .chars()
            .next()
            .filter(|sign| matches!(sign, '"' | '\''));
        let finding = self.finding(
            self.at..end.max(self.at),
            format!("`{}` follows the text in quotes", shorten(rest)),
        );
        let (Some(quote), true) = (quote, inside && self.open_flows.is_empty()) else {
            return self.diagnosis(
                finding.with_help("put the whole value into single quotes, or remove what follows"),
            );
        };
        self.diagnosis(self.whole_in_quotes(finding, value, quote))
    }

    fn whole_in_quotes(&self, finding: Finding, value: &str, quote: char) -> Finding {
        let span = self.span(self.line.value.clone());
        let operator = ['&', '=', '!', '<', '>', '~', '?', '+', '.', '['];
        let rest = self.text[self.at..self.line.value.end].trim_start();
        if quote == '\'' && !rest.starts_with(operator) {
            let inner = value.strip_prefix('\'').unwrap_or(value);
            let inner = inner.strip_suffix('\'').unwrap_or(inner);
            let inner = inner.replace("''", "'");
            return finding
                .with_note("in single quotes a `'` ends the text; `''` stands for one `'`")
                .with_help("double the quote in the text")
                .with_fix("double the quote", span, single_quoted(&inner));
        }
        // The canonical form of an expression that begins with a text has parentheses around it.
        let plain = !value.contains(": ") && !value.contains(" #") && !value.ends_with(':');
        if plain && rest.starts_with(operator) {
            return finding
                .with_note("a value that begins with a quote ends with that quote")
                .with_help(format!(
                    "put the expression into parentheses: `({})`",
                    shorten(value)
                ))
                .with_fix("put it into parentheses", span, format!("({value})"));
        }
        let quoted = single_quoted(value);
        finding
            .with_note("a value that begins with a quote ends with that quote")
            .with_help(format!("quote the whole: `{}`", shorten(&quoted)))
            .with_fix("put the whole into single quotes", span, quoted)
    }

    /// A backslash in double quotes that begins no escape.
    pub(super) fn escape(&self) -> Diagnosis {
        let from = self.opening_quote().unwrap_or(self.at);
        let rest = &self.text[from..];
        let bad = bad_escape(rest).map(|(at, length)| from + at..from + at + length);
        let range = bad.unwrap_or(self.here());
        let written = &self.text[range.clone()];
        let line = Line::at(self.text, range.start);
        let double = format!("\\{written}");
        let span = self.span(range.clone());
        let finding = self
            .finding(range, format!("`{}` is no escape", written.escape_debug()))
            .with_note("in double quotes a backslash begins an escape, such as `\\n` or `\\u00e9`")
            .with_help("double the backslash, or use single quotes, where it is nothing special")
            .with_fix("double the backslash", span, double);
        Diagnosis {
            finding,
            origin: line.range.start,
            end: line.range.start,
            follows: false,
        }
    }
}

/// Returns place and length of the first bad escape of a text that begins with its double quote.
fn bad_escape(quoted: &str) -> Option<(usize, usize)> {
    let mut signs = quoted.char_indices().skip(1).peekable();
    while let Some((at, sign)) = signs.next() {
        if sign == '"' {
            return None;
        }
        if sign != '\\' {
            continue;
        }
        let (_, escape) = signs.next()?;
        let digits = match escape {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            '0' | 'a' | 'b' | 't' | '\t' | 'n' | 'v' | 'f' | 'r' | 'e' | ' ' | '"' | '/' | '\\'
            | 'N' | '_' | 'L' | 'P' | '\n' | '\r' => continue,
            _ => return Some((at, 1 + escape.len_utf8())),
        };
        let hex = quoted.get(at + 2..at + 2 + digits);
        let code = hex
            .filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
        if code.and_then(char::from_u32).is_none() {
            return Some((at, 2));
        }
    }
    None
}
