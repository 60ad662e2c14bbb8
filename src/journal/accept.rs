//! How jobs are accepted: what is written of them, and what memory knows of them meanwhile.

use super::index::{Index, Place};
use super::step::{Step, place, size};
use super::{Head, Id, Job, Journal, JournalError, LARGEST, LONGEST_NAME, Memory, Stage, record};
use crate::store::{Changes, Table};
use std::sync::Arc;

/// What else is written with jobs that are accepted, or without any.
#[derive(Default)]
pub struct Along {
    /// Rows of somebody else's.
    pub changes: Changes,
    /// Learns whether the disk took all of it, before whoever waits. It is short and never waits.
    pub then: Option<Box<dyn FnOnce(bool) + Send>>,
}

impl std::fmt::Debug for Along {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Along({:?})", self.changes.is_empty())
    }
}

/// Jobs that are new, and whether somebody holds them.
pub(super) type Fresh = Vec<(Id, Head, bool)>;

impl Journal {
    /// Accepts jobs, all of them or none. Once it is done they cannot get lost. Their ids are new ones.
    ///
    /// # Errors
    ///
    /// The journal is full, one of the jobs is too large or waits already, or the disk does not take them.
    pub fn accept(&self, jobs: &[Job<'_>], now_ms: u64) -> Result<Step, JournalError> {
        self.accept_with(jobs, Along::default(), now_ms)
    }

    /// The same, and writes something else with them: all of it or nothing.
    ///
    /// # Errors
    ///
    /// As for [`Journal::accept`].
    pub fn accept_with(
        &self,
        jobs: &[Job<'_>],
        along: Along,
        now_ms: u64,
    ) -> Result<Step, JournalError> {
        let Along { mut changes, then } = along;
        let mut begin = || {
            let heads = lay(jobs, now_ms, &mut changes)?;
            let mut index = self.memory.index();
            let bytes = heads.iter().map(|(_, head, _)| u64::from(head.size()));
            self.room(index.unfinished(), heads.len() as u64, bytes.sum())?;
            take_in(&mut index, &heads)?;
            Ok(heads)
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
        Ok(self.commit(changes, move |memory, written| {
            settle(memory, &mut memory.index(), fresh, written);
            if let Some(then) = then {
                then(written);
            }
        }))
    }
}

/// Adds the rows of these jobs.
pub(super) fn lay(
    jobs: &[Job<'_>],
    now_ms: u64,
    changes: &mut Changes,
) -> Result<Fresh, JournalError> {
    let lay = |job: &Job<'_>| {
        let head = head(job, now_ms)?;
        let row = record::write_head(&head);
        changes.put(Table::Jobs, &job.id.0, row.into());
        let key = record::body_key(job.id, job.stage);
        changes.put(Table::Parts, &key, Arc::clone(&job.body));
        Ok((job.id, head, job.held))
    };
    jobs.iter().map(lay).collect()
}

/// Has memory know of jobs that are on their way to the disk.
pub(super) fn take_in(index: &mut Index, heads: &[(Id, Head, bool)]) -> Result<(), JournalError> {
    for (number, (id, head, _)) in heads.iter().enumerate() {
        if index.jobs.contains_key(id) {
            for (id, head, _) in heads.iter().take(number) {
                index.remove(*id, &head.bot);
            }
            return Err(JournalError::Order {
                id: *id,
                step: "accepted",
                now: "there already",
            });
        }
        index.insert(*id, head, Place::Busy);
    }
    Ok(())
}

/// Puts jobs that the disk has into their queues, and forgets those that it has not.
pub(super) fn settle(memory: &Memory, index: &mut Index, fresh: Fresh, written: bool) {
    for (id, head, held) in fresh {
        if !written {
            index.remove(id, &head.bot);
        } else if held {
            place(index, id, Place::Taken);
        } else {
            memory.enqueue(index, id);
        }
    }
}

pub(super) fn head(job: &Job<'_>, now_ms: u64) -> Result<Head, JournalError> {
    for (what, name) in [
        ("bot's name", job.bot),
        ("dialect's name", job.dialect),
        ("receiver's name", job.receiver),
    ] {
        size(what, name.len(), LONGEST_NAME)?;
    }
    let length = size("body", job.body.len(), LARGEST)?;
    let (request_bytes, answer_bytes, answered_ms) = match job.stage {
        Stage::Answer => (length, 0, 0),
        Stage::Deliver => (0, length, now_ms),
    };
    Ok(Head {
        bot: job.bot.to_owned(),
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
