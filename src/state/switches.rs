//! Which bots their operators have switched off: a set in memory that every request asks, and a row each on disk.
//!
//! A switch is a bot's id, or a template's front and `*`, which no id has in it. It stays whatever becomes of the configuration.
//! Memory is changed by whoever learns of a switch first ([`Switches::put`]): here the disk, once it has the row.

use crate::state::jobs::AcceptOptions;
use crate::state::store::{Changes, Store, StoreError, Table};
use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use std::collections::HashSet;
use std::hash::BuildHasher as _;
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// The most that may be switched off.
pub const MAX_SWITCHES: usize = 100_000;
/// Sets that a change copies one of.
const SHARDS: usize = 64;
/// The version of the records.
const VERSION: u8 = 1;

type Set = HashSet<Arc<str>, RandomState>;

/// All that is switched off.
#[derive(Debug)]
pub struct Switches {
    count: AtomicUsize,
    shards: [ArcSwap<Set>; SHARDS],
    hasher: RandomState,
    writing: Mutex<()>,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            count: AtomicUsize::new(0),
            shards: std::array::from_fn(|_| ArcSwap::default()),
            hasher: RandomState::default(),
            writing: Mutex::default(),
        }
    }
}

impl Switches {
    /// Whether anything at all is off. A single relaxed load, so that nobody pays for what is not used.
    pub fn any(&self) -> bool {
        self.count.load(Relaxed) > 0
    }

    /// Whether this is off: a bot's id, or a template's front and `*`.
    pub fn is_off(&self, key: &str) -> bool {
        self.any() && self.shard(key).load().contains(key)
    }

    /// Whether it may be switched off: it is off already, or [`MAX_SWITCHES`] are not.
    pub fn has_room(&self, key: &str) -> bool {
        self.count.load(Relaxed) < MAX_SWITCHES || self.is_off(key)
    }

    /// Obeys a switch from now on.
    pub fn put(&self, key: &str, off: bool) {
        // Nothing is left half changed under this lock.
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let shard = self.shard(key);
        let mut set = Set::clone(&shard.load());
        let changed = match off {
            true => set.insert(key.into()),
            false => set.remove(key),
        };
        if !changed {
            return;
        }
        shard.store(Arc::new(set));
        if off {
            self.count.fetch_add(1, Relaxed);
        } else {
            self.count.fetch_sub(1, Relaxed);
        }
    }

    /// What is to be written so that a switch holds. It is obeyed once the disk has it.
    pub fn turn(self: &Arc<Self>, key: &str, off: bool) -> AcceptOptions {
        let mut changes = Changes::default();
        if off {
            changes.put(Table::Switches, key.as_bytes(), Arc::from([VERSION]));
        } else {
            changes.remove(Table::Switches, key.as_bytes());
        }
        let (switches, key) = (Arc::clone(self), key.to_owned());
        AcceptOptions {
            changes,
            on_written: Some(Box::new(move |written| {
                if written {
                    switches.put(&key, off);
                }
            })),
            ignore_limits: true,
        }
    }

    /// Obeys what a store holds.
    ///
    /// # Errors
    ///
    /// The store does not read, or holds what another version wrote.
    pub fn load(&self, store: &Store) -> Result<(), StoreError> {
        let mut sets = vec![Set::default(); SHARDS];
        let mut unknown = None;
        let all = (Bound::Unbounded, Bound::Unbounded);
        store.view()?.walk(Table::Switches, all, false, |key, row| {
            match (std::str::from_utf8(key), row) {
                (Ok(key), [VERSION]) => {
                    if let Some(set) = sets.get_mut(self.place(key)) {
                        set.insert(key.into());
                    }
                    ControlFlow::Continue(())
                }
                _ => {
                    unknown = Some(row.first().copied().unwrap_or_default());
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(version) = unknown {
            return Err(StoreError::Format {
                path: store.folder().to_owned(),
                found: format!("switches of version {version}"),
            });
        }
        self.count.store(sets.iter().map(Set::len).sum(), Relaxed);
        for (shard, set) in self.shards.iter().zip(sets) {
            shard.store(Arc::new(set));
        }
        Ok(())
    }

    fn place(&self, key: &str) -> usize {
        // What is left of a hash by this fits a usize of any width.
        (self.hasher.hash_one(key) % SHARDS as u64) as usize
    }

    fn shard(&self, key: &str) -> &ArcSwap<Set> {
        &self.shards[self.place(key)]
    }
}

#[cfg(test)]
mod tests;
