//! What holds for the log as a whole.

use super::*;
use std::io::Write;
use std::sync::mpsc::{Sender, channel};

const SOON: Duration = Duration::from_secs(60);

/// Hands on every piece that is written, after the gate lets it through.
struct Pieces {
    to: Sender<String>,
    gate: Option<Receiver<()>>,
}

impl Write for Pieces {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if let Some(gate) = &self.gate {
            gate.recv().map_err(io::Error::other)?;
        }
        self.to.send(String::from_utf8_lossy(piece).into_owned()).map_err(io::Error::other)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn start(
    gate: Option<Receiver<()>>,
    workers: usize,
) -> (AccessLog, Vec<Producer>, Receiver<String>) {
    let (to, pieces) = channel();
    let destination = Destination::Writer(Box::new(Pieces { to, gate }));
    let (log, producers) = AccessLog::start(destination, Format::Json, workers).unwrap();
    (log, producers, pieces)
}

fn numbered(bytes_in: u64) -> Record {
    Record { bytes_in, ..Record::default() }
}

fn numbers(text: &str) -> Vec<u64> {
    let number = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).unwrap()["bytes_in"].as_u64().unwrap()
    };
    text.lines().map(number).collect()
}

#[test]
fn closing_writes_all_that_was_pushed() {
    let (log, producers, pieces) = start(None, 3);
    std::thread::scope(|scope| {
        for (worker, producer) in producers.iter().enumerate() {
            scope.spawn(move || {
                (0..2_000).for_each(|n| producer.push(numbered(worker as u64 * 10_000 + n)))
            });
        }
    });
    assert_eq!(log.dropped(), 0);
    assert!(log.close(SOON));
    let text: String = pieces.iter().collect();
    for worker in 0..3 {
        let own: Vec<u64> = numbers(&text)
            .into_iter()
            .filter(|n| n / 10_000 == worker)
            .map(|n| n % 10_000)
            .collect();
        assert!(own.into_iter().eq(0..2_000), "the lines of one worker are all there and in order");
    }
}

#[test]
fn a_logger_at_rest_is_woken_by_the_next_record() {
    let (log, producers, pieces) = start(None, 2);
    for n in 0..3 {
        let start = std::time::Instant::now();
        while !log.shared.parked.load(Ordering::Relaxed) {
            assert!(start.elapsed() < SOON, "it goes to rest without traffic");
            std::thread::yield_now();
        }
        producers[1].push(numbered(n));
        assert_eq!(numbers(&pieces.recv_timeout(SOON).unwrap()), [n]);
    }
    assert!(log.close(SOON), "and by the end");
}

#[test]
fn what_does_not_fit_is_dropped_and_counted_and_the_worker_never_waits() {
    let (open, gate) = channel();
    let (log, producers, pieces) = start(Some(gate), 1);
    // The gate is shut: the logger stands in its first write, with what it had gathered.
    let pushed = 3 * MAX_QUEUED_RECORDS as u64;
    (0..pushed).for_each(|n| producers[0].push(numbered(n)));
    let dropped = log.dropped();
    assert!(
        dropped >= pushed - 2 * MAX_QUEUED_RECORDS as u64 - 1 && dropped < pushed,
        "{dropped} of {pushed}"
    );
    (0..pushed).for_each(|_| open.send(()).unwrap());
    assert!(log.close(SOON));
    let written = numbers(&pieces.iter().collect::<String>()).len() as u64;
    assert_eq!(written + dropped, pushed);
}

#[test]
fn lines_that_cannot_be_written_are_counted_and_a_stuck_reader_does_not_hold_the_end_up() {
    let (log, producers, pieces) = start(None, 1);
    drop(pieces);
    producers[0].push(numbered(1));
    let start_of_wait = std::time::Instant::now();
    while log.dropped() == 0 {
        assert!(start_of_wait.elapsed() < SOON);
        std::thread::yield_now();
    }
    assert!(log.close(SOON));

    let (open, gate) = channel();
    let (log, producers, _pieces) = start(Some(gate), 1);
    producers[0].push(numbered(1));
    assert!(!log.close(Duration::from_millis(20)));
    drop(open);
}

#[test]
fn a_file_that_was_moved_away_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    std::fs::write(&path, "before\n").unwrap();
    let (log, producers) =
        AccessLog::start(Destination::File(path.clone()), Format::Json, 1).unwrap();
    let wait = |what: &dyn Fn() -> bool| {
        let start = std::time::Instant::now();
        while !what() {
            assert!(start.elapsed() < SOON);
            std::thread::yield_now();
        }
    };
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default();
    producers[0].push(numbered(1));
    wait(&|| read(&path).lines().count() == 2);
    assert!(read(&path).starts_with("before\n"), "it is appended to");
    let moved = folder.path().join("access.log.1");
    std::fs::rename(&path, &moved).unwrap();
    log.reopen();
    wait(&|| path.exists());
    producers[0].push(numbered(2));
    assert!(log.close(SOON));
    assert_eq!(numbers(&read(&path)), [2]);
    assert_eq!(read(&moved).lines().count(), 2);

    let nowhere = Destination::File(folder.path().join("missing/access.log"));
    assert!(AccessLog::start(nowhere, Format::Json, 1).is_err());
}
