//! Expressions in their place: parsed, typed, compiled; what is wrong is told at its own column.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sluice_contracts::fits::fits;
use sluice_contracts::validate::Validator;
use sluice_mapping::typing::{self, Env, Typed};
use sluice_model::codes;
use sluice_model::finding::{Finding, Severity};
use sluice_model::operation::Target;
use sluice_model::span::Span;
use sluice_model::types::{Field, Kind, Type};
use sluice_model::value::Name;
use sluice_sdk::check::{Check, Expected, ExprId, TemplateId, Typing, ValidatorId};
use sluice_sdk::config::{Expr, FormatRef, Template, TypeName};
use sluice_sdk::format::DynFormat;
use sluice_syntax::tree::Node;

use crate::expr::{CompiledExpr, CompiledTemplate};
use crate::flow::FlowCx;
use crate::release::ConnectionPlan;
use crate::scope::Variable;
use crate::steps::StepNode;
use crate::tree::{Leaf, Tree};
use crate::work::Work;

/// An expression that was typed, and where its parts stand.
struct Checked {
    tree: CheckedTree,
    ty: Type,
    optional: bool,
}

enum CheckedTree {
    Leaf(Box<CheckedLeaf>),
    Map(Vec<(Arc<str>, CheckedTree)>),
    List(Vec<CheckedTree>),
    Broken(Span),
}

struct CheckedLeaf {
    leaf: Leaf,
    /// Whether the expression has a syntax that can be compiled.
    sound: bool,
    typed: Typed,
}

impl CheckedTree {
    /// Returns the place of the expression that made the value at a JSON Pointer.
    fn place(&self, pointer: &str) -> Option<Span> {
        match self {
            CheckedTree::Leaf(own) => Some(
                own.typed
                    .place(pointer)
                    .map_or(own.leaf.span, |range| own.leaf.span_of(range)),
            ),
            CheckedTree::Broken(span) => Some(*span),
            CheckedTree::Map(fields) => {
                let (key, rest) = split_pointer(pointer)?;
                let (_, tree) = fields.iter().find(|(name, _)| **name == *key)?;
                tree.place(rest)
            }
            CheckedTree::List(items) => {
                let (key, rest) = split_pointer(pointer)?;
                let index = key.parse::<usize>().unwrap_or(0);
                items.get(index).or(items.first())?.place(rest)
            }
        }
    }
}

fn split_pointer(pointer: &str) -> Option<(&str, &str)> {
    let rest = pointer.strip_prefix('/')?;
    Some(rest.find('/').map_or((rest, ""), |at| rest.split_at(at)))
}

/// Types a tree in an environment; what is wrong is told as findings.
fn check_tree(work: &mut Work<'_>, tree: Tree, env: &Env) -> Checked {
    match tree {
        Tree::Leaf(leaf) => check_leaf(work, leaf, env),
        Tree::Broken(span) => Checked {
            tree: CheckedTree::Broken(span),
            ty: Type::any(),
            optional: false,
        },
        Tree::Map(fields) => {
            let mut types = Vec::new();
            let mut trees = Vec::new();
            for (key, tree) in fields {
                let checked = check_tree(work, tree, env);
                types.push(Field {
                    name: Name::new(&key),
                    ty: checked.ty,
                    required: !checked.optional,
                });
                trees.push((key, checked.tree));
            }
            Checked {
                tree: CheckedTree::Map(trees),
                ty: Type::record(types),
                optional: false,
            }
        }
        Tree::List(items) => {
            let checked: Vec<Checked> = items
                .into_iter()
                .map(|item| check_tree(work, item, env))
                .collect();
            let item = Type::union(checked.iter().map(|one| one.ty.clone()).collect());
            let trees = checked.into_iter().map(|one| one.tree).collect();
            Checked {
                tree: CheckedTree::List(trees),
                ty: Type::list(item),
                optional: false,
            }
        }
    }
}

/// Parses and types one expression.
fn check_leaf(work: &mut Work<'_>, leaf: Leaf, env: &Env) -> Checked {
    let typed = type_leaf(work, &leaf, env);
    let sound = typed.is_some();
    let typed = typed.unwrap_or_else(Typed::unknown);
    // What is broken is told once: it is not complained of as missing too.
    let (ty, optional) = (typed.ty.clone(), typed.optional && sound);
    let leaf = CheckedLeaf { leaf, sound, typed };
    Checked {
        tree: CheckedTree::Leaf(Box::new(leaf)),
        ty,
        optional,
    }
}

/// Parses and types an expression; `None` if its syntax is broken. What is wrong is told.
pub(crate) fn type_leaf(work: &mut Work<'_>, leaf: &Leaf, env: &Env) -> Option<Typed> {
    let (expr, errors) = sluice_mapping::parse::parse(&leaf.text);
    for error in &errors {
        let finding = work.error(
            codes::EXPRESSION_SYNTAX,
            leaf.span_of(error.range),
            &error.message,
        );
        finding.help = Some(error.help.clone());
    }
    let expr = expr.filter(|_| errors.is_empty())?;
    let typed = typing::check(&expr, &leaf.text, env);
    tell(work, leaf, &typed);
    Some(typed)
}

/// Turns what the type checker found into findings.
fn tell(work: &mut Work<'_>, leaf: &Leaf, typed: &Typed) {
    for problem in &typed.problems {
        let span = leaf.span_of(problem.range);
        let mut finding = match problem.severity {
            Severity::Error => Finding::error(problem.code, span, &problem.message),
            Severity::Warning => Finding::warning(problem.code, span, &problem.message),
            Severity::Info => Finding::info(problem.code, span, &problem.message),
        };
        finding.label.clone_from(&problem.label);
        finding.notes.clone_from(&problem.notes);
        finding.help.clone_from(&problem.help);
        if let Some(declared) = problem.declared {
            finding
                .labels
                .push(crate::fix::label(declared, "declared here"));
        }
        if let Some((title, range, text)) = &problem.fix {
            finding.fixes.push(crate::fix::replace(
                title.clone(),
                leaf.span_of(*range),
                text,
            ));
        }
        work.push(finding);
    }
}

impl FlowCx<'_, '_> {
    fn env(&self, context: &Type) -> Env {
        Env {
            context: Some(context.clone()),
            variables: self.bindings(),
        }
    }

    fn bindings(&self) -> Vec<typing::Binding> {
        let all = self.scope.bindings();
        all.into_iter()
            .map(|own| typing::Binding {
                name: own.name,
                ty: own.ty,
                optional: own.optional,
            })
            .collect()
    }

    /// Compiles the expression that a node holds, and returns its type. What is wrong with it is
    /// told; then the type is any.
    pub fn expression_at(
        &mut self,
        node: &Node,
        context: &Type,
        expected: Expected,
    ) -> (ExprId, Type) {
        let env = self.env(context);
        let tree = Tree::read(self.work, node);
        let checked = check_tree(self.work, tree, &env);
        self.check_expected(&checked, node.span, expected);
        let compiled = self.compile(&checked.tree, node.span);
        self.optional = checked.optional;
        (self.add_expression(compiled), checked.ty)
    }

    /// Returns whether the result of the expression that was compiled last may be missing.
    pub fn last_optional(&self) -> bool {
        self.optional
    }

    fn compile(&self, tree: &CheckedTree, span: Span) -> CompiledExpr {
        if self.work.check_only {
            return CompiledExpr::nothing(span);
        }
        CompiledExpr::compile(&source_of(tree), &self.slots_in_scope(), span)
    }

    fn slots_in_scope(&self) -> Vec<(Arc<str>, u16)> {
        self.scope
            .variables
            .iter()
            .map(|own| (Arc::clone(&own.name), own.slot))
            .collect()
    }

    fn check_expected(&mut self, checked: &Checked, span: Span, expected: Expected) {
        match expected {
            Expected::Anything => {}
            Expected::Condition => self.check_condition(checked, span),
            Expected::Scalar => {
                if checked.optional || nullable(&checked.ty) {
                    let what = if checked.optional { "missing" } else { "null" };
                    self.work
                        .error(
                            codes::POSSIBLY_MISSING,
                            span,
                            format!("this key may be {what}"),
                        )
                        .help = Some("give a default with `??`, or check it before".to_owned());
                }
            }
            Expected::Fits(ty) => {
                let place = |pointer: &str| checked.tree.place(pointer).unwrap_or(span);
                if checked.optional && !ty.is_any() && !nullable(&ty) {
                    self.work
                        .error(
                            codes::POSSIBLY_MISSING,
                            span,
                            "the whole value may be missing",
                        )
                        .help = Some("give a default with `??`, or check it before".to_owned());
                }
                fit_findings(self.work, &checked.ty, &ty, &place);
            }
        }
    }

    fn check_condition(&mut self, checked: &Checked, span: Span) {
        let ty = checked.ty.resolved();
        if !matches!(ty.kind, Kind::Bool | Kind::Any | Kind::Never) {
            let message = format!("a condition is a boolean, this is {}", checked.ty);
            self.work.error(codes::WRONG_TYPE, span, message).help =
                Some("compare it, or use `$exists(...)`".to_owned());
        } else if matches!(ty.kind, Kind::Bool) && (checked.optional || ty.nullable) {
            let what = if checked.optional { "missing" } else { "null" };
            self.work
                .error(
                    codes::POSSIBLY_MISSING,
                    span,
                    format!("this condition may be {what}"),
                )
                .help = Some("write `... ?? false` or `... ?? true`".to_owned());
        }
    }

    /// Checks that the payload, or what a mapping makes, fits where it goes; findings come at
    /// `span`.
    pub fn check_fits(&mut self, from: &Type, to: &Type, span: Span) {
        fit_findings(self.work, from, to, &|_| span);
    }

    /// Checks that a value can be a key: a text, a number or a boolean.
    pub fn check_key_type(&mut self, node: &Node, ty: &Type) {
        let resolved = ty.resolved();
        if matches!(
            resolved.kind,
            Kind::List(_) | Kind::Record(_) | Kind::Map(_) | Kind::Bytes
        ) {
            let message = format!("a key is a text, a number or a boolean, this is {ty}");
            self.work.error(codes::WRONG_TYPE, node.span, message).help =
                Some("name one of its fields, or join several by `&`".to_owned());
        }
    }

    /// Returns the payload's type where a condition holds, or does not hold; what it makes certain
    /// of other names is so in the scope from here on.
    pub fn narrow_to(&mut self, condition: &Node, payload: &Type, holds: bool) -> Type {
        let Some(scalar) = condition.as_scalar() else {
            return payload.clone();
        };
        let (Some(expr), errors) = sluice_mapping::parse::parse(&scalar.text) else {
            return payload.clone();
        };
        if !errors.is_empty() {
            return payload.clone();
        }
        let env = typing::narrow(&expr, &self.env(payload), holds);
        self.adopt(&env);
        env.context.unwrap_or_else(|| payload.clone())
    }

    /// Takes over what a condition has made certain of variables.
    fn adopt(&mut self, env: &Env) {
        for binding in &env.variables {
            match &*binding.name {
                "params" => self.scope.params = Some(binding.ty.clone()),
                "meta" => self.scope.meta = Some(binding.ty.clone()),
                "steps" => adopt_results(&mut self.scope.results, &binding.ty),
                name => {
                    let own = self
                        .scope
                        .variables
                        .iter_mut()
                        .rev()
                        .find(|own| &*own.name == name);
                    if let Some(own) = own {
                        own.ty = binding.ty.clone();
                        own.optional = binding.optional;
                    }
                }
            }
        }
    }

    /// Compiles a text with holes that a node holds.
    pub fn template_at(&mut self, node: &Node, context: &Type) -> TemplateId {
        let env = self.env(context);
        let slots = self.slots_in_scope();
        let Some(scalar) = node.as_scalar() else {
            let message = format!("expected a text, found {}", node.kind_name());
            self.work.error(codes::WRONG_TYPE, node.span, message);
            return self.add_template(CompiledTemplate::literal(""));
        };
        let compiled = crate::template::compile(self.work, node, scalar, &env, &slots);
        self.add_template(compiled)
    }

    /// Compiles a mapping of the project for an input, and returns the type of its output.
    pub fn mapping_at(
        &mut self,
        name: &str,
        span: Span,
        input: &Type,
        given: Vec<Variable>,
    ) -> Option<(ExprId, Type)> {
        let mappings = self.project.mappings;
        let mapping = mappings.get(self.work, name, span)?.clone();
        self.work.typed_mappings.insert(mapping.file);
        let from = declared(self.work, mapping.from.as_ref());
        if let Some(from) = &from {
            self.check_fits(input, from, span);
        }
        let mut variables: Vec<typing::Binding> = self
            .bindings()
            .into_iter()
            .filter(|own| matches!(&*own.name, "config" | "params" | "meta" | "run"))
            .collect();
        for (name, ty) in &mapping.given {
            let Some(passed) = given.iter().find(|own| own.name == *name) else {
                let message = format!("the mapping needs the input `{name}`");
                self.work.error(codes::MISSING_KEY, span, message).help =
                    Some(format!("add `given: {{ {name}: ... }}`"));
                continue;
            };
            if let Some(ty) = self.work.type_named(&ty.name, ty.span) {
                self.check_fits(&passed.ty, &ty, span);
            }
        }
        let slots: Vec<(Arc<str>, u16)> = given
            .iter()
            .map(|own| (Arc::clone(&own.name), own.slot))
            .collect();
        variables.extend(given.into_iter().map(|own| typing::Binding {
            name: own.name,
            ty: own.ty,
            optional: own.optional,
        }));
        let context = from.unwrap_or_else(|| input.clone());
        let leaf = Leaf::file(mapping.file, Arc::clone(&mapping.text));
        let env = match mapping.dynamic {
            true => Env {
                context: Some(Type::any()),
                variables: variables.clone(),
            },
            false => Env {
                context: Some(context),
                variables,
            },
        };
        let checked = check_tree(self.work, Tree::Leaf(leaf), &env);
        let to = declared(self.work, mapping.to.as_ref());
        let output = match to {
            Some(to) => {
                let whole = Span::new(mapping.file, 0, 0);
                let place = |pointer: &str| checked.tree.place(pointer).unwrap_or(whole);
                if !mapping.dynamic {
                    fit_findings(self.work, &checked.ty, &to, &place);
                }
                to
            }
            None if mapping.dynamic => Type::any(),
            None => checked.ty.clone(),
        };
        let compiled = if self.work.check_only {
            CompiledExpr::nothing(span)
        } else if mapping.dynamic {
            CompiledExpr::compile_dynamic(&mapping.text, &slots, span)
        } else {
            CompiledExpr::compile(&source_of(&checked.tree), &slots, span)
        };
        Some((self.add_expression(compiled), output))
    }

    /// Types a mapping that no flow applies, by what its header declares.
    pub fn unused_mapping(&mut self, name: &str, mapping: &crate::mappings::Mapping) {
        let mut given = Vec::new();
        for (name, declared) in &mapping.given {
            let ty = self.work.type_named(&declared.name, declared.span);
            given.push(Variable {
                name: Arc::clone(name),
                ty: ty.unwrap_or_else(Type::any),
                optional: false,
                slot: self.slot(),
            });
        }
        let start = Span::new(mapping.file, 0, 0);
        self.mapping_at(name, start, &Type::any(), given);
    }

    /// Returns how long each try of an effect may take.
    pub fn effect_timeout(&mut self, step: &StepNode<'_>, plan: &ConnectionPlan) -> Duration {
        let own = step.get("timeout").and_then(Node::as_scalar);
        let own = own.and_then(|scalar| sluice_sdk::config::Duration::parse(&scalar.text).ok());
        own.map_or(plan.timeout, |duration| duration.0)
    }
}

fn adopt_results(results: &mut [crate::scope::StepResult], steps: &Type) {
    let Kind::Record(record) = &steps.kind else {
        return;
    };
    for result in results {
        if let Some(field) = record.field(&result.id) {
            result.ty = field.ty.clone();
            result.optional = !field.required;
        }
    }
}

fn declared(work: &mut Work<'_>, declared: Option<&crate::mappings::Declared>) -> Option<Type> {
    let declared = declared?;
    work.type_named(&declared.name, declared.span)
}

fn nullable(ty: &Type) -> bool {
    ty.resolved().nullable && !ty.is_any()
}

/// Tells where a type does not fit another, each at the expression that made the part; what is
/// wrong at one place is one finding.
fn fit_findings(work: &mut Work<'_>, from: &Type, to: &Type, place: &dyn Fn(&str) -> Span) {
    const NOTES_MAX: usize = 12;
    let mut told: BTreeMap<Span, Finding> = BTreeMap::new();
    for misfit in fits(from, to) {
        let span = place(&pointer_of(&misfit.path));
        let message = match misfit.path.to_string() {
            path if path.is_empty() => misfit.message,
            path => format!("`{path}`: {}", misfit.message),
        };
        if let Some(first) = told.get_mut(&span) {
            let others = first.notes.len();
            if others < NOTES_MAX {
                first.notes.push(message);
            } else if others == NOTES_MAX {
                first.notes.push("and more".to_owned());
            }
            continue;
        }
        let mut finding = Finding::error(misfit.kind.code(), span, message);
        if let Some(declared) = misfit.to.filter(|declared| *declared != span) {
            finding
                .labels
                .push(crate::fix::label(declared, "declared here"));
        }
        finding.help = misfit.help;
        told.insert(span, finding);
    }
    for (_, finding) in told {
        work.push(finding);
    }
}

fn pointer_of(path: &sluice_contracts::fits::Path) -> String {
    use sluice_contracts::fits::Part;
    let part = |part: &Part| match part {
        Part::Field(name) => format!("/{}", name.as_str().replace('~', "~0").replace('/', "~1")),
        Part::Item => "/0".to_owned(),
        Part::Rest => "/*".to_owned(),
    };
    path.0.iter().map(part).collect()
}

/// What the evaluator compiles.
fn source_of(tree: &CheckedTree) -> crate::expr::Source {
    use crate::expr::Source;
    match tree {
        CheckedTree::Leaf(own) if own.sound => Source::Leaf {
            text: Arc::clone(&own.leaf.text),
            lists: own.typed.lists.clone(),
        },
        // There is no release then.
        CheckedTree::Leaf(_) | CheckedTree::Broken(_) => Source::Leaf {
            text: "null".into(),
            lists: Vec::new(),
        },
        CheckedTree::Map(fields) => Source::Map(
            fields
                .iter()
                .map(|(key, tree)| (Arc::clone(key), source_of(tree)))
                .collect(),
        ),
        CheckedTree::List(items) => Source::List(items.iter().map(source_of).collect()),
    }
}

impl Check for FlowCx<'_, '_> {
    fn base(&self) -> &Path {
        &self.work.project.root
    }

    fn target(&self) -> Option<&Target> {
        None
    }

    fn format(&mut self, format: FormatRef, ty: Option<&Type>) -> Option<Arc<dyn DynFormat>> {
        crate::formats::resolve(self.work, format, ty)
    }

    fn contract_type(&mut self, name: TypeName) -> Option<Type> {
        let text = self.work.text_at(name.span)?;
        self.work.type_named(text, name.span)
    }
}

impl Typing for FlowCx<'_, '_> {
    fn expression(&mut self, expr: Expr, input: &Type, expected: Expected) -> (ExprId, Type) {
        match self.work.node_at(expr.span) {
            Some(node) => self.expression_at(node, input, expected),
            None => (
                self.add_expression(CompiledExpr::nothing(expr.span)),
                Type::any(),
            ),
        }
    }

    fn narrowed(&mut self, condition: Expr, input: &Type) -> Type {
        match self.work.node_at(condition.span) {
            Some(node) => self.narrow_to(node, input, true),
            None => input.clone(),
        }
    }

    fn template(&mut self, template: Template, input: &Type) -> TemplateId {
        match self.work.node_at(template.span) {
            Some(node) => self.template_at(node, input),
            None => self.add_template(CompiledTemplate::literal("")),
        }
    }

    fn validator(&mut self, ty: &Type) -> ValidatorId {
        self.validators.push(Validator::new(ty));
        ValidatorId(self.validators.len() as u32 - 1)
    }
}
