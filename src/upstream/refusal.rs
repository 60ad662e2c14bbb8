//! A response that is no 200, read by its status and its head; what the body adds, a codec knows.

use crate::message::{Outcome, Refusal};
use http::{HeaderMap, header::RETRY_AFTER};
use std::time::Duration;

/// The longest wait after which it is asked again; the vendors' own clients draw the line there too.
const PATIENCE: Duration = Duration::from_secs(120);

/// The longest wait that is passed on.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

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
    let retry_after = wait(headers, now_ms).filter(|_| outcome != Outcome::Exhausted);
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
            && retry_after.is_none_or(|wait| wait <= PATIENCE),
    }
}

/// How long to wait: `retry-after-ms`, else `Retry-After` in seconds, with decimals too, or as a date (RFC 9110 §10.2.3).
fn wait(headers: &HeaderMap, now_ms: u64) -> Option<Duration> {
    let number = |name, unit: f64| {
        let number: f64 = text(headers, name)?.parse().ok()?;
        let most = LONGEST.as_secs_f64() * 1e3;
        Duration::try_from_secs_f64(if number > most { most } else { number } / unit).ok()
    };
    let date = || {
        let date = jiff::fmt::rfc2822::parse(text(headers, RETRY_AFTER.as_str())?).ok()?;
        let date = u64::try_from(date.timestamp().as_millisecond()).ok()?;
        Some(Duration::from_millis(date.saturating_sub(now_ms)))
    };
    number("retry-after-ms", 1e3)
        .or_else(|| number(RETRY_AFTER.as_str(), 1.0))
        .or_else(date)
        .map(|wait| wait.min(LONGEST))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}
