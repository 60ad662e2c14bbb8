//! Every refusal of the line, and the one place that maps it to a status, a code word and a sentence.

use crate::codec::dialect::{Malformed, default_error};
use crate::codec::message::{self, ErrorKind, ErrorResponse};
use crate::codec::provider::Unsupported;
use crate::net::client::breaker::Health;
use crate::net::client::{Cause, Sent, UpstreamError};
use crate::net::request_framing::Fault;
use crate::signature::Failure;
use crate::telemetry::observer::Step;
use std::time::Duration;

/// Why a request was not forwarded, or its forwarding failed.
#[derive(Debug)]
pub enum Reject {
    /// The caller left while its body was read.
    CallerGone,
    /// The body's framing broke while it was read.
    Framing(Fault),
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
    Unverified(Failure),
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

/// What a refusal looks like from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorInfo {
    /// HTTP status.
    pub status: u16,
    /// The code word of the error body.
    pub code: &'static str,
    /// The word for logs and metrics, from [`REASONS`].
    pub reason: &'static str,
    /// `Retry-After` in seconds, where it is fixed.
    pub retry_after: Option<u8>,
}

/// Every reason that a refusal, by the gate or by the line, can be counted under.
pub const REASONS: [&str; 44] = [
    "caller_gone",
    "framing",
    "head_timeout",
    "head_too_large",
    "dot_segments",
    "expectation",
    "not_found",
    "method",
    "content_type",
    "origin",
    "address",
    "forbidden",
    "unknown_bot",
    "signature",
    "malformed",
    "limit",
    "too_large",
    "body_timeout",
    "buffer_full",
    "duplicate",
    "conversation_full",
    "conversation_timeout",
    "budget",
    "state",
    "journal",
    "unsupported",
    "breaker_open",
    "ai_limited",
    "ai_exhausted",
    "ai_overloaded",
    "ai_key_refused",
    "ai_rejected",
    "ai_slow",
    "ai_failed",
    "answer_senseless",
    "answer_cut",
    "answer_refused",
    "answer_filtered",
    "answer_empty",
    "answer_broken",
    "upstream_timeout",
    "upstream_unreachable",
    "upstream_error",
    "upstream_queue",
];

impl Reject {
    /// What it tells of the upstream that gave it.
    pub fn health(&self) -> Health {
        let ill = match self {
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
        if ill { Health::Failure } else { Health::Success }
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

    /// Status, code and reason.
    pub fn describe(&self) -> ErrorInfo {
        let face =
            |status, code, reason, retry_after| ErrorInfo { status, code, reason, retry_after };
        match self {
            Self::CallerGone => face(400, "invalid_request", "caller_gone", None),
            Self::Framing(fault) => describe_fault(*fault),
            Self::DotSegments => face(400, "invalid_request", "dot_segments", None),
            Self::Expectation => face(417, "invalid_request", "expectation", None),
            Self::NotFound => face(404, "not_found", "not_found", None),
            Self::Method => face(405, "method_not_allowed", "method", None),
            Self::ContentType => face(415, "unsupported_media_type", "content_type", None),
            Self::Origin => face(403, "forbidden", "origin", None),
            Self::Address => face(403, "forbidden", "address", None),
            Self::Forbidden => face(403, "forbidden", "forbidden", None),
            Self::UnknownBot => face(401, "unauthorized", "unknown_bot", None),
            Self::Unverified(_) => face(401, "unauthorized", "signature", None),
            Self::Malformed(_) => face(400, "invalid_request", "malformed", None),
            Self::Limited => face(429, "rate_limit", "limit", None),
            Self::TooLarge => face(413, "too_large", "too_large", None),
            Self::BodyTimeout => face(408, "timeout", "body_timeout", None),
            Self::BufferFull => face(503, "overloaded", "buffer_full", Some(1)),
            Self::DuplicateInProgress => face(409, "conflict", "duplicate", Some(1)),
            Self::ConversationFull => face(429, "rate_limit", "conversation_full", Some(1)),
            Self::TurnTimeout => face(504, "upstream_timeout", "conversation_timeout", None),
            Self::Budget => face(402, "budget_exceeded", "budget", None),
            Self::State => face(503, "overloaded", "state", Some(1)),
            Self::NotPersisted => face(503, "overloaded", "journal", Some(1)),
            Self::Unsupported(_) => face(400, "invalid_request", "unsupported", None),
            Self::Unavailable(_) => face(503, "upstream_unavailable", "breaker_open", None),
            Self::Refused(refusal) => describe_refusal(refusal.kind),
            Self::Answer(message::AnswerError::Overloaded) => {
                describe_refusal(ErrorKind::Overloaded)
            }
            Self::Answer(fault) => face(502, "upstream_error", answer_reason(*fault), None),
            Self::Upstream(error) => match error.cause {
                Cause::Deadline(_) => face(504, "upstream_timeout", "upstream_timeout", None),
                Cause::Busy => face(503, "overloaded", "upstream_queue", Some(1)),
                Cause::Connect(_) | Cause::Refused(_) | Cause::Tls(_) => {
                    face(502, "upstream_unreachable", "upstream_unreachable", None)
                }
                Cause::Broken(_) | Cause::Closed | Cause::Invalid(_) => {
                    face(502, "upstream_error", "upstream_error", None)
                }
            },
        }
    }

    /// The same for a witness, with all that the operator may know.
    pub fn observation(&self) -> Step {
        let (word, why) = match self {
            Self::Upstream(error) => (error.cause.word(), error.to_string()),
            Self::Unverified(failure) => ("signature", failure.word().to_owned()),
            Self::Answer(fault) => (answer_reason(*fault), fault.to_string()),
            other => (other.describe().reason, other.sentence()),
        };
        Step::Failed { word, why }
    }

    /// The sentence for the caller: what went wrong and, for the upstream's part, how far the request had come.
    pub fn sentence(&self) -> String {
        match self {
            Self::CallerGone => "The body ended early".to_owned(),
            Self::Framing(fault) => fault.sentence().to_owned(),
            Self::DotSegments => "The path must not contain dot segments".to_owned(),
            Self::Expectation => "Only the expectation 100-continue can be met".to_owned(),
            Self::NotFound => "Nothing is served at this path".to_owned(),
            Self::Method => "This bot is spoken to by POST".to_owned(),
            Self::ContentType => {
                "The body must be JSON, said to be application/json, and not compressed".to_owned()
            }
            Self::Origin => "Pages of this origin may not call this bot".to_owned(),
            Self::Address => "This address may not call this bot".to_owned(),
            Self::Forbidden => "The verification token is wrong".to_owned(),
            Self::Malformed(malformed) => malformed.to_string(),
            Self::UnknownBot | Self::Unverified(_) => {
                "The request could not be verified".to_owned()
            }
            Self::Limited => "The rate limit is exceeded; try again later".to_owned(),
            Self::TooLarge => "The body is too large".to_owned(),
            Self::BodyTimeout => "The body did not arrive in time".to_owned(),
            Self::BufferFull => "Too many bodies are in flight; try again in a moment".to_owned(),
            Self::DuplicateInProgress => {
                "The same delivery is being answered; try again in a moment".to_owned()
            }
            Self::ConversationFull => {
                "Too many messages of this conversation wait; try again in a moment".to_owned()
            }
            Self::TurnTimeout => {
                "The messages before this one were not answered in time".to_owned()
            }
            Self::Budget => "The bot has spent its budget".to_owned(),
            Self::State => "The bot's budget cannot be read; try again in a moment".to_owned(),
            Self::NotPersisted => {
                "The message could not be stored; try again in a moment".to_owned()
            }
            Self::Unsupported(unsupported) => unsupported.to_string(),
            Self::Unavailable(_) => "The AI is unavailable; try again in a moment".to_owned(),
            Self::Refused(refusal) => refusal_sentence(refusal.kind).to_owned(),
            Self::Answer(fault) => answer_sentence(*fault).to_owned(),
            Self::Upstream(error) => {
                let what = match &error.cause {
                    Cause::Deadline(deadline) => {
                        format!("The upstream missed its {} deadline", deadline.word())
                    }
                    Cause::Busy => "The upstream has no free connection".to_owned(),
                    Cause::Connect(_) => "The upstream cannot be reached".to_owned(),
                    Cause::Refused(_) => "The upstream's address is not public".to_owned(),
                    Cause::Tls(_) => {
                        "The upstream cannot be trusted or does not speak TLS".to_owned()
                    }
                    Cause::Broken(_) | Cause::Closed => {
                        "The upstream broke the exchange off".to_owned()
                    }
                    Cause::Invalid(_) => "The upstream's response makes no sense".to_owned(),
                };
                format!(
                    "{what}; the request was {}",
                    match error.sent {
                        Sent::Unsent => "unsent",
                        Sent::Partial => "partial: some of it was sent",
                        Sent::Sent => "sent",
                    }
                )
            }
        }
    }
}

fn describe_refusal(outcome: ErrorKind) -> ErrorInfo {
    let (status, code, reason) = match outcome {
        ErrorKind::Limited => (429, "rate_limit", "ai_limited"),
        ErrorKind::Exhausted => (503, "upstream_unavailable", "ai_exhausted"),
        ErrorKind::Overloaded => (503, "overloaded", "ai_overloaded"),
        ErrorKind::KeyRefused => (502, "upstream_error", "ai_key_refused"),
        ErrorKind::TooLarge => (413, "too_large", "ai_rejected"),
        ErrorKind::TooSlow => (504, "upstream_timeout", "ai_slow"),
        ErrorKind::Rejected => (502, "upstream_error", "ai_rejected"),
        ErrorKind::Failed => (502, "upstream_error", "ai_failed"),
    };
    ErrorInfo { status, code, reason, retry_after: None }
}

fn refusal_sentence(outcome: ErrorKind) -> &'static str {
    match outcome {
        ErrorKind::Limited => "The AI's rate limit is exceeded; try again later",
        ErrorKind::Exhausted => "The AI's quota is used up",
        ErrorKind::Overloaded => "The AI has too much to do; try again in a moment",
        ErrorKind::KeyRefused => "The AI does not accept this server's key",
        ErrorKind::TooLarge => "The message is too large for the AI",
        ErrorKind::TooSlow => "The AI took too long",
        ErrorKind::Rejected => "The AI did not take the request",
        ErrorKind::Failed => "The AI failed",
    }
}

fn answer_reason(fault: message::AnswerError) -> &'static str {
    match fault {
        message::AnswerError::Invalid(_) => "answer_senseless",
        message::AnswerError::Truncated => "answer_cut",
        message::AnswerError::Refused => "answer_refused",
        message::AnswerError::Filtered => "answer_filtered",
        message::AnswerError::Empty => "answer_empty",
        message::AnswerError::Interrupted => "answer_broken",
        message::AnswerError::Overloaded => "ai_overloaded",
    }
}

fn answer_sentence(fault: message::AnswerError) -> &'static str {
    match fault {
        message::AnswerError::Invalid(_) => "The AI's answer makes no sense",
        message::AnswerError::Truncated => "The AI's answer was cut short at its token limit",
        message::AnswerError::Refused => "The AI refused to answer",
        message::AnswerError::Filtered => "The AI's answer was withheld by a content filter",
        message::AnswerError::Empty => "The AI's answer is empty",
        message::AnswerError::Interrupted => "The AI's answer broke off",
        message::AnswerError::Overloaded => refusal_sentence(ErrorKind::Overloaded),
    }
}

/// The face of a fault of the gate.
pub fn describe_fault(fault: Fault) -> ErrorInfo {
    let (code, reason) = match fault {
        Fault::HeadTimeout => ("timeout", "head_timeout"),
        Fault::HeadTooLarge => ("headers_too_large", "head_too_large"),
        Fault::ControlCharacter
        | Fault::RequestLine
        | Fault::Version
        | Fault::Method
        | Fault::FieldName
        | Fault::Fold
        | Fault::Host
        | Fault::ContentLength
        | Fault::TransferEncoding
        | Fault::Ambiguous
        | Fault::Chunk => ("invalid_request", "framing"),
    };
    ErrorInfo { status: fault.status(), code, reason, retry_after: None }
}

/// The error body where no dialect is known.
pub fn error_body(sentence: &str, code: &str) -> Vec<u8> {
    let mut body = Vec::new();
    default_error(sentence, code, &mut body);
    body
}

#[cfg(test)]
mod tests;
