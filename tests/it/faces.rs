//! What a refusal looks like: every one of them, in every dialect, in the dialect's own shape.

mod dialect;

use crate::harness::{After, Backend, Botgate, Gate, PATIENCE, ai, caller::Reply};
use dialect::{DIALECTS, Dialect};
use serde_json::Value;

/// How a test provokes a refusal, and what it must look like. `bot` names the kind of bot that is asked.
struct Case {
    name: &'static str,
    bot: &'static str,
    /// Further header lines.
    headers: &'static str,
    /// Body instead of the dialect's own.
    body: Option<&'static str>,
    status: u16,
    code: &'static str,
    /// What the head of the answer must hold.
    answered: Option<(&'static str, &'static str)>,
}

const fn case(
    name: &'static str,
    bot: &'static str,
    headers: &'static str,
    status: u16,
    code: &'static str,
) -> Case {
    Case {
        name,
        bot,
        headers,
        body: None,
        status,
        code,
        answered: None,
    }
}

const fn bodied(mut case: Case, body: &'static str) -> Case {
    case.body = Some(body);
    case
}

const fn answered(mut case: Case, name: &'static str, value: &'static str) -> Case {
    case.answered = Some((name, value));
    case
}

/// One after the other to bots of every dialect; the AI behind `slow` never answers, and so on.
const CASES: &[Case] = &[
    bodied(
        case("not JSON", "good", "", 400, "invalid_request"),
        "{\"text\"",
    ),
    bodied(case("no object", "good", "", 400, "invalid_request"), "[1]"),
    bodied(
        case("a field missing", "good", "", 400, "invalid_request"),
        "{BOT}",
    ),
    case(
        "a page that is not listed",
        "good",
        "Origin: https://evil.example\r\n",
        403,
        "forbidden",
    ),
    answered(
        case(
            "a listed page",
            "paged",
            "Origin: https://page.example\r\nX-Break: 1\r\n",
            400,
            "invalid_request",
        ),
        "access-control-allow-origin",
        "https://page.example",
    ),
    case("another network", "fenced", "", 403, "forbidden"),
    case(
        "compressed",
        "good",
        "Content-Encoding: gzip\r\n",
        415,
        "unsupported_media_type",
    ),
    case("too often", "once", "", 429, "rate_limit"),
    case("budget", "poor", "", 402, "budget_exceeded"),
    answered(
        case("the AI's limit", "limited", "", 429, "rate_limit"),
        "retry-after",
        "17",
    ),
    case(
        "the AI's quota",
        "exhausted",
        "",
        503,
        "upstream_unavailable",
    ),
    case("the AI is busy", "busy", "", 503, "overloaded"),
    case("our key is refused", "keyless", "", 502, "upstream_error"),
    case("the AI rejects it", "rejected", "", 502, "upstream_error"),
    case("the AI fails", "failing", "", 502, "upstream_error"),
    case("no sense", "senseless", "", 502, "upstream_error"),
    case("cut short", "cut", "", 502, "upstream_error"),
    case("refused by the model", "refused", "", 502, "upstream_error"),
    case("filtered", "filtered", "", 502, "upstream_error"),
    case("empty", "empty", "", 502, "upstream_error"),
    case("not there", "away", "", 502, "upstream_unreachable"),
    case("too slow", "slow", "", 504, "upstream_timeout"),
];

/// What the AI answers to a bot that asks for it: the upstream's path says which.
fn script(which: &str) -> Option<(&'static str, &'static str, String)> {
    let choice = |content: &str, rest: &str, reason: &str| {
        format!(
            "{{\"choices\":[{{\"message\":{{\"role\":\"assistant\",\"content\":{content}{rest}}},\"finish_reason\":\"{reason}\"}}],\
             \"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":1,\"total_tokens\":2}}}}"
        )
    };
    let error = |code: &str| {
        format!("{{\"error\":{{\"message\":\"m\",\"type\":\"t\",\"code\":\"{code}\"}}}}")
    };
    Some(match which {
        "limited" => (
            "429 No",
            "Retry-After: 17\r\n",
            error("rate_limit_exceeded"),
        ),
        "exhausted" => ("429 No", "", error("insufficient_quota")),
        "busy" => ("529 Busy", "", error("overloaded")),
        "keyless" => ("401 No", "", error("invalid_api_key")),
        "rejected" => ("400 No", "", error("invalid_value")),
        "failing" => ("500 Oh", "", "oh".to_owned()),
        "senseless" => ("200 OK", "", "{\"choices\":[]}".to_owned()),
        "cut" => ("200 OK", "", choice("\"Once upon\"", "", "length")),
        "refused" => ("200 OK", "", choice("null", ",\"refusal\":\"No.\"", "stop")),
        "filtered" => ("200 OK", "", choice("\"\"", "", "content_filter")),
        "empty" => ("200 OK", "", choice("\"\"", "", "stop")),
        "slow" => return None,
        _ => ("200 OK", "", choice("\"fine\"", "", "stop")),
    })
}

fn scripted() -> Backend {
    Backend::start(|seen, connection| {
        let which = seen.target().split('/').nth(1).unwrap().to_owned();
        match script(&which) {
            Some((status, headers, body)) => connection.answer(
                status,
                &format!("Content-Type: application/json\r\n{headers}"),
                body.as_bytes(),
            ),
            None => {
                connection.closed_within(PATIENCE);
                After::Close
            }
        }
    })
}

/// The kinds of bot, each with the lines that make it what it is.
const BOTS: &[(&str, &str)] = &[
    ("good", ""),
    ("paged", "cors = [\"https://page.example\"]"),
    ("fenced", "allow_from = [\"203.0.113.0/24\"]"),
    ("once", "limit = { rate = \"1/h\", burst = 1 }"),
    ("poor", "budget = { cap = \"0.01 USD\", per = \"day\" }"),
];

/// A bot of each kind and each upstream's mood, all of one dialect.
fn config(dialect: &Dialect, ai: &Backend, more: &str) -> String {
    let mut text = format!("[server]\nhttp = [\"127.0.0.1:0\"]\nmax_body = \"64KiB\"\n{more}\n\n");
    let mut moods: Vec<&str> = CASES.iter().map(|case| case.bot).collect();
    moods.sort_unstable();
    moods.dedup();
    for mood in &moods {
        let addr = if *mood == "away" {
            // Nothing listens on the port of discarded datagrams.
            "127.0.0.1:9".to_owned()
        } else {
            ai.addr().to_string()
        };
        text += &ai::upstream(
            &format!("to-{mood}"),
            "openai",
            &format!("http://{addr}/{mood}/v1"),
            "retries = 0\ntimeout = \"1s\"\nmax_tokens = 1000\nprice = { input = 100000, output = 100000 }",
        );
        let lines = BOTS
            .iter()
            .find(|(name, _)| name == mood)
            .map_or("", |(_, lines)| lines);
        let limit = if lines.contains("limit") {
            ""
        } else {
            "limit = { rate = \"1000/s\", burst = 1000 }\n"
        };
        text += &dialect.bot(mood, &format!("upstream = \"to-{mood}\"\n{limit}{lines}"));
    }
    text
}

/// The one shape that every error of a dialect has.
#[track_caller]
fn shaped(dialect: &Dialect, name: &str, reply: &Reply, status: u16, code: &str) {
    let about = format!("{} {name}: {reply:?}", dialect.name);
    assert_eq!(reply.status, status, "{about}");
    assert_eq!(
        reply.header("content-type"),
        Some("application/json"),
        "{about}"
    );
    assert!(reply.header("x-request-id").is_some(), "{about}");
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_else(|_| panic!("{about}"));
    let keys: Vec<&str> = body
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let sentence = if dialect.name == "botpass" {
        assert_eq!(keys, ["message", "success"], "{about}");
        assert_eq!(body["success"], false, "{about}");
        &body["message"]
    } else {
        assert_eq!(keys, ["code", "error"], "{about}");
        assert_eq!(body["code"], code, "{about}");
        &body["error"]
    };
    let sentence = sentence.as_str().unwrap();
    assert!(!sentence.is_empty(), "{about}");
    for inner in ["127.0.0.1", "sk-test", "to-"] {
        assert!(!sentence.contains(inner), "tells of the inside: {about}");
    }
}

#[test]
fn every_refusal_has_the_shape_of_its_dialect() {
    let ai = scripted();
    for dialect in DIALECTS {
        let botgate = Botgate::start(&config(dialect, &ai, ""));
        for case in CASES {
            let mut caller = botgate.caller();
            let mut request = dialect.request(case.bot, case.headers, case.body);
            if case.headers.contains("X-Break") {
                request = dialect.request(case.bot, case.headers, Some("{BOT}"));
            }
            let reply = caller.call(&request);
            let reply = match case.bot {
                "once" => {
                    assert_eq!(reply.status, 200, "{} {reply:?}", dialect.name);
                    caller.call(&request)
                }
                _ => reply,
            };
            shaped(dialect, case.name, &reply, case.status, case.code);
            if let Some((name, value)) = case.answered {
                assert_eq!(
                    reply.header(name),
                    Some(value),
                    "{} {}",
                    dialect.name,
                    case.name
                );
            }
        }
    }
}

#[test]
fn every_refusal_of_the_head_has_the_shape_of_its_dialect() {
    let ai = scripted();
    for dialect in DIALECTS {
        let botgate = Botgate::start(&config(dialect, &ai, "timeouts = { body = \"300ms\" }"));
        let whole = dialect.request("good", "", None);
        let path = dialect.path("good");
        let text = String::from_utf8(whole.clone()).unwrap();
        let call = |request: &str| botgate.caller().call(request.as_bytes());

        let get = call(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        shaped(dialect, "GET", &get, 405, "method_not_allowed");
        assert!(get.header("allow").unwrap().contains("POST"), "{get:?}");

        let plain = call(&text.replace("application/json", "text/plain"));
        shaped(dialect, "text", &plain, 415, "unsupported_media_type");

        let forged = call(&text.replace("Bearer right", "Bearer wrong"));
        shaped(dialect, "forged", &forged, 401, "unauthorized");

        let unproven = call(&text.replace("Authorization: Bearer right\r\n", ""));
        shaped(dialect, "unproven", &unproven, 401, "unauthorized");

        // In a path an unknown bot is not found; in a body it is told from no wrong signature.
        if path.contains("good") {
            let unknown = call(&text.replace(&path, &path.replace("good", "other")));
            assert_eq!(unknown.status, 404, "{unknown:?}");
        } else {
            let unknown = call(&text.replace("good", "evil"));
            shaped(dialect, "unknown", &unknown, 401, "unauthorized");
            let twice = call(&text.replace("\"good\"", "\"g\\u006fod\""));
            assert!([400, 401].contains(&twice.status), "{twice:?}");
        }

        let mut caller = botgate.caller();
        caller.send(&whole[..whole.len() - 1]);
        shaped(dialect, "a slow body", &caller.reply(), 408, "timeout");

        let head = &text[..text.find("\r\n\r\n").unwrap()];
        let length = head
            .lines()
            .find(|line| line.starts_with("Content-Length"))
            .unwrap();
        let large = call(&format!(
            "{}\r\n\r\n",
            head.replace(length, "Content-Length: 65537")
        ));
        shaped(dialect, "too large", &large, 413, "too_large");

        let expects = call(&text.replace("Host: h\r\n", "Host: h\r\nExpect: miracles\r\n"));
        assert_eq!(expects.status, 417, "{expects:?}");
    }
}

#[test]
fn a_second_delivery_is_told_to_wait_in_the_shape_of_its_dialect() {
    for dialect in DIALECTS {
        let open = Gate::new(false);
        let gate = open.clone();
        let ai = Backend::start(move |_, connection| {
            gate.wait("the gate of the AI", |open| *open);
            ai::reply(connection, &ai::answer("openai", "fine", 1, 1))
        });
        let text = config(dialect, &ai, "").replace(
            "[bots.good]\n",
            "[bots.good]\nduplicates = { by = \"header:Idempotency-Key\", window = \"10m\" }\n",
        );
        let botgate = Botgate::start(&text);
        let request = dialect.request("good", "Idempotency-Key: one\r\n", None);
        let mut first = botgate.caller();
        first.send(&request);
        ai.witnessed()
            .wait("the first delivery", |witnessed| !witnessed.seen.is_empty());
        let second = botgate.caller().call(&request);
        shaped(dialect, "a second delivery", &second, 409, "conflict");
        assert_eq!(second.header("retry-after"), Some("1"));
        open.change(|open| *open = true);
        let first = first.reply();
        assert_eq!(first.status, 200, "{} {first:?}", dialect.name);
        assert_eq!(
            botgate.caller().call(&request).body,
            first.body,
            "the first answer again"
        );
        assert_eq!(ai.count(), 1);
    }
}
