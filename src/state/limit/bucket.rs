//! How one bucket counts: GCRA in a single `AtomicU64`, exact over time for every rate.
//!
//! A rate of `n` tokens per `p` microseconds (reduced by their common divisor) is counted in ticks of 1/n µs, so that a token
//! costs exactly `p` ticks and nothing is ever rounded. The word holds the tick at which the bucket is full again; what lies
//! between now and then is the debt. Ticks wrap; differences are signed, so a bucket must be swept within 2^63 ticks of its last
//! use (25 hours at the finest tick the checks let through).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The most ticks per microsecond, that is the largest reduced count.
pub const FINEST: u64 = 100_000_000;

/// How fast one rule's buckets refill and how much they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    ticks_per_us: u64,
    cost: u64,
    full: u64,
    burst: u64,
}

impl Pace {
    /// `count` tokens per `period_us` microseconds, at most `burst` at once. `None` where one of them is 0, the reduced count is
    /// over [`FINEST`], or `burst` tokens are 2^62 ticks or more (the largest burst is then [`Pace::largest_burst`]).
    pub fn new(count: u64, period_us: u64, burst: u64) -> Option<Self> {
        if burst == 0 || burst > Self::largest_burst(count, period_us)? {
            return None;
        }
        let common = gcd(count, period_us);
        let cost = period_us / common;
        Some(Self { ticks_per_us: count / common, cost, full: burst * cost, burst })
    }

    /// The largest burst that this rate can count; `None` where the rate itself cannot be counted.
    pub fn largest_burst(count: u64, period_us: u64) -> Option<u64> {
        if count == 0 || period_us == 0 {
            return None;
        }
        let common = gcd(count, period_us);
        (count / common <= FINEST).then(|| ((1 << 62) - 1) / (period_us / common))
    }

    fn ticks(&self, now_us: u64) -> u64 {
        now_us.wrapping_mul(self.ticks_per_us)
    }

    fn outcome(&self, admitted: bool, debt: u64) -> Outcome {
        let remaining = self.full.saturating_sub(debt) / self.cost;
        let spent = self.burst - remaining;
        // The next token is there once the debt is down to one token less than what is spent now.
        let wait = if spent == 0 { 0 } else { debt - (spent - 1) * self.cost };
        Outcome { admitted, remaining, wait_us: wait.div_ceil(self.ticks_per_us) }
    }
}

/// What asking for a token gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the token was taken.
    pub admitted: bool,
    /// Whole tokens left.
    pub remaining: u64,
    /// Microseconds, rounded up, until one token more is there than now; 0 when the bucket is full.
    pub wait_us: u64,
}

/// One bucket, full when it is made.
#[derive(Debug)]
pub struct Bucket {
    full_at: AtomicU64,
    ticks_per_us: u64,
}

impl Bucket {
    /// A full bucket. Every later call must bring the same `pace`.
    pub fn new(pace: &Pace, now_us: u64) -> Self {
        Self { full_at: AtomicU64::new(pace.ticks(now_us)), ticks_per_us: pace.ticks_per_us }
    }

    /// Takes one token if one is there. A clock that lags behind another worker's only sees fewer tokens.
    pub fn take(&self, pace: &Pace, now_us: u64) -> Outcome {
        let now = pace.ticks(now_us);
        let mut full_at = self.full_at.load(Relaxed);
        loop {
            let debt = debt(full_at, now);
            if debt + pace.cost > pace.full {
                return pace.outcome(false, debt);
            }
            let next = now.wrapping_add(debt + pace.cost);
            match self.full_at.compare_exchange_weak(full_at, next, Relaxed, Relaxed) {
                Ok(_) => return pace.outcome(true, debt + pace.cost),
                Err(seen) => full_at = seen,
            }
        }
    }

    /// Gives back a token that [`Bucket::take`] took. A bucket that has filled up meanwhile stays as full as it is.
    pub fn refund(&self, pace: &Pace) {
        self.full_at.fetch_sub(pace.cost, Relaxed);
    }

    /// True where the bucket has been full for at least `idle_us`: forgetting it then changes nothing.
    pub fn idle(&self, now_us: u64, idle_us: u64) -> bool {
        let now = now_us.wrapping_mul(self.ticks_per_us);
        let full_for = now.wrapping_sub(self.full_at.load(Relaxed)) as i64;
        full_for >= 0 && full_for as u64 >= idle_us.saturating_mul(self.ticks_per_us)
    }
}

fn debt(full_at: u64, now: u64) -> u64 {
    (full_at.wrapping_sub(now) as i64).max(0) as u64
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;
    const HOUR: u64 = 3_600 * SECOND;
    /// (count, period in µs, burst)
    const RATES: [(u64, u64, u64); 9] = [
        (1, HOUR, 1),
        (7, HOUR, 3),
        (60, 60 * SECOND, 60),
        (100, SECOND, 200),
        (999_999, SECOND, 50),
        (1_000_000, SECOND, 100),
        (999_983, HOUR, 10),
        (3, 24 * HOUR, 7),
        (99_999_989, 24 * HOUR, 1_000),
    ];

    /// splitmix64: the same cases in every run.
    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A bucket as a level that rises, in units of 1/period token: the same law by other arithmetic.
    struct Level {
        level: u128,
        at: u64,
    }

    impl Level {
        fn take(&mut self, (count, period, burst): (u64, u64, u64), now: u64) -> (bool, u64) {
            let rise = u128::from(now.wrapping_sub(self.at)) * u128::from(count);
            self.level = (self.level + rise).min(u128::from(burst) * u128::from(period));
            self.at = now;
            let admitted = self.level >= u128::from(period);
            if admitted {
                self.level -= u128::from(period);
            }
            (admitted, (self.level / u128::from(period)) as u64)
        }
    }

    #[test]
    fn every_rate_agrees_with_exact_rationals_at_random_times_and_across_the_wrap() {
        let mut seed = 1;
        for rate @ (count, period, burst) in RATES {
            let pace = Pace::new(count, period, burst).unwrap();
            // From zero, and from shortly before the tick counter wraps.
            for start in [0, (u64::MAX / pace.ticks_per_us).wrapping_sub(5_000 * period / count)] {
                let bucket = Bucket::new(&pace, start);
                let mut level = Level { level: u128::from(burst) * u128::from(period), at: start };
                let mut now = start;
                let (mut yes, mut no) = (0, 0);
                for _ in 0..50_000 {
                    // Steps around one token's time, with long rests among them.
                    let step = match random(&mut seed) % 64 {
                        0..=23 => 0,
                        24..=62 => random(&mut seed) % (2 * period / count + 1),
                        _ => random(&mut seed) % (40 * period / count + 1),
                    };
                    now = now.wrapping_add(step);
                    let outcome = bucket.take(&pace, now);
                    assert_eq!(
                        (outcome.admitted, outcome.remaining),
                        level.take(rate, now),
                        "{rate:?} at {now}"
                    );
                    *(if outcome.admitted { &mut yes } else { &mut no }) += 1;
                }
                assert!(
                    yes > 0 && (no > 0 || burst > 10_000),
                    "{rate:?}: {yes} admitted, {no} refused"
                );
            }
        }
    }

    #[test]
    fn a_greedy_caller_gets_burst_and_rate_to_the_token() {
        for (count, period, burst) in RATES {
            let pace = Pace::new(count, period, burst).unwrap();
            let bucket = Bucket::new(&pace, 0);
            let (mut now, mut taken) = (0, 0_u64);
            while taken < burst + 20_000 {
                let outcome = bucket.take(&pace, now);
                if outcome.admitted {
                    taken += 1;
                    continue;
                }
                let earned = u128::from(now) * u128::from(count) / u128::from(period);
                assert_eq!(
                    u128::from(taken),
                    u128::from(burst) + earned,
                    "{count}/{period} at {now}"
                );
                // `wait_us` is exact: one microsecond sooner there is nothing, then there is.
                assert!(!bucket.take(&pace, now + outcome.wait_us - 1).admitted);
                now += outcome.wait_us;
            }
        }
    }

    #[test]
    fn a_refund_gives_one_token_back_and_never_more_than_the_burst() {
        let pace = Pace::new(1, HOUR, 2).unwrap();
        let bucket = Bucket::new(&pace, 0);
        assert!(bucket.take(&pace, 0).admitted && bucket.take(&pace, 0).admitted);
        assert!(!bucket.take(&pace, 0).admitted);
        bucket.refund(&pace);
        assert_eq!(bucket.take(&pace, 0), Outcome { admitted: true, remaining: 0, wait_us: HOUR });
        assert!(!bucket.take(&pace, 0).admitted);
        bucket.refund(&pace);
        bucket.refund(&pace);
        let later = 9 * HOUR;
        bucket.refund(&pace);
        assert!(bucket.take(&pace, later).admitted && bucket.take(&pace, later).admitted);
        assert!(!bucket.take(&pace, later).admitted);
    }

    #[test]
    fn threads_together_never_take_more_than_burst_and_rate() {
        let pace = Pace::new(1_000, SECOND, 500).unwrap();
        let bucket = Bucket::new(&pace, 0);
        let clock = AtomicU64::new(0);
        let taken: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let ask = |_| bucket.take(&pace, clock.fetch_add(3, Relaxed)).admitted;
                        (0..50_000).map(ask).filter(|admitted| *admitted).count() as u64
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let most = 500 + clock.load(Relaxed) / 1_000;
        // Clocks that lag only lose tokens' visibility, not tokens: nearly all are handed out.
        assert!(taken <= most && taken >= most - 5, "{taken} of {most}");
    }

    #[test]
    fn idle_means_full_for_that_long() {
        let pace = Pace::new(1, SECOND, 5).unwrap();
        let bucket = Bucket::new(&pace, 0);
        bucket.take(&pace, 0);
        assert!(!bucket.idle(SECOND - 1, 0));
        assert!(bucket.idle(SECOND, 0));
        assert!(!bucket.idle(3 * SECOND - 1, 2 * SECOND));
        assert!(bucket.idle(3 * SECOND, 2 * SECOND));
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        assert!(Pace::new(0, SECOND, 1).is_none());
        assert!(Pace::new(1, 0, 1).is_none());
        assert!(Pace::new(1, SECOND, 0).is_none());
        assert!(Pace::new(FINEST + 1, 24 * HOUR - 1, 1).is_none());
        let largest = Pace::largest_burst(1, 24 * HOUR).unwrap();
        assert!(Pace::new(1, 24 * HOUR, largest).is_some());
        assert!(Pace::new(1, 24 * HOUR, largest + 1).is_none());
    }
}
