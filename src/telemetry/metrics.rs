//! What is counted: cells that one worker alone writes, handed out here by name, and added up when someone looks.
//!
//! Labels are bounded: bots and upstreams come from the configuration, everything else from closed lists. A reload asks for the
//! same names again and gets the same cells, so counters go on.

pub mod cells;
mod exposition;
mod family;
mod state;
mod upstreams;

pub use cells::{BotCells, UpstreamCells, WorkerCells};
pub use exposition::{CONTENT_TYPE, Readings};
pub use state::StateFigures;

use cells::LabelValues;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One cell per worker.
type PerWorker<T> = Vec<Arc<T>>;

/// All cells of the process.
#[derive(Debug)]
pub struct Metrics {
    workers: PerWorker<WorkerCells>,
    bots: Mutex<BTreeMap<Box<str>, PerWorker<BotCells>>>,
    upstreams: Mutex<BTreeMap<Box<str>, PerWorker<UpstreamCells>>>,
    reasons: LabelValues,
    errors: LabelValues,
    reloaded: AtomicU64,
    refused_reloads: AtomicU64,
}

impl Metrics {
    /// Cells for so many workers. `reasons` are all words a refusal can be counted under, `errors` all those of upstream errors.
    pub fn new(workers: usize, reasons: LabelValues, errors: LabelValues) -> Arc<Self> {
        Arc::new(Self {
            workers: (0..workers).map(|index| Arc::new(WorkerCells::new(index, reasons))).collect(),
            bots: Mutex::default(),
            upstreams: Mutex::default(),
            reasons,
            errors,
            reloaded: AtomicU64::new(0),
            refused_reloads: AtomicU64::new(0),
        })
    }

    /// The cells of every worker, in order.
    pub fn workers(&self) -> &[Arc<WorkerCells>] {
        &self.workers
    }

    /// The cells of whoever works beside the workers: the last of them, or some that no page shows.
    pub fn background_worker(&self, workers: usize) -> Arc<WorkerCells> {
        let spare = self.workers.get(workers).cloned();
        spare.unwrap_or_else(|| Arc::new(WorkerCells::new(workers, self.reasons)))
    }

    /// What `worker` counts for this bot.
    pub fn bot(&self, worker: &WorkerCells, id: &str) -> Arc<BotCells> {
        pick(&self.bots, id, worker.index, self.workers.len(), BotCells::default)
    }

    /// What `worker` counts for this upstream.
    pub fn upstream(&self, worker: &WorkerCells, name: &str) -> Arc<UpstreamCells> {
        pick(&self.upstreams, name, worker.index, self.workers.len(), || {
            UpstreamCells::new(self.errors)
        })
    }

    /// Forgets bots and upstreams that the configuration no longer has, so that reloads do not add up. Requests still on their
    /// way for them are no longer counted.
    pub fn retain(&self, bot: impl Fn(&str) -> bool, upstream: impl Fn(&str) -> bool) {
        lock(&self.bots).retain(|id, _| bot(id));
        lock(&self.upstreams).retain(|name, _| upstream(name));
    }

    /// To be called when a reload changed a bot's list of secrets: "last used" is kept by place in the list.
    pub fn forget_secrets(&self, id: &str) {
        for cells in lock(&self.bots).get(id).into_iter().flatten() {
            cells.forget_secrets();
        }
    }

    /// Counts a reload, and whether the new configuration was put in force.
    pub fn record_reload(&self, ok: bool) {
        let count = if ok { &self.reloaded } else { &self.refused_reloads };
        count.fetch_add(1, Relaxed);
    }

    /// Everything as OpenMetrics text ([`CONTENT_TYPE`]), with what the stores say at this moment.
    pub fn page(self: &Arc<Self>, readings: Readings) -> String {
        exposition::render(self, readings)
    }
}

fn pick<T>(
    table: &Mutex<BTreeMap<Box<str>, PerWorker<T>>>,
    name: &str,
    worker: usize,
    workers: usize,
    new: impl Fn() -> T,
) -> Arc<T> {
    let mut table = lock(table);
    let make = || (0..workers).map(|_| Arc::new(new())).collect();
    let cells: &PerWorker<T> = table.entry(name.into()).or_insert_with(make);
    cells.get(worker).map_or_else(|| Arc::new(new()), Arc::clone)
}

/// Nothing that holds these locks can leave a table half changed.
fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
