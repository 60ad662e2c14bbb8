//! The access log: a line per request, written by a thread of its own.
//!
//! A worker pushes a fixed-size record into its queue and goes on; it formats nothing and wakes the logger only where that has
//! gone to rest. What the logger cannot keep up with is dropped and counted, never waited for.

pub mod format;
mod record;
mod writer;

pub use record::{Record, TruncatedText};
pub use writer::Destination;

use crossbeam_queue::ArrayQueue;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::Thread;
use std::time::Duration;

/// How many records of one worker wait at most.
pub const MAX_QUEUED_RECORDS: usize = 8_192;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people, on a terminal.
    Human,
}

type Queues = Vec<Arc<ArrayQueue<Record>>>;

/// What the logger, its owner and the producers share.
#[derive(Debug, Default)]
struct Shared {
    /// The logger sleeps until someone wakes it.
    parked: AtomicBool,
    stop: AtomicBool,
    reopen: AtomicBool,
    dropped: AtomicU64,
}

/// One worker's end.
#[derive(Debug)]
pub struct Producer {
    queue: Arc<ArrayQueue<Record>>,
    shared: Arc<Shared>,
    logger: Thread,
}

impl Producer {
    /// Hands a record over, or drops and counts it.
    pub fn push(&self, record: Record) {
        if self.queue.push(record).is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // Either the logger sees this record when it looks once more before it rests, or we see that it rests.
        fence(Ordering::SeqCst);
        if self.shared.parked.load(Ordering::Relaxed)
            && self.shared.parked.swap(false, Ordering::Relaxed)
        {
            self.logger.unpark();
        }
    }
}

/// The owner's end of the logger. Dropped without [`AccessLog::close`], the logger still writes what it has and ends.
#[derive(Debug)]
pub struct AccessLog {
    shared: Arc<Shared>,
    logger: Thread,
    ended: Receiver<()>,
}

impl AccessLog {
    /// Starts the logger, with a producer for each of the workers.
    ///
    /// # Errors
    /// The file cannot be opened for appending, or no thread started.
    pub fn start(
        destination: Destination,
        format: Format,
        workers: usize,
    ) -> io::Result<(Self, Vec<Producer>)> {
        let shared: Arc<Shared> = Arc::default();
        let queues: Queues =
            (0..workers).map(|_| Arc::new(ArrayQueue::new(MAX_QUEUED_RECORDS))).collect();
        let (logger, ended) =
            writer::spawn(destination, format, queues.clone(), Arc::clone(&shared))?;
        let producer =
            |queue| Producer { queue, shared: Arc::clone(&shared), logger: logger.clone() };
        let producers = queues.into_iter().map(producer).collect();
        Ok((Self { shared, logger, ended }, producers))
    }

    /// Opens the file again under its name, after it was moved away.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
        self.logger.unpark();
    }

    /// How many records were lost so far.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Writes what was pushed before, and ends; false where that took longer than `within` (nobody reads the other end, say).
    pub fn close(self, within: Duration) -> bool {
        self.stop();
        self.ended.recv_timeout(within) != Err(RecvTimeoutError::Timeout)
    }

    fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.logger.unpark();
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests;
