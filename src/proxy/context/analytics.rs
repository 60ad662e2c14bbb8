//! What of a request goes into its bot's figures.

use super::RequestContext;
use crate::state::analytics::Happened;
use std::time::Duration;

impl RequestContext {
    /// Whoever sent it has proven that the bot's id is his.
    pub fn proven(&mut self) {
        self.proven = true;
    }

    /// Its answer comes later: its response is none.
    pub fn later(&mut self) {
        self.later = true;
    }

    /// It is over. `left`: its caller did not wait for a response.
    pub(super) fn ended(&self, left: bool) {
        let answered = !self.later && self.record.reason.is_empty();
        let happened = match self.code {
            Some(code) => Happened::Refused(code),
            // Of whom nothing is proven, there is nothing to be told.
            None if left && !self.proven => return,
            None => Happened::Accepted(
                answered.then_some(Duration::from_nanos(self.record.duration_ns)),
            ),
        };
        let at_ms = self.began_ms + self.record.duration_ns / 1_000_000;
        self.happened(happened, at_ms);
    }

    /// At this time, in milliseconds since 1970.
    pub(super) fn happened(&self, happened: Happened, at_ms: u64) {
        if let (Some((view, index)), Some(id)) = (&self.bot, &self.record.bot) {
            self.worker.record_analytics((view, *index), id, self.proven, happened, at_ms);
        }
    }
}
