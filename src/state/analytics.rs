//! What is counted of each bot, hour by hour: requests, tokens, money, how long answers took, what became of callbacks.
//!
//! A worker notes what happens and hands its notes over at every tick; until then nobody else is asked. What has changed is written to
//! the store every few seconds and at a stop, so a kill costs those seconds. A bot has a record for each hour in a ring of [`MAX_HOURS`].
//!
//! Bots of the configuration always have figures of their own, and so have templates. Ids under a template are as many as callers
//! like: only those that are proven have figures, and only [`MAX_IDS`] at once; what is beyond counts for the template.

mod figures;
mod latency;
mod notes;

pub use figures::{CODES, Figures, Happened};
pub use latency::Latency;
pub use notes::{MAX_NOTES, Note, Notes, Whose};

use crate::state::store::{Full, Group, Space, Store, StoreError};
use foldhash::fast::RandomState;
use ring::digest::{Context, SHA256};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The hours that figures are kept for: the current one and 30 days before it.
pub const MAX_HOURS: u32 = 30 * 24 + 1;
/// The most ids under templates that have figures in memory: those of this hour, and of earlier ones until the disk has them.
pub const MAX_IDS: usize = 10_000;
/// The most hours in memory: there is more than one while the disk has not taken the last. Past it the oldest is lost.
pub const MAX_HOURS_IN_MEMORY: usize = 24;
const HOUR_MS: u64 = 3_600_000;

/// The hour of a time in milliseconds since 1970, counted from then.
pub fn hour(unix_ms: u64) -> u32 {
    u32::try_from(unix_ms / HOUR_MS).unwrap_or(u32::MAX)
}

#[derive(Debug, Default)]
struct Cell {
    figures: Figures,
    /// One of the [`MAX_IDS`].
    spare: bool,
    /// What the store had of the hour is in the figures.
    loaded: bool,
    unsaved: bool,
}

type Cells = HashMap<Arc<str>, Cell, RandomState>;

#[derive(Debug, Default)]
struct Table {
    hours: BTreeMap<u32, Cells>,
    spare: usize,
}

/// The figures of all bots.
#[derive(Debug)]
pub struct Analytics {
    table: Mutex<Table>,
    /// Held while what is on disk and in memory changes places.
    moving: Mutex<()>,
    store: Arc<Store>,
    most: usize,
}

/// Nothing is left half changed under these locks.
fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Analytics {
    /// Those of a store.
    pub fn new(store: Arc<Store>) -> Self {
        Self::bounded(store, MAX_IDS)
    }

    fn bounded(store: Arc<Store>, most: usize) -> Self {
        Self { table: Mutex::default(), moving: Mutex::default(), store, most }
    }

    /// Counts what was noted.
    fn take(&self, notes: impl Iterator<Item = Note>) {
        let mut table = lock(&self.table);
        notes.for_each(|note| table.count(note, self.most));
    }

    /// Hands what has changed to the store, and forgets the hours that are over. Some microseconds for each bot: not for a worker.
    /// `now_ms`: milliseconds since 1970.
    pub fn save(&self, now_ms: u64) {
        let _moving = lock(&self.moving);
        let unsaved = lock(&self.table).unsaved();
        for (hour, bot) in unsaved {
            // What fails is tried again the next time.
            let _ = self.save_one(hour, &bot);
        }
        let over = lock(&self.table).leave(hour(now_ms));
        drop(over);
    }

    fn save_one(&self, hour: u32, bot: &Arc<str>) -> Result<(), Unsaved> {
        let group = group(bot);
        let expires_ms = u64::from(hour.saturating_add(MAX_HOURS)) * HOUR_MS;
        let put =
            |slot, record: Vec<u8>| self.store.put(Space::Analytics, &group, slot, record.into());
        let fresh = lock(&self.table).cell(hour, bot).is_some_and(|cell| !cell.loaded);
        let before = if fresh {
            let mut first = expires_ms.to_be_bytes().to_vec();
            first.extend_from_slice(bot.as_bytes());
            put(0, first)?;
            let record = self.store.slot(Space::Analytics, &group, slot(hour))?;
            record.and_then(|record| Figures::read(&record))
        } else {
            None
        };
        let record = {
            let mut table = lock(&self.table);
            let Some(cell) = table.cell(hour, bot) else {
                return Ok(());
            };
            if let Some((_, before)) = before.filter(|(of, _)| *of == hour) {
                cell.figures.add(&before);
            }
            cell.loaded = true;
            cell.unsaved = false;
            cell.figures.write(hour, expires_ms)
        };
        put(slot(hour), record).inspect_err(|_| {
            if let Some(cell) = lock(&self.table).cell(hour, bot) {
                cell.unsaved = true;
            }
        })?;
        Ok(())
    }

    /// A bot's figures of each of these hours that has any; `None` where none are known of any hour. Of hours longer ago than
    /// [`MAX_HOURS`] there are none. Reads the disk.
    ///
    /// # Errors
    ///
    /// The store does not read.
    pub fn of(
        &self,
        bot: &str,
        hours: Range<u32>,
        now_ms: u64,
    ) -> Result<Option<BTreeMap<u32, Figures>>, StoreError> {
        let first = hour(now_ms).saturating_sub(MAX_HOURS - 1);
        let _moving = lock(&self.moving);
        let records = self.store.read(Space::Analytics, &group(bot))?;
        let records = records.iter().filter(|(slot, _)| *slot > 0);
        let mut found: BTreeMap<u32, Figures> =
            records.filter_map(|(_, record)| Figures::read(record)).collect();
        for (hour, cells) in &lock(&self.table).hours {
            let Some(cell) = cells.get(bot) else {
                continue;
            };
            let figures = found.entry(*hour).or_default();
            if cell.loaded {
                *figures = cell.figures.clone();
            } else {
                figures.add(&cell.figures);
            }
        }
        found.retain(|hour, _| *hour >= first);
        let known = !found.is_empty();
        found.retain(|hour, _| hours.contains(hour));
        Ok(known.then_some(found))
    }
}

/// Why figures are not saved yet.
#[derive(Debug, thiserror::Error)]
enum Unsaved {
    #[error(transparent)]
    Full(#[from] Full),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the store finds a bot by.
fn group(bot: &str) -> Group {
    let mut hash = Context::new(&SHA256);
    for part in ["analytics", bot] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let mut group = [0; 32];
    group.copy_from_slice(hash.finish().as_ref());
    group
}

/// Where an hour stands in the ring. The first slot is the group's own.
fn slot(hour: u32) -> u32 {
    1 + hour % MAX_HOURS
}

impl Table {
    fn count(&mut self, note: Note, most: usize) {
        let Note { whose: Whose { bot, template }, hour, happened } = note;
        if !self.hours.contains_key(&hour) && self.hours.len() >= MAX_HOURS_IN_MEMORY {
            let lost = self.hours.pop_first();
            self.forget(lost.as_ref().map(|(_, cells)| cells));
            tracing::warn!("the oldest analytics are lost: they could not be written");
        }
        let cells = self.hours.entry(hour).or_default();
        let beyond = self.spare >= most;
        let (bot, spare) = match template {
            Some(template) if beyond && !cells.contains_key(&bot) => (template, false),
            template => (bot, template.is_some()),
        };
        let cell = cells.entry(bot).or_insert_with(|| {
            self.spare += usize::from(spare);
            Cell { spare, ..Cell::default() }
        });
        cell.figures.count(happened);
        cell.unsaved = true;
    }

    fn cell(&mut self, hour: u32, bot: &Arc<str>) -> Option<&mut Cell> {
        self.hours.get_mut(&hour)?.get_mut(bot)
    }

    fn unsaved(&self) -> Vec<(u32, Arc<str>)> {
        let cells = self.hours.iter();
        let cells = cells.flat_map(|(hour, cells)| cells.iter().map(|cell| (*hour, cell)));
        let unsaved = cells.filter(|(_, (_, cell))| cell.unsaved);
        unsaved.map(|(hour, (bot, _))| (hour, bot.clone())).collect()
    }

    /// Takes out all hours but this one that the store has.
    fn leave(&mut self, now: u32) -> Vec<Cells> {
        let saved = |cells: &Cells| !cells.values().any(|cell| cell.unsaved);
        let over = self.hours.iter().filter(|(hour, cells)| **hour != now && saved(cells));
        let over: Vec<u32> = over.map(|(hour, _)| *hour).collect();
        let over: Vec<Cells> = over.iter().filter_map(|hour| self.hours.remove(hour)).collect();
        self.forget(&over);
        over
    }

    fn forget<'a>(&mut self, cells: impl IntoIterator<Item = &'a Cells>) {
        let cells = cells.into_iter().flat_map(HashMap::values);
        self.spare -= cells.filter(|cell| cell.spare).count();
    }
}

#[cfg(test)]
mod tests;
