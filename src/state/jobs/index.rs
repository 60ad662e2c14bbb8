//! What memory holds of the journal: an entry for each job that has not ended, and the order in which they come due.

use super::order::{Asleep, Queue};
use super::table::{Entry, Jobs, Place};
use super::{Bounds, Head, Id, JobState, MAX_SHARE, Stage};
use foldhash::fast::RandomState;
use slab::Slab;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;

/// A clock that goes back by no more than this many milliseconds only makes jobs late by as much.
const JITTER_MS: u64 = 1_000;

/// How many jobs, and what they take on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub jobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Count {
    pub(super) fn add(&mut self, bytes: u32) {
        self.jobs += 1;
        self.bytes += u64::from(bytes);
    }

    pub(super) fn sub(&mut self, bytes: u32) {
        self.jobs = self.jobs.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(u64::from(bytes));
    }
}

#[derive(Debug)]
struct Receiver {
    name: Arc<str>,
    held: Count,
    queues: [Queue; 2],
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) jobs: Jobs,
    /// Jobs that have ended and are being deleted or taken up again.
    pub(super) closed: HashSet<Id, RandomState>,
    receivers: Slab<Receiver>,
    names: HashMap<Arc<str>, u32, RandomState>,
    asleep: [Asleep; 2],
    tallies: [Count; 4],
    /// How many jobs each bot has that have not ended, by its hash.
    bots: HashMap<u64, u32, RandomState>,
    /// What an earlier run has left that is still to be picked up, as well as it is known.
    pub(super) unseen: Count,
    latest_ms: u64,
    turn: u32,
}

impl Index {
    pub(super) fn tally(&mut self, state: JobState) -> &mut Count {
        &mut self.tallies[state as usize]
    }

    pub(super) fn tallies(&self) -> [(JobState, Count); 4] {
        let mut tallies = JobState::ALL.map(|state| (state, self.tallies[state as usize]));
        let [(_, accepted), ..] = &mut tallies;
        accepted.jobs += self.unseen.jobs;
        accepted.bytes += self.unseen.bytes;
        tallies
    }

    /// How many receivers are known.
    #[cfg(test)]
    pub(super) fn receivers(&self) -> usize {
        self.receivers.len()
    }

    /// All jobs that have not ended.
    pub(super) fn unfinished(&self) -> Count {
        let [accepted, answered, ..] = self.tallies;
        Count {
            jobs: accepted.jobs + answered.jobs + self.unseen.jobs,
            bytes: accepted.bytes + answered.bytes + self.unseen.bytes,
        }
    }

    /// What a receiver has waiting, where a job of this size is more than it may have.
    pub(super) fn crowded(&self, receiver: &str, size: u32, bounds: &Bounds) -> Option<Count> {
        let number = self.names.get(receiver)?;
        let held = self.receivers.get(*number as usize)?.held;
        let now = self.unfinished();
        let over = |held: u64, most: u64, now: u64| {
            held > most.saturating_sub(now).saturating_mul(MAX_SHARE)
        };
        let over = over(held.jobs + 1, bounds.jobs, now.jobs)
            || over(held.bytes + u64::from(size), bounds.bytes, now.bytes);
        over.then_some(held)
    }

    /// Takes a job in; it is in no queue yet.
    pub(super) fn insert(&mut self, id: Id, head: &Head, place: Place) {
        let receiver = match self.names.get(head.receiver.as_str()) {
            Some(receiver) => *receiver,
            None => {
                let name: Arc<str> = Arc::from(head.receiver.as_str());
                let receiver = self.receivers.insert(Receiver {
                    name: Arc::clone(&name),
                    held: Count::default(),
                    queues: Default::default(),
                });
                let receiver = u32::try_from(receiver).unwrap_or(u32::MAX);
                self.names.insert(name, receiver);
                receiver
            }
        };
        let entry = Entry::new(id, head, receiver, place);
        if let Some(known) = self.receivers.get_mut(receiver as usize) {
            known.held.add(entry.size);
        }
        self.tally(head.state()).add(entry.size);
        *self.bots.entry(self.owner(&head.bot)).or_default() += 1;
        self.jobs.insert(entry);
    }

    /// What a bot's jobs are counted under.
    fn owner(&self, bot: &str) -> u64 {
        self.names.hasher().hash_one(bot)
    }

    /// How many jobs of a bot have not ended.
    pub(super) fn pending(&self, bot: &str) -> u32 {
        let count = self.bots.get(&self.owner(bot));
        count.copied().unwrap_or_default()
    }

    /// Forgets a job of this bot that is in no queue.
    pub(super) fn remove(&mut self, id: Id, bot: &str) -> Option<Entry> {
        let entry = self.jobs.remove(id)?;
        let owner = self.owner(bot);
        match self.bots.get_mut(&owner) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.bots.remove(&owner)),
        }
        if self.bots.is_empty() {
            // What many bots have needed once is not kept for good.
            self.bots.shrink_to_fit();
        }
        self.tally(state(entry.stage)).sub(entry.size);
        if let Some(receiver) = self.receivers.get_mut(entry.receiver as usize) {
            receiver.held.sub(entry.size);
        }
        self.forget(entry.receiver);
        Some(entry)
    }

    /// Forgets a receiver that has nothing and that nobody watches.
    fn forget(&mut self, receiver: u32) {
        let idle = |known: &Receiver| {
            known.held.jobs == 0 && !known.queues.iter().any(|queue| queue.awake)
        };
        if self.receivers.get(receiver as usize).is_some_and(idle) {
            let known = self.receivers.remove(receiver as usize);
            self.names.remove(&known.name);
        }
    }

    /// Changes what is known of a job that is in no queue.
    pub(super) fn update(&mut self, id: Id, head: &Head, place: Place) {
        if let Some(entry) = self.jobs.get_mut(id) {
            let before = *entry;
            *entry = Entry::new(id, head, before.receiver, place);
            let size = entry.size;
            self.tally(state(before.stage)).sub(before.size);
            self.tally(head.state()).add(size);
            if let Some(receiver) = self.receivers.get_mut(before.receiver as usize) {
                receiver.held.sub(before.size);
                receiver.held.add(size);
            }
        }
    }

    /// Puts a job in its queue. True if somebody who waits for that stage is to be woken.
    pub(super) fn enqueue(&mut self, id: Id) -> bool {
        self.jobs.slot(id).is_some_and(|slot| self.enqueue_at(slot))
    }

    /// The same with a job that was taken from there, before those that came in after it.
    pub(super) fn put_back(&mut self, id: Id) -> bool {
        let slot = self.jobs.slot(id);
        slot.is_some_and(|slot| self.push(slot, 0))
    }

    fn enqueue_at(&mut self, slot: u32) -> bool {
        self.turn = self.turn.wrapping_add(1);
        self.push(slot, self.turn)
    }

    fn push(&mut self, slot: u32, turn: u32) -> bool {
        let Some(entry) = self.jobs.at_mut(slot) else {
            return false;
        };
        entry.place = Place::Queued;
        let (stage, number) = (entry.stage as usize, entry.receiver);
        let Some(receiver) = self.receivers.get_mut(number as usize) else {
            return false;
        };
        let due = (entry.next_ms, turn, slot);
        self.asleep[stage].push(&mut receiver.queues[stage], number, due)
    }

    /// The next receiver with something due, which is awake from then on.
    pub(super) fn wake(&mut self, stage: Stage, now_ms: u64) -> Option<(u32, Arc<str>)> {
        self.look_at_the_clock(now_ms);
        let number = self.asleep[stage as usize].pop(now_ms)?;
        let receiver = self.receivers.get_mut(number as usize)?;
        receiver.queues[stage as usize].awake = true;
        Some((number, Arc::clone(&receiver.name)))
    }

    /// A receiver's next job that is due; without one it goes back to sleep.
    pub(super) fn take(&mut self, stage: Stage, number: u32, now_ms: u64) -> Option<Entry> {
        self.look_at_the_clock(now_ms);
        let receiver = self.receivers.get_mut(number as usize)?;
        let queue = &mut receiver.queues[stage as usize];
        if !queue.awake {
            return None;
        }
        let Some(slot) = queue.pop(now_ms) else {
            self.asleep[stage as usize].rest(queue, number);
            self.forget(number);
            return None;
        };
        let entry = self.jobs.at_mut(slot)?;
        entry.place = Place::Taken;
        Some(*entry)
    }

    /// When the next receiver that sleeps has something due.
    pub(super) fn next_ms(&self, stage: Stage) -> Option<u64> {
        self.asleep[stage as usize].first()
    }

    /// Where the clock has jumped back, nothing waits longer than it was put off.
    fn look_at_the_clock(&mut self, now_ms: u64) {
        if now_ms.saturating_add(JITTER_MS) >= self.latest_ms {
            self.latest_ms = self.latest_ms.max(now_ms);
            return;
        }
        self.latest_ms = now_ms;
        for stage in [Stage::Answer, Stage::Deliver] {
            self.asleep[stage as usize] = Asleep::default();
        }
        let mut queued = Vec::new();
        for (_, receiver) in &mut self.receivers {
            for queue in &mut receiver.queues {
                queued.extend(queue.clear());
            }
        }
        for slot in queued {
            if let Some(entry) = self.jobs.at_mut(slot) {
                let latest = now_ms.saturating_add(u64::from(entry.pause_ms));
                entry.next_ms = entry.next_ms.min(latest);
                self.enqueue_at(slot);
            }
        }
    }
}

/// Where a job of this stage stands.
fn state(stage: Stage) -> JobState {
    match stage {
        Stage::Answer => JobState::Accepted,
        Stage::Deliver => JobState::Answered,
    }
}
