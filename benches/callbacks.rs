//! What answers that come later cost, by the real binary: durable accepts and deliveries a second, the time from a 202 to its
//! delivery at 1,000 a second, memory with a million jobs that wait. AI, receiver and callers are here, on the same cores.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench has nobody to tell but the terminal"
)]

use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// Bots, each with a receiver of its own.
const BOTS: usize = 8;
/// Callers that send as fast as they are answered.
const CALLERS: usize = 512;
/// Callers that together send `RATE` messages a second.
const STEADY: usize = 50;
const RATE: usize = 1_000;

/// The AI and all receivers.
struct Others {
    at: SocketAddr,
    /// Whether the AI answers.
    open: watch::Sender<bool>,
    /// When the first delivery of each message came, by its number.
    came: Mutex<Vec<Option<Instant>>>,
    count: AtomicUsize,
}

impl Others {
    async fn start(messages: usize, open: bool) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let others = Arc::new(Self {
            at: listener.local_addr().unwrap(),
            open: watch::channel(open).0,
            came: Mutex::new(vec![None; messages]),
            count: AtomicUsize::new(0),
        });
        let serving = others.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        others
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let (mut buffer, mut open) = (Vec::new(), self.open.subscribe());
        while let Some((head, body)) = message(&mut stream, &mut buffer).await {
            let answer: &[u8] = if head.starts_with(b"POST /chat") {
                let _ = open.wait_for(|open| *open).await;
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n{\"content\":\"Hello back\"}"
            } else {
                self.take(&body);
                b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            };
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }

    fn take(&self, body: &[u8]) {
        let now = Instant::now();
        let begin = memchr::memmem::rfind(body, b"\"n\":").unwrap() + 4;
        let digits = body[begin..].iter().take_while(|it| it.is_ascii_digit());
        let number = digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
        let first = self.came.lock().unwrap()[number].replace(now);
        assert!(first.is_none(), "{number} came twice");
        self.count.fetch_add(1, Relaxed);
    }

    async fn until(&self, count: usize) {
        while self.count.load(Relaxed) < count {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The next message on a connection, its head and its body.
async fn message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(Vec<u8>, Vec<u8>)> {
    loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            let (head, body) = (&buffer[..end], end + 4);
            let line = head.split(|byte| *byte == b'\n').find(|line| {
                let name = line.get(..15).unwrap_or_default();
                name.eq_ignore_ascii_case(b"content-length:")
            });
            let length = std::str::from_utf8(&line?[15..]).unwrap();
            let whole = body + length.trim().parse::<usize>().unwrap();
            if buffer.len() >= whole {
                let head = head.to_vec();
                let body = buffer[body..whole].to_vec();
                buffer.drain(..whole);
                return Some((head, body));
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// A Botgate in front of them; gone when it is dropped.
struct Botgate {
    child: Child,
    at: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Botgate {
    fn start(others: SocketAddr) -> Self {
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
        let file = folder.path().join("botgate.toml");
        std::fs::write(&file, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_botgate"))
            .args(["run", "--log-format", "json", "-c"])
            .arg(file)
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
        Self {
            child,
            at: at.unwrap(),
            _folder: folder,
        }
    }

    /// Its resident memory, in MiB.
    fn memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.unwrap().split_whitespace().next().unwrap();
        number.parse::<u64>().unwrap() / 1024
    }
}

impl Drop for Botgate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Caller {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Caller {
    async fn connect(at: SocketAddr) -> Self {
        let stream = TcpStream::connect(at).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let buffer = Vec::new();
        Self { stream, buffer }
    }

    /// Sends a message of about 400 bytes, and waits for its 202.
    async fn send(&mut self, number: usize) {
        let body = format!(
            "{{\"connectionId\":\"b{}\",\"message\":\"{:360}\",\"metadata\":{{\"n\":{number}}}}}",
            number % BOTS,
            "Good morning!"
        );
        let request = format!(
            "POST /api/webhooks/incoming HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer key\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await.unwrap();
        let (head, _) = message(&mut self.stream, &mut self.buffer).await.unwrap();
        assert!(head.starts_with(b"HTTP/1.1 202"), "{}", head.escape_ascii());
    }
}

/// Has so many messages accepted, as fast as that goes; how long it takes.
async fn flood(at: SocketAddr, messages: usize) -> Duration {
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    let start = Instant::now();
    for _ in 0..CALLERS {
        let next = next.clone();
        callers.spawn(async move {
            let mut caller = Caller::connect(at).await;
            loop {
                match next.fetch_add(1, Relaxed) {
                    number if number < messages => caller.send(number).await,
                    _ => return,
                }
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    start.elapsed()
}

fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Accepts while nothing is answered, and what so many jobs take in memory.
async fn accepts(jobs: usize) {
    let others = Others::start(jobs, false).await;
    let botgate = Botgate::start(others.at);
    let before = botgate.memory();
    let took = flood(botgate.at, jobs).await;
    println!("durable accepts      {:>9.0} /s", rate(jobs, took));
    println!("memory               {before:>9} MiB idle");
    let held = botgate.memory();
    println!("memory               {held:>9} MiB with {jobs} jobs that wait");
}

/// Works off what waits once the AI answers: answers and deliveries, each step on disk.
async fn deliveries(jobs: usize) {
    let others = Others::start(jobs, false).await;
    let botgate = Botgate::start(others.at);
    flood(botgate.at, jobs).await;
    let start = Instant::now();
    others.open.send_replace(true);
    others.until(jobs).await;
    let rate = rate(jobs, start.elapsed());
    println!("deliveries           {rate:>9.0} /s, answers included");
}

/// The time from a 202 to its delivery, at a steady rate.
async fn steady(messages: usize) {
    let others = Others::start(messages, true).await;
    let botgate = Botgate::start(others.at);
    let mut callers = JoinSet::new();
    for nth in 0..STEADY {
        let at = botgate.at;
        callers.spawn(async move {
            let mut caller = Caller::connect(at).await;
            // Not all of them at once.
            sleep(Duration::from_secs(1) * nth as u32 / RATE as u32).await;
            let mut ticks = interval(Duration::from_secs(1) * STEADY as u32 / RATE as u32);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut accepted = Vec::new();
            for number in (nth..messages).step_by(STEADY) {
                ticks.tick().await;
                caller.send(number).await;
                accepted.push((number, Instant::now()));
            }
            accepted
        });
    }
    let accepted = callers.join_all().await.concat();
    others.until(messages).await;
    let came = others.came.lock().unwrap();
    let took = |(number, at): &(usize, Instant)| {
        let came = came[*number].unwrap();
        came.saturating_duration_since(*at)
    };
    let mut all: Vec<_> = accepted.iter().map(took).collect();
    all.sort_unstable();
    let at = |percent: usize| all[(all.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!("accept to delivered  {:>9.2} ms p50 at {RATE} /s", at(50));
    println!("accept to delivered  {:>9.2} ms p99 at {RATE} /s", at(99));
}

fn main() {
    // `cargo test` runs a bench without this word, to see that it still does.
    let whole = std::env::args().any(|argument| argument == "--bench");
    let sized = |messages: usize| if whole { messages } else { messages / 1_000 };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        steady(sized(20_000).max(100)).await;
        deliveries(sized(100_000)).await;
        accepts(sized(1_000_000)).await;
    });
}
