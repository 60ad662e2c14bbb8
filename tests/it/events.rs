//! What bots report is kept and told to subscribers: before the bot is told that it has arrived, and through whatever follows.

mod crash;
mod replies;
mod reports;
mod subscriber_names;
mod subscribers;

use crate::harness::{Backend, Botgate, backend::Seen};
use ring::hmac;
use serde_json::{Value, json};
use std::path::Path;

/// The seed's bot.
const BOT: &str = "9U8JhxaBe8Fv8OtLq4KN";

/// A configuration with the seed's bot and another, and these subscribers.
fn config(state: &Path, bot: &str, subscribers: &[(&Backend, &str)]) -> String {
    let mut text = format!(
        "[server]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [state]\npath = {:?}\n\n",
        state.join("store")
    );
    for (index, (receiver, more)) in subscribers.iter().enumerate() {
        text += &format!(
            "[[subscribers]]\nurl = \"http://{}/events\"\nallow = [\"127.0.0.0/8\"]\nsecret = \"secret {index}\"\n{more}\n\n",
            receiver.addr()
        );
    }
    for id in [BOT, "other"] {
        text += &format!(
            "[bots.{id}]\ndialect = \"botpass\"\nverify = {{ preset = \"none\" }}\n\
             limit = {{ rate = \"1000000/s\", burst = 1000000 }}\n{bot}\n\n"
        );
    }
    text
}

/// What a bot sends.
fn report(bot: &str, kind: &str, content: &str) -> Vec<u8> {
    let data = json!({"version": "1.0.5", "userId": "one"});
    let body = json!({"botId": bot, "messageType": kind, "content": content, "data": data});
    request(&body)
}

fn request(body: &Value) -> Vec<u8> {
    crate::harness::ai::post("/api/webhook/incoming", "", body)
}

/// Sends a report, which is acknowledged in the seed's words.
#[track_caller]
fn acknowledged(botgate: &Botgate, bot: &str, kind: &str, content: &str) {
    let reply = botgate.caller().call(&report(bot, kind, content));
    assert_eq!(reply.status, 200, "{reply:?}");
    let words = r#"{"success":true,"message":"Webhook processed successfully"}"#;
    assert_eq!(String::from_utf8(reply.body).unwrap(), words);
}

/// An event as a subscriber gets it: signed with its secret, under one id in head and body.
#[track_caller]
fn event(seen: &Seen, secret: &str) -> Value {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = format!("sha256={}", hex::encode(hmac::sign(&key, &seen.body)));
    assert_eq!(seen.header("x-webhook-signature"), [signature]);
    let event: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(seen.header("webhook-id"), [event["id"].as_str().unwrap()]);
    event
}

/// Kind and content of all events that a subscriber has got, sorted.
fn told(receiver: &Backend, secret: &str) -> Vec<(String, String)> {
    let seen = receiver.seen();
    let mut all: Vec<_> = seen
        .iter()
        .map(|seen| {
            let event = event(seen, secret);
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&event["type"]), text(&event["data"]["content"]))
        })
        .collect();
    all.sort();
    all
}

/// Waits until a receiver has been sent so many requests.
#[track_caller]
fn wait(receiver: &Backend, count: usize) {
    let what = format!("{count} events");
    receiver.witnessed().wait(&what, |witnessed| witnessed.seen.len() >= count);
}
