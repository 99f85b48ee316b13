//! Going on after a syntax error.
//!
//! The parser stops at an error. The entry that holds it is then overwritten by blanks, which moves
//! no other byte, and the text is read again: so everything outside of that entry stays in the
//! tree, and the next independent error is found.

use std::collections::HashMap;

use sluice_model::finding::{Finding, Findings};
use sluice_model::span::FileId;

use crate::options::{ParseOptions, SYNTAX_ERRORS_MAX};
use crate::tree::Document;
use crate::yaml::build;
use crate::yaml::diagnose;
use crate::yaml::lines::Line;

/// How many bytes may be read again after errors, so that a broken file of many megabytes costs no
/// minutes.
const BYTES_REREAD_MAX: usize = 64 << 20;

/// After so many errors below one entry of the second level, the whole of it is left out.
const ERRORS_IN_PART_MAX: usize = 3;

/// Reads a text, and reads on after errors.
pub(super) fn read(file: FileId, text: &str, options: &ParseOptions) -> (Document, Findings) {
    let mut pass = build::read(file, text, text, options);
    if pass.error.is_none() {
        return (pass.document, pass.findings);
    }
    let mut masked = text.to_owned();
    let mut errors = Findings::default();
    let mut lines = Vec::new();
    let mut parts: HashMap<usize, usize> = HashMap::new();
    let mut reread = 0;
    while let Some(error) = pass.error.take() {
        let diagnosis = diagnose::diagnose(file, text, &masked, &pass, &error);
        let line = Line::at(text, diagnosis.origin);
        let part = part_of(text, &line);
        let count = parts.entry(part).or_default();
        *count += 1;
        // A closing bracket that is left over is most likely one whose opening was left out.
        let same = |own: &Finding| own.message == diagnosis.finding.message;
        let follows = diagnosis.follows && (1 < *count || errors.iter().any(same));
        if !follows && !lines.contains(&line.range.start) {
            errors.push(diagnosis.finding);
            lines.push(line.range.start);
        }
        let left_out = if *count <= ERRORS_IN_PART_MAX {
            entry(text, &line)
        } else {
            *count = 0;
            whole(text, &Line::at(text, part))
        };
        let left_out = left_out.start..left_out.end.max(diagnosis.end);
        let changed = mask(&mut masked, left_out)
            || mask(&mut masked, whole(text, &line))
            || mask(&mut masked, whole(text, &Line::at(text, part)));
        if !changed || errors.0.len() == SYNTAX_ERRORS_MAX || BYTES_REREAD_MAX < reread {
            break;
        }
        pass = build::read(file, &masked, text, options);
        reread += pass.last_end;
    }
    errors.append(pass.findings);
    (pass.document, errors)
}

/// Returns the bytes of the entry that begins in `line`, without the `- ` before it, so that the
/// other entries of a list item stay where they are.
fn entry(text: &str, line: &Line) -> std::ops::Range<usize> {
    line.content..end_of_deeper(text, line, line.content_column())
}

/// Returns the bytes of all that begins in `line`.
fn whole(text: &str, line: &Line) -> std::ops::Range<usize> {
    line.range.start..end_of_deeper(text, line, line.indent())
}

/// Returns where the lines after `line` that are indented by more than `column` end.
fn end_of_deeper(text: &str, line: &Line, column: usize) -> usize {
    let mut last = line.clone();
    let mut next = line.after(text);
    let mut end = line.range.end;
    while let Some(own) = next {
        if !own.is_blank(text) {
            if own.indent() <= column {
                break;
            }
            end = own.range.end;
        }
        next = own.after(text);
        last = own;
    }
    debug_assert!(end <= last.range.end, "the end lies in what was read");
    end
}

/// Returns where the entry of the second level that holds `line` begins; that of the first level,
/// if there is no second.
fn part_of(text: &str, line: &Line) -> usize {
    let parents = line.parents(text);
    match parents.len() {
        0 | 1 => line.range.start,
        count => parents[count - 2].range.start,
    }
}

/// Overwrites a range by blanks, line breaks excepted. Returns whether that changed anything.
fn mask(text: &mut String, range: std::ops::Range<usize>) -> bool {
    let Some(part) = text.get(range.clone()) else {
        return false;
    };
    let mut blanks = String::with_capacity(part.len());
    for sign in part.chars() {
        match sign {
            '\n' | '\r' => blanks.push(sign),
            _ => blanks.extend(std::iter::repeat_n(' ', sign.len_utf8())),
        }
    }
    let changed = blanks != part;
    text.replace_range(range, &blanks);
    changed
}
