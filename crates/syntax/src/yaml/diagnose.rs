//! What a syntax error most likely is, in plain words, with its fix.
//!
//! The parser tells where it could not go on. What was meant is seen from the line: so each kind of
//! error looks at the line of its place first, and only then falls back on the parser's own words.

use granit_parser::{ErrorKind, ScanError};
use sluice_model::codes;
use sluice_model::finding::Finding;
use sluice_model::span::FileId;

use crate::yaml::build::Pass;
use crate::yaml::lines::{self, Line, single_quoted};

mod flow;
mod quotes;
#[cfg(test)]
mod tests;

/// What an error is, and where it began.
pub(super) struct Diagnosis {
    pub(super) finding: Finding,
    /// A byte of the line where the mistake is; the parser often stops later.
    pub(super) origin: usize,
    /// Where the mistake ends, if it goes over more lines than its entry.
    pub(super) end: usize,
    /// Whether this is most likely what an earlier error led to.
    pub(super) follows: bool,
}

/// What is known about an error.
struct Case<'t> {
    file: FileId,
    /// The file as it is.
    text: &'t str,
    /// The file as it was read, without the entries of earlier errors.
    masked: &'t str,
    /// Where the parser stopped.
    at: usize,
    /// Where the last syntax before it ended.
    last_end: usize,
    /// Where the flow collections that are open begin, outermost first.
    open_flows: &'t [usize],
    line: Line,
}

/// Finds out what the error is that ended `pass`.
pub(super) fn diagnose(
    file: FileId,
    text: &str,
    masked: &str,
    pass: &Pass,
    error: &ScanError,
) -> Diagnosis {
    // Blanks that stand for one character of the text are several bytes of the masked one.
    let at = lines::floor(text, error.marker().byte_offset().unwrap_or(0));
    let mut line = Line::at(masked, at);
    if line.is_blank(masked)
        && let Some(before) = line.before(masked)
    {
        line = before;
    }
    let case = Case {
        file,
        text,
        masked,
        at,
        last_end: lines::floor(text, pass.last_end),
        open_flows: &pass.open_flows,
        line,
    };
    case.kind(error.kind())
}

impl Case<'_> {
    fn kind(&self, kind: &ErrorKind) -> Diagnosis {
        match kind {
            ErrorKind::TabInBlockIndentation
            | ErrorKind::TabNotAllowed
            | ErrorKind::TabInIndentation
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::TabInPlainScalar => self.tab(),
            ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => self.no_key(),
            ErrorKind::InvalidQuotedScalarIndent
            | ErrorKind::UnclosedQuotedScalar
            | ErrorKind::DocumentIndicatorInQuotedScalar => self.unclosed_quote(),
            ErrorKind::InvalidTrailingSingleQuotedScalar
            | ErrorKind::InvalidTrailingDoubleQuotedScalar => self.after_quote(),
            ErrorKind::UnknownQuotedScalarEscape
            | ErrorKind::InvalidQuotedScalarHexEscape
            | ErrorKind::InvalidLowSurrogateHexEscape
            | ErrorKind::InvalidLowSurrogate
            | ErrorKind::MissingLowSurrogate
            | ErrorKind::UnpairedLowSurrogate
            | ErrorKind::InvalidUnicodeEscape => self.escape(),
            ErrorKind::MappingValueNotAllowed if self.open_flows.is_empty() => self.colon(),
            ErrorKind::MappingValueNotAllowed
            | ErrorKind::ExpectedFlowMappingSeparator
            | ErrorKind::ExpectedFlowSequenceSeparator
            | ErrorKind::InvalidColonPlacement
            | ErrorKind::UnexpectedEofFlowSequence
            | ErrorKind::UnexpectedEofFlowMapping
            | ErrorKind::UnexpectedEofImplicitFlowMapping
            | ErrorKind::BlockEntryInFlowCollection
            | ErrorKind::InvalidFlowScalarIndent
            | ErrorKind::FlowMappingValueAdjacentCollection => self.flow(),
            ErrorKind::UnclosedFlowCollection { .. } => self.unclosed_flow(self.at),
            ErrorKind::MismatchedFlowCollectionEnd { open, close } => self.mismatch(*open, *close),
            ErrorKind::MisplacedFlowCollectionEnd => self.misplaced_bracket(),
            ErrorKind::ExpectedBlockMappingKey => self.expected_key(),
            ErrorKind::ExpectedBlockSequenceEntry => self.expected_item(),
            ErrorKind::UnexpectedCharacter { character } => self.character(*character),
            ErrorKind::InvalidBlockScalarHeader | ErrorKind::ZeroBlockScalarIndent => {
                self.indicator("begins a text over several lines")
            }
            ErrorKind::MissingAnchorOrAliasName => self.indicator("begins an anchor or alias"),
            ErrorKind::MappingKeyNotAllowed => self.indicator("begins a key"),
            ErrorKind::BlockSequenceEntryNotAllowed => self.item_after_key(),
            ErrorKind::CommentNotSeparated => self.comment(),
            ErrorKind::CommentInterceptedScalar => {
                let finding = self.finding(self.here(), "a comment stands inside of a text");
                let help = "put it before the key, or quote the text if it is none";
                self.diagnosis(finding.with_help(help))
            }
            ErrorKind::ExpectedDocumentStart => self.document_start(),
            _ => self.other(kind),
        }
    }

    fn span(&self, range: std::ops::Range<usize>) -> sluice_model::span::Span {
        crate::span(self.file, range)
    }

    fn finding(&self, range: std::ops::Range<usize>, message: impl Into<String>) -> Finding {
        Finding::error(codes::SYNTAX, self.span(range), message)
    }

    fn diagnosis(&self, finding: Finding) -> Diagnosis {
        Diagnosis {
            finding,
            origin: self.line.range.start,
            end: self.line.range.start,
            follows: false,
        }
    }

    /// Returns a diagnosis of what an earlier error in the same entry, or one of the same words,
    /// has most likely led to.
    fn may_follow(&self, finding: Finding) -> Diagnosis {
        Diagnosis {
            follows: true,
            ..self.diagnosis(finding)
        }
    }

    /// Returns the range of the character where the parser stopped.
    fn here(&self) -> std::ops::Range<usize> {
        let length = self.text[self.at..].chars().next();
        let length = length.filter(|sign| !matches!(sign, '\r' | '\n'));
        self.at..self.at + length.map_or(0, char::len_utf8)
    }

    /// Returns what stands at the parser's place in words: its line's key, or its content.
    fn subject(&self) -> String {
        match self.line.key_text(self.text) {
            Some(key) => format!("`{}`", shorten(key)),
            None => format!("`{}`", shorten(&self.text[self.line.value.clone()])),
        }
    }

    /// Adds the fix that puts the value of this line into single quotes.
    fn quote_value(&self, finding: Finding) -> Finding {
        let range = self.line.value.clone();
        let quoted = single_quoted(&self.text[range.clone()]);
        finding
            .with_help(format!("quote the text: `{}`", shorten(&quoted)))
            .with_fix("put the text into single quotes", self.span(range), quoted)
    }

    fn tab(&self) -> Diagnosis {
        let range = self.line.range.start..self.line.indent_end;
        let blanks = &self.text[range.clone()];
        if !blanks.contains('\t') {
            let finding = self.finding(self.here(), "a tab stands where only spaces may stand");
            return self.diagnosis(finding.with_help("write spaces instead"));
        }
        let spaces = blanks.replace('\t', "  ");
        let finding = self
            .finding(range.clone(), "a tab stands in the indentation")
            .with_note("YAML is indented by spaces only, since a tab has no certain width")
            .with_help("indent by two spaces for each level")
            .with_fix("replace each tab by two spaces", self.span(range), spaces);
        self.diagnosis(finding)
    }

    /// A line that should be `key: value` and is not.
    fn no_key(&self) -> Diagnosis {
        let range = self.line.value.clone();
        let content = &self.text[range.clone()];
        if let Some(colon) = missing_space(content) {
            let place = range.start + colon + 1;
            let key = &content[..colon];
            let finding = self
                .finding(
                    range.start + colon..place,
                    format!("a space is missing after the `:` of `{}`", shorten(key)),
                )
                .with_help("put a space between the `:` and the value")
                .with_fix("insert a space", self.span(place..place), " ");
            return self.diagnosis(finding);
        }
        let block = self.line.before(self.masked).filter(|before| {
            let value = &self.masked[before.value.clone()];
            matches!(
                value.as_bytes(),
                [b'|' | b'>'] | [b'|' | b'>', b'+' | b'-' | b'1'..=b'9']
            )
        });
        let message = format!(
            "`{}` is neither a key nor part of a value",
            shorten(content)
        );
        let finding = self.finding(range, message);
        let finding = match block.as_ref().and_then(|before| before.key_text(self.text)) {
            Some(key) => finding.with_help(format!(
                "indent the text of `{}` by two spaces more than its key",
                shorten(key)
            )),
            None => finding.with_help(
                "write it as `key: value`, or indent it by more than the key it belongs to",
            ),
        };
        self.diagnosis(finding)
    }

    /// A `: ` where no key can be: within a value, or in a line that is indented too deep.
    fn colon(&self) -> Diagnosis {
        let key_colon = self.line.key.as_ref().map_or(self.at, |key| key.end);
        if key_colon < self.at && self.line.value.start <= self.at {
            let finding = self
                .finding(
                    self.here(),
                    format!("a `: ` stands in the value of {}", self.subject()),
                )
                .with_note("in a text without quotes `: ` separates a key from its value");
            return self.diagnosis(self.quote_value(finding));
        }
        let subject = self.subject();
        let range = self.line.key.clone().unwrap_or(self.here());
        let before = self.line.before(self.masked);
        if let Some(before) = &before
            && before.indent() == self.line.indent()
            && before.key.is_none()
        {
            let line = before.clone();
            return Case { line, ..*self }.no_key();
        }
        let Some(before) = before.filter(|before| before.indent() < self.line.indent()) else {
            let finding = self.finding(range, format!("the key {subject} cannot stand here"));
            return self.diagnosis(finding.with_help(
                "indent it as the other keys of its map, and close what is open before it",
            ));
        };
        let owner = before.key_text(self.text).unwrap_or("the line before");
        let column = before.content_column();
        let indent = self.line.range.start..self.line.indent_end;
        let finding = self
            .finding(
                range,
                format!(
                    "{subject} is indented under `{}`, which has a value",
                    shorten(owner)
                ),
            )
            .with_place(self.span(before.value.clone()), "this is its value")
            .with_help(format!(
                "indent {subject} by {column} if it stands beside `{}`, or remove the value",
                shorten(owner)
            ))
            .with_fix(
                format!("indent it as `{}`", shorten(owner)),
                self.span(indent),
                " ".repeat(column),
            );
        self.may_follow(finding)
    }

    fn expected_key(&self) -> Diagnosis {
        let content = &self.masked[self.line.indent_end..self.line.range.end];
        let value = &self.masked[self.line.value.clone()];
        if self.line.indent_end < self.at && value.starts_with(['{', '[']) {
            let sign = if value.starts_with('{') {
                "map"
            } else {
                "list"
            };
            let finding = self
                .finding(
                    self.here(),
                    format!("something follows the {sign} in one line"),
                )
                .with_note(format!(
                    "a value that begins with `{}` is a {sign}, not a text",
                    &value[..1]
                ));
            return self.diagnosis(self.quote_value(finding));
        }
        let range = self.line.content..self.line.value.end.max(self.line.content);
        if content.starts_with("- ") || content == "-" {
            let finding = self
                .finding(
                    self.line.indent_end..self.line.indent_end + 1,
                    "a list item stands among the keys of a map",
                )
                .with_help("put the list under a key of its own, and indent it");
            return self.may_follow(finding);
        }
        let subject = self.subject();
        let indent = self.line.indent();
        let mut columns: Vec<usize> = self.line.parents(self.masked).iter().map(column).collect();
        columns.extend(self.line.before(self.masked).iter().map(column));
        columns.retain(|own| *own != indent);
        columns.sort_unstable();
        columns.dedup();
        if columns.is_empty() || self.line.indent_end + 1 < self.at {
            let finding = self.finding(range, format!("a key is expected, and {subject} is none"));
            return self.diagnosis(finding.with_help("write `key: value`"));
        }
        let finding = self
            .finding(
                range,
                format!("{subject} is indented by {indent}, as nothing above it is"),
            )
            .with_help(format!(
                "indent it by {}, as the keys that it stands beside",
                choices(&columns)
            ));
        self.may_follow(finding)
    }

    fn expected_item(&self) -> Diagnosis {
        let subject = self.subject();
        let range = self.line.content..self.line.value.end.max(self.line.content);
        let finding = self
            .finding(range, format!("{subject} stands among the items of a list"))
            .with_help(
                "put `- ` before it if it is an item; indent it as the item's other keys if it \
                 belongs to the item before; else indent it as the key of the list",
            );
        self.may_follow(finding)
    }

    fn item_after_key(&self) -> Diagnosis {
        let value = &self.text[self.line.value.clone()];
        let finding = self.finding(
            self.here(),
            format!(
                "a list cannot begin in the line of its key {}",
                self.subject()
            ),
        );
        if let Some(item) = value.strip_prefix("- ") {
            let indent = " ".repeat(self.line.content_column() + 2);
            let key_end = self
                .line
                .key
                .as_ref()
                .map_or(self.line.content, |key| key.end);
            let colon = self.text[key_end..self.line.value.start].find(':');
            let start = colon.map_or(self.line.value.start, |colon| key_end + colon + 1);
            return self.diagnosis(
                finding
                    .with_help("write the item in a line of its own; quote the text if it is one")
                    .with_fix(
                        "put the item into the next line",
                        self.span(start..self.line.value.end),
                        format!("\n{indent}- {item}"),
                    ),
            );
        }
        self.diagnosis(finding.with_help("write each item in a line of its own"))
    }

    /// A sign that means something to YAML, where a text was to begin.
    fn indicator(&self, what: &str) -> Diagnosis {
        let range = self.line.value.clone();
        let sign = self.text[range.clone()].chars().next();
        let (Some(sign), true) = (sign, self.at == range.start) else {
            return self.other_at(&format!("this sign {what}, and cannot stand here"));
        };
        let finding = self
            .finding(
                self.here(),
                format!("a text without quotes cannot begin with {}", named(sign)),
            )
            .with_note(format!("in YAML {} here {what}", named(sign)));
        self.diagnosis(self.quote_value(finding))
    }

    fn character(&self, sign: char) -> Diagnosis {
        if sign.is_control() {
            let message = format!("the control character U+{:04X} stands here", sign as u32);
            let finding = self.finding(self.here(), message);
            let help = "remove it, or write it as an escape in double quotes";
            return self.diagnosis(finding.with_help(help));
        }
        if matches!(sign, '%' | '@' | '`') && self.open_flows.is_empty() {
            return self.indicator("is reserved");
        }
        let finding = self.finding(
            self.here(),
            format!("a text without quotes cannot begin with {}", named(sign)),
        );
        self.diagnosis(finding.with_help("put the text into single quotes"))
    }

    fn comment(&self) -> Diagnosis {
        let finding = self
            .finding(
                self.here(),
                "a space is missing before the `#` of a comment",
            )
            .with_help("put a space before it; quote the value if the `#` belongs to it")
            .with_fix("insert a space", self.span(self.at..self.at), " ");
        self.diagnosis(finding)
    }

    fn document_start(&self) -> Diagnosis {
        let before = self.line.before(self.masked);
        let directive = before.filter(|line| self.text[line.range.clone()].starts_with('%'));
        match directive {
            Some(line) => Diagnosis {
                finding: self
                    .finding(
                        line.range.clone(),
                        "a line that begins with `%` is a directive of YAML",
                    )
                    .with_help("remove it; quote the text if it is one"),
                origin: line.range.start,
                end: line.range.start,
                follows: false,
            },
            None => self.after_value(),
        }
    }

    /// The value of the whole file has ended, and more follows.
    fn after_value(&self) -> Diagnosis {
        let mut first = Line::at(self.masked, 0);
        while first.is_blank(self.masked)
            && let Some(next) = first.after(self.masked)
        {
            first = next;
        }
        if self.text[first.range.start..first.indent_end].contains('\t') {
            return Case {
                line: first,
                ..*self
            }
            .tab();
        }
        let finding = self
            .finding(self.here(), "the value of the file ended before this line")
            .with_place(
                self.span(first.value.clone()),
                "this is read as the value of the whole file",
            )
            .with_help("write each entry as `key: value`, all with the same indentation");
        self.may_follow(finding)
    }

    fn other_at(&self, message: &str) -> Diagnosis {
        self.diagnosis(self.finding(self.here(), message))
    }

    fn other(&self, kind: &ErrorKind) -> Diagnosis {
        let finding = self
            .finding(self.here(), "this is not well-formed YAML")
            .with_note(format!("the parser says: {kind}"))
            .with_help("quote the text if it is one, and check the indentation");
        self.diagnosis(finding)
    }
}

/// Returns a sign as messages show it.
fn named(sign: char) -> String {
    match sign {
        '`' => "a backtick".to_owned(),
        _ => format!("`{sign}`"),
    }
}

fn column(line: &Line) -> usize {
    line.content_column()
}

/// Joins numbers to `1, 2 or 3`.
fn choices(numbers: &[usize]) -> String {
    match numbers {
        [] => String::new(),
        [only] => only.to_string(),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(usize::to_string).collect();
            format!("{} or {last}", first.join(", "))
        }
    }
}

/// Returns where in a line the `:` stands that lacks its space, if the line looks like `key:value`.
fn missing_space(content: &str) -> Option<usize> {
    let colon = content.find(':')?;
    let key = &content[..colon];
    let is_key = !key.is_empty()
        && key
            .chars()
            .all(|sign| sign.is_alphanumeric() || matches!(sign, '_' | '-' | '.' | '$'));
    (is_key && !content[colon..].starts_with("://")).then_some(colon)
}

/// Cuts a text to what fits into a message.
fn shorten(text: &str) -> String {
    const SIGNS_MAX: usize = 40;
    let text = text.trim();
    match text.char_indices().nth(SIGNS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
