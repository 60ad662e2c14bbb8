//! Reading rows: what the disk has, never what is still on its way there.

use super::durable::Table;
use super::engine::Engine;
use super::{Shared, StoreError};
use arc_swap::Guard;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

/// The rows as they are. While it is held after a failure the database cannot be opened again, so it is held briefly.
#[derive(Debug)]
pub struct View<'a> {
    shared: &'a Shared,
    /// `None`: the store has no folder, and so no rows.
    engine: Option<Arc<Engine>>,
}

/// From which key to which.
pub type Range<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

impl<'a> View<'a> {
    pub(super) fn new(shared: &'a Shared) -> Result<Self, StoreError> {
        Ok(Self { shared, engine: Guard::into_inner(shared.engine()?) })
    }

    /// A row, if it is there.
    ///
    /// # Errors
    ///
    /// The database does not read.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Arc<[u8]>>, StoreError> {
        let row = self.engine.as_ref().map(|engine| engine.row(table, key));
        Ok(row.transpose().map_err(|source| self.shared.unread(source))?.flatten())
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
        let Some(engine) = &self.engine else {
            return Ok(());
        };
        let mut rows = engine.table(table).range::<&[u8], _>(range);
        loop {
            let next = if backwards { rows.next_back() } else { rows.next() };
            let Some(guard) = next else {
                return Ok(());
            };
            let (key, value) = guard.into_inner().map_err(|source| self.shared.unread(source))?;
            if visit(&key, &value).is_break() {
                return Ok(());
            }
        }
    }
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
        let rows = View::new(shared)?.engine.ok_or(StoreError::Closed)?.freeze(table);
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
            let (key, value) = row.map_err(|source| self.shared.unread(source))?;
            if visit(&key, &value).is_break() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
