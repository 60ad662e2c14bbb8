//! Answers that break off after the caller has seen a part of them: no caller can take the part for the whole.

use super::one_worker;
use crate::harness::{After, Backend, Botgate, Monitor, OPEN, TIMEOUT, caller::End, config, get};
use std::time::Instant;

/// A head, a part that the caller reads, and what follows; then the backend closes.
const BREAKS: [(&str, &str, &str); 5] = [
    ("Content-Length: 9\r\n\r\n", "hello", ""),
    ("Content-Length: 9\r\n\r\n", "hello", "you"),
    ("Transfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n", ""),
    ("Transfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n", "5\r\nyo"),
    ("Transfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n", "nonsense\r\n"),
];

#[test]
fn every_caller_sees_that_an_answer_broke_off() {
    let read = Monitor::new(0);
    let seen_by_caller = read.clone();
    let backend = Backend::start(move |seen, connection| {
        let (_, id) = seen.target().split_once('?').unwrap();
        let nth: usize = id.parse().unwrap();
        let (head, part, rest) = BREAKS[nth % BREAKS.len()];
        connection.write(format!("HTTP/1.1 200 OK\r\n{head}{part}").as_bytes());
        seen_by_caller.wait("the caller has the part", |read| *read > nth);
        connection.write(rest.as_bytes());
        After::Close
    });
    let botgate = one_worker(&backend);
    for nth in 0..2 * BREAKS.len() {
        let (head, ..) = BREAKS[nth % BREAKS.len()];
        let (old, chunked) = (nth >= BREAKS.len(), head.starts_with("Transfer"));
        let version = if old { "1.0" } else { "1.1" };
        let mut caller = botgate.caller();
        caller.send(format!("GET /hook?{nth} HTTP/{version}\r\nHost: h\r\n\r\n").as_bytes());
        assert_eq!(caller.head().unwrap().status, 200);
        let part = if chunked && !old {
            caller.chunk().unwrap().unwrap()
        } else {
            caller.take(5).unwrap()
        };
        assert_eq!(part, b"hello");
        read.change(|read| *read = nth + 1);
        let end = if chunked && old {
            // Without a length and without chunks nothing but a reset tells it.
            caller.until_close().map(|_| ())
        } else if chunked {
            // What has come of the next chunk may pass before it breaks off.
            loop {
                match caller.chunk() {
                    Ok(Some(_)) => {}
                    Ok(None) => break Ok(()),
                    Err(end) => break Err(end),
                }
            }
        } else {
            caller.take(4).map(|_| ())
        };
        assert_eq!(end, Err(End::Cut), "break {nth}");
    }
}

#[test]
fn a_whole_answer_to_the_close_is_no_break() {
    let backend = Backend::start(|_, connection| {
        connection.begin("");
        connection.chunk(&[b'x'; 300_000]);
        connection.chunk(b"");
        After::Keep
    });
    let botgate = one_worker(&backend);
    for _ in 0..20 {
        let mut caller = botgate.caller();
        let reply = caller.call(b"GET /hook HTTP/1.0\r\n\r\n");
        assert_eq!(reply.body.len(), 300_000);
    }
}

#[test]
fn a_body_that_always_has_something_ready_ends_with_the_total_deadline() {
    let backend = Backend::start(|_, connection| {
        connection.begin("");
        while connection.chunk(&[b'x'; 64 * 1024]) {}
        After::Close
    });
    let text = config(backend.addr(), "", "timeout = \"1s\"", OPEN);
    let botgate = Botgate::start(&text);
    let mut caller = botgate.caller();
    caller.send(&get("/hook", "X-Request-Id: endless\r\n"));
    assert_eq!(caller.head().unwrap().status, 200);
    let since = Instant::now();
    let end = loop {
        match caller.chunk() {
            Ok(Some(_)) => assert!(since.elapsed() < TIMEOUT, "it never ends"),
            Ok(None) => panic!("a cut answer looks whole"),
            Err(end) => break end,
        }
    };
    assert_eq!(end, End::Cut);
    let line = botgate.access("endless");
    assert_eq!((&line["upstream"], &line["sent"]), (&"total".into(), &"sent".into()));
}
