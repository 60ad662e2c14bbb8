//! The one language that dialects and upstream codecs have in common: what a caller said, what an AI answered.
//!
//! A dialect turns bytes into an [`Event`] and an [`Answer`] into bytes; a codec turns an [`ProviderRequest`] into bytes and bytes into an
//! [`Answer`]. Neither knows which of the other kind it works with. Texts borrow from the body that they were read from.

mod answer;
mod event;
mod one_or_many;

pub use answer::{Answer, AnswerError, Attachment, ErrorKind, ErrorResponse, ToolCall, Usage};
pub use event::{Event, File, MessageType, Native, Part, Role, Turn, TurnToolCall, User};
pub use one_or_many::OneOrMany;

/// What an AI is asked: everything that its codec may write into the request.
#[derive(Debug)]
pub struct ProviderRequest<'a> {
    /// The bot's id.
    pub bot: &'a str,
    /// The bot's name.
    pub bot_name: Option<&'a str>,
    /// The conversation's own id, stable for its life; the caller's where the platform sent one.
    pub conversation: Option<&'a str>,
    /// The model's name, where the upstream has one.
    pub model: Option<&'a str>,
    /// The most tokens that may be answered.
    pub max_tokens: u32,
    /// The version of the upstream's API, where it has versions.
    pub version: Option<&'a str>,
    /// System texts in force before the caller's own: the bot's, then the upstream's.
    pub system: &'a [&'a str],
    /// Past turns out of the conversation's memory, oldest first, the first one a user's.
    pub history: &'a [Turn<'a>],
    /// What the caller said now.
    pub event: &'a Event<'a>,
    /// The answer is wanted as a stream.
    pub stream: bool,
}
