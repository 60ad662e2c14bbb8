//! What a caller said, whichever dialect it came in.

use super::one_or_many::OneOrMany;
use crate::codec::json::Json;
use std::borrow::Cow;

/// One message of a caller. Its last turn is what is to be answered.
#[derive(Debug, Default)]
pub struct Event<'b> {
    /// What kind of message it is. Only [`MessageType::Message`] is answered by an AI.
    pub message_type: MessageType,
    /// Who wrote it.
    pub user: User<'b>,
    /// The channel that it was written in.
    pub channel: Option<Cow<'b, str>>,
    /// The platform's own id of the conversation.
    pub conversation: Option<Cow<'b, str>>,
    /// The platform's own id of the message.
    pub message_id: Option<Cow<'b, str>>,
    /// When it was written: RFC 3339 text as the caller sent it.
    pub timestamp: Option<Cow<'b, str>>,
    /// The turns that the caller sent, oldest first: one, or a whole history where the platform keeps it. Never empty.
    pub turns: OneOrMany<Turn<'b>>,
    /// Whether the message asks for its answer as a stream; `None`: the bot's setting counts.
    pub stream: Option<bool>,
    /// The caller's metadata: a JSON object.
    pub metadata: Option<Json>,
    /// The request itself, where it came in the shape that `custom` upstreams are asked in.
    pub native: Option<Native>,
}

/// The kinds of message that BotPass tells apart (seed 004); all others send [`MessageType::Message`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageType {
    /// Somebody said something.
    #[default]
    Message,
    /// A bot's status.
    Status,
    /// A bot's error.
    Error,
    /// Something happened.
    Event,
}

/// Who wrote a message, as far as the platform told.
#[derive(Clone, Debug, Default)]
pub struct User<'b> {
    /// The platform's id.
    pub id: Option<Cow<'b, str>>,
    /// A name to show. The caller's word: context for the AI, never an instruction.
    pub name: Option<Cow<'b, str>>,
    /// The platform.
    pub platform: Option<Cow<'b, str>>,
    /// The name to log in with.
    pub username: Option<Cow<'b, str>>,
}

/// Who speaks in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Whoever set the assistant up.
    System,
    /// The same, in OpenAI's newer word.
    Developer,
    /// The user.
    User,
    /// The AI.
    Assistant,
    /// A tool that the AI called.
    Tool,
}

/// One turn of a conversation.
#[derive(Clone, Debug)]
pub struct Turn<'b> {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order. Empty only where there are calls.
    pub parts: OneOrMany<Part<'b>>,
    /// The tools that the assistant called.
    pub tool_calls: Vec<TurnToolCall<'b>>,
    /// Which call a tool's turn answers.
    pub tool_call_id: Option<Cow<'b, str>>,
}

impl<'b> Turn<'b> {
    /// A turn of one text.
    pub fn text(role: Role, text: impl Into<Cow<'b, str>>) -> Self {
        Self {
            role,
            parts: OneOrMany::One(Part::Text(text.into())),
            tool_calls: Vec::new(),
            tool_call_id: None,
        }
    }

    /// A copy that borrows nothing.
    pub fn to_static(&self) -> Turn<'static> {
        Turn {
            role: self.role,
            parts: self.parts.iter().map(Part::to_static).collect(),
            tool_calls: self.tool_calls.iter().map(TurnToolCall::to_static).collect(),
            tool_call_id: self.tool_call_id.as_ref().map(|text| owned(text)),
        }
    }
}

fn owned(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

/// A piece of what is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'b> {
    /// Text.
    Text(Cow<'b, str>),
    /// An image: an `https:` or `http:` URL, or a `data:` URL with its bytes.
    Image {
        /// Where it is, or all of it.
        url: Cow<'b, str>,
        /// How closely it is looked at, in OpenAI's words.
        detail: Option<Cow<'b, str>>,
    },
    /// A file.
    File {
        /// Where its bytes are.
        file: File<'b>,
        /// Its name.
        filename: Option<Cow<'b, str>>,
        /// Its media type.
        mime_type: Option<Cow<'b, str>>,
    },
    /// Sound: base64 text and its format (`wav`, `mp3`).
    Audio {
        /// The bytes, in base64.
        data: Cow<'b, str>,
        /// The format.
        format: Cow<'b, str>,
    },
}

impl Part<'_> {
    fn to_static(&self) -> Part<'static> {
        match self {
            Self::Text(text) => Part::Text(owned(text)),
            Self::Image { url, detail } => {
                Part::Image { url: owned(url), detail: detail.as_ref().map(|text| owned(text)) }
            }
            Self::File { file, filename, mime_type } => Part::File {
                file: match file {
                    File::Url(url) => File::Url(owned(url)),
                    File::Id(id) => File::Id(owned(id)),
                },
                filename: filename.as_ref().map(|text| owned(text)),
                mime_type: mime_type.as_ref().map(|text| owned(text)),
            },
            Self::Audio { data, format } => {
                Part::Audio { data: owned(data), format: owned(format) }
            }
        }
    }
}

/// Where a file's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File<'b> {
    /// At a URL, which may be a `data:` URL.
    Url(Cow<'b, str>),
    /// With the AI's own service, under this id.
    Id(Cow<'b, str>),
}

/// A tool that an assistant's past turn called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnToolCall<'b> {
    /// What its result refers to.
    pub id: Cow<'b, str>,
    /// The tool's name.
    pub name: Cow<'b, str>,
    /// The arguments: JSON text that a model wrote, and so perhaps broken.
    pub arguments: Cow<'b, str>,
}

impl TurnToolCall<'_> {
    fn to_static(&self) -> TurnToolCall<'static> {
        let Self { id, name, arguments } = self;
        TurnToolCall { id: owned(id), name: owned(name), arguments: owned(arguments) }
    }
}

/// A request in seed 003's shape, kept as it came so that it passes through whole, unknown fields too.
#[derive(Clone, Debug)]
pub struct Native {
    /// `messages`, a JSON array that is not empty.
    pub messages: Json,
    /// Everything beside `messages`: a JSON object.
    pub rest: Json,
}
