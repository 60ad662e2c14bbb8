//! When something was signed, and whether that is near enough to now.

use super::spec::TimeUnit;
use super::verify_error::VerifyError;
use std::time::{Duration, SystemTime};

/// A moment of the wall clock, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(i64);

impl UnixTime {
    /// A moment in whole seconds since 1970.
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// A moment in milliseconds since 1970.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Its second as RFC 3339 writes it, in UTC: `2024-01-15T10:30:00Z`.
    pub fn iso(self) -> String {
        jiff::Timestamp::from_second(self.seconds()).unwrap_or_default().to_string()
    }

    /// Whole seconds since 1970.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

impl From<SystemTime> for UnixTime {
    fn from(time: SystemTime) -> Self {
        let millis =
            time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Self(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

impl TimeUnit {
    /// Checks the text of a timestamp and, where there is a tolerance, that it is within it: both sides, because what is
    /// signed for the future stays good until then. Seconds are compared as seconds, as senders' own libraries do.
    pub(super) fn check(
        self,
        text: &str,
        tolerance: Option<Duration>,
        now: UnixTime,
    ) -> Result<(), VerifyError> {
        let (signed, now, per_second) = match self {
            Self::S => (digits(text)?, now.seconds(), 1),
            Self::Ms => (digits(text)?, now.millis(), 1000),
            Self::Iso8601 => (date(text)?, now.millis(), 1000),
        };
        let Some(tolerance) = tolerance else {
            return Ok(());
        };
        let tolerance =
            i64::try_from(tolerance.as_millis()).unwrap_or(i64::MAX) / (1000 / per_second);
        if now.saturating_sub(signed) > tolerance {
            Err(VerifyError::Stale)
        } else if signed.saturating_sub(now) > tolerance {
            Err(VerifyError::Future)
        } else {
            Ok(())
        }
    }

    /// How a sender writes this moment.
    pub(super) fn write(self, now: UnixTime) -> String {
        match self {
            Self::S => now.seconds().to_string(),
            Self::Ms => now.millis().to_string(),
            Self::Iso8601 => now.iso(),
        }
    }
}

/// Digits only, without a zero in front: libraries differ on anything else, and the text itself is signed.
fn digits(text: &str) -> Result<i64, VerifyError> {
    let plain = matches!(text.len(), 1..=20)
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    if !plain {
        return Err(VerifyError::MalformedTimestamp);
    }
    text.parse().map_err(|_| VerifyError::MalformedTimestamp)
}

fn date(text: &str) -> Result<i64, VerifyError> {
    if text.len() > 40 {
        return Err(VerifyError::MalformedTimestamp);
    }
    let time: jiff::Timestamp = text.parse().map_err(|_| VerifyError::MalformedTimestamp)?;
    Ok(time.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_numbers_within_the_window_on_both_sides() {
        let now = UnixTime::from_millis(1_760_000_000_900);
        let window = Some(Duration::from_secs(300));
        for (unit, text, verdict) in [
            (TimeUnit::S, "1759999700", Ok(())),
            (TimeUnit::S, "1759999699", Err(VerifyError::Stale)),
            (TimeUnit::S, "1760000300", Ok(())),
            (TimeUnit::S, "1760000301", Err(VerifyError::Future)),
            (TimeUnit::Ms, "1759999700900", Ok(())),
            (TimeUnit::Ms, "1759999700899", Err(VerifyError::Stale)),
            (TimeUnit::Ms, "1760000300901", Err(VerifyError::Future)),
            (TimeUnit::Iso8601, "2025-10-09T08:53:20Z", Ok(())),
            (TimeUnit::Iso8601, "2025-10-09T07:53:20Z", Err(VerifyError::Stale)),
            (TimeUnit::S, "", Err(VerifyError::MalformedTimestamp)),
            (TimeUnit::S, "+1760000000", Err(VerifyError::MalformedTimestamp)),
            (TimeUnit::S, "1760000000.9", Err(VerifyError::MalformedTimestamp)),
            (TimeUnit::S, "01760000000", Err(VerifyError::MalformedTimestamp)),
            (TimeUnit::S, "99999999999999999999", Err(VerifyError::MalformedTimestamp)),
            (TimeUnit::S, "9223372036854775807", Err(VerifyError::Future)),
        ] {
            assert_eq!(unit.check(text, window, now), verdict, "{text}");
        }
        assert_eq!(TimeUnit::S.check("1", None, now), Ok(()));
    }
}
