//! Backends that answer, or close, before they have read the whole request.

use crate::harness::{Botgate, Monitor, OPEN, config, get, post};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    thread,
};

/// Far more than the sockets between take.
const BODY: usize = 24 * 1024 * 1024;

/// A backend that reads a head and no body, answers with these bytes and closes once `go` says so; how many it has served is told.
fn reads_heads_alone(answer: &'static [u8], go: Monitor<bool>) -> (SocketAddr, Monitor<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let served = Monitor::new(0);
    let count = served.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::from("x");
            while !line.trim().is_empty() {
                line.clear();
                if !reader.read_line(&mut line).is_ok_and(|read| read > 0) {
                    break;
                }
            }
            let _ = stream.write_all(answer);
            count.change(|count| *count += 1);
            // Closed with unread bytes of the body: the kernel resets the connection.
            go.wait("the word to close", |go| *go);
        }
    });
    (addr, served)
}

fn start(backend: SocketAddr) -> Botgate {
    let server = "max_body = \"32MiB\"\nbuffer = \"256MiB\"";
    let text = config(backend, server, "", OPEN).replace("workers = 2", "workers = 1");
    Botgate::start(&text).expect_errors()
}

const TOO_LARGE: &[u8] = b"HTTP/1.1 413 Too Large\r\nContent-Length: 8\r\n\r\ntoo much";

#[test]
fn an_answer_before_the_end_of_the_request_reaches_the_caller() {
    for close in [true, false] {
        let go = Monitor::new(close);
        let (addr, served) = reads_heads_alone(TOO_LARGE, go.clone());
        let botgate = start(addr);
        for nth in 1..=5 {
            let mut caller = botgate.caller();
            let reply = caller.call(&post("", &vec![b'x'; BODY]));
            assert_eq!((reply.status, &reply.body[..]), (413, &b"too much"[..]));
            assert_eq!(*served.lock(), nth, "each on a connection of its own");
            if !close {
                go.change(|go| *go = true);
            }
        }
    }
}

#[test]
fn a_close_inside_the_request_is_a_502_that_says_partial() {
    let (addr, served) = reads_heads_alone(b"", Monitor::new(true));
    let botgate = start(addr);
    let mut caller = botgate.caller();
    let reply = caller.call(&post("X-Request-Id: inside\r\n", &vec![b'x'; BODY]));
    assert_eq!(
        (reply.status, reply.code().as_str(), reply.header("botgate-upstream")),
        (502, "upstream_error", Some("partial"))
    );
    let line = botgate.access("inside");
    assert_eq!((&line["upstream"], &line["sent"]), (&"broken".into(), &"partial".into()));
    assert_eq!(*served.lock(), 1, "nothing is sent twice");
    // A request without a body has no middle.
    let reply = caller.call(&get("/hook", ""));
    assert_eq!(reply.header("botgate-upstream"), Some("sent"));
    assert_eq!(*served.lock(), 2);
}

#[test]
fn the_rest_of_the_request_goes_on_below_an_answer_that_has_begun() {
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = backend.local_addr().unwrap();
    let begun = Monitor::new(false);
    let go = begun.clone();
    thread::spawn(move || {
        let mut stream = backend.incoming().next().unwrap().unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            .unwrap();
        go.wait("the caller to have the head", |go| *go);
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::from("x");
        while !line.trim().is_empty() {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        let mut body = Vec::new();
        let _ = reader.take(BODY as u64).read_to_end(&mut body);
        let told = format!("{:08}", body.len());
        let _ = stream.write_all(format!("8\r\n{told}\r\n0\r\n\r\n").as_bytes());
    });
    let botgate = start(addr);
    let mut caller = botgate.caller();
    caller.send(&post("", &vec![b'x'; BODY]));
    assert_eq!(caller.head().unwrap().status, 200);
    assert_eq!(caller.chunk().unwrap().unwrap(), b"hello");
    begun.change(|begun| *begun = true);
    assert_eq!(
        String::from_utf8(caller.chunk().unwrap().unwrap()).unwrap(),
        format!("{BODY:08}"),
        "the backend waits for what it was promised"
    );
    assert_eq!(caller.chunk(), Ok(None));
}
