//! Every dialect against OpenAI's and Anthropic's endpoints as aimock plays them; what was sent to them must fit the official types.

mod relay;

use crate::harness::{Botgate, ai, caller::Reply, command, peer};
use relay::Relay;
use serde_json::{Value, json};
use std::fs;

/// The AIs that aimock plays.
const AIS: [&str; 2] = ["openai", "anthropic"];
/// What aimock says to `hello`.
const HELLO: &str = "Hi there, how are you today? \u{1F600}";

/// A bot of each dialect before each of the two AIs; its id is the dialect's name and the AI's.
fn config(relay: &Relay) -> String {
    let mut text = "[server]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2\n\n".to_owned();
    for kind in AIS {
        text += &ai::upstream(
            kind,
            kind,
            &format!("http://{}/v1", relay.addr()),
            "retries = 0\nsystem = \"You are Acme's bot.\"\nprice = { input = 250, output = 1000 }",
        );
        for (dialect, more) in [
            ("aerostack", ""),
            ("aibutler", "path = \"/butler/{AI}\""),
            ("fourthchat", "reply = { mode = \"sync\" }"),
            ("chatbot-platform", ""),
            ("botpass", ""),
        ] {
            text += &format!(
                "[bots.{dialect}-{kind}]\nname = \"Desk\"\ndialect = \"{dialect}\"\nupstream = \"{kind}\"\n\
                 system = \"Be brief.\"\nverify = {{ preset = \"none\" }}\n\
                 limit = {{ rate = \"1000/s\", burst = 1000 }}\n{}\n\n",
                more.replace("{AI}", kind)
            );
        }
        text += &format!(
            "[bots.stream-{kind}]\ndialect = \"chatbot-platform\"\nupstream = \"{kind}\"\nstream = true\n\
             verify = {{ preset = \"none\" }}\n\n"
        );
    }
    text
}

/// A message in the words of a dialect, with all that it can say.
fn message(dialect: &str, kind: &str, text: &str) -> Vec<u8> {
    let bot = format!("{dialect}-{kind}");
    let (path, body) = match dialect {
        "aerostack" => (
            format!("/api/bots/webhook/custom/{bot}"),
            json!({"text": text, "user_id": "u1", "channel_id": "main", "user_name": "Jane Doe"}),
        ),
        "aibutler" => (
            format!("/butler/{kind}"),
            json!({"user_id": "u1", "message": text, "metadata": {"location": "Madrid"},
                "attachments": [{"url": "https://media.example/cat.jpg", "mime_type": "image/jpeg"}]}),
        ),
        "fourthchat" => (
            "/api/webhooks/incoming".to_owned(),
            json!({"connectionId": bot, "message": text, "userId": "u1", "metadata": {"name": "John"}}),
        ),
        "botpass" => (
            "/api/webhook/incoming".to_owned(),
            json!({"botId": bot, "messageType": "message", "content": text, "data": {"userId": "u1"}}),
        ),
        _ => (format!("/chat/{bot}"), platform(text)),
    };
    ai::post(&path, "", &body)
}

/// A history with everything that the chatbot platform may send.
fn platform(text: &str) -> Value {
    json!({
        "messages": [
            {"role": "system", "content": "Speak English."},
            {"role": "developer", "content": [{"type": "text", "text": "Never swear."}]},
            {"role": "user", "content": [
                {"type": "text", "text": "What's in this image?"},
                {"type": "image_url", "image_url": {"url": "https://storage.example/abc123.jpg", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
            ]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"x\":1}"}},
                {"id": "call_2", "type": "function", "function": {"name": "look", "arguments": "{broken"}},
            ]},
            {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
            {"role": "tool", "tool_call_id": "call_2", "content": "a dog"},
            {"role": "assistant", "content": "The bot's previous response"},
            {"role": "user", "content": text},
        ],
        "conversation_id": "conv_abc123",
        "user": {"id": "user_123", "platform": "telegram", "name": "John Doe", "username": "johndoe"},
        "bot": {"id": "bot_456", "name": "Support Bot"},
        "metadata": {"channel": "telegram", "chat_id": "123456789", "message_id": "789"},
    })
}

/// Where a dialect's reply holds the answer's text; BotPass only acknowledges.
fn text(dialect: &str, body: &Value) -> Option<String> {
    let text = match dialect {
        "aerostack" => &body["response"],
        "aibutler" => &body["reply"],
        "fourthchat" => &body["message"]["content"],
        "chatbot-platform" => &body["content"],
        _ => return None,
    };
    Some(text.as_str().unwrap_or_else(|| panic!("{body}")).to_owned())
}

/// The events of a stream: name and data.
fn events(reply: &Reply) -> Vec<(String, Value)> {
    assert_eq!(reply.header("content-type"), Some("text/event-stream"), "{reply:?}");
    let event = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let data = field("data: ").unwrap_or_else(|| panic!("no data: {block:?}"));
        (field("event: ").unwrap_or_default().to_owned(), serde_json::from_str(data).unwrap())
    };
    reply.text().split("\n\n").filter(|block| !block.is_empty()).map(event).collect()
}

fn deltas(events: &[(String, Value)]) -> String {
    events
        .iter()
        .filter(|(name, _)| name.is_empty())
        .map(|(_, data)| data["delta"].as_str().unwrap())
        .collect()
}

/// Every body that reached the AIs, against the request types of their own packages.
fn validate(relay: &Relay) {
    let folder = tempfile::tempdir().unwrap();
    let seen = relay.seen();
    assert!(!seen.is_empty());
    for kind in AIS {
        let bodies: Vec<_> = seen
            .iter()
            .filter(|seen| seen.target().ends_with("/messages") == (kind == "anthropic"))
            .collect();
        assert!(!bodies.is_empty(), "nothing was sent to {kind}");
        let mut command = peer::command("validate.py");
        command.arg(kind);
        for (nth, seen) in bodies.iter().enumerate() {
            let file = folder.path().join(format!("{kind}-{nth}.json"));
            fs::write(&file, &seen.body).unwrap();
            command.arg(file);
        }
        let ran = command::to_end(&mut command);
        assert_eq!(ran.code, Some(0), "{kind}: {}{}", ran.stdout, ran.stderr);
        for seen in bodies {
            assert_eq!(seen.header("content-type"), ["application/json"]);
            let (key, version) = if kind == "openai" {
                (seen.header("authorization"), Vec::new())
            } else {
                (seen.header("x-api-key"), vec!["2023-06-01"])
            };
            assert!(key[0].ends_with("sk-test"), "{key:?}");
            assert_eq!(seen.header("anthropic-version"), version);
        }
    }
}

#[test]
fn every_dialect_is_answered_by_both_and_says_what_went_wrong() {
    let mock = peer::Server::start("aimock.mjs");
    let relay = Relay::start(&mock.url);
    let botgate = Botgate::start(&config(&relay));
    for kind in AIS {
        for dialect in ["aerostack", "aibutler", "fourthchat", "chatbot-platform", "botpass"] {
            let about = format!("{dialect} to {kind}");
            let call = |said: &str| {
                let reply = botgate.caller().call(&message(dialect, kind, said));
                let body: Value = serde_json::from_slice(&reply.body).unwrap();
                (reply, body)
            };
            let (reply, body) = call("hello");
            assert_eq!(reply.status, 200, "{about}: {body}");
            if dialect == "botpass" {
                assert_eq!(body["success"], true);
                continue;
            }
            assert_eq!(text(dialect, &body).unwrap(), HELLO, "{about}");
            if dialect == "aerostack" {
                assert_eq!(body["tokens"], json!({"input": 485, "output": 42}), "{about}");
                assert_eq!(body["cost_cents"], 0.163_25, "{about}");
            }
            let (reply, body) = call("where is my order?");
            assert_eq!(reply.status, 200, "{about}: {body}");
            assert_eq!(text(dialect, &body).unwrap(), "Looking it up.", "{about}");
            if ["aerostack", "aibutler"].contains(&dialect) {
                assert_eq!(body["tool_calls"][0]["toolName"], "orders__get_order", "{about}");
                assert_eq!(body["tool_calls"][0]["arguments"], json!({"order_id": "12345"}));
            }
            for (said, status, code, wait) in [
                ("slow down", 429, "rate_limit", Some("7")),
                ("busy", 503, "overloaded", None),
                ("a long story", 502, "upstream_error", None),
            ] {
                let (reply, body) = call(said);
                assert_eq!(
                    (reply.status, body["code"].as_str()),
                    (status, Some(code)),
                    "{about}: {said}: {body}"
                );
                if wait.is_some() {
                    assert_eq!(reply.header("retry-after"), wait, "{about}");
                }
            }
        }
    }
    validate(&relay);
}

#[test]
fn an_answer_streams_and_says_when_it_breaks() {
    let mock = peer::Server::start("aimock.mjs");
    let relay = Relay::start(&mock.url);
    let botgate = Botgate::start(&config(&relay));
    for kind in AIS {
        let call = |said: &str| {
            let path = format!("/chat/stream-{kind}");
            botgate.caller().call(&ai::post(&path, "", &platform(said)))
        };
        let reply = call("hello");
        let events = events(&reply);
        assert_eq!(deltas(&events), HELLO, "{kind}");
        let (name, done) = events.last().unwrap();
        assert_eq!(name, "done", "{kind}: {events:?}");
        assert_eq!(done["content"], HELLO, "{kind}");
        assert_eq!(done["usage"], json!({"input_tokens": 485, "output_tokens": 42}), "{kind}");

        // Before the first word, an error is a response like any other.
        let reply = call("slow down");
        assert_eq!((reply.status, reply.code().as_str()), (429, "rate_limit"), "{kind}");
        assert_eq!(reply.header("retry-after"), Some("7"), "{kind}");
        let reply = call("busy");
        assert_eq!((reply.status, reply.code().as_str()), (503, "overloaded"), "{kind}: {reply:?}");

        for (said, whole) in [
            ("a long story", "Once upon a time"),
            ("break off", "This answer breaks off in the middle of it."),
        ] {
            let reply = call(said);
            assert_eq!(reply.status, 200, "{kind}: {said}: {reply:?}");
            let events = self::events(&reply);
            let begun = deltas(&events);
            let begins = !begun.is_empty() && whole.starts_with(&begun);
            assert!(begins, "{kind}: {said}: {begun:?}");
            assert_eq!(begun == whole, said == "a long story", "{kind}: {said}");
            let (name, error) = events.last().unwrap();
            assert_eq!(
                (name.as_str(), &error["code"]),
                ("error", &json!("upstream_error")),
                "{kind}: {said}"
            );
            assert!(!events.iter().any(|(name, _)| name == "done"), "{kind}: {said}");
        }
    }
    validate(&relay);
}
