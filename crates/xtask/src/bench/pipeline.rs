//! CSV to JSON lines: a project run by Sluice, against a program written for nothing else.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::bench::figures::{Bar, Figure};
use crate::bench::{Bench, NotRun, Outcome, median};
use crate::process::{self, Cost};

/// Beyond that something hangs.
const LIMIT: Duration = Duration::from_secs(600);
const INPUT: &str = "rows.csv";

/// What one run cost.
struct Run {
    cost: Cost,
    /// The most memory, in MiB.
    peak: Option<f64>,
    /// Number of lines and hash of their contents, whatever their order.
    content: String,
}

/// Runs the benchmark.
pub fn run(bench: &Bench<'_>) -> Outcome {
    let limit = limit(bench)?;
    let input = input(bench)?;
    let project = bench.environment.root.join("benches/pipeline");
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let other = by_hand(bench, &limit, &input)?;
        let run = sluice(bench, &limit, &project, &input)?;
        ensure_same(&run, &other)?;
        for (name, run) in [("by hand", &other), ("Sluice", &run)] {
            println!("    {name}: {}", behind(run, bench.rows));
        }
        ours.push(run);
        others.push(other);
    }
    let ratio =
        |(run, other): (&Run, &Run)| run.cost.cpu.as_secs_f64() / other.cost.cpu.as_secs_f64();
    let ratios = ours.iter().zip(&others).map(ratio);
    let peaks: Vec<f64> = ours.iter().filter_map(|run| run.peak).collect();
    let (run, other) = (middle(&ours), middle(&others));
    let mut figures = vec![Figure {
        what: format!(
            "CSV to JSON lines, {} rows, CPU: Sluice / by hand",
            bench.rows
        ),
        ratio: median(ratios.collect()),
        bar: Bar::AtMost(3.0),
        behind: format!(
            "{} against {}",
            behind(run, bench.rows),
            behind(other, bench.rows)
        ),
    }];
    if !peaks.is_empty() {
        figures.push(Figure {
            what: "CSV to JSON lines: peak memory of Sluice, in MiB".to_owned(),
            ratio: median(peaks),
            bar: Bar::AtMost(30.0),
            behind: format!("{} rows", bench.rows),
        });
    }
    Ok(figures)
}

fn ensure_same(run: &Run, other: &Run) -> Result<()> {
    ensure!(
        run.content == other.content,
        "Sluice wrote `{}`, the program by hand `{}`",
        run.content,
        other.content
    );
    Ok(())
}

fn middle(runs: &[Run]) -> &Run {
    let mut by_cpu: Vec<&Run> = runs.iter().collect();
    by_cpu.sort_by_key(|run| run.cost.cpu);
    by_cpu[runs.len() / 2]
}

fn behind(run: &Run, rows: u64) -> String {
    let (cpu, wall) = (run.cost.cpu.as_secs_f64(), run.cost.wall.as_secs_f64());
    let each = cpu * 1e6 / rows as f64;
    let peak = run
        .peak
        .map_or(String::new(), |peak| format!(", {peak:.0} MiB"));
    format!("{cpu:.2} CPU-s in {wall:.1} s ({each:.2} us a row){peak}")
}

/// Builds the program by hand, in a workspace of its own.
fn limit(bench: &Bench<'_>) -> Result<PathBuf, NotRun> {
    let source = bench.material("peers/limit/src/main.rs")?;
    let manifest = bench.material("peers/limit/Cargo.toml")?;
    let folder = bench.scratch().join("limit");
    std::fs::create_dir_all(folder.join("src")).context("cannot make the limit's folder")?;
    let text = std::fs::read_to_string(manifest).context("cannot read the limit's manifest")?;
    let text = format!("{text}\n[workspace]\n");
    std::fs::write(folder.join("Cargo.toml"), text).context("cannot write the limit's manifest")?;
    std::fs::copy(source, folder.join("src/main.rs")).context("cannot copy the limit")?;
    let mut command = Command::new(&bench.environment.cargo);
    command
        .args(["build", "--release", "--quiet", "--target-dir", "target"])
        .current_dir(&folder);
    println!(
        "    building the program by hand: {}",
        process::shown(&command)
    );
    match process::output(&mut command) {
        Ok(_) => Ok(folder.join("target/release/limit")),
        Err(error) => Err(NotRun::Missing(format!(
            "the program by hand does not build: {error:#}"
        ))),
    }
}

/// Makes the input, once for each number of rows.
fn input(bench: &Bench<'_>) -> Result<PathBuf, NotRun> {
    let path = bench.scratch().join(format!("rows-{}.csv", bench.rows));
    if path.exists() {
        return Ok(path);
    }
    let generator = bench.material("peers/generator.py")?;
    if !process::answers("python3") {
        return Err(NotRun::Missing("`python3` does not answer".to_owned()));
    }
    let part = path.with_extension("part");
    let mut command = Command::new("python3");
    command
        .arg(generator)
        .arg("csv")
        .arg(bench.rows.to_string())
        .arg(&part);
    process::output(&mut command)?;
    std::fs::rename(&part, &path).context("cannot name the input")?;
    Ok(path)
}

fn by_hand(bench: &Bench<'_>, limit: &Path, input: &Path) -> Result<Run> {
    let made = bench.scratch().join("by-hand.jsonl");
    let (peak, cost) = process::measured(|| {
        let child = Command::new(limit).arg("p4").arg(input).arg(&made).spawn();
        process::until(
            child.context("cannot start the program by hand")?,
            LIMIT,
            None,
        )
    })?;
    Ok(Run {
        cost,
        peak,
        content: content(limit, &made)?,
    })
}

/// Runs the project in a fresh copy until its input was moved, which is after the last row was
/// settled.
fn sluice(bench: &Bench<'_>, limit: &Path, project: &Path, input: &Path) -> Result<Run> {
    let folder = bench.scratch().join("pipeline");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("cannot clear the copy of the project")?;
    }
    copy(project, &folder)?;
    let inbox = folder.join("data/inbox");
    std::fs::create_dir_all(&inbox).context("cannot make the inbox")?;
    std::fs::copy(input, inbox.join(INPUT)).context("cannot copy the input")?;
    let log = File::create(bench.scratch().join("pipeline.log")).context("cannot make a log")?;
    let moved = inbox.join("done").join(INPUT);
    let (peak, cost) = process::measured(|| {
        let mut command = Command::new(bench.program("sluice"));
        command.arg("run").arg(&folder).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("cannot start `sluice run`")?;
        process::until(child, LIMIT, Some(&|| moved.exists()))
            .context("`sluice run`; what it said is in `target/bench/pipeline.log`")
    })?;
    let out = folder.join("data/out");
    let entries = std::fs::read_dir(&out).context("Sluice wrote no folder")?;
    let written: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    ensure!(
        written.len() == 1,
        "Sluice wrote {} files instead of one",
        written.len()
    );
    Ok(Run {
        cost,
        peak,
        content: content(limit, &written[0])?,
    })
}

/// Number of lines and a hash of what they say, by the limit's own reader.
fn content(limit: &Path, file: &Path) -> Result<String> {
    let text = process::output(Command::new(limit).arg("hashfile").arg(file))?;
    Ok(text.trim().to_owned())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).context("cannot make a folder of the copy")?;
    let entries = std::fs::read_dir(from).context("cannot read the project")?;
    for entry in entries {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target).context("cannot copy the project")?;
        }
    }
    Ok(())
}
