//! The database itself, fjall: the only file that knows which one it is.
//!
//! After an I/O error fjall takes no more writes until it is opened again, and within a commit it waits without end for a flush
//! that such an error has ended. So a commit is begun only where it need not wait ([`Engine::commit`]).

use super::durable::{Rows, Table};
use super::write_queue::Batch;
use super::{Group, STAMP, Slotted, Space, StoreError};
use fjall::{
    Database, Iter, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Readable as _,
};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the records are written in; another word is another format.
pub(super) const FORMAT: &str = "botgate-1";

/// Blocks of the database that are kept in memory.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// What gathers in memory before it becomes a table on disk, each space for itself; up to four such wait.
const MEMTABLE_BYTES: u64 = 8 * 1024 * 1024;
/// The database's log, which is cut when its tables are written. The least that fjall allows.
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
/// What a disk must take before the database is opened again.
const ROOM: usize = 1024 * 1024;
/// Files of the database that stay open.
const MAX_OPEN_FILES: usize = 64;
/// With so many memtables or tables behind, fjall is not asked to take more; it would wait at 4 and 20.
const MAX_BEHIND: (usize, usize) = (3, 16);
/// How long it may stay behind before that counts as a failure.
const COMPACTION_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Engine {
    database: Database,
    conversations: Keyspace,
    budgets: Keyspace,
    analytics: Keyspace,
    jobs: Keyspace,
    parts: Keyspace,
    ended: Keyspace,
    repeats: Keyspace,
    messages: Keyspace,
    texts: Keyspace,
    switches: Keyspace,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

/// What a group's record is found by.
fn key(group: &Group, slot: u32) -> [u8; 36] {
    let mut key = [0; 36];
    key[..32].copy_from_slice(group);
    key[32..].copy_from_slice(&slot.to_be_bytes());
    key
}

impl Engine {
    /// Whether the disk would let the database be opened again: one that has failed can still be read, so it is not given up
    /// before.
    pub(super) fn room(folder: &Path) -> io::Result<()> {
        let path = folder.join("room");
        let mut file = File::create(&path)?;
        let written = file
            .set_len(JOURNAL_BYTES)
            .and_then(|()| file.write_all(&[1; ROOM]))
            .and_then(|()| file.sync_data());
        std::fs::remove_file(&path)?;
        written
    }

    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let failed = |source| match source {
            fjall::Error::Locked => StoreError::InUse { path: folder.to_owned() },
            source => StoreError::Engine { path: folder.to_owned(), source },
        };
        let database = Database::builder(folder)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .max_cached_files(Some(MAX_OPEN_FILES))
            .worker_threads(1)
            .open()
            .map_err(failed)?;
        let space = |name| {
            database
                .keyspace(name, || {
                    KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)
                })
                .map_err(failed)
        };
        let about = space("about")?;
        match about.get("format").map_err(failed)? {
            None => about.insert("format", FORMAT).map_err(failed)?,
            Some(found) if *found == *FORMAT.as_bytes() => {}
            Some(found) => {
                let found = String::from_utf8_lossy(found.get(..32).unwrap_or(&found)).into_owned();
                return Err(StoreError::Format { path: folder.to_owned(), found });
            }
        }
        Ok(Self {
            conversations: space("conversations")?,
            budgets: space("budgets")?,
            analytics: space("analytics")?,
            jobs: space("jobs")?,
            parts: space("parts")?,
            ended: space("ended")?,
            repeats: space("repeats")?,
            messages: space("messages")?,
            texts: space("texts")?,
            switches: space("switches")?,
            database,
        })
    }

    pub(super) fn space(&self, space: Space) -> &Keyspace {
        match space {
            Space::Conversations => &self.conversations,
            Space::Budgets => &self.budgets,
            Space::Analytics => &self.analytics,
        }
    }

    pub(super) fn table(&self, table: Table) -> &Keyspace {
        match table {
            Table::Jobs => &self.jobs,
            Table::Parts => &self.parts,
            Table::Ended => &self.ended,
            Table::Repeats => &self.repeats,
            Table::Messages => &self.messages,
            Table::Texts => &self.texts,
            Table::Switches => &self.switches,
        }
    }

    /// All rows of a table as they are now, whatever is written meanwhile. They keep the database's lock from nobody.
    pub(super) fn freeze(&self, table: Table) -> Iter {
        self.database.snapshot().iter(self.table(table))
    }

    pub(super) fn read(&self, space: Space, group: &Group) -> fjall::Result<Vec<Slotted>> {
        let keyspace = self.space(space);
        // A filter answers this for nearly every group that is not there.
        let Some(first) = keyspace.get(key(group, 0))? else {
            return Ok(Vec::new());
        };
        let mut found = vec![(0, Arc::from(&*first))];
        for guard in keyspace.range(key(group, 1)..=key(group, u32::MAX)) {
            let (key, record) = guard.into_inner()?;
            let slot = key.get(32..).and_then(|slot| slot.try_into().ok());
            found.push((slot.map_or(0, u32::from_be_bytes), Arc::from(&*record)));
        }
        found.retain(|(_, record): &Slotted| record.len() >= STAMP);
        Ok(found)
    }

    /// One record, wherever the first of its group is.
    pub(super) fn slot(
        &self,
        space: Space,
        group: &Group,
        slot: u32,
    ) -> fjall::Result<Option<Arc<[u8]>>> {
        let record = self.space(space).get(key(group, slot))?;
        Ok(record.map(|record| Arc::from(&*record)))
    }

    /// What stands in a row.
    pub(super) fn row(&self, table: Table, key: &[u8]) -> fjall::Result<Option<Arc<[u8]>>> {
        Ok(self.table(table).get(key)?.map(|value| Arc::from(&*value)))
    }

    /// What rows hold now that were to become something else: writing it undoes that.
    pub(super) fn undo(&self, rows: &Rows) -> fjall::Result<Rows> {
        let before = rows.keys().map(|(table, key)| {
            let before = self.row(*table, key)?;
            Ok(((*table, key.clone()), before))
        });
        before.collect()
    }

    /// Writes a batch and rows, whole or not at all, and waits until the disk has them.
    pub(super) fn commit(&self, batch: &Batch, rows: &Rows) -> fjall::Result<()> {
        self.wait()?;
        let mut writes = self.database.batch().durability(Some(PersistMode::SyncData));
        for ((space, group), change) in &batch.groups {
            let keyspace = self.space(*space);
            if change.wipe {
                for guard in keyspace.prefix(group) {
                    writes.remove(keyspace, guard.key()?);
                }
            }
            for (slot, record) in &change.slots {
                writes.insert(keyspace, key(group, *slot), &**record);
            }
        }
        for ((table, key), value) in rows {
            let keyspace = self.table(*table);
            match value {
                Some(value) => writes.insert(keyspace, &**key, &**value),
                None => writes.remove(keyspace, &**key),
            }
        }
        writes.commit()
    }

    /// An empty batch that a crash may lose, for what would only be done again.
    pub(super) fn careless(&self) -> OwnedWriteBatch {
        self.database.batch()
    }

    /// All that a commit may write to.
    fn written(&self) -> [&Keyspace; 10] {
        [
            &self.conversations,
            &self.budgets,
            &self.analytics,
            &self.jobs,
            &self.parts,
            &self.ended,
            &self.repeats,
            &self.messages,
            &self.texts,
            &self.switches,
        ]
    }

    /// Waits until a commit need not.
    fn wait(&self) -> fjall::Result<()> {
        let start = Instant::now();
        let behind = |keyspace: &Keyspace| {
            keyspace.sealed_memtable_count() >= MAX_BEHIND.0
                || keyspace.l0_table_count() >= MAX_BEHIND.1
        };
        while self.written().into_iter().any(behind) {
            if start.elapsed() > COMPACTION_TIMEOUT {
                return Err(fjall::Error::Poisoned);
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_commit_can_wait_for_what_is_not_looked_at_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::open(folder.path()).unwrap();
        // The format alone is written by nobody later.
        assert_eq!(engine.written().len() + 1, engine.database.keyspace_count());
    }
}
