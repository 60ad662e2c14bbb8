//! One shard of the idempotency store: the states of its deliveries and the order in which they were answered.

use super::{Counts, Key, Stored};
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

#[derive(Debug)]
enum State {
    InFlight,
    Done(Answer),
}

#[derive(Debug)]
struct Answer {
    stored: Arc<Stored>,
    cost: usize,
    expires_ns: u64,
    /// Its place in the order.
    serial: u64,
}

/// What a delivery is when it arrives.
pub(super) enum ShardLookup {
    Fresh { tracked: bool },
    InFlight,
    Done(Arc<Stored>),
}

#[derive(Debug)]
pub(super) struct Shard {
    states: HashMap<Key, State, RandomState>,
    /// Every answer, the first given first.
    order: BTreeMap<u64, Key>,
    next_serial: u64,
    /// Where the last sweep stopped.
    swept: u64,
    bytes: usize,
    most: usize,
    most_bytes: usize,
    counts: Counts,
}

impl Shard {
    pub(super) fn new(most: usize, most_bytes: usize) -> Self {
        Self {
            states: HashMap::default(),
            order: BTreeMap::new(),
            next_serial: 0,
            swept: 0,
            bytes: 0,
            most,
            most_bytes,
            counts: Counts::default(),
        }
    }

    pub(super) fn begin(&mut self, key: Key, now_ns: u64) -> ShardLookup {
        match self.states.get(&key) {
            Some(State::InFlight) => {
                self.counts.in_flight += 1;
                return ShardLookup::InFlight;
            }
            Some(State::Done(answer)) if now_ns < answer.expires_ns => {
                self.counts.repeated += 1;
                return ShardLookup::Done(Arc::clone(&answer.stored));
            }
            Some(State::Done(_)) => self.forget(&key),
            None => {}
        }
        if self.states.len() >= self.most && !self.evict() {
            self.counts.untracked += 1;
            return ShardLookup::Fresh { tracked: false };
        }
        self.counts.fresh += 1;
        self.states.insert(key, State::InFlight);
        ShardLookup::Fresh { tracked: true }
    }

    pub(super) fn done(&mut self, key: Key, stored: Arc<Stored>, expires_ns: u64) {
        let (serial, cost) = (self.next_serial, stored.cost());
        self.next_serial += 1;
        self.bytes += cost;
        self.order.insert(serial, key);
        let answer = Answer { stored, cost, expires_ns, serial };
        self.states.insert(key, State::Done(answer));
        while self.bytes > self.most_bytes && self.evict() {}
    }

    pub(super) fn free(&mut self, key: &Key) {
        self.states.remove(key);
    }

    /// Looks at up to `most` answers, going round in the order they were given, and forgets those that expired.
    pub(super) fn sweep(&mut self, now_ns: u64, most: usize) {
        let seen: Vec<(u64, Key)> = self
            .order
            .range(self.swept..)
            .take(most)
            .map(|(serial, key)| (*serial, *key))
            .collect();
        self.swept =
            if seen.len() < most { 0 } else { seen.last().map_or(0, |(serial, _)| serial + 1) };
        for (_, key) in seen {
            if matches!(self.states.get(&key), Some(State::Done(answer)) if answer.expires_ns <= now_ns)
            {
                self.forget(&key);
            }
        }
    }

    pub(super) fn add_to(&self, sum: &mut Counts) {
        sum.held += self.states.len() as u64;
        sum.bytes += self.bytes as u64;
        sum.fresh += self.counts.fresh;
        sum.in_flight += self.counts.in_flight;
        sum.repeated += self.counts.repeated;
        sum.untracked += self.counts.untracked;
        sum.evicted += self.counts.evicted;
    }

    /// Forgets the answer that was given first; false where there is none.
    fn evict(&mut self) -> bool {
        let Some((_, key)) = self.order.first_key_value() else {
            return false;
        };
        let key = *key;
        self.counts.evicted += 1;
        self.forget(&key);
        true
    }

    fn forget(&mut self, key: &Key) {
        if let Some(State::Done(answer)) = self.states.remove(key) {
            self.order.remove(&answer.serial);
            self.bytes -= answer.cost;
        }
    }
}
