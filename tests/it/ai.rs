//! What aimock cannot play: streams cut at every byte and framed oddly, errors after a 200, keys and quotas that are refused.

mod refusals;
mod streams;

use crate::harness::{After, Backend, Botgate, Monitor, TIMEOUT, ai, backend::Seen, caller::Reply};
use botgate::net::client::breaker;
use refusals::{RATE, REFUSALS};
use serde_json::json;
use std::time::{Duration, SystemTime};
use streams::{CASES, End};

/// A bot for each kind of upstream that is named: `live-N` streams, `plain-N` does not. The AI learns N from the path.
fn config(kinds: &[&str], ai: &Backend, more: &str) -> String {
    let mut text = "[server]\nhttp = [\"127.0.0.1:0\"]\n\n".to_owned();
    for (nth, kind) in kinds.iter().enumerate() {
        let url = format!("http://{}/{nth}/v1", ai.addr());
        text += &ai::upstream(&format!("ai-{nth}"), kind, &url, more);
        text += &format!(
            "[bots.live-{nth}]\ndialect = \"chatbot-platform\"\nupstream = \"ai-{nth}\"\nstream = true\n\
             verify = {{ preset = \"none\" }}\n\n\
             [bots.plain-{nth}]\ndialect = \"aerostack\"\nupstream = \"ai-{nth}\"\nverify = {{ preset = \"none\" }}\n\n"
        );
    }
    text
}

/// Which upstream a request was sent to.
fn nth(seen: &Seen) -> usize {
    seen.target().split('/').nth(1).unwrap().parse().unwrap()
}

/// A message to a bot that streams.
fn asking(nth: usize, text: &str) -> Vec<u8> {
    let body = json!({"messages": [{"role": "user", "content": text}]});
    ai::post(&format!("/chat/live-{nth}"), "", &body)
}

/// The texts that came one by one, and the last event.
fn heard(reply: &Reply) -> (String, String, serde_json::Value) {
    assert_eq!(reply.status, 200, "{reply:?}");
    let (mut text, mut last) = (String::new(), None);
    for block in reply.text().split_terminator("\n\n") {
        let (name, data) = match block.split_once('\n') {
            Some((name, data)) => (name.strip_prefix("event: ").unwrap(), data),
            None => ("", block),
        };
        let data: serde_json::Value =
            serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert!(last.is_none(), "something after the end: {reply:?}");
        if name.is_empty() {
            text += data["delta"].as_str().unwrap();
        } else {
            last = Some((name.to_owned(), data));
        }
    }
    let (name, data) = last.unwrap_or_else(|| panic!("no end: {reply:?}"));
    (text, name, data)
}

/// An AI that streams the bytes of each bot's case, in pieces of the size that it is told.
fn playing() -> Backend {
    Backend::start(|seen, connection| {
        let size = ai::texts(seen)[0].parse().unwrap();
        connection.begin("Content-Type: text/event-stream; charset=utf-8\r\n");
        for piece in CASES[nth(seen)].bytes.as_bytes().chunks(size) {
            if !connection.chunk(piece) {
                return After::Close;
            }
        }
        connection.chunk(b"");
        After::Keep
    })
}

#[test]
fn a_stream_is_read_however_it_is_framed_and_cut() {
    let ai = playing();
    let kinds: Vec<_> = CASES.iter().map(|case| case.kind).collect();
    let botgate = Botgate::start(&config(&kinds, &ai, "retries = 0"));
    for (nth, case) in CASES.iter().enumerate() {
        // Whole; one byte at a time, through every character and line ending; and in threes.
        for size in [1_000_000, 1, 3] {
            let reply = botgate.caller().call(&asking(nth, &size.to_string()));
            let about = format!("{} in pieces of {size}: {reply:?}", case.name);
            let (expected, ending, code) = match case.end {
                End::Done(content) => (content, "done", ""),
                End::Broken(begun) => (begun, "error", "upstream_error"),
                End::Overloaded(begun) => (begun, "error", "overloaded"),
                End::Refused(status, code) => {
                    // Not a word has gone out: an error like any other.
                    assert_eq!((reply.status, reply.code().as_str()), (status, code), "{about}");
                    continue;
                }
            };
            let (text, name, data) = heard(&reply);
            assert_eq!((text.as_str(), name.as_str()), (expected, ending), "{about}");
            match ending {
                "done" => assert_eq!(data["content"], expected, "{about}"),
                _ => assert_eq!(data["code"], code, "{about}"),
            }
            assert_eq!(ai::asked(&ai.last())["stream"], true, "{about}");
        }
    }
}

#[test]
fn each_part_of_a_stream_is_passed_on_before_the_next_exists() {
    let go = Monitor::new(0);
    let gate = go.clone();
    let ai = Backend::start(move |_, connection| {
        connection.begin("Content-Type: text/event-stream\r\n");
        for (nth, word) in ["one ", "two ", "three"].into_iter().enumerate() {
            gate.wait("the caller to have heard the last word", |heard| *heard >= nth);
            connection.chunk(format!("data: {{\"delta\":\"{word}\"}}\n\n").as_bytes());
        }
        gate.wait("the caller to have heard all", |heard| *heard >= 3);
        connection.chunk(b"event: done\ndata: {\"content\":\"one two three\"}\n\n");
        connection.chunk(b"");
        After::Keep
    });
    let botgate = Botgate::start(&config(&["custom"], &ai, ""));
    let mut caller = botgate.caller();
    caller.send(&asking(0, "count"));
    assert_eq!(caller.head().unwrap().status, 200);
    for (nth, word) in ["one ", "two ", "three"].into_iter().enumerate() {
        let piece = String::from_utf8(caller.chunk().unwrap().unwrap()).unwrap();
        assert_eq!(piece, format!("data: {{\"delta\":\"{word}\"}}\n\n"));
        go.change(|heard| *heard = nth + 1);
    }
    let piece = String::from_utf8(caller.chunk().unwrap().unwrap()).unwrap();
    assert!(piece.starts_with("event: done\n"), "{piece}");
    assert_eq!(caller.chunk(), Ok(None));
}

#[test]
fn a_caller_that_leaves_ends_the_ais_stream() {
    let left = Monitor::new(false);
    let gate = left.clone();
    let ai = Backend::start(move |_, connection| {
        connection.begin("Content-Type: text/event-stream\r\n");
        connection.chunk(b"data: {\"delta\":\"one\"}\n\n");
        let closed = connection.closed_within(TIMEOUT);
        gate.change(|left| *left = closed);
        After::Close
    });
    let botgate = Botgate::start(&config(&["custom"], &ai, ""));
    let mut caller = botgate.caller();
    caller.send(&asking(0, "count"));
    assert_eq!(caller.head().unwrap().status, 200);
    caller.chunk().unwrap().unwrap();
    drop(caller);
    left.wait("the AI to be left", |left| *left);
}

#[test]
fn an_ai_whose_answers_break_off_is_left_alone_and_one_that_ends_them_is_not() {
    let whole = Monitor::new(true);
    let is_whole = whole.clone();
    let ai = Backend::start(move |_, connection| {
        connection.begin("Content-Type: text/event-stream\r\n");
        connection.chunk(b"data: {\"delta\":\"one\"}\n\n");
        if *is_whole.lock() {
            connection.chunk(b"event: done\ndata: {\"content\":\"one\"}\n\n");
        }
        connection.chunk(b"");
        After::Keep
    });
    let botgate = Botgate::start(&config(&["custom"], &ai, "retries = 0"));
    let ask = || botgate.caller().call(&asking(0, "count"));
    let failures = usize::from(breaker::FAILURE_THRESHOLD);
    for round in 0..=2 {
        // A whole answer in between: only failures in a row count.
        for _ in 0..failures - usize::from(round < 2) {
            whole.change(|whole| *whole = false);
            assert_eq!(heard(&ask()).1, "error");
        }
        whole.change(|whole| *whole = true);
        if round < 2 {
            assert_eq!(heard(&ask()).1, "done");
        }
    }
    let asked = ai.count();
    assert_eq!(ask().status, 503);
    assert_eq!(ai.count(), asked, "it was asked");
}

#[test]
fn a_refusal_of_an_ai_reaches_the_caller_in_its_own_dialect() {
    let ai = Backend::start(|seen, connection| {
        let case = &REFUSALS[nth(seen)];
        let headers = format!("Content-Type: application/json\r\n{}", case.headers);
        connection.answer(case.status, &headers, case.body.as_bytes())
    });
    let kinds: Vec<_> = REFUSALS.iter().map(|case| case.kind).collect();
    let more = "retries = 1\ntimeout = \"10s\"";
    let botgate = Botgate::start(&config(&kinds, &ai, more));
    for (nth, case) in REFUSALS.iter().enumerate() {
        let bot = format!("plain-{nth}");
        let reply = botgate.caller().call(&ai::message(&bot, "one", "hello"));
        let about = format!("{} {} {}: {reply:?}", case.kind, case.status, case.headers);
        assert_eq!((reply.status, reply.code().as_str()), case.told, "{about}");
        if case.wait.is_some() {
            assert_eq!(reply.header("retry-after"), case.wait, "{about}");
        }
        let seen = ai.seen();
        let asked = seen.iter().filter(|seen| self::nth(seen) == nth).count();
        assert_eq!(asked, case.asked, "{about}");
        let body = reply.text();
        assert!(!body.contains("sk-test") && !body.contains("127.0.0.1"), "{about}");
    }
}

#[test]
fn any_2xx_with_an_answer_in_it_is_an_answer() {
    const KINDS: [&str; 3] = ["custom", "openai", "anthropic"];
    let ai = Backend::start(|seen, connection| {
        let status = ai::texts(seen).pop().unwrap();
        let body = match status.as_str() {
            "204 Nothing" => Vec::new(),
            _ => ai::answer(KINDS[nth(seen)], &status, 1, 1),
        };
        connection.answer(&status, "Content-Type: application/json\r\n", &body)
    });
    let botgate = Botgate::start(&config(&KINDS, &ai, "retries = 0"));
    for (nth, kind) in KINDS.iter().enumerate() {
        let ask = |status: &str| {
            let request = ai::message(&format!("plain-{nth}"), status, status);
            botgate.caller().call(&request)
        };
        for status in ["200 OK", "201 Created", "202 Accepted"] {
            assert_eq!(ai::said(&ask(status)), status, "{kind}");
        }
        for status in ["204 Nothing", "304 The same"] {
            let reply = ask(status);
            let told = (reply.status, reply.code());
            assert_eq!(told, (502, "upstream_error".to_owned()), "{status}");
        }
    }
}

#[test]
fn a_retry_after_date_is_passed_on_in_seconds() {
    let ai = Backend::start(|_, connection| {
        let date = httpdate(SystemTime::now() + Duration::from_secs(90));
        connection.answer("429 No", &format!("Retry-After: {date}\r\n"), RATE.as_bytes())
    });
    let botgate = Botgate::start(&config(&["openai"], &ai, "timeout = \"10s\""));
    let reply = botgate.caller().call(&ai::message("plain-0", "one", "hello"));
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((80..=91).contains(&wait), "{wait}");
}

/// RFC 9110's date.
fn httpdate(at: SystemTime) -> String {
    let stamp = jiff::Timestamp::try_from(at).unwrap();
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&stamp).unwrap()
}
