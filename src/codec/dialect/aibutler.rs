//! `aibutler`: AI Butler's webhook channel (seed 001), in JSON or as the form that Twilio posts, answered in JSON or in TwiML.

mod form;
mod twiml;

use super::field::{self, Field, FieldError, Problem};
use super::reply_parts::{ReportedToolCalls, text_with_attachments, write_json};
use super::{BotIdLocation, Chat, Dialect, Format, Malformed, Receipt, Settings, TestMessage};
use crate::codec::json::Value;
use crate::codec::keys::{self, KeySchema, Written};
use crate::codec::message::{Answer, Event, File, OneOrMany, Part, Role, Turn, User};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

pub(super) static AIBUTLER: Dialect = Dialect {
    name: "aibutler",
    path: Some("/webhook/custom"),
    bot_id: BotIdLocation::Path,
    preset: Some("aibutler"),
    per_minute: None,
    test_message: TestMessage {
        method: "POST",
        content_type: "application/json",
        body: r#"{"user_id":"user-123","message":"What's the weather?","metadata":{"platform":"my-chat-app","location":"Madrid"}}"#,
    },
    chat: Some(&AiButler),
};

/// The most attachments of a message, by reference or as Twilio's media.
const MAX_ATTACHMENTS: usize = 20;

/// The keys of `[bots.ID]` that this dialect brings.
#[derive(Default, Deserialize, JsonSchema)]
struct Keys {
    /// Whether forms are always answered in TwiML.
    #[schemars(example = true, extend("default" = false))]
    twiml: Option<bool>,
}

#[derive(Debug)]
struct AiButler;

impl Chat for AiButler {
    fn takes_forms(&self) -> bool {
        true
    }

    fn keys(&self) -> Option<KeySchema> {
        Some(Keys::json_schema)
    }

    fn settings(&self, written: &Written) -> Settings {
        let Keys { twiml } = keys::read(written);
        Settings { xml: twiml == Some(true) }
    }

    fn shared_secret_user(&self) -> Option<&'static str> {
        Some("aibutler")
    }

    fn prefers_callback(&self) -> bool {
        true
    }

    fn content_type(&self, receipt: &Receipt<'_>) -> &'static str {
        match receipt.xml {
            true => "text/xml",
            false => "application/json",
        }
    }

    fn decode<'b>(&self, format: Format, body: &'b mut [u8]) -> Result<Event<'b>, Malformed> {
        if format == Format::Form {
            return form::decode(body);
        }
        field::read(body, |root| {
            let [user, message, metadata, attachments]: [Field<'_, 'b>; 4] =
                field::fields(root, ["user_id", "message", "metadata", "attachments"])?;
            let files = attachments.array(MAX_ATTACHMENTS)?;
            let files = files.iter().flatten().enumerate().map(|(index, file)| {
                attachment(file).map_err(|fault| fault.at(index).within("attachments"))
            });
            Ok(Event {
                user: User {
                    id: Some(user.word()?),
                    platform: metadata.loose_word("platform"),
                    ..User::default()
                },
                turns: turns(message.any_text()?, "message", files)?,
                metadata: metadata.object()?,
                ..Event::default()
            })
        })
    }

    fn encode(&self, answer: &Answer<'_>, receipt: &Receipt<'_>, out: &mut Vec<u8>) {
        #[derive(Serialize)]
        struct Shape<'a> {
            reply: &'a str,
            session_id: &'a str,
            tool_calls: ReportedToolCalls<'a>,
        }
        let reply = &text_with_attachments(answer);
        if receipt.xml {
            return twiml::write(reply, out);
        }
        write_json(
            &Shape {
                reply,
                session_id: &session(receipt),
                tool_calls: ReportedToolCalls(&answer.tool_calls),
            },
            out,
        );
    }

    /// Twilio is told to send nothing yet.
    fn encode_accepted(&self, receipt: &Receipt<'_>, out: &mut Vec<u8>) {
        #[derive(Serialize)]
        struct Shape<'a> {
            status: &'static str,
            session_id: &'a str,
        }
        if receipt.xml {
            return twiml::write("", out);
        }
        write_json(&Shape { status: "accepted", session_id: &session(receipt) }, out);
    }

    fn encode_callback(&self, answer: &Answer<'_>, receipt: &Receipt<'_>, out: &mut Vec<u8>) {
        #[derive(Serialize)]
        struct Shape<'a> {
            session_id: &'a str,
            reply: &'a str,
            in_reply_to: &'a str,
        }
        write_json(
            &Shape {
                session_id: &session(receipt),
                reply: &text_with_attachments(answer),
                in_reply_to: receipt.event.user.id.as_deref().unwrap_or_default(),
            },
            out,
        );
    }
}

/// The conversation's id as AI Butler writes it.
fn session(receipt: &Receipt<'_>) -> String {
    ["sess-", receipt.conversation].concat()
}

/// The user's turn: the text, which may be empty where there are files, then the files.
fn turns<'b>(
    text: Option<&'b str>,
    name: &str,
    files: impl Iterator<Item = Result<Part<'b>, FieldError>>,
) -> Result<OneOrMany<Turn<'b>>, FieldError> {
    let said = text.filter(|text| !text.is_empty());
    let mut turn = Turn {
        role: Role::User,
        parts: said.map(|text| Part::Text(Cow::Borrowed(text))).into_iter().collect(),
        tool_calls: Vec::new(),
        tool_call_id: None,
    };
    for file in files {
        turn.parts.push(file?);
    }
    match (turn.parts.is_empty(), text) {
        (true, None) => Err(FieldError::new(name, Problem::Missing)),
        (true, Some(_)) => Err(FieldError::new(name, Problem::Empty)),
        (false, _) => Ok(OneOrMany::One(turn)),
    }
}

fn attachment<'b>(file: Value<'_, 'b>) -> Result<Part<'b>, FieldError> {
    let [url, kind, filename] = field::fields(file, ["url", "mime_type", "filename"])?;
    Ok(part(url.text()?, kind.optional_word()?, filename.optional_word()?))
}

/// An image where the media type says so, or in its absence the name; a file otherwise.
fn part<'b>(
    url: Cow<'b, str>,
    mime_type: Option<Cow<'b, str>>,
    filename: Option<Cow<'b, str>>,
) -> Part<'b> {
    const IMAGES: [&str; 5] = [".png", ".jpg", ".jpeg", ".gif", ".webp"];
    let starts = |text: &str, start: &str| {
        text.get(..start.len()).is_some_and(|front| front.eq_ignore_ascii_case(start))
    };
    let ends = |text: &str, end: &str| {
        let from = text.len().checked_sub(end.len());
        from.and_then(|from| text.get(from..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    };
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let image = match &mime_type {
        Some(kind) => starts(kind, "image/"),
        None => {
            let name = filename.as_deref().unwrap_or(path);
            starts(&url, "data:image/") || IMAGES.iter().any(|end| ends(name, end))
        }
    };
    match image {
        true => Part::Image { url, detail: None },
        false => Part::File { file: File::Url(url), filename, mime_type },
    }
}
