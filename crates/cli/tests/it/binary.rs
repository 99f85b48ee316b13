//! The binary, run as people run it.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What a command did.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Returns all of it as one text, with the folder's path out of it.
    pub fn shown(&self, folder: &Path) -> String {
        let text = format!("{}--- {}\n{}", self.out, self.code, self.err);
        text.replace(&folder.display().to_string(), "FOLDER")
    }
}

/// Returns the command, in a folder and an environment that is the same everywhere.
pub fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command
        .current_dir(folder)
        .args(args)
        .env_clear()
        .env("USER", "tester");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Starts the binary.
#[track_caller]
pub fn start(folder: &Path, args: &[&str]) -> Child {
    command(folder, args).spawn().expect("the binary starts")
}

/// Waits until it ends.
#[track_caller]
pub fn finish(child: Child) -> Ran {
    let output = child.wait_with_output().expect("the binary ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("its output is UTF-8");
    Ran {
        code: output.status.code().expect("it ends by itself"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// Runs the binary with an input.
#[track_caller]
pub fn feed(folder: &Path, args: &[&str], input: &str) -> Ran {
    let mut child = start(folder, args);
    let mut stdin = child.stdin.take().expect("it has an input");
    // A command that does not read its input may have ended before.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    finish(child)
}

/// Runs the binary.
#[track_caller]
pub fn run(folder: &Path, args: &[&str]) -> Ran {
    feed(folder, args, "")
}
