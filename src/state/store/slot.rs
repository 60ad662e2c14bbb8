//! One record of a group, where the others are of no account.

use super::{Group, STAMP, Space, Store, StoreError};
use std::sync::Arc;

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
        let engine = self.shared.engine()?;
        let stored = engine.as_ref().map(|engine| engine.slot(space, group, slot));
        let stored = stored.transpose().map_err(|source| self.shared.unread(source))?;
        Ok(stored.flatten().filter(|record| record.len() >= STAMP))
    }
}
