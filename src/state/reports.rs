//! What bots have reported (seed 004): the latest messages of each, on disk, for who asks for them page by page.
//!
//! Whoever keeps a message gets the rows to write it with, so that it is on disk together with what follows from it. Memory knows of
//! each message whose it is and how large; what it says lies on disk alone.

mod index;

use crate::state::jobs::Id;
use crate::state::store::{Changes, Store, StoreError, Table};
use index::{Index, Known};
use serde::Deserialize;
use serde_json::Value;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The largest message, as JSON, in bytes.
pub const MAX_REPORT: usize = 8 * 1024 * 1024;
/// The most messages that are forgotten at once.
pub const MAX_FORGOTTEN: usize = 1_000;
/// The most messages on a page.
pub const MAX_PAGE: usize = 100;
/// With so many bytes a page ends; a single larger message still makes one.
pub const MAX_PAGE_BYTES: usize = 1024 * 1024;
/// The version of the records, their first byte.
const VERSION: u8 = 1;

/// How much is kept; past it the oldest go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Messages of all bots together.
    pub all: Room,
    /// Messages of each bot.
    pub each: Room,
}

/// Room for messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// How many.
    pub messages: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// What is kept where nobody says otherwise.
pub const BOUNDS: Bounds = Bounds {
    all: Room { messages: 100_000, bytes: 256 * 1024 * 1024 },
    each: Room { messages: 10_000, bytes: 32 * 1024 * 1024 },
};

/// A piece of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The messages as JSON, the newest first.
    pub items: Vec<String>,
    /// Where the next page begins; none: this was the last.
    pub next: Option<Id>,
}

/// A message on its way to the disk.
pub struct PendingReport {
    /// The rows that it changes.
    pub changes: Changes,
    /// To be told whether the disk took them.
    pub on_written: Box<dyn FnOnce(bool) + Send>,
}

/// What was said stays out of every log.
impl std::fmt::Debug for PendingReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Coming")
    }
}

/// All messages.
#[derive(Debug)]
pub struct Reports {
    store: Arc<Store>,
    index: Arc<Mutex<Index>>,
}

/// Nothing is left half changed under this lock.
fn lock(index: &Mutex<Index>) -> MutexGuard<'_, Index> {
    index.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reports {
    /// Finds what a store holds.
    ///
    /// # Errors
    ///
    /// The store does not read, or holds what another version wrote.
    pub fn open(store: Arc<Store>, bounds: Bounds) -> Result<Self, StoreError> {
        let reports = Self::new(store, bounds);
        let mut index = lock(&reports.index);
        let mut unknown = None;
        let all = (Bound::Unbounded, Bound::Unbounded);
        reports.store.view()?.walk(Table::Messages, all, false, |key, row| {
            match (Id::from_bytes(key), read(row)) {
                (Some(id), Some((size, bot))) => index.insert(id, bot, size),
                _ => unknown = Some(row.first().copied().unwrap_or_default()),
            }
            match unknown {
                None => ControlFlow::Continue(()),
                Some(_) => ControlFlow::Break(()),
            }
        })?;
        if let Some(version) = unknown {
            return Err(StoreError::Format {
                path: reports.store.folder().to_owned(),
                found: format!("messages of version {version}"),
            });
        }
        drop(index);
        Ok(reports)
    }

    /// Those of a store that holds none.
    pub(super) fn new(store: Arc<Store>, bounds: Bounds) -> Self {
        Self { store, index: Arc::new(Mutex::new(Index::new(bounds))) }
    }

    /// What is to be written so that a message is kept, and the oldest go where there is no room for it. `json` is at most
    /// [`MAX_REPORT`] bytes; `None` where it is more.
    pub fn keep(&self, id: Id, bot: &str, json: &[u8]) -> Option<PendingReport> {
        let size = u32::try_from(json.len()).ok().filter(|_| json.len() <= MAX_REPORT)?;
        let gone = lock(&self.index).push(id, bot, size);
        let mut changes = Changes::default();
        changes.put(Table::Messages, id.bytes(), write(size, bot).into());
        let text = [&[VERSION][..], json].concat();
        changes.put(Table::Texts, id.bytes(), text.into());
        delete(&mut changes, &gone);
        let index = Arc::clone(&self.index);
        let then = move |written: bool| {
            if !written {
                let mut index = lock(&index);
                index.remove(id);
                index.take_back(gone);
            }
        };
        Some(PendingReport { changes, on_written: Box::new(then) })
    }

    /// Messages older than a cursor, of one bot or of all: at most `limit`, and never more than [`MAX_PAGE`].
    ///
    /// # Errors
    ///
    /// The store does not read.
    pub fn list(
        &self,
        bot: Option<&str>,
        before: Option<Id>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let mut ids = lock(&self.index).before(bot, before, limit + 1);
        let more = ids.len() > limit;
        ids.truncate(limit);
        let view = self.store.view()?;
        let (mut page, mut bytes) = (Page::default(), 0);
        let mut last = None;
        for id in &ids {
            if bytes >= MAX_PAGE_BYTES {
                page.next = last;
                return Ok(page);
            }
            // What is on its way to the disk is not there yet, and what had to go is not there any more.
            if let Some(text) = view.get(Table::Texts, id.bytes())? {
                bytes += text.len();
                let json = text.split_first().map(|(_, json)| json);
                page.items.extend(json.map(|json| String::from_utf8_lossy(json).into_owned()));
            }
            last = Some(*id);
        }
        page.next = last.filter(|_| more);
        Ok(page)
    }

    /// What is to be written so that what a bot has reported about a user goes, at most [`MAX_FORGOTTEN`] messages, and how many
    /// that are. It reads all of the bot's.
    ///
    /// # Errors
    ///
    /// The store does not read.
    pub fn forget(&self, bot: &str, user: &str) -> Result<(usize, PendingReport), StoreError> {
        let ids = lock(&self.index).before(Some(bot), None, usize::MAX);
        let (view, mut of_user) = (self.store.view()?, Vec::new());
        for id in ids {
            let text = view.get(Table::Texts, id.bytes())?;
            let json = text.as_deref().and_then(<[u8]>::split_first);
            if json.is_some_and(|(_, json)| user_of(json).as_deref() == Some(user)) {
                of_user.push(id);
            }
            if of_user.len() == MAX_FORGOTTEN {
                break;
            }
        }
        let gone: Vec<_> = {
            let mut index = lock(&self.index);
            of_user.iter().filter_map(|id| index.remove(*id)).collect()
        };
        let mut changes = Changes::default();
        delete(&mut changes, &gone);
        let index = Arc::clone(&self.index);
        let messages = gone.len();
        let then = move |written: bool| {
            if !written {
                lock(&index).take_back(gone);
            }
        };
        let then = Box::new(then);
        Ok((messages, PendingReport { changes, on_written: then }))
    }

    /// What is kept now.
    pub fn held(&self) -> Room {
        lock(&self.index).held()
    }
}

fn delete(changes: &mut Changes, gone: &[Known]) {
    for (id, ..) in gone {
        changes.remove(Table::Messages, id.bytes());
        changes.remove(Table::Texts, id.bytes());
    }
}

/// The user whom a message is about, where its data says so.
fn user_of(json: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Message {
        data: Option<Data>,
    }
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "userId")]
        user: Option<Value>,
    }
    let message: Message = serde_json::from_slice(json).ok()?;
    match message.data?.user? {
        Value::String(user) => Some(user),
        Value::Number(user) => Some(user.to_string()),
        _ => None,
    }
}

fn write(size: u32, bot: &str) -> Vec<u8> {
    [&[VERSION][..], &size.to_le_bytes(), bot.as_bytes()].concat()
}

/// How large a message is, and whose.
fn read(row: &[u8]) -> Option<(u32, &str)> {
    let (&[VERSION], row) = row.split_first_chunk()? else {
        return None;
    };
    let (size, bot) = row.split_first_chunk()?;
    Some((u32::from_le_bytes(*size), std::str::from_utf8(bot).ok()?))
}

#[cfg(test)]
mod tests;
