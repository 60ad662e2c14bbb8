//! One budget for all bodies held at once: slow senders of large bodies exhaust it, small signed requests still pass.

use crate::harness::{Backend, Botgate, HMAC, config, get, machine, post, sign};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

const CALLERS: usize = 3000;
const BODY: usize = 1024 * 1024;
const LIMIT: u64 = 32 * 1024 * 1024;
const PART: usize = 16 * 1024;

/// One caller that sends its body a part at a time and never waits for anything.
struct Slow {
    stream: TcpStream,
    left: usize,
    answer: Vec<u8>,
    over: bool,
}

/// Lifts the limit of open files as far as it goes: each caller is a socket here and one in Botgate, which inherits it.
fn many_files() {
    let limit = getrlimit(Resource::Nofile);
    let lifted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, lifted).unwrap();
    let enough = limit.maximum.is_none_or(|most| most as usize > CALLERS + 500);
    assert!(
        enough,
        "{CALLERS} sockets do not fit in the limit of open files ({:?})",
        limit.maximum
    );
}

impl Slow {
    fn start(botgate: &Botgate, signature: &str) -> Self {
        let mut stream = TcpStream::connect(botgate.http()).unwrap();
        let head = format!(
            "POST /hook HTTP/1.1\r\nHost: h\r\nContent-Length: {BODY}\r\nX-Webhook-Signature: {signature}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self { stream, left: BODY, answer: Vec::new(), over: false }
    }

    /// Sends one part, as far as it is taken, and looks whether an answer is there.
    fn go_on(&mut self, part: &[u8]) {
        let piece = &part[..self.left.min(part.len())];
        match self.stream.write(piece) {
            Ok(sent) => self.left -= sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // Refused and closed: the answer must have arrived before.
            Err(_) => self.left = 0,
        }
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.over = true,
            Ok(read) => self.answer.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.over = true,
        }
        self.over |= self.answer.windows(4).any(|window| window == b"\r\n\r\n");
    }

    fn status(&self) -> &str {
        std::str::from_utf8(self.answer.get(9..12).unwrap_or(b"no answer")).unwrap()
    }
}

#[test]
fn three_thousand_slow_senders_stay_within_the_budget_and_small_requests_pass() {
    let _machine = machine::exclusive();
    many_files();
    let body = vec![b'x'; BODY];
    let signature = sign(&body);
    let backend = Backend::ok();
    let server = "max_body = \"2MiB\"\nbuffer = \"32MiB\"\ntimeouts = { header = \"900s\", body = \"900s\", idle = \"900s\" }";
    let botgate = Botgate::start(&config(backend.addr(), server, "", HMAC)).expect_errors();
    assert_eq!(botgate.metric("botgate_buffer_limit_bytes") as u64, LIMIT);
    let mut callers: Vec<_> = (0..CALLERS).map(|_| Slow::start(&botgate, &signature)).collect();
    botgate.metric_until("botgate_connections", |open| open >= CALLERS as f64);
    let connected = botgate.resident();

    let small = vec![b's'; PART];
    let small = post(&format!("X-Webhook-Signature: {}\r\n", sign(&small)), &small);
    let mut beside = botgate.caller();
    let (mut fullest, mut largest) = (0, 0);
    let end = Instant::now() + Duration::from_secs(600);
    while callers.iter().any(|caller| !caller.over) {
        assert!(
            Instant::now() < end,
            "{} callers still wait",
            callers.iter().filter(|caller| !caller.over).count()
        );
        callers
            .iter_mut()
            .filter(|caller| !caller.over)
            .for_each(|caller| caller.go_on(&body[..PART]));
        let held = botgate.metric("botgate_buffer_bytes") as u64;
        assert!(held <= LIMIT, "{held} bytes are held");
        fullest = fullest.max(held);
        largest = largest.max(botgate.resident());
        assert_eq!(beside.call(&small).status, 200, "a small request beside {held} bytes held");
    }

    let refused = callers.iter().filter(|caller| caller.status() == "503").count();
    let served = callers.iter().filter(|caller| caller.status() == "200").count();
    let odd = callers.iter().find(|caller| !["503", "200"].contains(&caller.status()));
    assert_eq!(
        refused + served,
        CALLERS,
        "{:?}",
        odd.map(|caller| String::from_utf8_lossy(&caller.answer))
    );
    assert!(
        refused > 0 && served > 0,
        "{refused} refused, {served} served: the test tests nothing"
    );
    assert!(fullest > LIMIT / 2, "the budget was never under strain: {fullest}");
    for caller in callers.iter().filter(|caller| caller.status() == "503") {
        let answer = String::from_utf8_lossy(&caller.answer).to_ascii_lowercase();
        assert!(answer.contains("\r\nretry-after: "), "{answer}");
    }
    // The budget, and what each connection's own buffers may take.
    let bound = LIMIT + CALLERS as u64 * 64 * 1024;
    assert!(largest - connected < bound, "grew by {} bytes", largest - connected);

    drop(callers);
    botgate.metric_until("botgate_buffer_bytes", |held| held == 0.0);
    assert_eq!(beside.call(&get("/nothing", "")).status, 404);
}
