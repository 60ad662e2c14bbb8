//! Groups that begin alike: which there are, and that what was ordered of them is on disk.

use super::{Changes, Group, Space, Store, StoreError, Unwritten};
use arc_swap::Guard;
use std::collections::BTreeSet;
use tokio::sync::oneshot;

impl Store {
    /// Groups whose first half is this one, in their order, expired ones too: at most `most`. What waits for the disk counts.
    ///
    /// # Errors
    ///
    /// The database does not read, or is not open just now.
    pub fn groups(
        &self,
        space: Space,
        half: &[u8; 16],
        most: usize,
    ) -> Result<Vec<Group>, StoreError> {
        // The queue first: what leaves it meanwhile is in the database by then.
        let (mut found, mut wiped) = (BTreeSet::new(), BTreeSet::new());
        {
            let queue = self.shared.queue();
            for batch in queue.flying.as_deref().into_iter().chain([&queue.gathering]) {
                for ((of, group), change) in &batch.groups {
                    if *of != space || !group.starts_with(half) {
                        continue;
                    }
                    if change.wipe && change.slots.is_empty() {
                        found.remove(group);
                        wiped.insert(*group);
                    } else {
                        wiped.remove(group);
                        found.insert(*group);
                    }
                }
            }
        }
        let Some(engine) = Guard::into_inner(self.shared.engine()?) else {
            return Ok(found.into_iter().take(most).collect());
        };
        let mut from = half.to_vec();
        while found.len() < most {
            let Some(guard) = engine.space(space).range(from.as_slice()..).next() else {
                break;
            };
            let key = guard.key().map_err(|source| self.shared.unread(source))?;
            let group = key.first_chunk().filter(|group| group.starts_with(half));
            let Some(group): Option<&Group> = group else {
                break;
            };
            if !wiped.contains(group) {
                found.insert(*group);
            }
            // Behind the group's last slot.
            from = [&group[..], &[0xff; 4], &[0]].concat();
        }
        Ok(found.into_iter().take(most).collect())
    }

    /// Done once all that was put and wiped before is on disk.
    ///
    /// # Errors
    ///
    /// The disk does not take it now; it is tried again until it does.
    pub async fn flushed(&self) -> Result<(), Unwritten> {
        let (tell, told) = oneshot::channel();
        let done = move |written| {
            // Nobody need wait for it.
            let _ = tell.send(written);
        };
        self.commit(Changes::default(), Box::new(done));
        told.await.unwrap_or(Err(Unwritten::Closing))
    }
}
