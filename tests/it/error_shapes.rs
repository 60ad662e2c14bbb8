//! What a refusal looks like: every one of them, in every dialect, in the dialect's own shape.

mod case;
mod concurrent;
mod dialect;

use crate::harness::{Backend, Botgate, caller::Reply};
use botgate::proxy::reject::REASONS;
use case::cases;
use dialect::{DIALECTS, Dialect};
use serde_json::Value;
use std::collections::BTreeSet;

/// What is provoked elsewhere or nowhere: no dialect is known yet, nobody reads the answer, or these bots never come to it.
const ELSEWHERE: [&str; 9] = [
    "caller_gone",
    "head_timeout",
    "head_too_large",
    "dot_segments",
    "expectation",
    // A bot that reads its messages takes no GET, so Meta's handshake is for `raw` ones.
    "forbidden",
    // A stream's, see `talk`.
    "answer_broken",
    // The disk's.
    "state",
    "journal",
];

/// The refusals of one Botgate, each looked at as its caller sees it and then looked up in the log.
struct Faces<'a> {
    dialect: &'a Dialect,
    botgate: &'a Botgate,
    told: Vec<(String, String)>,
}

impl<'a> Faces<'a> {
    fn of(dialect: &'a Dialect, botgate: &'a Botgate) -> Self {
        let told = Vec::new();
        Self { dialect, botgate, told }
    }

    /// The one shape that every error of a dialect has.
    #[track_caller]
    fn see(&mut self, name: &str, reply: &Reply, status: u16, code: &str, reason: &str) {
        let about = format!("{} {name}: {reply:?}", self.dialect.name);
        assert_eq!(reply.status, status, "{about}");
        let kind = reply.header("content-type");
        assert_eq!(kind, Some("application/json"), "{about}");
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_else(|_| panic!("{about}"));
        let fields = body.as_object().unwrap();
        let keys: Vec<&str> = fields.keys().map(String::as_str).collect();
        let sentence = if self.dialect.name == "botpass" {
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
        let id = reply.header("x-request-id");
        let id = id.unwrap_or_else(|| panic!("{about}"));
        self.told.push((id.to_owned(), reason.to_owned()));
    }

    /// Looks each up in the log, and returns their reasons.
    #[track_caller]
    fn logged(self) -> Vec<String> {
        let look_up = |(id, reason): (String, String)| {
            let line = self.botgate.access(&id);
            assert_eq!(line["reason"], *reason, "{}: {line}", self.dialect.name);
            reason
        };
        self.told.into_iter().map(look_up).collect()
    }
}

/// The head and the start of a file, whose bots are yet to come.
const SERVER: &str =
    "[server]\nhttp = [\"127.0.0.1:0\"]\nmax_body = \"64KiB\"\ntimeouts = { body = \"1s\" }\n\n";

/// Those that one message provokes, whatever its head is like.
fn of_messages(dialect: &Dialect) -> Vec<String> {
    let ai = Backend::start(|seen, connection| {
        let nth: usize = seen.target().split('/').nth(1).unwrap().parse().unwrap();
        cases()[nth].play(connection)
    });
    let cases = cases();
    let mut text = SERVER.to_owned();
    for (nth, case) in cases.iter().enumerate() {
        text += &case.tables(nth, dialect, &ai);
    }
    let botgate = Botgate::start(&text);
    let mut faces = Faces::of(dialect, &botgate);
    for (nth, case) in cases.iter().enumerate() {
        let request = case.request(nth, dialect);
        let mut caller = botgate.caller();
        for _ in 0..case.before {
            let reply = caller.call(&request);
            let (_, _, reason) = &case.told;
            assert_ne!(botgate.access(reply.header("x-request-id").unwrap())["reason"], **reason);
        }
        let reply = caller.call(&request);
        let (status, code, reason) = &case.told;
        faces.see(&case.name, &reply, *status, code, reason);
        if let Some((name, value)) = &case.head {
            let about = format!("{} {}: {reply:?}", dialect.name, case.name);
            assert_eq!(reply.header(name), Some(value.as_str()), "{about}");
        }
    }
    faces.logged()
}

/// Those that the head and the way of sending it provoke.
fn of_heads(dialect: &Dialect) -> Vec<String> {
    let ai = Backend::ok();
    let case = &cases()[0];
    let botgate = Botgate::start(&format!("{SERVER}{}", case.tables(0, dialect, &ai)));
    let mut faces = Faces::of(dialect, &botgate);
    let (bot, path) = ("case-0", dialect.path("case-0"));
    let whole = dialect.request(bot, "", &dialect.body(bot, "one"));
    let text = String::from_utf8(whole.clone()).unwrap();
    let call = |request: &str| botgate.caller().call(request.as_bytes());

    let get = call(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
    faces.see("GET", &get, 405, "method_not_allowed", "method");
    assert_eq!(get.header("allow"), Some("POST"));

    let plain = call(&text.replace("application/json", "text/plain"));
    faces.see("text", &plain, 415, "unsupported_media_type", "content_type");

    let forged = call(&text.replace("Bearer right", "Bearer wrong"));
    faces.see("forged", &forged, 401, "unauthorized", "signature");
    let unproven = call(&text.replace("Authorization: Bearer right\r\n", ""));
    faces.see("unproven", &unproven, 401, "unauthorized", "signature");
    assert_eq!(forged.body, unproven.body, "the caller never learns why");

    if dialect.is_named_in_body() {
        // Whoever proves nothing is not told which bots there are.
        let unknown = call(&text.replace(bot, "case-1"));
        faces.see("unknown", &unknown, 401, "unauthorized", "unknown_bot");
        assert_eq!(unknown.body, forged.body, "nor which bots there are");
    } else {
        let unknown = call(&text.replace(bot, "case-1"));
        assert_eq!((unknown.status, unknown.code().as_str()), (404, "not_found"));
    }

    let mut caller = botgate.caller();
    caller.send(&whole[..whole.len() - 1]);
    faces.see("a slow body", &caller.reply(), 408, "timeout", "body_timeout");

    let head = &text[..text.find("\r\n\r\n").unwrap()];
    let length = head.lines().find(|line| line.starts_with("Content-Length"));
    let length = length.unwrap();
    let large = head.replace(length, "Content-Length: 65537");
    let large = call(&format!("{large}\r\n\r\n"));
    faces.see("too large", &large, 413, "too_large", "too_large");
    let chunked = head.replace(length, "Transfer-Encoding: chunked");
    let odd = call(&format!("{chunked}\r\n\r\n2\r\n{{\"OH\r\n"));
    faces.see("odd chunks", &odd, 400, "invalid_request", "chunk");
    faces.logged()
}

/// Where nobody need prove anything, a body may learn that its bot is unknown.
fn of_open_bots(dialect: &Dialect) -> Vec<String> {
    let ai = Backend::ok();
    let case = &cases()[0];
    let tables = case.tables(0, dialect, &ai).replace(
        "verify = { preset = \"bearer\", secrets = [\"right\"] }",
        "verify = { preset = \"none\" }",
    );
    let botgate = Botgate::start(&format!("{SERVER}{tables}"));
    let mut faces = Faces::of(dialect, &botgate);
    let request = dialect.request("case-1", "", &dialect.body("case-1", "one"));
    let reply = botgate.caller().call(&request);
    faces.see("an unknown bot", &reply, 404, "not_found", "not_found");
    faces.logged()
}

/// All refusals of a dialect, and that these are all there are.
#[track_caller]
fn every_refusal(name: &str) {
    let dialect = DIALECTS.iter().find(|dialect| dialect.name == name);
    let dialect = dialect.unwrap();
    let mut seen: BTreeSet<String> = ELSEWHERE.iter().map(|reason| (*reason).to_owned()).collect();
    seen.extend(of_messages(dialect));
    seen.extend(of_heads(dialect));
    seen.extend(concurrent::refusals(dialect));
    if seen.remove("chunk") {
        // The log says which fault of the framing it was.
        seen.insert("framing".to_owned());
    }
    if dialect.is_named_in_body() {
        seen.extend(of_open_bots(dialect));
    } else {
        seen.extend(["unknown_bot", "not_found"].map(str::to_owned));
    }
    if !dialect.keeps {
        seen.extend(["conversation_full", "conversation_timeout"].map(str::to_owned));
    }
    let all: BTreeSet<String> = REASONS.iter().map(|reason| (*reason).to_owned()).collect();
    let missing: Vec<_> = all.difference(&seen).collect();
    assert!(missing.is_empty(), "never provoked: {missing:?}");
}

#[test]
fn every_refusal_of_aerostack_has_its_shape() {
    every_refusal("aerostack");
}

#[test]
fn every_refusal_of_aibutler_has_its_shape() {
    every_refusal("aibutler");
}

#[test]
fn every_refusal_of_fourthchat_has_its_shape() {
    every_refusal("fourthchat");
}

#[test]
fn every_refusal_of_chatbot_platform_has_its_shape() {
    every_refusal("chatbot-platform");
}

#[test]
fn every_refusal_of_botpass_has_its_shape() {
    every_refusal("botpass");
}

#[test]
fn no_dialect_is_left_out() {
    let here: Vec<_> = DIALECTS.iter().map(|dialect| dialect.name).collect();
    let chats = botgate::codec::dialect::DIALECTS
        .iter()
        .filter(|dialect| dialect.chat.is_some())
        .map(|dialect| dialect.name);
    assert!(chats.eq(here));
}
