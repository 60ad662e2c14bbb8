//! An entry for each job that has not ended, found by its id: some fifty bytes, so that a million fit beside everything else.

use super::{Head, Id, Stage};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use slab::Slab;
use std::collections::BTreeMap;
use std::hash::BuildHasher as _;

/// Jobs are counted by the span of so many milliseconds, as a power of two, in which they were made: 4 s.
const SPAN: u32 = 12;

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In its receiver's queue.
    Queued,
    /// Somebody works on it.
    Taken,
    /// A step of it is on its way to the disk.
    Busy,
}

/// A job that has not ended, as memory knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) id: Id,
    pub(super) next_ms: u64,
    /// How far ahead it was put off: where the clock jumps back it waits so long again, and no longer.
    pub(super) pause_ms: u32,
    pub(super) size: u32,
    pub(super) receiver: u32,
    pub(super) stage: Stage,
    pub(super) place: Place,
}

impl Entry {
    pub(super) fn new(id: Id, head: &Head, receiver: u32, place: Place) -> Self {
        Self {
            id,
            next_ms: head.next_ms,
            pause_ms: head.pause_ms(),
            size: head.size(),
            receiver,
            stage: head.stage,
            place,
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    entries: Slab<Entry>,
    /// Where in `entries` each is.
    slots: HashTable<u32>,
    hasher: RandomState,
    made: BTreeMap<u64, u32>,
}

impl Jobs {
    /// Where a job's entry is. It stays there.
    pub(super) fn slot(&self, id: Id) -> Option<u32> {
        let is = |slot: &u32| self.at(*slot).is_some_and(|entry| entry.id == id);
        self.slots.find(self.hasher.hash_one(id), is).copied()
    }

    /// The entry at a slot.
    pub(super) fn at(&self, slot: u32) -> Option<&Entry> {
        self.entries.get(slot as usize)
    }

    /// The entry at a slot, to be changed.
    pub(super) fn at_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.entries.get_mut(slot as usize)
    }

    /// A job's entry.
    pub(super) fn get(&self, id: Id) -> Option<&Entry> {
        self.at(self.slot(id)?)
    }

    /// A job's entry, to be changed.
    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Entry> {
        self.at_mut(self.slot(id)?)
    }

    /// Takes in the entry of a job that has none.
    pub(super) fn insert(&mut self, entry: Entry) {
        let id = entry.id;
        let slot = u32::try_from(self.entries.insert(entry)).unwrap_or(u32::MAX);
        let hash = |slot: &u32| {
            let entry = self.entries.get(*slot as usize);
            entry.map_or(0, |entry| self.hasher.hash_one(entry.id))
        };
        self.slots.insert_unique(self.hasher.hash_one(id), slot, hash);
        *self.made.entry(id.made_ms() >> SPAN).or_default() += 1;
    }

    /// Forgets a job.
    pub(super) fn remove(&mut self, id: Id) -> Option<Entry> {
        let Self { entries, slots, .. } = self;
        let is = |slot: &u32| entries.get(*slot as usize).is_some_and(|it| it.id == id);
        let found = slots.find_entry(self.hasher.hash_one(id), is).ok()?;
        let (slot, _) = found.remove();
        let span = id.made_ms() >> SPAN;
        if let Some(count) = self.made.get_mut(&span) {
            *count -= 1;
            if *count == 0 {
                self.made.remove(&span);
            }
        }
        entries.try_remove(slot as usize)
    }

    /// When the oldest was made, in milliseconds since 1970, or up to 4 s before that.
    pub(super) fn oldest_ms(&self) -> Option<u64> {
        self.made.first_key_value().map(|(span, _)| span << SPAN)
    }
}
