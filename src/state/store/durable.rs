//! Writes that somebody waits for: rows that change together, and who is told once the disk has them.

use super::Unwritten;
use smallvec::SmallVec;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The most changes that wait to be durable.
pub const MAX_CHANGES: usize = 65_536;
/// The most bytes of changes that wait to be durable.
pub const MAX_DURABLE_BYTES: usize = 64 * 1024 * 1024;
/// With so many bytes a commit takes no further changes along.
pub const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Where rows lie: each table is ordered by its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// The head of each job of the journal.
    Jobs,
    /// What belongs to a job: its request, its answer, its attempts.
    Parts,
    /// Jobs that have ended, the oldest first.
    Ended,
    /// What was said to deliveries that became jobs.
    Repeats,
    /// Whose each of the messages is that bots have reported, and how large.
    Messages,
    /// What those say.
    Texts,
    /// Bots that are switched off.
    Switches,
}

/// What a row is found by.
pub type RowKey = SmallVec<[u8; 32]>;

/// What is to stand in a row; none: nothing.
type Value = Option<Arc<[u8]>>;

/// What is to stand in each row.
pub(super) type Rows = HashMap<(Table, RowKey), Value, foldhash::fast::RandomState>;

/// Who is told what became of a change. It runs on the store's thread, so it is short and never waits.
pub type Done = Box<dyn FnOnce(Result<(), Unwritten>) + Send>;

/// Rows that are written together or not at all.
#[derive(Debug, Default)]
pub struct Changes {
    rows: Vec<((Table, RowKey), Value)>,
    bytes: usize,
}

impl Changes {
    /// Writes a row in place of what was there.
    pub fn put(&mut self, table: Table, key: &[u8], value: Arc<[u8]>) {
        self.bytes += key.len() + value.len();
        self.rows.push(((table, key.into()), Some(value)));
    }

    /// Deletes a row, if it is there.
    pub fn remove(&mut self, table: Table, key: &[u8]) {
        self.bytes += key.len();
        self.rows.push(((table, key.into()), None));
    }

    /// Nothing is to change.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Changes and who waits for them.
pub(super) struct Pending {
    pub(super) changes: Changes,
    pub(super) done: Done,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pending({} bytes)", self.changes.bytes)
    }
}

/// What waits to be durable, in its order.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pending: VecDeque<Pending>,
    bytes: usize,
}

impl Waiting {
    /// Takes changes. True if the writer is to be woken.
    pub(super) fn push(&mut self, pending: Pending) -> Result<bool, Pending> {
        let bytes = self.bytes.saturating_add(pending.changes.bytes);
        if self.pending.len() >= MAX_CHANGES || bytes > MAX_DURABLE_BYTES {
            return Err(pending);
        }
        self.bytes = bytes;
        self.pending.push_back(pending);
        Ok(self.pending.len() == 1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// How many changes wait, and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.pending.len(), self.bytes)
    }

    /// What the next commit takes along.
    pub(super) fn take(&mut self) -> Vec<Pending> {
        let mut bytes = 0;
        let enough = self.pending.iter().position(|pending| {
            let enough = bytes >= BATCH_BYTES;
            bytes += pending.changes.bytes;
            enough
        });
        let taken: Vec<_> = match enough {
            None => std::mem::take(&mut self.pending).into(),
            Some(count) => self.pending.drain(..count).collect(),
        };
        self.bytes -= taken.iter().map(|pending| pending.changes.bytes).sum::<usize>();
        taken
    }
}

/// What the rows are to be after all of these changes, and who is told.
pub(super) fn merge(pending: Vec<Pending>) -> (Rows, Vec<Done>) {
    let mut rows = Rows::default();
    let done = pending.into_iter().map(|Pending { changes, done }| {
        rows.extend(changes.rows);
        done
    });
    let done = done.collect();
    (rows, done)
}
