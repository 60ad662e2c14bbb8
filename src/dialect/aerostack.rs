//! `aerostack`: Aerostack's custom webhook (seed 000). The bot stands in the path; user and channel make the conversation.

use super::field::{self, Field};
use super::pieces::{Calls, spoken, write};
use super::{Chat, Dialect, Format, Malformed, Names, Receipt, Sample};
use crate::message::{Answer, Event, Few, Role, Turn, User};
use crate::money::MicroCents;
use serde::Serialize;
use serde_json::value::RawValue;
use std::io::Write as _;

pub(super) static AEROSTACK: Dialect = Dialect {
    name: "aerostack",
    path: Some("/api/bots/webhook/custom/{bot}"),
    names: Names::Path,
    preset: Some("hmac"),
    per_minute: Some(60),
    sample: Sample {
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
                turns: Few::One(Turn::text(Role::User, text.text()?)),
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
            tool_calls: Calls<'a>,
            tokens: Tokens,
            cost_cents: &'a RawValue,
            latency_ms: u64,
        }
        #[derive(Serialize)]
        struct Tokens {
            input: u64,
            output: u64,
        }
        let mut room = [0; 32];
        write(
            &Shape {
                response: &spoken(answer),
                tool_calls: Calls(&answer.tool_calls),
                tokens: Tokens {
                    input: answer.usage.input,
                    output: answer.usage.output,
                },
                cost_cents: cents(receipt.micro_cents, &mut room),
                latency_ms: receipt.latency_ms,
            },
            out,
        );
    }
}

/// An amount as a number of cents with up to six decimals, exactly: `0`, `1`, `0.16325`.
fn cents(amount: MicroCents, room: &mut [u8; 32]) -> &RawValue {
    let mut rest = &mut room[..];
    let (whole, part) = (amount / 1_000_000, amount % 1_000_000);
    // 14 digits before the point at most and 6 behind it: they fit.
    let _ = match part {
        0 => write!(rest, "{whole}"),
        _ => write!(rest, "{whole}.{part:06}"),
    };
    let left = rest.len();
    let text = std::str::from_utf8(&room[..room.len() - left]).unwrap_or("0");
    let text = match part {
        0 => text,
        _ => text.trim_end_matches('0'),
    };
    serde_json::from_str(text).unwrap_or(RawValue::NULL)
}
