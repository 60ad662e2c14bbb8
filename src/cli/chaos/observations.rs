//! What is observed from outside while instances are killed: acceptances, deliveries and the times of the kills.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A message that got its 202.
pub(super) struct Acceptance {
    pub(super) at: Instant,
    /// The id in the 202.
    pub(super) id: String,
}

/// A delivery that the receiver has acknowledged.
#[derive(Clone, Copy)]
pub(super) struct Receipt {
    /// The number of the instance that sent it.
    pub(super) instance: usize,
    /// When it was answered with a 2xx.
    pub(super) answered: Instant,
}

/// Messages and instances are numbered from 0.
#[derive(Default)]
pub(super) struct Observations {
    pub(super) sent: AtomicU32,
    /// Messages without a response: the instance was killed or could not be reached.
    pub(super) unanswered: AtomicU64,
    pub(super) refused: AtomicU64,
    acceptances: Mutex<HashMap<u32, Acceptance>>,
    received: Mutex<HashMap<u32, Vec<Receipt>>>,
    kills: Mutex<Vec<Instant>>,
}

impl Observations {
    /// The next message's number.
    pub(super) fn next(&self) -> u32 {
        self.sent.fetch_add(1, Relaxed)
    }

    pub(super) fn accept(&self, number: u32, id: String) {
        let at = Instant::now();
        self.acceptances().insert(number, Acceptance { at, id });
    }

    /// The receiver answers a delivery with a 2xx.
    pub(super) fn receive(&self, number: u32, instance: usize) {
        let answered = Instant::now();
        let taken = Receipt { instance, answered };
        self.received().entry(number).or_default().push(taken);
    }

    pub(super) fn kill(&self) {
        self.kills().push(Instant::now());
    }

    pub(super) fn acceptances(&self) -> MutexGuard<'_, HashMap<u32, Acceptance>> {
        self.acceptances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn received(&self) -> MutexGuard<'_, HashMap<u32, Vec<Receipt>>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn kills(&self) -> MutexGuard<'_, Vec<Instant>> {
        self.kills.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
