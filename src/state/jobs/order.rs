//! The order of jobs that wait for one receiver, and of receivers whose jobs are not due.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// What waits: when it is due, the how manieth it was to come in, and where its entry is.
pub(super) type Due = (u64, u32, u32);

/// What waits for a receiver, the earliest first, and of those due together the one that came first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    due: BinaryHeap<Reverse<Due>>,
    /// Somebody takes jobs from it until none is due, and need not be told of more.
    pub(super) awake: bool,
}

impl Queue {
    fn first(&self) -> Option<u64> {
        self.due.peek().map(|Reverse((at_ms, ..))| *at_ms)
    }

    /// Takes the first job that is due: where its entry is.
    pub(super) fn pop(&mut self, now_ms: u64) -> Option<u32> {
        self.first().filter(|at_ms| *at_ms <= now_ms)?;
        let Reverse((.., slot)) = self.due.pop()?;
        // What many jobs have needed once is not kept for good.
        if self.due.len() < self.due.capacity() / 4 {
            self.due.shrink_to(self.due.capacity() / 2);
        }
        Some(slot)
    }

    /// Takes all of it out, in its order.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = u32> + use<> {
        let mut due = std::mem::take(&mut self.due).into_vec();
        due.sort_unstable_by_key(|Reverse(due)| *due);
        due.into_iter().map(|Reverse((.., slot))| slot)
    }
}

/// Receivers that nobody takes jobs from, by when they have one due.
#[derive(Debug, Default)]
pub(super) struct Asleep(BTreeSet<(u64, u32)>);

impl Asleep {
    /// Puts a job in a queue. True if the queue sleeps, and now before all others.
    pub(super) fn push(&mut self, queue: &mut Queue, receiver: u32, due: Due) -> bool {
        let before = queue.first();
        queue.due.push(Reverse(due));
        let (at_ms, ..) = due;
        if queue.awake || before.is_some_and(|before| before <= at_ms) {
            return false;
        }
        if let Some(before) = before {
            self.0.remove(&(before, receiver));
        }
        self.0.insert((at_ms, receiver));
        self.0.first() == Some(&(at_ms, receiver))
    }

    /// Takes the first receiver with something due.
    pub(super) fn pop(&mut self, now_ms: u64) -> Option<u32> {
        self.first().filter(|at_ms| *at_ms <= now_ms)?;
        self.0.pop_first().map(|(_, receiver)| receiver)
    }

    /// Lets a receiver sleep until its first job is due.
    pub(super) fn rest(&mut self, queue: &mut Queue, receiver: u32) {
        queue.awake = false;
        if let Some(at_ms) = queue.first() {
            self.0.insert((at_ms, receiver));
        }
    }

    /// When the first has something due.
    pub(super) fn first(&self) -> Option<u64> {
        self.0.first().map(|(at_ms, _)| *at_ms)
    }
}
