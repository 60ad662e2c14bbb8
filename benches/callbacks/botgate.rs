//! The Botgate that is measured.

use crate::BOTS;
use crate::launch::launch;
use std::net::SocketAddr;
use std::process::Child;

/// One in front of the others; gone when it is dropped.
pub(crate) struct Botgate {
    child: Child,
    pub(crate) at: SocketAddr,
    folder: tempfile::TempDir,
}

impl Botgate {
    pub(crate) fn start(others: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut text = format!(
            "[server]\nhttp = [\"127.0.0.1:0\"]\naccess_log = \"off\"\n\n[state]\npath = \"data\"\n\n\
             [upstreams.ai]\nkind = \"custom\"\nurl = \"http://{others}/chat\"\ntimeout = \"14m\"\n"
        );
        for bot in 0..BOTS {
            text += &format!(
                "\n[bots.b{bot}]\ndialect = \"fourthchat\"\nupstream = \"ai\"\nverify = {{ secrets = [\"key\"] }}\n\
                 limit = {{ rate = \"1000000/s\", burst = 1000000 }}\n[bots.b{bot}.callback]\n\
                 url = \"http://{others}/{bot}\"\nsign = {{ secret = \"key\" }}\nallow = [\"127.0.0.0/8\"]\n"
            );
        }
        std::fs::write(folder.path().join("botgate.toml"), &text).unwrap();
        let (child, at) = launch(folder.path());
        Self { child, at, folder }
    }

    /// Starts another on what one that was killed has left.
    pub(crate) fn again(&mut self) {
        (self.child, self.at) = launch(self.folder.path());
    }

    /// Its resident memory, now and at its highest, in MiB.
    pub(crate) fn memory(&self) -> [u64; 2] {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        ["VmRSS:", "VmHWM:"].map(|name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.unwrap().split_whitespace().next().unwrap();
            number.parse::<u64>().unwrap() / 1024
        })
    }

    /// The number of the log that its database writes now: the next begins when one is full.
    pub(crate) fn log(&self) -> u64 {
        let store = std::fs::read_dir(self.folder.path().join("data/store")).unwrap();
        let names = store.map(|entry| entry.unwrap().file_name());
        let numbers = names.filter_map(|name| name.to_str()?.strip_suffix(".jnl")?.parse().ok());
        numbers.max().unwrap()
    }

    /// Kills it.
    pub(crate) fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Botgate {
    fn drop(&mut self) {
        self.end();
    }
}
