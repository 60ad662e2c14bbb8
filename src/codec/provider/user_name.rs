//! How the AI learns the user's name: the caller's word, so context in the user's own turn and never an instruction.

use crate::codec::message::{ProviderRequest, Role};

/// The most characters of a name that are passed on.
const MAX_USER_NAME: usize = 128;

/// The current user's name and the place among the event's turns of the turn that it belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct UserName<'a> {
    text: &'a str,
    turn: usize,
}

impl<'a> UserName<'a> {
    /// Out of what is asked, where the caller told it and a user speaks.
    pub(super) fn of(ask: &ProviderRequest<'a>) -> Option<Self> {
        let text = ask.event.user.name.as_deref()?.trim();
        let turn = ask.event.turns.iter().rposition(|turn| turn.role == Role::User)?;
        (!text.is_empty()).then_some(Self { text, turn })
    }

    /// Whether it belongs to the event's turn at this place.
    pub(super) fn is_of(&self, turn: usize) -> bool {
        self.turn == turn
    }

    /// As OpenAI's `name` field takes it: up to 64 of `[A-Za-z0-9_-]`.
    pub(super) fn plain(&self) -> Option<&'a str> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        (self.text.len() <= 64 && self.text.bytes().all(fits)).then_some(self.text)
    }

    /// As a line at the head of a turn, its end included. Nothing in the name can end it earlier.
    pub(super) fn line(&self) -> String {
        let mut line = String::with_capacity(7 + self.text.len().min(4 * MAX_USER_NAME));
        line.push_str("From: ");
        let ends = |sign: char| sign.is_control() || matches!(sign, '\u{2028}' | '\u{2029}');
        line.extend(self.text.chars().take(MAX_USER_NAME).map(|sign| match sign {
            sign if ends(sign) => ' ',
            sign => sign,
        }));
        line.push('\n');
        line
    }
}
