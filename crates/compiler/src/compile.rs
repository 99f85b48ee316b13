//! One compilation: a project's files in, findings and a release out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sluice_model::codes;
use sluice_model::finding::{Code, Finding, Findings, did_you_mean};
use sluice_model::ids::{ApiName, EnvironmentName, FlowName};
use sluice_model::span::{Sources, Span};
use sluice_sdk::registry::Registry;
use sluice_syntax::tree::Node;

use crate::connections::MockUrls;
use crate::environment::{DEFAULT_ENVIRONMENT, Environment};
use crate::files::{Defaults, ProjectFile};
use crate::flow::{CallerSignature, Faults, Project};
use crate::mappings::Mappings;
use crate::names::is_name;
use crate::project::{FileKind, Parsed, ProjectFiles};
use crate::release::{Api, Flow, Release};
use crate::testcase::TestCase;
use crate::work::Work;

/// What is compiled.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The environment to lower for; `None`: `dev`. All others are checked too.
    pub environment: Option<EnvironmentName>,
    /// Where the mocks of the environment listen, once that is known.
    pub mocks: MockUrls,
    /// Whether to check the environment alone, because the others were checked before.
    pub only: bool,
}

/// What a compilation gives.
pub struct Compiled {
    /// The texts that findings point into.
    pub sources: Sources,
    /// Everything that was found, in order of the files.
    pub findings: Findings,
    /// The project lowered for the environment; `None` if there are errors.
    pub release: Option<Release>,
    /// The project's test cases, as far as they are sound.
    pub tests: Vec<TestCase>,
    /// The project's name, as far as it is known.
    pub project: Option<Arc<str>>,
    /// The names of all environments.
    pub environments: Vec<EnvironmentName>,
}

/// Compiles a project.
pub fn compile(files: &ProjectFiles, registry: &Registry, options: &Options) -> Compiled {
    let (parsed, syntax) = Parsed::parse(files);
    let mut work = Work::new(registry, files, &parsed);
    work.findings = syntax;
    let project = read_project(&mut work);
    check_empty(&mut work);
    let defaults = project
        .as_ref()
        .map_or_else(Defaults::default, |p| p.defaults.clone());
    let environments = crate::environment::read_all(&mut work);
    let names: Vec<EnvironmentName> = environments.iter().map(|env| env.name.clone()).collect();
    let wanted = options
        .environment
        .clone()
        .unwrap_or_else(|| EnvironmentName::from(DEFAULT_ENVIRONMENT));
    if !names.contains(&wanted) && !work.declares(FileKind::Environment, wanted.as_str()) {
        unknown_environment(&mut work, &wanted, &names);
    }
    crate::comments::check(&mut work);
    let mappings = Mappings::read(&mut work);
    let apis = crate::apis::read_all(&mut work);
    let faults = project_faults(&parsed);
    let mut release = None;
    let mut told = ByEnvironment::default();
    for environment in &environments {
        let is_wanted = environment.name == wanted;
        if options.only && !is_wanted {
            continue;
        }
        let parts = Parts {
            project: project.as_ref(),
            defaults: &defaults,
            environment,
            mappings: &mappings,
            apis: &apis,
            faults: &faults,
            mocks: if is_wanted {
                &options.mocks
            } else {
                &MockUrls::new()
            },
        };
        work.check_only = !is_wanted;
        let common = std::mem::take(&mut work.findings);
        let lowered = lower(&mut work, &parts, files);
        told.add(
            &environment.name,
            std::mem::replace(&mut work.findings, common),
        );
        if is_wanted {
            release = Some(lowered);
        }
    }
    work.findings.append(told.into_findings());
    let tests = crate::testcase::read_all(&mut work, release.as_ref());
    check_owners(&mut work);
    let mut findings = work.findings;
    drop_consequences(&parsed, &mut findings);
    findings.sort();
    let release = release.filter(|_| !findings.has_errors());
    Compiled {
        project: project.map(|project| project.project.as_str().into()),
        sources: parsed.sources,
        findings,
        release,
        tests,
        environments: names,
    }
}

/// What was found in each environment: what is not found in all of them says in which it is.
#[derive(Default)]
struct ByEnvironment {
    environments: usize,
    told: BTreeMap<FindingKey, (Finding, Vec<EnvironmentName>)>,
}

/// What makes two findings one: place, code and message.
type FindingKey = (Option<Span>, Code, String);

impl ByEnvironment {
    fn add(&mut self, environment: &EnvironmentName, findings: Findings) {
        self.environments += 1;
        for finding in findings {
            let key = (finding.span, finding.code, finding.message.clone());
            let (_, names) = self.told.entry(key).or_insert((finding, Vec::new()));
            if names.last() != Some(environment) {
                names.push(environment.clone());
            }
        }
    }

    fn into_findings(self) -> Findings {
        let with_place = |(mut finding, names): (Finding, Vec<EnvironmentName>)| {
            if names.len() < self.environments {
                let names: Vec<String> = names.iter().map(|own| format!("`{own}`")).collect();
                let note = format!("in the environment {}", names.join(", "));
                finding.notes.push(note);
            }
            finding
        };
        Findings(self.told.into_values().map(with_place).collect())
    }
}

/// A file without content does nothing, which nobody who made it meant.
fn check_empty(work: &mut Work<'_>) {
    let parsed = work.parsed;
    for file in &parsed.files {
        let is_empty = file
            .document
            .as_ref()
            .is_some_and(|document| document.root.is_none());
        let is_told = work
            .findings
            .iter()
            .any(|finding| finding.span.is_some_and(|span| span.file == file.id));
        if is_empty && !is_told {
            let help = format!("write {}, or remove the file", file.kind.article());
            work.error(codes::MISSING_KEY, file.start(), "the file is empty")
                .help = Some(help);
        }
    }
}

/// A file that is not well-formed has lost entries: what follows from that is no finding of its
/// own.
fn drop_consequences(parsed: &Parsed, findings: &mut Findings) {
    const CONSEQUENCES: [Code; 6] = [
        codes::WRONG_TYPE,
        codes::MISSING_KEY,
        codes::REPLY,
        codes::STEP_VERB,
        codes::UNKNOWN_PATH,
        codes::UNKNOWN_NAME,
    ];
    findings.0.retain(|finding| {
        let file = finding.span.and_then(|span| parsed.get(span.file));
        !file.is_some_and(|file| file.broken) || !CONSEQUENCES.contains(&finding.code)
    });
}

struct Parts<'p, 'r> {
    project: Option<&'p ProjectFile>,
    defaults: &'p Defaults,
    environment: &'p Environment<'r>,
    mappings: &'p Mappings,
    apis: &'p BTreeMap<ApiName, Arc<Api>>,
    faults: &'p Faults,
    mocks: &'p MockUrls,
}

/// Lowers the project for one environment.
fn lower(work: &mut Work<'_>, parts: &Parts<'_, '_>, files: &ProjectFiles) -> Release {
    let connections =
        crate::connections::make_all(work, parts.environment, parts.defaults, parts.mocks);
    let (callers, others) = caller_signatures(work);
    let project = Project {
        connections: &connections,
        apis: parts.apis,
        callers: &callers,
        others: &others,
        mappings: parts.mappings,
        faults: parts.faults,
        defaults: parts.defaults,
        config: &parts.environment.config_type,
    };
    let (flows, runs, complete) = lower_flows(work, &project);
    check_cycles(work, &runs);
    crate::flow::check_unused_mappings(work, &project);
    let apis = crate::apis::with_flows(work, parts.apis, flows.values(), complete);
    Release {
        manifest: crate::manifest::of(files),
        project: parts.project.map_or("", |own| &own.project).into(),
        environment: parts.environment.name.clone(),
        listen: Arc::clone(&parts.environment.listen),
        config: parts.environment.config.clone(),
        connections,
        flows,
        apis,
    }
}

type Runs = BTreeMap<FlowName, Vec<(FlowName, Span)>>;

fn lower_flows(
    work: &mut Work<'_>,
    project: &Project<'_>,
) -> (BTreeMap<FlowName, Arc<Flow>>, Runs, bool) {
    let parsed = work.parsed;
    let mut flows: BTreeMap<FlowName, Arc<Flow>> = BTreeMap::new();
    let mut runs = Runs::new();
    let mut complete = true;
    for file in parsed.of_kind(FileKind::Flow) {
        let Some(root) = file.document.as_ref().and_then(|d| d.root.as_ref()) else {
            complete = false;
            continue;
        };
        check_flow_name(work, root);
        let Some(lowered) = crate::flow::lower(work, project, root) else {
            complete = false;
            continue;
        };
        let name = lowered.flow.name.clone();
        if let Some(first) = flows.get(&name) {
            work.duplicate("flows", name.as_str(), lowered.flow.span, first.span);
            continue;
        }
        runs.insert(name.clone(), lowered.runs);
        flows.insert(name, Arc::new(lowered.flow));
    }
    (flows, runs, complete)
}

fn check_flow_name(work: &mut Work<'_>, root: &Node) {
    let Some(node) = root.get("flow") else { return };
    let Some(scalar) = node.as_scalar() else {
        return;
    };
    if !is_name(&scalar.text) {
        let message = format!("`{}` cannot be the name of a flow", scalar.text);
        work.error(codes::BAD_NAME, node.span, message).help =
            Some("use lower case letters, digits and hyphens, at most 64".to_owned());
    }
}

fn read_project(work: &mut Work<'_>) -> Option<ProjectFile> {
    let file = work.parsed.of_kind(FileKind::Project).next()?;
    let Some(root) = file.document.as_ref().and_then(|d| d.root.as_ref()) else {
        if !work.findings.has_errors() {
            work.error(codes::MISSING_KEY, file.start(), "the file is empty")
                .help = Some("write at least `project: NAME`".to_owned());
        }
        return None;
    };
    let project: ProjectFile = work.read_node(root, "the project")?;
    let span_of = |key: &str| root.get(key).map_or(root.span, |node| node.span);
    if !is_name(&project.project) {
        let message = format!("`{}` cannot be the name of a project", project.project);
        work.error(codes::BAD_NAME, span_of("project"), message)
            .help = Some("use lower case letters, digits and hyphens".to_owned());
    }
    if crate::flow::parse_record(&project.defaults.record).is_none() {
        let span = root
            .lookup("/defaults/record")
            .map_or(root.span, |node| node.span);
        let message = format!("`{}` does not say what is kept", project.defaults.record);
        work.error(codes::BAD_CHOICE, span, message).help =
            Some("write `all`, `failures`, `none`, or a share such as `sample 1%`".to_owned());
    }
    if !project.pii.is_empty() {
        crate::not_yet::told(work, span_of("pii"), "`pii` is not checked yet");
    }
    if !project.rules.is_empty() {
        crate::not_yet::told(work, span_of("rules"), "`rules` are not checked yet");
    }
    if !project.log.clears.is_empty() {
        crate::not_yet::told(work, span_of("log"), "`clears` is not checked yet");
    }
    Some(project)
}

fn unknown_environment(work: &mut Work<'_>, wanted: &EnvironmentName, names: &[EnvironmentName]) {
    let near = did_you_mean(wanted.as_str(), names.iter().map(EnvironmentName::as_str));
    let message = format!("there is no environment `{wanted}`");
    let mut finding = Finding::placeless(codes::UNKNOWN_REFERENCE, message);
    finding.help = Some(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("add `environments/{wanted}.yaml`"),
    });
    work.push(finding);
}

/// Owners that files name have to be the project's.
fn check_owners(work: &mut Work<'_>) {
    let parsed = work.parsed;
    let file = parsed.of_kind(FileKind::Project).find(|file| !file.broken);
    let Some(root) = file.and_then(|file| file.document.as_ref()?.root.as_ref()) else {
        return;
    };
    // The names stand in the file also where something else in it is wrong.
    let owners = root.get("owners").and_then(Node::as_map);
    let owners: Vec<&str> = owners.map_or_else(Vec::new, |map| {
        map.entries.iter().map(|entry| &*entry.key.text).collect()
    });
    for file in &parsed.files {
        if !matches!(
            file.kind,
            FileKind::Flow | FileKind::Connection | FileKind::Api
        ) {
            continue;
        }
        let root = file.document.as_ref().and_then(|d| d.root.as_ref());
        let Some(node) = root.and_then(|root| root.get("owner")) else {
            continue;
        };
        let Some(owner) = node.as_scalar() else {
            continue;
        };
        if owners.contains(&&*owner.text) {
            continue;
        }
        let near = did_you_mean(&owner.text, owners.iter().copied());
        let message = format!("the project has no owner `{}`", owner.text);
        let finding = work.error(codes::UNKNOWN_REFERENCE, node.span, message);
        crate::fix::suggest(finding, node.span, near, || {
            let name = &owner.text;
            format!("add it to `owners` in `sluice.yaml`: `{name}: {{ contact: ... }}`")
        });
    }
}

/// Returns what flows `from: { caller }` take and give, and the names of all others.
///
/// What is wrong with a signature is told here and once more when its flow is lowered: of equal
/// findings, one is kept.
fn caller_signatures(
    work: &mut Work<'_>,
) -> (BTreeMap<FlowName, CallerSignature>, BTreeSet<Arc<str>>) {
    let parsed = work.parsed;
    let mut callers = BTreeMap::new();
    let mut others = BTreeSet::new();
    for file in parsed.of_kind(FileKind::Flow) {
        let root = file.document.as_ref().and_then(|d| d.root.as_ref());
        let name = root
            .and_then(|root| root.get("flow"))
            .and_then(Node::as_scalar);
        let from = root.and_then(|root| root.get("from"));
        let (Some(name), Some(from)) = (name, from) else {
            continue;
        };
        if from.get("caller").is_none() {
            others.insert(Arc::clone(&name.text));
        } else if let Some(signature) = crate::from::caller_signature(work, from) {
            callers.insert(FlowName::from(&*name.text), signature);
        }
    }
    (callers, others)
}

/// The codes that `fail` steps of the project raise.
fn project_faults(parsed: &Parsed) -> Faults {
    fn collect(steps: &Node, codes: &mut Vec<String>) {
        for step in steps.as_list().unwrap_or_default() {
            if let Some(scalar) = step.get("fail").and_then(Node::as_scalar) {
                codes.push(scalar.text.to_string());
            }
            for inner in crate::steps::blocks_inside(step) {
                collect(inner, codes);
            }
            for key in ["choose", "catch"] {
                for way in step.get(key).and_then(Node::as_list).unwrap_or_default() {
                    for inner in crate::steps::blocks_inside(way) {
                        collect(inner, codes);
                    }
                }
            }
        }
    }
    let mut codes = Vec::new();
    for file in parsed.of_kind(FileKind::Flow) {
        let root = file.document.as_ref().and_then(|d| d.root.as_ref());
        for key in ["steps", "on_failure"] {
            if let Some(steps) = root.and_then(|root| root.get(key)) {
                collect(steps, &mut codes);
            }
        }
    }
    codes.sort();
    codes.dedup();
    Faults {
        codes,
        complete: !parsed.has_broken(FileKind::Flow),
    }
}

/// Tells of flows that run each other in a circle, once for each circle.
fn check_cycles(work: &mut Work<'_>, runs: &Runs) {
    let mut told: Vec<Vec<FlowName>> = Vec::new();
    for start in runs.keys() {
        let mut way: Vec<(FlowName, Span)> = Vec::new();
        if let Some(circle) = find_cycle(runs, start, start, &mut way, &mut BTreeSet::new()) {
            let mut members: Vec<FlowName> = circle.iter().map(|(name, _)| name.clone()).collect();
            members.sort();
            if told.contains(&members) {
                continue;
            }
            told.push(members);
            let names: Vec<String> = std::iter::once(start)
                .chain(circle.iter().map(|(name, _)| name))
                .map(|name| format!("`{name}`"))
                .collect();
            let message = format!("the flow `{start}` runs itself");
            let span = circle[0].1;
            let finding = work.error(codes::CYCLE, span, message);
            finding.notes.push(names.join(" runs "));
            finding.help =
                Some("a flow ends; let another flow or a schedule begin it again".into());
        }
    }
}

/// Finds a way from `at` back to `start`. Each flow is looked at once: from one that does not lead
/// back, no other way does.
fn find_cycle(
    runs: &Runs,
    start: &FlowName,
    at: &FlowName,
    way: &mut Vec<(FlowName, Span)>,
    seen: &mut BTreeSet<FlowName>,
) -> Option<Vec<(FlowName, Span)>> {
    for (next, span) in runs.get(at)? {
        if !seen.insert(next.clone()) {
            continue;
        }
        way.push((next.clone(), *span));
        if next == start {
            return Some(way.clone());
        }
        if let Some(found) = find_cycle(runs, start, next, way, seen) {
            return Some(found);
        }
        way.pop();
    }
    None
}
