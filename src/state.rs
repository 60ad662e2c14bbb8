//! What outlives the process: the store, and on it the conversations and what was spent.

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
use jobs::{Jobs, JournalError};
use reports::Reports;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
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

/// The store and what is kept in it. There only where some bot keeps anything.
#[derive(Debug)]
pub struct State {
    /// All conversations.
    pub conversations: Arc<Conversations>,
    /// What every bot has spent.
    pub budgets: Arc<Budgets>,
    /// Answers that come later.
    pub journal: Arc<Jobs>,
    /// What bots have reported.
    pub messages: Reports,
    /// What came of attempts to deliver them.
    pub deliveries: Deliveries,
    /// What is counted of each bot.
    pub analytics: Analytics,
    store: Arc<Store>,
}

impl State {
    /// Opens or makes the store in a folder.
    ///
    /// # Errors
    /// The folder cannot be used, another process has it, or it holds what cannot be read.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let store = Store::open(folder)?;
        let journal = Jobs::open(store.clone(), jobs::BOUNDS, clock::unix_ms())?;
        let messages = Reports::open(store.clone(), reports::BOUNDS)?;
        Ok(Self {
            conversations: Conversations::new(store.clone()),
            budgets: Budgets::new(store.clone()),
            journal: Arc::new(journal),
            messages,
            deliveries: Deliveries::default(),
            analytics: Analytics::new(store.clone()),
            store,
        })
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
        let held = self.messages.held();
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
            jobs: self.journal.tallies().map(|(state, tally)| (state.word(), tally.jobs)),
            unfinished_bytes: self.journal.unfinished().bytes,
            oldest_ms: self
                .journal
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
