//! What an AI answered, or why there is no answer.

use crate::codec::json::Json;
use std::borrow::Cow;
use std::time::Duration;

/// An AI's whole answer.
#[derive(Clone, Debug, Default)]
pub struct Answer<'a> {
    /// What it says. Empty only where there are tool calls or attachments.
    pub text: Cow<'a, str>,
    /// The tools that were called, as far as the backend reports them.
    pub tool_calls: Vec<ToolCall<'a>>,
    /// Files for the user.
    pub attachments: Vec<Attachment<'a>>,
    /// The backend's metadata: a JSON object.
    pub metadata: Option<Json>,
    /// What it cost in tokens; zero where the backend does not say.
    pub usage: Usage,
}

impl Answer<'_> {
    /// The same, borrowing from nothing.
    pub fn into_owned(self) -> Answer<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let calls =
            self.tool_calls.into_iter().map(|call| ToolCall { name: owned(call.name), ..call });
        let attachments = self.attachments.into_iter().map(|file| Attachment {
            url: owned(file.url),
            filename: file.filename.map(owned),
            mime_type: file.mime_type.map(owned),
        });
        Answer {
            text: owned(self.text),
            tool_calls: calls.collect(),
            attachments: attachments.collect(),
            metadata: self.metadata,
            usage: self.usage,
        }
    }
}

/// Tokens, all of them: what was read from or written to a cache counts as input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the request.
    pub input: u64,
    /// Of the answer.
    pub output: u64,
}

/// A tool that was called, in seed 000's terms.
#[derive(Clone, Debug)]
pub struct ToolCall<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// What it was called with; text that is no JSON stands in a JSON string.
    pub arguments: Json,
    /// What it gave, where the backend says.
    pub result: Option<Json>,
    /// How long it took, where the backend says.
    pub latency_ms: Option<u64>,
    /// Whether it worked, where the backend says.
    pub success: Option<bool>,
}

/// A file for the user (seed 003).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment<'a> {
    /// Where it can be fetched.
    pub url: Cow<'a, str>,
    /// Its name.
    pub filename: Option<Cow<'a, str>>,
    /// Its media type.
    pub mime_type: Option<Cow<'a, str>>,
}

/// A response with status 200 that is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It is not what its API says it is.
    #[error("the answer makes no sense: {0}")]
    Invalid(&'static str),
    /// It was cut at the token limit.
    #[error("the answer was cut short at the token limit")]
    Truncated,
    /// The model refused.
    #[error("the model refused to answer")]
    Refused,
    /// A filter withheld it.
    #[error("the answer was withheld by a content filter")]
    Filtered,
    /// It says nothing and calls nothing.
    #[error("the answer is empty")]
    Empty,
    /// A stream that ended before its end, or an error within it.
    #[error("the answer broke off")]
    Interrupted,
    /// A stream in which the AI says that it has too much to do: its 529, had it known a moment earlier.
    #[error("the AI has too much to do")]
    Overloaded,
}

/// A response with another status: what the AI says is wrong, as far as the proxy acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorResponse {
    /// What is wrong.
    pub kind: ErrorKind,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
    /// Asking again later, as told, may help: nothing was done.
    pub retryable: bool,
}

/// The kinds of refusal by an AI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// 429: too many requests or tokens.
    Limited,
    /// 429 or 402 of another sort: the account's money or quota is used up. Waiting does not help.
    Exhausted,
    /// 503, 529: it has too much to do.
    Overloaded,
    /// 401, 403: *our* key is refused. Never the caller's fault.
    KeyRefused,
    /// 413: the request is too large for it.
    TooLarge,
    /// 408, 504: it took too long for its own taste.
    TooSlow,
    /// Any other 4xx: it does not take what was sent.
    Rejected,
    /// Any other 5xx, or a status that makes no sense.
    Failed,
}
