//! Which tests run at the same time: those that measure time or load the machine run alone, all others in parallel.

use std::{
    cell::Cell,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

static MACHINE: RwLock<()> = RwLock::new(());

thread_local! {
    /// True while this thread holds the lock: taking it again would deadlock.
    static HELD: Cell<bool> = const { Cell::new(false) };
}

/// The lock on the machine, shared or exclusive; released when dropped.
pub(crate) struct MachineUse {
    _shared: Option<RwLockReadGuard<'static, ()>>,
    _exclusive: Option<RwLockWriteGuard<'static, ()>>,
}

/// Waits until no other test runs, and keeps it so. Taken before the first Botgate of a test is started.
pub(crate) fn exclusive() -> MachineUse {
    let guard = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
    HELD.set(true);
    MachineUse { _shared: None, _exclusive: Some(guard) }
}

/// Shares the machine with other tests; `None` where this thread already holds the lock.
pub(super) fn shared() -> Option<MachineUse> {
    (!HELD.replace(true)).then(|| MachineUse {
        _shared: Some(MACHINE.read().unwrap_or_else(PoisonError::into_inner)),
        _exclusive: None,
    })
}

impl Drop for MachineUse {
    fn drop(&mut self) {
        HELD.set(false);
    }
}
