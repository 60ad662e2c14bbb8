//! What was said to a delivery that became a job, so that whoever repeats it hears the same after a restart too.
//!
//! One row is found by the delivery and holds the job's id and what was said; another is found by the job and names the delivery.
//! Both are written with the job and leave with it, so they are bounded as jobs are, and nothing of them is in memory.

use super::accept::AcceptOptions;
use super::{Id, Jobs, JobsError, MAX_JOB};
use crate::state::store::{Changes, StoreError, Table, View};

/// The version that is written, its first byte. What another version wrote is as if it were not there.
const VERSION: u8 = 1;

/// What is to be said to whoever repeats a delivery.
pub struct RecordedResponse {
    /// What the delivery is found by.
    pub key: [u8; 32],
    /// What was said, as whoever reads it writes it.
    pub response: Vec<u8>,
}

/// What was said stays out of every log.
impl std::fmt::Debug for RecordedResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Repeat")
    }
}

impl AcceptOptions {
    /// Writes this with a job that is accepted.
    pub fn record_response(&mut self, job: Id, repeat: &RecordedResponse) {
        if repeat.response.len() > MAX_JOB {
            return;
        }
        let row = [&[VERSION][..], &job.0, &repeat.response].concat();
        self.changes.put(Table::Repeats, &repeat.key, row.into());
        let key = repeat.key.as_slice().into();
        self.changes.put(Table::Repeats, &job.0, key);
    }
}

impl Jobs {
    /// What was said to a delivery that became a job which is still there. For one that never was here it costs about a microsecond.
    ///
    /// # Errors
    ///
    /// The store does not read.
    pub async fn recorded_response(&self, key: &[u8; 32]) -> Result<Option<Vec<u8>>, JobsError> {
        let row = self.store.view()?.get(Table::Repeats, key)?;
        Ok(row.and_then(|row| read(&row).map(|(_, said)| said.to_vec())))
    }
}

/// Deletes what was said when a job was accepted, if it is the last that its delivery became.
pub(super) fn delete(changes: &mut Changes, view: &View<'_>, job: Id) -> Result<(), StoreError> {
    let Some(key) = view.get(Table::Repeats, &job.0)? else {
        return Ok(());
    };
    changes.remove(Table::Repeats, &job.0);
    let row = view.get(Table::Repeats, &key)?;
    if row.is_some_and(|row| read(&row).is_none_or(|(last, _)| last == job)) {
        changes.remove(Table::Repeats, &key);
    }
    Ok(())
}

/// The job and what was said.
fn read(row: &[u8]) -> Option<(Id, &[u8])> {
    let (&[VERSION], row) = row.split_first_chunk()? else {
        return None;
    };
    let (id, said) = row.split_first_chunk()?;
    Some((Id(*id), said))
}
