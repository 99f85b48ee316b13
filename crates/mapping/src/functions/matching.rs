//! Looking for texts and regular expressions in texts.

use std::sync::Arc;

use regex::Regex;
use sluice_model::value::{Key, Name, Text};

use crate::eval::Machine;
use crate::eval::failure::{Explain, Failure, Outcome, failure};
use crate::eval::function::{Arguments, FunctionItem, FunctionKind};
use crate::eval::item::{Item, ListKind};
use crate::eval::output::shown;
use crate::functions::{Function, Group, example};

pub(super) static FUNCTIONS: [Function; 4] = [
    Function::new(
        Group::Text,
        ("contains", "<s-(sf):b>", 2),
        "Returns whether a text or a regular expression occurs in a text.",
        &[
            example("$contains('abracadabra', 'bra')", "true"),
            example("$contains('abracadabra', /a.*a$/)", "true"),
        ],
        contains,
    ),
    Function::new(
        Group::Text,
        ("split", "<s-(sf)n?:a<s>>", 3),
        "Returns the parts of a text between the occurrences of a text or regular expression, all \
         or so many.",
        &[
            example("$split('a, b, c', ', ')", "[\"a\",\"b\",\"c\"]"),
            example("$split('a1b22c', /\\d+/, 2)", "[\"a\",\"b\"]"),
        ],
        split,
    ),
    Function::new(
        Group::Text,
        ("match", "<s-f<s:o>n?:a<o>>", 3),
        "Returns a record for each match of a regular expression: match, index, groups.",
        &[example(
            "$match('ab12', /([a-z])([0-9])/)",
            "{\"match\":\"b1\",\"index\":1,\"groups\":[\"b\",\"1\"]}",
        )],
        matches,
    ),
    Function::new(
        Group::Text,
        ("replace", "<s-(sf)(sf)n?:s>", 4),
        "Returns a text in which the occurrences of a text or regular expression are replaced, all \
         or so many; `$1` in the replacement is the first group.",
        &[
            example(
                "$replace('John Smith', /(\\w+) (\\w+)/, '$2, $1')",
                "\"Smith, John\"",
            ),
            example("$replace('a.b.c', '.', '-', 1)", "\"a-b.c\""),
        ],
        replace,
    ),
];

/// A match: offsets in bytes, and the groups.
struct Match<'a> {
    start: usize,
    end: usize,
    text: Text<'a>,
    groups: Vec<Item<'a>>,
    /// The record that a function of the user gave; missing for a regular expression.
    record: Item<'a>,
}

/// What looks for matches.
enum Matcher<'a> {
    Regex(Arc<Regex>),
    Function(Item<'a>),
}

/// Returns the argument that limits the number of matches; negative ones are an error.
fn limit(item: &Item<'_>, code: &'static str, position: &str) -> Outcome<usize> {
    match item.as_f64() {
        None => Ok(usize::MAX),
        Some(limit) if limit < 0.0 => {
            let message = format!("the {position} argument must not be negative");
            Err(failure(code, message).with_value(shown(item)))
        }
        Some(limit) => Ok(limit.ceil() as usize),
    }
}

fn matcher<'a>(item: &Item<'a>) -> Matcher<'a> {
    if let Item::Function(function) = item
        && let FunctionKind::Regex(regex) = &function.kind
    {
        return Matcher::Regex(regex.clone());
    }
    Matcher::Function(item.clone())
}

impl<'a> Matcher<'a> {
    fn first(&self, machine: &mut Machine<'_, 'a>, text: &Text<'a>) -> Outcome<Option<Match<'a>>> {
        match self {
            Matcher::Regex(regex) => find(machine, regex, text, 0),
            Matcher::Function(function) => {
                let arguments = Arguments::one(Item::text(text.clone()));
                let record = machine.apply(function, arguments, &Item::Null)?;
                from_record(text, record)
            }
        }
    }

    fn next(
        &self,
        machine: &mut Machine<'_, 'a>,
        text: &Text<'a>,
        last: &Match<'a>,
    ) -> Outcome<Option<Match<'a>>> {
        match self {
            Matcher::Regex(regex) => find_next(machine, regex, text, last.end),
            Matcher::Function(_) => {
                let next = last.record.field(&Key::Name(Name::new("next")));
                let record = machine.apply(&next, Arguments::new(), &Item::Null)?;
                from_record(text, record)
            }
        }
    }

    /// Calls `visit` with each match, up to `limit` of them. The next match is looked for before
    /// the limit counts, as the reference does.
    fn each(
        &self,
        machine: &mut Machine<'_, 'a>,
        text: &Text<'a>,
        limit: usize,
        visit: &mut dyn FnMut(&mut Machine<'_, 'a>, &Match<'a>) -> Outcome<()>,
    ) -> Outcome<()> {
        // What the visitor calls lies on a deep stack already.
        machine.enter()?;
        let mut found = self.first(machine, text)?;
        let mut count = 0;
        while let Some(current) = found
            && count < limit
        {
            visit(machine, &current)?;
            found = self.next(machine, text, &current)?;
            count += 1;
        }
        machine.leave();
        Ok(())
    }
}

fn find<'a>(
    machine: &mut Machine<'_, 'a>,
    regex: &Regex,
    text: &Text<'a>,
    at: usize,
) -> Outcome<Option<Match<'a>>> {
    // A search takes time in proportion to the text.
    machine.spend(1 + (text.len() - at.min(text.len())) as u64 / 64)?;
    let Some(captures) = regex.captures_at(text, at) else {
        return Ok(None);
    };
    let Some(whole) = captures.get(0) else {
        return Ok(None);
    };
    let mut groups = Vec::with_capacity(captures.len() - 1);
    for index in 1..captures.len() {
        groups.push(match captures.get(index) {
            Some(group) => slice(machine, text, group.start(), group.end())?,
            None => Item::Missing,
        });
    }
    let matched = slice(machine, text, whole.start(), whole.end())?;
    let matched = matched.as_text().cloned().unwrap_or_default();
    Ok(Some(Match {
        start: whole.start(),
        end: whole.end(),
        text: matched,
        groups,
        record: Item::Missing,
    }))
}

fn find_next<'a>(
    machine: &mut Machine<'_, 'a>,
    regex: &Regex,
    text: &Text<'a>,
    at: usize,
) -> Outcome<Option<Match<'a>>> {
    if at >= text.len() {
        return Ok(None);
    }
    let found = find(machine, regex, text, at)?;
    if found.as_ref().is_some_and(|found| found.start == found.end) {
        let message = format!("the regular expression `{regex}` matches an empty text");
        return Err(failure("D1004", message));
    }
    Ok(found)
}

fn slice<'a>(
    machine: &mut Machine<'_, 'a>,
    text: &Text<'a>,
    start: usize,
    end: usize,
) -> Outcome<Item<'a>> {
    match text.as_borrowed() {
        Some(borrowed) => Ok(Item::text(Text::borrowed(&borrowed[start..end]))),
        None => machine.text(&text[start..end]),
    }
}

/// Reads the record that a function of the user gave as a match.
fn from_record<'a>(text: &Text<'a>, record: Item<'a>) -> Outcome<Option<Match<'a>>> {
    let field = |name: &str| record.field(&Key::Name(Name::new(name)));
    if record.is_missing() {
        return Ok(None);
    }
    let (start, end, groups) = (field("start"), field("end"), field("groups"));
    let whole = start.is_number() || end.is_number() || groups.is_list();
    if !whole && !field("next").is_function() {
        return Err(no_match());
    }
    let matched = field("match").as_text().cloned().unwrap_or_default();
    let offset = |item: &Item<'_>| from_utf16(text, item.as_f64().unwrap_or(0.0) as usize);
    Ok(Some(Match {
        start: offset(&start),
        end: offset(&end),
        text: matched,
        groups: groups.items().filter(|item| !item.is_missing()).collect(),
        record,
    }))
}

fn no_match() -> Failure {
    let message = "a function that looks for matches must give a record with `match`, `start`, \
                   `end`, `groups` and `next`";
    failure("T1010", message)
}

/// Returns the offset in UTF-16 code units, in which the reference counts.
fn to_utf16(text: &str, offset: usize) -> usize {
    let before = &text[..offset];
    if before.is_ascii() {
        offset
    } else {
        before.encode_utf16().count()
    }
}

/// Returns the offset in bytes of an offset in UTF-16 code units.
fn from_utf16(text: &str, units: usize) -> usize {
    let mut left = units;
    for (at, char) in text.char_indices() {
        if left == 0 {
            return at;
        }
        left = left.saturating_sub(char.len_utf16());
    }
    text.len()
}

fn match_record<'a>(
    machine: &mut Machine<'_, 'a>,
    text: &Text<'a>,
    found: &Match<'a>,
) -> Outcome<Vec<(Key<'a>, Item<'a>)>> {
    let key = |name: &'static str| Key::Text(Text::borrowed(name));
    let groups = found.groups.iter().map(|group| match group {
        // A group that took no part is nothing, which a list cannot hold.
        Item::Missing => Item::Null,
        group => group.clone(),
    });
    let groups = machine.list(groups.collect(), ListKind::Plain)?;
    Ok(vec![
        (key("match"), Item::text(found.text.clone())),
        (key("index"), Item::Int(to_utf16(text, found.start) as i64)),
        (key("groups"), groups),
    ])
}

impl<'a> Machine<'_, 'a> {
    /// Calls a regular expression as a function: returns its first match from `at` on, with the
    /// function that gives the next.
    pub(crate) fn regex_match(
        &mut self,
        regex: &Arc<Regex>,
        text: &Item<'a>,
        at: usize,
    ) -> Outcome<Item<'a>> {
        let Some(text) = text.as_text() else {
            return Ok(Item::Missing);
        };
        let found = find(self, regex, text, at)?;
        self.regex_record(regex, text, found)
    }

    pub(crate) fn next_match(
        &mut self,
        regex: &Arc<Regex>,
        text: &Text<'a>,
        at: usize,
    ) -> Outcome<Item<'a>> {
        let found = find_next(self, regex, text, at)?;
        self.regex_record(regex, text, found)
    }

    fn regex_record(
        &mut self,
        regex: &Arc<Regex>,
        text: &Text<'a>,
        found: Option<Match<'a>>,
    ) -> Outcome<Item<'a>> {
        let Some(found) = found else {
            return Ok(Item::Missing);
        };
        let mut fields = match_record(self, text, &found)?;
        let key = |name: &'static str| Key::Text(Text::borrowed(name));
        let end = to_utf16(text, found.end) as i64;
        fields[1].0 = key("start");
        fields.insert(2, (key("end"), Item::Int(end)));
        let next = FunctionItem::item(FunctionKind::NextMatch {
            regex: regex.clone(),
            text: text.clone(),
            at: found.end,
        });
        fields.push((key("next"), next));
        self.record(fields)
    }
}

fn contains<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let Some(text) = arguments.get(0).as_text() else {
        return Ok(Item::Missing);
    };
    match arguments.get(1) {
        Item::Missing => Ok(Item::Missing),
        part if part.as_text().is_some() => {
            let part = part.as_str().unwrap_or("");
            Ok(Item::Bool(text.contains(part)))
        }
        function => {
            let found = matcher(function).first(machine, text)?;
            Ok(Item::Bool(found.is_some()))
        }
    }
}

fn split<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let Some(text) = arguments.get(0).as_text() else {
        return Ok(Item::Missing);
    };
    let limit = limit(arguments.get(2), "D3020", "third")?;
    let mut parts = Vec::new();
    let separator = match arguments.get(1).as_text() {
        Some(separator) => {
            let offsets: Vec<(usize, usize)> = if separator.is_empty() {
                let chars = text.char_indices();
                chars
                    .map(|(at, char)| (at, at + char.len_utf8()))
                    .take(limit)
                    .collect()
            } else {
                let mut start = 0;
                let mut offsets = Vec::new();
                for (at, _) in text.match_indices(separator.as_str()) {
                    offsets.push((start, at));
                    start = at + separator.len();
                }
                offsets.push((start, text.len()));
                offsets.truncate(limit);
                offsets
            };
            machine.spend(offsets.len() as u64)?;
            for (start, end) in offsets {
                parts.push(slice(machine, text, start, end)?);
            }
            return machine.list(parts, ListKind::Plain);
        }
        None => matcher(arguments.get(1)),
    };
    if limit == 0 {
        return machine.list(parts, ListKind::Plain);
    }
    let mut start = 0;
    separator.each(machine, text, limit, &mut |machine, found| {
        parts.push(slice(machine, text, start.min(found.start), found.start)?);
        start = found.end;
        Ok(())
    })?;
    if parts.len() < limit {
        parts.push(slice(machine, text, start, text.len())?);
    }
    machine.list(parts, ListKind::Plain)
}

fn matches<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let Some(text) = arguments.get(0).as_text() else {
        return Ok(Item::Missing);
    };
    let limit = limit(arguments.get(2), "D3040", "third")?;
    let mut items = Vec::new();
    if limit > 0 {
        matcher(arguments.get(1)).each(machine, text, limit, &mut |machine, found| {
            let fields = match_record(machine, text, found)?;
            items.push(machine.record(fields)?);
            Ok(())
        })?;
    }
    machine.list(items, ListKind::Sequence)
}

fn replace<'a>(machine: &mut Machine<'_, 'a>, arguments: Arguments<'a>) -> Outcome<Item<'a>> {
    let Some(text) = arguments.get(0).as_text() else {
        return Ok(Item::Missing);
    };
    let (pattern, replacement) = (arguments.get(1), arguments.get(2));
    if pattern.as_str() == Some("") {
        let message = "the second argument of `$replace` must not be empty";
        return Err(failure("D3010", message));
    }
    let limit = limit(arguments.get(3), "D3011", "fourth")?;
    if limit == 0 {
        return Ok(arguments.get(0).clone());
    }
    if let Some(pattern) = pattern.as_text() {
        let Some(replacement) = replacement.as_str() else {
            return Err(no_text(replacement));
        };
        let replaced = text.replacen(pattern.as_str(), replacement, limit);
        return machine.text(&replaced);
    }
    let mut out = String::new();
    let mut position = 0;
    matcher(pattern).each(machine, text, limit, &mut |machine, found| {
        let before = out.len();
        out.push_str(text.get(position..found.start).unwrap_or(""));
        match replacement.as_str() {
            Some(template) => substitute(template, found, &mut out),
            None => {
                let arguments = Arguments::one(replacer_argument(machine, text, found)?);
                let replaced = machine.apply(replacement, arguments, &Item::Null)?;
                match replaced.as_str() {
                    Some(text) => out.push_str(text),
                    None => return Err(no_text(&replaced)),
                }
            }
        }
        machine.charge((out.len() - before) as u64)?;
        position = (found.start + found.text.len()).min(text.len());
        Ok(())
    })?;
    out.push_str(text.get(position..).unwrap_or(""));
    machine.text(&out)
}

fn no_text(item: &Item<'_>) -> Failure {
    let message = format!("a match can be replaced by a text, not by {}", item.word());
    failure("D3012", message).with_value(shown(item))
}

fn replacer_argument<'a>(
    machine: &mut Machine<'_, 'a>,
    text: &Text<'a>,
    found: &Match<'a>,
) -> Outcome<Item<'a>> {
    if !found.record.is_missing() {
        return Ok(found.record.clone());
    }
    let mut fields = match_record(machine, text, found)?;
    fields[1].0 = Key::Text(Text::borrowed("start"));
    let end = to_utf16(text, found.end) as i64;
    fields.insert(2, (Key::Text(Text::borrowed("end")), Item::Int(end)));
    machine.record(fields)
}

/// Appends a replacement, `$1` and the like filled in; `$$` is a dollar sign, `$0` the match.
fn substitute(template: &str, found: &Match<'_>, out: &mut String) {
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('0') {
            out.push_str(&found.text);
            rest = after;
        } else {
            let groups = found.groups.len();
            let digits_max = groups.max(1).ilog10() as usize + 1;
            let available = rest.bytes().take_while(u8::is_ascii_digit).count();
            let mut digits = available.min(digits_max);
            let number = |digits: usize| rest[..digits].parse::<usize>().unwrap_or(0);
            if digits > 1 && number(digits) > groups {
                digits -= 1;
            }
            if digits == 0 {
                out.push('$');
                continue;
            }
            let index = number(digits);
            let group = index.checked_sub(1).and_then(|i| found.groups.get(i));
            if let Some(group) = group.and_then(Item::as_str) {
                out.push_str(group);
            }
            rest = &rest[index.to_string().len().min(digits)..];
        }
    }
    out.push_str(rest);
}
