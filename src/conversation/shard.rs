//! A part of all conversations, under one lock.

use super::{Key, LARGEST, MOST_WAITING, Past, Place, Policy, lock};
use crate::message::Role;
use foldhash::fast::RandomState;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// What one conversation costs beside its texts.
const OVERHEAD: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Shard {
    all: HashMap<Key, Conversation, RandomState>,
    /// Every key once, in the order in which they are looked at next.
    round: VecDeque<Key>,
    bytes: usize,
}

#[derive(Debug)]
struct Conversation {
    id: Arc<str>,
    past: VecDeque<Arc<Past>>,
    bytes: usize,
    ends_ms: u64,
    busy: bool,
    waiting: VecDeque<Arc<Place>>,
}

pub(super) enum Enter {
    Ready(Arc<str>, Vec<Arc<Past>>),
    Waiting(Arc<Place>),
    Full,
}

impl Shard {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn enter(&mut self, key: Key, policy: Policy, now_ms: u64, most: usize) -> Enter {
        let expired = |known: &Conversation| !known.busy && known.ends_ms <= now_ms;
        if self.all.get(&key).is_some_and(expired) {
            self.forget(&key);
        }
        if !self.all.contains_key(&key) {
            while self.all.len() >= most && self.evict() {}
            self.all.insert(key, Conversation::new(policy, now_ms));
            self.round.push_back(key);
            self.bytes += OVERHEAD;
        }
        let Some(known) = self.all.get_mut(&key) else {
            return Enter::Full;
        };
        if !known.busy {
            known.busy = true;
            return Enter::Ready(known.id.clone(), known.window(policy));
        }
        if known.waiting.len() >= MOST_WAITING {
            return Enter::Full;
        }
        let place = Arc::new(Place::default());
        known.waiting.push_back(place.clone());
        Enter::Waiting(place)
    }

    /// A conversation that somebody holds, as it is now.
    pub(super) fn look(&self, key: &Key, policy: Policy) -> (Arc<str>, Vec<Arc<Past>>) {
        let known = self.all.get(key);
        known.map_or_else(
            || ("".into(), Vec::new()),
            |known| (known.id.clone(), known.window(policy)),
        )
    }

    pub(super) fn append(&mut self, key: &Key, policy: Policy, turn: [Past; 2], now_ms: u64) {
        let Some(known) = self.all.get_mut(key) else {
            return;
        };
        let before = known.bytes;
        for past in turn {
            known.bytes += past.bytes();
            known.past.push_back(Arc::new(past));
        }
        while known.past.len() > policy.window || known.bytes > LARGEST {
            let Some(gone) = known.past.pop_front() else {
                break;
            };
            known.bytes -= gone.bytes();
        }
        known.ends_ms = ends(now_ms, policy.ttl);
        self.bytes = self.bytes + known.bytes - before;
    }

    /// Its holder is done: the first who waits has its turn.
    pub(super) fn release(&mut self, key: &Key) {
        let Some(known) = self.all.get_mut(key) else {
            return;
        };
        match known.waiting.pop_front() {
            Some(place) => {
                place.called.store(true, Relaxed);
                if let Some(waker) = lock(&place.waker).take() {
                    waker.wake();
                }
            }
            None => known.busy = false,
        }
    }

    pub(super) fn leave(&mut self, key: &Key, place: &Arc<Place>) {
        if let Some(known) = self.all.get_mut(key) {
            known.waiting.retain(|other| !Arc::ptr_eq(other, place));
        }
    }

    /// Looks at so many conversations and forgets those that have expired.
    pub(super) fn sweep(&mut self, now_ms: u64, most: usize) {
        for _ in 0..most.min(self.round.len()) {
            let Some(key) = self.round.pop_front() else {
                return;
            };
            match self.all.get(&key) {
                Some(known) if known.busy || known.ends_ms > now_ms => self.round.push_back(key),
                Some(_) => self.remove(&key),
                None => {}
            }
        }
    }

    /// Forgets one that nobody holds; false where there is none among those looked at.
    pub(super) fn evict(&mut self) -> bool {
        for _ in 0..super::PER_SWEEP.min(self.round.len()) {
            let Some(key) = self.round.pop_front() else {
                return false;
            };
            match self.all.get(&key) {
                Some(known) if known.busy => self.round.push_back(key),
                Some(_) => {
                    self.remove(&key);
                    return true;
                }
                None => {}
            }
        }
        false
    }

    fn forget(&mut self, key: &Key) {
        self.round.retain(|other| other != key);
        self.remove(key);
    }

    fn remove(&mut self, key: &Key) {
        if let Some(gone) = self.all.remove(key) {
            self.bytes -= gone.bytes + OVERHEAD;
        }
    }
}

impl Conversation {
    fn new(policy: Policy, now_ms: u64) -> Self {
        Self {
            id: uuid::Uuid::new_v4().simple().to_string().into(),
            past: VecDeque::new(),
            bytes: 0,
            ends_ms: ends(now_ms, policy.ttl),
            busy: false,
            waiting: VecDeque::new(),
        }
    }

    /// The last messages, the first of them a user's.
    fn window(&self, policy: Policy) -> Vec<Arc<Past>> {
        let skip = self.past.len().saturating_sub(policy.window);
        let last = self.past.iter().skip(skip);
        last.skip_while(|past| past.role() != Role::User)
            .cloned()
            .collect()
    }
}

fn ends(now_ms: u64, ttl: Duration) -> u64 {
    now_ms.saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
}
