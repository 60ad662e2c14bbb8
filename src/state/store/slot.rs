//! One record of a group, where the others are of no account.

use super::{Group, STAMP, Space, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

impl Store {
    /// The record in a slot of a group, an expired one too.
    ///
    /// # Errors
    ///
    /// The database does not read, or is not open just now.
    pub fn slot(
        &self,
        space: Space,
        group: &Group,
        slot: u32,
    ) -> Result<Option<Arc<[u8]>>, StoreError> {
        // The queue first: what leaves it meanwhile is in the database by then.
        let (wiped, queued) = self.shared.queue().find(space, group);
        let queued = queued.into_iter().find(|(at, _)| *at == slot);
        if wiped || queued.is_some() {
            return Ok(queued.map(|(_, record)| record));
        }
        let engine = self.shared.engine.load();
        let stored = match engine.as_ref() {
            None => Err(StoreError::Closed),
            Some(engine) => engine
                .slot(space, group, slot)
                .map_err(|source| StoreError::Engine { path: self.folder().to_owned(), source }),
        };
        let stored = stored.inspect_err(|_| {
            self.shared.totals.unread.fetch_add(1, Relaxed);
        })?;
        Ok(stored.filter(|record| record.len() >= STAMP))
    }
}
