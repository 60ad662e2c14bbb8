//! `chatbot-platform`: what Chatbot Platform sends to a webhook (seed 003). It keeps the history and sends it along.

mod stream;

use super::field::{self, Field};
use super::reply_parts::write_json;
use super::{BotIdLocation, Chat, Dialect, Format, Malformed, Receipt, StreamEncoder, TestMessage};
use crate::codec::json::{self, Json, Value};
use crate::codec::message::{Answer, Attachment, Event, Native, User};
use serde::{Serialize, Serializer};

pub(super) static CHATBOT_PLATFORM: Dialect = Dialect {
    name: "chatbot-platform",
    path: Some("/chat/{bot}"),
    bot_id: BotIdLocation::Path,
    preset: Some("bearer"),
    per_minute: None,
    test_message: TestMessage {
        method: "POST",
        content_type: "application/json",
        body: r#"{"messages":[{"role":"user","content":"Test message"}],"conversation_id":"test_123","user":{"id":"test_user","platform":"telegram"},"bot":{"id":"{bot}","name":"{name}"}}"#,
    },
    chat: Some(&ChatbotPlatform),
};

#[derive(Debug)]
struct ChatbotPlatform;

impl Chat for ChatbotPlatform {
    fn keeps_history(&self) -> bool {
        false
    }

    fn stream_encoder(&self) -> Option<&'static dyn StreamEncoder> {
        Some(&stream::Events)
    }

    fn decode<'b>(&self, _: Format, body: &'b mut [u8]) -> Result<Event<'b>, Malformed> {
        field::read(body, |root| {
            let names = ["messages", "conversation_id", "user", "bot", "metadata"];
            let [messages, conversation, user, bot, metadata]: [Field<'_, 'b>; 5] =
                field::fields(root, names)?;
            let turns = crate::codec::dialect::messages::read(&messages)?;
            let [id, name, platform, username] =
                user.within(["id", "name", "platform", "username"])?;
            let word =
                |field: &Field<'_, 'b>| field.optional_word().map_err(|fault| fault.within("user"));
            bot.within([])?;
            Ok(Event {
                user: User {
                    id: word(&id)?,
                    name: word(&name)?,
                    platform: word(&platform)?,
                    username: word(&username)?,
                },
                conversation: conversation.optional_word()?,
                metadata: metadata.object()?,
                channel: metadata.loose_word("channel"),
                message_id: metadata.loose_word("message_id"),
                turns,
                native: native(root, &messages),
                ..Event::default()
            })
        })
    }

    fn encode(&self, answer: &Answer<'_>, _: &Receipt<'_>, out: &mut Vec<u8>) {
        write_json(&Reply::of(answer), out);
    }
}

/// The request in two parts, as it came.
fn native(root: Value<'_, '_>, messages: &Field<'_, '_>) -> Option<Native> {
    struct Rest<'w, 't>(Value<'w, 't>);
    impl Serialize for Rest<'_, '_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let members = self.0.as_object().into_iter().flat_map(|object| object.iter());
            let members = members.filter(|(key, _)| *key != "messages");
            serializer.collect_map(members.map(|(key, value)| (key, json::Owned(value))))
        }
    }
    Some(Native {
        messages: json::text_of(&messages.value()?)?,
        rest: serde_json::value::to_raw_value(&Rest(root)).ok()?,
    })
}

/// The seed's response.
#[derive(Serialize)]
struct Reply<'a> {
    content: &'a str,
    #[serde(skip_serializing_if = "no_files")]
    attachments: Files<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Json>,
}

impl<'a> Reply<'a> {
    fn of(answer: &'a Answer<'_>) -> Self {
        Self {
            content: &answer.text,
            attachments: Files(&answer.attachments),
            metadata: answer.metadata.as_ref(),
        }
    }
}

struct Files<'a>(&'a [Attachment<'a>]);

fn no_files(files: &Files<'_>) -> bool {
    files.0.is_empty()
}

impl Serialize for Files<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shape<'a> {
            url: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            filename: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            mime_type: Option<&'a str>,
        }
        serializer.collect_seq(self.0.iter().map(|file| Shape {
            url: &file.url,
            filename: file.filename.as_deref(),
            mime_type: file.mime_type.as_deref(),
        }))
    }
}
