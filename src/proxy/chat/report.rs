//! What a bot reports: kept, told to whoever subscribes, and on disk before the bot is told that it has arrived.

use super::event_jobs::{EventDelivery, delivery_jobs, event_deliveries};
use super::{Message, PendingIdempotency};
use crate::codec::bot_event::{self, EventType};
use crate::codec::message::Event;
use crate::state::jobs::{AcceptOptions, Id, Job, JobsError, Step, Subject};
use crate::state::reports::MAX_REPORT;

/// A report and what follows from it.
pub(super) struct Report {
    /// Its id here: the message's, whoever is told of it.
    pub(super) id: Id,
    /// As it is kept: JSON.
    json: Vec<u8>,
    letters: Vec<EventDelivery>,
    subject: Subject,
}

impl Report {
    /// What a message becomes that came at this time, in milliseconds since 1970.
    pub(super) fn new(message: &Message<'_>, event: &Event<'_>, now_ms: u64) -> Self {
        let (registry, bot) = (&message.snapshot.registry, message.id);
        let id = Id::new(now_ms);
        let text = id.to_string();
        let envelope = bot_event::Envelope { id: &text, bot, now_ms };
        let mut json = Vec::new();
        bot_event::report(&envelope, event, &mut json);
        let kind = EventType::of(event.message_type);
        let letters = event_deliveries(registry, kind, bot, now_ms, |envelope, out| {
            bot_event::received(envelope, &text, event, out);
        });
        Self { id, json, letters, subject: Subject::of(bot, event.user.id.as_deref()) }
    }

    /// Has all of it put on disk, with the job that has it answered, if it is to be, and with what is pendingd to whoever repeats it,
    /// as long as any job follows from it.
    ///
    /// # Errors
    ///
    /// It is too large, or the journal does not take it.
    pub(super) fn accept(
        &self,
        message: &Message<'_>,
        answer: Option<Job<'_>>,
        pending: Option<PendingIdempotency>,
        now_ms: u64,
    ) -> Result<Step, JobsError> {
        let state = &message.worker.shared.state;
        let dialect = message.found.bot.dialect.name;
        let mut jobs = delivery_jobs(&self.letters, message.id, dialect, self.subject);
        jobs.extend(answer);
        let coming = state.reports.keep(self.id, message.id, &self.json);
        let coming = coming.ok_or(JobsError::TooLarge {
            what: "message",
            length: self.json.len(),
            most: MAX_REPORT,
        })?;
        let mut along = AcceptOptions { changes: coming.changes, ..AcceptOptions::default() };
        if let (Some(pending), Some(job)) = (&pending, jobs.last()) {
            along.record_response(job.id, &pending.record());
        }
        let then = coming.on_written;
        along.on_written = Some(Box::new(move |written| {
            then(written);
            if let Some(pending) = pending.filter(|_| written) {
                pending.complete();
            }
        }));
        state.jobs.accept_with(&jobs, along, now_ms)
    }
}
