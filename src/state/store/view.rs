//! Reading rows: what the disk has, never what is still on its way there.

use super::durable::Table;
use super::engine::Engine;
use super::{Shared, StoreError};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The rows as they are. While it is held after a failure the database cannot be opened again, so it is held briefly.
#[derive(Debug)]
pub struct View<'a> {
    shared: &'a Shared,
    engine: Arc<Engine>,
}

/// From which key to which.
pub type Range<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

impl<'a> View<'a> {
    pub(super) fn new(shared: &'a Shared) -> Result<Self, StoreError> {
        let engine = shared.engine.load_full();
        let engine = engine.ok_or(StoreError::Closed).inspect_err(|_| {
            shared.totals.unread.fetch_add(1, Relaxed);
        })?;
        Ok(Self { shared, engine })
    }

    /// A row, if it is there.
    ///
    /// # Errors
    ///
    /// The database does not read.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.engine.row(table, key).map_err(|source| self.unread(source))
    }

    /// Shows each row of a range in the order of the keys, or against it, until told to stop.
    ///
    /// # Errors
    ///
    /// The database does not read.
    pub fn walk(
        &self,
        table: Table,
        range: Range<'_>,
        backwards: bool,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut rows = self.engine.table(table).range::<&[u8], _>(range);
        loop {
            let next = if backwards { rows.next_back() } else { rows.next() };
            let Some(guard) = next else {
                return Ok(());
            };
            let (key, value) = guard.into_inner().map_err(|source| self.unread(source))?;
            if visit(&key, &value).is_break() {
                return Ok(());
            }
        }
    }

    fn unread(&self, source: fjall::Error) -> StoreError {
        unread(self.shared, source)
    }
}

fn unread(shared: &Shared, source: fjall::Error) -> StoreError {
    shared.totals.unread.fetch_add(1, Relaxed);
    StoreError::Engine { path: shared.folder.clone(), source }
}

/// All rows of a table as they were at one moment. Unlike a [`View`] it may be held for long.
pub struct Frozen {
    shared: Arc<Shared>,
    rows: fjall::Iter,
}

impl std::fmt::Debug for Frozen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Frozen")
    }
}

impl Frozen {
    pub(super) fn new(shared: &Arc<Shared>, table: Table) -> Result<Self, StoreError> {
        let rows = View::new(shared)?.engine.freeze(table);
        Ok(Self { shared: Arc::clone(shared), rows })
    }

    /// Shows the rows that it has not shown, in the order of their keys, until told to stop. True: it was told to.
    ///
    /// # Errors
    ///
    /// The database does not read.
    pub fn walk(
        &mut self,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<bool, StoreError> {
        for guard in self.rows.by_ref() {
            let row = guard.into_inner();
            let (key, value) = row.map_err(|source| unread(&self.shared, source))?;
            if visit(&key, &value).is_break() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
