//! How long it took to open a connection, step by step.

use crate::clock;
use std::cell::Cell;

/// How long each step to a new connection took, in nanoseconds; 0: it was not come to, or the connection was there already.
#[derive(Debug, Default)]
pub struct ConnectTiming {
    /// Looking up the name.
    pub resolve: Cell<u64>,
    /// Connecting.
    pub connect: Cell<u64>,
    /// TLS.
    pub tls: Cell<u64>,
}

/// A step that is under way. Dropped, it is over: done, failed, or given up.
#[derive(Debug)]
pub(super) struct PhaseTimer<'a> {
    since: u64,
    of: Option<&'a Cell<u64>>,
}

impl<'a> PhaseTimer<'a> {
    /// Begins a step, whose time is added to `of` where anybody asks.
    pub(super) fn of(of: Option<&'a Cell<u64>>) -> Self {
        Self { since: clock::now(), of }
    }
}

impl Drop for PhaseTimer<'_> {
    fn drop(&mut self) {
        if let Some(of) = self.of {
            of.set(of.get() + clock::now().saturating_sub(self.since));
        }
    }
}
