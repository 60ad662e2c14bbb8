//! Giving a job up, and the events that tell subscribers of it.

use super::dispatcher::Dispatcher;
use crate::clock;
use crate::codec::bot_event::{EventType, error};
use crate::proxy::bot::Subscriber;
use crate::proxy::chat::{EventDelivery, delivery_jobs, event_deliveries, retry_until_written};
use crate::state::analytics::Happened;
use crate::state::jobs::{Head, Id, JobsError};

impl Dispatcher {
    /// Ends a job without another attempt.
    pub(super) async fn give_up(&self, id: Id, head: &Head, reason: &str) -> Result<(), JobsError> {
        tracing::warn!(%id, reason, "a message is dead-lettered");
        let events = self.dead_letter_events(id, head, reason);
        let jobs = delivery_jobs(&events, &head.bot, &head.dialect, head.subject);
        retry_until_written(|| self.jobs.give_up(id, reason, &jobs, clock::unix_ms())).await?;
        self.record_analytics(head, Happened::Dead);
        Ok(())
    }

    /// The events that tell of a job that is given up: none where the job is itself an event, since that would have no end.
    pub(super) fn dead_letter_events(
        &self,
        id: Id,
        head: &Head,
        reason: &str,
    ) -> Vec<EventDelivery> {
        if Subscriber::has_name(&head.receiver) {
            return Vec::new();
        }
        let (snapshot, id) = (self.worker.snapshot(), id.to_string());
        let (registry, now_ms) = (&snapshot.registry, clock::unix_ms());
        event_deliveries(registry, EventType::Error, &head.bot, now_ms, |envelope, out| {
            error(envelope, &id, reason, out);
        })
    }
}
