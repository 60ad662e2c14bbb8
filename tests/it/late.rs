//! Calls that end badly: how often each failure is counted.

use crate::harness::{Backend, Botgate, caller::Reply};
use std::net::{SocketAddr, TcpListener};

fn ask(botgate: &Botgate) -> Reply {
    post(
        botgate,
        "/api/bots/webhook/custom/b",
        "{\"text\":\"t\",\"user_id\":\"u\",\"channel_id\":\"c\"}",
    )
}

fn post(botgate: &Botgate, path: &str, body: &str) -> Reply {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    botgate.caller().call(request.as_bytes())
}

/// Bots in front of two AIs, the first of which nobody answers at.
fn dead_and(fallback: &str, retries: u32, live: SocketAddr) -> Botgate {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = free.local_addr().unwrap();
    drop(free);
    let upstream = |name: &str, at: SocketAddr| {
        format!(
            "[upstreams.{name}]\nkind = \"custom\"\nurl = \"http://{at}/\"\nretries = {retries}\n\n"
        )
    };
    Botgate::start(&format!(
        "[server]\nhttp = [\"127.0.0.1:0\"]\n\n[admin]\nlisten = \"127.0.0.1:0\"\n\n{}{}\
         [bots.b]\ndialect = \"aerostack\"\nupstream = \"dead\"\nfallback = [{fallback}]\nverify = {{ preset = \"none\" }}\n",
        upstream("dead", dead),
        upstream("live", live),
    ))
}

#[test]
fn a_failure_is_counted_once_and_passed_over_only_where_somebody_else_was_asked() {
    let live =
        Backend::start(|_, connection| connection.answer("200 OK", "", b"{\"content\":\"here\"}"));
    for (fallback, retries, status, failed, passed_over) in [
        ("", 0, 502, 1.0, 0.0),
        ("", 1, 502, 2.0, 1.0),
        ("\"live\"", 0, 200, 1.0, 1.0),
        ("\"live\"", 1, 200, 2.0, 2.0),
    ] {
        let botgate = dead_and(fallback, retries, live.addr());
        assert_eq!(ask(&botgate).status, status);
        let counted = [
            "botgate_upstream_errors_total",
            "botgate_upstream_passed_over_total",
        ]
        .map(|name| botgate.metric(name));
        assert_eq!(
            counted,
            [failed, passed_over],
            "fallback {fallback:?}, {retries} retries"
        );
    }
}
