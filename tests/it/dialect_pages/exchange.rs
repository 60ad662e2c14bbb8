//! One exchange of a page, played: the real binary between the page's caller and the page's AI.

use super::blocks::{Exchange, Http, same_json, same_text};
use crate::harness::{Backend, Botgate, Monitor, backend::Seen, caller::Reply, command};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::sync::Arc;

/// What every `${env:…}` of a page holds.
const SECRET: &str = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";

/// What a page is played on: one AI, and a Botgate for as long as the configuration stays.
pub(super) struct Stage {
    ai: Backend,
    /// Where answers go that come later.
    receiver: Backend,
    /// What the AI answers next.
    answer: Monitor<Option<Http>>,
    running: Option<(String, Botgate)>,
}

impl Stage {
    pub(super) fn new() -> Self {
        let answer = Monitor::new(None::<Http>);
        let next = answer.clone();
        let ai = Backend::start(move |_, connection| {
            let answer = next.change(Option::take);
            let answer = answer.expect("the AI is asked where the page does not say so");
            let mut fields = String::new();
            for (name, value) in &answer.headers {
                write!(fields, "{name}: {value}\r\n").unwrap();
            }
            connection.answer(&answer.first, &fields, answer.body.as_bytes())
        });
        Self { ai, receiver: Backend::ok(), answer, running: None }
    }

    /// Plays one exchange and compares both ends with the page.
    #[track_caller]
    pub(super) fn play(&mut self, exchange: &Exchange) {
        let config = self.fitted(exchange);
        if self.running.as_ref().is_none_or(|(now, _)| *now != config) {
            self.running = None;
            let serve = |_: &_, command: &mut Command| with_secrets(command, &config);
            self.running = Some((config.clone(), Botgate::start_with(&config, serve)));
        }
        let (_, botgate) = self.running.as_ref().unwrap();
        let (before, delivered) = (self.ai.count(), self.receiver.count());
        let answer = exchange.ai.as_ref().map(|(_, answer)| answer.clone());
        self.answer.change(|next| *next = answer);
        let request = request(&exchange.asked, &config);
        let reply = botgate.caller().call(&request);
        same_reply(&exchange.told, &reply);
        if let Some(shown) = &exchange.delivered {
            let receiver = self.receiver.witnessed();
            receiver.wait("the delivery", |it| it.seen.len() > delivered);
            same_request(shown, &self.receiver.last());
        }
        let seen = self.ai.seen();
        match (&exchange.ai, &seen[before..]) {
            (Some((shown, _)), [seen]) => same_request(shown, seen),
            (None, []) => {}
            (_, seen) => panic!("the AI was asked {} times\n{exchange:#?}", seen.len()),
        }
    }

    /// The same with the page's callback on this machine.
    fn with_receiver(&self, text: &str) -> String {
        let here = format!("http://{}", self.receiver.addr());
        let allow = "allow = [\"127.0.0.0/8\"]";
        text.replace("https://your-app.example", &here)
            .replace("callback = { ", &format!("callback = {{ {allow}, "))
            .replace(".callback]\n", &format!(".callback]\n{allow}\n"))
    }

    /// The page's configuration on ports of this machine; with an AI of the kind that this exchange shows.
    fn fitted(&self, exchange: &Exchange) -> String {
        let text = format!("[server]\nhttp = [\"127.0.0.1:0\"]\n\n{}", exchange.config);
        let text = self.with_receiver(&text);
        let addr = self.ai.addr();
        let Some((name, table)) =
            text.split_once("[upstreams.").and_then(|(_, rest)| rest.split_once("]\n"))
        else {
            return text;
        };
        let table = table.split("\n[").next().unwrap();
        let mut own = String::new();
        for line in table.lines() {
            match line.strip_prefix("url = \"") {
                Some(url) => writeln!(own, "url = \"http://{addr}{}", path(url)).unwrap(),
                None => writeln!(own, "{line}").unwrap(),
            }
        }
        if let Some((asked, _)) = &exchange.ai {
            let kind = kind(&asked.first);
            if !table.contains(&format!("kind = \"{kind}\"")) {
                own = other(kind, asked, &addr.to_string());
            }
        }
        let place = format!("[upstreams.{name}]\n");
        text.replacen(&format!("{place}{table}"), &format!("{place}{own}"), 1)
    }
}

/// The path of a URL, and what follows it.
fn path(url: &str) -> &str {
    let after = url.split_once("://").unwrap().1;
    &after[after.find(['/', '"']).unwrap_or(after.len())..]
}

fn kind(url: &str) -> &'static str {
    match path(url) {
        "/v1/chat/completions" => "openai",
        "/v1/messages" => "anthropic",
        _ => "custom",
    }
}

/// The table of an upstream of a kind that the page's configuration does not have.
fn other(kind: &str, asked: &Http, addr: &str) -> String {
    let url = match kind {
        "custom" => format!("http://{addr}{}", path(&asked.first)),
        _ => format!("http://{addr}"),
    };
    let mut table = format!("kind = \"{kind}\"\nurl = \"{url}\"\nkey = \"{SECRET}\"\n");
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    if let Some(model) = body["model"].as_str() {
        writeln!(table, "model = \"{model}\"").unwrap();
    }
    table
}

fn with_secrets(command: &mut Command, config: &str) {
    for rest in config.split("${env:").skip(1) {
        command.env(rest.split('}').next().unwrap(), SECRET);
    }
}

/// The caller's request as bytes, proven where the page has `…`.
#[track_caller]
fn request(asked: &Http, config: &str) -> Vec<u8> {
    let mut text = format!(
        "POST {} HTTP/1.1\r\nHost: bots.example\r\nContent-Length: {}\r\n",
        asked.first,
        asked.body.len()
    );
    for (name, value) in &asked.headers {
        if value.contains('…') {
            let proof = proof(name, &asked.body, config);
            same_text(value, &proof, name);
            write!(text, "{name}: {proof}\r\n").unwrap();
        } else {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
    }
    write!(text, "\r\n{}", asked.body).unwrap();
    text.into_bytes()
}

/// A command in a folder with this configuration and a file `body`.
pub(super) fn command(arguments: &[&str], config: &str, body: &str) -> command::Ran {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("botgate.toml"), config).unwrap();
    fs::write(dir.path().join("body"), body).unwrap();
    let mut command = command::botgate(dir.path(), arguments);
    with_secrets(&mut command, config);
    command::to_end(&mut command)
}

/// What `botgate sign` puts into a header field.
#[track_caller]
fn proof(name: &str, body: &str, config: &str) -> String {
    let bot = config.split("[bots.").nth(1).unwrap();
    let bot = bot.split(']').next().unwrap();
    let ran = command(&["sign", bot, "--data", "@body"], config, body);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let mut fields = ran.stdout.split("-H '").skip(1);
    let field = fields.find_map(|field| {
        let (known, value) = field.split('\'').next()?.split_once(": ")?;
        known.eq_ignore_ascii_case(name).then(|| value.to_owned())
    });
    field.unwrap_or_else(|| panic!("`botgate sign` gives no {name}: {}", ran.stdout))
}

#[track_caller]
fn same_reply(shown: &Http, real: &Reply) {
    let status = shown.first.split(' ').next().unwrap();
    assert_eq!(status, real.status.to_string(), "{}", real.text());
    for (name, value) in &shown.headers {
        same_text(value, real.header(name).unwrap_or_default(), name);
    }
    let kind = real.header("content-type").unwrap_or_default();
    same_body(kind, &shown.body, &real.text());
}

#[track_caller]
fn same_request(shown: &Http, real: &Arc<Seen>) {
    assert_eq!(path(&shown.first), real.target());
    for (name, value) in &shown.headers {
        same_text(value, real.header(name).first().unwrap_or(&""), name);
    }
    let body = String::from_utf8_lossy(&real.body);
    same_body("application/json", &shown.body, &body);
}

#[track_caller]
fn same_body(kind: &str, shown: &str, real: &str) {
    if kind != "application/json" {
        return same_text(shown, real.trim_end(), kind);
    }
    let json = |text| serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {text}"));
    same_json(&json(shown), &json(real), "the body");
}
