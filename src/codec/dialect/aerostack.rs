//! `aerostack`: Aerostack's custom webhook (seed 000). The bot stands in the path; user and channel make the conversation.

use super::field::{self, Field};
use super::reply_parts::{ReportedToolCalls, text_with_attachments, write_json};
use super::{BotIdLocation, Chat, Dialect, Format, Malformed, Receipt, TestMessage};
use crate::codec::message::{Answer, Event, OneOrMany, Role, Turn, User};
use crate::codec::price::Cents;
use serde::Serialize;

pub(super) static AEROSTACK: Dialect = Dialect {
    name: "aerostack",
    path: Some("/api/bots/webhook/custom/{bot}"),
    bot_id: BotIdLocation::Path,
    preset: Some("hmac"),
    per_minute: Some(60),
    test_message: TestMessage {
        method: "POST",
        content_type: "application/json",
        body: r#"{"text":"What is the status of order #12345?","user_id":"user_abc123","channel_id":"channel_main","user_name":"Jane Doe"}"#,
    },
    chat: Some(&Aerostack),
};

#[derive(Debug)]
struct Aerostack;

impl Chat for Aerostack {
    fn decode<'b>(&self, _: Format, body: &'b mut [u8]) -> Result<Event<'b>, Malformed> {
        field::read(body, |root| {
            let [text, user, channel, name]: [Field<'_, 'b>; 4] =
                field::fields(root, ["text", "user_id", "channel_id", "user_name"])?;
            Ok(Event {
                turns: OneOrMany::One(Turn::text(Role::User, text.text()?)),
                user: User {
                    id: Some(user.word()?),
                    name: name.optional_word()?,
                    ..User::default()
                },
                channel: Some(channel.word()?),
                ..Event::default()
            })
        })
    }

    fn encode(&self, answer: &Answer<'_>, receipt: &Receipt<'_>, out: &mut Vec<u8>) {
        #[derive(Serialize)]
        struct Shape<'a> {
            response: &'a str,
            tool_calls: ReportedToolCalls<'a>,
            tokens: Tokens,
            cost_cents: Cents,
            latency_ms: u64,
        }
        #[derive(Serialize)]
        struct Tokens {
            input: u64,
            output: u64,
        }
        write_json(
            &Shape {
                response: &text_with_attachments(answer),
                tool_calls: ReportedToolCalls(&answer.tool_calls),
                tokens: Tokens { input: answer.usage.input, output: answer.usage.output },
                cost_cents: Cents(receipt.micro_cents),
                latency_ms: receipt.latency_ms,
            },
            out,
        );
    }
}
