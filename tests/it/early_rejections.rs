//! A refusal reaches the caller, also while the caller is still sending: 401, 429 and 413 are read, 100 times out of 100.

use crate::harness::{BEARER, Backend, Botgate, HMAC, OPEN, config, post, sign};

const TIMES: usize = 100;

/// Sends 10 MB as far as they are taken, and only then reads.
fn sends_ten_megabytes(botgate: &Botgate, headers: &str, chunked: bool) -> u16 {
    let megabyte = vec![b'x'; 1_000_000];
    let mut caller = botgate.caller();
    if chunked {
        let head = format!(
            "POST /hook HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n{headers}\r\n"
        );
        caller.send(head.as_bytes());
        for _ in 0..10 {
            if !(caller.try_send(b"f4240\r\n")
                && caller.try_send(&megabyte)
                && caller.try_send(b"\r\n"))
            {
                break;
            }
        }
        caller.try_send(b"0\r\n\r\n");
    } else {
        caller.send(
            format!("POST /hook HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n{headers}\r\n")
                .as_bytes(),
        );
        for _ in 0..10 {
            if !caller.try_send(&megabyte) {
                break;
            }
        }
    }
    caller.reply().status
}

#[test]
fn a_401_is_read_by_a_caller_that_sends_10_megabytes() {
    let backend = Backend::ok();
    let botgate = Botgate::start(&config(backend.addr(), "max_body = \"20MiB\"", "", BEARER));
    for nth in 0..TIMES {
        let status = sends_ten_megabytes(&botgate, "Authorization: Bearer wrong\r\n", nth % 2 == 1);
        assert_eq!(status, 401, "time {nth}");
    }
    assert_eq!(backend.count(), 0);
}

#[test]
fn a_429_is_read_by_a_caller_that_sends_10_megabytes() {
    let backend = Backend::ok();
    let bot = format!("{BEARER}\nlimit = {{ rate = \"1/h\", burst = 1 }}");
    let botgate = Botgate::start(&config(backend.addr(), "max_body = \"20MiB\"", "", &bot));
    let right = "Authorization: Bearer right\r\n";
    assert_eq!(botgate.caller().call(&post(right, b"the one")).status, 200);
    for nth in 0..TIMES {
        assert_eq!(sends_ten_megabytes(&botgate, right, nth % 2 == 1), 429, "time {nth}");
    }
    assert_eq!(backend.count(), 1);
}

#[test]
fn a_413_is_read_by_a_caller_that_sends_10_megabytes() {
    let backend = Backend::ok();
    let botgate = Botgate::start(&config(backend.addr(), "max_body = \"1MiB\"", "", OPEN));
    for nth in 0..TIMES {
        // With a Content-Length the head decides; in chunks it shows only when the body has come so far.
        assert_eq!(sends_ten_megabytes(&botgate, "", nth % 2 == 1), 413, "time {nth}");
    }
    assert_eq!(backend.count(), 0);
}

#[test]
fn a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
    let backend = Backend::ok();
    let botgate = Botgate::start(&config(backend.addr(), "max_body = \"64KiB\"", "", HMAC));
    for (size, status) in [(64 * 1024, 200), (64 * 1024 + 1, 413)] {
        let body = vec![b'x'; size];
        let signature = format!("X-Webhook-Signature: {}\r\n", sign(&body));
        assert_eq!(
            botgate.caller().call(&post(&signature, &body)).status,
            status,
            "Content-Length {size}"
        );
        let mut chunked = format!("POST /hook HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n{signature}\r\n{size:x}\r\n")
            .into_bytes();
        chunked.extend_from_slice(&body);
        chunked.extend_from_slice(b"\r\n0\r\n\r\n");
        let mut caller = botgate.caller();
        caller.try_send(&chunked);
        assert_eq!(caller.reply().status, status, "in chunks {size}");
    }
    assert_eq!(backend.count(), 2);
}

#[test]
fn refusals_by_the_head_are_sent_before_any_body() {
    let backend = Backend::ok();
    let botgate = Botgate::start(&config(backend.addr(), "max_body = \"1MiB\"", "", BEARER));
    let head =
        |headers: &str| format!("POST /hook HTTP/1.1\r\nHost: h\r\n{headers}\r\n").into_bytes();
    // No body follows any of these: an answer can come only from the head.
    let cases = [
        ("Content-Length: 1000\r\nAuthorization: Bearer wrong\r\n", 401),
        ("Content-Length: 1000\r\n", 401),
        ("Content-Length: 2000000\r\nAuthorization: Bearer right\r\n", 413),
        ("Transfer-Encoding: chunked\r\nAuthorization: Bearer wrong\r\n", 401),
    ];
    for (headers, status) in cases {
        assert_eq!(botgate.caller().call(&head(headers)).status, status, "{headers}");
    }
    let signed = Botgate::start(&config(backend.addr(), "", "", HMAC));
    for headers in
        ["Content-Length: 1000\r\n", "Content-Length: 1000\r\nX-Webhook-Signature: nonsense\r\n"]
    {
        assert_eq!(signed.caller().call(&head(headers)).status, 401, "{headers}");
    }
    assert_eq!(backend.count(), 0);
}
