//! The real `botgate run`, started on port 0 and stopped cleanly: its log is gathered, its exit is checked.

use super::{Caller, Monitor, TIMEOUT, command, get, machine};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Instant,
};
use tempfile::TempDir;

/// What has come out of stderr so far.
#[derive(Default)]
struct Log {
    lines: Vec<String>,
    /// When stderr was closed: the process is gone.
    ended: bool,
}

/// A running Botgate. Dropping it sends SIGTERM and asserts exit code 0 and a log without errors.
pub(crate) struct Botgate {
    child: Child,
    dir: TempDir,
    log: Monitor<Log>,
    http: SocketAddr,
    admin: Option<SocketAddr>,
    errors_expected: bool,
    over: bool,
    _machine: Option<machine::MachineUse>,
}

impl Botgate {
    /// Starts it with a configuration and waits until its listeners are bound.
    #[track_caller]
    pub(crate) fn start(config: &str) -> Self {
        Self::start_with(config, |_, _| {})
    }

    /// As [`Self::start`]; `prepare` gets the folder of the configuration and the command before it is spawned.
    #[track_caller]
    pub(crate) fn start_with(config: &str, prepare: impl FnOnce(&Path, &mut Command)) -> Self {
        let machine = machine::shared();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("botgate.toml");
        fs::write(&file, config).unwrap();
        let mut command = command::botgate(dir.path(), &["run", "-c"]);
        command
            .arg(&file)
            .args(["--log-format", "json"])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command.stderr(Stdio::piped());
        prepare(dir.path(), &mut command);
        let mut child = command.spawn().unwrap();
        let log = Monitor::new(Log::default());
        gather(child.stderr.take().unwrap(), log.clone());
        let mut botgate = Self {
            child,
            dir,
            log,
            http: SocketAddr::from(([127, 0, 0, 1], 0)),
            admin: None,
            // Until it listens, its own words about the configuration tell more than the exit code.
            errors_expected: true,
            over: false,
            _machine: machine,
        };
        if config.contains("[admin]") {
            botgate.admin = Some(botgate.bound("admin"));
        }
        botgate.http = botgate.bound("http");
        botgate.errors_expected = false;
        botgate
    }

    /// Says that the log may hold lines of level `error`.
    pub(crate) fn expect_errors(mut self) -> Self {
        self.errors_expected = true;
        self
    }

    #[track_caller]
    fn bound(&mut self, listener: &str) -> SocketAddr {
        let found = self.log.find_within(TIMEOUT, |log| {
            let line = log
                .lines
                .iter()
                .filter_map(|line| parse(line))
                .find(|line| line["event"] == "listening" && line["listener"] == listener);
            match line {
                Some(line) => line["addr"].as_str().and_then(|addr| addr.parse().ok()).map(Some),
                None => log.ended.then_some(None),
            }
        });
        found
            .flatten()
            .unwrap_or_else(|| panic!("no listener `{listener}`; the log:\n{}", self.text()))
    }

    /// The address of the first public listener.
    pub(crate) fn http(&self) -> SocketAddr {
        self.http
    }

    /// The address of the admin listener.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin.expect("no [admin] in this configuration")
    }

    /// A new connection to the public listener.
    #[track_caller]
    pub(crate) fn caller(&self) -> Caller {
        Caller::connect(self.http)
    }

    /// The configuration file, to be written anew before a SIGHUP.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("botgate.toml")
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory in bytes, from /proc.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
    }

    /// All the log so far.
    pub(crate) fn text(&self) -> String {
        self.log.lock().lines.join("\n")
    }

    /// Waits for a log line that is as wished.
    #[track_caller]
    pub(crate) fn line(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = self.log.find_within(TIMEOUT, |log| {
            log.lines.iter().filter_map(|line| parse(line)).find(|line| wanted(line))
        });
        found.unwrap_or_else(|| panic!("no log line: {what}; the log:\n{}", self.text()))
    }

    /// Waits for the access log's line of a request that carried this `X-Request-Id`.
    #[track_caller]
    pub(crate) fn access(&self, request_id: &str) -> Value {
        self.line(request_id, |line| line["event"] == "request" && line["id"] == request_id)
    }

    /// The page of metrics.
    #[track_caller]
    pub(crate) fn metrics(&self) -> String {
        let mut caller = Caller::connect(self.admin());
        caller.send(&get("/metrics", "Connection: close\r\n"));
        let reply = caller.reply();
        assert_eq!(reply.status, 200);
        String::from_utf8(reply.body).unwrap()
    }

    /// The sum of all samples of a metric; with labels in braces, of that series alone. 0 where there is none.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let page = self.metrics();
        let samples =
            page.lines().filter_map(|line| line.rsplit_once(' ')).filter(|(series, _)| {
                *series == name
                    || series.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'))
            });
        samples.map(|(_, value)| value.parse::<f64>().unwrap()).sum()
    }

    /// Asks for the page of metrics again and again until a metric is as wished.
    #[track_caller]
    pub(crate) fn metric_until(&self, name: &str, wanted: impl Fn(f64) -> bool) {
        let end = Instant::now() + TIMEOUT;
        while !wanted(self.metric(name)) {
            assert!(Instant::now() < end, "{name} stayed {}", self.metric(name));
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the process has ended and its stderr is closed.
    #[track_caller]
    pub(crate) fn exit(&mut self) -> ExitStatus {
        self.over = true;
        if self.log.find_within(TIMEOUT, |log| log.ended.then_some(())).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
            panic!("still running {TIMEOUT:?} later; the log:\n{}", self.text());
        }
        self.child.wait().unwrap()
    }
}

impl Drop for Botgate {
    fn drop(&mut self) {
        if self.over || thread::panicking() {
            let _ = self.child.kill();
            let _ = self.child.wait();
            return;
        }
        self.signal(Signal::TERM);
        let status = self.exit();
        assert_eq!(status.code(), Some(0), "the log:\n{}", self.text());
        let error = self.log.lock().lines.iter().filter_map(|line| parse(line)).find(is_error);
        assert!(self.errors_expected || error.is_none(), "an error in the log: {error:?}");
    }
}

fn is_error(line: &Value) -> bool {
    line["level"].as_str().is_some_and(|level| level.eq_ignore_ascii_case("error"))
}

fn parse(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok()
}

fn gather(stderr: impl std::io::Read + Send + 'static, log: Monitor<Log>) {
    thread::spawn(move || {
        let mut lines = BufReader::new(stderr);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            log.change(|log| log.lines.push(text));
            line.clear();
        }
        log.change(|log| log.ended = true);
    });
}
