//! The number of a budget's period, and when it is over, by UTC.

use crate::codec::price::Period;
use jiff::Timestamp;
use jiff::tz::Offset;

const DAY_MS: u64 = 86_400_000;

impl Period {
    /// Each of them, in order.
    pub const ALL: [Self; 3] = [Self::Day, Self::Month, Self::Total];

    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// The number of the period that an instant lies in; a later one has a higher number.
    pub(super) fn number(self, now_ms: u64) -> u64 {
        match self {
            Self::Day => now_ms / DAY_MS,
            Self::Month => month(now_ms).unwrap_or(u64::MAX),
            Self::Total => 0,
        }
    }

    /// When nobody asks for a period any more, in milliseconds since 1970: not before the end of the one that follows it.
    pub(super) fn over_ms(self, number: u64) -> u64 {
        let days = match self {
            Self::Day => 1,
            Self::Month => 31,
            Self::Total => return u64::MAX,
        };
        number.saturating_add(2).saturating_mul(days * DAY_MS)
    }
}

/// Months since 1970.
fn month(now_ms: u64) -> Option<u64> {
    let now = Timestamp::from_millisecond(i64::try_from(now_ms).ok()?).ok()?;
    let date = Offset::UTC.to_datetime(now).date();
    let months = (i32::from(date.year()) - 1970) * 12 + i32::from(date.month()) - 1;
    u64::try_from(months).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> u64 {
        let at: Timestamp = text.parse().unwrap();
        at.as_millisecond().cast_unsigned()
    }

    #[test]
    fn a_period_begins_at_its_first_millisecond() {
        for (period, last, first) in [
            (Period::Day, "2026-11-20T23:59:59.999Z", "2026-11-21T00:00:00Z"),
            (Period::Month, "2024-02-29T23:59:59.999Z", "2024-03-01T00:00:00Z"),
            (Period::Month, "2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00Z"),
        ] {
            let (before, after) = (period.number(ms(last)), period.number(ms(first)));
            assert_eq!(before + 1, after, "{last}");
            assert!(period.over_ms(before) >= ms(first), "{last}");
        }
        assert_eq!(Period::Total.number(0), Period::Total.number(u64::MAX));
        for (index, period) in Period::ALL.into_iter().enumerate() {
            assert_eq!(period as usize, index);
        }
    }
}
