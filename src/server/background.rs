//! What is there only where something is kept or leaves later: the store, and the courier.

use super::App;
use crate::clock;
use crate::codec::dialect;
use crate::config::{self, Mode, Settings};
use crate::delivery;
use crate::proxy::bot::Registry;
use crate::proxy::bot::receiver;
use crate::proxy::worker::SharedState;
use crate::state::State;
use crate::state::jobs::{Filter, JobsError};
use crate::state::store::Store;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// How often the bots' figures are written: what a kill may cost of them.
const SAVE_INTERVAL: Duration = Duration::from_secs(2);

/// Opens the store, once some bot keeps anything, can be switched off or may be asked about: otherwise no folder is needed.
pub(super) fn keep(shared: &SharedState, settings: &Settings) -> Result<(), JobsError> {
    let reports = |bot: &config::Bot| {
        let chat = dialect::find(bot.dialect).and_then(|dialect| dialect.chat);
        chat.is_some_and(|chat| chat.acknowledges())
    };
    let keeps =
        |bot: &config::Bot| bot.conversation.is_some() || bot.budget.is_some() || reports(bot);
    let wanted = answers_later(settings) || is_managed(settings) || settings.bots.iter().any(keeps);
    // What was switched off stays so, whatever else has left the configuration since.
    if !shared.state.is_open() && (wanted || Store::is_there(&settings.state.path)) {
        let state = State::open(&settings.state.path)?;
        shared.switches.load(state.store())?;
        shared.state.set(state);
    }
    Ok(())
}

/// Whether operators can ask it to do something.
fn is_managed(settings: &Settings) -> bool {
    let admin = settings.admin.as_ref();
    admin.is_some_and(|admin| admin.token.is_some())
}

/// Whether anything leaves Botgate of its own accord, or may be sent as a test.
fn answers_later(settings: &Settings) -> bool {
    let tested = is_managed(settings);
    let later =
        |bot: &config::Bot| bot.reply.mode != Mode::Sync || (tested && bot.callback.is_some());
    !settings.subscribers.is_empty() || settings.bots.iter().any(later)
}

/// How many sockets to receivers there may be.
pub(super) fn sockets(settings: &Settings) -> usize {
    let bots = settings.bots.iter();
    let bots = bots.filter(|bot| bot.callback.is_some()).count();
    let receivers = bots + settings.subscribers.len();
    (receivers * receiver::MAX_CONNECTIONS).min(delivery::MAX_DELIVERIES)
}

/// Who shares the upstreams' connections: the workers, and the courier where there is one from the start.
pub(super) fn sharers(settings: &Settings, workers: usize) -> usize {
    workers + usize::from(answers_later(settings))
}

/// Starts the courier, where answers come later or some are left from before.
pub(super) fn courier(
    shared: &Arc<SharedState>,
    registry: &Arc<Registry>,
    settings: &Settings,
    workers: usize,
) -> io::Result<Option<delivery::Handle>> {
    let unfinished = shared.state.jobs.unfinished().jobs > 0;
    if !(unfinished || answers_later(settings)) {
        return Ok(None);
    }
    delivery::start(shared.clone(), registry.clone(), workers).map(Some)
}

/// Has the bots' figures written every now and then.
pub(super) async fn save_figures(shared: Arc<SharedState>) {
    let mut ticks = tokio::time::interval(SAVE_INTERVAL);
    loop {
        ticks.tick().await;
        let shared = shared.clone();
        let save = move || shared.state.analytics.save(clock::unix_ms());
        // It ends early only when all does.
        let _ = spawn_blocking(save).await;
    }
}

impl App {
    /// Waits until whatever was accepted is delivered or given up; says why the last one was given up.
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
