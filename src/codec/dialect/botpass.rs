//! `botpass`: BotPass's incoming webhook (seed 004). The bot stands in the body, as `botId`; the answer is an acknowledgement.

use super::field::{self, Field, Problem};
use super::reply_parts::write_json;
use super::{BotIdLocation, Chat, Dialect, Format, Malformed, Receipt, TestMessage};
use crate::codec::message::{Answer, Event, MessageType, OneOrMany, Role, Turn, User};
use serde::Serialize;
use std::borrow::Cow;

pub(super) static BOTPASS: Dialect = Dialect {
    name: "botpass",
    path: Some("/api/webhook/incoming"),
    bot_id: BotIdLocation::Body("botId"),
    preset: Some("hmac"),
    per_minute: None,
    test_message: TestMessage {
        method: "POST",
        content_type: "application/json",
        body: r#"{"botId":"{bot}","messageType":"message","content":"Hello from Botgate","data":{"userId":"user_1","environment":"test"}}"#,
    },
    chat: Some(&BotPass),
};

/// The words of `messageType`.
const KINDS: [&str; 4] = ["message", "status", "error", "event"];
/// The longest timestamp, in bytes.
const MAX_TIMESTAMP: usize = 64;

#[derive(Debug)]
struct BotPass;

impl Chat for BotPass {
    fn acknowledges(&self) -> bool {
        true
    }

    fn decode<'b>(&self, _: Format, body: &'b mut [u8]) -> Result<Event<'b>, Malformed> {
        field::read(body, |root| {
            let [bot, kind, content, timestamp, data]: [Field<'_, 'b>; 5] =
                field::fields(root, ["botId", "messageType", "content", "timestamp", "data"])?;
            bot.word()?;
            let kind = match kind.text()?.as_ref() {
                "message" => MessageType::Message,
                "status" => MessageType::Status,
                "error" => MessageType::Error,
                "event" => MessageType::Event,
                _ => return Err(kind.fault(Problem::Unknown(&KINDS))),
            };
            let turn = Turn::text(Role::User, content.text()?);
            let timestamp = match timestamp.optional_text()? {
                None => None,
                Some(text) => {
                    let rule = "a time as ISO 8601 writes it";
                    let time =
                        time(&text).ok_or_else(|| timestamp.fault(Problem::Invalid(rule)))?;
                    Some(Cow::Owned(time.to_string()))
                }
            };
            let metadata = data.object()?;
            Ok(Event {
                message_type: kind,
                turns: OneOrMany::One(turn),
                user: User {
                    id: data.loose_word("userId"),
                    name: data.loose_word("userName").or_else(|| data.loose_word("name")),
                    ..User::default()
                },
                timestamp,
                metadata,
                ..Event::default()
            })
        })
    }

    fn encode(&self, _: &Answer<'_>, _: &Receipt<'_>, out: &mut Vec<u8>) {
        result(true, "Webhook processed successfully", out);
    }

    /// The acknowledgement is the same whatever follows.
    fn encode_accepted(&self, receipt: &Receipt<'_>, out: &mut Vec<u8>) {
        self.encode(&Answer::default(), receipt, out);
    }

    /// An answer leaves as an event.
    fn encode_callback(&self, answer: &Answer<'_>, receipt: &Receipt<'_>, out: &mut Vec<u8>) {
        let envelope = crate::codec::bot_event::Envelope {
            id: receipt.message_id,
            bot: receipt.bot,
            now_ms: receipt.now_ms,
        };
        crate::codec::bot_event::sent(&envelope, receipt.message_id, answer, receipt.event, out);
    }

    fn encode_error(&self, status: u16, sentence: &str, _: &str, out: &mut Vec<u8>) {
        let message = match status {
            500 => "Failed to process webhook: Internal server error",
            _ => sentence,
        };
        result(false, message, out);
    }
}

fn result(success: bool, message: &str, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct Shape<'a> {
        success: bool,
        message: &'a str,
    }
    write_json(&Shape { success, message }, out);
}

/// A point in time; without an offset it is UTC, which is what programs mean that leave it out.
fn time(text: &str) -> Option<jiff::Timestamp> {
    if text.len() > MAX_TIMESTAMP {
        return None;
    }
    text.parse().ok().or_else(|| {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        let utc = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(utc.timestamp())
    })
}
