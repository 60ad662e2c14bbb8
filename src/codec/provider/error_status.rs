//! A response that is no 200, read by its status and its head; what the body adds, a codec knows.

use crate::codec::message::{ErrorKind, ErrorResponse};
use crate::codec::retry_after::retry_after;
use http::HeaderMap;
use std::time::Duration;

/// The longest wait after which it is asked again; the vendors' own clients have the same limit.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(120);

/// What is wrong, and whether to ask again: what the AI says in so many words (`x-should-retry`) counts, otherwise only a limit or
/// an overload that says when.
pub(super) fn read(
    status: u16,
    headers: &HeaderMap,
    now_ms: u64,
    exhausted: bool,
) -> ErrorResponse {
    let outcome = match status {
        _ if exhausted => ErrorKind::Exhausted,
        402 => ErrorKind::Exhausted,
        429 => ErrorKind::Limited,
        503 | 529 => ErrorKind::Overloaded,
        401 | 403 => ErrorKind::KeyRefused,
        413 => ErrorKind::TooLarge,
        408 | 504 => ErrorKind::TooSlow,
        400..=499 => ErrorKind::Rejected,
        _ => ErrorKind::Failed,
    };
    // Where waiting does not help, no time is told after which it would.
    let retry_after = retry_after(headers, now_ms).filter(|_| outcome != ErrorKind::Exhausted);
    let told = match text(headers, "x-should-retry") {
        Some("true") => true,
        Some("false") => false,
        _ => retry_after.is_some() && matches!(outcome, ErrorKind::Limited | ErrorKind::Overloaded),
    };
    ErrorResponse {
        kind: outcome,
        retry_after,
        retryable: told
            && outcome != ErrorKind::Exhausted
            && retry_after.is_none_or(|wait| wait <= MAX_RETRY_AFTER),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}
