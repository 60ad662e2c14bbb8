//! How many requests a bot takes: the rules as resolved values, and the headers that tell a caller where it stands.
//!
//! The decision is always local and never waits: one look-up in a sharded map, one compare-and-swap ([`limiter`]).

pub mod bucket;
pub mod fields;
pub mod key;
pub mod limiter;
pub mod rules;
pub mod sweep;
pub mod verdict;

use http::HeaderName;
use std::time::Duration;

pub use fields::retry_after;
pub use key::head_value;
pub use limiter::{Counts, Limiter};
pub use rules::{Compiled, RuleSet};
pub use sweep::Sweeper;
pub use verdict::{Standing, Verdict};

/// The highest rate: requests per second.
pub const MAX_PER_SECOND: u64 = 1_000_000;
/// The longest period a rate may be written per.
pub const MAX_PERIOD: Duration = Duration::from_secs(86_400);
/// The largest burst.
pub const MAX_BURST: u64 = 1_000_000_000;
/// The most rules one bot may have.
pub const MAX_RULES: usize = 16;

/// One rule of a bot's `limit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// How fast tokens come back.
    pub rate: Rate,
    /// How many tokens a bucket holds.
    pub burst: u64,
    /// Who shares a bucket.
    pub key: Key,
}

/// So many requests per period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests.
    pub count: u64,
    /// In this time: whole microseconds, at most [`MAX_PERIOD`].
    pub period: Duration,
}

/// Who shares a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// All callers of the bot.
    Bot,
    /// One address; of IPv6 the /64, which is what one caller is given.
    Peer,
    /// All bots of the dialect that have the same rule.
    Dialect,
    /// One value of a request header.
    Header(HeaderName),
    /// One value in the JSON body, by RFC 6901 pointer.
    Json(String),
    /// One user, as the dialect names them.
    User,
}

impl Key {
    /// True where the head of a request says which bucket is meant; `json:` and `user` have to wait for the body.
    pub fn is_head(&self) -> bool {
        !matches!(self, Self::Json(_) | Self::User)
    }

    /// The word it is written with.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Bot => "bot",
            Self::Peer => "peer",
            Self::Dialect => "dialect",
            Self::Header(_) => "header",
            Self::Json(_) => "json",
            Self::User => "user",
        }
    }
}

impl Rule {
    /// Whether this rule can be counted exactly.
    ///
    /// # Errors
    /// Says which of rate and burst is out of bounds.
    pub fn check(&self) -> Result<(), RuleError> {
        self.pace().map(|_| ())
    }

    fn pace(&self) -> Result<bucket::Pace, RuleError> {
        let Rate { count, period } = self.rate;
        if count == 0 || period.is_zero() {
            return Err(RuleError::NoRate);
        }
        if period > MAX_PERIOD || period.subsec_nanos() % 1_000 != 0 {
            return Err(RuleError::Period);
        }
        let period_us = period.as_micros() as u64;
        if u128::from(count) * 1_000_000 > u128::from(MAX_PER_SECOND) * u128::from(period_us) {
            return Err(RuleError::TooFast);
        }
        let most =
            bucket::Pace::largest_burst(count, period_us).ok_or(RuleError::TooFine)?.min(MAX_BURST);
        if self.burst == 0 || self.burst > most {
            return Err(RuleError::Burst { most });
        }
        bucket::Pace::new(count, period_us, self.burst).ok_or(RuleError::Burst { most })
    }
}

/// Why a rule cannot be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Nothing would ever be admitted.
    #[error("the rate is 0")]
    NoRate,
    /// The period is too long or not in whole microseconds.
    #[error("the rate's period must be at most a day, in whole microseconds")]
    Period,
    /// More than [`MAX_PER_SECOND`].
    #[error("the rate is over {MAX_PER_SECOND} a second")]
    TooFast,
    /// The fraction is too fine to count ([`bucket::FINEST`]).
    #[error("the rate has too many digits: write it per second")]
    TooFine,
    /// No burst, or more than can be counted at this rate.
    #[error("the burst must be from 1 to {most} at this rate")]
    Burst {
        /// The largest one.
        most: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(count: u64, seconds: u64, burst: u64) -> Rule {
        Rule { rate: Rate { count, period: Duration::from_secs(seconds) }, burst, key: Key::Bot }
    }

    #[test]
    fn rates_from_one_an_hour_to_a_million_a_second_are_fine_and_the_rest_says_why_not() {
        for (count, seconds) in
            [(1, 86_400), (1, 3_600), (7, 3_600), (999_983, 60), (1_000_000, 1), (5_000_001, 3_600)]
        {
            assert_eq!(rule(count, seconds, count).check(), Ok(()), "{count}/{seconds}");
        }
        assert_eq!(rule(0, 1, 1).check(), Err(RuleError::NoRate));
        assert_eq!(rule(1, 0, 1).check(), Err(RuleError::NoRate));
        assert_eq!(rule(1, 86_401, 1).check(), Err(RuleError::Period));
        assert_eq!(rule(1_000_001, 1, 1).check(), Err(RuleError::TooFast));
        assert_eq!(rule(1_000_000_007, 86_400, 1).check(), Err(RuleError::TooFine));
        assert_eq!(rule(1, 1, 0).check(), Err(RuleError::Burst { most: MAX_BURST }));
        assert_eq!(rule(1, 86_400, u64::MAX).check(), Err(RuleError::Burst { most: 53_375_995 }));
    }
}
