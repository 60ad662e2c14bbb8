//! What was said with somebody who asks to be forgotten.

use super::history::Memory;
use super::{Begin, Conversations, Key, Policy, TurnGuard, lock};
use crate::state::store::{Full, Space, StoreError, Unwritten};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The most conversations that are forgotten at once.
pub const MAX_FORGOTTEN: usize = 1_000;

/// Nothing is read by it.
const BLIND: Policy = Policy { ttl: Duration::ZERO, window: 0 };

/// What was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// How many conversations.
    pub conversations: usize,
    /// There may be more.
    pub more: bool,
}

/// Why not all was forgotten. What was until then stays so.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// In one of them as many messages wait as may.
    #[error("too many messages of a conversation wait for their turn")]
    Busy,
    /// The store takes no more.
    #[error(transparent)]
    Full(#[from] Full),
    /// It is forgotten, and the disk does not know yet.
    #[error(transparent)]
    Unwritten(#[from] Unwritten),
    /// The disk does not read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Conversations {
    /// Forgets what was said with a user of a bot, in every channel, in memory and on disk: at most [`MAX_FORGOTTEN`]
    /// conversations. It waits in line for each, so whatever is being answered is answered first and forgotten then; a message that
    /// comes later begins anew.
    ///
    /// # Errors
    ///
    /// A conversation is too busy, or the disk does not do it.
    pub async fn forget(
        self: &Arc<Self>,
        bot: &str,
        user: &str,
        now_ms: u64,
    ) -> Result<Forgotten, ForgetError> {
        let keys = self.of_user(bot, user)?;
        for key in &keys {
            let held = match self.begin(*key, BLIND, now_ms).await {
                Begin::Ready(held) => held,
                Begin::Waiting(wait) => wait.await,
                Begin::Full => return Err(ForgetError::Busy),
            };
            held.forget()?;
        }
        if !keys.is_empty() {
            self.store.flushed().await?;
        }
        Ok(Forgotten { conversations: keys.len(), more: keys.len() == MAX_FORGOTTEN })
    }

    fn of_user(&self, bot: &str, user: &str) -> Result<BTreeSet<Key>, StoreError> {
        let half = Key::half_of_user(bot, user);
        let mut keys = BTreeSet::new();
        // Those that have only begun are in memory alone; the shard first, since what leaves it is in the store by then.
        lock(&self.shards[usize::from(half[0]) % self.shards.len()]).keys(&half, &mut keys);
        let stored = self.store.groups(Space::Conversations, &half, MAX_FORGOTTEN)?;
        keys.extend(stored.into_iter().map(Key::from_group));
        while keys.len() > MAX_FORGOTTEN {
            keys.pop_last();
        }
        Ok(keys)
    }
}

impl TurnGuard {
    /// Forgets all of it, here and on disk.
    fn forget(mut self) -> Result<(), Full> {
        let group = self.key.group();
        let wiped = self.all.store.wipe(Space::Conversations, group);
        if let Some(memory) = &mut self.memory {
            // An empty one leaves memory. Where the store did not take the order, it is read again as it was.
            **memory = Memory::new(wiped.is_err());
        }
        wiped
    }
}
