//! What is kept of somebody who asks to be forgotten: jobs that have ended.

use super::commit::Delta;
use super::retention::{Old, delete, deleted};
use super::{AcceptOptions, Jobs, JobsError, Step, Subject, record, unreadable};
use crate::state::store::{Changes, Table};
use std::ops::{Bound, ControlFlow};

/// The most jobs that are forgotten at once: each has up to seventy rows, and all of them are one change.
pub const MAX_FORGOTTEN: usize = 256;

/// What is being forgotten.
#[derive(Debug)]
pub struct Forgetting {
    /// How many jobs.
    pub jobs: usize,
    /// There are others.
    pub more: bool,
    /// Done once the disk has it.
    pub step: Step,
}

impl Jobs {
    /// Deletes jobs of a user that have ended, at most [`MAX_FORGOTTEN`], with whatever else goes along. It looks at all that have
    /// ended: some microseconds for each.
    ///
    /// # Errors
    ///
    /// The store does not read.
    pub fn forget(&self, subject: Subject, along: AcceptOptions) -> Result<Forgetting, JobsError> {
        let AcceptOptions { mut changes, on_written: then, .. } = along;
        let tell = move |written| {
            if let Some(then) = then {
                then(written);
            }
        };
        let found = self.ended_of(subject);
        let found = found.and_then(|(old, more)| Ok((self.claim_ended(old, &mut changes)?, more)));
        let (old, more) = match found {
            Ok(found) => found,
            Err(error) => {
                tell(false);
                return Err(error);
            }
        };
        let jobs = old.len();
        let step = self.commit(changes, Delta::default(), move |memory, written| {
            deleted(memory, &old, written);
            tell(written);
        });
        Ok(Forgetting { jobs, more, step })
    }

    fn ended_of(&self, subject: Subject) -> Result<(Vec<Old>, bool), JobsError> {
        let (mut found, mut more) = (Vec::new(), false);
        if subject == Subject::default() {
            return Ok((found, more));
        }
        let (view, mut wrong) = (self.store.view()?, None);
        let all = (Bound::Unbounded, Bound::Unbounded);
        view.walk(Table::Ended, all, false, |key, row| {
            let Some((old, _)) = Old::read(key, row) else {
                return ControlFlow::Continue(());
            };
            let head = view.get(Table::Jobs, &old.id.0).map_err(Into::into);
            let head = head.and_then(|row| {
                let head = row.map(|row| record::read_head(&row)).transpose();
                head.map_err(|error| unreadable(self.store.folder(), error))
            });
            match head {
                Ok(Some(head)) if head.subject == subject && found.len() == MAX_FORGOTTEN => {
                    more = true;
                    return ControlFlow::Break(());
                }
                Ok(Some(head)) if head.subject == subject => found.push(old),
                Ok(_) => {}
                Err(error) => {
                    wrong = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        wrong.map_or(Ok((found, more)), Err)
    }

    /// Has nobody else take these up or delete them, and writes that they go. Those that have been taken up meanwhile stay.
    fn claim_ended(&self, mut old: Vec<Old>, changes: &mut Changes) -> Result<Vec<Old>, JobsError> {
        let view = self.store.view()?;
        old.retain(|old| self.memory.index().closed.insert(old.id));
        let (stay, gone): (Vec<_>, Vec<_>) = old
            .into_iter()
            .partition(|old| matches!(view.get(Table::Ended, &old.key), Ok(Some(_))));
        for gone in gone {
            self.memory.index().closed.remove(&gone.id);
        }
        delete(changes, &view, &stay);
        Ok(stay)
    }
}
