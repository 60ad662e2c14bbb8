//! The head that goes up, byte for byte.

use super::{Identity, drop_named, write_head};
use crate::net::timers::Timers;
use crate::proxy::bot::Forward;
use crate::proxy::bot::tests::forward;
use crate::proxy::caller::Caller;
use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Request};
use std::net::SocketAddr;
use std::rc::Rc;

/// What goes up for this method, target and these fields, in their order, with a body of `length` bytes.
fn head(
    way: &Forward,
    trusted: bool,
    request: &str,
    fields: &[(&str, &str)],
    length: u64,
) -> String {
    let (method, target) = request.split_once(' ').unwrap();
    let mut built = Request::builder().method(method).uri(target);
    for (name, value) in fields {
        built = built.header(*name, *value);
    }
    let (mut parts, ()) = built.body(()).unwrap().into_parts();
    let mut headers = std::mem::take(&mut parts.headers);
    drop_named(&mut headers);
    let address = SocketAddr::from(([203, 0, 113, 7], 1));
    let identity = Identity {
        caller: &Caller::new(address, Scheme::HTTP, Rc::new(Timers::default()).timer()),
        trusted,
        id: &HeaderValue::from_static("id-1"),
    };
    let mut out = Vec::new();
    write_head(way, &parts, &headers, &identity, length, &mut out);
    String::from_utf8(out).unwrap()
}

/// Only the fields that go up because the caller sent them.
fn passed(trusted: bool, fields: &[(&str, &str)]) -> Vec<String> {
    let whole = head(&forward(), trusted, "GET /", fields, 0);
    let lines = whole.split("\r\n").skip(1).filter(|line| !line.is_empty());
    let own = [
        "host: backend:80",
        "x-forwarded-for: 203.0.113.7",
        "x-forwarded-proto: http",
        "x-request-id: id-1",
    ];
    lines.filter(|line| !own.contains(line)).map(str::to_owned).collect()
}

#[test]
fn a_head_is_rebuilt_to_the_byte() {
    let fields = [
        ("Host", "bots.example"),
        ("Content-Type", "application/json"),
        ("Content-Length", "999"),
        ("X-Request-Id", "the caller's"),
        ("Accept", "a"),
        ("Accept", "b"),
    ];
    assert_eq!(
        head(&forward(), false, "POST /a?b", &fields, 3),
        "POST /a?b HTTP/1.1\r\nhost: backend:80\r\ncontent-type: application/json\r\naccept: a\r\naccept: b\r\n\
         content-length: 3\r\nx-forwarded-for: 203.0.113.7\r\nx-forwarded-proto: http\r\n\
         x-forwarded-host: bots.example\r\nx-request-id: id-1\r\n\r\n"
    );
    let mut own = forward();
    let name = HeaderName::from_static("authorization");
    own.headers = vec![(name, HeaderValue::from_static("ours"))];
    assert_eq!(
        head(&own, false, "GET /", &[("Authorization", "theirs"), ("Authorization", "twice")], 0),
        "GET / HTTP/1.1\r\nhost: backend:80\r\nauthorization: ours\r\nx-forwarded-for: 203.0.113.7\r\n\
         x-forwarded-proto: http\r\nx-request-id: id-1\r\n\r\n"
    );
    let name = HeaderName::from_static("x-forwarded-proto");
    own.headers = vec![(name, HeaderValue::from_static("https"))];
    assert_eq!(
        head(&own, false, "GET /", &[("X-Forwarded-Proto", "theirs")], 0),
        "GET / HTTP/1.1\r\nhost: backend:80\r\nx-forwarded-proto: https\r\nx-forwarded-for: 203.0.113.7\r\n\
         x-request-id: id-1\r\n\r\n"
    );
}

#[test]
fn a_body_has_one_length_and_no_body_none() {
    let length = |fields: &[(&str, &str)], length| {
        let whole = head(&forward(), false, "POST /", fields, length);
        assert!(!whole.contains("transfer-encoding"));
        let found = whole.split("\r\n").filter(|line| line.starts_with("content-length"));
        found.collect::<String>()
    };
    assert_eq!(length(&[], 0), "");
    assert_eq!(length(&[], 5), "content-length: 5");
    assert_eq!(length(&[("content-length", "0")], 0), "content-length: 0");
    assert_eq!(length(&[("transfer-encoding", "chunked")], 0), "content-length: 0");
    assert_eq!(length(&[("transfer-encoding", "chunked")], 7), "content-length: 7");
}

#[test]
fn what_is_hop_by_hop_stays_behind() {
    let fields = [
        ("connection", "close, X-One"),
        ("connection", "\tx-two ,host"),
        ("x-one", "1"),
        ("x-two", "2"),
        ("x-three", "3"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic x"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("upgrade", "websocket"),
        ("http2-settings", "x"),
        ("expect", "100-continue"),
        ("x_forwarded_for", "10.0.0.1"),
        ("host", "h"),
    ];
    assert_eq!(passed(false, &fields), ["x-three: 3", "x-forwarded-host: h"]);
}

#[test]
fn only_a_trusted_proxy_says_who_called() {
    let fields = [
        ("host", "inner"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-for", "198.51.100.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "outer"),
        ("x-forwarded-prefix", "/p"),
        ("x-real-ip", "192.0.2.1"),
        ("forwarded", "for=192.0.2.1"),
    ];
    assert_eq!(passed(false, &fields), ["x-forwarded-host: inner"]);
    assert_eq!(
        passed(true, &fields),
        [
            "x-forwarded-proto: https",
            "x-forwarded-host: outer",
            "x-forwarded-prefix: /p",
            "x-real-ip: 192.0.2.1",
            "forwarded: for=192.0.2.1",
            "x-forwarded-for: 192.0.2.1, 198.51.100.9, 203.0.113.7",
        ]
    );
}

#[test]
fn a_target_is_prefixed_and_stripped_but_never_rewritten() {
    let target = |prefix: &str, strip: Option<&str>, uri: &str| {
        let mut way = forward();
        way.prefix = prefix.to_owned();
        way.strip = strip.map(str::to_owned);
        let whole = head(&way, false, &format!("GET {uri}"), &[], 0);
        whole.split(' ').nth(1).unwrap().to_owned()
    };
    let cases = [
        ("", None, "/a%2Fb//c?d=%20&e", "/a%2Fb//c?d=%20&e"),
        ("", None, "http://bots.example/a?b", "/a?b"),
        ("", None, "http://bots.example", "/"),
        ("", None, "http://bots.example?q", "/?q"),
        ("/base", None, "/a", "/base/a"),
        ("/base", None, "/?q", "/base/?q"),
        ("", Some("/slack"), "/slack/events?x", "/events?x"),
        ("", Some("/slack"), "/slack", "/"),
        ("", Some("/slack"), "/slack?x", "/?x"),
        ("/base", Some("/slack"), "/slack", "/base/"),
        ("/base", Some("/slack"), "/other", "/base/other"),
    ];
    for (prefix, strip, uri, wanted) in cases {
        assert_eq!(target(prefix, strip, uri), wanted, "{prefix} {strip:?} {uri}");
    }
}
