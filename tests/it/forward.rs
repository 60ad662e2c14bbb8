//! What the backend gets and what the caller gets back: the same bytes, rebuilt framing, headers that end here removed.

mod response;
mod upstream_failure;

use crate::harness::{After, BEARER, Backend, Botgate, HMAC, OPEN, config, get, post, sign};

/// Bytes of every value, in an order that no encoder would leave alone.
fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(167) ^ (at >> 8)).to_le_bytes()[0]).collect()
}

#[test]
fn bodies_of_every_size_reach_the_backend_byte_for_byte() {
    let backend = Backend::ok();
    let botgate = Botgate::start(&config(backend.addr(), "", "", HMAC));
    let mut caller = botgate.caller();
    for size in [0, 1, 255, 8 * 1024, 16 * 1024 + 1, 65_537, 1024 * 1024] {
        let body = noise(size);
        let signature = format!("X-Webhook-Signature: {}\r\n", sign(&body));
        assert_eq!(caller.call(&post(&signature, &body)).status, 200, "{size} bytes");
        assert!(backend.last().body == body, "{size} bytes with a Content-Length");

        let head = format!(
            "POST /hook HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n{signature}\r\n"
        );
        caller.send(head.as_bytes());
        for part in body.chunks(1021) {
            caller.send(format!("{:X}\r\n", part.len()).as_bytes());
            caller.send(part);
            caller.send(b"\r\n");
        }
        assert_eq!(caller.call(b"0\r\n\r\n").status, 200, "{size} bytes in chunks");
        let seen = backend.last();
        assert!(seen.body == body, "{size} bytes in chunks");
        assert_eq!(
            seen.header("content-length"),
            [size.to_string()],
            "one length, whatever the caller's framing"
        );
        assert!(seen.header("transfer-encoding").is_empty());
    }
}

#[test]
fn path_and_query_go_along_as_they_came_behind_the_upstreams_own() {
    let backend = Backend::ok();
    let further = format!(
        "[upstreams.based]\nkind = \"passthrough\"\nurl = \"http://{}/base\"\n\
         [bots.slack]\ndialect = \"raw\"\npath = \"/slack/*\"\nstrip = \"/slack\"\nupstream = \"based\"\n{OPEN}\n\
         [bots.exact]\ndialect = \"raw\"\npath = \"/slack/exact\"\nupstream = \"back\"\n{OPEN}\n\
         [bots.longer]\ndialect = \"raw\"\npath = \"/slack/long/*\"\nupstream = \"back\"\n{OPEN}\n",
        backend.addr()
    );
    let botgate = Botgate::start(&config(backend.addr(), "", "", &format!("{OPEN}\n{further}")));
    let mut caller = botgate.caller();
    let cases = [
        ("/hook", "/hook"),
        ("/hook?a=1&b=%20+%2f&c", "/hook?a=1&b=%20+%2f&c"),
        ("/slack/events?x=1", "/base/events?x=1"),
        ("/slack/a%2Fb//c;d=e", "/base/a%2Fb//c;d=e"),
        ("/slack/exact", "/slack/exact"),
        ("/slack/long/x", "/slack/long/x"),
        ("/slack/longer", "/base/longer"),
    ];
    for (target, wanted) in cases {
        assert_eq!(caller.call(&get(target, "")).status, 200, "{target}");
        assert_eq!(backend.last().target(), wanted, "{target}");
    }
}

#[test]
fn forwarded_headers_are_ours_unless_a_trusted_proxy_says_so() {
    let backend = Backend::ok();
    let claims = "X-Forwarded-For: 203.0.113.7, 127.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: world.example\r\n";

    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN));
    assert_eq!(botgate.caller().call(&get("/hook", claims)).status, 200);
    let seen = backend.last();
    assert_eq!(seen.header("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.header("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.header("x-forwarded-host"), ["bots.example"]);

    let trusting =
        Botgate::start(&config(backend.addr(), "trusted_proxies = [\"127.0.0.0/8\"]", "", OPEN));
    assert_eq!(trusting.caller().call(&get("/hook", claims)).status, 200);
    let seen = backend.last();
    assert_eq!(seen.header("x-forwarded-for"), ["203.0.113.7, 127.0.0.9, 127.0.0.1"]);
    assert_eq!(seen.header("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.header("x-forwarded-host"), ["world.example"]);
}

#[test]
fn the_upstreams_own_headers_stand_in_place_of_the_callers() {
    let backend = Backend::ok();
    let headers = "headers = { Authorization = \"Bearer ours\", X-Bot-ID = \"{bot}\" }";
    let botgate = Botgate::start(&config(backend.addr(), "", headers, BEARER));
    let request = get("/hook", "Authorization: Bearer right\r\nX-Bot-ID: another\r\nX-Mine: 1\r\n");
    assert_eq!(botgate.caller().call(&request).status, 200);
    let seen = backend.last();
    assert_eq!(seen.header("authorization"), ["Bearer ours"]);
    assert_eq!(seen.header("x-bot-id"), ["hook"]);
    assert_eq!(seen.header("x-mine"), ["1"]);
    assert_eq!(seen.header("host").len(), 1);
}

#[test]
fn a_sane_request_id_is_kept_and_any_other_replaced() {
    let backend = Backend::ok();
    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN));
    let reply = botgate.caller().call(&get("/hook", "X-Request-Id: order-66_a.b\r\n"));
    assert_eq!(reply.header("x-request-id"), Some("order-66_a.b"));
    assert_eq!(backend.last().header("x-request-id"), ["order-66_a.b"]);
    botgate.access("order-66_a.b");
    for insane in ["a b", "", &"x".repeat(300), "<script>", "a\u{e9}"] {
        let reply = botgate.caller().call(&get("/hook", &format!("X-Request-Id: {insane}\r\n")));
        let given = reply.header("x-request-id").unwrap();
        assert!(!given.is_empty() && given != insane, "{given:?}");
        assert_eq!(backend.last().header("x-request-id"), [given]);
    }
    let twice = botgate.caller().call(&get("/hook", "X-Request-Id: one\r\nX-Request-Id: two\r\n"));
    assert_eq!(backend.last().header("x-request-id"), [twice.header("x-request-id").unwrap()]);
}

#[test]
fn nothing_of_a_truncated_request_reaches_the_backend() {
    let backend = Backend::ok();
    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN));
    let mut caller = botgate.caller();
    caller.send(b"POST /hook HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nonly this");
    drop(caller);
    // A whole request after it shows that the first one was not merely late.
    assert_eq!(botgate.caller().call(&post("", b"whole")).status, 200);
    botgate.metric_until("botgate_connections", |open| open == 0.0);
    assert_eq!(backend.count(), 1);
    botgate.metric_until("botgate_buffer_bytes", |bytes| bytes == 0.0);
}

#[test]
fn one_upstream_connection_serves_many_requests() {
    let backend = Backend::start(|_, connection| {
        connection.answer("200 OK", "", b"ok");
        After::Keep
    });
    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN));
    let mut caller = botgate.caller();
    for _ in 0..100 {
        assert_eq!(caller.call(&post("", b"hello")).status, 200);
    }
    assert_eq!(backend.witnessed().lock().opened, 1, "one caller, one worker, one connection");
}
