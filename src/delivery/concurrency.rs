//! How many messages may be answered at once for one receiver: fewer where connections to the AI run out, more again with every
//! answer. Whoever waits in the journal loses nothing, and costs nothing.

use super::MAX_ANSWERS_PER_RECEIVER;
use crate::clock;
use std::cell::Cell;
use std::time::Duration;

/// How long nothing is begun for a receiver once connections to its AI have run out.
const REST_AFTER_BUSY: Duration = Duration::from_millis(100);

/// One receiver's pace.
#[derive(Debug)]
pub(super) struct ConcurrencyLimit {
    most: Cell<usize>,
    /// Nothing is begun before, in nanoseconds of [`clock::now`].
    rest: Cell<u64>,
}

impl Default for ConcurrencyLimit {
    fn default() -> Self {
        Self { most: Cell::new(MAX_ANSWERS_PER_RECEIVER), rest: Cell::new(0) }
    }
}

impl ConcurrencyLimit {
    /// Whether another may be begun beside so many.
    pub(super) fn admits(&self, asked: usize, now: u64) -> bool {
        asked < self.most.get() && now >= self.rest.get()
    }

    /// One of so many found no connection.
    pub(super) fn slower(&self, asked: usize, now: u64) {
        self.most.set(asked.saturating_sub(1).max(1));
        self.rest.set(now.saturating_add(clock::nanos(REST_AFTER_BUSY)));
    }

    /// An AI has been asked.
    pub(super) fn faster(&self) {
        self.most.set((self.most.get() + 1).min(MAX_ANSWERS_PER_RECEIVER));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_connection_slows_down_and_what_is_answered_speeds_up() {
        let pace = ConcurrencyLimit::default();
        assert!(
            pace.admits(MAX_ANSWERS_PER_RECEIVER - 1, 0)
                && !pace.admits(MAX_ANSWERS_PER_RECEIVER, 0)
        );
        let rest = clock::nanos(REST_AFTER_BUSY);
        for asked in (3..=MAX_ANSWERS_PER_RECEIVER).rev() {
            pace.slower(asked, 0);
        }
        assert!(!pace.admits(0, rest - 1), "it rests");
        assert!(pace.admits(1, rest) && !pace.admits(2, rest));
        pace.slower(1, 0);
        assert!(pace.admits(0, rest), "one is always tried");
        pace.faster();
        assert!(pace.admits(1, rest) && !pace.admits(2, rest));
        (0..=MAX_ANSWERS_PER_RECEIVER).for_each(|_| pace.faster());
        assert!(!pace.admits(MAX_ANSWERS_PER_RECEIVER, rest));
    }
}
