//! Conversations: what was said before, and whose turn it is now.
//!
//! One message of a conversation is answered at a time, whatever worker it is on; the others wait in the order in which they came. A
//! [`Held`] conversation is released when it is dropped, and remembers a turn only when both its halves are there.
//!
//! All of it is in memory and bounded: past the caps what lay idle longest is forgotten first.

mod past;
mod shard;
#[cfg(test)]
mod tests;

pub use past::Past;

use ring::digest::{Context, SHA256};
use shard::Shard;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Waker};
use std::time::Duration;

/// How many conversations are remembered at most.
pub const MOST: usize = 200_000;
/// How many bytes of text are remembered at most, over all conversations.
pub const MOST_BYTES: usize = 256 * 1024 * 1024;
/// How many messages of one conversation wait for their turn at most.
pub const MOST_WAITING: usize = 16;
/// How many bytes of text one conversation remembers at most.
pub const LARGEST: usize = 64 * 1024;
/// The most conversations looked at in one [`Conversations::sweep`].
pub const PER_SWEEP: usize = 64;
const SHARDS: usize = 16;

/// What a conversation is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// A number that is the same for the same conversation, in every process.
    pub fn hash(&self) -> u64 {
        u64::from_le_bytes(self.0.first_chunk().copied().unwrap_or_default())
    }
}

/// The key of what one user says to a bot in one channel.
pub fn key(bot: &str, user: &str, channel: Option<&str>) -> Key {
    hashed(&[bot, "user", user, channel.unwrap_or_default()])
}

/// The key of a conversation that the platform keeps and names itself.
pub fn key_of(bot: &str, conversation: &str) -> Key {
    hashed(&[bot, "conversation", conversation])
}

fn hashed(parts: &[&str]) -> Key {
    let mut hash = Context::new(&SHA256);
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let hash = hash.finish();
    Key(hash.as_ref().first_chunk().copied().unwrap_or_default())
}

/// What a bot's conversations remember.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How long after the last message.
    pub ttl: Duration,
    /// How many messages.
    pub window: usize,
}

/// What a message finds.
#[derive(Debug)]
pub enum Enter {
    /// It is its turn.
    Ready(Held),
    /// Others are before it.
    Waiting(Wait),
    /// [`MOST_WAITING`] wait already.
    Full,
}

/// All conversations.
#[derive(Debug)]
pub struct Conversations {
    shards: [Mutex<Shard>; SHARDS],
    bytes: AtomicUsize,
    next: AtomicUsize,
}

impl Conversations {
    /// None yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            shards: Default::default(),
            bytes: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
        })
    }

    /// A message arrives, `now_ms` milliseconds after 1970.
    pub fn enter(self: &Arc<Self>, key: Key, policy: Policy, now_ms: u64) -> Enter {
        let mut shard = self.shard(&key);
        let before = shard.bytes();
        let entered = shard.enter(key, policy, now_ms, MOST / SHARDS);
        self.count(before, shard.bytes());
        match entered {
            shard::Enter::Ready(id, past) => Enter::Ready(Held {
                all: self.clone(),
                key,
                policy,
                id,
                past,
            }),
            shard::Enter::Waiting(place) => Enter::Waiting(Wait {
                all: self.clone(),
                key,
                policy,
                place,
                over: false,
            }),
            shard::Enter::Full => Enter::Full,
        }
    }

    /// Forgets what has expired: looks at [`PER_SWEEP`] conversations at most.
    pub fn sweep(&self, now_ms: u64) {
        let at = self.next.fetch_add(1, Relaxed) % SHARDS;
        if let Some(shard) = self.shards.get(at) {
            let mut shard = lock(shard);
            let before = shard.bytes();
            shard.sweep(now_ms, PER_SWEEP);
            self.count(before, shard.bytes());
        }
    }

    /// How many there are, and how many bytes of text.
    pub fn counts(&self) -> (u64, u64) {
        let held = self
            .shards
            .iter()
            .map(|shard| lock(shard).len())
            .sum::<usize>();
        (held as u64, self.bytes.load(Relaxed) as u64)
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let at = usize::from(key.0[8]) % SHARDS;
        lock(&self.shards[at])
    }

    fn count(&self, before: usize, after: usize) {
        if after >= before {
            self.bytes.fetch_add(after - before, Relaxed);
        } else {
            self.bytes.fetch_sub(before - after, Relaxed);
        }
    }
}

/// A conversation whose turn it is: nobody else has it until this is dropped.
#[derive(Debug)]
pub struct Held {
    all: Arc<Conversations>,
    key: Key,
    policy: Policy,
    id: Arc<str>,
    past: Vec<Arc<Past>>,
}

impl Held {
    /// Its id: 32 hexadecimal digits, the same for its life.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What was said before, oldest first; the first is a user's.
    pub fn history(&self) -> &[Arc<Past>] {
        &self.past
    }

    /// Remembers a turn, asked and answered, and lets the next message have its turn.
    pub fn append(self, asked: Past, said: Past, now_ms: u64) {
        let mut shard = self.all.shard(&self.key);
        let before = shard.bytes();
        shard.append(&self.key, self.policy, [asked, said], now_ms);
        // Whatever is over the cap goes from where it is added.
        while self.all.bytes.load(Relaxed) + shard.bytes() > MOST_BYTES + before && shard.evict() {}
        self.all.count(before, shard.bytes());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.shard(&self.key).release(&self.key);
    }
}

/// A message that waits for its turn. Dropped, it leaves the queue.
#[derive(Debug)]
pub struct Wait {
    all: Arc<Conversations>,
    key: Key,
    policy: Policy,
    place: Arc<Place>,
    over: bool,
}

impl Wait {
    /// Ready when it is this message's turn.
    pub fn poll(&mut self, cx: &task::Context<'_>) -> Poll<Held> {
        let shard = self.all.shard(&self.key);
        if !self.place.called.load(Relaxed) {
            *lock(&self.place.waker) = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.over = true;
        let (id, past) = shard.look(&self.key, self.policy);
        drop(shard);
        Poll::Ready(Held {
            all: self.all.clone(),
            key: self.key,
            policy: self.policy,
            id,
            past,
        })
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut shard = self.all.shard(&self.key);
        if self.place.called.load(Relaxed) {
            // Called, but gone before it came.
            shard.release(&self.key);
        } else {
            shard.leave(&self.key, &self.place);
        }
    }
}

/// A place in the queue. Both fields are changed under the shard's lock alone.
#[derive(Debug, Default)]
struct Place {
    called: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// Nothing that holds these locks can leave its value half changed.
fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
