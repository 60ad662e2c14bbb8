//! One life of the Botgate that is killed: from its start to its readiness to its end.

use crate::cli::request::Request;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::{sleep, timeout};

/// Where a configuration finds the number of the life.
pub(super) const NUMBER: &str = "CHAOS_LIFE";
/// A start and a stop take no longer than this.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How long between two looks at whether it is ready.
const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// The last lines of its log that are kept.
const MAX_LOG_LINES: usize = 20;

/// A running Botgate.
pub(super) struct Life {
    child: Child,
    began: Instant,
    log: Option<Lines<BufReader<ChildStderr>>>,
    said: Arc<Mutex<VecDeque<String>>>,
    pub(super) http: Option<SocketAddr>,
    pub(super) admin: Option<SocketAddr>,
}

impl Life {
    /// Starts one from a configuration, which finds its number in the environment.
    pub(super) fn start(file: &Path, number: usize) -> io::Result<Self> {
        let began = Instant::now();
        let mut child = Command::new(std::env::current_exe()?)
            .args(["run", "--log-format", "json", "-c"])
            .arg(file)
            .env("RUST_LOG", "error")
            .env(NUMBER, number.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let log = child.stderr.take().map(|log| BufReader::new(log).lines());
        Ok(Self { child, began, log, said: Arc::default(), http: None, admin: None })
    }

    /// Waits until it says that it is ready; how long that was from its start.
    pub(super) async fn ready(&mut self) -> Result<Duration, String> {
        let became = timeout(START_TIMEOUT, async {
            self.listening().await?;
            let admin = self.admin.ok_or("it has no admin listener")?;
            while get(admin, "/readyz").await.is_err() {
                sleep(POLL_INTERVAL).await;
            }
            Ok(self.began.elapsed())
        });
        let became = became.await;
        became.unwrap_or_else(|_| Err(self.wrong("was not ready in time")))
    }

    /// Reads its log until all listeners are told; the rest is read in the background.
    async fn listening(&mut self) -> Result<(), String> {
        let Some(mut log) = self.log.take() else {
            return Ok(());
        };
        while self.http.is_none() || self.admin.is_none() {
            let Ok(Some(line)) = log.next_line().await else {
                return Err(self.wrong("ended before it listened"));
            };
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            let addr = event["addr"].as_str().and_then(|addr| addr.parse().ok());
            match event["listener"].as_str() {
                Some("http") => self.http = addr,
                Some("admin") => self.admin = addr,
                _ => keep(&self.said, line),
            }
        }
        let said = Arc::clone(&self.said);
        tokio::spawn(async move {
            while let Ok(Some(line)) = log.next_line().await {
                keep(&said, line);
            }
        });
        Ok(())
    }

    /// Waits for so long, in which it must not end.
    pub(super) async fn live(&mut self, long: Duration) -> Result<(), String> {
        match timeout(long, self.child.wait()).await {
            Err(_) => Ok(()),
            Ok(_) => Err(self.wrong("ended by itself")),
        }
    }

    /// Kills it, and waits until it is gone.
    pub(super) async fn kill(mut self) -> Result<(), String> {
        self.child.kill().await.map_err(|error| error.to_string())
    }

    /// Asks it to stop and waits until it has, well.
    pub(super) async fn stop(mut self) -> Result<(), String> {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        let pid = pid.and_then(Pid::from_raw).ok_or("it has no process id")?;
        kill_process(pid, Signal::TERM).map_err(|error| error.to_string())?;
        match timeout(START_TIMEOUT, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(_) => Err(self.wrong("did not stop well")),
            Err(_) => Err(self.wrong("did not stop in time")),
        }
    }

    fn wrong(&self, what: &str) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said: Vec<_> = said.iter().map(String::as_str).collect();
        format!("the Botgate that is to be killed {what}\n{}", said.join("\n"))
    }
}

fn keep(said: &Mutex<VecDeque<String>>, line: String) {
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    said.push_back(line);
    if said.len() > MAX_LOG_LINES {
        said.pop_front();
    }
}

/// What stands at a path, if that is a 2xx.
pub(super) async fn get(at: SocketAddr, path: &str) -> Result<String, String> {
    let request = Request::new("GET", &format!("http://{at}{path}"), "text/plain", vec![])?;
    let answer = request.send(at, START_TIMEOUT, None).await?;
    match answer.status {
        200..300 => Ok(answer.body),
        status => Err(format!("{path} says {status}")),
    }
}
