//! Bots that operators switch off and on: at once, for good, and told to who wants to know. And tests of where answers go.

mod persistence;
mod switch;
mod test_event;

use super::{TOKEN, ask, read};
use crate::harness::{Backend, Botgate, ai, backend::Seen};
use ring::hmac;
use serde_json::{Value, json};
use std::path::Path;

/// What the secrets of templates are derived from.
const MASTER: &str = "0123456789abcdef0123456789abcdef";

/// A Botgate with a bot of each way to be named, and a subscriber.
struct House {
    botgate: Botgate,
    ai: Backend,
    receiver: Backend,
    subscriber: Backend,
    text: String,
    _state: tempfile::TempDir,
}

impl House {
    #[track_caller]
    fn new() -> Self {
        Self::with("")
    }

    /// `more` goes to the subscriber's table.
    #[track_caller]
    fn with(more: &str) -> Self {
        let (ai, receiver, subscriber) = (ai::echo(), Backend::ok(), Backend::ok());
        let state = tempfile::tempdir().unwrap();
        let text = config(&ai, &receiver, &subscriber, more, state.path());
        Self { botgate: Botgate::start(&text), ai, receiver, subscriber, text, _state: state }
    }

    #[track_caller]
    fn post(&self, bot: &str, what: &str) -> Value {
        post(&self.botgate, bot, what, 200)
    }

    /// The status of each bot in the list.
    #[track_caller]
    fn list(&self) -> Vec<(String, String)> {
        list(&self.botgate)
    }
}

#[track_caller]
fn post(botgate: &Botgate, bot: &str, what: &str, status: u16) -> Value {
    let target = format!("/api/bots/{bot}/{what}");
    read(&ask(botgate, "POST", &target, TOKEN), status)
}

#[track_caller]
fn list(botgate: &Botgate) -> Vec<(String, String)> {
    let page = read(&ask(botgate, "GET", "/api/bots", TOKEN), 200);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let items = page["items"].as_array().unwrap().iter();
    items.map(|bot| (text(&bot["id"]), text(&bot["status"]))).collect()
}

fn config(
    ai: &Backend,
    receiver: &Backend,
    subscriber: &Backend,
    more: &str,
    state: &Path,
) -> String {
    let own = "upstream = \"ai\"\nlimit = { rate = \"1000000/s\", burst = 1000000 }";
    let derived =
        format!("verify = {{ preset = \"bearer\", secrets = [{{ derive = \"{MASTER}\" }}] }}");
    let callback = format!(
        "callback = {{ url = \"http://{}/in\", sign = {{ secret = \"s\" }}, allow = [\"127.0.0.0/8\"], retries = [] }}",
        receiver.addr()
    );
    format!(
        "[server]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2\n\n\
         [admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"admin word\"\n\n\
         [state]\npath = {:?}\n\n{}\
         [bots.open]\ndialect = \"aerostack\"\n{own}\nverify = {{ preset = \"none\" }}\n\n\
         [bots.shut]\ndialect = \"aerostack\"\n{own}\nverify = {{ preset = \"bearer\", secrets = [\"key\"] }}\npublic_url = \"https://bots.example/shut\"\n\n\
         [bots.\"bt_*\"]\ndialect = \"aerostack\"\n{own}\n{derived}\n{callback}\nreply = {{ mode = \"callback\" }}\n\n\
         [bots.desk]\nname = \"Front desk\"\ndialect = \"fourthchat\"\n{own}\nverify = {{ secrets = [\"key\"] }}\n{callback}\n\n\
         [bots.\"de*\"]\ndialect = \"fourthchat\"\n{own}\n{derived}\n{callback}\n\n\
         [bots.one]\ndialect = \"botpass\"\nverify = {{ preset = \"none\" }}\n\n\
         [bots.two]\ndialect = \"botpass\"\nverify = {{ preset = \"none\" }}\n\n\
         [[subscribers]]\nurl = \"http://{}/events\"\nsecret = \"s\"\nallow = [\"127.0.0.0/8\"]\n{more}\n",
        state.join("store"),
        ai::upstream("ai", "custom", &format!("http://{}", ai.addr()), ""),
        subscriber.addr()
    )
}

/// The proof of a bot: its template's, where it has no table of its own.
fn proof(bot: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, MASTER.as_bytes());
    let derived = || hex::encode(hmac::sign(&key, format!("botgate/v1/{bot}").as_bytes()));
    let token = match bot {
        "open" | "shut" | "desk" => "key".to_owned(),
        _ => derived(),
    };
    format!("Authorization: Bearer {token}\r\n")
}

/// A message to a bot that is named by its path.
fn by_path(bot: &str) -> Vec<u8> {
    let body = json!({"text": "hello", "user_id": "ann", "channel_id": "a"});
    let path = format!("/api/bots/webhook/custom/{bot}");
    ai::post(&path, &proof(bot), &body)
}

/// A message to a bot that the body names.
fn by_body(bot: &str) -> Vec<u8> {
    let body = json!({"connectionId": bot, "message": "hello", "userId": "ann"});
    ai::post("/api/webhooks/incoming", &proof(bot), &body)
}

/// A report of a bot.
fn report(bot: &str) -> Vec<u8> {
    let body = json!({"botId": bot, "messageType": "status", "content": "up"});
    ai::post("/api/webhook/incoming", "", &body)
}

/// What a subscriber was told of switches, in the order of their coming: whose, and what it is now.
fn told(subscriber: &Backend) -> Vec<(String, String)> {
    let switched = |seen: &std::sync::Arc<Seen>| {
        let event: Value = serde_json::from_slice(&seen.body).unwrap();
        assert_eq!(event["type"], "bot.verification", "{event}");
        assert_eq!(seen.header("webhook-id"), [event["id"].as_str().unwrap()]);
        assert_eq!(event["data"].as_object().unwrap().len(), 2, "{event}");
        let text = |name: &str| event["data"][name].as_str().unwrap().to_owned();
        (text("agentId"), text("status"))
    };
    subscriber.seen().iter().map(switched).collect()
}

/// Waits until every delivery has come to its end.
#[track_caller]
fn settled(botgate: &Botgate) {
    use super::metric;
    let end = std::time::Instant::now() + crate::harness::TIMEOUT;
    let waits = || {
        let states = ["accepted", "answered"];
        states
            .map(|state| metric(botgate, &format!("botgate_jobs{{state=\"{state}\"}}")))
            .iter()
            .sum::<f64>()
    };
    while waits() > 0.0 {
        assert!(std::time::Instant::now() < end, "deliveries wait");
    }
}
