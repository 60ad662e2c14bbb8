//! What memory knows of messages: whose each is and how large, in the order in which they came.

use super::{Bounds, Room};
use crate::state::jobs::Id;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

/// A message, whose it is, and its bytes.
pub(super) type Known = (Id, Arc<str>, u32);

#[derive(Debug)]
pub(super) struct Index {
    bounds: Bounds,
    all: BTreeMap<Id, (Arc<str>, u32)>,
    bytes: u64,
    bots: HashMap<Arc<str>, Own>,
}

/// The messages of one bot.
#[derive(Debug, Default)]
struct Own {
    ids: BTreeSet<Id>,
    bytes: u64,
}

impl Room {
    fn takes(self, messages: usize, bytes: u64) -> bool {
        messages <= self.messages && bytes <= self.bytes
    }
}

impl Index {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, all: BTreeMap::new(), bytes: 0, bots: HashMap::new() }
    }

    /// Takes a message in, and gives back those that had to go for it.
    pub(super) fn push(&mut self, id: Id, bot: &str, size: u32) -> Vec<Known> {
        self.insert(id, bot, size);
        let mut gone = Vec::new();
        while let Some(oldest) = self.too_much(id, bot) {
            gone.extend(self.remove(oldest));
        }
        gone
    }

    /// The next to go for a message: its bot's own oldest, else the oldest of all.
    fn too_much(&self, id: Id, bot: &str) -> Option<Id> {
        let own = self.bots.get(bot)?;
        let (own_fits, all_fit) = (
            self.bounds.each.takes(own.ids.len(), own.bytes),
            self.bounds.all.takes(self.all.len(), self.bytes),
        );
        let other = |known: &&Id| **known != id;
        let oldest = match (own_fits, all_fit) {
            (true, true) => None,
            (false, _) => own.ids.iter().find(other),
            (true, false) => self.all.keys().find(other),
        };
        oldest.copied()
    }

    pub(super) fn insert(&mut self, id: Id, bot: &str, size: u32) {
        let bot = match self.bots.get_key_value(bot) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::from(bot),
        };
        if self.all.insert(id, (Arc::clone(&bot), size)).is_none() {
            self.bytes += u64::from(size);
            let own = self.bots.entry(bot).or_default();
            own.ids.insert(id);
            own.bytes += u64::from(size);
        }
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<Known> {
        let (bot, size) = self.all.remove(&id)?;
        self.bytes -= u64::from(size);
        if let Some(own) = self.bots.get_mut(&bot) {
            own.ids.remove(&id);
            own.bytes -= u64::from(size);
            if own.ids.is_empty() {
                self.bots.remove(&bot);
            }
        }
        Some((id, bot, size))
    }

    /// Takes in again what had gone.
    pub(super) fn take_back(&mut self, gone: Vec<Known>) {
        for (id, bot, size) in gone {
            self.insert(id, &bot, size);
        }
    }

    /// The newest messages before this one.
    pub(super) fn before(&self, bot: Option<&str>, before: Option<Id>, most: usize) -> Vec<Id> {
        let to = before.map_or(Bound::Unbounded, Bound::Excluded);
        let range = (Bound::Unbounded, to);
        match bot {
            None => {
                let ids = self.all.range(range).rev();
                ids.take(most).map(|(id, _)| *id).collect()
            }
            Some(bot) => {
                let own = self.bots.get(bot);
                let ids = own.map(|own| own.ids.range(range).rev().take(most).copied());
                ids.into_iter().flatten().collect()
            }
        }
    }

    pub(super) fn held(&self) -> Room {
        Room { messages: self.all.len(), bytes: self.bytes }
    }
}
