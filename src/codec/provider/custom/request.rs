//! The request of seed 003: as it came, where it came so, or made out of what was said elsewhere.

use super::message::Message;
use super::object::Object;
use crate::codec::message::{Event, Native, ProviderRequest, Turn, User};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

/// Appends the request.
///
/// # Errors
/// None that writing into memory has.
pub(super) fn write(ask: &ProviderRequest<'_>, out: &mut Vec<u8>) -> serde_json::Result<()> {
    match &ask.event.native {
        Some(native) => pass(ask, native, out),
        None => serde_json::to_writer(out, &Request::of(ask)),
    }
}

#[derive(Serialize)]
struct Request<'a> {
    messages: Messages<'a>,
    conversation_id: Option<&'a str>,
    user: Who<'a>,
    bot: Bot<'a>,
    metadata: Metadata<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

impl<'a> Request<'a> {
    fn of(ask: &ProviderRequest<'a>) -> Self {
        let User { id, name, platform, username } = &ask.event.user;
        Self {
            messages: Messages {
                system: ask.system,
                history: ask.history,
                turns: &ask.event.turns,
            },
            conversation_id: ask.conversation,
            user: Who {
                id: id.as_deref(),
                name: name.as_deref(),
                platform: platform.as_deref(),
                username: username.as_deref(),
            },
            bot: Bot { id: ask.bot, name: ask.bot_name },
            metadata: Metadata(ask.event),
            stream: ask.stream,
        }
    }
}

/// `id` and `platform` are in every request, null where nobody knows them: the seed's own backend reads `user["id"]`.
#[derive(Serialize)]
struct Who<'a> {
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    platform: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
}

#[derive(Serialize)]
struct Bot<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

struct Messages<'a> {
    system: &'a [&'a str],
    history: &'a [Turn<'a>],
    turns: &'a [Turn<'a>],
}

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut messages = serializer.serialize_seq(None)?;
        for text in self.system.iter().filter(|text| !text.trim().is_empty()) {
            messages.serialize_element(&Message::system(text))?;
        }
        for turn in self.history.iter().chain(self.turns) {
            messages.serialize_element(&Message::of(turn))?;
        }
        messages.end()
    }
}

/// The caller's own, and where in it the message stood.
struct Metadata<'a>(&'a Event<'a>);

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ours =
            [("channel", self.0.channel.as_deref()), ("message_id", self.0.message_id.as_deref())];
        let theirs = Object::of(self.0.metadata.as_ref());
        let mut map = serializer.serialize_map(None)?;
        let stays = |key: &str| !ours.contains(&(key, None)) && !ours.iter().any(|it| it.0 == key);
        for (key, value) in theirs.entries(stays) {
            map.serialize_entry(key, value)?;
        }
        for (key, value) in ours {
            if let Some(value) = value {
                map.serialize_entry(key, value)?;
            }
        }
        map.end()
    }
}

/// Passes a request on whole, our own system texts before its messages. Whether it is streamed is not the caller's to say.
fn pass(ask: &ProviderRequest<'_>, native: &Native, out: &mut Vec<u8>) -> serde_json::Result<()> {
    out.extend_from_slice(b"{\"messages\":[");
    for text in ask.system.iter().filter(|text| !text.trim().is_empty()) {
        serde_json::to_writer(&mut *out, &Message::system(text))?;
        out.push(b',');
    }
    let messages = native.messages.get().trim();
    out.extend_from_slice(messages.strip_prefix('[').unwrap_or("]").as_bytes());
    let rest = Object::of(Some(&native.rest));
    for (key, value) in rest.entries(|key| !matches!(key, "messages" | "stream")) {
        out.push(b',');
        serde_json::to_writer(&mut *out, key)?;
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
    }
    if ask.stream {
        out.extend_from_slice(b",\"stream\":true");
    }
    out.push(b'}');
    Ok(())
}
