//! What outlives the process: records in an embedded database, written by one thread that shares each fsync among many.
//!
//! A record stands in a slot of a group, and its first eight bytes say when it expires; a group is forgotten when the last of its
//! records has expired. Writing never waits: the record goes into a bounded queue, the latest of a slot alone, and is on disk some
//! [`WRITE_INTERVAL`] later. Until then reading finds it in the queue, so whoever writes a group reads what it wrote. What the disk does
//! not take is kept and tried again.
//!
//! Rows are for what must not be lost: whoever changes them is told when the disk has them ([`Store::commit`]), and what waits for
//! that waits for nothing but the fsync before. What the disk does not take is given up at once, and its writer told so.

mod durable;
mod engine;
mod groups;
mod slot;
mod sweep;
mod view;
mod write_queue;
mod writer;

pub use durable::{
    BATCH_BYTES, Changes, Done, MAX_CHANGES, MAX_DURABLE_BYTES, RowKey, Table, Update,
};
pub use sweep::BATCH_ROWS;
pub use view::{Frozen, Range, View};
pub use write_queue::{BATCH_RECORDS, MAX_BYTES, MAX_RECORDS};
pub use writer::WRITE_INTERVAL;

use arc_swap::{ArcSwapOption, Guard};
use durable::Pending;
use engine::Engine;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use write_queue::Queue;

/// What groups of one sort are kept apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// Conversations and their turns.
    Conversations,
    /// What was spent.
    Budgets,
    /// What was counted of each bot, hour by hour.
    Analytics,
}

/// Where it lies within the folder that it is given.
const FOLDER: &str = "store";

/// What the records of one thing share: a hash, so that any length fits.
pub type Group = [u8; 32];

/// The bytes at the head of a record that say when it expires: milliseconds since 1970, the highest byte first.
pub const STAMP: usize = 8;

/// A record and its slot.
pub type Slotted = (u32, Arc<[u8]>);

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made or used.
    #[error(
        "the folder {path} cannot be used: {source}; set `path` in [state] to one that can be written"
    )]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has it open.
    #[error(
        "{path} is in use by another process; stop that one, or give this one a `path` of its own in [state]"
    )]
    InUse {
        /// Which folder.
        path: PathBuf,
    },
    /// It was written by another version.
    #[error("{path} has format {found:?}, and this version reads {expected:?} only; move the folder away to begin anew", expected = engine::FORMAT)]
    Format {
        /// Which folder.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// The database does not open or does not read.
    #[error("the store in {path} fails: {source}")]
    Engine {
        /// Which folder.
        path: PathBuf,
        /// Why.
        source: fjall::Error,
    },
    /// It failed, and is not open again yet.
    #[error("the store is not open: the last attempt to write failed")]
    Closed,
    /// No thread can be started.
    #[error("the store's thread cannot start: {0}")]
    Thread(io::Error),
}

/// A record that was not taken because too much waits for the disk, or because the store is closing. It was counted as lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store takes no more")]
pub struct Full;

/// Changes that were not written, and will not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritten {
    /// Too much waits for the disk.
    #[error("too much waits for the disk")]
    Full,
    /// The disk did not take it, or did not take what came before.
    #[error("the disk cannot be written")]
    Disk,
    /// The store is closing.
    #[error("the store is closing")]
    Closing,
}

/// What the store's thread asks between two commits, with the time in milliseconds since 1970: what else is to be written. It is
/// asked a few times a second at least, and again at once while it answers.
pub type Chore = Box<dyn Fn(&View<'_>, u64) -> Option<(Changes, Done)> + Send + Sync>;

/// Counts since the start, and what waits now, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that are on disk.
    pub committed: u64,
    /// Changes that somebody waited for and that are on disk.
    pub durable: u64,
    /// Attempts to commit that failed; what they held is tried again.
    pub failed: u64,
    /// Records given up: too many waited, or the disk failed until the end.
    pub lost: u64,
    /// Records that expired and were deleted.
    pub expired: u64,
    /// Reads that failed.
    pub unread: u64,
    /// Records that wait for the disk now.
    pub queued: u64,
    /// Their bytes.
    pub queued_bytes: u64,
}

#[derive(Debug, Default)]
struct Totals {
    committed: AtomicU64,
    durable: AtomicU64,
    failed: AtomicU64,
    lost: AtomicU64,
    expired: AtomicU64,
    unread: AtomicU64,
}

struct Shared {
    folder: PathBuf,
    queue: Mutex<Queue>,
    wake: Condvar,
    /// It has a folder; one without holds nothing and takes nothing.
    on_disk: bool,
    /// `None` without a folder, and while it is opened again after a failure.
    engine: ArcSwapOption<Engine>,
    totals: Totals,
    /// The wall clock as the workers last told; 0: not yet, and nothing expires.
    now_ms: AtomicU64,
    chore: OnceLock<Chore>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Shared").field(&self.folder).finish()
    }
}

impl Shared {
    fn new(folder: PathBuf, engine: Option<Engine>) -> Arc<Self> {
        Arc::new(Self {
            folder,
            on_disk: engine.is_some(),
            queue: Mutex::default(),
            wake: Condvar::new(),
            engine: ArcSwapOption::new(engine.map(Arc::new)),
            totals: Totals::default(),
            now_ms: AtomicU64::new(0),
            chore: OnceLock::new(),
        })
    }

    /// Nothing is left half changed under this lock.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database; `None` where there is no folder, and so nothing to read.
    fn engine(&self) -> Result<Guard<Option<Arc<Engine>>>, StoreError> {
        let engine = self.engine.load();
        if engine.is_none() && self.on_disk {
            self.totals.unread.fetch_add(1, Relaxed);
            return Err(StoreError::Closed);
        }
        Ok(engine)
    }

    /// Counts a read that failed.
    fn unread(&self, source: fjall::Error) -> StoreError {
        self.totals.unread.fetch_add(1, Relaxed);
        StoreError::Engine { path: self.folder.clone(), source }
    }
}

/// The embedded database.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    /// Closed when the writer has ended; `None` once somebody has waited for that.
    ended: Mutex<Option<Receiver<()>>>,
}

impl Store {
    /// Opens or makes the store in a folder, which is made too, for its owner alone.
    ///
    /// # Errors
    ///
    /// The folder cannot be used, is in use by another process, or holds what cannot be read.
    pub fn open(path: &Path) -> Result<Arc<Self>, StoreError> {
        let folder = path.join(FOLDER);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|source| StoreError::Folder { path: folder.clone(), source })?;
        let engine = Engine::open(&folder)?;
        let shared = Shared::new(folder, Some(engine));
        let ended = writer::start(Arc::clone(&shared)).map_err(StoreError::Thread)?;
        Ok(Arc::new(Self { shared, ended: Mutex::new(Some(ended)) }))
    }

    /// A store without a folder: reading finds nothing, and whatever is written is refused as by one that is closing.
    pub fn without_folder() -> Arc<Self> {
        let shared = Shared::new(PathBuf::new(), None);
        shared.queue().close();
        Arc::new(Self { shared, ended: Mutex::default() })
    }

    /// Whether it has a folder.
    pub fn is_on_disk(&self) -> bool {
        self.shared.on_disk
    }

    /// Whether there is one at a path, or may be: what cannot be looked at counts.
    pub fn is_there(path: &Path) -> bool {
        path.join(FOLDER).try_exists().unwrap_or(true)
    }

    /// Writes a record, which begins with its [`STAMP`], in place of what was in the slot. Slot 0 of a group is to be written
    /// first: where it is missing, the group is.
    ///
    /// # Errors
    ///
    /// Too much waits for the disk, or the store is closing.
    pub fn put(
        &self,
        space: Space,
        group: &Group,
        slot: u32,
        record: Arc<[u8]>,
    ) -> Result<(), Full> {
        self.change(|queue| queue.put(space, group, slot, record))
    }

    /// Deletes all of a group.
    ///
    /// # Errors
    ///
    /// As for [`Store::put`].
    pub fn wipe(&self, space: Space, group: &Group) -> Result<(), Full> {
        self.change(|queue| queue.wipe(space, group))
    }

    fn change(&self, change: impl FnOnce(&mut Queue) -> Result<bool, Full>) -> Result<(), Full> {
        let changed = change(&mut self.shared.queue());
        match changed {
            Ok(true) => self.shared.wake.notify_one(),
            Ok(false) => {}
            Err(Full) => {
                self.shared.totals.lost.fetch_add(1, Relaxed);
                return Err(Full);
            }
        }
        Ok(())
    }

    /// All records of a group, expired ones too, in no order. Some microseconds where the system has the file in memory.
    ///
    /// # Errors
    ///
    /// The database does not read, or is not open just now.
    pub fn read(&self, space: Space, group: &Group) -> Result<Vec<Slotted>, StoreError> {
        // The queue first: what leaves it meanwhile is in the database by then.
        let (wiped, queued) = self.shared.queue().find(space, group);
        if wiped {
            return Ok(queued);
        }
        let stored = self.shared.engine()?.as_ref().map(|engine| engine.read(space, group));
        let stored = stored.transpose().map_err(|source| self.shared.unread(source))?;
        let mut records = stored.unwrap_or_default();
        for (slot, record) in queued {
            write_queue::replace(&mut records, slot, record);
        }
        Ok(records)
    }

    /// Changes rows, all of them or none, and tells `done` once that is on disk or has failed; where the store takes nothing, before
    /// this returns. A failure is final: the rows are as they were, save that a crash soon after it may leave them changed.
    pub fn commit(&self, changes: Changes, done: Done) {
        let pushed = self.shared.queue().push(Pending { changes, done });
        match pushed {
            Ok(true) => self.shared.wake.notify_one(),
            Ok(false) => {}
            Err((pending, refused)) => (pending.done)(Err(refused)),
        }
    }

    /// Rows as they are on disk now.
    ///
    /// # Errors
    ///
    /// The database is not open just now.
    pub fn view(&self) -> Result<View<'_>, StoreError> {
        View::new(&self.shared)
    }

    /// All rows of a table as they are on disk now, to be looked at for as long as that takes.
    ///
    /// # Errors
    ///
    /// The database is not open just now.
    pub fn freeze(&self, table: Table) -> Result<Frozen, StoreError> {
        Frozen::new(&self.shared, table)
    }

    /// The folder that the store lies in.
    pub fn folder(&self) -> &Path {
        &self.shared.folder
    }

    /// Has the store's thread ask this from now on. The first to come stays.
    pub fn ask(&self, chore: Chore) {
        let _ = self.shared.chore.set(chore);
    }

    /// Tells the store the time: milliseconds since 1970. What has expired is deleted a little at a time, by its own thread.
    pub fn tick(&self, now_ms: u64) {
        self.shared.now_ms.store(now_ms, Relaxed);
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        let totals = &self.shared.totals;
        let (queued, queued_bytes) = self.shared.queue().size();
        Counts {
            committed: totals.committed.load(Relaxed),
            durable: totals.durable.load(Relaxed),
            failed: totals.failed.load(Relaxed),
            lost: totals.lost.load(Relaxed),
            expired: totals.expired.load(Relaxed),
            unread: totals.unread.load(Relaxed),
            queued,
            queued_bytes,
        }
    }

    /// Takes no more and writes what waits. True if all of it is on disk in time. Only the first to call this waits.
    pub fn close(&self, deadline: Duration) -> bool {
        self.shared.queue().close();
        self.shared.wake.notify_all();
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let late = ended
            .take()
            .is_some_and(|it| it.recv_timeout(deadline) == Err(RecvTimeoutError::Timeout));
        !late && self.shared.queue().size().0 == 0
    }
}

/// Without [`Store::close`] what waits is still written, however long the disk takes, unless it refuses.
impl Drop for Store {
    fn drop(&mut self) {
        self.close(Duration::MAX);
    }
}

#[cfg(test)]
mod tests;
