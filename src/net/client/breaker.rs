//! The breaker of one upstream: open after failures in a row, so that nobody waits for what fails anyway; then one probe at a
//! time, until one succeeds.
//!
//! Pure over the time that it is given, and one atomic word, which all workers share: no lock, and while all is well a request
//! only reads it.

#[cfg(test)]
mod tests;

use super::{Cause, Deadline, UpstreamError};
use crate::clock;
use http::StatusCode;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// So many failures in a row open it.
pub const FAILURE_THRESHOLD: u8 = 5;
/// How long it stays open first; each probe that fails doubles that.
pub const OPEN_FOR: Duration = Duration::from_secs(10);
/// The longest that it stays open without a probe.
pub const MAX_OPEN_FOR: Duration = Duration::from_secs(60);

/// What an exchange says about the upstream's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answers: anything below 500, its limits (429) and its refusals included.
    Success,
    /// It does not, or says itself that it cannot: 5xx, 529 among them.
    Failure,
    /// Neither: the fault was on this side.
    Unknown,
}

impl Health {
    /// Of an upstream that answered with this status, to the end.
    pub fn of_status(status: StatusCode) -> Self {
        if status.is_server_error() { Self::Failure } else { Self::Success }
    }

    /// Of one with which the exchange failed.
    pub fn of_error(error: &UpstreamError) -> Self {
        match error.cause {
            Cause::Busy | Cause::AddressRefused(_) | Cause::Deadline(Deadline::Remaining) => {
                Self::Unknown
            }
            Cause::Deadline(_)
            | Cause::Connect(_)
            | Cause::Tls(_)
            | Cause::Broken(_)
            | Cause::Closed
            | Cause::Invalid(_) => Self::Failure,
        }
    }
}

/// Where a breaker stands, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests pass.
    Closed,
    /// A probe is under way, all others are refused.
    HalfOpen,
    /// Requests are refused; or the next may be the probe.
    Open,
}

/// One upstream's breaker.
#[derive(Debug, Default)]
pub struct Breaker {
    word: AtomicU64,
    opened: AtomicU64,
}

/// The right to send one request. Dropped without a word it says nothing about the upstream.
#[derive(Debug)]
#[must_use = "what becomes of the request must be told"]
pub struct Permit<B: Deref<Target = Breaker>> {
    breaker: B,
    generation: u8,
    reported: bool,
}

/// The word, unpacked. As 0 it is a closed breaker without failures.
#[derive(Clone, Copy)]
struct Snapshot {
    phase: Phase,
    /// How often it has opened since it was last closed.
    times_opened: u8,
    /// Counts the changes of phase: what a pass of an earlier turn says is out of date.
    generation: u8,
    /// When an open one lets a probe through: milliseconds, 32 years of them.
    until: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed { failures: u8 },
    Open,
    Probing,
}

impl Breaker {
    /// Lets a request through, or not. `breaker` may be a reference or a shared pointer, whichever suits the life of the pass;
    /// `now` in nanoseconds of [`clock::now`].
    pub fn admit<B: Deref<Target = Self>>(breaker: B, now: u64) -> Option<Permit<B>> {
        let turn = breaker.change(|state| match state.phase {
            Phase::Closed { .. } => Some(state),
            Phase::Open if millis(now) >= state.until => Some(state.change_phase(Phase::Probing)),
            Phase::Open | Phase::Probing => None,
        })?;
        Some(Permit { breaker, generation: turn.generation, reported: false })
    }

    /// How long an open one still refuses all; zero where the next request may pass, or a probe is under way.
    pub fn retry_in(&self, now: u64) -> Duration {
        let state = Snapshot::unpack(self.word.load(Relaxed));
        match state.phase {
            Phase::Open => Duration::from_millis(state.until.saturating_sub(millis(now))),
            Phase::Closed { .. } | Phase::Probing => Duration::ZERO,
        }
    }

    /// Records the outcome of an exchange whose permit was dropped before it ended. An open breaker ignores it until its wait is over.
    pub fn record(&self, health: Health, now: u64) {
        if let Some(pass) = Self::admit(self, now) {
            pass.record(health, now);
        }
    }

    /// Where it stands.
    pub fn state(&self) -> BreakerState {
        match Snapshot::unpack(self.word.load(Relaxed)).phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open => BreakerState::Open,
            Phase::Probing => BreakerState::HalfOpen,
        }
    }

    /// How often it went from closed to open.
    pub fn opened(&self) -> u64 {
        self.opened.load(Relaxed)
    }

    /// Puts what `next` makes of the state in its place; `None` leaves it.
    fn change(&self, next: impl Fn(Snapshot) -> Option<Snapshot>) -> Option<Snapshot> {
        let mut word = self.word.load(Relaxed);
        loop {
            let state = next(Snapshot::unpack(word))?;
            let packed = state.pack();
            if packed == word {
                return Some(state);
            }
            match self.word.compare_exchange_weak(word, packed, Relaxed, Relaxed) {
                Ok(_) => return Some(state),
                Err(other) => word = other,
            }
        }
    }
}

impl<B: Deref<Target = Breaker>> Permit<B> {
    /// The upstream answered.
    pub fn succeeded(mut self) {
        self.reported = true;
        self.change(|state| match state.phase {
            Phase::Closed { .. } => Snapshot { phase: Phase::Closed { failures: 0 }, ..state },
            _ => Snapshot { times_opened: 0, ..state.change_phase(Phase::Closed { failures: 0 }) },
        });
    }

    /// The upstream has begun to answer, and how that ends is told later: a probe has succeeded, any other says nothing yet.
    pub fn response_started(mut self) {
        self.reported = true;
        self.change(|state| match state.phase {
            Phase::Probing => {
                Snapshot { times_opened: 0, ..state.change_phase(Phase::Closed { failures: 0 }) }
            }
            _ => state,
        });
    }

    /// The upstream failed.
    pub fn failed(mut self, now: u64) {
        self.reported = true;
        let after = self.change(|state| match state.phase {
            Phase::Closed { failures } if failures + 1 < FAILURE_THRESHOLD => {
                Snapshot { phase: Phase::Closed { failures: failures + 1 }, ..state }
            }
            _ => state.open(now),
        });
        if after.is_some_and(|state| state.phase == Phase::Open && state.times_opened == 1) {
            self.breaker.opened.fetch_add(1, Relaxed);
        }
    }

    /// Tells what the exchange said about the upstream.
    pub fn record(self, health: Health, now: u64) {
        match health {
            Health::Success => self.succeeded(),
            Health::Failure => self.failed(now),
            Health::Unknown => {}
        }
    }

    fn change(&self, next: impl Fn(Snapshot) -> Snapshot) -> Option<Snapshot> {
        self.breaker.change(|state| (state.generation == self.generation).then(|| next(state)))
    }
}

impl<B: Deref<Target = Breaker>> Drop for Permit<B> {
    fn drop(&mut self) {
        if !self.reported {
            // A probe that told nothing leaves its place to the next.
            let again = |state: Snapshot| match state.phase {
                Phase::Probing => state.change_phase(Phase::Open),
                _ => state,
            };
            self.change(again);
        }
    }
}

impl Snapshot {
    fn change_phase(self, phase: Phase) -> Self {
        Self { phase, generation: self.generation.wrapping_add(1), ..self }
    }

    fn open(self, now: u64) -> Self {
        let doubled = OPEN_FOR.saturating_mul(1 << self.times_opened.min(16));
        let wait = clock::nanos(doubled.min(MAX_OPEN_FOR));
        Self {
            times_opened: self.times_opened.saturating_add(1),
            until: millis(now.saturating_add(wait)),
            ..self.change_phase(Phase::Open)
        }
    }

    fn pack(self) -> u64 {
        let phase = match self.phase {
            Phase::Closed { failures } => failures,
            Phase::Open => 0xfe,
            Phase::Probing => 0xff,
        };
        u64::from_le_bytes([phase, self.times_opened, self.generation, 0, 0, 0, 0, 0])
            | self.until << 24
    }

    fn unpack(word: u64) -> Self {
        let [phase, times_opened, generation, ..] = word.to_le_bytes();
        Self {
            phase: match phase {
                0xfe => Phase::Open,
                0xff => Phase::Probing,
                failures => Phase::Closed { failures },
            },
            times_opened,
            generation,
            until: word >> 24,
        }
    }
}

/// Milliseconds, as many as fit beside the rest of the word.
fn millis(nanos: u64) -> u64 {
    (nanos / 1_000_000).min((1 << 40) - 1)
}
