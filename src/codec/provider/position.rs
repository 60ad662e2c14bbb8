//! Where in a conversation a part stands: what its refusal says, and whether it is refused at all.

use crate::codec::message::Role;

/// The place of one part.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartPosition {
    /// Who speaks.
    pub role: Role,
    /// The place among the event's turns; `None` in the past that is kept here.
    turn: Option<usize>,
    part: usize,
}

impl PartPosition {
    /// A turn of the conversation's memory. What the AI of then could take and this one cannot must not end the conversation: the AI
    /// is told that something stood there.
    pub(super) fn past(role: Role) -> Self {
        Self { role, turn: None, part: 0 }
    }

    /// A turn that the caller sent, the first being 0.
    pub(super) fn now(role: Role, turn: usize) -> Self {
        Self { role, turn: Some(turn), part: 0 }
    }

    /// The same turn's part, the first being 0.
    pub(super) fn at(self, part: usize) -> Self {
        Self { part, ..self }
    }

    /// What stands in the place of a part that the AI cannot take.
    ///
    /// # Errors
    /// In what the caller sent nothing does.
    pub(super) fn instead(self, what: &str) -> Result<&'static str, String> {
        match self.turn {
            None => Ok("[An attachment stood here that cannot be shown.]"),
            Some(_) => Err(self.fault(what)),
        }
    }

    /// A refusal: which part, and what is wrong with it.
    pub(super) fn fault(self, what: &str) -> String {
        match self.turn {
            Some(turn) => format!("message {}, part {}: {what}", turn + 1, self.part + 1),
            None => format!("a past message, part {}: {what}", self.part + 1),
        }
    }
}
