//! The store's thread: commits whatever has gathered, sweeps in between, and opens the database again after a failure.

use super::engine::Engine;
use super::queue::Batch;
use super::sweep::Sweep;
use super::{Shared, StoreError};
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How long records gather before they are written: what a power loss may cost.
pub const GATHER: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 50 });
/// So many records are written at once, without waiting for more.
pub const ENOUGH: usize = 8192;
/// How long the sweep waits while nothing is written.
const IDLE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 250 });
/// How long the disk is left alone after a failure, at first and at most.
const BACKOFF: [Duration; 2] = [
    Duration::from_millis(if cfg!(test) { 1 } else { 100 }),
    Duration::from_secs(5),
];

/// Starts the thread. The receiver's other end is dropped when it has ended.
pub(super) fn start(shared: Arc<Shared>) -> io::Result<Receiver<()>> {
    let (end, ended) = channel();
    std::thread::Builder::new()
        .name("store".to_owned())
        .spawn(move || {
            run(&shared);
            // Closes the database, and with it its lock, before anybody is told.
            shared.engine.store(None);
            drop(end);
        })?;
    Ok(ended)
}

fn run(shared: &Shared) {
    let mut sweep = Sweep::default();
    loop {
        let (batch, closing) = next(shared);
        if let Some(batch) = batch {
            persist(shared, &batch);
        } else if closing {
            return;
        }
        let now_ms = shared.now_ms.load(Relaxed);
        if let Some(engine) = shared.engine.load_full().filter(|_| now_ms > 0) {
            // A failure shows at the next commit.
            let deleted = sweep.step(&engine, now_ms).unwrap_or(0);
            shared.totals.expired.fetch_add(deleted, Relaxed);
        }
    }
}

/// What is to be written now, and whether the store is closing. Nothing: it is time to sweep, or to end.
fn next(shared: &Shared) -> (Option<Arc<Batch>>, bool) {
    let queue = shared
        .wake
        .wait_timeout_while(shared.queue(), IDLE, |queue| {
            queue.gathering.records == 0 && !queue.closing
        });
    let queue = queue.unwrap_or_else(PoisonError::into_inner).0;
    if queue.gathering.records == 0 {
        return (None, queue.closing);
    }
    let queue = shared.wake.wait_timeout_while(queue, GATHER, |queue| {
        queue.gathering.records < ENOUGH && !queue.closing
    });
    let mut queue = queue.unwrap_or_else(PoisonError::into_inner).0;
    let batch = Arc::new(std::mem::take(&mut queue.gathering));
    queue.flying = Some(Arc::clone(&batch));
    (Some(batch), queue.closing)
}

/// Writes a batch, however often that fails, until the store is closing.
fn persist(shared: &Shared, batch: &Batch) {
    let mut pause = BACKOFF[0];
    loop {
        let committed = match shared.engine.load_full() {
            Some(engine) => engine.commit(batch).map_err(|error| error.to_string()),
            None => Err(StoreError::Closed.to_string()),
        };
        let Err(error) = committed else {
            shared
                .totals
                .committed
                .fetch_add(batch.records as u64, Relaxed);
            shared.queue().flying = None;
            if pause > BACKOFF[0] {
                tracing::info!("the store can be written again");
            }
            return;
        };
        shared.totals.failed.fetch_add(1, Relaxed);
        let folder = shared.folder.display();
        if pause == BACKOFF[0] {
            tracing::error!(error, %folder, "the store cannot be written; what waits is kept and tried again");
        }
        let waited = shared
            .wake
            .wait_timeout_while(shared.queue(), pause, |queue| !queue.closing);
        let closing = waited.unwrap_or_else(PoisonError::into_inner).0.closing;
        pause = (pause * 2).min(BACKOFF[1]);
        let reopened = reopen(shared);
        if closing {
            let last = reopened.is_ok()
                && shared
                    .engine
                    .load_full()
                    .is_some_and(|engine| engine.commit(batch).is_ok());
            let totals = &shared.totals;
            let outcome = if last {
                &totals.committed
            } else {
                &totals.lost
            };
            outcome.fetch_add(batch.records as u64, Relaxed);
            if last {
                shared.queue().flying = None;
            }
            return;
        }
    }
}

/// Opens the database again. Whoever reads meanwhile is told that it is not open.
fn reopen(shared: &Shared) -> Result<(), StoreError> {
    let folder = &shared.folder;
    Engine::room(folder).map_err(|source| StoreError::Folder {
        path: folder.clone(),
        source,
    })?;
    if let Some(failed) = shared.engine.swap(None) {
        // A read lasts microseconds; only when the last has gone can the folder be locked anew.
        let start = Instant::now();
        while Arc::strong_count(&failed) > 1 && start.elapsed() < BACKOFF[1] {
            std::thread::yield_now();
        }
        drop(failed);
    }
    let engine = Engine::open(folder)?;
    shared.engine.store(Some(Arc::new(engine)));
    Ok(())
}
