//! An upstream over TLS: its certificate is believed or the request is refused with the reason, and what a reload changes in that.

use crate::harness::{Botgate, OPEN, config, get, tls};
use rcgen::{CertifiedIssuer, KeyPair};
use rustix::process::Signal;
use rustls::{ServerConnection, StreamOwned};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

/// A backend over TLS, with a certificate for `name` until the end of `year`; its thread ends with the test's process.
fn backend(issuer: &CertifiedIssuer<'static, KeyPair>, name: &str, year: i32) -> SocketAddr {
    let config = tls::server(issuer, name, year);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let session = ServerConnection::new(config.clone()).unwrap();
            thread::spawn(move || serve(StreamOwned::new(session, socket)));
        }
    });
    addr
}

/// Answers each request on a connection until it ends. None of them has a body.
fn serve(mut stream: StreamOwned<ServerConnection, TcpStream>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while let Ok(1) = stream.read(&mut byte) {
        head.push(byte[0]);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
            if stream.write_all(answer).is_err() {
                return;
            }
        }
    }
}

fn https(backend: SocketAddr) -> String {
    config(backend, "", "ca = \"ca.pem\"", OPEN).replace("http://127", "https://127")
}

fn start(backend: SocketAddr, ca: &str) -> Botgate {
    Botgate::start_with(&https(backend), |dir, _| {
        std::fs::write(dir.join("ca.pem"), ca).unwrap();
    })
}

const NOW: i32 = 2120;

#[test]
fn a_certificate_that_a_given_authority_vouches_for_is_believed() {
    let ours = tls::authority("Ours");
    let botgate = start(backend(&ours, "127.0.0.1", NOW), &ours.pem());
    let mut caller = botgate.caller();
    for _ in 0..3 {
        let reply = caller.call(&get("/hook", ""));
        assert_eq!((reply.status, reply.text().as_str()), (200, "secret"));
    }
    let opened = "botgate_upstream_opened_total{upstream=\"back\"}";
    botgate.metric_until(opened, |count| count == 1.0);
}

#[test]
fn a_wrong_name_an_expired_one_and_an_unknown_issuer_are_three_502s() {
    let (ours, theirs) = (tls::authority("Ours"), tls::authority("Theirs"));
    for (backend, word) in [
        (backend(&ours, "other.test", NOW), "tls_name"),
        (backend(&ours, "127.0.0.1", 2002), "tls_expired"),
        (backend(&theirs, "127.0.0.1", NOW), "tls_issuer"),
    ] {
        let botgate = start(backend, &ours.pem()).expect_errors();
        let reply = botgate.caller().call(&get("/hook", "X-Request-Id: one\r\n"));
        assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_unreachable"), "{word}");
        let line = botgate.access("one");
        assert_eq!((&line["upstream"], &line["sent"]), (&word.into(), &"unsent".into()), "{line}");
    }
}

#[test]
fn a_backend_that_speaks_no_tls_is_a_502_too() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let botgate = start(addr, &tls::authority("Ours").pem()).expect_errors();
    let reply = botgate.caller().call(&get("/hook", "X-Request-Id: one\r\n"));
    assert_eq!(reply.status, 502);
    assert_eq!(botgate.access("one")["upstream"], "tls");
}

#[test]
fn a_reload_takes_another_authority_and_keeps_the_connections_of_the_same() {
    let (ours, theirs) = (tls::authority("Ours"), tls::authority("Theirs"));
    let botgate = start(backend(&theirs, "127.0.0.1", NOW), &ours.pem()).expect_errors();
    let mut caller = botgate.caller();
    assert_eq!(caller.call(&get("/hook", "")).status, 502);
    std::fs::write(botgate.file().with_file_name("ca.pem"), theirs.pem()).unwrap();
    let opened = "botgate_upstream_opened_total{upstream=\"back\"}";
    for _ in 0..2 {
        let before = botgate.metric("botgate_reload_total");
        botgate.signal(Signal::HUP);
        botgate.metric_until("botgate_reload_total", |count| count > before);
        assert_eq!(caller.call(&get("/hook", "")).status, 200);
        botgate.metric_until(opened, |count| count == 1.0);
    }
}
