//! When a delivery is tried again, and when it is given up.

use std::time::Duration;

/// How much earlier or later than its step a retry may come, in percent: deliveries that failed together do not come back together.
const JITTER_PERCENT: u64 = 10;
/// The longest that a receiver's `Retry-After` is obeyed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// How long after each failed attempt the next one follows; after the last step the delivery is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Vec<Duration>);

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver answered with this status; `told` is how long it asks to be left alone ([`crate::codec::retry_after`]).
    Answered {
        /// The status.
        status: u16,
        /// Its `Retry-After`.
        told: Option<Duration>,
    },
    /// There was no answer: no connection, a deadline, a broken response.
    Failed,
}

/// What becomes of the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It has arrived.
    Delivered,
    /// It is tried again at this time, in milliseconds since 1970.
    At(u64),
    /// It is given up.
    Dead(Why),
}

/// Why a delivery is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// 410: the receiver wants no more.
    #[error("the receiver answered 410: it is gone for good")]
    Gone,
    /// Every attempt has failed.
    #[error("every attempt failed")]
    Spent,
}

impl Schedule {
    /// A schedule of these steps.
    pub fn new(steps: Vec<Duration>) -> Self {
        Self(steps)
    }

    /// How many attempts there are in all.
    pub fn attempts(&self) -> usize {
        self.0.len() + 1
    }

    /// The steps.
    pub fn steps(&self) -> &[Duration] {
        &self.0
    }

    /// What follows an attempt that ended at `now_ms`, milliseconds since 1970, with `made` attempts so far, this one included.
    /// `random` is any number; equal ones give equal times.
    pub fn next(&self, made: usize, now_ms: u64, outcome: Outcome, random: u64) -> Next {
        let told = match outcome {
            Outcome::Answered { status: 200..=299, .. } => return Next::Delivered,
            Outcome::Answered { status: 410, .. } => return Next::Dead(Why::Gone),
            Outcome::Answered { status: 429 | 503, told } => {
                told.unwrap_or_default().min(MAX_RETRY_AFTER)
            }
            Outcome::Answered { .. } | Outcome::Failed => Duration::ZERO,
        };
        match made.checked_sub(1).and_then(|failed| self.0.get(failed)) {
            None => Next::Dead(Why::Spent),
            Some(step) => {
                let wait = jittered(millis(*step), random).max(millis(told));
                Next::At(now_ms.saturating_add(wait))
            }
        }
    }
}

/// A step of so many milliseconds, made shorter or longer by up to a tenth.
fn jittered(step: u64, random: u64) -> u64 {
    let spread = step / 100 * JITTER_PERCENT;
    step - spread + random % (2 * spread + 1)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    /// FourthChat's: 30 s, 2 min, 10 min (seed 002).
    fn fourthchat() -> Schedule {
        Schedule::new([30, 120, 600].map(Duration::from_secs).to_vec())
    }

    fn answered(status: u16, told: Option<u64>) -> Outcome {
        let told = told.map(Duration::from_secs);
        Outcome::Answered { status, told }
    }

    #[test]
    fn an_answer_decides_what_follows() {
        let again = |seconds: u64| Next::At(NOW + seconds * 1000);
        // A random number in the middle leaves the first step as it is.
        let middle = 3000;
        for (outcome, next) in [
            (answered(200, None), Next::Delivered),
            (answered(299, Some(9)), Next::Delivered),
            (answered(410, Some(9)), Next::Dead(Why::Gone)),
            (answered(100, None), again(30)),
            (answered(301, None), again(30)),
            (answered(304, None), again(30)),
            (answered(400, None), again(30)),
            (answered(404, Some(500)), again(30)),
            (answered(500, Some(500)), again(30)),
            (answered(429, None), again(30)),
            (answered(429, Some(29)), again(30)),
            (answered(429, Some(31)), again(31)),
            (answered(503, Some(3600)), again(3600)),
            (answered(503, Some(86_400)), again(3600)),
            (answered(0, None), again(30)),
            (answered(999, None), again(30)),
            (Outcome::Failed, again(30)),
        ] {
            assert_eq!(fourthchat().next(1, NOW, outcome, middle), next, "{outcome:?}");
        }
    }

    #[test]
    fn every_step_has_its_time_and_the_last_one_is_the_end() {
        let schedule = fourthchat();
        assert_eq!(schedule.attempts(), 4);
        for (made, seconds) in [(1, 30), (2, 120), (3, 600)] {
            let step = seconds * 1000;
            let spread = step / 10;
            let at = |random| schedule.next(made, NOW, Outcome::Failed, random);
            assert_eq!(at(0), Next::At(NOW + step - spread));
            assert_eq!(at(spread), Next::At(NOW + step));
            assert_eq!(at(2 * spread), Next::At(NOW + step + spread));
            for random in (0..u64::MAX).step_by(usize::MAX / 1000) {
                let Next::At(time) = at(random) else { panic!("{made}") };
                assert!((NOW + step - spread..=NOW + step + spread).contains(&time));
            }
        }
        for (made, outcome) in
            [(4, Outcome::Failed), (4, answered(503, Some(1))), (usize::MAX, Outcome::Failed)]
        {
            let next = schedule.next(made, NOW, outcome, 7);
            assert_eq!(next, Next::Dead(Why::Spent));
        }
        let none = Schedule::new(Vec::new());
        assert_eq!(none.next(1, NOW, answered(200, None), 0), Next::Delivered);
        assert_eq!(none.next(1, NOW, Outcome::Failed, 0), Next::Dead(Why::Spent));
    }

    #[test]
    fn no_number_overflows() {
        let long = Schedule::new(vec![Duration::MAX, Duration::from_nanos(1)]);
        for random in [0, 1, u64::MAX] {
            let at = long.next(1, u64::MAX, Outcome::Failed, random);
            assert_eq!(at, Next::At(u64::MAX));
            assert_eq!(long.next(2, NOW, Outcome::Failed, random), Next::At(NOW));
        }
    }
}
