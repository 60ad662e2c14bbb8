//! The admin listener: health, readiness, metrics, its token; and none of it on the public side.

use crate::harness::{After, Backend, Botgate, Caller, Monitor, OPEN, config, get};
use rustix::process::Signal;

#[test]
fn health_readiness_and_metrics_are_there_and_nothing_else() {
    let backend = Backend::ok();
    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN));
    assert_eq!(botgate.caller().call(&get("/hook", "")).status, 200);
    let mut admin = Caller::connect(botgate.admin());
    assert_eq!(admin.call(&get("/healthz", "")).status, 200);
    assert_eq!(admin.call(&get("/readyz", "")).status, 200);
    let metrics = admin.call(&get("/metrics", ""));
    let kind = metrics.header("content-type").unwrap();
    assert!(
        kind.starts_with("text/plain") || kind.starts_with("application/openmetrics-text"),
        "{kind}"
    );
    assert_eq!(admin.call(&get("/hook", "")).status, 404, "no bot is served here");
    assert_eq!(
        admin.call(b"POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").status,
        405
    );
}

#[test]
fn the_public_side_serves_none_of_it() {
    let backend = Backend::ok();
    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN));
    for path in ["/healthz", "/readyz", "/metrics", "/api/bots", "/"] {
        assert_eq!(botgate.caller().call(&get(path, "")).status, 404, "{path}");
    }
    assert_eq!(backend.count(), 0);
}

#[test]
fn a_token_is_asked_for_and_probes_need_none() {
    let backend = Backend::ok();
    // The text goes on in the table [admin] that `config` has begun.
    let text = config(backend.addr(), "", "", OPEN)
        .replace("[admin]\n", "[admin]\ntoken = \"admin word\"\nprobes = \"127.0.0.1:0\"\n");
    let botgate = Botgate::start(&text);
    let mut admin = Caller::connect(botgate.admin());
    for (headers, status) in [
        ("", 401),
        ("Authorization: Bearer wrong\r\n", 401),
        ("Authorization: Basic admin word\r\n", 401),
        ("Authorization: Bearer\r\n", 401),
        ("Authorization: Bearer admin word\r\n", 200),
        ("Authorization: bearer admin word\r\n", 200),
    ] {
        assert_eq!(admin.call(&get("/metrics", headers)).status, status, "{headers}");
    }
    let line = botgate.line("the probes' address", |line| {
        line["event"] == "listening" && line["listener"] == "probes"
    });
    let mut probes = Caller::connect(line["addr"].as_str().unwrap().parse().unwrap());
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/metrics", 404)] {
        assert_eq!(probes.call(&get(path, "")).status, status, "{path}");
    }
    assert!(!botgate.text().contains("admin word"), "the token stands in the log");
}

#[test]
fn a_draining_server_is_not_ready() {
    let go = Monitor::new(false);
    let told = go.clone();
    let backend = Backend::start(move |_, connection| {
        told.wait("the word to answer", |go| *go);
        connection.answer("200 OK", "", b"ok");
        After::Keep
    });
    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN));
    let mut caller = botgate.caller();
    caller.send(&get("/hook", ""));
    backend.witnessed().wait("the request", |witnessed| witnessed.seen.len() == 1);
    let mut admin = Caller::connect(botgate.admin());
    assert_eq!(admin.call(&get("/readyz", "")).status, 200);
    botgate.signal(Signal::TERM);
    // The signal is on its way to another thread: ask until it has arrived.
    while Caller::connect(botgate.admin()).call(&get("/readyz", "")).status != 503 {}
    assert_eq!(
        Caller::connect(botgate.admin()).call(&get("/healthz", "")).status,
        200,
        "it still lives"
    );
    go.change(|go| *go = true);
    assert_eq!(caller.reply().status, 200);
    let mut botgate = botgate;
    assert_eq!(botgate.exit().code(), Some(0));
}

#[test]
fn requests_refusals_and_errors_are_counted_under_bounded_labels() {
    let backend = Backend::ok();
    let botgate = Botgate::start(&config(backend.addr(), "", "", OPEN));
    let mut caller = botgate.caller();
    for _ in 0..3 {
        assert_eq!(caller.call(&get("/hook", "")).status, 200);
    }
    for nth in 0..50 {
        assert_eq!(caller.call(&get(&format!("/unknown/{nth}"), "")).status, 404);
    }
    botgate.metric_until("botgate_requests_total{bot=\"hook\",code=\"200\"}", |count| count == 3.0);
    assert!(botgate.metric("botgate_refusals_total") >= 50.0);
    let page = botgate.metrics();
    assert!(!page.contains("/unknown"), "a caller's text is a label");
    for name in
        ["botgate_request_seconds_bucket", "botgate_build_info", "botgate_buffer_limit_bytes"]
    {
        assert!(page.contains(name), "{name} is missing:\n{page}");
    }
}
