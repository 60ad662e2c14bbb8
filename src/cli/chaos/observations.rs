//! What is seen of a Botgate from outside while it is killed: what was promised, what has arrived, and when the kills were.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A 202.
pub(super) struct Promise {
    pub(super) at: Instant,
    /// The answer's id, as the 202 tells it.
    pub(super) id: String,
}

/// A delivery that the receiver has taken.
#[derive(Clone, Copy)]
pub(super) struct Taken {
    /// Which life of Botgate's it came from.
    pub(super) life: usize,
    /// When it was answered with a 2xx.
    pub(super) answered: Instant,
}

/// All of it. Messages and lives go by their numbers, from 0.
#[derive(Default)]
pub(super) struct Seen {
    /// How many were sent.
    pub(super) sent: AtomicU32,
    /// How many got no answer: it was killed, or could not be reached.
    pub(super) unanswered: AtomicU64,
    /// How many were refused.
    pub(super) refused: AtomicU64,
    promises: Mutex<HashMap<u32, Promise>>,
    taken: Mutex<HashMap<u32, Vec<Taken>>>,
    kills: Mutex<Vec<Instant>>,
}

impl Seen {
    /// The next message's number.
    pub(super) fn next(&self) -> u32 {
        self.sent.fetch_add(1, Relaxed)
    }

    /// A message has got its 202.
    pub(super) fn promised(&self, number: u32, id: String) {
        let at = Instant::now();
        self.promises().insert(number, Promise { at, id });
    }

    /// The receiver answers a delivery with a 2xx.
    pub(super) fn took(&self, number: u32, life: usize) {
        let answered = Instant::now();
        let taken = Taken { life, answered };
        self.taken().entry(number).or_default().push(taken);
    }

    /// A life is ended, the next one in turn.
    pub(super) fn killed(&self) {
        self.kills().push(Instant::now());
    }

    pub(super) fn promises(&self) -> MutexGuard<'_, HashMap<u32, Promise>> {
        self.promises.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn taken(&self) -> MutexGuard<'_, HashMap<u32, Vec<Taken>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn kills(&self) -> MutexGuard<'_, Vec<Instant>> {
        self.kills.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
