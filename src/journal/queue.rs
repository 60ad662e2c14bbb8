//! The order of jobs that wait for one receiver, and of receivers whose jobs are not due.

use super::Id;
use std::collections::BTreeSet;

/// What waits for a receiver, the earliest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    due: BTreeSet<(u64, Id)>,
    /// Somebody takes jobs from it until none is due, and need not be told of more.
    pub(super) awake: bool,
}

impl Queue {
    fn first(&self) -> Option<u64> {
        self.due.first().map(|(at_ms, _)| *at_ms)
    }

    /// Takes the first job that is due.
    pub(super) fn pop(&mut self, now_ms: u64) -> Option<Id> {
        self.first().filter(|at_ms| *at_ms <= now_ms)?;
        self.due.pop_first().map(|(_, id)| id)
    }

    /// Takes all of it out.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = Id> + use<> {
        std::mem::take(&mut self.due).into_iter().map(|(_, id)| id)
    }
}

/// Receivers that nobody takes jobs from, by when they have one due.
#[derive(Debug, Default)]
pub(super) struct Asleep(BTreeSet<(u64, u32)>);

impl Asleep {
    /// Puts a job in a queue. True if the queue sleeps, and now before all others.
    pub(super) fn push(&mut self, queue: &mut Queue, receiver: u32, at_ms: u64, id: Id) -> bool {
        let before = queue.first();
        queue.due.insert((at_ms, id));
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
