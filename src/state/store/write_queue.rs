//! What waits for the disk: the latest record of each slot, found by its group.

use super::durable::{Pending, Waiting};
use super::{Full, Group, Slotted, Space, Unwritten};
use foldhash::fast::RandomState;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::sync::Arc;

/// The most records that wait for the disk.
pub const MAX_RECORDS: usize = 65_536;
/// The most bytes that wait for the disk.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;
/// So many records are written at once, without waiting for more.
pub const BATCH_RECORDS: usize = 8192;

/// What is to become of one group.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// All that it had goes first.
    pub(super) wipe: bool,
    /// What is written then.
    pub(super) slots: SmallVec<[Slotted; 1]>,
}

/// What one commit writes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) groups: HashMap<(Space, Group), Change, RandomState>,
    /// Records, and wipes, which count as one each.
    pub(super) records: usize,
    pub(super) bytes: usize,
}

/// What gathers, what is being written, and whether more is taken.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) gathering: Batch,
    pub(super) flying: Option<Arc<Batch>>,
    /// What somebody waits for.
    pub(super) waiting: Waiting,
    /// The disk did not take the last commit, and nothing is promised until it does.
    pub(super) failing: bool,
    pub(super) closing: bool,
}

impl Queue {
    /// Takes a record. True if the writer is to be woken.
    pub(super) fn put(
        &mut self,
        space: Space,
        group: &Group,
        slot: u32,
        record: Arc<[u8]>,
    ) -> Result<bool, Full> {
        self.room(record.len())?;
        let batch = &mut self.gathering;
        let change = batch.groups.entry((space, *group)).or_default();
        batch.bytes += record.len();
        match replace(&mut change.slots, slot, record) {
            Some(before) => batch.bytes -= before.len(),
            None => batch.records += 1,
        }
        Ok(self.due())
    }

    /// Takes the order to delete a group. True if the writer is to be woken.
    pub(super) fn wipe(&mut self, space: Space, group: &Group) -> Result<bool, Full> {
        self.room(0)?;
        let batch = &mut self.gathering;
        let change = batch.groups.entry((space, *group)).or_default();
        let bytes: usize = change.slots.iter().map(|(_, record)| record.len()).sum();
        batch.bytes -= bytes;
        batch.records -= change.slots.len() + usize::from(change.wipe);
        *change = Change { wipe: true, slots: SmallVec::new() };
        batch.records += 1;
        Ok(self.due())
    }

    /// Takes what is to be durable, or gives it back. True if the writer is to be woken.
    pub(super) fn push(&mut self, pending: Pending) -> Result<bool, (Pending, Unwritten)> {
        if self.closing {
            return Err((pending, Unwritten::Closing));
        }
        if self.failing {
            return Err((pending, Unwritten::Disk));
        }
        self.waiting.push(pending).map_err(|pending| (pending, Unwritten::Full))
    }

    fn room(&self, bytes: usize) -> Result<(), Full> {
        let batch = &self.gathering;
        let full = batch.records >= MAX_RECORDS || batch.bytes.saturating_add(bytes) > MAX_BYTES;
        if full || self.closing {
            return Err(Full);
        }
        Ok(())
    }

    /// Only at these two counts does the writer sleep on.
    fn due(&self) -> bool {
        self.gathering.records == 1 || self.gathering.records == BATCH_RECORDS
    }

    /// What waits of a group, and whether that is all there is of it.
    pub(super) fn find(&self, space: Space, group: &Group) -> (bool, Vec<Slotted>) {
        let (mut wiped, mut found) = (false, Vec::new());
        for batch in self.flying.as_deref().into_iter().chain([&self.gathering]) {
            let Some(change) = batch.groups.get(&(space, *group)) else {
                continue;
            };
            if change.wipe {
                wiped = true;
                found.clear();
            }
            for (slot, record) in &change.slots {
                replace(&mut found, *slot, Arc::clone(record));
            }
        }
        (wiped, found)
    }

    /// How many records wait, and their bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        let flying = self.flying.as_deref();
        let (records, bytes) = flying.map_or((0, 0), |batch| (batch.records, batch.bytes));
        let waiting = self.waiting.size();
        let all = (
            records + self.gathering.records + waiting.0,
            bytes + self.gathering.bytes + waiting.1,
        );
        (all.0 as u64, all.1 as u64)
    }

    pub(super) fn close(&mut self) {
        self.closing = true;
    }
}

/// Puts a record in its slot and gives back what was there.
pub(super) fn replace(
    records: &mut (impl AsMut<[Slotted]> + Extend<Slotted>),
    slot: u32,
    record: Arc<[u8]>,
) -> Option<Arc<[u8]>> {
    let found = records.as_mut().iter_mut().find(|(taken, _)| *taken == slot);
    match found {
        Some((_, before)) => Some(std::mem::replace(before, record)),
        None => {
            records.extend([(slot, record)]);
            None
        }
    }
}
