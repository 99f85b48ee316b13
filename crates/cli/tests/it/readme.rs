//! The tutorial of the README, word by word.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How often a command is asked again until its output is as the tutorial shows it: rows are taken
/// beside, and each question takes some milliseconds.
const ASKED_MAX: usize = 5_000;

/// A piece of the tutorial.
enum Piece {
    /// A file that the reader saves.
    File(String, String),
    /// A command, and what its output contains.
    Command(String, Vec<String>),
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match info.split_once(' ') {
            Some((_, path)) => {
                pieces.push(Piece::File(path.to_owned(), block.join("\n") + "\n"));
            }
            None if info == "console" => {
                for line in block {
                    match (line.strip_prefix("$ "), pieces.last_mut()) {
                        (Some(command), _) => {
                            pieces.push(Piece::Command(command.to_owned(), Vec::new()));
                        }
                        (None, Some(Piece::Command(_, expected))) => {
                            expected.push(normal(line));
                        }
                        (None, _) => panic!("output without a command: {line}"),
                    }
                }
            }
            None => {}
        }
    }
    pieces
}

/// A text with single blanks.
fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns everything that a command prints.
fn output(folder: &Path, bin: &Path, command: &str) -> String {
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let output = Command::new("bash")
        .args(["-c", command])
        .current_dir(folder)
        .env_clear()
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .expect("a shell runs");
    let text = [output.stdout, output.stderr].concat();
    normal(&String::from_utf8_lossy(&text))
}

/// Starts the project, and waits until it says that it runs.
fn serve(folder: &Path, bin: &Path) -> Child {
    let mut child = Command::new(bin.join("sluice"))
        .arg("run")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the project starts");
    let err = child.stderr.take().expect("it has an error output");
    let ready = BufReader::new(err)
        .lines()
        .map_while(Result::ok)
        .any(|line| line.contains("stop with Ctrl-C"));
    assert!(ready, "the project says that it runs");
    child
}

#[test]
fn the_tutorial_does_what_it_says() {
    let text = include_str!("../../../../README.md");
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let bin = temporary.path().join("bin");
    std::fs::create_dir(&bin).expect("a folder for the binary");
    let link = bin.join("sluice");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sluice"), link).expect("a link to the binary");
    let mut folder: PathBuf = temporary.path().to_owned();
    let mut served: Option<Child> = None;
    let mut commands = 0;
    for piece in pieces(text) {
        match piece {
            Piece::File(path, content) => {
                std::fs::write(folder.join(path), content).expect("the reader saves a file");
            }
            Piece::Command(command, _) if command.starts_with("cd ") => {
                folder = folder.join(&command[3..]);
            }
            Piece::Command(command, _) if command == "sluice run" => {
                served = Some(serve(&folder, &bin));
            }
            Piece::Command(command, expected) => {
                commands += 1;
                let is_shown = |found: &str| expected.iter().all(|line| found.contains(line));
                let mut found = output(&folder, &bin, &command);
                let asked = if served.is_some() { ASKED_MAX } else { 1 };
                for _ in 1..asked {
                    if is_shown(&found) || command.contains("redrive") {
                        break;
                    }
                    found = output(&folder, &bin, &command);
                }
                assert!(
                    is_shown(&found),
                    "`{command}` gives {expected:#?}, not:\n{found}"
                );
            }
        }
    }
    if let Some(mut child) = served {
        child.kill().expect("the project is stopped");
        child.wait().expect("the project ends");
    }
    assert!(10 < commands, "the tutorial has its commands");
}
