//! What `botgate demo` shows: a bot for each dialect, what is sent to it and what is expected back.

use super::backend;
use crate::cli::request::Request;
use crate::clock;
use crate::codec::dialect::{DIALECTS, Dialect};
use crate::proxy::bot::Bot;
use crate::signature::UnixTime;
use std::fmt::Write as _;
use std::net::SocketAddr;

/// The dialect with a second bot, which shows the limit.
const LIMITED: &str = "raw";

/// A request and the answer that is expected.
pub(super) struct Exchange {
    pub(super) dialect: &'static str,
    /// The upstream's kind.
    pub(super) kind: &'static str,
    pub(super) title: &'static str,
    pub(super) request: Request,
    pub(super) status: u16,
    pub(super) expected_text: &'static str,
    /// Its curl command is printed.
    pub(super) shown: bool,
}

/// The upstream of a dialect's bot, so that all kinds are used.
fn upstream(dialect: &Dialect) -> &'static str {
    match dialect.name {
        "aerostack" => "openai",
        "aibutler" | "chatbot-platform" => "anthropic",
        _ if dialect.chat.is_some() => "custom",
        _ => "passthrough",
    }
}

/// A bot for each dialect, in the order of the table, and one with a limit of one request.
pub(super) fn configuration(backend: SocketAddr) -> String {
    let mut text = format!(
        r#"
[server]
http = ["127.0.0.1:0"]
access_log = "off"
drain = "2s"

[upstreams.passthrough]
kind = "passthrough"
url = "http://{backend}"

[upstreams.custom]
kind = "custom"
url = "http://{backend}/chat"

[upstreams.openai]
kind = "openai"
url = "http://{backend}/v1"
key = "demo"
model = "demo"

[upstreams.anthropic]
kind = "anthropic"
url = "http://{backend}/v1"
key = "demo"
model = "demo"
"#
    );
    for dialect in DIALECTS {
        bot(dialect, "", &mut text);
        if dialect.name == LIMITED {
            bot(dialect, "_limited", &mut text);
            text.push_str("limit = { rate = \"1/h\", burst = 1 }\n");
        }
    }
    text
}

fn bot(dialect: &Dialect, suffix: &str, text: &mut String) {
    let (name, upstream) = (dialect.name, upstream(dialect));
    let preset = dialect.preset.unwrap_or("hmac");
    // Writing to a String does not fail.
    let _ = write!(
        text,
        "\n[bots.demo_{name}{suffix}]\ndialect = \"{name}\"\nupstream = \"{upstream}\"\n\
         verify = {{ preset = \"{preset}\", secrets = [\"${{env:DEMO}}\"] }}\n"
    );
    if dialect.path.is_none() {
        let _ = writeln!(text, "path = \"/demo/{name}{suffix}\"");
    }
    let Some(chat) = dialect.chat else { return };
    if chat.answers_later() {
        text.push_str("reply = { mode = \"sync\" }\n");
    }
    if chat.stream_encoder().is_some() {
        text.push_str("stream = true\n");
    }
    if chat.keeps_history() {
        text.push_str("conversation = {}\n");
    }
}

/// The requests to each bot: its dialect's sample message, signed, with a broken signature, or over the limit.
pub(super) fn all(bots: &[Bot], at: SocketAddr) -> Result<Vec<Exchange>, String> {
    let bots = bots.iter();
    let each = bots.map(|bot| exchanges(bot, at));
    let each = each.collect::<Result<Vec<_>, _>>()?;
    Ok(each.into_iter().flatten().collect())
}

fn exchanges(bot: &Bot, at: SocketAddr) -> Result<Vec<Exchange>, String> {
    let dialect = bot.dialect;
    let url = format!("http://{at}{}", bot.path.sample(&bot.id));
    let sample = &dialect.test_message;
    let body = sample.body_for(&bot.id, None).into_bytes();
    let now = UnixTime::from_millis(clock::unix_ms().cast_signed());
    let signed = Request::new(sample.method, &url, sample.content_type, body)?
        .signed(&bot.verifier, now, &bot.id)
        .map_err(|error| error.to_string())?;
    let expected_text = match dialect.chat {
        None => backend::ECHO,
        Some(chat) if chat.acknowledges() => "Webhook processed",
        Some(_) => backend::PREFIX,
    };
    let exchange = |title, request: &Request, status, expected_text, shown| Exchange {
        dialect: dialect.name,
        kind: upstream(dialect),
        title,
        request: request.clone(),
        status,
        expected_text,
        shown,
    };
    if bot.id.ends_with("_limited") {
        return Ok(vec![
            exchange("limited to 1/h", &signed, 200, expected_text, false),
            exchange("once more", &signed, 429, "limit", true),
        ]);
    }
    let mut broken = signed.clone();
    if let Some((_, value)) = broken.headers.last_mut() {
        let other = if value.ends_with('0') { "1" } else { "0" };
        value.replace_range(value.len() - 1.., other);
    }
    let shown = dialect.name == LIMITED;
    Ok(vec![
        exchange("signed", &signed, 200, expected_text, true),
        exchange("broken signature", &broken, 401, "The request could", shown),
    ])
}
