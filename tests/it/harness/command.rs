//! Commands that end by themselves (`check`, `init`, `sign` …): run with a deadline, output kept.

use super::TIMEOUT;
use std::{
    io::Read,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
};

/// What a command left behind.
pub(crate) struct Ran {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The `botgate` that was built for these tests, in a bare environment.
pub(crate) fn botgate(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_botgate"));
    command.current_dir(dir).args(args).env_clear().env("NO_COLOR", "1");
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn to_end(command: &mut Command) -> Ran {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (sender, outputs) = mpsc::channel();
    let pipes: [(usize, Box<dyn Read + Send>); 2] =
        [(0, Box::new(child.stdout.take().unwrap())), (1, Box::new(child.stderr.take().unwrap()))];
    for (index, mut pipe) in pipes {
        let sender = sender.clone();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.read_to_end(&mut bytes);
            let _ = sender.send((index, String::from_utf8_lossy(&bytes).into_owned()));
        });
    }
    let mut texts = [String::new(), String::new()];
    for _ in 0..2 {
        let Ok((index, text)) = outputs.recv_timeout(3 * TIMEOUT) else {
            let _ = child.kill();
            panic!("{command:?} did not end");
        };
        texts[index] = text;
    }
    let status = child.wait().unwrap();
    let [stdout, stderr] = texts;
    Ran { code: status.code(), stdout, stderr }
}

/// Runs `botgate` with arguments in a folder.
#[track_caller]
pub(crate) fn run(dir: &Path, args: &[&str]) -> Ran {
    to_end(&mut botgate(dir, args))
}
