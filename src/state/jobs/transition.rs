//! Steps of a job's life, each done when the disk has it.

use super::accept;
use super::commit::{Delta, Step, end, place, put_head, size};
use super::table::Place;
use super::{
    Attempt, Count, Head, Id, Job, JobState, Jobs, JobsError, MAX_JOB, MAX_REASON, NextState,
    Stage, TerminalState, not_taken, record, unreadable,
};
use crate::state::store::{Changes, Table};
use std::sync::Arc;

impl Jobs {
    /// A job that was taken has its answer; what it was asked goes. It is to be delivered now.
    ///
    /// # Errors
    ///
    /// It has its answer already, nobody has taken it, the answer is too large, or the disk does not take it.
    pub fn record_answer(&self, id: Id, answer: Arc<[u8]>, now_ms: u64) -> Result<Step, JobsError> {
        let length = size("answer", answer.len(), MAX_JOB)?;
        self.step(id, "answered", |head, changes| {
            if head.stage != Stage::Answer {
                return Err("answered already");
            }
            changes.remove(Table::Parts, &record::body_key(id, Stage::Answer));
            changes.put(Table::Parts, &record::body_key(id, Stage::Deliver), answer);
            head.stage = Stage::Deliver;
            head.request_bytes = 0;
            head.answer_bytes = length;
            head.answered_ms = now_ms;
            (head.since_ms, head.next_ms) = (now_ms, now_ms);
            Ok(())
        })
    }

    /// A job that was taken has its answer, and that is delivered by other jobs, which are accepted with it, however full the
    /// journal is: all of this happens or none. The job itself has ended as delivered.
    ///
    /// # Errors
    ///
    /// As for [`Jobs::record_answer`], or one of the jobs is too large or waits already.
    pub fn fan_out(&self, id: Id, jobs: &[Job<'_>], now_ms: u64) -> Result<Step, JobsError> {
        self.step_with(id, "passed on", jobs, now_ms, |head, changes| {
            if head.stage != Stage::Answer {
                return Err("answered already");
            }
            changes.remove(Table::Parts, &record::body_key(id, Stage::Answer));
            head.request_bytes = 0;
            head.answered_ms = now_ms;
            end(head, TerminalState::Delivered, now_ms);
            Ok(())
        })
    }

    /// A job that was taken was tried; `then` says what follows.
    ///
    /// # Errors
    ///
    /// Nobody has taken it, it is delivered without an answer, or the disk does not take it.
    pub fn record_attempt(
        &self,
        id: Id,
        attempt: &Attempt,
        then: NextState<'_>,
        now_ms: u64,
    ) -> Result<Step, JobsError> {
        self.tried(id, attempt, then, &[], now_ms)
    }

    /// A job that was taken was tried for the last time; the jobs that tell of that are accepted as in [`Jobs::fan_out`].
    ///
    /// # Errors
    ///
    /// As for [`Jobs::fan_out`].
    pub fn record_final_attempt(
        &self,
        id: Id,
        attempt: &Attempt,
        reason: &str,
        jobs: &[Job<'_>],
        now_ms: u64,
    ) -> Result<Step, JobsError> {
        self.tried(id, attempt, NextState::Dead(reason), jobs, now_ms)
    }

    fn tried(
        &self,
        id: Id,
        attempt: &Attempt,
        then: NextState<'_>,
        jobs: &[Job<'_>],
        now_ms: u64,
    ) -> Result<Step, JobsError> {
        let row = record::write_attempt(attempt);
        self.step_with(id, "attempted", jobs, now_ms, |head, changes| {
            if head.attempts < record::MAX_ATTEMPTS {
                let length = u32::try_from(row.len()).unwrap_or(u32::MAX);
                head.attempt_bytes = head.attempt_bytes.saturating_add(length);
            }
            let key = record::attempt_key(id, head.attempts);
            changes.put(Table::Parts, &key, row.into());
            head.attempts = head.attempts.saturating_add(1);
            match then {
                NextState::Again(next_ms) => (head.since_ms, head.next_ms) = (now_ms, next_ms),
                NextState::Delivered if head.stage == Stage::Answer => return Err("not answered"),
                NextState::Delivered => end(head, TerminalState::Delivered, now_ms),
                NextState::Dead(reason) => {
                    record::cut(reason, MAX_REASON).clone_into(&mut head.reason);
                    end(head, TerminalState::Dead, now_ms);
                }
            }
            Ok(())
        })
    }

    /// A job that was taken is given up without another attempt; the jobs that tell of that are accepted as in [`Jobs::fan_out`].
    ///
    /// # Errors
    ///
    /// As for [`Jobs::fan_out`].
    pub fn give_up(
        &self,
        id: Id,
        reason: &str,
        jobs: &[Job<'_>],
        now_ms: u64,
    ) -> Result<Step, JobsError> {
        self.step_with(id, "given up", jobs, now_ms, |head, _| {
            record::cut(reason, MAX_REASON).clone_into(&mut head.reason);
            end(head, TerminalState::Dead, now_ms);
            Ok(())
        })
    }

    /// Takes a dead job up again where it stood, due now, with its id and its attempts.
    ///
    /// # Errors
    ///
    /// It is not dead, the journal is full, or the disk does not take it.
    pub fn retry(&self, id: Id, now_ms: u64) -> Result<Step, JobsError> {
        let wrong = |now| JobsError::Order { id, step: "retried", now };
        {
            let mut index = self.memory.index();
            if index.jobs.slot(id).is_some() {
                return Err(wrong("not dead"));
            }
            if !index.closed.insert(id) {
                return Err(wrong("changing"));
            }
        }
        let planned = self.plan_retry(id, now_ms, wrong);
        let (changes, size, bot) = planned.inspect_err(|_| {
            self.memory.index().closed.remove(&id);
        })?;
        let one = Count { jobs: 1, bytes: u64::from(size) };
        let unfinished = Delta { more: one, fewer: Count::default() };
        Ok(self.commit(changes, unfinished, move |memory, written| {
            let mut index = memory.index();
            index.closed.remove(&id);
            if written {
                index.tally(JobState::Dead).sub(size);
                memory.enqueue(&mut index, id);
            } else {
                index.remove(id, &bot);
            }
        }))
    }

    fn plan_retry(
        &self,
        id: Id,
        now_ms: u64,
        wrong: impl Fn(&'static str) -> JobsError,
    ) -> Result<(Changes, u32, String), JobsError> {
        let mut head = self.head(id)?.ok_or(JobsError::Unknown(id))?;
        if head.end != Some(TerminalState::Dead) {
            return Err(wrong("not dead"));
        }
        let size = head.size();
        let mut changes = Changes::default();
        changes.remove(Table::Ended, &record::ended_key(TerminalState::Dead, head.ended_ms, id));
        head.end = None;
        head.ended_ms = 0;
        head.reason.clear();
        (head.since_ms, head.next_ms) = (now_ms, now_ms);
        changes.put(Table::Jobs, &id.0, record::write_head(&head).into());
        let mut index = self.memory.index();
        self.room(index.unfinished(), 1, u64::from(size))?;
        self.share(&index, &head.receiver, size)?;
        index.insert(id, &head, Place::Busy);
        Ok((changes, size, head.bot))
    }

    /// A job's head as it is on disk.
    pub(super) fn head(&self, id: Id) -> Result<Option<Head>, JobsError> {
        let row = self.store.view()?.get(Table::Jobs, &id.0)?;
        let head = row.map(|row| record::read_head(&row)).transpose();
        head.map_err(|error| unreadable(self.store.folder(), error))
    }

    /// Changes a job that was taken.
    fn step(
        &self,
        id: Id,
        step: &'static str,
        change: impl FnOnce(&mut Head, &mut Changes) -> Result<(), &'static str>,
    ) -> Result<Step, JobsError> {
        self.step_with(id, step, &[], 0, change)
    }

    /// The same, and accepts these jobs with it.
    fn step_with(
        &self,
        id: Id,
        step: &'static str,
        jobs: &[Job<'_>],
        now_ms: u64,
        change: impl FnOnce(&mut Head, &mut Changes) -> Result<(), &'static str>,
    ) -> Result<Step, JobsError> {
        {
            let mut index = self.memory.index();
            let entry = index.jobs.get_mut(id).ok_or(JobsError::Unknown(id))?;
            if entry.place != Place::Taken {
                return Err(not_taken(id, step, entry.place));
            }
            entry.place = Place::Busy;
        }
        let planned = self.plan(id, step, change).and_then(|(mut changes, head, size)| {
            let fresh = self.lay(jobs, now_ms, &mut changes)?;
            accept::take_in(&mut self.memory.index(), &fresh)?;
            let heads = fresh.iter().map(|fresh| &fresh.head).chain([&head]);
            let before = Count { jobs: 1, bytes: u64::from(size) };
            let unfinished = Delta { fewer: before, ..Delta::of_new(heads) };
            Ok((changes, unfinished, head, fresh))
        });
        let (changes, unfinished, head, fresh) = planned.inspect_err(|_| {
            place(&mut self.memory.index(), id, Place::Taken);
        })?;
        Ok(self.commit(changes, unfinished, move |memory, written| {
            let mut index = memory.index();
            accept::settle(memory, &mut index, fresh, written);
            if !written {
                place(&mut index, id, Place::Taken);
            } else if head.end.is_some() {
                index.remove(id, &head.bot);
                index.tally(head.state()).add(head.size());
            } else {
                index.update(id, &head, Place::Taken);
                memory.enqueue(&mut index, id);
            }
        }))
    }

    /// What a step writes, the head after it, and the job's size before it.
    fn plan(
        &self,
        id: Id,
        step: &'static str,
        change: impl FnOnce(&mut Head, &mut Changes) -> Result<(), &'static str>,
    ) -> Result<(Changes, Head, u32), JobsError> {
        let mut head = self.head(id)?.ok_or(JobsError::Unknown(id))?;
        let size = head.size();
        let mut changes = Changes::default();
        change(&mut head, &mut changes).map_err(|now| JobsError::Order { id, step, now })?;
        put_head(&mut changes, id, &head);
        Ok((changes, head, size))
    }
}
