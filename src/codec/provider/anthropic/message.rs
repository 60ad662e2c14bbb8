//! The system texts and the messages of a request. Whoever sets the assistant up stands apart; neighbours on one side are one
//! message, so that the results of all tools are in the message that follows the calls.

use super::block::{Block, Input, Parts, is_blank, parts};
use crate::codec::message::{Part, ProviderRequest, Role, Turn};
use crate::codec::provider::position::PartPosition;
use crate::codec::provider::user_name::UserName;
use serde::ser::{Error as _, SerializeSeq};
use serde::{Serialize, Serializer};
use smallvec::SmallVec;
use std::borrow::Cow;

/// All system texts in order: ours, then the caller's, wherever they stood.
pub(super) struct System<'a> {
    ours: &'a [&'a str],
    turns: &'a [Turn<'a>],
}

impl<'a> System<'a> {
    pub(super) fn of(ask: &ProviderRequest<'a>) -> Self {
        Self { ours: ask.system, turns: &ask.event.turns }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ours.iter().all(|text| is_blank(text)) && !self.turns.iter().any(is_system)
    }
}

impl Serialize for System<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut blocks = serializer.serialize_seq(None)?;
        for text in self.ours.iter().filter(|text| !is_blank(text)) {
            blocks.serialize_element(&Block::Text { text })?;
        }
        for (at, turn) in self.turns.iter().enumerate() {
            if is_system(turn) {
                let spot = PartPosition::now(turn.role, at);
                parts(&mut blocks, turn, spot)?;
            }
        }
        blocks.end()
    }
}

/// All messages that are no system's and say something: the past, then what the caller sent.
pub(super) struct Messages<'a> {
    turns: SmallVec<[(&'a Turn<'a>, PartPosition, Option<UserName<'a>>); 4]>,
}

impl<'a> Messages<'a> {
    pub(super) fn of(ask: &ProviderRequest<'a>) -> Self {
        let name = UserName::of(ask);
        let past = ask.history.iter().map(|turn| (turn, PartPosition::past(turn.role), None));
        let now = ask.event.turns.iter().enumerate().map(|(at, turn)| {
            let name = name.filter(|name| name.is_of(at));
            (turn, PartPosition::now(turn.role, at), name)
        });
        Self { turns: past.chain(now).filter(|(turn, ..)| speaks(turn)).collect() }
    }

    /// Who speaks last.
    pub(super) fn last(&self) -> Option<Role> {
        self.turns.last().map(|(turn, ..)| turn.role)
    }
}

/// Neighbours on one side.
type Group<'g, 'a> = &'g [(&'a Turn<'a>, PartPosition, Option<UserName<'a>>)];

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Message<'g, 'a> {
            role: &'static str,
            content: MergedMessage<'g, 'a>,
        }
        let answers = |role| role == Role::Assistant;
        let groups =
            self.turns.chunk_by(|(one, ..), (other, ..)| answers(one.role) == answers(other.role));
        serializer.collect_seq(groups.map(|group| Message {
            role: match group {
                [(turn, ..), ..] if answers(turn.role) => "assistant",
                _ => "user",
            },
            content: MergedMessage(group),
        }))
    }
}

/// What one message says.
struct MergedMessage<'g, 'a>(Group<'g, 'a>);

impl Serialize for MergedMessage<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut blocks = serializer.serialize_seq(None)?;
        let is_result = |turn: &Turn<'_>| turn.role == Role::Tool;
        for (turn, spot, _) in self.0.iter().filter(|(turn, ..)| is_result(turn)) {
            let Some(id) = turn.tool_call_id.as_deref() else {
                let what = "a tool's message needs the tool_call_id that it answers";
                return Err(S::Error::custom(spot.fault(what)));
            };
            blocks.serialize_element(&Block::ToolResult {
                tool_use_id: id_of(id),
                content: speech(turn).then_some(Parts(turn, *spot)),
            })?;
        }
        for (turn, spot, name) in self.0.iter().filter(|(turn, ..)| !is_result(turn)) {
            if let Some(name) = name {
                blocks.serialize_element(&Block::Text { text: &name.line() })?;
            }
            parts(&mut blocks, turn, *spot)?;
            for call in &turn.tool_calls {
                blocks.serialize_element(&Block::ToolUse {
                    id: id_of(&call.id),
                    name: &call.name,
                    input: Input(&call.arguments),
                })?;
            }
        }
        blocks.end()
    }
}

/// The id of a call in the alphabet that this API takes.
fn id_of(id: &str) -> Cow<'_, str> {
    let fits = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-');
    match id.chars().all(fits) {
        true => Cow::Borrowed(id),
        false => Cow::Owned(id.replace(|sign| !fits(sign), "_")),
    }
}

fn speaks(turn: &Turn<'_>) -> bool {
    !matches!(turn.role, Role::System | Role::Developer)
        && (turn.role == Role::Tool || !turn.tool_calls.is_empty() || speech(turn))
}

fn is_system(turn: &Turn<'_>) -> bool {
    matches!(turn.role, Role::System | Role::Developer) && speech(turn)
}

/// Whether a turn's parts hold more than white space.
fn speech(turn: &Turn<'_>) -> bool {
    let blank = |part: &Part<'_>| matches!(part, Part::Text(text) if is_blank(text));
    !turn.parts.iter().all(blank)
}
