//! Programs under `tests/peers`: run to their end, or kept running and killed at the end. What they need is installed by `make peers`.

use super::{TIMEOUT, command};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{OnceLock, mpsc},
    thread,
};

/// The project's folder.
const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

/// Installs what is missing, once; costs nothing where all is there.
#[track_caller]
fn prepared() {
    static MADE: OnceLock<Result<(), String>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let output = Command::new("make")
            .args(["--no-print-directory", "-C", PROJECT, "peers"])
            .env_remove("MAKEFLAGS")
            .output()
            .map_err(|error| format!("make: {error}"))?;
        output.status.success().then_some(()).ok_or_else(|| {
            format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            )
        })
    });
    if let Err(why) = made {
        panic!("`make peers` installs what this test needs, and failed:\n{why}");
    }
}

/// What `make peers` has put into `.venv`.
#[track_caller]
pub(crate) fn installed(name: &str) -> PathBuf {
    prepared();
    Path::new(PROJECT).join(".venv").join(name)
}

/// A file under `tests/peers`.
pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(PROJECT).join("tests/peers").join(name)
}

/// The command that runs a peer, in the language that its name says.
#[track_caller]
pub(crate) fn command(name: &str) -> Command {
    let interpreter = if name.ends_with(".py") { "bin/python" } else { "node" };
    let mut command = Command::new(installed(interpreter));
    command.arg(file(name)).env_clear().env("PYTHONDONTWRITEBYTECODE", "1");
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// Runs a peer to its end and returns the lines that it printed.
#[track_caller]
pub(crate) fn lines(name: &str, args: &[&str]) -> Vec<String> {
    let ran = command::to_end(command(name).args(args));
    assert_eq!(ran.code, Some(0), "{name}: {}{}", ran.stdout, ran.stderr);
    ran.stdout.lines().map(str::to_owned).collect()
}

/// As [`lines`], each line a JSON value.
#[track_caller]
pub(crate) fn values(name: &str, args: &[&str]) -> Vec<serde_json::Value> {
    let parse = |line: &String| {
        serde_json::from_str(line).unwrap_or_else(|_| panic!("{name} printed {line:?}"))
    };
    lines(name, args).iter().map(parse).collect()
}

/// A peer that serves until it is dropped.
pub(crate) struct Server {
    child: Child,
    /// What it printed first: `http://127.0.0.1:PORT`.
    pub url: String,
}

impl Server {
    /// Starts it and waits for its address.
    #[track_caller]
    pub(crate) fn start(name: &str) -> Self {
        let mut child = command(name)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let stdout = child.stdout.take().unwrap();
        let (sender, first) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines();
            let _ = sender.send(lines.next().and_then(Result::ok));
            // What else it says is read so that it never waits for a reader.
            lines.for_each(drop);
        });
        let url = first.recv_timeout(TIMEOUT).ok().flatten();
        let Some(url) = url else {
            let _ = child.kill();
            panic!("{name} did not say where it listens");
        };
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
