//! A delivery that comes twice: answered once, told to wait while the first is in the making, free again when that failed.

use crate::harness::{After, BEARER, Backend, Botgate, HMAC, Monitor, TIMEOUT, config, post, sign};
use std::time::Instant;

const BY_HEADER: &str = "duplicates = { by = \"header:Idempotency-Key\", window = \"10m\" }";

fn delivery(id: &str, body: &[u8]) -> Vec<u8> {
    post(&format!("Authorization: Bearer right\r\nIdempotency-Key: {id}\r\n"), body)
}

/// A backend that counts in its answers, and takes the status to answer from the query.
fn counting() -> Backend {
    let count = Monitor::new(0_usize);
    Backend::start(move |seen, connection| {
        let nth = count.change(|count| {
            *count += 1;
            *count
        });
        let status = if seen.body.starts_with(b"fail") { "500 Oh" } else { "201 Created" };
        connection.answer(
            status,
            "Content-Type: text/x-count\r\n",
            format!("answer {nth}").as_bytes(),
        )
    })
}

#[test]
fn a_second_delivery_gets_the_first_answer_again() {
    let backend = counting();
    let botgate =
        Botgate::start(&config(backend.addr(), "", "", &format!("{BEARER}\n{BY_HEADER}")));
    let mut caller = botgate.caller();
    for _ in 0..3 {
        let reply = caller.call(&delivery("a", b"hello"));
        assert_eq!((reply.status, reply.text().as_str()), (201, "answer 1"));
        assert_eq!(reply.header("content-type"), Some("text/x-count"));
    }
    assert_eq!(
        caller.call(&delivery("b", b"hello")).text(),
        "answer 2",
        "another id is another delivery"
    );
    // The id is not signed here, so an id alone proves nothing: another body under it is another delivery.
    assert_eq!(caller.call(&delivery("a", b"other")).text(), "answer 3");
    let none = post("Authorization: Bearer right\r\n", b"yes");
    assert_ne!(
        caller.call(&none).text(),
        caller.call(&none).text(),
        "without an id two equal bodies are two messages"
    );
}

#[test]
fn while_the_first_is_in_the_making_a_second_is_told_to_wait() {
    let go = Monitor::new(false);
    let told = go.clone();
    let backend = Backend::start(move |_, connection| {
        told.wait("the word to answer", |go| *go);
        connection.answer("200 OK", "", b"done")
    });
    let botgate =
        Botgate::start(&config(backend.addr(), "", "", &format!("{BEARER}\n{BY_HEADER}")));
    let mut first = botgate.caller();
    first.send(&delivery("a", b"hello"));
    backend.witnessed().wait("the first at the backend", |witnessed| witnessed.seen.len() == 1);
    let reply = botgate.caller().call(&delivery("a", b"hello"));
    assert_eq!(
        (reply.status, reply.code().as_str(), reply.header("retry-after")),
        (409, "conflict", Some("1"))
    );
    go.change(|go| *go = true);
    assert_eq!(first.reply().status, 200);
    assert_eq!(botgate.caller().call(&delivery("a", b"hello")).text(), "done");
    assert_eq!(backend.count(), 1);
}

#[test]
fn a_failure_and_a_caller_that_left_free_the_id() {
    let backend = counting();
    let botgate =
        Botgate::start(&config(backend.addr(), "", "", &format!("{BEARER}\n{BY_HEADER}")));
    let mut caller = botgate.caller();
    for _ in 0..2 {
        assert_eq!(caller.call(&delivery("a", b"fail")).status, 500);
    }
    assert_eq!(backend.count(), 2, "a failure is not remembered");

    let backend = Backend::start(|seen, connection| {
        if seen.connection == 0 {
            connection.closed_within(TIMEOUT);
            return After::Close;
        }
        connection.answer("200 OK", "", b"done")
    });
    let botgate =
        Botgate::start(&config(backend.addr(), "", "", &format!("{BEARER}\n{BY_HEADER}")));
    let mut gone = botgate.caller();
    gone.send(&delivery("b", b"hello"));
    backend.witnessed().wait("the request at the backend", |witnessed| witnessed.seen.len() == 1);
    drop(gone);
    backend.witnessed().wait("its cancellation", |witnessed| witnessed.closed == 1);
    // The id is free a moment after the upstream's connection is closed.
    let end = Instant::now() + TIMEOUT;
    let again = loop {
        let reply = botgate.caller().call(&delivery("b", b"hello"));
        if reply.status != 409 || Instant::now() > end {
            break reply;
        }
    };
    assert_eq!(again.text(), "done");
}

#[test]
fn an_answer_that_was_streamed_or_is_large_is_remembered_without_its_body() {
    let backend = Backend::start(|seen, connection| {
        if seen.body == b"stream" {
            connection.begin("Content-Type: text/event-stream\r\n");
            connection.chunk(b"streamed");
            connection.chunk(b"");
            return After::Keep;
        }
        connection.answer("200 OK", "", &vec![b'x'; 64 * 1024 + 1])
    });
    let botgate =
        Botgate::start(&config(backend.addr(), "", "", &format!("{BEARER}\n{BY_HEADER}")));
    let mut caller = botgate.caller();
    for body in [&b"stream"[..], b"large"] {
        let first = caller.call(&delivery("a", body));
        assert!(first.status == 200 && !first.body.is_empty());
        let second = caller.call(&delivery("a", body));
        assert_eq!((second.status, second.body.as_slice()), (200, &b""[..]));
        assert_eq!(second.header("botgate-duplicate"), Some("1"));
    }
    assert_eq!(backend.count(), 2);
}

#[test]
fn an_unproven_delivery_is_never_looked_up() {
    let backend = counting();
    let bot = format!("{HMAC}\n{BY_HEADER}");
    let botgate = Botgate::start(&config(backend.addr(), "", "", &bot));
    let mut caller = botgate.caller();
    let request = |signature: &str| {
        post(&format!("Idempotency-Key: a\r\nX-Webhook-Signature: {signature}\r\n"), b"hello")
    };
    assert_eq!(caller.call(&request(&sign(b"hello"))).status, 201);
    assert_eq!(caller.call(&request(&sign(b"other"))).status, 401, "not the first one's answer");
    assert_eq!(caller.call(&request(&sign(b"hello"))).text(), "answer 1");
}
