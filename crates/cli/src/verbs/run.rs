//! `sluice run`: serves a project until it is stopped.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::json;
use sluice_compiler::compile::{Options, compile};
use sluice_compiler::release::Release;
use sluice_engine::{Engine, Limits, Ports};
use sluice_gateway::front::Front;
use sluice_gateway::limits::FrontLimits;
use sluice_gateway::mock::{self, MockOptions, MockServer};
use sluice_model::fault::Fault;
use sluice_model::ids::{ApiName, ConnectionName};
use sluice_model::operation::HttpOperation;
use sluice_sdk::config::Secret;
use sluice_sdk::connection::DynSource;
use sluice_sdk::cx::Cx;
use sluice_store::release::Release as StoredRelease;
use sluice_store::store::Store;

use crate::exit::{FINDINGS, OK, usage};
use crate::output::{self, Output, OutputArgs};
use crate::process;
use crate::registry::registry;
use crate::target::{EnvironmentArgs, ProjectArgs};

/// Runs a project: checks it, starts its flows and APIs, and serves until it is stopped.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// The address that APIs listen on, in the place of the environment's; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// How long what is under way may take once the process is told to stop, in seconds.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    drain: u64,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the verb.
///
/// # Errors
/// If the project cannot be read, its data folder is owned by another process, an address is taken,
/// or a secret is missing.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    process::runtime()?.block_on(serve(args))
}

async fn serve(args: &Args) -> anyhow::Result<u8> {
    let root = args.project.root()?;
    let (cx, process) = process::context(&root);
    let Some((release, mocks)) = prepare(args, &cx)? else {
        return Ok(FINDINGS);
    };
    check_secrets(&release, &cx)?;
    let front = listen(args, &release, &cx)?;
    let address = front.as_ref().map(|front| front.address().to_string());
    let data = args.environment.data_folder(&root);
    let store: Arc<dyn Store> = Arc::new(process::own(&data, &cx, address.clone())?);
    keep_release(&release, &*store, &cx).await?;
    let ports = GatewayPorts(front.clone());
    let running = Engine::start(Arc::clone(&release), store, &cx, &ports, Limits::default())
        .map_err(|fault| anyhow!(fault.private()))?;
    tell_ready(args, &release, address.as_deref(), &mocks, &data)?;
    stopped().await?;
    output::say("stopping: finishing what is under way");
    let deadline = Duration::from_secs(args.drain);
    if let Some(front) = &front
        && !front.drain(deadline).await
    {
        output::say("some requests were cut off: they did not end in time");
    }
    running.drain(deadline).await;
    drop(mocks);
    process.cancel();
    Ok(OK)
}

type Mocks = Vec<(ConnectionName, MockServer)>;

/// Compiles the project and starts the mocks that its environment asks for; `None` if there are
/// errors, which are told.
fn prepare(args: &Args, cx: &Cx) -> anyhow::Result<Option<(Arc<Release>, Mocks)>> {
    let files = args.project.files()?;
    let registry = registry();
    let environment = Some(args.environment.name());
    let options = Options {
        environment: environment.clone(),
        ..Options::default()
    };
    let compiled = compile(&files, &registry, &options);
    if !compiled.findings.is_empty() {
        output::findings(&compiled.findings, &compiled.sources, Output::Text, false)?;
    }
    let Some(release) = compiled.release else {
        return Ok(None);
    };
    let mocks = start_mocks(&release, cx)?;
    if mocks.is_empty() {
        return Ok(Some((Arc::new(release), mocks)));
    }
    // The connections that a mock stands for are made anew, with its address.
    let urls = mocks
        .iter()
        .map(|(name, mock)| (name.clone(), format!("http://{}", mock.address())))
        .collect();
    let options = Options {
        environment,
        mocks: urls,
        only: true,
    };
    let again = compile(&files, &registry, &options).release;
    let release = again.ok_or_else(|| anyhow!("the project has changed while it was started"))?;
    Ok(Some((Arc::new(release), mocks)))
}

/// Refuses to start with a secret that is not set: better now than with the first message.
fn check_secrets(release: &Release, cx: &Cx) -> anyhow::Result<()> {
    let mut missing = Vec::new();
    for plan in release
        .connections
        .values()
        .filter(|plan| plan.mock.is_none())
    {
        for own in &plan.secrets {
            let secret = Secret {
                secret: own.name.to_string(),
            };
            if cx.secret(&secret).is_err() {
                missing.push(format!(
                    "the connection `{}` needs the secret `{}` for `{}`: set SLUICE_SECRET_{}, or \
                     write it to `.sluice/secrets/{}` (mode 600)",
                    plan.name,
                    own.name,
                    own.key,
                    own.name.to_uppercase(),
                    own.name
                ));
            }
        }
    }
    match missing.as_slice() {
        [] => Ok(()),
        all => Err(usage(all.join("\n       "))),
    }
}

/// Listens for the project's APIs, if it has any.
fn listen(args: &Args, release: &Release, cx: &Cx) -> anyhow::Result<Option<Arc<Front>>> {
    if release.apis.is_empty() {
        return Ok(None);
    }
    let address = args.listen.as_deref().unwrap_or(&release.listen);
    let front = Front::bind(address, FrontLimits::default(), cx);
    let front = front.map_err(|fault| usage(fault.public().to_owned()))?;
    front.install(&release.apis);
    Ok(Some(Arc::new(front)))
}

/// Starts the mocks that the environment asks for.
fn start_mocks(release: &Release, cx: &Cx) -> anyhow::Result<Mocks> {
    let mut mocks = Vec::new();
    for plan in release.connections.values() {
        let (Some(mock), Some(contract)) = (&plan.mock, &plan.contract) else {
            continue;
        };
        let options = MockOptions {
            listen: mock.listen.to_string(),
            seed: mock.seed,
            ..MockOptions::default()
        };
        let server = mock::serve(Arc::clone(contract), &options, cx);
        let server = server.map_err(|fault| anyhow!(fault.private()));
        let server = server.with_context(|| format!("cannot mock `{}`", plan.name))?;
        mocks.push((plan.name.clone(), server));
    }
    Ok(mocks)
}

/// Keeps the release, so that runs can be traced back to the files that they ran by.
async fn keep_release(release: &Release, store: &dyn Store, cx: &Cx) -> anyhow::Result<()> {
    let manifest = release.manifest.json.as_bytes().into();
    let blobs = release
        .manifest
        .files
        .iter()
        .map(|file| Arc::clone(&file.bytes));
    store
        .put_release(StoredRelease::new(manifest, blobs, cx.now()))
        .await?;
    Ok(())
}

fn tell_ready(
    args: &Args,
    release: &Release,
    address: Option<&str>,
    mocks: &[(ConnectionName, MockServer)],
    data: &Path,
) -> anyhow::Result<()> {
    if args.output.is_json() {
        let apis: Vec<_> = release
            .apis
            .values()
            .map(|api| json!({ "api": api.name.as_str(), "path": &*api.path }))
            .collect();
        output::json(&json!({
            "event": "ready",
            "project": &*release.project,
            "environment": release.environment.as_str(),
            "release": release.manifest.id.as_str(),
            "address": address,
            "apis": apis,
            "flows": release.flows.keys().map(|name| name.as_str()).collect::<Vec<_>>(),
        }))?;
        return Ok(());
    }
    output::say(&format!(
        "`{}` runs: environment `{}`, {} flows, data in `{}`",
        release.project,
        release.environment,
        release.flows.len(),
        process::shown(data),
    ));
    for api in release.apis.values() {
        if let Some(address) = address {
            output::say(&format!(
                "  api {:<12} http://{address}{}",
                api.name.as_str(),
                api.path
            ));
        }
    }
    for (name, mock) in mocks {
        output::say(&format!(
            "  mock {:<11} http://{}",
            name.as_str(),
            mock.address()
        ));
    }
    output::say("stop with Ctrl-C; `sluice runs list` shows what has run");
    Ok(())
}

/// Waits for the signal to stop.
pub(super) async fn stopped() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
    tokio::select! {
        biased;
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// The gateway as the engine sees it.
struct GatewayPorts(Option<Arc<Front>>);

impl Ports for GatewayPorts {
    fn api_source(
        &self,
        api: &ApiName,
        operation: &Arc<HttpOperation>,
    ) -> Result<Box<dyn DynSource>, Fault> {
        match &self.0 {
            Some(front) => front.api_source(api, operation),
            None => Err(Fault::internal(format!(
                "nothing listens for the API `{api}`"
            ))),
        }
    }
}
