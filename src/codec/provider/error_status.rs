//! A response that is no 200, read by its status and its head; what the body adds, a codec knows.

use crate::codec::message::{Outcome, Refusal};
use crate::codec::retry_after::retry_after;
use http::HeaderMap;
use std::time::Duration;

/// The longest wait after which it is asked again; the vendors' own clients draw the line there too.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(120);

/// What is wrong, and whether to ask again: what the AI says in so many words (`x-should-retry`) counts, otherwise only a limit or
/// an overload that says when.
pub(super) fn read(status: u16, headers: &HeaderMap, now_ms: u64, exhausted: bool) -> Refusal {
    let outcome = match status {
        _ if exhausted => Outcome::Exhausted,
        402 => Outcome::Exhausted,
        429 => Outcome::Limited,
        503 | 529 => Outcome::Overloaded,
        401 | 403 => Outcome::KeyRefused,
        413 => Outcome::TooLarge,
        408 | 504 => Outcome::TooSlow,
        400..=499 => Outcome::Rejected,
        _ => Outcome::Failed,
    };
    // Where waiting does not help, no time is told after which it would.
    let retry_after = retry_after(headers, now_ms).filter(|_| outcome != Outcome::Exhausted);
    let told = match text(headers, "x-should-retry") {
        Some("true") => true,
        Some("false") => false,
        _ => retry_after.is_some() && matches!(outcome, Outcome::Limited | Outcome::Overloaded),
    };
    Refusal {
        outcome,
        retry_after,
        again: told
            && outcome != Outcome::Exhausted
            && retry_after.is_none_or(|wait| wait <= MAX_RETRY_AFTER),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}
