//! The admin side's API, with deliveries that a real courier made: what it shows, what it takes up again, whom it lets in.

mod analytics;
mod attempt_timing;
mod bots;
mod commands;
mod data_folder;
mod deliveries;
mod description;
mod docs;
mod erasure;
mod errors;
mod requeue_busy;

use crate::harness::{Backend, Botgate, Caller, Monitor, TIMEOUT, ai, caller::Reply};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;
use tempfile::TempDir;

/// A Botgate with a bot whose receiver takes all, one whose receiver is gone until it is told to be back, and one that remembers.
struct House {
    botgate: Botgate,
    _well: Backend,
    gone: Backend,
    back: Monitor<bool>,
    ai: Backend,
    text: String,
    _state: TempDir,
}

impl House {
    #[track_caller]
    fn new() -> Self {
        Self::with("410 Gone", ai::echo())
    }

    /// The receiver that is gone says this until it is back.
    #[track_caller]
    fn with(gone: &'static str, ai: Backend) -> Self {
        let well = Backend::ok();
        let back = Monitor::new(false);
        let is_back = back.clone();
        let gone = Backend::start(move |_, connection| {
            let status = if *is_back.lock() { "200 OK" } else { gone };
            connection.answer(status, "", b"what a receiver says")
        });
        let state = tempfile::tempdir().unwrap();
        let text = config(&ai, &well, &gone, state.path());
        Self { botgate: Botgate::start(&text), _well: well, gone, back, ai, text, _state: state }
    }

    /// Sends a message to a bot that answers later.
    #[track_caller]
    fn message(&self, bot: &str, text: &str) {
        let body = json!({"connectionId": bot, "message": text, "userId": "ann"});
        let request = ai::post("/api/webhooks/incoming", "Authorization: Bearer key\r\n", &body);
        assert_eq!(self.botgate.caller().call(&request).status, 202);
    }

    /// Has a bot report something, which is kept and told.
    #[track_caller]
    fn report(&self) {
        let body = json!({"botId": "reporter", "messageType": "status", "content": "up"});
        let request = ai::post("/api/webhook/incoming", "", &body);
        assert_eq!(self.botgate.caller().call(&request).status, 200);
    }

    /// Waits until so many deliveries stand there.
    #[track_caller]
    fn until(&self, status: &str, count: f64) {
        let name = format!("botgate_jobs{{state=\"{status}\"}}");
        let end = Instant::now() + TIMEOUT;
        while metric(&self.botgate, &name) < count {
            assert!(Instant::now() < end, "{name}: {:?}", self.list(""));
        }
    }

    /// Asks the API, with the token.
    #[track_caller]
    fn ask(&self, method: &str, target: &str) -> Reply {
        ask(&self.botgate, method, target, TOKEN)
    }

    /// What it answers, which is a 200.
    #[track_caller]
    fn get(&self, target: &str) -> Value {
        read(&self.ask("GET", target), 200)
    }

    /// A list's items.
    #[track_caller]
    fn list(&self, query: &str) -> Vec<Value> {
        let mut page = self.get(&format!("/api/deliveries{query}"));
        serde_json::from_value(page["items"].take()).unwrap()
    }

    /// The id of the only delivery of a bot.
    #[track_caller]
    fn only(&self, bot: &str) -> String {
        let items = self.list(&format!("?bot={bot}"));
        assert_eq!(items.len(), 1, "{items:?}");
        items[0]["id"].as_str().unwrap().to_owned()
    }
}

const TOKEN: &str = "Authorization: Bearer admin word\r\n";

fn config(ai: &Backend, well: &Backend, gone: &Backend, state: &Path) -> String {
    let mut text = format!(
        "[server]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2\n\n\
         [admin]\nlisten = \"127.0.0.1:0\"\nprobes = \"127.0.0.1:0\"\ntoken = \"admin word\"\n\n\
         [state]\npath = {:?}\n\n{}\
         [bots.memo]\nname = \"Memo\"\ndialect = \"aerostack\"\nupstream = \"ai\"\nverify = {{ preset = \"none\" }}\n\n",
        state.join("store"),
        ai::upstream("ai", "custom", &format!("http://{}", ai.addr()), "")
    );
    for (bot, receiver) in [("well", well), ("gone", gone)] {
        text += &format!(
            "[bots.{bot}]\ndialect = \"fourthchat\"\nupstream = \"ai\"\nverify = {{ secrets = [\"key\"] }}\n\
             limit = {{ rate = \"1000000/s\", burst = 1000000 }}\n\
             callback = {{ url = \"http://{}/in\", sign = {{ secret = \"s\" }}, allow = [\"127.0.0.0/8\"], retries = [] }}\n\n",
            receiver.addr()
        );
    }
    text += &format!(
        "[bots.reporter]\ndialect = \"botpass\"\nverify = {{ preset = \"none\" }}\n\n\
         [[subscribers]]\nurl = \"http://{}/events\"\nbots = [\"reporter\"]\nsecret = \"s\"\nallow = [\"127.0.0.0/8\"]\n\n",
        well.addr()
    );
    text
}

#[track_caller]
fn ask(botgate: &Botgate, method: &str, target: &str, headers: &str) -> Reply {
    let request =
        format!("{method} {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n{headers}\r\n");
    Caller::connect(botgate.admin()).call(request.as_bytes())
}

#[track_caller]
fn read(reply: &Reply, status: u16) -> Value {
    let text = String::from_utf8_lossy(&reply.body);
    assert_eq!(reply.status, status, "{text}");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

/// The value of one series; the page is behind the token here.
#[track_caller]
fn metric(botgate: &Botgate, series: &str) -> f64 {
    let page = ask(botgate, "GET", "/metrics", TOKEN);
    assert_eq!(page.status, 200);
    let page = String::from_utf8(page.body).unwrap();
    let values = page.lines().filter_map(|line| line.strip_prefix(series));
    values.map(|value| value.trim().parse::<f64>().unwrap()).sum()
}
