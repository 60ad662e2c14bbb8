//! Every reason to refuse a request, and the one place that maps it to a status, a code word and a sentence.

use crate::codec::dialect::{Malformed, default_error};
use crate::codec::message::{self, ErrorKind, ErrorResponse};
use crate::codec::provider::Unsupported;
use crate::net::client::breaker::Health;
use crate::net::client::{Cause, Sent, UpstreamError};
use crate::net::request_framing::FramingError;
use crate::signature::VerifyError;
use crate::telemetry::observer::Step;
use std::borrow::Cow;
use std::time::Duration;

/// Why a request was not forwarded, or its forwarding failed.
#[derive(Debug)]
pub enum Reject {
    /// The caller left while its body was read.
    CallerGone,
    /// The body's framing broke while it was read.
    Framing(FramingError),
    /// A path with dot segments, plain or encoded.
    DotSegments,
    /// An expectation other than `100-continue` (RFC 9110 §10.1.1).
    Expectation,
    /// No bot has this path.
    NotFound,
    /// A bot of this path takes no such method.
    Method,
    /// The body is of a kind that the dialect does not know, or is encoded.
    ContentType,
    /// A page of this origin may not call.
    Origin,
    /// This address may not call.
    Address,
    /// A handshake's own word was wrong.
    Forbidden,
    /// The body names no bot that is here; the caller learns no more than from a wrong signature.
    UnknownBot,
    /// The body is no message of its dialect.
    Malformed(Malformed),
    /// The signature is not right. The caller never learns why.
    Unverified(VerifyError),
    /// A bot's bucket is empty.
    Limited,
    /// The body is larger than the server takes.
    TooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The buffer for bodies is full.
    BufferFull,
    /// The same delivery is being answered right now.
    DuplicateInProgress,
    /// Too many messages of one conversation wait for their turn.
    ConversationFull,
    /// The turn of this message did not come in time.
    TurnTimeout,
    /// The bot has spent what it may.
    Budget,
    /// What the bot has spent cannot be read, so nothing more is spent.
    State,
    /// The message could not be put on disk, and is not accepted.
    NotPersisted,
    /// No AI of this bot can take what the message holds.
    Unsupported(Unsupported),
    /// Every AI of this bot is left alone, for this long at least.
    Unavailable(Duration),
    /// The AI refused the request.
    Refused(ErrorResponse),
    /// The AI's answer is none.
    Answer(message::AnswerError),
    /// The upstream failed.
    Upstream(UpstreamError),
}

/// What a caller, a log and a counter see of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorInfo {
    /// HTTP status.
    pub status: u16,
    /// The code word of the error body.
    pub code: &'static str,
    /// The word for logs and metrics, from [`REASONS`].
    pub reason: &'static str,
    /// What the caller is told; [`Reject::sentence`] adds details.
    sentence: &'static str,
}

const fn info(
    status: u16,
    code: &'static str,
    reason: &'static str,
    sentence: &'static str,
) -> ErrorInfo {
    ErrorInfo { status, code, reason, sentence }
}

/// Every reason that a refusal can be counted under, that of the framing check included.
#[rustfmt::skip]
pub const REASONS: [&str; 44] = [
    "caller_gone", "framing", "head_timeout", "head_too_large", "dot_segments", "expectation",
    "not_found", "method", "content_type", "origin", "address", "forbidden", "unknown_bot",
    "signature", "malformed", "limit", "too_large", "body_timeout", "buffer_full", "duplicate",
    "conversation_full", "conversation_timeout", "budget", "state", "journal", "unsupported",
    "breaker_open", "ai_limited", "ai_exhausted", "ai_overloaded", "ai_key_refused", "ai_rejected",
    "ai_slow", "ai_failed", "answer_senseless", "answer_cut", "answer_refused", "answer_filtered",
    "answer_empty", "answer_broken", "upstream_timeout", "upstream_unreachable", "upstream_error",
    "upstream_queue",
];

impl Reject {
    /// What it tells of the upstream that gave it.
    pub fn health(&self) -> Health {
        let failed = match self {
            Self::Upstream(error) => return Health::of_error(error),
            Self::Answer(fault) => matches!(
                fault,
                message::AnswerError::Invalid(_)
                    | message::AnswerError::Interrupted
                    | message::AnswerError::Overloaded
            ),
            Self::Refused(refusal) => {
                matches!(
                    refusal.kind,
                    ErrorKind::Overloaded | ErrorKind::TooSlow | ErrorKind::Failed
                )
            }
            _ => return Health::Unknown,
        };
        if failed { Health::Failure } else { Health::Success }
    }

    /// No connection to an AI was free here.
    pub fn has_no_connection(&self) -> bool {
        matches!(self, Self::Upstream(error) if matches!(error.cause, Cause::Busy))
    }

    /// An AI was asked, or would have been had it been there.
    pub fn was_asked(&self) -> bool {
        match self {
            Self::Upstream(_) => !self.has_no_connection(),
            Self::Refused(_) | Self::Answer(_) => true,
            _ => false,
        }
    }

    /// Status, code word, reason and sentence: the one place that maps them.
    // A table: one refusal a line.
    #[rustfmt::skip]
    pub fn describe(&self) -> ErrorInfo {
        const INVALID: &str = "invalid_request";
        const OVERLOADED: &str = "overloaded";
        const TIMEOUT: &str = "upstream_timeout";
        match self {
            Self::CallerGone => info(400, INVALID, "caller_gone", "The body ended early"),
            Self::Framing(fault) => describe_framing(*fault),
            Self::DotSegments => info(400, INVALID, "dot_segments", "The path must not contain dot segments"),
            Self::Expectation => info(417, INVALID, "expectation", "Only the expectation 100-continue can be met"),
            Self::NotFound => info(404, "not_found", "not_found", "Nothing is served at this path"),
            Self::Method => info(405, "method_not_allowed", "method", "This bot is spoken to by POST"),
            Self::ContentType => info(415, "unsupported_media_type", "content_type", "The body must be JSON, said to be application/json, and not compressed"),
            Self::Origin => info(403, "forbidden", "origin", "Pages of this origin may not call this bot"),
            Self::Address => info(403, "forbidden", "address", "This address may not call this bot"),
            Self::Forbidden => info(403, "forbidden", "forbidden", "The verification token is wrong"),
            Self::UnknownBot => info(401, "unauthorized", "unknown_bot", UNVERIFIED),
            Self::Unverified(_) => info(401, "unauthorized", "signature", UNVERIFIED),
            Self::Malformed(_) => info(400, INVALID, "malformed", ""),
            Self::Unsupported(_) => info(400, INVALID, "unsupported", ""),
            Self::Limited => info(429, "rate_limit", "limit", "The rate limit is exceeded; try again later"),
            Self::TooLarge => info(413, "too_large", "too_large", "The body is too large"),
            Self::BodyTimeout => info(408, "timeout", "body_timeout", "The body did not arrive in time"),
            Self::BufferFull => info(503, OVERLOADED, "buffer_full", "Too many bodies are in flight; try again in a moment"),
            Self::DuplicateInProgress => info(409, "conflict", "duplicate", "The same delivery is being answered; try again in a moment"),
            Self::ConversationFull => info(429, "rate_limit", "conversation_full", "Too many messages of this conversation wait; try again in a moment"),
            Self::TurnTimeout => info(504, TIMEOUT, "conversation_timeout", "The messages before this one were not answered in time"),
            Self::Budget => info(402, "budget_exceeded", "budget", "The bot has spent its budget"),
            Self::State => info(503, OVERLOADED, "state", "The bot's budget cannot be read; try again in a moment"),
            Self::NotPersisted => info(503, OVERLOADED, "journal", "The message could not be stored; try again in a moment"),
            Self::Unavailable(_) => info(503, "upstream_unavailable", "breaker_open", "The AI is unavailable; try again in a moment"),
            Self::Refused(refusal) => describe_refusal(refusal.kind),
            Self::Answer(fault) => describe_answer(*fault),
            Self::Upstream(error) => describe_upstream(&error.cause),
        }
    }

    /// How long the caller is asked to wait, where that is known; for [`Self::Limited`] its limit knows.
    pub fn retry_after(&self) -> Option<Duration> {
        const MOMENT: Duration = Duration::from_secs(1);
        match self {
            Self::BufferFull
            | Self::DuplicateInProgress
            | Self::ConversationFull
            | Self::State
            | Self::NotPersisted => Some(MOMENT),
            Self::Upstream(_) if self.has_no_connection() => Some(MOMENT),
            Self::Unavailable(wait) => Some((*wait).max(MOMENT)),
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }

    /// The step that an observer sees, with all that the operator may know.
    pub fn observation(&self) -> Step {
        let (word, why) = match self {
            Self::Upstream(error) => (error.cause.word(), error.to_string()),
            Self::Unverified(failure) => ("signature", failure.word().to_owned()),
            Self::Answer(fault) => (describe_answer(*fault).reason, fault.to_string()),
            other => (other.describe().reason, other.sentence().into_owned()),
        };
        Step::Failed { word, why }
    }

    /// The sentence for the caller: what went wrong and, for the upstream's part, how far the request had come.
    pub fn sentence(&self) -> Cow<'_, str> {
        let sentence = match self {
            Self::Malformed(malformed) => &*malformed.0,
            Self::Unsupported(unsupported) => &*unsupported.0,
            other => other.describe().sentence,
        };
        let Self::Upstream(error) = self else {
            return sentence.into();
        };
        let sentence = match error.cause {
            Cause::Deadline(deadline) => {
                Cow::from(format!("The upstream missed its {} deadline", deadline.word()))
            }
            _ => sentence.into(),
        };
        let sent = match error.sent {
            Sent::Unsent => "unsent",
            Sent::Partial => "partial: some of it was sent",
            Sent::Sent => "sent",
        };
        format!("{sentence}; the request was {sent}").into()
    }
}

/// What a caller learns whose signature is wrong, or whose bot does not exist: the same.
const UNVERIFIED: &str = "The request could not be verified";

// A table: one refusal a line.
#[rustfmt::skip]
fn describe_upstream(cause: &Cause) -> ErrorInfo {
    const UNREACHABLE: &str = "upstream_unreachable";
    const ERROR: &str = "upstream_error";
    match cause {
        Cause::Deadline(_) => info(504, "upstream_timeout", "upstream_timeout", ""),
        Cause::Busy => info(503, "overloaded", "upstream_queue", "The upstream has no free connection"),
        Cause::Connect(_) => info(502, UNREACHABLE, UNREACHABLE, "The upstream cannot be reached"),
        Cause::AddressRefused(_) => info(502, UNREACHABLE, UNREACHABLE, "The upstream's address is not public"),
        Cause::Tls(_) => info(502, UNREACHABLE, UNREACHABLE, "The upstream cannot be trusted or does not speak TLS"),
        Cause::Broken(_) | Cause::Closed => info(502, ERROR, ERROR, "The upstream broke the exchange off"),
        Cause::Invalid(_) => info(502, ERROR, ERROR, "The upstream's response makes no sense"),
    }
}

// A table: one refusal a line.
#[rustfmt::skip]
fn describe_refusal(kind: ErrorKind) -> ErrorInfo {
    const ERROR: &str = "upstream_error";
    match kind {
        ErrorKind::Limited => info(429, "rate_limit", "ai_limited", "The AI's rate limit is exceeded; try again later"),
        ErrorKind::Exhausted => info(503, "upstream_unavailable", "ai_exhausted", "The AI's quota is used up"),
        ErrorKind::Overloaded => info(503, "overloaded", "ai_overloaded", "The AI has too much to do; try again in a moment"),
        ErrorKind::KeyRefused => info(502, ERROR, "ai_key_refused", "The AI does not accept this server's key"),
        ErrorKind::TooLarge => info(413, "too_large", "ai_rejected", "The message is too large for the AI"),
        ErrorKind::TooSlow => info(504, "upstream_timeout", "ai_slow", "The AI took too long"),
        ErrorKind::Rejected => info(502, ERROR, "ai_rejected", "The AI did not take the request"),
        ErrorKind::Failed => info(502, ERROR, "ai_failed", "The AI failed"),
    }
}

// A table: one refusal a line.
#[rustfmt::skip]
fn describe_answer(fault: message::AnswerError) -> ErrorInfo {
    let (reason, sentence) = match fault {
        message::AnswerError::Invalid(_) => ("answer_senseless", "The AI's answer makes no sense"),
        message::AnswerError::Truncated => ("answer_cut", "The AI's answer was cut short at its token limit"),
        message::AnswerError::Refused => ("answer_refused", "The AI refused to answer"),
        message::AnswerError::Filtered => ("answer_filtered", "The AI's answer was withheld by a content filter"),
        message::AnswerError::Empty => ("answer_empty", "The AI's answer is empty"),
        message::AnswerError::Interrupted => ("answer_broken", "The AI's answer broke off"),
        message::AnswerError::Overloaded => return describe_refusal(ErrorKind::Overloaded),
    };
    info(502, "upstream_error", reason, sentence)
}

/// How a framing error of a request looks from outside.
pub fn describe_framing(error: FramingError) -> ErrorInfo {
    let (code, reason) = match error {
        FramingError::HeadTimeout => ("timeout", "head_timeout"),
        FramingError::HeadTooLarge => ("headers_too_large", "head_too_large"),
        FramingError::ControlCharacter
        | FramingError::RequestLine
        | FramingError::Version
        | FramingError::Method
        | FramingError::FieldName
        | FramingError::ObsoleteFold
        | FramingError::Host
        | FramingError::ContentLength
        | FramingError::TransferEncoding
        | FramingError::Ambiguous
        | FramingError::Chunk => ("invalid_request", "framing"),
    };
    info(error.status(), code, reason, error.message())
}

/// The error body where no dialect is known.
pub fn error_body(sentence: &str, code: &str) -> Vec<u8> {
    let mut body = Vec::new();
    default_error(sentence, code, &mut body);
    body
}

#[cfg(test)]
mod tests;
