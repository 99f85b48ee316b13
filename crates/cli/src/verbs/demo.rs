//! `sluice demo`: the example project under load, and what an engineer does with it.

mod load;
mod project;
mod report;
mod rows;
mod story;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use sluice_contracts::contract::{Contract, ContractFile};
use sluice_gateway::mock::{self, MockOptions, MockServer, Stats};
use sluice_model::ids::FlowName;
use sluice_model::span::Sources;
use sluice_sdk::cx::Cx;
use sluice_store::counts::Counts;
use sluice_store::sqlite::reader::SqliteReader;
use sluice_store::store::StoreReader;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::exit::{FAILED, OK, usage};
use crate::output::{self, OutputArgs};
use crate::process;
use crate::verbs::demo::load::Answers;
use crate::verbs::demo::rows::Rows;

/// Runs the example project under load: orders over HTTP, and a file of a million rows, some of
/// them broken; then finds an order, shows its run, repairs a dead letter and sends it again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many orders come over HTTP.
    #[arg(long, default_value_t = 10_000)]
    orders: u64,
    /// How many rows the partner's file has.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Keeps the project and its data in this folder, which must be empty or not there.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// The environment that the demo runs in.
const ENVIRONMENT: &str = "demo";
/// The longest time without any progress before the demo gives up.
const STALLED: Duration = Duration::from_secs(120);

/// Runs the verb.
///
/// # Errors
/// If the demo cannot be started, or stops making progress.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    let temporary;
    let folder = match &args.keep {
        Some(folder) => {
            let taken = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
            if taken {
                return Err(usage(format!("`{}` is not empty", folder.display())));
            }
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make `{}`", folder.display()))?;
            std::path::absolute(folder)?
        }
        None => {
            temporary = tempfile::tempdir().context("cannot make a temporary folder")?;
            temporary.path().to_owned()
        }
    };
    let done = process::runtime()?.block_on(async {
        let (cx, _process) = process::context(&folder);
        drive(args, &folder, &cx).await
    })?;
    if args.output.is_json() {
        output::json(&done.json())?;
    } else {
        output::line(&done.text())?;
        if args.keep.is_some() {
            let place = process::shown(&folder);
            let list = format!("sluice dead-letters list {place} --env {ENVIRONMENT}");
            output::say(&format!("next: `{list}`, or `sluice run {place}`"));
        }
    }
    Ok(if done.is_balanced() { OK } else { FAILED })
}

/// What the demo has seen.
pub(super) struct Done {
    seconds: f64,
    peak_rss_mib: f64,
    orders: u64,
    orders_broken: u64,
    booked: u64,
    refused: u64,
    other: u64,
    rows: Rows,
    flows: Vec<(FlowName, Counts)>,
    dead_letters: Vec<report::Group>,
    table: report::Table,
    bookings: Stats,
    story: Option<story::Story>,
}

async fn drive(args: &Args, folder: &Path, cx: &Cx) -> anyhow::Result<Done> {
    let begun = cx.monotonic();
    let erp = start_erp(cx)?;
    project::write(folder, &erp.address().to_string())?;
    let rows = rows::write(&folder.join("data/inbox/orders"), args.rows)?;
    let mut served = Served::start(folder).await?;
    let answers = Arc::new(Answers::default());
    let reader = SqliteReader::open(&folder.join(".sluice").join(ENVIRONMENT))?;
    let bar = bar(args);
    let address = served.address.clone();
    let (placed, watched) = tokio::join!(
        load::place(&address, args.orders, Arc::clone(&answers)),
        watch(args, &reader, &answers, &mut served, &bar, cx),
    );
    bar.finish_and_clear();
    placed?;
    watched?;
    let seconds = (cx.monotonic() - begun).as_secs_f64();
    let peak_rss_mib = served.peak_rss_mib()?;
    let story = story::tell(&reader, cx).await?;
    served.stop().await?;
    let flows = reader.counts_all().await?;
    let dead_letters = report::groups(&reader).await?;
    Ok(Done {
        seconds,
        peak_rss_mib,
        orders: args.orders,
        orders_broken: load::broken_of(args.orders),
        booked: answers.booked.load(Ordering::Relaxed),
        refused: answers.refused.load(Ordering::Relaxed),
        other: answers.other.load(Ordering::Relaxed),
        rows,
        flows,
        dead_letters,
        table: report::table(&folder.join("data/shop.db"))?,
        bookings: erp.stats(),
        story,
    })
}

/// The ERP: a mock of its contract, in this process.
fn start_erp(cx: &Cx) -> anyhow::Result<MockServer> {
    let (path, text) = project::ERP_CONTRACT;
    let mut sources = Sources::default();
    let id = sources.add(path, text);
    let file = ContractFile::of(&sources, id);
    let (contract, findings) = Contract::read(&file, &mut |_| None);
    if findings.has_errors() {
        bail!("the ERP's contract cannot be read");
    }
    let options = MockOptions {
        listen: "127.0.0.1:0".to_owned(),
        seed: 1,
        ..MockOptions::default()
    };
    mock::serve(Arc::new(contract), &options, cx).map_err(|fault| anyhow!(fault.private()))
}

fn bar(args: &Args) -> ProgressBar {
    if args.output.is_json() || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(args.orders + args.rows);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Waits until everything that went in has come out.
async fn watch(
    args: &Args,
    reader: &SqliteReader,
    answers: &Answers,
    served: &mut Served,
    bar: &ProgressBar,
    cx: &Cx,
) -> anyhow::Result<()> {
    let files = FlowName::from("order-files");
    let web = FlowName::from("order-intake");
    let wanted = args.orders - load::broken_of(args.orders);
    let mut last = (0, cx.monotonic());
    loop {
        let rows = reader.counts(&files).await?.settled();
        let orders = reader.counts(&web).await?.settled();
        let done = rows + answers.done();
        bar.set_position(done);
        bar.set_message(format!("{orders} orders, {rows} rows"));
        if args.rows <= rows && args.orders <= answers.done() && wanted <= orders {
            return Ok(());
        }
        if let Some(status) = served
            .child
            .try_wait()
            .context("cannot watch the process")?
        {
            bail!("the process that runs the flows ended by itself: {status}");
        }
        if done != last.0 {
            last = (done, cx.monotonic());
        } else if STALLED < cx.monotonic() - last.1 {
            bail!("nothing has moved for {STALLED:?}: {orders} orders and {rows} rows are done");
        }
        cx.sleep(Duration::from_millis(100)).await;
    }
}

/// The process that runs the flows.
struct Served {
    child: Child,
    address: String,
    pid: u32,
}

impl Served {
    async fn start(folder: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut child = Command::new(program)
            .arg("run")
            .arg(folder)
            .args(["--env", ENVIRONMENT, "-o", "json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the process that runs the flows")?;
        let pid = child.id().context("the process has ended at once")?;
        let out = child.stdout.take().context("the process has no output")?;
        let mut lines = BufReader::new(out).lines();
        let line = lines
            .next_line()
            .await?
            .context("the process ended before it was ready")?;
        let ready: serde_json::Value =
            serde_json::from_str(&line).with_context(|| format!("the process said `{line}`"))?;
        let address = ready["address"]
            .as_str()
            .context("the process gave no address")?
            .to_owned();
        Ok(Self {
            child,
            address,
            pid,
        })
    }

    /// The most memory that the process ever had, in MiB.
    fn peak_rss_mib(&self) -> anyhow::Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid))
            .context("memory is known on Linux only")?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kib.context("the system does not tell the peak of memory")? / 1024.0)
    }

    /// Asks the process to stop, and waits until it has.
    async fn stop(&mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        let pid = pid.context("the process has no id")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let status = self.child.wait().await?;
        if !status.success() {
            bail!("the process that ran the flows ended with {status}");
        }
        Ok(())
    }
}
