//! How single values are written: durations, sizes, rates, limit keys, paths.

use crate::proxy::head::has_dot_segments;
use crate::state::limit::{Key, Rate};
use http::HeaderName;
use std::time::Duration;

/// What is wrong with a value, and what to write instead. Never quotes the value: it may be a secret.
#[derive(Debug, PartialEq, Eq)]
pub struct ValueError {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
}

impl ValueError {
    /// Both in words.
    pub fn new(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { message: message.into(), fix: fix.into() }
    }
}

/// The longest duration: a hundred days. Longer ones are slips of the pen.
const MAX_DURATION: Duration = Duration::from_secs(100 * 86_400);
/// The largest size: 1 TiB.
const MAX_SIZE: u64 = 1 << 40;

/// Splits `30s` into 30 and `s`. The number has at most 18 digits, so it never overflows.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > 18 {
        return None;
    }
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start_matches(' ')))
}

/// `250ms`, `30s`, `2m`, `24h`, `7d`; zero is a duration, too.
pub fn duration_or_zero(text: &str) -> Result<Duration, ValueError> {
    let not_one = || {
        ValueError::new(
            "not a duration",
            "write a whole number and a unit: \"250ms\", \"30s\", \"2m\", \"24h\" or \"7d\"",
        )
    };
    let (number, unit) = number_and_unit(text).ok_or_else(not_one)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(not_one()),
    };
    let duration = Duration::from_millis(number.saturating_mul(milliseconds));
    if duration > MAX_DURATION {
        return Err(ValueError::new("too long a duration", "write at most \"100d\""));
    }
    Ok(duration)
}

/// A duration that is not zero.
pub fn duration(text: &str) -> Result<Duration, ValueError> {
    match duration_or_zero(text)? {
        Duration::ZERO => Err(ValueError::new(
            "a duration of zero leaves no time at all",
            "write a longer one: \"30s\"",
        )),
        duration => Ok(duration),
    }
}

/// `512B`, `64KiB`, `1MiB`, `2GiB`, in bytes; never zero.
pub fn size(text: &str) -> Result<u64, ValueError> {
    let not_one = || {
        ValueError::new(
            "not a size",
            "write a whole number and a unit: \"512B\", \"64KiB\", \"1MiB\" or \"2GiB\"",
        )
    };
    let (number, unit) = number_and_unit(text).ok_or_else(not_one)?;
    let bytes = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(not_one()),
    };
    match number.saturating_mul(bytes) {
        0 => Err(ValueError::new("a size of zero", "write a larger one: \"1MiB\"")),
        size if size > MAX_SIZE => {
            Err(ValueError::new("too large a size", "write at most \"1024GiB\""))
        }
        size => Ok(size),
    }
}

/// `10/s`, `60/min`, `1000/h`, `50000/d`: from one a day to a million a second.
pub fn rate(text: &str) -> Result<Rate, ValueError> {
    let not_one = || {
        ValueError::new(
            "not a rate",
            "write how many in which time: \"10/s\", \"60/min\", \"1000/h\" or \"50000/d\"",
        )
    };
    let (count, unit) = number_and_unit(text).ok_or_else(not_one)?;
    let seconds = match unit.strip_prefix('/').map(|unit| unit.trim_start_matches(' ')) {
        Some("s") => 1,
        Some("m" | "min") => 60,
        Some("h") => 3_600,
        Some("d") => 86_400,
        _ => return Err(not_one()),
    };
    if count == 0 {
        return Err(ValueError::new(
            "a rate of zero admits nothing",
            "leave the bot out, or write \"1/h\"",
        ));
    }
    if count > seconds * 1_000_000 {
        return Err(ValueError::new("too high a rate", "write at most \"1000000/s\""));
    }
    Ok(Rate { count, period: Duration::from_secs(seconds) })
}

/// `bot`, `user`, `peer`, `dialect`, `header:NAME`, `json:/pointer`.
pub fn limit_key(text: &str) -> Result<Key, ValueError> {
    match text {
        "bot" => Ok(Key::Bot),
        "user" => Ok(Key::User),
        "peer" => Ok(Key::Peer),
        "dialect" => Ok(Key::Dialect),
        _ => match text.split_once(':') {
            Some(("header", name)) => header_name(name).map(Key::Header),
            Some(("json", pointer)) => {
                json_pointer(pointer).map(|()| Key::Json(pointer.to_owned()))
            }
            _ => Err(ValueError::new(
                "not a limit's key",
                "write \"bot\", \"user\", \"peer\", \"dialect\", \"header:NAME\" or \"json:/pointer\"",
            )),
        },
    }
}

/// A header's name, in any case.
pub fn header_name(text: &str) -> Result<HeaderName, ValueError> {
    text.parse().map_err(|_| {
        ValueError::new(
            "not a header's name",
            "write letters, digits and hyphens: \"X-Request-Kind\"",
        )
    })
}

/// RFC 6901, not empty, at most 256 bytes and 16 steps.
pub fn json_pointer(text: &str) -> Result<(), ValueError> {
    let escapes_are_whole = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if text.starts_with('/')
        && text.len() <= 256
        && text.matches('/').count() <= 16
        && escapes_are_whole
    {
        return Ok(());
    }
    Err(ValueError::new(
        "not a JSON pointer",
        "write the way to the field, each step after a slash: \"json:/event/id\"",
    ))
}

/// A path on the wire: begins with a slash, visible ASCII that needs no percent-encoding, no query or fragment, no dot segments, plain or encoded.
pub fn path(text: &str) -> Result<(), ValueError> {
    if !text.starts_with('/') {
        return Err(ValueError::new(
            "a path begins with a slash",
            "write it like \"/hooks/support\"",
        ));
    }
    if text.len() > 1024
        || text.contains(['?', '#', '*', '"', '<', '>', '`'])
        || !text.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(ValueError::new(
            "not a path",
            "write at most 1024 visible ASCII characters without a query: \"/hooks/support\"; \"*\" is good only as the last step",
        ));
    }
    if has_dot_segments(text) {
        return Err(ValueError::new(
            "a path with dot segments never matches: such requests are refused",
            "write the path that the segments lead to",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("2m", 120_000),
            ("2 min", 120_000),
            ("24h", 86_400_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in [
            "",
            "30",
            "s",
            "-1s",
            "1.5s",
            "1h30m",
            "30 S",
            "99999999999999999999s",
            "101d",
            "0s",
            "3é",
            "４s",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(duration_or_zero("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("512B", 512), ("64KiB", 65_536), ("1MiB", 1 << 20), ("1024GiB", 1 << 40)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "1", "1MB", "0B", "1025GiB", "18446744073709551615GiB", "-1B"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates() {
        for (text, count, seconds) in [
            ("60/min", 60, 60),
            ("10/s", 10, 1),
            ("1000/h", 1000, 3600),
            ("1/d", 1, 86_400),
            ("1000000/s", 1_000_000, 1),
        ] {
            let read = rate(text).unwrap();
            assert_eq!((read.count, read.period.as_secs()), (count, seconds), "{text}");
        }
        for text in ["", "60", "/min", "0/s", "60/week", "1000001/s", "60 per min", "1/0s", "-1/s"]
        {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn limit_keys() {
        for text in
            ["bot", "user", "peer", "dialect", "header:X-Team", "json:/team_id", "json:/a~1b/c~0d"]
        {
            assert!(limit_key(text).is_ok(), "{text}");
        }
        for text in ["", "users", "header:", "header:X Y", "json:", "json:team", "json:/a~2", "Bot"]
        {
            assert!(limit_key(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths() {
        for text in ["/", "/hooks/support", "/a%20b", "/a.b/..c"] {
            assert_eq!(path(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "hooks",
            "/a b",
            "/a?b",
            "/a#b",
            "/../a",
            "/a/.",
            "/%2e%2E/a",
            "/.%2e",
            "/a%2f..",
            "/..\\a",
            "/`",
            "/<a>",
            "/é",
            "/a*",
        ] {
            assert!(path(text).is_err(), "{text}");
        }
    }
}
