//! The cells themselves: plain loads and stores on the worker's side, no atomic read-modify-write, no shared cache line written.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A closed list of label values.
pub type LabelValues = &'static [&'static str];

/// The status codes with a series of their own; any other is counted under its class.
pub const STATUS_CODES: [u16; 34] = [
    200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 408, 409,
    410, 411, 413, 415, 417, 422, 429, 431, 499, 500, 501, 502, 503, 504, 529,
];
/// The label values of codes that have no series of their own.
pub const STATUS_CLASSES: [&str; 6] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];
/// Bounds of `botgate_request_seconds`, in nanoseconds.
pub const REQUEST_BOUNDS: [u64; 15] = [
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    10_000_000_000,
    30_000_000_000,
];
/// Bounds of `botgate_loop_lag_seconds`, in nanoseconds.
pub const LAG_BOUNDS: [u64; 7] =
    [1_000_000, 5_000_000, 10_000_000, 50_000_000, 100_000_000, 500_000_000, 1_000_000_000];
/// How many secrets of one bot are told apart.
pub const MAX_SECRETS: usize = 8;

/// A number that one thread writes and any may read.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    /// What it says.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Replaces it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// One less, never below 0.
    pub fn decrement(&self) {
        self.set(self.get().saturating_sub(1));
    }

    /// So many more.
    pub fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }
}

/// How often a time fell between two bounds, and the sum of them all.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    within: [Cell; N],
    beyond: Cell,
    sum_ns: Cell,
}

impl<const N: usize> Histogram<N> {
    fn new(bounds: &'static [u64; N]) -> Self {
        Self {
            bounds,
            within: [const { Cell(AtomicU64::new(0)) }; N],
            beyond: Cell::default(),
            sum_ns: Cell::default(),
        }
    }

    /// Counts one time in nanoseconds.
    pub fn observe(&self, ns: u64) {
        let place = self.bounds.partition_point(|bound| *bound < ns);
        self.within.get(place).unwrap_or(&self.beyond).increment();
        self.sum_ns.add(ns);
    }

    /// (upper bound in seconds, how many fell under it and over the one before), the last one without end.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let seconds = |ns: &u64| Duration::from_nanos(*ns).as_secs_f64();
        let within = self.bounds.iter().map(seconds).zip(self.within.iter().map(Cell::get));
        within.chain([(f64::INFINITY, self.beyond.get())])
    }

    pub(super) fn sum(&self) -> f64 {
        Duration::from_nanos(self.sum_ns.get()).as_secs_f64()
    }
}

/// What one worker counts whatever the bot.
#[derive(Debug)]
pub struct WorkerCells {
    pub(super) index: usize,
    /// Callers' connections open now.
    pub connections: Cell,
    /// Requests being served now.
    pub in_flight: Cell,
    /// From the first byte of a request's head to the last of its answer.
    pub request: Histogram<{ REQUEST_BOUNDS.len() }>,
    /// How late the worker's loop came round.
    pub lag: Histogram<{ LAG_BOUNDS.len() }>,
    /// Requests that no bot was found for, by status.
    pub unrouted: BotCells,
    reasons: LabelValues,
    pub(super) refusals: Box<[Cell]>,
}

impl WorkerCells {
    pub(super) fn new(index: usize, reasons: LabelValues) -> Self {
        Self {
            index,
            connections: Cell::default(),
            in_flight: Cell::default(),
            request: Histogram::new(&REQUEST_BOUNDS),
            lag: Histogram::new(&LAG_BOUNDS),
            unrouted: BotCells::default(),
            reasons,
            refusals: reasons.iter().map(|_| Cell::default()).collect(),
        }
    }

    /// Counts a refusal under its word.
    pub fn refused(&self, reason: &str) {
        count(self.reasons, &self.refusals, reason);
    }
}

/// What one worker counts for one bot.
#[derive(Debug)]
pub struct BotCells {
    codes: [Cell; STATUS_CODES.len()],
    classes: [Cell; STATUS_CLASSES.len()],
    secrets: [Cell; MAX_SECRETS],
    /// Tokens of requests that an AI answered.
    pub(super) tokens_in: Cell,
    /// Tokens of its answers.
    pub(super) tokens_out: Cell,
    /// What they cost, in millionths of a cent.
    pub(super) micro_cents: Cell,
}

impl Default for BotCells {
    fn default() -> Self {
        Self {
            codes: [const { Cell(AtomicU64::new(0)) }; STATUS_CODES.len()],
            classes: [const { Cell(AtomicU64::new(0)) }; STATUS_CLASSES.len()],
            secrets: [const { Cell(AtomicU64::new(0)) }; MAX_SECRETS],
            tokens_in: Cell::default(),
            tokens_out: Cell::default(),
            micro_cents: Cell::default(),
        }
    }
}

impl BotCells {
    /// Counts an answer by its status.
    pub fn answered(&self, status: u16) {
        let own = STATUS_CODES.binary_search(&status).ok().and_then(|place| self.codes.get(place));
        let class = || self.classes.get(usize::from(status / 100)).unwrap_or(&self.classes[0]);
        own.unwrap_or_else(class).increment();
    }

    /// Notes that the secret at this place of the bot's list verified a request, at this Unix time in seconds.
    pub fn secret_used(&self, place: usize, unix: u64) {
        if let Some(cell) = self.secrets.get(place) {
            cell.set(unix);
        }
    }

    /// Counts what an AI's answer cost: tokens of the request, of the answer, millionths of a cent.
    pub fn spent(&self, input: u64, output: u64, micro_cents: u64) {
        self.tokens_in.add(input);
        self.tokens_out.add(output);
        self.micro_cents.add(micro_cents);
    }

    pub(super) fn forget_secrets(&self) {
        self.secrets.iter().for_each(|cell| cell.set(0));
    }

    /// How many answers had the code or class at this place of [`STATUS_CODES`], then [`STATUS_CLASSES`].
    pub(super) fn answers(&self) -> impl Iterator<Item = u64> {
        self.codes.iter().chain(&self.classes).map(Cell::get)
    }

    /// When each secret was last used; 0: not yet.
    pub(super) fn secrets(&self) -> impl Iterator<Item = u64> {
        self.secrets.iter().map(Cell::get)
    }
}

/// What one worker counts for one upstream.
#[derive(Debug)]
pub struct UpstreamCells {
    /// Connections open now.
    pub connections: Cell,
    /// Connections made.
    pub opened: Cell,
    /// Requests sent over a connection that was there already.
    pub reused: Cell,
    /// Calls repeated because nothing of them was done or the AI asked for it.
    pub retried: Cell,
    /// Calls that failed and were put to it again or to another.
    pub passed_over: Cell,
    words: LabelValues,
    pub(super) errors: Box<[Cell]>,
}

impl UpstreamCells {
    pub(super) fn new(words: LabelValues) -> Self {
        Self {
            connections: Cell::default(),
            opened: Cell::default(),
            reused: Cell::default(),
            retried: Cell::default(),
            passed_over: Cell::default(),
            words,
            errors: words.iter().map(|_| Cell::default()).collect(),
        }
    }

    /// Counts an error under its word.
    pub fn failed(&self, word: &str) {
        count(self.words, &self.errors, word);
    }
}

fn count(words: LabelValues, cells: &[Cell], word: &str) {
    let place = words.iter().position(|known| *known == word);
    debug_assert!(place.is_some(), "{word} is not in the list");
    if let Some(cell) = place.and_then(|place| cells.get(place)) {
        cell.increment();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_place() {
        assert!(STATUS_CODES.is_sorted(), "found by binary search");
        let cells = BotCells::default();
        for status in [200, 404, 418, 299, 100, 599, 600, 999, 0] {
            cells.answered(status);
        }
        let labels =
            STATUS_CODES.iter().map(u16::to_string).chain(STATUS_CLASSES.map(str::to_owned));
        let counted: Vec<(String, u64)> =
            labels.zip(cells.answers()).filter(|(_, count)| *count > 0).collect();
        let expected =
            [("200", 1), ("404", 1), ("other", 3), ("1xx", 1), ("2xx", 1), ("4xx", 1), ("5xx", 1)];
        assert_eq!(counted, expected.map(|(label, count)| (label.to_owned(), count)));
    }

    #[test]
    fn a_time_falls_under_its_bound_and_a_longer_one_beyond() {
        let histogram = Histogram::new(&LAG_BOUNDS);
        for ns in [0, 1_000_000, 1_000_001, 1_000_000_000, 1_000_000_001] {
            histogram.observe(ns);
        }
        let counts: Vec<u64> = histogram.buckets().map(|(_, count)| count).collect();
        assert_eq!(counts, [2, 1, 0, 0, 0, 0, 1, 1]);
        assert!((histogram.sum() - 2.002_000_002).abs() < 1e-9);
    }

    #[test]
    fn a_gauge_never_falls_below_nothing() {
        let cell = Cell::default();
        cell.decrement();
        assert_eq!(cell.get(), 0);
        cell.add(3);
        cell.decrement();
        assert_eq!(cell.get(), 2);
    }
}
