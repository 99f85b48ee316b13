//! What is told of a mistake: in words, with what to do, and with the change that mends it.

use sluice_model::codes;
use sluice_model::finding::{Code, Severity, did_you_mean};
use sluice_model::types::{Kind, Type};

use crate::ast::{Expr, TextRange};
use crate::functions;
use crate::typing::Problem;
use crate::typing::known::Known;
use crate::typing::scope::Role;
use crate::typing::shape::{self, KindSet};
use crate::typing::walk::Checker;

/// How many names a note lists.
const NAMES_MAX: usize = 12;
/// How long a type may be to be written out in a message, in bytes.
const SHOWN_MAX: usize = 60;

impl Problem {
    /// Returns an error at `range`.
    pub(super) fn error(range: TextRange, code: Code, message: String) -> Self {
        Self {
            range,
            code,
            severity: Severity::Error,
            message,
            label: String::new(),
            notes: Vec::new(),
            help: None,
            fix: None,
            declared: None,
        }
    }

    /// The same as a warning.
    pub(super) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Adds what stands at the place.
    pub(super) fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds a cause.
    pub(super) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds what to do.
    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the change that mends it.
    pub(super) fn with_fix(mut self, title: String, range: TextRange, text: String) -> Self {
        self.fix = Some((title, range, text));
        self
    }

    /// Adds where the type is declared that it contradicts.
    pub(super) fn declared_by(mut self, ty: &Type) -> Self {
        self.declared = ty.span().or_else(|| {
            let of = shape::alternatives(ty).of;
            of.iter().find_map(Type::span)
        });
        self
    }
}

/// Returns a type as a message names it: by its name, if it has one, else by what it is made of.
pub(super) fn named(ty: &Type) -> String {
    match (ty.name(), &ty.kind) {
        (Some(name), Kind::Record(_) | Kind::Union(_) | Kind::Map(_)) => format!("`{name}`"),
        (_, Kind::Ref(reference)) => format!("`{}`", reference.name),
        _ => {
            let text = ty.to_string();
            if text.len() <= SHOWN_MAX {
                text
            } else {
                "this record".to_owned()
            }
        }
    }
}

/// Returns what a type is in a sentence: `an integer`, `a list of texts`...
pub(super) fn described(ty: &Type) -> String {
    let all = shape::alternatives(ty);
    match all.of.as_slice() {
        [] if all.nullable => "null".to_owned(),
        [one] => match &one.kind {
            Kind::Bool => "a boolean".to_owned(),
            Kind::Int(_) => "an integer".to_owned(),
            Kind::Decimal(_) => "a decimal".to_owned(),
            Kind::Float(_) => "a double".to_owned(),
            Kind::Text(_) => "a text".to_owned(),
            Kind::Bytes => "bytes".to_owned(),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) | Kind::Record(_) => "a record".to_owned(),
            _ => named(ty),
        },
        _ => named(ty),
    }
}

/// Returns a field's name as a path writes it.
pub(super) fn path_name(name: &str) -> String {
    let mut chars = name.chars();
    let plain = chars
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
        && !matches!(name, "and" | "or" | "in" | "true" | "false" | "null");
    if plain {
        name.to_owned()
    } else {
        format!("`{name}`")
    }
}

/// Returns a text as a literal of an expression.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl<'e> Checker<'e, '_> {
    /// Returns the source of an expression for a message; `this value` for a long one.
    pub fn shown(&self, range: TextRange) -> String {
        match self.source.get(range.range()) {
            Some(text) if text.len() <= 40 && !text.contains(['\n', '`']) => format!("`{text}`"),
            _ => "this value".to_owned(),
        }
    }

    fn bare(&self, range: TextRange) -> &str {
        self.source
            .get(range.range())
            .unwrap_or("")
            .trim_matches('`')
    }

    /// Tells a path where there is no context.
    pub fn tell_no_context(&mut self, name: &str, range: TextRange) {
        let message = if name == "$" {
            "there is no payload that `$` could mean here".to_owned()
        } else {
            format!("`{name}` is a field of nothing: there is no payload here")
        };
        let mut problem =
            Problem::error(range, codes::UNKNOWN_PATH, message).with_label("no payload here");
        if name != "$" && range == self.word {
            let text = quoted(name);
            problem = problem
                .with_help(format!("did you mean the text `{text}`?"))
                .with_fix("quote it as a text".to_owned(), range, text);
        }
        self.tell(problem);
    }

    /// Tells a field that none of the alternatives of a type has.
    pub fn tell_unknown_field(&mut self, context: &Known<'e>, name: &str, range: TextRange) {
        if self.scope.role == Role::Nothing && context.optional {
            return self.tell_no_context(name, range);
        }
        let all = shape::alternatives(&context.ty);
        let mut names: Vec<&str> = Vec::new();
        for one in &all.of {
            if let Kind::Record(record) = &one.kind {
                names.extend(record.fields.iter().map(|field| field.name.as_str()));
            }
        }
        let is_record = shape::kinds(&context.ty).has(KindSet::RECORD);
        let message = if is_record {
            format!("there is no field `{name}` in {}", named(&context.ty))
        } else {
            format!(
                "`{name}` is a field of {}, which has none",
                described(&context.ty)
            )
        };
        let mut problem = Problem::error(range, codes::UNKNOWN_PATH, message)
            .with_label("no such field")
            .declared_by(&context.ty);
        if let Some(near) = did_you_mean(name, names.iter().copied()) {
            let text = path_name(near);
            problem = problem
                .with_help(format!("did you mean `{near}`?"))
                .with_fix(format!("rename to `{near}`"), range, text);
        } else if self.scope.variable(name).is_some() {
            problem = problem
                .with_help(format!("did you mean the variable `${name}`?"))
                .with_fix(format!("write `${name}`"), range, format!("${name}"));
        } else if range == self.word {
            let text = quoted(self.bare(range));
            problem = problem
                .with_help(format!("did you mean the text `{text}`?"))
                .with_fix("quote it as a text".to_owned(), range, text);
        } else if !is_record {
            problem = problem.with_help("end the path here, or look at what it starts from");
        }
        if is_record && !names.is_empty() {
            problem = problem.with_note(format!("its fields are {}", listed(&names)));
        }
        self.tell(problem);
    }

    /// Tells a variable that nothing binds.
    pub fn tell_unknown_variable(&mut self, name: &str, range: TextRange) {
        let message = format!("there is no variable `${name}` here");
        let problem = Problem::error(range, codes::UNKNOWN_NAME, message)
            .with_label("nothing binds this name");
        let problem = self.suggest_name(problem, name, range, false);
        self.tell(problem);
    }

    /// Tells a function that is not known.
    pub fn tell_unknown_function(&mut self, name: &str, range: TextRange) {
        let message = format!("there is no function `${name}`");
        let problem =
            Problem::error(range, codes::UNKNOWN_NAME, message).with_label("no such function");
        let problem = self.suggest_name(problem, name, range, true);
        self.tell(problem);
    }

    /// Tells a function that is called without `$`.
    pub fn tell_forgotten_dollar(&mut self, name: &str, range: TextRange) {
        let message = format!("a function is called with `$`: `${name}`");
        self.tell(
            Problem::error(range, codes::UNKNOWN_NAME, message)
                .with_label("this is a field's name")
                .with_help(format!("write `${name}`"))
                .with_fix(format!("write `${name}`"), range, format!("${name}")),
        );
    }

    fn suggest_name(
        &self,
        problem: Problem,
        name: &str,
        range: TextRange,
        function: bool,
    ) -> Problem {
        let variables: Vec<&str> = self.scope.variables.iter().map(|own| &*own.name).collect();
        let near = did_you_mean(name, variables.iter().copied())
            .or_else(|| did_you_mean(name, functions::all().map(|function| function.name)));
        let begins = |own: &&str| name.len() >= 3 && own.starts_with(name);
        let near = near.or_else(|| functions::all().map(|function| function.name).find(begins));
        if let Some(near) = near {
            return problem
                .with_help(format!("did you mean `${near}`?"))
                .with_fix(format!("rename to `${near}`"), range, format!("${near}"));
        }
        let of = shape::alternatives(&self.scope.context.ty).of;
        let is_field = of.iter().any(|one| match &one.kind {
            Kind::Record(record) => record.field(name).is_some(),
            _ => false,
        });
        if is_field && !function {
            let path = path_name(name);
            return problem
                .with_help(format!("did you mean the field `{name}`? It has no `$`"))
                .with_fix(format!("write `{name}`"), range, path);
        }
        if function {
            return problem.with_help("`sluice describe functions` lists them all");
        }
        let mut names: Vec<String> = Vec::new();
        for name in variables.iter().rev().map(|name| format!("${name}")) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() {
            return problem.with_help("bind it before: `($name := ...; ...)`");
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        problem.with_help(format!("in scope are {}", listed(&names)))
    }

    /// Tells a value that may be missing or null where it must be there.
    pub fn tell_possibly_missing(&mut self, expr: &Expr, known: &Known<'e>, used: &str) {
        let what = if known.optional { "missing" } else { "null" };
        let shown = self.shown(expr.range);
        let source = self.source.get(expr.range.range()).unwrap_or("...");
        let short = if source.len() <= 40 { source } else { "..." };
        let help = if known.optional {
            format!("write `({short} ?? default)`, or ask before: `$exists({short}) ? ... : ...`")
        } else {
            format!("write `({short} ?? default)`, or ask before: `{short} != null ? ... : ...`")
        };
        self.tell(
            Problem::error(
                expr.range,
                codes::POSSIBLY_MISSING,
                format!("{shown} may be {what}, but {used}"),
            )
            .with_label(format!("may be {what}"))
            .with_help(help)
            .declared_by(&known.ty),
        );
    }

    /// Tells a list where one value is used.
    pub fn tell_list(&mut self, expr: &Expr, used: &str, help: &str) {
        let shown = self.shown(expr.range);
        self.tell(
            Problem::error(
                expr.range,
                codes::LIST_OR_ONE,
                format!("{shown} is a list, but {used}"),
            )
            .with_label("a list")
            .with_help(help),
        );
    }

    /// Tells an operand or argument of the wrong kind.
    pub fn tell_wrong_kind(&mut self, expr: &Expr, message: String, help: String) {
        self.tell(
            Problem::error(expr.range, codes::BAD_ARGUMENT, message)
                .with_label("of the wrong kind")
                .with_help(help),
        );
    }

    /// Tells an expression that gives a function where a value is wanted.
    pub fn tell_function_result(&mut self, expr: &Expr) {
        let shown = self.shown(expr.range);
        self.tell(
            Problem::error(
                expr.range,
                codes::BAD_ARGUMENT,
                format!("{shown} is a function, not a value"),
            )
            .with_label("a function")
            .with_help("call it: write its arguments in parentheses"),
        );
    }
}

/// Returns names in backticks, the first ones of many.
pub(super) fn listed(names: &[&str]) -> String {
    let mut all: Vec<String> = names
        .iter()
        .take(NAMES_MAX)
        .map(|name| format!("`{name}`"))
        .collect();
    if names.len() > NAMES_MAX {
        all.push(format!("and {} more", names.len() - NAMES_MAX));
    }
    all.join(", ")
}
