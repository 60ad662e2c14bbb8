//! What runs beside the workers: the store and the dispatcher, each only where it is needed, and the saving of analytics.

use super::App;
use crate::clock;
use crate::config::Settings;
use crate::delivery;
use crate::proxy::bot::{Bot, Handler, Registry, receiver};
use crate::proxy::worker::SharedState;
use crate::state::State;
use crate::state::jobs::{Filter, JobsError};
use crate::state::store::Store;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// How often analytics are written: a kill loses as much.
const SAVE_INTERVAL: Duration = Duration::from_secs(2);

/// Opens the store if some bot stores anything or operators may switch bots; otherwise no folder is needed.
pub(super) fn open_state(shared: &SharedState, settings: &Settings) -> Result<(), JobsError> {
    let keeps = |bot: &Bot| match &bot.way {
        Handler::Forward(_) => false,
        Handler::Chat(chat) => {
            chat.conversation.is_some() || chat.budget.is_some() || chat.chat.acknowledges()
        }
    };
    let wanted = delivers(settings) || has_admin_token(settings) || settings.bots.iter().any(keeps);
    // An existing store is always opened: bots may be switched off in it.
    if !shared.state.is_open() && (wanted || Store::is_there(&settings.state.path)) {
        let state = State::open(&settings.state.path)?;
        shared.switches.load(state.store())?;
        shared.state.set(state);
    }
    Ok(())
}

fn has_admin_token(settings: &Settings) -> bool {
    let admin = settings.admin.as_ref();
    admin.is_some_and(|admin| admin.token.is_some())
}

/// True where Botgate sends callbacks or events, if only as a test.
fn delivers(settings: &Settings) -> bool {
    let tested = has_admin_token(settings);
    let later = |bot: &Bot| bot.later().is_some() || (tested && bot.callback.is_some());
    !settings.subscribers.is_empty() || settings.bots.iter().any(later)
}

/// How many receiver_sockets to receivers there may be.
pub(super) fn receiver_sockets(settings: &Settings) -> usize {
    let bots = settings.bots.iter();
    let bots = bots.filter(|bot| bot.callback.is_some()).count();
    let receivers = bots + settings.subscribers.len();
    (receivers * receiver::MAX_CONNECTIONS).min(delivery::MAX_DELIVERIES)
}

/// The threads that share the upstreams' connections: the workers, and the dispatcher where there is one from the start.
pub(super) fn connection_sharers(settings: &Settings, workers: usize) -> usize {
    workers + usize::from(delivers(settings))
}

/// Starts the dispatcher where answers are deferred or jobs are left from an earlier run.
pub(super) fn start_dispatcher(
    shared: &Arc<SharedState>,
    registry: &Arc<Registry>,
    settings: &Settings,
    workers: usize,
) -> io::Result<Option<delivery::Handle>> {
    let unfinished = shared.state.jobs.unfinished().jobs > 0;
    if !(unfinished || delivers(settings)) {
        return Ok(None);
    }
    delivery::start(shared.clone(), registry.clone(), workers).map(Some)
}

/// Writes analytics every [`SAVE_INTERVAL`].
pub(super) async fn save_analytics(shared: Arc<SharedState>) {
    let mut ticks = tokio::time::interval(SAVE_INTERVAL);
    loop {
        ticks.tick().await;
        let shared = shared.clone();
        let save = move || shared.state.analytics.save(clock::unix_ms());
        // It fails only when the runtime shuts down.
        let _ = spawn_blocking(save).await;
    }
}

impl App {
    /// Waits until every job has ended; the reason of the last dead-lettered one.
    pub async fn settled(&self) -> Option<String> {
        const POLL_INTERVAL: Duration = Duration::from_millis(10);
        let jobs = &self.shared.state.jobs;
        while jobs.unfinished().jobs > 0 {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let dead = Filter { state: Some(crate::state::jobs::JobState::Dead), ..Filter::default() };
        let page = jobs.list(&dead, None, 1).ok()?;
        page.items.into_iter().next().map(|found| found.head.reason)
    }
}
