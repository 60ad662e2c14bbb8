//! Which deliveries were here before: in the making, or done with the answer they got.
//!
//! A delivery is in one of three states. It is *free* until someone begins it; *in flight* while its [`Guard`] lives; *done* once
//! the guard was given the answer, for as long as the window says. A guard that is dropped without an answer frees it again, so a
//! failure or a caller that leaves costs nothing.
//!
//! All of it is bounded: past the cap on deliveries or bytes the answers that were given first are forgotten first. What is in
//! flight is never forgotten; where nothing else is left to forget, a newcomer passes untracked.

mod record;
mod response;
mod shard;

pub use response::{MAX_BODY, MAX_HEAD, Stored};

use bytes::Bytes;
use ring::digest::{Context, SHA256};
use shard::{Shard, ShardLookup};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many deliveries are known at most.
pub const MAX_ENTRIES: usize = 100_000;
/// How many bytes of answers are kept at most.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;
/// The most deliveries looked at in one [`IdempotencyStore::sweep`].
pub const BATCH_ENTRIES: usize = 64;
const SHARDS: usize = 16;

/// What a delivery is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

/// The key of a delivery: bot and id where the scheme signs the id, otherwise the body too (`frames`), since whoever can repeat
/// a signed body could put any id beside it.
pub fn key(bot: &str, id: impl AsRef<[u8]>, frames: Option<&[Bytes]>) -> Key {
    let mut hash = Context::new(&SHA256);
    for part in [bot.as_bytes(), id.as_ref()] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    // The one part of unknown length stands last, behind a mark that it is there at all.
    hash.update(&[u8::from(frames.is_some())]);
    for frame in frames.unwrap_or_default() {
        hash.update(frame);
    }
    let mut key = [0; 32];
    key.copy_from_slice(hash.finish().as_ref());
    Key(key)
}

/// What a delivery is when it arrives.
#[derive(Debug)]
pub enum Lookup {
    /// New, or free again: it is the caller's to answer.
    Fresh(Guard),
    /// Another request is answering it right now.
    InFlight,
    /// It was answered, with this.
    Done(Arc<Stored>),
}

/// Counts since the start, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Deliveries known now.
    pub held: u64,
    /// Bytes kept now.
    pub bytes: u64,
    /// Deliveries begun.
    pub fresh: u64,
    /// Repetitions while the first was in the making.
    pub in_flight: u64,
    /// Repetitions that got the first answer again.
    pub repeated: u64,
    /// Deliveries that passed untracked because everything known was in flight.
    pub untracked: u64,
    /// Answers forgotten before their time, to make room.
    pub evicted: u64,
}

impl Counts {
    /// The counters with their words, as the metrics page names them.
    pub fn outcomes(&self) -> [(&'static str, u64); 5] {
        [
            ("fresh", self.fresh),
            ("in_flight", self.in_flight),
            ("repeated", self.repeated),
            ("untracked", self.untracked),
            ("evicted", self.evicted),
        ]
    }
}

/// All deliveries of late, shared by the workers; nothing in it waits for longer than a shard's short lock.
#[derive(Debug)]
pub struct IdempotencyStore {
    shards: Box<[Mutex<Shard>]>,
    next: AtomicUsize,
}

impl IdempotencyStore {
    /// A store within [`MAX_ENTRIES`] and [`MAX_BYTES`].
    pub fn new() -> Arc<Self> {
        Self::bounded(SHARDS, MAX_ENTRIES / SHARDS, MAX_BYTES / SHARDS)
    }

    fn bounded(shards: usize, most: usize, bytes: usize) -> Arc<Self> {
        let shards = (0..shards).map(|_| Mutex::new(Shard::new(most, bytes))).collect();
        Arc::new(Self { shards, next: AtomicUsize::new(0) })
    }

    /// Begins a delivery, if nobody did before. Its answer will be remembered for `window`; `now_ns` is the time since the process
    /// started.
    pub fn begin(self: &Arc<Self>, key: Key, window: Duration, now_ns: u64) -> Lookup {
        match self.shard(&key).begin(key, now_ns) {
            ShardLookup::Fresh { tracked } => {
                Lookup::Fresh(Guard { ledger: Arc::clone(self), key, window, tracked })
            }
            ShardLookup::InFlight => Lookup::InFlight,
            ShardLookup::Done(stored) => Lookup::Done(stored),
        }
    }

    /// Forgets some of what has expired, a few at a time: a look-up is exact without it. To be called a few times a second.
    pub fn sweep(&self, now_ns: u64) {
        let turn = self.next.fetch_add(1, Relaxed) % self.shards.len();
        lock(&self.shards[turn]).sweep(now_ns, BATCH_ENTRIES);
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
        lock(&self.shards[usize::from(key.0[0]) % self.shards.len()])
    }
}

/// No shard is ever left half changed.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A delivery that is being answered. Dropped without [`Guard::done`], it is free again.
#[derive(Debug)]
pub struct Guard {
    ledger: Arc<IdempotencyStore>,
    key: Key,
    window: Duration,
    /// The store tracks it, and nobody has settled it yet.
    tracked: bool,
}

impl Guard {
    /// Remembers the answer for the window from now on.
    pub fn done(self, answer: Stored, now_ns: u64) {
        let window = u64::try_from(self.window.as_nanos()).unwrap_or(u64::MAX);
        self.settle(Arc::new(answer), now_ns.saturating_add(window));
    }

    fn settle(mut self, answer: Arc<Stored>, expires_ns: u64) {
        if self.tracked {
            self.tracked = false;
            self.ledger.shard(&self.key).done(self.key, answer, expires_ns);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.tracked {
            self.ledger.shard(&self.key).free(&self.key);
        }
    }
}

#[cfg(test)]
mod tests;
