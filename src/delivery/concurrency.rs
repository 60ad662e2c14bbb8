//! How many messages may be answered at the same time for one receiver: fewer when connections to the AI run out, more again with
//! every answer. Messages beyond that wait in their queue, which costs nothing.

use super::MAX_ANSWERS_PER_RECEIVER;
use crate::clock;
use std::cell::Cell;
use std::time::Duration;

/// How long no answer is started for a receiver after connections to its AI have run out.
const PAUSE_AFTER_BUSY: Duration = Duration::from_millis(100);

/// One receiver's limit.
#[derive(Debug)]
pub(super) struct ConcurrencyLimit {
    max: Cell<usize>,
    /// In nanoseconds of [`clock::now`].
    paused_until: Cell<u64>,
}

impl Default for ConcurrencyLimit {
    fn default() -> Self {
        Self { max: Cell::new(MAX_ANSWERS_PER_RECEIVER), paused_until: Cell::new(0) }
    }
}

impl ConcurrencyLimit {
    /// Whether another may be started beside those in flight.
    pub(super) fn admits(&self, in_flight: usize, now: u64) -> bool {
        in_flight < self.max.get() && now >= self.paused_until.get()
    }

    /// One of those in flight found no connection.
    pub(super) fn decrease(&self, in_flight: usize, now: u64) {
        self.max.set(in_flight.saturating_sub(1).max(1));
        self.paused_until.set(now.saturating_add(clock::nanos(PAUSE_AFTER_BUSY)));
    }

    /// An AI has answered or refused: a connection was there.
    pub(super) fn increase(&self) {
        self.max.set((self.max.get() + 1).min(MAX_ANSWERS_PER_RECEIVER));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_connection_lowers_the_limit_and_each_answer_raises_it() {
        let limit = ConcurrencyLimit::default();
        assert!(
            limit.admits(MAX_ANSWERS_PER_RECEIVER - 1, 0)
                && !limit.admits(MAX_ANSWERS_PER_RECEIVER, 0)
        );
        let pause = clock::nanos(PAUSE_AFTER_BUSY);
        for in_flight in (3..=MAX_ANSWERS_PER_RECEIVER).rev() {
            limit.decrease(in_flight, 0);
        }
        assert!(!limit.admits(0, pause - 1), "it pauses");
        assert!(limit.admits(1, pause) && !limit.admits(2, pause));
        limit.decrease(1, 0);
        assert!(limit.admits(0, pause), "one is always tried");
        limit.increase();
        assert!(limit.admits(1, pause) && !limit.admits(2, pause));
        (0..=MAX_ANSWERS_PER_RECEIVER).for_each(|_| limit.increase());
        assert!(!limit.admits(MAX_ANSWERS_PER_RECEIVER, pause));
    }
}
