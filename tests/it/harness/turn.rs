//! Who may run beside whom: tests that measure time or load the machine run alone, all others beside each other.

use std::{
    cell::Cell,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

static MACHINE: RwLock<()> = RwLock::new(());

thread_local! {
    /// True while this thread holds a turn: a second one taken by the same thread would wait for itself.
    static HELD: Cell<bool> = const { Cell::new(false) };
}

/// A turn on the machine; given back when dropped.
pub(crate) struct Turn {
    _shared: Option<RwLockReadGuard<'static, ()>>,
    _alone: Option<RwLockWriteGuard<'static, ()>>,
}

/// Waits until no other test runs, and keeps it so. Taken before the first Botgate of a test is started.
pub(crate) fn alone() -> Turn {
    let guard = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
    HELD.set(true);
    Turn { _shared: None, _alone: Some(guard) }
}

/// A turn beside others; nothing where this thread already has one.
pub(super) fn shared() -> Option<Turn> {
    (!HELD.replace(true)).then(|| Turn {
        _shared: Some(MACHINE.read().unwrap_or_else(PoisonError::into_inner)),
        _alone: None,
    })
}

impl Drop for Turn {
    fn drop(&mut self) {
        HELD.set(false);
    }
}
