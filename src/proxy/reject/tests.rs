//! Every refusal, pinned: what a caller, a log and a counter see of it is a promise.

mod pages;

use super::{REASONS, Reject, describe_framing, error_body};
use crate::codec::message::{self, ErrorKind, ErrorResponse};
use crate::codec::{dialect, provider};
use crate::net::address_policy;
use crate::net::client::{Cause, Deadline, Sent, UpstreamError};
use crate::net::request_framing::FramingError;
use crate::signature::VerifyError;
use crate::state::analytics::CODES;
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

/// Status, code and reason of each.
fn rejects() -> Vec<(Reject, u16, &'static str, &'static str)> {
    use Reject::*;
    let exchange = |cause| Upstream(UpstreamError { cause, sent: Sent::Unsent });
    let broken = || io::Error::other("secret detail");
    let mut all = vec![
        (CallerGone, 400, "invalid_request", "caller_gone"),
        (Framing(FramingError::Chunk), 400, "invalid_request", "framing"),
        (DotSegments, 400, "invalid_request", "dot_segments"),
        (Expectation, 417, "invalid_request", "expectation"),
        (NotFound, 404, "not_found", "not_found"),
        (Method, 405, "method_not_allowed", "method"),
        (ContentType, 415, "unsupported_media_type", "content_type"),
        (Origin, 403, "forbidden", "origin"),
        (Address, 403, "forbidden", "address"),
        (UnknownBot, 401, "unauthorized", "unknown_bot"),
        (Malformed(dialect::Malformed("Missing text".into())), 400, "invalid_request", "malformed"),
        (ConversationFull, 429, "rate_limit", "conversation_full"),
        (TurnTimeout, 504, "upstream_timeout", "conversation_timeout"),
        (Budget, 402, "budget_exceeded", "budget"),
        (State, 503, "overloaded", "state"),
        (NotPersisted, 503, "overloaded", "journal"),
        (
            Unsupported(provider::Unsupported("No sound".to_owned())),
            400,
            "invalid_request",
            "unsupported",
        ),
        (Unavailable(Duration::ZERO), 503, "upstream_unavailable", "breaker_open"),
        (Forbidden, 403, "forbidden", "forbidden"),
        (Limited, 429, "rate_limit", "limit"),
        (TooLarge, 413, "too_large", "too_large"),
        (BodyTimeout, 408, "timeout", "body_timeout"),
        (BufferFull, 503, "overloaded", "buffer_full"),
        (DuplicateInProgress, 409, "conflict", "duplicate"),
        (exchange(Cause::Busy), 503, "overloaded", "upstream_queue"),
        (exchange(Cause::Connect(broken())), 502, "upstream_unreachable", "upstream_unreachable"),
        (
            exchange(Cause::AddressRefused(Box::new(address_policy::AddressRefused::example()))),
            502,
            "upstream_unreachable",
            "upstream_unreachable",
        ),
        (exchange(Cause::Broken(broken())), 502, "upstream_error", "upstream_error"),
        (exchange(Cause::Closed), 502, "upstream_error", "upstream_error"),
        (exchange(Cause::Invalid("secret detail")), 502, "upstream_error", "upstream_error"),
    ];
    for (outcome, status, code, reason) in [
        (ErrorKind::Limited, 429, "rate_limit", "ai_limited"),
        (ErrorKind::Exhausted, 503, "upstream_unavailable", "ai_exhausted"),
        (ErrorKind::Overloaded, 503, "overloaded", "ai_overloaded"),
        (ErrorKind::KeyRefused, 502, "upstream_error", "ai_key_refused"),
        (ErrorKind::TooLarge, 413, "too_large", "ai_rejected"),
        (ErrorKind::TooSlow, 504, "upstream_timeout", "ai_slow"),
        (ErrorKind::Rejected, 502, "upstream_error", "ai_rejected"),
        (ErrorKind::Failed, 502, "upstream_error", "ai_failed"),
    ] {
        let refusal = ErrorResponse { kind: outcome, retry_after: None, retryable: false };
        all.push((Refused(refusal), status, code, reason));
    }
    for (fault, reason) in [
        (message::AnswerError::Invalid("secret detail"), "answer_senseless"),
        (message::AnswerError::Truncated, "answer_cut"),
        (message::AnswerError::Refused, "answer_refused"),
        (message::AnswerError::Filtered, "answer_filtered"),
        (message::AnswerError::Empty, "answer_empty"),
        (message::AnswerError::Interrupted, "answer_broken"),
    ] {
        all.push((Answer(fault), 502, "upstream_error", reason));
    }
    let overloaded = Answer(message::AnswerError::Overloaded);
    all.push((overloaded, 503, "overloaded", "ai_overloaded"));
    for failure in VerifyError::ALL {
        all.push((Unverified(failure), 401, "unauthorized", "signature"));
    }
    for deadline in [Deadline::Connect, Deadline::FirstByte, Deadline::Idle, Deadline::Total] {
        let reject = exchange(Cause::Deadline(deadline));
        all.push((reject, 504, "upstream_timeout", "upstream_timeout"));
    }
    all
}

/// Status, code, reason and log word of each fault.
const FAULTS: [(FramingError, u16, &str, &str, &str); 13] = {
    use FramingError::*;
    [
        (ControlCharacter, 400, "invalid_request", "framing", "control_character"),
        (RequestLine, 400, "invalid_request", "framing", "request_line"),
        (Version, 400, "invalid_request", "framing", "version"),
        (Method, 400, "invalid_request", "framing", "method"),
        (FieldName, 400, "invalid_request", "framing", "field_name"),
        (ObsoleteFold, 400, "invalid_request", "framing", "fold"),
        (Host, 400, "invalid_request", "framing", "host"),
        (ContentLength, 400, "invalid_request", "framing", "content_length"),
        (TransferEncoding, 400, "invalid_request", "framing", "transfer_encoding"),
        (Ambiguous, 400, "invalid_request", "framing", "ambiguous_framing"),
        (Chunk, 400, "invalid_request", "framing", "chunk"),
        (HeadTooLarge, 431, "headers_too_large", "head_too_large", "head_too_large"),
        (HeadTimeout, 408, "timeout", "head_timeout", "head_timeout"),
    ]
};

#[test]
fn every_refusal_keeps_its_status_code_and_reason() {
    for (reject, status, code, reason) in rejects() {
        let info = reject.describe();
        assert_eq!((info.status, info.code, info.reason), (status, code, reason), "{reject:?}");
        let waits = match reason {
            "buffer_full" | "duplicate" | "upstream_queue" | "conversation_full" | "state"
            | "journal" | "breaker_open" => Some(Duration::from_secs(1)),
            _ => None,
        };
        assert_eq!(reject.retry_after(), waits, "{reject:?}");
    }
    for (fault, status, code, reason, word) in FAULTS {
        let info = describe_framing(fault);
        assert_eq!((info.status, info.code, info.reason), (status, code, reason), "{fault:?}");
        assert_eq!(fault.word(), word);
        assert_eq!(Reject::Framing(fault).describe(), info);
        assert_eq!(Reject::Framing(fault).sentence(), fault.message());
    }
}

#[test]
fn every_reason_is_counted_and_every_counted_reason_occurs() {
    let seen: BTreeSet<_> = rejects()
        .iter()
        .map(|(reject, ..)| reject.describe().reason)
        .chain(FAULTS.iter().map(|(fault, ..)| describe_framing(*fault).reason))
        .collect();
    assert_eq!(seen, BTreeSet::from(REASONS));
    assert_eq!(seen.len(), REASONS.len(), "a reason stands there twice");
}

#[test]
fn every_code_word_has_its_figure() {
    for (reject, ..) in rejects() {
        let code = reject.describe().code;
        assert!(CODES.contains(&code), "{code}");
    }
    let distinct = BTreeSet::from(CODES);
    assert_eq!(distinct.len(), CODES.len(), "a word stands there twice");
}

#[test]
fn no_sentence_tells_what_only_the_log_may_know() {
    let sentence = |failure| Reject::Unverified(failure).sentence().into_owned();
    let one = sentence(VerifyError::Mismatch);
    for failure in VerifyError::ALL {
        assert_eq!(sentence(failure), one, "a hint of which check failed");
    }
    for (reject, ..) in rejects() {
        let sentence = reject.sentence();
        assert!(!sentence.is_empty() && !sentence.contains("secret"), "{sentence}");
    }
}

#[test]
fn an_upstream_error_says_how_far_the_request_had_come() {
    let sentence =
        |cause, sent| Reject::Upstream(UpstreamError { cause, sent }).sentence().into_owned();
    assert_eq!(
        sentence(Cause::Deadline(Deadline::FirstByte), Sent::Sent),
        "The upstream missed its first_byte deadline; the request was sent"
    );
    assert_eq!(
        sentence(Cause::Closed, Sent::Partial),
        "The upstream broke the exchange off; the request was partial: some of it was sent"
    );
    assert_eq!(
        sentence(Cause::Busy, Sent::Unsent),
        "The upstream has no free connection; the request was unsent"
    );
}

#[test]
fn the_error_body_is_json_whatever_the_sentence() {
    let body = error_body("say \"no\"\n", "not_found");
    assert_eq!(body, br#"{"error":"say \"no\"\n","code":"not_found"}"#);
}
