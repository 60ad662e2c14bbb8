//! The journal as operators see it: lists, the newest first, and one job whole.

use super::{Attempt, Head, Id, JobState, Jobs, JobsError, Stage, record, unreadable};
use crate::state::store::Table;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

/// The most jobs on a page.
pub const MAX_PAGE: usize = 100;
/// The most jobs that are looked at for a page; where few fit the filter, a page is shorter, or empty, and another follows.
pub const MAX_SCANNED: usize = 20_000;

/// Which jobs are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those that stand here.
    pub state: Option<JobState>,
    /// Only this bot's.
    pub bot: Option<String>,
}

impl Filter {
    fn fits(&self, head: &Head) -> bool {
        self.state.is_none_or(|state| state == head.state())
            && self.bot.as_ref().is_none_or(|bot| *bot == head.bot)
    }
}

/// A job in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedJob {
    /// Which.
    pub id: Id,
    /// What is known of it.
    pub head: Head,
}

/// A piece of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The jobs, the newest first.
    pub items: Vec<ListedJob>,
    /// Where the next page begins; none: this was the last.
    pub next: Option<Id>,
}

/// A job whole, but for what was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobDetails {
    /// What is known of it.
    pub head: Head,
    /// Its attempts, the oldest first.
    pub attempts: Vec<Attempt>,
}

impl Jobs {
    /// Jobs that fit a filter, older than a cursor, at most `limit` of them and never more than [`MAX_PAGE`].
    ///
    /// # Errors
    ///
    /// The store does not read.
    pub fn list(
        &self,
        filter: &Filter,
        cursor: Option<Id>,
        limit: usize,
    ) -> Result<Page, JobsError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let end = cursor.as_ref().map(|id| &id.0[..]);
        let end = end.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut page, mut wrong) = (Page::default(), None);
        let (mut looked, mut last) = (0, None);
        let view = self.store.view()?;
        view.walk(Table::Jobs, (Bound::Unbounded, end), true, |key, row| {
            let id = key.try_into().ok().map(Id);
            if looked == MAX_SCANNED {
                page.next = last;
                return ControlFlow::Break(());
            }
            looked += 1;
            match (id, record::read_head(row)) {
                (Some(id), Ok(head)) if filter.fits(&head) => {
                    if page.items.len() == limit {
                        page.next = last;
                        return ControlFlow::Break(());
                    }
                    page.items.push(ListedJob { id, head });
                }
                (_, Ok(_)) => {}
                (_, Err(error)) => {
                    wrong = Some(error);
                    return ControlFlow::Break(());
                }
            }
            last = id;
            ControlFlow::Continue(())
        })?;
        match wrong {
            Some(wrong) => Err(unreadable(self.store.folder(), wrong)),
            None => Ok(page),
        }
    }

    /// A job and its attempts, if it is there.
    ///
    /// # Errors
    ///
    /// The store does not read.
    pub fn details(&self, id: Id) -> Result<Option<JobDetails>, JobsError> {
        let Some(head) = self.head(id)? else {
            return Ok(None);
        };
        let view = self.store.view()?;
        let mut attempts = Vec::new();
        let first = head.attempts.saturating_sub(record::MAX_ATTEMPTS);
        for number in first..head.attempts {
            let row = view.get(Table::Parts, &record::attempt_key(id, number))?;
            attempts.extend(row.and_then(|row| record::read_attempt(&row)));
        }
        Ok(Some(JobDetails { head, attempts }))
    }

    /// What a job was asked, while it is not answered; from then on its answer.
    ///
    /// # Errors
    ///
    /// There is no such job, or the store does not read.
    pub fn body(&self, id: Id, stage: Stage) -> Result<Arc<[u8]>, JobsError> {
        let body = self.store.view()?.get(Table::Parts, &record::body_key(id, stage))?;
        body.ok_or(JobsError::Unknown(id))
    }
}
