//! How expired groups leave the disk: one walk through the database, a few records at a time.
//!
//! It runs between two commits of the writer, so nothing is written between looking and deleting.

use super::engine::Engine;
use super::{STAMP, Space};
use fjall::UserKey;

/// The most records looked at in one step, save that a group is looked at whole.
pub const BATCH_ROWS: usize = 64;
/// How long the walk rests when it has been through all, in milliseconds.
const REST_MS: u64 = 60_000;
/// What expired less than an hour ago stays, in milliseconds: whoever read it just before may still be adding to it.
const GRACE_MS: u64 = 3_600_000;

/// Where the walk stands.
#[derive(Debug)]
pub(super) struct Sweep {
    space: Space,
    from: Vec<u8>,
    rest_until_ms: u64,
}

impl Default for Sweep {
    fn default() -> Self {
        Self { space: Space::Conversations, from: Vec::new(), rest_until_ms: 0 }
    }
}

/// A group as far as the walk has seen it.
struct Seen {
    keys: Vec<UserKey>,
    expires_ms: u64,
}

impl Sweep {
    /// Goes a step on and says how many records it deleted.
    pub(super) fn step(&mut self, engine: &Engine, now_ms: u64) -> fjall::Result<u64> {
        if now_ms < self.rest_until_ms {
            return Ok(0);
        }
        let keyspace = engine.space(self.space);
        let mut batch = engine.careless();
        let mut seen: Option<Seen> = None;
        let (mut looked, mut next) = (0, None);
        let mut finish = |seen: Option<Seen>| {
            let expired = seen.filter(|seen| seen.expires_ms.saturating_add(GRACE_MS) <= now_ms);
            for key in expired.into_iter().flat_map(|seen| seen.keys) {
                batch.remove(keyspace, key);
            }
        };
        for guard in keyspace.range(self.from.as_slice()..) {
            let (key, record) = guard.into_inner()?;
            // What is no record of ours has expired.
            let stamp = record.get(..STAMP).and_then(|stamp| stamp.try_into().ok());
            let expires_ms = stamp.map_or(0, u64::from_be_bytes);
            looked += 1;
            let same =
                |seen: &Seen| seen.keys.last().and_then(|last| last.get(..32)) == key.get(..32);
            match &mut seen {
                Some(seen) if same(seen) => {
                    seen.expires_ms = seen.expires_ms.max(expires_ms);
                    seen.keys.push(key);
                }
                _ => {
                    if looked > BATCH_ROWS {
                        next = Some(key.to_vec());
                        break;
                    }
                    finish(seen.replace(Seen { keys: vec![key], expires_ms }));
                }
            }
        }
        finish(seen);
        match next {
            Some(next) => self.from = next,
            None => {
                self.from.clear();
                (self.space, self.rest_until_ms) = match self.space {
                    Space::Conversations => (Space::Budgets, self.rest_until_ms),
                    Space::Budgets => (Space::Analytics, self.rest_until_ms),
                    Space::Analytics => (Space::Conversations, now_ms.saturating_add(REST_MS)),
                };
            }
        }
        let deleted = batch.len() as u64;
        batch.commit()?;
        Ok(deleted)
    }
}
