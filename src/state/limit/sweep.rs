//! When idle buckets are forgotten: each worker looks again at the keys it made, a few at a tick.
//!
//! Nobody walks the whole map. A key is in exactly one queue: of the worker that made it, until that worker forgets it.

use std::collections::VecDeque;
use std::sync::Arc;

/// The most keys looked at in one tick.
pub const BATCH_KEYS: usize = 64;
/// How long a bucket must have been full: a caller that comes back within it finds its bucket still there.
pub const IDLE_US: u64 = 10_000_000;

/// What one worker keeps: the keys it made and the buffer it composes keys in.
///
/// With a million keys in one queue and five ticks a second every key is looked at within the hour, far inside the 25 hours after
/// which the finest tick counter would wrap ([`super::bucket`]).
#[derive(Debug, Default)]
pub struct Sweeper {
    pub(super) scratch: Vec<u8>,
    pub(super) queue: VecDeque<Arc<[u8]>>,
}

impl Sweeper {
    /// Shows up to [`BATCH_KEYS`] keys to `forget` and keeps those for which it says false.
    pub(super) fn tick(&mut self, mut forget: impl FnMut(&[u8]) -> bool) {
        for _ in 0..BATCH_KEYS.min(self.queue.len()) {
            let Some(key) = self.queue.pop_front() else {
                return;
            };
            if !forget(&key) {
                self.queue.push_back(key);
            }
        }
        if self.queue.capacity() > 4 * BATCH_KEYS.max(self.queue.len()) {
            self.queue.shrink_to(2 * self.queue.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::limit::{Key, Limiter, Rate, Rule, RuleSet, Verdict};
    use std::time::Duration;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn idle_buckets_go_a_few_at_a_tick_and_busy_ones_stay() {
        let rate = Rate { count: 1, period: Duration::from_secs(60) };
        let set =
            RuleSet::new(&[Rule { rate, burst: 2, key: Key::Json("/n".to_owned()) }], "bot", "raw")
                .unwrap();
        let (limiter, mut sweeper) = (Limiter::default(), Sweeper::default());
        let ask = |sweeper: &mut Sweeper, now, n: u64| {
            limiter.admit(set.all(), now, sweeper, |_, out| out.extend_from_slice(&n.to_le_bytes()))
        };
        for n in 0..1_000 {
            ask(&mut sweeper, 0, n);
        }
        let full = 60 * SECOND;
        ask(&mut sweeper, full, 3);
        limiter.sweep(&mut sweeper, full + IDLE_US * 1_000 - 1_000);
        assert_eq!(limiter.counts().keys, 1_000, "not idle for long enough");
        limiter.sweep(&mut sweeper, full + IDLE_US * 1_000);
        assert_eq!(limiter.counts().keys, 1_000 - BATCH_KEYS as u64);
        for _ in 0..1_000 / BATCH_KEYS + 1 {
            limiter.sweep(&mut sweeper, full + IDLE_US * 1_000);
        }
        assert_eq!((limiter.counts().keys, limiter.counts().swept), (1, 999));
        assert_eq!(sweeper.queue.len(), 1);
        assert!(
            sweeper.queue.capacity() <= 4 * BATCH_KEYS,
            "what a flood made large is given back"
        );
        let Verdict::Admitted(standing) = ask(&mut sweeper, full + 11 * SECOND, 3) else {
            panic!("one left")
        };
        assert_eq!(standing.remaining, 0, "the busy bucket kept its count");
    }
}
