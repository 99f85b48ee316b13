//! Other programs: started, waited for, measured.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeVal;
use nix::unistd::Pid;

use crate::environment::Environment;

/// What something cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Processor time of the programs that were waited for, user and system.
    pub cpu: Duration,
    /// Time on the wall.
    pub wall: Duration,
}

/// Runs `work` and returns what the programs cost that it started and waited for.
pub fn measured<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Cost)> {
    let (cpu, begun) = (children_cpu()?, now());
    let done = work()?;
    let cost = Cost {
        cpu: children_cpu()?.saturating_sub(cpu),
        wall: begun.elapsed(),
    };
    Ok((done, cost))
}

/// The processor time of all programs that this process has waited for.
fn children_cpu() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("cannot read the processor time")?;
    Ok(duration(usage.user_time()) + duration(usage.system_time()))
}

fn duration(time: TimeVal) -> Duration {
    let whole = u64::try_from(time.tv_sec()).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec()).unwrap_or(0);
    Duration::from_secs(whole) + Duration::from_micros(micros)
}

/// Returns a command of cargo, at the root of the workspace.
pub fn cargo(environment: &Environment, arguments: &[&str]) -> Command {
    let mut command = Command::new(&environment.cargo);
    command.args(arguments).current_dir(&environment.root);
    if environment.ci {
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}

/// Returns a command as one would type it.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

/// Runs a command; its output is ours.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    Ok(())
}

/// Runs a command and returns what it printed on standard output.
pub fn output(command: &mut Command) -> Result<String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !status.success() {
        let said = String::from_utf8_lossy(&stderr);
        let said = said.trim_end();
        bail!("`{}` failed: {status}\n{said}", shown(command));
    }
    String::from_utf8(stdout).with_context(|| format!("`{}` prints no UTF-8", shown(command)))
}

/// Returns whether a program is there and answers.
pub fn answers(program: &str) -> bool {
    let asked = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

/// Waits until a program ends by itself, or until `ready`; then it is asked to end. Returns the
/// most memory that it held, in MiB, where the system tells.
///
/// # Errors
/// If it takes longer than `limit`, or ends by itself before `ready`, or with a failure.
pub fn until(
    mut child: Child,
    limit: Duration,
    ready: Option<&dyn Fn() -> bool>,
) -> Result<Option<f64>> {
    let begun = now();
    let mut peak = None;
    loop {
        peak = peak_memory(child.id()).or(peak);
        if let Some(status) = child.try_wait()? {
            let meant = ready.is_none() && status.success();
            return if meant {
                Ok(peak)
            } else {
                Err(anyhow::anyhow!("it ended: {status}"))
            };
        }
        if ready.is_some_and(|ready| ready()) {
            break;
        }
        if limit < begun.elapsed() {
            child.kill()?;
            child.wait()?;
            bail!("it did not finish within {} s", limit.as_secs());
        }
        pause(Duration::from_millis(5));
    }
    let pid = i32::try_from(child.id()).context("a process id of this system is an i32")?;
    kill(Pid::from_raw(pid), Signal::SIGTERM).context("cannot ask the program to end")?;
    let status = child.wait()?;
    if !status.success() {
        bail!("asked to end, it failed: {status}");
    }
    Ok(peak)
}

/// The high-water mark of a running program's memory, in MiB. Only Linux tells.
fn peak_memory(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// Returns today's date and the commit that is checked out, with `+` if files differ from it.
pub fn today_and_commit(environment: &Environment) -> (String, String) {
    let ask = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&environment.root);
        output(&mut command).map(|text| text.trim().to_owned())
    };
    let date = ask("date", &["-u", "+%F"]).unwrap_or_else(|_| "unknown".to_owned());
    let mut commit =
        ask("git", &["rev-parse", "--short=10", "HEAD"]).unwrap_or_else(|_| "unknown".to_owned());
    let changed = ask(
        "git",
        &["status", "--porcelain", "--", "crates", "Cargo.toml"],
    );
    if changed.is_ok_and(|changed| !changed.is_empty()) {
        commit.push('+');
    }
    (date, commit)
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a build takes is told by the real clock"
)]
pub fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "another program is watched from outside"
)]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

#[cfg(test)]
mod tests;
