//! What the tests of this crate share: contracts from a text, findings as people read them.

use std::fmt::Write as _;

use sluice_model::finding::Findings;
use sluice_model::span::{Sources, Span};
use sluice_model::types::{Bounds, Kind, Type};

use crate::contract::{Contract, ContractFile};

/// Several files of one project.
pub(crate) struct Project {
    pub sources: Sources,
}

impl Project {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let mut sources = Sources::default();
        for (path, text) in files {
            sources.add(path, text);
        }
        Self { sources }
    }

    /// Reads the first file.
    pub fn read(&self) -> (Contract, Findings) {
        let (first, _) = self.sources.iter().next().expect("a project has a file");
        let file = ContractFile::of(&self.sources, first);
        Contract::read(&file, &mut |path| {
            let id = self.sources.find(path)?;
            Some(ContractFile::of(&self.sources, id))
        })
    }

    /// Writes findings: place, severity, code, message, the text at the place, notes and help.
    pub fn show(&self, findings: &Findings) -> String {
        let mut sorted = findings.clone();
        sorted.sort();
        let mut out = String::new();
        for finding in sorted.iter() {
            let place = finding
                .span
                .map_or_else(String::new, |span| self.place(span));
            let severity = finding.severity.as_str();
            writeln!(
                out,
                "{place} {severity} {}: {}",
                finding.code, finding.message
            )
            .expect("a text takes any text");
            for label in &finding.labels {
                let place = self.place(label.span);
                writeln!(out, "    {}: {place}", label.text).expect("a text takes any text");
            }
            if let Some(help) = &finding.help {
                writeln!(out, "    help: {help}").expect("a text takes any text");
            }
        }
        out
    }

    fn place(&self, span: Span) -> String {
        let source = self.sources.get(span.file);
        let start = source.line_column(span.start as usize);
        let text: String = self.sources.text(span).chars().take(30).collect();
        let text = text.lines().next().unwrap_or("");
        format!("{}:{} `{text}`", start.line, start.column)
    }
}

/// Writes a type: references are followed once, every field of a record is shown, with null and
/// with what bounds it.
pub(crate) fn show_type(ty: &Type) -> String {
    show(&ty.resolved(), 2)
}

fn show(ty: &Type, depth: usize) -> String {
    let null = if ty.nullable && !ty.is_any() && !matches!(ty.kind, Kind::Null) {
        "?"
    } else {
        ""
    };
    let shown = match &ty.kind {
        _ if depth == 0 => ty.to_string(),
        Kind::Record(record) => {
            let fields = record.fields.iter().map(|field| {
                let mark = if field.required { "" } else { "?" };
                format!("{}{mark}: {}", field.name, show(&field.ty, depth - 1))
            });
            let rest = record
                .rest
                .iter()
                .map(|rest| format!("*: {}", show(rest, depth - 1)));
            format!(
                "{{ {} }}",
                fields.chain(rest).collect::<Vec<_>>().join(", ")
            )
        }
        Kind::List(list) => {
            let max = list.length_max.map_or(String::new(), |max| max.to_string());
            let unique = if list.unique { " unique" } else { "" };
            format!(
                "[{}]{}..{max}{unique}",
                show(&list.item, depth - 1),
                list.length_min
            )
        }
        Kind::Union(union) => {
            let of: Vec<String> = union.of.iter().map(|one| show(one, depth - 1)).collect();
            format!("({})", of.join(" | "))
        }
        Kind::Int(bounds) | Kind::Decimal(bounds) | Kind::Float(bounds) => {
            format!("{ty}{}", show_bounds(bounds)).replace(" or null", "")
        }
        Kind::Text(text) => {
            let mut out = ty.clone().not_null().to_string();
            if text.length_min.is_some() || text.length_max.is_some() {
                let max = text.length_max.map_or(String::new(), |max| max.to_string());
                out.push_str(&format!("({}..{max})", text.length_min.unwrap_or(0)));
            }
            if let Some(pattern) = &text.pattern {
                out.push_str(&format!("/{pattern}/"));
            }
            out
        }
        _ => ty.clone().not_null().to_string(),
    };
    shown + null
}

fn show_bounds(bounds: &Bounds) -> String {
    let mut out = String::new();
    if let Some(min) = bounds.min {
        out.push_str(&format!(
            " {} {min}",
            if bounds.min_exclusive { ">" } else { ">=" }
        ));
    }
    if let Some(max) = bounds.max {
        out.push_str(&format!(
            " {} {max}",
            if bounds.max_exclusive { "<" } else { "<=" }
        ));
    }
    if let Some(step) = bounds.multiple_of {
        out.push_str(&format!(" % {step}"));
    }
    out
}
