//! What an earlier run has left: how much that is at once, the jobs themselves one portion after another, while new ones are
//! accepted already.

use super::commit::Delta;
use super::index::Index;
use super::record::{self, Unreadable};
use super::table::Place;
use super::{Count, Head, Id, JobState, JobsError, Memory, TerminalState, unreadable};
use crate::state::store::{Changes, Frozen, Store, Table};
use std::ops::{Bound, ControlFlow};
use std::path::PathBuf;
use std::sync::Arc;

/// So many rows are looked at before the journal serves, and then at a time.
pub const BATCH_ROWS: usize = 1_024;

/// Counts what has ended, and learns how much has not.
pub(super) fn count(store: &Store, index: &mut Index) -> Result<(), JobsError> {
    let all = (Bound::Unbounded, Bound::Unbounded);
    store.view()?.walk(Table::Ended, all, false, |key, row| {
        if let Some((end, ..)) = record::read_ended_key(key) {
            let (size, _) = record::read_ended_row(row).unwrap_or_default();
            let state = match end {
                TerminalState::Delivered => JobState::Delivered,
                TerminalState::Dead => JobState::Dead,
            };
            index.tally(state).add(size);
        } else if *key == record::UNFINISHED {
            index.unseen = record::read_tally(row).unwrap_or_default();
        }
        ControlFlow::Continue(())
    })?;
    Ok(())
}

/// The jobs, as they were when the journal was opened: those accepted later are none of them.
pub(super) struct Left {
    rows: Frozen,
    folder: PathBuf,
    now_ms: u64,
    /// What was picked up so far.
    found: Count,
    /// What there is to pick up, as it was noted.
    noted: Count,
}

impl Left {
    /// All that a store holds now.
    ///
    /// # Errors
    ///
    /// The store does not read, or another version wrote the newest of them.
    pub(super) fn new(store: &Store, now_ms: u64) -> Result<Self, JobsError> {
        let noted = store.view()?.get(Table::Ended, &record::UNFINISHED)?;
        let noted = noted.and_then(|row| record::read_tally(&row)).unwrap_or_default();
        let all = (Bound::Unbounded, Bound::Unbounded);
        let mut newest = None;
        store.view()?.walk(Table::Jobs, all, true, |_, row| {
            newest = record::read_head(row).err();
            ControlFlow::Break(())
        })?;
        match newest {
            Some(wrong) => Err(unreadable(store.folder(), wrong)),
            None => Ok(Self {
                rows: store.freeze(Table::Jobs)?,
                folder: store.folder().to_owned(),
                now_ms,
                found: Count::default(),
                noted,
            }),
        }
    }

    /// Picks up the next of them. True: there may be more.
    ///
    /// # Errors
    ///
    /// The store does not read; or it holds what another version wrote or what makes no sense, which is behind it then.
    pub(super) fn pick_up(&mut self, memory: &Memory) -> Result<bool, JobsError> {
        let (mut looked, mut found, mut wrong) = (0, Vec::new(), None);
        let walked = self.rows.walk(|key, row| {
            let id = <[u8; 16]>::try_from(key).map_err(|_| Unreadable::Broken);
            match id.and_then(|id| Ok((Id(id), record::read_head(row)?))) {
                Ok((_, head)) if head.end.is_some() => {}
                Ok((id, head)) => found.push((id, head)),
                Err(error) => wrong = Some(error),
            }
            looked += 1;
            match wrong.is_some() || looked == BATCH_ROWS {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        let mut index = memory.index();
        for (id, mut head) in found {
            on_time(&mut head, self.now_ms);
            index.unseen.sub(head.size());
            self.found.add(head.size());
            index.insert(id, &head, Place::Taken);
            memory.enqueue(&mut index, id);
        }
        let more = walked?;
        if !more {
            index.unseen = Count::default();
        }
        match wrong {
            Some(wrong) => Err(unreadable(&self.folder, wrong)),
            None => Ok(more),
        }
    }

    /// Once all is picked up: where an earlier version noted too much or too little, or a job cannot be read, the next start knows
    /// better.
    pub(super) fn correct(&self, store: &Store) {
        let mut changes = Changes::default();
        Delta { more: self.found, fewer: self.noted }.note(&mut changes);
        if !changes.is_empty() {
            // Where the disk does not take it, the next start puts it right.
            store.commit(changes, Box::new(drop));
        }
    }

    /// Picks up the rest, on a thread of its own, for as long as anybody has the journal. What cannot be read would be no better at
    /// the next start: it stays on disk as it is, and those behind it come.
    ///
    /// # Errors
    ///
    /// No thread can be started.
    pub(super) fn go_on(mut self, memory: &Arc<Memory>, store: &Arc<Store>) -> std::io::Result<()> {
        let (memory, store) = (Arc::downgrade(memory), Arc::downgrade(store));
        let go_on = move || {
            let mut passed_over = 0_u64;
            while let Some(memory) = memory.upgrade() {
                match self.pick_up(&memory) {
                    Ok(true) => {}
                    Ok(false) => {
                        if let Some(store) = store.upgrade() {
                            self.correct(&store);
                        }
                        break;
                    }
                    Err(error @ (JobsError::Version { .. } | JobsError::Broken { .. })) => {
                        if passed_over == 0 {
                            tracing::error!(%error, "a pending job cannot be read; it is skipped and stays on disk");
                        }
                        passed_over += 1;
                    }
                    Err(error) => {
                        return tracing::error!(%error, "pending jobs cannot be recovered; the rest waits on disk for the next start");
                    }
                }
            }
            if passed_over > 0 {
                tracing::error!(jobs = passed_over, "jobs that cannot be read stay on disk");
            }
        };
        let thread = std::thread::Builder::new().name("journal".to_owned());
        thread.spawn(go_on).map(drop)
    }
}

/// Where the clock was ahead, nothing waits longer than it was put off.
fn on_time(head: &mut Head, now_ms: u64) {
    let latest = now_ms.saturating_add(u64::from(head.pause_ms()));
    if head.next_ms > latest {
        head.since_ms = now_ms;
        head.next_ms = latest;
    }
}
