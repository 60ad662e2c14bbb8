//! How jobs that have ended leave the disk: those whose time is over, and the oldest where there are too many.

use super::index::Count;
use super::{Bounds, Id, JobState, Memory, TerminalState, idempotency, record};
use crate::state::store::{Changes, Done, RowKey, Table, View};
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex, PoisonError};

/// The most jobs that are deleted at once.
pub const BATCH_JOBS: usize = 64;
/// How long until it is looked again whether anything is to go, in milliseconds.
const REST_MS: u64 = 1_000;

/// Where the deletion stands.
#[derive(Debug, Default)]
pub(super) struct Keeping(Mutex<Progress>);

#[derive(Debug, Default)]
struct Progress {
    rest_until_ms: u64,
    /// Up to where nothing is left, of each end: what was deleted need not be stepped over again.
    from: [Option<RowKey>; 2],
}

/// A job that goes.
pub(super) struct Old {
    pub(super) key: RowKey,
    pub(super) id: Id,
    end: TerminalState,
    size: u32,
    attempts: u32,
}

impl Old {
    /// One of the rows of those that have ended.
    pub(super) fn read(key: &[u8], row: &[u8]) -> Option<(Self, u64)> {
        let (end, ended_ms, id) = record::read_ended_key(key)?;
        let (size, attempts) = record::read_ended_row(row).unwrap_or_default();
        let key = key.into();
        let old = Self { key, id, end, size, attempts };
        Some((old, ended_ms))
    }
}

/// What is to be deleted next, if anything.
pub(super) fn portion(
    memory: &Arc<Memory>,
    bounds: &Bounds,
    view: &View<'_>,
    now_ms: u64,
) -> Option<(Changes, Done)> {
    let mut progress = memory.keeping.0.lock().unwrap_or_else(PoisonError::into_inner);
    let [_, _, (_, delivered), (_, dead)] = memory.index().tallies();
    let mut over = Count {
        jobs: (delivered.jobs + dead.jobs).saturating_sub(bounds.kept_jobs),
        bytes: (delivered.bytes + dead.bytes).saturating_sub(bounds.kept_bytes),
    };
    let rested = now_ms >= progress.rest_until_ms;
    // A clock that went back must not make it rest for long.
    let rested = rested || progress.rest_until_ms > now_ms.saturating_add(REST_MS);
    if over == Count::default() && !rested {
        return None;
    }
    let mut old: Vec<Old> = Vec::new();
    for (end, keep_ms) in
        [(TerminalState::Delivered, bounds.delivered_ms), (TerminalState::Dead, bounds.dead_ms)]
    {
        let before_ms = now_ms.saturating_sub(keep_ms);
        let first = record::ended_first(end);
        let from = progress.from[end as usize].as_ref();
        let from = from.map_or(Bound::Included(&*first), |key| Bound::Excluded(&**key));
        let walked = view.walk(Table::Ended, (from, Bound::Unbounded), false, |key, row| {
            let Some((found, ended_ms)) = Old::read(key, row) else {
                return ControlFlow::Break(());
            };
            let much = over.jobs > 0 || over.bytes > 0;
            let goes = found.end == end && (ended_ms <= before_ms || much);
            if !goes || old.len() >= BATCH_JOBS {
                return ControlFlow::Break(());
            }
            over.sub(found.size);
            old.push(found);
            ControlFlow::Continue(())
        });
        walked.ok()?;
    }
    {
        let mut index = memory.index();
        // Who is being taken up again stays.
        old.retain(|old| index.closed.insert(old.id));
    }
    if old.is_empty() {
        *progress =
            Progress { rest_until_ms: now_ms.saturating_add(REST_MS), ..Progress::default() };
        return None;
    }
    for old in &old {
        progress.from[old.end as usize] = Some(old.key.clone());
    }
    let mut changes = Changes::default();
    delete(&mut changes, view, &old);
    let memory = Arc::clone(memory);
    let done = move |written: Result<(), _>| deleted(&memory, &old, written.is_ok());
    Some((changes, Box::new(done)))
}

/// What memory knows of jobs that the disk has deleted, or has not.
pub(super) fn deleted(memory: &Memory, old: &[Old], written: bool) {
    let mut index = memory.index();
    for old in old {
        index.closed.remove(&old.id);
        if written {
            let state = match old.end {
                TerminalState::Delivered => JobState::Delivered,
                TerminalState::Dead => JobState::Dead,
            };
            index.tally(state).sub(old.size);
        }
    }
    drop(index);
    if !written {
        let progress = memory.keeping.0.lock();
        *progress.unwrap_or_else(PoisonError::into_inner) = Progress::default();
    }
}

/// Deletes all that belongs to jobs.
pub(super) fn delete(changes: &mut Changes, view: &View<'_>, old: &[Old]) {
    for old in old {
        changes.remove(Table::Ended, &old.key);
        changes.remove(Table::Jobs, &old.id.0);
        for stage in [super::Stage::Answer, super::Stage::Deliver] {
            changes.remove(Table::Parts, &record::body_key(old.id, stage));
        }
        for number in 0..old.attempts.min(record::MAX_ATTEMPTS) {
            changes.remove(Table::Parts, &record::attempt_key(old.id, number));
        }
        // What was said of a job that is gone is as good as forgotten: a disk that does not read must not keep the job.
        let _ = idempotency::delete(changes, view, old.id);
    }
}
