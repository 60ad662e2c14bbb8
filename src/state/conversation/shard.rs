//! One part of the conversations: who holds which, who waits, and what leaves memory.

use super::history::{Id, Memory, OVERHEAD};
use super::{Counts, Key};
use foldhash::fast::RandomState;
use slab::Slab;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::task::{Context, Poll, Waker};

/// The most messages of one conversation that wait for their turn.
pub const MAX_WAITING: usize = 16;
/// How long after its last use a conversation leaves memory, in milliseconds.
pub const IDLE_MS: u64 = 600_000;
/// The most conversations looked at in one [`super::Conversations::sweep`].
pub const BATCH_CONVERSATIONS: usize = 64;

#[derive(Debug)]
struct Entry {
    key: Key,
    /// Known once it has been read.
    id: Option<Id>,
    /// `None` while somebody holds it.
    memory: Option<Box<Memory>>,
    queue: Option<Box<Queue>>,
    cost: usize,
    /// Used since the search for something to forget last came by.
    touched: bool,
}

impl Entry {
    fn idle(&self) -> bool {
        self.memory.is_some() && self.queue.is_none()
    }
}

/// Who waits for a conversation; there only while somebody does.
#[derive(Debug, Default)]
struct Queue {
    /// Whose turn it is: it has been woken and has not come yet.
    called: Option<u64>,
    waiting: VecDeque<(u64, Option<Waker>)>,
}

impl Queue {
    fn len(&self) -> usize {
        self.waiting.len() + usize::from(self.called.is_some())
    }
}

/// How an arrival stands.
pub(super) enum Entered {
    /// It is held, and this is known of it.
    Known(usize, Box<Memory>),
    /// It is held, and the store must be asked.
    Unknown(usize),
    Waiting(usize, u64),
    Full,
}

#[derive(Debug)]
pub(super) struct Shard {
    places: HashMap<Key, usize, RandomState>,
    entries: Slab<Entry>,
    /// Where the search for something to forget stands.
    hand: usize,
    bytes: usize,
    most: usize,
    most_bytes: usize,
    next_ticket: u64,
    counts: Counts,
}

impl Shard {
    pub(super) fn new(most: usize, most_bytes: usize) -> Self {
        Self {
            places: HashMap::default(),
            entries: Slab::new(),
            hand: 0,
            bytes: 0,
            most,
            most_bytes,
            next_ticket: 0,
            counts: Counts::default(),
        }
    }

    pub(super) fn enter(&mut self, key: Key, now_ms: u64) -> Entered {
        let known = self.places.get(&key).copied();
        let known = known.and_then(|place| Some((place, self.entries.get_mut(place)?)));
        let Some((place, entry)) = known else {
            return Entered::Unknown(self.insert(key));
        };
        entry.touched = true;
        if entry.queue.is_none()
            && let Some(mut memory) = entry.memory.take()
        {
            memory.used_ms = now_ms;
            return Entered::Known(place, memory);
        }
        let queue = entry.queue.get_or_insert_default();
        if queue.len() >= MAX_WAITING {
            self.counts.full += 1;
            return Entered::Full;
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        queue.waiting.push_back((ticket, None));
        self.counts.waiting += 1;
        Entered::Waiting(place, ticket)
    }

    fn insert(&mut self, key: Key) -> usize {
        self.counts.loaded += 1;
        if self.entries.len() >= self.most {
            self.evict();
        }
        self.bytes += OVERHEAD;
        let place = self.entries.insert(Entry {
            key,
            id: None,
            memory: None,
            queue: None,
            cost: OVERHEAD,
            touched: false,
        });
        self.places.insert(key, place);
        place
    }

    /// Takes a conversation back and calls the next in line, who is to be woken.
    pub(super) fn release(&mut self, place: usize, memory: Box<Memory>) -> Option<Waker> {
        let entry = self.entries.get_mut(place)?;
        let cost = memory.cost();
        self.bytes = self.bytes - entry.cost + cost;
        entry.cost = cost;
        let empty = memory.is_empty();
        entry.memory = Some(memory);
        let woken = self.call(place);
        if empty && self.entries.get(place).is_some_and(Entry::idle) {
            self.remove(place);
        }
        // As many as came in may go, so memory shrinks back however large this one has become.
        for _ in 0..4 {
            if self.bytes <= self.most_bytes {
                break;
            }
            self.evict();
        }
        woken
    }

    /// The id of a conversation that is here, if it is known.
    pub(super) fn id(&self, key: &Key) -> Option<Id> {
        let place = self.places.get(key)?;
        self.entries.get(*place)?.id
    }

    /// Says what id a held conversation has.
    pub(super) fn named(&mut self, place: usize, id: Id) {
        if let Some(entry) = self.entries.get_mut(place) {
            entry.id = Some(id);
        }
    }

    /// Calls the next in line, if nobody has been called.
    fn call(&mut self, place: usize) -> Option<Waker> {
        let entry = self.entries.get_mut(place)?;
        let queue = entry.queue.as_mut()?;
        if queue.called.is_some() {
            return None;
        }
        let Some((ticket, waker)) = queue.waiting.pop_front() else {
            entry.queue = None;
            return None;
        };
        queue.called = Some(ticket);
        waker
    }

    /// Gives a conversation to who waits, when it is its turn.
    pub(super) fn poll(
        &mut self,
        place: usize,
        ticket: u64,
        cx: &Context<'_>,
    ) -> Poll<Option<Box<Memory>>> {
        let Some(entry) = self.entries.get_mut(place) else {
            return Poll::Ready(None);
        };
        let Some(queue) = entry.queue.as_mut() else {
            return Poll::Ready(None);
        };
        if queue.called == Some(ticket) {
            queue.called = None;
            if queue.waiting.is_empty() {
                entry.queue = None;
            }
            self.counts.waiting -= 1;
            return Poll::Ready(entry.memory.take());
        }
        let mine = queue.waiting.iter_mut().find(|(waiting, _)| *waiting == ticket);
        match mine {
            Some((_, Some(waker))) => waker.clone_from(cx.waker()),
            Some((_, none)) => *none = Some(cx.waker().clone()),
            None => return Poll::Ready(None),
        }
        Poll::Pending
    }

    /// Lets somebody leave the queue; if it was called already, the next is, and is to be woken.
    pub(super) fn leave(&mut self, place: usize, ticket: u64) -> Option<Waker> {
        let entry = self.entries.get_mut(place)?;
        let queue = entry.queue.as_mut()?;
        self.counts.waiting -= 1;
        if queue.called != Some(ticket) {
            queue.waiting.retain(|(waiting, _)| *waiting != ticket);
            if queue.len() == 0 {
                entry.queue = None;
            }
            return None;
        }
        queue.called = None;
        let woken = self.call(place);
        let entry = self.entries.get(place)?;
        if entry.idle() && entry.memory.as_ref().is_some_and(|memory| memory.is_empty()) {
            self.remove(place);
        }
        woken
    }

    /// Forgets one that is idle: the first that was not used since this was last here, or else any.
    fn evict(&mut self) {
        let mut other = None;
        for _ in 0..BATCH_CONVERSATIONS {
            let place = self.advance();
            let Some(entry) = self.entries.get_mut(place).filter(|entry| entry.idle()) else {
                continue;
            };
            if !std::mem::take(&mut entry.touched) {
                other = Some(place);
                break;
            }
            other = other.or(Some(place));
        }
        if let Some(place) = other {
            self.counts.evicted += 1;
            self.remove(place);
        }
    }

    /// Looks at up to `most` places and forgets what is idle.
    pub(super) fn sweep(&mut self, now_ms: u64, most: usize) {
        for _ in 0..most.min(self.entries.capacity()) {
            let place = self.advance();
            let Some(entry) = self.entries.get(place).filter(|entry| entry.idle()) else {
                continue;
            };
            let due = |memory: &Memory| {
                memory.used_ms.saturating_add(IDLE_MS) <= now_ms || memory.expires_ms <= now_ms
            };
            if entry.memory.as_deref().is_some_and(due) {
                self.remove(place);
            }
        }
        if self.entries.is_empty() {
            self.entries.shrink_to_fit();
            self.places.shrink_to_fit();
        }
    }

    fn advance(&mut self) -> usize {
        let place = self.hand;
        self.hand = (place + 1) % self.entries.capacity().max(1);
        place
    }

    fn remove(&mut self, place: usize) {
        if let Some(entry) = self.entries.try_remove(place) {
            self.places.remove(&entry.key);
            self.bytes -= entry.cost;
        }
    }

    /// Those that begin with this half.
    pub(super) fn keys(&self, half: &[u8; 16], found: &mut BTreeSet<Key>) {
        let all = self.places.keys();
        found.extend(all.filter(|key| key.group().starts_with(half)));
    }

    pub(super) fn add_to(&self, sum: &mut Counts) {
        sum.held += self.entries.len() as u64;
        sum.bytes += self.bytes as u64;
        sum.waiting += self.counts.waiting;
        sum.full += self.counts.full;
        sum.loaded += self.counts.loaded;
        sum.evicted += self.counts.evicted;
    }
}
