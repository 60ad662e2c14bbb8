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

/// Makes a row from what stands in it, if anything does. It runs on the store's thread, so it is short and never waits.
pub type Update = Box<dyn FnOnce(Option<&[u8]>) -> Arc<[u8]> + Send>;

/// Rows that are written together or not at all.
#[derive(Default)]
pub struct Changes {
    rows: Vec<((Table, RowKey), Value)>,
    updates: Vec<((Table, RowKey), Update)>,
    bytes: usize,
}

impl std::fmt::Debug for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Changes({} bytes)", self.bytes)
    }
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

    /// Makes a row from what stands in it once all changes that were committed before are written. Of one row this comes after
    /// [`Changes::put`] and [`Changes::remove`].
    pub fn update(&mut self, table: Table, key: &[u8], update: Update) {
        self.bytes += key.len();
        self.updates.push(((table, key.into()), update));
    }

    /// Nothing is to change.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.updates.is_empty()
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

/// What the rows are to be after all of these changes, and who is told. `read` says what the disk has.
pub(super) fn merge<E>(
    pending: Vec<Pending>,
    read: impl Fn(Table, &[u8]) -> Result<Value, E>,
) -> (Result<Rows, E>, Vec<Done>) {
    let mut rows = Ok(Rows::default());
    let done = pending.into_iter().map(|Pending { changes, done }| {
        if let Ok(merged) = &mut rows
            && let Err(error) = extend(merged, changes, &read)
        {
            rows = Err(error);
        }
        done
    });
    let done = done.collect();
    (rows, done)
}

fn extend<E>(
    rows: &mut Rows,
    changes: Changes,
    read: impl Fn(Table, &[u8]) -> Result<Value, E>,
) -> Result<(), E> {
    rows.extend(changes.rows);
    for (row, update) in changes.updates {
        let before = match rows.get(&row) {
            Some(before) => before.clone(),
            None => read(row.0, &row.1)?,
        };
        rows.insert(row, Some(update(before.as_deref())));
    }
    Ok(())
}
