//! What expressions of a flow may name at one place, with the types.

use std::sync::Arc;

use sluice_model::types::{Field, Kind, Meta, RecordType, TextFormat, Type};
use sluice_model::value::Name;

/// The names in scope at a step, beside the payload.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// The type of `$params`, if there are any.
    pub params: Option<Type>,
    /// The type of `$meta`.
    pub meta: Option<Type>,
    /// The type of `$config`.
    pub config: Option<Type>,
    /// The business keys that `$run.keys` has.
    pub keys: Vec<Arc<str>>,
    /// The type of `$fault`, in handlers.
    pub fault: Option<Type>,
    /// What `let` has bound so far; a later one hides an earlier one.
    pub variables: Vec<Variable>,
    /// The results of the steps so far.
    pub results: Vec<StepResult>,
}

/// A variable that `let` has bound.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    /// Its name, without `$`.
    pub name: Arc<str>,
    /// Its type.
    pub ty: Type,
    /// Whether it may be missing.
    pub optional: bool,
    /// Its slot at run time.
    pub slot: u16,
}

/// The result of a step with an id.
#[derive(Debug, Clone)]
pub(crate) struct StepResult {
    /// The step's id.
    pub id: Arc<str>,
    /// Its type.
    pub ty: Type,
    /// Whether the step may not have been done, or its result may be missing.
    pub optional: bool,
}

/// What one way of a branching has bound.
#[derive(Debug)]
pub(crate) struct Way {
    variables: Vec<Variable>,
    results: Vec<StepResult>,
    /// Whether a message gets to the step behind the branching this way.
    leads_on: bool,
}

/// A name in scope with its type: what the type checker is given.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    /// The name, without `$`.
    pub name: Arc<str>,
    /// Its type.
    pub ty: Type,
    /// Whether it may be missing.
    pub optional: bool,
}

impl Scope {
    /// Returns all names in scope; of two with one name the later counts.
    pub fn bindings(&self) -> Vec<Binding> {
        let mut all = Vec::new();
        let mut add = |name: &str, ty: Type, optional: bool| {
            all.push(Binding {
                name: name.into(),
                ty,
                optional,
            });
        };
        if let Some(params) = &self.params {
            add("params", params.clone(), false);
        }
        if let Some(meta) = &self.meta {
            add("meta", meta.clone(), false);
        }
        if let Some(config) = &self.config {
            add("config", named("$config", config.clone()), false);
        }
        if let Some(fault) = &self.fault {
            add("fault", fault.clone(), false);
        }
        add("run", self.run_type(), false);
        add("steps", self.steps_type(), false);
        for variable in &self.variables {
            add(&variable.name, variable.ty.clone(), variable.optional);
        }
        all
    }

    fn steps_type(&self) -> Type {
        let mut record = RecordType::default();
        for result in &self.results {
            let field = Field {
                name: Name::new(&result.id),
                ty: result.ty.clone(),
                required: !result.optional,
            };
            match record.fields.iter_mut().find(|own| own.name == field.name) {
                Some(own) => *own = field,
                None => record.fields.push(field),
            }
        }
        named("$steps", Type::new(Kind::Record(Arc::new(record))))
    }

    fn run_type(&self) -> Type {
        let keys = self
            .keys
            .iter()
            .map(|name| field(name, Type::text(), false))
            .collect();
        Type::record(vec![
            field("id", Type::text(), true),
            field("flow", Type::text(), true),
            field("started", Type::text_with(TextFormat::DateTime), true),
            field("attempt", Type::int(), true),
            field("keys", Type::record(keys), true),
        ])
    }

    /// Returns what the ways of a branching bind, as the steps behind it see it: the results of all
    /// ways, which may be missing, and the variables of the ways that lead there. A variable that
    /// not all of these bind may be missing.
    pub fn after(mut self, ways: Vec<Way>) -> Self {
        let leading = ways.iter().filter(|way| way.leads_on).count();
        let mut bound: Vec<(Variable, usize)> = Vec::new();
        for way in &ways {
            for own in way.variables.iter().filter(|_| way.leads_on) {
                match bound.iter_mut().find(|(first, _)| first.name == own.name) {
                    Some((first, times)) => {
                        first.ty = crate::steps::same_or_union(first.ty.clone(), own.ty.clone());
                        first.optional |= own.optional;
                        *times += 1;
                    }
                    None => bound.push((own.clone(), 1)),
                }
            }
        }
        for (mut variable, times) in bound {
            variable.optional |= times < leading;
            self.variables.push(variable);
        }
        let results = ways.into_iter().flat_map(|way| way.results);
        self.results.extend(results.map(|result| StepResult {
            optional: true,
            ..result
        }));
        self
    }

    /// Returns what was bound since the scope was `before`.
    pub fn way_since(&self, before: &Scope, leads_on: bool) -> Way {
        Way {
            variables: self.variables[before.variables.len()..].to_vec(),
            results: self.results[before.results.len()..].to_vec(),
            leads_on,
        }
    }

    /// Returns the type of `$fault` where the fault's body has the type `body`.
    pub fn fault_type(body: Option<Type>) -> Type {
        let body = match body {
            Some(body) => field("body", body, true),
            None => field("body", Type::any(), false),
        };
        Type::record(vec![
            field("code", Type::text(), true),
            field("message", Type::text(), true),
            field("status", Type::int(), false),
            body,
        ])
    }
}

/// Gives a type the name that messages call it by, unless nothing is known of it.
fn named(name: &str, mut ty: Type) -> Type {
    if ty.meta.is_none() && !ty.is_any() {
        ty.meta = Some(Arc::new(Meta {
            name: Some(name.into()),
            ..Meta::default()
        }));
    }
    ty
}

/// Returns a field of a record type.
pub(crate) fn field(name: &str, ty: Type, required: bool) -> Field {
    Field {
        name: Name::new(name),
        ty,
        required,
    }
}
