//! Answers that come later: each accepted message is answered and delivered, or listed as dead, whatever happens between.

mod auto;
mod busy_ai;
mod crash;
mod failures;
mod full_disk;
mod happy_path;
mod idempotency;
mod large_answers;
pub(crate) mod receiver_share;
mod reload;
mod test_command;

use crate::harness::{After, Backend, Botgate, ai, backend::Connection, backend::Seen};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The secret that callbacks are signed with.
const SECRET: &str = "callback-secret";

/// A configuration with an AI and these bots, each with its receiver and what else stands in its table and in its callback's.
fn config(ai: &Backend, state: &Path, bots: &[Bot<'_>]) -> String {
    let mut text = format!(
        "[server]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2\n[admin]\nlisten = \"127.0.0.1:0\"\n[state]\npath = {:?}\n\n{}",
        state.join("store"),
        ai::upstream("ai", "custom", &format!("http://{}", ai.addr()), "")
    );
    for bot in bots {
        text += &format!(
            "[bots.{}]\ndialect = \"fourthchat\"\nupstream = \"ai\"\nverify = {{ secrets = [\"key\"] }}\n\
             limit = {{ rate = \"1000000/s\", burst = 1000000 }}\n{}\n\
             callback = {{ url = \"http://{}/in\", sign = {{ secret = {SECRET:?} }}, {} }}\n\n",
            bot.id,
            bot.more,
            bot.receiver.addr(),
            bot.callback
        );
    }
    text
}

/// A bot that answers later.
struct Bot<'a> {
    id: &'a str,
    receiver: &'a Backend,
    more: &'a str,
    callback: &'a str,
}

/// A receiver on this machine is allowed.
const HERE: &str = "allow = [\"127.0.0.0/8\"]";

impl<'a> Bot<'a> {
    fn of(id: &'a str, receiver: &'a Backend) -> Self {
        Self { id, receiver, more: "", callback: HERE }
    }
}

/// A message to a bot.
fn message(bot: &str, user: &str, text: &str) -> Vec<u8> {
    let body = json!({"connectionId": bot, "message": text, "userId": user});
    ai::post("/api/webhooks/incoming", "Authorization: Bearer key\r\n", &body)
}

/// Sends a message, and reads the ids of its 202.
#[track_caller]
fn accepted(botgate: &Botgate, bot: &str, user: &str, text: &str) -> (String, String) {
    let reply = botgate.caller().call(&message(bot, user, text));
    assert_eq!(reply.status, 202, "{reply:?}");
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["status"], "accepted");
    let id = |key: &str| body[key].as_str().unwrap().to_owned();
    (id("conversationId"), id("messageId"))
}

/// What a receiver was sent.
#[track_caller]
fn sent(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).unwrap()
}

/// What a receiver was sent, by the message's id.
fn by_id(receiver: &Backend) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for seen in receiver.seen() {
        let message = sent(&seen)["message"].take();
        let text = |key: &str| message[key].as_str().unwrap().to_owned();
        all.entry(text("id")).or_default().push(text("content"));
    }
    all
}

/// Waits until a receiver has been sent so many requests.
#[track_caller]
fn wait(receiver: &Backend, count: usize) {
    let what = format!("{count} deliveries");
    receiver.witnessed().wait(&what, |witnessed| witnessed.seen.len() >= count);
}

/// Answers every request with this status.
fn always(status: &'static str) -> Backend {
    Backend::start(move |_, connection| answer(connection, status))
}

fn answer(connection: &mut Connection<'_>, status: &str) -> After {
    connection.answer(status, "", b"")
}

/// An AI that fails with this status.
fn failing(status: &'static str) -> Backend {
    always(status)
}

/// How many jobs stand where.
fn jobs(botgate: &Botgate, state: &str) -> f64 {
    botgate.metric(&format!("botgate_jobs{{state=\"{state}\"}}"))
}

/// Waits until so many jobs stand there.
#[track_caller]
fn jobs_until(botgate: &Botgate, state: &str, count: f64) {
    let name = format!("botgate_jobs{{state=\"{state}\"}}");
    botgate.metric_until(&name, |now| now >= count);
}
