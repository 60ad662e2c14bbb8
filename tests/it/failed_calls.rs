//! Calls that end badly: what they leave of a budget, and how often each failure is counted.

use crate::harness::{After, Backend, Botgate, TIMEOUT, backend::Connection, caller::Reply};
use std::net::{SocketAddr, TcpListener};

/// A bot that may spend eleven cents, and an AI of which one answer costs ten cents at most.
fn start(ai: &Backend, bot: &str) -> Botgate {
    Botgate::start(&format!(
        "[server]\nhttp = [\"127.0.0.1:0\"]\n\n[upstreams.ai]\nkind = \"openai\"\nurl = \"http://{}\"\nmodel = \"m\"\n\
         key = \"sk-test\"\nmax_tokens = 10\nprice = {{ input = 0, output = 1000000 }}\nretries = 0\ntimeout = \"2s\"\n\n\
         [bots.b]\n{bot}\nupstream = \"ai\"\nverify = {{ preset = \"none\" }}\nbudget = {{ cap = \"0.11 USD\", per = \"total\" }}\n",
        ai.addr()
    ))
}

fn ask(botgate: &Botgate) -> Reply {
    post(
        botgate,
        "/api/bots/webhook/custom/b",
        "{\"text\":\"t\",\"user_id\":\"u\",\"channel_id\":\"c\"}",
    )
}

fn post(botgate: &Botgate, path: &str, body: &str) -> Reply {
    let request =
        format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    botgate.caller().call(request.as_bytes())
}

#[test]
fn a_call_abandoned_while_the_ai_worked_is_spent() {
    let begins: [fn(&mut Connection<'_>); 2] = [
        |_| {},
        |connection| {
            connection.begin("Content-Type: application/json\r\n");
            connection.chunk(b"{");
        },
    ];
    for begin in begins {
        let ai = Backend::start(move |_, connection| {
            begin(connection);
            connection.closed_within(TIMEOUT);
            After::Close
        });
        let botgate = start(&ai, "dialect = \"aerostack\"");
        let statuses = [ask(&botgate).status, ask(&botgate).status];
        assert_eq!(statuses, [504, 402]);
        assert_eq!(ai.count(), 1);
    }
}

#[test]
fn a_call_that_breaks_off_before_any_text_is_refunded() {
    let ai = Backend::start(|_, _| After::Close);
    let botgate = start(&ai, "dialect = \"aerostack\"");
    let statuses = [ask(&botgate).status, ask(&botgate).status];
    assert_eq!(statuses, [502, 502]);
}

#[test]
fn a_stream_that_breaks_off_without_saying_what_it_cost_is_spent() {
    let word = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n";
    let cost = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n";
    let cut = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
    let error = "data: {\"error\":{\"message\":\"m\"}}\n\n";
    for (pieces, ends, second) in [
        ([word, word], false, 402),
        ([word, error], true, 402),
        ([word, word], true, 402),
        // This one has said it.
        ([cut, cost], true, 200),
    ] {
        let ai = Backend::start(move |_, connection| {
            connection.begin("Content-Type: text/event-stream\r\n");
            connection.chunk(word.as_bytes());
            for piece in pieces {
                connection.chunk(piece.as_bytes());
            }
            if ends {
                connection.chunk(b"");
            }
            After::Close
        });
        let botgate = start(&ai, "dialect = \"chatbot-platform\"\nstream = true");
        let ask = || {
            let body = "{\"messages\":[{\"role\":\"user\",\"content\":\"t\"}]}";
            post(&botgate, "/chat/b", body).status
        };
        assert_eq!([ask(), ask()], [200, second], "{pieces:?}");
    }
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
        let counted = ["botgate_upstream_errors_total", "botgate_upstream_passed_over_total"]
            .map(|name| botgate.metric(name));
        assert_eq!(counted, [failed, passed_over], "fallback {fallback:?}, {retries} retries");
    }
}
