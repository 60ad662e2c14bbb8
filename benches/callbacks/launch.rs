//! A Botgate as a process.

use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Starts it with the configuration in a folder, and learns where it listens.
pub(crate) fn launch(folder: &Path) -> (Child, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_botgate"))
        .args(["run", "--log-format", "json", "-c"])
        .arg(folder.join("botgate.toml"))
        .env("RUST_LOG", "error")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let at = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        event["addr"].as_str().and_then(|addr| addr.parse().ok())
    });
    std::thread::spawn(move || lines.for_each(drop));
    (child, at.unwrap())
}
