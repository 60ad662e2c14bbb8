//! What one worker has noted and not yet handed over.

use super::{Analytics, Happened};
use std::cell::RefCell;
use std::sync::Arc;

/// The most notes that a worker holds before it hands them over without waiting for its tick.
pub const MAX_NOTES: usize = 1024;

/// Whose figures something belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whose {
    /// The bot's id, or a template's key.
    pub bot: Arc<str>,
    /// Where it is an id under a template: the template's key, which it counts for where there are too many ids.
    pub template: Option<Arc<str>>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Note {
    /// Whose it is.
    pub whose: Whose,
    /// In which hour, as [`super::hour`] counts.
    pub hour: u32,
    /// What.
    pub happened: Happened,
}

/// Notes, in the room that the first ones were given.
#[derive(Debug, Default)]
pub struct Notes(RefCell<Vec<Note>>);

impl Notes {
    /// Takes one more.
    pub fn push(&self, note: Note, analytics: &Analytics) {
        let mut notes = self.0.borrow_mut();
        if notes.len() >= MAX_NOTES {
            analytics.take(notes.drain(..));
        }
        notes.push(note);
    }

    /// Hands all of them over.
    pub fn flush(&self, analytics: &Analytics) {
        let mut notes = self.0.borrow_mut();
        if !notes.is_empty() {
            analytics.take(notes.drain(..));
        }
    }
}
