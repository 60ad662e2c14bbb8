//! A Botgate process that is to be killed: started, ready, killed or stopped.

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

/// The environment variable with the instance's number, for its configuration.
pub(super) const INSTANCE_VARIABLE: &str = "CHAOS_LIFE";
/// For a start, a stop and each request.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// Log lines that are kept for an error message.
const MAX_LOG_LINES: usize = 20;

/// A running Botgate.
pub(super) struct Instance {
    child: Child,
    began: Instant,
    log: Option<Lines<BufReader<ChildStderr>>>,
    said: Arc<Mutex<VecDeque<String>>>,
    pub(super) http: Option<SocketAddr>,
    pub(super) admin: Option<SocketAddr>,
}

impl Instance {
    pub(super) fn start(file: &Path, number: usize) -> io::Result<Self> {
        let began = Instant::now();
        let mut child = Command::new(std::env::current_exe()?)
            .args(["run", "--log-format", "json", "-c"])
            .arg(file)
            .env("RUST_LOG", "error")
            .env(INSTANCE_VARIABLE, number.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let log = child.stderr.take().map(|log| BufReader::new(log).lines());
        Ok(Self { child, began, log, said: Arc::default(), http: None, admin: None })
    }

    /// Waits until it is ready; the time since its start.
    pub(super) async fn ready(&mut self) -> Result<Duration, String> {
        let ready = timeout(START_TIMEOUT, async {
            self.listening().await?;
            let admin = self.admin.ok_or("it has no admin listener")?;
            while get(admin, "/readyz").await.is_err() {
                sleep(POLL_INTERVAL).await;
            }
            Ok(self.began.elapsed())
        });
        let ready = ready.await;
        ready.unwrap_or_else(|_| Err(self.error("was not ready in time")))
    }

    /// Reads its log until both addresses are known; the rest is read in the background.
    async fn listening(&mut self) -> Result<(), String> {
        let Some(mut log) = self.log.take() else {
            return Ok(());
        };
        while self.http.is_none() || self.admin.is_none() {
            let Ok(Some(line)) = log.next_line().await else {
                return Err(self.error("ended before it listened"));
            };
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            let addr = event["addr"].as_str().and_then(|addr| addr.parse().ok());
            match event["listener"].as_str() {
                Some("http") => self.http = addr,
                Some("admin") => self.admin = addr,
                _ => push(&self.said, line),
            }
        }
        let said = Arc::clone(&self.said);
        tokio::spawn(async move {
            while let Ok(Some(line)) = log.next_line().await {
                push(&said, line);
            }
        });
        Ok(())
    }

    /// Fails if it ends within `long`.
    pub(super) async fn stay_up(&mut self, long: Duration) -> Result<(), String> {
        match timeout(long, self.child.wait()).await {
            Err(_) => Ok(()),
            Ok(_) => Err(self.error("ended by itself")),
        }
    }

    pub(super) async fn kill(mut self) -> Result<(), String> {
        self.child.kill().await.map_err(|error| error.to_string())
    }

    /// Sends SIGTERM and waits for a clean exit.
    pub(super) async fn stop(mut self) -> Result<(), String> {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        let pid = pid.and_then(Pid::from_raw).ok_or("it has no process id")?;
        kill_process(pid, Signal::TERM).map_err(|error| error.to_string())?;
        match timeout(START_TIMEOUT, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(_) => Err(self.error("did not stop well")),
            Err(_) => Err(self.error("did not stop in time")),
        }
    }

    fn error(&self, what: &str) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said: Vec<_> = said.iter().map(String::as_str).collect();
        format!("the Botgate that is to be killed {what}\n{}", said.join("\n"))
    }
}

fn push(said: &Mutex<VecDeque<String>>, line: String) {
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    said.push_back(line);
    if said.len() > MAX_LOG_LINES {
        said.pop_front();
    }
}

/// The body of a 2xx.
pub(super) async fn get(at: SocketAddr, path: &str) -> Result<String, String> {
    let request = Request::new("GET", &format!("http://{at}{path}"), "text/plain", vec![])?;
    let answer = request.send(at, START_TIMEOUT, None).await?;
    match answer.status {
        200..300 => Ok(answer.body),
        status => Err(format!("{path} says {status}")),
    }
}
