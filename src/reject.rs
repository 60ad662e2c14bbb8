//! Every refusal of the line, and the one place that maps it to a status, a code word and a sentence.

use crate::client::{Cause, Sent, UpstreamError};
use crate::dialect::default_error;
use crate::gate::Fault;
use crate::signature::Failure;

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
    /// A handshake's own word was wrong.
    Forbidden,
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
    InTheMaking,
    /// The upstream failed.
    Upstream(UpstreamError),
}

/// What a refusal looks like from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Face {
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
pub const REASONS: [&str; 18] = [
    "caller_gone",
    "framing",
    "head_timeout",
    "head_too_large",
    "dot_segments",
    "expectation",
    "not_found",
    "forbidden",
    "signature",
    "limit",
    "too_large",
    "body_timeout",
    "buffer_full",
    "duplicate",
    "upstream_timeout",
    "upstream_unreachable",
    "upstream_error",
    "upstream_queue",
];

impl Reject {
    /// Status, code and reason.
    pub fn face(&self) -> Face {
        let face = |status, code, reason, retry_after| Face {
            status,
            code,
            reason,
            retry_after,
        };
        match self {
            Self::CallerGone => face(400, "invalid_request", "caller_gone", None),
            Self::Framing(fault) => fault_face(*fault),
            Self::DotSegments => face(400, "invalid_request", "dot_segments", None),
            Self::Expectation => face(417, "invalid_request", "expectation", None),
            Self::NotFound => face(404, "not_found", "not_found", None),
            Self::Forbidden => face(403, "forbidden", "forbidden", None),
            Self::Unverified(_) => face(401, "unauthorized", "signature", None),
            Self::Limited => face(429, "rate_limit", "limit", None),
            Self::TooLarge => face(413, "too_large", "too_large", None),
            Self::BodyTimeout => face(408, "timeout", "body_timeout", None),
            Self::BufferFull => face(503, "overloaded", "buffer_full", Some(1)),
            Self::InTheMaking => face(409, "conflict", "duplicate", Some(1)),
            Self::Upstream(error) => match error.cause {
                Cause::Deadline(_) => face(504, "upstream_timeout", "upstream_timeout", None),
                Cause::Busy => face(503, "overloaded", "upstream_queue", Some(1)),
                Cause::Connect(_) | Cause::Tls(_) => {
                    face(502, "upstream_unreachable", "upstream_unreachable", None)
                }
                Cause::Broken(_) | Cause::Gone | Cause::Senseless(_) => {
                    face(502, "upstream_error", "upstream_error", None)
                }
            },
        }
    }

    /// The sentence for the caller: what went wrong and, for the upstream's part, how far the request had come.
    pub fn sentence(&self) -> String {
        match self {
            Self::CallerGone => "The body ended early".to_owned(),
            Self::Framing(fault) => fault.sentence().to_owned(),
            Self::DotSegments => "The path must not contain dot segments".to_owned(),
            Self::Expectation => "Only the expectation 100-continue can be met".to_owned(),
            Self::NotFound => "Nothing is served at this path".to_owned(),
            Self::Forbidden => "The verification token is wrong".to_owned(),
            Self::Unverified(_) => "The request could not be verified".to_owned(),
            Self::Limited => "The rate limit is exceeded; try again later".to_owned(),
            Self::TooLarge => "The body is too large".to_owned(),
            Self::BodyTimeout => "The body did not arrive in time".to_owned(),
            Self::BufferFull => "Too many bodies are in flight; try again in a moment".to_owned(),
            Self::InTheMaking => {
                "The same delivery is being answered; try again in a moment".to_owned()
            }
            Self::Upstream(error) => {
                let what = match &error.cause {
                    Cause::Deadline(deadline) => {
                        format!("The upstream missed its {} deadline", deadline.word())
                    }
                    Cause::Busy => "The upstream has no free connection".to_owned(),
                    Cause::Connect(_) => "The upstream cannot be reached".to_owned(),
                    Cause::Tls(_) => {
                        "The upstream cannot be trusted or does not speak TLS".to_owned()
                    }
                    Cause::Broken(_) | Cause::Gone => {
                        "The upstream broke the exchange off".to_owned()
                    }
                    Cause::Senseless(_) => "The upstream's response makes no sense".to_owned(),
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

/// The face of a fault of the gate.
pub fn fault_face(fault: Fault) -> Face {
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
    Face {
        status: fault.status(),
        code,
        reason,
        retry_after: None,
    }
}

/// The error body where no dialect is known.
pub fn error_body(sentence: &str, code: &str) -> Vec<u8> {
    let mut body = Vec::new();
    default_error(sentence, code, &mut body);
    body
}

#[cfg(test)]
mod tests;
