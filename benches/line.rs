//! What a request costs on its whole way: over a stream in memory, through gate, parser and line, to a backend and back.
//!
//! The caller shares the worker's thread, the backend has one of its own behind a loopback socket. Besides the time it prints how
//! often a forwarded request asks for memory on the worker's thread.

#![expect(clippy::unwrap_used, reason = "a bench has nobody to tell")]
#![expect(clippy::print_stdout, reason = "a bench tells its figures there")]

use botgate::net::body_budget::BodyBudget;
use botgate::net::client;
use botgate::proxy::reject::REASONS;
use botgate::proxy::worker::{SharedState, State, Worker};
use botgate::server;
use botgate::server::edge;
use botgate::signature::{UnixTime, UnsignedRequest, Verifier};
use botgate::state::idempotency::IdempotencyStore;
use botgate::state::limit::Limiter;
use botgate::telemetry::metrics::Metrics;
use botgate::{clock, config};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::Method;
use memchr::memmem;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

/// How many requests the memory is counted over.
const COUNTED: u64 = 1_000;
/// How many users write in turn.
const USERS: u64 = 500;

/// How long the message at the start of `bytes` is, once its head is there.
fn length(bytes: &[u8]) -> Option<usize> {
    let head = memmem::find(bytes, b"\r\n\r\n")? + 4;
    let at = memmem::find(&bytes[..head], b"ength: ")? + 7;
    let digits = bytes[at..].iter().take_while(|b| b.is_ascii_digit());
    Some(head + digits.fold(0, |n, d| n * 10 + usize::from(d - b'0')))
}

/// A backend that gives every request this response, a thread per connection; its port.
fn backend(response: String) -> u16 {
    let response: Arc<str> = response.into();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let response = response.clone();
            std::thread::spawn(move || answer(stream.unwrap(), response.as_bytes()));
        }
    });
    port
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn answer(mut stream: TcpStream, response: &[u8]) {
    stream.set_nodelay(true).unwrap();
    let (mut held, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    while let Ok(n @ 1..) = stream.read(&mut piece) {
        held.extend_from_slice(&piece[..n]);
        while let Some(whole) = length(&held).filter(|whole| held.len() >= *whole) {
            held.drain(..whole);
            if stream.write_all(response).is_err() {
                return;
            }
        }
    }
}

/// A worker on this thread's runtime, serving `line.toml`, what it keeps in `folder`.
fn worker(folder: &Path) -> Rc<Worker> {
    let answer = include_str!("line.json");
    let ports = [backend(ok("{\"reply\":\"yes\"}")), backend(ok(answer))];
    let text = include_str!("line.toml")
        .replace("PORT", &ports[0].to_string())
        .replace("AI/", &format!("{}/", ports[1]));
    let (settings, _) = config::parse(&text, Path::new("line.toml"), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.human(false)));
    let shared = Arc::new(SharedState {
        body_budget: BodyBudget::new(settings.server.buffer),
        limiter: Limiter::default(),
        idempotency: IdempotencyStore::new(),
        state: State::open(folder).unwrap().into(),
        breakers: Mutex::default(),
        switches: Arc::default(),
        observer: None,
        log: Mutex::new(None),
        metrics: Metrics::new(1, &REASONS, &client::ERROR_WORDS),
    });
    let registry = Arc::new(server::registry(&settings).unwrap());
    let cells = shared.metrics.workers()[0].clone();
    Worker::new(shared, registry, cells, None, 1)
}

/// The whole request, with eight header fields; `proof` is one of them.
fn request(path: &str, proof: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: bots.example\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\
         Content-Type: application/json\r\nX-Event-Id: evt_0123456789\r\n{proof}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

fn signed(verifier: &Verifier, path: &str, body: &[u8]) -> Vec<u8> {
    let outgoing =
        UnsignedRequest { method: &Method::POST, path, query: None, content_type: None, body };
    let now = UnixTime::from_millis(clock::unix_ms().cast_signed());
    let signed = verifier.schemes()[0].sign(&outgoing, now, "bot").unwrap();
    let (name, value) = &signed.headers[0];
    request(path, &format!("{name}: {value}"), body)
}

/// A message of each user.
fn said(verifier: &Verifier, bot: &str) -> Vec<Vec<u8>> {
    let path = format!("/api/bots/webhook/custom/{bot}");
    let body = |user| {
        format!(
            r#"{{"text":"What is the status of order #12345?","user_id":"user_{user}","channel_id":"channel_main"}}"#
        )
    };
    (0..USERS).map(|user| signed(verifier, &path, body(user).as_bytes())).collect()
}

/// A caller with one connection.
struct Caller {
    stream: DuplexStream,
    room: Vec<u8>,
}

impl Caller {
    /// Sends a request, reads the whole answer, and checks its status.
    async fn exchange(&mut self, request: &[u8], status: &[u8]) {
        self.stream.write_all(request).await.unwrap();
        let mut filled = 0;
        while length(&self.room[..filled]).is_none_or(|whole| filled < whole) {
            let n = self.stream.read(&mut self.room[filled..]).await.unwrap();
            assert!(n > 0, "the connection ended");
            filled += n;
        }
        assert_eq!(&self.room[9..12], status);
    }
}

fn exchanges(
    runtime: &LocalRuntime,
    caller: &mut Caller,
    count: u64,
    requests: &[Vec<u8>],
    status: &[u8],
) -> Duration {
    let start = Instant::now();
    runtime.block_on(async {
        for request in requests.iter().cycle().take(count as usize) {
            caller.exchange(request, status).await;
        }
    });
    start.elapsed()
}

fn bench(criterion: &mut Criterion) {
    let runtime =
        Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let worker = worker(folder.path());
    let bots = worker.snapshot();
    let verifier = &bots.registry.bots()[0].verifier;
    let (small, large) = ([b'x'; 256], [b'x'; 16 * 1024]);
    let token = "Authorization: Bearer a-token-that-only-this-bench-knows";
    let forged = format!("X-Webhook-Signature: sha256={}", "0".repeat(64));
    let cases = [
        ("200, 256 B", vec![signed(verifier, "/signed", &small)], b"200"),
        ("200, 16 KiB", vec![signed(verifier, "/signed", &large)], b"200"),
        ("401, 256 B", vec![request("/signed", &forged, &small)], b"401"),
        ("429, 256 B", vec![request("/limited", token, &small)], b"429"),
        ("404, 256 B", vec![request("/nowhere", token, &small)], b"404"),
        ("aerostack to openai", said(verifier, "bt_fresh"), b"200"),
        ("aerostack to openai, window of 20", said(verifier, "bt_window"), b"200"),
    ];

    let (near, far) = tokio::io::duplex(64 * 1024);
    let peer = SocketAddr::from(([203, 0, 113, 7], 4711));
    runtime.spawn_local(edge::run(worker.clone(), far, peer));
    let mut caller = Caller { stream: near, room: vec![0; 64 * 1024] };
    // The only token of the limited bot.
    let first = [request("/limited", token, &small)];
    exchanges(&runtime, &mut caller, 1, &first, b"200");
    // Every conversation is as long as its window.
    for (_, requests, status) in &cases[5..] {
        exchanges(&runtime, &mut caller, 10 * USERS, requests, *status);
    }

    let mut group = criterion.benchmark_group("line");
    for (name, requests, status) in &cases {
        group.throughput(Throughput::Elements(1));
        group.bench_function(*name, |bencher| {
            bencher.iter_custom(|count| exchanges(&runtime, &mut caller, count, requests, *status));
        });
    }
    group.finish();
    for (name, requests, status) in &cases {
        let info = allocation_counter::measure(|| {
            exchanges(&runtime, &mut caller, COUNTED, requests, *status);
        });
        println!(
            "line/{name}: {:.1} allocations, {:.0} bytes a request",
            info.count_total as f64 / COUNTED as f64,
            info.bytes_total as f64 / COUNTED as f64,
        );
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().without_plots().warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(400)).sample_size(10);
    targets = bench
}
criterion_main!(benches);
