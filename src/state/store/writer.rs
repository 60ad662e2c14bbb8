//! The store's thread: commits whatever has gathered, sweeps in between, and opens the database again after a failure.

use super::durable::{Pending, Rows, merge};
use super::engine::Engine;
use super::sweep::Sweep;
use super::write_queue::{BATCH_RECORDS, Batch};
use super::{Shared, StoreError, Unwritten, View};
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How long records gather before they are written: what a power loss may cost.
pub const WRITE_INTERVAL: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 50 });
/// How long the sweep waits while nothing is written.
const IDLE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 250 });
/// How long the disk is left alone after a failure, at first and at most.
const BACKOFF: [Duration; 2] =
    [Duration::from_millis(if cfg!(test) { 1 } else { 100 }), Duration::from_secs(5)];

/// Starts the thread. The receiver's other end is dropped when it has ended.
pub(super) fn start(shared: Arc<Shared>) -> io::Result<Receiver<()>> {
    let (end, ended) = channel();
    std::thread::Builder::new().name("store".to_owned()).spawn(move || {
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
        let (work, closing) = next(shared);
        if let Some(work) = work {
            persist(shared, work);
        } else if closing {
            return;
        }
        let now_ms = shared.now_ms.load(Relaxed);
        if let Some(engine) = shared.engine.load_full().filter(|_| now_ms > 0) {
            // A failure shows at the next commit.
            let deleted = sweep.step(&engine, now_ms).unwrap_or(0);
            shared.totals.expired.fetch_add(deleted, Relaxed);
        }
        chore(shared, now_ms);
    }
}

/// Asks once what else is to be written; it goes along with the next commit.
fn chore(shared: &Shared, now_ms: u64) {
    let Some(chore) = shared.chore.get().filter(|_| now_ms > 0) else {
        return;
    };
    let Some((changes, done)) = View::new(shared).ok().and_then(|view| chore(&view, now_ms)) else {
        return;
    };
    let pushed = shared.queue().push(Pending { changes, done });
    if let Err((pending, refused)) = pushed {
        (pending.done)(Err(refused));
    }
}

/// What one commit writes.
struct Work {
    batch: Arc<Batch>,
    pending: Vec<Pending>,
}

/// What is to be written now, and whether the store is closing. Nothing: it is time to sweep, or to end.
fn next(shared: &Shared) -> (Option<Work>, bool) {
    let queue = shared.wake.wait_timeout_while(shared.queue(), IDLE, |queue| {
        queue.gathering.records == 0 && queue.waiting.is_empty() && !queue.closing
    });
    let queue = queue.unwrap_or_else(PoisonError::into_inner).0;
    if queue.gathering.records == 0 && queue.waiting.is_empty() {
        return (None, queue.closing);
    }
    // Whoever waits for the disk does not wait for others: those who come meanwhile share the next commit.
    let queue = shared.wake.wait_timeout_while(queue, WRITE_INTERVAL, |queue| {
        queue.gathering.records < BATCH_RECORDS && queue.waiting.is_empty() && !queue.closing
    });
    let mut queue = queue.unwrap_or_else(PoisonError::into_inner).0;
    let batch = Arc::new(std::mem::take(&mut queue.gathering));
    queue.flying = Some(Arc::clone(&batch));
    let pending = queue.waiting.take();
    (Some(Work { batch, pending }), queue.closing)
}

/// Writes what has gathered. Whoever waits is told at once what became of it; the rest is written however often that fails, until
/// the store is closing.
fn persist(shared: &Shared, work: Work) {
    let Work { batch, pending } = work;
    let engine = shared.engine.load_full();
    let (rows, done) = merge(pending, |table, key| match &engine {
        Some(engine) => engine.row(table, key).map_err(|error| error.to_string()),
        None => Err(StoreError::Closed.to_string()),
    });
    let (rows, committed) = match rows {
        Ok(rows) => {
            let committed = commit(shared, &batch, &rows);
            (rows, committed)
        }
        Err(error) => {
            shared.totals.failed.fetch_add(1, Relaxed);
            (Rows::default(), Err(error))
        }
    };
    if committed.is_ok() {
        shared.queue().flying = None;
        shared.totals.durable.fetch_add(done.len() as u64, Relaxed);
    }
    let Err(error) = committed else {
        done.into_iter().for_each(|done| done(Ok(())));
        return;
    };
    let folder = shared.folder.display();
    tracing::error!(error, %folder, "the store cannot be written: queued records are kept and retried, durable changes are refused");
    // What is told to have failed may have reached the disk nevertheless.
    let undo = engine.and_then(|engine| engine.undo(&rows).ok());
    let mut refused = done;
    {
        let mut queue = shared.queue();
        queue.failing = true;
        while !queue.waiting.is_empty() {
            refused.extend(queue.waiting.take().into_iter().map(|pending| pending.done));
        }
    }
    refused.into_iter().for_each(|done| done(Err(Unwritten::Disk)));
    recover(shared, &batch, &undo.unwrap_or_default());
}

/// Tries until the disk takes what waits.
fn recover(shared: &Shared, batch: &Batch, undo: &Rows) {
    let mut pause = BACKOFF[0];
    loop {
        let waited = shared.wake.wait_timeout_while(shared.queue(), pause, |queue| !queue.closing);
        let closing = waited.unwrap_or_else(PoisonError::into_inner).0.closing;
        pause = (pause * 2).min(BACKOFF[1]);
        let opened = reopen(shared);
        if opened.is_err() {
            shared.totals.failed.fetch_add(1, Relaxed);
        }
        if opened.is_ok() && commit(shared, batch, undo).is_ok() {
            let mut queue = shared.queue();
            queue.flying = None;
            queue.failing = false;
            tracing::info!("the store can be written again");
            return;
        }
        if closing {
            shared.totals.lost.fetch_add(batch.records as u64, Relaxed);
            return;
        }
    }
}

/// One attempt, counted.
fn commit(shared: &Shared, batch: &Batch, rows: &Rows) -> Result<(), String> {
    let committed = match shared.engine.load_full() {
        Some(engine) => engine.commit(batch, rows).map_err(|error| error.to_string()),
        None => Err(StoreError::Closed.to_string()),
    };
    let totals = &shared.totals;
    match committed {
        Ok(()) => totals.committed.fetch_add(batch.records as u64, Relaxed),
        Err(_) => totals.failed.fetch_add(1, Relaxed),
    };
    committed
}

/// Opens the database again. Whoever reads meanwhile is told that it is not open.
fn reopen(shared: &Shared) -> Result<(), StoreError> {
    let folder = &shared.folder;
    Engine::room(folder).map_err(|source| StoreError::Folder { path: folder.clone(), source })?;
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
