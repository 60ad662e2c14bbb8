//! The dialects: the formats that chat platforms and their clients send. An open set, so a table: a new one is a file and its line.

mod aerostack;
mod aibutler;
mod body_id;
mod botpass;
mod callback;
mod chatbot_platform;
pub(super) mod common_parts;
mod field;
mod fourthchat;
pub mod messages;
mod raw;

pub use body_id::body_id;
pub use callback::test;

use crate::codec::message::{Answer, Event};
use std::borrow::Cow;

/// One dialect. Pure data and functions: no IO, no clock.
#[derive(Debug)]
pub struct Dialect {
    /// Its name in the configuration.
    pub name: &'static str,
    /// The path a bot has unless it says otherwise, `{bot}` in the place of its id; `None`: it must be set.
    pub path: Option<&'static str>,
    /// Where a request names its bot.
    pub names: Names,
    /// The preset that `verify` has unless it says otherwise; `None`: it must be named.
    pub preset: Option<&'static str>,
    /// Requests a minute for a bot without a limit of its own; `None`: the server's limit.
    pub per_minute: Option<u64>,
    /// What `sign`, `test` and `demo` send.
    pub sample: Sample,
    /// How its messages are read and answered; `None`: they are forwarded as they are.
    pub chat: Option<&'static dyn Chat>,
}

/// Where a request names its bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// In its path.
    Path,
    /// In this field at the top of its JSON body.
    Body(&'static str),
}

/// A message that fits a dialect.
#[derive(Debug)]
pub struct Sample {
    /// HTTP method.
    pub method: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its body; `{bot}` stands for the bot's id, `{name}` for its name.
    pub body: &'static str,
}

impl Sample {
    /// The body for this bot. A bot without a name goes by its id.
    pub fn body_for(&self, bot: &str, name: Option<&str>) -> String {
        let quoted = serde_json::Value::from(name.unwrap_or(bot)).to_string();
        // Within the quotes that the sample has.
        let name = quoted.get(1..quoted.len() - 1).unwrap_or(bot);
        self.body.replace("{bot}", bot).replace("{name}", name)
    }
}

/// What is different from request to request, besides the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// How a dialect's messages are read and answered.
pub trait Chat: Sync + std::fmt::Debug {
    /// Whether forms are taken beside JSON.
    fn takes_forms(&self) -> bool {
        false
    }

    /// Whether a message belongs to a conversation that is kept here, or brings its own history.
    fn keeps_history(&self) -> bool {
        true
    }

    /// Whether the answer goes to a callback, unless the bot says otherwise.
    fn answers_later(&self) -> bool {
        false
    }

    /// Whether the answer goes to a callback once the bot has one, unless it says otherwise.
    fn prefers_callback(&self) -> bool {
        self.answers_later()
    }

    /// Whether the reply only acknowledges the message, so that an upstream is not needed.
    fn acknowledges(&self) -> bool {
        false
    }

    /// How an answer is streamed; `None`: only whole answers.
    fn stream(&self) -> Option<&'static dyn Stream> {
        None
    }

    /// The `Content-Type` of the reply. That of an error is always `application/json`.
    fn content_type(&self, _receipt: &Receipt<'_>) -> &'static str {
        "application/json"
    }

    /// Reads one message.
    ///
    /// # Errors
    /// What is wrong with which field, in the seed's words.
    fn decode<'b>(&self, format: Format, body: &'b mut [u8]) -> Result<Event<'b>, Malformed>;

    /// Appends the reply's body.
    fn encode(&self, answer: &Answer<'_>, receipt: &Receipt<'_>, out: &mut Vec<u8>);

    /// Appends the body of the 202 that says that the answer comes later. Its content type is the reply's.
    fn accept(&self, receipt: &Receipt<'_>, out: &mut Vec<u8>) {
        callback::accept(receipt, out);
    }

    /// Appends the JSON that takes the answer to the callback, as `JSON.stringify` writes it: receivers check the signature over
    /// what they have parsed and written again. By default the reply, and beside it what it answers.
    fn deliver(&self, answer: &Answer<'_>, receipt: &Receipt<'_>, out: &mut Vec<u8>) {
        let mut reply = Vec::new();
        self.encode(answer, receipt, &mut reply);
        callback::deliver(reply, receipt, out);
    }

    /// Appends the body of an error: all but BotPass say `{"error":"<sentence>","code":"<word>"}`.
    fn refuse(&self, _status: u16, sentence: &str, code: &str, out: &mut Vec<u8>) {
        default_error(sentence, code, out);
    }
}

/// How an answer is streamed, as `text/event-stream`.
pub trait Stream: Sync + std::fmt::Debug {
    /// Appends the event for a piece of text.
    fn delta(&self, text: &str, out: &mut Vec<u8>);

    /// Appends the last event: the whole answer and what it took.
    fn done(&self, answer: &Answer<'_>, out: &mut Vec<u8>);

    /// Appends the event that says why there is no more to come.
    fn broken(&self, sentence: &str, code: &str, out: &mut Vec<u8>);
}

/// What a reply says beside the answer.
#[derive(Debug)]
pub struct Receipt<'a> {
    /// The bot's id.
    pub bot: &'a str,
    /// What is answered.
    pub event: &'a Event<'a>,
    /// The conversation's own id, the same for its life: 32 hexadecimal digits. A dialect puts its own prefix before it.
    pub conversation: &'a str,
    /// The id of this answer: hexadecimal digits, the same in the 202 and in the callback that follows it.
    pub message_id: &'a str,
    /// Milliseconds since 1970, UTC.
    pub now_ms: u64,
    /// From the request to the answer.
    pub latency_ms: u64,
    /// What the answer cost, in millionths of a US cent.
    pub micro_cents: u64,
    /// The caller prefers XML, or the bot always answers in it.
    pub xml: bool,
}

/// Why a body is no message of its dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub Cow<'static, str>);

/// Every dialect.
pub static DIALECTS: &[&Dialect] = &[
    &raw::RAW,
    &aerostack::AEROSTACK,
    &aibutler::AIBUTLER,
    &fourthchat::FOURTHCHAT,
    &chatbot_platform::CHATBOT_PLATFORM,
    &botpass::BOTPASS,
];

/// The dialect of that name.
pub fn find(name: &str) -> Option<&'static Dialect> {
    DIALECTS.iter().copied().find(|dialect| dialect.name == name)
}

/// Appends `{"error":"<sentence>","code":"<word>"}`.
pub fn default_error(sentence: &str, code: &str, out: &mut Vec<u8>) {
    #[derive(serde::Serialize)]
    struct Shape<'a> {
        error: &'a str,
        code: &'a str,
    }
    let shape = Shape { error: sentence, code };
    // Writing to a Vec does not fail.
    let _ = serde_json::to_writer(out, &shape);
}

#[cfg(test)]
mod tests;
