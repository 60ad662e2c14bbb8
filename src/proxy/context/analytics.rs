//! What a request adds to its bot's figures.

use super::RequestContext;
use crate::state::analytics::Happened;
use std::time::Duration;

impl RequestContext {
    /// Its sender has proven that the bot's id is its own.
    pub fn set_authenticated(&mut self) {
        self.authenticated = true;
    }

    /// Its answer leaves as a callback: the response is none.
    pub fn set_answered_later(&mut self) {
        self.answered_later = true;
    }

    /// Counts how it ended. `left`: its caller did not wait for a response.
    pub(super) fn record_end(&self, left: bool) {
        let answered = !self.answered_later && self.record.reason.is_empty();
        let happened = match self.code {
            Some(code) => Happened::Refused(code),
            // A caller that proved nothing does not show up in a bot's figures.
            None if left && !self.authenticated => return,
            None => Happened::Accepted(
                answered.then_some(Duration::from_nanos(self.record.duration_ns)),
            ),
        };
        let at_ms = self.start_ms + self.record.duration_ns / 1_000_000;
        self.record_analytics(happened, at_ms);
    }

    /// At this time, in milliseconds since 1970.
    pub(super) fn record_analytics(&self, happened: Happened, at_ms: u64) {
        if let (Some((snapshot, index)), Some(id)) = (&self.bot, &self.record.bot) {
            self.worker.record_analytics(
                (snapshot, *index),
                id,
                self.authenticated,
                happened,
                at_ms,
            );
        }
    }
}
