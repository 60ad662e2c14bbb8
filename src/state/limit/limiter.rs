//! Whether a request is admitted: every bucket of the process in one sharded map.
//!
//! A hit is a look-up and a compare-and-swap, without an allocation. A bucket is made on its first use only, which comes after
//! verification, and past the cap on keys the newcomers of a rule share one bucket, so memory is bounded whatever callers send.

use super::bucket::{Bucket, Outcome};
use super::sweep::IDLE_US;
use super::{Compiled, Key, Standing, Sweeper, Verdict, key};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use foldhash::fast::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// How many buckets there are at most, those that newcomers share (one a rule) aside.
pub const MAX_KEYS: usize = 1_000_000;

/// Counts since the start, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Buckets there are now.
    pub keys: u64,
    /// Buckets made.
    pub created: u64,
    /// Buckets forgotten because they were full and idle.
    pub swept: u64,
    /// Requests charged to a shared bucket because the map was full.
    pub overflowed: u64,
}

/// The buckets of all bots. Shared by the workers; nothing in it waits for longer than a shard's lock.
#[derive(Debug)]
pub struct Limiter {
    buckets: DashMap<Arc<[u8]>, Bucket, RandomState>,
    most: usize,
    keys: AtomicUsize,
    created: AtomicU64,
    swept: AtomicU64,
    overflowed: AtomicU64,
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new(MAX_KEYS)
    }
}

impl Limiter {
    /// A limiter that holds at most `most` buckets.
    pub fn new(most: usize) -> Self {
        Self {
            buckets: DashMap::with_hasher(RandomState::default()),
            most,
            keys: AtomicUsize::new(0),
            created: AtomicU64::new(0),
            swept: AtomicU64::new(0),
            overflowed: AtomicU64::new(0),
        }
    }

    /// Takes a token from a bucket of every rule, or from none. `now_ns` is the time since the process started, in nanoseconds;
    /// `value` appends what a rule's [`Key`] reads in this request ([`super::head_value`] for those of the head).
    pub fn admit(
        &self,
        rules: &[Compiled],
        now_ns: u64,
        sweeper: &mut Sweeper,
        mut value: impl FnMut(&Key, &mut Vec<u8>),
    ) -> Verdict {
        let now_us = now_ns / 1_000;
        let mut verdict = Verdict::Unlimited;
        for (index, rule) in rules.iter().enumerate() {
            let outcome = self.take(rule, now_us, sweeper, &mut value);
            let standing = Standing {
                rule: rule.index,
                remaining: outcome.remaining,
                wait_us: outcome.wait_us,
            };
            if !outcome.admitted {
                self.refund(&rules[..index], sweeper, value);
                return Verdict::Refused(standing);
            }
            verdict = match verdict {
                Verdict::Admitted(tightest) => Verdict::Admitted(tightest.tighter(standing)),
                Verdict::Unlimited | Verdict::Refused(_) => Verdict::Admitted(standing),
            };
        }
        verdict
    }

    /// Gives back what [`Limiter::admit`] took for the same rules and values: a later stage did not let the request through.
    pub fn refund(
        &self,
        rules: &[Compiled],
        sweeper: &mut Sweeper,
        mut value: impl FnMut(&Key, &mut Vec<u8>),
    ) {
        let scratch = &mut sweeper.scratch;
        for rule in rules {
            key::compose(&rule.prefix, scratch, |out| value(&rule.key, out));
            if let Some(bucket) = self.buckets.get(scratch.as_slice()) {
                bucket.refund(&rule.pace);
                continue;
            }
            key::overflow(&rule.prefix, scratch);
            if let Some(bucket) = self.buckets.get(scratch.as_slice()) {
                bucket.refund(&rule.pace);
            }
        }
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        Counts {
            keys: self.keys.load(Relaxed) as u64,
            created: self.created.load(Relaxed),
            swept: self.swept.load(Relaxed),
            overflowed: self.overflowed.load(Relaxed),
        }
    }

    fn take(
        &self,
        rule: &Compiled,
        now_us: u64,
        sweeper: &mut Sweeper,
        value: &mut impl FnMut(&Key, &mut Vec<u8>),
    ) -> Outcome {
        key::compose(&rule.prefix, &mut sweeper.scratch, |out| value(&rule.key, out));
        if let Some(bucket) = self.buckets.get(sweeper.scratch.as_slice()) {
            return bucket.take(&rule.pace, now_us);
        }
        // The place is taken before the bucket is made, so that workers together never pass the cap.
        if self.keys.fetch_add(1, Relaxed) < self.most {
            return self.create(rule, now_us, sweeper);
        }
        self.keys.fetch_sub(1, Relaxed);
        self.overflowed.fetch_add(1, Relaxed);
        key::overflow(&rule.prefix, &mut sweeper.scratch);
        if let Some(bucket) = self.buckets.get(sweeper.scratch.as_slice()) {
            return bucket.take(&rule.pace, now_us);
        }
        self.keys.fetch_add(1, Relaxed);
        self.create(rule, now_us, sweeper)
    }

    /// Makes the bucket of the key in the scratch buffer, whose place is already counted, unless another worker just did.
    fn create(&self, rule: &Compiled, now_us: u64, sweeper: &mut Sweeper) -> Outcome {
        let key: Arc<[u8]> = Arc::from(sweeper.scratch.as_slice());
        match self.buckets.entry(key) {
            Entry::Occupied(entry) => {
                self.keys.fetch_sub(1, Relaxed);
                entry.get().take(&rule.pace, now_us)
            }
            Entry::Vacant(entry) => {
                self.created.fetch_add(1, Relaxed);
                sweeper.queue.push_back(Arc::clone(entry.key()));
                entry.insert(Bucket::new(&rule.pace, now_us)).take(&rule.pace, now_us)
            }
        }
    }

    /// Looks at up to [`PER_TICK`](super::sweep::BATCH_KEYS) of a worker's keys and forgets those whose bucket has been full for
    /// [`IDLE_US`]. To be called a few times a second.
    pub fn sweep(&self, sweeper: &mut Sweeper, now_ns: u64) {
        sweeper.tick(|key| self.forget(key, now_ns / 1_000));
    }

    fn forget(&self, key: &[u8], now_us: u64) -> bool {
        let gone = self.buckets.remove_if(key, |_, bucket| bucket.idle(now_us, IDLE_US)).is_some();
        if gone {
            self.keys.fetch_sub(1, Relaxed);
            self.swept.fetch_add(1, Relaxed);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::limit::{Rate, Rule, RuleSet};
    use std::time::Duration;

    const SECOND: u64 = 1_000_000_000;

    fn set(rules: &[(u64, u64, Key)]) -> RuleSet {
        let rules: Vec<Rule> = rules
            .iter()
            .map(|(count, burst, key)| {
                let rate = Rate { count: *count, period: Duration::from_secs(60) };
                Rule { rate, burst: *burst, key: key.clone() }
            })
            .collect();
        RuleSet::new(&rules, "bot", "raw").unwrap()
    }

    fn json() -> Key {
        Key::Json("/team".to_owned())
    }

    /// Charges with the same value for every key that is not the bot's.
    fn admit(
        limiter: &Limiter,
        set: &RuleSet,
        sweeper: &mut Sweeper,
        now: u64,
        value: &str,
    ) -> Verdict {
        limiter.admit(set.all(), now, sweeper, |key, out| {
            if *key != Key::Bot {
                out.extend_from_slice(value.as_bytes());
            }
        })
    }

    #[test]
    fn a_burst_then_a_refusal_with_the_exact_wait() {
        let (limiter, mut sweeper, set) =
            (Limiter::default(), Sweeper::default(), set(&[(60, 2, Key::Bot)]));
        let standing = |remaining, wait_us| Standing { rule: 0, remaining, wait_us };
        assert_eq!(limiter.admit(&[], 0, &mut sweeper, |_, _| {}), Verdict::Unlimited);
        assert_eq!(
            admit(&limiter, &set, &mut sweeper, 0, ""),
            Verdict::Admitted(standing(1, 1_000_000))
        );
        assert_eq!(
            admit(&limiter, &set, &mut sweeper, 0, ""),
            Verdict::Admitted(standing(0, 1_000_000))
        );
        assert_eq!(
            admit(&limiter, &set, &mut sweeper, SECOND / 4, ""),
            Verdict::Refused(standing(0, 750_000))
        );
        assert_eq!(
            admit(&limiter, &set, &mut sweeper, SECOND, ""),
            Verdict::Admitted(standing(0, 1_000_000))
        );
    }

    #[test]
    fn a_rule_that_refuses_costs_the_others_nothing() {
        let rules = set(&[(60, 3, Key::Bot), (60, 1, json())]);
        let (limiter, mut sweeper) = (Limiter::default(), Sweeper::default());
        assert!(matches!(admit(&limiter, &rules, &mut sweeper, 0, "a"), Verdict::Admitted(_)));
        for _ in 0..10 {
            let Verdict::Refused(standing) = admit(&limiter, &rules, &mut sweeper, 0, "a") else {
                panic!("a is spent")
            };
            assert_eq!(rules.rate_limit(&standing).unwrap(), r#""json";r=0;t=1"#);
        }
        assert!(matches!(admit(&limiter, &rules, &mut sweeper, 0, "b"), Verdict::Admitted(_)));
        let Verdict::Admitted(standing) = admit(&limiter, &rules, &mut sweeper, 0, "c") else {
            panic!("the bot has one left")
        };
        assert_eq!(standing.remaining, 0);
        assert!(matches!(admit(&limiter, &rules, &mut sweeper, 0, "d"), Verdict::Refused(_)));
    }

    #[test]
    fn a_reload_keeps_the_buckets_of_unchanged_rules() {
        let (limiter, mut sweeper) = (Limiter::default(), Sweeper::default());
        assert!(matches!(
            admit(&limiter, &set(&[(60, 1, Key::Bot)]), &mut sweeper, 0, ""),
            Verdict::Admitted(_)
        ));
        assert!(matches!(
            admit(&limiter, &set(&[(60, 1, Key::Bot)]), &mut sweeper, 0, ""),
            Verdict::Refused(_)
        ));
        assert!(matches!(
            admit(&limiter, &set(&[(61, 1, Key::Bot)]), &mut sweeper, 0, ""),
            Verdict::Admitted(_)
        ));
    }

    #[test]
    fn past_the_cap_newcomers_share_one_bucket_and_old_keys_keep_theirs() {
        let (limiter, mut sweeper, set) =
            (Limiter::new(2), Sweeper::default(), set(&[(60, 2, json())]));
        for value in ["a", "b"] {
            assert!(matches!(admit(&limiter, &set, &mut sweeper, 0, value), Verdict::Admitted(_)));
        }
        let shared: Vec<bool> = ["c", "d", "e"]
            .map(|value| {
                matches!(admit(&limiter, &set, &mut sweeper, 0, value), Verdict::Admitted(_))
            })
            .to_vec();
        assert_eq!(shared, [true, true, false]);
        assert!(matches!(admit(&limiter, &set, &mut sweeper, 0, "a"), Verdict::Admitted(_)));
        assert_eq!(limiter.counts(), Counts { keys: 3, created: 3, swept: 0, overflowed: 3 });
        limiter.refund(set.all(), &mut sweeper, |_, out| out.push(b'f'));
        assert!(
            matches!(admit(&limiter, &set, &mut sweeper, 0, "f"), Verdict::Admitted(_)),
            "a newcomer's refund is shared too"
        );
    }

    #[test]
    fn workers_racing_for_one_key_make_one_bucket_and_hand_out_its_burst() {
        let (limiter, set) = (Limiter::default(), set(&[(1, 1_000, json())]));
        let admitted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut sweeper = Sweeper::default();
                        let ask = |_| {
                            matches!(
                                admit(&limiter, &set, &mut sweeper, 0, "a"),
                                Verdict::Admitted(_)
                            )
                        };
                        (0..1_000).map(ask).filter(|admitted| *admitted).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(admitted, 1_000);
        assert_eq!(limiter.counts(), Counts { keys: 1, created: 1, swept: 0, overflowed: 0 });
    }
}
