//! `fourthchat`: FourthChat's webhook connection (seed 002). The bot stands in the body, as `connectionId`.

use super::field::{self, Field};
use super::reply_parts::{rfc3339, text_with_attachments, write_json, write_object};
use super::{BotIdLocation, Chat, Dialect, Format, Malformed, Receipt, TestMessage};
use crate::codec::message::OneOrMany;
use crate::codec::message::{Answer, Event, Role, Turn, User};
use serde::Serialize;

pub(super) static FOURTHCHAT: Dialect = Dialect {
    name: "fourthchat",
    path: Some("/api/webhooks/incoming"),
    bot_id: BotIdLocation::Body("connectionId"),
    preset: Some("bearer"),
    per_minute: None,
    test_message: TestMessage {
        method: "POST",
        content_type: "application/json",
        body: r#"{"test":true,"message":"This is a test webhook from your chatbot!","timestamp":"2024-01-15T10:30:00Z","connectionId":"{bot}","connectionName":"{name}"}"#,
    },
    chat: Some(&FourthChat),
};

#[derive(Debug)]
struct FourthChat;

impl Chat for FourthChat {
    fn answers_later(&self) -> bool {
        true
    }

    fn decode<'b>(&self, _: Format, body: &'b mut [u8]) -> Result<Event<'b>, Malformed> {
        field::read(body, |root| {
            let [connection, message, user, metadata]: [Field<'_, 'b>; 4] =
                field::fields(root, ["connectionId", "message", "userId", "metadata"])?;
            connection.word()?;
            Ok(Event {
                turns: OneOrMany::One(Turn::text(Role::User, message.text()?)),
                user: User { id: user.optional_word()?, ..User::default() },
                metadata: metadata.object()?,
                ..Event::default()
            })
        })
    }

    fn encode_accepted(&self, receipt: &Receipt<'_>, out: &mut Vec<u8>) {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Shape<'a> {
            status: &'static str,
            conversation_id: &'a str,
            message_id: &'a str,
        }
        write_json(
            &Shape {
                status: "accepted",
                conversation_id: &["conv-", receipt.conversation].concat(),
                message_id: &["msg-", receipt.message_id].concat(),
            },
            out,
        );
    }

    /// The reply is what the callback would carry.
    fn encode_callback(&self, answer: &Answer<'_>, receipt: &Receipt<'_>, out: &mut Vec<u8>) {
        self.encode(answer, receipt, out);
    }

    /// The seed's receiver checks the signature over `JSON.stringify` of what it parsed, so the bytes are those that this gives.
    fn encode(&self, answer: &Answer<'_>, receipt: &Receipt<'_>, out: &mut Vec<u8>) {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Shape<'a> {
            connection_id: &'a str,
            conversation_id: &'a str,
            message: Message<'a>,
            #[serde(skip_serializing_if = "Option::is_none")]
            user_id: Option<&'a str>,
            timestamp: &'a str,
        }
        #[derive(Serialize)]
        struct Message<'a> {
            id: &'a str,
            role: &'static str,
            content: &'a str,
        }
        write_json(
            &Shape {
                connection_id: receipt.bot,
                conversation_id: &["conv-", receipt.conversation].concat(),
                message: Message {
                    id: &["msg-", receipt.message_id].concat(),
                    role: "assistant",
                    content: &text_with_attachments(answer),
                },
                user_id: receipt.event.user.id.as_deref(),
                timestamp: &rfc3339(receipt.now_ms),
            },
            out,
        );
        // The metadata is written by other rules, so it takes the place of the brace.
        out.pop();
        out.extend_from_slice(br#","metadata":"#);
        write_object(receipt.event.metadata.as_ref(), out);
        out.push(b'}');
    }
}
