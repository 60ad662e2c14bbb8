//! Whether bad receivers slow a good one: the time from a 202 to its delivery, without and with five others that never answer, dribble,
//! redirect inwards, answer without end or refuse the connection. By the real binary; everybody else is here, on the same cores.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench has nobody to tell but the terminal"
)]

#[path = "callbacks/launch.rs"]
mod launch;
#[path = "callbacks/wire.rs"]
mod wire;

use launch::launch;
use std::net::SocketAddr;
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use wire::{message, number};

/// Callers of the good bot, and what they send together in a second.
const CALLERS: usize = 20;
const RATE: usize = 200;
/// What each bad bot is sent in a second.
const BAD_RATE: usize = 10;
/// Pairs of runs. The best of each kind are compared, since what else the machine does only ever slows.
const PAIRS: usize = 3;
/// With the bad ones the good one's p99 may be longer by a fifth, or by this.
const SLACK: Duration = Duration::from_millis(5);

/// What a receiver does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Good,
    Mute,
    Dribbles,
    Redirects,
    Endless,
    Refuses,
}

const BAD: [Manner; 5] =
    [Manner::Mute, Manner::Dribbles, Manner::Redirects, Manner::Endless, Manner::Refuses];

/// A receiver, and the AI, which has the manners of a good one.
struct Receiver {
    at: SocketAddr,
    manner: Manner,
    /// When each message came, by its number.
    came: Mutex<Vec<Option<Instant>>>,
    count: AtomicUsize,
}

impl Receiver {
    async fn start(manner: Manner, messages: usize) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Arc::new(Self {
            at: listener.local_addr().unwrap(),
            manner,
            came: Mutex::new(vec![None; messages]),
            count: AtomicUsize::new(0),
        });
        // Nobody listens at the one that refuses.
        if manner != Manner::Refuses {
            let serving = receiver.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serving.clone().serve(stream));
                }
            });
        }
        receiver
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) -> Option<()> {
        const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        stream.set_nodelay(true).ok()?;
        let mut buffer = Vec::new();
        loop {
            let (head, body) = message(&mut stream, &mut buffer).await?;
            if head.starts_with(b"POST /chat") {
                let answer = b"Content-Length: 24\r\n\r\n{\"content\":\"Hello back\"}";
                stream.write_all(&[OK, answer].concat()).await.ok()?;
                continue;
            }
            if self.manner == Manner::Good {
                self.take(&body);
            }
            self.count.fetch_add(1, Relaxed);
            match self.manner {
                Manner::Good => {
                    let answer = [OK, b"Content-Length: 0\r\n\r\n"].concat();
                    stream.write_all(&answer).await.ok()?;
                }
                Manner::Dribbles => {
                    for byte in OK.iter().cycle() {
                        stream.write_all(&[*byte]).await.ok()?;
                        sleep(Duration::from_secs(1)).await;
                    }
                }
                Manner::Redirects => {
                    let there =
                        b"HTTP/1.1 307 There\r\nLocation: http://169.254.169.254/latest/\r\n\
                                  Content-Length: 0\r\n\r\n";
                    stream.write_all(there).await.ok()?;
                }
                Manner::Endless => {
                    let chunked = b"Transfer-Encoding: chunked\r\n\r\n";
                    stream.write_all(&[OK, chunked].concat()).await.ok()?;
                    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
                    loop {
                        stream.write_all(chunk.as_bytes()).await.ok()?;
                    }
                }
                Manner::Mute | Manner::Refuses => {}
            }
        }
    }

    fn take(&self, body: &[u8]) {
        let now = Instant::now();
        let number = number(body);
        self.came.lock().unwrap()[number].get_or_insert(now);
    }
}

/// A Botgate in front of them, with a bot `b0`, `b1` … for each; gone when it is dropped.
struct Botgate {
    child: Child,
    at: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Botgate {
    fn start(ai: SocketAddr, receivers: &[Arc<Receiver>]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut text = format!(
            "[server]\nhttp = [\"127.0.0.1:0\"]\naccess_log = \"off\"\n\n[state]\npath = \"data\"\n\n\
             [upstreams.ai]\nkind = \"custom\"\nurl = \"http://{ai}/chat\"\n"
        );
        for (nth, receiver) in receivers.iter().enumerate() {
            text += &format!(
                "\n[bots.b{nth}]\ndialect = \"fourthchat\"\nupstream = \"ai\"\nverify = {{ secrets = [\"key\"] }}\n\
                 limit = {{ rate = \"1000000/s\", burst = 1000000 }}\n[bots.b{nth}.callback]\nurl = \"http://{}/in\"\n\
                 sign = {{ secret = \"key\" }}\nallow = [\"127.0.0.0/8\"]\ntimeout = \"2s\"\nretries = [\"2s\", \"4s\", \"8s\"]\n",
                receiver.at
            );
        }
        std::fs::write(folder.path().join("botgate.toml"), text).unwrap();
        let (child, at) = launch(folder.path());
        Self { child, at, _folder: folder }
    }
}

impl Drop for Botgate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends so many messages to a bot, so many a second, over as many connections; when each was accepted.
async fn steady(
    at: SocketAddr,
    bot: usize,
    messages: usize,
    rate: usize,
    callers: usize,
) -> Vec<(usize, Instant)> {
    let mut all = JoinSet::new();
    for nth in 0..callers {
        all.spawn(async move {
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (mut buffer, mut accepted) = (Vec::new(), Vec::new());
            // Not all of them at once.
            sleep(Duration::from_secs(1) * nth as u32 / rate as u32).await;
            let mut ticks = interval(Duration::from_secs(1) * callers as u32 / rate as u32);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for number in (nth..messages).step_by(callers) {
                ticks.tick().await;
                let body = format!(
                    "{{\"connectionId\":\"b{bot}\",\"message\":\"{:360}\",\"metadata\":{{\"n\":{number}}}}}",
                    "Good morning!"
                );
                let request = format!(
                    "POST /api/webhooks/incoming HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer key\r\n\
                     Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(request.as_bytes()).await.unwrap();
                let (head, _) = message(&mut stream, &mut buffer).await.unwrap();
                assert!(head.starts_with(b"HTTP/1.1 202"), "{}", head.escape_ascii());
                accepted.push((number, Instant::now()));
            }
            accepted
        });
    }
    all.join_all().await.concat()
}

/// The p50 and p99 of the good receiver for so many messages, and how often each bad one was asked where they are there too.
async fn run(messages: usize, with_bad: bool) -> ([Duration; 2], [usize; BAD.len()]) {
    let ai = Receiver::start(Manner::Good, 0).await;
    let mut receivers = vec![Receiver::start(Manner::Good, messages).await];
    for manner in BAD {
        receivers.push(Receiver::start(manner, 0).await);
    }
    let botgate = Botgate::start(ai.at, &receivers);
    let mut bad = JoinSet::new();
    if with_bad {
        let each = (messages * BAD_RATE / RATE).max(2);
        for bot in 1..=BAD.len() {
            bad.spawn(steady(botgate.at, bot, each, BAD_RATE, 1));
        }
    }
    let accepted = steady(botgate.at, 0, messages, RATE, CALLERS).await;
    bad.join_all().await;
    let good = &receivers[0];
    while good.count.load(Relaxed) < messages {
        sleep(Duration::from_millis(5)).await;
    }
    let came = good.came.lock().unwrap();
    let took =
        |(number, at): &(usize, Instant)| came[*number].unwrap().saturating_duration_since(*at);
    let mut all: Vec<_> = accepted.iter().map(took).collect();
    all.sort_unstable();
    let asked = std::array::from_fn(|nth| receivers[nth + 1].count.load(Relaxed));
    ([50, 99].map(|percent| all[(all.len() - 1) * percent / 100]), asked)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// One pair of runs: the good receiver's p99 without the bad ones, and with them.
async fn pair(messages: usize) -> [Duration; 2] {
    let ([_, alone], _) = run(messages, false).await;
    let ([median, beside], asked) = run(messages, true).await;
    println!(
        "good receiver        {:>9.2} ms p99 alone, {:.2} ms beside the bad ones (p50 {:.2} ms)",
        millis(alone),
        millis(beside),
        millis(median)
    );
    let told = BAD.iter().zip(asked).map(|(manner, asked)| {
        assert!(asked > 0 || *manner == Manner::Refuses, "{manner:?} was not asked");
        format!("{manner:?} {asked}")
    });
    println!("asked                {}", told.collect::<Vec<_>>().join(", "));
    [alone, beside]
}

fn main() {
    // `cargo test` runs a bench without this word, to see that it still does; then no figure means anything.
    let whole = std::env::args().any(|argument| argument == "--bench");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(async {
        if !whole {
            pair(40).await;
            return;
        }
        let mut best = [Duration::MAX; 2];
        for _ in 0..PAIRS {
            let pair = pair(RATE * 10).await;
            best = std::array::from_fn(|nth| best[nth].min(pair[nth]));
        }
        let [alone, beside] = best;
        let most = (alone * 6 / 5).max(alone + SLACK);
        println!(
            "best                 {:>9.2} ms p99 alone, {:.2} ms beside the bad ones, at most {:.2} ms",
            millis(alone),
            millis(beside),
            millis(most)
        );
        assert!(beside <= most, "bad receivers slow a good one");
    });
}
