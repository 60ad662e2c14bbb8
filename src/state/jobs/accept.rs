//! How jobs are accepted: what is written of them, and what memory knows of them meanwhile.

use super::commit::{Delta, Step, end, place, put_head, size};
use super::index::Index;
use super::table::Place;
use super::{
    CROWDED, Count, Head, Id, Job, Jobs, JobsError, MAX_JOB, MAX_NAME, Memory, Stage,
    TerminalState, record,
};
use crate::state::store::{Changes, Table};
use std::sync::Arc;

/// What else is written with jobs that are accepted, or without any.
#[derive(Default)]
pub struct AcceptOptions {
    /// Rows of somebody else's.
    pub changes: Changes,
    /// Learns whether the disk took all of it, before whoever waits. It is short and never waits.
    pub on_written: Option<Box<dyn FnOnce(bool) + Send>>,
    /// No room is asked for the jobs: somebody who stops what fills the journal must be able to.
    pub ignore_limits: bool,
}

impl std::fmt::Debug for AcceptOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Along({:?})", self.changes.is_empty())
    }
}

/// A job on its way to the disk.
pub(super) struct NewJob {
    id: Id,
    pub(super) head: Head,
    held: bool,
}

impl Jobs {
    /// Accepts jobs, all of them or none. Once it is done they cannot get lost. Their ids are new ones.
    ///
    /// # Errors
    ///
    /// The journal is full, one of the jobs is too large or waits already, or the disk does not take them.
    pub fn accept(&self, jobs: &[Job<'_>], now_ms: u64) -> Result<Step, JobsError> {
        self.accept_with(jobs, AcceptOptions::default(), now_ms)
    }

    /// The same, and writes something else with them: all of it or nothing.
    ///
    /// # Errors
    ///
    /// As for [`Jobs::accept`].
    pub fn accept_with(
        &self,
        jobs: &[Job<'_>],
        along: AcceptOptions,
        now_ms: u64,
    ) -> Result<Step, JobsError> {
        let AcceptOptions { mut changes, on_written: then, ignore_limits: anyway } = along;
        let mut begin = || {
            let fresh = self.lay(jobs, now_ms, &mut changes)?;
            let mut index = self.memory.index();
            let waiting = fresh.iter().filter(|fresh| fresh.head.end.is_none());
            let bytes = waiting.clone().map(|fresh| u64::from(fresh.head.size()));
            if !anyway {
                self.room(index.unfinished(), waiting.count() as u64, bytes.sum())?;
                for (job, fresh) in jobs.iter().zip(&fresh).filter(|(job, _)| !job.event) {
                    self.share(&index, job.receiver, fresh.head.size())?;
                }
            }
            take_in(&mut index, &fresh)?;
            Ok(fresh)
        };
        let fresh = match begin() {
            Ok(fresh) => fresh,
            Err(error) => {
                if let Some(then) = then {
                    then(false);
                }
                return Err(error);
            }
        };
        let unfinished = Delta::of_new(fresh.iter().map(|fresh| &fresh.head));
        Ok(self.commit(changes, unfinished, move |memory, written| {
            settle(memory, &mut memory.index(), fresh, written);
            if let Some(then) = then {
                then(written);
            }
        }))
    }

    /// Adds the rows of these jobs. An event for a receiver without room is dead from the start.
    pub(super) fn lay(
        &self,
        jobs: &[Job<'_>],
        now_ms: u64,
        changes: &mut Changes,
    ) -> Result<Vec<NewJob>, JobsError> {
        let lay = |job: &Job<'_>| {
            let mut head = head(job, now_ms)?;
            let fits = || self.share(&self.memory.index(), job.receiver, head.size());
            if job.event && fits().is_err() {
                CROWDED.clone_into(&mut head.reason);
                end(&mut head, TerminalState::Dead, now_ms);
            }
            put_head(changes, job.id, &head);
            let key = record::body_key(job.id, job.stage);
            changes.put(Table::Parts, &key, Arc::clone(&job.body));
            Ok(NewJob { id: job.id, head, held: job.claimed })
        };
        jobs.iter().map(lay).collect()
    }

    pub(super) fn room(&self, now: Count, jobs: u64, bytes: u64) -> Result<(), JobsError> {
        let bounds = &self.bounds;
        if now.jobs + jobs > bounds.jobs || now.bytes + bytes > bounds.bytes {
            return Err(JobsError::Full { jobs: now.jobs, bytes: now.bytes });
        }
        Ok(())
    }

    /// Whether a receiver may have a job of this size too.
    pub(super) fn share(&self, index: &Index, receiver: &str, size: u32) -> Result<(), JobsError> {
        match index.crowded(receiver, size, &self.bounds) {
            None => Ok(()),
            Some(Count { jobs, bytes }) => {
                Err(JobsError::Share { receiver: receiver.to_owned(), jobs, bytes })
            }
        }
    }
}

/// Has memory know of jobs that are on their way to the disk.
pub(super) fn take_in(index: &mut Index, jobs: &[NewJob]) -> Result<(), JobsError> {
    for (number, NewJob { id, head, .. }) in jobs.iter().enumerate() {
        if index.jobs.slot(*id).is_some() {
            for NewJob { id, head, .. } in jobs.iter().take(number) {
                index.remove(*id, &head.bot);
            }
            return Err(JobsError::Order { id: *id, step: "accepted", now: "there already" });
        }
        if head.end.is_none() {
            index.insert(*id, head, Place::Busy);
        }
    }
    Ok(())
}

/// Puts jobs that the disk has into their queues, and forgets those that it has not.
pub(super) fn settle(memory: &Memory, index: &mut Index, jobs: Vec<NewJob>, written: bool) {
    for NewJob { id, head, held } in jobs {
        if !written {
            index.remove(id, &head.bot);
        } else if head.end.is_some() {
            index.tally(head.state()).add(head.size());
        } else if held {
            place(index, id, Place::Taken);
        } else {
            memory.enqueue(index, id);
        }
    }
}

pub(super) fn head(job: &Job<'_>, now_ms: u64) -> Result<Head, JobsError> {
    for (what, name) in [
        ("bot's name", job.bot),
        ("dialect's name", job.dialect),
        ("receiver's name", job.receiver),
    ] {
        size(what, name.len(), MAX_NAME)?;
    }
    let length = size("body", job.body.len(), MAX_JOB)?;
    let (request_bytes, answer_bytes, answered_ms) = match job.stage {
        Stage::Answer => (length, 0, 0),
        Stage::Deliver => (0, length, now_ms),
    };
    Ok(Head {
        bot: job.bot.to_owned(),
        subject: job.subject,
        dialect: job.dialect.to_owned(),
        receiver: job.receiver.to_owned(),
        reason: String::new(),
        stage: job.stage,
        end: None,
        accepted_ms: now_ms,
        answered_ms,
        ended_ms: 0,
        since_ms: now_ms,
        next_ms: now_ms,
        attempts: 0,
        request_bytes,
        answer_bytes,
        attempt_bytes: 0,
    })
}
