//! Conversations: whose turn it is to be answered, and what was said before.
//!
//! One message of a conversation is answered at a time, first come first served: whoever enters either holds the conversation,
//! waits for it, or is told that enough wait already. The holder reads the history and, once an answer is whole, appends both
//! turns, once; dropping the hold in any other way leaves the history as it was.
//!
//! Memory holds what was used of late; all of it is in the store, and is read again when it is missed. No clock is read here: a
//! conversation has expired when the time that is passed in says so.

mod forget;
mod history;
mod key;
mod record;
mod shard;
mod turn;

pub use forget::{ForgetError, Forgotten, MAX_FORGOTTEN};
pub use history::{Id, MAX_METADATA, MAX_PAIRS, MAX_TEXT};
pub use key::Key;
pub use shard::{BATCH_CONVERSATIONS, IDLE_MS, MAX_WAITING};
pub use turn::{Begin, TurnGuard, TurnWait};

use crate::state::store::{Space, Store};
use history::Memory;
use shard::{Entered, Shard};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most conversations in memory, save those that are being answered.
pub const MAX_CONVERSATIONS: usize = 200_000;
/// The most bytes of conversations in memory, save those that are being answered.
pub const MAX_BYTES: usize = 256 * 1024 * 1024;
const SHARDS: usize = 16;

/// How long and how much a bot's conversations remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long after the last message a conversation ends.
    pub ttl: Duration,
    /// How many past messages are sent along; of an odd number the first would be an answer, and is left out.
    pub window: u32,
}

/// Counts since the start, and what is held now, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Conversations in memory now.
    pub held: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages that wait for their turn now.
    pub waiting: u64,
    /// Messages refused because enough waited.
    pub full: u64,
    /// Conversations looked for in the store, found or not.
    pub loaded: u64,
    /// Conversations that left memory to make room.
    pub evicted: u64,
}

/// All conversations, shared by the workers; nothing in it waits for longer than a shard's short lock, or one reading of the store.
#[derive(Debug)]
pub struct Conversations {
    shards: Box<[Mutex<Shard>]>,
    store: Arc<Store>,
    next: AtomicUsize,
}

impl Conversations {
    /// Those of a store, within [`MAX_CONVERSATIONS`] and [`MAX_BYTES`].
    pub fn new(store: Arc<Store>) -> Arc<Self> {
        Self::bounded(store, SHARDS, MAX_CONVERSATIONS / SHARDS, MAX_BYTES / SHARDS)
    }

    fn bounded(store: Arc<Store>, shards: usize, most: usize, bytes: usize) -> Arc<Self> {
        let shards = (0..shards).map(|_| Mutex::new(Shard::new(most, bytes))).collect();
        Arc::new(Self { shards, store, next: AtomicUsize::new(0) })
    }

    /// A message's turn: at once, or after those that came first. `now_ms`: milliseconds since 1970.
    pub async fn begin(self: &Arc<Self>, key: Key, policy: Policy, now_ms: u64) -> Begin {
        self.enter(key, policy, now_ms)
    }

    fn enter(self: &Arc<Self>, key: Key, policy: Policy, now_ms: u64) -> Begin {
        let entered = self.shard(&key).enter(key, now_ms);
        let held = |place, memory| TurnGuard::new(self, key, place, memory, policy, now_ms);
        match entered {
            Entered::Known(place, memory) => Begin::Ready(held(place, memory)),
            // What cannot be read is begun anew; the store counts it.
            Entered::Unknown(place) => {
                let records = self.store.read(Space::Conversations, key.group());
                let memory = Memory::read(records.unwrap_or_default(), policy);
                self.shard(&key).named(place, memory.raw_id());
                Begin::Ready(held(place, Box::new(memory)))
            }
            Entered::Waiting(place, ticket) => {
                Begin::Waiting(TurnWait::new(self, key, place, ticket, policy, now_ms))
            }
            Entered::Full => Begin::Full,
        }
    }

    /// The id of the conversation that a message belongs to, whoever holds it now: what is told before the message has its turn. Whoever
    /// answers it later brings the id along ([`TurnGuard::adopt`]), since a conversation in which nothing was said is in memory alone.
    ///
    /// `None`: another worker is reading it just now; to be asked again.
    pub async fn conversation_id(
        self: &Arc<Self>,
        key: Key,
        policy: Policy,
        now_ms: u64,
    ) -> Option<Id> {
        match self.enter(key, policy, now_ms) {
            Begin::Ready(mut held) => Some(held.name(now_ms)),
            // Neither takes a place in the queue.
            Begin::Waiting(_) | Begin::Full => self.shard(&key).id(&key),
        }
    }

    /// Lets some of what is idle leave memory. To be called a few times a second.
    pub fn sweep(&self, now_ms: u64) {
        let turn = self.next.fetch_add(1, Relaxed) % self.shards.len();
        lock(&self.shards[turn]).sweep(now_ms, BATCH_CONVERSATIONS);
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for shard in &self.shards {
            lock(shard).add_to(&mut sum);
        }
        sum
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        // By the user's half, so that all of a user's conversations are in one shard.
        lock(&self.shards[usize::from(key.group()[0]) % self.shards.len()])
    }
}

/// No shard is ever left half changed.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
