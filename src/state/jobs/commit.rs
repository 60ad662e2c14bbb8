//! How a change of jobs gets to the disk, and who learns what became of it.

use super::index::Index;
use super::table::Place;
use super::{Count, Head, Id, Jobs, JobsError, Memory, TerminalState, record};
use crate::state::store::{Changes, Table, Unwritten};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::oneshot;

/// A step on its way to the disk. It is taken whether or not anybody waits for it; an error says that it has not happened.
#[derive(Debug)]
#[must_use = "only when it is done has it happened"]
pub struct Step(oneshot::Receiver<Result<(), Unwritten>>);

impl Future for Step {
    type Output = Result<(), JobsError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|told| told.unwrap_or(Err(Unwritten::Closing)).map_err(JobsError::Unwritten))
    }
}

/// By how much jobs that have not ended become more, and fewer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delta {
    pub(super) more: Count,
    pub(super) fewer: Count,
}

impl Delta {
    /// That of jobs that are new.
    pub(super) fn of_new<'a>(heads: impl Iterator<Item = &'a Head>) -> Self {
        let mut more = Count::default();
        heads.filter(|head| head.end.is_none()).for_each(|head| more.add(head.size()));
        Self { more, fewer: Count::default() }
    }

    /// Has it written down with the jobs themselves, so that a start knows how much waits before it has picked that up.
    pub(super) fn note(self, changes: &mut Changes) {
        let Self { more, fewer } = self;
        if more == fewer {
            return;
        }
        let update = move |row: Option<&[u8]>| {
            let Count { jobs, bytes } = row.and_then(record::read_tally).unwrap_or_default();
            let all = Count {
                jobs: (jobs + more.jobs).saturating_sub(fewer.jobs),
                bytes: (bytes + more.bytes).saturating_sub(fewer.bytes),
            };
            record::write_tally(all).into()
        };
        changes.update(Table::Ended, &record::UNFINISHED, Box::new(update));
    }
}

impl Jobs {
    /// Hands changes to the disk, and by how much they change what has not ended; `then` learns whether it took them, before whoever
    /// waits.
    pub(super) fn commit(
        &self,
        mut changes: Changes,
        unfinished: Delta,
        then: impl FnOnce(&Memory, bool) + Send + 'static,
    ) -> Step {
        unfinished.note(&mut changes);
        let (tell, told) = oneshot::channel();
        let memory = Arc::clone(&self.memory);
        let done = move |written: Result<(), Unwritten>| {
            then(&memory, written.is_ok());
            // Nobody need wait for it.
            let _ = tell.send(written);
        };
        self.store.commit(changes, Box::new(done));
        Step(told)
    }
}

pub(super) fn place(index: &mut Index, id: Id, place: Place) {
    if let Some(entry) = index.jobs.get_mut(id) {
        entry.place = place;
    }
}

/// Adds the rows that say where a job stands.
pub(super) fn put_head(changes: &mut Changes, id: Id, head: &Head) {
    if let Some(end) = head.end {
        let key = record::ended_key(end, head.ended_ms, id);
        changes.put(Table::Ended, &key, record::ended_row(head).into());
    }
    changes.put(Table::Jobs, &id.0, record::write_head(head).into());
}

pub(super) fn end(head: &mut Head, end: TerminalState, now_ms: u64) {
    head.end = Some(end);
    head.ended_ms = now_ms;
}

pub(super) fn size(what: &'static str, length: usize, most: usize) -> Result<u32, JobsError> {
    let fits = u32::try_from(length).ok().filter(|_| length <= most);
    fits.ok_or(JobsError::TooLarge { what, length, most })
}
