//! Mistakes in `[...]` and `{...}`.

use std::ops::Range;

use crate::yaml::diagnose::{Case, Diagnosis, shorten};
use crate::yaml::lines::{self, Line, single_quoted};

impl Case<'_> {
    /// The parser expected a comma or a closing bracket.
    pub(super) fn flow(&self) -> Diagnosis {
        let Some(open) = self.open_flows.last().copied().or(self.open_bracket()) else {
            return self.other_at("a comma or a closing bracket is expected here");
        };
        let opening = Line::at(self.masked, open);
        let line = Line::at(self.masked, self.at);
        let dedented = opening.range.start < line.range.start
            && line.indent() <= opening.indent()
            && !self.masked[line.indent_end..].starts_with([']', '}', ',']);
        if dedented || self.at == self.masked.len() {
            return self.unclosed_flow(open);
        }
        let sign = self.masked[self.at..].chars().next();
        if sign == Some(',') {
            let finding = self.finding(self.here(), "a comma stands where a value should");
            return self.diagnosis(finding.with_help("remove it").with_fix(
                "remove the comma",
                self.span(self.here()),
                "",
            ));
        }
        let value = self.flow_value(open);
        let text = &self.text[value.clone()];
        if sign == Some(':') && value.start < self.at {
            let quoted = single_quoted(text);
            let finding = self
                .finding(
                    self.here(),
                    format!("a `: ` stands in the value `{}`", shorten(text)),
                )
                .with_note("in a text without quotes `: ` separates a key from its value")
                .with_help(format!("quote it: `{}`", shorten(&quoted)))
                .with_fix("put the value into single quotes", self.span(value), quoted);
            return self.diagnosis(finding);
        }
        let bracket = &self.text[open..open + 1];
        let close = if bracket == "[" { "]" } else { "}" };
        let finding = self
            .finding(self.here(), format!("a `,` or `{close}` is expected here"))
            .with_place(
                self.span(open..open + 1),
                format!("the `{bracket}` is opened here"),
            )
            .with_help("put a comma between two entries; quote a text that holds `,:{}[]\"'`");
        if opening.range.start != line.range.start {
            return self.may_follow(finding);
        }
        self.diagnosis(finding)
    }

    /// Returns the last bracket that is not closed before the parser's place. Brackets at the
    /// beginning of what may be a key are such that the parser has not told of.
    fn open_bracket(&self) -> Option<usize> {
        let part = self.masked.get(self.last_end..self.at)?;
        let mut open = Vec::new();
        let mut quote = None;
        let mut before = ' ';
        for (index, sign) in part.char_indices() {
            let begins = matches!(before, ' ' | '\n' | '[' | '{' | ',');
            match (quote, sign) {
                (Some(own), _) if own == sign => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') if begins => quote = Some(sign),
                (None, '[' | '{') => open.push(self.last_end + index),
                (None, ']' | '}') => {
                    open.pop();
                }
                _ => {}
            }
            before = sign;
        }
        open.pop()
    }

    /// Returns the value that the parser's place lies in: from behind the last `,`, bracket or `: `
    /// before it to the next comma or bracket that is not in quotes.
    fn flow_value(&self, open: usize) -> Range<usize> {
        let line = Line::at(self.masked, self.at);
        let from = open.max(line.range.start);
        let before = &self.masked[from..self.at];
        let mut start = from;
        let mut quote = None;
        for (index, sign) in before.char_indices() {
            match (quote, sign) {
                (Some(own), _) if own == sign => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(sign),
                (None, ',' | '[' | '{' | ']' | '}') => start = from + index + 1,
                (None, ':') if before[index + 1..].starts_with(' ') => start = from + index + 1,
                _ => {}
            }
        }
        let rest = &self.masked[self.at..line.range.end];
        let mut end = rest.len();
        for (index, sign) in rest.char_indices() {
            match (quote, sign) {
                (Some(own), _) if own == sign => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(sign),
                (None, ',' | ']' | '}') => {
                    end = index;
                    break;
                }
                _ => {}
            }
        }
        let end = self.at + end;
        let value = &self.masked[start..end];
        let blanks = value.len() - value.trim_start().len();
        start + blanks..(start + value.trim_end().len()).max(start + blanks)
    }

    pub(super) fn unclosed_flow(&self, open: usize) -> Diagnosis {
        let bracket = self.masked.get(open..open + 1).unwrap_or("[");
        let close = if bracket == "{" { "}" } else { "]" };
        let line = Line::at(self.masked, open);
        let end = open + lines::without_comment(&self.masked[open..line.range.end]).len();
        let mut finding = self
            .finding(
                open..open + bracket.len(),
                format!("`{bracket}` is opened here and never closed"),
            )
            .with_help(format!(
                "close it by `{close}`; quote the text if it is one"
            ));
        let written = &self.masked[open + 1..end];
        if !written.ends_with(',') && !written.is_empty() {
            let space = if close == "}" { " }" } else { "]" };
            finding = finding.with_fix(
                format!("add `{close}` at the end of the line"),
                self.span(end..end),
                space,
            );
        }
        Diagnosis {
            finding,
            origin: open,
            end: open,
            follows: false,
        }
    }

    pub(super) fn mismatch(&self, open: char, close: char) -> Diagnosis {
        let right = if open == '[' { ']' } else { '}' };
        let finding = self
            .finding(self.here(), format!("`{open}` is closed by `{close}`"))
            .with_help(format!("close it by `{right}`"));
        self.diagnosis(finding)
    }

    pub(super) fn misplaced_bracket(&self) -> Diagnosis {
        let sign = &self.text[self.here()];
        let finding = self
            .finding(self.here(), format!("`{sign}` closes nothing that is open"))
            .with_help("remove it; quote the text if it is one");
        self.may_follow(finding)
    }
}
