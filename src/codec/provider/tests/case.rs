//! An ask out of a fixture.

use crate::codec::message::{
    Event, File, Native, Part, ProviderRequest, Role, Turn, TurnToolCall, User,
};
use crate::codec::provider::{Codec, Unsupported};
use serde::Deserialize;
use std::borrow::Cow;
use std::fs;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    bot: String,
    bot_name: Option<String>,
    conversation: Option<String>,
    model: Option<String>,
    max_tokens: u32,
    version: Option<String>,
    #[serde(default)]
    system: Vec<String>,
    #[serde(default)]
    history: Vec<CaseTurn>,
    event: Told,
    #[serde(default)]
    stream: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    turns: Vec<CaseTurn>,
    user: Who,
    channel: Option<String>,
    conversation: Option<String>,
    message_id: Option<String>,
    metadata: Option<Box<serde_json::value::RawValue>>,
    native: Option<Whole>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    id: Option<String>,
    name: Option<String>,
    platform: Option<String>,
    username: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    messages: Box<serde_json::value::RawValue>,
    rest: Box<serde_json::value::RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseTurn {
    role: String,
    text: Option<String>,
    #[serde(default)]
    parts: Vec<Piece>,
    #[serde(default)]
    calls: Vec<Called>,
    call_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Piece {
    text: Option<String>,
    image: Option<String>,
    detail: Option<String>,
    file_url: Option<String>,
    file_id: Option<String>,
    filename: Option<String>,
    mime_type: Option<String>,
    audio: Option<String>,
    format: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Called {
    id: String,
    name: String,
    arguments: String,
}

fn borrowed(text: &Option<String>) -> Option<Cow<'_, str>> {
    text.as_deref().map(Cow::Borrowed)
}

/// A value without the white space that makes a fixture readable.
fn compact(json: &serde_json::value::RawValue) -> Box<serde_json::value::RawValue> {
    let mut bytes = json.get().as_bytes().to_vec();
    let text = crate::codec::json::read(&mut bytes, |value| crate::codec::json::text_of(&value));
    text.unwrap().unwrap()
}

impl Case {
    pub(super) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(super) fn encode(&self, codec: &dyn Codec, out: &mut Vec<u8>) -> Result<(), Unsupported> {
        let system: Vec<&str> = self.system.iter().map(String::as_str).collect();
        let history: Vec<Turn<'_>> = self.history.iter().map(CaseTurn::turn).collect();
        let event = self.event.event();
        let ask = ProviderRequest {
            bot: &self.bot,
            bot_name: self.bot_name.as_deref(),
            conversation: self.conversation.as_deref(),
            model: self.model.as_deref(),
            max_tokens: self.max_tokens,
            version: self.version.as_deref(),
            system: &system,
            history: &history,
            event: &event,
            stream: self.stream,
        };
        codec.encode(&ask, out)
    }
}

impl Told {
    fn event(&self) -> Event<'_> {
        let Who { id, name, platform, username } = &self.user;
        Event {
            user: User {
                id: borrowed(id),
                name: borrowed(name),
                platform: borrowed(platform),
                username: borrowed(username),
            },
            channel: borrowed(&self.channel),
            conversation: borrowed(&self.conversation),
            message_id: borrowed(&self.message_id),
            turns: self.turns.iter().map(CaseTurn::turn).collect(),
            metadata: self.metadata.as_deref().map(compact),
            native: self.native.as_ref().map(|native| Native {
                messages: compact(&native.messages),
                rest: compact(&native.rest),
            }),
            ..Event::default()
        }
    }
}

impl CaseTurn {
    fn turn(&self) -> Turn<'_> {
        let role = match &*self.role {
            "system" => Role::System,
            "developer" => Role::Developer,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" => Role::Tool,
            other => panic!("no role {other}"),
        };
        let text = self.text.as_deref().map(|text| Part::Text(text.into()));
        let calls = self.calls.iter().map(|call| TurnToolCall {
            id: Cow::Borrowed(&call.id),
            name: Cow::Borrowed(&call.name),
            arguments: Cow::Borrowed(&call.arguments),
        });
        Turn {
            role,
            parts: text.into_iter().chain(self.parts.iter().map(Piece::part)).collect(),
            tool_calls: calls.collect(),
            tool_call_id: borrowed(&self.call_id),
        }
    }
}

impl Piece {
    fn part(&self) -> Part<'_> {
        let file = |file| Part::File {
            file,
            filename: borrowed(&self.filename),
            mime_type: borrowed(&self.mime_type),
        };
        match self {
            Self { text: Some(text), .. } => Part::Text(text.into()),
            Self { image: Some(url), .. } => {
                Part::Image { url: url.into(), detail: borrowed(&self.detail) }
            }
            Self { file_url: Some(url), .. } => file(File::Url(url.into())),
            Self { file_id: Some(id), .. } => file(File::Id(id.into())),
            Self { audio: Some(data), format: Some(format), .. } => {
                Part::Audio { data: data.into(), format: format.into() }
            }
            _ => panic!("an empty part"),
        }
    }
}
