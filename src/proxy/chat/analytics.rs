//! What of a message that is answered later goes into its bot's figures.

use super::job::AnswerJob;
use crate::clock;
use crate::state::analytics::Happened;
use std::time::Duration;

impl AnswerJob {
    /// Its answer is safe.
    pub(super) fn note_answer(&self) {
        let took = clock::unix_ms().saturating_sub(self.accepted_ms);
        self.note(Happened::Answered(Duration::from_millis(took)));
    }

    /// It is given up.
    pub(super) fn note_end(&self) {
        self.note(Happened::Dead);
    }

    fn note(&self, happened: Happened) {
        let at_ms = clock::unix_ms();
        let bot = (&*self.snapshot, self.index);
        self.worker.record_analytics(bot, &self.bot, true, happened, at_ms);
    }
}
