//! One budget for all request bodies held at once.
//!
//! A signature must be right before the first byte goes upstream, so bodies wait in memory. What they may take together is
//! bounded; an eighth is kept for bodies up to [`SMALL_BODY`], so that slow large ones cannot lock small webhooks out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bodies up to this many bytes may use the reserved eighth.
pub const SMALL_BODY: u64 = 16 * 1024;

/// The budget, shared by all workers.
#[derive(Debug)]
pub struct BodyBudget {
    limit: AtomicU64,
    held: AtomicU64,
}

impl BodyBudget {
    /// A budget of `limit` bytes.
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit: AtomicU64::new(limit), held: AtomicU64::new(0) })
    }

    /// Changes the limit; what is held already stays held.
    pub fn resize(&self, limit: u64) {
        self.limit.store(limit, Relaxed);
    }

    /// Bytes held now.
    pub fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }

    /// The limit in bytes.
    pub fn limit(&self) -> u64 {
        self.limit.load(Relaxed)
    }

    /// Nothing held yet, for one body.
    pub fn reservation(self: &Arc<Self>) -> BodyReservation {
        BodyReservation { budget: self.clone(), bytes: 0 }
    }
}

/// What one body holds of the budget; given back on drop.
#[derive(Debug)]
pub struct BodyReservation {
    budget: Arc<BodyBudget>,
    bytes: u64,
}

impl BodyReservation {
    /// Takes `bytes` more, if this body, `expected` bytes long in all as far as is known, may have them.
    #[must_use]
    pub fn grow(&mut self, bytes: u64, expected: u64) -> bool {
        let limit = self.budget.limit();
        let allowed = if self.bytes.saturating_add(bytes).max(expected) <= SMALL_BODY {
            limit
        } else {
            limit - limit / 8
        };
        let before = self.budget.held.fetch_add(bytes, Relaxed);
        if before.saturating_add(bytes) > allowed {
            self.budget.held.fetch_sub(bytes, Relaxed);
            return false;
        }
        self.bytes += bytes;
        true
    }
}

impl Drop for BodyReservation {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_eighth_is_kept_for_small_bodies_and_all_comes_back() {
        let budget = BodyBudget::new(800_000);
        let mut large = budget.reservation();
        assert!(large.grow(700_000, 700_000));
        assert!(
            !budget.reservation().grow(1, SMALL_BODY + 1),
            "past seven eighths a large body is refused its first byte"
        );
        let mut small = budget.reservation();
        assert!(small.grow(SMALL_BODY, SMALL_BODY));
        assert!(!small.grow(1, SMALL_BODY), "a small body that grows is a large one");
        drop((large, small));
        assert_eq!(budget.held(), 0);
    }
}
