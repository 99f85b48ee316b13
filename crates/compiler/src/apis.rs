//! APIs: a contract, its place, and who serves its operations.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_contracts::contract::{Contract, ContractKind};
use sluice_model::codes;
use sluice_model::finding::{Finding, did_you_mean};
use sluice_model::ids::ApiName;
use sluice_model::span::Span;
use sluice_syntax::tree::Node;

use crate::files::ApiFile;
use crate::names::is_name;
use crate::project::FileKind;
use crate::release::{Api, ApiOperation, Flow, From};
use crate::work::Work;

/// Reads all APIs; who serves their operations is known only after the flows are.
pub(crate) fn read_all(work: &mut Work<'_>) -> BTreeMap<ApiName, Arc<Api>> {
    let mut all: BTreeMap<ApiName, Arc<Api>> = BTreeMap::new();
    let parsed = work.parsed;
    for file in parsed.of_kind(FileKind::Api) {
        let Some(root) = file.document.as_ref().and_then(|d| d.root.as_ref()) else {
            continue;
        };
        let Some(api) = read(work, root) else {
            continue;
        };
        if let Some(first) = all.get(&api.name) {
            work.duplicate("APIs", api.name.as_str(), api.span, first.span);
            continue;
        }
        all.insert(api.name.clone(), Arc::new(api));
    }
    check_routes(work, &all);
    all
}

fn read(work: &mut Work<'_>, root: &Node) -> Option<Api> {
    let file: ApiFile = work.read_node(root, "an API")?;
    let span = root.get("api").map_or(root.span, |node| node.span);
    if !is_name(&file.api) {
        let message = format!("`{}` cannot be the name of an API", file.api);
        work.error(codes::BAD_NAME, span, message).help =
            Some("use lower case letters, digits and hyphens".to_owned());
    }
    let path_span = root.get("path").map_or(root.span, |node| node.span);
    if !is_path(&file.path) {
        let message = format!("`{}` is not the path of an API", file.path);
        work.error(codes::BAD_VALUE, path_span, message).help =
            Some("begin with `/`, do not end with it, and use no parameters: `/orders/v1`".into());
    }
    if file.policies.is_some() {
        let span = root.get("policies").map_or(root.span, |node| node.span);
        crate::not_yet::refused(work, span, "`policies` are not built yet");
    }
    let contract_span = root.get("contract").map_or(root.span, |node| node.span);
    let contract = work.contract(&file.contract, contract_span)?;
    if contract.kind() != ContractKind::OpenApi {
        if contract.kind() != ContractKind::Unknown {
            let message = format!("`{}` is not an OpenAPI document", file.contract);
            work.error(codes::UNSUPPORTED_CONTRACT, contract_span, message)
                .help = Some("an API is published by its OpenAPI contract".to_owned());
        }
        return None;
    }
    check_operations(work, root, &file, &contract);
    Some(Api {
        name: ApiName::from(file.api.as_str()),
        summary: file.summary.as_deref().map(Into::into),
        owner: file.owner.as_deref().map(Into::into),
        path: file.path.as_str().into(),
        contract,
        operations: Vec::new(),
        span,
    })
}

fn is_path(path: &str) -> bool {
    let segment = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
    };
    path == "/"
        || path
            .strip_prefix('/')
            .is_some_and(|rest| rest.split('/').all(segment))
}

fn check_operations(work: &mut Work<'_>, root: &Node, file: &ApiFile, contract: &Contract) {
    let Some(map) = root.get("operations").and_then(Node::as_map) else {
        return;
    };
    for entry in &map.entries {
        let names = contract.operations().iter().map(|operation| &*operation.id);
        if contract.operation(&entry.key.text).is_none() {
            if work.is_damaged(contract) {
                continue;
            }
            let near = did_you_mean(&entry.key.text, names);
            let message = format!("`{}` has no operation `{}`", file.contract, entry.key.text);
            let finding = work.error(codes::UNKNOWN_REFERENCE, entry.key_span, message);
            if let Some(near) = near {
                finding.help = Some(format!("did you mean `{near}`?"));
                let fix = crate::fix::replace(format!("use `{near}`"), entry.key_span, near);
                finding.fixes.push(fix);
            }
            continue;
        }
        crate::not_yet::refused(
            work,
            entry.key_span,
            "settings of single operations (`upstream`, `policies`) are not built yet",
        );
    }
}

/// Tells of two operations that one request could mean.
fn check_routes(work: &mut Work<'_>, apis: &BTreeMap<ApiName, Arc<Api>>) {
    let mut routes: BTreeMap<(String, String), Span> = BTreeMap::new();
    for api in apis.values() {
        for operation in api.contract.operations() {
            let mut shape = format!("{}{}", api.path.trim_end_matches('/'), operation.path);
            while let (Some(open), Some(close)) = (shape.find('{'), shape.find('}')) {
                if close < open {
                    break;
                }
                shape.replace_range(open..=close, "*");
            }
            let key = (operation.method.to_string(), shape);
            if let Some(first) = routes.insert(key, operation.span) {
                let message = format!(
                    "`{} {}{}` is served twice",
                    operation.method,
                    api.path.trim_end_matches('/'),
                    operation.path
                );
                let span = if first == operation.span {
                    api.span
                } else {
                    operation.span
                };
                let finding = work.error(codes::ROUTE_CONFLICT, span, message);
                finding
                    .labels
                    .push(crate::fix::label(first, "the first one"));
                finding.help = Some("give one of the APIs another `path`".to_owned());
            }
        }
    }
}

/// Fills in which flow serves which operation; an operation without one is told.
pub(crate) fn with_flows<'f>(
    work: &mut Work<'_>,
    apis: &BTreeMap<ApiName, Arc<Api>>,
    flows: impl Iterator<Item = &'f Arc<Flow>> + Clone,
    flows_complete: bool,
) -> BTreeMap<ApiName, Arc<Api>> {
    let mut all = BTreeMap::new();
    for (name, api) in apis {
        let mut operations = Vec::new();
        for operation in api.contract.operations() {
            let mut serving = flows.clone().filter(|flow| match &flow.from {
                From::Api {
                    api: own,
                    operation: served,
                } => own == name && served.id == operation.id,
                From::Source { .. } | From::Caller { .. } => false,
            });
            let flow = serving.next();
            if let (Some(first), Some(second)) = (flow, serving.next()) {
                let message = format!("`{name}#{}` is served by two flows", operation.id);
                let finding = work.error(codes::ROUTE_CONFLICT, second.span, message);
                finding
                    .labels
                    .push(crate::fix::label(first.span, "the first one"));
                finding.help = Some("let one flow serve it, which may `run` the other".to_owned());
            }
            if flow.is_none() && flows_complete {
                let message = format!("no flow serves `{name}#{}`", operation.id);
                let finding = Finding::warning(codes::UNSERVED_OPERATION, api.span, message)
                    .with_place(operation.span, "declared here")
                    .with_note("a request to it is answered 501")
                    .with_help(format!(
                        "add a flow `from: {{ api: {name}#{} }}`",
                        operation.id
                    ));
                work.push(finding);
            }
            let operation = Arc::clone(operation);
            operations.push(ApiOperation {
                operation,
                flow: flow.map(|flow| flow.name.clone()),
            });
        }
        all.insert(
            name.clone(),
            Arc::new(Api {
                name: api.name.clone(),
                summary: api.summary.clone(),
                owner: api.owner.clone(),
                path: Arc::clone(&api.path),
                contract: Arc::clone(&api.contract),
                operations,
                span: api.span,
            }),
        );
    }
    all
}
