//! Each deadline fires alone when only it is exceeded, not before its time, and the log has its word.
//!
//! The other deadlines are further away than any test waits, so whatever ends a request is the one that the test is about.

use crate::harness::{
    After, Backend, Botgate, HMAC, Monitor, OPEN, TIMEOUT, caller::End, config, get, machine,
};
use socket2::{Domain, Socket, Type};
use std::{
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// The one deadline that a test is about; all others are far away.
const DEADLINE: Duration = Duration::from_secs(2);

/// The coarse clock that deadlines count on is behind by up to one step.
const STEP: Duration = Duration::from_millis(20);

/// Whoever waits began at this moment or later.
#[track_caller]
fn not_early(since: Instant) {
    let waited = since.elapsed();
    assert!(waited + STEP >= DEADLINE, "fired after {waited:?}");
}

/// The access log's line of the request `slow` has the word of the deadline.
#[track_caller]
fn logged(botgate: &Botgate, word: &str) {
    let line = botgate.access("slow");
    assert_eq!(line["upstream"], word, "{line}");
}

fn upstream(deadline: &str) -> String {
    let all = ["connect", "first_byte", "idle", "total"];
    let times =
        all.map(|name| format!("{name} = \"{}\"", if name == deadline { "2s" } else { "600s" }));
    format!("timeout = {{ {} }}", times.join(", "))
}

fn server(deadline: &str) -> String {
    let all = ["header", "body", "idle"];
    let times =
        all.map(|name| format!("{name} = \"{}\"", if name == deadline { "2s" } else { "600s" }));
    format!("timeouts = {{ {} }}", times.join(", "))
}

const SLOW: &str = "X-Request-Id: slow\r\n";

#[test]
fn a_head_that_does_not_end_is_a_408() {
    let _machine = machine::exclusive();
    let backend = Backend::ok();
    let botgate = Botgate::start(&config(backend.addr(), &server("header"), "", OPEN));
    let mut caller = botgate.caller();
    let since = Instant::now();
    caller.send(b"GET /hook HTTP/1.1\r\nHost: h\r\nX-Slow");
    let reply = caller.reply();
    not_early(since);
    assert_eq!(
        (reply.status, reply.code().as_str(), reply.header("connection")),
        (408, "timeout", Some("close"))
    );
    assert!(caller.closed());
    assert_eq!(backend.count(), 0);
}

#[test]
fn a_body_that_does_not_end_is_a_408() {
    let _machine = machine::exclusive();
    let backend = Backend::ok();
    let botgate = Botgate::start(&config(backend.addr(), &server("body"), "", OPEN));
    let mut caller = botgate.caller();
    let since = Instant::now();
    caller.send(
        format!("POST /hook HTTP/1.1\r\nHost: h\r\n{SLOW}Content-Length: 100\r\n\r\nslow")
            .as_bytes(),
    );
    let reply = caller.reply();
    not_early(since);
    assert_eq!(
        (reply.status, reply.code().as_str(), reply.header("connection")),
        (408, "timeout", Some("close"))
    );
    assert_eq!(backend.count(), 0);
    botgate.metric_until("botgate_buffer_bytes", |bytes| bytes == 0.0);
}

#[test]
fn a_silent_connection_is_closed_without_a_word() {
    let _machine = machine::exclusive();
    let backend = Backend::ok();
    let botgate = Botgate::start(&config(backend.addr(), &server("idle"), "", OPEN));
    let mut caller = botgate.caller();
    let since = Instant::now();
    assert_eq!(caller.call(&get("/hook", "")).status, 200);
    assert!(caller.closed(), "got {:?}", caller.so_far());
    not_early(since);
}

/// A listener whose backlog is full: the kernel answers no further SYN. The sockets must live as long as it shall stay so.
fn black_hole() -> (SocketAddr, Socket, Vec<TcpStream>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(1).unwrap();
    let addr = listener.local_addr().unwrap().as_socket().unwrap();
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(300)) {
        held.push(stream);
        assert!(held.len() < 100, "this kernel's backlog does not fill");
    }
    (addr, listener, held)
}

#[test]
fn connect() {
    let _machine = machine::exclusive();
    let (addr, _listener, _held) = black_hole();
    let botgate =
        Botgate::start(&config(addr, &server(""), &upstream("connect"), OPEN)).expect_errors();
    let mut caller = botgate.caller();
    let since = Instant::now();
    let reply = caller.call(&get("/hook", SLOW));
    not_early(since);
    assert_eq!((reply.status, reply.code().as_str()), (504, "upstream_timeout"));
    logged(&botgate, "connect");
}

#[test]
fn first_byte() {
    let _machine = machine::exclusive();
    let backend = Backend::start(|_, connection| {
        connection.closed_within(TIMEOUT);
        After::Close
    });
    let botgate =
        Botgate::start(&config(backend.addr(), &server(""), &upstream("first_byte"), HMAC))
            .expect_errors();
    let signature = crate::harness::sign(b"hello");
    let mut caller = botgate.caller();
    let since = Instant::now();
    let reply = caller.call(&crate::harness::post(
        &format!("{SLOW}X-Webhook-Signature: {signature}\r\n"),
        b"hello",
    ));
    not_early(since);
    assert_eq!((reply.status, reply.code().as_str()), (504, "upstream_timeout"));
    logged(&botgate, "first_byte");
    backend
        .witnessed()
        .wait("the connection that hung is given up", |witnessed| witnessed.closed == 1);
}

/// Of a quarter of the deadline each.
const TICKS: u32 = 5;

#[test]
fn idle() {
    let _machine = machine::exclusive();
    let last = Monitor::new(None);
    let tell = last.clone();
    let backend = Backend::start(move |_, connection| {
        connection.begin("");
        // Slower than the deadline in sum, faster between two bytes: not to be cut.
        for _ in 0..TICKS {
            connection.chunk(b"tick");
            assert!(!connection.closed_within(DEADLINE / 4), "cut though it went on");
        }
        tell.change(|last| *last = Some(Instant::now()));
        connection.chunk(b"last");
        connection.closed_within(TIMEOUT);
        After::Close
    });
    let botgate = Botgate::start(&config(backend.addr(), &server(""), &upstream("idle"), OPEN))
        .expect_errors();
    let mut caller = botgate.caller();
    caller.send(&get("/hook", SLOW));
    assert_eq!(caller.head().unwrap().status, 200);
    for _ in 0..TICKS {
        assert_eq!(caller.chunk().unwrap().unwrap(), b"tick");
    }
    assert_eq!(caller.chunk().unwrap().unwrap(), b"last");
    assert_eq!(caller.chunk(), Err(End::Cut), "a stream that is given up must not look whole");
    not_early(last.find("the last byte", |last| *last));
    logged(&botgate, "idle");
}

#[test]
fn total() {
    let _machine = machine::exclusive();
    let backend = Backend::start(|_, connection| {
        connection.begin("");
        // Never silent, never done.
        while connection.chunk(b"tick") && !connection.closed_within(DEADLINE / 20) {}
        After::Close
    });
    let text = "timeout = { connect = \"2s\", first_byte = \"2s\", idle = \"2s\", total = \"2s\" }";
    let botgate = Botgate::start(&config(backend.addr(), &server(""), text, OPEN)).expect_errors();
    let mut caller = botgate.caller();
    let since = Instant::now();
    caller.send(&get("/hook", SLOW));
    assert_eq!(caller.head().unwrap().status, 200);
    let end = loop {
        match caller.chunk() {
            Ok(Some(chunk)) => assert_eq!(chunk, b"tick"),
            other => break other,
        }
    };
    assert_eq!(end, Err(End::Cut), "a stream that is given up must not look whole");
    not_early(since);
    logged(&botgate, "total");
}

#[test]
fn one_string_is_the_total_and_bounds_the_others() {
    let _machine = machine::exclusive();
    let backend = Backend::start(|_, connection| {
        connection.closed_within(TIMEOUT);
        After::Close
    });
    let botgate = Botgate::start(&config(backend.addr(), &server(""), "timeout = \"2s\"", OPEN))
        .expect_errors();
    let since = Instant::now();
    let reply = botgate.caller().call(&get("/hook", SLOW));
    not_early(since);
    assert_eq!((reply.status, reply.code().as_str()), (504, "upstream_timeout"));
}
