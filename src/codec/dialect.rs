//! The dialects: the formats that chat platforms and their clients send. An open set, so a table: a new one is a file and its line.

mod aerostack;
mod aibutler;
mod body_id;
mod botpass;
mod callback;
mod chatbot_platform;
mod field;
mod fourthchat;
pub mod messages;
mod raw;
pub(super) mod reply_parts;

pub use body_id::body_id;
pub use callback::encode_test_callback;

use crate::codec::keys::{KeySchema, Written};
use crate::codec::message::{Answer, Event};
use std::borrow::Cow;
use std::fmt;

/// One dialect. Pure data and functions: no IO, no clock.
pub struct Dialect {
    /// Its name in the configuration.
    pub name: &'static str,
    /// The path a bot has unless it says otherwise, `{bot}` in the place of its id; `None`: it must be set.
    pub path: Option<&'static str>,
    /// Where a request names its bot.
    pub bot_id: BotIdLocation,
    /// The preset that `verify` has unless it says otherwise; `None`: it must be named.
    pub preset: Option<&'static str>,
    /// Requests a minute for a bot without a limit of its own; `None`: the server's limit.
    pub per_minute: Option<u64>,
    /// What `sign`, `test` and `demo` send.
    pub test_message: TestMessage,
    /// How its messages are read and answered; `None`: they are forwarded as they are.
    pub chat: Option<&'static dyn Chat>,
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Where a request names its bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BotIdLocation {
    /// In its path.
    Path,
    /// In this field at the top of its JSON body.
    Body(&'static str),
}

/// A message that fits a dialect.
#[derive(Debug)]
pub struct TestMessage {
    /// HTTP method.
    pub method: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its body; `{bot}` stands for the bot's id, `{name}` for its name.
    pub body: &'static str,
}

impl TestMessage {
    /// The body for this bot. A bot without a name goes by its id.
    pub fn body_for(&self, bot: &str, name: Option<&str>) -> String {
        let quoted = serde_json::Value::from(name.unwrap_or(bot)).to_string();
        // Within the quotes that the sample has.
        let name = quoted.get(1..quoted.len() - 1).unwrap_or(bot);
        self.body.replace("{bot}", bot).replace("{name}", name)
    }
}

/// The format of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// How a dialect's messages are read and answered.
pub trait Chat: Sync + fmt::Debug {
    /// Whether forms are taken beside JSON.
    fn takes_forms(&self) -> bool {
        false
    }

    /// The schema of the keys of `[bots.ID]` that only some dialects have; `None`: this one has none.
    fn keys(&self) -> Option<KeySchema> {
        None
    }

    /// What those keys say.
    fn settings(&self, _written: &Written) -> Settings {
        Settings::default()
    }

    /// Where callbacks are authorised by the secret that the bot's callers show: the user whose password it is.
    fn shared_secret_user(&self) -> Option<&'static str> {
        None
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

    /// How an answer is streamed, where the message ([`Event::stream`]) or the bot asks for it; `None`: only whole answers.
    fn stream_encoder(&self) -> Option<&'static dyn StreamEncoder> {
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
    fn encode_accepted(&self, receipt: &Receipt<'_>, out: &mut Vec<u8>) {
        callback::encode_accepted(receipt, out);
    }

    /// Appends the JSON that takes the answer to the callback, as `JSON.stringify` writes it: receivers check the signature over
    /// what they have parsed and written again. By default the reply, and beside it what it answers.
    fn encode_callback(&self, answer: &Answer<'_>, receipt: &Receipt<'_>, out: &mut Vec<u8>) {
        let mut reply = Vec::new();
        self.encode(answer, receipt, &mut reply);
        callback::encode_callback(reply, receipt, out);
    }

    /// Appends the body of an error: all but BotPass say `{"error":"<sentence>","code":"<word>"}`.
    fn encode_error(&self, _status: u16, sentence: &str, code: &str, out: &mut Vec<u8>) {
        default_error(sentence, code, out);
    }
}

/// What the keys of `[bots.ID]` say that a dialect brings itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// A form is always answered in XML, whatever its sender prefers.
    pub xml: bool,
}

/// How an answer is streamed, as `text/event-stream`: `begin`, any number of `delta`, then `done` or `error`.
pub trait StreamEncoder: Sync + fmt::Debug {
    /// Appends what comes before the first piece of text.
    fn begin(&self, _receipt: &StreamReceipt, _out: &mut Vec<u8>) {}

    /// Appends the event for a piece of text.
    fn delta(&self, text: &str, receipt: &StreamReceipt, out: &mut Vec<u8>);

    /// Appends the end of the stream. `answer` is whole: its text has been sent already.
    fn done(&self, answer: &Answer<'_>, receipt: &StreamReceipt, out: &mut Vec<u8>);

    /// Appends the event that ends a stream whose answer broke off: a sentence for people and the error's `code`.
    fn error(&self, sentence: &str, code: &str, receipt: &StreamReceipt, out: &mut Vec<u8>);
}

/// What identifies a streamed answer. Known before its first word, the same in all of its events.
#[derive(Clone, Debug, Default)]
pub struct StreamReceipt {
    /// As [`Receipt::message_id`].
    pub message_id: String,
    /// When the stream began, in milliseconds since 1970, UTC.
    pub now_ms: u64,
    /// As [`Receipt::model`].
    pub model: Option<String>,
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
    /// The model that answered, where its upstream has one.
    pub model: Option<&'a str>,
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

/// The dialect whose messages are forwarded as they are.
pub static FORWARDING: &Dialect = &raw::RAW;

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
