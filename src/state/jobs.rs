//! Jobs that cannot get lost: accepted means on disk, and so does every step after it.
//!
//! A job is accepted, answered, then delivered or dead; a dead one can be taken up again. Each step is a [`Step`] that is done once
//! the disk has it, and what has failed has not happened. What is to be answered and what is to be delivered lie on disk alone;
//! memory holds an entry of some 75 bytes for each job that has not ended, in the order in which they come due, receiver by
//! receiver. Nothing here reads a clock: whoever calls tells the time, in milliseconds since 1970.

mod accept;
mod commit;
mod forget;
mod idempotency;
mod index;
mod job;
mod listing;
mod order;
mod record;
mod recovery;
mod retention;
mod table;
mod transition;

pub use accept::AcceptOptions;
pub use commit::Step;
pub use forget::{Forgetting, MAX_FORGOTTEN};
pub use idempotency::RecordedResponse;
pub use index::Count;
pub use job::{Attempt, Head, Id, Job, JobState, NextState, Phases, Stage, Subject, TerminalState};
pub use listing::{Filter, JobDetails, ListedJob, MAX_PAGE, MAX_SCANNED, Page};
pub use record::{MAX_ATTEMPTS, MAX_KEPT_RESPONSE, MAX_REASON};
pub use recovery::BATCH_ROWS;
pub use retention::BATCH_JOBS;

use crate::state::store::{Store, StoreError, Unwritten};
use index::Index;
use record::Unreadable;
use recovery::Left;
use retention::Keeping;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use table::Place;
use tokio::sync::Notify;

/// The largest request or answer of a job, in bytes.
pub const MAX_JOB: usize = 8 * 1024 * 1024;
/// The longest name of a bot, a dialect or a receiver, in bytes.
pub const MAX_NAME: usize = 512;

/// A receiver may have so many times what is free: alone it may fill eight ninths, and however many do, others find room.
/// Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998.
pub const MAX_SHARE: u64 = 8;
/// Why a job is dead that came where its receiver had no room.
pub const CROWDED: &str = "too much waits for its receiver";

/// How much the journal holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Jobs that have not ended.
    pub jobs: u64,
    /// What they take on disk, in bytes.
    pub bytes: u64,
    /// Jobs that have ended; past it the oldest delivered go, then the oldest dead.
    pub kept_jobs: u64,
    /// What those take on disk, in bytes.
    pub kept_bytes: u64,
    /// How long a delivered job is kept, in milliseconds.
    pub delivered_ms: u64,
    /// How long a dead job is kept, in milliseconds.
    pub dead_ms: u64,
}

/// What a journal holds where nobody says otherwise.
pub const BOUNDS: Bounds = Bounds {
    jobs: 1_048_576,
    bytes: 4 * 1024 * 1024 * 1024,
    kept_jobs: 100_000,
    kept_bytes: 512 * 1024 * 1024,
    delivered_ms: 24 * 3_600_000,
    dead_ms: 7 * 24 * 3_600_000,
};

/// Why the journal did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    /// It holds as many jobs or bytes as it may.
    #[error("the journal is full: {jobs} jobs of {bytes} bytes wait")]
    Full {
        /// How many jobs wait.
        jobs: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// One receiver's jobs are so many that the others need what is left.
    #[error("{receiver} has no more room in the journal: {jobs} jobs of {bytes} bytes wait for it")]
    Share {
        /// Whose.
        receiver: String,
        /// How many jobs wait for it.
        jobs: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// Larger than a job may be.
    #[error("the {what} has {length} bytes, and at most {most} are taken")]
    TooLarge {
        /// What of it.
        what: &'static str,
        /// How long it is.
        length: usize,
        /// How long it may be.
        most: usize,
    },
    /// There is no such job, or not any more.
    #[error("there is no job {0}")]
    Unknown(Id),
    /// The step does not follow from where the job stands.
    #[error("the job {id} cannot be {step}: it is {now}")]
    Order {
        /// Which job.
        id: Id,
        /// What was asked.
        step: &'static str,
        /// Where it stands.
        now: &'static str,
    },
    /// The disk did not take the step: it has not happened.
    #[error("the step was not written: {0}")]
    Unwritten(Unwritten),
    /// The disk does not read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record of another version.
    #[error(
        "a job in {path} is of version {found}, and this version of Botgate reads {known} and older; use the newer one, or move the folder away to begin anew",
        known = record::HEAD
    )]
    Version {
        /// In which folder.
        path: PathBuf,
        /// What it says.
        found: u8,
    },
    /// A record that makes no sense.
    #[error("a job in {path} cannot be read; move the folder away to begin anew")]
    Broken {
        /// In which folder.
        path: PathBuf,
    },
}

/// A job that somebody is to work on. It is in no queue until a step of it is done or it is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which.
    pub id: Id,
    /// What it takes on disk, in bytes.
    pub size: u32,
    /// Since when it has been due.
    pub due_ms: u64,
}

/// A receiver with jobs that are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Its name.
    pub name: Arc<str>,
    number: u32,
}

/// What steps on their way hold on to.
#[derive(Debug, Default)]
struct Memory {
    index: Mutex<Index>,
    changed: [Notify; 2],
    keeping: Keeping,
}

impl Memory {
    /// Nothing is left half changed under this lock.
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job in its queue.
    fn enqueue(&self, index: &mut Index, id: Id) {
        let stage = index.jobs.get(id).map(|entry| entry.stage);
        if let Some(stage) = stage.filter(|_| index.enqueue(id)) {
            self.changed[stage as usize].notify_one();
        }
    }
}

/// All jobs.
#[derive(Debug)]
pub struct Jobs {
    store: Arc<Store>,
    memory: Arc<Memory>,
    bounds: Bounds,
}

impl Jobs {
    /// Picks up what a store holds: every job that has not ended comes into its queue. Where they are more than [`BATCH_ROWS`] the
    /// others come meanwhile, until then on disk alone: they count, nobody can take them, and none is lost. A store has one journal.
    ///
    /// # Errors
    ///
    /// The store does not read, or holds what another version wrote.
    pub fn open(store: Arc<Store>, bounds: Bounds, now_ms: u64) -> Result<Self, JobsError> {
        let jobs = Self::new(store, bounds);
        let Self { store, memory, .. } = &jobs;
        recovery::count(store, &mut memory.index())?;
        let mut left = Left::new(store, now_ms)?;
        match left.pick_up(memory)? {
            true => left.go_on(memory, store).map_err(StoreError::Thread)?,
            false => left.correct(store),
        }
        let kept = Arc::clone(memory);
        store.ask(Box::new(move |view, now_ms| retention::portion(&kept, &bounds, view, now_ms)));
        Ok(jobs)
    }

    /// Those of a store that holds none.
    pub(super) fn new(store: Arc<Store>, bounds: Bounds) -> Self {
        Self { store, memory: Arc::default(), bounds }
    }

    /// How many jobs stand where, and their bytes. What is on its way to the disk counts as accepted, and so does what is still to be
    /// picked up.
    pub fn counts(&self) -> [(JobState, Count); 4] {
        self.memory.index().tallies()
    }

    /// All jobs that have not ended.
    pub fn unfinished(&self) -> Count {
        self.memory.index().unfinished()
    }

    /// How many jobs of a bot have not ended.
    pub fn pending(&self, bot: &str) -> u32 {
        self.memory.index().pending(bot)
    }

    /// When the oldest job that has not ended was made, in milliseconds since 1970, or up to 4 s before that.
    pub fn oldest_ms(&self) -> Option<u64> {
        self.memory.index().jobs.oldest_ms()
    }

    /// The next receiver that has something due at a stage. From then on it is the caller's: [`Jobs::claim`] gives its jobs, until
    /// none is due. What becomes due meanwhile is not told.
    pub async fn next_receiver(&self, stage: Stage, now_ms: u64) -> Option<Receiver> {
        let (number, name) = self.memory.index().wake(stage, now_ms)?;
        Some(Receiver { name, number })
    }

    /// The next job of a receiver that was woken, the one that has been due longest. Without one the receiver sleeps again, and is
    /// to be woken anew.
    pub async fn claim(&self, stage: Stage, receiver: &Receiver, now_ms: u64) -> Option<Claim> {
        let taken = self.memory.index().take(stage, receiver.number, now_ms);
        taken.map(|entry| Claim { id: entry.id, size: entry.size, due_ms: entry.next_ms })
    }

    /// When the next receiver that sleeps has something due.
    pub fn next_ms(&self, stage: Stage) -> Option<u64> {
        self.memory.index().next_ms(stage)
    }

    /// Waits until [`Jobs::next_ms`] has become earlier. What has happened since the last wait ended counts.
    pub async fn changed(&self, stage: Stage) {
        self.memory.changed[stage as usize].notified().await;
    }

    /// Puts a job that was taken back in its queue, for some milliseconds from now. The disk is not told.
    ///
    /// # Errors
    ///
    /// Nobody has taken it.
    pub fn release(&self, id: Id, pause_ms: u32, now_ms: u64) -> Result<(), JobsError> {
        let mut index = self.memory.index();
        let entry = index.jobs.get_mut(id).ok_or(JobsError::Unknown(id))?;
        if entry.place != Place::Taken {
            return Err(not_taken(id, "released", entry.place));
        }
        entry.pause_ms = pause_ms;
        entry.next_ms = now_ms.saturating_add(u64::from(pause_ms));
        self.memory.enqueue(&mut index, id);
        Ok(())
    }

    /// Puts a job that was taken back to where it was in its queue: nothing was tried. The disk is not told.
    ///
    /// # Errors
    ///
    /// Nobody has taken it.
    pub fn requeue(&self, id: Id) -> Result<(), JobsError> {
        let mut index = self.memory.index();
        let entry = index.jobs.get(id).ok_or(JobsError::Unknown(id))?;
        if entry.place != Place::Taken {
            return Err(not_taken(id, "put back", entry.place));
        }
        let stage = entry.stage as usize;
        if index.put_back(id) {
            self.memory.changed[stage].notify_one();
        }
        Ok(())
    }
}

fn not_taken(id: Id, step: &'static str, place: Place) -> JobsError {
    let now = match place {
        Place::Queued => "in its queue, and nobody has taken it",
        Place::Taken => "taken",
        Place::Busy => "changing",
    };
    JobsError::Order { id, step, now }
}

fn unreadable(folder: &Path, unreadable: Unreadable) -> JobsError {
    let path = folder.to_owned();
    match unreadable {
        Unreadable::Version(found) => JobsError::Version { path, found },
        Unreadable::Broken => JobsError::Broken { path },
    }
}

#[cfg(test)]
mod tests;
