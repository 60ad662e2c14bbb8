//! How long a response asks to be left alone.

use http::{HeaderMap, header::RETRY_AFTER};
use std::time::Duration;

/// The longest wait that is heard; a longer one counts as this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// How long to wait: `retry-after-ms`, else `Retry-After` in seconds, with decimals too, or as a date (RFC 9110 §10.2.3).
pub fn retry_after(headers: &HeaderMap, now_ms: u64) -> Option<Duration> {
    let number = |name, unit: f64| {
        let number: f64 = text(headers, name)?.parse().ok()?;
        let most = MAX_RETRY_AFTER.as_secs_f64() * 1e3;
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
        .map(|wait| wait.min(MAX_RETRY_AFTER))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn seconds_and_dates_are_read_and_nothing_else() {
        // 2024-01-15T10:30:00Z
        let now_ms = 1_705_314_600_000;
        for (name, text, milliseconds) in [
            ("retry-after", "0", Some(0)),
            ("retry-after", "120", Some(120_000)),
            ("retry-after", " 1.5 ", Some(1_500)),
            ("retry-after", "Mon, 15 Jan 2024 10:30:07 GMT", Some(7_000)),
            ("retry-after", "Mon, 15 Jan 2024 10:29:07 GMT", Some(0)),
            ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("retry-after", "Tue, 31 Dec 2999 23:59:59 GMT", Some(86_400_000)),
            ("retry-after", "999999999999999999999", Some(86_400_000)),
            ("retry-after-ms", "250", Some(250)),
            ("retry-after", "-1", None),
            ("retry-after", "NaN", None),
            ("retry-after", "soon", None),
            ("retry-after", "", None),
            ("retry-after", "Mon, 32 Jan 2024 10:30:07 GMT", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(text));
            let wait = retry_after(&headers, now_ms);
            assert_eq!(wait, milliseconds.map(Duration::from_millis), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now_ms), None);
    }
}
