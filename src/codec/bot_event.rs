//! The events that BotPass's subscribers are sent (seed 004): `{"id","type","timestamp","data":{"agentId",…}}`, written as
//! JavaScript's `JSON.stringify` writes them.

use crate::codec::dialect::reply_parts::{
    rfc3339, text_with_attachments, write_json, write_object,
};
use crate::codec::message::{self, Answer, Event, Part};
use serde::Serialize;

/// The kinds of event, in the seed's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// A bot sent a message, or something happened to it.
    Received,
    /// A message was answered.
    Sent,
    /// A bot told its status.
    Status,
    /// A bot told of an error, or an answer or a delivery was given up.
    Error,
    /// A bot was activated or deactivated.
    Verification,
}

impl EventType {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Received, Self::Sent, Self::Status, Self::Error, Self::Verification];

    /// Its name on the wire and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "message.received",
            Self::Sent => "message.sent",
            Self::Status => "bot.status",
            Self::Error => "bot.error",
            Self::Verification => "bot.verification",
        }
    }

    /// The kind of that name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What a bot's message becomes.
    pub fn of(kind: message::MessageType) -> Self {
        match kind {
            message::MessageType::Message | message::MessageType::Event => Self::Received,
            message::MessageType::Status => Self::Status,
            message::MessageType::Error => Self::Error,
        }
    }
}

/// What every event says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The delivery's id, the same over all attempts.
    pub id: &'a str,
    /// The bot that it is about.
    pub bot: &'a str,
    /// When it happened, in milliseconds since 1970; a message's own time goes before it.
    pub now_ms: u64,
}

/// The words of a message within an event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    agent_id: &'a str,
    message_id: &'a str,
    message_type: &'static str,
    content: &'a str,
}

/// Appends what a bot's message becomes; `message_id` is its id here.
pub fn received(envelope: &Envelope<'_>, message_id: &str, event: &Event<'_>, out: &mut Vec<u8>) {
    let data = Message {
        agent_id: envelope.bot,
        message_id,
        message_type: message_type(event),
        content: &content(event),
    };
    let time = event.timestamp.as_deref();
    write_event(EventType::of(event.message_type), envelope, time, &data, Some(event), out);
}

/// Appends what is kept of a bot's message, under the envelope's id:
/// `{"id","botId","messageType","content","timestamp","data"}`.
pub fn report(envelope: &Envelope<'_>, event: &Event<'_>, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct ReportData<'a> {
        id: &'a str,
        bot_id: &'a str,
        message_type: &'static str,
        content: &'a str,
        timestamp: &'a str,
    }
    let now = rfc3339(envelope.now_ms);
    let kept = ReportData {
        id: envelope.id,
        bot_id: envelope.bot,
        message_type: message_type(event),
        content: &content(event),
        timestamp: event.timestamp.as_deref().unwrap_or(&now),
    };
    write_json(&kept, out);
    out.pop();
    data(event, out);
    out.push(b'}');
}

fn message_type(event: &Event<'_>) -> &'static str {
    match event.message_type {
        message::MessageType::Message => "message",
        message::MessageType::Status => "status",
        message::MessageType::Error => "error",
        message::MessageType::Event => "event",
    }
}

fn content(event: &Event<'_>) -> String {
    let parts = event.turns.last().into_iter().flat_map(|turn| &turn.parts);
    let texts = parts.filter_map(|part| match part {
        Part::Text(text) => Some(text.as_ref()),
        _ => None,
    });
    texts.collect()
}

/// Appends a comma and the sender's data, as JavaScript writes it.
fn data(event: &Event<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#","data":"#);
    write_object(event.metadata.as_ref(), out);
}

/// Appends `message.sent`: the answer to a message, and the data that came with that; `message_id` is the answer's.
pub fn sent(
    envelope: &Envelope<'_>,
    message_id: &str,
    answer: &Answer<'_>,
    event: &Event<'_>,
    out: &mut Vec<u8>,
) {
    let data = Message {
        agent_id: envelope.bot,
        message_id,
        message_type: "message",
        content: &text_with_attachments(answer),
    };
    write_event(EventType::Sent, envelope, None, &data, Some(event), out);
}

/// Appends `bot.error`: the answer to a message or a delivery was given up, and why.
pub fn error(envelope: &Envelope<'_>, message_id: &str, why: &str, out: &mut Vec<u8>) {
    let data = Message { agent_id: envelope.bot, message_id, message_type: "error", content: why };
    write_event(EventType::Error, envelope, None, &data, None, out);
}

/// Appends `bot.verification`: whether a bot is active now.
pub fn verification(envelope: &Envelope<'_>, active: bool, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Data<'a> {
        agent_id: &'a str,
        status: &'static str,
    }
    let data = Data { agent_id: envelope.bot, status: if active { "active" } else { "inactive" } };
    write_event(EventType::Verification, envelope, None, &data, None, out);
}

/// `about` is the message whose data goes along.
fn write_event(
    kind: EventType,
    envelope: &Envelope<'_>,
    time: Option<&str>,
    data: &impl Serialize,
    about: Option<&Event<'_>>,
    out: &mut Vec<u8>,
) {
    #[derive(Serialize)]
    struct Shape<'a, T> {
        id: &'a str,
        r#type: &'static str,
        timestamp: &'a str,
        data: &'a T,
    }
    let now = rfc3339(envelope.now_ms);
    write_json(
        &Shape { id: envelope.id, r#type: kind.name(), timestamp: time.unwrap_or(&now), data },
        out,
    );
    if let Some(event) = about {
        // The sender's data is written by other rules, so it takes the place of the braces.
        out.truncate(out.len().saturating_sub(2));
        self::data(event, out);
        out.extend_from_slice(b"}}");
    }
}
