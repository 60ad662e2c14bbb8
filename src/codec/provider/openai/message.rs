//! The messages of a request: whose texts, in which order, with which fields.

use super::part::{Piece, piece};
use crate::codec::message::{Part, ProviderRequest, Role, Turn, TurnToolCall};
use crate::codec::provider::position::PartPosition;
use crate::codec::provider::user_name::UserName;
use serde::ser::{Error as _, SerializeSeq};
use serde::{Serialize, Serializer};

/// All messages: our own system texts, the past, what the caller sent.
pub(super) struct Messages<'a> {
    system: &'a [&'a str],
    history: &'a [Turn<'a>],
    turns: &'a [Turn<'a>],
    name: Option<UserName<'a>>,
}

impl<'a> Messages<'a> {
    pub(super) fn of(ask: &ProviderRequest<'a>) -> Self {
        Self {
            system: ask.system,
            history: ask.history,
            turns: &ask.event.turns,
            name: UserName::of(ask),
        }
    }
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Calls::is_empty")]
    tool_calls: Calls<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut messages = serializer.serialize_seq(None)?;
        for text in self.system.iter().filter(|text| !text.trim().is_empty()) {
            messages.serialize_element(&Message {
                role: "system",
                name: None,
                content: Some(Content::Text(text)),
                tool_calls: Calls(&[]),
                tool_call_id: None,
            })?;
        }
        for turn in self.history {
            let spot = PartPosition::past(turn.role);
            messages.serialize_element(&message(turn, spot, None).map_err(S::Error::custom)?)?;
        }
        for (at, turn) in self.turns.iter().enumerate() {
            let name = self.name.filter(|name| name.is_of(at));
            let spot = PartPosition::now(turn.role, at);
            messages.serialize_element(&message(turn, spot, name).map_err(S::Error::custom)?)?;
        }
        messages.end()
    }
}

fn message<'a>(
    turn: &'a Turn<'a>,
    spot: PartPosition,
    name: Option<UserName<'a>>,
) -> Result<Message<'a>, String> {
    let plain = name.and_then(|name| name.plain());
    let head = match plain {
        Some(_) => None,
        None => name.map(|name| name.line()),
    };
    let call_id = turn.tool_call_id.as_deref();
    if turn.role == Role::Tool && call_id.is_none() {
        return Err(spot.fault("a tool's message needs the tool_call_id that it answers"));
    }
    Ok(Message {
        role: match turn.role {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        },
        name: plain,
        content: match (&*turn.parts, head) {
            ([], _) if !turn.tool_calls.is_empty() => None,
            ([], _) => Some(Content::Text("")),
            ([Part::Text(text)], None) => Some(Content::Text(text)),
            ([Part::Text(text)], Some(head)) => Some(Content::Headed(head, text)),
            (parts, head) => Some(Content::Parts { head, parts, spot }),
        },
        tool_calls: Calls(&turn.tool_calls),
        tool_call_id: call_id,
    })
}

/// What a message says: plain text wherever that is enough, since every server that speaks this language reads it.
enum Content<'a> {
    Text(&'a str),
    Headed(String, &'a str),
    Parts { head: Option<String>, parts: &'a [Part<'a>], spot: PartPosition },
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Headed(head, text) => serializer.collect_str(&format_args!("{head}{text}")),
            Self::Parts { head, parts, spot } => {
                let mut pieces = serializer.serialize_seq(None)?;
                if let Some(head) = head {
                    pieces.serialize_element(&Piece::Text { text: head })?;
                }
                for (at, part) in parts.iter().enumerate() {
                    let piece = piece(part, spot.at(at)).map_err(S::Error::custom)?;
                    pieces.serialize_element(&piece)?;
                }
                pieces.end()
            }
        }
    }
}

/// The tools that an assistant called: as they were.
struct Calls<'a>(&'a [TurnToolCall<'a>]);

impl Calls<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Serialize)]
struct Tool<'a> {
    id: &'a str,
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl Serialize for Calls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|call| Tool {
            id: &call.id,
            r#type: "function",
            function: Function { name: &call.name, arguments: &call.arguments },
        }))
    }
}
