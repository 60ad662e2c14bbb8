//! The logger's thread: gathers what the workers pushed and writes it in large pieces.

use super::format::Formatter;
use super::{Format, MAX_QUEUED_RECORDS, Queues, Shared};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{Builder, Thread, park, park_timeout};
use std::time::Duration;

/// How long records gather while there is traffic.
const WRITE_INTERVAL: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 50 });
/// After so many rounds without a record the logger sleeps until it is woken.
const ROUNDS: u32 = 20;
/// A piece is written once it is this long.
const WRITE_CHUNK: usize = 64 * 1024;

/// Where the lines go.
pub enum Destination {
    /// Standard error.
    Stderr,
    /// The end of this file, made where it is missing; opened again by [`super::AccessLog::reopen`].
    File(PathBuf),
    /// Whatever else can be written to.
    Writer(Box<dyn Write + Send>),
}

struct Output {
    writer: Box<dyn Write + Send>,
    path: Option<PathBuf>,
    /// The last write failed, and that was said.
    failing: bool,
}

pub(super) fn spawn(
    destination: Destination,
    format: Format,
    queues: Queues,
    shared: Arc<Shared>,
) -> io::Result<(Thread, Receiver<()>)> {
    let output = match destination {
        Destination::Stderr => Output::new(Box::new(io::stderr()), None),
        Destination::File(path) => Output::new(Box::new(open(&path)?), Some(path)),
        Destination::Writer(writer) => Output::new(writer, None),
    };
    let (end, ended) = channel();
    let thread = Builder::new().name("access-log".to_owned()).spawn(move || {
        run(output, Formatter::new(format), &queues, &shared);
        // Dropped only now, which tells who waits in `close` that all is written.
        drop(end);
    })?;
    Ok((thread.thread().clone(), ended))
}

fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn run(mut output: Output, mut writer: Formatter, queues: &Queues, shared: &Shared) {
    let mut piece = Vec::with_capacity(2 * WRITE_CHUNK);
    let mut quiet = 0;
    loop {
        // Read before the queues are: what was pushed before the stop is then still written.
        let stop = shared.stop.load(Ordering::Acquire);
        if shared.reopen.swap(false, Ordering::AcqRel) {
            output.reopen();
        }
        let lines = gather(&mut output, &mut writer, queues, shared, &mut piece);
        if stop {
            return;
        }
        quiet = if lines == 0 { quiet + 1 } else { 0 };
        if lines > MAX_QUEUED_RECORDS / 2 {
            continue;
        }
        if quiet < ROUNDS {
            park_timeout(WRITE_INTERVAL);
        } else {
            rest(queues, &shared.parked);
            quiet = 0;
        }
    }
}

/// Sleeps until a producer, a stop or a reopening wakes us; the latter two leave a token that `park` sees even if it comes later.
fn rest(queues: &Queues, parked: &AtomicBool) {
    parked.store(true, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    if queues.iter().all(|queue| queue.is_empty()) {
        park();
    }
    parked.store(false, Ordering::Relaxed);
}

/// Writes what waits, at most one queue's length of each worker, and says how many lines that were.
fn gather(
    output: &mut Output,
    writer: &mut Formatter,
    queues: &Queues,
    shared: &Shared,
    piece: &mut Vec<u8>,
) -> usize {
    let (mut lines, mut unwritten) = (0, 0);
    for queue in queues {
        for record in std::iter::from_fn(|| queue.pop()).take(MAX_QUEUED_RECORDS) {
            writer.write(&record, piece);
            lines += 1;
            unwritten += 1;
            if piece.len() >= WRITE_CHUNK {
                output.write(piece, unwritten, shared);
                unwritten = 0;
            }
        }
    }
    if !piece.is_empty() {
        output.write(piece, unwritten, shared);
    }
    lines
}

impl Output {
    fn new(writer: Box<dyn Write + Send>, path: Option<PathBuf>) -> Self {
        Self { writer, path, failing: false }
    }

    /// Writes a piece of so many lines and empties it. What cannot be written is lost and counted.
    fn write(&mut self, piece: &mut Vec<u8>, lines: u64, shared: &Shared) {
        let result = self.writer.write_all(piece).and_then(|()| self.writer.flush());
        piece.clear();
        if let Err(error) = &result {
            shared.dropped.fetch_add(lines, Ordering::Relaxed);
            if !self.failing {
                tracing::error!(%error, "the access log cannot be written; lines are lost until it can");
            }
        }
        self.failing = result.is_err();
    }

    fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        match open(path) {
            Ok(file) => self.writer = Box::new(file),
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "the access log cannot be opened again; the old file stays in use");
            }
        }
    }
}
