//! What outlives the process: the store, and what is kept in it. Each part's records on disk are in its `record.rs`.

pub mod analytics;
pub mod budget;
pub mod conversation;
pub mod idempotency;
pub mod jobs;
pub mod limit;
pub mod reports;
pub mod store;
pub mod switches;
use crate::clock;
use crate::telemetry::metrics::StateFigures as Figures;
use analytics::Analytics;
use budget::Budgets;
use conversation::Conversations;
use jobs::{Jobs, JobsError};
use reports::Reports;
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use store::Store;

/// What came of attempts to deliver, since the start.
#[derive(Debug, Default)]
pub struct Deliveries {
    /// The receiver has it.
    pub delivered: AtomicU64,
    /// It is tried again.
    pub failed: AtomicU64,
    /// It was given up.
    pub dead: AtomicU64,
}

/// The store and what is kept in it.
#[derive(Debug)]
pub struct State {
    /// All conversations.
    pub conversations: Arc<Conversations>,
    /// What every bot has spent.
    pub budgets: Arc<Budgets>,
    /// Answers that come later.
    pub jobs: Arc<Jobs>,
    /// What bots have reported.
    pub reports: Reports,
    /// What came of attempts to deliver them.
    pub deliveries: Deliveries,
    /// What is counted of each bot.
    pub analytics: Analytics,
    store: Arc<Store>,
}

/// The state of a process. It has no folder until [`StateHandle::set`] gives it one, which happens once: before a configuration
/// that keeps anything is in force.
#[derive(Debug)]
pub struct StateHandle {
    without_folder: State,
    open: OnceLock<State>,
}

impl StateHandle {
    /// Puts the state of a folder in place of the one without.
    pub fn set(&self, state: State) {
        let _ = self.open.set(state);
    }
}

impl Default for StateHandle {
    fn default() -> Self {
        Self { without_folder: State::without_folder(), open: OnceLock::new() }
    }
}

impl From<State> for StateHandle {
    fn from(state: State) -> Self {
        Self { open: state.into(), ..Self::default() }
    }
}

impl Deref for StateHandle {
    type Target = State;

    fn deref(&self) -> &State {
        self.open.get().unwrap_or(&self.without_folder)
    }
}

impl State {
    /// Opens or makes the store in a folder.
    ///
    /// # Errors
    /// The folder cannot be used, another process has it, or it holds what cannot be read.
    pub fn open(folder: &Path) -> Result<Self, JobsError> {
        let store = Store::open(folder)?;
        let jobs = Jobs::open(store.clone(), jobs::BOUNDS, clock::unix_ms())?;
        let reports = Reports::open(store.clone(), reports::BOUNDS)?;
        Ok(Self::new(store, jobs, reports))
    }

    /// One without a folder: it holds nothing, and refuses whatever is to be kept.
    fn without_folder() -> Self {
        let store = Store::without_folder();
        let jobs = Jobs::new(store.clone(), jobs::BOUNDS);
        let reports = Reports::new(store.clone(), reports::BOUNDS);
        Self::new(store, jobs, reports)
    }

    fn new(store: Arc<Store>, jobs: Jobs, reports: Reports) -> Self {
        Self {
            conversations: Conversations::new(store.clone()),
            budgets: Budgets::new(store.clone()),
            jobs: Arc::new(jobs),
            reports,
            deliveries: Deliveries::default(),
            analytics: Analytics::new(store.clone()),
            store,
        }
    }

    /// Whether it has a folder, so that it keeps what it is given.
    pub fn is_open(&self) -> bool {
        self.store.is_on_disk()
    }

    /// Where all of it lies.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Bounded work that comes due with time. `now_ms`: milliseconds since 1970.
    pub(super) fn tick(&self, now_ms: u64) {
        self.conversations.sweep(now_ms);
        self.store.tick(now_ms);
    }

    /// Writes what waits. True if all of it is on disk in time.
    pub fn close(&self, deadline: Duration) -> bool {
        self.analytics.save(clock::unix_ms());
        self.store.close(deadline)
    }

    /// What there is of it now.
    pub(super) fn figures(&self) -> Figures {
        if !self.is_open() {
            return Figures::default();
        }
        let held = self.reports.held();
        let (conversations, store) = (self.conversations.counts(), self.store.counts());
        Figures {
            conversations: conversations.held,
            conversation_bytes: conversations.bytes,
            conversations_waiting: conversations.waiting,
            conversations_loaded: conversations.loaded,
            conversations_evicted: conversations.evicted,
            queued: store.queued,
            queued_bytes: store.queued_bytes,
            committed: store.committed,
            failed: store.failed,
            lost: store.lost,
            expired: store.expired,
            unread: store.unread,
            messages: held.messages as u64,
            message_bytes: held.bytes,
            jobs: self.jobs.counts().map(|(state, tally)| (state.word(), tally.jobs)),
            unfinished_bytes: self.jobs.unfinished().bytes,
            oldest_ms: self
                .jobs
                .oldest_ms()
                .map_or(0, |oldest| clock::unix_ms().saturating_sub(oldest)),
            deliveries: [
                ("delivered", self.deliveries.delivered.load(Relaxed)),
                ("failed", self.deliveries.failed.load(Relaxed)),
                ("dead", self.deliveries.dead.load(Relaxed)),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::{Filter, Id, Job, Stage, Subject};
    use store::Unwritten;

    #[tokio::test]
    async fn a_state_without_a_folder_holds_nothing_and_refuses_to_keep_anything() {
        let state = StateHandle::default();
        assert!(!state.is_open());
        assert_eq!(state.jobs.recorded_response(&[0; 32]).await.unwrap(), None);
        assert!(state.jobs.list(&Filter::default(), None, 1).unwrap().items.is_empty());
        assert_eq!(state.analytics.of("bot", 0..u32::MAX, 0).unwrap(), None);
        let forgotten = state.conversations.forget("bot", "user", 0).await.unwrap();
        assert_eq!(forgotten.conversations, 0);
        let job = Job {
            id: Id::new(0),
            bot: "bot",
            subject: Subject::default(),
            dialect: "openai",
            receiver: "bot",
            stage: Stage::Answer,
            body: Arc::from(*b"body"),
            claimed: false,
            event: false,
        };
        let accepted = state.jobs.accept(&[job], 0).unwrap().await;
        assert!(matches!(accepted, Err(JobsError::Unwritten(Unwritten::Closing))), "{accepted:?}");
        assert_eq!(state.jobs.unfinished().jobs, 0);
        assert!(state.close(Duration::ZERO));
    }
}
