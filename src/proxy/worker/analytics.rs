//! What a worker notes of the bots' figures, and whose it is.

use super::{ConfigSnapshot, Worker};
use crate::state::analytics::{Happened, Note, Whose, hour};
use std::sync::Arc;

impl ConfigSnapshot {
    /// Whose figures something belongs to that happened to the bot at this place: the id's that it was asked for under, or its
    /// template's where nobody has proven that the id is his.
    fn analytics_key(&self, index: usize, id: &Arc<str>, proven: bool) -> Option<Whose> {
        let bot = self.registry.bots().get(index)?;
        if !bot.template {
            return Some(Whose { bot: bot.id.clone(), template: None });
        }
        let label = self.labels.get(index)?.clone();
        Some(if proven {
            Whose { bot: id.clone(), template: Some(label) }
        } else {
            Whose { bot: label, template: None }
        })
    }
}

impl Worker {
    /// Notes what happened to a bot at this time, in milliseconds since 1970: the one at this place, asked for under this id.
    pub fn record_analytics(
        &self,
        (snapshot, index): (&ConfigSnapshot, usize),
        id: &Arc<str>,
        proven: bool,
        happened: Happened,
        at_ms: u64,
    ) {
        let state = &self.shared.state;
        if state.is_open()
            && let Some(whose) = snapshot.analytics_key(index, id, proven)
        {
            let note = Note { whose, hour: hour(at_ms), happened };
            self.notes.push(note, &state.analytics);
        }
    }

    pub(super) fn flush_analytics(&self) {
        self.notes.flush(&self.shared.state.analytics);
    }
}

/// The last requests end when nothing else of the worker goes on.
impl Drop for Worker {
    fn drop(&mut self) {
        self.flush_analytics();
    }
}
