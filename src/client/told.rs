//! How long a response asks to be left alone.

use http::{HeaderMap, header::RETRY_AFTER};
use std::time::Duration;

/// The longest wait that is heard; a longer one counts as this.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How long to wait: `retry-after-ms`, else `Retry-After` in seconds, with decimals too, or as a date (RFC 9110 §10.2.3).
pub fn retry_after(headers: &HeaderMap, now_ms: u64) -> Option<Duration> {
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
